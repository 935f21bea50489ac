//! The machine: time, chance, the disk. A test brings its own.

use std::sync::Arc;

use xs_net::{Bridge, Timer};
use xs_os::vfs::{SystemVfs, Vfs};
use xs_os::{Rng, ThreadJobs};

/// What the balancer runs on.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The time.
    pub timer: Timer,
    /// Chance, for policies and pauses; not for secrets.
    pub rng: Rng,
    /// Where configurations and lists of endpoints stand.
    pub disk: Arc<dyn Vfs>,
    /// Where the disk is waited for.
    pub bridge: Bridge,
}

impl Machine {
    /// The real one.
    pub fn system() -> Self {
        Machine {
            timer: Timer::system(),
            rng: Rng::from_entropy(),
            disk: Arc::new(SystemVfs),
            bridge: Bridge::new(Arc::new(ThreadJobs::new()), 1, 16),
        }
    }

    /// Sixteen bytes that nobody can guess.
    pub(crate) fn secret(&self) -> [u8; 16] {
        let mut secret = [0; 16];
        if let Err(error) = getrandom::fill(&mut secret) {
            // Only tokens of cookies depend on it, which then can be guessed, and are no worse than no token.
            tracing::error!(%error, "the system gives no secret");
        }
        secret
    }
}
