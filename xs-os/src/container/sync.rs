//! What a container's maker and its first process tell one another while it is made.
//!
//! ```text
//!   maker                              first process
//!     │ ◀───────────── Pid ───────────── │   only if a namespace that exists had to be joined first
//!     │ identifiers, control groups      │
//!     │ ────────────── Go ─────────────▶ │ mounts
//!     │ ◀──────────── Hooks ──────────── │
//!     │ prestart, createRuntime          │
//!     │ ────────────── Go ─────────────▶ │ createContainer, pivot_root, terminal
//!     │ ◀──────────── Limits ─────────── │   as long as it is still root
//!     │ ────────────── Go ─────────────▶ │ rights dropped, program found
//!     │ ◀──────────── Ready ──────────── │
//!     │ state.json                       │
//!     │ ────────────── Go ─────────────▶ │ waits for `start`
//! ```
//!
//! At any step the first process may say Failed and why, and either may end: the other then finds the socket closed.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::error::{Doing, Error, Result};

/// The longest that is told.
const MOST: usize = 32 << 10;

/// What one tells the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// The other may go on.
    Go,
    /// The number of the process that goes on.
    Pid(i32),
    /// Everything is mounted: it is time for the hooks outside.
    Hooks,
    /// Before it gives up its rights: what its maker does to it from outside.
    Limits,
    /// All is done but what the maker does.
    Ready,
    /// Why it can't go on; the program if it is that which can't be run.
    Failed { program: bool, text: String },
}

/// One end of the conversation.
#[derive(Debug)]
pub(super) struct Sync(OwnedFd);

/// Both ends.
pub(super) fn pair() -> Result<(Sync, Sync)> {
    let (a, b) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).doing(|| "make a socket")?;
    Ok((Sync(a), Sync(b)))
}

impl Told {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Told::Go => b"g".to_vec(),
            Told::Pid(pid) => format!("p{pid}").into_bytes(),
            Told::Hooks => b"h".to_vec(),
            Told::Limits => b"l".to_vec(),
            Told::Ready => b"r".to_vec(),
            Told::Failed { program, text } => {
                let mut bytes = vec![if *program { b'x' } else { b'e' }];
                bytes.extend(text.bytes().take(MOST - 1));
                bytes
            }
        }
    }

    fn parse(bytes: &[u8]) -> Option<Told> {
        let (tag, rest) = bytes.split_first()?;
        let text = String::from_utf8_lossy(rest);
        Some(match tag {
            b'g' => Told::Go,
            b'p' => Told::Pid(text.parse().ok()?),
            b'h' => Told::Hooks,
            b'l' => Told::Limits,
            b'r' => Told::Ready,
            b'x' | b'e' => Told::Failed { program: *tag == b'x', text: text.into_owned() },
            _ => return None,
        })
    }
}

impl Sync {
    /// This end, for the other side to close.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Tells the other.
    pub(super) fn tell(&self, told: &Told) -> Result<()> {
        rustix::io::write(&self.0, &told.bytes()).doing(|| "tell the other side of a container's making").map(drop)
    }

    /// What the other tells; what it failed with is an error here.
    pub(super) fn hear(&self) -> Result<Told> {
        let mut bytes = vec![0; MOST];
        // Not by calls of sockets: a filter may forbid them by now.
        let len = rustix::io::retry_on_intr(|| rustix::io::read(&self.0, bytes.as_mut_slice()))
            .doing(|| "hear from the other side of a container's making")?;
        match Told::parse(bytes.get(..len).unwrap_or_default()) {
            Some(Told::Failed { program: true, text }) => Err(Error::Program(text)),
            Some(Told::Failed { program: false, text }) => Err(Error::Inside(text)),
            Some(told) => Ok(told),
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof))
                .doing(|| "the other side of a container's making has ended"),
        }
    }

    /// Waits for exactly this.
    pub(super) fn expect(&self, expected: &Told) -> Result<()> {
        match self.hear()? {
            told if told == *expected => Ok(()),
            told => Err(Error::Inside(format!("expected {expected:?}, and heard {told:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        let (a, b) = pair().unwrap();
        for told in [Told::Go, Told::Pid(7), Told::Hooks, Told::Limits, Told::Ready] {
            a.tell(&told).unwrap();
            assert_eq!(b.hear().unwrap(), told);
        }
        a.tell(&Told::Failed { program: true, text: "no".repeat(MOST) }).unwrap();
        assert!(matches!(b.hear(), Err(Error::Program(text)) if text.starts_with("nono")));
        drop(a);
        assert!(b.hear().is_err());
    }
}
