//! Workers that sleep, and who wakes them.
//!
//! Work that comes and a worker that goes to sleep must not miss each other. The one adds work and then looks whether
//! somebody sleeps; the other says that it sleeps and then looks for work. Between the two halves of each stands a fence, so
//! one of them sees the other (Dekker's rule). A wake-up is a token: given before the sleep, it ends the sleep at once.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::sync::thread::{Thread, current, park};
use crate::sync::{AtomicUsize, Mutex, fence};

/// The workers that sleep. See the [module page](self).
pub(super) struct Idle {
    /// Who sleeps, with what wakes it; the last to come is the first to be woken: its memory is the warmest.
    asleep: Mutex<Vec<(usize, Thread)>>,
    /// How many.
    count: AtomicUsize,
}

impl Idle {
    pub(super) fn new() -> Self {
        Idle { asleep: Mutex::new(Vec::new()), count: AtomicUsize::new(0) }
    }

    /// Sleeps until somebody wakes this worker, unless `ready` says that there is something to do.
    pub(super) fn sleep(&self, worker: usize, ready: impl FnOnce() -> bool) {
        {
            let mut asleep = lock(&self.asleep);
            asleep.push((worker, current()));
            self.count.store(asleep.len(), Relaxed);
        }
        fence(SeqCst);
        if !ready() {
            park();
        }
        let mut asleep = lock(&self.asleep);
        asleep.retain(|(other, _)| *other != worker);
        self.count.store(asleep.len(), Relaxed);
    }

    /// Wakes one who sleeps, if somebody does. Called when work was added.
    #[inline]
    pub(super) fn wake_one(&self) {
        fence(SeqCst);
        if self.count.load(Relaxed) > 0 {
            self.wake_last();
        }
    }

    #[cold]
    fn wake_last(&self) {
        let last = {
            let mut asleep = lock(&self.asleep);
            let last = asleep.pop();
            self.count.store(asleep.len(), Relaxed);
            last
        };
        if let Some((_, thread)) = last {
            thread.unpark();
        }
    }

    /// Wakes a certain one, if it sleeps.
    pub(super) fn wake(&self, worker: usize) {
        fence(SeqCst);
        if self.count.load(Relaxed) == 0 {
            return;
        }
        let asleep = lock(&self.asleep);
        if let Some((_, thread)) = asleep.iter().find(|(other, _)| *other == worker) {
            thread.unpark();
        }
    }

    #[cfg(not(xs_loom))]
    pub(super) fn wake_all(&self) {
        fence(SeqCst);
        lock(&self.asleep).iter().for_each(|(_, thread)| thread.unpark());
    }

    #[cfg(not(xs_loom))]
    pub(super) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }
}

#[cfg(not(xs_loom))]
fn lock<T>(mutex: &Mutex<T>) -> parking_lot::MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(xs_loom)]
fn lock<T>(mutex: &Mutex<T>) -> loom::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

#[cfg(all(test, xs_loom))]
mod loom_tests {
    use super::super::deque::{Deque, Stolen};
    use super::*;
    use crate::sync::AtomicBool;
    use loom::thread;
    use std::sync::Arc;

    /// A model in which the worker slept for ever would be a deadlock, and loom says so.
    #[test]
    fn work_is_found_or_wakes_the_worker() {
        loom::model(|| {
            let shared = Arc::new((Idle::new(), Deque::<u8>::new()));
            let theirs = shared.clone();
            let worker = thread::spawn(move || {
                let (idle, deque) = &*theirs;
                loop {
                    match deque.steal() {
                        Stolen::Item(item) => break item as usize,
                        Stolen::Lost => {}
                        Stolen::Empty => idle.sleep(0, || !deque.is_empty()),
                    }
                }
            });
            shared.1.push(7 as *mut u8);
            shared.0.wake_one();
            assert_eq!(worker.join().unwrap(), 7);
        });
    }

    #[test]
    fn who_waits_for_a_flag_hears_of_it() {
        loom::model(|| {
            let shared = Arc::new((Idle::new(), AtomicBool::new(false)));
            let theirs = shared.clone();
            let worker = thread::spawn(move || {
                while !theirs.1.load(SeqCst) {
                    theirs.0.sleep(3, || theirs.1.load(SeqCst));
                }
            });
            shared.1.store(true, SeqCst);
            shared.0.wake(3);
            worker.join().unwrap();
        });
    }
}
