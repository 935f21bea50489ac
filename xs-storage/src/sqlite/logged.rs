//! The pager over a write-ahead log: opening it, reading and committing through it, and going to it and back.
//!
//! Whoever has the log open keeps the database's file locked to read, so that nobody takes the log away.

use super::header::{self, Header};
use super::journal::JournalMode;
use super::lock::{Level, Locking};
use super::pager::Pager;
use super::synchronous::Synchronous;
use super::wal::{Appending, Checkpoint, Checkpointed, Found, Manner, Sharing, Wal};
use crate::cache::Cache;
use crate::{Error, Result};

impl Pager {
    /// Whether it sees a state of the database that others can't change.
    #[inline]
    pub(super) fn is_locked_to_read(&self) -> bool {
        match &self.wal {
            Some(wal) => wal.is_reading(),
            None => self.lock.level() >= Level::Shared,
        }
    }

    /// Nothing is read any more. With a log, the file stays locked.
    pub(super) fn rest(&mut self) -> Result<()> {
        match &mut self.wal {
            Some(wal) => wal.end_read(),
            None => self.down(Level::None),
        }
    }

    /// Down with the lock of the file, if it is not kept.
    pub(super) fn down(&mut self, to: Level) -> Result<()> {
        if self.locking == Locking::Exclusive {
            self.lock.keep();
        }
        self.lock.down(to)
    }

    /// One at a time changes something. False if another does.
    pub(super) fn try_write(&mut self) -> Result<bool> {
        if self.wal.is_some() && self.locking == Locking::Exclusive {
            if !self.lock.try_exclusive()? {
                self.lock.down(Level::Shared)?;
                return Ok(false);
            }
            self.lock.keep();
        }
        match &mut self.wal {
            Some(wal) => wal.try_begin_write(),
            None => self.lock.try_reserved(),
        }
    }

    /// From now on locks are kept once they are taken, or end with their use. Who has a log without a shared index keeps them.
    pub(super) fn set_locking(&mut self, locking: Locking) -> Result<()> {
        if self.wal.as_ref().is_some_and(|wal| !wal.is_shared()) {
            return Ok(());
        }
        self.locking = locking;
        if locking == Locking::Normal {
            self.lock.keep_not();
        }
        Ok(())
    }

    /// To write, from nothing. False if others are in the way, and then nothing is locked.
    pub(super) fn try_read_and_write(&mut self) -> Result<bool> {
        const TRIES: u32 = 100;
        for _ in 0..TRIES {
            let taken = match self.try_read()? {
                true => self.try_write(),
                false => Ok(false),
            };
            if !matches!(taken, Ok(true)) {
                self.rest()?;
            }
            match taken {
                // Another was faster, and nothing was read yet that would be old now.
                Err(Error::Snapshot { .. }) => {}
                taken => return taken,
            }
        }
        Ok(false)
    }

    /// Opens a log that is there: then it counts, whatever the file says of itself. False if others are at it.
    pub(super) fn find_log(&mut self) -> Result<bool> {
        let path = &self.names.log;
        if !self.vfs.exists(path).map_err(Error::io("open", path))? {
            return Ok(true);
        }
        if !self.file.is_empty().map_err(Error::io("measure", &self.names.database))? {
            return self.open_log();
        }
        // Beside an empty file it is that of another one, which had its name and was removed.
        if !self.read_only {
            self.vfs.remove(path).map_err(Error::io("remove", path))?;
        }
        Ok(true)
    }

    /// False if others are at it.
    pub(super) fn open_log(&mut self) -> Result<bool> {
        let mut sharing = if self.lock.level() == Level::Exclusive { Sharing::Alone } else { Sharing::Shared };
        loop {
            match Wal::open(&self.vfs, &self.file, &self.names, sharing)? {
                Found::Log(wal) => {
                    self.wal = Some(wal);
                    self.logged = None;
                    return Ok(true);
                }
                Found::Busy => return Ok(false),
                Found::Unshared if !self.lock.try_exclusive()? => return Ok(false),
                Found::Unshared => {
                    self.lock.keep();
                    sharing = Sharing::Alone;
                }
            }
        }
    }

