//! A map from field to value: one packed run of bytes while it is small, a hash table of string pairs otherwise.
//!
//! # The problem
//!
//! An object with ten fields is the most usual thing to keep under a key, and there are millions of them. The same type
//! must also carry a map of a million fields with constant-time access. One representation cannot do both.
//!
//! # How it works
//!
//! ```text
//!   Hash ─┬─ at most hash-max-listpack-entries fields, none of them nor any value
//!         │  longer than hash-max-listpack-value
//!         │      ──▶ ListPack   [ field │ value │ field │ value │ … ]      in order of arrival
//!         └─ otherwise
//!                ──▶ Table<(field, value)>                                 two pointers a slot
//!                      └ seed, heap account
//! ```
//!
//! A write that breaks a limit moves everything into a [`Table`] first, for good. What `get` answers is a view
//! ([`Item`]) into whichever form it is, so a reply is written from where the value lies.
//!
//! # Invariants
//!
//! - A field is there once: `set` looks before it adds, in either form.
//! - The listpack has an even number of entries: every edit of it adds or removes a pair.
//! - `heap` is the sum of what the fields' and values' strings allocate (`Fields::set` and `remove` settle it).
//!
//! # Cost
//!
//! Packed: linear in the number of fields, two to four nanoseconds each; a hash of short strings takes 15 bytes and
//! four a field more than its data, up to the allocator's next class. Fields that come together are allocated together
//! ([`Hash::expect`]). As a table: O(1) expected, one allocation for each field and value.
//!
//! # Example
//!
//! ```
//! use xs_storage::keyspace::{Item, Limits, hash::Hash};
//!
//! let limits = Limits::default();
//! let mut user = Hash::new();
//! assert!(user.set(b"name", b"Ada", &limits));
//! assert!(user.set(b"born", b"1815", &limits));
//! assert!(!user.set(b"name", b"Ada L.", &limits), "the field was there");
//! assert_eq!(user.get(b"born"), Some(Item::Int(1815)));
//! assert_eq!(user.encoding(), "listpack");
//! user.set(b"note", &[b'x'; 100], &limits);
//! assert_eq!((user.encoding(), user.len()), ("hashtable", 3));
//! ```
//!
//! # How others do it
//!
//! Redis has the same two forms and thresholds. Memcached has no such type; its users pack objects into strings and
//! pay for a rewrite of all to change one field.
//!
//! # What this leaves out
//!
//! Expiry of single fields, which came to Redis with 7.4.
//!
//! # Try next
//!
//! Keep the field and value of a table's slot in one allocation and measure `HSET` against the bytes it saves.
//!
//! # Sources
//!
//! The Redis documentation of memory optimization and of `HRANDFIELD`.

use xs_os::Rng;

use super::alloc_size;
use super::hasher::KeyHasher;
use super::item::Item;
use super::limits::Limits;
use super::listpack::ListPack;
use super::members::{self, Pairs};
use super::table::{self, Table};
use super::thin::ThinBytes;

/// A map from field to value. See the [module page](self).
#[derive(Clone)]
pub struct Hash(Form);

#[derive(Clone)]
enum Form {
    Pack(ListPack),
    Table(Box<Fields>),
}

type Pair = (ThinBytes, ThinBytes);

#[derive(Clone)]
struct Fields {
    hasher: KeyHasher,
    table: Table<Pair>,
    /// What the fields' and values' strings allocate.
    heap: usize,
}

fn items(pair: &Pair) -> (Item<'_>, Item<'_>) {
    (Item::Bytes(&pair.0), Item::Bytes(&pair.1))
}

impl Fields {
    #[inline]
    fn find(&self, field: &[u8]) -> Option<&Pair> {
        self.table.find(self.hasher.hash(field), |pair| *pair.0 == *field)
    }

    fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        let hash = self.hasher.hash(field);
        if let Some(pair) = self.table.find_mut(hash, |pair| *pair.0 == *field) {
            let before = pair.1.allocated_bytes();
            // Reuse the room unless most of it would stay empty.
            if value.len() <= pair.1.capacity() && pair.1.capacity() <= 2 * value.len() + 32 {
                pair.1.clear();
                pair.1.extend_from_slice(value);
            } else {
                pair.1 = ThinBytes::from(value);
            }
            self.heap = self.heap - before + pair.1.allocated_bytes();
            return false;
        }
        let pair = (ThinBytes::from(field), ThinBytes::from(value));
        self.heap += pair.0.allocated_bytes() + pair.1.allocated_bytes();
        let hasher = self.hasher;
        self.table.insert_unique(hash, pair, |pair| hasher.hash(&pair.0));
        true
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Hash {
    /// A map without fields.
    pub fn new() -> Self {
        Hash(Form::Pack(ListPack::new()))
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Pack(pack) => pack.len() / 2,
            Form::Table(fields) => fields.table.len(),
        }
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Pack(pack) => pack.is_empty(),
            Form::Table(fields) => fields.table.is_empty(),
        }
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Pack(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    /// The packed form, while it is that.
    pub fn as_listpack(&self) -> Option<&ListPack> {
        match &self.0 {
            Form::Pack(pack) => Some(pack),
            Form::Table(_) => None,
        }
    }

    /// Heap bytes held, as an allocator rounds them.
    pub fn allocated_bytes(&self) -> usize {
        match &self.0 {
            Form::Pack(pack) => pack.allocated_bytes(),
            Form::Table(fields) => alloc_size(size_of::<Fields>()) + fields.table.allocated_bytes() + fields.heap,
        }
    }

    /// Sets a field. Answers whether it is new.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        let pack = match &mut self.0 {
            Form::Table(fields) => return fields.set(field, value),
            Form::Pack(pack) => pack,
        };
        if field.len().max(value.len()) > limits.hash_max_listpack_value {
            return self.convert(limits).set(field, value);
        }
        if let Some(place) = pack.find(pack.first(), field, 2).and_then(|place| pack.next(place)) {
            pack.replace(place, value);
            return false;
        }
        pack.push_back(field);
        pack.push_back(value);
        if pack.len() / 2 > limits.hash_max_listpack_entries {
            self.convert(limits);
        }
        true
    }

    /// Makes room at once for fields and values, in turn, that are about to be set in an empty hash. Otherwise, and when
    /// they will not fit the packed form, this does nothing: some may be there already.
    pub fn expect<'a>(&mut self, strings: impl ExactSizeIterator<Item = &'a [u8]> + Clone, limits: &Limits) {
        if let Form::Pack(pack) = &mut self.0
            && pack.is_empty()
            && strings.len() / 2 <= limits.hash_max_listpack_entries
            && strings.clone().all(|string| string.len() <= limits.hash_max_listpack_value)
        {
            pack.reserve(strings);
        }
    }

    #[cold]
    fn convert(&mut self, limits: &Limits) -> &mut Fields {
        if let Form::Pack(_) = &self.0 {
            let mut fields = Fields { hasher: KeyHasher::new(limits.hash_seed), table: Table::new(), heap: 0 };
            let (mut field_text, mut value_text) = ([0; 20], [0; 20]);
            for (field, value) in self.iter() {
                fields.set(field.as_bytes(&mut field_text), value.as_bytes(&mut value_text));
            }
            self.0 = Form::Table(Box::new(fields));
        }
        match &mut self.0 {
            Form::Table(fields) => fields,
            Form::Pack(_) => unreachable!("the hash was converted"),
        }
    }

    /// The value of a field.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<Item<'_>> {
        match &self.0 {
            Form::Pack(pack) => {
                let place = pack.find(pack.first(), field, 2)?;
                pack.next(place).map(|place| pack.get(place))
            }
            Form::Table(fields) => fields.find(field).map(|pair| Item::Bytes(&pair.1)),
        }
    }

    /// Whether a field is there.
    pub fn contains(&self, field: &[u8]) -> bool {
        match &self.0 {
            Form::Pack(pack) => pack.find(pack.first(), field, 2).is_some(),
            Form::Table(fields) => fields.find(field).is_some(),
        }
    }

    /// Removes a field. Answers whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Form::Pack(pack) => {
                let Some(place) = pack.find(pack.first(), field, 2) else { return false };
                pack.remove(place, 2);
                true
            }
            Form::Table(fields) => {
                let hash = fields.hasher.hash(field);
                let Some(pair) = fields.table.remove(hash, |pair| *pair.0 == *field) else { return false };
                fields.heap -= pair.0.allocated_bytes() + pair.1.allocated_bytes();
                true
            }
        }
    }

    /// The fields with their values: in order of arrival while packed, in hash order otherwise.
    pub fn iter(&self) -> Iter<'_> {
        Iter(match &self.0 {
            Form::Pack(pack) => Walk::Pack(Pairs(pack.iter())),
            Form::Table(fields) => Walk::Table(fields.table.iter()),
        })
    }

    /// A step of a walk that survives changes: visits about `count` fields from `cursor` on and answers the cursor to go
    /// on from. 0 starts, and the answer 0 is the end. A packed hash is visited whole. See [`Table::scan`].
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>, Item<'_>)) -> u64 {
        match &self.0 {
            Form::Pack(_) => {
                self.iter().for_each(|(field, value)| visit(field, value));
                0
            }
            Form::Table(fields) => members::scan(&fields.table, cursor, count, |(field, value)| {
                visit(Item::Bytes(field), Item::Bytes(value));
            }),
        }
    }

    /// A field with its value, each equally likely.
    pub fn random(&self, rng: &mut Rng) -> Option<(Item<'_>, Item<'_>)> {
        match &self.0 {
            Form::Pack(_) => self.iter().nth(rng.index(self.len())),
            Form::Table(fields) => fields.table.random(rng).map(items),
        }
    }

    /// `n` different fields, every choice equally likely; all of them, in the order of `iter`, if there are no more.
    pub fn random_distinct(&self, n: usize, rng: &mut Rng) -> Vec<(Item<'_>, Item<'_>)> {
        match &self.0 {
            Form::Pack(_) => members::choose(self.iter().collect(), n, rng),
            Form::Table(fields) => members::sample(&fields.table, n, rng).into_iter().map(items).collect(),
        }
    }

    /// `n` draws of a field, each from all of them.
    pub fn random_repeated(&self, n: usize, rng: &mut Rng, mut visit: impl FnMut(Item<'_>, Item<'_>)) {
        match &self.0 {
            Form::Pack(_) => {
                let all: Vec<_> = self.iter().collect();
                if !all.is_empty() {
                    (0..n).map(|_| all[rng.index(all.len())]).for_each(|(field, value)| visit(field, value));
                }
            }
            Form::Table(fields) => {
                for _ in 0..n {
                    let Some((field, value)) = fields.table.random(rng).map(items) else { return };
                    visit(field, value);
                }
            }
        }
    }
}

