//! Garbage: the versions that nobody can see any more, found along the trail of commits, or by a sweep.
//!
//! ```text
//!   horizon 6:   a@9  a@5  a@2  a@1     kept: what is newer, and the newest of the others
//!                ────  ───  ✗    ✗
//!                b@4 (removed)  b@3     a removal that is the newest of the others says nothing: it goes as well,
//!                ✗              ✗       after all that it hides
//! ```
//!
//! The order inside a key matters, since a batch is bounded: a removal that went before what it hides would, between two
//! batches, bring the hidden version back.

use std::collections::BTreeSet;

use super::history::History;
use super::{Inner, Mvcc, encoding, versions};
use crate::engine::{Cursor, Durability, KeyRange, WriteBatch};
use crate::{Error, Result};

/// So many versions are removed in one batch.
const BATCH: usize = 256;

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// Keys that were looked at.
    pub keys: u64,
    /// Versions that were removed.
    pub versions: u64,
    /// Whether there is more that could be collected now.
    pub more: bool,
}

impl Mvcc {
    /// Follows the trail of commits that nobody reads behind any more, and removes what they made invisible: at least
    /// `keys` keys, and no more than the commit in which the limit falls has. With [`Options::jobs`](super::Options::jobs)
    /// this is called in the background.
    ///
    /// # Errors
    ///
    /// The engine's. What was not removed is found by [`Mvcc::sweep`], or when its key is written again.
    pub fn collect(&self, keys: usize) -> Result<Collected> {
        self.inner.collect(keys)
    }

    /// Looks at every key of the store, and removes what nobody can see: for what the trail lost, in a crash, or for want
    /// of room. [`Stats::untrailed`](super::Stats::untrailed) says whether there was any.
    ///
    /// `progress` is told after each batch how many keys were looked at, and ends the sweep by answering false.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub fn sweep(&self, progress: &mut dyn FnMut(u64) -> bool) -> Result<Collected> {
        self.inner.sweep(progress)
    }
}

impl Inner {
    pub(super) fn collect(&self, keys: usize) -> Result<Collected> {
        let _alone = self.collecting.lock();
        let (mut done, mut trail) = (Collected::default(), Vec::new());
        let mut state = self.state.lock();
        let horizon = state.raise_horizon(self.options.keep);
        while (done.keys as usize) < keys.max(1)
            && let Some(footprint) = state.history.pop_until(horizon)
        {
            done.keys += footprint.keys.len() as u64;
            trail.push(footprint);
        }
        // Lost if this fails, which is for a sweep to mend.
        state.untrailed += done.keys;
        drop(state);
        let mut garbage = Garbage::new(self, horizon);
        // A key that was written by many commits is looked at once.
        let mut cursor = self.engine.cursor(encoding::range(&KeyRange::all()))?;
        for key in trail.iter().flat_map(|footprint| &footprint.keys).collect::<BTreeSet<_>>() {
            garbage.key(&mut *cursor, key)?;
        }
        drop(cursor);
        garbage.flush()?;
        done.versions = garbage.removed;
        let mut state = self.state.lock();
        state.collected += done.versions;
        state.untrailed -= done.keys;
        let horizon = state.raise_horizon(self.options.keep);
        done.more = state.history.is_due(horizon);
        Ok(done)
    }

    fn sweep(&self, progress: &mut dyn FnMut(u64) -> bool) -> Result<Collected> {
        let _alone = self.collecting.lock();
        let mut state = self.state.lock();
        let (horizon, untrailed) = (state.raise_horizon(self.options.keep), state.untrailed);
        drop(state);
        let mut garbage = Garbage::new(self, horizon);
        let mut done = Collected::default();
        let mut cursor = self.engine.cursor(encoding::range(&KeyRange::all()))?;
        let mut stem = Vec::new();
        let mut on = cursor.next()?;
        while on {
            let version = versions::version(cursor.key())?;
            if version.stem != stem {
                garbage.end_of_key()?;
                stem.clear();
                stem.extend_from_slice(version.stem);
                done.keys += 1;
                if done.keys.is_multiple_of(BATCH as u64) {
                    done.more = !progress(done.keys);
                    if done.more {
                        break;
                    }
                }
            }
            garbage.version(cursor.key())?;
            on = cursor.next()?;
        }
        garbage.end_of_key()?;
        garbage.flush()?;
        done.versions = garbage.removed;
        let mut state = self.state.lock();
        state.collected += done.versions;
        if !done.more {
            state.untrailed = state.untrailed.saturating_sub(untrailed);
        }
        Ok(done)
    }
}

/// Tells garbage from what is seen, in the order in which versions lie, and removes it.
struct Garbage<'a> {
    inner: &'a Inner,
    horizon: u64,
    batch: WriteBatch,
    /// The newest version of this key within the horizon was passed: whatever follows is hidden.
    hidden: bool,
    /// It was a removal, which goes when all that it hides has gone.
    removal: Option<Vec<u8>>,
    removed: u64,
}

impl<'a> Garbage<'a> {
    fn new(inner: &'a Inner, horizon: u64) -> Self {
        Garbage { inner, horizon, batch: WriteBatch::new(), hidden: false, removal: None, removed: 0 }
    }

    fn key(&mut self, cursor: &mut dyn Cursor, key: &[u8]) -> Result<()> {
        let mut target = encoding::stem(key);
        let stem = target.len();
        encoding::put_at(&mut target, self.horizon);
        let mut on = cursor.seek(&target)?;
        while on && cursor.key().starts_with(&target[..stem]) {
            self.version(cursor.key())?;
            on = cursor.next()?;
        }
        self.end_of_key()
    }

    fn version(&mut self, physical: &[u8]) -> Result<()> {
        let version = versions::version(physical)?;
        if self.hidden {
            return self.remove(physical);
        }
        if version.at <= self.horizon {
            self.hidden = true;
            if version.kind == encoding::Kind::Removed {
                self.removal = Some(physical.to_vec());
            }
        }
        Ok(())
    }

    fn end_of_key(&mut self) -> Result<()> {
        self.hidden = false;
        match self.removal.take() {
            Some(physical) => self.remove(&physical),
            None => Ok(()),
        }
    }

    fn remove(&mut self, physical: &[u8]) -> Result<()> {
        self.batch.delete(physical);
        self.removed += 1;
        if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    /// Submits what is to go, and with it the word that history begins later now.
    fn flush(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.put(&encoding::HORIZON, &self.horizon.to_le_bytes());
        // Nobody waits for it: what a crash brings back is garbage again.
        drop(self.inner.engine.submit(batch, Durability::Buffered)?);
        Ok(())
    }
}

/// Whether the background has enough to do for being woken.
pub(super) fn worthwhile(history: &History, horizon: u64) -> bool {
    history.keys() >= BATCH && history.is_due(horizon)
}

/// One step in the background.
pub(super) fn step(inner: &Inner) -> xs_os::Progress {
    match inner.collect(BATCH) {
        Ok(Collected { more: true, .. }) => xs_os::Progress::Busy,
        Ok(_) => xs_os::Progress::Idle,
        Err(error) => {
            inner.state.lock().failed_collections += 1;
            // An engine that has stopped takes nothing more; others may be better next time.
            if matches!(error, Error::Stopped { .. }) { xs_os::Progress::Done } else { xs_os::Progress::Idle }
        }
    }
}
