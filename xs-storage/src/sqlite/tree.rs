//! Trees that are changed: cells in, cells out, and pages dealt anew when one is too full or too empty.

use std::sync::Arc;

use super::content::Content;
use super::hint::Path;
use super::node::{self, Cell, Kind, Node, PageId};
use super::pager::{Page, Pager};
use super::payload;
use super::seek::{Key, search};
use crate::bits::Bits;
use crate::row::record;
use crate::row::varint;
use crate::{Error, Result};

/// More levels than any tree can have whose inner pages have two children.
pub(super) const MAX_DEPTH: usize = 20;

/// Page 1 is the root of the schema's table, and nobody's child.
fn check_child(pager: &Pager, id: PageId, depth: usize) -> Result<()> {
    match id == 1 && depth > 0 {
        true => Err(pager.corrupt(id, "the first page as another one's child")),
        false => pager.check_id(id, "a tree"),
    }
}

/// Reads a page of a tree, one level further down.
#[inline]
pub(super) fn step(pager: &mut Pager, id: PageId, depth: usize, is_table: bool) -> Result<Arc<Page>> {
    if id <= 1 && depth > 0 || depth >= MAX_DEPTH {
        check_child(pager, id, depth)?;
        return Err(pager.corrupt(id, "a tree deeper than any can be"));
    }
    let page = pager.node(id)?;
    match Kind::of_page(&page.bytes, id) {
        Some(kind) if kind.is_table() == is_table => Ok(page),
        _ => Err(pager.corrupt(id, "a page of a table in an index, or the other way round")),
    }
}

/// The way to a row: to its cell, or to where it would stand.
pub(super) fn find_row(pager: &mut Pager, root: PageId, rowid: i64) -> Result<(Path, bool)> {
    match pager.known_way(root, rowid)? {
        Some(known) => Ok(known),
        None => find(pager, root, Key::Rowid(rowid)),
    }
}

/// The way to a key: to its cell, or to where it would stand on a leaf.
fn find(pager: &mut Pager, root: PageId, key: Key<'_>) -> Result<(Path, bool)> {
    let mut is_end = true;
    let is_table = matches!(key, Key::Rowid(_));
    let mut path = Path::new();
    let mut id = root;
    loop {
        let page = step(pager, id, path.len(), is_table)?;
        let (at, found) = search(pager, id, &page, key)?;
        path.push((id, at));
        let node = Node::new(&page.bytes, id, pager.shape);
        is_end &= at == node.count();
        // A table's inner cells are only signposts.
        if node.kind.is_leaf() || found && !is_table {
            if let Key::Rowid(rowid) = key {
                pager.note_sought(root, rowid, &path, found, is_end);
            }
            return Ok((path, found));
        }
        id = node.child(at);
    }
}

/// A new page. On the way to where something changes, a page is in use even where memory has forgotten it.
fn allocate(pager: &mut Pager, path: &[(PageId, usize)]) -> Result<PageId> {
    let id = pager.allocate()?;
    match path.iter().any(|(used, _)| *used == id) {
        true => Err(pager.corrupt(id, "a page in use that the free list names")),
        false => Ok(id),
    }
}

fn content(pager: &mut Pager, id: PageId) -> Result<Content> {
    let page = pager.node(id)?;
    Content::of(&Node::new(&page.bytes, id, pager.shape)).map_err(|what| pager.corrupt(id, what))
}

fn store(pager: &mut Pager, id: PageId, content: &Content) -> Result<()> {
    let shape = pager.shape;
    content.write(pager.write_node(id)?, id, shape, 0..content.len(), content.last);
    Ok(())
}

/// Packs a page's cells before one is taken out: who wrote it may have left free blocks between them, and lies.
fn pack(pager: &mut Pager, id: PageId) -> Result<()> {
    if pager.is_packed(id)? {
        return Ok(());
    }
    let packed = content(pager, id)?;
    match packed.fits(id, pager.shape) {
        true => store(pager, id, &packed),
        false => Err(pager.corrupt(id, "cells that overlap")),
    }
}

