//! Checkpoints: pages from the log to the database.

use std::collections::BTreeMap;

use xs_os::Rng;
use xs_os::vfs::RangeLock;

use super::super::header::lock_page;
use super::super::lock::{BusyTimeout, wait};
use super::Wal;
use super::index::{READERS, UNUSED};
use super::share::Slots;
use crate::{Error, Result};

/// How far a checkpoint goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checkpoint {
    /// As far as it can, without waiting for anybody.
    #[default]
    Passive,
    /// Waits for who writes, and for readers of older states, and copies everything.
    Full,
    /// Likewise, and waits until nobody reads the log: the next writer begins it anew.
    Restart,
    /// Likewise, and cuts it to nothing.
    Truncate,
}

/// What a checkpoint has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpointed {
    /// Whether others were in the way.
    pub busy: bool,
    /// Frames of the log; none if nobody could look.
    pub frames: Option<u32>,
    /// How many of them are in the database.
    pub backfilled: Option<u32>,
}

/// How it is done.
#[derive(Debug)]
pub(in crate::sqlite) struct Manner<'a> {
    pub(in crate::sqlite) busy: Option<&'a BusyTimeout>,
    pub(in crate::sqlite) syncs: bool,
    pub(in crate::sqlite) rng: &'a mut Rng,
}

impl Wal {
    /// Copies pages to the database. This connection neither reads nor writes.
    pub(in crate::sqlite) fn checkpoint(&mut self, mode: Checkpoint, mut manner: Manner<'_>) -> Result<Checkpointed> {
        let nothing = Checkpointed { busy: true, frames: None, backfilled: None };
        if !self.lock(Slots::Checkpoint, RangeLock::Exclusive)? {
            return Ok(nothing);
        }
        self.is_checkpointing = true;
        let done = self.checkpoint_locked(mode, &mut manner);
        self.is_checkpointing = false;
        let ended = self.end_write();
        self.unlock(Slots::Checkpoint)?;
        ended?;
        let busy = done?;
        let (frames, backfilled) = (self.head.last(), self.index.backfilled()?);
        Ok(busy.map_or(nothing, |busy| Checkpointed { busy, frames: Some(frames), backfilled: Some(backfilled) }))
    }

    /// Whether somebody was in the way; none if nothing could be done at all.
    fn checkpoint_locked(&mut self, asked: Checkpoint, manner: &mut Manner<'_>) -> Result<Option<bool>> {
        let mut mode = asked;
        if asked > Checkpoint::Passive {
            match self.wait_for(Slots::Write, manner)? {
                true => self.is_writing = true,
                false => mode = Checkpoint::Passive,
            }
        }
        if !self.refresh()? {
            return Ok(None);
        }
        let mut waits = mode > Checkpoint::Passive;
        let last = self.head.last();
        let mut safe = last;
        for reader in 1..READERS {
            let mark = self.index.mark(reader)?;
            if safe <= mark {
                continue;
            }
            if self.lock_reader(reader, waits, manner)? {
                self.index.set_mark(reader, if reader == 1 { safe } else { UNUSED })?;
                self.unlock(Slots::Reader(reader))?;
            } else {
                (safe, waits) = (mark, false);
            }
        }
        if self.index.backfilled()? < safe && self.lock_reader(0, waits, manner)? {
            let copied = self.copy(safe, manner.syncs);
            self.unlock(Slots::Reader(0))?;
            copied?;
        }
        let mut busy = mode != asked;
        if mode > Checkpoint::Passive && self.index.backfilled()? < last {
            busy = true;
        } else if mode >= Checkpoint::Restart {
            busy |= !self.wait_for(Slots::Readers, manner)?;
            if !busy {
                let cut = self.cut(mode, manner);
                self.unlock(Slots::Readers)?;
                cut?;
            }
        }
        Ok(Some(busy))
    }

    fn cut(&mut self, mode: Checkpoint, manner: &mut Manner<'_>) -> Result<()> {
        if mode < Checkpoint::Truncate {
            return Ok(());
        }
        self.restart(manner.rng)?;
        self.file.set_len(0).map_err(Error::io("cut", &self.path))
    }

    fn wait_for(&self, slots: Slots, manner: &Manner<'_>) -> Result<bool> {
        match wait(manner.busy, &self.path, || self.lock(slots, RangeLock::Exclusive)) {
            Err(Error::Locked { .. }) => Ok(false),
            done => done.map(|()| true),
        }
    }

    fn lock_reader(&self, reader: usize, waits: bool, manner: &Manner<'_>) -> Result<bool> {
        match waits {
            true => self.wait_for(Slots::Reader(reader), manner),
            false => self.lock(Slots::Reader(reader), RangeLock::Exclusive),
        }
    }

    /// Copies the newest bytes of each page up to a frame. Nobody reads the database without the log.
    fn copy(&mut self, safe: u32, syncs: bool) -> Result<()> {
        let (page_size, pages) = (self.head.page_size(), self.head.pages());
        self.index.set_attempted(safe)?;
        if syncs {
            // What a failed sync has lost it has lost, and nobody would be told again.
            self.sync().map_err(Error::stopped)?;
        }
        let mut newest = BTreeMap::new();
        let first = self.index.backfilled()?.saturating_add(1);
        self.index.pages(first, safe, &mut |frame, id| {
            newest.insert(id, frame);
        })?;
        let path = self.names.database.clone();
        let mut page = vec![0; page_size as usize];
        for (id, frame) in newest {
            if id == 0 || id > pages || id == lock_page(page_size) {
                continue;
            }
            self.read(frame, &mut page)?;
            let at = u64::from(id - 1) * u64::from(page_size);
            self.database.write_all_at(&page, at).map_err(Error::io("write", &path))?;
        }
        if self.index.is_head(&self.head)? && safe == self.head.last() {
            let len = u64::from(pages) * u64::from(page_size);
            self.database.set_len(len).map_err(Error::io("cut", &path))?;
        }
        if syncs {
            self.database.sync().map_err(Error::io("sync", &path))?;
        }
        self.index.set_backfilled(safe)
    }
}
