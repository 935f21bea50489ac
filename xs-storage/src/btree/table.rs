//! The page table: where a page is in memory, by its number. It is also the cache: pages that are in the file can be
//! forgotten.
//!
//! It is an array, in buckets that double, so that it grows without moving: a look-up is some arithmetic and one load.
//! A slot is an [`arc_swap`] pointer: reading it takes no lock and writes to no memory that another thread reads.
//!
//! Which pages stay is CLOCK's choice: the hand goes round and takes what was not read since it last came by. Which pages
//! come in, once the table is full, is a matter of when they were last missed: the time of that is left behind in the
//! slot, as S3-FIFO and 2Q do with their lists of ghosts.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arc_swap::{ArcSwapAny, Guard};
use parking_lot::Mutex;
use triomphe::ThinArc;

use super::page::{Meta, Page, PageId};

/// Slots of the first bucket; each further one has twice as many.
const FIRST: u64 = 1 << 10;
const BUCKETS: usize = 23;

struct Slot {
    page: ArcSwapAny<Option<ThinArc<Meta, u8>>>,
    /// The checksum of what was last written to this place since the file was opened; 0 if nothing was. A page that
    /// comes back from the disk as something else, whole but old, was lost by the disk.
    written: AtomicU32,
    /// Which miss it was when the page was last looked for in vain, counted over all pages; 0 if it never was.
    missed: AtomicU32,
}

/// A page, kept from being freed while this is held.
pub(super) struct Lent(Guard<Option<ThinArc<Meta, u8>>>);

impl Lent {
    pub(super) fn owned(page: Page) -> Self {
        Lent(Guard::from_inner(Some(page.0)))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |page| &page.slice)
    }

    /// To keep for longer.
    pub(super) fn page(&self) -> Option<Page> {
        (*self.0).clone().map(Page)
    }
}

impl std::fmt::Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lent").field("len", &self.bytes().len()).finish()
    }
}

pub(super) struct Table {
    buckets: [OnceLock<Box<[Slot]>>; BUCKETS],
    /// Bytes of all pages in it.
    resident: AtomicU64,
    /// Bytes of the pages among them that are not in the file.
    dirty: AtomicU64,
    /// Bytes that it shall hold at most.
    budget: u64,
    /// How often a page was looked for in vain while the table was full.
    misses: AtomicU32,
    /// Where the clock's hand stands.
    hand: Mutex<PageId>,
}

fn place(id: PageId) -> (usize, usize) {
    let n = u64::from(id) + FIRST;
    let bucket = n.ilog2() - FIRST.ilog2();
    (bucket as usize, (n - (FIRST << bucket)) as usize)
}

impl Table {
    pub(super) fn new(budget: u64) -> Self {
        Table {
            buckets: [const { OnceLock::new() }; BUCKETS],
            resident: AtomicU64::new(0),
            dirty: AtomicU64::new(0),
            budget,
            misses: AtomicU32::new(0),
            hand: Mutex::new(0),
        }
    }

    /// The slot of a page that the caller knows to be within the file.
    fn slot(&self, id: PageId) -> &Slot {
        let (bucket, at) = place(id);
        let bucket = self.buckets[bucket].get_or_init(|| {
            let slot = || Slot { page: ArcSwapAny::new(None), written: AtomicU32::new(0), missed: AtomicU32::new(0) };
            std::iter::repeat_with(slot).take((FIRST << bucket) as usize).collect()
        });
        &bucket[at]
    }

    /// A page, if it is in memory.
    pub(super) fn get(&self, id: PageId) -> Option<Lent> {
        let page = self.slot(id).page.load();
        let shared = page.as_ref()?;
        shared.header.header.touch();
        Some(Lent(page))
    }

    /// A page, if it is in memory, without calling it read.
    pub(super) fn peek(&self, id: PageId) -> Option<Page> {
        self.slot(id).page.load_full().map(Page)
    }

    /// Puts a page there that is not in the file yet.
    pub(super) fn put(&self, id: PageId, page: Page) {
        let memory = page.memory();
        page.set_dirty(true);
        self.resident.fetch_add(memory, Ordering::Relaxed);
        self.dirty.fetch_add(memory, Ordering::Relaxed);
        self.forget(self.slot(id).page.swap(Some(page.0)));
    }

