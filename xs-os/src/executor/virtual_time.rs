//! A reactor without an outside: time passes when everybody waits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{Executor, Reactor, Unpark};
use crate::clock::VirtualClock;

/// Moves a [`VirtualClock`] to the next timer whenever no task is ready, so that hours pass in no time and a run
/// depends on nothing but its tasks.
#[derive(Debug, Clone, Default)]
pub struct VirtualTime {
    clock: VirtualClock,
}

impl VirtualTime {
    /// With a clock of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Over a clock that others read, too.
    pub fn of(clock: VirtualClock) -> Self {
        VirtualTime { clock }
    }

    /// The clock that it moves.
    pub fn clock(&self) -> &VirtualClock {
        &self.clock
    }
}

impl Reactor for VirtualTime {
    fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        match timeout {
            Some(timeout) => self.clock.advance(timeout),
            None => {
                return Err(io::Error::new(
                    io::ErrorKind::Deadlock,
                    "all tasks wait, and no timer is set: nothing can wake them",
                ));
            }
        }
        Ok(())
    }

    fn unpark(&self) -> Arc<dyn Unpark> {
        Arc::new(Nobody)
    }
}

/// Nobody sleeps here.
struct Nobody;

impl Unpark for Nobody {
    fn unpark(&self) {}
}

impl Executor<VirtualTime> {
    /// An executor whose time is that of its reactor.
    pub fn over(time: VirtualTime) -> Self {
        let clock = Arc::new(time.clock.clone());
        Executor::new(time, clock)
    }
}
