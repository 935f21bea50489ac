//! Pages by their numbers: a bounded cache over the file.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use xs_os::Rng;
use xs_os::vfs::{File, Open, Vfs, parent};

use super::database::Options;
use super::dirty::Dirty;
use super::header::{Header, Version, is_page_size, lock_page};
use super::hint::Hints;
use super::journal::JournalMode;
use super::lock::{BusyTimeout, Lock, Locking};
use super::names::Names;
use super::node::{Node, PageId, Shape};
use super::synchronous::Synchronous;
use super::transaction::Writing;
use super::wal::{Head, Wal};
use crate::cache::{Cache, S3FifoCache};
use crate::row::Encoding;
use crate::{Error, Result};

/// A page's bytes.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) bytes: Box<[u8]>,
    /// What was found when it was looked at: [`NODE`], [`PACKED`], [`USED`].
    known: AtomicU8,
}

/// A tree's page, whose header is sound.
const NODE: u8 = 1;
/// Whose cells are sound as well, and lie side by side up to its end.
const PACKED: u8 = 2;
/// In use: as a page of a tree, of a chain, or as what it was allocated for.
const USED: u8 = 4;

impl Page {
    pub(super) fn new(bytes: Box<[u8]>) -> Self {
        Page { bytes, known: AtomicU8::new(0) }
    }

    /// Whether it is known to be in use: as a page of a tree, of a chain, or as what it was allocated for.
    pub(super) fn is_in_use(&self) -> bool {
        self.known.load(Ordering::Relaxed) & USED != 0
    }

    pub(super) fn set_in_use(&self, in_use: bool) {
        if in_use {
            self.known.fetch_or(USED, Ordering::Relaxed);
        } else {
            self.known.fetch_and(!USED, Ordering::Relaxed);
        }
    }
}

impl Clone for Page {
    fn clone(&self) -> Self {
        Page { bytes: self.bytes.clone(), known: AtomicU8::new(self.known.load(Ordering::Relaxed)) }
    }
}

/// The file as pages.
#[derive(Debug)]
pub(super) struct Pager {
    pub(super) vfs: Arc<dyn Vfs>,
    /// Where copies go.
    pub(super) copies: Arc<dyn Vfs>,
    /// Where names begin that are not whole.
    pub(super) directory: Option<PathBuf>,
    /// Where files without names are.
    pub(super) temporary: Option<PathBuf>,
    pub(super) file: Arc<dyn File>,
    pub(super) names: Arc<Names>,
    /// How transactions end without a log.
    pub(super) mode: JournalMode,
    pub(super) synchronous: Synchronous,
    /// Bytes that a journal or a log keeps at most when its transactions have ended.
    pub(super) journal_limit: Option<u64>,
    /// Frames of the log from which on it is copied after a commit.
    pub(super) autocheckpoint: Option<NonZeroU32>,
    /// The write-ahead log, while it is open.
    pub(super) wal: Option<Box<Wal>>,
    /// What the log said when what is in memory was right.
    pub(super) logged: Option<Head>,
    /// Bytes that the next journal gathers its records in.
    pub(super) spare: Vec<u8>,
    pub(super) rng: Rng,
    pub(super) read_only: bool,
    /// What a new database will have.
    pub(super) fresh: (u32, Encoding),
    /// What it will have when it is written anew.
    pub(super) next_page_size: Option<u32>,
    pub(super) drops_auto_vacuum: bool,
    pub(super) memory: u64,
    /// The same as a user has set it: pages, or KiB if negative.
    pub(super) cache_size: i32,
    pub(super) lock: Lock,
    /// Whether locks are kept once they are taken.
    pub(super) locking: Locking,
    pub(super) busy: Option<BusyTimeout>,
    /// Whether the caller has begun to read, and has not ended.
    pub(super) reading: bool,
    /// What the file said of itself when what is in memory was right.
    pub(super) version: Option<Version>,
    pub(super) header: Header,
    pub(super) shape: Shape,
    /// Pages of the database, those included that the file does not have yet.
    pub(super) pages: u32,
    pub(super) clean: S3FifoCache<PageId, Arc<Page>>,
    /// The bytes of a page that has just left memory, for the next one that comes.
    evicted: Option<Box<[u8]>>,
    pub(super) dirty: Dirty,
    pub(super) most_dirty: usize,
    pub(super) writing: Option<Writing>,
    /// Counts everything that may have moved an entry.
    pub(super) changes: u64,
    pub(super) hints: Hints,
    /// Room to make a cell in.
    pub(super) cell: Vec<u8>,
    /// Why nothing can be said any more.
    pub(super) stopped: Option<Error>,
    /// Set by whoever wants work to end that takes long.
    pub(super) interrupt: Option<Arc<AtomicBool>>,
}

