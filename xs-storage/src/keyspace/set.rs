//! An unordered set of strings: a sorted array while it is a few integers, a hash table otherwise.
//!
//! # The problem
//!
//! Membership, counting, a walk that survives changes, and a *fair* draw: `SPOP` hands out each member with the same
//! probability, which a chained hash table cannot do by picking a bucket and then a member (members of crowded buckets
//! would come too rarely).
//!
//! # How it works
//!
//! ```text
//!   Set ─┬─ integers only, at most set-max-intset-entries ──▶ IntSet        2 to 8 bytes a member
//!        └─ anything else ──▶ Table<string>                                 8-byte pointer, tag, the string
//!                              └ seed, heap account
//! ```
//!
//! The first member that is no integer, or one too many, moves everything into a [`Table`], for good. A draw from the
//! table picks slots uniformly until one is occupied, and the table says so in constant expected time.
//!
//! # Invariants
//!
//! - A member is in the set once: `insert` looks before it adds, in either form. A string that is an integer's usual
//!   text is that integer in an intset and the text in a table, and [`Item`] shows both as the same string.
//! - `heap` is the sum of the members' allocations (`insert` and `account_removed`).
//!
//! # Cost
//!
//! O(1) expected for everything but drawing many: `random_distinct` of n costs O(n), or O(len) when a third or more are
//! asked for. A 16-byte member takes 32 bytes for the string and 10 to 14 for its slot.
//!
//! # Example
//!
//! ```
//! use xs_os::Rng;
//! use xs_storage::keyspace::{Limits, set::Set};
//!
//! let limits = Limits::default();
//! let mut set = Set::new();
//! assert!(set.insert(b"3", &limits) && set.insert(b"1", &limits));
//! assert_eq!(set.encoding(), "intset");
//! assert!(set.insert(b"many", &limits) && !set.insert(b"3", &limits));
//! assert_eq!((set.encoding(), set.len()), ("hashtable", 3));
//! let drawn = set.pop(&mut Rng::from_seed(1), |member| member.to_vec()).unwrap();
//! assert!(!set.contains(&drawn));
//! ```
//!
//! # How others do it
//!
//! Redis 7.2 added a third form, a listpack of up to 128 short strings; 7.0, which this follows, has two. Redis draws
//! from a chained table by sampling fifteen members of neighbouring buckets and choosing among them, which is less
//! uneven and costs more.
//!
//! # What this leaves out
//!
//! Intersections and unions: they are loops over `iter` and `contains` and belong to whoever knows all the operands.
//!
//! # Try next
//!
//! Give small sets of strings a listpack and compare the bytes of a hundred thousand sets of five tags.
//!
//! # Sources
//!
//! The Redis documentation of `SPOP`, `SRANDMEMBER` and `set-max-intset-entries`.

use xs_os::Rng;

use super::alloc_size;
use super::hasher::KeyHasher;
use super::intset::{self, IntSet};
use super::item::{Item, canonical_i64};
use super::limits::Limits;
use super::members;
use super::table::{self, Table};
use super::thin::ThinBytes;

/// A set. See the [module page](self).
#[derive(Clone, Default)]
pub struct Set(Form);

#[derive(Clone)]
enum Form {
    Ints(IntSet),
    Table(Box<Members>),
}

impl Default for Form {
    fn default() -> Self {
        Form::Ints(IntSet::new())
    }
}

#[derive(Clone)]
struct Members {
    hasher: KeyHasher,
    table: Table<ThinBytes>,
    /// What the members' strings allocate.
    heap: usize,
}

impl Members {
    fn insert(&mut self, member: &[u8]) -> bool {
        let hash = self.hasher.hash(member);
        if self.table.find(hash, |m| **m == *member).is_some() {
            return false;
        }
        let member = ThinBytes::from(member);
        self.heap += member.allocated_bytes();
        let hasher = self.hasher;
        self.table.insert_unique(hash, member, |m| hasher.hash(m));
        true
    }

    fn account_removed(&mut self, member: &ThinBytes) {
        self.heap -= member.allocated_bytes();
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Set {
    /// A set without members, which owns no memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.len(),
            Form::Table(members) => members.table.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Ints(_) => "intset",
            Form::Table(_) => "hashtable",
        }
    }

    /// The sorted integers, while the set is nothing else.
    pub fn as_intset(&self) -> Option<&IntSet> {
        match &self.0 {
            Form::Ints(ints) => Some(ints),
            Form::Table(_) => None,
        }
    }

