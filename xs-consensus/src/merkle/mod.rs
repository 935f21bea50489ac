//! Which of many keys two replicas differ in, found with few bytes: [`Tree`] and its [`Message`]s.
//!
//! # The problem
//!
//! Two replicas have a million keys each and should be equal. A message was lost, a disk was away for an hour, and in some
//! dozen keys they are not. Sending all keys, or a hash of each, costs as much for a dozen as for a million. A hash of
//! everything says *that* they differ, and not where.
//!
//! # How it works
//!
//! Hashes of hashes: a tree over ranges of keys, of which two replicas compare the top, and then only what lies below a
//! difference. It is how replicas that nobody informs find out by themselves, and that is called *anti-entropy*.
//!
//! ```text
//!                    Σ root                       ours                        theirs
//!          ╱      ╱    │    ╲      ╲               Root(a7) ─────────────────▶ differs
//!        Σ₀     Σ₁    Σ₂    …    Σ₁₅              differs in Σ₂ ◀── Sums(level 0: Σ₀ … Σ₁₅)
//!       ╱│╲    ╱│╲   ╱│╲         ╱│╲               Sums(level 1: below Σ₂) ──▶ differs in one leaf
//!      leaf: one range of 16^depth                compares keys ◀──────────── Keys(of that range)
//!      k₁ k₂ k₃ …                                  finds: k₂ differs, k₇ is only there
//! ```
//!
//! A key's place is a hash of it, so ranges fill evenly whatever the keys are like. A node's sum is the *sum* of its keys'
//! hashes modulo 2¹²⁸: so a change adds one difference to each level, and nothing is ever hashed again. That it is a sum and
//! not a hash of hashes is safe as long as nobody can choose hashes, for with free choice one finds many keys whose sums
//! agree; therefore the hash is keyed.
//!
//! **The hash** is SipHash-2-4 with 128 bits under a key that the replicas share and clients don't know. A client that
//! could compute hashes could write two values that hash alike, and the replicas would never notice that they differ. A
//! fast hash without a key (xxHash, CRC) lets anybody do that; one that is safe without a key (BLAKE3, SHA-2) would do for
//! single hashes, and not for sums. It is two passes over key and version, about a nanosecond a byte: give the tree a
//! version (a vector, a stamp) and not the value.
//!
//! No side remembers anything between messages: each is answered from the tree and itself alone ([`Tree::answer`]). So any
//! may be lost, doubled or overtaken, and a node may stop in between. What one round did not come to, because a bound was
//! reached, the next one finds: what was repaired does not differ any more, and makes room. A leaf of more keys than a
//! message holds is asked for piece by piece.
//!
//! # Invariants
//!
//! - A node's sum is that of the keys below it, always ([`Tree::insert`], [`Tree::remove`]; `tests::sums_are_kept`).
//! - Trees whose keys and versions are equal have equal roots; others have not, but for one chance in 2¹²⁸. What a round
//!   finds does differ, and rounds that are followed by repairs end with equal trees (`tests::rounds_find_all`).
//! - No message is larger than [`Options::message`], and no answer has more than [`Options::answers`] of them, whatever was
//!   asked ([`Tree::answer`]; `tests::answers_are_bounded`).
//! - What comes from the wire allocates no more than it brings, and is refused if this tree could not have sent it
//!   ([`Message::decode`], `check`).
//!
//! # Cost
//!
//! 16 bytes a node, 16^depth leaves and a fifteenth more above: 70 KB at depth 3, 1.1 MB at depth 4; and an entry in an
//! ordered map for each key. A change costs two hashes of some dozen bytes and an addition a level.
//!
//! Bytes of all messages of one round, both ways, for so many differences; keys of 16 bytes
//! (`tests::bytes_for_differences`):
//!
//! | keys | depth | all hashes | 0 | 1 | 10 | 100 | 1000 |
//! |---|---|---|---|---|---|---|---|
//! | 1,000 | 2 | 34,000 | 17 | 676 | 3,793 | 19,782 | 43,600 |
//! | 100,000 | 3 | 3,400,000 | 17 | 1,658 | 13,563 | 113,971 | 854,459 |
//!
//! A node costs 262 bytes and a key 18 beside itself, so leaves of about 16 keys are a good size: choose the depth for the
//! number of keys. Where one key in ten differs there is little left to win over all hashes.
//!
//! # Example
//!
//! ```
//! use xs_consensus::merkle::{Options, Side, Tree};
//!
//! let secret = [7; 16];
//! let (mut ours, mut theirs) = (Tree::new(Options::default(), secret), Tree::new(Options::default(), secret));
//! for n in 0..1000_u32 {
//!     ours.insert(&n.to_be_bytes(), b"v1").unwrap();
//!     theirs.insert(&n.to_be_bytes(), if n == 42 { b"v2" } else { b"v1" }).unwrap();
//! }
//!
//! let (mut found, mut bytes) = (Vec::new(), 0);
//! let mut under_way = vec![ours.begin()];
//! let mut here = &theirs;                                // who gets the message
//! while let Some(message) = under_way.pop() {
//!     bytes += message.encode().len();
//!     let answer = here.answer(&message).unwrap();
//!     under_way.extend(answer.send);
//!     found.extend(answer.found);
//!     here = if std::ptr::eq(here, &ours) { &theirs } else { &ours };
//! }
//! assert_eq!(found.len(), 1);
//! assert_eq!((found[0].key.as_slice(), found[0].side), (&42_u32.to_be_bytes()[..], Side::Both));
//! assert!(bytes < 1000);
//! ```
//!
//! # How others do it
//!
//! Dynamo keeps a tree for each range of keys that a node is responsible for, so that nodes that join don't invalidate
//! all. Cassandra builds trees of 2¹⁵ leaves anew for each repair, by reading everything. Riak keeps them on disk, updated with each write and built anew
//! every week, for a tree can be wrong too. Git and ZFS hash hashes, which also proves contents; a sum proves nothing to a
//! stranger. Negentropy and Willow split ranges of sorted keys as differences demand, instead of at fixed places. Sketches
//! (Minisketch, invertible Bloom filters) cost bytes for the differences alone, and need a guess of how many there are.
//!
//! # What this leaves out
//!
//! The repair: which of two versions stays is for versions to say ([`clock`](crate::clock)) or for values
//! ([`crdt`](crate::crdt)). Removed keys: whoever removes a key without a tombstone gets it back from the next replica.
//! Trees on disk; locks: a tree is changed by one owner. Finding differences that the tree doesn't know of, such as rotten
//! blocks: build it anew from the data now and then.
//!
//! # Try next
//!
//! Cut the sums on the wire to 8 bytes, and compute how often a difference stays unseen. Let the first answer skip a level
//! when the root differs, and see which column of the table gets smaller.
//!
//! # Sources
//!
//! R. Merkle, "A Digital Signature Based on a Conventional Encryption Function" (1987); A. Demers et al., "Epidemic
//! Algorithms for Replicated Database Maintenance" (1987), for anti-entropy; G. DeCandia et al., "Dynamo" (2007), 4.7; M.
//! Bellare and D. Micciancio, "A New Paradigm for Collision-Free Hashing: Incrementality at Reduced Cost" (1997), for sums;
//! D. Wagner, "A Generalized Birthday Problem" (2002), for why they need a key; J.-P. Aumasson and D. Bernstein,
//! "SipHash" (2012); A. Meyer, "Range-Based Set Reconciliation" (2023).

