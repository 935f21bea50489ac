//! The load balancer under wrk, beside haproxy, nginx and pingora: throughput, processor seconds a million requests, and
//! latency.
//!
//! Every balancer is a process of its own on the first core with one thread. wrk and the endpoints, one nginx behind three
//! ports, run on the second. The rounds of a row are interleaved, and what is printed is their median. All of them route
//! by path, check the endpoints, keep connections to them, retry, add the same fields, and count. In the rows of TCP they
//! pass bytes on without a look at them: ours and haproxy, each with its splicing on, for nginx has no such module here.
//! pingora is a library, and what is measured is `benches/pingora`, if it has been built.

mod subjects;

use std::error::Error;
use std::ffi::OsString;
use std::io::Write;

use self::subjects::{PEERS, Rig, Seen, Subject, is_there};
use crate::web::{self, Measured, Options};

/// What `--help` prints.
const HELP: &str = "\
load-balancer: the HTTP balancer under wrk, beside haproxy, nginx and pingora

Needs wrk, haproxy and nginx, and xs-load-balancer built beside this program:
  cargo build --release -p xs-load-balancer
pingora takes part if it is built; its crates have versions of their own, so it stands outside of the workspace:
  cargo build --release --manifest-path benches/pingora/Cargo.toml

  --quick            one second a run and two rounds
  --json FILE        one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds
  --rounds N         rounds a row (default 5)
  --seconds N        seconds a run (default 4)
  --row NAME         only this row: \"3 B\", \"1 KiB\", \"64 KiB\", \"TCP 3 B\", \"TCP 64 KiB\" or \"TCP 1 MiB\"
";

/// A row: its name, how many bytes a response has, and what the balancers see.
const ROWS: &[(&str, usize, Seen)] = &[
    ("3 B", 3, Seen::Requests),
    ("1 KiB", 1024, Seen::Requests),
    ("64 KiB", 64 * 1024, Seen::Requests),
    ("TCP 3 B", 3, Seen::Bytes),
    ("TCP 64 KiB", 64 * 1024, Seen::Bytes),
    ("TCP 1 MiB", 1 << 20, Seen::Bytes),
];

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let Some(mut options) = Options::parse(args, ROWS.iter().map(|row| row.0))? else {
        print!("{HELP}");
        return Ok(());
    };
    for tool in ["wrk", "haproxy", "nginx"] {
        if !web::is_installed(tool) {
            return Err(format!("{tool} isn't installed: .ci/tools installs it").into());
        }
    }
    println!(
        "# load-balancer\n\nEach balancer on core 0 with one thread, `wrk -t1 -c64` and the endpoints on core 1.\n"
    );
    println!("| row | balancer | requests/s | CPU s per million | p50 ms | p99 ms |\n|---|---|--:|--:|--:|--:|");
    let rig = Rig::start(ROWS.iter().map(|row| row.1))?;
    let (there, missing): (Vec<_>, Vec<_>) = PEERS.iter().partition(|name| is_there(name));
    let subjects: Vec<Subject> = ["xs"].iter().chain(there).map(|name| rig.subject(name)).collect::<Result<_, _>>()?;
    for (row, size, seen) in ROWS.iter().filter(|row| options.wants(row.0)).collect::<Vec<_>>() {
        let subjects: Vec<&Subject> = subjects.iter().filter(|subject| subject.does(*seen)).collect();
        let mut runs = vec![Vec::new(); subjects.len()];
        for _ in 0..options.rounds {
            for (subject, runs) in subjects.iter().zip(&mut runs) {
                runs.push(subject.measure(*seen, &format!("/{size}"), options.seconds)?);
            }
        }
        let medians: Vec<Measured> = runs.iter().map(|runs| Measured::median_of(runs)).collect();
        for (subject, m) in subjects.iter().zip(&medians) {
            m.print(row, subject.name);
        }
        for name in missing.iter().filter(|_| *seen == Seen::Requests) {
            println!("| {row} | {name} | not built | | | |");
        }
        let Some((file, ours)) = options.json.as_mut().zip(medians.first()) else { continue };
        for (peer, theirs) in subjects.iter().zip(&medians).skip(1) {
            let line = serde_json::json!({
                "bench": "load-balancer", "row": row, "subject": "xs", "peer": peer.name,
                "ratio": theirs.cpu / ours.cpu, "unit": "CPU s per million requests",
                "ours": ours.cpu, "theirs": theirs.cpu, "rounds": options.rounds,
                "p99": ours.p99, "their_p99": theirs.p99,
            });
            writeln!(file, "{line}")?;
        }
    }
    Ok(())
}
