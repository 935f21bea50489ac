//! What a process is given: variables, identity, limits, streams, descriptors.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;

use nix::libc;
use nix::unistd::{Group, User};

use super::sys::{self, Launch};
use crate::supervisor::file::environment_file;
use crate::supervisor::unit::{Exec, Output, Service, expand};
use crate::supervisor::{Role, SpawnError};

/// Where programs are looked for, and what services find in `$PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the supervisor gives beside what the unit says.
pub(super) struct Given {
    pub(super) variables: Vec<(String, String)>,
    /// Sockets with their names.
    pub(super) sockets: Vec<(OwnedFd, String)>,
    pub(super) cgroups: Vec<OwnedFd>,
    /// The pipe into the log.
    pub(super) log: OwnedFd,
    pub(super) dies_with: bool,
    /// Limits in the place of control groups.
    pub(super) memory: Option<u64>,
}

fn failed(status: Option<u8>, message: impl Into<String>) -> SpawnError {
    SpawnError { status, message: message.into() }
}

fn c_string(text: impl Into<Vec<u8>>) -> Result<CString, SpawnError> {
    CString::new(text).map_err(|_| failed(Some(203), "Failed to execute: a word with a zero byte"))
}

/// Starts a command of a service.
pub(super) fn start(service: &Service, role: Role, exec: &Exec, given: Given) -> Result<u32, SpawnError> {
    let account = Account::of(service)?;
    let mut environment = environment(service, &account, given.variables)?;
    let argv =
        if exec.no_expansion { exec.argv.clone() } else { expand(&exec.argv, |name| environment.get(name).cloned()) };
    let program = find(&exec.program)?;
    let mut own_pid = Vec::new();
    if role == Role::Main || role == Role::Start {
        if !given.sockets.is_empty() {
            let names: Vec<&str> = given.sockets.iter().map(|(_, name)| name.as_str()).collect();
            environment.insert("LISTEN_FDS".into(), names.len().to_string());
            environment.insert("LISTEN_FDNAMES".into(), names.join(":"));
            own_pid.push("LISTEN_PID");
        }
        if environment.contains_key("WATCHDOG_USEC") {
            own_pid.push("WATCHDOG_PID");
        }
    }
    own_pid.iter().for_each(|name| drop(environment.remove(*name)));
    let descriptors = given.sockets;
    // Numbers below this are the child's own: nothing of ours may have one of them while it is made, not even a pipe of std's.
    let room = 3 + descriptors.len();
    let copies = descriptors.iter().map(|(socket, _)| sys::copy_above(socket.as_raw_fd(), room));
    let copies = copies.collect::<io::Result<Vec<_>>>().map_err(|error| failed(Some(202), error.to_string()))?;
    let _kept = keep_free(room).map_err(|error| failed(Some(202), error.to_string()))?;

    make_runtime_directories(service, &account)?;
    let (stdout, stderr) = streams(service, &given.log)
        .map_err(|error| failed(Some(209), format!("Failed to set up standard output: {error}")))?;
    let privileged = exec.full_privileges;
    let changes = |id: Option<u32>| id.filter(|_| !privileged);
    let launch = Launch {
        program: c_string(program)?,
        argv: argv.into_iter().map(c_string).collect::<Result<_, _>>()?,
        environment: environment
            .iter()
            .map(|(name, value)| c_string(format!("{name}={value}")))
            .collect::<Result<_, _>>()?,
        own_pid,
        cgroups: given.cgroups,
        descriptors: copies,
        limits: limits(service, given.memory),
        nice: service.nice,
        oom_score_adjust: service.oom_score_adjust.map(|adjust| c_string(adjust.to_string())).transpose()?,
        groups: account.groups.clone().filter(|_| !privileged),
        gid: changes(account.gid),
        uid: changes(account.uid),
        umask: service.umask,
        directory: match &service.working_directory {
            Some((path, optional)) if path == Path::new("~") => Some((c_string(account.home.clone())?, *optional)),
            Some((path, optional)) => Some((c_string(path.as_os_str().as_encoded_bytes())?, *optional)),
            None => None,
        },
        no_new_privileges: service.no_new_privileges,
        dies_with: given.dies_with,
    };
    sys::spawn(launch, stdout, stderr)
}