impl Pager {
    pub(super) fn open(vfs: Arc<dyn Vfs>, path: PathBuf, options: Options, rng: Rng) -> Result<Self> {
        if !is_page_size(options.page_size) {
            return Err(Error::Invalid(format!("pages of {} bytes: a power of two, 512 to 65536", options.page_size)));
        }
        let how = match (options.read_only, options.create) {
            (true, _) => Open::Read,
            (false, true) => Open::Create,
            (false, false) => Open::Write,
        };
        let file = vfs.open(&path, how).map_err(Error::io("open", &path))?;
        if !options.read_only && file.is_empty().map_err(Error::io("measure", &path))? {
            vfs.sync_dir(parent(&path)).map_err(Error::io("sync", parent(&path)))?;
        }
        let kib = i32::try_from(options.memory / 1024).unwrap_or(i32::MAX);
        let mut pager = Pager {
            copies: options.copies.unwrap_or_else(|| vfs.clone()),
            directory: options.directory,
            temporary: options.temporary,
            vfs,
            lock: Lock::new(file.clone(), path.clone()),
            locking: options.locking,
            file,
            names: Arc::new(Names::of(path)),
            mode: JournalMode::Delete,
            synchronous: options.synchronous,
            journal_limit: None,
            autocheckpoint: NonZeroU32::new(options.autocheckpoint),
            wal: None,
            logged: None,
            spare: Vec::new(),
            rng,
            read_only: options.read_only,
            fresh: (options.page_size, options.encoding),
            next_page_size: None,
            drops_auto_vacuum: false,
            memory: options.memory,
            cache_size: -kib,
            busy: options.busy_timeout,
            reading: false,
            version: None,
            header: Header::new(options.page_size, options.encoding),
            shape: Shape { page_size: 0, usable: 0 },
            pages: 0,
            clean: S3FifoCache::new(1),
            evicted: None,
            dirty: Dirty::default(),
            most_dirty: 0,
            writing: None,
            changes: 0,
            hints: Hints::default(),
            cell: Vec::new(),
            stopped: None,
            interrupt: None,
        };
        if options.locking == Locking::Exclusive {
            pager.lock_for_good()?;
        }
        pager.read()?;
        pager.end_read()?;
        // One that only reads changes nothing, and one that has a log keeps it unless it is told.
        match options.journal_mode {
            JournalMode::Wal if options.read_only => {}
            JournalMode::Wal => pager.set_journal_mode(JournalMode::Wal)?,
            mode => pager.mode = mode,
        }
        Ok(pager)
    }

    /// A file that somebody names.
    pub(super) fn named(&self, name: &Path) -> PathBuf {
        // Without the `.` in it, as it is shown.
        self.directory.as_ref().map_or_else(|| name.to_owned(), |begin| begin.join(name).components().collect())
    }

    /// Begins anew with what the file says of itself. Nothing that is in memory counts any more.
    pub(super) fn reset(&mut self, header: Header, pages: u32) {
        let page_size = header.page_size as usize;
        self.shape = Shape { page_size, usable: page_size - usize::from(header.reserved) };
        (self.header, self.pages) = (header, pages);
        self.moved();
        self.share_memory();
    }

    /// Half for what was read, half for what was changed. Fewer than some levels of a tree make no sense.
    fn share_memory(&mut self) {
        let half = (self.memory / 2 / self.shape.page_size as u64).max(16);
        (self.clean, self.most_dirty) = (S3FifoCache::new(half), half as usize);
    }

    /// So many pages, or KiB if the number is negative, may be in memory.
    pub(super) fn set_cache_size(&mut self, size: i32) {
        let unit = if size < 0 { 1024 } else { self.shape.page_size as u64 };
        (self.cache_size, self.memory) = (size, u64::from(size.unsigned_abs()) * unit);
        self.share_memory();
    }

    /// Everything may be elsewhere now.
    pub(super) fn moved(&mut self) {
        self.changes += 1;
        self.hints.forget();
    }

    pub(super) fn corrupt(&self, id: PageId, what: impl std::fmt::Display) -> Error {
        let offset = u64::from(id.saturating_sub(1)) * self.shape.page_size as u64;
        Error::corrupt(&self.names.database, offset, format!("page {id}: {what}"))
    }

    /// Fails if somebody asked to stop. For whatever goes through all that there is.
    pub(super) fn check_interrupt(&self) -> Result<()> {
        match self.interrupt.as_ref().is_some_and(|interrupt| interrupt.load(Ordering::Relaxed)) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }

    /// Refuses page numbers that no tree, list or chain can refer to.
    pub(super) fn check_id(&self, id: PageId, whose: &str) -> Result<()> {
        if id == 0 || id > self.pages || id == lock_page(self.header.page_size) {
            return Err(self.corrupt(id, format_args!("{whose} refers to it, and there is no such page")));
        }
        Ok(())
    }

