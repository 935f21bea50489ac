//! What services do and what is done about it, case by case.

use std::time::Duration;

use super::world::{Plan, World, millis};
use crate::supervisor::{Command, JobResult, Role, Service, UnitResult};

const SECOND: Duration = Duration::from_secs(1);

fn service(text: &str) -> String {
    format!("[Service]\nExecStart=/bin/main\n{text}")
}

fn one(text: &str, plan: Plan) -> World {
    World::new(&[("a.service", &service(text))], move |_, role| match role {
        Role::Main | Role::Start => plan,
        _ => Plan::exits(millis(1), 0),
    })
}

#[test]
fn a_daemon_runs_until_it_is_stopped() {
    let mut world = one(
        "ExecStartPre=/bin/pre\nExecStartPost=/bin/post\nExecStop=/bin/stop\nExecStopPost=/bin/after",
        Plan::DAEMON,
    );
    assert_eq!(world.state("a.service"), "inactive (dead)");
    let job = world.command(Command::Start, "a.service").unwrap();
    assert_eq!(world.state("a.service"), "activating (start-pre)");
    world.pass(millis(1));
    assert_eq!(world.state("a.service"), "activating (start-post)");
    world.pass(SECOND);
    assert_eq!(world.state("a.service"), "active (running)");
    assert_eq!(world.done.get(&job), Some(&JobResult::Done));
    world.command(Command::Stop, "a.service");
    assert_eq!(world.state("a.service"), "deactivating (stop)");
    world.pass(SECOND);
    assert_eq!(world.state("a.service"), "inactive (dead)");
    let roles: Vec<Role> = world.spawned.iter().map(|(_, _, role)| *role).collect();
    assert_eq!(roles, [Role::StartPre, Role::Main, Role::StartPost, Role::Stop, Role::StopPost]);
    assert!(world.logged("Started a.service.") && world.logged("Stopped a.service."));
    world.shut_down();
}

#[test]
fn who_ignores_sigterm_is_killed() {
    let mut world = one("TimeoutStopSec=5", Plan { stops: None, ..Plan::DAEMON });
    world.start("a.service");
    world.command(Command::Stop, "a.service");
    world.pass(millis(4999));
    assert_eq!(world.state("a.service"), "deactivating (stop-sigterm)");
    world.pass(SECOND);
    assert_eq!(world.state("a.service"), "failed (failed)");
    assert_eq!(world.machine.result(world.id("a.service")), UnitResult::Timeout);
    assert!(world.logged("State 'stop-sigterm' timed out. Killing."));
    world.shut_down();
}

#[test]
fn a_crash_loop_is_slowed_and_then_refused() {
    let text = "Restart=on-failure\nRestartSec=1\nRestartSteps=4\nRestartMaxDelaySec=16\n[Unit]\nStartLimitIntervalSec=100\nStartLimitBurst=6";
    let mut world = one(text, Plan::exits(millis(10), 1));
    world.start("a.service");
    world.pass(millis(50));
    assert_eq!(world.state("a.service"), "activating (auto-restart)");
    world.pass(90 * SECOND);
    let starts: Vec<u64> = world.spawned.iter().map(|(at, ..)| (at.get() - 1_000_000_000) / 1_000_000_000).collect();
    // One second, then twice as long each time, up to sixteen; the seventh start is one too many.
    assert_eq!(starts, [0, 1, 3, 7, 15, 31]);
    assert_eq!(world.state("a.service"), "failed (failed)");
    assert!(world.logged("Start request repeated too quickly.") && world.logged("Failed with result 'exit-code'."));
    assert_eq!(world.machine.restarts(world.id("a.service")), 6);
    world.machine.handle_reset_failed(world.now, "a.service").unwrap();
    assert_eq!(world.state("a.service"), "inactive (dead)");
    world.start("a.service");
    assert_eq!(world.mains("a.service"), 7);
    world.shut_down();
}

#[test]
fn back_off_has_steps_and_a_maximum() {
    let mut service = Service { restart_sec: SECOND, ..Service::default() };
    assert_eq!(service.restart_delay(9), SECOND);
    (service.restart_steps, service.restart_max_delay) = (2, Some(100 * SECOND));
    assert_eq!([1, 2, 3, 99].map(|n| service.restart_delay(n)), [SECOND, 10 * SECOND, 100 * SECOND, 100 * SECOND]);
    service.restart_sec = Duration::ZERO;
    assert_eq!([1, 2].map(|n| service.restart_delay(n)), [Duration::ZERO, 100 * SECOND]);
}

