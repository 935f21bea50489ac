//! How many files a process may have open: [`raise`], and [`room`] for a server's connections.
//!
//! # The problem
//!
//! Each connection is a descriptor, and a system lets a process have a thousand of them unless it asks for more. A server that
//! never asks refuses its thousandth client; one that is told to take ten thousand and cannot should say so when it starts,
//! and not when they come.
//!
//! # How it works
//!
//! There are two limits: the soft one is in force, and a process may move it as far as the hard one. Only a privileged process
//! moves that.
//!
//! ```text
//!   0 ───── soft ─────────── hard ─────────── wanted
//!             └──── raise ────▶ for everybody
//!             └──── raise ───────────────────────▶ with the right to
//! ```
//!
//! # Invariants
//!
//! - Neither limit is ever lowered ([`raise`]).
//! - What is answered is in force: it is what the system has accepted, or has told.
//!
//! # Cost
//!
//! Two system calls, once.
//!
//! # Example
//!
//! ```
//! use xs_os::descriptors;
//!
//! // A hundred clients, and sixteen files for the server itself.
//! assert_eq!(descriptors::room(100, 16), 100);
//! ```
//!
//! # How others do it
//!
//! Redis lowers `maxclients` to what it gets, nginx has `worker_rlimit_nofile`, haproxy computes what it needs from its
//! configuration, and Go raises the soft limit to the hard one at every start.
//!
//! # What this leaves out
//!
//! Other systems than Linux, where everything that is wanted is said to be there. The limit of all processes together.
//!
//! # Try next
//!
//! Start a server under `ulimit -n 64`, without and with the hard limit, and read what it says.
//!
//! # Sources
//!
//! `getrlimit(2)`, `RLIMIT_NOFILE`; systemd's notes on why the soft limit is 1024 (`select(2)`).

/// Lets so many files be open, or as many as the system allows this process. Answers the limit that is then in force, which may
/// be higher.
#[cfg(target_os = "linux")]
pub fn raise(wanted: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let wanted = wanted as u64;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted as usize };
    let raised = [(wanted, hard.max(wanted)), (hard.min(wanted), hard)]
        .into_iter()
        .find(|(new, hard)| soft < wanted && *new > soft && setrlimit(Resource::RLIMIT_NOFILE, *new, *hard).is_ok());
    usize::try_from(raised.map_or(soft, |(new, _)| new)).unwrap_or(usize::MAX)
}

/// Lets so many files be open, where there is a limit of them: here none is known.
#[cfg(not(target_os = "linux"))]
pub fn raise(wanted: usize) -> usize {
    wanted
}

/// How many connections there is room for, of so many, beside `own` files that the process needs for itself. Raises the limit
/// for that.
pub fn room(connections: usize, own: usize) -> usize {
    let wanted = connections.saturating_add(own);
    raise(wanted).min(wanted).saturating_sub(own)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_some_and_not_for_any_number() {
        assert_eq!(room(10, 32), 10);
        let most = room(usize::MAX, 32);
        assert!((10..usize::MAX - 32).contains(&most), "{most}");
        assert_eq!(room(most, 32), most);
        assert_eq!(raise(most), most + 32, "it is not lowered");
    }
}
