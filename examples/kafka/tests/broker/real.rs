//! Real clients. A message that one has written, the others read.

use std::process::{Command, Stdio};

use xs_kafka::Server;

/// Runs a program to its end, with something to read, and answers what it wrote.
async fn run(program: &str, args: Vec<String>, input: &'static str) -> String {
    let program = program.to_owned();
    let ran = move || {
        let mut child = Command::new(&program)
            .args(&args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", output.status);
        String::from_utf8(output.stdout).unwrap()
    };
    let (done, ran_to) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || done.send(ran()));
    ran_to.await.expect("the program ran")
}

async fn kcat(server: &Server, args: &str, input: &'static str) -> String {
    let args = format!("15 kcat -b {} {args}", server.bootstrap());
    run("timeout", args.split(' ').map(str::to_owned).collect(), input).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kcat"]
async fn kcat_writes_and_reads() {
    let server = Server::builder().partitions(2).ephemeral().await.unwrap();
    assert!(kcat(&server, "-L", "").await.contains("1 brokers"));
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        kcat(&server, &format!("-P -t {compression} -p 1 -K: -z {compression}"), "k1:one\nk2:two\n").await;
        let read = kcat(&server, &format!("-C -t {compression} -p 1 -K: -e -q"), "").await;
        assert_eq!(read, "k1:one\nk2:two\n", "{compression}");
        let read = kcat(&server, &format!("-C -t {compression} -p 1 -o -1 -e -q"), "").await;
        assert_eq!(read, "two\n", "{compression}");
    }
    kcat(&server, "-P -t sure -X enable.idempotence=true", "a\nb\n").await;
    let read = kcat(&server, "-C -t sure -e -q -o beginning", "").await;
    assert_eq!(read.split_whitespace().count(), 2);
}

/// Each client writes with each compression, and each reads all.
const PYTHON: &str = r#"
import asyncio, sys
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
import kafka, aiokafka

servers = sys.argv[1]
admin = AdminClient({"bootstrap.servers": servers})
for future in admin.create_topics([NewTopic("all", 1, 1)]).values(): future.result(10)
expected = []
for name in ["none", "gzip", "snappy", "lz4", "zstd"]:
    for idempotent in [False, True]:
        producer = Producer({"bootstrap.servers": servers, "compression.type": name, "enable.idempotence": idempotent})
        producer.produce("all", b"confluent " + name.encode(), headers={"h": b"1"})
        assert producer.flush(10) == 0
        expected.append(b"confluent " + name.encode())
    producer = kafka.KafkaProducer(bootstrap_servers=servers, compression_type=None if name == "none" else name)
    producer.send("all", b"python " + name.encode()).get(10)
    producer.close()
    expected.append(b"python " + name.encode())
async def produce():
    for name in ["none", "gzip", "snappy", "lz4", "zstd"]:
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=servers, compression_type=None if name == "none" else name)
        await producer.start()
        await producer.send_and_wait("all", b"aio " + name.encode())
        await producer.stop()
        expected.append(b"aio " + name.encode())
asyncio.run(produce())

consumer = Consumer({"bootstrap.servers": servers, "group.id": "g", "enable.auto.commit": False})
consumer.assign([TopicPartition("all", 0, 0)])
found = []
while len(found) < len(expected):
    message = consumer.poll(10)
    assert message is not None and not message.error(), message and message.error()
    found.append(message.value())
assert found == expected, found
assert consumer.get_watermark_offsets(TopicPartition("all", 0)) == (0, len(expected))
consumer.close()

consumer = kafka.KafkaConsumer(bootstrap_servers=servers, consumer_timeout_ms=10000)
partition = kafka.TopicPartition("all", 0)
consumer.assign([partition])
consumer.seek_to_beginning(partition)
found = []
for message in consumer:
    found.append(message.value)
    if len(found) == len(expected): break
assert found == expected, found
consumer.close()

async def consume():
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    partition = aiokafka.TopicPartition("all", 0)
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    found = [(await asyncio.wait_for(consumer.getone(), 10)).value for _ in expected]
    assert found == expected, found
    await consumer.stop()
asyncio.run(consume())
for future in admin.delete_topics(["all"]).values(): future.result(10)
print("well")
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with confluent-kafka, kafka-python, aiokafka and cramjam: its path in the variable KAFKA_PYTHON"]
async fn every_client_reads_what_every_client_writes() {
    let python = std::env::var("KAFKA_PYTHON").expect("the variable KAFKA_PYTHON");
    let dir = tempfile::tempdir().unwrap();
    let server = Server::builder().data_dir(dir.path()).ephemeral().await.unwrap();
    let args = ["120".into(), python, "-c".into(), PYTHON.into(), server.bootstrap()];
    assert_eq!(run("timeout", args.to_vec(), "").await, "well\n");
}
