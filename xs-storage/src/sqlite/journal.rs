//! The rollback journal: what pages were before a transaction changed them, in a file beside the database.
//!
//! ```text
//!   │ magic │ records │ nonce │ pages before │ sector │ page size │ zeros to the sector's end │
//!     8       4         4       4              4        4
//!   │ page number │ the page as it was │ checksum │  … as many as the header says, then perhaps another header
//! ```

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::{File, MemoryVfs, Open, Vfs, parent};

use super::header::{is_page_size, lock_page};
use super::names::Names;
use super::node::{PageId, get_u32, put_u32};
use super::super_journal;
use super::synchronous::Synchronous;
use crate::{Error, Result};

pub(super) const MAGIC: [u8; 8] = [0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7];
/// What of a header means something.
const HEADER: usize = 28;
/// Headers begin on a sector, so that writing one tears nothing else. SQLite takes 512 where disks write so many at once.
const SECTOR: usize = 512;
/// Records are gathered up to so many bytes before they are written.
const GATHER: usize = 64 << 10;

/// How a transaction ends its journal. The moment in which it does is the moment of the commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JournalMode {
    /// Removes the file.
    #[default]
    Delete,
    /// Cuts it to no bytes: cheaper where names are dear.
    Truncate,
    /// Writes zeros over its header: cheaper where lengths are dear.
    Persist,
    /// Keeps it in memory: a program that dies in the middle of a transaction may leave a database that is corrupt.
    Memory,
    /// Has no rollback journal: changed pages go to a write-ahead log, and their last frame is the commit. The database's file says
    /// so, and whoever opens it does the same.
    Wal,
}

/// The sum over every two hundredth byte from the end, which tells a record that was written from one that was not.
fn checksum(nonce: u32, page: &[u8]) -> u32 {
    let places = (1..).map(|nth| 200 * nth).take_while(|back| *back < page.len());
    places.fold(nonce, |sum, back| sum.wrapping_add(page[page.len() - back].into()))
}

/// Where the journal of a transaction stands.
pub(super) fn disk_of(mode: JournalMode, disk: &Arc<dyn Vfs>, database: &Path) -> Result<Arc<dyn Vfs>> {
    if mode != JournalMode::Memory {
        return Ok(disk.clone());
    }
    let memory = MemoryVfs::new();
    memory.create_dir(parent(database)).map_err(Error::io("create", parent(database)))?;
    Ok(Arc::new(memory))
}

/// The journal of a transaction that is under way.
#[derive(Debug)]
pub(super) struct Journal {
    file: Arc<dyn File>,
    names: Arc<Names>,
    nonce: u32,
    /// Pages of the database before.
    pages: u32,
    page_size: usize,
    /// Where the current header stands.
    header: u64,
    /// Records behind it, and where the next goes.
    records: u32,
    end: u64,
    /// Records that are not in the file yet.
    gathered: Vec<u8>,
    /// Whether the file was not there before.
    is_new: bool,
    /// Whether the file's name is known to be durable.
    named: bool,
    /// Whether it ends with the name of a super-journal.
    of_several: bool,
}