/// Puts an entry there. Answers whether it took the place of another.
pub(super) fn insert(pager: &mut Pager, root: PageId, key: Key<'_>, payload: &[u8]) -> Result<bool> {
    let way = match key {
        Key::Rowid(rowid) => find_row(pager, root, rowid)?,
        key => find(pager, root, key)?,
    };
    let (place, before) = (way.0.last().copied(), pager.changes);
    let mut cell = std::mem::take(&mut pager.cell);
    let found = put(pager, way, key, payload, &mut cell)?;
    pager.cell = cell;
    if let (Key::Rowid(rowid), Some(place), false) = (key, place, found) {
        pager.note_put(root, rowid, place, before);
    }
    Ok(found)
}

/// Puts it where the way to it has ended. `cell` is room for it.
fn put(
    pager: &mut Pager,
    (mut path, found): (Path, bool),
    key: Key<'_>,
    payload: &[u8],
    cell: &mut Vec<u8>,
) -> Result<bool> {
    let level = path.len() - 1;
    let (id, at) = path[level];
    let (kind, rowid) = match key {
        Key::Rowid(rowid) => (Kind::TableLeaf, rowid),
        Key::Columns(..) | Key::Behind(..) | Key::Last => (Kind::IndexLeaf, 0),
    };
    let old = if found { Some(free_payload(pager, id, at)?) } else { None };
    payload::write(pager, kind, rowid, payload, cell, &mut |pager| allocate(pager, &path))?;
    let shape = pager.shape;
    if let Some((Cell { range, left, .. }, is_leaf)) = old {
        if !is_leaf {
            cell.splice(..0, left.to_be_bytes());
        }
        // One that is as long as the other stands where that stood.
        if range.len() == cell.len() {
            pager.edit_node(id)?[range].copy_from_slice(cell);
            return Ok(true);
        }
        pack(pager, id)?;
        node::remove(pager.edit_node(id)?, id, shape, at).map_err(|what| pager.corrupt(id, what))?;
    }
    if node::insert(pager.edit_node(id)?, id, shape, at, cell) {
        return Ok(found);
    }
    let page = pager.node(id)?;
    let is_last = at == Node::new(&page.bytes, id, shape).count();
    drop(page);
    if found || level == 0 || !is_last || !append(pager, &mut path, cell)? {
        let mut full = content(pager, id)?;
        full.insert(at, &[cell]);
        settle(pager, &mut path, level, full)?;
    }
    Ok(found)
}

/// Entries that come in ascending order: the full leaf stays as it is, and the new one begins with the new entry. In an index,
/// the full leaf's last entry goes up to part the two. False, and nothing has changed, if it is not the last leaf under its parent.
fn append(pager: &mut Pager, path: &mut Path, cell: &[u8]) -> Result<bool> {
    let (level, shape) = (path.len() - 1, pager.shape);
    let ((leaf, _), (parent, child)) = (path[level], path[level - 1]);
    let (page, above) = (pager.node(leaf)?, pager.node(parent)?);
    let node = Node::new(&page.bytes, leaf, shape);
    let (kind, Some(last)) = (node.kind, node.count().checked_sub(1)) else { return Ok(false) };
    if child != Node::new(&above.bytes, parent, shape).count() || kind == Kind::IndexLeaf && last == 0 {
        return Ok(false);
    }
    let range = node.cell(last).map_err(|what| pager.corrupt(leaf, what))?.range;
    let between = match kind {
        Kind::TableLeaf => signpost(leaf, &page.bytes[range]),
        _ => [&leaf.to_be_bytes(), &page.bytes[range]].concat(),
    };
    // A page that somebody looks at is copied when it changes.
    drop((page, above));
    pager.hints.forget();
    let fresh = allocate(pager, path)?;
    node::write(pager.write_node(fresh)?, fresh, kind, shape, &[cell], 0);
    if kind == Kind::IndexLeaf {
        pack(pager, leaf)?;
        node::remove(pager.edit_node(leaf)?, leaf, shape, last).map_err(|what| pager.corrupt(leaf, what))?;
    }
    let page = pager.edit_node(parent)?;
    if node::insert(page, parent, shape, child, &between) {
        node::set_last_child(page, parent, fresh);
        return Ok(true);
    }
    let mut above = content(pager, parent)?;
    above.push(&[&between]);
    above.last = fresh;
    settle(pager, path, level - 1, above)?;
    Ok(true)
}

