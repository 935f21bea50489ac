//! Doing what the machine asks.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use rustix::pipe::{PipeFlags, pipe_with};

use super::log::{Log, path_of};
use super::notify::Notify;
use super::spawn::{self, Given, read_bounded};
use super::{Stream, Supervisor, groups, listen, sys};
use crate::supervisor::unit::{Exec, Kind, NotifyAccess, Service};
use crate::supervisor::{Action, Level, Role, SpawnError, UnitId, Whom};
use crate::{Clock, Rng};

impl Supervisor {
    /// Does all that the machine asks, and what that leads to.
    pub(super) fn act(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Spawn { unit, role, exec, variables } => {
                    let made = self.spawn(unit, role, &exec, variables);
                    if let Ok(pid) = made {
                        let name = self.machine.unit(unit).name.clone();
                        self.groups.add(pid, &name);
                    }
                    self.machine.handle_spawned(self.clock.nanos(), unit, role, made);
                }
                Action::Signal { unit, whom, signal } => match whom {
                    Whom::Process(pid) => drop(sys::kill(pid, signal.number())),
                    Whom::Group => {
                        let name = self.machine.unit(unit).name.clone();
                        self.groups.signal(&name, signal.number());
                    }
                },
                Action::FindMain(unit) => {
                    let pid = self.find_main(unit);
                    self.machine.handle_main(self.clock.nanos(), unit, pid);
                }
                Action::Connect(unit, port) => match begin_to_connect(port) {
                    Ok((socket, true)) => self.connecting.push((unit, socket)),
                    other => {
                        let ready = other.is_ok();
                        self.machine.handle_probed(self.clock.nanos(), unit, ready);
                    }
                },
                Action::Listen(unit) => {
                    let listening = self.listen(unit);
                    self.machine.handle_listening(self.clock.nanos(), unit, listening);
                }
                Action::Watch(unit) => drop(self.watched.insert(unit)),
                Action::Unwatch(unit) => drop(self.watched.remove(&unit)),
                Action::Close(unit) => {
                    self.watched.remove(&unit);
                    self.sockets.remove(&unit);
                    if let Some(socket) = self.machine.unit(unit).as_socket() {
                        listen::close(socket);
                    }
                }
                Action::Release(unit) => self.release(unit),
                Action::Log(unit, level, line) => self.log(unit, level, &line),
                Action::Done { job, unit, kind, result } => self.job_done(job, unit, kind, result),
            }
        }
    }

    /// A line about a unit: into its log, and into the supervisor's own.
    pub(super) fn log(&mut self, unit: UnitId, _: Level, line: &str) {
        self.say(line);
        let now = self.clock.wall();
        if self.machine.unit(unit).as_service().is_some()
            && let Ok(stream) = self.stream(unit)
        {
            let written = stream.log.line(now, "supervisor", line);
            self.unwritten(unit, written);
        }
    }

    /// A unit's log, with its pipe.
    pub(super) fn stream(&mut self, unit: UnitId) -> io::Result<&mut Stream> {
        let definition = self.machine.unit(unit).clone();
        let limits = definition.as_service().map_or((10 << 20, 5), |service| (service.log_max_size, service.log_keep));
        match self.streams.entry(unit) {
            std::collections::btree_map::Entry::Occupied(entry) => {
                let stream = entry.into_mut();
                stream.log.set_limits(limits.0, limits.1);
                Ok(stream)
            }
            std::collections::btree_map::Entry::Vacant(entry) => {
                let (from, into) = pipe_with(PipeFlags::CLOEXEC)?;
                rustix::io::ioctl_fionbio(&from, true)?;
                let log = Log::new(path_of(&self.config.log_dir, &definition.name), limits.0, limits.1);
                Ok(entry.insert(Stream { log, from, into }))
            }
        }
    }

    fn spawn(
        &mut self,
        unit: UnitId,
        role: Role,
        exec: &Exec,
        variables: Vec<(&'static str, String)>,
    ) -> Result<u32, SpawnError> {
        let failed =
            |what: &str, error: io::Error| SpawnError { status: None, message: format!("Failed to {what}: {error}") };
        let definition = self.machine.unit(unit).clone();
        let Some(service) = definition.as_service() else {
            return Err(SpawnError { status: None, message: "Failed to spawn: not a service".into() });
        };
        let log = self
            .stream(unit)
            .and_then(|stream| stream.into.try_clone())
            .map_err(|error| failed("open the log", error))?;
        let mut all: Vec<(String, String)> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if service.access() != NotifyAccess::None {
            let path = self.notify_path(unit).map_err(|error| failed("make the notification socket", error))?;
            all.push(("NOTIFY_SOCKET".into(), path));
        }
        all.push((groups::UNIT_VARIABLE.into(), definition.name.clone()));
        let invocation = self.invocations.entry(unit).or_insert_with(|| {
            let mut rng = Rng::from_entropy();
            format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
        });
        all.push(("INVOCATION_ID".into(), invocation.clone()));
        let sockets = match role {
            Role::Main | Role::Start => self.sockets_for(unit).map_err(|error| failed("pass sockets", error))?,
            _ => Vec::new(),
        };
        let (cgroups, memory) = self.enter_groups(unit, &definition.name, service)?;
        let dies_with = role != Role::Start;
        spawn::start(service, role, exec, Given { variables: all, sockets, cgroups, log, dies_with, memory })
    }

    fn enter_groups(
        &mut self,
        unit: UnitId,
        name: &str,
        service: &Service,
    ) -> Result<(Vec<OwnedFd>, Option<u64>), SpawnError> {
        let maxima = service.maxima;
        let (groups, missing) = match &self.groups.cgroups {
            Some(cgroups) => {
                let entered = cgroups.enter(name, &maxima);
                let message = |error: io::Error| format!("Failed at step CGROUP: {error}");
                (
                    entered.map_err(|error| SpawnError { status: Some(219), message: message(error) })?,
                    cgroups.missing(&maxima),
                )
            }
            None => {
                let wanted = [
                    ("memory", maxima.memory.is_some() || maxima.memory_high.is_some()),
                    ("cpu", maxima.cpu_percent.is_some() || maxima.cpu_weight.is_some()),
                    ("pids", maxima.tasks.is_some()),
                ];
                (Vec::new(), wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name).collect())
            }
        };
        if !missing.is_empty() && self.told.insert(unit) {
            for controller in &missing {
                let instead = match *controller {
                    "memory" if maxima.memory.is_some() => "MemoryMax= limits the addresses of each process instead",
                    "memory" => "MemoryHigh= does not hold",
                    "cpu" => "CPUQuota= and CPUWeight= do not hold",
                    _ => "TasksMax= does not hold",
                };
                let line = format!("{name}: There is no control group with the {controller} controller: {instead}.");
                self.log(unit, Level::Warning, &line);
            }
        }
        Ok((groups, maxima.memory.filter(|_| missing.contains(&"memory"))))
    }

    fn notify_path(&mut self, unit: UnitId) -> io::Result<String> {
        let number = self.notify.len();
        let notify = match self.notify.entry(unit) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Notify::new(&std::path::absolute(&self.config.runtime_dir)?, number)?)
            }
        };
        Ok(notify.path().to_string_lossy().into_owned())
    }

    /// The open sockets of a service, with their names.
    fn sockets_for(&self, unit: UnitId) -> io::Result<Vec<(OwnedFd, String)>> {
        let mut all = Vec::new();
        for id in self.machine.sockets_of(unit) {
            let definition = self.machine.unit(id);
            if let (Some(open), Some(socket)) = (self.sockets.get(&id), definition.as_socket()) {
                for descriptor in open {
                    all.push((descriptor.try_clone()?, listen::name(&definition.name, socket)));
                }
            }
        }
        Ok(all)
    }

    fn listen(&mut self, unit: UnitId) -> Result<(), String> {
        if !self.sockets.contains_key(&unit)
            && let Some(socket) = self.machine.unit(unit).clone().as_socket()
        {
            let open = listen::open(socket)?;
            self.sockets.insert(unit, open);
        }
        Ok(())
    }

    /// The main process of a service that has forked.
    fn find_main(&mut self, unit: UnitId) -> Option<u32> {
        let definition = self.machine.unit(unit).clone();
        let service = definition.as_service()?;
        if let Some(path) = &service.pid_file {
            let pid = read_bounded(path).ok()?.trim().parse::<u32>().ok()?;
            // A number that a file says is believed only if that process is the unit's.
            return self.groups.is_member(&definition.name, pid).then_some(pid);
        }
        match self.groups.members(&definition.name).as_slice() {
            [only] if service.guess_main_pid => Some(*only),
            _ => None,
        }
    }

    /// Nothing of a service runs any more.
    fn release(&mut self, unit: UnitId) {
        let definition = self.machine.unit(unit).clone();
        self.invocations.remove(&unit);
        self.drain(unit);
        let now = self.clock.wall();
        if let Some(stream) = self.streams.get_mut(&unit) {
            let _ = stream.log.flush(now, definition.stem(), false);
        }
        if let Some(cgroups) = &self.groups.cgroups {
            cgroups.remove(&definition.name);
        }
        let Kind::Service(service) = &definition.kind else { return };
        for path in &service.runtime_directory {
            let _ = fs::remove_dir_all(path);
        }
        if let Some(path) = &service.pid_file {
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether the connection is still being made.
fn begin_to_connect(port: u16) -> io::Result<(OwnedFd, bool)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    match connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        Ok(()) => Ok((socket, false)),
        Err(rustix::io::Errno::INPROGRESS) => Ok((socket, true)),
        Err(error) => Err(error.into()),
    }
}