    /// Begins to read through the log, and notices what others have written.
    pub(super) fn read_log(&mut self) -> Result<bool> {
        let Some(wal) = &mut self.wal else { return Ok(true) };
        if !wal.try_begin_read()? {
            return Ok(false);
        }
        if self.logged == Some(wal.head) {
            return Ok(true);
        }
        let mut bytes = [0; header::LEN];
        match wal.find(1)? {
            Some(frame) => wal.read(frame, &mut bytes)?,
            None => bytes = super::sharing::read_header(&*self.file, &self.names.database)?,
        }
        let (head, page_size) = (wal.head, wal.page_size());
        let header = Header::parse(&bytes, &self.names.database)?;
        if page_size.is_some_and(|size| size != header.page_size) {
            return Err(Error::corrupt(&self.names.database, 16, "a page size that is not that of the log"));
        }
        let len = match head.pages() {
            0 => self.file.len().map_err(Error::io("measure", &self.names.database))?,
            pages => u64::from(pages) * u64::from(header.page_size),
        };
        let pages = header.page_count(len, &self.names.database)?;
        self.version = None;
        self.reset(header, pages);
        self.logged = Some(head);
        Ok(true)
    }

    /// Writes changed pages to the log before their transaction has ended.
    pub(super) fn spill_to_log(&mut self) -> Result<()> {
        self.append(None)
    }

    fn append(&mut self, commit: Option<u32>) -> Result<()> {
        let Some(wal) = &mut self.wal else { return Ok(()) };
        let level = self.synchronous;
        let manner = Appending {
            rng: &mut self.rng,
            syncs_header: level > Synchronous::Off,
            is_durable: commit.is_some() && level >= Synchronous::Full,
            limit: self.journal_limit,
        };
        wal.append(&self.dirty.in_order(), self.header.page_size, commit, manner)?;
        for (id, page) in self.dirty.drain() {
            self.clean.insert(id, page);
        }
        Ok(())
    }

    /// Commits to the log. The header's page is only part of it if it says something new.
    pub(super) fn commit_to_log(&mut self, is_header_new: bool) -> Result<()> {
        let pages = self.pages;
        if is_header_new || self.dirty.is_empty() || self.dirty.get(1).is_some() {
            self.header.count_change(pages);
            let header = self.header.clone();
            header.write(self.edit(1)?);
        }
        self.append(Some(pages))?;
        self.writing = None;
        self.logged = self.wal.as_ref().map(|wal| wal.head);
        self.unlock()?;
        self.checkpoint_if_long()
    }

    /// A log that is long enough goes to the database, as far as readers let it.
    fn checkpoint_if_long(&mut self) -> Result<()> {
        let frames = self.wal.as_ref().map_or(0, |wal| wal.head.last());
        let is_long = self.autocheckpoint.is_some_and(|most| frames >= most.get());
        if is_long && !self.is_locked_to_read() {
            // What was committed is committed. A disk that fails now will fail who reads it, or checkpoints next.
            let _ = self.checkpoint_now(Checkpoint::Passive, false);
        }
        Ok(())
    }

    fn checkpoint_now(&mut self, mode: Checkpoint, waits: bool) -> Result<Checkpointed> {
        let Some(wal) = &mut self.wal else {
            return Err(Error::Invalid("there is no write-ahead log".to_owned()));
        };
        let busy = self.busy.as_ref().filter(|_| waits);
        let syncs = self.synchronous > Synchronous::Off;
        let done = wal.checkpoint(mode, Manner { busy, syncs, rng: &mut self.rng });
        if let Err(error @ Error::Stopped { .. }) = &done {
            self.stopped = Some(error.clone());
        }
        done
    }

    /// Copies pages from the log to the database. None if there is no log.
    pub(super) fn checkpoint(&mut self, mode: Checkpoint) -> Result<Option<Checkpointed>> {
        if self.reading || self.writing.is_some() {
            return Err(Error::Invalid("a transaction is under way already".to_owned()));
        }
        if self.wal.is_none() {
            return Ok(None);
        }
        self.rest()?;
        self.checkpoint_now(mode, true).map(Some)
    }

