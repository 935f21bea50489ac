//! A hash table that keeps its items in hash order: small when it is small, never rehashed as a whole, and safe to scan
//! while it changes.
//!
//! # The problem
//!
//! A keyspace of a hundred million keys cannot stop for a second to double an array; a set of three members cannot
//! afford the array of a large one; and a client that walks the keys in steps, with a cursor in its hand and any amount of
//! time between the steps, must in the end have seen everything that was there all along. Each look-up should cost
//! what memory costs, a miss for the bucket and one for the item, and nothing beside.
//!
//! # How it works
//!
//! A hash is a point on a line, and every structure here is a cut of that line:
//!
//! ```text
//!   hash  │ directory bits │ bucket within segment │ …            │ tag: low 8 bits
//!         └──────┬─────────┴───────────┬───────────┘
//!   directory    ▼                     │           0…                                           …1
//!   [0][1][2][3]…  by leading bits     │           ├────── segment ───────┼─ seg ─┼─ seg ─┼ … ───┤
//!     │                                ▼           │ bucket │ bucket │ …  │
//!     └─▶ segment: 1 to 64 buckets, scaled: bucket = fraction × buckets
//!           bucket: [14 tags│link] [14 slots]      128 bytes for items of 8: two cache lines
//!                              └──▶ overflow bucket of the same segment
//! ```
//!
//! A **bucket** compares the tags of its fourteen items with one instruction and touches only items whose tag agrees. A
//! **segment** that is full takes more buckets, by a third or a half at a time, up to 64; then it splits in two by its next
//! hash bit, and the **directory** of segments doubles when one of them knows as many bits as it does. This is extendible
//! hashing: an insertion never moves more than one segment, some 800 items. What runs sparse goes the same way back: buckets
//! fall together with their neighbours, segments with their siblings, the directory halves.
//!
//! Because buckets stand in hash order, whatever their number, a **cursor** is not a position in the structure but a point
//! on the line. "Go on from there" means the same before and after any growth: [`Table::scan`] visits the bucket that the
//! point falls into and answers the point where the next bucket begins.
//!
//! # Invariants
//!
//! - An item is in the chain of the home bucket that its hash scales to, in the segment that the directory names
//!   (`Segment::home`, `Many::point`; the test helper `check` walks all of it).
//! - The borders between buckets, segments and siblings are exact: joining and dividing never moves an item across one
//!   (`Segment::home` uses all 48 bits of the point). Shrinking therefore needs no hashes.
//! - What is in the table during a whole scan is visited (`a_scan_visits_whatever_stays`, over random growth and
//!   shrinking between the steps).
//! - [`Table::random`] prefers no item (`every_item_is_equally_likely_to_be_drawn`).
//! - The order of [`Table::iter`] follows from hashes and history; no address and no process seed enters it.
//!
//! # Cost
//!
//! A look-up is the directory and segment (both small and warm), the bucket, the item. [`Table::prefetch`] and
//! [`Table::candidate`] let a batch wait for all of its buckets at once, and then for all of its items. Measured beside
//! `hashbrown` on a busy two-core virtual machine, boxed items: a find takes 17 ns against 9 at 100,000 items and 60
//! against 38 at a million; an insertion 80 against 30, and 155 against 78, because each item is moved two to three times
//! while the table doubles. That buys the memory: between 12 of 14 slots at the most and 8 after a growth are in use,
//! 13 to 18 bytes an item of eight, never a second copy of the whole, and nothing for an empty table. A small table is a
//! single bucket.
//!
//! # Example
//!
//! ```
//! use xs_storage::keyspace::table::Table;
//!
//! let hash = |n: &u64| (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15); // enough for an example
//! let mut table = Table::new();
//! for n in 0..1000 {
//!     table.insert_unique(hash(&n), n, hash);
//! }
//! assert_eq!(table.find(hash(&7), |n| *n == 7), Some(&7));
//!
//! let (mut seen, mut cursor) = (0, 0);
//! loop {
//!     cursor = table.scan(cursor, |_| seen += 1);
//!     if cursor == 0 {
//!         break;
//!     }
//! }
//! assert_eq!(seen, 1000);
//! ```
//!
//! # How others do it
//!
//! Redis chains entries from an array that doubles, moves a bucket with every operation while two arrays exist, and
//! counts its cursor with reversed bits so that it survives the doubling. Valkey 9 has buckets of seven entries in a cache
//! line, the same two arrays and the same cursor. Dragonfly's table splits segments as this one does. `hashbrown` is
//! faster to find in and to fill, stops to move everything, and offers no cursor.
//!
//! # What this leaves out
//!
//! Defence against chosen hashes beyond the seed of the hash function: items whose hashes share their leading bits pile
//! up in overflow buckets of one segment, at a cost that grows with the pile, and beyond about 900,000 of them
//! insertion panics. Concurrent readers. Giving memory back before a segment is under a fifth full.
//!
//! # Try next
//!
//! Grow from 32 straight to 64 buckets, and see insertion gain what memory loses. Keep a second byte of hash for each
//! item, and count how many look-ups touch a wrong item.
//!
//! # Sources
//!
//! R. Fagin, J. Nievergelt, N. Pippenger and H. R. Strong, "Extendible Hashing: A Fast Access Method for Dynamic Files"
//! (1979); D. Lemire, "Fast Random Integer Generation in an Interval" (2019) for scaling; B. Lu et al., "Dash: Scalable
//! Hashing on Persistent Memory" (2020) for segments and tags; Redis' `dict.c` for the scan that this one answers to.

