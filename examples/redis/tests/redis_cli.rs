//! redis-cli and redis-benchmark against the release binary, and the binary's own command line: start, stop, refusal.
//!
//! `XS_REDIS=/usr/bin/redis-server` runs the same tests against the real server, which shows that they ask for what it
//! does.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::{Outcome, Running, Server, Subject, free_port, run};

const LIMIT: Duration = Duration::from_secs(60);

fn cli(server: &Server, args: &[&str], stdin: &[u8]) -> Outcome {
    let port = server.port.to_string();
    let all = [&["-p", &port][..], args].concat();
    run("redis-cli", all, Path::new("."), stdin, LIMIT)
}

/// Whether something comes true within five seconds.
fn until(what: impl Fn() -> bool) -> bool {
    (0..500).any(|_| {
        let is_so = what();
        if !is_so {
            std::thread::sleep(Duration::from_millis(10));
        }
        is_so
    })
}

/// Runs redis-cli with one command and gives its output without the line end.
fn ask(server: &Server, args: &[&str]) -> String {
    cli(server, args, b"").expect("redis-cli").trim_end().to_owned()
}

#[test]
#[ignore = "needs redis-cli and the release binary"]
fn one_command_at_a_time() {
    let server = Server::start(Subject::Ours, &[]);
    assert_eq!(ask(&server, &["PING"]), "PONG");
    assert_eq!(ask(&server, &["SET", "greeting", "good morning"]), "OK");
    assert_eq!(ask(&server, &["GET", "greeting"]), "good morning");
    assert_eq!(ask(&server, &["GET", "nothing"]), "");
    assert_eq!(ask(&server, &["--no-raw", "GET", "nothing"]), "(nil)");
    assert_eq!(ask(&server, &["--no-raw", "RPUSH", "l", "a", "b"]), "(integer) 2");
    assert_eq!(ask(&server, &["--no-raw", "LRANGE", "l", "0", "-1"]), "1) \"a\"\n2) \"b\"");
    assert_eq!(ask(&server, &["GET", "l"]), "WRONGTYPE Operation against a key holding the wrong kind of value");
    assert_eq!(ask(&server, &["-n", "3", "DBSIZE"]), "0");
}

/// redis-cli builds its help and its hints from what COMMAND DOCS answers.
#[test]
#[ignore = "needs redis-cli and the release binary"]
fn help_shows_how_a_command_is_written() {
    let server = Server::start(Subject::Ours, &[]);
    for (command, syntax) in [
        ("zadd", "key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]"),
        ("xadd", "key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value [field value ...]"),
        ("client pause", "timeout [WRITE|ALL]"),
    ] {
        let help = ask(&server, &[&["help"], &command.split(' ').collect::<Vec<_>>()[..]].concat());
        assert!(help.contains(syntax), "{help}");
    }
}

#[test]
#[ignore = "needs redis-cli and the release binary"]
fn resp3_shapes() {
    let server = Server::start(Subject::Ours, &[]);
    ask(&server, &["HSET", "h", "field", "value"]);
    ask(&server, &["SADD", "s", "member"]);
    ask(&server, &["ZADD", "z", "1.5", "member"]);
    assert_eq!(ask(&server, &["-3", "--no-raw", "HGETALL", "h"]), "1# \"field\" => \"value\"");
    assert_eq!(ask(&server, &["-3", "--no-raw", "SMEMBERS", "s"]), "1~ \"member\"");
    assert_eq!(ask(&server, &["-3", "--no-raw", "ZSCORE", "z", "member"]), "(double) 1.5");
}

#[test]
#[ignore = "needs redis-cli and the release binary"]
fn a_transaction_in_one_session() {
    let server = Server::start(Subject::Ours, &[]);
    let script = b"MULTI\nINCR n\nINCR n\nEXEC\nMULTI\nINCR n\nDISCARD\nGET n\n";
    let output = cli(&server, &[], script).expect("redis-cli");
    assert_eq!(output.lines().collect::<Vec<_>>(), ["OK", "QUEUED", "QUEUED", "1", "2", "OK", "QUEUED", "OK", "2"]);
}