/// A table's inner cell: a child, and the highest rowid under it, which is that of its last cell.
fn signpost(child: PageId, last: &[u8]) -> Vec<u8> {
    let mut cell = child.to_be_bytes().to_vec();
    let skip = varint::get(last).map_or(0, |(_, len)| len);
    let rowid = varint::get(&last[skip..]).map_or(0, |(rowid, _)| rowid);
    varint::put(&mut cell, rowid);
    cell
}

/// Gives back what of an entry is not in its cell, and answers the cell and whether it is a leaf's.
fn free_payload(pager: &mut Pager, id: PageId, at: usize) -> Result<(Cell, bool)> {
    let page = pager.node(id)?;
    let node = Node::new(&page.bytes, id, pager.shape);
    let is_leaf = node.kind.is_leaf();
    let cell = node.cell(at).map_err(|what| pager.corrupt(id, what))?;
    drop(page);
    payload::free(pager, id, &cell)?;
    Ok((cell, is_leaf))
}

/// Takes an entry out. Answers whether it was there.
pub(super) fn delete(pager: &mut Pager, root: PageId, key: Key<'_>) -> Result<bool> {
    let (mut path, found) = match key {
        Key::Rowid(rowid) => find_row(pager, root, rowid)?,
        key => find(pager, root, key)?,
    };
    if !found {
        return Ok(false);
    }
    let level = path.len() - 1;
    let (id, at) = path[level];
    free_payload(pager, id, at)?;
    let page = pager.node(id)?;
    let node = Node::new(&page.bytes, id, pager.shape);
    if node.kind.is_leaf() {
        take_out(pager, &mut path)?;
        return Ok(true);
    }
    // An inner cell parts two children: the one before it, which is the last on a leaf, takes its place.
    let child = node.child(at);
    to_last(pager, child, &mut path)?;
    let leaf = path[path.len() - 1];
    let page = pager.node(leaf.0)?;
    let node = Node::new(&page.bytes, leaf.0, pager.shape);
    let cell = node.cell(leaf.1).map_err(|what| pager.corrupt(leaf.0, what))?;
    let mut inner = content(pager, id)?;
    inner.remove(at);
    inner.insert(at, &[&child.to_be_bytes(), &page.bytes[cell.range.clone()]]);
    if inner.fits(id, pager.shape) {
        store(pager, id, &inner)?;
    } else {
        let mut whole = Vec::new();
        payload::read(pager, leaf.0, &page, &cell, &mut whole)?;
        path.truncate(level + 1);
        settle(pager, &mut path, level, inner)?;
        // For now it is there twice: on an inner page, which is met first, and as the last in front of that.
        let columns = record::decode(&whole).map_err(|what| pager.corrupt(leaf.0, what))?;
        let Key::Columns(key, order) = key else { return Err(pager.corrupt(id, "an inner entry in a table")) };
        let key = &columns[..key.len().min(columns.len())];
        (path, _) = find(pager, root, Key::Columns(key, order))?;
        let (id, at) = path[path.len() - 1];
        let page = pager.node(id)?;
        let node = Node::new(&page.bytes, id, pager.shape);
        if node.kind.is_leaf() {
            return Err(pager.corrupt(id, "entries that are not in their order"));
        }
        let child = node.child(at);
        to_last(pager, child, &mut path)?;
    }
    take_out(pager, &mut path)?;
    Ok(true)
}

