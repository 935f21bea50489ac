//! redis-py's own test suite, against redis-server and against ours, in both protocol versions: whatever passes there
//! passes here.
//!
//! ```sh
//! .ci/tools                                                       # once: redis-py with its tests, redis-server
//! cargo test -p xs-redis --test redis_py -- --ignored --nocapture
//! XS_FILES=test_commands.py,test_asyncio/test_pubsub.py cargo test -p xs-redis --test redis_py -- --ignored --nocapture
//! ```
//!
//! The files about cluster, sentinel, TLS and modules are not run. Each file gets fresh servers.

mod support;

use std::time::Duration;

use support::compare::{self, Tally, Verdict};
use support::{Server, Subject, run, tool};

/// Test functions (in any file) and classes that pass on redis-server and needn't on ours, each with the reason.
const SKIPS: &[(&str, &str)] = &[
    ("TestLock", "redis-py's locks are scripts"),
    ("test_command_list", "wants more than 300 commands; the list names the 297 that work"),
    ("test_lua_script", "scripting comes later"),
    ("test_get_moveable_keys", "asks for the keys of EVAL"),
    ("test_get_eval_keys_with_0_keys", "asks for the keys of EVAL"),
    ("test_dump_and_restore", DUMP),
    ("test_dump_and_restore_absttl", DUMP),
    ("test_dump_and_restore_and_replace", DUMP),
    ("test_restore", DUMP),
    ("test_restore_frequency", DUMP),
    ("test_restore_idletime", DUMP),
    ("test_bgsave", "persistence comes later"),
    ("test_replicaof", "replication comes later"),
];

const DUMP: &str = "DUMP and RESTORE come with persistence";

const FILES: &[&str] = &[
    "test_command_parser.py",
    "test_commands.py",
    "test_connect.py",
    "test_connection.py",
    "test_connection_pool.py",
    "test_credentials.py",
    "test_encoding.py",
    "test_helpers.py",
    "test_lock.py",
    "test_monitor.py",
    "test_multiprocessing.py",
    "test_pipeline.py",
    "test_pubsub.py",
    "test_retry.py",
    "test_asyncio/test_commands.py",
    "test_asyncio/test_connect.py",
    "test_asyncio/test_connection.py",
    "test_asyncio/test_connection_pool.py",
    "test_asyncio/test_credentials.py",
    "test_asyncio/test_cwe_404.py",
    "test_asyncio/test_encoding.py",
    "test_asyncio/test_lock.py",
    "test_asyncio/test_monitor.py",
    "test_asyncio/test_pipeline.py",
    "test_asyncio/test_pubsub.py",
    "test_asyncio/test_retry.py",
];

/// Files that listen on a port of their own choice: one run at a time.
const ALONE: &[&str] = &["test_asyncio/test_cwe_404.py"];

/// One file takes at most this long; one test in it 20 s.
const LIMIT: Duration = Duration::from_secs(240);

#[test]
#[ignore = "needs redis-server and redis-py with its tests (.ci/tools); takes minutes"]
fn resp2_passes_wherever_redis_passes() {
    compare_in("2");
}

#[test]
#[ignore = "needs redis-server and redis-py with its tests (.ci/tools); takes minutes"]
fn resp3_passes_wherever_redis_passes() {
    compare_in("3");
}

fn compare_in(protocol: &str) {
    let files = match std::env::var("XS_FILES") {
        Ok(names) => names.split(',').map(str::to_owned).collect::<Vec<_>>(),
        Err(_) => FILES.iter().map(|&file| file.to_owned()).collect(),
    };
    let _turn = compare::turn();
    let mut all = Vec::new();
    for file in &files {
        let half = |subject| run_file(subject, file, protocol);
        let (reference, ours) =
            if ALONE.contains(&&**file) { (half(Subject::Redis), half(Subject::Ours)) } else { compare::both(half) };
        let missing = compare::missing(&reference, &ours, skipped);
        println!(
            "RESP{protocol} {file}\n    redis-server: {}\n    xs-redis:     {}",
            reference.summary(),
            ours.summary()
        );
        for line in &missing {
            println!("    missing: {line}");
        }
        all.extend(missing);
    }
    assert!(all.is_empty(), "{} tests pass on redis-server and not on ours:\n{}", all.len(), all.join("\n"));
}

