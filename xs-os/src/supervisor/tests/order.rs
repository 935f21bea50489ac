//! Dependencies, order and conflicts between units.

use std::time::Duration;

use super::world::{Plan, World, millis};
use crate::supervisor::{Command, Files, Graph, Host, JobResult, Role};

const SECOND: Duration = Duration::from_secs(1);

fn world(files: &[(&str, &str)], plan: impl FnMut(&str, Role) -> Plan + 'static) -> World {
    let all: Vec<(String, String)> = files
        .iter()
        .map(|(name, text)| {
            (format!("{name}.service"), format!("[Unit]\n{text}\n[Service]\nType=exec\nExecStart=/bin/{name}\n"))
        })
        .collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    World::new(&all, plan)
}

fn daemon(_: &str, _: Role) -> Plan {
    Plan::DAEMON
}

fn order(world: &World) -> Vec<&str> {
    world.spawned.iter().map(|(_, name, _)| name.strip_suffix(".service").unwrap()).collect()
}

#[test]
fn what_is_needed_is_started_before_and_stopped_after() {
    let files = [
        ("a", "Requires=b.service c.service\nAfter=b.service c.service"),
        ("b", "Wants=d.service\nAfter=d.service"),
        ("c", "After=b.service"),
        ("d", ""),
    ];
    let mut world = world(&files, daemon);
    world.start("a.service");
    assert_eq!(order(&world), ["d", "b", "c", "a"]);
    // Whoever needs it is stopped with it, and first.
    world.command(Command::Stop, "b.service");
    world.pass(SECOND);
    assert_eq!(
        ["a", "b", "c", "d"].map(|name| world.state(&format!("{name}.service"))),
        ["inactive (dead)", "inactive (dead)", "active (running)", "active (running)"]
    );
    world.shut_down();
}

#[test]
fn a_restart_takes_along_who_runs() {
    let files =
        [("a", "Requires=b.service\nAfter=b.service"), ("b", ""), ("p", "PartOf=b.service"), ("q", "PartOf=b.service")];
    let mut world = world(&files, daemon);
    world.start("a.service");
    world.start("p.service");
    world.command(Command::Restart, "b.service");
    world.pass(SECOND);
    assert_eq!(["a", "b", "p", "q"].map(|name| world.mains(&format!("{name}.service"))), [2, 2, 2, 0]);
    let again = order(&world).split_off(2);
    let at = |name: &str| again.iter().rposition(|started| *started == name);
    assert!(at("b") < at("a"), "{again:?}");
    world.shut_down();
}

#[test]
fn a_failure_reaches_those_who_require_it() {
    let files = [
        ("a", "Requires=b.service\nAfter=b.service"),
        ("b", "Requires=c.service\nAfter=c.service"),
        ("c", ""),
        ("w", "Wants=c.service\nAfter=c.service"),
    ];
    let mut world = world(&files, |name, _| Plan { fails: name == "c", ..Plan::DAEMON });
    let job = world.command(Command::Start, "a.service").unwrap();
    assert_eq!(world.done[&job], JobResult::Dependency);
    assert!(world.logged("Dependency failed for a.service.") && world.logged("Dependency failed for b.service."));
    world.start("w.service");
    assert_eq!(world.state("w.service"), "active (running)");
    world.shut_down();
}

#[test]
fn who_is_bound_does_not_outlive_the_other() {
    let files = [
        ("a", "BindsTo=b.service\nAfter=b.service"),
        ("r", "Requires=b.service\nAfter=b.service"),
        ("b", "OnFailure=f.service"),
        ("f", ""),
    ];
    let mut world = world(&files, |name, _| if name == "b" { Plan::exits(SECOND, 1) } else { Plan::DAEMON });
    world.start("a.service");
    world.start("r.service");
    world.pass(2 * SECOND);
    assert_eq!(
        ["a", "r", "b", "f"].map(|name| world.state(&format!("{name}.service"))),
        ["inactive (dead)", "active (running)", "failed (failed)", "active (running)"]
    );
    world.shut_down();
}

#[test]
fn conflicts_stop_one_another() {
    let files = [("a", "Conflicts=b.service\nAfter=b.service"), ("b", ""), ("c", "Requires=a.service b.service")];
    let mut world = world(&files, daemon);
    world.start("b.service");
    world.start("a.service");
    assert_eq!(
        (world.state("a.service").as_str(), world.state("b.service").as_str()),
        ("active (running)", "inactive (dead)")
    );
    world.start("b.service");
    assert_eq!(
        (world.state("a.service").as_str(), world.state("b.service").as_str()),
        ("inactive (dead)", "active (running)")
    );
    let error = world.machine.handle_command(world.now, Command::Start, "c.service").unwrap_err().to_string();
    assert!(error.contains("conflicting jobs 'stop' and 'start'"), "{error}");
    world.shut_down();
}

#[test]
fn a_cycle_is_named_or_broken() {
    let files = [
        ("a", "Requires=b.service\nAfter=b.service"),
        ("b", "Requires=c.service\nAfter=c.service"),
        ("c", "Requires=a.service\nAfter=a.service"),
    ];
    let mut round = world(&files, daemon);
    let error = round.machine.handle_command(round.now, Command::Start, "b.service").unwrap_err().to_string();
    assert_eq!(error, "Transaction order is cyclic: a.service after b.service after c.service after a.service");
    round.act();
    assert_eq!((round.spawned.len(), round.machine.is_quiet()), (0, true));

    // Of those that are only wanted, one goes, and is named.
    let files =
        [("a", "Wants=b.service c.service\nAfter=b.service"), ("b", "After=c.service"), ("c", "After=b.service")];
    let mut broken = world(&files, daemon);
    broken.start("a.service");
    assert_eq!(order(&broken).len(), 2);
    assert!(broken.logged(
        "deleted to break ordering cycle. Transaction order is cyclic: b.service after c.service after b.service"
    ));
    broken.shut_down();
}

