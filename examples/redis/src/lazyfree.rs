//! Large values that are dropped away from the commands, by a background job.
//!
//! `UNLINK`, `FLUSHALL ASYNC` and the `lazyfree-lazy-*` directives take a value out of the keyspace and leave it to the
//! job: a set of a million members costs its command as much as one of ten. The memory counts as free at once, as nobody
//! can reach it any more; how much still waits is told as `lazyfree_pending_objects`.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use xs_os::jobs::{JobHandle, Step};
use xs_os::{Jobs, Progress};

/// Where unwanted values go.
#[derive(Debug, Default)]
pub(crate) struct LazyFree {
    /// Without jobs, everything is dropped at once.
    jobs: Option<Arc<dyn Jobs>>,
    job: Option<JobHandle>,
    heap: Arc<Mutex<Heap>>,
}

/// What waits to be dropped, and the counts of INFO.
#[derive(Default)]
struct Heap {
    waiting: VecDeque<(u64, Box<dyn Any + Send>)>,
    pending: u64,
    freed: u64,
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap").field("pending", &self.pending).field("freed", &self.freed).finish()
    }
}

impl LazyFree {
    /// Leaves the dropping to a job among `jobs`, which starts when there is something to drop.
    pub(crate) fn on(jobs: Arc<dyn Jobs>) -> LazyFree {
        LazyFree { jobs: Some(jobs), ..LazyFree::default() }
    }

    /// Drops `garbage`, which holds so many values, elsewhere and later.
    pub(crate) fn give(&mut self, values: u64, garbage: impl Send + 'static) {
        let Some(jobs) = &self.jobs else { return };
        {
            let mut heap = self.heap.lock();
            heap.waiting.push_back((values, Box::new(garbage)));
            heap.pending += values;
        }
        let heap = &self.heap;
        self.job.get_or_insert_with(|| jobs.spawn("lazyfree", step(heap.clone()))).poke();
    }

    /// How many values still wait.
    pub(crate) fn pending(&self) -> u64 {
        self.heap.lock().pending
    }

    /// How many were dropped since the last reset.
    pub(crate) fn freed(&self) -> u64 {
        self.heap.lock().freed
    }

    /// Counts from zero again (`CONFIG RESETSTAT`).
    pub(crate) fn reset(&self) {
        self.heap.lock().freed = 0;
    }
}

/// Drops what was given first.
fn step(heap: Arc<Mutex<Heap>>) -> Step {
    Box::new(move || {
        let Some((values, garbage)) = heap.lock().waiting.pop_front() else { return Progress::Idle };
        // Outside of the lock: commands need it.
        drop(garbage);
        let mut heap = heap.lock();
        heap.pending -= values;
        heap.freed += values;
        Progress::Busy
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use xs_os::SteppedJobs;

    #[test]
    fn what_is_given_is_dropped_by_the_job_and_counted() {
        let jobs = SteppedJobs::new();
        let mut lazy = LazyFree::on(Arc::new(jobs.clone()));
        let (one, two) = (Arc::new(()), Arc::new(()));
        lazy.give(1, one.clone());
        lazy.give(3, two.clone());
        assert_eq!((lazy.pending(), lazy.freed(), Arc::strong_count(&one)), (4, 0, 2));
        assert!(jobs.step());
        assert_eq!((lazy.pending(), lazy.freed()), (3, 1));
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&two)), (1, 2));
        jobs.run_until_idle(10);
        assert_eq!((lazy.pending(), lazy.freed(), Arc::strong_count(&two)), (0, 4, 1));
        lazy.reset();
        assert_eq!(lazy.freed(), 0);
    }

    #[test]
    fn without_jobs_it_is_dropped_at_once() {
        let mut lazy = LazyFree::default();
        let one = Arc::new(());
        lazy.give(1, one.clone());
        assert_eq!((lazy.pending(), Arc::strong_count(&one)), (0, 1));
    }
}
