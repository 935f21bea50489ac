//! A container made: its directory, groups and first process, or nothing of all that.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use oci_spec::runtime::{LinuxNamespaceType as Ns, Spec};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, waitpid};

use super::cgroup::{self, Cgroups};
use super::console;
use super::error::{Doing, Error, Result};
use super::fork::{self, Child};
use super::hooks;
use super::init::{self, Birth};
use super::plan::{IdMap, Plan};
use super::process::ProcessPlan;
use super::runtime::Runtime;
use super::spec;
use super::state::{Directory, Record, Status, write_whole};
use super::sync::{self, Sync, Told};

/// The name of the FIFO in a container's directory that its first process waits at.
pub(super) const FIFO: &str = "exec.fifo";

/// How a container is made.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    /// The directory with `config.json`.
    pub bundle: PathBuf,
    /// The socket on which the container's terminal is handed over.
    pub console_socket: Option<PathBuf>,
    /// Where the first process' number is written.
    pub pid_file: Option<PathBuf>,
    /// The root is moved and not exchanged: for a host that runs from memory.
    pub no_pivot: bool,
    /// The program keeps its maker's keyring.
    pub no_new_keyring: bool,
    /// How many descriptors after the third the program gets.
    pub preserve_fds: u32,
}

/// What is taken back if the container doesn't come to be.
struct Undo {
    directory: Option<Directory>,
    cgroups: Cgroups,
    child: Option<Child>,
    pid_file: Option<PathBuf>,
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Some(child) = &self.child {
            end(child);
        }
        // Its mounts are gone with its namespace.
        if let Some(directory) = self.directory.take() {
            self.cgroups.undo();
            let _ = directory.remove();
            if let Some(file) = &self.pid_file {
                let _ = fs::remove_file(file);
            }
        }
    }
}

/// Kills a child, and waits for its end.
pub(super) fn end(child: &Child) {
    let _ = rustix::process::pidfd_send_signal(&child.pidfd, rustix::process::Signal::KILL);
    if let Some(pid) = Pid::from_raw(child.pid) {
        let _ = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
    }
}

impl Runtime {
    /// Decides what making a container would do, and does nothing.
    pub fn plan(&self, bundle: &Path) -> Result<Plan> {
        let bundle = fs::canonicalize(bundle).doing(|| format!("chdir {}", bundle.display()))?;
        Plan::new(&spec::load_config(&bundle)?, &bundle)
    }

    /// Makes a container: everything but that its program begins.
    pub fn create(&self, id: &str, options: &CreateOptions) -> Result<Record> {
        super::state::check_id(id)?;
        let bundle = fs::canonicalize(&options.bundle).doing(|| format!("chdir {}", options.bundle.display()))?;
        let config = spec::load_config(&bundle)?;
        let mut plan = Plan::new(&config, &bundle)?;
        plan.root = fs::canonicalize(&plan.root).doing(|| format!("invalid rootfs {}", plan.root.display()))?;
        if plan.root == Path::new("/") {
            return Err(Error::config("root.path", "is the host's root"));
        }
        match (plan.process.terminal, &options.console_socket) {
            (true, None) => {
                return Err(Error::Program(
                    "cannot allocate tty if runc will detach without setting console socket".into(),
                ));
            }
            (false, Some(_)) => {
                return Err(Error::Program("cannot use console socket if runc will not detach or allocate tty".into()));
            }
            _ => {}
        }
        let console = options.console_socket.as_deref().map(console::dial).transpose()?;
        let joined = join_targets(&plan)?;
        let hierarchies = cgroup::hierarchies()?;
        let said = config.linux().as_ref().and_then(|linux| linux.cgroups_path().as_deref());
        let group = cgroup::cgroup_of(said, id, self.systemd_cgroup)?;
        if self.systemd_cgroup {
            return Err(Error::Refused("systemd not running on this host, cannot use systemd cgroups manager".into()));
        }

        let mut undo = Undo {
            directory: Some(Directory::create(&self.root, id)?),
            cgroups: Cgroups::default(),
            child: None,
            pid_file: None,
        };
        let directory = undo.directory.as_ref().ok_or(Error::NotFound)?;
        let mut record = Record {
            id: id.to_owned(),
            pid: 0,
            started: 0,
            bundle: bundle.clone(),
            rootfs: plan.root.clone(),
            created: super::runtime::now(),
            owner: rustix::process::getuid().as_raw(),
            cgroups: Default::default(),
            namespaces: plan.namespaces.all(),
            config,
        };
        let fifo = make_fifo(directory, &plan)?;
        undo.cgroups = Cgroups::create(&hierarchies, &group, self.rootless)?;
        record.cgroups.clone_from(undo.cgroups.paths());
        // Whoever is killed from here on leaves behind what `delete --force` needs.
        directory.save(&record)?;
        limit(&undo.cgroups, &record.config, &plan, self.rootless)?;

        let (sync, theirs) = sync::pair()?;
        let keyring = (!options.no_new_keyring).then(|| format!("_ses.{id}"));
        let birth = Birth {
            plan: &plan,
            hooks: record.config.hooks().as_ref(),
            state: record.state(Status::Creating),
            hierarchies: &hierarchies,
            group: &group,
            sync: theirs,
            fifo,
            console,
            pivot: !options.no_pivot,
            keyring,
            preserved: options.preserve_fds,
        };
        undo.child = Some(born(&plan, &joined, &sync, directory, birth)?);
        let child = undo.child.as_ref().ok_or(Error::NotFound)?;
        record.pid = child.pid;
        record.started =
            super::runtime::started(child.pid).ok_or_else(|| Error::Inside("the first process has ended".into()))?;
        map_ids(child.pid, &plan)?;
        undo.cgroups.add(child.pid)?;
        sync.tell(&Told::Go)?;
        let mut told = sync.hear()?;
        if told == Told::Hooks {
            let state = record.state(Status::Creating);
            hooks::run(record.config.hooks().as_ref(), &["prestart", "createRuntime"], &state)?;
            sync.tell(&Told::Go)?;
            told = sync.hear()?;
        }
        if told != Told::Limits {
            return Err(Error::Inside(format!("expected Limits, and heard {told:?}")));
        }
        from_outside(child.pid, &plan.process, self.rootless)?;
        sync.tell(&Told::Go)?;
        sync.expect(&Told::Ready)?;
        directory.save(&record)?;
        if let Some(file) = &options.pid_file {
            undo.pid_file = Some(file.clone());
            write_whole(file, child.pid.to_string().as_bytes())?;
        }
        sync.tell(&Told::Go)?;
        // It has come to be: there is nothing to take back.
        undo.child = None;
        undo.directory = None;
        Ok(record)
    }
}

