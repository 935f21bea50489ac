//! Anti-entropy: replicas of a map that compare what they have, and send each other exactly what is missing.

use std::collections::BTreeMap;

/// What a node knows of the others' entries: how far, for each owner.
pub type Digest<N> = BTreeMap<N, u64>;

/// Entries that were missing, in the order in which their owner wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta<N, K, V> {
    /// Whose entries.
    pub owner: N,
    /// They are all that lie behind this version, up to the last one here.
    pub after: u64,
    /// Version, key, value; none for what was removed.
    pub entries: Vec<(u64, K, Option<V>)>,
}

/// A replica of everybody's map. Each node writes only entries of its own, and numbers what it writes; so "up to version
/// 17" says all about what a replica has of an owner, and two replicas compare by one number an owner (Scuttlebutt).
///
/// ```text
///   who asks              who answers
///     │ ── digest() ─────────▶ │
///     │ ◀─ delta(), digest() ─ │     what the asker lacks, as much as fits
///     │ ── delta() ──────────▶ │     what the other one lacks
/// ```
///
/// ```
/// use xs_consensus::gossip::Replica;
///
/// let (mut a, mut b) = (Replica::new("a"), Replica::new("b"));
/// a.set("load", 3);
/// a.set("load", 5);
/// b.set("load", 1);
/// for delta in a.delta(&b.digest(), 100) { b.apply(delta); }
/// for delta in b.delta(&a.digest(), 100) { a.apply(delta); }
/// assert_eq!((b.get(&"a", &"load"), a.get(&"b", &"load")), (Some(&5), Some(&1)));
/// assert!(a.delta(&b.digest(), 100).is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Replica<N, K, V> {
    me: N,
    owners: BTreeMap<N, Owned<K, V>>,
}

#[derive(Clone, Debug)]
struct Owned<K, V> {
    /// All up to here is known, as far as it has not been overwritten.
    upto: u64,
    entries: BTreeMap<K, (u64, Option<V>)>,
    order: BTreeMap<u64, K>,
}

