//! Clients in Rust: rdkafka and rskafka, in a program of their own that is built here.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Broker, beside, python, run};

/// Builds them; where the program is.
pub(crate) fn build() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = here.join("../../target/clients");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(here.join("clients/Cargo.toml"));
    let library = here.join("../../.cache/librdkafka").canonicalize().expect("librdkafka");
    let built = cargo.arg("--target-dir").arg(&target).env("PKG_CONFIG_PATH", library).status();
    assert!(built.expect("cargo starts").success(), "the clients cannot be built");
    target.join("debug/kafka-clients")
}

#[test]
#[ignore = "needs librdkafka as .ci/tools puts it into .cache, and Python's and Node's clients"]
fn rdkafka_and_rskafka_do_what_they_can() {
    let program = build();
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/librdkafka");
    let broker = Broker::start(&["--port", "0"]);
    let bootstrap = broker.bootstrap();
    let program =
        Command::new(program).arg(&bootstrap).env("LD_LIBRARY_PATH", &library).output().expect("the clients start");
    let said = String::from_utf8_lossy(&program.stderr);
    assert!(program.status.success() && program.stdout == b"well\n", "{said}");

    // What they have written, others read.
    let written = "none\ngzip\nsnappy\nlz4\nzstd\n".repeat(2);
    assert_eq!(run("kcat", &["-b", &bootstrap, "-C", "-t", "rust", "-e", "-q"], ""), written);
    let read = run("node", &[&beside("program/kafkajs.js"), &bootstrap, "read", "rust", "0", "10", "0"], "");
    let values = written.lines().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(",");
    assert_eq!(read, format!("{{\"offset\":0,\"values\":[{values}]}}\n"));
    let script = include_str!("readers.py");
    assert_eq!(run(python(), &["-c", script, &bootstrap, "rust", &format!("[{values}]")], ""), "well\n");
}
