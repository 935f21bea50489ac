//! The deque of Chase and Lev: its owner pushes and takes at the bottom, everybody else steals at the top.
//!
//! Items are pointers, so that a slot is one atomic: a thief that loses its race has read a pointer that it throws away, never
//! half of something. A level that was outgrown stays until the deque goes, because a thief may still read it; all levels
//! together are at most twice the last. That leaves no reclamation to be solved, and nothing unsafe.
//!
//! The orders of memory are those of N. M. Lê, A. Pop, A. Cohen, F. Zappa Nardelli, "Correct and Efficient Work-Stealing for
//! Weak Memory Models" (PPoPP 2013).

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use crate::sync::{AtomicIsize, AtomicPtr, AtomicUsize, fence};

/// Slots of the first level; each has twice as many as the one before.
#[cfg(not(xs_loom))]
const FIRST: usize = 64;
#[cfg(xs_loom)]
const FIRST: usize = 2;
/// So many levels that memory ends first.
const LEVELS: usize = 40;

type Slots<T> = Box<[AtomicPtr<T>]>;

/// Pointers in a row. See the [module page](self).
pub(super) struct Deque<T> {
    top: AtomicIsize,
    bottom: AtomicIsize,
    level: AtomicUsize,
    levels: [OnceLock<Slots<T>>; LEVELS],
}

/// What a thief got.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stolen<T> {
    Item(*mut T),
    Empty,
    /// Another was faster; there may be more.
    Lost,
}

fn slots<T>(count: usize) -> Slots<T> {
    (0..count).map(|_| AtomicPtr::new(ptr::null_mut())).collect()
}

/// The place of an index that counts up for ever, in a level whose size is a power of two.
#[inline]
fn place<T>(slots: &[AtomicPtr<T>], at: isize) -> &AtomicPtr<T> {
    &slots[at as usize & (slots.len() - 1)]
}

impl<T> Deque<T> {
    pub(super) fn new() -> Self {
        Deque {
            top: AtomicIsize::new(0),
            bottom: AtomicIsize::new(0),
            level: AtomicUsize::new(0),
            levels: [const { OnceLock::new() }; LEVELS],
        }
    }

    #[inline]
    fn slots(&self, level: usize) -> &Slots<T> {
        self.levels[level].get_or_init(|| slots(FIRST << level))
    }

    /// Puts an item at the bottom. For the owner.
    #[inline(always)]
    pub(super) fn push(&self, item: *mut T) {
        let bottom = self.bottom.load(Relaxed);
        let top = self.top.load(Acquire);
        let mut slots = self.slots(self.level.load(Relaxed));
        if bottom.wrapping_sub(top) >= slots.len() as isize {
            slots = self.grow(top, bottom);
        }
        place(slots, bottom).store(item, Relaxed);
        // Whoever sees the new bottom sees the item, and the level that it is in.
        self.bottom.store(bottom.wrapping_add(1), Release);
    }

    /// Goes to the next level, with what is there.
    #[cold]
    fn grow(&self, top: isize, bottom: isize) -> &Slots<T> {
        let level = self.level.load(Relaxed);
        let (slots, larger) = (self.slots(level), self.slots(level + 1));
        let mut at = top;
        while at != bottom {
            place(larger, at).store(place(slots, at).load(Relaxed), Relaxed);
            at = at.wrapping_add(1);
        }
        self.level.store(level + 1, Release);
        larger
    }

    /// Takes the item that was pushed last. For the owner.
    #[inline]
    pub(super) fn pop(&self) -> Option<*mut T> {
        let bottom = self.bottom.load(Relaxed).wrapping_sub(1);
        // Nothing there, as the owner alone adds: no need to tell thieves of an attempt.
        if bottom.wrapping_sub(self.top.load(Relaxed)) < 0 {
            return None;
        }
        let slots = self.slots(self.level.load(Relaxed));
        // Each store of the bottom shows what was pushed before: a thief may read this one.
        self.bottom.store(bottom, Release);
        // Thieves see that the bottom went down before the owner sees how far up the top is.
        fence(SeqCst);
        let top = self.top.load(Relaxed);
        let left = bottom.wrapping_sub(top);
        if left < 0 {
            self.bottom.store(bottom.wrapping_add(1), Release);
            return None;
        }
        let item = place(slots, bottom).load(Relaxed);
        if left > 0 {
            return Some(item);
        }
        // The last one: thieves may want it, too.
        let won = self.top.compare_exchange(top, top.wrapping_add(1), SeqCst, Relaxed).is_ok();
        self.bottom.store(bottom.wrapping_add(1), Release);
        won.then_some(item)
    }