/// The namespaces that exist, opened.
fn join_targets(plan: &Plan) -> Result<Vec<(CloneFlags, OwnedFd)>> {
    let mut targets: Vec<(Ns, OwnedFd)> = Vec::new();
    for (ns, path) in &plan.namespaces.joined {
        let opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        targets.push((*ns, opened.doing(|| format!("open namespace {}", path.display()))?));
    }
    // The user namespace last where rights over the others come from outside; first where they come from it.
    targets.sort_by_key(|(ns, _)| (*ns == Ns::User) != (rustix::process::geteuid().is_root()));
    let flags = |ns: Ns| CloneFlags::from_bits_retain(ns as i32);
    Ok(targets.into_iter().map(|(ns, fd)| (flags(ns), fd)).collect())
}

fn make_fifo(directory: &Directory, plan: &Plan) -> Result<OwnedFd> {
    let path = directory.file(FIFO);
    let doing = || format!("make {}", path.display());
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).doing(doing)?;
    let (uid, gid) = if plan.uid_map.is_empty() { (0, 0) } else { plan.host_root()? };
    let own = rustix::process::geteuid().as_raw();
    if uid != own {
        std::os::unix::fs::chown(&path, Some(uid), Some(gid)).doing(doing)?;
    }
    // The program's user is who opens it in the end.
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o622)).doing(doing)?;
    rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).doing(doing)
}

