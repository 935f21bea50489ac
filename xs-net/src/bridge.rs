//! Blocking work from async code, on a bounded pool: [`Bridge`].
//!
//! # The problem
//!
//! A storage engine is synchronous: a read may wait for the disk, a write for a stall to end. On a reactor's thread such
//! a wait stops every connection of that core. Handing each call to a thread of its own ends in thousands of threads that
//! wait for one disk.
//!
//! # How it works
//!
//! ```text
//!   task ── run(call).await ──▶ a place? ──▶ queue ──▶ worker: call()
//!    ▲                           │ none: the task waits, first come, first served
//!    └────────────── result, or the call's panic ◀────────┘
//! ```
//!
//! Workers are [`Jobs`]: threads in production; in a test that steps them, each step makes one call. A simulation that
//! owns the time uses [`Bridge::inline`]: the call runs at once, on the task's own thread, and its result arrives after the
//! virtual time that the call has cost its disk.
//!
//! A commit needs no bridge: submitting a batch to an engine may wait, and goes over it; the commit that comes back is
//! awaited.
//!
//! # Invariants
//!
//! - No more calls run at once than there are workers, and no more are queued than there are places. (A semaphore counts
//!   both; the place is given back when the call has ended.)
//! - Calls begin in the order in which they got their place.
//! - A task that is dropped while it waits takes its call along; one that runs already runs to its end, and its result is
//!   dropped.
//! - A panic of a call is a panic of the task that awaits it. The worker lives on.
//! - When the last clone of the bridge is dropped and nobody awaits anything, its workers end. With threads, that drop waits
//!   for calls that run.
//!
//! # Cost
//!
//! Two wake-ups across threads (2–3 µs each) and two allocations a call: nothing beside a disk, much beside a read that a
//! cache answers. A server whose data is in memory calls its engine directly.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use xs_net::Bridge;
//! use xs_os::ThreadJobs;
//! use xs_storage::engine::{Durability, Engine, MemoryEngine, ReadView, WriteBatch};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bridge = Bridge::new(Arc::new(ThreadJobs::new()), 4, 1024);
//! let store = MemoryEngine::new();
//!
//! let mut batch = WriteBatch::new();
//! batch.put(b"key", b"value");
//! let engine = store.clone();
//! let commit = bridge.run(move || engine.submit(batch, Durability::Synced)).await?;
//! commit.await?;                                   // no thread waits for the disk
//! let value = bridge.run(move || store.get(b"key")).await?;
//! assert_eq!(value.as_deref(), Some(&b"value"[..]));
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! tokio's `spawn_blocking` has one pool for the process, 512 threads by default, and a queue without a bound. Node's
//! libuv has four threads for files and name look-ups together, and one that is slow stalls the others: give work of
//! different kinds a bridge each. Seastar reads and
//! writes files asynchronously, and keeps one thread a core for the system calls that still block.
//!
//! # What this leaves out
//!
//! io_uring, which would make the calls themselves asynchronous and needs an engine written for it; priorities.
//!
//! # Try next
//!
//! Answer a read on the reactor's own thread when the engine's cache has it, and cross the bridge only when it does not.
//!
//! # Sources
//!
//! M. Welsh, D. Culler, E. Brewer, "SEDA: An Architecture for Well-Conditioned, Scalable Internet Services" (SOSP 2001).

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};
use xs_os::jobs::JobHandle;
use xs_os::{Clock, Jobs, Progress};

use crate::Timer;

/// The way from async code to calls that block. Clones share it. See the [module page](self).
#[derive(Clone)]
pub struct Bridge {
    way: Arc<Way>,
}

enum Way {
    Pool(Pool),
    Inline { timer: Timer, spent: Box<dyn Fn() -> Duration + Send + Sync> },
}

struct Pool {
    /// One permit for each call that is queued or runs.
    places: Arc<Semaphore>,
    queue: Arc<Mutex<Queue>>,
    workers: Vec<JobHandle>,
    /// Keeps the threads while there is a bridge.
    _jobs: Arc<dyn Jobs>,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<Call>,
    /// Workers that found nothing to do.
    idle: Vec<usize>,
    closed: bool,
}

type Call = Box<dyn FnOnce() + Send>;

impl Bridge {
    /// A pool of so many workers, at least one, and so many places for calls that wait for one.
    pub fn new(jobs: Arc<dyn Jobs>, workers: usize, waiting: usize) -> Self {
        let workers = workers.max(1);
        let queue = Arc::new(Mutex::new(Queue::default()));
        let spawn = |nth| {
            let queue = queue.clone();
            jobs.spawn(&format!("bridge-{nth}"), Box::new(move || step(nth, &queue)))
        };
        let workers: Vec<JobHandle> = (0..workers).map(spawn).collect();
        let places = Arc::new(Semaphore::new((workers.len() + waiting).min(Semaphore::MAX_PERMITS)));
        Bridge { way: Arc::new(Way::Pool(Pool { places, queue, workers, _jobs: jobs })) }
    }

    /// No pool: each call runs where it is awaited, and its result arrives once `clock` has moved by what `spent` has grown
    /// during the call. For a disk of a simulation, `spent` is [`FaultyVfs::spent`](xs_os::vfs::faulty::FaultyVfs::spent).
    pub fn inline(clock: Arc<dyn Clock>, spent: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Bridge { way: Arc::new(Way::Inline { timer: Timer::new(clock), spent: Box::new(spent) }) }
    }

    /// Makes a call that may block, and gives its result.
    ///
    /// # Panics
    /// If the call does.
    pub async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        match &*self.way {
            Way::Inline { timer, spent } => {
                let (before, done) = (spent(), timer.now());
                let result = call();
                timer.sleep_until(done + spent().saturating_sub(before)).await;
                result
            }
            Way::Pool(pool) => pool.run(call).await,
        }
    }
}

impl Pool {
    async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        let place = self.places.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (send, receive) = oneshot::channel();
        self.push(Box::new(move || {
            if !send.is_closed() {
                let result = catch_unwind(AssertUnwindSafe(call));
                // Nobody may be there to hear it any more.
                let _ = send.send(result);
            }
            drop(place);
        }));
        match receive.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => panic!("the bridge's jobs were dropped before the call was made"),
        }
    }

    fn push(&self, call: Call) {
        let worker = {
            let mut queue = self.queue.lock();
            queue.calls.push_back(call);
            queue.idle.pop()
        };
        if let Some(worker) = worker {
            self.workers[worker].poke();
        }
    }
}

/// One call of one worker. A poke that comes between looking and going idle is kept by the job.
fn step(nth: usize, queue: &Mutex<Queue>) -> Progress {
    let call = {
        let mut queue = queue.lock();
        match queue.calls.pop_front() {
            Some(call) => call,
            None if queue.closed => return Progress::Done,
            None => {
                if !queue.idle.contains(&nth) {
                    queue.idle.push(nth);
                }
                return Progress::Idle;
            }
        }
    };
    call();
    Progress::Busy
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.workers.iter().for_each(JobHandle::poke);
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.way {
            Way::Inline { timer, .. } => f.debug_struct("Bridge::Inline").field("timer", timer).finish(),
            Way::Pool(pool) => f
                .debug_struct("Bridge")
                .field("workers", &pool.workers.len())
                .field("free_places", &pool.places.available_permits())
                .finish(),
        }
    }
}
