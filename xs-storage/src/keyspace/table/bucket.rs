//! One bucket: fourteen items, a byte of hash for each, and the link to an overflow bucket.

use crate::keyspace::thin;

/// Items in a bucket. With items of eight bytes a bucket is 128 bytes, two cache lines.
pub(super) const SLOTS: usize = 14;

#[derive(Debug, Clone)]
pub(super) struct Bucket<T> {
    /// Fourteen tags, then the link in two bytes. A tag of 0 is an empty slot; a link of 0 is no link.
    head: [u8; 16],
    /// A slot is `Some` exactly when its tag is not 0.
    pub(super) slots: [Option<T>; SLOTS],
}

/// The byte of a hash that a bucket keeps. The low bits: scan order and bucket choice use the high ones.
#[inline]
pub(super) fn tag_of(hash: u64) -> u8 {
    (hash as u8).max(1)
}

const ALL: u32 = (1 << SLOTS) - 1;

impl<T> Bucket<T> {
    pub(super) const fn new() -> Self {
        Bucket { head: [0; 16], slots: [const { None }; SLOTS] }
    }

    /// The slots whose tag is `tag`, a bit each.
    #[inline]
    pub(super) fn matching(&self, tag: u8) -> u32 {
        thin::equal_bytes(&self.head, tag) & ALL
    }

    /// The occupied slots, a bit each.
    #[inline]
    pub(super) fn occupied(&self) -> u32 {
        !self.matching(0) & ALL
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.occupied() == 0
    }

    /// The bucket that continues this one.
    #[inline]
    pub(super) fn next(&self) -> Option<usize> {
        match u16::from_le_bytes([self.head[14], self.head[15]]) {
            0 => None,
            link => Some(usize::from(link)),
        }
    }

    /// Links or unlinks; `next` has been checked against `u16::MAX` by the segment, which hands out the numbers.
    pub(super) fn set_next(&mut self, next: Option<usize>) {
        let link = next.map_or(0, |next| u16::try_from(next).expect("a segment has at most 65,535 buckets"));
        self.head[14..].copy_from_slice(&link.to_le_bytes());
    }

    /// Puts an item into a free slot, or gives it back when there is none.
    #[inline]
    pub(super) fn put(&mut self, tag: u8, item: T) -> Result<usize, T> {
        let slot = self.matching(0).trailing_zeros() as usize;
        if slot >= SLOTS {
            return Err(item);
        }
        self.head[slot] = tag;
        self.slots[slot] = Some(item);
        Ok(slot)
    }

    /// Takes the item of a slot together with its tag.
    #[inline]
    pub(super) fn take(&mut self, slot: usize) -> Option<(u8, T)> {
        let item = self.slots[slot].take()?;
        Some((std::mem::take(&mut self.head[slot]), item))
    }

    /// Asks for the second line of the bucket while the first one is on its way.
    #[inline]
    pub(super) fn prefetch_slots(&self) {
        thin::prefetch(&self.slots[SLOTS - 1]);
    }

    #[inline]
    pub(super) fn prefetch(&self) {
        thin::prefetch(&self.head);
        thin::prefetch(&self.slots[SLOTS / 2]);
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_of_words_is_two_cache_lines() {
        assert_eq!(size_of::<Bucket<Box<u8>>>(), 128);
    }

    #[test]
    fn slots_fill_match_and_empty() {
        let mut bucket = Bucket::new();
        bucket.set_next(Some(0xFFFF)); // link bytes must never look like tags
        for i in 0..SLOTS {
            assert_eq!(bucket.put(if i % 2 == 0 { 0xFF } else { 1 }, i), Ok(i));
        }
        assert_eq!(bucket.put(1, 99), Err(99));
        assert_eq!(bucket.matching(0xFF), 0b01_0101_0101_0101);
        assert_eq!(bucket.take(3), Some((1, 3)));
        assert_eq!(bucket.take(3), None);
        assert_eq!(bucket.occupied(), ALL & !(1 << 3));
        assert_eq!(bucket.put(7, 42), Ok(3));
        assert_eq!(bucket.next(), Some(0xFFFF));
    }
}
