//! Checkpoints: the tree as it was at one moment, made durable in the file in small steps while writing goes on.
//!
//! ```text
//!   begin   under the writer's lock: note root, free list and the pages that are not in the file; the next epoch begins
//!   write   pages into places that no durable checkpoint refers to, some at a time
//!   end     sync; write the older of the two headers; sync; give back what only the last checkpoint needed, some at
//!           a time; cut the file if its end is free; cut the front of the log
//! ```

use std::sync::atomic::Ordering;

use super::header::Header;
use super::pack::Quiet;
use super::page::{HEADER, NONE, Page, PageId, PageMut, RUN};
use super::store::{Store, checksum, label, run_pages};
use super::write::{Left, Writer};
use crate::log::Index;
use crate::{Error, Result};

/// Bytes that one step writes.
const STEP: usize = 1 << 20;

/// Bytes written after which a sync is due, so that the last one is short, and nobody waits long for it.
const UNSYNCED: usize = 16 << 20;

/// Pages that are given back before a writer has its turn.
const FREED: usize = 1 << 10;

/// Where a checkpoint stands.
#[derive(Debug, Default)]
pub(super) struct Checkpoint {
    running: Option<Running>,
    pub(super) quiet: Quiet,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Running {
    header: Header,
    /// What is still to be written. None of it is given away before the checkpoint is durable.
    pages: std::vec::IntoIter<PageId>,
    /// The free list: nobody finds it in the page table.
    run: Option<(PageId, Page)>,
    /// Bytes written since the last sync.
    unsynced: usize,
}

/// How urgent a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Not at all.
    None,
    /// It should be going on.
    Some,
    /// Writers do a step of it each.
    Much,
    /// Nobody writes before it is done.
    All,
}

impl Store {
    /// How urgent a checkpoint is, after `logged` bytes since the last one began.
    pub(super) fn need(&self, logged: u64) -> Need {
        let (log, dirty) = (self.options.log_bytes, self.table.dirty());
        let part = |of: u64, n: u64| self.table.budget() / of * n;
        match () {
            () if logged > 2 * log || dirty > part(16, 15) => Need::All,
            () if logged > log + log / 2 || dirty > part(16, 14) => Need::Much,
            () if logged > log || dirty > part(16, 12) => Need::Some,
            () => Need::None,
        }
    }

    /// Makes everything that was published so far durable in the pages.
    pub(super) fn run_checkpoint(&self) -> Result<()> {
        let mut checkpoint = self.checkpoint.lock();
        // One that is under way does not hold what was written since it began.
        self.finish_running(&mut checkpoint)?;
        self.pack_unwritten()?;
        let mut writer = self.writer.lock();
        self.fold(&mut writer)?;
        self.begin(&mut checkpoint, &mut writer)?;
        drop(writer);
        self.finish_running(&mut checkpoint)
    }

    /// Does the rest of a checkpoint that is under way.
    pub(super) fn finish_running(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        while checkpoint.running.is_some() {
            self.step(checkpoint)?;
        }
        Ok(())
    }

    /// A step of a writer who helps: it writes pages, but does not sync, which may take long.
    pub(super) fn help(&self, checkpoint: &mut Checkpoint) {
        if checkpoint.running.as_ref().is_none_or(|running| running.pages.len() > 0 && running.unsynced < UNSYNCED) {
            // A failure stops the store, and whoever writes next is told.
            let _ = self.checkpoint_step(checkpoint);
        }
    }

    /// A step of the job. True if there is more to do.
    pub(super) fn checkpoint_step(&self, checkpoint: &mut Checkpoint) -> Result<bool> {
        self.check_running()?;
        if checkpoint.running.is_none() {
            let mut writer = self.writer.lock();
            if writer.fold.is_some() {
                self.fold_step(&mut writer)?;
                return Ok(true);
            }
            if self.need(writer.logged) != Need::None {
                drop(writer);
                self.pack_unwritten()?;
                writer = self.writer.lock();
            } else if !self.pack_quietly(checkpoint, &mut writer)? {
                return Ok(false);
            }
            self.begin(checkpoint, &mut writer)?;
        } else {
            self.step(checkpoint)?;
        }
        Ok(true)
    }