mod message;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use siphasher::sip128::SipHasher24;

pub use message::{BadMessage, Entry, Message, Node};

/// Children of a node, and the bits of a place that a level takes.
const FANOUT: usize = 16;
const BITS: u32 = 4;

/// What a tree is like. Both sides must have the same depth and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Levels below the root, from 1 to 6: 16^depth leaves.
    pub depth: u32,
    /// Bytes of a key at most, up to 65,535.
    pub key: usize,
    /// Bytes of a message at most; it has room for a node or an entry at least.
    pub message: usize,
    /// Messages in an answer at most; the next round goes on.
    pub answers: usize,
}

impl Default for Options {
    /// 4,096 leaves, keys of 1 KiB, 16 messages of 16 KiB in an answer.
    fn default() -> Self {
        Options { depth: 3, key: 1024, message: 16 * 1024, answers: 16 }
    }
}

impl Options {
    fn levels(&self) -> u32 {
        self.depth.clamp(1, 6)
    }

    fn longest_key(&self) -> usize {
        self.key.min(usize::from(u16::MAX))
    }

    /// Bytes of a message at most, with room for what cannot be split.
    fn longest(&self) -> usize {
        self.message.max(message::HEAD + message::NODE).max(message::HEAD + message::ENTRY + self.longest_key())
    }
}

