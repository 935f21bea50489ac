//! The concurrent values of one key, each with the event that wrote it.

use std::collections::BTreeMap;

use super::version::{Overflow, ReplicaId, VersionVector};

/// A dotted version vector set: what a store keeps under one key when several may write it at the same time.
///
/// A client reads [`Siblings::values`] with their [`Siblings::context`], and hands the context back with what it writes:
/// the values that it had read go, others stay beside the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Siblings<V> {
    /// For each server how many writes of its own are known, and the values of the last of them, newest first: those
    /// that nobody has replaced. A value's count follows from its place. Where the list of one entry is shorter than the
    /// count, the rest was replaced.
    entries: BTreeMap<ReplicaId, (u64, Vec<V>)>,
}

impl<V> Default for Siblings<V> {
    fn default() -> Self {
        Siblings { entries: BTreeMap::new() }
    }
}

impl<V: Clone> Siblings<V> {
    /// A server takes a write from a client that had read what `context` covers.
    ///
    /// The context is believed: it should be what [`Siblings::context`] gave. Where clients may make one up, sign it;
    /// an invented one replaces values that nobody has read, and uses up counts.
    pub fn write(&mut self, server: ReplicaId, context: &VersionVector, value: V) -> Result<(), Overflow> {
        let known = self.entries.get(&server).map_or(0, |(count, _)| *count).max(context.get(server));
        let next = known.checked_add(1).ok_or(Overflow(server))?;
        // What was read is replaced, also what this copy is still to hear of.
        for (replica, read) in context.iter() {
            let (count, values) = self.entries.entry(replica).or_default();
            values.truncate(count.saturating_sub(read) as usize);
            *count = read.max(*count);
        }
        let (count, values) = self.entries.entry(server).or_default();
        *count = next;
        values.insert(0, value);
        Ok(())
    }

    /// Takes in what another copy has: of each value, whether it was written, and whether it was replaced.
    pub fn merge(&mut self, other: &Siblings<V>) {
        for (server, (count, values)) in &other.entries {
            let Some((ours, mine)) = self.entries.get_mut(server) else {
                self.entries.insert(*server, (*count, values.clone()));
                continue;
            };
            // Up to this count either copy has seen the values replaced.
            let floor = (*count - values.len() as u64).max(*ours - mine.len() as u64);
            if count > ours {
                (*ours, *mine) = (*count, values.clone());
            }
            mine.truncate(ours.saturating_sub(floor) as usize);
        }
    }

    /// The values that nobody has replaced.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().flat_map(|(_, values)| values)
    }

    /// What a client that has read all values knows.
    pub fn context(&self) -> VersionVector {
        self.entries.iter().map(|(server, (count, _))| (*server, *count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Dot, Dots};
    use proptest::prelude::*;

    /// The same by definition: every value with its dot, and all dots that were ever seen.
    #[derive(Clone, Default)]
    struct Model {
        values: BTreeMap<Dot, u32>,
        seen: Dots,
    }

    impl Model {
        fn write(&mut self, server: ReplicaId, context: &VersionVector, value: u32) {
            // The values that its writer had read are gone, and their dots were seen.
            self.values.retain(|dot, _| !context.contains(*dot));
            self.seen.merge(&Dots::from(context));
            let dot = self.seen.next(server).unwrap();
            self.seen.insert(dot);
            self.values.insert(dot, value);
        }

        fn merge(&mut self, other: &Model) {
            self.values.retain(|dot, _| other.values.contains_key(dot) || !other.seen.contains(*dot));
            let news = other.values.iter().filter(|(dot, _)| !self.seen.contains(**dot));
            self.values.extend(news.map(|(dot, value)| (*dot, *value)));
            self.seen.merge(&other.seen);
        }
    }

    proptest! {
        /// Three servers and clients that read anywhere, keep what they read as long as they like, and write anywhere.
        #[test]
        fn values_and_their_dots_by_definition(steps in prop::collection::vec((0_usize..3, 0_usize..3, 0_u8..3), 1..80)) {
            let mut servers: Vec<(Siblings<u32>, Model)> = vec![Default::default(); 3];
            let mut clients = vec![VersionVector::new(); 3];
            for (nth, (one, other, what)) in steps.into_iter().enumerate() {
                match what {
                    0 => clients[other] = servers[one].0.context(),
                    1 => {
                        let (context, server) = (clients[other].clone(), ReplicaId(one as u64));
                        servers[one].0.write(server, &context, nth as u32).unwrap();
                        servers[one].1.write(server, &context, nth as u32);
                    }
                    _ => {
                        let theirs = servers[other].clone();
                        servers[one].0.merge(&theirs.0);
                        servers[one].1.merge(&theirs.1);
                    }
                }
                let mut values: Vec<u32> = servers[one].0.values().copied().collect();
                values.sort_unstable();
                let mut expected: Vec<u32> = servers[one].1.values.values().copied().collect();
                expected.sort_unstable();
                prop_assert_eq!(values, expected);
            }
        }
    }

    /// Two clients that take turns at one server, and each has read all but the other's last write. With a vector a value,
    /// each write leaves one more sibling; here there are two at most, for ever.
    #[test]
    fn siblings_do_not_explode() {
        let server = ReplicaId(1);
        let mut key = Siblings::default();
        let mut contexts = [VersionVector::new(), VersionVector::new()];
        for turn in 0..100 {
            key.write(server, &contexts[turn % 2], turn).unwrap();
            assert!(key.values().count() <= 2);
            contexts[turn % 2] = key.context();
        }
        assert_eq!(key.context().len(), 1);
    }

    #[test]
    fn the_last_count_is_the_last_and_changes_nothing() {
        let mut key = Siblings::default();
        key.write(ReplicaId(1), &VersionVector::new(), 'a').unwrap();
        let all = VersionVector::from_iter([(ReplicaId(1), u64::MAX)]);
        assert_eq!(key.write(ReplicaId(1), &all, 'b'), Err(Overflow(ReplicaId(1))));
        assert_eq!(key.values().collect::<String>(), "a");
    }
}
