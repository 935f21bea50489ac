//! Workers that sleep, and who wakes them.
//!
//! Work that comes and a worker that goes to sleep must not miss each other. The one adds work and then looks whether
//! somebody sleeps; the other says that it sleeps and then looks for work. Between the two halves of each stands a fence, so
//! one of them sees the other (Dekker's rule). A wake-up is a token: given before the sleep, it ends the sleep at once.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::sync::thread::{Thread, current, park};
use crate::sync::{AtomicUsize, Mutex, fence};

/// Where work was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// In a deque: anybody takes it.
    Inside,
    /// In the queues: whoever waits for a job of its own leaves it alone.
    Outside,
}

struct Sleeper {
    worker: usize,
    /// That it waits for a job of its own.
    awaiting: bool,
    thread: Thread,
}

/// The workers that sleep. See the [module page](self).
pub(super) struct Idle {
    /// The last to come is the first to be woken: its memory is the warmest. Whoever is woken is taken out, so that no second
    /// token goes to it in place of another.
    asleep: Mutex<Vec<Sleeper>>,
    /// How many.
    count: AtomicUsize,
}

impl Idle {
    pub(super) fn new() -> Self {
        Idle { asleep: Mutex::new(Vec::new()), count: AtomicUsize::new(0) }
    }

    /// Sleeps until somebody wakes this worker, unless `ready` says that there is something to do. Who was woken looks for
    /// work, or wakes another for what it leaves.
    pub(super) fn sleep(&self, worker: usize, awaiting: bool, ready: impl FnOnce() -> bool) {
        {
            let mut asleep = lock(&self.asleep);
            asleep.push(Sleeper { worker, awaiting, thread: current() });
            self.count.store(asleep.len(), Relaxed);
        }
        fence(SeqCst);
        if !ready() {
            park();
        }
        self.take(|sleeper| sleeper.worker == worker);
    }

    fn take(&self, wanted: impl Fn(&Sleeper) -> bool) -> Option<Sleeper> {
        let mut asleep = lock(&self.asleep);
        let at = asleep.iter().rposition(wanted)?;
        let sleeper = asleep.remove(at);
        self.count.store(asleep.len(), Relaxed);
        Some(sleeper)
    }

    /// Wakes one who sleeps and takes such work, if somebody does. Called when work was added.
    #[inline]
    pub(super) fn wake_one(&self, work: Work) {
        fence(SeqCst);
        if self.count.load(Relaxed) > 0 {
            self.wake_for(work);
        }
    }

    #[cold]
    fn wake_for(&self, work: Work) {
        let free = self.take(|sleeper| !sleeper.awaiting);
        let sleeper = free.or_else(|| if work == Work::Inside { self.take(|_| true) } else { None });
        if let Some(sleeper) = sleeper {
            sleeper.thread.unpark();
        }
    }

    /// Wakes a certain one, if it sleeps.
    pub(super) fn wake(&self, worker: usize) {
        fence(SeqCst);
        if self.count.load(Relaxed) > 0
            && let Some(sleeper) = self.take(|sleeper| sleeper.worker == worker)
        {
            sleeper.thread.unpark();
        }
    }

    #[cfg(not(xs_loom))]
    pub(super) fn wake_all(&self) {
        fence(SeqCst);
        lock(&self.asleep).iter().for_each(|sleeper| sleeper.thread.unpark());
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
                        Stolen::Empty => idle.sleep(0, false, || !deque.is_empty()),
                    }
                }
            });
            shared.1.push(7 as *mut u8);
            shared.0.wake_one(Work::Inside);
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
                    theirs.0.sleep(3, true, || theirs.1.load(SeqCst));
                }
            });
            shared.1.store(true, SeqCst);
            shared.0.wake(3);
            worker.join().unwrap();
        });
    }

    /// Work from outside is for the one who is free, however many wait for jobs of their own.
    #[test]
    fn who_waits_for_its_own_job_takes_nobodys_token() {
        loom::model(|| {
            let shared = Arc::new((Idle::new(), AtomicBool::new(false), AtomicBool::new(false)));
            let (free, waits) = (shared.clone(), shared.clone());
            let free = thread::spawn(move || {
                while !free.1.load(SeqCst) {
                    free.0.sleep(0, false, || free.1.load(SeqCst));
                }
            });
            let waits = thread::spawn(move || {
                while !waits.2.load(SeqCst) {
                    waits.0.sleep(1, true, || waits.2.load(SeqCst));
                }
            });
            shared.1.store(true, SeqCst);
            shared.0.wake_one(Work::Outside);
            free.join().unwrap();
            shared.2.store(true, SeqCst);
            shared.0.wake(1);
            waits.join().unwrap();
        });
    }
}