    /// Heap bytes held, as an allocator rounds them.
    pub fn allocated_bytes(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.allocated_bytes(),
            Form::Table(members) => alloc_size(size_of::<Members>()) + members.table.allocated_bytes() + members.heap,
        }
    }

    /// Adds a member. Answers whether it is new.
    #[inline]
    pub fn insert(&mut self, member: &[u8], limits: &Limits) -> bool {
        match &mut self.0 {
            Form::Table(members) => members.insert(member),
            Form::Ints(ints) => {
                if let Some(number) = canonical_i64(member) {
                    let new = ints.insert(number);
                    if new && ints.len() > limits.set_max_intset_entries {
                        self.convert(limits);
                    }
                    return new;
                }
                self.convert(limits).insert(member)
            }
        }
    }

    fn convert(&mut self, limits: &Limits) -> &mut Members {
        if let Form::Ints(ints) = &self.0 {
            let mut members = Members { hasher: KeyHasher::new(limits.hash_seed), table: Table::new(), heap: 0 };
            let mut scratch = [0; 20];
            for number in ints.iter() {
                members.insert(Item::Int(number).as_bytes(&mut scratch));
            }
            self.0 = Form::Table(Box::new(members));
        }
        match &mut self.0 {
            Form::Table(members) => members,
            Form::Ints(_) => unreachable!("the set was converted"),
        }
    }

    /// Removes a member. Answers whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Form::Ints(ints) => canonical_i64(member).is_some_and(|number| ints.remove(number)),
            Form::Table(members) => {
                let hash = members.hasher.hash(member);
                let Some(removed) = members.table.remove(hash, |m| **m == *member) else { return false };
                members.account_removed(&removed);
                true
            }
        }
    }

    /// Whether `member` is there.
    #[inline]
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Form::Ints(ints) => canonical_i64(member).is_some_and(|number| ints.contains(number)),
            Form::Table(members) => members.table.find(members.hasher.hash(member), |m| **m == *member).is_some(),
        }
    }

    /// The members: ascending in an intset, in hash order otherwise.
    pub fn iter(&self) -> Iter<'_> {
        Iter(match &self.0 {
            Form::Ints(ints) => Walk::Ints(ints.iter()),
            Form::Table(members) => Walk::Table(members.table.iter()),
        })
    }

    /// A step of a walk that survives changes: visits about `count` members from `cursor` on and answers the cursor to
    /// go on from. 0 starts, and the answer 0 is the end. An intset is visited whole. See [`Table::scan`].
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>)) -> u64 {
        match &self.0 {
            Form::Ints(_) => {
                self.iter().for_each(visit);
                0
            }
            Form::Table(members) => members::scan(&members.table, cursor, count, |m| visit(Item::Bytes(m))),
        }
    }

    /// A member, each equally likely.
    pub fn random(&self, rng: &mut Rng) -> Option<Item<'_>> {
        match &self.0 {
            Form::Ints(ints) => ints.get(rng.index(ints.len())).map(Item::Int),
            Form::Table(members) => members.table.random(rng).map(|m| Item::Bytes(m)),
        }
    }

    /// `n` different members, every choice equally likely; all of them, in the order of `iter`, if there are no more.
    pub fn random_distinct(&self, n: usize, rng: &mut Rng) -> Vec<Item<'_>> {
        match &self.0 {
            Form::Ints(_) => members::choose(self.iter().collect(), n, rng),
            Form::Table(members) => {
                members::sample(&members.table, n, rng).into_iter().map(|m| Item::Bytes(m)).collect()
            }
        }
    }

    /// Removes a member, each equally likely, which `take` sees before it goes.
    #[inline]
    pub fn pop<R>(&mut self, rng: &mut Rng, take: impl FnOnce(Item<'_>) -> R) -> Option<R> {
        match &mut self.0 {
            Form::Ints(ints) => {
                let number = ints.get(rng.index(ints.len()))?;
                ints.remove(number);
                Some(take(Item::Int(number)))
            }
            Form::Table(members) => {
                let hasher = members.hasher;
                let member = members.table.take_random(rng, |m| hasher.hash(m))?;
                members.account_removed(&member);
                Some(take(Item::Bytes(&member)))
            }
        }
    }
}

impl<'a> IntoIterator for &'a Set {
    type Item = Item<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The members of a set. Made by [`Set::iter`].
#[derive(Debug)]
pub struct Iter<'a>(Walk<'a>);

