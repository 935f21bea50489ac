//! What runs between fork and exec, and signals by number: the one place with `unsafe` of the supervisor.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::libc;

use crate::supervisor::SpawnError;
use crate::supervisor::unit::exit_name;

/// Everything that a child does before it becomes the program; made beforehand, since a child may not allocate.
pub(super) struct Launch {
    /// What is executed.
    pub(super) program: CString,
    pub(super) argv: Vec<CString>,
    /// `NAME=value`.
    pub(super) environment: Vec<CString>,
    /// Names of variables that are given the child's own number.
    pub(super) own_pid: Vec<&'static str>,
    /// Files that it writes `0` to, to become a member of a control group.
    pub(super) cgroups: Vec<OwnedFd>,
    /// Descriptors that it has from 3 on, in this order; none of them may be below 3 and their number.
    pub(super) descriptors: Vec<OwnedFd>,
    pub(super) limits: Vec<(libc::__rlimit_resource_t, libc::rlimit)>,
    pub(super) nice: Option<i32>,
    pub(super) oom_score_adjust: Option<CString>,
    pub(super) groups: Option<Vec<libc::gid_t>>,
    pub(super) gid: Option<libc::gid_t>,
    pub(super) uid: Option<libc::uid_t>,
    pub(super) umask: libc::mode_t,
    /// Where it runs; whether it runs in `/` if that is missing.
    pub(super) directory: Option<(CString, bool)>,
    pub(super) no_new_privileges: bool,
    /// Whether it is killed when the supervisor is gone.
    pub(super) dies_with: bool,
}

/// The exit status that names the step at which a child failed, and the error, as one number: what std carries from a child to
/// its parent is the number of an error.
const STEP: i32 = 1 << 16;

fn at(status: u8) -> io::Error {
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
    io::Error::from_raw_os_error(i32::from(status) * STEP + errno)
}

fn check(result: libc::c_int, status: u8) -> io::Result<()> {
    if result < 0 { Err(at(status)) } else { Ok(()) }
}

/// Strings as C has them, and the list of where each begins, which ends with nobody.
struct Strings {
    bytes: Vec<Vec<u8>>,
    pointers: Vec<*mut libc::c_char>,
}

// SAFETY: the pointers lead into `bytes`, which belongs to the same value, is never reallocated once they are taken, and is
// written by whoever has the value for itself alone.
unsafe impl Send for Strings {}
// SAFETY: as above; through a shared reference nothing is written.
unsafe impl Sync for Strings {}

impl Strings {
    fn new(strings: impl IntoIterator<Item = Vec<u8>>) -> Strings {
        let mut bytes: Vec<Vec<u8>> = strings.into_iter().collect();
        let mut pointers: Vec<_> = bytes.iter_mut().map(|bytes| bytes.as_mut_ptr().cast()).collect();
        pointers.push(std::ptr::null_mut());
        Strings { bytes, pointers }
    }

    fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr().cast()
    }
}

/// Makes the process. Its number, once it has become the program.
pub(super) fn spawn(mut launch: Launch, stdout: Stdio, stderr: Stdio) -> Result<u32, SpawnError> {
    let argv = Strings::new(launch.argv.drain(..).map(CString::into_bytes_with_nul));
    // Room for ten digits behind each name, and the zero that ends the string.
    let own = launch.own_pid.iter().map(|name| format!("{name}=\0\0\0\0\0\0\0\0\0\0\0").into_bytes());
    let names: Vec<usize> = launch.own_pid.iter().map(|name| name.len() + 1).collect();
    let mut environment = Strings::new(own.chain(launch.environment.drain(..).map(CString::into_bytes_with_nul)));
    let program = launch.program.to_string_lossy().into_owned();
    let mut command = Command::new(&program);
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    // SAFETY: the closure calls nothing but system calls through functions that POSIX allows between fork and exec, and allocates
    // nothing: all that it needs was made above, and an error is a number. It touches no lock that another thread may hold.
    unsafe {
        command.pre_exec(move || {
            for (bytes, name) in environment.bytes.iter_mut().zip(&names) {
                write_number(bytes.get_mut(*name..).unwrap_or_default(), libc::getpid().unsigned_abs());
            }
            become_program(&launch, &argv, &environment)
        });
    }
    match command.spawn() {
        // Whoever reaps all children reaps this one.
        Ok(child) => Ok(child.id()),
        Err(error) => {
            let raw = error.raw_os_error().unwrap_or_default();
            let (step, errno) = (raw / STEP, raw % STEP);
            Err(match u8::try_from(step).ok().filter(|step| *step > 0) {
                Some(status) => {
                    let step = exit_name(status).unwrap_or("its start");
                    let why = io::Error::from_raw_os_error(errno);
                    SpawnError {
                        status: Some(status),
                        message: format!("Failed at step {step} spawning {program}: {why}"),
                    }
                }
                None => SpawnError { status: None, message: format!("Failed to fork: {error}") },
            })
        }
    }
}

