//! Flush and compaction, a step at a time.

use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use xs_os::Progress;

use super::compaction::{Choice, Plan, Policy, Run, Step};
use super::core::Core;
use super::events::Event;
use super::version::Edit;
use crate::{Error, Result};

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Something was done.
    Did,
    /// There is nothing to do.
    Nothing,
    /// Somebody else is doing it at this moment.
    Taken,
}

/// The step of a job: `work` on the tree, as long as there is one.
pub(super) fn job(core: Weak<Core>, work: fn(&Core) -> Work) -> xs_os::jobs::Step {
    Box::new(move || {
        let Some(core) = core.upgrade() else { return Progress::Done };
        if core.closed.load(Ordering::Acquire) {
            return Progress::Done;
        }
        match work(&core) {
            Work::Did => Progress::Busy,
            // Whoever took it goes on with it, or pokes; a look after a while costs nothing.
            Work::Taken => Progress::After(Duration::from_millis(1)),
            Work::Nothing => match &core.disk.options.policy {
                // Tables get old without anybody writing.
                Policy::Fifo(fifo) if fifo.max_age.is_some() => Progress::After(Duration::from_secs(10)),
                _ => Progress::Idle,
            },
        }
    })
}

impl Core {
    /// A step of writing the oldest waiting memtable to a table.
    pub(super) fn flush_step(&self) -> Work {
        let Some(mut slot) = self.flush.try_lock() else { return Work::Taken };
        if self.closed.load(Ordering::Acquire) || self.stopped.get().is_some() {
            return Work::Nothing;
        }
        let result = self.try_flush_step(&mut slot);
        drop(slot);
        self.ended(result)
    }

    fn ended(&self, result: Result<Work>) -> Work {
        let work = result.unwrap_or_else(|error| {
            self.stop(error);
            Work::Nothing
        });
        if work == Work::Did {
            self.note_progress();
        }
        work
    }

    fn try_flush_step(&self, slot: &mut Option<(super::core::Waiting, Run)>) -> Result<Work> {
        if slot.is_none() {
            let state = self.state.load_full();
            let Some(waiting) = state.waiting.last().cloned() else { return Ok(Work::Nothing) };
            self.disk.options.tell(Event::FlushBegun { entries: waiting.mem.entries() });
            let plan = Plan::flush(&waiting.mem, waiting.last, self.disk.options.now_ms(), &state.version);
            let run = Run::new(self.disk.clone(), state.version.clone(), plan, self.readers());
            *slot = Some((waiting, run));
        }
        let Some((waiting, run)) = slot else { return Ok(Work::Nothing) };
        let step = run.step();
        match step {
            Ok(Step::More) => return Ok(Work::Did),
            Ok(Step::Done(edit)) => {
                self.install(&edit, Some(&waiting.mem))?;
                self.traffic.flushed(run.written());
                self.disk.options.tell(Event::FlushEnded { bytes: run.written() });
                let log_end = waiting.log_end;
                *slot = None;
                // Not under the lock, which would wait for the disk; nor under the writers', which an ingest may hold.
                let log = self.log.lock().clone();
                if let Some(log) = log {
                    log.trim_to(log_end)?;
                }
                self.poke(1);
            }
            Err(error) => {
                *slot = None;
                return Err(error);
            }
        }
        Ok(Work::Did)
    }

    /// A step of a compaction: of the one that is under way, or of the next.
    pub(super) fn compaction_step(&self) -> Work {
        let Some(mut slot) = self.compaction.try_lock() else { return Work::Taken };
        if self.closed.load(Ordering::Acquire) || self.stopped.get().is_some() {
            return Work::Nothing;
        }
        let result = self.try_compaction_step(&mut slot);
        if result.is_err() {
            *slot = None;
        }
        drop(slot);
        self.ended(result)
    }

    fn try_compaction_step(&self, slot: &mut Option<Run>) -> Result<Work> {
        if slot.is_none() {
            match self.choose()? {
                Chosen::Nothing => return Ok(Work::Nothing),
                Chosen::Done => return Ok(Work::Did),
                Chosen::Run(run) => *slot = Some(*run),
            }
        }
        let Some(run) = slot else { return Ok(Work::Nothing) };
        match run.step()? {
            Step::More => Ok(Work::Did),
            Step::Done(edit) => {
                self.end_merge(run, &edit)?;
                *slot = None;
                Ok(Work::Did)
            }
        }
    }

    /// Puts the outcome of a merge into the version.
    fn end_merge(&self, run: &Run, edit: &Edit) -> Result<()> {
        let mut merging = self.install.lock();
        // Should it fail, nothing is installed any more.
        *merging = None;
        self.install_under(merging, edit, None)?;
        self.traffic.merged(run.to(), run.reads(), run.written());
        self.disk.options.tell(Event::CompactionEnded { bytes: run.written(), level: run.to() });
        Ok(())
    }

