//! A batch under way: the tree as it will be when the batch is published.
//!
//! Every page that the batch changes is copied once, under a new number, and edited in place from then on: the pages of
//! [`Edit::work`]. Nothing that readers or checkpoints can see is touched, so giving a batch up is forgetting these.

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
struct Step {
    id: PageId,
    at: usize,
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
    store: &'a Store,
    pub(super) writer: &'a mut Writer,
    seq: u64,
    pub(super) root: PageId,
    pub(super) entries: u64,
    /// Pages made by the batch, which it may still change.
    work: Map<PageMut>,
    /// Pages made by the batch that a [`Mark`] may go back to.
    kept: Map<Page>,
    /// Page numbers that the batch took.
    taken: Vec<(PageId, u32)>,
    /// Pages that it left behind.
    left: Vec<Left>,
    /// The way to the leaf that was changed last: from the root, the leaf last. Empty if it is not known.
    path: Vec<Step>,
    pub(super) user_bytes: u64,
}

/// A separator on its way up.
struct Separator {
    key: Vec<u8>,
    run: Option<RunRef>,
}

/// What a removal of a range made of a subtree.
enum Pruned {
    Same,
    Changed(PageId),
    Gone,
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

    fn take(&mut self, pages: u32) -> Result<PageId> {
        let id = self.writer.space.take(pages).ok_or(Error::TooLarge {
            what: "file",
            len: u64::from(u32::MAX) * self.store.page_size as u64,
            limit: u64::from(u32::MAX) * self.store.page_size as u64,
        })?;
        self.taken.push((id, pages));
        Ok(id)
    }

    fn leave(&mut self, id: PageId, pages: u32) {
        let now = self.writer.epoch;
        let (epoch, born) = if self.work.contains_key(&id) || self.kept.contains_key(&id) {
            (now, self.seq)
        } else {
            // One that is not in memory may be old: that is the safe side.
            self.store.table.peek(id).map_or((0, 0), |page| (get_u64(page.bytes(), 16), page.born()))
        };
        self.left.push(Left { id, pages, born, needs: if epoch == now { 0 } else { now } });
    }

    fn leave_run(&mut self, run: RunRef) -> Result<()> {
        let mine = self.work.contains_key(&run.id) || self.kept.contains_key(&run.id);
        let pages = if mine { run_pages(run.len, self.store.page_size) } else { self.store.check_run(run)? };
        self.leave(run.id, pages);
        Ok(())
    }