#[derive(Debug)]
enum Walk<'a> {
    Ints(intset::Iter<'a>),
    Table(table::Iter<'a, ThinBytes>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        match &mut self.0 {
            Walk::Ints(ints) => ints.next().map(Item::Int),
            Walk::Table(members) => members.next().map(|m| Item::Bytes(m)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Walk::Ints(ints) => ints.size_hint(),
            Walk::Table(members) => members.size_hint(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use xs_os::Rng;

    impl Set {
        fn check(&self) {
            if let Form::Table(members) = &self.0 {
                assert_eq!(members.heap, members.table.iter().map(ThinBytes::allocated_bytes).sum::<usize>());
            }
        }

        fn sorted(&self) -> BTreeSet<Vec<u8>> {
            self.iter().map(|m| m.to_vec()).collect()
        }
    }

    fn member() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            20 => (-30..30_i64).prop_map(|n| n.to_string().into_bytes()),
            1 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            1 => prop::collection::vec(any::<u8>(), 0..40),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_an_ordered_set(ops in prop::collection::vec((0..5_u8, member()), 0..200), max in 0..40_usize) {
            let limits = Limits { set_max_intset_entries: max, hash_seed: 7, ..Limits::default() };
            let (mut set, mut model, mut rng) = (Set::new(), BTreeSet::new(), Rng::from_seed(1));
            let mut converted = false;
            for (op, member) in ops {
                match op {
                    0..3 => {
                        prop_assert_eq!(set.insert(&member, &limits), model.insert(member.clone()));
                        converted |= model.len() > max || canonical_i64(&member).is_none();
                    }
                    3 => prop_assert_eq!(set.remove(&member), model.remove(&member)),
                    _ => {
                        let popped = set.pop(&mut rng, |m| m.to_vec());
                        prop_assert_eq!(popped.is_some(), !model.is_empty());
                        if let Some(popped) = popped { prop_assert!(model.remove(&popped)); }
                    }
                }
                set.check();
                prop_assert_eq!(set.contains(&member), model.contains(&member));
                prop_assert_eq!(set.encoding(), if converted { "hashtable" } else { "intset" });
            }
            prop_assert_eq!(set.sorted(), model.clone());
            prop_assert_eq!(set.clone().sorted(), model.clone());
            for n in [0, 1, 3, model.len(), model.len() + 5] {
                let drawn: Vec<_> = set.random_distinct(n, &mut rng).iter().map(|m| m.to_vec()).collect();
                prop_assert_eq!(drawn.len(), n.min(model.len()));
                prop_assert!(drawn.iter().all(|m| model.contains(m)));
                prop_assert_eq!(drawn.into_iter().collect::<BTreeSet<_>>().len(), n.min(model.len()));
            }
        }
    }

    #[test]
    fn a_scan_finds_what_stays_while_the_set_grows_and_shrinks() {
        let limits = Limits::default();
        let mut set = Set::new();
        let stays: BTreeSet<Vec<u8>> = (0..500).map(|i| format!("stays {i}").into_bytes()).collect();
        stays.iter().for_each(|m| _ = set.insert(m, &limits));
        for (count, grow) in [(10, true), (1, false), (50, true), (7, false)] {
            let (mut seen, mut cursor, mut step) = (BTreeSet::new(), 0, 0_u32);
            loop {
                cursor = set.scan(cursor, count, |m| _ = seen.insert(m.to_vec()));
                if cursor == 0 {
                    break;
                }
                for i in 0..40 {
                    let other = format!("{grow} {step} {i}");
                    if grow {
                        set.insert(other.as_bytes(), &limits)
                    } else {
                        set.remove(format!("true {step} {i}").as_bytes())
                    };
                }
                step += 1;
            }
            assert!(seen.is_superset(&stays), "count {count}");
        }
    }

    #[test]
    fn draws_are_fair() {
        let (limits, mut rng) = (Limits::default(), Rng::from_seed(11));
        let mut set = Set::new();
        (0..60).for_each(|i| _ = set.insert(format!("m{i}").as_bytes(), &limits));
        let mut counts = std::collections::BTreeMap::<Vec<u8>, u32>::new();
        for _ in 0..30_000 {
            *counts.entry(set.random(&mut rng).unwrap().to_vec()).or_default() += 1;
        }
        assert_eq!(counts.len(), 60);
        assert!(counts.values().all(|n| (380..640).contains(n)), "{counts:?}");
    }
}