    /// Asks the policy, and does at once what needs no merge.
    fn choose(&self) -> Result<Chosen> {
        let context = self.context();
        let (version, shape, choice) = {
            let mut merging = self.install.lock();
            let version = self.state.load().version.clone();
            let shape = version.shape();
            let choice = self.disk.options.policy.choose(&shape, &context);
            if let Choice::Merge { to, .. } = &choice {
                *merging = Some(*to);
            }
            (version, shape, choice)
        };
        match choice {
            Choice::Nothing => Ok(Chosen::Nothing),
            Choice::Merge { tables, to } => {
                let plan = Plan::merge(&version, &tables, to, shape.wasteful_blobs(&context))?;
                self.disk.options.tell(Event::CompactionBegun { tables: tables.len(), bytes: plan.bytes, level: to });
                Ok(Chosen::Run(Box::new(Run::new(self.disk.clone(), version, plan, self.readers()))))
            }
            Choice::Move { tables, to } => {
                let moves = version.tables().filter(|table| tables.contains(&table.info.id));
                let add: Vec<_> = moves.map(|table| (to, table.clone())).collect();
                self.traffic.moved(to, add.iter().map(|(_, table)| table.info.bytes).sum());
                self.install(&Edit { remove: tables.into_iter().collect(), add, ..Edit::default() }, None)?;
                Ok(Chosen::Done)
            }
            Choice::Drop { tables } => {
                self.disk.options.tell(Event::Dropped { tables: tables.len() });
                self.install(&Edit { remove: tables.into_iter().collect(), ..Edit::default() }, None)?;
                Ok(Chosen::Done)
            }
        }
    }

    /// Does a step of what writers wait for, if nobody else does at this moment.
    pub(super) fn help(&self) -> Work {
        match self.flush_step() {
            Work::Nothing => self.compaction_step(),
            work => work,
        }
    }

    /// Flushes all memtables that wait by now; the caller has put the active one aside. Those that come to wait meanwhile
    /// are not its business: under steady writes there is always one.
    pub(super) fn flush_waiting(&self) -> Result<()> {
        // The newest stands first, and goes last.
        let Some(newest) = self.state.load().waiting.first().map(|waiting| waiting.mem.clone()) else {
            return self.check_stopped();
        };
        while self.state.load().waiting.iter().any(|waiting| Arc::ptr_eq(&waiting.mem, &newest)) {
            self.check_stopped()?;
            match self.flush_step() {
                Work::Did => {}
                _ => self.await_progress(Duration::from_millis(10)),
            }
        }
        self.check_stopped()
    }

    /// Compacts until the policy wants nothing more.
    pub(super) fn compact_all(&self) -> Result<()> {
        loop {
            self.check_stopped()?;
            match self.compaction_step() {
                Work::Did => {}
                Work::Nothing => return self.check_stopped(),
                Work::Taken => self.await_progress(Duration::from_millis(10)),
            }
        }
    }

    /// Merges all tables into the last level.
    pub(super) fn merge_all(&self, told: &mut dyn FnMut(u64, u64)) -> Result<()> {
        let mut slot = self.compaction.lock();
        // What is under way goes first: it holds tables that this needs.
        while slot.is_some() {
            self.try_compaction_step(&mut slot).map_err(|error| self.stop(error))?;
        }
        let mut merging = self.install.lock();
        let version = self.state.load().version.clone();
        let shape = version.shape();
        let tables: Vec<u64> = shape.tables().map(|table| table.id).collect();
        if tables.is_empty() {
            return Ok(());
        }
        let to = shape.deepest().max(1);
        *merging = Some(to);
        drop(merging);
        let mut merge = || -> Result<()> {
            let plan = Plan::merge(&version, &tables, to, shape.wasteful_blobs(&self.context()))?;
            self.disk.options.tell(Event::CompactionBegun { tables: tables.len(), bytes: plan.bytes, level: to });
            let mut run = Run::new(self.disk.clone(), version.clone(), plan, self.readers());
            loop {
                let step = run.step()?;
                let (done, of) = run.progress();
                match step {
                    Step::More => told(done, of),
                    Step::Done(edit) => {
                        self.end_merge(&run, &edit)?;
                        told(of, of);
                        return Ok(());
                    }
                }
            }
        };
        merge().map_err(|error: Error| self.stop(error))
    }
}

enum Chosen {
    Nothing,
    Done,
    Run(Box<Run>),
}
