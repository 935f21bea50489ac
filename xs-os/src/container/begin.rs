//! The last steps before a program begins, the same for a container's first process and for one that is added: who it is, what it may
//! do, where it is, which program it is.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, FileType, Gid, Mode, Uid};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::error::{Doing, Error, Result};
use super::fork;
use super::process::{ProcessPlan, Rights};

/// How much of the container's list of users is read.
const MOST_USERS: u64 = 1 << 20;

/// What remains to be done: run the program.
#[derive(Debug)]
pub(super) struct Program {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

/// Makes this process who the plan says it is. Answers the program, which is known to be there.
pub(super) fn become_process(plan: &ProcessPlan) -> Result<Program> {
    rustix::process::umask(Mode::from_raw_mode(plan.umask.unwrap_or(0o022)));
    // Without the promise not to gain rights, only the privileged may load a filter; with it, the filter waits as long as it can, so
    // that it needn't allow what is done here.
    if let Some(filter) = plan.filter.as_ref().filter(|_| !plan.no_new_privileges) {
        fork::load_filter(&filter.program, filter.flags).doing(|| "load the seccomp filter")?;
    }
    own_stdio(plan.uid);
    // Root may enter what the user can't, and the user what root can't: on a network's file system for one.
    let entered = rustix::process::chdir(&plan.cwd);
    bound(plan.rights.bounding)?;
    identity(plan)?;
    rights(&plan.rights)?;
    if entered.is_err() {
        rustix::process::chdir(&plan.cwd)
            .doing(|| format!("chdir to cwd ({:?}) set in config.json failed", plan.cwd.display().to_string()))?;
    }
    inside_root()?;
    let mut env = plan.env.clone();
    if plan.variable("HOME").is_none()
        && let Ok(home) = CString::new([b"HOME=", home(plan.uid).as_os_str().as_bytes()].concat())
    {
        env.push(home);
    }
    Ok(Program { path: find(plan)?, args: plan.args.clone(), env })
}

/// Runs the program in place of this process. Answers only when that can't be.
pub(super) fn run(plan: &ProcessPlan, program: &Program, first_closed: u32) -> Error {
    let prepared = (|| {
        fork::close_on_exec_from(first_closed).doing(|| "close what the program must not have")?;
        fork::reset_signals();
        if plan.no_new_privileges {
            rustix::thread::set_no_new_privs(true).doing(|| "give up new privileges")?;
            if let Some(filter) = &plan.filter {
                fork::load_filter(&filter.program, filter.flags).doing(|| "load the seccomp filter")?;
            }
        }
        Ok(())
    })();
    if let Err(error) = prepared {
        return error;
    }
    let Err(errno) = nix::unistd::execve(&program.path, &program.args, &program.env);
    Error::Program(format!("exec {}: {}", program.path.to_string_lossy(), super::error::words(&errno.into())))
}

/// Where the process is must be under its root: a descriptor or a directory left over from outside would be a way out.
fn inside_root() -> Result<()> {
    let at = rustix::process::getcwd(Vec::new()).doing(|| "find the working directory")?;
    if at.as_bytes().starts_with(b"/") {
        return Ok(());
    }
    Err(Error::Inside("the working directory is outside of the container's root".into()))
}

/// What the process reads and writes is its own.
fn own_stdio(uid: u32) {
    for fd in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        own(fd.as_fd(), uid);
    }
}

fn own(fd: BorrowedFd<'_>, uid: u32) {
    let Ok(found) = rustix::fs::fstat(fd) else { return };
    let null = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
        && found.st_rdev == rustix::fs::makedev(1, 3);
    if found.st_uid != uid && !null {
        // Not everything can change its owner, and nothing depends on it.
        let _ = rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), None);
    }
}

/// Nothing but these can ever be had again.
fn bound(bounding: u64) -> Result<()> {
    for bit in (0..64).map(|at| 1_u64 << at).filter(|bit| bounding & bit == 0) {
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(bit)) {
            // The kernel knows no more of them.
            Err(Errno::INVAL) => break,
            removed => removed.doing(|| "bound the capabilities")?,
        }
    }
    Ok(())
}

fn identity(plan: &ProcessPlan) -> Result<()> {
    let doing = || format!("become user {}:{}", plan.uid, plan.gid);
    rustix::thread::set_keep_capabilities(true).doing(doing)?;
    let groups: Vec<Gid> = plan.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    match rustix::thread::set_thread_groups(&groups) {
        // In a user namespace of one's own it may be denied to leave groups: then there is nothing to leave either.
        Err(Errno::PERM) if groups.is_empty() => {}
        set => set.doing(|| "set the additional groups")?,
    }
    let (uid, gid) = (Uid::from_raw(plan.uid), Gid::from_raw(plan.gid));
    rustix::thread::set_thread_res_gid(gid, gid, gid).doing(doing)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).doing(doing)?;
    rustix::thread::set_keep_capabilities(false).doing(doing)
}

