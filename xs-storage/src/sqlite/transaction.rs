//! Transactions: changed pages in memory, what they were in the journal, and one moment in which they count.

use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::Vfs;

use super::header::Header;
use super::journal::{self, Journal};
use super::lock::{Level, wait};
use super::node::{Kind, PageId};
use super::pager::{Page, Pager};
use super::savepoint::{Kept, Savepoints, State};
use super::synchronous::Synchronous;
use crate::bits::Bits;
use crate::cache::Cache;
use crate::{Error, Result};

/// What a transaction that writes has under way.
#[derive(Debug)]
pub(super) struct Writing {
    /// The database before.
    before: Header,
    pages_before: u32,
    /// From the first change of a page on.
    journal: Option<Journal>,
    /// Where the journal is.
    disk: Arc<dyn Vfs>,
    /// The pages that the journal has.
    kept: Bits,
    /// Whether the file itself may have changed.
    spilled: bool,
    /// The last page that was written to the file.
    longest: u32,
    savepoints: Savepoints,
    /// What went wrong in the middle of a change: all that is left is to go back.
    failed: Option<Error>,
    /// That the file has everything, and all that is left is to end the journal, or to go back.
    prepared: bool,
}

fn outside<T>() -> Result<T> {
    Err(Error::Invalid("a change outside of a transaction".to_owned()))
}

