//! Where work comes in from outside: three queues, one for each priority, and room for so many.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};

use parking_lot::{Condvar, Mutex};

use super::job::Job;
use super::{Overflow, Priority, Reason};

/// How often the least urgent comes first, so that it comes at all; half way between, those that are neither do.
const TURN_ABOUT: u32 = 16;

/// The queues. See the [module page](self).
pub(super) struct Injector {
    queues: Mutex<Queues>,
    space: Condvar,
    /// How many are in there, for whoever looks without the lock.
    len: AtomicUsize,
    capacity: usize,
    /// Set under the lock, and looked at without.
    closed: AtomicBool,
}

#[derive(Default)]
struct Queues {
    of: [VecDeque<Job>; 3],
    taken: u32,
}

impl Queues {
    fn len(&self) -> usize {
        self.of.iter().map(VecDeque::len).sum()
    }
}

/// Whether there is room.
pub(super) enum Entry {
    Queued,
    /// The caller shall run it.
    Yours,
    Refused(Reason),
}

impl Injector {
    pub(super) fn new(capacity: usize) -> Self {
        Injector {
            queues: Mutex::default(),
            space: Condvar::new(),
            len: AtomicUsize::new(0),
            capacity,
            closed: AtomicBool::new(false),
        }
    }

    /// Queues what `job` makes, once there is room: whoever is refused has made nothing.
    pub(super) fn push(&self, priority: Priority, overflow: Overflow, job: impl FnOnce() -> Job) -> Entry {
        let mut queues = self.queues.lock();
        loop {
            if self.is_closed() {
                return Entry::Refused(Reason::ShutDown);
            }
            if queues.len() < self.capacity {
                break;
            }
            match overflow {
                Overflow::Block => self.space.wait(&mut queues),
                Overflow::Reject => return Entry::Refused(Reason::Full),
                Overflow::CallerRuns => return Entry::Yours,
            }
        }
        queues.of[priority as usize].push_back(job());
        self.len.store(queues.len(), SeqCst);
        Entry::Queued
    }

    /// Queues a job that somebody waits for, whatever there is already.
    pub(super) fn push_awaited(&self, job: Job) -> Result<(), Job> {
        let mut queues = self.queues.lock();
        if self.is_closed() {
            return Err(job);
        }
        queues.of[Priority::High as usize].push_back(job);
        self.len.store(queues.len(), SeqCst);
        Ok(())
    }

    pub(super) fn pop(&self) -> Option<Job> {
        if self.is_empty() {
            return None;
        }
        let mut queues = self.queues.lock();
        queues.taken = queues.taken.wrapping_add(1);
        let first = match queues.taken % TURN_ABOUT {
            0 => Priority::Low,
            half if half == TURN_ABOUT / 2 => Priority::Normal,
            _ => Priority::High,
        };
        let job = match queues.of[first as usize].pop_front() {
            Some(job) => Some(job),
            None => queues.of.iter_mut().find_map(VecDeque::pop_front),
        };
        self.len.store(queues.len(), SeqCst);
        drop(queues);
        if job.is_some() {
            self.space.notify_one();
        }
        job
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Nothing comes in any more.
    pub(super) fn close(&self) {
        let queues = self.queues.lock();
        self.closed.store(true, SeqCst);
        drop(queues);
        self.space.notify_all();
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }
}
