//! A run of buckets that share one piece of the hash space, in the order of the hash.

use super::bucket::{Bucket, SLOTS, tag_of};
use crate::keyspace::size::alloc_size;

/// Home buckets in a full-grown segment.
pub(super) const MAX_HOMES: usize = 64;
/// Items for each home bucket at which a segment grows: 12 of 14, where about a fifth of the buckets overflow.
const FULL: usize = 12;
/// The leading bits of a hash that place an item: its point in the hash space, and the size of a scan cursor.
pub(super) const POINT_BITS: u32 = 48;
const POINT: u64 = !(u64::MAX >> POINT_BITS);

/// Where an item is: bucket and slot.
pub(super) type Place = (usize, usize);

#[derive(Debug, Clone)]
pub(super) struct Segment<T> {
    /// `homes` home buckets in hash order, then overflow buckets in no order. An overflow bucket is linked from exactly
    /// one bucket, or it is empty and free.
    pub(super) buckets: Vec<Bucket<T>>,
    pub(super) len: u32,
    pub(super) homes: u16,
    /// How many leading bits of the hash all items of this segment share.
    pub(super) depth: u8,
}

impl<T> Segment<T> {
    /// A segment without buckets, which allocates nothing.
    pub(super) const fn empty() -> Self {
        Segment { buckets: Vec::new(), len: 0, homes: 0, depth: 0 }
    }

    pub(super) fn with_homes(homes: usize, depth: u8) -> Self {
        let mut buckets = Vec::with_capacity(homes);
        buckets.resize_with(homes, Bucket::new);
        Segment { buckets, len: 0, homes: homes as u16, depth }
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        Self::bytes_for(self.buckets.capacity())
    }

    pub(super) fn bytes_for(buckets: usize) -> usize {
        alloc_size(buckets * size_of::<Bucket<T>>())
    }

    /// The home bucket of a hash. Scaling the bits of the point behind the prefix, instead of masking them, keeps the
    /// buckets in hash order for any number of them, and so lets a segment grow by a half at a time. All bits of the
    /// point count, so that joining two segments or dividing the homes rounds nobody across a border.
    #[inline]
    pub(super) fn home(&self, hash: u64) -> usize {
        let fraction = (hash & POINT) << self.depth;
        ((u128::from(fraction) * u128::from(self.homes)) >> 64) as usize
    }

    #[inline]
    pub(super) fn position(&self, hash: u64, mut eq: impl FnMut(&T) -> bool) -> Option<Place> {
        let tag = tag_of(hash);
        let mut at = self.home(hash);
        loop {
            let bucket = self.buckets.get(at)?;
            bucket.prefetch_slots();
            let mut bits = bucket.matching(tag);
            while bits != 0 {
                let slot = bits.trailing_zeros() as usize;
                if let Some(Some(item)) = bucket.slots.get(slot)
                    && eq(item)
                {
                    return Some((at, slot));
                }
                bits &= bits - 1;
            }
            at = bucket.next()?;
        }
    }

    pub(super) fn wants_growth(&self) -> bool {
        self.len as usize >= if self.homes == 1 { SLOTS } else { usize::from(self.homes) * FULL }
    }

    /// Under a fifth full: half of the buckets would do, with room to spare before they want to grow again.
    pub(super) fn wants_shrinking(&self) -> bool {
        self.homes > 1 && (self.len as usize) * 5 < usize::from(self.homes) * SLOTS
    }

