//! A machine room for the supervisor's machine: processes that only pretend, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::supervisor::{
    Action, Active, Command, ExitStatus, Files, Host, JobId, JobResult, Machine, Message, Role, Signal, SpawnError,
    Type, UnitId, Whom,
};
use crate::{Nanos, Rng};

/// What a process is going to do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plan {
    /// When it ends by itself, and how.
    pub(super) ends: Option<(Duration, i32)>,
    /// How long it takes to act on a signal; none if it ignores those that can be ignored.
    pub(super) stops: Option<Duration>,
    /// When it says that it is ready.
    pub(super) ready: Option<Duration>,
    /// Whether it leaves a process behind when it ends.
    pub(super) leaves: bool,
    /// Whether it can't be started at all.
    pub(super) fails: bool,
}

impl Plan {
    pub(super) const DAEMON: Plan =
        Plan { ends: None, stops: Some(Duration::ZERO), ready: None, leaves: false, fails: false };

    pub(super) fn exits(after: Duration, status: i32) -> Plan {
        Plan { ends: Some((after, status)), ..Plan::DAEMON }
    }
}

#[derive(Debug, Clone)]
struct Process {
    unit: UnitId,
    role: Option<Role>,
    plan: Plan,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ends(u32, i32),
    Dies(u32, i32),
    Ready(u32),
}

