//! The upstream Tcl suite in its external-server mode, against redis-server and against ours: whatever passes there
//! passes here.
//!
//! ```sh
//! .ci/tools                                                       # once: the suite, tclsh, redis-server
//! cargo test -p xs-redis --test upstream -- --ignored --nocapture required
//! XS_UNITS=unit/type/zset,unit/expire cargo test -p xs-redis --test upstream -- --ignored --nocapture wider
//! ```
//!
//! Each unit gets fresh servers, so a crash in one doesn't colour the next. Hardly anything but `needs:repl` is denied by tag:
//! in this mode the suite itself leaves out what wants to start or configure its own server.

mod support;

use std::time::Duration;

use support::compare::{self, Tally, Verdict};
use support::{Server, Subject, run, tool};

/// Tests that pass on redis-server and needn't on ours, each with the reason. One that passes on ours has no place here.
const SKIPS: &[(&str, &str)] = &[
    ("trim on SET with big value", "runs only where the allocator is jemalloc, whose slack it measures"),
    ("Test LPUSH and LPOP on plain nodes", RELOAD),
    ("Check if list is still ok after a DEBUG RELOAD - quicklist", RELOAD),
    ("SINTERSTORE with two sets, after a DEBUG RELOAD - hashtable", RELOAD),
    ("SINTERSTORE with two sets, after a DEBUG RELOAD - intset", RELOAD),
    ("Set encoding after DEBUG RELOAD", RELOAD),
    ("ZSCORE after a DEBUG RELOAD - listpack", RELOAD),
    ("ZSCORE after a DEBUG RELOAD - skiplist", RELOAD),
    ("Check consistency of different data types after a reload", RELOAD),
    ("EXPIRES after a reload (snapshot + append only file rewrite)", RELOAD),
    ("SAVE - make sure there are all the types as values", RELOAD),
    ("Perform a final SAVE to leave a clean DB on disk", RELOAD),
    ("BGSAVE", RELOAD),
    ("EXPIRES after AOF reload (without rewrite)", AOF),
    ("Same dataset digest if saving/reloading as AOF?", AOF),
    ("GETEX use of PERSIST option should remove TTL after loadaof", AOF),
    ("SET - use KEEPTTL option, TTL should not be removed after loadaof", AOF),
    ("Hash ziplist of various encodings", DUMP),
    ("Hash ziplist of various encodings - sanitize dump", DUMP),
    ("List ziplist of various encodings", DUMP),
    ("List ziplist of various encodings - sanitize dump", DUMP),
    ("Loading from legacy (Redis <= v6.2.x, rdb_ver < 10) persistence", DUMP),
    ("SWAPDB wants to wake blocked client, but the key already expired", STREAM),
    ("MULTI + LPUSH + EXPIRE + DEBUG SLEEP on blocked client, key already expired", STREAM),
    ("RANDOMKEY: Lazy-expire should not be wrapped in MULTI/EXEC", STREAM),
    ("SCAN: Lazy-expire should not be wrapped in MULTI/EXEC", STREAM),
    ("CONFIG SET with multiple args", "sets save points: persistence comes later"),
    ("CONFIG SET rollback on apply error", "sets the port, which this server takes only when it starts"),
    ("Regression for pattern matching very long nested loops", NESTING),
    ("SORT sorted set BY nosort works as expected from scripts", SCRIPT),
    ("EXEC and script timeout", SCRIPT),
    ("MULTI and script timeout", SCRIPT),
    ("MULTI-EXEC body and script timeout", SCRIPT),
    ("just EXEC and script timeout", SCRIPT),
    ("LATENCY of expire events are correctly collected", SCRIPT),
    ("MONITOR can log commands issued by functions", SCRIPT),
    ("MONITOR can log commands issued by the scripting engine", SCRIPT),
    ("command stats for scripts", SCRIPT),
    ("EVAL command is marked with movablekeys", LISTED),
    ("MIGRATE command is marked with movablekeys", LISTED),
    ("COMMAND LIST FILTERBY ACLCAT - list all commands/subcommands", LISTED),
    ("COMMAND LIST FILTERBY PATTERN - list all commands/subcommands", LISTED),
    ("Test scripts are blocked by pause RO", SCRIPT),
    ("Test RO scripts are not blocked by pause RO", SCRIPT),
    ("Test read-only scripts in mutli-exec are not blocked by pause RO", SCRIPT),
    ("Test write scripts in mutli-exec are blocked by pause RO", SCRIPT),
    ("Test may-replicate commands are rejected in RO scripts", SCRIPT),
];

const NESTING: &str = "Redis gives up on a pattern after 1000 stars; here it is matched, in bounded time";
const SCRIPT: &str = "scripting comes later";
const RELOAD: &str = "writes an RDB file and reads it: persistence comes later";
const AOF: &str = "writes an append-only file and reads it: persistence comes later";
const STREAM: &str = "reads the replication stream: replication comes later";
const DUMP: &str = "DUMP and RESTORE come with persistence";
const LISTED: &str = "asks for a command that isn't carried out yet, and is therefore not listed";