impl<'a> IntoIterator for &'a Hash {
    type Item = (Item<'a>, Item<'a>);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The fields of a hash with their values. Made by [`Hash::iter`].
#[derive(Debug)]
pub struct Iter<'a>(Walk<'a>);

#[derive(Debug)]
enum Walk<'a> {
    Pack(Pairs<'a>),
    Table(table::Iter<'a, Pair>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Item<'a>, Item<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Pack(pairs) => pairs.next(),
            Walk::Table(pairs) => pairs.next().map(items),
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use xs_os::Rng;

    impl Hash {
        fn check(&self) {
            if let Form::Table(fields) = &self.0 {
                let heap = fields.table.iter().map(|(f, v)| f.allocated_bytes() + v.allocated_bytes()).sum::<usize>();
                assert_eq!(fields.heap, heap);
            }
        }

        fn sorted(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
            self.iter().map(|(f, v)| (f.to_vec(), v.to_vec())).collect()
        }
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            20 => (0..60_i64).prop_map(|n| n.to_string().into_bytes()),
            10 => (0..60_i64).prop_map(|n| format!("f{n}").into_bytes()),
            2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            1 => prop::collection::vec(any::<u8>(), 0..80),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_an_ordered_map(ops in prop::collection::vec((0..4_u8, text(), text()), 0..200), max in 0..60_usize) {
            let limits = Limits { hash_max_listpack_entries: max, ..Limits::default() };
            let (mut hash, mut model, mut rng) = (Hash::new(), BTreeMap::new(), Rng::from_seed(1));
            let mut converted = false;
            for (op, field, value) in ops {
                if op > 0 {
                    prop_assert_eq!(hash.set(&field, &value, &limits), model.insert(field.clone(), value.clone()).is_none());
                    converted |= model.len() > max || field.len().max(value.len()) > 64;
                } else {
                    prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                }
                hash.check();
                prop_assert_eq!(hash.len(), model.len());
                prop_assert_eq!(hash.is_empty(), model.is_empty());
                prop_assert_eq!(hash.get(&field).map(|v| v.to_vec()), model.get(&field).cloned());
                prop_assert_eq!(hash.contains(&value), model.contains_key(&value));
                prop_assert_eq!(hash.encoding(), if converted { "hashtable" } else { "listpack" });
            }
            prop_assert_eq!(hash.sorted(), model.clone());
            prop_assert_eq!(hash.clone().sorted(), model.clone());
            let mut scanned = BTreeMap::new();
            let mut cursor = 0;
            loop {
                cursor = hash.scan(cursor, 5, |f, v| _ = scanned.insert(f.to_vec(), v.to_vec()));
                if cursor == 0 { break; }
            }
            prop_assert_eq!(&scanned, &model);
            for n in [1, model.len() / 2, model.len() + 1] {
                let drawn: BTreeSet<_> = hash.random_distinct(n, &mut rng).iter().map(|(f, _)| f.to_vec()).collect();
                prop_assert_eq!(drawn.len(), n.min(model.len()));
                prop_assert!(drawn.iter().all(|f| model.contains_key(f)));
            }
            let mut drawn = 0;
            hash.random_repeated(9, &mut rng, |f, v| drawn += usize::from(model[&f.to_vec()] == v.to_vec()));
            prop_assert_eq!(drawn, if model.is_empty() { 0 } else { 9 });
            prop_assert_eq!(hash.random(&mut rng).is_some(), !model.is_empty());
        }
    }

    #[test]
    fn ten_short_fields_cost_little_more_than_their_bytes() {
        let (limits, mut hash) = (Limits::default(), Hash::new());
        for i in 0..10 {
            hash.set(format!("field{i}").as_bytes(), format!("value-{i:04}").as_bytes(), &limits);
        }
        // Ten times 8 and 12 with their frames of two bytes each, a listpack's 7 and a ThinBytes' 8.
        assert_eq!(hash.allocated_bytes(), alloc_size(10 * (8 + 12) + 7 + 8));
    }

    #[test]
    fn what_is_expected_is_allocated_once_and_exactly() {
        let limits = Limits::default();
        let strings: Vec<Vec<u8>> = (0..20).map(|i| format!("string {i:06}").into_bytes()).collect();
        let expected = || strings.iter().map(Vec::as_slice);
        let mut hash = Hash::new();
        hash.expect(expected(), &limits);
        let room = hash.allocated_bytes();
        assert_eq!(room, alloc_size(20 * 15 + 7 + 8));
        strings.chunks(2).for_each(|pair| {
            hash.set(&pair[0], &pair[1], &limits);
            assert_eq!(hash.allocated_bytes(), room);
        });

        hash.expect(expected(), &limits);
        assert_eq!(hash.allocated_bytes(), room, "they may be the same fields again");
        let mut hash = Hash::new();
        hash.expect(expected().cycle().take(2000).collect::<Vec<_>>().into_iter(), &limits);
        hash.expect([&b"field"[..], &[0; 1000]].into_iter(), &limits);
        assert_eq!(hash.allocated_bytes(), Hash::new().allocated_bytes(), "these will not be a listpack");
    }
}
