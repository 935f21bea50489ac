//! The first process of a container, from its beginning in new namespaces to its program.

use std::convert::Infallible;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use nix::sched::CloneFlags;
use oci_spec::runtime::{Hooks, LinuxNamespaceType as Ns};
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::begin;
use super::cgroup::Hierarchy;
use super::console;
use super::error::{Doing, Error, Result};
use super::fork;
use super::hooks;
use super::mount;
use super::mount::target::Place;
use super::plan::Plan;
use super::state::{State, Status};
use super::sync::{Sync, Told};

/// All that the first process is born with.
#[derive(Debug)]
pub(super) struct Birth<'a> {
    pub(super) plan: &'a Plan,
    pub(super) hooks: Option<&'a Hooks>,
    pub(super) state: State,
    pub(super) hierarchies: &'a [Hierarchy],
    pub(super) group: &'a Path,
    pub(super) sync: Sync,
    /// The FIFO that `start` opens.
    pub(super) fifo: OwnedFd,
    pub(super) console: Option<OwnedFd>,
    pub(super) pivot: bool,
    /// The name of its keyring, if it gets one.
    pub(super) keyring: Option<String>,
    /// How many descriptors after the third the program gets.
    pub(super) preserved: u32,
}

/// Tells the other side why it can't go on, and ends.
pub(super) fn fail(sync: &Sync, error: Error) -> ! {
    let program = matches!(error, Error::Program(_));
    let text = match error {
        Error::Program(text) | Error::Inside(text) => text,
        error => error.to_string(),
    };
    let _ = sync.tell(&Told::Failed { program, text });
    fork::exit(1)
}

/// Lives the first process' life.
pub(super) fn run(birth: &Birth<'_>) -> Infallible {
    let (program, fifo) = match prepare(birth) {
        Ok(prepared) => prepared,
        Err(error) => fail(&birth.sync, error),
    };
    // From here on it is `start` that listens.
    let error = match started(birth, &fifo) {
        Ok(()) => begin::run(&birth.plan.process, &program, birth.preserved.saturating_add(3)),
        Err(error) => error,
    };
    let _ = rustix::io::write(&fifo, error.to_string().as_bytes());
    fork::exit(1)
}

/// Everything up to the moment when `create` is done. Answers the program, and the FIFO once somebody has opened it.
fn prepare(birth: &Birth<'_>) -> Result<(begin::Program, OwnedFd)> {
    let plan = birth.plan;
    // Once it has ended, nobody would give this process its identifiers and groups.
    birth.sync.expect(&Told::Go)?;
    rustix::process::setsid().doing(|| "begin a session")?;
    if plan.namespaces.has(Ns::User) {
        become_root()?;
    }
    if plan.namespaces.fresh & Ns::Cgroup as u64 != 0 {
        nix::sched::unshare(CloneFlags::CLONE_NEWCGROUP).doing(|| "make a cgroup namespace")?;
    }
    rustix::process::umask(Mode::empty());
    let host = mount::Host::open()?;
    // The host's, by which descriptors can be opened again whatever the container shows at this place.
    let proc = rustix::fs::open("/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .doing(|| "open /proc")?;
    let root = mount::open_root(plan)?;
    mount::all(plan, &root, birth.hierarchies, birth.group)?;
    if ["prestart", "createRuntime"].iter().any(|list| hooks::any(birth.hooks, list)) {
        birth.sync.tell(&Told::Hooks)?;
        birth.sync.expect(&Told::Go)?;
    }
    let mut state = birth.state.clone();
    state.pid = own_pid(&proc);
    hooks::run(birth.hooks, &["createContainer"], &state)?;
    root.make(&super::plan::inside(&plan.process.cwd), Place::Directory)
        .doing(|| format!("make the working directory {}", plan.process.cwd.display()))?;
    let terminal =
        birth.console.as_ref().map(|socket| console::make(&root, socket.as_fd(), plan.process.size)).transpose()?;
    if let Some(terminal) = &terminal
        && plan.own_dev
    {
        mount::bind_open(&root, terminal.as_fd(), Path::new("/dev/console"))?;
    }
    for (file, value) in &plan.settings {
        let path = Path::new("/proc/sys").join(file);
        std::fs::write(&path, value).doing(|| format!("write sysctl {}", path.display()))?;
    }
    if let Some(name) = &plan.hostname {
        rustix::system::sethostname(name.as_bytes()).doing(|| "set the host's name")?;
    }
    if let Some(name) = &plan.domainname {
        rustix::system::setdomainname(name.as_bytes()).doing(|| "set the domain's name")?;
    }
    mount::protect(plan, &root, &host)?;
    mount::enter(plan, &root, birth.pivot)?;
    own_keyring(birth.keyring.as_deref())?;
    if let Some(domain) = plan.personality {
        let domain = nix::sys::personality::Persona::from_bits_retain(i32::try_from(domain).unwrap_or(0));
        nix::sys::personality::set(domain).doing(|| "set the personality")?;
    }
    if let Some(terminal) = &terminal {
        console::take(terminal)?;
    }
    birth.sync.tell(&Told::Limits)?;
    birth.sync.expect(&Told::Go)?;
    let program = begin::become_process(&plan.process)?;
    birth.sync.tell(&Told::Ready)?;
    birth.sync.expect(&Told::Go)?;
    // It opens when `start` opens the other end.
    let fifo = format!("self/fd/{}", birth.fifo.as_raw_fd());
    let fifo = rustix::io::retry_on_intr(|| {
        rustix::fs::openat(&proc, fifo.as_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
    })
    .doing(|| "wait to be started")?;
    Ok((program, fifo))
}

fn started(birth: &Birth<'_>, fifo: &OwnedFd) -> Result<()> {
    if hooks::any(birth.hooks, "startContainer") {
        let mut state = birth.state.clone();
        state.status = Status::Created;
        hooks::run(birth.hooks, &["startContainer"], &state)?;
    }
    rustix::io::write(fifo, b"0").doing(|| "tell that the program begins").map(drop)
}

/// In its own user namespace a process begins as nobody.
pub(super) fn become_root() -> Result<()> {
    match rustix::thread::set_thread_groups(&[]) {
        Err(Errno::PERM) | Ok(()) => {}
        set => set.doing(|| "leave the groups of the host")?,
    }
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_res_gid(gid, gid, gid).doing(|| "become root in the user namespace")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).doing(|| "become root in the user namespace")
}

/// Kernels without keyrings do without.
pub(super) fn own_keyring(name: Option<&str>) -> Result<()> {
    let Some(name) = name.and_then(|name| std::ffi::CString::new(name).ok()) else { return Ok(()) };
    match fork::join_keyring(&name) {
        Err(error) if error.raw_os_error() == Some(Errno::NOSYS.raw_os_error()) => Ok(()),
        joined => joined.doing(|| "join a session keyring"),
    }
}

/// This process' number as the host's `/proc` has it.
fn own_pid(proc: &OwnedFd) -> i32 {
    let link = rustix::fs::readlinkat(proc, "self", Vec::new());
    link.ok().and_then(|link| link.to_str().ok()?.parse().ok()).unwrap_or(0)
}
