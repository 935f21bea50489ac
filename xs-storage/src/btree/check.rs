//! Verifying everything that must hold: [`check`].

use std::cmp::Ordering;

use super::node::{Node, RunRef, Value};
use super::page::{HEADER, NONE, Page, PageId};
use super::store::{Store, run_pages};
use crate::Result;
use crate::bits::Bits;

/// What a check saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Entries.
    pub entries: u64,
    /// Leaves and inner pages.
    pub nodes: u64,
    /// Pages of long keys and values.
    pub run_pages: u64,
    /// Pages that are free now.
    pub free_pages: u64,
    /// Pages that snapshots or the last checkpoint still need.
    pub left_pages: u64,
    /// Levels of the tree; 0 when it is empty.
    pub height: u32,
    /// Bytes of nodes that are used, over all that they have: 0 to 100.
    pub fill_percent: u32,
}

struct Walk<'a> {
    store: &'a Store,
    seen: Bits,
    report: Report,
    used: u64,
    /// The last key that was met.
    last: Option<Vec<u8>>,
    /// Hears of pages that were looked at, and of how many there are.
    told: &'a mut dyn FnMut(u64, u64),
    of: u64,
}

/// Looks at every page. See [`BTree::check`](super::BTree::check).
pub(super) fn check(store: &Store, told: &mut dyn FnMut(u64, u64)) -> Result<Report> {
    let mut writer = store.writer.lock();
    store.fold(&mut writer)?;
    let version = store.version.load_full();
    // Those that nothing reaches any more are in use as well, and are not read.
    let left: u64 = writer.all_left().map(|left| u64::from(left.pages)).sum();
    let of = writer.used().saturating_sub(left + writer.free_run.map_or(0, |(_, pages)| u64::from(pages)));
    let mut walk = Walk { store, seen: Bits::default(), report: Report::default(), used: 0, last: None, told, of };
    if version.root != NONE {
        let root = walk.fetch(version.root, store.page_size, false)?;
        let level = Node::new(root.bytes()).level();
        walk.report.height = u32::from(level) + 1;
        walk.node(version.root, root, None, None)?;
    }
    (walk.told)(of, of);
    let Walk { mut seen, mut report, used, .. } = walk;
    if report.entries != version.entries {
        let what = format!("{} entries counted, {} found", version.entries, report.entries);
        return Err(store.corrupt(version.root, &what));
    }
    let mut claim = |id: PageId, pages: u32, whose: &str| {
        (id..id + pages).try_for_each(|id| match seen.insert(id) && !writer.space.is_free(id) {
            true => Ok(()),
            false => Err(store.corrupt(id, &format!("{whose}, and something else's or free"))),
        })
    };
    for left in writer.all_left() {
        claim(left.id, left.pages, "left behind")?;
        report.left_pages += u64::from(left.pages);
    }
    if let Some((id, pages)) = writer.free_run {
        claim(id, pages, "the free list's")?;
    }
    for id in writer.space.first()..writer.space.end() {
        if !seen.contains(id) && !writer.space.is_free(id) {
            return Err(store.corrupt(id, "neither used nor free: it leaked"));
        }
    }
    report.free_pages = writer.space.free_pages();
    let all = report.nodes * (store.page_size - HEADER) as u64;
    report.fill_percent = (used * 100).checked_div(all).unwrap_or(0) as u32;
    Ok(report)
}

impl Walk<'_> {
    /// A page as it stands in the file, or in memory while it is not there.
    fn fetch(&mut self, id: PageId, len: usize, is_run: bool) -> Result<Page> {
        let pages = len.div_ceil(self.store.page_size) as u32;
        for id in id..id + pages {
            if !self.seen.insert(id) {
                return Err(self.store.corrupt(id, "reached in two ways"));
            }
        }
        if is_run {
            self.report.run_pages += u64::from(pages);
        } else {
            self.report.nodes += 1;
            if self.report.nodes.is_multiple_of(64) {
                (self.told)((self.report.nodes + self.report.run_pages).min(self.of), self.of);
            }
        }
        match self.store.table.peek(id).filter(Page::is_dirty) {
            Some(page) => Ok(page),
            None => self.store.read(id, len),
        }
    }

    fn run(&mut self, run: RunRef) -> Result<Page> {
        self.store.check_run(run)?;
        debug_assert!(run_pages(run.len, self.store.page_size) > 0);
        self.fetch(run.id, HEADER + run.len as usize, true)
    }

    /// A node whose keys lie from `low`, which may be one of them, to `high`, which may not.
    fn node(&mut self, id: PageId, page: Page, low: Option<&[u8]>, high: Option<&[u8]>) -> Result<()> {
        let wrong = |what: &str| Err(self.store.corrupt(id, what));
        let node = match Node::validate(page.bytes()) {
            Ok(node) => node,
            Err(what) => return wrong(what),
        };
        self.used += node.used() as u64;
        let mut keys = Vec::with_capacity(node.count());
        for at in 0..node.count() {
            let cell = node.key(at);
            let mut key = Vec::new();
            if at == 0 && !node.is_leaf() {
                if cell.run.is_some() || !cell.rest.is_empty() {
                    return wrong("the first child of an inner node has a key");
                }
            } else {
                if let Some(run) = cell.run {
                    let whole = self.run(run)?;
                    key.extend_from_slice(&whole.bytes()[HEADER..]);
                    if !key.starts_with(cell.prefix) || !key[cell.prefix.len()..].starts_with(cell.rest) {
                        return Err(self.store.corrupt(id, "a long key that begins differently in its run"));
                    }
                } else {
                    cell.append_to(&mut key, self.store)?;
                }
                let slot = node.slots()[at];
                let head = u32::from_le_bytes([slot[0], slot[1], slot[2], slot[3]]);
                // The head is made of what follows the prefix in the node.
                if head != super::node::head(&cell.rest[..cell.rest.len().min(4)]) && cell.run.is_none() {
                    return Err(self.store.corrupt(id, "a slot whose head is not its key's"));
                }
                let inside = low.is_none_or(|low| low <= &key[..]) && high.is_none_or(|high| &key[..] < high);
                if !inside {
                    return Err(self.store.corrupt(id, "a key outside of what the nodes above say"));
                }
            }
            keys.push(key);
        }
        let keyed = if node.is_leaf() { &keys[..] } else { &keys[1..] };
        if keyed.windows(2).any(|pair| pair[0].cmp(&pair[1]) != Ordering::Less) {
            return Err(self.store.corrupt(id, "keys out of order"));
        }
        if node.is_leaf() {
            if let (Some(last), Some(first)) = (&self.last, keys.first())
                && last >= first
            {
                return Err(self.store.corrupt(id, "a leaf that begins before its neighbour ends"));
            }
            self.report.entries += node.count() as u64;
            for at in 0..node.count() {
                if let Value::Run(run) = node.value(at) {
                    self.run(run)?;
                }
            }
            self.last = keys.pop();
            return Ok(());
        }
        for at in 0..node.count() {
            let child = node.child(at);
            if child >= self.store.end.load(std::sync::atomic::Ordering::Acquire) || child == NONE {
                return Err(self.store.corrupt(child, "a child outside of the file"));
            }
            let below = self.fetch(child, self.store.page_size, false)?;
            if Node::new(below.bytes()).level() + 1 != node.level() {
                return Err(self.store.corrupt(child, "a node on the wrong level"));
            }
            let low = if at == 0 { low } else { Some(&keys[at][..]) };
            let high = keys.get(at + 1).map(Vec::as_slice).or(high);
            self.node(child, below, low, high)?;
        }
        Ok(())
    }
}
