//! Waiting for whatever happens next, and telling the machine.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;
use rustix::process::{WaitOptions, wait};

use super::{Supervisor, sys};
use crate::Clock;
use crate::supervisor::unit::{ExitStatus, NotifyAccess, Signal};
use crate::supervisor::{Level, UnitId};

/// Signals as bytes in sockets.
#[derive(Debug)]
pub(super) struct Signals {
    child: UnixStream,
    /// To end: `SIGTERM` and `SIGINT`.
    end: UnixStream,
    /// To read the files again: `SIGHUP`.
    reload: UnixStream,
    registered: Vec<signal_hook::SigId>,
}

impl Signals {
    pub(super) fn new() -> io::Result<Signals> {
        use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
        let mut registered = Vec::new();
        let mut caught = |signals: &[i32]| {
            let (from, into) = UnixStream::pair()?;
            from.set_nonblocking(true)?;
            for signal in signals {
                registered.push(signal_hook::low_level::pipe::register(*signal, into.try_clone()?)?);
            }
            Ok::<_, io::Error>(from)
        };
        let (child, end, reload) = (caught(&[SIGCHLD])?, caught(&[SIGTERM, SIGINT])?, caught(&[SIGHUP])?);
        Ok(Signals { child, end, reload, registered })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// Whether there was any byte; all are taken.
fn drained(mut stream: &UnixStream) -> bool {
    let mut bytes = [0; 64];
    let mut any = false;
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
        any = true;
    }
    any
}

/// Whose descriptor is ready.
#[derive(Debug, Clone, Copy)]
enum Source {
    Child,
    End,
    Reload,
    Control,
    Client(u64),
    Log(UnitId),
    Notify(UnitId),
    Socket(UnitId),
    Connecting(usize),
}

impl Supervisor {
    /// Waits for something to happen, and does what follows from it.
    pub(super) fn poll(&mut self) -> io::Result<()> {
        let ready = self.wait()?;
        // What services have written comes before what became of them, and their own words before their end.
        for source in &ready {
            match source {
                Source::Log(unit) => self.drain(*unit),
                Source::Notify(unit) => self.notified(*unit),
                _ => {}
            }
        }
        let mut connected = Vec::new();
        for source in ready {
            match source {
                Source::Child if drained(&self.signals.child) => self.reap(),
                Source::End if drained(&self.signals.end) => self.shut_down(),
                Source::Reload if drained(&self.signals.reload) => {
                    if let Err(error) = self.reload() {
                        self.say(&format!("Failed to reload: {error}"));
                    }
                }
                Source::Control => self.accept(),
                Source::Client(client) => self.serve(client),
                Source::Socket(unit) if self.watched.remove(&unit) => {
                    self.machine.handle_triggered(self.clock.nanos(), unit);
                    self.act();
                }
                Source::Connecting(index) => connected.push(index),
                _ => {}
            }
        }
        for index in connected.into_iter().rev() {
            if index < self.connecting.len() {
                let (unit, socket) = self.connecting.remove(index);
                let ready = sockopt::socket_error(&socket).is_ok_and(|result| result.is_ok());
                self.machine.handle_probed(self.clock.nanos(), unit, ready);
                self.act();
            }
        }
        self.machine.handle_timeout(self.clock.nanos());
        self.act();
        self.write_answers();
        Ok(())
    }

