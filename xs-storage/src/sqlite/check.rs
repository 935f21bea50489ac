//! Verifying everything that must hold of a file: [`Database::check`].

use std::cmp::Ordering;

use super::database::{Database, SchemaEntry};
use super::header::lock_page;
use super::node::{Cell, Kind, Node, PageId, get_u16, get_u32};
use super::pager::{Page, Pager};
use super::payload;
use super::tree::MAX_DEPTH;
use crate::Result;
use crate::bits::Bits;
use crate::row::KeyColumn;
use crate::row::record;

/// What a check saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Trees: tables and indexes, the schema's among them.
    pub trees: u64,
    /// Entries of all of them.
    pub entries: u64,
    /// Pages of trees.
    pub nodes: u64,
    /// Pages of long payloads.
    pub overflow_pages: u64,
    /// Pages of the free list.
    pub free_pages: u64,
}

/// Who a page belongs to, as an auto-vacuum database writes it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Root,
    Free,
    /// A cell of this page.
    Chain(PageId),
    /// The chain's page in front of it.
    ChainAfter(PageId),
    Child(PageId),
}

impl Owner {
    fn entry(self) -> (u8, PageId) {
        match self {
            Owner::Root => (1, 0),
            Owner::Free => (2, 0),
            Owner::Chain(page) => (3, page),
            Owner::ChainAfter(page) => (4, page),
            Owner::Child(page) => (5, page),
        }
    }
}

struct Walk<'a> {
    pager: &'a mut Pager,
    seen: Bits,
    report: Report,
}

/// One tree, on the way through it.
struct Tree<'a> {
    order: Option<&'a [KeyColumn]>,
    /// The level of the leaves, once one was met.
    leaves: Option<usize>,
    rowid: Option<i64>,
    record: Option<Vec<u8>>,
}

pub(super) fn check(
    db: &mut Database,
    order: &mut dyn FnMut(&SchemaEntry) -> Option<Vec<KeyColumn>>,
) -> Result<Report> {
    if db.pages() == 0 {
        return Ok(Report::default());
    }
    let schema = db.schema()?;
    let mut walk = Walk { pager: &mut db.pager, seen: Bits::default(), report: Report::default() };
    walk.reserved()?;
    walk.free_list()?;
    walk.tree(1, None)?;
    for entry in schema.iter().filter(|entry| entry.root != 0) {
        let order = order(entry);
        walk.tree(entry.root, order.as_deref())?;
    }
    for id in 1..=walk.pager.pages {
        if !walk.seen.contains(id) {
            return Err(walk.pager.corrupt(id, "neither used nor free: it leaked"));
        }
    }
    Ok(walk.report)
}

/// The page that has a page's entry, in a database with auto-vacuum.
fn map_page(id: PageId, pager: &Pager) -> PageId {
    let group = pager.shape.usable as u32 / 5 + 1;
    let map = (id - 2) / group * group + 2;
    if map == lock_page(pager.header.page_size) { map + 1 } else { map }
}

