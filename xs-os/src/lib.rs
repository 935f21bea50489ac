//! **The machine, real and simulated.** A block of xs never reads the time, rolls dice or starts a thread by itself: it
//! is given a machine to do that on. In production the machine is the operating system; in a test it is a value that
//! the test controls, and one seed decides everything that happens.
//!
//! Read in this order:
//!
//! 1. [`clock`]: the time as an argument. [`Clock`], [`SystemClock`], [`VirtualClock`], and a moment as one number, [`Nanos`].
//! 2. [`rng`]: chance as an argument. [`Rng`], whose stream never changes.
//! 3. [`signal`]: a flag that wakes a task. [`Signal`].
//! 4. [`jobs`]: work in the background as an argument. [`Jobs`], on threads of their own, on a few together, or stepped.
//! 5. [`vfs`]: the disk as an argument. [`vfs::Vfs`] and [`vfs::File`], the system's and in memory.
//! 6. [`vfs::faulty`]: a disk that fails.
//! 7. [`vfs::explore`]: every crash that a workload could have met.
//! 8. `descriptors` (feature `descriptors`): how many files may be open.
//! 9. `pool` (feature `pool`): the cores as an argument; a work-stealing pool of threads.
//! 10. `sim` (feature `sim`): all of it at once, for many nodes and the links between them, from one seed.
//! 11. `sched` (feature `sched`): who runs next, by eight schedulers, Go's among them.
//! 12. `timer` (feature `timer`): a wheel of timeouts, most of which never fire.
//! 13. `executor` (feature `executor`): futures on one thread, over epoll, io_uring or virtual time.
//! 14. `capture` (feature `capture`): which packets are wanted; tcpdump's filters, and the machine that runs them.
//! 15. `raw` (feature `raw`, Linux): ICMP, hop limits, and the errors that routers send back.
//! 16. `supervisor` (feature `supervisor`): who runs at all: units, their processes, and what is done when those end.
//! 17. `container` (feature `container`, Linux): a process that sees a machine of its own, by the runtime specification.
// Only what maps memory (`vfs/shared.rs`), what shares it with the kernel (`executor/uring/ring.rs`, `capture/ring.rs`), what runs
// borrowed jobs (`pool`) and what makes processes (`supervisor`, `container/fork.rs`) may ask for leave.
#![deny(unsafe_code)]

#[cfg(feature = "capture")]
pub mod capture;
pub mod clock;
#[cfg(all(feature = "container", target_os = "linux"))]
pub mod container;
#[cfg(feature = "descriptors")]
pub mod descriptors;
#[cfg(feature = "executor")]
pub mod executor;
pub mod jobs;
#[cfg(feature = "pool")]
pub mod pool;
#[cfg(all(feature = "raw", target_os = "linux"))]
pub mod raw;
pub mod rng;
#[cfg(feature = "sched")]
pub mod sched;
pub mod signal;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "supervisor")]
pub mod supervisor;
mod sync;
#[cfg(feature = "timer")]
pub mod timer;
pub mod vfs;

#[cfg(feature = "ticks")]
pub use clock::TickClock;
pub use clock::{Clock, Nanos, SystemClock, VirtualClock};
pub use jobs::{Jobs, PoolJobs, Progress, SteppedJobs, ThreadJobs};
pub use rng::Rng;
pub use signal::Signal;
