//! Beginning to read: a state that is committed, and a mark that keeps it in the log.

use std::thread;
use std::time::Duration;

use xs_os::vfs::RangeLock;

use super::index::{READERS, UNUSED};
use super::share::Slots;
use super::{Wal, format};
use crate::sqlite::header::is_page_size;
use crate::{Error, Result};

/// Others change the index for moments only: after so many looks something else is wrong.
const TRIES: u32 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Done,
    /// Something has changed meanwhile.
    Again,
    /// Somebody makes the index.
    Busy,
}

fn pause(tries: u32) {
    if tries > 4 {
        thread::park_timeout(Duration::from_micros(u64::from(tries * tries) * 5));
    }
}

impl Wal {
    /// Whether it has begun to read.
    pub(in crate::sqlite) fn is_reading(&self) -> bool {
        self.reader.is_some()
    }

    /// Begins to read what was committed last. False if others are in the way.
    pub(in crate::sqlite) fn try_begin_read(&mut self) -> Result<bool> {
        if self.reader.is_some() {
            return Ok(true);
        }
        for tries in 0..TRIES {
            match self.attempt(false)? {
                Attempt::Done => return Ok(true),
                Attempt::Again => pause(tries),
                Attempt::Busy => return Ok(false),
            }
        }
        Ok(false)
    }

    /// From the database alone to a mark of the log, for who is about to write to it.
    pub(super) fn leave_database(&mut self) -> Result<()> {
        self.end_read()?;
        for tries in 0..TRIES {
            match self.attempt(true)? {
                Attempt::Done => return Ok(()),
                Attempt::Again | Attempt::Busy => pause(tries),
            }
        }
        Err(Error::Locked { path: self.path.clone() })
    }

    pub(in crate::sqlite) fn end_read(&mut self) -> Result<()> {
        match self.reader.take() {
            Some(reader) => self.unlock(Slots::Reader(reader)),
            None => Ok(()),
        }
    }

    /// Takes over the header of the index, if it is whole.
    fn take_head(&mut self) -> Result<bool> {
        let Some(head) = self.index.head()? else { return Ok(false) };
        if head.version() != format::VERSION {
            return Err(Error::NewerFormat { path: self.path.clone(), found: head.version(), known: format::VERSION });
        }
        if head != self.head {
            // No frame is looked for that the log is too short for.
            let len = self.file.len().map_err(Error::io("measure", &self.path))?;
            if head.last() > 0 && !is_page_size(head.page_size()) || head.pages() > u32::MAX - 2 {
                return Ok(false);
            }
            if head.last() > 0 && format::place(head.last().saturating_add(1), head.page_size()) > len {
                return Ok(false);
            }
            self.index.forget_noted();
            self.head = head;
        }
        Ok(true)
    }

    /// The header of the index as it is now; if it makes no sense, the index is made anew. False if others are at that.
    pub(super) fn refresh(&mut self) -> Result<bool> {
        if self.take_head()? {
            return Ok(true);
        }
        let had_lock = self.is_writing;
        if !had_lock && !self.lock(Slots::Write, RangeLock::Exclusive)? {
            return Ok(false);
        }
        self.is_writing = true;
        let ready = match self.take_head() {
            Ok(false) => self.recover(),
            taken => taken,
        };
        if !had_lock {
            self.end_write()?;
        }
        ready
    }

    /// `known`: the header that is known already counts, and the log is read even if all of it is in the database.
    fn attempt(&mut self, known: bool) -> Result<Attempt> {
        if !known && !self.refresh()? {
            // Whoever writes the header will be done soon; who makes the index, perhaps not.
            if !self.lock(Slots::Recover, RangeLock::Shared)? {
                return Ok(Attempt::Busy);
            }
            self.unlock(Slots::Recover)?;
            return Ok(Attempt::Again);
        }
        let last = self.head.last();
        if !known && self.index.backfilled()? == last && self.lock(Slots::Reader(0), RangeLock::Shared)? {
            return self.settle(0, None);
        }
        let (mut mark, mut reader) = (0, 0);
        for nth in 1..READERS {
            let found = self.index.mark(nth)?;
            if mark <= found && found <= last {
                (mark, reader) = (found, nth);
            }
        }
        if mark < last || reader == 0 {
            for nth in 1..READERS {
                if self.lock(Slots::Reader(nth), RangeLock::Exclusive)? {
                    self.index.set_mark(nth, last)?;
                    self.unlock(Slots::Reader(nth))?;
                    (mark, reader) = (last, nth);
                    break;
                }
            }
        }
        if reader == 0 || !self.lock(Slots::Reader(reader), RangeLock::Shared)? {
            return Ok(Attempt::Again);
        }
        self.settle(reader, Some(mark))
    }

    /// The lock is there. Is what it was taken for still so?
    fn settle(&mut self, reader: usize, mark: Option<u32>) -> Result<Attempt> {
        let first = self.index.backfilled()?.saturating_add(1);
        let still = match mark {
            Some(mark) => self.index.mark(reader)? == mark && mark != UNUSED,
            None => true,
        };
        if still && self.index.is_head(&self.head)? {
            (self.reader, self.first) = (Some(reader), first);
            return Ok(Attempt::Done);
        }
        self.unlock(Slots::Reader(reader))?;
        Ok(Attempt::Again)
    }
}
