//! A batch under way: the tree as it will be when the batch is published.
//!
//! Every page that the batch changes is copied once, under a new number, and edited in place from then on: the pages of
//! [`Edit::work`]. Nothing that readers or checkpoints can see is touched, so giving a batch up is forgetting these.

use std::sync::atomic::Ordering;

use hashbrown::HashMap;

use super::edit::{self, Entry, Group};
use super::node::{CELL, KEY_REF, Key, Node, RunRef, Runs, SLOT, VALUE_REF, Value, get_u64};
use super::options::Options;
use super::page::{HEADER, NONE, Page, PageId, PageMut, RUN};
use super::store::{Store, Version, label, run_pages};
use super::table::Lent;
use super::write::{Left, Writer};
use crate::engine::{Op, WriteBatch};
use crate::{Error, Result};

type Map<V> = HashMap<PageId, V, foldhash::fast::FixedState>;

/// A step of the path from the root: an inner node, and the slot that leads on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) id: PageId,
    pub(super) at: usize,
}

/// Where a batch stood, to go back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    root: PageId,
    entries: u64,
    taken: usize,
    left: usize,
    user_bytes: u64,
}

#[derive(Debug)]
pub(super) struct Edit<'a> {
    pub(super) store: &'a Store,
    pub(super) writer: &'a mut Writer,
    pub(super) seq: u64,
    pub(super) root: PageId,
    pub(super) entries: u64,
    /// Pages made by the batch, which it may still change.
    pub(super) work: Map<PageMut>,
    /// Pages made by the batch that a [`Mark`] may go back to.
    pub(super) kept: Map<Page>,
    /// Page numbers that the batch took.
    pub(super) taken: Vec<(PageId, u32)>,
    /// Pages that it left behind.
    pub(super) left: Vec<Left>,
    /// The way to the leaf that was changed last: from the root, the leaf last. Empty if it is not known.
    pub(super) path: Vec<Step>,
    pub(super) user_bytes: u64,
    /// Bytes of the runs that it made since it last spilled.
    run_bytes: u64,
}

impl<'a> Edit<'a> {
    pub(super) fn new(store: &'a Store, writer: &'a mut Writer) -> Self {
        let version = store.version.load();
        Edit {
            store,
            writer,
            seq: version.seq + 1,
            root: version.root,
            entries: version.entries,
            work: Map::default(),
            kept: Map::default(),
            taken: Vec::new(),
            left: Vec::new(),
            path: Vec::new(),
            user_bytes: 0,
            run_bytes: 0,
        }
    }

    // ---- limits ----

    fn quarter(&self) -> usize {
        (self.store.page_size - HEADER) / 4
    }

    /// The longest key that stands in a node as a whole.
    fn max_key(&self) -> usize {
        self.store.page_size / 8
    }

    // ---- pages ----

    pub(super) fn take(&mut self, pages: u32) -> Result<PageId> {
        let id = self.writer.space.take(pages).ok_or(Error::TooLarge {
            what: "file",
            len: u64::from(u32::MAX) * self.store.page_size as u64,
            limit: u64::from(u32::MAX) * self.store.page_size as u64,
        })?;
        self.taken.push((id, pages));
        Ok(id)
    }

    /// Gives back what was taken last.
    pub(super) fn untake(&mut self, id: PageId) {
        if let Some((id, pages)) = self.taken.pop_if(|(last, _)| *last == id) {
            self.work.remove(&id);
            self.writer.space.give(id, pages);
        }
    }

    pub(super) fn leave(&mut self, id: PageId, pages: u32) {
        let now = self.writer.epoch;
        let (epoch, born) = if self.work.contains_key(&id) || self.kept.contains_key(&id) {
            (now, self.seq)
        } else {
            // One that is not in memory may be old: that is the safe side.
            self.store.table.peek(id).map_or((0, 0), |page| (get_u64(page.bytes(), 16), page.born()))
        };
        self.left.push(Left { id, pages, born, needs: if epoch == now { 0 } else { now } });
    }

