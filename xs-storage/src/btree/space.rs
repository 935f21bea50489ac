//! Which pages of the file are free, and finding some.

use super::page::PageId;
use crate::bits::Bits;
use crate::varint::{put_varint, take_varint};

/// The pages of the file: how many, and which are free to be written now.
///
/// The lowest free page is always taken first, so the free ones gather at the end, where the file can be cut.
#[derive(Clone, Debug)]
pub(super) struct Space {
    /// Pages in front of this one hold the headers.
    first: PageId,
    /// One more than the highest page in use.
    end: PageId,
    free: Bits,
    /// No free page is lower.
    lowest: PageId,
}

impl Space {
    /// Nothing in use behind the headers, which end in front of page `first`.
    pub(super) fn new(first: PageId) -> Self {
        Space { first, end: first, free: Bits::default(), lowest: first }
    }

    pub(super) fn first(&self) -> PageId {
        self.first
    }

    pub(super) fn end(&self) -> PageId {
        self.end
    }

    pub(super) fn free_pages(&self) -> u64 {
        self.free.len()
    }

    pub(super) fn is_free(&self, id: PageId) -> bool {
        id >= self.end || self.free.contains(id)
    }

    pub(super) fn memory(&self) -> u64 {
        self.free.bytes()
    }

    /// Takes `pages` that follow each other; none if page numbers have run out.
    pub(super) fn take(&mut self, pages: u32) -> Option<PageId> {
        let mut from = self.lowest;
        let found = loop {
            let Some(start) = self.free.first_from(from) else {
                if from == self.lowest {
                    self.lowest = self.end;
                }
                break None;
            };
            if from == self.lowest {
                self.lowest = start;
            }
            match (start + 1..start + pages).find(|&id| !self.free.contains(id)) {
                None => break Some(start),
                // A run that ends the file can be drawn out.
                Some(id) if id == self.end => {
                    self.end = start.checked_add(pages)?;
                    break Some(start);
                }
                Some(id) => from = id + 1,
            }
        };
        if let Some(start) = found {
            (start..start + pages).for_each(|id| {
                self.free.remove(id);
            });
            if start == self.lowest {
                self.lowest += pages;
            }
            return found;
        }
        let start = self.end;
        self.end = start.checked_add(pages)?;
        Some(start)
    }

    /// Whether a page in front of `limit` is free.
    pub(super) fn has_below(&self, limit: PageId) -> bool {
        self.free.first_from(self.lowest).is_some_and(|id| id < limit)
    }

    pub(super) fn give(&mut self, id: PageId, pages: u32) {
        for id in id..id + pages {
            let fresh = self.free.insert(id);
            debug_assert!(fresh && id >= self.first && id < self.end, "page {id} is given back twice");
        }
        self.lowest = self.lowest.min(id);
    }

    /// Takes pages that are known to be free, or to follow the end.
    pub(super) fn claim(&mut self, id: PageId, pages: u32) {
        (id..id + pages).for_each(|id| {
            self.free.remove(id);
        });
        self.end = self.end.max(id + pages);
    }

    /// Forgets the free pages at the end; what remains is what the file must hold.
    pub(super) fn cut(&mut self) -> PageId {
        while self.end > self.first && self.free.remove(self.end - 1) {
            self.end -= 1;
        }
        self.lowest = self.lowest.min(self.end);
        self.end
    }

    /// The free list as it is kept in the file: from page `first` on, alternately how many pages are in use and how many
    /// are free, as LEB128. Free pages at the end are left out.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut at = self.first;
        while let Some(start) = self.free.first_from(at) {
            let end = (start..self.end).find(|&id| !self.free.contains(id)).unwrap_or(self.end);
            if end == self.end {
                break;
            }
            put_varint(&mut out, (start - at).into());
            put_varint(&mut out, (end - start).into());
            at = end;
        }
        out
    }

    /// The end of the file when the free pages at its end are left out.
    pub(super) fn cut_end(&self) -> PageId {
        let mut end = self.end;
        while end > self.first && self.free.contains(end - 1) {
            end -= 1;
        }
        end
    }

    /// Reads what [`Space::encode`] wrote, of a file of `end` pages. None if it makes no sense.
    pub(super) fn decode(first: PageId, end: PageId, mut bytes: &[u8]) -> Option<Self> {
        let mut space = Space { end, ..Space::new(first) };
        let mut at = first;
        while !bytes.is_empty() {
            let start = at.checked_add(take_varint(&mut bytes)?.try_into().ok()?)?;
            let stop = start.checked_add(take_varint(&mut bytes)?.try_into().ok()?)?;
            if stop >= end || stop == start {
                return None;
            }
            (start..stop).for_each(|id| {
                space.free.insert(id);
            });
            at = stop;
        }
        Some(space)
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn pages_are_lent_once_and_come_back(ops in proptest::collection::vec((0..3_u8, 1..6_u32, any::<proptest::sample::Index>()), 1..200)) {
            let mut space = Space::new(2);
            let mut lent: Vec<(PageId, u32)> = Vec::new();
            let mut used = BTreeSet::new();
            for (kind, pages, which) in ops {
                match kind {
                    0 | 1 => {
                        let id = space.take(pages).unwrap();
                        for id in id..id + pages {
                            prop_assert!(id >= 2 && used.insert(id));
                        }
                        lent.push((id, pages));
                    }
                    _ if !lent.is_empty() => {
                        let (id, pages) = lent.swap_remove(which.index(lent.len()));
                        (id..id + pages).for_each(|id| { used.remove(&id); });
                        space.give(id, pages);
                    }
                    _ => {}
                }
                let free = (2..space.end()).filter(|id| !used.contains(id)).count() as u64;
                prop_assert_eq!(space.free_pages(), free);
                let again = Space::decode(2, space.cut_end(), &space.encode()).unwrap();
                for id in 2..space.end() + 3 {
                    prop_assert_eq!(again.is_free(id), !used.contains(&id));
                    prop_assert_eq!(space.is_free(id), !used.contains(&id));
                }
                prop_assert_eq!(space.clone().cut(), used.last().map_or(2, |last| last + 1));
            }
        }

        #[test]
        fn any_bytes_are_a_free_list_or_refused(bytes in any::<Vec<u8>>(), end in 2..10_000_u32) {
            if let Some(space) = Space::decode(2, end, &bytes) {
                prop_assert!(space.free_pages() <= u64::from(end));
            }
        }
    }
}
