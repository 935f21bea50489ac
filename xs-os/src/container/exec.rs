//! A program added to a container that runs.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use oci_spec::runtime::Process;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, waitpid};

use super::begin;
use super::cgroup::Cgroups;
use super::console;
use super::create::{end, from_outside, sibling};
use super::error::{Doing, Error, Result};
use super::fork;
use super::init;
use super::mount::target::Root;
use super::process::ProcessPlan;
use super::runtime::Runtime;
use super::seccomp;
use super::spec;
use super::state::{Record, Status, write_whole};
use super::sync::{self, Sync, Told};

/// How a program is added.
#[derive(Debug, Clone, Default)]
pub struct ExecOptions {
    /// The socket on which its terminal is handed over.
    pub console_socket: Option<PathBuf>,
    /// Where its number is written.
    pub pid_file: Option<PathBuf>,
    /// The program keeps its maker's keyring.
    pub no_new_keyring: bool,
    /// How many descriptors after the third the program gets.
    pub preserve_fds: u32,
    /// It may begin while the container is held, and waits with it.
    pub ignore_paused: bool,
}

/// What the added process is born with.
struct Added<'a> {
    plan: &'a ProcessPlan,
    record: &'a Record,
    sync: Sync,
    console: Option<OwnedFd>,
    options: &'a ExecOptions,
}

impl Runtime {
    /// The description of a container's own process: what others start from.
    pub fn process(&self, id: &str) -> Result<Process> {
        let record = super::state::read(&self.root, id)?;
        record.config.process().clone().ok_or_else(|| Error::config("process", "is missing"))
    }

    /// Adds a process to a container, a child of this one. Answers its number once its program begins.
    pub fn exec(&self, id: &str, process: &Process, options: &ExecOptions) -> Result<i32> {
        spec::check_process(process)?;
        // Held as long as it takes, so that the container isn't taken away meanwhile.
        let (directory, record) = self.open(id)?;
        match self.status(&record) {
            Status::Running | Status::Created => {}
            Status::Paused if options.ignore_paused => {}
            status @ Status::Paused => {
                return Err(Error::status(
                    "cannot exec in a paused container (use --ignore-paused to override)",
                    status,
                ));
            }
            status => return Err(Error::status("cannot exec in a stopped container", status)),
        }
        let profile = record.config.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
        let filter = profile.map(seccomp::compile_filter).transpose()?.flatten();
        let plan = ProcessPlan::new(process, filter)?;
        if plan.terminal && options.console_socket.is_none() {
            return Err(Error::Program(
                "cannot allocate tty if runc will detach without setting console socket".into(),
            ));
        }
        let console = options.console_socket.as_deref().filter(|_| plan.terminal).map(console::dial).transpose()?;
        let target = pidfd_open(Pid::from_raw(record.pid).ok_or(Error::NotFound)?, PidfdFlags::empty())
            .doing(|| "open the container's first process")?;
        if super::runtime::started(record.pid) != Some(record.started) {
            return Err(Error::status("cannot exec in a stopped container", Status::Stopped));
        }
        let cgroups = Cgroups::of(record.cgroups.clone());
        let (sync, theirs) = sync::pair()?;
        let added = Added { plan: &plan, record: &record, sync: theirs, console, options };
        // The first only joins: a process is in no PID namespace that it joins, what it makes is.
        let first = fork::fork(0, &[sync.as_fd(), directory.as_fd()], || {
            let made = added.sync.expect(&Told::Go).and_then(|()| join(&record, &target)).and_then(|()| {
                fork::fork(fork::PARENT, &[], || match prepare(&added) {
                    Ok(program) => {
                        let error = begin::run(&plan, &program, options.preserve_fds.saturating_add(3));
                        init::fail(&added.sync, error)
                    }
                    Err(error) => init::fail(&added.sync, error),
                })
                .doing(|| "make a process in the container")
            });
            match made.and_then(|child| added.sync.tell(&Told::Pid(child.pid))) {
                Ok(()) => fork::exit(0),
                Err(error) => init::fail(&added.sync, error),
            }
        })
        .doing(|| "make a process")?;
        // In the groups before it is in the namespaces: what it does there counts, and can be held.
        let heard = cgroups.add(first.pid).and_then(|()| sync.tell(&Told::Go)).and_then(|()| sync.hear());
        if heard.is_err() {
            end(&first);
        }
        let child = heard.and_then(sibling);
        reap(first.pid);
        let child = child?;
        drop(added);
        let begun = self.begun(&sync, child.pid, &plan, options);
        if begun.is_err() {
            end(&child);
            if let Some(file) = &options.pid_file {
                let _ = fs::remove_file(file);
            }
        }
        begun.map(|()| child.pid)
    }

    fn begun(&self, sync: &Sync, pid: i32, plan: &ProcessPlan, options: &ExecOptions) -> Result<()> {
        sync.expect(&Told::Limits)?;
        from_outside(pid, plan, self.rootless)?;
        sync.tell(&Told::Go)?;
        sync.expect(&Told::Ready)?;
        if let Some(file) = &options.pid_file {
            write_whole(file, pid.to_string().as_bytes())?;
        }
        sync.tell(&Told::Go)?;
        match sync.hear() {
            // The socket is closed by the program's beginning.
            Err(Error::System { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(told) => Err(Error::Inside(format!("expected nothing, and heard {told:?}"))),
        }
    }
}

/// Joins the namespaces that the container doesn't share with its maker.
fn join(record: &Record, target: &OwnedFd) -> Result<()> {
    let doing = || "join the container's namespaces";
    // What is in there may not look into this process, whose memory is the host's.
    nix::sys::prctl::set_dumpable(false).doing(doing)?;
    let all = CloneFlags::from_bits_truncate(i32::try_from(record.namespaces).unwrap_or(0));
    // One call for all of them: rights over the others come from the user namespace or from outside, whichever it is.
    setns(target.as_fd(), all).doing(doing)?;
    if all.contains(CloneFlags::CLONE_NEWUSER) {
        init::become_root()?;
    }
    Ok(())
}

fn prepare(added: &Added<'_>) -> Result<begin::Program> {
    rustix::process::setsid().doing(|| "begin a session")?;
    if !added.options.no_new_keyring {
        init::own_keyring(Some(&format!("_ses.{}", added.record.id)))?;
    }
    if let Some(socket) = &added.console {
        let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .doing(|| "open the root")?;
        let terminal = console::make(&Root::new(root), socket.as_fd(), added.plan.size)?;
        console::take(&terminal)?;
    }
    rustix::process::chdir(Path::new("/")).doing(|| "enter the root")?;
    added.sync.tell(&Told::Limits)?;
    added.sync.expect(&Told::Go)?;
    let program = begin::become_process(added.plan)?;
    added.sync.tell(&Told::Ready)?;
    added.sync.expect(&Told::Go)?;
    Ok(program)
}

fn reap(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
    }
}

/// Waits for the end of a child; answers what a shell would: its status, or 128 and the signal that ended it.
pub fn wait(pid: i32) -> Result<i32> {
    let pid = Pid::from_raw(pid).ok_or(Error::NotFound)?;
    let ended =
        rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty())).doing(|| "wait for the process")?;
    let status = ended.map(|(_, status)| (status.exit_status(), status.terminating_signal()));
    Ok(match status {
        Some((Some(code), _)) => code,
        Some((None, Some(signal))) => 128 + signal,
        _ => 255,
    })
}
