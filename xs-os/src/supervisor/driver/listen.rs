//! The sockets of socket units.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use crate::supervisor::unit::{Listen, ListenAddress, Socket};

/// Opens all addresses of a unit, or none.
///
/// # Errors
///
/// The first one that can't be opened, by its address.
pub(super) fn open(socket: &Socket) -> Result<Vec<OwnedFd>, String> {
    let one = |at: &Listen| open_one(socket, at).map_err(|error| format!("{}: {error}", at.address()));
    socket.listen.iter().map(one).collect()
}

fn open_one(unit: &Socket, at: &Listen) -> io::Result<OwnedFd> {
    let (kind, connects) = match at {
        Listen::Stream(_) => (SocketType::STREAM, true),
        Listen::Datagram(_) => (SocketType::DGRAM, false),
        Listen::SequentialPacket(_) => (SocketType::SEQPACKET, true),
    };
    // Services expect sockets that block; nobody here reads from them or accepts.
    let flags = SocketFlags::CLOEXEC;
    let socket = match at.address() {
        ListenAddress::Inet(address) => {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = socket_with(family, kind, flags, None)?;
            if connects {
                sockopt::set_socket_reuseaddr(&socket, true)?;
            }
            if unit.reuse_port {
                sockopt::set_socket_reuseport(&socket, true)?;
            }
            if address.is_ipv6() && address.ip().is_unspecified() {
                sockopt::set_ipv6_v6only(&socket, false)?;
            }
            bind(&socket, address)?;
            socket
        }
        ListenAddress::Unix(path) => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            // A socket that nobody listens on any more; what is no socket stays, and is in the way.
            if fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
                fs::remove_file(path)?;
            }
            let socket = socket_with(AddressFamily::UNIX, kind, flags, None)?;
            bind(&socket, &SocketAddrUnix::new(path)?)?;
            fs::set_permissions(path, fs::Permissions::from_mode(unit.socket_mode))?;
            own(unit, path)?;
            socket
        }
        ListenAddress::Abstract(name) => {
            let socket = socket_with(AddressFamily::UNIX, kind, flags, None)?;
            bind(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes())?)?;
            socket
        }
    };
    if connects {
        listen(&socket, i32::try_from(unit.backlog).unwrap_or(i32::MAX))?;
    }
    Ok(socket)
}

fn own(unit: &Socket, path: &Path) -> io::Result<()> {
    let missing =
        |what: &str, name: &str| io::Error::new(io::ErrorKind::NotFound, format!("there is no {what} {name}"));
    let uid = match &unit.socket_user {
        Some(name) => match name.parse() {
            Ok(uid) => Some(uid),
            Err(_) => Some(nix::unistd::User::from_name(name)?.ok_or_else(|| missing("user", name))?.uid.as_raw()),
        },
        None => None,
    };
    let gid = match &unit.socket_group {
        Some(name) => match name.parse() {
            Ok(gid) => Some(gid),
            Err(_) => Some(nix::unistd::Group::from_name(name)?.ok_or_else(|| missing("group", name))?.gid.as_raw()),
        },
        None => None,
    };
    if uid.is_some() || gid.is_some() { std::os::unix::fs::chown(path, uid, gid) } else { Ok(()) }
}

/// Removes the paths of a unit that asks for that.
pub(super) fn close(socket: &Socket) {
    for at in socket.listen.iter().filter(|_| socket.remove_on_stop) {
        if let ListenAddress::Unix(path) = at.address() {
            let _ = fs::remove_file(path);
        }
    }
}

/// What services are told that their sockets are called.
pub(super) fn name(unit: &str, socket: &Socket) -> String {
    socket.file_descriptor_name.clone().unwrap_or_else(|| unit.to_owned())
}