#[test]
fn each_policy_restarts_after_what_it_names() {
    // The table of systemd.service(5): a clean exit, a clean signal, a status, a signal, a timeout, the watchdog.
    let ends = [0, -15, 3, -11];
    for (policy, restarted) in [
        ("no", [false, false, false, false]),
        ("always", [true, true, true, true]),
        ("on-success", [true, true, false, false]),
        ("on-failure", [false, false, true, true]),
        ("on-abnormal", [false, false, false, true]),
        ("on-abort", [false, false, false, true]),
        ("on-watchdog", [false, false, false, false]),
    ] {
        for (end, restarted) in ends.into_iter().zip(restarted) {
            let mut world = one(&format!("Restart={policy}\nRestartSec=1h"), Plan::exits(millis(5), end));
            world.start("a.service");
            world.pass(SECOND);
            let state = world.state("a.service");
            assert_eq!(state == "activating (auto-restart)", restarted, "{policy} after {end}: {state}");
            world.shut_down();
        }
    }
    let text = "Restart=on-failure\nRestartPreventExitStatus=3\nSuccessExitStatus=7";
    for end in [3, 7] {
        let mut world = one(text, Plan::exits(millis(5), end));
        world.start("a.service");
        world.pass(SECOND);
        assert_eq!(world.state("a.service"), if end == 7 { "inactive (dead)" } else { "failed (failed)" });
    }
}

#[test]
fn a_notifying_service_is_up_when_it_says_so() {
    let mut world = one("Type=notify\nTimeoutStartSec=10", Plan { ready: Some(SECOND), ..Plan::DAEMON });
    world.start("a.service");
    assert_eq!(world.state("a.service"), "activating (start)");
    world.pass(SECOND);
    assert_eq!(world.state("a.service"), "active (running)");
    world.notify("a.service", "STATUS=Busy\nRELOADING=1");
    assert_eq!(world.state("a.service"), "reloading (reload)");
    assert_eq!(world.machine.status_text(world.id("a.service")), "Busy");
    world.notify("a.service", "READY=1");
    assert_eq!(world.state("a.service"), "active (running)");
    world.notify("a.service", "STOPPING=1");
    assert_eq!(world.state("a.service"), "deactivating (stop-sigterm)");
    world.shut_down();

    // Never, too early gone, and later than it should but with more time asked for.
    let mut world = one("Type=notify\nTimeoutStartSec=10", Plan::DAEMON);
    let job = world.command(Command::Start, "a.service").unwrap();
    world.pass(11 * SECOND);
    assert_eq!((world.state("a.service").as_str(), world.done[&job]), ("failed (failed)", JobResult::Failed));
    let mut world = one("Type=notify", Plan::exits(millis(5), 0));
    world.start("a.service");
    world.pass(SECOND);
    assert_eq!(world.machine.result(world.id("a.service")), UnitResult::Protocol);
    let mut world = one("Type=notify\nTimeoutStartSec=10", Plan { ready: Some(15 * SECOND), ..Plan::DAEMON });
    world.start("a.service");
    world.notify("a.service", "EXTEND_TIMEOUT_USEC=20000000");
    world.pass(16 * SECOND);
    assert_eq!(world.state("a.service"), "active (running)");
}

#[test]
fn silence_is_answered_by_the_watchdog() {
    let mut world =
        one("Type=notify\nWatchdogSec=5\nRestart=on-watchdog", Plan { ready: Some(millis(1)), ..Plan::DAEMON });
    world.start("a.service");
    for _ in 0..5 {
        world.pass(4 * SECOND);
        world.notify("a.service", "WATCHDOG=1");
    }
    assert_eq!(world.mains("a.service"), 1);
    world.pass(6 * SECOND);
    assert!(world.logged("Watchdog timeout (limit 5s)!"));
    assert_eq!(world.mains("a.service"), 2);
    world.notify("a.service", "WATCHDOG=trigger");
    world.pass(SECOND);
    assert_eq!(world.mains("a.service"), 3);
    world.shut_down();
}

