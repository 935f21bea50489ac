//! The program as people and scripts meet it.

use std::io::Write;
use std::process::{Command, Stdio};

/// Exit code, standard output and standard error.
fn run(words: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xs-scheduler"));
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses its words reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn ok(words: &[&str]) -> String {
    let (code, out, err) = run(words, "");
    assert_eq!((code, err.as_str()), (0, ""), "{words:?}");
    out
}

#[track_caller]
fn refused(words: &[&str], input: &str, expected: i32, because: &str) {
    let (code, _, err) = run(words, input);
    assert_eq!(code, expected, "{words:?}: {err}");
    assert!(err.contains(because) && !err.contains("panicked"), "{words:?}: {err}");
}

#[test]
fn every_example_can_be_listed_printed_and_compared() {
    let list = ok(&["examples"]);
    assert!(list.lines().count() >= 6, "{list}");
    for line in list.lines() {
        let name = line.split_whitespace().next().unwrap();
        let table = ok(&["compare", name, "--until", "300ms"]);
        assert_eq!(table.lines().count(), 9, "{table}");
        let (code, again, _) = run(&["compare", "-", "--until", "300ms"], &ok(&["examples", name]));
        assert_eq!((code, again), (0, table));
    }
}

#[test]
fn a_run_is_told_drawn_and_counted() {
    let home = tempfile::tempdir().unwrap();
    let svg = home.path().join("out.svg");
    let words = ["run", "convoy", "-p", "fifo,rr", "--timeline", "--width", "50", "--svg", svg.to_str().unwrap()];
    let out = ok(&words);
    assert!(out.contains("fifo on 2 CPUs") && out.contains("rr on 2 CPUs"), "{out}");
    assert!(out.contains("A long, B long-too, C short"), "{out}");
    assert_eq!(out, ok(&words), "the same seed, the same run");
    for name in ["out.fifo.svg", "out.rr.svg"] {
        assert!(std::fs::read_to_string(home.path().join(name)).unwrap().starts_with("<svg"));
    }
    let json = ok(&["run", "convoy", "-p", "go,cfs", "--json"]);
    assert_eq!(json.lines().count(), 2);
    for line in json.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["finished"], 12, "{value}");
        assert_eq!(value["tasks"].as_array().unwrap().len(), 12);
    }
}

#[test]
fn a_rule_can_be_taken_out() {
    let with = ok(&["run", "fan-out", "--json"]);
    let without = ok(&["run", "fan-out", "--without", "steal,runnext", "--json"]);
    let steals = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap()["steals"].as_u64();
    assert!(steals(&with) > Some(0), "{with}");
    assert_eq!(steals(&without), Some(0));
    refused(&["run", "fan-out", "--without", "gravity"], "", 2, "there are runnext");
}

#[test]
fn what_makes_no_sense_is_said() {
    refused(&[], "", 2, "Usage");
    refused(&["run", "convoy", "--policy", "magic"], "", 2, "there is no scheduler \"magic\"");
    refused(&["run", "convoy", "--cpus", "0"], "", 2, "0");
    refused(&["run", "convoy", "--until", "soon"], "", 2, "no unit");
    refused(&["run", "/nowhere.toml"], "", 3, "/nowhere.toml");
    refused(&["run", "/"], "", 3, "/");
    refused(&["run", "convoy", "--svg", "/nowhere/out.svg"], "", 3, "/nowhere/out.svg");
    refused(&["examples", "nothing"], "", 2, "there are convoy");
    refused(&["run", "-"], "[[task]]\nname = 1", 2, "line 2");
    refused(
        &["run", "-"],
        "[[task]]\nname = \"a\"\ndo = [{ send = \"x\" }]",
        2,
        "task \"a\", step 1: there is no channel \"x\"",
    );
}

#[test]
fn a_deadlock_is_said_with_who_waits_for_what() {
    let text = "channels = { c = 0 }\n[[task]]\nname = \"a\"\ndo = [{ receive = \"c\" }]";
    for policy in ["go", "fifo"] {
        let (code, out, err) = run(&["run", "-", "-p", policy], text);
        assert_eq!(code, 1, "{err}");
        assert!(out.contains("all tasks are asleep: a receives from c"), "{out}");
    }
    refused(&["compare", "-"], text, 1, "the workload fails");
}

#[test]
fn help_teaches() {
    let help = ok(&["--help"]);
    for word in ["go", "eevdf", "Exit codes", "Examples"] {
        assert!(help.contains(word), "{help}");
    }
    assert!(ok(&["run", "--help"]).contains("[[task]]"));
}
