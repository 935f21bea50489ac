//! What the operating system asks a server for: [`Signals`].
//!
//! # The problem
//!
//! A service manager asks a server to end with SIGTERM, a terminal with SIGINT; both expect that it finishes what it has
//! begun. Administrators ask with SIGHUP that it reads its configuration again. A process that has not said what it wants
//! to do then is killed by each of them: also one that listens already and would have said so a moment later. That moment
//! is short, and a restart under load finds it.
//!
//! # How it works
//!
//! ```text
//!   Signals::new() ── bind ── "ready" ── next().await ─┬─ Reload ─▶ read again, go on
//!        │                                             └─ End ────▶ drain ── next() ── End ─▶ now
//!        └─ from here on no signal kills: it waits to be asked for
//! ```
//!
//! # Invariants
//!
//! - A signal that comes behind [`Signals::new`] is told by a later [`Signals::next`], and kills nobody. (tokio's handlers
//!   are installed in `new` and stay for the life of the process.) So make it before anything listens.
//! - The same signal twice before it is asked for counts once, as the operating system counts.
//! - `next` may be dropped and called again: no signal is lost. (`recv` is cancel-safe.)
//!
//! # Cost
//!
//! A descriptor for the process, and a few atomic operations when a signal comes.
//!
//! # Example
//!
//! ```no_run
//! use xs_net::signals::{Asked, Signals};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let mut signals = Signals::new()?;
//! // … bind, start, and say that it is ready …
//! loop {
//!     match signals.next().await {
//!         Asked::Reload => println!("reading the configuration again"),
//!         Asked::End(name) => {
//!             println!("{name}: ending");
//!             break;
//!         }
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! nginx and haproxy block signals while they start, and read them from a pipe or a `sigsuspend` afterwards. redis-server
//! installs its handlers before it binds. Go's `signal.Notify` has the same trap as tokio: it works from the call on.
//!
//! # What this leaves out
//!
//! Signals to children, SIGUSR1 and its like, and whoever listens to more than these. Windows tells Ctrl-C and nothing
//! else.
//!
//! # Try next
//!
//! Make the signals behind the line that says "ready", and start and end the program a thousand times in a loop: some of
//! them end with the signal's status instead of 0.
//!
//! # Sources
//!
//! `signal(7)`; `systemd.kill(5)`; the documentation of `tokio::signal`.

use std::io;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To end; by the signal of this name.
    End(&'static str),
    /// To read the configuration again: SIGHUP.
    Reload,
}

/// SIGTERM, SIGINT and SIGHUP, which kill nobody from its making on. See the [module page](self).
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Installs the handlers. Inside of a tokio runtime that drives I/O.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn new() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Asked::End("SIGTERM"),
            _ = self.interrupt.recv() => Asked::End("SIGINT"),
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

#[cfg(windows)]
impl Signals {
    /// Installs the handler. Inside of a tokio runtime that drives I/O.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn new() -> io::Result<Signals> {
        Ok(Signals { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Asked {
        if self.interrupt.recv().await.is_none() {
            // No more will ever come.
            std::future::pending::<()>().await;
        }
        Asked::End("SIGINT")
    }
}

impl Signals {
    /// Waits until it is asked to end, whatever else it is asked for; the signal's name.
    pub async fn end(&mut self) -> &'static str {
        loop {
            if let Asked::End(name) = self.next().await {
                return name;
            }
        }
    }
}
