//! The replicated state: a function of the log, kept in an engine.
//!
//! ```text
//!   log      …  17        18             19         20
//!            ┌─────┬──────────────┬────────────┬─────────┐
//!            │     │ 12:00:01.250 │ 12:00:01.1 │         │     each entry brings its time
//!            └─────┴──────────────┴────────────┴─────────┘
//!   clock           12:00:01.250   12:00:01.250                 which never goes back
//!                  └──────── one batch ────────┘
//!                     values, ends, sessions, "applied 19"  ──▶ engine
//! ```
//!
//! Every replica must come to the same state from the same entries, so nothing else may go in: no clock of its own, no chance,
//! no order of a hash. What is over is over by the state's clock, which is the latest time that an entry has brought; keys
//! are removed by the entries too, a few with each.
//!
//! The position of the last entry stands in the same batch as what it did. So after a crash the engine says itself from where
//! the log has to be applied again, and nothing of the state is written twice: the log may forget what the engine has
//! flushed.

mod apply;
mod layout;
mod overlay;
mod sessions;
mod snapshot;
mod view;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use xs_storage::engine::{Durability, Engine, KeyRange, WriteBatch};

use self::apply::Applying;
use self::layout::{MEMBER, META, Meta, RESTORING, SESSION};
use self::overlay::Overlay;
use self::sessions::Sessions;
pub(crate) use self::snapshot::Snapshot;
use crate::answer::Answer;
use crate::command::{MAX_ANSWERS, Member, Millis, decode};
use crate::wire::Malformed;

pub(crate) use self::view::View;

/// Entries that have written more than this together are given to the engine.
const BATCH: usize = 16 << 20;

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was applied, now or as an earlier copy, and each of its commands answered so.
    Done(Vec<Answer>),
    /// An earlier copy was applied, and its answers were too long to be kept.
    DoneBefore,
    /// It may be a copy of one that was applied long ago: nothing was done.
    TooOld,
}

/// Why a state can't go on. A replica that meets one of these stops: to leave an entry out would make it differ from all
/// others.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// The engine refuses.
    #[error(transparent)]
    Engine(#[from] xs_storage::Error),
    /// An entry, or a record of the state, that this version has not written: update it.
    #[error("the state or the log holds what this version does not know: {0}")]
    Unknown(#[from] Malformed),
    /// A snapshot that can't be made or put in.
    #[error("snapshot: {0}")]
    Snapshot(Arc<io::Error>),
    /// The log went on where the state has been.
    #[error("entry {found} came behind {behind}")]
    Backwards {
        /// The last entry that is in the state.
        behind: u64,
        /// The one that came.
        found: u64,
    },
}

/// The state of one replica.
pub(crate) struct Store {
    engine: Arc<dyn Engine>,
    meta: Meta,
    sessions: Sessions,
    members: BTreeMap<u64, Member>,
    /// The clock, for those who read beside.
    clock: Arc<AtomicU64>,
    /// No key ends before; a hint that may be too early.
    next_end: Option<Millis>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("meta", &self.meta).finish_non_exhaustive()
    }
}

impl Store {
    /// The state in `engine`, or an empty one. What a snapshot was half put in is emptied.
    ///
    /// # Errors
    ///
    /// The engine's, and [`StoreError::Unknown`] for another version's state.
    pub(crate) fn open(engine: Arc<dyn Engine>) -> Result<Store, StoreError> {
        if engine.get(RESTORING)?.is_some() {
            engine.submit(everything_goes(), Durability::Synced)?.wait()?;
        }
        let clock = Arc::new(AtomicU64::new(0));
        let mut store = Store {
            engine,
            meta: Meta::default(),
            sessions: Sessions::default(),
            members: BTreeMap::new(),
            clock,
            next_end: None,
        };
        store.load()?;
        Ok(store)
    }

    /// Reads from the engine what stands in memory, too.
    fn load(&mut self) -> Result<(), StoreError> {
        self.meta = self.engine.get(META)?.map_or(Ok(Meta::default()), Meta::decode)?;
        let view = self.engine.snapshot()?;
        (self.sessions, self.members) = (Sessions::default(), BTreeMap::new());
        let mut cursor = view.cursor(KeyRange::prefix(&[SESSION]))?;
        while cursor.next()? {
            if let Some(name) = layout::session_of(cursor.key()) {
                self.sessions.found(name, Bytes::copy_from_slice(cursor.value()?))?;
            }
        }
        let mut cursor = view.cursor(KeyRange::prefix(&[MEMBER]))?;
        while cursor.next()? {
            if let Some(node) = layout::node_of(cursor.key()) {
                let mut from = crate::wire::Reader::new(Bytes::copy_from_slice(cursor.value()?));
                self.members.insert(node, crate::command::take_member(&mut from)?);
            }
        }
        // Whether there is a key with an end is found out by the first entry.
        self.next_end = Some(0);
        self.clock.store(self.meta.clock, Ordering::Release);
        Ok(())
    }

    /// The last entry that is in the state.
    pub(crate) fn applied(&self) -> u64 {
        self.meta.applied
    }

