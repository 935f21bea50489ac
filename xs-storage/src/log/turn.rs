//! Whose turn it is to write: one leads, the others wait, nobody waits for nothing.
//!
//! Appenders number their entries with *tickets*, which only rise. Somebody who needs a ticket to be settled takes the
//! turn if nobody has it, and does the work for everybody who has appended by then; otherwise it leaves a note and
//! sleeps. Who has the turn wakes, when done, those whose tickets are settled and **one** of the rest, to go on; a
//! newcomer may take the turn before that one is up, which costs nobody anything.
//!
//! No wake-up is lost because both sides go through one lock: a note is left while holding it, after looking once
//! more whether the ticket is settled and whether somebody has the turn; the turn is given back while holding it,
//! after the tickets were settled. A sync beside the turn may settle tickets as well: who waits for one of them waits for
//! somebody who has the turn, and is woken when that one gives it back. Nothing here knows a file. Loom plays through what two or three threads, or a thread and
//! a task, may do to each other (`.ci/loom`).

use std::fmt;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use super::sync::{AtomicU64, Mutex, Thread, ThreadId, current, park};

/// What somebody waits for, up to a ticket.
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
    tasks: Vec<(Goal, Waker)>,
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

    /// Says how far things have come; tickets never fall.
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
        let me = current();
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
            park();
        }
    }

    /// How many may be about to wait, by what was seen last: those that were served and those that were left.
    pub(super) fn crowd(&self) -> u64 {
        self.notes.lock().crowd
    }

    /// Waits for the turn itself.
    pub(super) fn take<'a>(&'a self, tasks_wait: &'a dyn Fn()) -> Lead<'a> {
        let me = current();
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
            park();
        }
    }

    /// The turn, if nobody has it: for work that whoever has it does as well.
    pub(super) fn try_take<'a>(&'a self, tasks_wait: &'a dyn Fn()) -> Option<Lead<'a>> {
        let mut notes = self.notes.lock();
        if notes.taken {
            return None;
        }
        notes.taken = true;
        drop(notes);
        Some(Lead { turn: self, tasks_wait })
    }

    /// The turn, if nobody has it and a task waits for something, and whether it waits for a sync: for a job in the
    /// background.
    pub(super) fn for_tasks<'a>(&'a self, tasks_wait: &'a dyn Fn()) -> Option<(Lead<'a>, bool)> {
        let mut notes = self.notes.lock();
        if notes.taken || notes.tasks.is_empty() {
            return None;
        }
        let sync = notes.tasks.iter().any(|(goal, _)| matches!(goal, Goal::Durable(_)) && !self.reached(*goal));
        notes.taken = true;
        drop(notes);
        Some((Lead { turn: self, tasks_wait }, sync))
    }

    /// Leaves a task's note, unless its goal is reached.
    pub(super) fn poll(&self, goal: Goal, cx: &mut Context<'_>, tasks_wait: &dyn Fn()) -> Poll<()> {
        if self.reached(goal) {
            return Poll::Ready(());
        }
        let idle = {
            let mut notes = self.notes.lock();
            if self.reached(goal) {
                return Poll::Ready(());
            }
            match notes.tasks.iter_mut().find(|(at, waker)| *at == goal && waker.will_wake(cx.waker())) {
                Some(_) => {}
                None => notes.tasks.push((goal, cx.waker().clone())),
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
            notes.tasks.retain(|(goal, waker)| {
                let done = self.turn.reached(*goal);
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

/// A log reduced to its numbers: appends count up, a sync makes durable what was counted before it, and may fail. For
/// every order in which threads may meet: nobody is told too early, nobody sleeps for ever (loom finds a deadlock), and a
/// failure reaches everybody whom no sync has served.
#[cfg(all(test, xs_loom))]
mod loom_tests {
    use std::sync::Arc;
    use std::task::Wake;

    use loom::thread;

    use super::*;

    #[derive(Default)]
    struct Model {
        turn: Turn,
        tail: Mutex<u64>,
        disk: Mutex<Disk>,
    }

    #[derive(Default)]
    struct Disk {
        written: u64,
        durable: u64,
        syncs: u64,
        /// The sync of this number fails.
        fails: Option<u64>,
        failed: bool,
    }

    impl Model {
        fn failing(fails: Option<u64>) -> Arc<Self> {
            let model = Model::default();
            model.disk.lock().fails = fails;
            Arc::new(model)
        }

        fn append(&self) -> u64 {
            let mut tail = self.tail.lock();
            *tail += 1;
            *tail
        }

        fn flush(&self, sync: bool) {
            let ticket = *self.tail.lock();
            let mut disk = self.disk.lock();
            if disk.failed {
                return;
            }
            disk.written = ticket;
            if !sync {
                drop(disk);
                return self.turn.settle(Goal::Written(ticket));
            }
            disk.syncs += 1;
            if disk.fails == Some(disk.syncs) {
                disk.failed = true;
                drop(disk);
                return self.turn.settle(Goal::Durable(Turn::ALL));
            }
            disk.durable = ticket;
            drop(disk);
            self.turn.settle(Goal::Durable(ticket));
        }

        /// A job that is stepped at the moment at which it is poked.
        fn poke(&self) {
            let poke = || self.poke();
            if let Some((_lead, sync)) = self.turn.for_tasks(&poke) {
                self.flush(sync);
            }
        }

        /// A sync beside the turn, of what is written.
        fn sync_behind(&self) {
            let mut disk = self.disk.lock();
            if disk.failed {
                return;
            }
            disk.syncs += 1;
            disk.durable = disk.durable.max(disk.written);
            let ticket = disk.durable;
            drop(disk);
            self.turn.settle(Goal::Durable(ticket));
        }

        /// What somebody is told who waited for a ticket: true only if it is durable, false only after a failure.
        fn verdict(&self, ticket: u64) -> bool {
            let disk = self.disk.lock();
            assert!(disk.failed || disk.durable >= ticket, "told too early: {ticket} of {}", disk.durable);
            disk.durable >= ticket
        }

        fn append_and_wait(&self) -> bool {
            let ticket = self.append();
            let poke = || self.poke();
            while let Some(_lead) = self.turn.wait(Goal::Durable(ticket), &poke) {
                self.flush(true);
            }
            self.verdict(ticket)
        }

        /// A task that writes by itself where it can.
        fn append_and_write(&self) -> bool {
            let (ticket, poke) = (self.append(), || self.poke());
            let goal = Goal::Written(ticket);
            let waker = Waker::from(Arc::new(Unpark(current())));
            loop {
                if let Some(_lead) = self.turn.try_take(&poke) {
                    self.flush(false);
                }
                if self.turn.poll(goal, &mut Context::from_waker(&waker), &poke).is_ready() {
                    break;
                }
                park();
            }
            let disk = self.disk.lock();
            assert!(disk.failed || disk.written >= ticket, "told too early: {ticket} of {}", disk.written);
            !disk.failed
        }

        fn append_and_await(&self) -> bool {
            let ticket = self.append();
            let waker = Waker::from(Arc::new(Unpark(current())));
            while self.turn.poll(Goal::Durable(ticket), &mut Context::from_waker(&waker), &|| self.poke()).is_pending()
            {
                park();
            }
            self.verdict(ticket)
        }
    }

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(model);
    }

    #[test]
    fn three_appenders_share_syncs_and_all_are_told() {
        check(2, || {
            let model = Model::failing(None);
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let model = model.clone();
                    thread::spawn(move || assert!(model.append_and_wait()))
                })
                .collect();
            assert!(model.append_and_wait());
            others.into_iter().for_each(|other| other.join().unwrap());
            assert!((1..=3).contains(&model.disk.lock().syncs));
        });
    }

    #[test]
    fn a_failed_sync_reaches_everybody_whom_none_has_served() {
        for fails in 1..=2 {
            check(2, move || {
                let model = Model::failing(Some(fails));
                let others: Vec<_> = (0..2)
                    .map(|_| {
                        let model = model.clone();
                        thread::spawn(move || model.append_and_wait())
                    })
                    .collect();
                let mut told = vec![model.append_and_wait()];
                told.extend(others.into_iter().map(|other| other.join().unwrap()));
                let served = told.iter().filter(|served| **served).count() as u64;
                let disk = model.disk.lock();
                assert_eq!(served, disk.durable);
                assert!(disk.failed || disk.syncs < fails);
            });
        }
    }

    #[test]
    fn a_task_and_a_thread_wake_each_other() {
        for fails in [None, Some(1), Some(2)] {
            check(3, move || {
                let model = Model::failing(fails);
                let task = model.clone();
                let task = thread::spawn(move || task.append_and_await());
                let waited = model.append_and_wait();
                let awaited = task.join().unwrap();
                assert!(fails.is_some() || waited && awaited);
            });
        }
    }

    #[test]
    fn a_task_that_writes_and_a_thread_that_syncs_wake_each_other() {
        for fails in [None, Some(1)] {
            check(3, move || {
                let model = Model::failing(fails);
                let task = model.clone();
                let task = thread::spawn(move || task.append_and_write());
                let synced = model.append_and_wait();
                let written = task.join().unwrap();
                assert!(fails.is_some() || synced && written);
            });
        }
    }

    #[test]
    fn two_tasks_that_write_wake_each_other() {
        check(3, || {
            let model = Model::failing(None);
            let other = model.clone();
            let other = thread::spawn(move || assert!(other.append_and_write()));
            assert!(model.append_and_write());
            other.join().unwrap();
            assert_eq!(model.disk.lock().syncs, 0);
        });
    }

    #[test]
    fn a_sync_beside_the_turn_leaves_nobody_asleep() {
        check(2, || {
            let model = Model::failing(None);
            let (task, behind) = (model.clone(), model.clone());
            let task = thread::spawn(move || assert!(task.append_and_await()));
            let behind = thread::spawn(move || behind.sync_behind());
            assert!(model.append_and_wait());
            task.join().unwrap();
            behind.join().unwrap();
        });
    }

    #[test]
    fn who_takes_the_turn_for_itself_is_woken_too() {
        check(2, || {
            let model = Model::failing(None);
            let other = model.clone();
            let other = thread::spawn(move || assert!(other.append_and_wait()));
            drop(model.turn.take(&|| ()));
            assert!(model.append_and_wait());
            other.join().unwrap();
        });
    }
}