    /// A page of the batch or of the store.
    fn page(&self, id: PageId) -> Result<View<'_>> {
        if let Some(page) = self.work.get(&id) {
            return Ok(View::Work(page.bytes()));
        }
        match self.kept.get(&id) {
            Some(page) => Ok(View::Work(page.bytes())),
            None => self.store.page(id).map(View::Lent),
        }
    }

    fn run_page(&self, run: RunRef) -> Result<View<'_>> {
        if let Some(page) = self.work.get(&run.id) {
            return Ok(View::Work(page.bytes()));
        }
        match self.kept.get(&run.id) {
            Some(page) => Ok(View::Work(page.bytes())),
            None => self.store.run_page(run).map(View::Lent),
        }
    }

    fn below(&self, node: &Node<'_>, at: usize) -> Result<(PageId, View<'_>)> {
        let id = node.child(at);
        let page = self.page(id)?;
        if Node::new(page.bytes()).level() + 1 != node.level() {
            return Err(self.store.corrupt(id, "a node on the wrong level"));
        }
        Ok((id, page))
    }

    /// Makes a page the batch's own: itself if it is, or a copy under another number.
    fn own(&mut self, id: PageId) -> Result<PageId> {
        if self.work.contains_key(&id) {
            return Ok(id);
        }
        let page = self.page(id)?;
        let mut copy = PageMut::copy_of(page.bytes(), self.seq);
        drop(page);
        let fresh = self.take(1)?;
        copy.edit(|bytes| label(bytes, fresh, self.writer.epoch));
        self.leave(id, 1);
        self.work.insert(fresh, copy);
        Ok(fresh)
    }

    /// The bytes of a page that the batch owns.
    fn mine(&self, id: PageId) -> Node<'_> {
        Node::new(self.work[&id].bytes())
    }

    fn edit<R>(&mut self, id: PageId, edit: impl FnOnce(&mut [u8]) -> R) -> R {
        self.work.get_mut(&id).expect("only owned pages are edited").edit(edit)
    }

    fn new_node(&mut self, group: Group<'_, '_>) -> Result<PageId> {
        let id = self.take(1)?;
        let mut page = PageMut::zeroed(self.store.page_size, self.seq);
        page.edit(|bytes| group.build(bytes, id, self.writer.epoch));
        self.work.insert(id, page);
        Ok(id)
    }

    fn new_run(&mut self, payload: &[u8]) -> Result<RunRef> {
        let len = payload.len() as u64;
        let id = self.take(run_pages(len, self.store.page_size))?;
        let mut page = PageMut::zeroed(HEADER + payload.len(), self.seq);
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
    fn new_key<'k>(&mut self, key: &'k [u8]) -> Result<Key<'k>> {
        if key.len() <= self.max_key() {
            return Ok(Key { prefix: &[], rest: key, run: None });
        }
        let run = self.new_run(key)?;
        Ok(Key { prefix: &[], rest: &key[..edit::known_of_long(self.store.page_size)], run: Some(run) })
    }

    // ---- operations ----

    pub(super) fn apply(&mut self, batch: &WriteBatch) -> Result<()> {
        for op in batch.iter() {
            match op {
                Op::Put(key, value) => self.put(key, value)?,
                Op::Delete(key) => self.delete(key)?,
                Op::DeleteRange(start, end) => self.delete_range(start, end)?,
            }
        }
        Ok(())
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
    fn locate(&mut self, key: &[u8]) -> Result<PageId> {
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
    fn is_last(&self, depth: usize) -> bool {
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
    fn leave_cell(&mut self, id: PageId, at: usize) -> Result<()> {
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

    // ---- growing ----

    /// Puts an entry into the path's node at a depth, which may split it and those above.
    fn insert(&mut self, depth: usize, at: usize, entry: Entry<'_>) -> Result<()> {
        let id = self.path[depth].id;
        if self.edit(id, |page| edit::insert(page, at, entry)) {
            return Ok(());
        }
        let mut scratch = std::mem::take(&mut self.writer.scratch);
        scratch.clear();
        scratch.extend_from_slice(self.work[&id].bytes());
        let done = self.rebuild_with(depth, at, entry, &scratch);
        self.writer.scratch = scratch;
        done
    }

    fn rebuild_with(&mut self, depth: usize, at: usize, entry: Entry<'_>, before: &[u8]) -> Result<()> {
        let id = self.path[depth].id;
        let page_size = self.store.page_size;
        let epoch = self.writer.epoch;
        let node = Node::new(before);
        let mut entries: Vec<Entry<'_>> = Vec::with_capacity(node.count() + 1);
        entries.extend((0..node.count()).map(|at| Entry::at(&node, at)));
        entries.insert(at, entry);
        let all = Group { entries: &entries, level: node.level(), page: page_size };
        if all.size() <= page_size {
            self.edit(id, |page| all.build(page, id, epoch));
            return Ok(());
        }
        // Keys that come in order leave full pages behind.
        let appends = at == node.count() && self.is_last(depth);
        let middle = if appends { at } else { all.middle().unwrap_or(at) };
        let (left, right) = entries.split_at(middle);
        let separator = self.separator(node.level(), &left[left.len() - 1], &right[0])?;
        self.edit(id, |page| Group { entries: left, level: node.level(), page: page_size }.build(page, id, epoch));
        let right = self.new_node(Group { entries: right, level: node.level(), page: page_size })?;
        self.raise(depth, node.level(), separator, right)
    }

    /// Tells the node above the one at a depth of its new right neighbour.
    fn raise(&mut self, depth: usize, level: u8, separator: Separator, right: PageId) -> Result<()> {
        let value = right.to_le_bytes();
        let entry = Entry { prefix: &[], rest: &separator.key, run: separator.run, value: &value, value_in_run: false };
        if depth > 0 {
            let at = self.path[depth - 1].at + 1;
            self.insert(depth - 1, at, entry)?;
        } else {
            let left = self.root.to_le_bytes();
            let first = Entry { prefix: &[], rest: &[], run: None, value: &left, value_in_run: false };
            self.root =
                self.new_node(Group { entries: &[first, entry], level: level + 1, page: self.store.page_size })?;
        }
        self.path.clear();
        Ok(())
    }

    /// The key that parts two neighbours: for leaves the shortest one, for inner nodes the right one's first, which that
    /// node does not keep.
    fn separator(&mut self, level: u8, left: &Entry<'_>, right: &Entry<'_>) -> Result<Separator> {
        let known = |entry: &Entry<'_>| [entry.prefix, entry.rest].concat();
        let (a, b) = (known(left), known(right));
        if level > 0 {
            return Ok(Separator { key: b, run: right.run });
        }
        let common = |a: &[u8], b: &[u8]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let shared = common(&a, &b);
        if shared < b.len() && (shared < a.len() || left.run.is_none()) {
            return Ok(Separator { key: b[..=shared].to_vec(), run: None });
        }
        // They part beyond what the nodes hold of them.
        let (mut a, mut b) = (Vec::new(), Vec::new());
        left.key().append_to(&mut a, self)?;
        right.key().append_to(&mut b, self)?;
        b.truncate(common(&a, &b) + 1);
        let key = self.new_key(&b)?;
        Ok(Separator { key: key.rest.to_vec(), run: key.run })
    }

    // ---- shrinking ----

    /// Sees to it that the path's node at a depth is not too empty, after something went out of it.
    fn mend(&mut self, depth: usize) -> Result<()> {
        let id = self.path[depth].id;
        let node = self.mine(id);
        let (count, level) = (node.count(), node.level());
        if depth == 0 {
            match (count, level) {
                (0, _) => self.root = NONE,
                (1, 1..) => self.root = node.child(0),
                _ => return Ok(()),
            }
            self.path.clear();
            self.leave(id, 1);
            // What is the root now may have one child as well.
            if self.root != NONE && level > 1 {
                self.root = self.own(self.root)?;
                self.path.push(Step { id: self.root, at: 0 });
                self.mend(0)?;
                self.path.clear();
            }
            return Ok(());
        }
        if count > 0 && node.used() >= (self.store.page_size - HEADER) / 4 {
            return Ok(());
        }
        let above = self.path[depth - 1];
        let siblings = self.mine(above.id).count();
        if siblings == 1 {
            if count == 0 {
                self.leave(id, 1);
                self.edit(above.id, |page| edit::remove(page, 0));
            }
            let done = self.mend(depth - 1);
            self.path.clear();
            return done;
        }
        let left = if above.at > 0 { above.at - 1 } else { 0 };
        let done = self.join(depth, left);
        self.path.clear();
        done
    }

    /// Makes one node of two neighbours, or evens them out: the children of the node above `depth` at `at` and behind.
    fn join(&mut self, depth: usize, at: usize) -> Result<()> {
        let above = self.path[depth - 1].id;
        let mut ids = [NONE; 2];
        for (n, id) in ids.iter_mut().enumerate() {
            let node = self.mine(above);
            let (child, _) = self.below(&node, at + n)?;
            *id = self.own(child)?;
            let owned = *id;
            self.edit(above, |page| edit::set_value(page, at + n, &owned.to_le_bytes()));
        }
        let [left, right] = ids;
        let pages = [self.work[&left].bytes().to_vec(), self.work[&right].bytes().to_vec()];
        let parent = self.work[&above].bytes().to_vec();
        let [a, b] = [Node::new(&pages[0]), Node::new(&pages[1])];
        let parent = Node::new(&parent);
        let (level, epoch, page_size) = (a.level(), self.writer.epoch, self.store.page_size);
        let between = parent.key(at + 1);
        let mut entries: Vec<Entry<'_>> = (0..a.count()).map(|at| Entry::at(&a, at)).collect();
        entries.extend((0..b.count()).map(|at| Entry::at(&b, at)));
        if level > 0
            && let Some(first) = entries.get_mut(a.count())
            && b.count() > 0
            && a.count() > 0
        {
            *first = first.with_key(between);
        }
        let all = Group { entries: &entries, level, page: page_size };
        let empty = a.count() == 0 || b.count() == 0;
        if empty || all.size() <= page_size - page_size / 8 {
            // Of an inner node's separator the key goes down into it; of leaves nobody needs it, nor of an empty node.
            if (level == 0 || empty)
                && let Some(run) = between.run
            {
                self.leave_run(run)?;
            }
            self.edit(left, |page| all.build(page, left, epoch));
            self.leave(right, 1);
            self.edit(above, |page| edit::remove(page, at + 1));
            return self.mend(depth - 1);
        }
        let Some(middle) = all.middle() else { return Ok(()) };
        let (one, two) = entries.split_at(middle);
        let separator = self.separator(level, &one[one.len() - 1], &two[0])?;
        if level == 0
            && let Some(run) = between.run
        {
            self.leave_run(run)?;
        }
        self.edit(left, |page| Group { entries: one, level, page: page_size }.build(page, left, epoch));
        self.edit(right, |page| Group { entries: two, level, page: page_size }.build(page, right, epoch));
        self.edit(above, |page| edit::remove(page, at + 1));
        let value = right.to_le_bytes();
        let entry = Entry { prefix: &[], rest: &separator.key, run: separator.run, value: &value, value_in_run: false };
        self.insert(depth - 1, at + 1, entry)
    }

    // ---- ranges ----

    pub(super) fn delete_range(&mut self, start: &[u8], end: &[u8]) -> Result<()> {
        self.user_bytes += (start.len() + end.len()) as u64;
        if start >= end || self.root == NONE {
            return Ok(());
        }
        self.path.clear();
        match self.prune(self.root, start, end)? {
            Pruned::Same => return Ok(()),
            Pruned::Changed(root) => self.root = root,
            Pruned::Gone => self.root = NONE,
        }
        // What is left at both edges may be thin.
        for key in [start, end] {
            let mut depth = usize::MAX;
            while self.root != NONE && depth > 0 {
                self.path.clear();
                self.locate(key)?;
                depth = depth.min(self.path.len()) - 1;
                self.mend(depth)?;
            }
        }
        self.path.clear();
        Ok(())
    }

    fn prune(&mut self, id: PageId, start: &[u8], end: &[u8]) -> Result<Pruned> {
        let page = self.page(id)?;
        let node = Node::new(page.bytes());
        if node.is_leaf() {
            let place = |key| Ok::<_, Error>(node.search(key, self)?.unwrap_or_else(|at| at));
            let (from, to) = (place(start)?, place(end)?);
            let all = from == 0 && to == node.count();
            drop(page);
            if from == to {
                return Ok(Pruned::Same);
            }
            if all {
                self.leave_tree(id)?;
                return Ok(Pruned::Gone);
            }
            let id = self.own(id)?;
            for at in (from..to).rev() {
                self.leave_cell(id, at)?;
                self.edit(id, |page| edit::remove(page, at));
            }
            self.entries -= (to - from) as u64;
            return Ok(Pruned::Changed(id));
        }
        let (from, to) = (node.child_for(start, self)?, node.child_for(end, self)?);
        let mut children = Vec::with_capacity(to - from + 1);
        for at in from..=to {
            children.push(self.below(&node, at)?.0);
        }
        drop(page);
        let mut pruned = Vec::with_capacity(children.len());
        for (n, &child) in children.iter().enumerate() {
            pruned.push(if n == 0 || n + 1 == children.len() {
                self.prune(child, start, end)?
            } else {
                self.leave_tree(child)?;
                Pruned::Gone
            });
        }
        if pruned.iter().all(|pruned| matches!(pruned, Pruned::Same)) {
            return Ok(Pruned::Same);
        }
        let id = self.own(id)?;
        let before = self.work[&id].bytes().to_vec();
        let node = Node::new(&before);
        let mut values = Vec::with_capacity(pruned.len());
        for (n, pruned) in pruned.iter().enumerate() {
            let at = from + n;
            if matches!(pruned, Pruned::Gone)
                && let Some(run) = node.key(at).run
            {
                self.leave_run(run)?;
            }
            values.push(match pruned {
                Pruned::Same => Some(children[n].to_le_bytes()),
                Pruned::Changed(child) => Some(child.to_le_bytes()),
                Pruned::Gone => None,
            });
        }
        let mut entries = Vec::with_capacity(node.count());
        for at in 0..node.count() {
            let entry = Entry::at(&node, at);
            match at.checked_sub(from).and_then(|n| values.get(n)) {
                None => entries.push(entry),
                Some(Some(value)) => entries.push(Entry { value, ..entry }),
                Some(None) => {}
            }
        }
        let Some(first) = entries.first() else {
            self.leave(id, 1);
            return Ok(Pruned::Gone);
        };
        // The first loses its key.
        if let Some(run) = first.run {
            self.leave_run(run)?;
        }
        let (level, epoch, page_size) = (node.level(), self.writer.epoch, self.store.page_size);
        self.edit(id, |page| Group { entries: &entries, level, page: page_size }.build(page, id, epoch));
        Ok(Pruned::Changed(id))
    }

    /// Leaves a subtree behind, with all of its entries.
    fn leave_tree(&mut self, id: PageId) -> Result<()> {
        let page = self.page(id)?;
        let node = Node::new(page.bytes());
        let (count, leaf) = (node.count(), node.is_leaf());
        let mut children = Vec::new();
        let mut runs = Vec::new();
        for at in 0..count {
            runs.extend(node.key(at).run);
            if leaf {
                if let Value::Run(run) = node.value(at) {
                    runs.push(run);
                }
            } else {
                children.push(self.below(&node, at)?.0);
            }
        }
        drop(page);
        if leaf {
            self.entries -= count as u64;
        }
        children.into_iter().try_for_each(|child| self.leave_tree(child))?;
        runs.into_iter().try_for_each(|run| self.leave_run(run))?;
        self.leave(id, 1);
        Ok(())
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
        for (id, pages) in self.taken.drain(mark.taken..) {
            self.work.remove(&id);
            self.kept.remove(&id);
            self.writer.space.give(id, pages);
        }
    }

    /// Whether the tree is another one than before.
    pub(super) fn is_changed(&self) -> bool {
        !self.taken.is_empty() || !self.left.is_empty()
    }

    /// Shows the batch to readers.
    pub(super) fn publish(mut self) {
        if !self.is_changed() {
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
            work.remove(&left.id);
            kept.remove(&left.id);
            writer.space.give(left.id, left.pages);
            false
        });
        let mut made: Vec<(PageId, Page)> = kept.into_iter().collect();
        made.extend(work.into_iter().map(|(id, page)| (id, page.freeze())));
        for (id, page) in made {
            writer.publish_page(store, id, page);
        }
        store.end.fetch_max(writer.space.end(), std::sync::atomic::Ordering::AcqRel);
        let version = Version { seq, root: self.root, entries: self.entries };
        let before = store.version.swap(std::sync::Arc::new(version));
        writer.superseded(&before, left);
        drop(before);
        writer.sweep(store);
        store.counters.user_bytes.fetch_add(self.user_bytes, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A batch that was not published never was.
impl Drop for Edit<'_> {
    fn drop(&mut self) {
        for (id, pages) in self.taken.drain(..) {
            self.writer.space.give(id, pages);
        }
    }
}

impl Runs for Edit<'_> {
    fn run(&self, id: PageId, len: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        see(&self.run_page(RunRef { id, len })?.bytes()[HEADER..]);
        Ok(())
    }
}

/// A page to look at: the batch's or the store's.
enum View<'a> {
    Work(&'a [u8]),
    Lent(Lent),
}

impl View<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            View::Work(bytes) => bytes,
            View::Lent(lent) => lent.bytes(),
        }
    }
}

/// What a batch must keep to.
pub(super) fn check_limits(batch: &WriteBatch, limit: u64) -> Result<()> {
    let too_large = |what, len: usize, limit: u64| Err(Error::TooLarge { what, len: len as u64, limit });
    if batch.as_bytes().len() as u64 > limit {
        return too_large("batch", batch.as_bytes().len(), limit);
    }
    for op in batch.iter() {
        let (key, value) = match op {
            Op::Put(key, value) => (key, value),
            Op::Delete(key) => (key, &[][..]),
            Op::DeleteRange(start, end) => (if start.len() > end.len() { start } else { end }, &[][..]),
        };
        if key.len() > Options::MAX_KEY {
            return too_large("key", key.len(), Options::MAX_KEY as u64);
        }
        if value.len() > Options::MAX_VALUE {
            return too_large("value", value.len(), Options::MAX_VALUE as u64);
        }
    }
    Ok(())
}
