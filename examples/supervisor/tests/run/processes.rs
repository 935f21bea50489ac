//! What becomes of processes: ended, killed, found, waited for.

use std::fs;

use crate::home::{BOTH, Home, alive, is_zombie, marker, until};

#[test]
fn a_daemon_that_forked_twice_is_stopped_with_its_service() {
    for words in BOTH {
        let (main, child, bare) = (marker(), marker(), marker());
        // One orphan in a session of its own, one that has forgotten its environment as well.
        let text = format!(
            "[Service]\nExecStart=/bin/sh -c '(setsid sh -c \"sleep {child} & exit\"); (env -i sleep {bare} &); exec sleep {main}'\n"
        );
        let mut home = Home::with(&[("a.service", &text)], words);
        home.ok(&["start", "a"]);
        until("all three run", || [&main, &child, &bare].iter().all(|marker| alive(marker).len() == 1));
        home.ok(&["stop", "a"]);
        for marker in [&main, &child, &bare] {
            assert_eq!(alive(marker), [0_u32; 0], "{words:?}");
        }
        assert_eq!(home.state("a"), "inactive");
        home.end();
    }
}

#[test]
fn nobody_stays_a_zombie_or_an_orphan() {
    for words in BOTH {
        let left = marker();
        let text = format!(
            "[Service]\nExecStart=/bin/sh -c 'for i in 1 2 3 4 5 6 7 8; do (sh -c \"exit 3\" &) ; done; (setsid sleep {left} &); echo made; sleep 0.2'\n"
        );
        let mut home = Home::with(&[("a.service", &text)], words);
        home.ok(&["start", "a"]);
        until("it has ended", || home.state("a") != "active" && home.log("a.service").contains("Deactivated"));
        assert_eq!(alive(&left), [0_u32; 0], "what a service leaves goes with it");
        let me = home.pid().to_string();
        let zombies = || {
            let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
            let ours = |path: &std::path::PathBuf| {
                let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
                stat.rsplit_once(')').is_some_and(|(_, after)| after.split_whitespace().nth(1) == Some(me.as_str()))
            };
            all.filter(|path| is_zombie(path) && ours(path)).count()
        };
        until("all are waited for", || zombies() == 0);
        home.end();
    }
}

#[test]
fn who_ignores_sigterm_is_killed() {
    let text = "[Service]\nTimeoutStopSec=300ms\nExecStart=/bin/sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.05; done'\n";
    let mut home = Home::new(&[("a.service", text)]);
    home.ok(&["start", "a"]);
    until("the trap is set", || home.log("a.service").contains("a: up"));
    home.ok(&["stop", "a"]);
    let (code, out, _) = home.run(&["status", "a"]);
    assert!(code == 3 && out.contains("failed (failed) (Result: timeout)") && out.contains("status=9/KILL"), "{out}");
    assert!(home.log("a.service").contains("State 'stop-sigterm' timed out. Killing."));
    home.end();
}

#[test]
fn a_crash_is_answered_with_another_life() {
    let text = "[Service]\nExecStart=/bin/sh -c 'exec sleep 1000'\nRestart=on-failure\nRestartSec=50ms\n";
    let mut home = Home::new(&[("a.service", text)]);
    home.ok(&["start", "a"]);
    let first = home.main_pid("a").unwrap();
    home.ok(&["kill", "-s", "KILL", "a"]);
    until("another one runs", || home.main_pid("a").is_some_and(|pid| pid != first));
    let log = home.log("a.service");
    assert!(log.contains("Main process exited, code=killed, status=9/KILL"), "{log}");
    assert!(log.contains("restart counter is at 1."), "{log}");
    home.end();
}

#[test]
fn a_forking_daemon_is_followed_by_its_file() {
    let script = "setsid sh -c 'sleep 0.1; echo $$ > {}/a.pid; exec sleep 1000' &\nexit 0\n";
    let text = "[Service]\nType=forking\nPIDFile={}/a.pid\nExecStart=/bin/sh {}/units/daemon.sh\n";
    for words in BOTH {
        let mut home = Home::with(&[("a.service", text), ("daemon.sh", script)], words);
        home.ok(&["start", "a"]);
        let pid = home.main_pid("a").unwrap();
        assert_eq!(home.read("a.pid").trim(), pid.to_string());
        home.ok(&["stop", "a"]);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists() && !home.path("a.pid").exists());
        home.end();
    }
}