#[test]
#[ignore = "needs redis-cli and the release binary"]
fn mass_insertion_and_what_it_left() {
    let server = Server::start(Subject::Ours, &[]);
    let mut commands = Vec::new();
    for index in 0..20_000 {
        let key = format!("key:{index}");
        commands.extend(format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n$5\r\nvalue\r\n", key.len()).into_bytes());
    }
    // Inline commands and an error between them.
    commands.extend(b"LPUSH list a b c\r\nINCR list\r\n");
    let outcome = cli(&server, &["--pipe"], &commands);
    assert!(outcome.stdout.contains("errors: 1, replies: 20002"), "{outcome:?}");
    assert_eq!(ask(&server, &["DBSIZE"]), "20001");

    let mut keys: Vec<String> = ask(&server, &["--scan"]).lines().map(str::to_owned).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 20_001);
    let some = ask(&server, &["--scan", "--pattern", "key:1999?"]);
    assert_eq!(some.lines().count(), 10);

    let big = ask(&server, &["--bigkeys"]);
    assert!(big.contains("Sampled 20001 keys in the keyspace!"), "{big}");
    assert!(big.contains("Biggest   list found '\"list\"' has 3 items"), "{big}");
    let memory = ask(&server, &["--memkeys"]);
    assert!(memory.contains("Sampled 20001 keys in the keyspace!"), "{memory}");
}

#[test]
#[ignore = "needs redis-cli and the release binary"]
fn a_subscriber_hears_a_publisher() {
    let server = Server::start(Subject::Ours, &[]);
    let port = server.port.to_string();
    let output = std::thread::scope(|scope| {
        let listener = scope.spawn(|| {
            run("timeout", ["3", "redis-cli", "-p", &port, "SUBSCRIBE", "news"], Path::new("."), b"", LIMIT).stdout
        });
        for _ in 0..200 {
            if ask(&server, &["PUBLISH", "news", "hello"]) == "1" {
                break;
            }
        }
        listener.join().expect("the listener")
    });
    assert_eq!(output.lines().take(6).collect::<Vec<_>>(), ["subscribe", "news", "1", "message", "news", "hello"]);
}

#[test]
#[ignore = "needs redis-benchmark and the release binary"]
fn every_classic_benchmark_runs_clean() {
    let server = Server::start(Subject::Ours, &[]);
    let port = server.port.to_string();
    for depth in ["1", "16"] {
        let args = ["-p", &port, "-n", "2000", "-r", "1000", "-P", depth, "--csv"];
        let output = run("redis-benchmark", args, Path::new("."), b"", LIMIT);
        let complaint =
            ["Error", "ERR", "WARNING"].iter().any(|word| output.stderr.contains(word) || output.stdout.contains(word));
        assert!(output.succeeded() && !complaint, "{output:?}");
        for name in ["PING_INLINE", "SET", "INCR", "RPOP", "SPOP", "ZPOPMIN", "LRANGE_600", "MSET"] {
            assert!(output.stdout.contains(&format!("\"{name}")), "no {name} at -P {depth}: {}", output.stdout);
        }
        let xadd = ["-p", &port, "-n", "2000", "-P", depth, "--csv", "XADD", "stream", "*", "field", "value"];
        let output = run("redis-benchmark", xadd, Path::new("."), b"", LIMIT);
        assert!(output.succeeded() && output.stdout.contains("\"XADD"), "{output:?}");
    }
    // Errors would have shown: nothing was counted as one.
    let errors = ask(&server, &["INFO", "errorstats"]);
    assert!(!errors.contains("errorstat_"), "{errors}");
}

#[test]
#[ignore = "needs the release binary"]
fn starts_from_a_file_and_ends_on_sigterm() {
    let port = free_port();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let conf = dir.path().join("redis.conf");
    let text =
        format!("# a comment\nport {port}\nbind 127.0.0.1\nsave \"\"\nmaxmemory 100mb\nmaxmemory-policy allkeys-lru\n");
    std::fs::write(&conf, text).expect("the file is written");
    let conf = conf.to_str().expect("a readable path");
    let mut server = Server::launch(Subject::Ours, port, &[conf, "--databases", "4"], "");
    assert_eq!(ask(&server, &["CONFIG", "GET", "maxmemory"]), "maxmemory\n104857600");
    assert_eq!(ask(&server, &["CONFIG", "GET", "maxmemory-policy"]), "maxmemory-policy\nallkeys-lru");
    assert_eq!(ask(&server, &["CONFIG", "GET", "databases"]), "databases\n4");
    assert_eq!(ask(&server, &["-n", "4", "PING"]).lines().last(), Some("PONG"));
    let info = ask(&server, &["INFO", "server"]);
    assert!(info.contains("redis_version:7.0.15"), "{info}");
    assert!(info.contains(&format!("process_id:{}", server.pid())), "{info}");
    assert!(info.contains(&format!("tcp_port:{port}")), "{info}");
    let status = server.terminate().expect("SIGTERM ends the server");
    let log = server.log();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("Server initialized") && log.contains("Ready to accept connections"), "{log}");
}

