//! A sequence of strings and numbers in one run of bytes, readable from both ends: the compact form of small
//! collections, in Redis' own byte format.
//!
//! # The problem
//!
//! Most hashes have ten fields. Ten fields in a hash table are twenty allocations, a table and forty pointers: four
//! hundred bytes for a hundred bytes of data. Ten fields written one after the other are a hundred bytes in two cache
//! lines, and looking through all of them is faster than hashing. What such a run needs is a header on each entry that
//! is as small as the entry, and a way to walk it from the end.
//!
//! # How it works
//!
//! ```text
//!   ┌───────────────┬─────────────┬─────────┬─────────┬ ─ ─ ─ ┬──────┐
//!   │ total bytes   │ entries     │ entry   │ entry   │       │ 0xFF │
//!   │ u32, little e.│ u16         │         │         │       │      │
//!   └───────────────┴─────────────┴─────────┴─────────┴ ─ ─ ─ ┴──────┘
//!
//!   entry:  header │ string │ length of header and string, readable from behind
//!
//!   0xxxxxxx                     0 to 127, itself                        1 byte + 1 of back-length
//!   10llllll  string             up to 63 bytes                          1 + l + 1
//!   110xxxxx x                   −4096 to 4095                           2 + 1
//!   1110llll l  string           up to 4095 bytes                        2 + l + 1 or 2
//!   11110000 llll  string        up to 4 GiB                             5 + l + 2 to 5
//!   11110001 xx     11110010 xxx     11110011 xxxx    11110100 xxxxxxxx  16, 24, 32 and 64 bits, + 1
//! ```
//!
//! A string that is the usual text of a number is kept as the number ([`Item::compact`]) and shown as either. The
//! back-length has seven bits a byte, lowest last, and every byte but its first is marked: a reader who comes from the
//! right collects bytes until an unmarked one and knows where the entry starts.
//!
//! The count saturates: 65535 means "count them yourself".
//!
//! An entry is named by its [`Place`], a byte offset. An edit invalidates the places behind it, as it does in a `Vec`.
//!
//! # Invariants
//!
//! - The total is the length of the buffer, the last byte is 0xFF, and everything between is whole entries with true
//!   back-lengths. `splice` is the only writer; bytes from outside become a listpack only through
//!   [`ListPackRef::validate`], which checks all of it and reads each byte of structure once.
//! - Reading a valid listpack never fails, and reading never looks outside of it: all access is by checked slices.
//!
//! # Cost
//!
//! Seven bytes, two bytes around a short string. Finding is linear, about two nanoseconds an entry. An edit moves what
//! is behind it. The buffer grows to the end of the allocator's next class, so that small collections stay tight; who
//! knows what is coming says so first ([`ListPack::reserve`]) and pays for one allocation.
//!
//! # Example
//!
//! ```
//! use xs_storage::keyspace::{Item, listpack::ListPack};
//!
//! let mut pack = ListPack::new();
//! pack.push_back(b"temperature");
//! pack.push_back(b"21");
//! let place = pack.find(pack.first(), b"temperature", 1).unwrap();
//! let value = pack.next(place).unwrap();
//! assert_eq!(pack.get(value), Item::Int(21));
//! pack.replace(value, b"21.5");
//! assert!(pack.iter().eq([Item::Bytes(b"temperature"), Item::Bytes(b"21.5")]));
//! assert_eq!(pack.as_bytes()[..7], [26, 0, 0, 0, 2, 0, 0x8B]);
//! ```
//!
//! # How others do it
//!
//! Redis' ziplist, its predecessor, kept the length of the *previous* entry in front of each: one that outgrew a byte
//! could push all its followers into growing too, a cascade that was hard to get right. The back-length concerns nobody
//! but its own entry. SQLite's records and Protobuf's messages carry lengths in front only and cannot be walked from
//! the end.
//!
//! # What this leaves out
//!
//! Comparing entries with patterns, and merging two listpacks in place: a list's nodes do that on entries of their own
//! ([`list`](super::list)).
//!
//! # Try next
//!
//! Compare finding the last of 128 fields here with a lookup in a [`Hash`](super::hash::Hash) past the threshold, and
//! decide where *you* would put the threshold.
//!
//! # Sources
//!
//! The listpack specification in the Redis source tree and its RDB format; S. Sanfilippo's notes on why it replaced the
//! ziplist.

pub(crate) mod entry;

use super::item::{Item, canonical_i64};
use super::members::make_room;
use super::thin::ThinBytes;
use entry::{Encoded, Entries};