/// On from a page to the last cell of the last leaf under it.
fn to_last(pager: &mut Pager, mut id: PageId, path: &mut Path) -> Result<()> {
    loop {
        let page = step(pager, id, path.len(), false)?;
        let node = Node::new(&page.bytes, id, pager.shape);
        if node.kind.is_leaf() {
            let last = node.count().checked_sub(1).ok_or_else(|| pager.corrupt(id, "a leaf without an entry"))?;
            path.push((id, last));
            return Ok(());
        }
        path.push((id, node.count()));
        id = node.child(node.count());
    }
}

/// Removes the cell at the end of a path, from a leaf, and fills the leaf up from its neighbours if too little is left.
fn take_out(pager: &mut Pager, path: &mut Path) -> Result<()> {
    let level = path.len() - 1;
    let (id, at) = path[level];
    pack(pager, id)?;
    let shape = pager.shape;
    node::remove(pager.edit_node(id)?, id, shape, at).map_err(|what| pager.corrupt(id, what))?;
    if level > 0 {
        let left = content(pager, id)?;
        if left.is_thin(shape) {
            settle(pager, path, level, left)?;
        }
    }
    Ok(())
}

/// Puts what a page should hold onto the page, or onto it and its neighbours, and so on upwards.
fn settle(pager: &mut Pager, path: &mut Path, mut level: usize, mut wanted: Content) -> Result<()> {
    pager.hints.forget();
    let shape = pager.shape;
    loop {
        let id = path[level].0;
        let fits = wanted.fits(id, shape);
        if level == 0 && fits {
            store(pager, id, &wanted)?;
            return if wanted.kind.is_leaf() || wanted.len() > 0 { Ok(()) } else { lower(pager, id, wanted.last) };
        }
        if level == 0 {
            // The root keeps its number: what it holds moves down.
            let child = allocate(pager, path)?;
            store(pager, id, &Content::new(wanted.kind.inner(), child))?;
            path.insert(0, (id, 0));
            path[1].0 = child;
            level = 1;
        } else if fits && !wanted.is_thin(shape) {
            return store(pager, id, &wanted);
        }
        wanted = share(pager, &path[..level], wanted)?;
        level -= 1;
    }
}

/// A root with one child and no cell: the child takes its place, if it fits there. On page 1 it may not.
fn lower(pager: &mut Pager, root: PageId, child: PageId) -> Result<()> {
    check_child(pager, child, 1)?;
    let below = content(pager, child)?;
    if below.fits(root, pager.shape) {
        store(pager, root, &below)?;
        pager.free(child)?;
    }
    Ok(())
}