/// Whether the skip list holds the function or the class of this test (`FILE::CLASS::FUNCTION[PARAMETERS]`).
fn skipped(name: &str) -> bool {
    let path = name.split('[').next().unwrap_or(name);
    path.split("::").any(|part| SKIPS.iter().any(|(skip, _)| *skip == part))
}

fn run_file(subject: Subject, file: &str, protocol: &str) -> Tally {
    let mut server = Server::start(subject, &[]);
    let url = format!("redis://127.0.0.1:{}/0", server.port);
    let target = format!("tests/{file}");
    let outcome = run(
        tool("venv/bin/python"),
        [
            "-m",
            "pytest",
            "-v",
            "-rfE",
            "--tb=no",
            "-W",
            "ignore",
            "-p",
            "no:cacheprovider",
            "-o",
            "asyncio_mode=auto",
            "-m",
            "not onlycluster and not redismod and not ssl and not replica",
            "--timeout",
            "20",
            "--redis-url",
            &url,
            "--protocol",
            protocol,
            &target,
        ],
        &tool("redis-py"),
        b"",
        LIMIT,
    );
    let mut tally = parse(&outcome.stdout);
    if let Some(status) = server.ended() {
        tally.broken_off = Some(format!("the server ended with {status}"));
    } else if outcome.status.is_none() {
        tally.broken_off = Some(format!("took more than {} s", LIMIT.as_secs()));
    } else if tally.totals().0 == 0 {
        let tail = [&outcome.stdout[..], &outcome.stderr].concat();
        tally.broken_off = tail.lines().rev().find(|line| !line.is_empty()).map(str::to_owned);
    }
    tally
}

/// Reads pytest's verbose report: `tests/FILE::TEST VERDICT [ 12%]` while it runs, `FAILED tests/FILE::TEST - REASON` at
/// its end.
fn parse(output: &str) -> Tally {
    let mut tally = Tally::default();
    for line in output.lines() {
        if let Some((name, rest)) =
            line.strip_prefix("FAILED ").or(line.strip_prefix("ERROR ")).and_then(|line| line.split_once(" - "))
        {
            tally.explain(short(name), rest);
        } else if line.starts_with("tests/") && line.trim_end().ends_with("%]") {
            for (word, verdict) in [
                (" PASSED ", Verdict::Passed),
                (" XPASS ", Verdict::Passed),
                (" FAILED ", Verdict::Failed),
                (" ERROR ", Verdict::Failed),
                (" SKIPPED ", Verdict::Ignored),
                (" XFAIL ", Verdict::Ignored),
            ] {
                if let Some((name, _)) = line.rsplit_once(word) {
                    tally.add(short(name), verdict);
                    break;
                }
            }
        }
    }
    tally
}

fn short(name: &str) -> &str {
    name.trim().strip_prefix("tests/").unwrap_or(name)
}

#[test]
fn the_report_is_read() {
    let tally = parse(concat!(
        "tests/test_a.py::TestA::test_x[a b] PASSED      [ 25%]\n",
        "tests/test_a.py::TestA::test_y FAILED           [ 50%]\n",
        "tests/test_a.py::test_z SKIPPED (Redis PASSED)  [100%]\n",
        "FAILED tests/test_a.py::TestA::test_y - assert 1 == 2\n",
    ));
    assert_eq!(tally.totals(), (1, 1, 1));
    let other = parse("tests/test_a.py::TestA::test_y PASSED [100%]\n");
    assert_eq!(compare::missing(&other, &tally, skipped), ["test_a.py::TestA::test_y — assert 1 == 2"]);
}
