//! Writing to the log: frames behind the last, or from its start if nobody needs what is there.

use xs_os::Rng;
use xs_os::vfs::RangeLock;

use super::super::pager::Page;
use super::format::{BIG_ENDIAN, FRAME, Frame, LogHeader, place};
use super::index::{READERS, UNUSED};
use super::share::Slots;
use super::{PageId, Wal};
use crate::{Error, Result};

/// Frames are gathered up to so many bytes before they are written.
const GATHER: usize = 256 << 10;

/// How frames are appended.
#[derive(Debug)]
pub(in crate::sqlite) struct Appending<'a> {
    pub(in crate::sqlite) rng: &'a mut Rng,
    /// Whether a log that begins anew is synced first.
    pub(in crate::sqlite) syncs_header: bool,
    /// Whether what is appended is synced before it counts.
    pub(in crate::sqlite) is_durable: bool,
    /// What a log that has begun anew keeps of the file at most, in bytes, if it does not need more.
    pub(in crate::sqlite) limit: Option<u64>,
}

impl Wal {
    /// Begins to write, from reading. False if another does.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] if another has written since reading began.
    pub(in crate::sqlite) fn try_begin_write(&mut self) -> Result<bool> {
        if self.is_writing {
            return Ok(true);
        }
        if !self.lock(Slots::Write, RangeLock::Exclusive)? {
            return Ok(false);
        }
        self.is_writing = true;
        match self.index.is_head(&self.head) {
            Ok(true) => Ok(true),
            stale => {
                self.end_write()?;
                stale?;
                Err(Error::Snapshot { path: self.names.database.clone() })
            }
        }
    }

    pub(in crate::sqlite) fn end_write(&mut self) -> Result<()> {
        match std::mem::take(&mut self.is_writing) {
            true => self.unlock(Slots::Write),
            false => Ok(()),
        }
    }

    /// Forgets the frames that were written and not committed.
    pub(in crate::sqlite) fn undo(&mut self) -> Result<()> {
        if !self.is_writing || self.index.is_head(&self.head)? {
            return Ok(());
        }
        match self.index.head()? {
            Some(head) => {
                self.head = head;
                self.index.forget_behind(head.last())
            }
            None => Err(self.corrupt(0, "an index that makes no sense")),
        }
    }

    /// Appends changed pages. With `commit` the last ends the transaction, and says how many pages the database has then.
    pub(in crate::sqlite) fn append(
        &mut self,
        pages: &[(PageId, &Page)],
        page_size: u32,
        commit: Option<u32>,
        manner: Appending<'_>,
    ) -> Result<()> {
        self.restart_if_idle(manner.rng)?;
        if self.head.last() == 0 {
            self.begin_log(page_size, manner.rng, manner.syncs_header)?;
        }
        let (first, salt) = (self.head.last(), self.head.salt());
        let (mut sum, mut last) = (self.head.sum(), first);
        let mut gathered = std::mem::take(&mut self.gathered);
        gathered.clear();
        let mut at = place(first.saturating_add(1), page_size);
        for (nth, (id, page)) in pages.iter().enumerate() {
            let commit = commit.filter(|_| nth + 1 == pages.len()).unwrap_or(0);
            let frame = Frame { id: *id, commit };
            let (start, after) = frame.bytes(self.head.is_big_endian(), salt, sum, &page.bytes);
            sum = after;
            gathered.reserve(start.len() + page.bytes.len());
            gathered.extend_from_slice(&start);
            gathered.extend_from_slice(&page.bytes);
            last = last.checked_add(1).filter(|last| *last < UNUSED - FRAME as u32).ok_or(Error::TooLarge {
                what: "write-ahead log",
                len: last.into(),
                limit: UNUSED.into(),
            })?;
            if gathered.len() >= GATHER || nth + 1 == pages.len() {
                self.file.write_all_at(&gathered, at).map_err(Error::io("write", &self.path))?;
                at += gathered.len() as u64;
                gathered.clear();
            }
        }
        self.gathered = gathered;
        if manner.is_durable {
            self.sync()?;
        }
        if let Some(limit) = manner.limit.filter(|_| commit.is_some() && self.has_begun) {
            self.cut_to(limit.max(at))?;
        }
        for (nth, (id, _)) in (1..).zip(pages) {
            let frame = first + nth;
            if !self.index.append(frame, *id, self.head.last())? {
                return Err(self.corrupt(frame, "an index that makes no sense"));
            }
            // So that a further one forgets nothing of these.
            self.head.set_last(frame);
        }
        self.head.set_last(last);
        self.head.set_sum(sum);
        if let Some(pages) = commit {
            self.has_begun = false;
            self.head.count_change();
            self.head.set_pages(pages);
            self.head = self.head.sealed();
            self.index.set_head(&self.head)?;
        }
        Ok(())
    }

    /// What an earlier log has left behind this one goes, if it is too much.
    fn cut_to(&self, len: u64) -> Result<()> {
        if self.file.len().map_err(Error::io("measure", &self.path))? > len {
            self.file.set_len(len).map_err(Error::io("cut", &self.path))?;
        }
        Ok(())
    }

    /// A log that has no frames: its header, with a salt that no earlier one had.
    fn begin_log(&mut self, page_size: u32, rng: &mut Rng, syncs: bool) -> Result<()> {
        let salt = match self.checkpoints {
            0 => rng.next_u64().to_be_bytes(),
            _ => self.head.salt(),
        };
        let (header, bytes) = LogHeader::new(page_size, self.checkpoints, salt);
        self.file.write_all_at(&bytes, 0).map_err(Error::io("write", &self.path))?;
        if syncs {
            // Otherwise old frames could be found behind a header that is older than they are.
            self.sync()?;
        }
        self.has_begun = true;
        self.head.set_form(BIG_ENDIAN, page_size);
        self.head.set_salt(salt);
        self.head.set_sum(header.sum);
        Ok(())
    }

    /// Everything is in the database already, and this connection reads that: the log begins anew, unless somebody reads it.
    fn restart_if_idle(&mut self, rng: &mut Rng) -> Result<()> {
        if self.reader != Some(0) {
            return Ok(());
        }
        if self.index.backfilled()? > 0 && self.lock(Slots::Readers, RangeLock::Exclusive)? {
            let begun = self.restart(rng);
            self.unlock(Slots::Readers)?;
            begun?;
        }
        self.leave_database()
    }

    /// The log begins anew with what is written next. Nobody reads it.
    pub(super) fn restart(&mut self, rng: &mut Rng) -> Result<()> {
        self.index.forget_noted();
        self.checkpoints = self.checkpoints.wrapping_add(1);
        let [a, b, c, d, ..] = self.head.salt();
        let [a, b, c, d] = u32::from_be_bytes([a, b, c, d]).wrapping_add(1).to_be_bytes();
        let [e, f, g, h] = (rng.next_u64() as u32).to_be_bytes();
        self.head.set_salt([a, b, c, d, e, f, g, h]);
        self.head.set_last(0);
        self.head = self.head.sealed();
        self.index.set_head(&self.head)?;
        self.index.set_backfilled(0)?;
        self.index.set_attempted(0)?;
        self.index.set_mark(1, 0)?;
        (2..READERS).try_for_each(|reader| self.index.set_mark(reader, UNUSED))
    }
}