impl Pager {
    /// Begins to change trees.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.begin_anyhow()?;
        if !self.header.is_auto_vacuum() {
            return Ok(());
        }
        self.writing = None;
        self.unlock()?;
        let what = "the database has auto-vacuum, which is read only here: vacuum it with auto_vacuum=none";
        Err(Error::Invalid(what.to_owned()))
    }

    /// Begins to change whatever does not need auto-vacuum's maps to be kept.
    pub(super) fn begin_anyhow(&mut self) -> Result<()> {
        if let Some(error) = &self.stopped {
            return Err(error.clone());
        }
        if self.writing.is_some() {
            return Err(Error::Invalid("a transaction is under way already".to_owned()));
        }
        if self.reading {
            // Who waited here, still reading, for one who waits until nobody reads, would wait for ever.
            if !self.try_write()? {
                return Err(Error::Locked { path: self.names.database.clone() });
            }
        } else {
            self.end_read()?;
            let (busy, names) = (self.busy.clone(), self.names.clone());
            wait(busy.as_ref(), &names.database, || self.try_read_and_write())?;
        }
        if self.header.write_version > 2 {
            self.unlock()?;
            return Err(Error::ReadOnly { path: self.names.database.clone() });
        }
        self.writing = Some(Writing {
            before: self.header.clone(),
            pages_before: self.pages,
            journal: None,
            disk: journal::disk_of(self.mode, &self.vfs, &self.names.database)?,
            kept: Bits::default(),
            spilled: false,
            longest: 0,
            savepoints: Savepoints::default(),
            failed: None,
            prepared: false,
        });
        if self.pages == 0 {
            self.pages = 1;
            let mut page = self.blank();
            super::cells::write(&mut page.bytes, 1, Kind::TableLeaf, self.shape, &[], 0);
            self.dirty.insert(1, Arc::new(page));
        }
        Ok(())
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Whether a transaction is under way that has changed something.
    pub(super) fn has_changes(&self) -> bool {
        let is_changed = |writing: &Writing| !self.dirty.is_empty() || writing.spilled || self.header != writing.before;
        self.writing.as_ref().is_some_and(is_changed)
    }

    /// Whether a change may begin.
    pub(super) fn check_writing(&self) -> Result<()> {
        match (&self.stopped, &self.writing) {
            (Some(error), _) | (None, Some(Writing { failed: Some(error), .. })) => Err(error.clone()),
            (None, None) => outside(),
            (None, Some(Writing { prepared: true, .. })) => {
                Err(Error::Invalid("a change in a transaction that is about to be committed".to_owned()))
            }
            (None, Some(_)) => Ok(()),
        }
    }

    /// Notes that a change went wrong half-way. The transaction can only be rolled back.
    pub(super) fn fail(&mut self, error: Error) -> Error {
        if let Some(writing) = &mut self.writing {
            writing.failed.get_or_insert_with(|| error.clone().stopped());
        }
        error
    }

    /// A page is about to change: the journal gets what it was before the transaction, and the innermost savepoint what it is.
    pub(super) fn keep(&mut self, id: PageId, page: &Arc<Page>) -> Result<()> {
        let Some(writing) = &mut self.writing else { return outside() };
        let is_needed = writing.savepoints.need(id);
        if self.wal.is_none() && id <= writing.pages_before && writing.kept.insert(id) {
            let journal = match &mut writing.journal {
                Some(journal) => journal,
                None => {
                    // Not one that the disk could have from an earlier journal in this place.
                    let (nonce, spare) = (self.rng.next_u64() as u32, std::mem::take(&mut self.spare));
                    let (pages, page_size) = (writing.pages_before, self.shape.page_size);
                    let journal = Journal::begin(&*writing.disk, &self.names, pages, page_size, nonce, spare)?;
                    writing.journal.insert(journal)
                }
            };
            let at = journal.keep(id, &page.bytes)?;
            if is_needed {
                writing.savepoints.keep_in_journal(id, at);
            }
            return Ok(());
        }
        if is_needed {
            let most = self.most_dirty;
            writing.savepoints.keep(&*self.vfs, &self.names.database, id, page.clone(), most)?;
        }
        Ok(())
    }

    /// Whether a page that was changed already must be kept once more.
    pub(super) fn is_to_keep(&self, id: PageId) -> bool {
        self.writing.as_ref().is_some_and(|writing| writing.savepoints.need(id))
    }

    /// Writes changed pages to the file before their transaction has ended: there are more than memory is for. While others
    /// read, memory has to do.
    pub(super) fn spill(&mut self) -> Result<()> {
        if self.wal.is_some() {
            if let Some(writing) = &mut self.writing {
                writing.spilled = true;
            }
            return self.spill_to_log();
        }
        if !self.lock.try_exclusive()? {
            return Ok(());
        }
        self.sync_journal(true, None)?;
        self.write_dirty()
    }

    /// Nothing may be written to the file before the journal is durable, and names the database's length at least.
    fn sync_journal(&mut self, more: bool, super_journal: Option<&Path>) -> Result<()> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        if writing.journal.is_none() {
            let nonce = self.rng.next_u64() as u32;
            let (pages, page_size) = (writing.pages_before, self.shape.page_size);
            let spare = std::mem::take(&mut self.spare);
            writing.journal = Some(Journal::begin(&*writing.disk, &self.names, pages, page_size, nonce, spare)?);
        }
        if let Some(journal) = &mut writing.journal {
            match super_journal {
                None => journal.sync(&*writing.disk, self.synchronous, more)?,
                Some(name) => journal.sync_with(&*writing.disk, self.synchronous, name)?,
            }
        }
        Ok(())
    }

    fn write_dirty(&mut self) -> Result<()> {
        let pages = self.dirty.in_order();
        if let Some(writing) = &mut self.writing {
            writing.spilled = true;
            writing.longest = writing.longest.max(pages.last().map_or(0, |(id, _)| *id));
        }
        for (id, page) in pages {
            let offset = u64::from(id - 1) * self.shape.page_size as u64;
            self.file.write_all_at(&page.bytes, offset).map_err(Error::io("write", &self.names.database))?;
        }
        for (id, page) in self.dirty.drain() {
            self.clean.insert(id, page);
        }
        Ok(())
    }

    /// Makes the transaction's changes durable, all of them. While others read, it waits, and may have to be tried again. After
    /// another error it can only be rolled back.
    pub(super) fn commit(&mut self) -> Result<()> {
        if self.writing.as_ref().is_some_and(|writing| writing.prepared) {
            return self.end_journal();
        }
        self.check_writing()?;
        let Some(writing) = &self.writing else { return Ok(()) };
        if self.dirty.is_empty() && !writing.spilled && self.header == writing.before {
            self.writing = None;
            return self.unlock();
        }
        if self.wal.is_some() {
            let is_header_new = self.header != writing.before || self.pages != writing.pages_before;
            return self.commit_to_log(is_header_new).map_err(|error| self.fail(error));
        }
        self.lock_to_commit()?;
        self.write_commit(None).and_then(|()| self.end_overwriting()).map_err(|error| self.fail(error))
    }

    /// Waits until nobody else reads, if something is to be written to the file.
    pub(super) fn lock_to_commit(&mut self) -> Result<()> {
        if self.wal.is_some() || !self.has_changes() {
            return Ok(());
        }
        let (busy, lock) = (self.busy.clone(), &mut self.lock);
        wait(busy.as_ref(), &self.names.database, || lock.try_exclusive())
    }

    /// Does all of a commit but its last step, as part of a transaction over several databases if they have a super-journal.
    pub(super) fn prepare_commit(&mut self, super_journal: Option<&Path>) -> Result<()> {
        self.check_writing()?;
        if self.wal.is_some() || !self.has_changes() {
            return Ok(());
        }
        let written = self.write_commit(super_journal).and_then(|()| self.sync_file());
        written.map_err(|error| self.fail(error))?;
        if let Some(writing) = &mut self.writing {
            writing.prepared = true;
        }
        Ok(())
    }

    fn write_commit(&mut self, super_journal: Option<&Path>) -> Result<()> {
        let pages = self.pages;
        self.header.count_change(pages);
        let header = self.header.clone();
        header.write(self.edit(1)?);
        self.sync_journal(false, super_journal)?;
        self.write_dirty()?;
        // What was written early, and then undone to a savepoint.
        if self.writing.as_ref().is_some_and(|writing| writing.longest > pages) {
            let len = u64::from(pages) * self.shape.page_size as u64;
            self.file.set_len(len).map_err(Error::io("cut", &self.names.database))?;
        }
        Ok(())
    }

    /// The journal has what it needs: the file itself may change from here on.
    pub(super) fn begin_overwriting(&mut self) -> Result<()> {
        self.sync_journal(false, None)?;
        if let Some(writing) = &mut self.writing {
            writing.spilled = true;
        }
        Ok(())
    }

    /// The file has everything: the transaction is committed when the journal has ended.
    pub(super) fn end_overwriting(&mut self) -> Result<()> {
        self.sync_file()?;
        self.end_journal()
    }

    fn sync_file(&self) -> Result<()> {
        match self.synchronous {
            Synchronous::Off => Ok(()),
            _ => self.file.sync().map_err(Error::io("sync", &self.names.database)),
        }
    }

    fn end_journal(&mut self) -> Result<()> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        self.version = Some(self.header.version());
        if let Some(journal) = writing.journal {
            journal
                .end_within(&*writing.disk, self.mode, self.synchronous, self.journal_limit)
                .map_err(|error| self.stop(error))?;
            self.spare = journal.into_spare();
        }
        self.unlock()
    }

    /// The journal may be there or not: only a recovery can tell which of two states the database is in.
    fn stop(&mut self, error: Error) -> Error {
        self.stopped = Some(error.clone().stopped());
        // Let another handle be the one that does it.
        self.logged = None;
        self.wal = None;
        let _ = self.lock.down(Level::None);
        error
    }

    /// Undoes the transaction.
    pub(super) fn roll_back(&mut self) -> Result<()> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        self.moved();
        self.dirty.clear();
        self.header = writing.before;
        self.pages = writing.pages_before;
        if writing.spilled {
            self.clean.clear();
        }
        self.undo_log().map_err(|error| self.stop(error))?;
        if let Some(journal) = writing.journal {
            let undone = match writing.spilled {
                true => {
                    drop(journal);
                    journal::roll_back(&*writing.disk, &self.names, &*self.file, self.mode)
                }
                false => journal.end(&*writing.disk, self.mode, self.synchronous),
            };
            undone.map_err(|error| self.stop(error))?;
        }
        self.unlock()
    }

    /// Opens a savepoint, and says its number: how many are open now.
    pub(super) fn savepoint(&mut self) -> Result<usize> {
        self.check_writing()?;
        let Some(writing) = &mut self.writing else { return outside() };
        writing.savepoints.open(self.header.clone(), self.pages);
        Ok(writing.savepoints.len())
    }

    /// Ends a savepoint and those inside it. What was changed stays.
    pub(super) fn release(&mut self, nth: usize) -> Result<()> {
        self.check_writing()?;
        match self.writing.as_mut().is_some_and(|writing| writing.savepoints.release(nth)) {
            true => Ok(()),
            false => Err(Error::Invalid(format!("there is no savepoint {nth}"))),
        }
    }

    /// Undoes what was changed since a savepoint, which stays open.
    pub(super) fn roll_back_to(&mut self, nth: usize) -> Result<()> {
        if let Some(error) = &self.stopped {
            return Err(error.clone());
        }
        let Some(writing) = &mut self.writing else { return outside() };
        // A change that met something corrupt half-way is undone as any other. What the disk has not done is another matter.
        if let Some(Error::Stopped { reason }) = &writing.failed
            && matches!(**reason, Error::Io { .. } | Error::ReadOnly { .. })
        {
            return self.check_writing();
        }
        let Some(state) = writing.savepoints.back_to(nth) else {
            return Err(Error::Invalid(format!("there is no savepoint {nth}")));
        };
        writing.failed = None;
        self.restore(state).map_err(|error| self.fail(error))
    }

    fn restore(&mut self, state: State) -> Result<()> {
        self.moved();
        for id in state.pages.saturating_add(1)..=self.pages {
            self.dirty.remove(id);
            self.clean.remove(&id);
        }
        (self.header, self.pages) = (state.header, state.pages);
        for (id, kept) in state.kept {
            let Some(writing) = &mut self.writing else { return outside() };
            let page = match kept {
                Kept::Memory(page) => page,
                Kept::Journal(at) => {
                    let mut page = self.blank();
                    if let Some(journal) = self.writing.as_mut().and_then(|writing| writing.journal.as_mut()) {
                        journal.read(at, &mut page.bytes)?;
                    }
                    Arc::new(page)
                }
                Kept::File(at) => {
                    let mut bytes = vec![0; self.shape.page_size].into_boxed_slice();
                    writing.savepoints.read(&self.names.database, at, &mut bytes)?;
                    Arc::new(Page::new(bytes))
                }
            };
            self.clean.remove(&id);
            self.dirty.insert(id, page);
            if self.dirty.len() > self.most_dirty {
                self.spill()?;
            }
        }
        Ok(())
    }
}
