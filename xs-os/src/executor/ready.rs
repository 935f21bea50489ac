//! The queue of tasks that were woken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::thread::{self, ThreadId};

use parking_lot::Mutex;

use super::Unpark;

/// The number of the future that `block_on` was given, which is no task.
pub(super) const MAIN: usize = usize::MAX;

/// What other threads see of an executor.
pub(super) struct Ready {
    state: Mutex<State>,
    unpark: Arc<dyn Unpark>,
    /// The executor's thread, which does not sleep while it wakes.
    owner: ThreadId,
}

#[derive(Default)]
struct State {
    woken: VecDeque<usize>,
    /// The executor sleeps, or is about to.
    parked: bool,
}

impl Ready {
    pub(super) fn new(unpark: Arc<dyn Unpark>) -> Arc<Self> {
        Arc::new(Ready { state: Mutex::default(), unpark, owner: thread::current().id() })
    }

    /// Takes up to `most` numbers, the oldest first.
    pub(super) fn take(&self, most: usize) -> impl Iterator<Item = usize> + use<> {
        let mut state = self.state.lock();
        let many = state.woken.len().min(most);
        state.woken.drain(..many).collect::<Vec<_>>().into_iter()
    }

    /// Says that the executor goes to sleep, if nobody is ready.
    pub(super) fn park(&self) -> bool {
        let mut state = self.state.lock();
        state.parked = state.woken.is_empty();
        state.parked
    }

    pub(super) fn unparked(&self) {
        self.state.lock().parked = false;
    }

    fn push(&self, number: usize) {
        let mut state = self.state.lock();
        state.woken.push_back(number);
        // The first who finds it asleep wakes it.
        if std::mem::take(&mut state.parked) && thread::current().id() != self.owner {
            drop(state);
            self.unpark.unpark();
        }
    }
}

/// What a waker is made of: which task, and whether it is in the queue.
pub(super) struct Wakeup {
    number: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wakeup {
    pub(super) fn new(number: usize, ready: &Arc<Ready>) -> Arc<Self> {
        Arc::new(Wakeup { number, queued: AtomicBool::new(false), ready: Arc::clone(ready) })
    }

    pub(super) fn enqueue(&self) {
        // What was written before waking is seen by the poll that follows: `dequeued` acquires it.
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.push(self.number);
        }
    }

    /// Before a poll: from here on it can be woken again.
    pub(super) fn dequeued(&self) {
        self.queued.swap(false, Ordering::AcqRel);
    }

    /// Whether the queue can hold its number because of itself, and not of an earlier one with the same.
    pub(super) fn is_mine(&self) -> bool {
        self.queued.load(Ordering::Acquire)
    }
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.enqueue();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.enqueue();
    }
}
