//! What is done with containers that exist: started, signalled, held, looked at, taken away.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use oci_spec::runtime::LinuxResources;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::cgroup::Cgroups;
use super::create::FIFO;
use super::error::{Doing, Error, Result};
use super::hooks;
use super::state::{self, Directory, Record, State, Status};

/// Where containers are kept, and how they are made.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// The directory that has a directory for each container.
    pub root: PathBuf,
    /// Groups are named as systemd names its units.
    pub systemd_cgroup: bool,
    /// Who makes containers has no rights over the host: groups that refuse are done without.
    pub rootless: bool,
}

impl Runtime {
    /// Containers in a directory, with the rights that this process has.
    pub fn new(root: impl Into<PathBuf>) -> Runtime {
        Runtime { root: root.into(), systemd_cgroup: false, rootless: rootless() }
    }

    /// Lets a container's program begin, and answers when it has.
    pub fn start(&self, id: &str) -> Result<()> {
        let directory = Directory::open(&self.root, id)?;
        let record = directory.load()?;
        match self.status(&record) {
            Status::Created => {}
            status @ Status::Stopped => {
                return Err(Error::status("cannot start a container that has stopped", status));
            }
            status => return Err(Error::status("cannot start an already running container", status)),
        }
        let fifo = directory.file(FIFO);
        let begun = begin(&fifo, &record);
        let _ = fs::remove_file(&fifo);
        begun?;
        let state = record.state(Status::Running);
        if let Err(error) = hooks::run(record.config.hooks().as_ref(), &["poststart"], &state) {
            // As the specification has it: the container goes on without what it was promised no longer.
            let _ = self.signal(&record, Signal::KILL);
            return Err(error);
        }
        Ok(())
    }

    /// What a container is doing.
    pub fn state(&self, id: &str) -> Result<State> {
        let record = state::read(&self.root, id)?;
        Ok(record.state(self.status(&record)))
    }

    /// All containers; those that are taken away meanwhile are left out.
    pub fn list(&self) -> Result<Vec<(Record, Status)>> {
        let records = state::ids(&self.root)?.into_iter().filter_map(|id| state::read(&self.root, &id).ok());
        Ok(records
            .map(|record| {
                let status = self.status(&record);
                (record, status)
            })
            .collect())
    }

    /// Sends a signal to a container's first process, or to `all` its processes.
    pub fn kill(&self, id: &str, signal: Signal, all: bool) -> Result<()> {
        let record = state::read(&self.root, id)?;
        let status = self.status(&record);
        if all {
            let cgroups = Cgroups::of(record.cgroups.clone());
            // Held meanwhile, none can be missed for having been made just now.
            let held = status == Status::Paused || cgroups.freeze(true).is_ok();
            for pid in cgroups.processes().into_iter().filter_map(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, signal);
            }
            if held && (status != Status::Paused || signal == Signal::KILL) {
                cgroups.freeze(false)?;
            }
            return Ok(());
        }
        if status == Status::Stopped {
            return Err(Error::status("container not running", status));
        }
        self.signal(&record, signal)?;
        // A process that is held would die when it is let go.
        if signal == Signal::KILL && status == Status::Paused {
            Cgroups::of(record.cgroups).freeze(false)?;
        }
        Ok(())
    }

    fn signal(&self, record: &Record, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(record.pid).ok_or(Error::NotFound)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).doing(|| "open the first process")?;
        // The descriptor is of the process that has the number now.
        if started(record.pid) != Some(record.started) {
            return Err(Error::status("container not running", Status::Stopped));
        }
        pidfd_send_signal(pidfd, signal).doing(|| format!("signal process {}", record.pid))
    }

    /// Takes a container away that has ended or hasn't begun; by `force`, any, and no complaint if there is none.
    pub fn delete(&self, id: &str, force: bool) -> Result<()> {
        let directory = match Directory::open(&self.root, id) {
            Err(Error::NotFound) if force => return Ok(()),
            opened => opened?,
        };
        let record = match directory.load() {
            // Its maker was killed before it had made anything.
            Err(Error::NotFound) if force => return directory.remove(),
            loaded => loaded?,
        };
        let status = self.status(&record);
        match status {
            Status::Stopped | Status::Created | Status::Creating => {}
            _ if force => {}
            _ => {
                return Err(Error::status(
                    format!("cannot delete container {id} that is not stopped: {status}"),
                    status,
                ));
            }
        }
        let cgroups = Cgroups::of(record.cgroups.clone());
        if status != Status::Stopped {
            let _ = self.signal(&record, Signal::KILL);
        }
        // Without a PID namespace of their own, others live on when the first has ended.
        cgroups.kill()?;
        ended(&record);
        cgroups.remove()?;
        let state = record.state(Status::Stopped);
        directory.remove()?;
        // What a hook does wrong now changes nothing any more: others still get their turn, and it is told.
        match hooks::run_all(record.config.hooks().as_ref(), "poststop", &state).into_iter().next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// The processes of a container, as the host numbers them.
    pub fn processes(&self, id: &str) -> Result<Vec<i32>> {
        let record = state::read(&self.root, id)?;
        if self.status(&record) == Status::Stopped {
            return Err(Error::status("container not running", Status::Stopped));
        }
        Ok(Cgroups::of(record.cgroups).processes())
    }

    /// Holds a container's processes.
    pub fn pause(&self, id: &str) -> Result<()> {
        let (_directory, record) = self.open(id)?;
        match self.status(&record) {
            Status::Running | Status::Created => Cgroups::of(record.cgroups).freeze(true),
            status => Err(Error::status("container not running or created", status)),
        }
    }

    /// Lets them go on.
    pub fn resume(&self, id: &str) -> Result<()> {
        let (_directory, record) = self.open(id)?;
        match self.status(&record) {
            Status::Paused => Cgroups::of(record.cgroups).freeze(false),
            status => Err(Error::status("container not paused", status)),
        }
    }

    /// Holds a container to other limits.
    pub fn update(&self, id: &str, resources: &LinuxResources) -> Result<()> {
        let (_directory, record) = self.open(id)?;
        if self.status(&record) == Status::Stopped {
            return Err(Error::status("container not running", Status::Stopped));
        }
        Cgroups::of(record.cgroups).limit(resources)
    }

    /// What a container uses.
    pub fn stats(&self, id: &str) -> Result<super::cgroup::stats::Stats> {
        let record = state::read(&self.root, id)?;
        match self.status(&record) {
            Status::Stopped => Err(Error::status("container is not running", Status::Stopped)),
            _ => Ok(super::cgroup::stats::read(&record.cgroups)),
        }
    }

    pub(super) fn open(&self, id: &str) -> Result<(Directory, Record)> {
        let directory = Directory::open(&self.root, id)?;
        let record = directory.load()?;
        Ok((directory, record))
    }

    /// What the container of a record is doing now.
    pub fn status(&self, record: &Record) -> Status {
        if record.pid == 0 {
            return Status::Creating;
        }
        if started(record.pid) != Some(record.started) {
            return Status::Stopped;
        }
        if Cgroups::of(record.cgroups.clone()).frozen() {
            return Status::Paused;
        }
        let fifo = self.root.join(&record.id).join(FIFO);
        if fifo.exists() { Status::Created } else { Status::Running }
    }
}

