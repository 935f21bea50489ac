//! The state, as a replica drives it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use xs_consensus::raft::Index;
use xs_consensus::replica::{Batch, StateMachine};
use xs_os::jobs::JobHandle;
use xs_os::{Jobs, Progress};

use crate::store::{Outcome, Store};

/// A [`Store`] that is made durable in the background.
#[derive(Debug)]
pub(crate) struct Machine {
    store: Store,
    flushing: Arc<Flushing>,
    job: JobHandle,
}

#[derive(Debug)]
struct Flushing {
    applied: AtomicU64,
    durable: AtomicU64,
    asked: Mutex<bool>,
    failed: Mutex<Option<String>>,
}

impl Machine {
    /// `store` is flushed once, since what a crash of the process leaves to be read need not survive one of the machine.
    pub(crate) fn new(store: Store, jobs: &dyn Jobs) -> io::Result<Machine> {
        store.engine().flush().map_err(io::Error::other)?;
        let applied = store.applied();
        let flushing = Arc::new(Flushing {
            applied: AtomicU64::new(applied),
            durable: AtomicU64::new(applied),
            asked: Mutex::new(false),
            failed: Mutex::new(None),
        });
        // The engine keeps what runs the jobs: a job that kept the engine would keep it, and its lock, for ever.
        let (work, engine) = (flushing.clone(), Arc::downgrade(store.engine()));
        let step = move || {
            let Some(engine) = engine.upgrade() else { return Progress::Done };
            if std::mem::take(&mut *work.asked.lock()) {
                let applied = work.applied.load(Ordering::Acquire);
                match engine.flush() {
                    Ok(()) => work.durable.store(applied, Ordering::Release),
                    Err(error) => *work.failed.lock() = Some(error.to_string()),
                }
            }
            Progress::Idle
        };
        let job = jobs.spawn("state flush", Box::new(step));
        Ok(Machine { store, flushing, job })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.job.finish();
    }
}

impl StateMachine for Machine {
    type Reply = Outcome;

    fn apply(&mut self, batch: Batch<'_>, replies: &mut Vec<Outcome>) -> io::Result<()> {
        let entries = batch.commands.iter().map(|command| (command.index.0, command.bytes.clone()));
        replies.extend(self.store.apply(entries, batch.last.0).map_err(io::Error::other)?);
        self.flushing.applied.store(self.store.applied(), Ordering::Release);
        Ok(())
    }

    fn durable(&self) -> Option<Index> {
        Some(Index(self.flushing.durable.load(Ordering::Acquire)))
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(failed) = &*self.flushing.failed.lock() {
            return Err(io::Error::other(failed.clone()));
        }
        *self.flushing.asked.lock() = true;
        self.job.poke();
        Ok(())
    }

    fn snapshot(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.store.snapshot().map_err(io::Error::other)?))
    }

    fn restore(&mut self, index: Index, snapshot: &mut dyn Read) -> io::Result<()> {
        self.store.restore(index.0, snapshot).map_err(io::Error::other)?;
        self.flushing.applied.store(index.0, Ordering::Release);
        self.flushing.durable.store(index.0, Ordering::Release);
        Ok(())
    }
}