#[test]
fn a_forking_service_is_what_it_leaves_behind() {
    for (text, leaves, state) in [
        ("Type=forking", true, "active (running)"),
        ("Type=forking\nPIDFile=/run/a.pid", true, "active (running)"),
        ("Type=forking\nPIDFile=/run/a.pid\nTimeoutStartSec=1", false, "failed (failed)"),
        ("Type=forking", false, "failed (failed)"),
    ] {
        let mut world = one(text, Plan { leaves, ..Plan::exits(millis(5), 0) });
        world.start("a.service");
        assert_eq!(world.state("a.service"), "activating (start)");
        world.pass(2 * SECOND);
        assert_eq!(world.state("a.service"), state, "{text}");
        assert_eq!(world.machine.main_pid(world.id("a.service")).is_some(), leaves);
        world.shut_down();
    }
}

#[test]
fn what_runs_once_is_up_while_it_should_be_remembered() {
    let mut world = one("Type=oneshot\nExecStart=/bin/second\nExecStop=/bin/undo", Plan::exits(SECOND, 0));
    world.start("a.service");
    assert_eq!(world.state("a.service"), "activating (start)");
    world.pass(3 * SECOND);
    assert_eq!((world.state("a.service").as_str(), world.mains("a.service")), ("inactive (dead)", 2));
    assert!(world.logged("Finished a.service."));
    let mut world = one("Type=oneshot\nRemainAfterExit=yes", Plan::exits(SECOND, 0));
    world.start("a.service");
    world.pass(2 * SECOND);
    assert_eq!(world.state("a.service"), "active (exited)");
    world.shut_down();
    let mut world = one("Type=oneshot\nExecStart=/bin/second", Plan::exits(SECOND, 1));
    world.start("a.service");
    world.pass(3 * SECOND);
    assert_eq!((world.state("a.service").as_str(), world.mains("a.service")), ("failed (failed)", 1));
}

#[test]
fn readiness_is_asked_for() {
    let mut ready = 3;
    let text = service("[X-Supervisor]\nReadyExec=/bin/ready\nReadyIntervalSec=1");
    let mut world = World::new(&[("a.service", &text)], move |_, role| match role {
        Role::Probe => {
            ready -= 1;
            Plan::exits(millis(10), i32::from(ready > 0))
        }
        _ => Plan::DAEMON,
    });
    world.start("a.service");
    world.pass(SECOND);
    assert_eq!(world.state("a.service"), "activating (start)");
    world.pass(2 * SECOND);
    assert_eq!(world.state("a.service"), "active (running)");
    world.shut_down();
}

#[test]
fn a_program_that_cannot_be_run_fails_as_its_type_says() {
    for (kind, result) in [("simple", JobResult::Done), ("exec", JobResult::Failed), ("notify", JobResult::Failed)] {
        let mut world = one(&format!("Type={kind}"), Plan { fails: true, ..Plan::DAEMON });
        let job = world.command(Command::Start, "a.service").unwrap();
        assert_eq!((world.done[&job], world.state("a.service").as_str()), (result, "failed (failed)"), "{kind}");
        assert!(world.logged("status=203/EXEC"));
        world.shut_down();
    }
}

#[test]
fn processes_that_are_left_are_stopped_with_the_main_one() {
    for mode in ["control-group", "mixed"] {
        let plan = Plan { leaves: true, stops: None, ..Plan::exits(SECOND, 0) };
        let mut world = one(&format!("KillMode={mode}\nTimeoutStopSec=2"), plan);
        world.start("a.service");
        world.pass(10 * SECOND);
        assert_eq!(world.alive(), 0, "{mode}");
        world.shut_down();
    }
    let mut world = one("KillMode=process", Plan { leaves: true, ..Plan::exits(SECOND, 0) });
    world.start("a.service");
    world.pass(10 * SECOND);
    assert!(world.alive() == 1 && world.logged("Processes remain running after the unit stopped."));
}

