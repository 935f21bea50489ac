//! Real clients. A message that one has written, the others read.

use crate::process::{Broker, beside, python, run};

fn kcat(broker: &Broker, args: &str, input: &str) -> String {
    let bootstrap = broker.bootstrap();
    let args: Vec<&str> = ["-b", &bootstrap].into_iter().chain(args.split(' ')).collect();
    run("kcat", &args, input)
}

#[test]
#[ignore = "needs kcat"]
fn kcat_writes_and_reads() {
    let broker = Broker::start(&["--port", "0", "--partitions", "2"]);
    assert!(kcat(&broker, "-L", "").contains("1 brokers"));
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        kcat(&broker, &format!("-P -t {compression} -p 1 -K: -z {compression}"), "k1:one\nk2:two\n");
        let read = kcat(&broker, &format!("-C -t {compression} -p 1 -K: -e -q"), "");
        assert_eq!(read, "k1:one\nk2:two\n", "{compression}");
        let read = kcat(&broker, &format!("-C -t {compression} -p 1 -o -1 -e -q"), "");
        assert_eq!(read, "two\n", "{compression}");
        let read = kcat(&broker, &format!("-C -t {compression} -p 1 -o s@0 -e -q"), "");
        assert_eq!(read, "one\ntwo\n", "{compression}");
    }
    kcat(&broker, "-P -t sure -X enable.idempotence=true", "a\nb\n");
    let read = kcat(&broker, "-C -t sure -e -q -o beginning", "");
    assert_eq!(read.split_whitespace().count(), 2);
    // Where the record of a time is.
    let found = kcat(&broker, "-Q -t gzip:1:0", "");
    assert_eq!(found.trim(), "gzip [1] offset 0");
}

#[test]
#[ignore = "needs a Python with confluent-kafka, kafka-python, aiokafka and their compressions, and Node with kafkajs"]
fn every_client_reads_what_every_client_writes() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::on(dir.path(), &[]);
    let (script, kafkajs) = (include_str!("everyone.py"), beside("program/kafkajs.js"));
    assert_eq!(run(python(), &["-c", script, &broker.bootstrap(), &kafkajs], ""), "well\n");
}

#[test]
#[ignore = "needs a Python with confluent-kafka and kafka-python"]
fn operators_make_configure_grow_and_describe() {
    let broker = Broker::start(&["--port", "0"]);
    assert_eq!(run(python(), &["-c", include_str!("admin.py"), &broker.bootstrap()], ""), "well\n");
}

#[test]
#[ignore = "needs Node with kafkajs"]
fn operators_do_the_same_from_node() {
    let broker = Broker::start(&["--port", "0"]);
    let said = run("node", &[&beside("program/kafkajs.js"), &broker.bootstrap(), "admin"], "");
    assert_eq!(said, "well\n");
}