    /// Notes what is to be written. Nothing happens if nothing changed.
    fn begin(&self, checkpoint: &mut Checkpoint, writer: &mut Writer) -> Result<()> {
        self.check_running()?;
        writer.sweep(self);
        if writer.is_checkpointed() {
            return Ok(());
        }
        let version = self.version.load();
        let epoch = writer.epoch;
        writer.hold_left();
        // What will be free if this is the state that the store is opened with.
        let mut space = writer.space.clone();
        writer.all_left().for_each(|left| space.give(left.id, left.pages));
        let old_run = writer.free_run.take();
        if let Some((id, pages)) = old_run {
            space.give(id, pages);
            writer.free(self, Left { id, pages, born: 0, needs: epoch });
        }
        let mut free = space.encode();
        let mut free_run = None;
        if !free.is_empty() {
            // The list's own place must not be on it: taken from the real one first, then listed again. That can make
            // the list a little longer; its place has room for that.
            let pages = run_pages(free.len() as u64 + 32, self.page_size);
            let id = writer.space.take(pages).ok_or_else(|| self.corrupt(NONE, "page numbers have run out"))?;
            space.claim(id, pages);
            free = space.encode();
            free_run = Some((id, pages));
        }
        writer.free_run = free_run;
        self.end.fetch_max(writer.space.end(), Ordering::AcqRel);
        let dirty = std::mem::take(&mut writer.dirty);
        let mut pages = Vec::with_capacity(dirty.len() as usize + 1);
        pages.extend(dirty.iter());
        let run = free_run.map(|(id, _)| {
            let mut page = PageMut::zeroed(HEADER + free.len(), version.seq);
            page.edit(|bytes| {
                bytes[4] = RUN;
                label(bytes, id, epoch);
                bytes[24..32].copy_from_slice(&(free.len() as u64).to_le_bytes());
                bytes[HEADER..].copy_from_slice(&free);
            });
            pages.insert(pages.partition_point(|other| *other < id), id);
            (id, page.freeze())
        });
        let header = Header {
            page_size: self.page_size as u32,
            epoch,
            log: writer.next,
            entries: version.entries,
            root: version.root,
            end: space.cut_end(),
            free: free_run.map_or(NONE, |(id, _)| id),
            free_len: free.len() as u64,
        };
        writer.epoch += 1;
        writer.logged = 0;
        writer.checkpointed = writer.next;
        checkpoint.running = Some(Running { header, pages: pages.into_iter(), run, unsynced: 0 });
        Ok(())
    }

    fn step(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        let Checkpoint { running: Some(running), buffer, .. } = checkpoint else { return Ok(()) };
        let done = if running.unsynced >= UNSYNCED {
            running.unsynced = 0;
            self.sync().map(|()| false)
        } else if running.pages.len() > 0 {
            self.write_on(running, buffer).map(|()| false)
        } else {
            self.seal(&running.header).and_then(|()| self.end(&running.header)).map(|()| true)
        };
        match done {
            Ok(true) => checkpoint.running = None,
            Ok(false) => {}
            Err(error) => {
                checkpoint.running = None;
                return Err(self.stop(error));
            }
        }
        Ok(())
    }

    /// A whole checkpoint while nobody else writes: what was published and not logged is durable before anything can be
    /// logged that builds on it. Both headers say so in the end: the one before would fit the log as well, and without
    /// this a damaged header would undo what no log has.
    pub(super) fn checkpoint_alone(&self, checkpoint: &mut Checkpoint, writer: &mut Writer) -> Result<()> {
        self.begin(checkpoint, writer)?;
        let Checkpoint { running: Some(running), buffer, .. } = checkpoint else { return Ok(()) };
        let mut all = || {
            while running.pages.len() > 0 {
                self.write_on(running, buffer)?;
            }
            self.seal(&running.header)?;
            running.header.epoch += 1;
            self.write_header(&running.header)?;
            writer.epoch += 1;
            writer.made_durable(running.header.epoch);
            while writer.free_some(self, FREED) {}
            self.cut(writer)?;
            self.trim(&running.header)
        };
        let done = all().map_err(|error| self.stop(error));
        checkpoint.running = None;
        done
    }