    /// Undoes what a transaction has written to the log.
    pub(super) fn undo_log(&mut self) -> Result<()> {
        self.wal.as_mut().map_or(Ok(()), |wal| wal.undo())
    }

    /// From the rollback journal to a log, or back.
    pub(super) fn set_journal_mode(&mut self, mode: JournalMode) -> Result<()> {
        if self.writing.is_some() || self.reading {
            return match mode == self.journal_mode() {
                true => Ok(()),
                // It would change how the transaction ends that is under way.
                false if mode != JournalMode::Wal && self.wal.is_none() => {
                    self.mode = mode;
                    Ok(())
                }
                false => {
                    let way = if mode == JournalMode::Wal { "into" } else { "out of" };
                    Err(Error::Invalid(format!("cannot change {way} wal mode from within a transaction")))
                }
            };
        }
        if self.wal.is_none() && mode != JournalMode::Wal {
            // Which of the others is nobody else's business.
            self.mode = mode;
            return Ok(());
        }
        self.read()?;
        match (self.wal.is_some(), mode) {
            (true, JournalMode::Wal) => self.rest(),
            (false, JournalMode::Wal) => self.enter_log(),
            (false, _) => self.rest(),
            (true, _) => {
                self.leave_log()?;
                self.mode = mode;
                Ok(())
            }
        }
    }

    /// How transactions end.
    pub(super) fn journal_mode(&self) -> JournalMode {
        if self.wal.is_some() { JournalMode::Wal } else { self.mode }
    }

    /// The file says that it has a log, in a transaction of the old kind; then the log is made.
    fn enter_log(&mut self) -> Result<()> {
        self.rest()?;
        self.begin_anyhow()?;
        if self.wal.is_some() {
            return self.roll_back();
        }
        (self.header.write_version, self.header.read_version) = (2, 2);
        if let Err(error) = self.commit() {
            self.roll_back()?;
            return Err(error);
        }
        // A lock that is kept anyway says nothing of the log.
        if self.lock.level() >= Level::Shared {
            self.prepare()?;
        }
        self.read()?;
        self.rest()
    }

    /// Everything goes to the database, the log is removed, and the file says that it has none. Nobody else may have it open.
    fn leave_log(&mut self) -> Result<()> {
        self.rest()?;
        if !self.lock.try_exclusive()? {
            self.lock.down(Level::Shared)?;
            return Err(Error::Locked { path: self.names.database.clone() });
        }
        if let Err(error) = self.close_log() {
            self.lock.down(Level::Shared)?;
            return Err(error);
        }
        self.load()?;
        // A transaction within reading keeps the locks that are there.
        self.reading = true;
        let left = self.begin_anyhow().and_then(|()| {
            (self.header.write_version, self.header.read_version) = (1, 1);
            self.commit()
        });
        if left.is_err() {
            self.roll_back()?;
        }
        self.end_read()?;
        left
    }

    /// Copies all of the log, and removes it. The database's file is this handle's alone.
    fn close_log(&mut self) -> Result<()> {
        let done = self.checkpoint_now(Checkpoint::Passive, false)?;
        if done.busy || done.frames != done.backfilled {
            return Err(Error::Locked { path: self.names.database.clone() });
        }
        self.logged = None;
        match self.wal.take() {
            Some(wal) => wal.remove(),
            None => Ok(()),
        }
    }

    /// The last one who has the log open takes it away.
    fn end_log(&mut self) -> Result<()> {
        if self.wal.is_none() || self.stopped.is_some() {
            return Ok(());
        }
        self.undo_log()?;
        if let Some(wal) = &mut self.wal {
            wal.end_write()?;
            wal.end_read()?;
        }
        if !self.read_only && self.lock.try_exclusive()? { self.close_log() } else { Ok(()) }
    }
}

impl Drop for Pager {
    /// Whatever fails: the journal or the log is there, and the next one reads it.
    fn drop(&mut self) {
        if self.stopped.is_none() {
            let _ = self.roll_back();
        }
        let _ = self.end_log();
    }
}