    /// A page as it is now.
    pub(super) fn get(&mut self, id: PageId) -> Result<Arc<Page>> {
        if let Some(error) = &self.stopped {
            return Err(error.clone());
        }
        if let Some(page) = self.dirty.get(id) {
            return Ok(page.clone());
        }
        if let Some(page) = self.clean.get(&id) {
            return Ok(page.clone());
        }
        self.fetch(id)
    }

    /// A page that is not in memory.
    #[cold]
    fn fetch(&mut self, id: PageId) -> Result<Arc<Page>> {
        self.check_id(id, "something")?;
        let mut bytes = match self.evicted.take().filter(|bytes| bytes.len() == self.shape.page_size) {
            Some(bytes) => bytes,
            None => vec![0; self.shape.page_size].into_boxed_slice(),
        };
        let offset = u64::from(id - 1) * self.shape.page_size as u64;
        let frame = match &mut self.wal {
            Some(wal) => wal.find(id)?,
            None => None,
        };
        let read = match (&self.wal, frame) {
            (Some(wal), Some(frame)) => wal.read(frame, &mut bytes).map(Ok)?,
            _ => self.file.read_exact_at(&mut bytes, offset),
        };
        match read {
            // A page that was free when it was committed was perhaps never written.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && self.wal.is_some() => bytes.fill(0),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(self.corrupt(id, "the file ends in it"));
            }
            done => done.map_err(Error::io("read", &self.names.database))?,
        }
        let page = Arc::new(Page::new(bytes));
        if let Some((_, gone)) = self.clean.insert(id, page.clone()).into_iter().next() {
            self.evicted = Arc::try_unwrap(gone).ok().map(|page| page.bytes);
        }
        Ok(page)
    }

    /// A page of a tree. Its cells are looked at when they are used.
    pub(super) fn node(&mut self, id: PageId) -> Result<Arc<Page>> {
        let page = self.get(id)?;
        if page.known.load(Ordering::Relaxed) & NODE == 0 {
            Node::check(&page.bytes, id, self.shape).map_err(|what| self.corrupt(id, what))?;
            page.known.store(NODE | USED, Ordering::Relaxed);
        }
        Ok(page)
    }

    /// A page of a tree that is about to change, and whether its cells lie side by side.
    pub(super) fn is_packed(&mut self, id: PageId) -> Result<bool> {
        if self.dirty.get(id).is_some_and(|page| page.known.load(Ordering::Relaxed) & PACKED != 0) {
            return Ok(true);
        }
        let page = self.node(id)?;
        if page.known.load(Ordering::Relaxed) & PACKED == 0 {
            let node = Node::new(&page.bytes, id, self.shape);
            if !node.is_packed().map_err(|what| self.corrupt(id, what))? {
                return Ok(false);
            }
            page.known.store(NODE | PACKED | USED, Ordering::Relaxed);
        }
        Ok(true)
    }

    pub(super) fn blank(&self) -> Page {
        Page::new(vec![0; self.shape.page_size].into())
    }

    /// What a changed page is for from now on.
    pub(super) fn set_used(&self, id: PageId, in_use: bool) {
        if let Some(page) = self.dirty.get(id) {
            page.set_in_use(in_use);
        }
    }

    /// A page to be changed in any way. The journal has what it was before.
    pub(super) fn edit(&mut self, id: PageId) -> Result<&mut [u8]> {
        self.change(id, |known| known & USED)
    }

    /// A page of a tree that is packed and stays so.
    pub(super) fn edit_node(&mut self, id: PageId) -> Result<&mut [u8]> {
        self.change(id, |known| known)
    }

    /// A page that becomes a packed one of a tree, whatever it was.
    pub(super) fn write_node(&mut self, id: PageId) -> Result<&mut [u8]> {
        self.change(id, |_| NODE | PACKED | USED)
    }

    fn change(&mut self, id: PageId, known: impl FnOnce(u8) -> u8) -> Result<&mut [u8]> {
        self.changes += 1;
        if self.dirty.get(id).is_none() {
            if self.dirty.len() >= self.most_dirty {
                self.spill()?;
            }
            let page = self.get(id)?;
            self.keep(id, &page)?;
            self.clean.remove(&id);
            self.dirty.insert(id, page);
        } else if self.is_to_keep(id) {
            let page = self.get(id)?;
            self.keep(id, &page)?;
        }
        match self.dirty.get_mut(id) {
            Some(page) => {
                let page = Arc::make_mut(page);
                *page.known.get_mut() = known(*page.known.get_mut());
                Ok(&mut page.bytes)
            }
            None => Err(Error::Invalid("a change outside of a transaction".to_owned())),
        }
    }
}
