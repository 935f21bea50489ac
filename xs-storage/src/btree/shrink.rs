//! A batch that removes: thin nodes are joined with a neighbour, or take entries from it; ranges go with whole subtrees.

use super::batch::{Edit, Step};
use super::edit::{self, Entry, Group};
use super::node::{Node, Value};
use super::page::{HEADER, NONE, PageId};
use crate::{Error, Result};

/// What a removal of a range made of a subtree.
enum Pruned {
    Same,
    Changed(PageId),
    Gone,
}

impl Edit<'_> {
    /// Sees to it that the path's node at a depth is not too empty, after something went out of it.
    pub(super) fn mend(&mut self, depth: usize) -> Result<()> {
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
}
