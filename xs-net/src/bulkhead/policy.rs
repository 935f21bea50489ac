//! Who may run, who waits and who is next, without a lock or a future: [`Places`].

use std::collections::BTreeMap;

/// The number of a waiting call. Lower numbers came earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting(u64);

/// What a call is told that wants to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Go. [`Places::leave`] when done.
    Run,
    /// Wait for [`Places::leave`] to name this number, or [`Places::give_up`].
    Wait(Waiting),
    /// Everything is full.
    Full,
}

/// So many places to run and so many to wait. `W` is what is kept for a call that waits: a waker.
///
/// A place that becomes free goes straight to the call that has waited longest, so nobody who comes later can take it.
#[derive(Debug)]
pub struct Places<W> {
    most_running: usize,
    most_waiting: usize,
    running: usize,
    next: u64,
    queue: BTreeMap<Waiting, W>,
}

impl<W> Places<W> {
    /// At least one call can run.
    pub fn new(running: usize, waiting: usize) -> Self {
        let queue = BTreeMap::new();
        Places { most_running: running.max(1), most_waiting: waiting, running: 0, next: 0, queue }
    }

    /// A call wants to run; if it has to wait, what `keep` gives is kept for it.
    pub fn enter(&mut self, keep: impl FnOnce() -> W) -> Entry {
        if self.running < self.most_running {
            self.running += 1;
            return Entry::Run;
        }
        if self.queue.len() >= self.most_waiting {
            return Entry::Full;
        }
        let waiting = Waiting(self.next);
        self.next += 1;
        self.queue.insert(waiting, keep());
        Entry::Wait(waiting)
    }

    /// A call has ended. Its place goes to the one that is named, if any waits: that one runs now.
    #[must_use]
    pub fn leave(&mut self) -> Option<(Waiting, W)> {
        let next = self.queue.pop_first();
        if next.is_none() {
            self.running -= 1;
        }
        next
    }

    /// What is kept for a call that waits; `None` when it has got its place.
    pub fn kept(&mut self, waiting: Waiting) -> Option<&mut W> {
        self.queue.get_mut(&waiting)
    }

    /// A call does not want to wait any longer. `None` when it has got its place, which it then has to leave.
    pub fn give_up(&mut self, waiting: Waiting) -> Option<W> {
        self.queue.remove(&waiting)
    }

    /// How many calls run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn it_admits_as_two_lists_do(
            running in 1_usize..4,
            waiting in 0_usize..5,
            steps in proptest::collection::vec((0_u8..5, any::<usize>()), 1..200),
        ) {
            let mut places = Places::new(running, waiting);
            let (mut runs, mut waits): (Vec<u32>, VecDeque<(u32, Waiting)>) = Default::default();
            for (call, (step, nth)) in (0_u32..).zip(steps) {
                match step {
                    0..=2 => match places.enter(|| call) {
                        Entry::Run => {
                            prop_assert!(waits.is_empty() && runs.len() < running);
                            runs.push(call);
                        }
                        Entry::Wait(number) => {
                            prop_assert!(runs.len() == running && waits.len() < waiting);
                            waits.push_back((call, number));
                        }
                        Entry::Full => prop_assert!(runs.len() == running && waits.len() == waiting),
                    },
                    3 if !runs.is_empty() => {
                        runs.swap_remove(nth % runs.len());
                        let next = places.leave();
                        let expected = waits.pop_front();
                        prop_assert_eq!(next, expected.map(|(call, number)| (number, call)));
                        runs.extend(expected.map(|(call, _)| call));
                    }
                    4 if !waits.is_empty() => {
                        let (call, number) = waits.remove(nth % waits.len()).unwrap();
                        prop_assert_eq!(places.kept(number), Some(&mut call.clone()));
                        prop_assert_eq!(places.give_up(number), Some(call));
                        prop_assert_eq!(places.kept(number), None);
                    }
                    _ => {}
                }
                prop_assert_eq!((places.running(), places.waiting()), (runs.len(), waits.len()));
            }
        }
    }
}