fn limit(cgroups: &Cgroups, config: &Spec, plan: &Plan, rootless: bool) -> Result<()> {
    let resources = config.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    let Some(resources) = resources else { return Ok(()) };
    if rootless && cgroups.paths().is_empty() {
        // Devices can't be made or opened in a user namespace anyway; every other limit would be none.
        let mut rest = resources.clone();
        rest.set_devices(None);
        return cgroups.limit(&rest);
    }
    cgroups.limit(resources)?;
    match cgroups.devices(&cgroup::device_rules(Some(resources), plan.process.terminal)?) {
        Err(Error::System { source, .. }) if rootless && source.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Makes the first process. Where namespaces are joined, a process before it joins them and makes it as its sibling: a process is in
/// no PID namespace that it joins, only what it makes is.
fn born(
    plan: &Plan,
    joined: &[(CloneFlags, OwnedFd)],
    sync: &Sync,
    directory: &Directory,
    birth: Birth<'_>,
) -> Result<Child> {
    let doing = || "make the container's first process";
    // A cgroup namespace begins where its maker is: the process makes it itself, once it is in its groups.
    let fresh = plan.namespaces.fresh & !(Ns::Cgroup as u64);
    let makers = [sync.as_fd(), directory.as_fd()];
    if joined.is_empty() {
        return fork::fork(fresh, &makers, || init::run(&birth)).doing(doing);
    }
    let first = fork::fork(0, &makers, || {
        let made = joined
            .iter()
            .try_for_each(|(flags, fd)| setns(fd.as_fd(), *flags).doing(|| format!("join a namespace ({flags:?})")))
            .and_then(|()| fork::fork(fork::PARENT | fresh, &[], || init::run(&birth)).doing(doing));
        match made.and_then(|child| birth.sync.tell(&Told::Pid(child.pid))) {
            Ok(()) => fork::exit(0),
            Err(error) => init::fail(&birth.sync, error),
        }
    })
    .doing(doing)?;
    let heard = sync.hear();
    end(&first);
    sibling(heard?)
}

/// The process whose number was told: it waits, so the number is still its own.
pub(super) fn sibling(told: Told) -> Result<Child> {
    let Told::Pid(pid) = told else { return Err(Error::Inside(format!("expected a process, and heard {told:?}"))) };
    let number = Pid::from_raw(pid).ok_or_else(|| Error::Inside(format!("{pid} is no process")))?;
    let pidfd =
        rustix::process::pidfd_open(number, rustix::process::PidfdFlags::empty()).doing(|| "open the first process")?;
    Ok(Child { pid, pidfd })
}

/// Gives a process in a new user namespace its identifiers.
fn map_ids(pid: i32, plan: &Plan) -> Result<()> {
    if plan.namespaces.fresh & Ns::User as u64 == 0 {
        return Ok(());
    }
    let root = rustix::process::geteuid().is_root();
    for (name, helper, map) in [("uid_map", "newuidmap", &plan.uid_map), ("gid_map", "newgidmap", &plan.gid_map)] {
        let alone = matches!(map.as_slice(), [IdMap { count: 1, .. }]);
        if root || alone {
            if !root && name == "gid_map" {
                // Who may leave a group could get past what the group is denied.
                write_map(pid, "setgroups", "deny")?;
            }
            let text: String =
                map.iter().map(|map| format!("{} {} {}\n", map.inside, map.outside, map.count)).collect();
            write_map(pid, name, &text)?;
        } else {
            let numbers = map.iter().flat_map(|map| [map.inside, map.outside, map.count]);
            let args: Vec<OsString> = std::iter::once(pid.to_string())
                .chain(numbers.map(|number| number.to_string()))
                .map(OsString::from)
                .collect();
            let ended = std::process::Command::new(helper).args(&args).output().doing(|| format!("run {helper}"))?;
            if !ended.status.success() {
                let told = String::from_utf8_lossy(&ended.stderr);
                return Err(Error::Inside(format!("{helper} has failed: {}", told.trim())));
            }
        }
    }
    Ok(())
}

fn write_map(pid: i32, name: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{pid}/{name}");
    let mut file = fs::OpenOptions::new().write(true).open(&path).doing(|| format!("open {path}"))?;
    // The kernel takes a map in one write.
    io::Write::write_all(&mut file, text.as_bytes()).doing(|| format!("write {:?} to {path}", text.trim_end()))
}

/// What needs the rights of the host: limits, and how soon the process is killed for memory.
pub(super) fn from_outside(pid: i32, plan: &ProcessPlan, rootless: bool) -> Result<()> {
    for limit in &plan.limits {
        let value = |value: u64| (value != u64::MAX).then_some(value);
        let new = Rlimit { current: value(limit.soft), maximum: value(limit.hard) };
        let resource = resource(limit.resource)?;
        rustix::process::prlimit(Pid::from_raw(pid), resource, new)
            .doing(|| format!("error setting rlimit type {} ({})", limit.resource, limit.name))?;
    }
    if let Some(score) = plan.oom_score_adj {
        let path = format!("/proc/{pid}/oom_score_adj");
        match fs::write(&path, score.to_string()) {
            // Who has no rights may make it likelier, and not less likely.
            Err(error) if rootless && error.kind() == io::ErrorKind::PermissionDenied => {}
            written => written.doing(|| format!("write {score} to {path}"))?,
        }
    }
    Ok(())
}

fn resource(number: u32) -> Result<Resource> {
    use Resource::*;
    const ALL: [Resource; 16] = [
        Cpu, Fsize, Data, Stack, Core, Rss, Nproc, Nofile, Memlock, As, Locks, Sigpending, Msgqueue, Nice, Rtprio,
        Rttime,
    ];
    usize::try_from(number)
        .ok()
        .and_then(|at| ALL.get(at).copied())
        .ok_or_else(|| Error::config("process.rlimits", "is none of this system's"))
}