impl Walk<'_> {
    /// Pages at fixed places.
    fn reserved(&mut self) -> Result<()> {
        let lock = lock_page(self.pager.header.page_size);
        if lock <= self.pager.pages {
            self.seen.insert(lock);
        }
        if self.pager.header.is_auto_vacuum() {
            for id in 2..=self.pager.pages {
                if map_page(id, self.pager) == id {
                    self.seen.insert(id);
                }
            }
        }
        Ok(())
    }

    /// Takes a page for one use.
    fn claim(&mut self, id: PageId, owner: Owner) -> Result<()> {
        self.pager.check_interrupt()?;
        self.pager.check_id(id, "something")?;
        if !self.seen.insert(id) {
            return Err(self.pager.corrupt(id, "used twice"));
        }
        if id == 1 || !self.pager.header.is_auto_vacuum() {
            return Ok(());
        }
        let map = map_page(id, self.pager);
        let page = self.pager.get(map)?;
        let at = 5 * (id - map).wrapping_sub(1) as usize;
        let found = page.bytes.get(at..at + 5).map(|entry| (entry[0], get_u32(entry, 1)));
        match found == Some(owner.entry()) {
            true => Ok(()),
            false => Err(self.pager.corrupt(map, format_args!("page {id} is {owner:?}, and its entry says {found:?}"))),
        }
    }

    fn free_list(&mut self) -> Result<()> {
        let mut trunk = self.pager.header.free_trunk;
        while trunk != 0 {
            self.claim(trunk, Owner::Free)?;
            let (page, next, leaves) = self.pager.trunk(trunk)?;
            for at in 0..leaves {
                self.claim(get_u32(&page.bytes, 8 + 4 * at), Owner::Free)?;
            }
            self.report.free_pages += 1 + leaves as u64;
            trunk = next;
        }
        let counted = u64::from(self.pager.header.free_pages);
        match counted == self.report.free_pages {
            true => Ok(()),
            false => {
                let what = format!("{counted} free pages counted, {} found", self.report.free_pages);
                Err(self.pager.corrupt(1, what))
            }
        }
    }

    fn tree(&mut self, root: PageId, order: Option<&[KeyColumn]>) -> Result<()> {
        self.report.trees += 1;
        self.claim(root, Owner::Root)?;
        let page = self.pager.node(root)?;
        let mut tree = Tree { order, leaves: None, rowid: None, record: None };
        let kind = Node::new(&page.bytes, root, self.pager.shape).kind;
        self.node(&mut tree, root, &page, kind.is_table(), 0)
    }

    fn node(&mut self, tree: &mut Tree<'_>, id: PageId, page: &Page, is_table: bool, depth: usize) -> Result<()> {
        let node = Node::new(&page.bytes, id, self.pager.shape);
        self.report.nodes += 1;
        if depth >= MAX_DEPTH || node.kind.is_table() != is_table {
            return Err(self.pager.corrupt(id, "a tree too deep, or a page of another kind of tree"));
        }
        space(&node, &page.bytes).map_err(|what| self.pager.corrupt(id, what))?;
        if node.count() == 0 && depth > 0 && node.kind.is_leaf() {
            return Err(self.pager.corrupt(id, "a leaf without an entry"));
        }
        if node.kind.is_leaf() && *tree.leaves.get_or_insert(depth) != depth {
            return Err(self.pager.corrupt(id, "a leaf on another level than the others"));
        }
        for at in 0..=node.count() {
            if !node.kind.is_leaf() {
                let child = node.child(at);
                self.claim(child, Owner::Child(id))?;
                let below = self.pager.node(child)?;
                self.node(tree, child, &below, is_table, depth + 1)?;
            }
            if at < node.count() {
                let cell = node.cell(at).map_err(|what| self.pager.corrupt(id, what))?;
                self.entry(tree, id, page, node.kind, &cell)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, tree: &mut Tree<'_>, id: PageId, page: &Page, kind: Kind, cell: &Cell) -> Result<()> {
        if kind == Kind::TableInner {
            // At least the last under it, and below all that come.
            let above = tree.rowid.is_none_or(|last| last <= cell.rowid);
            tree.rowid = Some(cell.rowid);
            return if above {
                Ok(())
            } else {
                Err(self.pager.corrupt(id, "rowids above what their page's parent says"))
            };
        }
        self.report.entries += 1;
        let last = if kind == Kind::TableLeaf { tree.rowid.replace(cell.rowid) } else { None };
        if last.is_some_and(|last| last >= cell.rowid) {
            return Err(self.pager.corrupt(id, format_args!("rowid {} is out of order", cell.rowid)));
        }
        if cell.overflow != 0 {
            let mut owner = Owner::Chain(id);
            let mut chain = Vec::new();
            payload::chain(self.pager, id, cell, &mut |_, id, _| {
                chain.push((id, owner));
                owner = Owner::ChainAfter(id);
                Ok(())
            })?;
            self.report.overflow_pages += chain.len() as u64;
            chain.into_iter().try_for_each(|(id, owner)| self.claim(id, owner))?;
        }
        let mut whole = Vec::new();
        payload::read(self.pager, id, page, cell, &mut whole)?;
        let columns = record::decode(&whole).map_err(|what| self.pager.corrupt(id, what))?;
        let Some(order) = tree.order.filter(|_| kind != Kind::TableLeaf) else { return Ok(()) };
        if let Some(last) = &tree.record {
            let key = &columns[..order.len().min(columns.len())];
            let encoding = self.pager.header.encoding;
            let found = record::compare(last, key, order, encoding).map_err(|what| self.pager.corrupt(id, what))?;
            if found != Ordering::Less {
                return Err(self.pager.corrupt(id, "an index whose entries are out of order"));
            }
        }
        tree.record = Some(whole);
        Ok(())
    }
}

/// Every byte behind where the cells begin is a cell's, a free block's, or counted as lost.
fn space(node: &Node<'_>, bytes: &[u8]) -> Result<(), &'static str> {
    let usable = node.shape.usable;
    let mut parts = Vec::with_capacity(node.count());
    for at in 0..node.count() {
        let range = node.cell(at)?.range;
        parts.push(range.start..range.end.max(range.start + 4));
    }
    let mut block = node.free_block();
    let mut last = 0;
    while block != 0 {
        if block <= last || block < node.content() || block + 4 > usable {
            return Err("a free block outside of where they are, or out of order");
        }
        let len = get_u16(bytes, block + 2);
        if len < 4 || block + len > usable {
            return Err("a free block of a length that it can't have");
        }
        parts.push(block..block + len);
        last = block;
        block = get_u16(bytes, block);
    }
    parts.sort_unstable_by_key(|part| part.start);
    let (mut end, mut lost) = (node.content(), 0);
    for part in parts {
        match part.start.checked_sub(end) {
            Some(gap) => lost += gap,
            None => return Err("cells or free blocks that overlap"),
        }
        end = part.end;
    }
    match end <= usable && lost + (usable - end) == node.fragments() {
        true => Ok(()),
        false => Err("bytes between cells that nobody counts"),
    }
}
