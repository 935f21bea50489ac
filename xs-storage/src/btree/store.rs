//! What all handles of one store share: the file, the page table, the published version. Reading needs nothing else.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use xs_os::vfs::File;

use super::checkpoint::Checkpoint;
use super::header::Header;
use super::node::{Node, RunRef, Runs, Value, get_u32, get_u64};
use super::options::Options;
use super::page::{HEADER, NONE, Page, PageId, PageMut, RUN};
use super::recovered::{Recovered, Said};
use super::table::{Lent, Table};
use super::write::Writer;
use crate::log::Log;
use crate::{Error, Result};

/// A state of the tree that readers can hold: pages that can be reached from its root do not change and are not given
/// away while anybody has it.
#[derive(Debug)]
pub(super) struct Version {
    /// Versions are numbered in the order in which they were published.
    pub(super) seq: u64,
    pub(super) root: PageId,
    pub(super) entries: u64,
    /// Writes that the tree may not have yet, and that count instead. Without them, `entries` is exact.
    pub(super) recovered: Option<Arc<Recovered>>,
}

/// What a store has done since it was opened.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) user_bytes: AtomicU64,
    pub(super) page_bytes: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) checkpoints: AtomicU64,
    pub(super) page_reads: AtomicU64,
}

/// What the writer's side has to tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) memory: u64,
    pub(super) pages: PageId,
    pub(super) free: u64,
    pub(super) held: u64,
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) file: Arc<dyn File>,
    pub(super) path: PathBuf,
    pub(super) page_size: usize,
    pub(super) options: Options,
    pub(super) table: Table,
    pub(super) version: ArcSwap<Version>,
    pub(super) writer: Mutex<Writer>,
    pub(super) checkpoint: Mutex<Checkpoint>,
    pub(super) log: Log,
    /// One more than the highest page that any version refers to.
    pub(super) end: AtomicU32,
    /// The checkpoint that the file was opened with: pages of it are not newer.
    pub(super) opened_epoch: u64,
    /// The header that the store was opened with, until it is known to be durable: it may stand in the system's cache
    /// alone, if a sync of it failed in an earlier life, and pages that the one before it needs must stay until then.
    pub(super) unconfirmed: Mutex<Option<Header>>,
    /// How long opening took, and how much of the log it read, in bytes.
    pub(super) opening: (Duration, u64),
    /// Why nothing is written any more.
    pub(super) stopped: OnceLock<Error>,
    /// No background step may begin.
    pub(super) closed: AtomicBool,
    pub(super) counters: Counters,
    /// The last that was told.
    pub(super) figures: Mutex<Figures>,
}

/// Pages that a payload of some bytes takes as a run.
pub(super) fn run_pages(len: u64, page_size: usize) -> u32 {
    // A value is at most 1 GiB, and a page at least 512 bytes.
    (HEADER as u64 + len).div_ceil(page_size as u64) as u32
}

/// Fills in what every page begins with, the checksum aside.
pub(super) fn label(page: &mut [u8], id: PageId, epoch: u64) {
    page[8..12].copy_from_slice(&id.to_le_bytes());
    page[16..24].copy_from_slice(&epoch.to_le_bytes());
}

/// The checksum of a page, or of a run.
pub(super) fn checksum(page: &[u8]) -> u32 {
    crc32c::crc32c(&page[4..])
}