    /// Writes some pages of a checkpoint. They can be read from the file from now on, and so be forgotten.
    fn write_on(&self, running: &mut Running, buffer: &mut Vec<u8>) -> Result<()> {
        let (mut some, mut bytes) = (Vec::with_capacity(STEP / self.page_size), 0);
        while bytes < STEP
            && let Some(id) = running.pages.next()
        {
            let run = running.run.take_if(|(run, _)| *run == id).map(|(_, page)| page);
            if let Some(page) = run.or_else(|| self.table.peek(id)) {
                bytes += page.bytes().len();
                some.push((id, page));
            }
        }
        self.write_all(&some, buffer)?;
        some.iter().for_each(|(_, page)| self.table.set_clean(page));
        running.unsynced += bytes;
        Ok(())
    }

    /// Writes pages, in the order of their numbers, those that follow each other in the file at once.
    pub(super) fn write_all(&self, pages: &[(PageId, Page)], buffer: &mut Vec<u8>) -> Result<()> {
        self.confirm()?;
        let mut done = 0;
        while done < pages.len() {
            let first = pages[done].0;
            let mut next = first;
            buffer.clear();
            while let Some((id, page)) = pages.get(done)
                && *id == next
                && (buffer.is_empty() || buffer.len() + page.bytes().len() <= STEP)
            {
                let at = buffer.len();
                buffer.extend_from_slice(page.bytes());
                let crc = checksum(&buffer[at..]);
                buffer[at..at + 4].copy_from_slice(&crc.to_le_bytes());
                self.table.set_written(*id, crc);
                let pages = page.bytes().len().div_ceil(self.page_size);
                buffer.resize(at + pages * self.page_size, 0);
                next += pages as u32;
                done += 1;
            }
            self.write_pages(first, buffer)?;
        }
        if buffer.capacity() > 2 * STEP {
            *buffer = Vec::new();
        }
        Ok(())
    }

    /// Makes sure of the header that the store was opened with, before anything is written over.
    fn confirm(&self) -> Result<()> {
        let mut unconfirmed = self.unconfirmed.lock();
        if let Some(header) = &*unconfirmed {
            header.write(&*self.file).map_err(Error::io("write", &self.path))?;
            self.sync()?;
        }
        *unconfirmed = None;
        Ok(())
    }

    /// Writes whole pages to their place.
    fn write_pages(&self, first: PageId, bytes: &[u8]) -> Result<()> {
        self.counters.page_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let offset = u64::from(first) * self.page_size as u64;
        self.file.write_all_at(bytes, offset).map_err(Error::io("write", &self.path))
    }

    /// Makes the pages durable, and then the header that refers to them.
    fn seal(&self, header: &Header) -> Result<()> {
        // The header says from which entry on the log is to be applied. If that one and those before it were not durable,
        // the log would give their numbers away again after a crash, and the new ones would never be applied.
        self.log.sync()?;
        self.sync()?;
        self.write_header(header)
    }

    fn write_header(&self, header: &Header) -> Result<()> {
        header.write(&*self.file).map_err(Error::io("write", &self.path))?;
        self.counters.page_bytes.fetch_add(128, Ordering::Relaxed);
        self.sync()
    }

    /// Gives back what nobody needs after the header is durable: some pages at a time, as writers wait meanwhile.
    fn end(&self, header: &Header) -> Result<()> {
        self.writer.lock().made_durable(header.epoch);
        while self.writer.lock().free_some(self, FREED) {}
        self.cut(&mut self.writer.lock())?;
        self.trim(header)
    }

    /// Cuts free pages off the end. Under the writer's lock, so that no page behind the end is being made.
    fn cut(&self, writer: &mut Writer) -> Result<()> {
        writer.sweep(self);
        let end = writer.space.cut();
        let len = (u64::from(end) * self.page_size as u64).max(super::header::AREA);
        if self.file.len().map_err(Error::io("measure", &self.path))? > len {
            self.file.set_len(len).map_err(Error::io("cut", &self.path))?;
        }
        Ok(())
    }

    /// Lets the log go that the header makes superfluous, and what is too much in memory.
    fn trim(&self, header: &Header) -> Result<()> {
        self.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        self.log.trim_to(Index(header.log))?;
        if self.table.is_over() {
            self.table.evict(self.end.load(Ordering::Acquire));
        }
        Ok(())
    }
}