#[test]
#[ignore = "needs redis-cli and the release binary"]
fn runs_in_the_background_until_it_is_told_to_stop() {
    let (port, dir) = (free_port().to_string(), tempfile::tempdir().expect("a temporary directory"));
    let path = |name: &str| dir.path().join(name).to_str().expect("a readable path").to_owned();
    let args = [
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--daemonize",
        "yes",
        "--pidfile",
        "pid",
        "--logfile",
        "log",
    ];
    let (root, program) = (path(""), Subject::Ours.program());
    let args = [&args[..], &["--dir", &root]].concat();
    run(program, args, Path::new("/"), b"", LIMIT).expect("the caller's process ends well");
    let cli =
        |words: &[&str]| run("redis-cli", [&["-p", &port][..], words].concat(), Path::new("."), b"", LIMIT).stdout;
    let log = || std::fs::read_to_string(path("log")).unwrap_or_default();
    let is_up = until(|| log().contains("Ready to accept connections"));
    let (info, pid) = (cli(&["INFO", "server"]), std::fs::read_to_string(path("pid")));
    // Whatever was found, it must not run on.
    cli(&["SHUTDOWN", "NOSAVE"]);
    assert!(is_up && log().contains("Configuration loaded"), "{}", log());
    let pid = pid.expect("a file with the process number");
    assert!(info.contains(&format!("process_id:{}", pid.trim())), "{info}");
    assert!(until(|| !Path::new(&path("pid")).exists()), "{}", log());
}

#[test]
#[ignore = "needs redis-cli and the release binary"]
fn outlives_its_terminal() {
    let mut server = Server::start(Subject::Ours, &[]);
    run("kill", ["-HUP", &server.pid().to_string()], Path::new("/"), b"", LIMIT).expect("kill");
    for _ in 0..20 {
        assert_eq!(ask(&server, &["PING"]), "PONG");
    }
    assert!(server.ended().is_none(), "{}", server.log());
}

#[test]
#[ignore = "needs the release binary"]
fn there_is_no_sentinel() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let link = dir.path().join("redis-sentinel");
    std::os::unix::fs::symlink(Subject::Ours.program(), &link).expect("a link");
    for (program, args) in [
        (Subject::Ours.program(), &["--port", "0", "--sentinel"][..]),
        (link, &["--port", "0"]),
        (Subject::Ours.program(), &["--port", "0", "--sentinel monitor a 127.0.0.1 1 1"]),
    ] {
        let outcome = run(program, args, dir.path(), b"", LIMIT);
        assert_eq!(outcome.status.and_then(|status| status.code()), Some(1), "{outcome:?}");
        assert!(outcome.stderr.contains("entinel"), "{outcome:?}");
    }
}

#[test]
#[ignore = "needs redis-cli and the release binary"]
fn commands_go_by_other_names() {
    let rename =
        ["--rename-command", "CONFIG", "Settings", "--rename-command", "FLUSHALL", "", "--rename-command SET PUT"];
    let server = Server::start(Subject::Ours, &rename);
    assert!(server.log().contains("Configuration loaded"), "{}", server.log());
    assert_eq!(ask(&server, &["put", "k", "v"]), "OK");
    for gone in ["CONFIG", "FLUSHALL", "set"] {
        let error = ask(&server, &[gone, "GET", "port"]);
        assert!(
            error.starts_with(&format!("ERR unknown command '{gone}', with args beginning with: 'GET'")),
            "{error}"
        );
    }
    assert_eq!(ask(&server, &["settings", "GET", "port"]), format!("port\n{}", server.port));
    assert_eq!(ask(&server, &["Settings", "NO"]), "ERR unknown subcommand 'NO'. Try SETTINGS HELP.");
    // Errors, rights and the table itself know a command by its own name.
    assert_eq!(ask(&server, &["PUT", "k"]), "ERR wrong number of arguments for 'set' command");
    assert_eq!(ask(&server, &["ACL", "SETUSER", "u", "+set", "+flushall"]), "OK");
    assert!(ask(&server, &["ACL", "SETUSER", "u", "+put"]).starts_with("ERR Error in ACL SETUSER modifier '+put'"));
    assert_eq!(ask(&server, &["COMMAND", "INFO", "put"]).lines().next(), Some("set"));
    assert_eq!(ask(&server, &["COMMAND", "INFO", "set"]), "");
    assert_eq!(ask(&server, &["COMMAND", "GETKEYS", "put", "k", "v"]), "k");
    let listed = ask(&server, &["COMMAND", "LIST"]);
    let has = |name: &str| listed.lines().any(|line| line == name);
    assert_eq!(["set", "config|get", "flushall", "put"].map(has), [true, true, false, false]);
    assert_eq!(ask(&server, &["ACL", "DRYRUN", "default", "set", "k", "v"]), "ERR Command 'set' not found");
    assert_eq!(ask(&server, &["ACL", "DRYRUN", "default", "put", "k", "v"]), "OK");
    let port = free_port().to_string();
    for (line, error) in
        [("nosuch x", "No such command in rename-command"), ("get SET", "Target command name already exists")]
    {
        let option = format!("--rename-command {line}");
        let outcome = run(Subject::Ours.program(), ["--port", &port, &option], Path::new("/"), b"", LIMIT);
        assert_eq!(outcome.status.and_then(|status| status.code()), Some(1), "{outcome:?}");
        assert!(outcome.stderr.contains(error), "{outcome:?}");
    }
}

