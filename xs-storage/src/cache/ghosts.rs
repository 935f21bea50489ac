//! Memories of what was evicted: hashes of keys in the order in which they went, with what they weighed.
//!
//! A ghost is a hash and not a key, so that remembering needs no copy of a key. Two keys with one 64-bit hash would
//! share a memory; the worst that comes of it is a wrong guess about one entry.

use hashbrown::HashTable;
use std::collections::VecDeque;

#[derive(Debug, Clone, Default)]
pub(super) struct Ghosts {
    /// Oldest first. A ghost that was recalled leaves an empty place until it comes to the front.
    queue: VecDeque<Option<(u64, u64)>>,
    /// The number of the place at the front of the queue: places are numbered as they are made.
    first: u64,
    /// Hash and number of place.
    index: HashTable<(u64, u64)>,
    pub(super) weight: u64,
}

impl Ghosts {
    /// Remembers a key that is not remembered yet.
    pub(super) fn push(&mut self, hash: u64, weight: u64) {
        let place = self.first + self.queue.len() as u64;
        self.queue.push_back(Some((hash, weight)));
        self.index.insert_unique(hash, (hash, place), |ghost| ghost.0);
        self.weight += weight;
    }

    /// Forgets a ghost because its key came back; true if there was one.
    pub(super) fn recall(&mut self, hash: u64) -> bool {
        let Ok(found) = self.index.find_entry(hash, |ghost| ghost.0 == hash) else { return false };
        let ((_, place), _) = found.remove();
        if let Some((_, weight)) = self.queue[(place - self.first) as usize].take() {
            self.weight -= weight;
        }
        self.drop_empty_front();
        // Recalls in the middle must not let empty places pile up beyond the ghosts that are left.
        if self.queue.len() > 2 * self.index.len() + 16 {
            self.compact();
        }
        true
    }

    /// Forgets the oldest ghost.
    pub(super) fn pop(&mut self) -> bool {
        self.drop_empty_front();
        let Some(Some((hash, weight))) = self.queue.pop_front() else { return false };
        let place = self.first;
        self.first += 1;
        self.weight -= weight;
        if let Ok(found) = self.index.find_entry(hash, |ghost| *ghost == (hash, place)) {
            found.remove();
        }
        true
    }

    fn drop_empty_front(&mut self) {
        while let Some(None) = self.queue.front() {
            self.queue.pop_front();
            self.first += 1;
        }
    }

    fn compact(&mut self) {
        self.queue.retain(Option::is_some);
        self.first = 0;
        self.index.clear();
        for (place, ghost) in self.queue.iter().enumerate() {
            if let Some((hash, _)) = ghost {
                self.index.insert_unique(*hash, (*hash, place as u64), |ghost| ghost.0);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Ghosts::default();
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use xs_os::Rng;

    #[test]
    fn ghosts_go_in_order_and_recalls_leave_no_trace() {
        let (mut ghosts, mut model) = (Ghosts::default(), Vec::new());
        let mut rng = Rng::from_seed(1);
        for _ in 0..20_000 {
            let hash = rng.below(60);
            match rng.below(5) {
                0 => assert_eq!(
                    ghosts.pop(),
                    !model.is_empty() && {
                        model.remove(0);
                        true
                    }
                ),
                1 | 2 => {
                    let known = model.iter().position(|ghost| *ghost == hash);
                    assert_eq!(ghosts.recall(hash), known.map(|at| model.remove(at)).is_some());
                }
                _ if model.contains(&hash) => {}
                _ => {
                    ghosts.push(hash, 3);
                    model.push(hash);
                }
            }
            assert_eq!(ghosts.weight, 3 * model.len() as u64);
            assert!(ghosts.queue.len() <= 2 * model.len() + 17);
        }
    }
}
