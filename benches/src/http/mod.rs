//! The HTTP server under wrk, beside hyper and nginx: throughput, processor seconds a million requests, and latency.
//!
//! Every server is a process of its own on the first core with one thread that serves; wrk runs on the second. The rounds of
//! a row are interleaved, and what is printed is their median. A file is sent by `xs-http` and nginx, as they are.

mod servers;
mod subjects;

use std::error::Error;
use std::ffi::OsString;
use std::io::Write;

use self::subjects::{IDLE, Rig, Row, Subject};
use crate::web::{self, Measured, Options};

/// What `--help` prints.
const HELP: &str = "\
http: the HTTP server under wrk, beside hyper (--features peers-http) and nginx

For the row of a file xs-http has to be built beside this program:
  cargo build --release -p xs-http

  --quick            one second a run and two rounds
  --json FILE        one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds
  --rounds N         rounds a row (default 5)
  --seconds N        seconds a run (default 4)
  --row NAME         only this row: \"3 B\", \"3 B, 16 pipelined\", \"64 KiB\" or \"64 KiB file\"
";

const ROWS: &[Row] = &[
    Row { name: "3 B", path: "/small", depth: 1, subjects: &["xs", "xs-raw", "hyper", "nginx"] },
    Row { name: "3 B, 16 pipelined", path: "/small", depth: 16, subjects: &["xs", "xs-raw", "hyper", "nginx"] },
    Row { name: "64 KiB", path: "/large", depth: 1, subjects: &["xs", "xs-raw", "hyper"] },
    Row { name: "64 KiB file", path: "/file", depth: 1, subjects: &["xs-http", "nginx"] },
];

/// Who is ours; the others are peers.
const OURS: &[&str] = &["xs", "xs-raw", "xs-http"];

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let args: Vec<OsString> = args.into_iter().collect();
    // How this program starts itself as a server.
    if let [serve, name] = &args[..]
        && serve == "--serve"
    {
        return Ok(servers::serve(&name.to_string_lossy())?);
    }
    let Some(mut options) = Options::parse(args, ROWS.iter().map(|row| row.name))? else {
        print!("{HELP}");
        return Ok(());
    };
    if !web::is_installed("wrk") {
        return Err("wrk isn't installed: .ci/tools installs it".into());
    }
    println!("# http\n\nEach server on core 0 with one thread, `wrk -t1 -c64` on core 1.\n");
    let rig = Rig::new()?;
    let rows: Vec<&Row> = ROWS.iter().filter(|row| options.wants(row.name)).collect();
    let mut subjects: Vec<Subject> = Vec::new();
    for name in ["xs", "xs-raw", "xs-http", "hyper", "nginx"] {
        if !rows.iter().any(|row| row.subjects.contains(&name)) {
            continue;
        }
        match rig.why_not(name) {
            Some(why) => println!("{name} is not measured: {why}.\n"),
            None => subjects.push(rig.start(name)?),
        }
    }
    println!("| row | server | requests/s | CPU s per million | p50 ms | p99 ms |\n|---|---|--:|--:|--:|--:|");
    for row in rows {
        let subjects: Vec<&Subject> = subjects.iter().filter(|one| row.subjects.contains(&one.name)).collect();
        let mut runs = vec![Vec::new(); subjects.len()];
        for _ in 0..options.rounds {
            for (subject, runs) in subjects.iter().zip(&mut runs) {
                runs.push(subject.measure(row, options.seconds)?);
            }
        }
        let medians: Vec<Measured> = runs.iter().map(|runs| Measured::median_of(runs)).collect();
        let figures = || subjects.iter().map(|subject| subject.name).zip(&medians);
        figures().for_each(|(name, m)| m.print(row.name, name));
        let Some(file) = &mut options.json else { continue };
        for (subject, ours) in figures().filter(|(name, _)| OURS.contains(name)) {
            for (peer, theirs) in figures().filter(|(name, _)| !OURS.contains(name)) {
                let line = serde_json::json!({
                    "bench": "http", "row": row.name, "subject": subject, "peer": peer,
                    "ratio": theirs.cpu / ours.cpu, "unit": "CPU s per million requests",
                    "ours": ours.cpu, "theirs": theirs.cpu, "rounds": options.rounds,
                });
                writeln!(file, "{line}")?;
            }
        }
    }
    let names: Vec<&str> = subjects.iter().map(|subject| subject.name).filter(|name| *name != "xs-http").collect();
    drop(subjects);
    println!("\nMemory of an idle connection that has asked once (of {IDLE}):\n\n| server | KiB |\n|---|--:|");
    for name in names {
        println!("| {name} | {:.1} |", rig.start(name)?.idle_memory()? / 1024.0);
    }
    Ok(())
}