fn write_number(place: &mut [u8], mut number: u32) {
    let mut digits = [0_u8; 10];
    let mut count = 0;
    while count == 0 || number > 0 {
        if let Some(digit) = digits.get_mut(count) {
            *digit = b'0' + (number % 10) as u8;
        }
        (number, count) = (number / 10, count + 1);
    }
    for (place, digit) in place.iter_mut().zip(digits.iter().take(count).rev()) {
        *place = *digit;
    }
}

/// In the child. Comes back only with an error.
fn become_program(launch: &Launch, argv: &Strings, environment: &Strings) -> io::Result<()> {
    // SAFETY: all are system calls on values that outlive them: strings that end with zero, lists with their lengths, numbers.
    unsafe {
        check(libc::setsid(), 220)?;
        for group in &launch.cgroups {
            check(libc::write(group.as_raw_fd(), c"0".as_ptr().cast(), 1) as libc::c_int, 219)?;
        }
        if let Some(adjust) = &launch.oom_score_adjust {
            let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            check(file, 206)?;
            check(libc::write(file, adjust.as_ptr().cast(), adjust.as_bytes().len()) as libc::c_int, 206)?;
        }
        if let Some(nice) = launch.nice {
            check(libc::setpriority(libc::PRIO_PROCESS, 0, nice), 201)?;
        }
        for (resource, limit) in &launch.limits {
            check(libc::setrlimit(*resource, limit), 205)?;
        }
        if let Some(groups) = &launch.groups {
            check(libc::setgroups(groups.len(), groups.as_ptr()), 216)?;
        }
        if let Some(gid) = launch.gid {
            check(libc::setgid(gid), 216)?;
        }
        if let Some(uid) = launch.uid {
            check(libc::setuid(uid), 217)?;
        }
        if launch.dies_with {
            // Behind the change of user, which takes it back. Who is an orphan already has missed it.
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), 220)?;
        }
        libc::umask(launch.umask);
        if let Some((directory, optional)) = &launch.directory {
            let entered = libc::chdir(directory.as_ptr());
            if entered < 0 && *optional {
                check(libc::chdir(c"/".as_ptr()), 200)?;
            } else {
                check(entered, 200)?;
            }
        } else {
            check(libc::chdir(c"/".as_ptr()), 200)?;
        }
        if launch.no_new_privileges {
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 227)?;
        }
        for (number, descriptor) in (3..).zip(&launch.descriptors) {
            check(libc::dup2(descriptor.as_raw_fd(), number), 202)?;
        }
        // Whoever started the supervisor may have left descriptors open; older kernels keep them.
        let first = 3 + launch.descriptors.len() as libc::c_uint;
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        // No signal is blocked, and as under systemd only SIGPIPE is ignored.
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::execve(launch.program.as_ptr(), argv.as_ptr(), environment.as_ptr());
        Err(at(203))
    }
}

/// Sends a signal to a process; whether there was one.
pub(super) fn kill(pid: u32, signal: i32) -> bool {
    match libc::pid_t::try_from(pid) {
        // SAFETY: a system call on two numbers. Zero and what is negative would be groups, and is left out.
        Ok(pid) if pid > 0 => unsafe { libc::kill(pid, signal) == 0 },
        _ => false,
    }
}

/// A descriptor's copy with a number that is not below `least`.
pub(super) fn copy_above(descriptor: RawFd, least: usize) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    let least = libc::c_int::try_from(least).unwrap_or(libc::c_int::MAX);
    // SAFETY: a system call on two numbers; what it makes is new, so it has no other owner.
    unsafe {
        let copy = libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, least);
        if copy < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(copy)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_place() {
        for (number, text) in [(0, "0"), (7, "7"), (4_194_304, "4194304"), (u32::MAX, "4294967295")] {
            let mut place = [0_u8; 11];
            write_number(&mut place, number);
            assert_eq!(std::str::from_utf8(&place).unwrap().trim_end_matches('\0'), text);
        }
    }
}
