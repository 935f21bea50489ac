//! One store under test: the engine, the machine that it is open on, and the model beside it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use xs_os::vfs::{MemoryVfs, Vfs};

use super::model::{Model, Move};
use crate::engine::{Commit, Durability, Engine, KeyRange, ReadView, WriteBatch};
use crate::testing::{Machine, Subject};
use crate::{Error, Result};

/// How many steps of background work a suite waits for: an engine that is busy for longer spins.
pub(crate) const MANY_STEPS: usize = 100_000;

pub(super) struct Store<S: Subject> {
    subject: S,
    vfs: Arc<dyn Vfs>,
    threaded: bool,
    open: Option<(S::Engine, Machine)>,
    pub(super) model: Model,
}

impl<S: Subject> Store<S> {
    pub(super) fn new(subject: S, threaded: bool) -> Result<Self> {
        let vfs = Arc::new(MemoryVfs::new());
        let mut store = Store { subject, vfs, threaded, open: None, model: Model::new() };
        store.reopen()?;
        Ok(store)
    }

    pub(super) fn engine(&self) -> &S::Engine {
        &self.open.as_ref().expect("open between calls of reopen").0
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.open.as_ref().expect("open between calls of reopen").1
    }

    /// Ends the engine and its machine's jobs, and opens it on the same disk.
    pub(super) fn reopen(&mut self) -> Result<()> {
        self.close();
        let vfs = self.vfs.clone();
        let machine = if self.threaded { Machine::threaded(vfs) } else { Machine::stepped(vfs) };
        let engine = self.subject.open(&machine)?;
        self.open = Some((engine, machine));
        Ok(())
    }

    /// Ends the engine, then its machine. The next call must be `reopen`.
    pub(super) fn close(&mut self) {
        if let Some((engine, machine)) = self.open.take() {
            drop(engine);
            machine.run_until_idle(MANY_STEPS);
        }
    }

    /// Writes to both, and waits.
    pub(super) fn write(&mut self, batch: WriteBatch) -> Result<()> {
        self.submit(batch, Durability::Synced)?.wait()
    }

    pub(super) fn submit(&mut self, batch: WriteBatch, durability: Durability) -> Result<Commit> {
        self.model.apply(batch.iter());
        self.engine().submit(batch, durability)
    }

    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.put(key, value);
        self.write(batch)
    }

    pub(super) fn delete_range(&mut self, start: &[u8], end: &[u8]) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.delete_range(start, end);
        self.write(batch)
    }

    /// Compares everything, and lets the engine check itself.
    pub(super) fn compare(&self, when: &str) {
        self.model.compare(self.engine()).unwrap_or_else(|what| panic!("{when}: {what}"));
        self.subject.check(self.engine()).unwrap_or_else(|what| panic!("{when}: the engine's own check: {what}"));
    }

    pub(super) fn try_compare(&self) -> Result<(), String> {
        self.model.compare(self.engine())?;
        self.subject.check(self.engine()).map_err(|what| format!("the engine's own check: {what}"))
    }

    /// Runs a cursor of the engine and one of the model side by side.
    pub(super) fn walk(&self, range: KeyRange<'_>, moves: &[Move]) {
        let walked = walk(self.engine(), &self.model, range.clone(), moves);
        walked.unwrap_or_else(|what| panic!("cursor over {range:?}, {moves:?}: {what}"));
    }

    /// Awaits a commit as a task would: polls, lets the machine work, and polls again when woken.
    pub(super) fn block_on(&self, commit: Commit) -> Result<()> {
        block_on(commit, self.machine())
    }
}

/// Awaits a commit. On a stepped machine, the machine steps while the task sleeps.
pub(crate) fn block_on(commit: Commit, machine: &Machine) -> Result<()> {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut commit = pin!(commit);
    loop {
        if let Poll::Ready(done) = commit.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        let mut steps = 0;
        while !woken.take() {
            steps += 1;
            if machine.step() {
                if steps > MANY_STEPS {
                    return Err(Error::Invalid("a commit that is awaited: jobs are busy, and it is not woken".into()));
                }
            } else if !woken.sleep() {
                return Err(Error::Invalid("a commit that is awaited: every job is idle, and it is not woken".into()));
            }
        }
    }
}

#[derive(Default)]
struct Woken {
    flag: parking_lot::Mutex<bool>,
    changed: parking_lot::Condvar,
}

impl Woken {
    fn take(&self) -> bool {
        std::mem::take(&mut self.flag.lock())
    }

    /// Sleeps until woken by a thread, for a while; false if it was not.
    fn sleep(&self) -> bool {
        const A_WHILE: std::time::Duration = std::time::Duration::from_secs(10);
        let mut flag = self.flag.lock();
        // Without threads nobody can come: a stepped machine that is idle stays idle. Ten seconds then pass once, in a
        // test that fails.
        self.changed.wait_while_for(&mut flag, |woken| !*woken, A_WHILE);
        *flag
    }
}

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        *self.flag.lock() = true;
        self.changed.notify_all();
    }
}

pub(super) fn walk(view: &dyn ReadView, model: &Model, range: KeyRange<'_>, moves: &[Move]) -> Result<(), String> {
    let mut cursor = view.cursor(range.clone()).map_err(|error| format!("cursor: {error}"))?;
    let mut expected = model.cursor(&range);
    if !cursor.key().is_empty() || cursor.value().map_or(true, |value| !value.is_empty()) {
        return Err("a cursor that has not moved is on an entry".into());
    }
    moves.iter().try_for_each(|to| expected.follow(&mut *cursor, to))
}
