//! Sockets for what services say of themselves: one for each, so that nobody has to ask whose word it is.

use std::fs;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SocketAddrUnix, SocketFlags,
    SocketType, bind, recvmsg, socket_with, sockopt,
};

use crate::supervisor::notify::{LONGEST_MESSAGE, Message};

/// The socket that one service notifies.
#[derive(Debug)]
pub(super) struct Notify {
    socket: OwnedFd,
    path: PathBuf,
}

impl Notify {
    /// In this directory, which must be ours.
    pub(super) fn new(dir: &Path, number: usize) -> io::Result<Notify> {
        let path = dir.join(format!("notify-{number}"));
        let _ = fs::remove_file(&path);
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        sockopt::set_socket_passcred(&socket, true)?;
        bind(&socket, &SocketAddrUnix::new(&path)?)?;
        // Services may be anybody; who they are is told by the kernel.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
        Ok(Notify { socket, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The next message with its sender; `None` when there is no more. One that is none is no message, and none of its sender's.
    pub(super) fn receive(&self) -> Option<(u32, Option<Message>)> {
        let mut bytes = [0_u8; LONGEST_MESSAGE + 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64), ScmCredentials(1))];
        let mut more = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let received = recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut more, flags).ok()?;
        let mut sender = 0;
        for message in more.drain() {
            match message {
                RecvAncillaryMessage::ScmCredentials(who) => sender = who.pid.as_raw_nonzero().get().unsigned_abs(),
                // Descriptors are closed: that is what a barrier waits for, and nothing else is kept.
                RecvAncillaryMessage::ScmRights(descriptors) => descriptors.for_each(drop),
                _ => {}
            }
        }
        let whole = !received.flags.contains(ReturnFlags::TRUNC);
        let message = bytes.get(..received.bytes).filter(|_| whole).and_then(Message::parse);
        Some((sender, message))
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
