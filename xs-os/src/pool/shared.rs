//! What the workers of a pool share, and what a worker does.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use super::deque::{Deque, Stolen};
use super::idle::Idle;
use super::inject::Injector;
use super::job::{Header, Job};

/// What is told of a panic.
pub(super) type OnPanic = Arc<dyn Fn(Box<dyn Any + Send>) + Send + Sync>;

/// So often a worker looks for work before it sleeps: what comes in a moment is then found sooner than a sleep would end.
const PATIENCE: u32 = 32;
/// After so many jobs of its own a worker looks at what came from outside first, as Go's scheduler does.
const FAIRNESS: u32 = 61;

/// One worker's part. On cache lines of its own: others look at it all the time.
#[repr(align(128))]
pub(super) struct Worker {
    pub(super) deque: Deque<Header>,
    /// Whom it steals from next.
    chance: AtomicU32,
    turns: AtomicU32,
    pub(super) stolen: AtomicU64,
    pub(super) ran: AtomicU64,
    pub(super) slept: AtomicU64,
}

/// The pool, as its workers see it.
pub(super) struct Shared {
    pub(super) workers: Box<[Worker]>,
    pub(super) injector: Injector,
    pub(super) idle: Idle,
    pub(super) on_panic: Option<OnPanic>,
    pub(super) panics: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) by_callers: AtomicU64,
    /// What is queued is not to be run.
    pub(super) abandoned: AtomicBool,
}

thread_local! {
    /// The pool whose worker this thread is, by its address, and which of its workers.
    static PLACE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

impl Shared {
    pub(super) fn new(threads: usize, capacity: usize, on_panic: Option<OnPanic>) -> Self {
        let worker = |at: usize| Worker {
            deque: Deque::new(),
            chance: AtomicU32::new(0x9e37_79b9_u32.wrapping_mul(at as u32 + 1) | 1),
            turns: AtomicU32::new(0),
            stolen: AtomicU64::new(0),
            ran: AtomicU64::new(0),
            slept: AtomicU64::new(0),
        };
        Shared {
            workers: (0..threads).map(worker).collect(),
            injector: Injector::new(capacity),
            idle: Idle::new(),
            on_panic,
            panics: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            by_callers: AtomicU64::new(0),
            abandoned: AtomicBool::new(false),
        }
    }

    /// Which of this pool's workers the calling thread is.
    #[inline]
    pub(super) fn place(&self) -> Option<usize> {
        let (pool, at) = PLACE.get();
        (pool == std::ptr::from_ref(self).addr()).then_some(at)
    }

    /// Puts a job where this worker finds it first and others can steal it.
    #[inline]
    pub(super) fn push(&self, at: usize, job: Job) {
        self.workers[at].deque.push(job.into_raw());
        self.idle.wake_one();
    }

    /// Takes the job back that this worker pushed last.
    #[inline]
    pub(super) fn pop(&self, at: usize) -> Option<*mut Header> {
        self.workers[at].deque.pop()
    }

    /// What to do next. `awaiting` are those who wait for a job that was stolen: they take what others have begun, nothing new.
    pub(super) fn find(&self, at: usize, awaiting: bool) -> Option<Job> {
        let worker = &self.workers[at];
        let turn = worker.turns.load(Relaxed).wrapping_add(1);
        worker.turns.store(turn, Relaxed);
        let outside = || if awaiting { None } else { self.injector.pop() };
        if turn.is_multiple_of(FAIRNESS)
            && let Some(job) = outside()
        {
            return Some(job);
        }
        match worker.deque.pop() {
            Some(raw) => job(raw),
            None => outside().or_else(|| self.steal(at)),
        }
    }

    /// Takes a job from another worker, beginning with any of them.
    fn steal(&self, at: usize) -> Option<Job> {
        let worker = &self.workers[at];
        let count = self.workers.len();
        loop {
            let mut lost = false;
            let mut chance = worker.chance.load(Relaxed);
            chance ^= chance << 13;
            chance ^= chance >> 17;
            chance ^= chance << 5;
            worker.chance.store(chance, Relaxed);
            let first = chance as usize % count;
            for victim in (first..count).chain(0..first).filter(|victim| *victim != at) {
                match self.workers[victim].deque.steal() {
                    Stolen::Item(raw) => {
                        worker.stolen.fetch_add(1, Relaxed);
                        return job(raw);
                    }
                    Stolen::Lost => lost = true,
                    Stolen::Empty => {}
                }
            }
            if !lost {
                return None;
            }
        }
    }

    fn is_work(&self, awaiting: bool) -> bool {
        !awaiting && !self.injector.is_empty() || self.workers.iter().any(|worker| !worker.deque.is_empty())
    }

    /// Runs a job; what it throws ends it and nothing else.
    pub(super) fn run(&self, at: usize, job: Job) {
        let worker = &self.workers[at];
        worker.ran.store(worker.ran.load(Relaxed) + 1, Relaxed);
        job.run();
    }

    /// Runs what others hand over, here, on behalf of whoever gave it.
    pub(super) fn contain(&self, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.panics.fetch_add(1, Relaxed);
            if let Some(on_panic) = &self.on_panic {
                // A handler that panics itself must not end the worker.
                let _ = catch_unwind(AssertUnwindSafe(|| on_panic(panic)));
            }
        }
    }

    /// Works until `done`: first what is at hand, and sleeps when there is nothing.
    pub(super) fn work_until(&self, at: usize, awaiting: bool, done: impl Fn() -> bool) {
        let mut tries = 0;
        while !done() {
            if let Some(job) = self.find(at, awaiting) {
                // Who was woken for work wakes another if there is more: whoever added it may have found just one asleep.
                if tries >= PATIENCE && self.is_work(false) {
                    self.idle.wake_one();
                }
                tries = 0;
                self.run(at, job);
            } else if tries < PATIENCE {
                tries += 1;
                match tries < PATIENCE / 2 {
                    true => std::hint::spin_loop(),
                    false => std::thread::yield_now(),
                }
            } else {
                self.workers[at].slept.fetch_add(1, Relaxed);
                self.idle.sleep(at, || done() || self.is_work(awaiting));
            }
        }
    }

    /// A worker's life.
    pub(super) fn live(self: Arc<Self>, at: usize) {
        PLACE.set((Arc::as_ptr(&self).addr(), at));
        let over = || self.abandoned.load(SeqCst) || self.injector.is_closed() && !self.is_work(false);
        self.work_until(at, false, over);
        PLACE.set((0, 0));
    }

    /// Drops what nobody runs any more. For when the workers are gone.
    pub(super) fn discard(&self) -> usize {
        let mut count = 0;
        while let Some(job) = self.injector.pop() {
            job.discard();
            count += 1;
        }
        for worker in &self.workers {
            while let Some(job) = worker.deque.pop().and_then(job) {
                job.discard();
                count += 1;
            }
        }
        count
    }
}

/// What a deque gave.
#[allow(unsafe_code)]
fn job(raw: *mut Header) -> Option<Job> {
    // SAFETY: deques hold what `push` put there, and give each once.
    unsafe { Job::from_raw(raw) }
}