#[test]
fn a_process_is_given_what_its_unit_says() {
    let text = "[Service]\nType=oneshot\nRemainAfterExit=yes\nEnvironment=A=1 \"B=two words\"\nEnvironmentFile={}/vars\nEnvironmentFile=-{}/none\n\
        UMask=0027\nWorkingDirectory={}\nLimitNOFILE=77\nNice=3\nUnsetEnvironment=GONE\n\
        ExecStart=/bin/sh -c 'echo \"$$A|$$B|$$C|$$GONE|$$(umask)|$$(pwd)|$$(ulimit -n)|$$(nice)|$$INVOCATION_ID|$$HOME_OF\"'\n\
        ExecStart=/bin/echo [${B}] $B $NONE end\nExecStart=-/bin/false\nExecStart=true\n";
    let home = Home::new(&[("a.service", text)]);
    fs::write(home.path("vars"), "C='from file'\nGONE=1\n").unwrap();
    home.ok(&["start", "a"]);
    until("it has spoken", || home.log("a.service").contains("end"));
    let log = home.log("a.service");
    let expected = format!("a: 1|two words|from file||0027|{}|77|3|", home.dir.path().display());
    assert!(log.contains(&expected), "{expected}\n{log}");
    assert!(log.contains("a: [two words] two words end\n"), "{log}");
    assert_eq!(home.state("a"), "active");
}

#[test]
fn what_cannot_be_executed_says_at_which_step() {
    let home = Home::new(&[
        ("a.service", "[Service]\nType=exec\nExecStart=/nowhere/at/all\n"),
        ("b.service", "[Service]\nType=exec\nWorkingDirectory=/nowhere\nExecStart=/bin/true\n"),
        ("c.service", "[Service]\nType=exec\nUser=nobody-at-all\nExecStart=/bin/true\n"),
        ("d.service", "[Service]\nExecStart=/nowhere/at/all\n"),
    ]);
    for (unit, status) in [("a", "203/EXEC"), ("b", "200/CHDIR"), ("c", "217/USER")] {
        let (code, _, err) = home.run(&["start", unit]);
        assert!(
            code == 1 && err.contains("failed because the control process exited with error code"),
            "{unit}: {err}"
        );
        let (code, out, _) = home.run(&["status", unit]);
        assert!(code == 3 && out.contains(status), "{unit}: {out}");
    }
    // A simple one counts as started; that it is not is seen later.
    home.ok(&["start", "d"]);
    assert_eq!(home.state("d"), "failed");
}

#[test]
fn what_a_killed_supervisor_started_is_killed_with_it() {
    let (main, child) = (marker(), marker());
    let text = format!(
        "[Service]\nExecStart=/bin/sh -c '(setsid sleep {child} &); exec sleep {main}'\n[Install]\nWantedBy=multi-user.target\n"
    );
    let mut home = Home::new(&[("a.service", &text)]);
    until("both run", || alive(&main).len() == 1 && alive(&child).len() == 1);
    home.kill();
    until("the main process is gone", || alive(&main).is_empty());
    // What it left behind is an orphan of the system's. A supervisor that may write control groups finds it; for the others it
    // is nobody's, and stays.
    let orphan = alive(&child);
    assert_eq!(orphan.len(), 1);
    home.begin();
    until("the next one starts anew", || alive(&main).len() == 1 && !alive(&child).is_empty());
    home.end();
    for pid in alive(&child) {
        assert_eq!(pid, orphan[0]);
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL);
    }
}

#[test]
#[ignore = "needs root"]
fn control_groups_hold_what_they_should() {
    let main = marker();
    let files = [
        ("small.service", "[Service]\nType=oneshot\nMemoryMax=8M\nExecStart=/bin/sh -c 'x=$$(head -c 64M /dev/zero | tr \"\\\\000\" x); echo kept $${#x}'\n".to_owned()),
        ("few.service", "[Service]\nType=oneshot\nTasksMax=3\nExecStart=/bin/sh -c 'for i in 1 2 3 4 5; do sleep 0.3 & done; wait; echo all five'\n".to_owned()),
        ("nobody.service", "[Service]\nType=oneshot\nUser=nobody\nExecStart=/bin/sh -c 'echo $$(id -un) $$(id -G) $$HOME'\n".to_owned()),
        ("left.service", format!("[Service]\nExecStart=/bin/sh -c '(setsid sleep {main} &); exec sleep 1000'\n[Install]\nWantedBy=multi-user.target\n")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let mut home = Home::new(&files);
    let (code, _, err) = home.run(&["start", "small"]);
    assert!(code == 1, "{err}");
    assert!(!home.log("small.service").contains("kept"), "{}", home.log("small.service"));
    home.run(&["start", "few"]);
    assert!(
        !home.log("few.service").contains("all five") || home.log("few.service").contains("fork"),
        "{}",
        home.log("few.service")
    );
    home.ok(&["start", "nobody"]);
    assert!(home.log("nobody.service").contains("nobody: nobody 65534"), "{}", home.log("nobody.service"));
    // A group that a killed supervisor left is emptied by the next one.
    until("it runs", || alive(&main).len() == 1);
    let orphan = alive(&main);
    home.kill();
    home.begin();
    until("the orphan is gone", || !alive(&main).contains(&orphan[0]));
    home.end();
    assert!(alive(&main).is_empty());
}