/// Deals a child's cells and those of its neighbours to pages anew. Answers what their parent should hold then, to which the
/// path leads.
fn share(pager: &mut Pager, path: &[(PageId, usize)], child: Content) -> Result<Content> {
    let (id, at) = path[path.len() - 1];
    let shape = pager.shape;
    let above = content(pager, id)?;
    let first = at.saturating_sub(if at == above.len() { 2 } else { 1 });
    let end = (first + 2).min(above.len());
    let page = pager.node(id)?;
    let node = Node::new(&page.bytes, id, shape);
    let mut ids: Vec<_> = (first..=end).map(|nth| node.child(nth)).collect();
    let kind = child.kind;
    let mut all = Content::new(kind, 0);
    all.reserve((child.len() + 2) * ids.len(), shape.usable * (ids.len() + 1));
    for (nth, &sibling) in (first..=end).zip(&ids) {
        let part = match nth == at {
            true => child.clone(),
            false => {
                check_child(pager, sibling, 1)?;
                content(pager, sibling)?
            }
        };
        if part.kind != kind || sibling == id {
            return Err(pager.corrupt(sibling, "a page that is not of its neighbours' kind"));
        }
        (0..part.len()).for_each(|at| all.push(&[part.cell(at)]));
        all.last = part.last;
        if nth < end {
            match kind {
                Kind::TableLeaf => {}
                Kind::IndexLeaf => all.push(&[&above.cell(nth)[4..]]),
                _ => all.push(&[&part.last.to_be_bytes(), &above.cell(nth)[4..]]),
            }
        }
    }
    let pages = all.deal(shape);
    ids.sort_unstable();
    ids.dedup();
    while ids.len() > pages.len() {
        if let Some(surplus) = ids.pop() {
            pager.free(surplus)?;
        }
    }
    while ids.len() < pages.len() {
        let fresh = allocate(pager, path)?;
        if ids.contains(&fresh) {
            return Err(pager.corrupt(fresh, "a page in use that the free list names"));
        }
        ids.push(fresh);
    }
    let mut now = Content::new(above.kind, above.last);
    now.reserve(above.len() + 2, shape.usable * 2);
    (0..first).for_each(|nth| now.push(&[above.cell(nth)]));
    for (cells, &id) in pages.iter().zip(&ids) {
        let is_last = cells.end == all.len();
        let last = match (kind.is_leaf(), is_last) {
            (true, _) => 0,
            (false, true) => all.last,
            (false, false) => node::get_u32(all.cell(cells.end), 0),
        };
        all.write(pager.write_node(id)?, id, shape, cells.clone(), last);
        match kind {
            _ if is_last && end == above.len() => now.last = id,
            _ if is_last => now.push(&[&id.to_be_bytes(), &above.cell(end)[4..]]),
            Kind::TableLeaf => now.push(&[&signpost(id, all.cell(cells.end - 1))]),
            Kind::IndexLeaf => now.push(&[&id.to_be_bytes(), all.cell(cells.end)]),
            _ => now.push(&[&id.to_be_bytes(), &all.cell(cells.end)[4..]]),
        }
    }
    (end + 1..above.len()).for_each(|nth| now.push(&[above.cell(nth)]));
    Ok(now)
}

/// A new tree without an entry: its root.
pub(super) fn create(pager: &mut Pager, kind: Kind) -> Result<PageId> {
    let id = pager.allocate()?;
    store(pager, id, &Content::new(kind, 0))?;
    Ok(id)
}

/// Takes all entries out of a tree, and with `root_too` gives its root back as well.
pub(super) fn clear(pager: &mut Pager, root: PageId, root_too: bool) -> Result<()> {
    pager.hints.forget();
    let page = step(pager, root, 0, true).or_else(|_| step(pager, root, 0, false))?;
    let kind = Node::new(&page.bytes, root, pager.shape).kind;
    if root == 1 && root_too {
        return Err(Error::Invalid("the schema's table can't be dropped".to_owned()));
    }
    let mut seen = Bits::default();
    let mut waiting = vec![(root, 0)];
    let mut free = Vec::new();
    while let Some((id, depth)) = waiting.pop() {
        let page = step(pager, id, depth, kind.is_table())?;
        if !seen.insert(id) {
            return Err(pager.corrupt(id, "reached in two ways"));
        }
        let node = Node::new(&page.bytes, id, pager.shape);
        for at in 0..node.count() {
            let cell = node.cell(at).map_err(|what| pager.corrupt(id, what))?;
            if cell.overflow != 0 {
                payload::free(pager, id, &cell)?;
            }
        }
        if !node.kind.is_leaf() {
            waiting.extend((0..=node.count()).map(|at| (node.child(at), depth + 1)));
        }
        free.push(id);
    }
    free.into_iter().filter(|id| *id != root || root_too).try_for_each(|id| pager.free(id))?;
    if !root_too {
        let leaf = if kind.is_table() { Kind::TableLeaf } else { Kind::IndexLeaf };
        store(pager, root, &Content::new(leaf, 0))?;
    }
    Ok(())
}
