//! The index, made from the log.

use xs_os::vfs::RangeLock;

use super::format::{FRAME, Frame, HEADER, LogHeader, place};
use super::head::Head;
use super::index::{READERS, UNUSED};
use super::share::Slots;
use super::{PageId, Wal};
use crate::{Error, Result};

impl Wal {
    /// Reads the log from its start and makes the index. Who calls has the lock to write. False if a checkpoint is under way.
    pub(super) fn recover(&mut self) -> Result<bool> {
        let slots = if self.is_checkpointing { Slots::Recover } else { Slots::CheckpointAndRecover };
        if !self.lock(slots, RangeLock::Exclusive)? {
            return Ok(false);
        }
        let done = self.read_all();
        self.unlock(slots)?;
        done.map(|()| true)
    }

    fn read_all(&mut self) -> Result<()> {
        let mut head = Head::default();
        let mut pages = Vec::new();
        let len = self.file.len().map_err(Error::io("measure", &self.path))?;
        if let Some(header) = self.log_header(len)? {
            self.checkpoints = header.checkpoints;
            head.set_form(header.big_endian, header.page_size);
            head.set_salt(header.salt);
            self.read_frames(&header, len, &mut head, &mut pages)?;
        }
        let head = head.sealed();
        // What stands behind the last commit was never committed.
        pages.truncate(head.last() as usize);
        if !self.index.rebuild(&pages)? {
            return Err(Error::corrupt(&self.path, 0, "a log that can't be indexed"));
        }
        self.index.forget_behind(head.last())?;
        self.head = head;
        self.index.set_head(&head)?;
        self.index.set_backfilled(0)?;
        self.index.set_attempted(head.last())?;
        self.index.set_mark(0, 0)?;
        for reader in 1..READERS {
            // One that is locked is in use, and right.
            if self.lock(Slots::Reader(reader), RangeLock::Exclusive)? {
                let mark = if reader == 1 && head.last() > 0 { head.last() } else { UNUSED };
                self.index.set_mark(reader, mark)?;
                self.unlock(Slots::Reader(reader))?;
            }
        }
        Ok(())
    }

    fn log_header(&self, len: u64) -> Result<Option<LogHeader>> {
        let mut bytes = [0; HEADER];
        if len <= HEADER as u64 {
            return Ok(None);
        }
        match self.file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            done => {
                done.map_err(Error::io("read", &self.path))?;
                LogHeader::parse(&bytes, &self.path)
            }
        }
    }

    /// Every frame up to the first that does not go on from those in front of it.
    fn read_frames(&self, header: &LogHeader, len: u64, head: &mut Head, pages: &mut Vec<PageId>) -> Result<()> {
        let mut bytes = vec![0; FRAME + header.page_size as usize];
        let mut sum = header.sum;
        head.set_sum(sum);
        for frame in 1..u32::MAX {
            let at = place(frame, header.page_size);
            if at + bytes.len() as u64 > len {
                break;
            }
            match self.file.read_exact_at(&mut bytes, at) {
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
                done => done.map_err(Error::io("read", &self.path))?,
            }
            let Some((start, page)) = bytes.split_first_chunk::<FRAME>() else { break };
            let Some((read, after)) = Frame::parse(start, page, header.big_endian, header.salt, sum) else { break };
            sum = after;
            pages.push(read.id);
            if read.commit != 0 {
                head.set_last(frame);
                head.set_pages(read.commit);
                head.set_sum(sum);
            }
        }
        Ok(())
    }
}
