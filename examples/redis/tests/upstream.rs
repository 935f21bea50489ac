//! The upstream Tcl suite in its external-server mode, against redis-server and against ours: whatever passes there
//! passes here.
//!
//! ```sh
//! .ci/tools                                                       # once: the suite, tclsh, redis-server
//! cargo test -p xs-redis --test upstream -- --ignored --nocapture required
//! XS_UNITS=unit/type/zset,unit/expire cargo test -p xs-redis --test upstream -- --ignored --nocapture wider
//! ```
//!
//! Each unit gets fresh servers, so a crash in one doesn't colour the next. Nothing but `needs:repl` is denied by tag:
//! in this mode the suite itself leaves out what wants to start or configure its own server.

mod support;

use std::time::Duration;

use support::compare::{self, Tally, Verdict};
use support::{Server, Subject, run, tool};

/// Tests that pass on redis-server and needn't on ours, each with the reason.
const SKIPS: &[(&str, &str)] = &[
    ("trim on SET with big value", "runs only where the allocator is jemalloc, whose slack it measures"),
    ("Test LPUSH and LPOP on plain nodes", RELOAD),
    ("Check if list is still ok after a DEBUG RELOAD - quicklist", RELOAD),
    ("SINTERSTORE with two sets, after a DEBUG RELOAD - hashtable", RELOAD),
    ("SINTERSTORE with two sets, after a DEBUG RELOAD - intset", RELOAD),
    ("Set encoding after DEBUG RELOAD", RELOAD),
    ("ZSCORE after a DEBUG RELOAD - listpack", RELOAD),
    ("ZSCORE after a DEBUG RELOAD - skiplist", RELOAD),
    ("Hash ziplist of various encodings", DUMP),
    ("Hash ziplist of various encodings - sanitize dump", DUMP),
    ("List ziplist of various encodings", DUMP),
    ("List ziplist of various encodings - sanitize dump", DUMP),
    ("SWAPDB wants to wake blocked client, but the key already expired", STREAM),
    ("MULTI + LPUSH + EXPIRE + DEBUG SLEEP on blocked client, key already expired", STREAM),
    ("Regression for pattern matching very long nested loops", NESTING),
    ("SORT sorted set BY nosort works as expected from scripts", SCRIPT),
];

const NESTING: &str = "Redis gives up on a pattern after 1000 stars; here it is matched, in bounded time";
const SCRIPT: &str = "scripting comes later";
const RELOAD: &str = "DEBUG RELOAD writes an RDB file and reads it: persistence comes later";
const STREAM: &str = "reads the replication stream: replication comes later";
const DUMP: &str = "DUMP and RESTORE come with persistence";

/// Tests that cannot work in external-server mode anywhere and spoil those that follow when they fail half-way.
const UNFIT: &[&str] = &[
    // Asks for the process of a server that the suite started, after it has changed the encoding limits.
    "SRANDMEMBER with a dict containing long chain",
];

/// Units that must hold.
const REQUIRED: &[&str] = &[
    "unit/type/string",
    "unit/type/incr",
    "unit/type/list",
    "unit/type/list-2",
    "unit/type/hash",
    "unit/type/set",
    "unit/type/zset",
];

/// Units that are reported only. Those that hold nothing for an external server (acl, maxmemory, info, limits, …) are
/// not among them.
const WIDER: &[&str] = &[
    "unit/protocol",
    "unit/keyspace",
    "unit/scan",
    "unit/info-command",
    "unit/sort",
    "unit/expire",
    "unit/other",
    "unit/multi",
    "unit/quit",
    "unit/latency-monitor",
    "unit/pubsub",
    "unit/slowlog",
    "unit/introspection",
    "unit/introspection-2",
    "unit/bitops",
    "unit/bitfield",
    "unit/geo",
    "unit/hyperloglog",
    "unit/lazyfree",
    "unit/pause",
    "unit/querybuf",
    "unit/replybufsize",
    "unit/tracking",
    "unit/violations",
    "unit/type/list-3",
    "unit/type/stream",
    "unit/type/stream-cgroups",
];

/// One unit takes at most this long; then its processes are ended.
const LIMIT: Duration = Duration::from_secs(240);

