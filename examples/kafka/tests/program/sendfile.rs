//! Consumers are fed by the kernel: a trace of the broker's system calls shows it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::{Broker, run};

/// What a line of the trace is about, if that is a segment: the call's name and what it returned.
fn of_segment(line: &str) -> Option<(&str, u64)> {
    let (_, call) = line.split_once(' ')?;
    let (name, rest) = call.trim_start().split_once('(')?;
    let (_, returned) = rest.rsplit_once(" = ")?;
    rest.contains("/topics/").then_some((name, returned.split(' ').next()?.parse().ok()?))
}

#[test]
#[ignore = "needs strace and kcat"]
fn no_segment_is_read_by_the_broker_while_consumers_read() {
    const LINES: usize = 100_000;
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::on(dir.path(), &["--segment-bytes", "1048576"]);
    let (bootstrap, lines) = (broker.bootstrap(), format!("{}\n", "x".repeat(99)).repeat(LINES));
    run("kcat", &["-b", &bootstrap, "-P", "-t", "traced"], &lines);

    let (pid, trace) = (broker.pid().to_string(), dir.path().join("trace"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-p", &pid, "-e", "trace=read,readv,pread64,preadv,preadv2,sendfile,splice,mmap", "-o"]);
    let mut strace = strace.arg(&trace).stderr(Stdio::piped()).spawn().expect("strace starts");
    let mut said = BufReader::new(strace.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("attached")), "strace attaches");
    let read = run("kcat", &["-b", &bootstrap, "-C", "-t", "traced", "-e", "-q"], "");
    kill(Pid::from_raw(strace.id() as i32), Signal::SIGINT).unwrap();
    strace.wait().unwrap();
    assert_eq!(read.len(), lines.len());

    let trace = std::fs::read_to_string(trace).unwrap();
    let (sent, read): (Vec<_>, Vec<_>) =
        trace.lines().filter_map(of_segment).partition(|(name, _)| *name == "sendfile");
    let bytes: u64 = sent.iter().map(|(_, bytes)| bytes).sum();
    assert!(bytes as usize >= lines.len(), "{bytes} bytes by {} calls", sent.len());
    assert!(read.is_empty(), "{} calls like {:?}", read.len(), read[0]);
}