/// The world round a machine.
pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) now: Nanos,
    processes: BTreeMap<u32, Process>,
    events: BTreeSet<(Nanos, u64, Event)>,
    next: u64,
    /// What each command is going to do, by its unit's stem and its role; a daemon otherwise.
    plan: Box<dyn FnMut(&str, Role) -> Plan>,
    pub(super) log: Vec<String>,
    pub(super) done: BTreeMap<JobId, JobResult>,
    pub(super) spawned: Vec<(Nanos, String, Role)>,
    pub(super) watched: BTreeSet<String>,
    /// What went wrong that must never.
    pub(super) check_order: bool,
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl World {
    /// Of files by name, each with its text.
    pub(super) fn new(texts: &[(&str, &str)], plan: impl FnMut(&str, Role) -> Plan + 'static) -> World {
        let mut files = Files::new();
        for (name, text) in texts {
            files.add(name.as_ref(), text);
        }
        let loaded = files.load(&Host::new());
        assert!(loaded.notices.iter().all(|notice| !notice.fatal), "{:?}", loaded.notices);
        World::of(Machine::new(loaded.units, loaded.broken), plan)
    }

    pub(super) fn of(machine: Machine, plan: impl FnMut(&str, Role) -> Plan + 'static) -> World {
        World {
            machine,
            now: Nanos::new(1_000_000_000),
            processes: BTreeMap::new(),
            events: BTreeSet::new(),
            next: 100,
            plan: Box::new(plan),
            log: Vec::new(),
            done: BTreeMap::new(),
            spawned: Vec::new(),
            watched: BTreeSet::new(),
            check_order: true,
        }
    }

    pub(super) fn id(&self, name: &str) -> UnitId {
        self.machine.find(name).unwrap_or_else(|| panic!("no {name}"))
    }

    pub(super) fn state(&self, name: &str) -> String {
        let id = self.id(name);
        format!("{} ({})", self.machine.active(id).name(), self.machine.sub(id).name())
    }

    pub(super) fn command(&mut self, command: Command, name: &str) -> Option<JobId> {
        let job =
            self.machine.handle_command(self.now, command, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        self.act();
        job
    }

    /// Starts it and lets a little time pass.
    pub(super) fn start(&mut self, name: &str) {
        self.command(Command::Start, name);
        self.pass(millis(1));
    }

    pub(super) fn trigger(&mut self, socket: &str) {
        assert!(self.watched.remove(socket), "{socket} is not watched");
        let id = self.id(socket);
        self.machine.handle_triggered(self.now, id);
        self.act();
    }

    pub(super) fn notify(&mut self, name: &str, text: &str) {
        let id = self.id(name);
        self.machine.handle_notify(self.now, id, &Message::parse(text.as_bytes()).unwrap());
        self.act();
    }

    pub(super) fn alive(&self) -> usize {
        self.processes.len()
    }

    pub(super) fn logged(&self, part: &str) -> bool {
        self.log.iter().any(|line| line.contains(part))
    }

    pub(super) fn mains(&self, name: &str) -> usize {
        self.spawned.iter().filter(|(_, unit, role)| unit == name && *role == Role::Main).count()
    }

    fn at(&mut self, after: Duration, event: Event) {
        self.next += 1;
        self.events.insert((self.now.checked_add(after).unwrap(), self.next, event));
    }

    /// Lets time pass, from one thing that happens to the next.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.checked_add(time).unwrap();
        for step in 0.. {
            assert!(step < 200_000, "it does not come to rest");
            let event = self.events.first().map(|(at, ..)| *at);
            let deadline = self.machine.next_deadline();
            let Some(next) = event.into_iter().chain(deadline).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if event == Some(next) {
                let (_, _, event) = self.events.pop_first().unwrap();
                self.happen(event);
            } else {
                self.machine.handle_timeout(self.now);
            }
            self.act();
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ready(pid) => {
                if let Some(process) = self.processes.get(&pid) {
                    self.machine.handle_notify(self.now, process.unit, &Message::parse(b"READY=1").unwrap());
                }
            }
            Event::Ends(pid, status) | Event::Dies(pid, status) => {
                let Some(process) = self.processes.remove(&pid) else { return };
                if process.plan.leaves && matches!(event, Event::Ends(..)) {
                    self.next += 1;
                    let plan = Plan { ends: None, leaves: false, ..process.plan };
                    self.processes.insert(self.next as u32, Process { unit: process.unit, role: None, plan });
                }
                let status = match Signal::new(-status) {
                    Some(signal) => ExitStatus::Killed(signal, false),
                    None => ExitStatus::Exited(status as u8),
                };
                let empty = !self.processes.values().any(|other| other.unit == process.unit);
                self.machine.handle_exited(self.now, process.unit, pid, status, empty);
            }
        }
    }

    /// Does what the machine asks.
    pub(super) fn act(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Spawn { unit, role, .. } => self.spawn(unit, role),
                Action::Signal { unit, whom, signal } => self.signal(unit, whom, signal),
                Action::FindMain(unit) => {
                    let found =
                        self.processes.iter().find(|(_, process)| process.unit == unit && process.role.is_none());
                    let pid = found.map(|(pid, _)| *pid);
                    self.machine.handle_main(self.now, unit, pid);
                }
                Action::Connect(unit, port) => self.machine.handle_probed(self.now, unit, port != 1),
                Action::Listen(unit) => self.machine.handle_listening(self.now, unit, Ok(())),
                Action::Watch(unit) => drop(self.watched.insert(self.machine.unit(unit).name.clone())),
                Action::Unwatch(unit) | Action::Close(unit) => drop(self.watched.remove(&self.machine.unit(unit).name)),
                Action::Release(_) => {}
                Action::Log(_, _, line) => self.log.push(line),
                Action::Done { job, result, .. } => {
                    assert_eq!(self.done.insert(job, result), None, "a job ends once");
                }
            }
        }
    }

    fn spawn(&mut self, unit: UnitId, role: Role) {
        let name = self.machine.unit(unit).name.clone();
        self.check_start(unit, role);
        self.spawned.push((self.now, name, role));
        let plan = (self.plan)(self.machine.unit(unit).stem(), role);
        if plan.fails {
            let error = SpawnError { status: Some(203), message: "Failed to execute".into() };
            return self.machine.handle_spawned(self.now, unit, role, Err(error));
        }
        self.next += 1;
        let pid = self.next as u32;
        self.processes.insert(pid, Process { unit, role: Some(role), plan });
        if let Some((after, status)) = plan.ends {
            self.at(after, Event::Ends(pid, status));
        }
        if let Some(after) = plan.ready {
            self.at(after, Event::Ready(pid));
        }
        self.machine.handle_spawned(self.now, unit, role, Ok(pid));
    }

    /// What must hold whenever a service's own process is made.
    fn check_start(&self, unit: UnitId, role: Role) {
        let name = &self.machine.unit(unit).name;
        if matches!(role, Role::Main | Role::Start) {
            let alive =
                self.processes.values().filter(|other| other.unit == unit && other.role == Some(Role::Main)).count();
            assert_eq!(alive, 0, "{name} has a main process already");
        }
        let service = self.machine.unit(unit).as_service().unwrap();
        let first = match role {
            Role::StartPre => true,
            Role::Main | Role::Start => service.exec_start_pre.is_empty() && service.kind != Type::Idle,
            _ => false,
        };
        // Jobs that came when it had begun are no longer waited for.
        if !first
            || self.spawned.last().is_some_and(|(at, last, _)| last == name && role == Role::Main && *at < self.now)
        {
            return;
        }
        // What has begun before goes on until its turn to be stopped comes.
        assert!(!self.machine.is_shutting_down(), "{name} is started while everything stops");
        for other in self.machine.unit(unit).related(crate::supervisor::Relation::After) {
            let waits = self.machine.find(other).and_then(|other| self.machine.job(other));
            assert!(waits.is_none(), "{name} is started before {other} has its job done");
        }
    }

    fn signal(&mut self, unit: UnitId, whom: Whom, signal: Signal) {
        // Who has failed by itself is signalled at any time.
        let told = self.machine.job(unit).is_some_and(|(_, _, running)| running);
        if self.check_order && self.machine.is_shutting_down() && told {
            for id in self.machine.ids() {
                let later = self.machine.unit(id).related(crate::supervisor::Relation::After);
                if later.contains(&self.machine.unit(unit).name) {
                    assert!(self.machine.active(id).is_down(), "{} is stopped too late", self.machine.unit(id).name);
                }
            }
        }
        let pids: Vec<u32> = match whom {
            Whom::Process(pid) => vec![pid],
            Whom::Group => {
                self.processes.iter().filter(|(_, process)| process.unit == unit).map(|(pid, _)| *pid).collect()
            }
        };
        for pid in pids {
            let Some(process) = self.processes.get(&pid) else { continue };
            let delay = match (signal, process.plan.stops) {
                (Signal::KILL, _) => Duration::ZERO,
                (Signal::CONT, _) | (_, None) => continue,
                (_, Some(delay)) => delay,
            };
            self.at(delay, Event::Dies(pid, -signal.number()));
        }
    }

    /// Stops everything, and checks that nothing is left.
    pub(super) fn shut_down(&mut self) {
        self.machine.handle_shutdown(self.now);
        self.act();
        self.pass(Duration::from_secs(3600));
        for id in self.machine.ids() {
            let active = self.machine.active(id);
            assert!(
                matches!(active, Active::Inactive | Active::Failed),
                "{} is {active:?}",
                self.machine.unit(id).name
            );
        }
        assert!(self.machine.is_quiet(), "it is not quiet");
        assert_eq!(self.machine.next_deadline(), None, "a timer is left");
        assert!(self.processes.is_empty(), "processes are left: {:?}", self.processes);
    }
}

/// A plan drawn by chance.
pub(super) fn any_plan(rng: &mut Rng, role: Role, forks: bool) -> Plan {
    let mut some = |most: u64| millis(rng.below(most));
    let (soon, late, slow) = (some(50), some(20_000), some(3000));
    let stops = if rng.chance(0.15) { None } else { Some(slow) };
    let status = *[0, 0, 1, 75, -11, -15].get(rng.index(6)).unwrap_or(&0);
    let ready = rng.chance(0.9).then_some(if rng.chance(0.5) { soon } else { late });
    let fails = rng.chance(0.05);
    match role {
        Role::Main => {
            Plan { ends: rng.chance(0.6).then_some((late, status)), stops, ready, leaves: rng.chance(0.2), fails }
        }
        // A command ends, unless it hangs.
        _ => {
            let status = if rng.chance(0.85) { 0 } else { status };
            let ends = rng.chance(0.9).then_some((soon, status));
            Plan { ends, stops, ready: None, leaves: forks && role == Role::Start || rng.chance(0.05), fails }
        }
    }
}
