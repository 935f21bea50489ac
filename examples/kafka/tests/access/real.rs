//! Real clients: administrators who set rules, users who obey them, and who is told to wait.

use crate::process::{Broker, python, run};

fn users(dir: &tempfile::TempDir) -> String {
    let file = dir.path().join("users");
    std::fs::write(&file, "root:secret\nalice:secret\n").unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs a Python with confluent-kafka and kafka-python"]
fn administrators_set_rules_and_users_obey_them() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&["--port", "0", "--users", &users(&dir), "--super-user", "root"]);
    assert_eq!(run(python(), &["-c", include_str!("rules.py"), &broker.bootstrap()], ""), "well\n");
}

#[test]
#[ignore = "needs a Python with confluent-kafka"]
fn a_client_is_told_how_long_it_is_slowed_down() {
    let broker = Broker::start(&["--port", "0", "--produce-quota", "100000", "--fetch-quota", "100000"]);
    assert_eq!(run(python(), &["-c", include_str!("quotas.py"), &broker.bootstrap()], ""), "well\n");
}

#[test]
#[ignore = "needs kcat"]
fn librdkafka_2_0_gets_in_by_every_mechanism() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&["--port", "0", "--users", &users(&dir)]);
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let mechanism = format!("sasl.mechanism={mechanism}");
        let bootstrap = broker.bootstrap();
        let who = ["security.protocol=SASL_PLAINTEXT", "sasl.username=alice", "sasl.password=secret", &mechanism];
        let who = who.iter().flat_map(|setting| ["-X", *setting]);
        let args: Vec<&str> = ["-b", &bootstrap, "-L"].into_iter().chain(who).collect();
        assert!(run("kcat", &args, "").contains("1 brokers"), "{mechanism}");
    }
}
