//! Where work comes in from outside: three queues, one for each priority, and room for so many.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};

use parking_lot::{Condvar, Mutex};

use super::job::Job;
use super::{Overflow, Priority, Reason};

/// How often the least urgent comes first, so that it comes at all; half way between, those that are neither do.
const TURN_ABOUT: u32 = 16;

/// Whoever waits for room is woken when there is so much of it, as a part of the whole. Woken for each place, it would take that and
/// fall asleep again, once for each job; and next to the time that a full queue takes, this much more of it is nothing.
const ROOM: usize = 1024;

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
        let left = queues.len();
        self.len.store(left, SeqCst);
        drop(queues);
        // The last job makes all the room that there is, so nobody is forgotten: who is woken brings a job, which wakes the next.
        if job.is_some() && self.capacity - left.min(self.capacity) >= (self.capacity / ROOM).max(1) {
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

#[cfg(test)]
mod tests {
    use super::super::job::boxed;
    use super::*;

    #[test]
    fn all_who_wait_for_room_get_in_though_they_are_not_woken_for_each_place() {
        let injector = Injector::new(3 * ROOM);
        let push = || matches!(injector.push(Priority::Normal, Overflow::Block, || boxed(|| ())), Entry::Queued);
        assert!((0..3 * ROOM).all(|_| push()));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert!((0..10).all(|_| push())));
            }
            let mut taken = 0;
            while taken < 3 * ROOM + 80 {
                match injector.pop() {
                    Some(job) => {
                        job.run();
                        taken += 1;
                    }
                    None => std::thread::yield_now(),
                }
            }
        });
        assert!(injector.is_empty());
    }
}
