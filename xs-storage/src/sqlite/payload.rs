//! Payloads that are too long for their page: the rest is on a chain of pages, each with the number of the next.

use super::node::{Cell, Kind, PageId, get_u32, put_u32};
use super::pager::{Page, Pager};
use crate::Result;
use crate::row::varint;

/// How many pages a payload's rest takes. More than there are, and its length is not believed.
fn chain_len(pager: &Pager, holder: PageId, cell: &Cell) -> Result<u32> {
    let rest = cell.payload - cell.local.len() as u64;
    let pages = rest.div_ceil(pager.shape.usable as u64 - 4);
    match u32::try_from(pages).ok().filter(|pages| *pages <= pager.pages) {
        Some(pages) => Ok(pages),
        None => Err(pager.corrupt(holder, "a payload longer than the whole file")),
    }
}

/// Shows the pages of a cell's chain, in their order.
pub(super) fn chain(
    pager: &mut Pager,
    holder: PageId,
    cell: &Cell,
    see: &mut dyn FnMut(&mut Pager, PageId, &Page) -> Result<()>,
) -> Result<()> {
    let mut next = cell.overflow;
    // A log may say that there are more pages than there are, and then a chain has to end that leads back to itself: a page is
    // kept in mind for twice as many steps as the one before.
    let (mut met, mut steps, mut most) = (0, 0, 1_u32);
    for left in (0..chain_len(pager, holder, cell)?).rev() {
        pager.check_id(next, "a chain of overflow pages")?;
        if next == met {
            return Err(pager.corrupt(next, "a chain of overflow pages that leads back to itself"));
        }
        steps += 1;
        if steps == most {
            (met, steps, most) = (next, 0, most.saturating_mul(2));
        }
        let page = pager.get(next)?;
        page.set_in_use(true);
        let id = std::mem::replace(&mut next, get_u32(&page.bytes, 0));
        see(pager, id, &page)?;
        if left == 0 && next != 0 {
            return Err(pager.corrupt(id, "a chain of overflow pages that goes on behind its payload"));
        }
    }
    Ok(())
}

/// A whole payload.
pub(super) fn read(pager: &mut Pager, holder: PageId, page: &Page, cell: &Cell, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    out.extend_from_slice(&page.bytes[cell.local.clone()]);
    if cell.overflow == 0 {
        return Ok(());
    }
    let whole = cell.payload as usize;
    chain(pager, holder, cell, &mut |pager, _, page| {
        let part = (whole - out.len()).min(pager.shape.usable - 4);
        out.extend_from_slice(&page.bytes[4..4 + part]);
        Ok(())
    })
}

/// Gives back a cell's chain.
pub(super) fn free(pager: &mut Pager, holder: PageId, cell: &Cell) -> Result<()> {
    if cell.overflow == 0 {
        return Ok(());
    }
    let mut ids = Vec::new();
    chain(pager, holder, cell, &mut |_, id, _| {
        ids.push(id);
        Ok(())
    })?;
    ids.into_iter().try_for_each(|id| pager.free(id))
}

/// Makes a leaf's cell of a payload; what does not fit goes to pages that `allocate` gives.
pub(super) fn write(
    pager: &mut Pager,
    kind: Kind,
    rowid: i64,
    payload: &[u8],
    cell: &mut Vec<u8>,
    allocate: &mut dyn FnMut(&mut Pager) -> Result<PageId>,
) -> Result<()> {
    cell.clear();
    varint::put(cell, payload.len() as u64);
    if kind == Kind::TableLeaf {
        varint::put(cell, rowid as u64);
    }
    let (here, mut rest) = payload.split_at(pager.shape.local(kind, payload.len() as u64));
    cell.extend_from_slice(here);
    if rest.is_empty() {
        return Ok(());
    }
    let mut id = allocate(pager)?;
    cell.extend_from_slice(&id.to_be_bytes());
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.len().min(pager.shape.usable - 4));
        let next = if after.is_empty() { 0 } else { allocate(pager)? };
        let page = pager.edit(id)?;
        put_u32(page, 0, next);
        page[4..4 + part.len()].copy_from_slice(part);
        (id, rest) = (next, after);
    }
    Ok(())
}