mod bucket;
mod segment;

use std::fmt;

use self::bucket::{Bucket, SLOTS, tag_of};
use self::segment::{MAX_HOMES, POINT_BITS, Place, Segment};
use super::size::alloc_size;
use xs_os::Rng;

/// Leading bits of a hash that the directory may use.
const MAX_DEPTH: u8 = 32;

/// A hash table of `T`s that keeps its items in hash order. See the [module page](self).
///
/// It stores no hashes: callers pass the hash of what they look for, and a function that finds the hash of an item
/// when the table grows. All of them must agree, and the hash should be good in all of its 64 bits.
#[derive(Clone)]
pub struct Table<T> {
    /// The whole table while one segment is enough; without buckets afterwards.
    single: Segment<T>,
    many: Option<Box<Many<T>>>,
    len: usize,
}

/// Where an item of a [`Table`] is, until the table changes its members.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    number: u32,
    // 65,535 buckets a segment and 14 slots a bucket: a spot fits into one register.
    at: u16,
    slot: u16,
}

impl Spot {
    #[inline]
    fn new(number: usize, (at, slot): Place) -> Self {
        Spot { number: number as u32, at: at as u16, slot: slot as u16 }
    }

    #[inline]
    fn number(self) -> usize {
        self.number as usize
    }

    #[inline]
    fn place(self) -> Place {
        (self.at.into(), self.slot.into())
    }
}

/// A directory of segments.
#[derive(Clone)]
struct Many<T> {
    /// By the leading `depth` bits of a hash: the number of its segment. A segment of a smaller depth has several
    /// neighbouring entries.
    directory: Vec<u32>,
    segments: Vec<Segment<T>>,
    /// Numbers of segments that were merged away. They hold no bucket.
    free: Vec<u32>,
    depth: u8,
    /// Segments whose depth is the directory's: when there are none, the directory halves.
    deepest: usize,
    /// The sum of what the segments allocate.
    bytes: usize,
    /// No segment has more buckets than this.
    widest: usize,
}

impl<T> Many<T> {
    #[inline]
    fn number(&self, hash: u64) -> usize {
        self.directory[(hash >> (64 - u32::from(self.depth))) as usize] as usize
    }

    /// Points every entry of the piece of hash space round `hash`, `depth` bits deep, at segment `number`.
    fn point(&mut self, hash: u64, depth: u8, number: usize) {
        let span = 1_usize << (self.depth - depth);
        let start = (hash >> (64 - u32::from(self.depth))) as usize & !(span - 1);
        self.directory[start..start + span].fill(number as u32);
    }