/// Takes all free numbers below `room`, for as long as what it answers lives.
fn keep_free(room: usize) -> io::Result<Vec<File>> {
    let mut kept = Vec::new();
    while kept.len() < room {
        let file = File::open("/dev/null")?;
        if file.as_raw_fd() as usize >= room {
            break;
        }
        kept.push(file);
    }
    Ok(kept)
}

/// Whom a service runs as.
struct Account {
    uid: Option<u32>,
    gid: Option<u32>,
    groups: Option<Vec<libc::gid_t>>,
    /// With the name and the shell, if a user was named.
    named: Option<(String, String)>,
    home: String,
}

impl Account {
    fn of(service: &Service) -> Result<Account, SpawnError> {
        let mut account = Account { uid: None, gid: None, groups: None, named: None, home: "/root".into() };
        if let Ok(home) = std::env::var("HOME") {
            account.home = home;
        }
        let unknown = |what: &str, name: &str, status| {
            failed(Some(status), format!("Failed to determine {what} {name}: No such process"))
        };
        if let Some(name) = &service.user {
            let user = match name.parse::<u32>() {
                Ok(uid) => User::from_uid(uid.into()),
                Err(_) => User::from_name(name),
            };
            match (user, name.parse::<u32>()) {
                (Ok(Some(user)), _) => {
                    account.uid = Some(user.uid.as_raw());
                    account.gid = Some(user.gid.as_raw());
                    account.home = user.dir.to_string_lossy().into_owned();
                    account.named = Some((user.name.clone(), user.shell.to_string_lossy().into_owned()));
                    let base = c_string(user.name)?;
                    let groups = nix::unistd::getgrouplist(&base, user.gid).unwrap_or_default();
                    account.groups = Some(groups.into_iter().map(nix::unistd::Gid::as_raw).collect());
                }
                (_, Ok(uid)) => (account.uid, account.groups) = (Some(uid), Some(Vec::new())),
                _ => return Err(unknown("user", name, 217)),
            }
        }
        let group = |name: &String| match name.parse::<u32>() {
            Ok(gid) => Ok(gid),
            Err(_) => match Group::from_name(name) {
                Ok(Some(group)) => Ok(group.gid.as_raw()),
                _ => Err(unknown("group", name, 216)),
            },
        };
        if let Some(name) = &service.group {
            account.gid = Some(group(name)?);
        }
        if !service.supplementary_groups.is_empty() {
            let more = service.supplementary_groups.iter().map(group).collect::<Result<Vec<_>, _>>()?;
            account.groups.get_or_insert_default().extend(more);
        }
        // Who is that already needs no right to become it.
        let own = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        if own.0 != 0 && account.uid.is_none_or(|uid| uid == own.0) && account.gid.is_none_or(|gid| gid == own.1) {
            (account.uid, account.gid, account.groups) = (None, None, None);
        }
        Ok(account)
    }
}

fn environment(
    service: &Service,
    account: &Account,
    given: Vec<(String, String)>,
) -> Result<BTreeMap<String, String>, SpawnError> {
    let mut all = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
    for name in &service.pass_environment {
        if let Ok(value) = std::env::var(name) {
            all.insert(name.clone(), value);
        }
    }
    if let Some((name, shell)) = &account.named {
        for (key, value) in [("USER", name), ("LOGNAME", name), ("HOME", &account.home), ("SHELL", shell)] {
            all.insert(key.into(), value.clone());
        }
    }
    all.extend(given);
    all.extend(service.environment.iter().cloned());
    for (path, optional) in &service.environment_files {
        match read_bounded(path) {
            Ok(text) => all.extend(environment_file(&text).0),
            Err(error) if *optional && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(failed(None, format!("Failed to load environment file {}: {error}", path.display())));
            }
        }
    }
    for entry in &service.unset_environment {
        let (name, value) = entry.split_once('=').map_or((entry.as_str(), None), |(name, value)| (name, Some(value)));
        if value.is_none_or(|value| all.get(name).is_some_and(|set| set == value)) {
            all.remove(name);
        }
    }
    Ok(all)
}

