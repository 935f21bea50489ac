//! The calls that no library makes safe: a process that goes on in a copy of this one, and what the kernel is told there.
//!
//! A copy made by `clone3` has one thread, and the memory as it was at that moment. If another thread held a lock, the copy
//! would wait for it for ever, or find half of what it protects. So [`fork`] refuses unless this process has one
//! thread; with that, the copy is as good a place to run in as the original.
// The one place of the runtime that calls the kernel without a net.
#![allow(unsafe_code)]

use std::convert::Infallible;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::libc;
use seccompiler::sock_filter;

/// A process that was made.
#[derive(Debug)]
pub(super) struct Child {
    /// Its number, as the maker sees it.
    pub(super) pid: i32,
    /// What stands for it even when the number has come round again.
    pub(super) pidfd: OwnedFd,
}

/// The new process becomes a child of its maker's parent.
pub(super) const PARENT: u64 = libc::CLONE_PARENT as u64;

fn check(answer: libc::c_long) -> io::Result<libc::c_long> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// Whether nothing else runs in this process.
fn alone() -> io::Result<bool> {
    Ok(std::fs::read_dir("/proc/self/task")?.take(2).count() == 1)
}

/// Makes a process that does `work` and nothing after, in namespaces of its own by the flags of `clone(2)`. It has copies of all
/// descriptors but those that are its maker's alone: what the maker closes would stay open in it.
pub(super) fn fork(flags: u64, makers: &[BorrowedFd<'_>], work: impl FnOnce() -> Infallible) -> io::Result<Child> {
    // Who asks for a sibling is such a copy itself, and may see another machine's /proc by now.
    if flags & PARENT == 0 && !alone()? {
        return Err(io::Error::other("a container can only be made by a process with one thread"));
    }
    let mut pidfd: libc::c_int = -1;
    // A sibling ends with the signal that this process has, and may not say another.
    let signal = if flags & PARENT == 0 { libc::SIGCHLD as u64 } else { 0 };
    let mut args = CloneArgs {
        flags: flags | libc::CLONE_PIDFD as u64,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        exit_signal: signal,
        ..CloneArgs::default()
    };
    // SAFETY: the arguments are as long as is said, and `pidfd` is where they point, both for the length of the call. Without
    // CLONE_VM the new process has its own copy of the memory and returns here on its copy of the stack; this process has one
    // thread, so nothing in that copy is half done. The new process never returns from this function: it does `work`,
    // which has no end that it could come back from, or ends at once when that panics.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, std::ptr::from_mut(&mut args), size_of::<CloneArgs>()) })?;
    if pid == 0 {
        for fd in makers {
            // SAFETY: this copy never returns to the code that owns the descriptor, so nobody uses or closes the number here
            // again. A borrow of it that `work` had would be the caller's mistake, and answer an error at worst: nothing is
            // mapped from it.
            unsafe { libc::close(fd.as_raw_fd()) };
        }
        let _ = catch_unwind(AssertUnwindSafe(work));
        // SAFETY: it ends the process, without running what the original has registered for its own end.
        unsafe { libc::_exit(EXIT_PANIC) }
    }
    // SAFETY: the kernel has just put a descriptor there that nobody else knows.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Child { pid: i32::try_from(pid).map_err(io::Error::other)?, pidfd })
}

/// What a process ends with that can't say more.
const EXIT_PANIC: libc::c_int = 255;

/// Ends this process at once.
pub(super) fn exit(status: i32) -> ! {
    // SAFETY: it ends the process; that is all.
    unsafe { libc::_exit(status) }
}

/// `struct clone_args` of the kernel, in the length that it had first.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// Changes a mount, and what is mounted under it: attributes by `mount_setattr(2)`, and how it is shared.
pub(super) fn set_mount(fd: BorrowedFd<'_>, whole: bool, set: u64, clear: u64, propagation: u64) -> io::Result<()> {
    let attributes = libc::mount_attr { attr_set: set, attr_clr: clear, propagation, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if whole { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a string that ends, the attributes are as long as is said; both are only read.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(&attributes),
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Loads a filter of system calls into this process.
pub(super) fn load_filter(program: &[sock_filter], flags: u32) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: the kernel copies `len` instructions from where the program is, and writes nothing. seccompiler's instruction has
    // the kernel's layout: two bytes, one, one, four, as C lays them out.
    check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, std::ptr::from_ref(&program))
    })
    .map(drop)
}

/// Gives this process a session keyring of its own.
pub(super) fn join_keyring(name: &CStr) -> io::Result<()> {
    const JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: the name is a string that ends, and is only read.
    check(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, name.as_ptr()) }).map(drop)
}

/// Descriptors from this one on are closed when a program begins.
pub(super) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: nothing is closed now; what closes is what the program that replaces this one would not have known.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Makes the kernel ask a program about the devices that are opened in a control group, besides those that it asks already.
pub(super) fn ask_about_devices(group: BorrowedFd<'_>, program: &[[u8; 8]]) -> io::Result<()> {
    const LOAD: libc::c_int = 5;
    const ATTACH: libc::c_int = 8;
    const DEVICES: u32 = 15;
    const AT_DEVICES: u32 = 6;
    const AMONG_OTHERS: u32 = 2;
    let count = u32::try_from(program.len()).map_err(io::Error::other)?;
    // `union bpf_attr`, as far as each call reads it.
    let load =
        Load { kind: DEVICES, count, program: program.as_ptr() as u64, license: c"MIT".as_ptr() as u64, rest: [0; 12] };
    // SAFETY: the kernel reads the attributes in the length that is said, the program in its own, and the licence to its end. All live as
    // long as the call.
    let loaded = check(unsafe { libc::syscall(libc::SYS_bpf, LOAD, std::ptr::from_ref(&load), size_of::<Load>()) })?;
    // SAFETY: the descriptor is new, so nobody else has it.
    let loaded = unsafe { OwnedFd::from_raw_fd(i32::try_from(loaded).map_err(io::Error::other)?) };
    let attach = [group.as_raw_fd() as u32, loaded.as_raw_fd() as u32, AT_DEVICES, AMONG_OTHERS];
    // SAFETY: as above; the program stays loaded as long as the group has it.
    check(unsafe { libc::syscall(libc::SYS_bpf, ATTACH, attach.as_ptr(), size_of_val(&attach)) }).map(drop)
}

/// What loads a program: the first members of `union bpf_attr`, and zeros.
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    program: u64,
    license: u64,
    rest: [u64; 12],
}

/// Signals do what they do in a new program, and none is held back: Rust's start has changed one, and whoever started this may have
/// changed more.
pub(super) fn reset_signals() {
    for signal in 1..=64 {
        // The C library keeps two for itself, which it would not let go: the kernel is asked. All zeros are the default, no flags and
        // nothing held back, on every platform.
        let default = [0_u64; 4];
        // SAFETY: the kernel reads its `struct sigaction`, which is no longer than this, and writes nothing. The default needs no code of
        // this process. What can't be changed answers an error, and stays.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), 0_usize, 8_usize) };
    }
    let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
}