    /// Takes the item that has been there longest.
    pub(super) fn steal(&self) -> Stolen<T> {
        let top = self.top.load(Acquire);
        fence(SeqCst);
        let bottom = self.bottom.load(Acquire);
        if bottom.wrapping_sub(top) <= 0 {
            return Stolen::Empty;
        }
        let item = place(self.slots(self.level.load(Acquire)), top).load(Relaxed);
        match self.top.compare_exchange(top, top.wrapping_add(1), SeqCst, Relaxed) {
            Ok(_) => Stolen::Item(item),
            Err(_) => Stolen::Lost,
        }
    }

    /// Whether nothing is there, as far as one who isn't the owner can see.
    pub(super) fn is_empty(&self) -> bool {
        let top = self.top.load(Relaxed);
        self.bottom.load(Relaxed).wrapping_sub(top) <= 0
    }
}

#[cfg(all(test, xs_loom))]
mod loom_tests {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    fn stolen(deque: &Deque<usize>) -> Option<usize> {
        match deque.steal() {
            Stolen::Item(item) => Some(item as usize),
            Stolen::Empty | Stolen::Lost => None,
        }
    }

    /// The owner pushes `count`, with pops between, while a thief steals so often: each item comes out once.
    fn once_each(count: usize, popped_between: bool, thefts: usize) {
        loom::model(move || {
            let deque = Arc::new(Deque::<usize>::new());
            let theirs = deque.clone();
            let thief = thread::spawn(move || (0..thefts).filter_map(|_| stolen(&theirs)).collect::<Vec<_>>());
            let mut got = Vec::new();
            for item in 1..=count {
                deque.push(item as *mut usize);
                if popped_between && item == 1 {
                    got.extend(deque.pop().map(|item| item as usize));
                }
            }
            while let Some(item) = deque.pop() {
                got.push(item as usize);
            }
            got.extend(thief.join().unwrap());
            while let Some(item) = stolen(&deque) {
                got.push(item);
            }
            got.sort_unstable();
            assert_eq!(got, (1..=count).collect::<Vec<_>>());
        });
    }

    #[test]
    fn the_last_item_goes_to_one_of_two() {
        once_each(1, false, 2);
    }

    #[test]
    fn items_come_out_once_each() {
        once_each(2, true, 2);
    }

    #[test]
    fn items_come_out_once_each_while_it_grows() {
        once_each(3, false, 1);
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn alone_it_is_a_deque(steps in prop::collection::vec(0..5_u8, 0..600)) {
            let (deque, mut model) = (Deque::<u8>::new(), VecDeque::new());
            for (at, step) in steps.into_iter().enumerate() {
                match step {
                    0 => prop_assert_eq!(deque.pop(), model.pop_back()),
                    1 => {
                        let expected = model.pop_front().map_or(Stolen::Empty, Stolen::Item);
                        prop_assert_eq!(deque.steal(), expected);
                    }
                    _ => {
                        let item = (at + 1) as *mut u8;
                        deque.push(item);
                        model.push_back(item);
                    }
                }
                prop_assert_eq!(deque.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn many_items_among_thieves_come_out_once_each() {
        let count: usize = if cfg!(miri) { 200 } else { 200_000 };
        let deque = Deque::<u8>::new();
        let seen: Vec<std::sync::atomic::AtomicU8> = (0..=count).map(|_| 0.into()).collect();
        let done = std::sync::atomic::AtomicBool::new(false);
        let see = |item: *mut u8| seen[item as usize].fetch_add(1, Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        match deque.steal() {
                            Stolen::Item(item) => {
                                see(item);
                            }
                            Stolen::Lost => {}
                            Stolen::Empty if done.load(Acquire) => break,
                            Stolen::Empty => std::thread::yield_now(),
                        }
                    }
                });
            }
            for item in 1..=count {
                deque.push(item as *mut u8);
                if item % 3 == 0 {
                    deque.pop().map(see);
                }
            }
            while let Some(item) = deque.pop() {
                see(item);
            }
            done.store(true, Release);
        });
        assert!(seen.iter().skip(1).all(|times| times.load(Relaxed) == 1));
    }
}