fn rights(rights: &Rights) -> Result<()> {
    let doing = || "set the capabilities";
    let set = CapabilitySet::from_bits_retain;
    let sets = CapabilitySets {
        effective: set(rights.effective),
        permitted: set(rights.permitted),
        inheritable: set(rights.inheritable),
    };
    rustix::thread::set_capabilities(None, sets).doing(doing)?;
    rustix::thread::clear_ambient_capability_set().doing(doing)?;
    // The kernel takes only those that are permitted and inheritable.
    let ambient = rights.ambient & rights.permitted & rights.inheritable;
    for bit in (0..64).map(|at| 1_u64 << at).filter(|bit| ambient & bit != 0) {
        rustix::thread::configure_capability_in_ambient_set(set(bit), true).doing(doing)?;
    }
    Ok(())
}

/// The program as a shell would find it.
fn find(plan: &ProcessPlan) -> Result<CString> {
    let name = plan.args.first().map(|name| name.as_bytes()).unwrap_or_default();
    let told = String::from_utf8_lossy(name).into_owned();
    let refuse = |reason: String| Err(Error::Program(format!("exec: {told:?}: {reason}")));
    let path = |path: &Path| {
        CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::config("process.args[0]", "has a NUL in it"))
    };
    if name.contains(&b'/') {
        let at = Path::new(OsStr::from_bytes(name));
        return match runnable(at) {
            Ok(()) => path(at),
            Err(Errno::NOENT | Errno::NOTDIR) => refuse(format!("stat {told}: no such file or directory")),
            Err(Errno::ISDIR) => refuse("is a directory".into()),
            Err(error) => refuse(super::error::words(&error.into())),
        };
    }
    let mut denied = false;
    for directory in std::env::split_paths(&plan.variable("PATH").unwrap_or_default()) {
        let directory = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
        let at = directory.join(OsStr::from_bytes(name));
        match runnable(&at) {
            Ok(()) => return path(&at),
            Err(Errno::ACCESS) => denied = true,
            Err(_) => {}
        }
    }
    refuse(if denied { "permission denied".into() } else { "executable file not found in $PATH".into() })
}

fn runnable(path: &Path) -> Result<(), Errno> {
    let found = rustix::fs::stat(path)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    rustix::fs::accessat(rustix::fs::CWD, path, Access::EXEC_OK, rustix::fs::AtFlags::EACCESS)
}

/// A user's home by the container's own list.
fn home(uid: u32) -> PathBuf {
    use std::io::Read as _;
    let mut text = Vec::new();
    if let Ok(file) = std::fs::File::open("/etc/passwd") {
        let _ = file.take(MOST_USERS).read_to_end(&mut text);
    }
    home_in(&text, uid)
}

fn home_in(users: &[u8], uid: u32) -> PathBuf {
    let uid = uid.to_string();
    let line = users.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let found = fields.nth(2)? == uid.as_bytes();
        fields.nth(2).filter(|home| found && !home.is_empty())
    });
    PathBuf::from(OsStr::from_bytes(line.unwrap_or(b"/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_found_or_is_the_root() {
        let users = b"root:x:0:0:root:/root:/bin/sh\nnonsense\na:x:7:7::/home/a:\n:::::\n";
        assert_eq!(home_in(users, 0), Path::new("/root"));
        assert_eq!(home_in(users, 7), Path::new("/home/a"));
        assert_eq!(home_in(users, 8), Path::new("/"));
    }

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        let plan = |json: &str| ProcessPlan::new(&serde_json::from_str(json).unwrap(), None).unwrap();
        let of = |name: &str| {
            find(&plan(&format!(r#"{{"user": {{}}, "cwd": "/", "args": ["{name}"], "env": ["PATH=/nowhere:/bin"]}}"#)))
        };
        assert_eq!(of("sh").unwrap().to_bytes(), b"/bin/sh");
        assert_eq!(of("/bin/sh").unwrap().to_bytes(), b"/bin/sh");
        for (name, reason) in [
            ("nope", "exec: \"nope\": executable file not found in $PATH"),
            ("/nope", "exec: \"/nope\": stat /nope: no such file or directory"),
            ("/etc/passwd", "exec: \"/etc/passwd\": permission denied"),
            ("/etc", "exec: \"/etc\": is a directory"),
        ] {
            assert!(of(name).unwrap_err().to_string().ends_with(reason), "{name}");
        }
    }
}