    fn wait(&self) -> io::Result<Vec<Source>> {
        let mut sources = vec![Source::Child, Source::End, Source::Reload, Source::Control];
        let signals = &self.signals;
        let mut all: Vec<(BorrowedFd<'_>, PollFlags)> = vec![
            (signals.child.as_fd(), PollFlags::IN),
            (signals.end.as_fd(), PollFlags::IN),
            (signals.reload.as_fd(), PollFlags::IN),
            (self.control.as_fd(), PollFlags::IN),
        ];
        for (number, client) in &self.clients {
            sources.push(Source::Client(*number));
            let output = if client.has_output() { PollFlags::OUT } else { PollFlags::empty() };
            all.push((client.as_fd(), PollFlags::IN | output));
        }
        for (unit, stream) in &self.streams {
            sources.push(Source::Log(*unit));
            all.push((stream.from.as_fd(), PollFlags::IN));
        }
        for (unit, notify) in &self.notify {
            sources.push(Source::Notify(*unit));
            all.push((notify.as_fd(), PollFlags::IN));
        }
        for unit in &self.watched {
            for socket in self.sockets.get(unit).into_iter().flatten() {
                sources.push(Source::Socket(*unit));
                all.push((socket.as_fd(), PollFlags::IN));
            }
        }
        for (index, (_, socket)) in self.connecting.iter().enumerate() {
            sources.push(Source::Connecting(index));
            all.push((socket.as_fd(), PollFlags::OUT));
        }
        let mut polled: Vec<PollFd<'_>> =
            all.into_iter().map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)).collect();
        let limit = self.machine.next_deadline().map(|at| {
            // Not a moment too early: a nanosecond's rest would be another round.
            let nanos = at.since(self.clock.nanos()).saturating_add(1_000_000);
            Timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as _ }
        });
        match poll(&mut polled, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = sources.into_iter().zip(&polled).filter(|(_, polled)| !polled.revents().is_empty());
        Ok(ready.map(|(source, _)| source).collect())
    }

    /// Takes what a service has written into its pipe.
    pub(super) fn drain(&mut self, unit: UnitId) {
        let now = self.clock.wall();
        let definition = self.machine.unit(unit).clone();
        let Some(stream) = self.streams.get_mut(&unit) else { return };
        let mut written = None;
        let mut bytes = [0; 16 << 10];
        // Bounded, so that one who writes without end does not keep the others waiting.
        for _ in 0..8 {
            match rustix::io::read(&stream.from, &mut bytes) {
                Ok(count) if count > 0 => {
                    let bytes = bytes.get(..count).unwrap_or_default();
                    written = Some(stream.log.take(now, definition.stem(), bytes));
                }
                _ => break,
            }
        }
        if let Some(written) = written {
            self.unwritten(unit, written);
        }
    }

    /// Waits for all children that have ended.
    fn reap(&mut self) {
        let mut others = false;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            let Some(status) = exit_status(status) else { continue };
            let Some(unit) = self.machine.owner_of(pid) else {
                others = true;
                continue;
            };
            // It may have said something last; its pipe and its socket are read before it is gone.
            self.drain(unit);
            self.notified(unit);
            let name = self.machine.unit(unit).name.clone();
            let empty = self.groups.members(&name).is_empty();
            self.machine.handle_exited(self.clock.nanos(), unit, pid, status, empty);
            self.act();
        }
        if others {
            let populated: Vec<UnitId> = self.machine.ids().filter(|id| self.machine.is_populated(*id)).collect();
            for unit in populated {
                let name = self.machine.unit(unit).name.clone();
                if self.groups.members(&name).is_empty() {
                    self.machine.handle_empty(self.clock.nanos(), unit);
                    self.act();
                }
            }
        }
        // As process 1 it has the orphans of the whole machine, and not only those of its units.
        if std::process::id() == 1 {
            return;
        }
        let machine = &self.machine;
        for pid in self.groups.strays(|pid| machine.owner_of(pid).is_some()) {
            self.say(&format!("Process {pid} belongs to no unit, killing it."));
            sys::kill(pid, 9);
        }
    }

    /// The last of all: whoever was killed is waited for.
    pub(super) fn reap_all(&mut self) {
        for _ in 0..1000 {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => std::thread::sleep(std::time::Duration::from_millis(1)),
                Err(_) => return,
            }
        }
    }

    pub(super) fn shut_down(&mut self) {
        if !self.machine.is_shutting_down() {
            self.say("Stopping everything.");
        }
        self.machine.handle_shutdown(self.clock.nanos());
        self.act();
    }

    /// Takes what a service says of itself, from whom it believes it.
    fn notified(&mut self, unit: UnitId) {
        // As many as may have come by now; more are for the next round.
        for _ in 0..64 {
            let Some((sender, message)) = self.notify.get(&unit).and_then(|notify| notify.receive()) else { return };
            let definition = self.machine.unit(unit).clone();
            let name = &definition.name;
            let Some(service) = definition.as_service() else { return };
            let main = self.machine.main_pid(unit) == Some(sender);
            let control = self.machine.control_pid(unit) == Some(sender);
            let believed = match service.access() {
                NotifyAccess::None => false,
                NotifyAccess::Main => main,
                NotifyAccess::Exec => main || control,
                // Whoever has ended since belonged to it: nobody else is told where the socket is.
                NotifyAccess::All => {
                    main || control
                        || self.groups.is_member(name, sender)
                        || !std::path::Path::new(&format!("/proc/{sender}")).exists()
                }
            };
            match message {
                None => self.log(unit, Level::Warning, &format!("{name}: Received a notification that is none.")),
                Some(message) if !believed => {
                    // A barrier asks for nothing but to be received.
                    if !message.barrier {
                        let line = format!(
                            "{name}: Got notification message from PID {sender}, but reception is not permitted for it."
                        );
                        self.log(unit, Level::Warning, &line);
                    }
                }
                Some(mut message) => {
                    for field in &message.refused {
                        let line = format!("{name}: {field}= in a notification is not supported, ignoring.");
                        self.log(unit, Level::Warning, &line);
                    }
                    // Another's process cannot be made the main one.
                    if message.main_pid.is_some_and(|pid| !self.groups.is_member(name, pid)) {
                        let line = format!("{name}: New main PID does not belong to the service, refusing.");
                        self.log(unit, Level::Warning, &line);
                        message.main_pid = None;
                    }
                    self.machine.handle_notify(self.clock.nanos(), unit, &message);
                    self.act();
                }
            }
        }
    }
}

fn exit_status(status: rustix::process::WaitStatus) -> Option<ExitStatus> {
    if let Some(code) = status.exit_status() {
        return Some(ExitStatus::Exited(code as u8));
    }
    let core = status.as_raw() & 0x80 != 0;
    Some(ExitStatus::Killed(Signal::new(status.terminating_signal()?)?, core))
}
