//! A machine to open an engine on, and how it is opened.

use std::sync::Arc;
use std::time::Duration;

use xs_os::vfs::Vfs;
use xs_os::{Clock, Jobs, SteppedJobs, SystemClock, ThreadJobs, VirtualClock};

use crate::Result;
use crate::engine::Engine;

/// What an engine runs on, for one opening.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The disk.
    pub vfs: Arc<dyn Vfs>,
    /// Where background work goes.
    pub jobs: Arc<dyn Jobs>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    simulated: Option<(SteppedJobs, VirtualClock)>,
}

impl Machine {
    /// A simulated machine: jobs run when [`Machine::step`] is called, time stands still until [`Machine::advance`].
    pub fn stepped(vfs: Arc<dyn Vfs>) -> Self {
        let (jobs, clock) = (SteppedJobs::new(), VirtualClock::new());
        let simulated = Some((jobs.clone(), clock.clone()));
        Machine { vfs, jobs: Arc::new(jobs), clock: Arc::new(clock), simulated }
    }

    /// A real one: jobs run on threads, by the system's clock.
    pub fn threaded(vfs: Arc<dyn Vfs>) -> Self {
        Machine { vfs, jobs: Arc::new(ThreadJobs::new()), clock: Arc::new(SystemClock), simulated: None }
    }

    /// Steps one job; false when all are idle, and always on a real machine.
    pub fn step(&self) -> bool {
        self.simulated.as_ref().is_some_and(|(jobs, _)| jobs.step())
    }

    /// Steps jobs until all are idle, or `limit` steps were made; returns how many were.
    pub fn run_until_idle(&self, limit: usize) -> usize {
        self.simulated.as_ref().map_or(0, |(jobs, _)| jobs.run_until_idle(limit))
    }

    /// Lets time pass, and every job look at it. Nothing happens on a real machine, whose time passes by itself.
    pub fn advance(&self, by: Duration) {
        if let Some((jobs, clock)) = &self.simulated {
            clock.advance(by);
            jobs.poke_all();
        }
    }
}

/// An engine to be tested: how it is opened, and how it checks itself. One value is one store; a suite asks for a new
/// one whenever it wants an empty one.
pub trait Subject {
    /// The engine.
    type Engine: Engine;

    /// Opens what is on the machine's disk, or makes a new store there. An earlier handle was dropped before.
    fn open(&self, machine: &Machine) -> Result<Self::Engine>;

    /// Looks at every invariant of the engine's own structure: `Err` says which one is broken.
    fn check(&self, engine: &Self::Engine) -> Result<(), String> {
        let _ = engine;
        Ok(())
    }
}