/// A small file as text.
pub(super) fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(File::open(path)?, 1 << 20), &mut text)?;
    Ok(text)
}

/// The file of a program: a name without a slash is looked for.
fn find(program: &str) -> Result<String, SpawnError> {
    if program.contains('/') {
        return Ok(program.to_owned());
    }
    let runs =
        |path: &String| fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    let found = PATH.split(':').map(|dir| format!("{dir}/{program}")).find(runs);
    found.ok_or_else(|| failed(Some(203), format!("Failed at step EXEC spawning {program}: no such program")))
}

fn limits(service: &Service, memory: Option<u64>) -> Vec<(libc::__rlimit_resource_t, libc::rlimit)> {
    let number = |limit: Option<u64>| limit.unwrap_or(libc::RLIM_INFINITY);
    let mut all: Vec<_> = service
        .limits
        .iter()
        .filter_map(|limit| {
            let value = libc::rlimit { rlim_cur: number(limit.soft), rlim_max: number(limit.hard) };
            Some((resource(limit.resource)?, value))
        })
        .collect();
    if let Some(bytes) = memory {
        all.push((libc::RLIMIT_AS, libc::rlimit { rlim_cur: bytes, rlim_max: bytes }));
    }
    all
}

fn resource(name: &str) -> Option<libc::__rlimit_resource_t> {
    Some(match name {
        "CPU" => libc::RLIMIT_CPU,
        "FSIZE" => libc::RLIMIT_FSIZE,
        "DATA" => libc::RLIMIT_DATA,
        "STACK" => libc::RLIMIT_STACK,
        "CORE" => libc::RLIMIT_CORE,
        "RSS" => libc::RLIMIT_RSS,
        "NPROC" => libc::RLIMIT_NPROC,
        "NOFILE" => libc::RLIMIT_NOFILE,
        "MEMLOCK" => libc::RLIMIT_MEMLOCK,
        "AS" => libc::RLIMIT_AS,
        "LOCKS" => libc::RLIMIT_LOCKS,
        "SIGPENDING" => libc::RLIMIT_SIGPENDING,
        "MSGQUEUE" => libc::RLIMIT_MSGQUEUE,
        "NICE" => libc::RLIMIT_NICE,
        "RTPRIO" => libc::RLIMIT_RTPRIO,
        "RTTIME" => libc::RLIMIT_RTTIME,
        _ => return None,
    })
}

fn streams(service: &Service, log: &OwnedFd) -> io::Result<(Stdio, Stdio)> {
    let open = |output: &Output| -> io::Result<Option<OwnedFd>> {
        let mut how = OpenOptions::new();
        how.write(true).create(true).mode(0o644);
        Ok(Some(match output {
            Output::Log => log.try_clone()?,
            Output::Null => File::options().write(true).open("/dev/null")?.into(),
            Output::Inherit => return Ok(None),
            Output::File(path) => how.open(path)?.into(),
            Output::Append(path) => how.append(true).open(path)?.into(),
            Output::Truncate(path) => how.truncate(true).open(path)?.into(),
        }))
    };
    let stdout = open(&service.stdout)?;
    let stderr = match (&service.stderr, &stdout) {
        // Where standard output goes: the same open file, so that neither writes over the other.
        (Output::Inherit, Some(stdout)) => Some(stdout.try_clone()?),
        (other, Some(stdout)) if *other == service.stdout => Some(stdout.try_clone()?),
        (other, _) => open(other)?,
    };
    let stdio = |descriptor: Option<OwnedFd>| descriptor.map_or_else(Stdio::inherit, Stdio::from);
    Ok((stdio(stdout), stdio(stderr)))
}

fn make_runtime_directories(service: &Service, account: &Account) -> Result<(), SpawnError> {
    for path in &service.runtime_directory {
        let made = fs::create_dir_all(path)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
            .and_then(|()| std::os::unix::fs::chown(path, account.uid, account.gid));
        made.map_err(|error| {
            failed(Some(233), format!("Failed to set up runtime directory {}: {error}", path.display()))
        })?;
    }
    Ok(())
}