/// Opens the FIFO that the first process waits at, and hears how it goes on: the program begins, and the FIFO is closed by that;
/// or it doesn't, and why.
fn begin(fifo: &std::path::Path, record: &Record) -> Result<()> {
    let pid = Pid::from_raw(record.pid).ok_or(Error::NotFound)?;
    // Before the program can begin: it may have ended and be gone a moment after.
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).doing(|| "open the first process")?;
    let opened = rustix::fs::open(fifo, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .doing(|| format!("open {}", fifo.display()))?;
    let mut told = Vec::new();
    let mut file = fs::File::from(opened);
    loop {
        let (heard, ended) = {
            let mut waited =
                [PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN), PollFd::new(&pidfd, PollFlags::IN)];
            rustix::io::retry_on_intr(|| poll(&mut waited, None)).doing(|| "wait for the program")?;
            let ready = |at: usize| waited.get(at).is_some_and(|waited| !waited.revents().is_empty());
            (ready(0), ready(1))
        };
        if !heard && ended {
            break;
        }
        let mut bytes = [0; 4096];
        match file.read(&mut bytes) {
            Ok(0) => break,
            Ok(len) => told.extend_from_slice(bytes.get(..len).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).doing(|| "read from the first process"),
        }
        if told.len() > (64 << 10) {
            break;
        }
    }
    match told.split_first() {
        Some((b'0', [])) => Ok(()),
        Some((b'0', text)) => Err(Error::Inside(String::from_utf8_lossy(text).into_owned())),
        Some(_) => Err(Error::Inside(String::from_utf8_lossy(&told).into_owned())),
        None => Err(Error::status("cannot start a container that has stopped", Status::Stopped)),
    }
}

/// Waits until a container's first process is gone, as far as that can be waited for.
fn ended(record: &Record) {
    let Some(pidfd) = Pid::from_raw(record.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return;
    };
    if started(record.pid) == Some(record.started) {
        let time = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
        let _ = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&time));
    }
}

/// When a process began, in ticks since the machine did; none if it has ended.
pub(super) fn started(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses, and may have any in it.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// Whether this process has no rights over the host: it isn't root, or root of a user namespace alone.
fn rootless() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    !rustix::process::geteuid().is_root() || !whole
}

/// The time as it is written in a container's state and in logs.
pub fn now() -> String {
    use crate::clock::{Clock as _, SystemClock, Utc};
    let Utc { year, month, day, hour, minute, second, nanos } = Utc::from(SystemClock.wall());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}
