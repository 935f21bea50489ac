//! Cells put on a page of a tree, and taken off.

use super::node::{Kind, Node, PageId, Shape, get_u16, put_u16, put_u32, start};

/// What a cell takes of a page: itself and its place. A freed one must be able to hold a free block.
pub(super) fn room(cell: &[u8]) -> usize {
    cell.len().max(4) + 2
}

/// Writes a page anew: these cells, packed, and behind the last of them a child.
pub(super) fn write(page: &mut [u8], id: PageId, kind: Kind, shape: Shape, cells: &[&[u8]], last: PageId) {
    let start = start(id);
    page[start..shape.usable].fill(0);
    page[start] = kind as u8;
    put_u16(page, start + 3, cells.len());
    if !kind.is_leaf() {
        put_u32(page, start + 8, last);
    }
    let mut content = shape.usable;
    for (at, cell) in cells.iter().enumerate() {
        content -= cell.len().max(4);
        page[content..content + cell.len()].copy_from_slice(cell);
        put_u16(page, start + kind.header() + 2 * at, content);
    }
    put_u16(page, start + 5, content);
}

/// Puts a cell in front of the one that is `at`, if it fits into the gap before the cells.
pub(super) fn insert(page: &mut [u8], id: PageId, shape: Shape, at: usize, cell: &[u8]) -> bool {
    let node = Node::new(page, id, shape);
    let (end, content, count) = (node.places_end(), node.content(), node.count());
    let places = start(id) + node.kind.header();
    let start = node.start;
    if at > count || content > shape.usable || end + room(cell) > content {
        return false;
    }
    let content = content - cell.len().max(4);
    page[content..content + cell.len()].copy_from_slice(cell);
    page[content + cell.len()..content + cell.len().max(4)].fill(0);
    page.copy_within(places + 2 * at..end, places + 2 * at + 2);
    put_u16(page, places + 2 * at, content);
    put_u16(page, start + 3, count + 1);
    put_u16(page, start + 5, content);
    true
}

/// Says which child is behind the last cell of an inner page.
pub(super) fn set_last_child(page: &mut [u8], id: PageId, child: PageId) {
    put_u32(page, start(id) + 8, child);
}

/// Takes a cell out of a page whose cells are packed, and packs them again.
pub(super) fn remove(page: &mut [u8], id: PageId, shape: Shape, at: usize) -> Result<(), &'static str> {
    let node = Node::new(page, id, shape);
    let (end, content, count, place) = (node.places_end(), node.content(), node.count(), node.place(at));
    if at >= count {
        return Err("a cell that is not there");
    }
    let (places, start) = (start(id) + node.kind.header(), node.start);
    let len = node.cell(at)?.range.len().max(4);
    page.copy_within(content..place, content + len);
    page[content..content + len].fill(0);
    page.copy_within(places + 2 * at + 2..end, places + 2 * at);
    put_u16(page, end - 2, 0);
    for nth in 0..count - 1 {
        let other = get_u16(page, places + 2 * nth);
        if other < place {
            put_u16(page, places + 2 * nth, other + len);
        }
    }
    put_u16(page, start + 3, count - 1);
    put_u16(page, start + 5, content + len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHAPE: Shape = Shape { page_size: 512, usable: 512 };

    #[test]
    fn cells_come_and_go_and_stay_packed() {
        for id in [1, 2] {
            let mut page = vec![0; 512];
            write(&mut page, id, Kind::TableLeaf, SHAPE, &[], 0);
            let mut model: Vec<Vec<u8>> = Vec::new();
            let mut state = 7_usize;
            for step in 0..2000 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let random = state >> 33;
                let len = random % 40;
                let cell = [&[len as u8, (step % 100) as u8][..], &vec![random as u8; len]].concat();
                let at = random % (model.len() + 1);
                if random % 5 < 3 {
                    let used: usize = model.iter().map(|cell| room(cell)).sum();
                    let fits = insert(&mut page, id, SHAPE, at, &cell);
                    assert_eq!(fits, start(id) + 8 + used + room(&cell) <= 512);
                    if fits {
                        model.insert(at, cell);
                    }
                } else if at < model.len() {
                    remove(&mut page, id, SHAPE, at).unwrap();
                    model.remove(at);
                }
                let node = Node::check(&page, id, SHAPE).unwrap();
                assert_eq!(node.cells().collect::<Result<Vec<_>, _>>().unwrap(), model, "step {step}");
                let used: usize = model.iter().map(|cell| cell.len().max(4)).sum();
                assert_eq!(node.content(), 512 - used);
                assert_eq!(node.is_packed(), Ok(true));
            }
        }
    }

    proptest! {
        #[test]
        fn cells_are_packed_if_they_lie_side_by_side(
            lens in proptest::collection::vec(2..20_usize, 1..8),
            moved in proptest::option::of((0..8_usize, 440..512_usize)),
            content in proptest::option::of(440..512_usize),
        ) {
            let cells: Vec<Vec<u8>> = lens.iter().map(|len| vec![(len - 2) as u8; *len]).collect();
            let mut page = vec![0; 512];
            let refs: Vec<&[u8]> = cells.iter().map(Vec::as_slice).collect();
            write(&mut page, 2, Kind::TableLeaf, SHAPE, &refs, 0);
            if let Some((at, place)) = moved {
                put_u16(&mut page, 8 + 2 * (at % cells.len()), place);
            }
            if let Some(content) = content {
                put_u16(&mut page, 5, content);
            }
            let node = Node::new(&page, 2, SHAPE);
            let ranges: Result<Vec<_>, _> = (0..node.count()).map(|at| node.cell(at).map(|cell| cell.range)).collect();
            let Ok(mut ranges) = ranges else {
                prop_assert_ne!(node.is_packed(), Ok(true));
                return Ok(());
            };
            ranges.sort_unstable_by_key(|range| range.start);
            let mut next = node.content();
            let side_by_side = ranges.iter().all(|range| {
                let begins = range.start == next;
                next = range.end.max(range.start + 4);
                begins
            });
            prop_assert_eq!(node.is_packed(), Ok(side_by_side && next == 512));
        }
    }
}
