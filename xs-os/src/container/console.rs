//! A container's terminal: made inside, its other end handed to whoever asked for it over a socket.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, OFlags, fstat, fstatfs};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    connect, sendmsg, socket_with,
};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::error::{Doing, Error, Result};
use super::mount::target::Root;

/// The file systems of terminals, as the kernel numbers them.
const DEVPTS: i128 = 0x1cd1;

/// Connects to the socket that the terminal is handed over on.
pub(super) fn dial(path: &Path) -> Result<OwnedFd> {
    let doing = || format!("connect to the console socket {}", path.display());
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).doing(doing)?;
    let address = SocketAddrUnix::new(path).doing(doing)?;
    connect(&socket, &address).doing(doing)?;
    Ok(socket)
}

/// Makes a terminal of the container under `root`, hands its other end over, and answers the container's.
pub(super) fn make(root: &Root, socket: BorrowedFd<'_>, size: Option<(u16, u16)>) -> Result<OwnedFd> {
    let doing = || "make a terminal";
    let ptmx = root.get(Path::new("/dev/pts/ptmx"), OFlags::RDWR | OFlags::NOCTTY).doing(|| "open /dev/pts/ptmx")?;
    // The container may have put anything there.
    let found = fstat(&ptmx).doing(doing)?;
    let real = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
        && found.st_rdev == rustix::fs::makedev(5, 2)
        && fstatfs(&ptmx).is_ok_and(|system| i128::from(system.f_type) == DEVPTS);
    if !real {
        return Err(Error::Inside("/dev/pts/ptmx makes no terminals".into()));
    }
    unlockpt(&ptmx).doing(doing)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = ioctl_tiocgptpeer(&ptmx, flags).doing(doing)?;
    if let Some((ws_row, ws_col)) = size {
        tcsetwinsize(&terminal, Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }).doing(doing)?;
    }
    hand_over(socket, ptmx.as_fd())?;
    Ok(terminal)
}

fn hand_over(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> Result<()> {
    let fds = [fd];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Error::Inside("no room to hand a terminal over".into()));
    }
    sendmsg(socket, &[IoSlice::new(b"/dev/ptmx")], &mut control, SendFlags::NOSIGNAL)
        .doing(|| "hand the terminal over")
        .map(drop)
}

/// Makes a terminal this process' own, for input, output and errors.
pub(super) fn take(terminal: &OwnedFd) -> Result<()> {
    let doing = || "take the terminal";
    rustix::process::ioctl_tiocsctty(terminal).doing(doing)?;
    let fd = terminal.as_fd();
    rustix::stdio::dup2_stdin(fd).doing(doing)?;
    rustix::stdio::dup2_stdout(fd).doing(doing)?;
    rustix::stdio::dup2_stderr(fd).doing(doing)
}