#[test]
#[ignore = "needs the release binary"]
fn takes_its_configuration_from_standard_input() {
    let port = free_port();
    let text = format!("port {port}\nsave \"\"\nrequirepass secret\n");
    let server = Server::launch(Subject::Ours, port, &["-"], &text);
    assert_eq!(ask(&server, &["PING"]), "NOAUTH Authentication required.");
    assert_eq!(ask(&server, &["--no-auth-warning", "-a", "secret", "PING"]), "PONG");
}

#[test]
#[ignore = "needs the release binary"]
fn harnesses_find_the_process_number_in_the_log() {
    let port = free_port();
    let args = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--always-show-logo", "yes"];
    let server = Server::launch(Subject::Ours, port, &args, "");
    assert!(server.log().contains(&format!(" PID: {}", server.pid())), "{}", server.log());
}

#[test]
#[ignore = "needs the release binary"]
fn a_taken_port_is_refused() {
    let server = Server::start(Subject::Ours, &[]);
    let port = server.port.to_string();
    let outcome = run(Subject::Ours.program(), ["--port", &port, "--save", ""], Path::new("/"), b"", LIMIT);
    let text = [outcome.stdout, outcome.stderr].concat();
    assert_eq!(outcome.status.and_then(|status| status.code()), Some(1), "{text}");
    assert!(text.contains("Address already in use"), "{text}");
    assert!(text.contains(&format!("Failed listening on port {port}")), "{text}");
}

#[test]
#[ignore = "needs the release binary"]
fn an_unknown_directive_is_refused() {
    let port = free_port().to_string();
    let outcome = run(Subject::Ours.program(), ["--port", &port, "--no-such-thing", "1"], Path::new("/"), b"", LIMIT);
    let text = [outcome.stdout, outcome.stderr].concat();
    assert_eq!(outcome.status.and_then(|status| status.code()), Some(1), "{text}");
    assert!(text.contains("no-such-thing"), "{text}");
}

#[test]
#[ignore = "needs the release binary"]
fn help_and_version() {
    for (flag, word) in [("--help", "redis.conf"), ("--version", "7.0.15")] {
        let mut text = run(Subject::Ours.program(), [flag], Path::new("/"), b"", LIMIT);
        text.stdout.push_str(&text.stderr);
        assert!(text.stdout.contains(word), "{text:?}");
    }
}

#[test]
#[ignore = "needs redis-cli and the release binary"]
fn shutdown_by_command_ends_the_process() {
    let mut server = Server::start(Subject::Ours, &[]);
    let _ = cli(&server, &["SHUTDOWN", "NOSAVE"], b"");
    let status = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        server.ended()
    });
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", server.log());
}

/// The support's own promise: nothing that a test started outlives it, even when the test panics.
#[test]
fn a_panic_leaves_no_process_behind() {
    let mut pid = 0;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        // A shell with a child of its own.
        let process = Running::start(Command::new("sh").args(["-c", "sleep 600 & wait"]));
        pid = process.pid();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    // An orphan's remains stay in the table until init has looked at them.
    let left = || run("pgrep", ["-r", "S,R,D", "-g", &pid.to_string()], Path::new("/"), b"", LIMIT).stdout;
    assert!((0..100).any(|_| left().is_empty()), "{}", left());
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "needs redis-cli, redis-benchmark and the release binary"]
fn memory_that_is_freed_goes_back_to_the_system() {
    let server = Server::start(Subject::Ours, &[]);
    let resident = || {
        let text = ask(&server, &["INFO", "memory"]);
        let line = text.lines().find_map(|line| line.strip_prefix("used_memory_rss:")).expect("a line");
        line.trim().parse::<u64>().expect("a number") >> 20
    };
    assert_eq!(ask(&server, &["SETRANGE", "large", "200000000", "x"]), "200000001");
    assert!(resident() > 150);
    assert_eq!(ask(&server, &["DEL", "large"]), "1");
    assert!(resident() < 30, "{} MiB", resident());
    let port = server.port.to_string();
    let fill = [
        "-p",
        &port,
        "-q",
        "-n",
        "500000",
        "-r",
        "500000",
        "-P",
        "50",
        "SET",
        "__rand_int__",
        "a value of 24 bytes here",
    ];
    run("redis-benchmark", fill, Path::new("."), b"", LIMIT);
    assert!(resident() > 25);
    assert_eq!(ask(&server, &["FLUSHALL"]), "OK");
    assert!(resident() < 20, "{} MiB", resident());
}