impl Store {
    /// Refuses to write after a failure.
    pub(super) fn check_running(&self) -> Result<()> {
        self.stopped.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Notes a failure of writing and answers what every writer gets from now on.
    pub(super) fn stop(&self, error: Error) -> Error {
        if error.is_full() {
            // The log takes nothing more until the store is opened again, and then there is to be space.
            self.log.drop_spares();
        }
        self.stopped.get_or_init(|| error.stopped()).clone()
    }

    /// What the writer's side has to tell, or had when it was last asked: nobody waits for a writer to learn figures.
    pub(super) fn figures(&self) -> Figures {
        let Some(writer) = self.writer.try_lock() else { return *self.figures.lock() };
        let figures = Figures {
            memory: writer.memory(),
            pages: writer.space.end(),
            free: writer.space.free_pages(),
            held: writer.held() as u64,
        };
        *self.figures.lock() = figures;
        figures
    }

    pub(super) fn corrupt(&self, id: PageId, what: &str) -> Error {
        Error::corrupt(&self.path, u64::from(id) * self.page_size as u64, format!("page {id}: {what}"))
    }

    /// A leaf or an inner page.
    pub(super) fn page(&self, id: PageId) -> Result<Lent> {
        if id >= self.end.load(Ordering::Acquire) || id == NONE {
            return Err(self.corrupt(id, "referred to, and outside of the file"));
        }
        let lent = match self.table.get(id) {
            Some(lent) => lent,
            None => self.load(id, self.page_size)?,
        };
        if lent.bytes()[4] == RUN {
            return Err(self.corrupt(id, "a run where a node should be"));
        }
        Ok(lent)
    }

    /// The number of a run's pages, all of which are in the file.
    pub(super) fn check_run(&self, run: RunRef) -> Result<u32> {
        let end = self.end.load(Ordering::Acquire);
        let pages = (run.len <= Options::MAX_VALUE as u64).then(|| run_pages(run.len, self.page_size));
        match pages.filter(|&pages| run.id != NONE && run.id.checked_add(pages).is_some_and(|stop| stop <= end)) {
            Some(pages) => Ok(pages),
            None => Err(self.corrupt(run.id, "a run referred to, and outside of the file")),
        }
    }

    /// A run, header included.
    pub(super) fn run_page(&self, run: RunRef) -> Result<Lent> {
        self.check_run(run)?;
        let lent = match self.table.get(run.id) {
            Some(lent) => lent,
            None => self.load(run.id, HEADER + run.len as usize)?,
        };
        let bytes = lent.bytes();
        if bytes[4] != RUN || bytes.len() as u64 != HEADER as u64 + run.len {
            return Err(self.corrupt(run.id, "not the run that is referred to"));
        }
        Ok(lent)
    }

    #[cold]
    fn load(&self, id: PageId, len: usize) -> Result<Lent> {
        let page = self.read(id, len)?;
        if self.table.admits(id, &page) {
            self.table.fill(id, &page);
            if self.table.is_over() {
                self.table.evict(self.end.load(Ordering::Acquire));
            }
        }
        Ok(Lent::owned(page))
    }

    /// Reads a page or a run from the file and checks it.
    pub(super) fn read(&self, id: PageId, len: usize) -> Result<Page> {
        self.counters.page_reads.fetch_add(1, Ordering::Relaxed);
        let mut page = PageMut::zeroed(len, 0);
        let offset = u64::from(id) * self.page_size as u64;
        match page.edit(|bytes| self.file.read_exact_at(bytes, offset)) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(self.corrupt(id, "the file ends in it"));
            }
            done => done.map_err(Error::io("read", &self.path))?,
        }
        self.check_page(id, page.bytes())?;
        Ok(page.freeze())
    }

    /// What a page from the disk must be before anything in it is believed.
    fn check_page(&self, id: PageId, bytes: &[u8]) -> Result<()> {
        let found = get_u32(bytes, 0);
        if checksum(bytes) != found {
            return Err(self.corrupt(id, "the checksum is wrong"));
        }
        if get_u32(bytes, 8) != id {
            return Err(self.corrupt(id, "it is another page, written to the wrong place"));
        }
        match self.table.written(id) {
            Some(written) if written != found => return Err(self.corrupt(id, "the disk lost what was written last")),
            None if get_u64(bytes, 16) > self.opened_epoch => {
                return Err(self.corrupt(id, "it is newer than the header that led to it"));
            }
            _ => {}
        }
        if bytes[4] == RUN {
            return match get_u64(bytes, 24) == (bytes.len() - HEADER) as u64 {
                true => Ok(()),
                false => Err(self.corrupt(id, "a run of another length")),
            };
        }
        Node::validate(bytes).map(drop).map_err(|what| self.corrupt(id, what))
    }

    /// Shows the value of a key in a version.
    pub(super) fn lookup<R>(&self, version: &Version, key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        if let Some(recovered) = &version.recovered {
            match recovered.say(key) {
                Said::Value(value) => return Ok(Some(see(value))),
                Said::Gone => return Ok(None),
                Said::Nothing => {}
            }
        }
        if version.root == NONE {
            return Ok(None);
        }
        let mut page = self.page(version.root)?;
        loop {
            let node = Node::new(page.bytes());
            if node.is_leaf() {
                let Ok(at) = node.search(key, self)? else { return Ok(None) };
                return match node.value(at) {
                    Value::Here(value) => Ok(Some(see(value))),
                    Value::Run(run) => Ok(Some(see(&self.run_page(run)?.bytes()[HEADER..]))),
                };
            }
            page = self.below(&node, node.child_for(key, self)?)?;
        }
    }

    /// The page under a slot of an inner node. It is one level lower: every descent ends.
    pub(super) fn below(&self, node: &Node<'_>, at: usize) -> Result<Lent> {
        let id = node.child(at);
        let page = self.page(id)?;
        if Node::new(page.bytes()).level() + 1 != node.level() {
            return Err(self.corrupt(id, "a node on the wrong level"));
        }
        Ok(page)
    }

    /// Counts and makes a sync.
    pub(super) fn sync(&self) -> Result<()> {
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync().map_err(Error::io("sync", &self.path))
    }
}

impl Runs for Store {
    fn run(&self, id: PageId, len: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        see(&self.run_page(RunRef { id, len })?.bytes()[HEADER..]);
        Ok(())
    }
}