    pub(super) fn leave_run(&mut self, run: RunRef) -> Result<()> {
        let mine = self.work.contains_key(&run.id) || self.kept.contains_key(&run.id);
        let pages = if mine { run_pages(run.len, self.store.page_size) } else { self.store.check_run(run)? };
        self.leave(run.id, pages);
        Ok(())
    }

    /// A page of the batch or of the store.
    pub(super) fn page(&self, id: PageId) -> Result<View<'_>> {
        if let Some(page) = self.work.get(&id) {
            return Ok(View::Work(page.bytes()));
        }
        match self.kept.get(&id) {
            Some(page) => Ok(View::Work(page.bytes())),
            None => self.store.page(id).map(View::Lent),
        }
    }

    pub(super) fn run_page(&self, run: RunRef) -> Result<View<'_>> {
        if let Some(page) = self.work.get(&run.id) {
            return Ok(View::Work(page.bytes()));
        }
        match self.kept.get(&run.id) {
            Some(page) => Ok(View::Work(page.bytes())),
            None => self.store.run_page(run).map(View::Lent),
        }
    }

    pub(super) fn below(&self, node: &Node<'_>, at: usize) -> Result<(PageId, View<'_>)> {
        let id = node.child(at);
        let page = self.page(id)?;
        if Node::new(page.bytes()).level() + 1 != node.level() {
            return Err(self.store.corrupt(id, "a node on the wrong level"));
        }
        Ok((id, page))
    }

    /// Makes a page the batch's own: itself if it is, or a copy under another number.
    pub(super) fn own(&mut self, id: PageId) -> Result<PageId> {
        if self.work.contains_key(&id) {
            return Ok(id);
        }
        let pooled = self.writer.pool.pop();
        let page = self.page(id)?;
        let mut copy = match pooled {
            Some(old) => PageMut::copy_into(old, page.bytes(), self.seq),
            None => PageMut::copy_of(page.bytes(), self.seq),
        };
        drop(page);
        let fresh = self.take(1)?;
        copy.edit(|bytes| label(bytes, fresh, self.writer.epoch));
        self.leave(id, 1);
        self.work.insert(fresh, copy);
        Ok(fresh)
    }

    /// The bytes of a page that the batch owns.
    pub(super) fn mine(&self, id: PageId) -> Node<'_> {
        Node::new(self.work[&id].bytes())
    }

    pub(super) fn edit<R>(&mut self, id: PageId, edit: impl FnOnce(&mut [u8]) -> R) -> R {
        self.work.get_mut(&id).expect("only owned pages are edited").edit(edit)
    }

    pub(super) fn new_node(&mut self, group: Group<'_, '_>) -> Result<PageId> {
        let id = self.take(1)?;
        let mut page = PageMut::zeroed(self.store.page_size, self.seq);
        page.edit(|bytes| group.build(bytes, id, self.writer.epoch));
        self.work.insert(id, page);
        Ok(id)
    }

    pub(super) fn new_run(&mut self, payload: &[u8]) -> Result<RunRef> {
        let len = payload.len() as u64;
        let id = self.take(run_pages(len, self.store.page_size))?;
        let mut page = PageMut::zeroed(HEADER + payload.len(), self.seq);
        self.run_bytes += len;
        page.edit(|bytes| {
            bytes[4] = RUN;
            label(bytes, id, self.writer.epoch);
            bytes[24..32].copy_from_slice(&len.to_le_bytes());
            bytes[HEADER..].copy_from_slice(payload);
        });
        self.work.insert(id, page);
        Ok(RunRef { id, len })
    }

    /// A key as it stands in nodes, and the run that holds all of a long one.
    pub(super) fn new_key<'k>(&mut self, key: &'k [u8]) -> Result<Key<'k>> {
        if key.len() <= self.max_key() {
            return Ok(Key { prefix: &[], rest: key, run: None });
        }
        let run = self.new_run(key)?;
        Ok(Key { prefix: &[], rest: &key[..edit::known_of_long(self.store.page_size)], run: Some(run) })
    }

    // ---- operations ----

    pub(super) fn apply(&mut self, batch: &WriteBatch) -> Result<()> {
        batch.iter().try_for_each(|op| self.apply_one(op))
    }

    pub(super) fn apply_one(&mut self, op: Op<'_>) -> Result<()> {
        // However much a batch changes, its pages do not take more memory than that.
        if self.held() > self.store.table.budget() / 4 {
            self.spill()?;
        }
        match op {
            Op::Put(key, value) => self.put(key, value),
            Op::Delete(key) => self.delete(key),
            Op::DeleteRange(start, end) => self.delete_range(start, end),
        }
    }

    /// Shows the value of a key as the batch has made it.
    pub(super) fn get<R>(&self, key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        if self.root == NONE {
            return Ok(None);
        }
        let mut page = self.page(self.root)?;
        loop {
            let node = Node::new(page.bytes());
            if node.is_leaf() {
                let Ok(at) = node.search(key, self)? else { return Ok(None) };
                return match node.value(at) {
                    Value::Here(value) => Ok(Some(see(value))),
                    Value::Run(run) => Ok(Some(see(&self.run_page(run)?.bytes()[HEADER..]))),
                };
            }
            page = self.below(&node, node.child_for(key, self)?)?.1;
        }
    }

    /// Goes to the leaf where a key belongs and makes the whole way there the batch's own.
    pub(super) fn locate(&mut self, key: &[u8]) -> Result<PageId> {
        if let Some(leaf) = self.at_hand(key)? {
            return Ok(leaf);
        }
        self.path.clear();
        let mut id = self.own(self.root)?;
        self.root = id;
        loop {
            let node = self.mine(id);
            if node.is_leaf() {
                self.path.push(Step { id, at: 0 });
                return Ok(id);
            }
            let at = node.child_for(key, self)?;
            let (child, _) = self.below(&node, at)?;
            let owned = self.own(child)?;
            if owned != child {
                self.edit(id, |page| edit::set_value(page, at, &owned.to_le_bytes()));
            }
            self.path.push(Step { id, at });
            id = owned;
        }
    }

    /// The leaf of the last change, if the key belongs there too: batches often go along.
    fn at_hand(&self, key: &[u8]) -> Result<Option<PageId>> {
        let Some(&Step { id, .. }) = self.path.last() else { return Ok(None) };
        let node = self.mine(id);
        Ok(match node.search(key, self)? {
            Ok(_) => Some(id),
            Err(at) if at > 0 && (at < node.count() || self.is_last(self.path.len() - 1)) => Some(id),
            Err(_) => None,
        })
    }

    /// Whether nothing is to the right of the path's node at a depth.
    pub(super) fn is_last(&self, depth: usize) -> bool {
        self.path[..depth].iter().all(|step| step.at + 1 == self.mine(step.id).count())
    }

    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.user_bytes += (key.len() + value.len()) as u64;
        if self.root == NONE {
            let key = self.new_key(key)?;
            let (value, value_in_run) = self.new_value(&key, value)?;
            let entry = Entry { prefix: key.prefix, rest: key.rest, run: key.run, value: &value, value_in_run };
            self.root = self.new_node(Group { entries: &[entry], level: 0, page: self.store.page_size })?;
            self.entries += 1;
            self.path.clear();
            return Ok(());
        }
        let leaf = self.locate(key)?;
        let node = self.mine(leaf);
        let found = node.search(key, self)?;
        let at = match found {
            Ok(at) => {
                let old = node.value(at);
                let key = node.key(at);
                let in_place = self.fits_in_cell(&key, value.len());
                if let Value::Here(old) = old
                    && in_place
                    && old.len() == value.len()
                {
                    self.edit(leaf, |page| edit::set_value(page, at, value));
                    return Ok(());
                }
                let (mut known, run) = (Vec::new(), key.run);
                known.extend_from_slice(key.prefix);
                known.extend_from_slice(key.rest);
                if let Value::Run(old) = old {
                    self.leave_run(old)?;
                }
                let key = Key { prefix: &[], rest: &known, run };
                let (value, value_in_run) = self.new_value(&key, value)?;
                self.edit(leaf, |page| edit::remove(page, at));
                let entry = Entry { prefix: key.prefix, rest: key.rest, run: key.run, value: &value, value_in_run };
                self.insert(self.path.len() - 1, at, entry)?;
                return Ok(());
            }
            Err(at) => at,
        };
        let key = self.new_key(key)?;
        let (value, value_in_run) = self.new_value(&key, value)?;
        let entry = Entry { prefix: key.prefix, rest: key.rest, run: key.run, value: &value, value_in_run };
        self.entries += 1;
        self.insert(self.path.len() - 1, at, entry)
    }

    fn fits_in_cell(&self, key: &Key<'_>, value: usize) -> bool {
        let key = key.known() + if key.run.is_some() { KEY_REF } else { 0 };
        SLOT + CELL + key + value <= self.quarter()
    }

    /// A value as it stands in a cell.
    fn new_value<'v>(&mut self, key: &Key<'_>, value: &'v [u8]) -> Result<(std::borrow::Cow<'v, [u8]>, bool)> {
        if self.fits_in_cell(key, value.len()) {
            return Ok((value.into(), false));
        }
        let run = self.new_run(value)?;
        let mut reference = vec![0; VALUE_REF];
        reference[..4].copy_from_slice(&run.id.to_le_bytes());
        reference[4..].copy_from_slice(&run.len.to_le_bytes());
        Ok((reference.into(), true))
    }

    pub(super) fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.user_bytes += key.len() as u64;
        // A key that is not there must not cost copies.
        if self.get(key, |_| ())?.is_none() {
            return Ok(());
        }
        let leaf = self.locate(key)?;
        if let Ok(at) = self.mine(leaf).search(key, self)? {
            self.leave_cell(leaf, at)?;
            self.edit(leaf, |page| edit::remove(page, at));
            self.entries -= 1;
            self.mend(self.path.len() - 1)?;
        }
        Ok(())
    }

    /// Leaves behind the runs of a cell.
    pub(super) fn leave_cell(&mut self, id: PageId, at: usize) -> Result<()> {
        let page = self.page(id)?;
        let node = Node::new(page.bytes());
        let value = match node.value(at) {
            Value::Run(run) => Some(run),
            Value::Here(_) => None,
        };
        let key = node.key(at).run;
        drop(page);
        key.into_iter().chain(value).try_for_each(|run| self.leave_run(run))
    }

    // ---- going back, and ending ----

    /// A point to go back to. What is there now will not be edited in place any more.
    pub(super) fn mark(&mut self) -> Mark {
        self.path.clear();
        self.kept.extend(self.work.drain().map(|(id, page)| (id, page.freeze())));
        Mark {
            root: self.root,
            entries: self.entries,
            taken: self.taken.len(),
            left: self.left.len(),
            user_bytes: self.user_bytes,
        }
    }

    /// Undoes everything since a mark.
    pub(super) fn go_back(&mut self, mark: &Mark) {
        self.path.clear();
        self.root = mark.root;
        self.entries = mark.entries;
        self.user_bytes = mark.user_bytes;
        self.left.truncate(mark.left);
        self.give_back(mark.taken);
    }

    /// Gives back the pages that were taken since so many had been.
    fn give_back(&mut self, from: usize) {
        for (id, pages) in self.taken.drain(from..) {
            if self.work.remove(&id).is_none() && self.kept.remove(&id).is_none() {
                self.store.table.remove(id); // it was spilled
            }
            self.writer.space.give(id, pages);
        }
    }

    /// Bytes of the pages that the batch holds outside of the table.
    pub(super) fn held(&self) -> u64 {
        (self.work.len() + self.kept.len()) as u64 * self.store.page_size as u64 + self.run_bytes
    }

    /// Writes the pages that the batch is done with to their places, so that they need no memory. They are free places
    /// for everybody else: if the batch comes to nothing, nothing was overwritten.
    pub(super) fn spill(&mut self) -> Result<()> {
        self.run_bytes = 0;
        let way: Vec<PageId> = self.path.iter().map(|step| step.id).collect();
        let mut pages: Vec<(PageId, Page)> = self.kept.drain().collect();
        pages.extend(self.work.extract_if(|id, _| !way.contains(id)).map(|(id, page)| (id, page.freeze())));
        pages.sort_unstable_by_key(|(id, _)| *id);
        self.store.end.fetch_max(self.writer.space.end(), Ordering::AcqRel);
        self.store.write_all(&pages, &mut Vec::new()).map_err(|error| self.store.stop(error))?;
        for (id, page) in &pages {
            self.store.table.fill(*id, page);
        }
        self.store.table.evict(self.store.end.load(Ordering::Acquire));
        Ok(())
    }

    /// Whether the tree is another one than before.
    pub(super) fn is_changed(&self) -> bool {
        !self.taken.is_empty() || !self.left.is_empty()
    }

    /// Shows the batch to readers.
    pub(super) fn publish(mut self) {
        let recovered = self.writer.fold.as_ref().map(|fold| fold.recovered.clone());
        if !self.is_changed() && recovered.is_some() == self.store.version.load().recovered.is_some() {
            return;
        }
        // From here on nothing can fail, and dropping the rest undoes nothing.
        self.taken.clear();
        let (mut work, mut kept) = (std::mem::take(&mut self.work), std::mem::take(&mut self.kept));
        let mut left = std::mem::take(&mut self.left);
        let (store, writer, seq) = (self.store, &mut *self.writer, self.seq);
        // What the batch made and left behind itself nobody has seen.
        left.retain(|left| {
            if left.born != seq {
                return true;
            }
            if work.remove(&left.id).is_none() && kept.remove(&left.id).is_none() {
                store.table.remove(left.id); // it was spilled
            }
            writer.space.give(left.id, left.pages);
            false
        });
        let mut made: Vec<(PageId, Page)> = kept.into_iter().collect();
        made.extend(work.into_iter().map(|(id, page)| (id, page.freeze())));
        for (id, page) in made {
            writer.publish_page(store, id, page);
        }
        store.end.fetch_max(writer.space.end(), Ordering::AcqRel);
        let version = Version { seq, root: self.root, entries: self.entries, recovered };
        let before = store.version.swap(std::sync::Arc::new(version));
        writer.superseded(&before, left);
        drop(before);
        writer.sweep(store);
        store.counters.user_bytes.fetch_add(self.user_bytes, Ordering::Relaxed);
    }
}