#[test]
fn what_is_missing_is_said() {
    let mut world = world(
        &[
            ("a", "Requires=none.service"),
            ("b", "Wants=none.service a.service"),
            ("c", "Requisite=b.service\nAfter=b.service"),
        ],
        daemon,
    );
    let error = |world: &mut World, name: &str| {
        world.machine.handle_command(world.now, Command::Start, name).unwrap_err().to_string()
    };
    assert_eq!(error(&mut world, "a.service"), "Unit none.service not found.");
    assert_eq!(error(&mut world, "zzz.service"), "Unit zzz.service not found.");
    let job = world.command(Command::Start, "c.service").unwrap();
    assert_ne!(world.done[&job], JobResult::Done, "b is not up");
    world.start("b.service");
    assert_eq!(
        (world.state("b.service").as_str(), world.state("a.service").as_str()),
        ("active (running)", "inactive (dead)")
    );
    assert!(world.logged("Cannot add dependency job, ignoring: Unit none.service not found."));
    let job = world.command(Command::Start, "c.service").unwrap();
    assert_eq!(world.done[&job], JobResult::Done);
    world.shut_down();
}

#[test]
fn a_job_takes_the_place_of_its_opposite() {
    let mut world = world(&[("a", "")], |_, _| Plan { stops: Some(SECOND), ..Plan::DAEMON });
    world.start("a.service");
    let stop = world.command(Command::Stop, "a.service").unwrap();
    let start = world.command(Command::Start, "a.service").unwrap();
    assert_eq!(world.done[&stop], JobResult::Canceled);
    world.pass(2 * SECOND);
    assert_eq!((world.done[&start], world.mains("a.service")), (JobResult::Done, 2));
    world.shut_down();
    let error = world.machine.handle_command(world.now, Command::Start, "a.service").unwrap_err();
    assert!(error.to_string().contains("everything is being stopped"));
}

#[test]
fn jobs_that_go_together_become_one() {
    let mut world =
        World::new(&[("a.service", "[Service]\nType=notify\nExecStart=/bin/a\nExecReload=/bin/r\n")], |_, role| {
            match role {
                Role::Main => Plan { ready: Some(SECOND), ..Plan::DAEMON },
                _ => Plan::exits(SECOND, 0),
            }
        });
    let start = world.command(Command::Start, "a.service").unwrap();
    assert_eq!(world.command(Command::Reload, "a.service"), Some(start));
    assert_eq!(world.command(Command::Restart, "a.service"), Some(start));
    world.pass(2 * SECOND);
    assert_eq!((world.done.get(&start), world.mains("a.service")), (Some(&JobResult::Done), 2));
    let reload = world.command(Command::Reload, "a.service").unwrap();
    assert_eq!(world.command(Command::Start, "a.service"), Some(reload));
    assert_eq!(world.state("a.service"), "reloading (reload)");
    world.pass(2 * SECOND);
    assert_eq!((world.done.get(&reload), world.mains("a.service")), (Some(&JobResult::Done), 2));
    world.shut_down();
}

#[test]
fn a_reload_of_definitions_leaves_alone_what_runs() {
    let text = |more: &str| format!("[Service]\nExecStart=/bin/main\n{more}");
    let load = |files: &[(&str, String)]| {
        let mut all = Files::new();
        files.iter().for_each(|(name, text)| all.add(name.as_ref(), text));
        all.load(&Host::new())
    };
    let before = load(&[("a.service", text("")), ("b.service", text("")), ("gone.service", text(""))]);
    let mut world = World::of(crate::supervisor::Machine::new(before.units, before.broken), |_, _| Plan::DAEMON);
    for name in ["a.service", "b.service", "gone.service"] {
        world.start(name);
    }
    let after = load(&[("a.service", text("")), ("b.service", text("Restart=always")), ("new.service", text(""))]);
    let changes = world.machine.handle_reload(world.now, after.units, after.broken);
    world.act();
    assert_eq!(
        (changes.added, changes.changed, changes.removed),
        (vec!["new.service".into()], vec!["b.service".into()], vec!["gone.service".into()])
    );
    assert_eq!((world.spawned.len(), world.alive()), (3, 3));
    assert_eq!(world.state("gone.service"), "active (running)");
    world.command(Command::Stop, "gone.service");
    world.pass(millis(10));
    assert!(world.machine.handle_command(world.now, Command::Start, "gone.service").is_err());
    world.shut_down();
}

#[test]
fn cycles_are_found_without_starting_anything() {
    let mut files = Files::new();
    for (name, after) in [("a", "b"), ("b", "a")] {
        files.add(
            format!("{name}.service").as_ref(),
            &format!("[Unit]\nAfter={after}.service\n[Service]\nExecStart=/bin/x"),
        );
    }
    let loaded = files.load(&Host::new());
    assert_eq!(Graph::new(&loaded.units).cycles(), [vec!["a.service".to_owned(), "b.service".to_owned()]]);
}