/// Tests that are not run: they fail half-way on ours, or on any external server, and spoil those that follow.
const UNFIT: &[&str] = &[
    // Asks for the process of a server that the suite started, after it has changed the encoding limits.
    "SRANDMEMBER with a dict containing long chain",
    // Run scripts, and leave connections behind that track keys.
    "Tracking only occurs for scripts when a command calls a read-only command",
    "Invalid keys should not be tracked for scripts in NOLOOP mode",
];

/// Units whose tests that need DEBUG are not run: their servers want an append-only file, and the suite breaks off where
/// that cannot be had.
const WITHOUT_DEBUG: &[&str] = &["unit/type/stream", "unit/type/stream-cgroups"];

/// Units that must hold.
const REQUIRED: &[&str] = &[
    "unit/type/string",
    "unit/type/incr",
    "unit/type/list",
    "unit/type/list-2",
    "unit/type/list-3",
    "unit/type/hash",
    "unit/type/set",
    "unit/type/zset",
    "unit/type/stream",
    "unit/type/stream-cgroups",
    "unit/protocol",
    "unit/keyspace",
    "unit/scan",
    "unit/sort",
    "unit/expire",
    "unit/other",
    "unit/multi",
    "unit/quit",
    "unit/pubsub",
    "unit/pause",
    "unit/tracking",
    "unit/bitops",
    "unit/bitfield",
    "unit/geo",
    "unit/hyperloglog",
    "unit/lazyfree",
    "unit/info-command",
    "unit/introspection",
    "unit/introspection-2",
    "unit/latency-monitor",
    "unit/slowlog",
    "unit/violations",
];

/// Units that are reported only: `dump` waits for persistence, the other two measure buffers that are no client's own
/// here. Those that hold nothing for an external server (acl, auth, info, limits, maxmemory, memefficiency, …) are not
/// among them.
const WIDER: &[&str] = &["unit/dump", "unit/querybuf", "unit/replybufsize"];

/// One unit takes at most this long; then its processes are ended.
const LIMIT: Duration = Duration::from_secs(240);

#[test]
#[ignore = "needs redis-server, tclsh and the upstream suite (.ci/tools); takes minutes"]
fn required_units_pass_wherever_redis_passes() {
    let Report { missing, stale } = report(&chosen(REQUIRED));
    assert!(
        missing.is_empty(),
        "{} tests pass on redis-server and not on ours:\n{}",
        missing.len(),
        missing.join("\n")
    );
    assert!(stale.is_empty(), "{} tests are skipped without need:\n{}", stale.len(), stale.join("\n"));
}

#[test]
#[ignore = "reports only: how far the wider suite gets; needs what the required units need"]
fn wider_units_report() {
    let Report { missing, .. } = report(&chosen(WIDER));
    println!("{} tests pass on redis-server and not on ours", missing.len());
}

/// The units to run: all of `units`, or those that `XS_UNITS` names.
fn chosen(units: &[&str]) -> Vec<String> {
    match std::env::var("XS_UNITS") {
        Ok(names) => names.split(',').map(str::to_owned).collect(),
        Err(_) => units.iter().map(|&unit| unit.to_owned()).collect(),
    }
}

/// What the units have shown.
struct Report {
    /// Tests that pass on redis-server and not on ours.
    missing: Vec<String>,
    /// Skips that pass on ours all the same.
    stale: Vec<String>,
}

/// Runs the units on both, and prints the tallies and the differences.
fn report(units: &[String]) -> Report {
    let _turn = compare::turn();
    let mut all = Report { missing: Vec::new(), stale: Vec::new() };
    for unit in units {
        let (reference, ours) = compare::both(|subject| run_unit(subject, unit));
        println!("{unit}\n    redis-server: {}\n    xs-redis:     {}", reference.summary(), ours.summary());
        let skipped = |name: &str| SKIPS.iter().any(|(skip, _)| *skip == name);
        let missing = compare::missing_twice(&reference, &ours, skipped, || run_unit(Subject::Ours, unit));
        for line in &missing {
            println!("    missing: {line}");
        }
        all.missing.extend(missing.into_iter().map(|line| format!("{unit}: {line}")));
        for (skip, _) in SKIPS.iter().filter(|(skip, _)| compare::passes(&reference, &ours, skip)) {
            println!("    skipped without need: {skip}");
            all.stale.push(format!("{unit}: {skip}"));
        }
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
    let tags = if WITHOUT_DEBUG.contains(&unit) { "-needs:repl -needs:debug" } else { "-needs:repl" };
    args.extend(["--durable", "--timeout", "200", "--tags", tags, "--single", unit]);
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
    assert!(compare::passes(&tally, &once, "SET (and) GET") && compare::passes(&once, &tally, "twice"));
    assert!(!compare::passes(&tally, &once, "twice") && !compare::passes(&once, &tally, "other"));
}
