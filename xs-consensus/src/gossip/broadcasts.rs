//! What is to be told to everybody, in the room that other messages leave.

use std::collections::BTreeMap;

/// News that wait to be told, each as many times as reaches everybody with high probability: λ·⌈log₁₀(n+1)⌉ (SWIM, 4.1).
///
/// A piece of news has a key, and newer news about the same key replace it. What was told least comes first, and of
/// that the newest, so that something new never waits behind a backlog. Bounded by the caller's keys: there is one piece a key.
///
/// ```
/// use xs_consensus::gossip::Broadcasts;
///
/// let mut news = Broadcasts::new();
/// news.tell("n1", b"n1 is suspect".to_vec());
/// news.tell("n2", b"n2 is here".to_vec());
/// news.tell("n1", b"n1 is alive".to_vec());                       // no need to tell the old news any more
///
/// let mut packet = Vec::new();
/// let take = |news: &mut Broadcasts<_>, packet: &mut Vec<u8>| news.take(14, 2, |bytes| packet.extend_from_slice(bytes));
/// take(&mut news, &mut packet);
/// assert_eq!(packet, b"n1 is alive");                             // the newest; the other one has no room
/// take(&mut news, &mut packet);
/// assert_eq!(packet, b"n1 is aliven2 is here");                   // told less often
/// take(&mut news, &mut packet);
/// take(&mut news, &mut packet);
/// assert!(news.is_empty(), "each was told twice");
/// ```
#[derive(Clone, Debug)]
pub struct Broadcasts<K> {
    /// By how often it was told, newest first.
    queue: BTreeMap<(u32, u64), (K, Vec<u8>)>,
    places: BTreeMap<K, (u32, u64)>,
    /// Counts down, so that the newest is first.
    next: u64,
}

/// How many pieces that have no room are looked at before a packet goes as it is.
const LOOKS: usize = 32;

impl<K: Ord + Clone> Broadcasts<K> {
    /// Nothing to tell.
    pub fn new() -> Self {
        Broadcasts { queue: BTreeMap::new(), places: BTreeMap::new(), next: u64::MAX }
    }

    /// Queues news, in place of what was said about the key before.
    pub fn tell(&mut self, key: K, bytes: Vec<u8>) {
        self.forget(&key);
        let place = (0, self.next);
        self.next -= 1;
        self.queue.insert(place, (key.clone(), bytes));
        self.places.insert(key, place);
    }

    /// Says no more about a key.
    pub fn forget(&mut self, key: &K) {
        if let Some(place) = self.places.remove(key) {
            self.queue.remove(&place);
        }
    }

    /// Fills so many bytes of room with what was told least. Each piece counts as told once more, and is dropped when it
    /// has been told `times` times.
    pub fn take(&mut self, room: usize, times: u32, mut put: impl FnMut(&[u8])) {
        let mut left = room;
        let mut misses = 0;
        let mut taken = Vec::new();
        for (place, (_, bytes)) in &self.queue {
            if bytes.len() <= left {
                left -= bytes.len();
                put(bytes);
                taken.push(*place);
            } else {
                misses += 1;
            }
            if misses >= LOOKS || left == 0 {
                break;
            }
        }
        for place in taken {
            let Some((key, bytes)) = self.queue.remove(&place) else { continue };
            let told = (place.0 + 1, place.1);
            if told.0 >= times {
                self.places.remove(&key);
            } else {
                self.places.insert(key.clone(), told);
                self.queue.insert(told, (key, bytes));
            }
        }
    }

    /// The key that was told most often, and of those the oldest: the one to drop when there are too many.
    pub fn stalest(&self) -> Option<&K> {
        self.queue.values().next_back().map(|(key, _)| key)
    }

    /// What is queued about a key.
    pub fn get(&self, key: &K) -> Option<&[u8]> {
        self.queue.get(self.places.get(key)?).map(|(_, bytes)| &bytes[..])
    }

    /// How many pieces wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

impl<K: Ord + Clone> Default for Broadcasts<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// How often each piece of news should be told among `nodes`: `lambda`·⌈log₁₀(n+1)⌉, once at least.
///
/// If every node sends one message and gets one in a round, those that never hear are n^-(2λ/ln 10 - 2) in the mean (SWIM, 4.1):
/// with λ = 4, one of a thousand nodes in 25,000 pieces of news.
pub fn retransmissions(lambda: u32, nodes: usize) -> u32 {
    // The number of decimal digits of n is ⌈log₁₀(n+1)⌉.
    lambda.saturating_mul(nodes.max(1).ilog10() + 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn retransmissions_grow_with_the_digits_of_the_cluster() {
        let times: Vec<u32> = [0, 1, 9, 10, 99, 100, 1000].iter().map(|n| retransmissions(3, *n)).collect();
        assert_eq!(times, [3, 3, 3, 6, 6, 9, 12]);
        assert_eq!(retransmissions(0, 5), 1);
    }

    #[test]
    fn what_is_too_large_for_the_room_waits_and_holds_nobody_up() {
        let mut news = Broadcasts::new();
        news.tell(1, vec![1; 5]);
        news.tell(2, vec![2; 50]);
        let mut seen = Vec::new();
        news.take(10, 1, |bytes| seen.extend_from_slice(bytes));
        assert_eq!((seen, news.len(), news.get(&2).map(<[u8]>::len)), (vec![1; 5], 1, Some(50)));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Tell(u8, usize),
        Forget(u8),
        Take(usize),
    }

    proptest! {
        /// A list that is sorted before each packet does the same.
        #[test]
        fn it_does_what_a_sorted_list_does(
            times in 1..4_u32,
            ops in prop::collection::vec(prop_oneof![
                (0..6_u8, 1..9_usize).prop_map(|(key, len)| Op::Tell(key, len)),
                (0..6_u8).prop_map(Op::Forget),
                (0..30_usize).prop_map(Op::Take),
            ], 0..60),
        ) {
            let mut news = Broadcasts::new();
            // Told, minus the time, key, length.
            let mut model: Vec<(u32, i64, u8, usize)> = Vec::new();
            for (at, op) in ops.into_iter().enumerate() {
                match op {
                    Op::Tell(key, len) => {
                        news.tell(key, vec![key; len]);
                        model.retain(|item| item.2 != key);
                        model.push((0, -(at as i64), key, len));
                    }
                    Op::Forget(key) => {
                        news.forget(&key);
                        model.retain(|item| item.2 != key);
                    }
                    Op::Take(room) => {
                        let mut said = Vec::new();
                        news.take(room, times, |bytes| said.push((bytes[0], bytes.len())));
                        model.sort();
                        let mut left = room;
                        let mut expected = Vec::new();
                        for item in &mut model {
                            if item.3 <= left && left > 0 {
                                left -= item.3;
                                item.0 += 1;
                                expected.push((item.2, item.3));
                            }
                        }
                        model.retain(|item| item.0 < times);
                        prop_assert_eq!(said, expected);
                    }
                }
                model.sort();
                prop_assert_eq!(news.len(), model.len());
                prop_assert_eq!(news.stalest().copied(), model.last().map(|item| item.2));
            }
        }
    }
}
