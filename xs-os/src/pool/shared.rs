//! What the workers of a pool share, and what a worker does.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};

use super::deque::{Deque, Stolen};
use super::idle::{Idle, Work};
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
    /// Workers that have not ended. The last one throws away what is left.
    alive: AtomicUsize,
    /// How many jobs those were.
    pub(super) discarded: AtomicUsize,
}

/// Drops what a job has thrown. What that throws in turn is never dropped: it could go on for ever.
pub(super) fn bury(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}

/// Jobs lie on the stacks of those who run others meanwhile: if a panic went through one of these, they would run on in memory
/// that is gone. Nothing lets one through; should it come all the same, the process ends.
struct NoUnwinding;

impl Drop for NoUnwinding {
    fn drop(&mut self) {
        std::process::abort();
    }
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
            alive: AtomicUsize::new(threads),
            discarded: AtomicUsize::new(0),
        }
    }

    /// Which of this pool's workers the calling thread is.
    #[inline]
    pub(super) fn place(&self) -> Option<usize> {
        let (pool, at) = PLACE.get();
        (pool == std::ptr::from_ref(self).addr()).then_some(at)
    }

    /// Puts a job where this worker finds it first and others can steal it.
    #[inline(always)]
    pub(super) fn push(&self, worker: &Worker, job: Job) {
        worker.deque.push(job.into_raw());
        self.idle.wake_one(Work::Inside);
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
        let guard = NoUnwinding;
        job.run();
        std::mem::forget(guard);
    }

    /// Runs what others hand over, here, on behalf of whoever gave it.
    pub(super) fn contain(&self, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.panics.fetch_add(1, Relaxed);
            let Some(on_panic) = &self.on_panic else { return bury(panic) };
            // A handler that panics itself must not end the worker.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| on_panic(panic))) {
                bury(again);
            }
        }
    }

    /// Works until `done`: first what is at hand, and sleeps when there is nothing.
    pub(super) fn work_until(&self, at: usize, awaiting: bool, done: impl Fn() -> bool) {
        let (mut tries, mut slept) = (0, false);
        while !done() {
            if let Some(job) = self.find(at, awaiting) {
                // Who was woken for work wakes another if there is more: whoever added it may have found just one asleep.
                if tries >= PATIENCE {
                    self.pass_on();
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
                slept = true;
                self.idle.sleep(at, awaiting, || done() || self.is_work(awaiting));
            }
        }
        // It may have been woken for work that it leaves now.
        if slept {
            self.pass_on();
        }
    }

    /// Wakes one for work that is there.
    fn pass_on(&self) {
        if !self.injector.is_empty() {
            self.idle.wake_one(Work::Outside);
        } else if self.is_work(true) {
            self.idle.wake_one(Work::Inside);
        }
    }

    /// So many workers could not be started.
    pub(super) fn never_lived(&self, count: usize) {
        self.alive.fetch_sub(count, SeqCst);
    }

    /// A worker's life.
    pub(super) fn live(self: Arc<Self>, at: usize) {
        PLACE.set((Arc::as_ptr(&self).addr(), at));
        let over = || self.abandoned.load(SeqCst) || self.injector.is_closed() && !self.is_work(false);
        self.work_until(at, false, over);
        PLACE.set((0, 0));
        // Whoever sees itself as the last sees all that the others have done.
        if self.alive.fetch_sub(1, SeqCst) == 1 {
            self.discard();
        }
    }

    /// Throws away what nobody runs any more; what somebody waits for is run. For the last worker, when nothing comes in.
    pub(super) fn discard(&self) {
        let discard = |job: Job| {
            self.discarded.fetch_add(1, SeqCst);
            self.contain(|| job.discard());
        };
        while let Some(job) = self.injector.pop() {
            discard(job);
        }
        for worker in &self.workers {
            while let Some(job) = worker.deque.pop().and_then(job) {
                discard(job);
            }
        }
    }
}

/// What a deque gave.
#[allow(unsafe_code)]
fn job(raw: *mut Header) -> Option<Job> {
    // SAFETY: deques hold what `push` put there, and give each once.
    unsafe { Job::from_raw(raw) }
}