/// A key is longer than [`Options::key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of {len} bytes, of {most} at most")]
pub struct KeyTooLong {
    /// Its length.
    pub len: usize,
    /// The most that is allowed.
    pub most: usize,
}

/// Who has a key that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Only the tree that answered: offer it.
    Here,
    /// Only the one that asked: ask for it.
    There,
    /// Both, in different versions: offer and ask.
    Both,
}

/// A key in which the trees differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The key.
    pub key: Vec<u8>,
    /// Who has it.
    pub side: Side,
}

/// What a message leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// To be sent back.
    pub send: Vec<Message>,
    /// Where the trees differ, found here. The other side doesn't know of it.
    pub found: Vec<Difference>,
}

/// Sums over ranges of keys. See the [module page](self).
#[derive(Clone, Debug)]
pub struct Tree {
    options: Options,
    hasher: SipHasher24,
    /// For each level from the root down, a sum for each node.
    sums: Vec<Vec<u128>>,
    /// By place and key: the hash of key and version.
    entries: BTreeMap<(u64, Box<[u8]>), u128>,
}

impl Tree {
    /// An empty tree. `secret` is the replicas' common key, and must stay theirs.
    pub fn new(options: Options, secret: [u8; 16]) -> Self {
        let sums = (0..=options.levels()).map(|level| vec![0; 1 << (BITS * level)]).collect();
        Tree { options, hasher: SipHasher24::new_with_key(&secret), sums, entries: BTreeMap::new() }
    }

    /// Takes in a key in a version, in place of the version before.
    pub fn insert(&mut self, key: &[u8], version: &[u8]) -> Result<(), KeyTooLong> {
        let most = self.options.longest_key();
        if key.len() > most {
            return Err(KeyTooLong { len: key.len(), most });
        }
        let place = self.place(key);
        let hash = self.hash(b'v', &[&(key.len() as u64).to_le_bytes(), key, version]);
        let before = self.entries.insert((place, key.into()), hash).unwrap_or(0);
        self.add(place, hash.wrapping_sub(before));
        Ok(())
    }