/// A batch that was not published never was.
impl Drop for Edit<'_> {
    fn drop(&mut self) {
        self.give_back(0);
    }
}

impl Runs for Edit<'_> {
    fn run(&self, id: PageId, len: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        see(&self.run_page(RunRef { id, len })?.bytes()[HEADER..]);
        Ok(())
    }
}

/// A page to look at: the batch's or the store's.
pub(super) enum View<'a> {
    Work(&'a [u8]),
    Lent(Lent),
}

impl View<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            View::Work(bytes) => bytes,
            View::Lent(lent) => lent.bytes(),
        }
    }
}

/// What a batch must keep to.
pub(super) fn check_limits(batch: &WriteBatch, limit: u64) -> Result<()> {
    if batch.as_bytes().len() as u64 > limit {
        return Err(Error::TooLarge { what: "batch", len: batch.as_bytes().len() as u64, limit });
    }
    for op in batch.iter() {
        let (key, value) = match op {
            Op::Put(key, value) => (key, value),
            Op::Delete(key) => (key, &[][..]),
            Op::DeleteRange(start, end) => (if start.len() > end.len() { start } else { end }, &[][..]),
        };
        check_entry(key, value)?;
    }
    Ok(())
}

pub(super) fn check_entry(key: &[u8], value: &[u8]) -> Result<()> {
    let parts = [("key", key.len(), Options::MAX_KEY), ("value", value.len(), Options::MAX_VALUE)];
    match parts.into_iter().find(|(_, len, limit)| len > limit) {
        Some((what, len, limit)) => Err(Error::TooLarge { what, len: len as u64, limit: limit as u64 }),
        None => Ok(()),
    }
}
