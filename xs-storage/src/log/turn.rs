//! Whose turn it is to write: one leads, the others wait, nobody waits for nothing.
//!
//! Appenders number their entries with *tickets*, which only rise. Somebody who needs a ticket to be settled takes the
//! turn if nobody has it, and does the work for everybody who has appended by then; otherwise it leaves a note and
//! sleeps. Who has the turn wakes, when done, those whose tickets are settled and **one** of the rest, to go on; a
//! newcomer may take the turn before that one is up, which costs nobody anything.
//!
//! No wake-up is lost because both sides go through one lock: a note is left while holding it, after looking once
//! more whether the ticket is settled and whether somebody has the turn; the turn is given back while holding it,
//! after the tickets were settled. Nothing here knows a file.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread::{self, Thread, ThreadId};

use parking_lot::Mutex;

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The bytes are with the operating system: memory may be given back.
    Written(u64),
    /// The bytes are durable.
    Durable(u64),
}

#[derive(Debug, Default)]
pub(super) struct Turn {
    written: AtomicU64,
    durable: AtomicU64,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    taken: bool,
    /// How many were waiting or being served when the turn was last given back.
    crowd: u64,
    threads: Vec<(Goal, ThreadId, Thread)>,
    tasks: Vec<(u64, Waker)>,
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (threads, tasks) = (self.threads.len(), self.tasks.len());
        write!(f, "taken: {}, waiting: {threads} threads, {tasks} tasks", self.taken)
    }
}

/// The right to write. Whoever drops it wakes the others.
pub(super) struct Lead<'a> {
    turn: &'a Turn,
    /// Called when tasks are left that no thread will look after.
    tasks_wait: &'a dyn Fn(),
}

impl Turn {
    /// Every ticket is settled from now on, one way or the other: for a log that has stopped.
    pub(super) const ALL: u64 = u64::MAX;

    /// Whether there is nothing left to wait for.
    pub(super) fn reached(&self, goal: Goal) -> bool {
        match goal {
            Goal::Written(ticket) => self.written.load(Ordering::Acquire) >= ticket,
            Goal::Durable(ticket) => self.durable.load(Ordering::Acquire) >= ticket,
        }
    }

    /// Says how far things have come. Only who has the turn calls it; tickets never fall.
    pub(super) fn settle(&self, goal: Goal) {
        match goal {
            Goal::Written(ticket) => self.written.fetch_max(ticket, Ordering::AcqRel),
            Goal::Durable(ticket) => {
                self.written.fetch_max(ticket, Ordering::AcqRel);
                self.durable.fetch_max(ticket, Ordering::AcqRel)
            }
        };
    }

    /// Returns when the goal is reached, or with the turn: then the caller works towards it, and asks again.
    pub(super) fn wait<'a>(&'a self, goal: Goal, tasks_wait: &'a dyn Fn()) -> Option<Lead<'a>> {
        let me = thread::current();
        loop {
            if self.reached(goal) {
                return None;
            }
            {
                let mut notes = self.notes.lock();
                if self.reached(goal) {
                    return None;
                }
                if !notes.taken {
                    notes.taken = true;
                    // A note of an earlier round, if this thread woke by chance.
                    notes.threads.retain(|(_, id, _)| *id != me.id());
                    return Some(Lead { turn: self, tasks_wait });
                }
                if !notes.threads.iter().any(|(_, id, _)| *id == me.id()) {
                    notes.threads.push((goal, me.id(), me.clone()));
                }
            }
            thread::park();
        }
    }

    /// How many may be about to wait, by what was seen last: those that were served and those that were left.
    pub(super) fn crowd(&self) -> u64 {
        self.notes.lock().crowd
    }

    /// Waits for the turn itself.
    pub(super) fn take<'a>(&'a self, tasks_wait: &'a dyn Fn()) -> Lead<'a> {
        let me = thread::current();
        loop {
            {
                let mut notes = self.notes.lock();
                notes.threads.retain(|(_, id, _)| *id != me.id());
                if !notes.taken {
                    notes.taken = true;
                    return Lead { turn: self, tasks_wait };
                }
                // A goal that nothing reaches: it is woken as the one that goes on. First in line, so that it is.
                notes.threads.insert(0, (Goal::Durable(Turn::ALL), me.id(), me.clone()));
            }
            thread::park();
        }
    }

    /// The turn, if nobody has it and a task waits for something: for a job in the background.
    pub(super) fn for_tasks<'a>(&'a self, tasks_wait: &'a dyn Fn()) -> Option<Lead<'a>> {
        let mut notes = self.notes.lock();
        if notes.taken || notes.tasks.is_empty() {
            return None;
        }
        notes.taken = true;
        drop(notes);
        Some(Lead { turn: self, tasks_wait })
    }

    /// Leaves a task's note, unless its ticket is durable.
    pub(super) fn poll(&self, ticket: u64, cx: &mut Context<'_>, tasks_wait: &dyn Fn()) -> Poll<()> {
        let idle = {
            let mut notes = self.notes.lock();
            if self.reached(Goal::Durable(ticket)) {
                return Poll::Ready(());
            }
            match notes.tasks.iter_mut().find(|(at, waker)| *at == ticket && waker.will_wake(cx.waker())) {
                Some(_) => {}
                None => notes.tasks.push((ticket, cx.waker().clone())),
            }
            !notes.taken
        };
        // Who has the turn sees the note when giving it back.
        if idle {
            tasks_wait();
        }
        Poll::Pending
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let (mut threads, mut tasks) = (Vec::new(), Vec::new());
        let tasks_left = {
            let mut notes = self.turn.notes.lock();
            notes.taken = false;
            // Who had the turn is one of them.
            notes.crowd = 1 + (notes.threads.len() + notes.tasks.len()) as u64;
            let mut next = None;
            notes.threads.retain(|(goal, _, thread)| {
                let done = self.turn.reached(*goal);
                if done {
                    threads.push(thread.clone());
                } else if next.is_none() {
                    next = Some(thread.clone());
                    return false;
                }
                !done
            });
            let durable = self.turn.durable.load(Ordering::Acquire);
            notes.tasks.retain(|(ticket, waker)| {
                let done = *ticket <= durable;
                if done {
                    tasks.push(waker.clone());
                }
                !done
            });
            let led_on = next.is_some();
            // The one that goes on is woken first: the disk is what everybody waits for.
            threads.splice(0..0, next);
            !led_on && !notes.tasks.is_empty()
        };
        threads.iter().for_each(Thread::unpark);
        tasks.into_iter().for_each(Waker::wake);
        if tasks_left {
            (self.tasks_wait)();
        }
    }
}