#[test]
fn sockets_start_their_service_and_are_kept() {
    let socket = "[Socket]\nListenStream=/run/a\n[Install]\nWantedBy=sockets.target";
    let mut world =
        World::new(&[("a.service", &service("")), ("a.socket", socket)], |_, _| Plan::exits(millis(100), 0));
    world.start("default.target");
    assert_eq!(world.state("a.socket"), "active (listening)");
    assert_eq!(world.state("sockets.target"), "active (active)");
    assert_eq!(world.spawned.len(), 0);
    world.trigger("a.socket");
    assert_eq!(
        (world.state("a.socket").as_str(), world.state("a.service").as_str()),
        ("active (running)", "active (running)")
    );
    world.pass(SECOND);
    assert_eq!(
        (world.state("a.socket").as_str(), world.state("a.service").as_str()),
        ("active (listening)", "inactive (dead)")
    );
    // Again and again, until that is too often.
    for _ in 0..4 {
        world.trigger("a.socket");
        world.pass(SECOND);
    }
    assert_eq!(world.mains("a.service"), 5);
    world.trigger("a.socket");
    assert_eq!(world.state("a.socket"), "failed (failed)");
    assert_eq!(world.machine.result(world.id("a.socket")), UnitResult::ServiceStartLimitHit);
    world.shut_down();
}

#[test]
fn a_reload_is_a_command_or_is_refused() {
    let mut world = one("ExecReload=/bin/reload", Plan::DAEMON);
    world.start("a.service");
    let job = world.command(Command::Reload, "a.service").unwrap();
    assert_eq!(world.state("a.service"), "reloading (reload)");
    world.pass(SECOND);
    assert_eq!((world.state("a.service").as_str(), world.done[&job]), ("active (running)", JobResult::Done));
    assert_eq!(world.mains("a.service"), 1);
    let mut world = one("", Plan::DAEMON);
    world.start("a.service");
    let error = world.machine.handle_command(world.now, Command::Reload, "a.service").unwrap_err();
    assert_eq!(error.to_string(), "Job type reload is not applicable for unit a.service.");
}

#[test]
fn an_idle_service_waits_for_the_others() {
    let files = [
        ("a.service", service("Type=idle\n[Install]\nWantedBy=multi-user.target")),
        ("b.service", service("Type=oneshot\n[Install]\nWantedBy=multi-user.target")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let mut world = World::new(&files, |name, _| if name == "b" { Plan::exits(2 * SECOND, 0) } else { Plan::DAEMON });
    world.start("default.target");
    assert_eq!((world.mains("a.service"), world.mains("b.service")), (0, 1));
    world.pass(3 * SECOND);
    assert_eq!(world.mains("a.service"), 1);
    assert_eq!(world.state("default.target"), "active (active)");
    world.shut_down();
}

#[test]
fn what_was_forked_beforehand_is_gone_before_the_service() {
    let text = service("ExecStartPre=/bin/pre");
    let mut world = World::new(&[("a.service", &text)], |_, role| match role {
        Role::StartPre => Plan { leaves: true, ..Plan::exits(millis(5), 0) },
        _ => Plan::DAEMON,
    });
    world.start("a.service");
    world.pass(SECOND);
    assert_eq!((world.state("a.service").as_str(), world.alive()), ("active (running)", 1));
}

#[test]
fn each_command_has_its_own_time() {
    let text = service("ExecStop=/bin/one\nExecStop=/bin/two\nExecStop=/bin/three\nTimeoutStopSec=2");
    let mut slow = World::new(&[("a.service", &text)], |_, role| match role {
        Role::Stop => Plan::exits(millis(1500), 0),
        _ => Plan::DAEMON,
    });
    slow.start("a.service");
    slow.command(Command::Stop, "a.service");
    slow.pass(5 * SECOND);
    assert_eq!((slow.state("a.service").as_str(), slow.spawned.len()), ("inactive (dead)", 4));
    slow.shut_down();
}

#[test]
fn a_life_may_be_limited() {
    let mut world = one("RuntimeMaxSec=10\nExecReload=/bin/reload", Plan::DAEMON);
    world.start("a.service");
    world.pass(8 * SECOND);
    world.command(Command::Reload, "a.service");
    world.pass(SECOND);
    assert_eq!(world.state("a.service"), "active (running)");
    world.pass(2 * SECOND);
    assert_eq!(world.machine.result(world.id("a.service")), UnitResult::Timeout);
    assert!(world.logged("Service reached runtime time limit. Stopping."));
}
