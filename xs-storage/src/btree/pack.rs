//! Space that comes back: pages move from the end of the file to free places in front of them, and the end is cut off.
//!
//! ```text
//!   before a checkpoint     pages that are not in the file yet take lower numbers: costs no write at all
//!   when nobody writes      pages that are in the file move down, some thousand for a checkpoint
//!   on demand               all of them at once: `compact`
//! ```

use super::batch::Edit;
use super::checkpoint::Checkpoint;
use super::node::{Node, RunRef, Value};
use super::page::{HEADER, NONE, PageId};
use super::store::{Store, run_pages};
use super::write::Writer;
use crate::{Error, Result};

/// Pages that are moved before the writer's lock is given up for a moment.
const MOVES: usize = 1024;

/// Free pages that are not worth a move, besides a quarter of those in use.
const SLACK: u64 = 16;

/// Which pages are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// Nodes that are not in the file yet.
    Unwritten,
    /// All nodes, and long values.
    All,
}

/// How moving while nobody writes comes on.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// The end of the log when it began: a write begins it anew.
    since: u64,
    /// The first key of the leaf where to go on.
    from: Vec<u8>,
    moved: u64,
    /// The round had nothing to move.
    done: bool,
}

impl Writer {
    pub(super) fn used(&self) -> u64 {
        u64::from(self.space.end() - self.space.first()) - self.space.free_pages()
    }

    /// Whether so much is free that moving is worth its while.
    fn is_roomy(&self) -> bool {
        self.space.free_pages() > self.used() / 4 + SLACK
    }
}

impl Store {
    /// Moves some pages; answers how many, and from which key to go on, if that was not all.
    fn pack_some(&self, writer: &mut Writer, which: Which, from: &[u8]) -> Result<(usize, Option<Vec<u8>>)> {
        let goal = writer.space.first() + writer.used() as u32;
        let mut edit = Edit::new(self, writer);
        let mut moving = Moving { edit: &mut edit, goal, which, moved: 0, stopped_at: None };
        let root = moving.edit.root;
        if root != NONE && (which == Which::All || moving.is_unwritten(root)) {
            moving.edit.root = moving.subtree(root, from)?;
        }
        let Moving { moved, stopped_at, .. } = moving;
        edit.publish();
        Ok((moved, stopped_at))
    }

    /// Gives lower places to pages that the next checkpoint will write, where there are some: what they have now was the
    /// lowest while the checkpoint before was on its way.
    pub(super) fn pack_unwritten(&self) -> Result<()> {
        let mut from = Some(Vec::new());
        while let Some(key) = from {
            let mut writer = self.writer.lock();
            self.fold(&mut writer)?;
            if !writer.is_roomy() || writer.held() > 0 {
                return Ok(());
            }
            from = self.pack_some(&mut writer, Which::Unwritten, &key)?.1;
        }
        Ok(())
    }

    /// Moves some pages down while nobody writes. True if a checkpoint is worth it.
    pub(super) fn pack_quietly(&self, checkpoint: &mut Checkpoint, writer: &mut Writer) -> Result<bool> {
        let quiet = &mut checkpoint.quiet;
        if quiet.since != writer.next {
            *quiet = Quiet { since: writer.next, ..Quiet::default() };
        }
        // Twice the file at most: copies of the nodes above could go up as others go down.
        let idle = writer.next == writer.checkpointed && writer.held() == 0;
        if !idle || quiet.done || !writer.is_roomy() || quiet.moved > 2 * u64::from(writer.space.end()) {
            return Ok(false);
        }
        let (moved, from) = self.pack_some(writer, Which::All, &quiet.from)?;
        quiet.moved += moved as u64;
        quiet.done = moved == 0 && quiet.from.is_empty() && from.is_none();
        quiet.from = from.unwrap_or_default();
        Ok(moved > 0)
    }
}

/// Moves pages from the end of the file to free places in front of them, as long as that makes the file shorter.
/// Answers by how many bytes it did. Tells of pages that were moved, and of those that lie too high.
pub(super) fn compact(store: &Store, told: &mut dyn FnMut(u64, u64)) -> Result<u64> {
    let len = || store.file.len().map_err(Error::io("measure", &store.path));
    let before = len()?;
    // What the last checkpoint refers to is free after the next one.
    store.run_checkpoint()?;
    let of = {
        let writer = store.writer.lock();
        let (first, used) = (writer.space.first(), writer.used() as u32);
        // There are as many as places for them.
        (first..first + used).filter(|id| writer.space.is_free(*id)).count() as u64
    };
    let (mut rounds, mut done) = (0, 0);
    loop {
        let at_first = len()?;
        rounds += 1;
        let mut moved = 0;
        let mut from = Some(Vec::new());
        while let Some(key) = from {
            let some = store.pack_some(&mut store.writer.lock(), Which::All, &key)?;
            moved += some.0;
            from = some.1;
            done += some.0 as u64;
            told(done.min(of), of);
        }
        store.run_checkpoint()?;
        // Nodes above those that were moved were copied as well, and took places in front: the next round moves the rest.
        if moved == 0 || (len()? >= at_first && rounds > 3) {
            told(of, of);
            return Ok(before.saturating_sub(len()?));
        }
    }
}

