//! The commands, their words and their exit codes.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::home::{Home, marker, until};

const DAEMON: &str = "[Service]\nExecStart=/bin/sleep 1000\n";

#[test]
fn commands_end_as_systemctl_s_do() {
    let mut home = Home::new(&[("a.service", DAEMON), ("bad.service", "[Service]\nType=dbus\nExecStart=/bin/true\n")]);
    assert_eq!(home.run(&["status", "a"]).0, 3);
    assert_eq!(home.run(&["is-active", "a"]).0, 3);
    home.ok(&["start", "a"]);
    let out = home.ok(&["status", "a"]);
    assert!(
        out.starts_with("● a.service\n     Loaded: loaded (") && out.contains("Active: active (running) since"),
        "{out}"
    );
    assert_eq!(home.ok(&["is-active", "a"]), "active\n");
    assert_eq!(home.run(&["is-failed", "a"]).0, 1);
    assert!(home.ok(&["list"]).contains("a.service"));
    for (words, code, because) in [
        (&["start", "nothing"][..], 5, "Failed to start nothing.service: Unit nothing.service not found."),
        (&["status", "nothing"], 4, "Unit nothing.service could not be found."),
        (&["is-active", "nothing"], 4, ""),
        (&["start", "bad"], 1, "has a bad unit file setting: Type= in section [Service] is not supported"),
        (&["reload", "a"], 1, "Failed to reload a.service: Job type reload is not applicable for unit a.service."),
        (&["kill", "-s", "NONE", "a"], 1, "there is no signal"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
        (&["start"], 2, "required"),
        (&["status", "bad"], 3, ""),
    ] {
        let (ended, out, err) = home.run(words);
        assert!(ended == code && err.contains(because), "{words:?}: {ended} {out}{err}");
        assert!(!err.contains("panicked"), "{err}");
    }
    home.ok(&["stop", "a"]);
    home.ok(&["shutdown"]);
    assert!(home.child.take().unwrap().wait().unwrap().success());
    let (code, _, err) = home.run(&["status", "a"]);
    assert!(code == 1 && err.contains("no supervisor answers at"), "{err}");
}

#[test]
fn units_start_in_their_order_and_stop_in_the_opposite_one() {
    let service = |unit: &str, name: &str| {
        format!(
            "{unit}\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo +{name} >> {{}}/order'\nExecStop=/bin/sh -c 'echo -{name} >> {{}}/order'\n[Install]\nWantedBy=multi-user.target\n"
        )
    };
    let files = [
        ("a.service", service("[Unit]\nRequires=b.service\nAfter=b.service", "a")),
        ("b.service", service("[Unit]\nAfter=c.service", "b")),
        ("c.service", service("", "c")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let mut home = Home::new(&files);
    until("all are up", || home.state("default.target") == "active");
    home.end();
    assert_eq!(home.read("order"), "+c\n+b\n+a\n-a\n-b\n-c\n");
}

#[test]
fn a_cycle_is_said_before_anything_runs() {
    let text = |other: &str| {
        format!("[Unit]\nRequires={other}.service\nAfter={other}.service\n[Service]\nExecStart=/bin/sleep 1000\n")
    };
    let (a, b) = (text("b"), text("a"));
    let home = Home::new(&[("a.service", &a), ("b.service", &b)]);
    let (code, _, err) = home.run(&["start", "a"]);
    assert_eq!(
        (code, err.as_str()),
        (1, "Failed to start a.service: Transaction order is cyclic: a.service after b.service after a.service\n")
    );
    assert_eq!((home.state("a").as_str(), home.state("b").as_str()), ("inactive", "inactive"));
    let units = home.path("units").display().to_string();
    let (code, out, _) = home.run(&["check", &units]);
    assert!(
        code == 1 && out.contains("error: The order of units is cyclic: a.service after b.service after a.service"),
        "{out}"
    );
    let out = home.ok(&["graph", &units, "a"]);
    assert_eq!(out, "a.service\n└─b.service\n  └─a.service …\n");
    assert!(home.ok(&["graph", &units, "a", "--dot"]).contains("\"a.service\"->\"b.service\" [color=\"black\"];"));
}

#[test]
fn a_reload_of_the_files_leaves_what_runs() {
    let mut home = Home::new(&[("a.service", DAEMON), ("b.service", DAEMON)]);
    home.ok(&["start", "a", "b"]);
    let before = (home.main_pid("a"), home.main_pid("b"));
    home.write("b.service", "[Unit]\nDescription=Another\n[Service]\nExecStart=/bin/sleep 2000\n");
    home.write("c.service", DAEMON);
    home.write("t@.service", "[Service]\nExecStart=/bin/sleep %i\n");
    let (_, _, said) = home.run(&["daemon-reload"]);
    assert_eq!(said, "Units: added c.service; changed b.service.\n");
    assert_eq!((home.main_pid("a"), home.main_pid("b")), before);
    assert!(home.ok(&["status", "b"]).contains("b.service - Another"));
    home.ok(&["restart", "b"]);
    let command = std::fs::read_to_string(format!("/proc/{}/cmdline", home.main_pid("b").unwrap())).unwrap();
    assert_eq!(command, "/bin/sleep\x002000\0");
    assert_eq!(home.main_pid("a"), before.0);
    home.ok(&["start", "c", "t@3000"]);
    assert_eq!(home.state("t@3000"), "active");
    home.ok(&["daemon-reload"]);
    assert_eq!(home.state("t@3000"), "active");
    home.end();
}

#[test]
fn logs_are_kept_turned_over_and_followed() {
    let text = "[Service]\nExecStart=/bin/sh -c 'echo out; echo err >&2; while read line; do echo \"$$line\"; done < {}/fifo; printf partial; seq 1 2000'\n[X-Supervisor]\nLogMaxSize=8K\nLogKeep=2\n";
    let home = Home::new(&[("a.service", text)]);
    nix::unistd::mkfifo(&home.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    home.ok(&["start", "a"]);
    until("it has spoken", || home.log("a.service").contains("a: err"));
    assert!(home.ok(&["logs", "a", "-n", "2"]).ends_with("err\n"));
    let mut follow = Command::new(env!("CARGO_BIN_EXE_xs-supervisor"))
        .arg("--control")
        .arg(home.path("control"))
        .args(["logs", "-f", "-n", "1", "a"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().ends_with("a: err"));
    std::fs::write(home.path("fifo"), "one\ntwo\n").unwrap();
    assert!(lines.next().unwrap().unwrap().ends_with("a: one"));
    // The files turn over many times while it is followed.
    let last = lines.map(Result::unwrap).find(|line| line.ends_with("a: 2000") || line.contains("Deactivated"));
    assert!(last.is_some());
    follow.kill().unwrap();
    follow.wait().unwrap();
    until("it has ended", || home.log("a.service").contains("Deactivated"));
    let logs: Vec<_> = std::fs::read_dir(home.path("log"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("a.service"))
        .collect();
    assert_eq!(logs.len(), 3);
    assert!(logs.iter().all(|entry| entry.metadata().unwrap().len() <= 8192));
    assert!(home.ok(&["logs", "-n", "100"]).contains("Started a.service."));
}

#[test]
fn whoever_talks_nonsense_is_told_so() {
    let home = Home::new(&[("a.service", DAEMON)]);
    let mut stream = UnixStream::connect(home.path("control")).unwrap();
    stream.write_all(b"nonsense\n{\"command\":\"jobs\"}\n{\"command\":\"no-such\"}\n").unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("this is no request"));
    assert_eq!(lines.next().unwrap().unwrap(), "{\"code\":0}");
    assert!(lines.next().unwrap().unwrap().contains("unknown variant"));
    let mut long = UnixStream::connect(home.path("control")).unwrap();
    let _ = long.write_all(&vec![b'x'; 100 << 10]);
    let mut answer = String::new();
    let _ = long.read_to_string(&mut answer);
    home.ok(&["start", "a"]);
    // Who hangs up while waiting hurts nobody.
    home.ok(&["list-jobs"]);
}

#[test]
fn two_do_not_share_a_socket() {
    let home = Home::new(&[("a.service", DAEMON)]);
    let units = home.path("units").display().to_string();
    let (code, _, err) = home.run(&["run", &units]);
    assert!(code == 1 && err.contains("another supervisor answers there"), "{err}");
    let (code, _, err) = home.run(&["run", "/nowhere"]);
    assert!(code == 1 && err.contains("/nowhere: No such file"), "{err}");
}

#[test]
fn everything_ends_with_the_supervisor() {
    let (one, other) = (marker(), marker());
    let files = [
        (
            "a.service",
            format!(
                "[Service]\nTimeoutStopSec=200ms\nExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep {one}; done'\n[Install]\nWantedBy=multi-user.target\n"
            ),
        ),
        (
            "b.service",
            format!(
                "[Service]\nKillMode=process\nRestart=always\nExecStart=/bin/sh -c '(setsid sleep {other} &) ; exec sleep 1000'\n[Install]\nWantedBy=multi-user.target\n"
            ),
        ),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let mut home = Home::new(&files);
    until("all run", || !crate::home::alive(&one).is_empty() && !crate::home::alive(&other).is_empty());
    home.end();
    assert!(crate::home::alive(&one).is_empty() && crate::home::alive(&other).is_empty());
}

#[test]
fn the_demonstration_tells_its_story() {
    let output = Command::new(env!("CARGO_BIN_EXE_xs-supervisor")).arg("demo").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for part in ["web: serving", "Start request repeated too quickly.", "echo: hello from outside"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}
