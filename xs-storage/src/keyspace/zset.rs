//! A sorted set: members with scores, found by member, by score, by rank and by name.
//!
//! # The problem
//!
//! Leaderboards, priority queues, time-ordered indexes and rate limiters are one type: a set of strings in which each
//! has a number, kept in order of (number, string). It must answer "what is the score of", "what is the rank of", "who
//! is between these scores, these ranks or these names", forwards and backwards, and pop from both ends.
//!
//! # How it works
//!
//! ```text
//!   Zset ─┬─ at most zset-max-listpack-entries members, none longer than zset-max-listpack-value
//!         │      ──▶ ListPack  [ member │ score │ member │ score │ … ]    in order
//!         └─ otherwise
//!                ──▶ slab      [ member, score ] [ member, score ] …      16 bytes a member, and its string
//!                     ▲   ▲
//!           number ───┘   └─── score, number                              12 bytes
//!        Table<number>         RankTree<score, number>
//!        "what is at this      "what is the rank of this,
//!         name?"                what is in this range?"
//! ```
//!
//! The string of a member is kept once, in the slab; the table and the tree know it by a 32-bit number. The tree
//! compares scores, which lie in its nodes, and follows the number to the string only for equal ones.
//!
//! Every range is a range of **ranks**. [`Zset::score_range`] and [`Zset::lex_range`] turn bounds into ranks with two
//! descents; then counting is a subtraction, LIMIT is arithmetic, and one [`Zset::range`] and one
//! [`Zset::remove_range`] serve all of them, in both directions:
//!
//! ```text
//!   ZRANGEBYSCORE s (1 5 LIMIT 2 3  =  range of score_range(Excluded 1, Included 5), narrowed to [2..5]
//!   ZCOUNT s 1 5                    =  score_range(Included 1, Included 5).len()
//! ```
//!
//! # Invariants
//!
//! - Order is (score, bytes of the member), −0 and 0 being equal. No score is NaN, which has no place in an order:
//!   commands refuse it, and [`Zset::insert`] takes one that came all the same for 0.
//! - A member is in the slab, the table and the tree, or in none of them (`Ranked::insert`, `remove`, `pop`,
//!   `remove_range`).
//! - `heap` is the sum of what the members' strings allocate.
//! - The listpack holds pairs, and a score's text reads back as the same number (`pack::score_text`).
//!
//! # Cost
//!
//! Packed: linear, a few nanoseconds a member. Otherwise: a member's score in O(1); insertion, removal, rank and both
//! ends of a range in O(log n) with a base of about 45. A 20-byte member takes 32 bytes for its string, 16 in the slab,
//! about 10 in the table and 18 in the tree: below 80.
//!
//! # Example
//!
//! ```
//! use std::ops::Bound::{Excluded, Included, Unbounded};
//! use xs_storage::keyspace::{Item, Limits, zset::{Inserted, Zset}};
//!
//! let limits = Limits::default();
//! let mut board = Zset::new();
//! for (score, player) in [(120.0, "ada"), (80.0, "bob"), (95.5, "cyd")] {
//!     assert_eq!(board.insert(score, player.as_bytes(), &limits), Inserted::Added);
//! }
//! assert_eq!(board.rank(b"ada"), Some(2));
//! let ranks = board.score_range(Excluded(80.0), Unbounded);
//! assert!(board.range(ranks).rev().eq([(Item::Bytes(b"ada"), 120.0), (Item::Bytes(b"cyd"), 95.5)]));
//! assert_eq!(board.score_range(Included(80.0), Included(95.5)).len(), 2);
//! assert_eq!(board.pop_min(|member, score| (member.to_vec(), score)), Some((b"bob".to_vec(), 80.0)));
//! ```
//!
//! # How others do it
//!
//! Redis pairs a hash table with a skip list whose links count what they skip; its node of 40 and more bytes, plus the
//! table's entry, makes 126 bytes of a member here measured at 80. Valkey 9 puts the string into the skip list's node.
//! PostgreSQL would need an index on (score, name) and counts a rank by walking.
//!
//! # What this leaves out
//!
//! Giving back chunks of the slab while members remain: a set that shrank keeps 16 bytes for each member that it once
//! had, until it is empty. An update does not notice that the new score keeps the rank, and moves the entry.
//!
//! # Try next
//!
//! Note in `Ranked::insert` when a new score lies between the neighbours' scores, and change the entry in place; then
//! measure a leaderboard whose scores only creep.
//!
//! # Sources
//!
//! The Redis documentation of sorted sets; W. Pugh, "A Skip List Cookbook" (1990), for the counted links that the tree
//! here replaces.