    /// Forgets a key. The other replica's tree will have it still: see the [module page](self) on tombstones.
    pub fn remove(&mut self, key: &[u8]) {
        let place = self.place(key);
        if let Some(before) = self.entries.remove(&(place, key.into())) {
            self.add(place, before.wrapping_neg());
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The sum of all: equal on replicas that are equal.
    pub fn root(&self) -> u128 {
        self.sums[0][0]
    }

    /// The first message of a round.
    pub fn begin(&self) -> Message {
        Message::Root(self.root())
    }

    /// What a message of another replica leads to. A message that is refused comes from a tree of another shape, or from
    /// nobody who should be heard.
    pub fn answer(&self, message: &Message) -> Result<Answer, BadMessage> {
        message.check(&self.options)?;
        Ok(match message {
            Message::Root(root) if *root == self.root() => Answer::default(),
            Message::Root(_) => Answer { send: vec![self.sums_below(0, &[0])], ..Answer::default() },
            Message::Sums { level, nodes } => {
                let below = self.differing(*level, nodes);
                let mut send = Vec::new();
                if level + 1 < self.options.levels() {
                    let fit = (self.options.longest() - message::HEAD) / message::NODE;
                    send.extend(
                        below.chunks(fit).take(self.options.answers).map(|nodes| self.sums_below(level + 1, nodes)),
                    );
                } else {
                    let begin = |leaf: &u32| places(*leaf, self.options.levels()).0;
                    send.extend(below.iter().take(self.options.answers).map(|leaf| self.keys_from(begin(leaf))));
                }
                Answer { send, ..Answer::default() }
            }
            Message::Keys { first, last, entries } => {
                let found = self.compare(*first, *last, entries);
                let more = (*last < self.leaf_end(*last)).then(|| Message::Rest { from: last + 1 });
                Answer { send: more.into_iter().collect(), found }
            }
            Message::Rest { from } => Answer { send: vec![self.keys_from(*from)], ..Answer::default() },
        })
    }

    /// The children of these nodes whose sums differ from ours.
    fn differing(&self, level: u32, nodes: &[Node]) -> Vec<u32> {
        let ours = &self.sums[level as usize + 1];
        let children = |node: &Node| node.index as usize * FANOUT;
        let differs = |node: &Node, child: usize| ours[children(node) + child] != node.sums[child];
        let below = |node: &Node| {
            (0..FANOUT).filter(|child| differs(node, *child)).map(|c| (children(node) + c) as u32).collect::<Vec<_>>()
        };
        nodes.iter().flat_map(below).collect()
    }

    fn sums_below(&self, level: u32, nodes: &[u32]) -> Message {
        let below = &self.sums[level as usize + 1];
        let node = |index: u32| {
            let sums = std::array::from_fn(|child| below[index as usize * FANOUT + child]);
            Node { index, sums }
        };
        Message::Sums { level, nodes: nodes.iter().map(|index| node(*index)).collect() }
    }

    /// The keys from a place to the end of its leaf, or as many of them as fit.
    fn keys_from(&self, first: u64) -> Message {
        let mut last = self.leaf_end(first);
        let (mut entries, mut bytes, mut before) = (Vec::new(), message::HEAD, None);
        for ((place, key), hash) in self.range(first, last) {
            bytes += message::ENTRY + key.len();
            // Keys at one place are not parted; it takes a collision of 64 secret bits for there to be two.
            if bytes > self.options.longest() && before.is_some_and(|before| before < *place) {
                last = place - 1;
                break;
            }
            before = Some(*place);
            entries.push(Entry { key: key.to_vec(), hash: *hash });
        }
        Message::Keys { first, last, entries }
    }

    fn leaf_end(&self, place: u64) -> u64 {
        places(node_at(place, self.options.levels()) as u32, self.options.levels()).1
    }

    fn compare(&self, first: u64, last: u64, theirs: &[Entry]) -> Vec<Difference> {
        let theirs: BTreeMap<&[u8], u128> = theirs.iter().map(|entry| (entry.key.as_slice(), entry.hash)).collect();
        let ours: BTreeMap<&[u8], u128> = self.range(first, last).map(|((_, key), hash)| (&**key, *hash)).collect();
        let mut found = Vec::new();
        for (key, hash) in &ours {
            match theirs.get(key) {
                Some(other) if other == hash => {}
                Some(_) => found.push(Difference { key: key.to_vec(), side: Side::Both }),
                None => found.push(Difference { key: key.to_vec(), side: Side::Here }),
            }
        }
        let there = theirs.keys().filter(|key| !ours.contains_key(**key));
        found.extend(there.map(|key| Difference { key: key.to_vec(), side: Side::There }));
        found
    }

    fn range(&self, first: u64, last: u64) -> impl Iterator<Item = (&(u64, Box<[u8]>), &u128)> {
        self.entries.range((first, Box::default())..).take_while(move |((place, _), _)| *place <= last)
    }

    fn add(&mut self, place: u64, difference: u128) {
        for (level, sums) in (0..).zip(&mut self.sums) {
            let node = &mut sums[node_at(place, level)];
            *node = node.wrapping_add(difference);
        }
    }

    fn place(&self, key: &[u8]) -> u64 {
        self.hash(b'k', &[key]) as u64
    }

    /// Two kinds of hashes, told apart by their first byte.
    fn hash(&self, kind: u8, parts: &[&[u8]]) -> u128 {
        use siphasher::sip128::Hasher128;
        use std::hash::Hasher;
        let mut hasher = self.hasher;
        hasher.write(&[kind]);
        parts.iter().for_each(|part| hasher.write(part));
        hasher.finish128().as_u128()
    }
}

/// The node of a level above a place.
fn node_at(place: u64, level: u32) -> usize {
    place.checked_shr(u64::BITS - BITS * level).unwrap_or(0) as usize
}

/// The first and the last place of a leaf.
fn places(leaf: u32, depth: u32) -> (u64, u64) {
    let shift = u64::BITS - BITS * depth;
    let first = u64::from(leaf) << shift;
    (first, first | ((1 << shift) - 1))
}