    fn add(&mut self, segment: Segment<T>) -> usize {
        self.bytes += segment.allocated_bytes();
        self.widest = self.widest.max(segment.buckets.len());
        match self.free.pop() {
            Some(number) => {
                self.segments[number as usize] = segment;
                number as usize
            }
            None => {
                self.segments.push(segment);
                self.segments.len() - 1
            }
        }
    }

    fn replace(&mut self, number: usize, segment: Segment<T>) -> Segment<T> {
        self.bytes += segment.allocated_bytes();
        self.widest = self.widest.max(segment.buckets.len());
        let old = std::mem::replace(&mut self.segments[number], segment);
        self.bytes -= old.allocated_bytes();
        old
    }

    /// Runs `change` on a segment and settles what it allocated.
    #[inline]
    fn change<R>(&mut self, number: usize, change: impl FnOnce(&mut Segment<T>) -> R) -> R {
        let segment = &mut self.segments[number];
        let before = segment.buckets.capacity();
        let result = change(segment);
        if segment.buckets.capacity() != before {
            self.bytes -= Segment::<T>::bytes_for(before);
            self.bytes += segment.allocated_bytes();
        }
        self.widest = self.widest.max(segment.buckets.len());
        result
    }

    /// Whether a full segment may be divided. A directory far larger than its segments warrant means that the hashes
    /// are not spread; then overflow buckets are the cheaper evil.
    fn may_split(&self, depth: u8) -> bool {
        depth < MAX_DEPTH && (depth < self.depth || self.directory.len() <= 4 * self.segments.len() + 64)
    }

    fn split(&mut self, hash: u64, number: usize, rehash: impl Fn(&T) -> u64) {
        let segment = self.replace(number, Segment::empty());
        if segment.depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&number| [number, number]).collect();
            self.depth += 1;
            self.deepest = 0;
        }
        let (low, high) = segment.split(rehash);
        let depth = low.depth;
        if depth == self.depth {
            self.deepest += 2;
        }
        let bit = 1 << (64 - u32::from(depth));
        self.replace(number, low);
        let other = self.add(high);
        self.point(hash & !bit, depth, number);
        self.point(hash | bit, depth, other);
    }

    /// Merges the segment of `hash` with its sibling as long as they fit together.
    fn merge(&mut self, hash: u64) {
        while self.depth > 0 {
            let depth = self.segments[self.number(hash)].depth;
            let bit = 1 << (64 - u32::from(depth));
            let (low, high) = (self.number(hash & !bit), self.number(hash | bit));
            if low == high {
                return;
            }
            let Ok([a, b]) = self.segments.get_disjoint_mut([low, high]) else { return };
            let before = a.allocated_bytes() + b.allocated_bytes();
            let Some(joined) = Segment::join(a, b) else { return };
            self.bytes -= before;
            self.bytes += joined.allocated_bytes();
            self.widest = self.widest.max(joined.buckets.len());
            self.segments[low] = joined;
            self.free.push(high as u32);
            if depth == self.depth {
                self.deepest -= 2;
            }
            self.point(hash, depth - 1, low);
            while self.deepest == 0 && self.depth > 0 {
                self.directory = self.directory.iter().step_by(2).copied().collect();
                self.depth -= 1;
                // A free segment has no buckets and must not count.
                self.deepest = self.segments.iter().filter(|s| s.homes > 0 && s.depth == self.depth).count();
            }
        }
    }
}

impl<T> Table<T> {
    /// An empty table, which allocates nothing.
    pub const fn new() -> Self {
        Table { single: Segment::empty(), many: None, len: 0 }
    }

    /// The number of items.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no item.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes that the table's own structure takes on the heap, without what the items own. O(1).
    #[inline]
    pub fn allocated_bytes(&self) -> usize {
        self.many.as_ref().map_or_else(
            || self.single.allocated_bytes(),
            |many| {
                many.bytes
                    + alloc_size(size_of::<Many<T>>())
                    + alloc_size(many.directory.capacity() * size_of::<u32>())
                    + alloc_size(many.segments.capacity() * size_of::<Segment<T>>())
                    + alloc_size(many.free.capacity() * size_of::<u32>())
            },
        )
    }