impl<K, V> Default for Owned<K, V> {
    fn default() -> Self {
        Owned { upto: 0, entries: BTreeMap::new(), order: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Owned<K, V> {
    fn put(&mut self, version: u64, key: K, value: Option<V>) {
        if let Some((old, _)) = self.entries.insert(key.clone(), (version, value)) {
            self.order.remove(&old);
        }
        self.order.insert(version, key);
        self.upto = version;
    }
}

impl<N: Ord + Clone, K: Ord + Clone, V: Clone> Replica<N, K, V> {
    /// An empty replica on a node. A node that starts again without what it wrote needs a new name: nobody would hear it
    /// under the old one, until it has written as much again.
    pub fn new(me: N) -> Self {
        Replica { owners: BTreeMap::from([(me.clone(), Owned::default())]), me }
    }

    /// Writes an entry of this node's own.
    pub fn set(&mut self, key: K, value: V) {
        self.write(key, Some(value));
    }

    /// Removes an entry of this node's own. That it is gone is an entry, too, which stays: or a replica that has not
    /// heard of it would bring it back.
    pub fn remove(&mut self, key: K) {
        self.write(key, None);
    }

    fn write(&mut self, key: K, value: Option<V>) {
        let own = self.owners.entry(self.me.clone()).or_default();
        own.put(own.upto + 1, key, value);
    }

    /// An owner's entry.
    pub fn get(&self, owner: &N, key: &K) -> Option<&V> {
        self.owners.get(owner)?.entries.get(key)?.1.as_ref()
    }

    /// All entries that are not removed: owner, key, value.
    pub fn iter(&self) -> impl Iterator<Item = (&N, &K, &V)> {
        self.owners.iter().flat_map(|(owner, owned)| {
            owned.entries.iter().filter_map(move |(key, (_, value))| Some((owner, key, value.as_ref()?)))
        })
    }

    /// Forgets an owner who is gone for good.
    pub fn forget(&mut self, owner: &N) {
        if *owner != self.me {
            self.owners.remove(owner);
        }
    }

    /// How far this replica knows each owner.
    pub fn digest(&self) -> Digest<N> {
        self.owners.iter().map(|(owner, owned)| (owner.clone(), owned.upto)).collect()
    }

    /// What another replica lacks, `most` entries at most. The owner of whom it lacks the most comes first: that one's
    /// entries are the oldest.
    pub fn delta(&self, theirs: &Digest<N>, most: usize) -> Vec<Delta<N, K, V>> {
        let after = |owner: &N| theirs.get(owner).copied().unwrap_or(0);
        let mut behind: Vec<(usize, &N, &Owned<K, V>)> = self
            .owners
            .iter()
            .filter(|(owner, owned)| owned.upto > after(owner))
            .map(|(owner, owned)| (owned.order.range(after(owner) + 1..).count(), owner, owned))
            .collect();
        behind.sort_by_key(|(lacking, ..)| std::cmp::Reverse(*lacking));
        let mut left = most;
        let mut deltas = Vec::new();
        for (lacking, owner, owned) in behind {
            if left == 0 {
                break;
            }
            let entry =
                |(version, key): (&u64, &K)| (*version, key.clone(), owned.entries.get(key).and_then(|e| e.1.clone()));
            let entries = owned.order.range(after(owner) + 1..).take(left).map(entry).collect();
            deltas.push(Delta { owner: owner.clone(), after: after(owner), entries });
            left -= lacking.min(left);
        }
        deltas
    }

    /// Takes what was missing. False if it does not follow what is here: between the digest and this the replica
    /// was made anew, and must ask again. Versions that go backwards are refused likewise, and so is anybody's word on
    /// this node's own entries.
    pub fn apply(&mut self, delta: Delta<N, K, V>) -> bool {
        let upto = self.owners.get(&delta.owner).map_or(0, |owned| owned.upto);
        let ordered = delta.entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let behind = delta.entries.first().is_none_or(|(first, ..)| *first > delta.after);
        if delta.owner == self.me || delta.after > upto || !ordered || !behind {
            return false;
        }
        let owned = self.owners.entry(delta.owner).or_default();
        for (version, key, value) in delta.entries {
            if version > owned.upto {
                owned.put(version, key, value);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xs_os::Rng;

    type Small = Replica<u8, u8, u32>;

    /// One meets another and each tells what the other one lacks, as much as fits.
    fn meet(nodes: &mut [Small], a: usize, b: usize, most: usize) {
        let (first, second) = (nodes[a].digest(), nodes[b].digest());
        let (to_a, to_b) = (nodes[b].delta(&first, most), nodes[a].delta(&second, most));
        assert!(to_a.into_iter().all(|delta| nodes[a].apply(delta)));
        assert!(to_b.into_iter().all(|delta| nodes[b].apply(delta)));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Set(usize, u8, u32),
        Remove(usize, u8),
        Meet(usize, usize, usize),
        /// A delta that was made earlier arrives now.
        Late(usize, usize),
    }

    proptest! {
        /// Whatever was said in whatever pieces and order: what a replica has of an owner is what the owner had at some version.
        #[test]
        fn a_replica_has_what_the_owner_had_at_some_time(
            ops in prop::collection::vec(prop_oneof![
                (0..3_usize, 0..4_u8, any::<u32>()).prop_map(|(node, key, value)| Op::Set(node, key, value)),
                (0..3_usize, 0..4_u8).prop_map(|(node, key)| Op::Remove(node, key)),
                (0..3_usize, 0..3_usize, 1..4_usize).prop_map(|(a, b, most)| Op::Meet(a, b, most)),
                (0..3_usize, 0..3_usize).prop_map(|(from, to)| Op::Late(from, to)),
            ], 0..60),
        ) {
            let mut nodes: Vec<Small> = (0..3).map(Replica::new).collect();
            // What each owner wrote, by version.
            let mut written: Vec<Vec<(u8, Option<u32>)>> = vec![Vec::new(); 3];
            let mut old: Vec<Small> = nodes.clone();
            for op in ops {
                match op {
                    Op::Set(node, key, value) => {
                        old[node] = nodes[node].clone();
                        nodes[node].set(key, value);
                        written[node].push((key, Some(value)));
                    }
                    Op::Remove(node, key) => {
                        nodes[node].remove(key);
                        written[node].push((key, None));
                    }
                    Op::Meet(a, b, most) if a != b => meet(&mut nodes, a, b, most),
                    Op::Meet(..) => {}
                    Op::Late(from, to) => {
                        for delta in old[from].delta(&old[to].digest(), 10) {
                            nodes[to].apply(delta);
                        }
                    }
                }
                for node in &nodes {
                    for (owner, writes) in written.iter().enumerate() {
                        let upto = node.digest().get(&(owner as u8)).copied().unwrap_or(0) as usize;
                        // A replica may know a later write of a key instead of an earlier one that it never saw.
                        for key in 0..4 {
                            let (version, value) = match node.owners.get(&(owner as u8)).and_then(|o| o.entries.get(&key)) {
                                Some((version, value)) => (*version as usize, *value),
                                None => (0, None),
                            };
                            let at = |until: usize| writes[..until].iter().rposition(|write| write.0 == key).map_or(0, |at| at + 1);
                            if version > 0 {
                                prop_assert_eq!(writes[version - 1], (key, value));
                            }
                            prop_assert!(version == at(upto) || (version < at(upto) && at(writes.len()) > at(upto)), "{} {}", version, at(upto));
                        }
                    }
                }
            }
            for _ in 0..200 {
                for (a, b) in [(0, 1), (1, 2), (2, 0)] {
                    meet(&mut nodes, a, b, 1);
                }
            }
            let all = |node: &Small| node.iter().map(|(o, k, v)| (*o, *k, *v)).collect::<Vec<_>>();
            prop_assert!(nodes.iter().all(|node| all(node) == all(&nodes[0])));
        }
    }

    #[test]
    fn what_does_not_follow_is_refused() {
        let (mut a, mut b) = (Small::new(1), Small::new(2));
        (0..5).for_each(|n| a.set(n, 1));
        let delta = |after, versions: &[u64]| Delta {
            owner: 1,
            after,
            entries: versions.iter().map(|v| (*v, 0, Some(9))).collect(),
        };
        assert!(!b.apply(delta(3, &[4, 5])), "there is a gap");
        assert!(!b.apply(delta(0, &[2, 1])) && !b.apply(delta(0, &[0])), "out of order");
        assert!(!a.apply(delta(0, &[9])), "nobody else writes our entries");
        assert!(b.apply(delta(0, &[4])) && b.digest()[&1] == 4);
    }

    /// Demers, 1.3: of those left, all are left after the next round with a chance of 1/e by push, and of their own number by pull.
    #[test]
    fn pull_squares_what_is_left_and_push_takes_a_constant_part() {
        const NODES: usize = 2000;
        let left_after = |pull: bool| {
            let mut rng = Rng::from_seed(7);
            let mut nodes: Vec<Replica<usize, u8, u8>> = (0..NODES).map(Replica::new).collect();
            nodes[0].set(1, 1);
            let source = nodes[0].delta(&Digest::new(), 1).remove(0);
            (1..NODES * 9 / 10).for_each(|at| assert!(nodes[at].apply(source.clone())));
            let left =
                |nodes: &[Replica<usize, u8, u8>]| nodes.iter().filter(|node| node.get(&0, &1).is_none()).count();
            let mut parts = vec![left(&nodes) as f64 / NODES as f64];
            for _ in 0..2 {
                let before = nodes.clone();
                for at in 0..NODES {
                    let other = (at + 1 + rng.index(NODES - 1)) % NODES;
                    let (from, to) = if pull { (other, at) } else { (at, other) };
                    // One owner's entry is all that the test looks at.
                    let digest: Digest<usize> =
                        before[to].owners.get(&0).map(|owned| (0, owned.upto)).into_iter().collect();
                    for delta in before[from].delta(&digest, 1) {
                        nodes[to].apply(delta);
                    }
                }
                parts.push(left(&nodes) as f64 / NODES as f64);
            }
            parts
        };
        let (pull, push) = (left_after(true), left_after(false));
        println!("left of 2000 by pull: {pull:?}, by push: {push:?}");
        assert!((pull[1] / (pull[0] * pull[0]) - 1.0).abs() < 0.5, "{pull:?}");
        assert!((push[1] / push[0] - (-0.9_f64).exp()).abs() < 0.1 && push[2] > 0.01, "{push:?}");
    }
}