    /// Whether a page that was just read from the file should be kept. While there is room, all are. Then only one that
    /// was looked for before, not longer ago than the table turns over: a scan, or keys that are asked for once, pass by
    /// and push nothing out, and cost no bookkeeping.
    pub(super) fn admits(&self, id: PageId, page: &Page) -> bool {
        // One value must not push out everything else.
        if page.memory() > self.budget / 8 {
            return false;
        }
        if self.resident() + page.memory() <= self.goal() {
            return true;
        }
        let now = self.misses.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let before = self.slot(id).missed.swap(now, Ordering::Relaxed);
        before != 0 && u64::from(now.wrapping_sub(before)) <= self.budget / page.memory()
    }

    /// Puts a page there that was read from the file, unless another reader was faster.
    pub(super) fn fill(&self, id: PageId, page: &Page) {
        let before = self.slot(id).page.compare_and_swap(&None::<ThinArc<Meta, u8>>, Some(page.0.clone()));
        if before.is_none() {
            self.resident.fetch_add(page.memory(), Ordering::Relaxed);
        }
    }

    /// Takes a page out: its place is free. Answers it, if it was in memory.
    pub(super) fn remove(&self, id: PageId) -> Option<Page> {
        self.forget(self.slot(id).page.swap(None))
    }

    fn forget(&self, page: Option<ThinArc<Meta, u8>>) -> Option<Page> {
        let page = page.map(Page);
        if let Some(page) = &page {
            self.resident.fetch_sub(page.memory(), Ordering::Relaxed);
            self.set_clean(page);
        }
        page
    }

    /// Notes that a page has been written, with its checksum.
    pub(super) fn set_written(&self, id: PageId, crc: u32) {
        self.slot(id).written.store(crc, Ordering::Release);
    }

    /// The page is in the file now, and may be forgotten.
    pub(super) fn set_clean(&self, page: &Page) {
        if page.set_dirty(false) {
            self.dirty.fetch_sub(page.memory(), Ordering::Relaxed);
        }
    }

    /// The checksum of what was last written to a place since the file was opened.
    pub(super) fn written(&self, id: PageId) -> Option<u32> {
        Some(self.slot(id).written.load(Ordering::Acquire)).filter(|&crc| crc != 0)
    }

    pub(super) fn resident(&self) -> u64 {
        self.resident.load(Ordering::Relaxed)
    }

    pub(super) fn dirty(&self) -> u64 {
        self.dirty.load(Ordering::Relaxed)
    }

    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    pub(super) fn is_over(&self) -> bool {
        self.resident() > self.budget
    }

    /// What is left after pages were forgotten.
    fn goal(&self) -> u64 {
        self.budget - self.budget / 16
    }

    /// Bytes of the table itself.
    pub(super) fn memory(&self) -> u64 {
        let slots = self.buckets.iter().flat_map(OnceLock::get).map(|bucket| bucket.len() as u64).sum::<u64>();
        slots * size_of::<Slot>() as u64
    }

    /// Forgets clean pages that were not read lately until the budget is met with a little to spare; pages from `end` on
    /// are none. Whoever finds somebody else doing it goes on: it is being done.
    pub(super) fn evict(&self, end: PageId) {
        // What is not in the file cannot go: with hardly anything else there, looking for it is in vain.
        if !self.is_over() || self.resident().saturating_sub(self.dirty()) < self.budget / 32 {
            return;
        }
        let Some(mut hand) = self.hand.try_lock() else { return };
        let goal = self.goal();
        // Twice round: the first time finds what was read lately.
        for _ in 0..2 * u64::from(end) {
            if self.resident() <= goal {
                return;
            }
            *hand = if *hand + 1 < end { *hand + 1 } else { 0 };
            let slot = self.slot(*hand);
            let page = slot.page.load();
            let Some(shared) = page.as_ref() else { continue };
            let page = Page(shared.clone());
            if page.is_dirty() || page.cool() {
                continue;
            }
            // Only this very page: in the meantime the place may have got another, that is not in the file.
            let before = slot.page.compare_and_swap(&Some(page.0.clone()), None);
            if before.as_ref().is_some_and(|before| std::ptr::eq(before.heap_ptr(), page.0.heap_ptr())) {
                self.resident.fetch_sub(page.memory(), Ordering::Relaxed);
            }
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("resident", &self.resident())
            .field("dirty", &self.dirty())
            .finish_non_exhaustive()
    }
}