    #[inline]
    fn segments(&self) -> &[Segment<T>] {
        match &self.many {
            None => std::slice::from_ref(&self.single),
            Some(many) => &many.segments,
        }
    }

    /// The number of the segment of a hash.
    #[inline]
    fn number(&self, hash: u64) -> usize {
        self.many.as_ref().map_or(0, |many| many.number(hash))
    }

    #[inline]
    fn numbered(&self, number: usize) -> &Segment<T> {
        match &self.many {
            None => &self.single,
            Some(many) => &many.segments[number],
        }
    }

    #[inline]
    fn segment(&self, hash: u64) -> &Segment<T> {
        self.numbered(self.number(hash))
    }

    #[inline]
    fn segment_mut(&mut self, hash: u64) -> &mut Segment<T> {
        match &mut self.many {
            None => &mut self.single,
            Some(many) => {
                let number = many.number(hash);
                &mut many.segments[number]
            }
        }
    }

    /// Starts to bring the bucket of `hash` into the processor's cache. Before a batch of look-ups, ask this for each of
    /// them: the waits for memory then overlap instead of adding up.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let segment = self.segment(hash);
        if let Some(bucket) = segment.buckets.get(segment.home(hash)) {
            bucket.prefetch();
        }
    }

    /// An item that may be the one of `hash`, by its tag alone: what to prefetch next once its bucket is at hand.
    #[inline]
    pub fn candidate(&self, hash: u64) -> Option<&T> {
        let segment = self.segment(hash);
        let bucket = segment.buckets.get(segment.home(hash))?;
        let slot = bucket.matching(tag_of(hash)).trailing_zeros() as usize;
        bucket.slots.get(slot)?.as_ref()
    }

    /// Where the item is that has this hash and for which `eq` holds.
    #[inline]
    pub fn locate(&self, hash: u64, eq: impl FnMut(&T) -> bool) -> Option<Spot> {
        let number = self.number(hash);
        let place = self.numbered(number).position(hash, eq)?;
        Some(Spot::new(number, place))
    }

    /// The item at a spot. A spot is good until the table changes its members; an outdated one finds any item or none.
    #[inline]
    pub fn at(&self, spot: Spot) -> Option<&T> {
        let (at, slot) = spot.place();
        self.segments().get(spot.number())?.buckets.get(at)?.slots.get(slot)?.as_ref()
    }

    /// As [`Table::at`], to change the item. What its hash is made from must stay.
    #[inline]
    pub fn at_mut(&mut self, spot: Spot) -> Option<&mut T> {
        let (at, slot) = spot.place();
        let segments = match &mut self.many {
            None => std::slice::from_mut(&mut self.single),
            Some(many) => &mut many.segments,
        };
        segments.get_mut(spot.number())?.buckets.get_mut(at)?.slots.get_mut(slot)?.as_mut()
    }

    /// Takes out the item at a spot. `rehash` is asked for its hash if the table shrinks.
    pub fn take_at(&mut self, spot: Spot, rehash: impl Fn(&T) -> u64) -> Option<T> {
        self.at(spot)?;
        let Some(many) = &mut self.many else { return self.take_single(spot.place()) };
        let item = many.segments[spot.number()].take(spot.place())?;
        self.len -= 1;
        if self.len == 0 {
            self.clear();
        } else if many.segments[spot.number()].wants_shrinking() {
            many.change(spot.number(), Segment::shrink);
            many.merge(rehash(&item));
            if many.depth == 0 {
                let number = many.directory[0] as usize;
                self.single = std::mem::replace(&mut many.segments[number], Segment::empty());
                self.many = None;
            }
        }
        Some(item)
    }

    /// The item with this hash for which `eq` holds.
    #[inline]
    pub fn find(&self, hash: u64, eq: impl FnMut(&T) -> bool) -> Option<&T> {
        let segment = self.segment(hash);
        let (at, slot) = segment.position(hash, eq)?;
        segment.buckets[at].slots[slot].as_ref()
    }

    /// As [`Table::find`], to change the item. What its hash is made from must stay.
    #[inline]
    pub fn find_mut(&mut self, hash: u64, eq: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let segment = self.segment_mut(hash);
        let (at, slot) = segment.position(hash, eq)?;
        segment.buckets[at].slots[slot].as_mut()
    }

    /// Adds an item that the table does not hold yet (the caller has looked), and answers where it went.
    ///
    /// `rehash` is asked for the hash of items that have to move when the table grows.
    pub fn insert_unique(&mut self, hash: u64, item: T, rehash: impl Fn(&T) -> u64) -> &mut T {
        if self.segment(hash).wants_growth() {
            self.make_room(hash, rehash);
        }
        self.len += 1;
        let (segment, (at, slot)) = match &mut self.many {
            None => {
                let place = self.single.insert(hash, item);
                (&mut self.single, place)
            }
            Some(many) => {
                let number = many.number(hash);
                let place = many.change(number, |segment| segment.insert(hash, item));
                (&mut many.segments[number], place)
            }
        };
        match &mut segment.buckets[at].slots[slot] {
            Some(item) => item,
            None => unreachable!("the item was placed there"),
        }
    }

    #[cold]
    fn make_room(&mut self, hash: u64, rehash: impl Fn(&T) -> u64) {
        while self.segment(hash).wants_growth() {
            let grown = usize::from(self.segment(hash).homes) >= MAX_HOMES;
            match &mut self.many {
                None if !grown => self.single.grow(&rehash),
                None => {
                    let single = std::mem::replace(&mut self.single, Segment::empty());
                    let mut many = Box::new(Many {
                        directory: vec![0],
                        segments: Vec::new(),
                        free: Vec::new(),
                        depth: 0,
                        deepest: 1,
                        bytes: 0,
                        widest: 0,
                    });
                    let number = many.add(single);
                    many.split(hash, number, &rehash);
                    self.many = Some(many);
                }
                Some(many) => {
                    let number = many.number(hash);
                    if !grown {
                        many.change(number, |segment| segment.grow(&rehash));
                    } else if many.may_split(many.segments[number].depth) {
                        many.split(hash, number, &rehash);
                    } else {
                        return;
                    }
                }
            }
        }
    }

    /// Takes out the item with this hash for which `eq` holds.
    pub fn remove(&mut self, hash: u64, eq: impl FnMut(&T) -> bool) -> Option<T> {
        let spot = self.locate(hash, eq)?;
        self.take_at(spot, |_| hash)
    }

    fn take_single(&mut self, place: Place) -> Option<T> {
        let item = self.single.take(place)?;
        self.len -= 1;
        if self.len == 0 {
            self.clear();
        } else if self.single.wants_shrinking() {
            self.single.shrink();
        }
        Some(item)
    }

    /// Drops all items and all memory.
    pub fn clear(&mut self) {
        *self = Table::new();
    }

    /// An item, every one equally likely.
    pub fn random(&self, rng: &mut Rng) -> Option<&T> {
        self.at(self.random_spot(rng)?)
    }

    /// Takes out an item, every one equally likely. `rehash` is asked for its hash if the table shrinks.
    pub fn take_random(&mut self, rng: &mut Rng, rehash: impl Fn(&T) -> u64) -> Option<T> {
        let spot = self.random_spot(rng)?;
        self.take_at(spot, rehash)
    }

    /// Where an item is, every one equally likely.
    ///
    /// Draws slots, as if every segment were as wide as the widest, until one holds an item: no slot is likelier than
    /// another, so no item is.
    pub fn random_spot(&self, rng: &mut Rng) -> Option<Spot> {
        if self.len == 0 {
            return None;
        }
        let segments = self.segments();
        let widest = self.many.as_ref().map_or(self.single.buckets.len(), |many| many.widest);
        let space = (segments.len() * widest * SLOTS) as u64;
        loop {
            let at = rng.below(space) as usize;
            let (number, at, slot) = (at / (widest * SLOTS), at / SLOTS % widest, at % SLOTS);
            if segments[number].buckets.get(at).is_some_and(|bucket| bucket.occupied() >> slot & 1 != 0) {
                return Some(Spot::new(number, (at, slot)));
            }
        }
    }

    /// Visits the items at and behind `cursor`, a bucket of them at least, and answers the cursor to go on from; 0 is
    /// the start, and 0 is the answer at the end.
    ///
    /// An item that is in the table during the whole of a scan is visited, however the table grows and shrinks between
    /// the steps. One that comes or goes meanwhile may be visited or not; after the table changed its size an item may be
    /// visited twice. Cursors are below 2⁴⁸; any number is safe to pass.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&T)) -> u64 {
        if cursor >> POINT_BITS != 0 {
            return 0;
        }
        let hash = cursor << (64 - POINT_BITS);
        let segment = self.segment(hash);
        if segment.homes == 0 {
            return 0;
        }
        let home = segment.home(hash);
        let mut at = Some(home);
        while let Some(bucket) = at.map(|at| &segment.buckets[at]) {
            bucket.slots.iter().flatten().for_each(&mut visit);
            at = bucket.next();
        }
        // The first point that belongs to the next home: the smallest fraction that scales to more than `home`.
        let piece = POINT_BITS - u32::from(segment.depth);
        let fraction = ((home as u64 + 1) << piece).div_ceil(u64::from(segment.homes));
        let start = cursor >> piece << piece;
        (start + fraction) & ((1 << POINT_BITS) - 1)
    }

    /// All items, in hash order (items of one bucket in no particular one).
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { table: self, entry: 0, home: 0, at: None, slot: 0, left: self.len }
    }

    /// All items to change, in no particular order, but always the same one for the same history. What their hashes are
    /// made from must stay.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let many = self.many.iter_mut().flat_map(|many| &mut many.segments);
        many.chain(std::iter::once(&mut self.single)).flat_map(Segment::items_mut)
    }

    /// All items by value, in the order of [`Table::iter_mut`].
    pub fn into_items(self) -> impl Iterator<Item = T> {
        let many = self.many.into_iter().flat_map(|many| many.segments);
        many.chain(std::iter::once(self.single)).flat_map(Segment::into_items)
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The items of a [`Table`] in hash order.
#[derive(Debug)]
pub struct Iter<'a, T> {
    table: &'a Table<T>,
    /// The directory entry of the present segment.
    entry: usize,
    home: usize,
    /// The present bucket, in the chain of `home`.
    at: Option<&'a Bucket<T>>,
    slot: usize,
    left: usize,
}

impl<'a, T> Iter<'a, T> {
    /// Goes to the next bucket that there is.
    fn advance(&mut self) -> Option<()> {
        let segment = match &self.table.many {
            None if self.entry == 0 => &self.table.single,
            None => return None,
            Some(many) => &many.segments[*many.directory.get(self.entry)? as usize],
        };
        if let Some(next) = self.at.and_then(Bucket::next) {
            self.at = Some(&segment.buckets[next]);
        } else {
            self.home += usize::from(self.at.is_some());
            if self.home < usize::from(segment.homes) {
                self.at = Some(&segment.buckets[self.home]);
            } else {
                let depth = self.table.many.as_ref().map_or(0, |many| many.depth);
                (self.entry, self.home, self.at) = (self.entry + (1 << (depth - segment.depth)), 0, None);
            }
        }
        self.slot = 0;
        Some(())
    }
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        if self.left == 0 {
            return None;
        }
        loop {
            if let Some(bucket) = self.at {
                while self.slot < SLOTS {
                    self.slot += 1;
                    if let Some(item) = &bucket.slots[self.slot - 1] {
                        self.left -= 1;
                        return Some(item);
                    }
                }
            }
            self.advance()?;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

impl<'a, T> IntoIterator for &'a Table<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;
    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests;