    /// The state's clock.
    #[cfg(test)]
    pub(crate) fn clock(&self) -> Millis {
        self.meta.clock
    }

    /// No key ends before this moment; `None` while no key has an end. A moment that has passed asks for an entry, even an
    /// empty one.
    pub(crate) fn next_end(&self) -> Option<Millis> {
        self.next_end
    }

    /// What the state knows of the cluster's nodes.
    pub(crate) fn members(&self) -> &BTreeMap<u64, Member> {
        &self.members
    }

    /// Reads the state, from any thread.
    pub(crate) fn view(&self) -> View {
        View::new(self.engine.clone(), self.clock.clone())
    }

    /// The engine that the state stands in.
    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Applies entries in the order of the log, as one batch that ends at `last`: entries that hold no command are left out.
    /// They are visible when this returns, and durable after [`Store::flush`].
    ///
    /// # Errors
    ///
    /// After one the state is as unsure as the engine that refused; open it anew.
    pub(crate) fn apply(
        &mut self,
        entries: impl IntoIterator<Item = (u64, Bytes)>,
        last: u64,
    ) -> Result<Vec<Outcome>, StoreError> {
        let engine = self.engine.clone();
        let mut over = Overlay::new(&*engine);
        let mut outcomes = Vec::new();
        let before = self.meta;
        for (index, bytes) in entries {
            self.goes_on_at(index)?;
            let entry = decode(bytes)?;
            let (meta, members, next_end) = (&mut self.meta, &mut self.members, &mut self.next_end);
            meta.clock = meta.clock.max(entry.at);
            let mut applying = Applying { over: &mut over, meta, members, next_end };
            applying.remove_ended(&entry)?;
            let copy = entry.id.map_or(Ok(None), |id| self.sessions.copy(&id, applying.meta.forgotten))?;
            if let Some(outcome) = copy {
                outcomes.push(outcome);
                continue;
            }
            let (mut answers, mut bytes) = (Vec::with_capacity(entry.ops.len()), 0);
            for op in &entry.ops {
                let mut answer = applying.op(op)?;
                bytes += answer.size();
                if bytes > MAX_ANSWERS {
                    answer = Answer::err("the answers of one transaction are too long; what it writes is written");
                }
                answers.push(answer);
            }
            if let Some(id) = &entry.id
                && let Some(forgotten) = self.sessions.remember(id, index, &answers, &mut over)
            {
                self.meta.forgotten = self.meta.forgotten.max(forgotten);
            }
            outcomes.push(Outcome::Done(answers));
            // Also many small entries may write much: whatever comes in one call, a batch stays one that the engine takes.
            if over.bytes() > BATCH {
                over.put(Bytes::from_static(META), self.meta.encode());
                let full = std::mem::replace(&mut over, Overlay::new(&*engine));
                drop(engine.submit(full.into_batch(), Durability::Buffered)?);
                self.clock.store(self.meta.clock, Ordering::Release);
            }
        }
        if last != self.meta.applied {
            self.goes_on_at(last)?;
        }
        if self.meta != before {
            over.put(Bytes::from_static(META), self.meta.encode());
            drop(engine.submit(over.into_batch(), Durability::Buffered)?);
            // Only now: whoever reads the clock first and a value then never sees the later clock beside the earlier value.
            self.clock.store(self.meta.clock, Ordering::Release);
        }
        Ok(outcomes)
    }

    fn goes_on_at(&mut self, index: u64) -> Result<(), StoreError> {
        let behind = self.meta.applied;
        if index <= behind {
            return Err(StoreError::Backwards { behind, found: index });
        }
        self.meta.applied = index;
        Ok(())
    }

    /// The state of this moment as bytes, which are read while the state goes on.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::of(self.engine.snapshot()?))
    }

    /// Replaces the state by a [`Store::snapshot`] that stands for the log up to `index`. It is durable when this returns; a
    /// crash meanwhile leaves an empty state.
    ///
    /// # Errors
    ///
    /// The engine's, and [`StoreError::Snapshot`] for bytes that are none.
    pub(crate) fn restore(&mut self, index: u64, from: &mut dyn Read) -> Result<(), StoreError> {
        let mut begin = everything_goes();
        begin.put(RESTORING, b"");
        self.engine.submit(begin, Durability::Synced)?.wait()?;
        while let Some(batch) = snapshot::next(from)? {
            drop(self.engine.submit(batch, Durability::Buffered)?);
        }
        let mut meta = self.engine.get(META)?.map_or(Ok(Meta::default()), Meta::decode)?;
        if meta.applied > index {
            return Err(StoreError::Backwards { behind: meta.applied, found: index });
        }
        // Entries that hold no command may stand between.
        meta.applied = index;
        let mut end = WriteBatch::new();
        end.put(META, &meta.encode());
        end.delete(RESTORING);
        self.engine.submit(end, Durability::Synced)?.wait()?;
        self.engine.flush()?;
        self.load()
    }
}

fn everything_goes() -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.delete_range(&[0], &[0xFF]);
    batch
}

#[cfg(test)]
mod tests;