/// Total bytes and number of entries.
const HEADER: usize = 6;
const END: u8 = 0xFF;
/// A count that says "count them yourself".
const UNCOUNTED: u16 = u16::MAX;

/// An entry of a listpack, or the end of it, by its offset. Valid until the listpack changes in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u32);

/// Why bytes are not a listpack: where they stop making sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a listpack: byte {at} is wrong")]
pub struct Malformed {
    /// The offset of the header field or entry that is wrong.
    pub at: usize,
}

/// Borrowed bytes that are a valid listpack.
#[derive(Clone, Copy)]
pub struct ListPackRef<'a>(&'a [u8]);

impl<'a> ListPackRef<'a> {
    /// Checks untrusted bytes: lengths, back-lengths, the count and the end. One pass, no allocation, no panic.
    pub fn validate(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let fail = |at| Err(Malformed { at });
        let [a, b, c, d, e, f, rest @ ..] = bytes else { return fail(0) };
        if u32::from_le_bytes([*a, *b, *c, *d]) as usize != bytes.len() {
            return fail(0);
        }
        let [body @ .., END] = rest else { return fail(bytes.len() - 1) };
        let (mut at, mut count) = (0, 0_usize);
        while at < body.len() {
            let Some(size) = entry::check(&body[at..]) else { return fail(HEADER + at) };
            at += size;
            count += 1;
        }
        let stored = u16::from_le_bytes([*e, *f]);
        if stored != UNCOUNTED && usize::from(stored) != count {
            return fail(4);
        }
        Ok(ListPackRef(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        match u16::from_le_bytes([self.0[4], self.0[5]]) {
            UNCOUNTED => self.iter().count(),
            count => usize::from(count),
        }
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER + 1
    }

    /// The entries, from both ends.
    pub fn iter(&self) -> Iter<'a> {
        Iter(Entries(&self.0[HEADER..self.0.len() - 1]))
    }
}

impl std::fmt::Debug for ListPackRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The entries of a listpack in order. Made by [`ListPack::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a>(Entries<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        self.0.next()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

impl Iter<'_> {
    /// Drops entries from both ends.
    pub(crate) fn narrow(&mut self, front: usize, back: usize) {
        self.0.skip_front(front);
        self.0.skip_back(back);
    }
}

/// An owned listpack. See the [module page](self).
#[derive(Clone)]
pub struct ListPack(ThinBytes);

impl Default for ListPack {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for ListPack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

impl TryFrom<&[u8]> for ListPack {
    type Error = Malformed;

    fn try_from(bytes: &[u8]) -> Result<Self, Malformed> {
        ListPackRef::validate(bytes).map(|valid| ListPack(ThinBytes::from(valid.0)))
    }
}

impl ListPack {
    /// A listpack without entries.
    pub fn new() -> Self {
        ListPack(ThinBytes::from(&[HEADER as u8 + 1, 0, 0, 0, 0, 0, END][..]))
    }

    /// The same bytes, borrowed.
    pub fn view(&self) -> ListPackRef<'_> {
        ListPackRef(&self.0)
    }

    /// The bytes, as Redis writes them to disk.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The number of entries. O(1) up to 65534 of them.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// Heap bytes held, as an allocator rounds them.
    pub fn allocated_bytes(&self) -> usize {
        self.0.allocated_bytes()
    }

    /// Makes room at once for strings that are about to be added, and for nothing beyond them.
    pub fn reserve<'a>(&mut self, strings: impl IntoIterator<Item = &'a [u8]>) {
        self.0.reserve_exact(strings.into_iter().map(|string| Encoded::of(string).len()).sum());
    }

    /// The entries, from both ends.
    pub fn iter(&self) -> Iter<'_> {
        self.view().iter()
    }

    /// The entries from `from` on.
    pub fn iter_from(&self, from: Place) -> Iter<'_> {
        Iter(Entries(&self.0[from.0 as usize..self.0.len() - 1]))
    }

    /// Where the first entry is; the end, if there is none.
    pub fn first(&self) -> Place {
        Place(HEADER as u32)
    }

    /// Where the next entry would be appended.
    pub fn end(&self) -> Place {
        Place((self.0.len() - 1) as u32)
    }

    /// The entry after the one at `place`; nothing after the last, nor at the end.
    pub fn next(&self, place: Place) -> Option<Place> {
        let next = self.after(place)?;
        (next < self.end()).then_some(next)
    }

    /// The entry in front of `place`, which may be the end.
    pub fn prev(&self, place: Place) -> Option<Place> {
        (place > self.first()).then(|| Place(place.0 - entry::size_back(&self.0[..place.0 as usize]) as u32))
    }

    /// The place behind the entry at `place`: that of its successor, or the end.
    fn after(&self, place: Place) -> Option<Place> {
        (place < self.end()).then(|| Place(place.0 + entry::size(&self.0[place.0 as usize..]) as u32))
    }

    /// The entry number `index`, from 0.
    pub fn seek(&self, index: usize) -> Option<Place> {
        let mut place = self.first();
        for _ in 0..index {
            place = self.after(place)?;
        }
        (place < self.end()).then_some(place)
    }

    /// The entry at `place`.
    ///
    /// # Panics
    /// At the end, or at a place that an edit has made stale in a way that shows.
    #[inline]
    pub fn get(&self, place: Place) -> Item<'_> {
        entry::decode(&self.0[place.0 as usize..self.0.len() - 1]).0
    }

    /// The first entry equal to `value`, looking at the one at `from` and then at every `stride`-th.
    #[inline]
    pub fn find(&self, from: Place, value: &[u8], stride: usize) -> Option<Place> {
        let number = canonical_i64(value);
        let mut entries = Entries(&self.0[from.0 as usize..self.0.len() - 1]);
        while !entries.0.is_empty() {
            let at = self.0.len() - 1 - entries.0.len();
            let (item, size) = entry::decode(entries.0);
            entries.0 = &entries.0[size..];
            let equal = match item {
                Item::Int(entry) => number == Some(entry),
                Item::Bytes(entry) => entry == value,
            };
            if equal {
                return Some(Place(at as u32));
            }
            for _ in 1..stride {
                if entries.0.is_empty() {
                    break;
                }
                entries.skip_front(1);
            }
        }
        None
    }

    /// Appends a string.
    pub fn push_back(&mut self, value: &[u8]) {
        self.insert(self.end(), value);
    }

    /// Puts a string in front of all others.
    pub fn push_front(&mut self, value: &[u8]) {
        self.insert(self.first(), value);
    }

    /// Puts a string in front of `place`, which may be the end. The new entry then is at `place`.
    pub fn insert(&mut self, place: Place, value: &[u8]) {
        self.splice(place.0 as usize, 0, &Encoded::of(value));
        self.add_count(1);
    }

    /// Puts another string in the place of the entry at `place`.
    pub fn replace(&mut self, place: Place, value: &[u8]) {
        let at = place.0 as usize;
        let old = entry::size(&self.0[at..]);
        self.splice(at, old, &Encoded::of(value));
    }

    /// Removes `count` entries from `place` on, or as many as there are. The entry behind them then is at `place`.
    pub fn remove(&mut self, place: Place, count: usize) {
        let (mut end, mut removed) = (place, 0);
        while removed < count {
            let Some(after) = self.after(end) else { break };
            end = after;
            removed += 1;
        }
        let at = place.0 as usize;
        make_room(&mut self.0, at, (end.0 - place.0) as usize, 0);
        self.set_total();
        self.add_count(-(removed as i64));
    }

    /// Replaces `remove` bytes at `at` by an entry, moving the rest once.
    fn splice(&mut self, at: usize, remove: usize, entry: &Encoded<'_>) {
        let added = entry.len();
        make_room(&mut self.0, at, remove, added);
        entry.write(&mut self.0[at..at + added]);
        self.set_total();
    }

    fn set_total(&mut self) {
        let total = self.0.len() as u32;
        self.0[..4].copy_from_slice(&total.to_le_bytes());
    }

    fn add_count(&mut self, by: i64) {
        let stored = u16::from_le_bytes([self.0[4], self.0[5]]);
        let count = if stored == UNCOUNTED { self.iter().count() as i64 } else { i64::from(stored) + by };
        let stored = u16::try_from(count).unwrap_or(UNCOUNTED);
        self.0[4..6].copy_from_slice(&stored.to_le_bytes());
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            (-5000_i64..5000).prop_map(|n| n.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..80),
            (100..6000_usize).prop_map(|n| vec![b'x'; n]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn edits_agree_with_a_vec(ops in prop::collection::vec((0..5_u8, any::<prop::sample::Index>(), value()), 0..60)) {
            let mut pack = ListPack::new();
            let mut model: Vec<Vec<u8>> = Vec::new();
            for (op, index, value) in ops {
                let at = index.index(model.len() + 1);
                match op {
                    0 => { pack.push_back(&value); model.push(value); }
                    1 => { pack.push_front(&value); model.insert(0, value); }
                    2 => {
                        let place = pack.seek(at).unwrap_or(pack.end());
                        pack.insert(place, &value);
                        prop_assert_eq!(pack.get(place), &*value);
                        model.insert(at, value);
                    }
                    3 => if let Some(place) = pack.seek(at) {
                        pack.replace(place, &value);
                        model[at] = value;
                    },
                    _ => if let Some(place) = pack.seek(at) {
                        let n = value.len() % 4;
                        pack.remove(place, n);
                        model.drain(at..(at + n).min(model.len()));
                    },
                }
                prop_assert!(ListPackRef::validate(pack.as_bytes()).is_ok());
                prop_assert_eq!(pack.len(), model.len());
            }
            prop_assert!(pack.iter().map(|i| i.to_vec()).eq(model.iter().cloned()));
            prop_assert!(pack.iter().rev().map(|i| i.to_vec()).eq(model.iter().rev().cloned()));
            let mut place = pack.end();
            for value in model.iter().rev() {
                place = pack.prev(place).unwrap();
                prop_assert_eq!(pack.get(place), &**value);
            }
            prop_assert_eq!(pack.prev(place), None);
            for (stride, value) in [(1, model.first()), (2, model.get(2)), (3, model.get(3))] {
                if let Some(value) = value {
                    let expected = model.iter().step_by(stride).position(|v| v == value);
                    let found = pack.find(pack.first(), value, stride);
                    prop_assert_eq!(found, expected.and_then(|i| pack.seek(i * stride)));
                }
            }
        }

        #[test]
        fn any_bytes_are_judged_and_what_passes_can_be_read(mut bytes in prop::collection::vec(any::<u8>(), 0..200),
                                                            honest in any::<bool>()) {
            if honest && bytes.len() > 7 {
                // Get past the cheap checks, so that the entries are looked at.
                let len = bytes.len() as u32;
                bytes[..4].copy_from_slice(&len.to_le_bytes());
                bytes[4..6].copy_from_slice(&[0xFF, 0xFF]);
                *bytes.last_mut().unwrap() = END;
            }
            if let Ok(valid) = ListPackRef::validate(&bytes) {
                prop_assert_eq!(valid.iter().count(), valid.iter().rev().count());
            }
        }

        #[test]
        fn one_damaged_byte_is_survived(values in prop::collection::vec(value(), 1..8), at in any::<prop::sample::Index>(),
                                        byte in any::<u8>()) {
            let mut pack = ListPack::new();
            values.iter().for_each(|v| pack.push_back(v));
            let mut bytes = pack.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(mut pack) = ListPack::try_from(&*bytes) {
                prop_assert_eq!(pack.iter().count(), pack.iter().rev().count());
                pack.push_front(b"still usable");
                pack.remove(pack.first(), usize::MAX);
                prop_assert!(pack.is_empty());
            }
        }
    }

    #[test]
    fn a_count_beyond_its_field_is_counted() {
        let mut pack = ListPack::new();
        for _ in 0..65_534 {
            pack.push_back(b"1");
        }
        assert_eq!(pack.as_bytes()[4..6], [0xFE, 0xFF]);
        pack.push_back(b"1");
        pack.push_back(b"1");
        assert_eq!((pack.len(), &pack.as_bytes()[4..6]), (65_536, &[0xFF, 0xFF][..]));
        pack.remove(pack.first(), 10);
        assert_eq!((pack.len(), &pack.as_bytes()[4..6]), (65_526, &[0xF6, 0xFF][..]));
        assert!(ListPackRef::validate(pack.as_bytes()).is_ok());
    }

    #[test]
    fn lies_are_found_where_they_are() {
        let mut pack = ListPack::new();
        pack.push_back(b"abc");
        pack.push_back(b"7");
        let lie = |at: usize, byte: u8| {
            let mut bytes = pack.as_bytes().to_vec();
            bytes[at] = byte;
            ListPackRef::validate(&bytes).err()
        };
        assert_eq!(lie(0, 13), Some(Malformed { at: 0 }), "total");
        assert_eq!(lie(4, 3), Some(Malformed { at: 4 }), "count");
        assert_eq!(lie(10, 5), Some(Malformed { at: 6 }), "back-length");
        assert_eq!(lie(11, 0xF4), Some(Malformed { at: 11 }), "entry beyond the end");
        assert_eq!(lie(13, 0), Some(Malformed { at: 13 }), "end mark");
        assert_eq!(ListPackRef::validate(b"").err(), Some(Malformed { at: 0 }));
    }
}
