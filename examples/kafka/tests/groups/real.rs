//! Real clients: groups of several kinds at once, members that die, offsets that others go on from.

use crate::process::{Broker, beside, python, run};

fn kafkajs() -> String {
    beside("groups/kafkajs.js")
}

#[test]
#[ignore = "needs a Python with confluent-kafka, kafka-python and aiokafka, and Node with kafkajs"]
fn clients_of_all_kinds_share_a_group() {
    let broker = Broker::start(&["--port", "0"]);
    let script = include_str!("mixed.py");
    assert_eq!(run(python(), &["-c", script, &broker.bootstrap(), &kafkajs()], ""), "well\n");
}

#[test]
#[ignore = "needs a Python with confluent-kafka, kafka-python and aiokafka, and Node with kafkajs"]
fn offsets_are_committed_by_one_and_resumed_by_another() {
    let dir = tempfile::tempdir().unwrap();
    for part in ["write", "resume"] {
        // A kill in between: what was acknowledged is there.
        let broker = Broker::on(dir.path(), &[]);
        let said = run(python(), &["-c", include_str!("resume.py"), &broker.bootstrap(), part, &kafkajs()], "");
        assert_eq!(said, "well\n", "{part}");
        broker.kill();
    }
}

#[test]
#[ignore = "needs a Python with confluent-kafka and kafka-python"]
fn administrators_list_describe_change_and_delete_groups() {
    let broker = Broker::start(&["--port", "0"]);
    assert_eq!(run(python(), &["-c", include_str!("admin.py"), &broker.bootstrap()], ""), "well\n");
}

#[test]
#[ignore = "needs a Python with confluent-kafka, kafka-python and aiokafka, and Node with kafkajs"]
fn transactions_of_one_are_read_by_all() {
    let broker = Broker::start(&["--port", "0"]);
    let script = include_str!("transactions.py");
    assert_eq!(run(python(), &["-c", script, &broker.bootstrap(), &kafkajs()], ""), "well\n");
}

#[test]
#[ignore = "needs a Python with confluent-kafka, kafka-python and aiokafka, and Node with kafkajs"]
fn who_knows_a_password_gets_in() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users");
    std::fs::write(&file, "# name:password\nalice:secret\n").unwrap();
    let broker = Broker::start(&["--port", "0", "--users", file.to_str().unwrap()]);
    let script = include_str!("users.py");
    assert_eq!(run(python(), &["-c", script, &broker.bootstrap(), &kafkajs()], ""), "well\n");
}