impl Journal {
    /// `gathered` is room for records that an earlier journal has left.
    pub(super) fn begin(
        vfs: &dyn Vfs,
        names: &Arc<Names>,
        pages: u32,
        page_size: usize,
        nonce: u32,
        mut gathered: Vec<u8>,
    ) -> Result<Self> {
        let path = &names.journal;
        let (file, is_new) = match vfs.open(path, Open::New) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                (vfs.open(path, Open::Create).map_err(Error::io("open", path))?, false)
            }
            opened => (opened.map_err(Error::io("open", path))?, true),
        };
        gathered.clear();
        let mut journal = Journal {
            file,
            names: names.clone(),
            nonce,
            pages,
            page_size,
            header: 0,
            records: 0,
            end: 0,
            gathered,
            is_new,
            named: false,
            of_several: false,
        };
        journal.write_header();
        Ok(journal)
    }

    /// A header on the next sector. It has no name and counts no records until they are durable: what stands behind it may be
    /// an earlier transaction's.
    fn write_header(&mut self) {
        self.header = self.end.next_multiple_of(SECTOR as u64);
        let mut header = [0; SECTOR];
        put_u32(&mut header, 12, self.nonce);
        put_u32(&mut header, 16, self.pages);
        put_u32(&mut header, 20, SECTOR as u32);
        put_u32(&mut header, 24, self.page_size as u32);
        self.gathered.extend_from_slice(&header);
        (self.records, self.end) = (0, self.header);
    }

    /// Keeps a page as it was. Says where its bytes stand.
    pub(super) fn keep(&mut self, id: PageId, page: &[u8]) -> Result<u64> {
        let at = self.end + self.gathered.len() as u64 + 4;
        self.gathered.reserve(page.len() + 8);
        self.gathered.extend_from_slice(&id.to_be_bytes());
        self.gathered.extend_from_slice(page);
        self.gathered.extend_from_slice(&checksum(self.nonce, page).to_be_bytes());
        self.records += 1;
        if self.gathered.len() >= GATHER {
            self.flush()?;
        }
        Ok(at)
    }

    /// Reads the bytes of a page that is kept.
    pub(super) fn read(&mut self, at: u64, page: &mut [u8]) -> Result<()> {
        self.flush()?;
        self.file.read_exact_at(page, at).map_err(Error::io("read", &self.names.journal))
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_all_at(&self.gathered, self.end).map_err(Error::io("write", &self.names.journal))?;
        self.end += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    fn sync_file(&self) -> Result<()> {
        self.file.sync().map_err(Error::io("sync", &self.names.journal))
    }

    /// Makes durable what is kept: the records, then the header that counts them, then the name. Until this returns, the
    /// database's file must not change. With `more`, what is kept from now on stands behind a header of its own: the
    /// number in the one that is durable is not touched again.
    pub(super) fn sync(&mut self, vfs: &dyn Vfs, level: Synchronous, more: bool) -> Result<()> {
        self.flush()?;
        self.sync_flushed(vfs, level, more)
    }

    /// The same at the end of a transaction that others are part of: the journal ends with the name of what they have in common.
    pub(super) fn sync_with(&mut self, vfs: &dyn Vfs, level: Synchronous, super_journal: &Path) -> Result<()> {
        self.flush()?;
        let at = self.end.next_multiple_of(SECTOR as u64);
        let tail = super_journal::tail(super_journal, self.page_size)?;
        self.file.write_all_at(&tail, at).map_err(Error::io("write", &self.names.journal))?;
        // It is found from the end.
        (self.end, self.of_several) = (at + tail.len() as u64, true);
        self.file.set_len(self.end).map_err(Error::io("cut", &self.names.journal))?;
        self.sync_flushed(vfs, level, false)
    }

    fn sync_flushed(&mut self, vfs: &dyn Vfs, level: Synchronous, more: bool) -> Result<()> {
        // A journal that is kept has what earlier transactions wrote: their next header would be taken for one of this one.
        if !self.is_new {
            let next = self.end.next_multiple_of(SECTOR as u64);
            let mut stale = [0; 8];
            if read(&*self.file, &self.names.journal, &mut stale, next)? && stale == MAGIC {
                self.file.write_all_at(&[0], next).map_err(Error::io("write", &self.names.journal))?;
            }
        }
        // Without it, the checksums have to tell a record that is there from one that is not.
        if level >= Synchronous::Full {
            self.sync_file()?;
        }
        let mut named = [0; 12];
        named[..8].copy_from_slice(&MAGIC);
        put_u32(&mut named, 8, self.records);
        self.file.write_all_at(&named, self.header).map_err(Error::io("write", &self.names.journal))?;
        if level == Synchronous::Off {
            if more {
                self.write_header();
            }
            return Ok(());
        }
        self.sync_file()?;
        if !self.named {
            vfs.sync_dir(&self.names.dir).map_err(Error::io("sync", &self.names.dir))?;
            self.named = true;
        }
        if more {
            self.write_header();
        }
        Ok(())
    }

    /// Ends it, and keeps so many bytes of it at most.
    pub(super) fn end_within(
        &self,
        vfs: &dyn Vfs,
        mode: JournalMode,
        level: Synchronous,
        limit: Option<u64>,
    ) -> Result<()> {
        self.end(vfs, mode, level)?;
        match limit.filter(|_| mode == JournalMode::Persist) {
            Some(limit) if self.file.len().map_err(Error::io("measure", &self.names.journal))? > limit => {
                self.file.set_len(limit).map_err(Error::io("cut", &self.names.journal))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn end(&self, vfs: &dyn Vfs, mode: JournalMode, level: Synchronous) -> Result<()> {
        end(vfs, &*self.file, &self.names, without_tail(mode, self.of_several), level)
    }

    /// Room for the records of the next one.
    pub(super) fn into_spare(self) -> Vec<u8> {
        self.gathered
    }
}

/// A journal that names a super-journal is not kept: a shorter one in its place would end with that name as well, and be taken
/// for one that was committed.
fn without_tail(mode: JournalMode, of_several: bool) -> JournalMode {
    if of_several && mode == JournalMode::Persist { JournalMode::Truncate } else { mode }
}

/// Ends a journal for good: from here on nobody plays it back.
fn end(vfs: &dyn Vfs, file: &dyn File, names: &Names, mode: JournalMode, level: Synchronous) -> Result<()> {
    let (is_durable, path) = (level >= Synchronous::Full, &names.journal);
    match mode {
        JournalMode::Delete | JournalMode::Memory | JournalMode::Wal => {
            vfs.remove(path).map_err(Error::io("remove", path))?;
            if level >= Synchronous::Extra {
                vfs.sync_dir(&names.dir).map_err(Error::io("sync", &names.dir))?;
            }
            return Ok(());
        }
        JournalMode::Truncate => file.set_len(0).map_err(Error::io("cut", path))?,
        JournalMode::Persist => file.write_all_at(&[0; HEADER], 0).map_err(Error::io("write", path))?,
    }
    if is_durable { file.sync().map_err(Error::io("sync", path)) } else { Ok(()) }
}

/// Reads as much as there is.
pub(super) fn read(file: &dyn File, path: &Path, buf: &mut [u8], at: u64) -> Result<bool> {
    match file.read_exact_at(buf, at) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        done => done.map(|()| true).map_err(Error::io("read", path)),
    }
}

/// Whether a transaction was cut off: there is a journal, and it was not ended.
pub(super) fn is_hot(vfs: &dyn Vfs, names: &Names) -> Result<bool> {
    let path = &names.journal;
    // To ask is cheaper than to open in vain.
    if !vfs.exists(path).map_err(Error::io("open", path))? {
        return Ok(false);
    }
    let file = match vfs.open(path, Open::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        opened => opened.map_err(Error::io("open", path))?,
    };
    let mut first = [0];
    Ok(read(&*file, path, &mut first, 0)? && first[0] != 0)
}

/// Puts the database back to what it was before the transaction whose journal is there, durably, and ends the journal.
pub(super) fn roll_back(vfs: &dyn Vfs, names: &Names, into: &dyn File, mode: JournalMode) -> Result<()> {
    let (path, database) = (&names.journal, &names.database);
    let journal = vfs.open(path, Open::Write).map_err(Error::io("open", path))?;
    // A journal beside an empty file is that of another one, which had its name and was removed.
    let is_empty = into.is_empty().map_err(Error::io("measure", database))?;
    let super_journal = super_journal::named_by(&*journal, path)?;
    if !is_empty && !super_journal::is_gone(vfs, super_journal.as_deref())? {
        let played = play(&*journal, path, into, database)?;
        if played {
            into.sync().map_err(Error::io("sync", database))?;
        }
    }
    end(vfs, &*journal, names, without_tail(mode, super_journal.is_some()), Synchronous::Extra)?;
    super_journal.map_or(Ok(()), |name| super_journal::remove_if_unused(vfs, &name))
}

/// Writes back each page that the journal has, the first time that it has it. Answers whether the database was touched.
fn play(journal: &dyn File, path: &Path, into: &dyn File, database: &Path) -> Result<bool> {
    let len = journal.len().map_err(Error::io("measure", path))?;
    let (mut at, mut sector) = (0_u64, SECTOR as u64);
    let mut page = Vec::new();
    let mut seen = HashSet::new();
    let (mut pages, mut touched) = (0, false);
    loop {
        let mut header = [0; HEADER];
        if at + sector > len || !read(journal, path, &mut header, at)? || header[..8] != MAGIC {
            return Ok(touched);
        }
        let (records, nonce) = (get_u32(&header, 8), get_u32(&header, 12));
        if at == 0 {
            let (sector_size, page_size) = (get_u32(&header, 20), get_u32(&header, 24));
            // What has no sense was never synced, and then the database was not changed either.
            if !(sector_size.is_power_of_two() && (32..=65536).contains(&sector_size) && is_page_size(page_size)) {
                return Ok(false);
            }
            (sector, pages) = (sector_size.into(), get_u32(&header, 16));
            page.resize(page_size as usize, 0);
            let before = u64::from(pages) * u64::from(page_size);
            if into.len().map_err(Error::io("measure", database))? > before {
                into.set_len(before).map_err(Error::io("cut", database))?;
                touched = true;
            }
        }
        at += sector;
        let record = page.len() as u64 + 8;
        let records = match records {
            u32::MAX => len.saturating_sub(at) / record,
            records => records.into(),
        };
        for _ in 0..records {
            let mut id = [0; 4];
            let mut sum = [0; 4];
            let whole = read(journal, path, &mut id, at)?
                && read(journal, path, &mut page, at + 4)?
                && read(journal, path, &mut sum, at + 4 + page.len() as u64)?;
            let id = u32::from_be_bytes(id);
            if !whole || id == 0 || id == lock_page(page.len() as u32) {
                return Ok(touched);
            }
            at += record;
            if u32::from_be_bytes(sum) != checksum(nonce, &page) {
                return Ok(touched);
            }
            if id <= pages && seen.insert(id) {
                let offset = u64::from(id - 1) * page.len() as u64;
                into.write_all_at(&page, offset).map_err(Error::io("write", database))?;
                touched = true;
            }
        }
        at = at.next_multiple_of(sector);
    }
}