struct Moving<'a, 'b> {
    edit: &'b mut Edit<'a>,
    /// Pages from here on are to be moved.
    goal: PageId,
    which: Which,
    moved: usize,
    /// The first key of the leaf where to go on.
    stopped_at: Option<Vec<u8>>,
}

impl Moving<'_, '_> {
    /// Moves what lies too high in a subtree, as far as it holds keys at or behind `from`; its new root.
    fn subtree(&mut self, id: PageId, from: &[u8]) -> Result<PageId> {
        let page = self.edit.page(id)?;
        let node = Node::new(page.bytes());
        if node.is_leaf() {
            return self.leaf(id, from);
        }
        let first = node.child_for(from, &*self.edit)?;
        let (count, level) = (node.count(), node.level());
        drop(page);
        let mut id = self.node(id)?;
        for at in first..count {
            let page = self.edit.page(id)?;
            let child = Node::new(page.bytes()).child(at);
            // What is below a page that is in the file is there as well.
            if self.which == Which::Unwritten && !self.is_unwritten(child) {
                continue;
            }
            drop(page);
            let moved = match (self.which, level) {
                (Which::Unwritten, 1) if child < self.goal => child,
                _ => {
                    let page = self.edit.page(id)?;
                    self.edit.below(&Node::new(page.bytes()), at)?;
                    drop(page);
                    self.subtree(child, if at == first { from } else { &[] })?
                }
            };
            if moved != child {
                id = self.edit.own(id)?;
                self.edit.edit(id, |page| super::edit::set_value(page, at, &moved.to_le_bytes()));
            }
            if self.stopped_at.is_some() {
                break;
            }
        }
        Ok(id)
    }

    fn leaf(&mut self, id: PageId, from: &[u8]) -> Result<PageId> {
        let page = self.edit.page(id)?;
        let node = Node::new(page.bytes());
        if self.moved >= MOVES {
            let mut first = Vec::new();
            node.key(0).append_to(&mut first, &*self.edit)?;
            // The same leaf twice would never end.
            if &first[..] > from {
                self.stopped_at = Some(first);
                return Ok(id);
            }
        }
        let mut runs: Vec<(usize, RunRef)> = Vec::new();
        for at in (0..node.count()).filter(|_| self.which == Which::All) {
            if let Value::Run(run) = node.value(at)
                && run.id + run_pages(run.len, self.edit.store.page_size) > self.goal
            {
                runs.push((at, run));
            }
        }
        drop(page);
        let mut id = self.node(id)?;
        for (at, run) in runs {
            if let Some(fresh) = self.edit.move_run(run)? {
                id = self.edit.own(id)?;
                let mut value = fresh.id.to_le_bytes().to_vec();
                value.extend_from_slice(&fresh.len.to_le_bytes());
                self.edit.edit(id, |page| super::edit::set_value(page, at, &value));
                self.moved += run_pages(run.len, self.edit.store.page_size) as usize;
            }
        }
        Ok(id)
    }

    fn is_unwritten(&self, id: PageId) -> bool {
        self.edit.work.contains_key(&id) || self.edit.writer.dirty.contains(id)
    }

    /// Moves a node, if it lies too high and there is a place for it that does not.
    fn node(&mut self, id: PageId) -> Result<PageId> {
        // Those of this batch have their places already.
        let mine = self.edit.work.contains_key(&id);
        if mine || id < self.goal || !self.edit.writer.space.has_below(self.goal) {
            return Ok(id);
        }
        self.moved += 1;
        self.edit.own(id)
    }
}

impl Edit<'_> {
    /// Copies a run to a lower place; none if there is none.
    fn move_run(&mut self, run: RunRef) -> Result<Option<RunRef>> {
        let payload = self.run_page(run)?.bytes()[HEADER..].to_vec();
        let fresh = self.new_run(&payload)?;
        if fresh.id > run.id {
            // Not published: it goes back at once.
            self.untake(fresh.id);
            return Ok(None);
        }
        self.leave_run(run)?;
        Ok(Some(fresh))
    }
}
