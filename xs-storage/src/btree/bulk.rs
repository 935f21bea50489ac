//! Much at once: loading sorted entries past the log, and making the file small.

use super::batch::Edit;
use super::node::{Node, RunRef, Value};
use super::page::{HEADER, NONE, PageId};
use super::store::{Store, run_pages};
use crate::{Error, Result};

/// Pages that are moved before the writer's lock is given up for a moment.
const MOVES: usize = 1024;

/// Loads entries whose keys ascend, all or none.
pub(super) fn load<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    store: &Store,
    entries: &mut dyn Iterator<Item = (K, V)>,
) -> Result<u64> {
    store.check_running()?;
    let mut checkpoint = store.checkpoint.lock();
    store.finish_running(&mut checkpoint)?;
    let mut writer = store.writer.lock();
    store.fold(&mut writer)?;
    let mut edit = Edit::new(store, &mut writer);
    let (mut count, mut last): (u64, Vec<u8>) = (0, Vec::new());
    for (key, value) in entries {
        let (key, value) = (key.as_ref(), value.as_ref());
        super::batch::check_entry(key, value)?;
        if count > 0 && key <= &last[..] {
            return Err(Error::Invalid(format!("entry {count} of a bulk load is not behind the one before it")));
        }
        last.clear();
        last.extend_from_slice(key);
        edit.put(key, value)?;
        count += 1;
        if edit.held() > store.table.budget() / 4 {
            edit.spill()?;
        }
    }
    edit.publish();
    store.checkpoint_alone(&mut checkpoint, &mut writer)?;
    Ok(count)
}

/// Moves pages from the end of the file to free places in front of them, as long as that makes the file shorter.
/// Answers by how many bytes it did.
pub(super) fn compact(store: &Store) -> Result<u64> {
    let len = || store.file.len().map_err(Error::io("measure", &store.path));
    let before = len()?;
    // What the last checkpoint refers to is free after the next one.
    store.run_checkpoint()?;
    let mut rounds = 0;
    loop {
        let at_first = len()?;
        rounds += 1;
        let mut moved = 0;
        let mut from = Some(Vec::new());
        while let Some(key) = from {
            let mut writer = store.writer.lock();
            let used = u64::from(writer.space.end() - writer.space.first()) - writer.space.free_pages();
            let goal = writer.space.first() + used as u32;
            let mut edit = Edit::new(store, &mut writer);
            let mut moving = Moving { edit: &mut edit, goal, moved: 0, stopped_at: None };
            let root = moving.edit.root;
            if root != NONE {
                moving.edit.root = moving.subtree(root, &key)?;
            }
            moved += moving.moved;
            from = moving.stopped_at;
            edit.publish();
        }
        store.run_checkpoint()?;
        // Nodes above those that were moved were copied as well, and took places in front: the next round moves the rest.
        if moved == 0 || (len()? >= at_first && rounds > 3) {
            return Ok(before.saturating_sub(len()?));
        }
    }
}

struct Moving<'a, 'b> {
    edit: &'b mut Edit<'a>,
    /// Pages from here on are to be moved.
    goal: PageId,
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
        let count = node.count();
        drop(page);
        let mut id = self.node(id)?;
        for at in first..count {
            let page = self.edit.page(id)?;
            let (child, _) = self.edit.below(&Node::new(page.bytes()), at)?;
            drop(page);
            let moved = self.subtree(child, if at == first { from } else { &[] })?;
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
        for at in 0..node.count() {
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

    /// Moves a node, if it lies too high and there is a place for it that does not.
    fn node(&mut self, id: PageId) -> Result<PageId> {
        if id < self.goal || !self.edit.writer.space.has_below(self.goal) {
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
