//! Which failed accepts matter.

use std::io::{self, ErrorKind};

/// Whose fault a failed accept is, and so what the loop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptFault {
    /// The connection died before it was accepted, or its network is down: the next one may be fine. Go on at once.
    Peer,
    /// Descriptors, memory or something unknown is short: pause and try again.
    Exhausted,
    /// The listener cannot give connections any more.
    Fatal,
}

/// Decides what an error of [`Listener::accept`](crate::Listener::accept) means for the server.
///
/// Whatever isn't known is taken for a shortage: a server that lives on with a pause beats one that ends for a
/// reason that nobody foresaw.
///
/// ```
/// use std::io::{Error, ErrorKind};
/// use xs_net::serve::{AcceptFault, classify};
///
/// assert_eq!(classify(&ErrorKind::ConnectionAborted.into()), AcceptFault::Peer);
/// assert_eq!(classify(&Error::from_raw_os_error(24)), AcceptFault::Exhausted); // EMFILE
/// assert_eq!(classify(&ErrorKind::NotConnected.into()), AcceptFault::Fatal);
/// ```
pub fn classify(error: &io::Error) -> AcceptFault {
    // Linux hands errors that already wait on the new connection to `accept`; these kinds cover them.
    match error.kind() {
        ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionRefused
        | ErrorKind::BrokenPipe
        | ErrorKind::TimedOut
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::PermissionDenied // a firewall's rule
        | ErrorKind::Interrupted
        | ErrorKind::WouldBlock => return AcceptFault::Peer,
        ErrorKind::InvalidInput | ErrorKind::NotConnected | ErrorKind::Unsupported => return AcceptFault::Fatal,
        _ => {}
    }
    // These have no stable kind. The numbers are Linux'; EBADF is the same on every Unix.
    match error.raw_os_error() {
        Some(71 | 92 | 64 | 112) if cfg!(target_os = "linux") => AcceptFault::Peer, // EPROTO, ENOPROTOOPT, ENONET, EHOSTDOWN
        Some(88) if cfg!(target_os = "linux") => AcceptFault::Fatal,                // ENOTSOCK
        Some(9) => AcceptFault::Fatal,                                              // EBADF
        _ => AcceptFault::Exhausted,
    }
}