    /// Adds an item that is not there yet.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, item: T) -> Place {
        self.place(self.home(hash), tag_of(hash), item)
    }

    fn place(&mut self, home: usize, tag: u8, item: T) -> Place {
        self.len += 1;
        let (mut at, mut item) = (home, item);
        loop {
            match self.buckets[at].put(tag, item) {
                Ok(slot) => return (at, slot),
                Err(back) => item = back,
            }
            at = match self.buckets[at].next() {
                Some(next) => next,
                None => {
                    let next = self.spare();
                    self.buckets[at].set_next(Some(next));
                    next
                }
            };
        }
    }

    /// A free overflow bucket.
    fn spare(&mut self) -> usize {
        let free = self.buckets[usize::from(self.homes)..].iter().position(Bucket::is_empty);
        if let Some(free) = free {
            return usize::from(self.homes) + free;
        }
        if self.buckets.len() == self.buckets.capacity() {
            // Doubling would waste more than the overflow needs: go to the end of the allocator's next class.
            let size = size_of::<Bucket<T>>();
            let room = alloc_size((self.buckets.len() + 1) * size) / size;
            self.buckets.reserve_exact(room - self.buckets.len());
        }
        self.buckets.push(Bucket::new());
        self.buckets.len() - 1
    }

    /// Takes the item at a place. The last item of the chain fills the hole, so that overflow buckets empty first.
    pub(super) fn take(&mut self, (at, slot): Place) -> Option<T> {
        let (_, item) = self.buckets[at].take(slot)?;
        self.len -= 1;
        let (mut before, mut last) = (None, at);
        while let Some(next) = self.buckets[last].next() {
            (before, last) = (Some(last), next);
        }
        if last != at {
            let bits = self.buckets[last].occupied();
            if bits != 0
                && let Some((tag, moved)) = self.buckets[last].take(bits.trailing_zeros() as usize)
            {
                // The hole is free by the lines above, so this cannot fail.
                let _ = self.buckets[at].put(tag, moved);
            }
        }
        if self.buckets[last].is_empty()
            && let Some(before) = before.or_else(|| self.before(last))
        {
            self.buckets[before].set_next(None);
        }
        Some(item)
    }

    /// The bucket that links to an overflow bucket. Only asked when one has run empty.
    fn before(&self, overflow: usize) -> Option<usize> {
        self.buckets.iter().position(|bucket| bucket.next() == Some(overflow))
    }

    /// Moves everything into a segment with the next larger number of homes.
    pub(super) fn grow(&mut self, rehash: impl Fn(&T) -> u64) {
        let old = std::mem::replace(self, Segment::with_homes(larger(self.homes.into()), self.depth));
        for (hash, item) in old.into_hashed(rehash) {
            self.insert(hash, item);
        }
    }

    /// Divides a segment by the next bit of the hash. Each half has room beyond its share.
    pub(super) fn split(self, rehash: impl Fn(&T) -> u64) -> (Self, Self) {
        let depth = self.depth + 1;
        let homes = larger(usize::from(self.homes) / 2);
        let (mut low, mut high) = (Segment::with_homes(homes, depth), Segment::with_homes(homes, depth));
        for (hash, item) in self.into_hashed(rehash) {
            let half = if hash << (depth - 1) >> 63 == 0 { &mut low } else { &mut high };
            half.insert(hash, item);
        }
        (low, high)
    }

    /// All items with their hashes. Hashing reads every item, which is out of cache in a large table: a loop that does
    /// nothing else overlaps those reads.
    fn into_hashed(self, rehash: impl Fn(&T) -> u64) -> impl Iterator<Item = (u64, T)> {
        let mut hashes = Vec::with_capacity(self.len as usize);
        for bucket in &self.buckets {
            hashes.extend(bucket.slots.iter().flatten().map(&rehash));
        }
        hashes.into_iter().zip(self.into_items())
    }

    /// Gives up half of the homes (two thirds of three). Neighbours fall together, so no hash is needed.
    pub(super) fn shrink(&mut self) {
        let homes = usize::from(self.homes);
        let to = if homes.is_multiple_of(2) { homes / 2 } else { homes / 3 };
        let mut into = Segment::with_homes(to, self.depth);
        std::mem::replace(self, Segment::empty()).pour(&mut into, 0, homes / to);
        *self = into;
    }

    /// Two halves of one piece of the hash space as one segment, when they fit one well. `low` comes first.
    pub(super) fn join(low: &mut Self, high: &mut Self) -> Option<Self> {
        let (a, b) = (usize::from(low.homes), usize::from(high.homes));
        let mut each = gcd(a, b);
        while each > MAX_HOMES / 2 {
            each /= 2;
        }
        let fits = (low.len + high.len) as usize <= 2 * each * FULL * 2 / 3;
        if low.depth != high.depth || each == 0 || !fits {
            return None;
        }
        let mut into = Segment::with_homes(2 * each, low.depth - 1);
        std::mem::replace(low, Segment::empty()).pour(&mut into, 0, a / each);
        std::mem::replace(high, Segment::empty()).pour(&mut into, each, b / each);
        Some(into)
    }

    /// Moves every chain to the home `offset + old home / by` of `into`.
    fn pour(mut self, into: &mut Self, offset: usize, by: usize) {
        for home in 0..usize::from(self.homes) {
            let mut at = Some(home);
            while let Some(bucket) = at {
                let bucket = &mut self.buckets[bucket];
                for slot in 0..SLOTS {
                    if let Some((tag, item)) = bucket.take(slot) {
                        into.place(offset + home / by, tag, item);
                    }
                }
                at = bucket.next();
            }
        }
    }

    pub(super) fn into_items(self) -> impl Iterator<Item = T> {
        self.buckets.into_iter().flat_map(|bucket| bucket.slots).flatten()
    }

    pub(super) fn items_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.buckets.iter_mut().flat_map(|bucket| &mut bucket.slots).flatten()
    }
}

/// The next number of homes: 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64. Steps of a half and a third keep a table between
/// about 55% and 85% full; each is a divisor of a later one, so that shrinking needs no hash.
fn larger(homes: usize) -> usize {
    match homes {
        0 | 1 => homes + 1,
        _ if homes.is_power_of_two() => homes + homes / 2,
        _ => homes + homes / 3,
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
