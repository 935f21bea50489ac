//! A batch that adds: nodes split, and those above them are told.

use super::batch::Edit;
use super::edit::{self, Entry, Group};
use super::node::{Node, RunRef};
use super::page::PageId;
use crate::Result;

/// A separator on its way up.
pub(super) struct Separator {
    pub(super) key: Vec<u8>,
    pub(super) run: Option<RunRef>,
}

impl Edit<'_> {
    /// Puts an entry into the path's node at a depth, which may split it and those above.
    pub(super) fn insert(&mut self, depth: usize, at: usize, entry: Entry<'_>) -> Result<()> {
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
    pub(super) fn separator(&mut self, level: u8, left: &Entry<'_>, right: &Entry<'_>) -> Result<Separator> {
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
}
