//! Who may run, who waits and who is next, without a future or a clock: [`Places`].

use std::collections::BTreeMap;
use std::fmt;
use std::ops::DerefMut;

#[cfg(xs_loom)]
use loom::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};
#[cfg(not(xs_loom))]
use parking_lot::Mutex;
#[cfg(not(xs_loom))]
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// So many places to run and so many to wait, for many threads. `W` is what is kept for a call that waits: a waker.
///
/// A place that becomes free goes straight to the call that has waited longest, so nobody who comes later can take it.
///
/// ```text
///   word:  [ how many run │ WAITS ]      WAITS ⟺ the queue holds somebody ⟹ every place is taken
///
///   enter   no WAITS and room: one exchange      else: the lock, and a look at both
///   leave   no WAITS: one exchange               else: the lock, and the place goes to the first
/// ```
///
/// The bit changes under the lock alone, and in the word that is counted in: an exchange that did not know of it fails.
pub struct Places<W> {
    most_running: usize,
    most_waiting: usize,
    word: AtomicUsize,
    queue: Mutex<Queue<W>>,
}

struct Queue<W> {
    next: u64,
    waiting: BTreeMap<Waiting, W>,
}

/// The bit in the word that says that somebody waits, and what one call counts there.
const WAITS: usize = 1;
const ONE: usize = 2;

impl<W> Places<W> {
    /// At least one call can run.
    pub fn new(running: usize, waiting: usize) -> Self {
        let queue = Mutex::new(Queue { next: 0, waiting: BTreeMap::new() });
        let most_running = running.clamp(1, usize::MAX / ONE);
        Places { most_running, most_waiting: waiting, word: AtomicUsize::new(0), queue }
    }

    /// A call wants to run; if it has to wait, what `keep` gives is kept for it. `keep` runs under the lock.
    #[inline]
    pub fn enter(&self, keep: impl FnOnce() -> W) -> Entry {
        if self.run() {
            return Entry::Run;
        }
        self.enter_or_wait(keep)
    }

    /// Takes a place, if one is free and nobody waits for it.
    #[inline]
    fn run(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITS == 0 && word / ONE < self.most_running {
            // What a call did that has left is seen by the one that has its place now.
            match self.word.compare_exchange_weak(word, word + ONE, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(present) => word = present,
            }
        }
        false
    }

    fn enter_or_wait(&self, keep: impl FnOnce() -> W) -> Entry {
        if self.most_waiting == 0 {
            return Entry::Full;
        }
        let mut queue = self.queue();
        if queue.waiting.len() >= self.most_waiting {
            return Entry::Full;
        }
        // Before it is said that one waits: who panics here waits for nothing.
        let kept = keep();
        // Somebody may leave until it is said that one waits.
        while queue.waiting.is_empty() {
            if self.run() {
                return Entry::Run;
            }
            let full = self.most_running * ONE;
            if self.word.compare_exchange(full, full | WAITS, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                break;
            }
        }
        let waiting = Waiting(queue.next);
        queue.next += 1;
        queue.waiting.insert(waiting, kept);
        Entry::Wait(waiting)
    }

    /// A call has ended. Its place goes to the one that is named, if any waits: that one runs now.
    #[inline]
    #[must_use]
    pub fn leave(&self) -> Option<(Waiting, W)> {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITS == 0 {
            match self.word.compare_exchange_weak(word, word - ONE, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return None,
                Err(present) => word = present,
            }
        }
        self.hand_over()
    }

    fn hand_over(&self) -> Option<(Waiting, W)> {
        let mut queue = self.queue();
        let next = queue.waiting.pop_first();
        match &next {
            Some(_) => self.nobody_waits_if_empty(&queue),
            // Whoever waited has given up, and taken the bit away.
            None => drop(self.word.fetch_sub(ONE, Ordering::Release)),
        }
        next
    }

    /// Looks at what is kept for a call that waits, under the lock; `None` when the call has got its place.
    pub fn kept<T>(&self, waiting: Waiting, look: impl FnOnce(&mut W) -> T) -> Option<T> {
        self.queue().waiting.get_mut(&waiting).map(look)
    }

    /// A call does not want to wait any longer. `None` when it has got its place, which it then has to leave.
    pub fn give_up(&self, waiting: Waiting) -> Option<W> {
        let mut queue = self.queue();
        let kept = queue.waiting.remove(&waiting)?;
        self.nobody_waits_if_empty(&queue);
        Some(kept)
    }

    fn nobody_waits_if_empty(&self, queue: &Queue<W>) {
        if queue.waiting.is_empty() {
            self.word.fetch_and(!WAITS, Ordering::Relaxed);
        }
    }

    /// How many calls run.
    pub fn running(&self) -> usize {
        self.word.load(Ordering::Relaxed) / ONE
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    #[cfg(not(xs_loom))]
    fn queue(&self) -> impl DerefMut<Target = Queue<W>> {
        self.queue.lock()
    }

    #[cfg(xs_loom)]
    fn queue(&self) -> impl DerefMut<Target = Queue<W>> {
        self.queue.lock().expect("nobody panics under it")
    }
}

impl<W> fmt::Debug for Places<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").field("running", &self.running()).field("waiting", &self.waiting()).finish()
    }
}

#[cfg(all(test, xs_loom))]
mod loom_tests {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    /// Comes in, and goes. Who has to wait gives up, unless a place came just then.
    fn pass(places: &Places<()>, inside: &AtomicUsize) {
        match places.enter(|| ()) {
            Entry::Full => return,
            Entry::Wait(waiting) if places.give_up(waiting).is_some() => return,
            Entry::Run | Entry::Wait(_) => {}
        }
        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two at once");
        inside.fetch_sub(1, Ordering::Relaxed);
        drop(places.leave());
    }

    #[test]
    fn one_place_has_one_owner_and_is_never_lost() {
        loom::model(|| {
            let shared = Arc::new((Places::new(1, 1), AtomicUsize::new(0)));
            let theirs = shared.clone();
            let other = thread::spawn(move || pass(&theirs.0, &theirs.1));
            pass(&shared.0, &shared.1);
            other.join().unwrap();
            assert_eq!((shared.0.running(), shared.0.waiting()), (0, 0));
            assert_eq!(shared.0.enter(|| ()), Entry::Run);
        });
    }

    #[test]
    fn who_waits_is_called_by_the_one_that_leaves() {
        loom::model(|| {
            let places = Arc::new(Places::new(1, 1));
            assert_eq!(places.enter(|| ()), Entry::Run);
            let theirs = places.clone();
            let leaves = thread::spawn(move || theirs.leave().map(|(waiting, ())| waiting));
            let entry = places.enter(|| ());
            let called = leaves.join().unwrap();
            match entry {
                Entry::Run => assert_eq!(called, None),
                Entry::Wait(waiting) => assert_eq!(called, Some(waiting)),
                Entry::Full => panic!("there was room to wait"),
            }
            assert_eq!((places.running(), places.waiting()), (1, 0));
        });
    }
}

#[cfg(all(test, not(xs_loom)))]
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
            let places = Places::new(running, waiting);
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
                        prop_assert_eq!(places.kept(number, |kept| *kept), Some(call));
                        prop_assert_eq!(places.give_up(number), Some(call));
                        prop_assert_eq!(places.kept(number, |kept| *kept), None);
                    }
                    _ => {}
                }
                prop_assert_eq!((places.running(), places.waiting()), (runs.len(), waits.len()));
            }
        }
    }
}