#[test]
#[ignore = "needs redis-server, tclsh and the upstream suite (.ci/tools); takes minutes"]
fn required_units_pass_wherever_redis_passes() {
    let missing = report(&chosen(REQUIRED));
    assert!(
        missing.is_empty(),
        "{} tests pass on redis-server and not on ours:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

#[test]
#[ignore = "reports only: how far the wider suite gets; needs what the required units need"]
fn wider_units_report() {
    let missing = report(&chosen(WIDER));
    println!("{} tests pass on redis-server and not on ours", missing.len());
}

/// The units to run: all of `units`, or those that `XS_UNITS` names.
fn chosen(units: &[&str]) -> Vec<String> {
    match std::env::var("XS_UNITS") {
        Ok(names) => names.split(',').map(str::to_owned).collect(),
        Err(_) => units.iter().map(|&unit| unit.to_owned()).collect(),
    }
}

/// Runs the units on both, prints the tallies and the differences, and returns the latter.
fn report(units: &[String]) -> Vec<String> {
    let _turn = compare::turn();
    let mut all = Vec::new();
    for unit in units {
        let (reference, ours) = compare::both(|subject| run_unit(subject, unit));
        println!("{unit}\n    redis-server: {}\n    xs-redis:     {}", reference.summary(), ours.summary());
        let skipped = |name: &str| SKIPS.iter().any(|(skip, _)| *skip == name);
        let missing = compare::missing_twice(&reference, &ours, skipped, || run_unit(Subject::Ours, unit));
        for line in &missing {
            println!("    missing: {line}");
        }
        all.extend(missing.into_iter().map(|line| format!("{unit}: {line}")));
    }
    all
}

fn run_unit(subject: Subject, unit: &str) -> Tally {
    let mut server = Server::start(subject, &[]);
    let port = server.port.to_string();
    // The suite's own control port lies just below its base port; runs at the same time must not meet there.
    let apart = std::process::id() % 60 * 128 + if subject == Subject::Ours { 64 } else { 0 };
    let base = &(20_000 + apart).to_string();
    let mut args = vec!["tests/test_helper.tcl", "--host", "127.0.0.1", "--port", &port, "--baseport", base];
    args.extend(["--durable", "--timeout", "60", "--tags", "-needs:repl", "--single", unit]);
    for name in UNFIT {
        args.extend(["--skiptest", name]);
    }
    let outcome = run("tclsh", &args, &tool("redis-src"), b"", LIMIT);
    let mut tally = parse(&outcome.stdout);
    let in_progress = outcome.stdout.lines().find(|line| line.contains("(IN PROGRESS)"));
    if let Some(status) = server.ended() {
        tally.broken_off = Some(format!("the server ended with {status}: {}", last_line(&server.log())));
    } else if outcome.status.is_none() {
        tally.broken_off = Some(format!("took more than {} s", LIMIT.as_secs()));
    } else if let Some(line) = in_progress {
        tally.broken_off = Some(format!("hangs {line}"));
    } else if tally.broken_off.is_none() && !outcome.stdout.contains("done]: ") {
        tally.broken_off = Some(last_line(&outcome.stdout).to_owned());
    }
    tally
}

/// Reads the suite's report: `[ok]: NAME (12 ms)`, `[err]: NAME in FILE` with the reason on the lines that follow,
/// `[ignore]: NAME: REASON`, `[skip]: NAME`.
fn parse(output: &str) -> Tally {
    let mut tally = Tally::default();
    let mut lines = output.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("[ok]: ") {
            tally.add(rest.rsplit_once(" (").map_or(rest, |(name, _)| name), Verdict::Passed);
        } else if let Some(rest) = line.strip_prefix("[err]: ") {
            let name = rest.rsplit_once(" in tests/").map_or(rest, |(name, _)| name);
            tally.add(name, Verdict::Failed);
            if let Some(reason) = lines.next_if(|next| !next.starts_with('[')) {
                // An error that is no failed assertion comes beheaded first, then whole.
                let whole = lines.next_if(|next| next.len() > reason.len() && next.ends_with(reason));
                tally.explain(name, &whole.unwrap_or(reason).chars().take(160).collect::<String>());
            }
        } else if let Some(rest) = line.strip_prefix("[ignore]: ") {
            tally.add(rest.rsplit_once(": ").map_or(rest, |(name, _)| name), Verdict::Ignored);
        } else if let Some(name) = line.strip_prefix("[skip]: ") {
            tally.add(name, Verdict::Ignored);
        } else if line.starts_with("[exception]") || line.starts_with("[TIMEOUT]") {
            tally.broken_off = Some(line.chars().take(200).collect());
        }
    }
    tally
}

fn last_line(text: &str) -> &str {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no output")
}

#[test]
fn the_report_is_read() {
    let tally = parse(concat!(
        "[ready]: 17\n[ok]: SET (and) GET (1 ms)\n[ok]: twice (2 ms)\n[ok]: twice (2 ms)\n",
        "[err]: SMOVE in a set in tests/unit/type/set.tcl\nExpected 'a' to be equal to 'b'\n",
        "[ignore]: big: large memory flag not provided\n[1/1 done]: unit/type/set (3 seconds)\n",
    ));
    assert_eq!(tally.totals(), (3, 1, 1));
    assert!(tally.broken_off.is_none());
    let once = parse("[ok]: SET (and) GET (1 ms)\n[ok]: twice (2 ms)\n[err]: other in tests/x.tcl\nwhy\n");
    assert_eq!(compare::missing(&tally, &once, |_| false), ["twice — never reached"]);
    assert_eq!(compare::missing(&once, &tally, |_| false), Vec::<String>::new());
    assert_eq!(compare::missing(&tally, &once, |name| name == "twice"), Vec::<String>::new());
}