mod pack;
mod ranked;

use std::cmp::Ordering;
use std::ops::{Bound, Range};

use xs_os::Rng;

use super::item::Item;
use super::limits::Limits;
use super::listpack::ListPack;
use super::members::{self, Pairs};
use ranked::Ranked;

/// A sorted set. See the [module page](self).
#[derive(Clone)]
pub struct Zset(Form);

#[derive(Clone)]
enum Form {
    Pack(ListPack),
    Ranked(Box<Ranked>),
}

/// What an insertion came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The member is new.
    Added,
    /// The member was there with another score.
    Updated,
    /// The member was there with this score.
    Unchanged,
}

/// An end of a range of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before every name: `-`.
    Lowest,
    /// After every name: `+`.
    Highest,
    /// This name and what is inside of the range from it: `[name`.
    Included(&'a [u8]),
    /// What is inside of the range from this name, without it: `(name`.
    Excluded(&'a [u8]),
}

/// The order of scores, none of which is NaN: that of numbers, with 0 and −0 equal.
#[inline]
fn compare_scores(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

impl Default for Zset {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Zset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Zset {
    /// A sorted set without members.
    pub fn new() -> Self {
        Zset(Form::Pack(ListPack::new()))
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Pack(pack) => pack.len() / 2,
            Form::Ranked(ranked) => ranked.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Pack(_) => "listpack",
            Form::Ranked(_) => "skiplist",
        }
    }

    /// The packed form, while it is that.
    pub fn as_listpack(&self) -> Option<&ListPack> {
        match &self.0 {
            Form::Pack(pack) => Some(pack),
            Form::Ranked(_) => None,
        }
    }

    /// Heap bytes held, as an allocator rounds them.
    pub fn allocated_bytes(&self) -> usize {
        match &self.0 {
            Form::Pack(pack) => pack.allocated_bytes(),
            Form::Ranked(ranked) => ranked.allocated_bytes(),
        }
    }

    /// Gives a member a score. NaN, which callers refuse first, is taken for 0.
    #[inline]
    pub fn insert(&mut self, score: f64, member: &[u8], limits: &Limits) -> Inserted {
        let score = if score.is_nan() { 0.0 } else { score };
        match &mut self.0 {
            Form::Ranked(ranked) => ranked.insert(score, member),
            Form::Pack(pack) => {
                if member.len() > limits.zset_max_listpack_value {
                    return self.convert(limits).insert(score, member);
                }
                let outcome = pack::insert(pack, score, member);
                if pack.len() / 2 > limits.zset_max_listpack_entries {
                    self.convert(limits);
                }
                outcome
            }
        }
    }

    /// Makes room at once for scores and members, in turn and as text, that are about to be inserted into an empty set.
    /// Otherwise, and when they will not fit the packed form, this does nothing.
    pub fn expect<'a>(&mut self, strings: impl ExactSizeIterator<Item = &'a [u8]> + Clone, limits: &Limits) {
        if let Form::Pack(pack) = &mut self.0
            && pack.is_empty()
            && strings.len() / 2 <= limits.zset_max_listpack_entries
            && strings.clone().all(|string| string.len() <= limits.zset_max_listpack_value)
        {
            pack.reserve(strings);
        }
    }

    #[cold]
    fn convert(&mut self, limits: &Limits) -> &mut Ranked {
        if let Form::Pack(_) = &self.0 {
            let mut ranked = Ranked::new(limits.hash_seed);
            let mut scratch = [0; 20];
            for (member, score) in self.iter() {
                ranked.insert(score, member.as_bytes(&mut scratch));
            }
            self.0 = Form::Ranked(Box::new(ranked));
        }
        match &mut self.0 {
            Form::Ranked(ranked) => ranked,
            Form::Pack(_) => unreachable!("the sorted set was converted"),
        }
    }

    /// Removes a member. Answers the score that it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Form::Pack(pack) => {
                let (place, score) = pack::find(pack, member)?;
                pack.remove(place, 2);
                Some(score)
            }
            Form::Ranked(ranked) => {
                let score = ranked.remove(member);
                self.forget_empty();
                score
            }
        }
    }

    /// A large set that became empty gives its slab back.
    #[inline]
    fn forget_empty(&mut self) {
        if let Form::Ranked(ranked) = &mut self.0
            && ranked.len() == 0
        {
            ranked.reset();
        }
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Form::Pack(pack) => pack::find(pack, member).map(|(_, score)| score),
            Form::Ranked(ranked) => ranked.score(member),
        }
    }

    /// The rank of a member, counted from 0 at the least.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        match &self.0 {
            Form::Pack(pack) => Pairs(pack.iter()).position(|(m, _)| m == member),
            Form::Ranked(ranked) => ranked.rank(member),
        }
    }

    /// The rank of a member, counted from 0 at the greatest.
    pub fn rev_rank(&self, member: &[u8]) -> Option<usize> {
        self.rank(member).map(|rank| self.len() - 1 - rank)
    }

    fn partition_by_score(&self, mut before: impl FnMut(f64) -> bool) -> usize {
        match &self.0 {
            Form::Pack(pack) => pack::partition_point(pack, |_, score| before(score)),
            Form::Ranked(ranked) => ranked.partition_by_score(before),
        }
    }

    fn partition_by_member(&self, before: impl FnMut(&[u8]) -> bool) -> usize {
        match &self.0 {
            Form::Pack(pack) => pack::partition_by_member(pack, before),
            Form::Ranked(ranked) => ranked.partition_by_member(before),
        }
    }

    /// The ranks of the members with scores between `min` and `max`.
    pub fn score_range(&self, min: Bound<f64>, max: Bound<f64>) -> Range<usize> {
        let start = match min {
            Bound::Unbounded => 0,
            Bound::Included(min) => self.partition_by_score(|score| score < min),
            Bound::Excluded(min) => self.partition_by_score(|score| score <= min),
        };
        let end = match max {
            Bound::Unbounded => self.len(),
            Bound::Included(max) => self.partition_by_score(|score| score <= max),
            Bound::Excluded(max) => self.partition_by_score(|score| score < max),
        };
        start..end.max(start)
    }

    /// The ranks of the members with names between `min` and `max`, provided that all scores are equal.
    pub fn lex_range(&self, min: LexBound<'_>, max: LexBound<'_>) -> Range<usize> {
        let start = match min {
            LexBound::Lowest => 0,
            LexBound::Highest => self.len(),
            LexBound::Included(min) => self.partition_by_member(|member| member < min),
            LexBound::Excluded(min) => self.partition_by_member(|member| member <= min),
        };
        let end = match max {
            LexBound::Lowest => 0,
            LexBound::Highest => self.len(),
            LexBound::Included(max) => self.partition_by_member(|member| member <= max),
            LexBound::Excluded(max) => self.partition_by_member(|member| member < max),
        };
        start..end.max(start)
    }

    /// All members with their scores, in order, from both ends.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0..self.len())
    }

    /// The members at `ranks` with their scores, in order, from both ends; ranks beyond the end are ignored.
    pub fn range(&self, ranks: Range<usize>) -> Iter<'_> {
        let end = ranks.end.min(self.len());
        let start = ranks.start.min(end);
        let walk = match &self.0 {
            Form::Pack(pack) => Walk::Pack(pack::pairs(pack, start, end)),
            Form::Ranked(ranked) => Walk::Ranked(ranked.range(start..end)),
        };
        Iter { walk, left: end - start }
    }

    /// Removes the members at `ranks`, handing each to `visit`, in order, before it goes. Answers how many.
    pub fn remove_range(&mut self, ranks: Range<usize>, mut visit: impl FnMut(Item<'_>, f64)) -> usize {
        match &mut self.0 {
            Form::Pack(pack) => {
                let end = ranks.end.min(pack.len() / 2);
                let Some(n) = end.checked_sub(ranks.start).filter(|n| *n > 0) else { return 0 };
                for (member, score) in pack::pairs(pack, ranks.start, end) {
                    visit(member, pack::read_score(score));
                }
                if let Some(place) = pack.seek(2 * ranks.start) {
                    pack.remove(place, 2 * n);
                }
                n
            }
            Form::Ranked(ranked) => {
                let n = ranked.remove_range(ranks, |member, score| visit(Item::Bytes(member), score));
                self.forget_empty();
                n
            }
        }
    }

    /// Removes the least member, which `take` sees with its score before it goes.
    #[inline]
    pub fn pop_min<R>(&mut self, take: impl FnOnce(Item<'_>, f64) -> R) -> Option<R> {
        self.pop(false, take)
    }

    /// Removes the greatest member, which `take` sees with its score before it goes.
    #[inline]
    pub fn pop_max<R>(&mut self, take: impl FnOnce(Item<'_>, f64) -> R) -> Option<R> {
        self.pop(true, take)
    }

    fn pop<R>(&mut self, greatest: bool, take: impl FnOnce(Item<'_>, f64) -> R) -> Option<R> {
        match &mut self.0 {
            Form::Pack(pack) => {
                let mut pairs = Pairs(pack.iter());
                let (member, score) = if greatest { pairs.next_back() } else { pairs.next() }?;
                let result = take(member, pack::read_score(score));
                let place =
                    if greatest { pack.prev(pack.end()).and_then(|score| pack.prev(score))? } else { pack.first() };
                pack.remove(place, 2);
                Some(result)
            }
            Form::Ranked(ranked) => {
                let (member, score) = ranked.pop(greatest)?;
                self.forget_empty();
                Some(take(Item::Bytes(&member), score))
            }
        }
    }

    /// A step of a walk that survives changes: visits about `count` members from `cursor` on and answers the cursor to
    /// go on from. 0 starts, and the answer 0 is the end. A packed set is visited whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>, f64)) -> u64 {
        match &self.0 {
            Form::Pack(_) => {
                self.iter().for_each(|(member, score)| visit(member, score));
                0
            }
            Form::Ranked(ranked) => ranked.scan(cursor, count, |member, score| visit(Item::Bytes(member), score)),
        }
    }

    /// A member with its score, each equally likely.
    pub fn random(&self, rng: &mut Rng) -> Option<(Item<'_>, f64)> {
        match &self.0 {
            Form::Pack(_) => self.iter().nth(rng.index(self.len())),
            Form::Ranked(ranked) => ranked.random(rng).map(|(member, score)| (Item::Bytes(member), score)),
        }
    }

    /// `n` different members, every choice equally likely; all of them if there are no more.
    pub fn random_distinct(&self, n: usize, rng: &mut Rng) -> Vec<(Item<'_>, f64)> {
        match &self.0 {
            Form::Pack(_) => members::choose(self.iter().collect(), n, rng),
            Form::Ranked(ranked) => {
                ranked.random_distinct(n, rng).map(|(member, score)| (Item::Bytes(member), score)).collect()
            }
        }
    }

    /// `n` draws of a member, each from all of them.
    pub fn random_repeated(&self, n: usize, rng: &mut Rng, mut visit: impl FnMut(Item<'_>, f64)) {
        match &self.0 {
            Form::Pack(_) => {
                let all: Vec<_> = self.iter().collect();
                if !all.is_empty() {
                    (0..n).map(|_| all[rng.index(all.len())]).for_each(|(member, score)| visit(member, score));
                }
            }
            Form::Ranked(ranked) => {
                for _ in 0..n {
                    let Some((member, score)) = ranked.random(rng) else { return };
                    visit(Item::Bytes(member), score);
                }
            }
        }
    }
}

impl<'a> IntoIterator for &'a Zset {
    type Item = (Item<'a>, f64);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Members with their scores, in order. Made by [`Zset::range`] and [`Zset::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    walk: Walk<'a>,
    left: usize,
}

#[derive(Clone, Debug)]
enum Walk<'a> {
    Pack(Pairs<'a>),
    Ranked(ranked::Walk<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Item<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.walk {
            Walk::Pack(pairs) => pairs.next().map(|(member, score)| (member, pack::read_score(score))),
            Walk::Ranked(walk) => walk.next().map(|(member, score)| (Item::Bytes(member), score)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.walk {
            Walk::Pack(pairs) => pairs.next_back().map(|(member, score)| (member, pack::read_score(score))),
            Walk::Ranked(walk) => walk.next_back().map(|(member, score)| (Item::Bytes(member), score)),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(all(test, not(xs_loom)))]
mod tests;
