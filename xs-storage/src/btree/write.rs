//! The writer's side: which pages are whose, and when a page that nobody needs any more can be written again.
//!
//! A page is needed by the versions in which it can be reached, and by the checkpoint in the file. A page that a batch
//! leaves behind therefore waits twice:
//!
//! ```text
//!   in use ── left behind by a batch ──▶ seen by older versions ──▶ in the last checkpoint ──▶ free
//!                                        until they are dropped     until the next is durable
//!                                                  ╰── made since the last checkpoint began ───▶ free
//! ```

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};

use super::page::{Page, PageId};
use super::recovered::Fold;
use super::space::Space;
use super::store::{Store, Version};
use crate::bits::Bits;

/// A page, or the pages of a run, that the newest version does not reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) id: PageId,
    pub(super) pages: u32,
    /// The version that it came with; 0 if it was there when the file was opened, or is not known.
    pub(super) born: u64,
    /// The checkpoint that must be durable before it can be written again; 0 if no checkpoint refers to it.
    pub(super) needs: u64,
}

/// A version before the newest.
#[derive(Debug)]
struct Older {
    seq: u64,
    version: Weak<Version>,
    /// Pages that it sees and the newest version does not: with it they may go.
    left: Vec<Left>,
}

/// What belongs to whoever holds the writer's lock.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) space: Space,
    /// The checkpoint that will hold what is written now.
    pub(super) epoch: u64,
    /// The newest checkpoint that is durable.
    pub(super) durable: u64,
    /// Pages that are not in the file.
    pub(super) dirty: Bits,
    /// The first entry of the log that is not applied.
    pub(super) next: u64,
    /// The same when the last checkpoint began.
    pub(super) checkpointed: u64,
    /// Bytes logged since the last checkpoint began.
    pub(super) logged: u64,
    older: Vec<Older>,
    /// Pages that no version sees, waiting for checkpoints.
    waiting: Vec<Left>,
    /// Those among them whose checkpoint may be durable.
    freeing: Vec<Left>,
    /// The run that holds the free list of the newest checkpoint.
    pub(super) free_run: Option<(PageId, u32)>,
    /// Pages that are done with, for the memory that they have.
    pub(super) pool: Vec<Page>,
    /// What the tree has still to hear of, before anything else is written.
    pub(super) fold: Option<Fold>,
    /// A buffer for nodes that are being taken apart.
    pub(super) scratch: Vec<u8>,
}

impl Writer {
    pub(super) fn new(space: Space, epoch: u64, next: u64, free_run: Option<(PageId, u32)>) -> Self {
        Writer {
            space,
            epoch: epoch + 1,
            durable: epoch,
            dirty: Bits::default(),
            next,
            checkpointed: next,
            logged: 0,
            older: Vec::new(),
            waiting: Vec::new(),
            freeing: Vec::new(),
            free_run,
            pool: Vec::new(),
            fold: None,
            scratch: Vec::new(),
        }
    }

    /// Gives pages back, or lets them wait for the checkpoint that they need.
    pub(super) fn free(&mut self, store: &Store, left: Left) {
        if left.needs > self.durable {
            self.waiting.push(left);
            return;
        }
        self.dirty.remove(left.id);
        let page = store.table.remove(left.id).filter(|page| page.bytes().len() == store.page_size);
        if (self.pool.len() as u64 * store.page_size as u64) < store.table.budget() / 64 {
            self.pool.extend(page);
        }
        self.space.give(left.id, left.pages);
    }

    /// A newer version has taken the place of `before`, which sees `left`.
    pub(super) fn superseded(&mut self, before: &Arc<Version>, left: Vec<Left>) {
        self.older.push(Older { seq: before.seq, version: Arc::downgrade(before), left });
    }

    /// Gives back what only versions saw that are gone.
    pub(super) fn sweep(&mut self, store: &Store) {
        // From the newest to the oldest: what a version leaves may be seen by the next older one.
        for at in (0..self.older.len()).rev() {
            if self.older[at].version.strong_count() > 0 {
                continue;
            }
            // Pairs with the release in the drop of the last handle: its reads of pages are over.
            fence(Ordering::Acquire);
            let gone = self.older.remove(at);
            for left in gone.left {
                match at.checked_sub(1).map(|at| &mut self.older[at]) {
                    Some(next) if next.seq >= left.born => next.left.push(left),
                    _ => self.free(store, left),
                }
            }
        }
    }

    /// A checkpoint is durable: what waited for it may go, by [`free_some`](Writer::free_some).
    pub(super) fn made_durable(&mut self, epoch: u64) {
        self.durable = epoch;
        self.freeing.append(&mut self.waiting);
    }

    /// Gives back some of what waited for a checkpoint that is durable. False if that was all.
    pub(super) fn free_some(&mut self, store: &Store, some: usize) -> bool {
        for left in self.freeing.split_off(self.freeing.len().saturating_sub(some)) {
            self.free(store, left);
        }
        if self.freeing.is_empty() {
            self.freeing = Vec::new();
        }
        !self.freeing.is_empty()
    }

    /// A checkpoint begins: pages that only older versions see are written with it, and must not be given away while
    /// that is done.
    pub(super) fn hold_left(&mut self) {
        let epoch = self.epoch;
        for left in self.older.iter_mut().flat_map(|older| &mut older.left) {
            left.needs = left.needs.max(epoch);
        }
    }

    /// Whether another checkpoint would change nothing.
    pub(super) fn is_checkpointed(&self) -> bool {
        let left =
            self.waiting.len() + self.freeing.len() + self.older.iter().map(|older| older.left.len()).sum::<usize>();
        self.next == self.checkpointed && self.dirty.len() == 0 && left == 0
    }

    /// Every page that is in the file for older versions or older checkpoints only.
    pub(super) fn all_left(&self) -> impl Iterator<Item = &Left> {
        self.older.iter().flat_map(|older| &older.left).chain(&self.waiting).chain(&self.freeing)
    }

    /// The number of older versions that somebody holds.
    pub(super) fn held(&self) -> usize {
        self.older.iter().filter(|older| older.version.strong_count() > 0).count()
    }

    pub(super) fn memory(&self) -> u64 {
        let left: usize = self.older.iter().map(|older| older.left.capacity()).sum();
        let pool: u64 = self.pool.iter().map(Page::memory).sum();
        pool + self.space.memory()
            + ((left + self.waiting.capacity() + self.freeing.capacity()) * size_of::<Left>() + self.scratch.capacity())
                as u64
    }

    /// Puts a page that a batch made where readers find it.
    pub(super) fn publish_page(&mut self, store: &Store, id: PageId, page: Page) {
        self.dirty.insert(id);
        store.table.put(id, page);
    }
}
