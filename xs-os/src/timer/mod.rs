//! A hierarchical timer wheel: any number of timeouts, most of which never fire.
//!
//! # The problem
//!
//! Each connection has an idle timeout, each request a deadline, each lease an end. A busy server sets and cancels
//! hundreds of thousands of them a second, and nearly all are cancelled, because nearly all goes well. A heap pays
//! O(log n) for each, and more to cancel what stands in its middle. What is wanted is a structure that sets and cancels
//! in constant time, and does its sorting only for the few timeouts that come true.
//!
//! # How it works
//!
//! Time is cut into ticks. A wheel of 64 slots holds the timers of the next 64 ticks, each in the slot of its own tick;
//! a coarser wheel holds those further away, 64 ticks a slot; and so on, as hours, minutes and seconds do on a clock.
//! Eleven such levels span every tick that 64 bits can number.
//!
//! ```text
//!   level 2   │ 4096 ticks a slot │  ·  ·  ●  ·           deadline   = 0b 000010 000101 001100
//!   level 1   │   64 ticks a slot │  ·  ●  ·  ·  ·        now        = 0b 000010 000011 110000
//!   level 0   │    1 tick  a slot │  ●  ·  ●  ·  ·  ·                          ▲ the highest digit that differs: level 1, slot 5
//!                                    ▲
//!               the hand: when it comes to a slot of level n > 0, the slot's timers move down (they cascade)
//! ```
//!
//! The level of a timer is the highest digit (of six bits) in which its tick differs from the hand's; its slot is that
//! digit. Setting is an exclusive-or, a count of leading zeros and a link into a list. A slot is a doubly linked list
//! through one arena, so that cancelling unlinks without looking for anything. A word of 64 bits for each level says
//! which slots hold something, so that the hand jumps over empty time.
//!
//! [`Wheel`] is pure: it reads no clock and wakes nobody. Whoever drives it asks [`Wheel::next`] how long it may sleep, and
//! calls [`Wheel::pop`] with the time it is then.
//!
//! # Invariants
//!
//! - A timer never fires early, and at most one tick late by the times that `pop` is given: deadlines are rounded up to
//!   a tick, the time is rounded down (`tests::model`, against a sorted map).
//! - Timers fire in order of their ticks, and those of one tick in the order in which they were set: a slot's list
//!   cascades, in its order, when the hand enters it, which is before anything can be set directly into the slots
//!   below.
//! - A [`Key`] whose timer has fired or was cancelled is never mistaken for a newer timer's: it carries its place's
//!   generation.
//! - Slots behind the hand are empty, on every level.
//! - Time does not go back: a `now` earlier than the last one is taken for the last one.
//!
//! # Cost
//!
//! Setting, cancelling and moving are O(1). A timer cascades at most once a level on its way down, so that firing is
//! O(1) too, with a constant of the levels that its distance spans: ten minutes in ticks of a millisecond are four. The
//! hand's way over empty time costs a few instructions a level. A timer takes its value and 24 bytes, the wheel itself
//! 5.7 KiB. The arena keeps its greatest size.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use xs_os::Nanos;
//! use xs_os::timer::Wheel;
//!
//! let start = Nanos::ZERO;
//! let mut wheel = Wheel::new(start, Duration::from_millis(1));
//! wheel.insert(start + Duration::from_millis(30), "retry");
//! let idle = wheel.insert(start + Duration::from_secs(60), "idle");
//!
//! assert_eq!(wheel.pop(start + Duration::from_millis(29)), None);
//! assert_eq!(wheel.pop(start + Duration::from_millis(30)), Some("retry"));
//! assert_eq!(wheel.remove(idle), Some("idle"));
//! assert_eq!(wheel.next(), None); // nothing is waited for: sleep without end
//! ```
//!
//! # How others do it
//!
//! Linux keeps wheels for timeouts (`timer_list`) and a tree for what must be exact (`hrtimer`); since 4.8 its wheels
//! do not cascade, and fire up to an eighth late instead. Kafka has a hierarchical wheel for its purgatory, of 20 slots
//! a level, with a heap of occupied slots in place of words. tokio's is as this one, with six levels. Go kept a heap of
//! four children for each processor; nginx keeps a red-black tree; libuv a binary heap.
//!
//! # What this leaves out
//!
//! Deadlines finer than the tick, a slack by which timers may be gathered, timers that repeat (set the next when one
//! fires), locks: a wheel belongs to one thread.
//!
//! # Try next
//!
//! Count the cascades of a million timeouts of 30 seconds of which a thousandth fires, in ticks of 1 and of 100
//! milliseconds. Then do not cascade, fire late, and see who would notice.
//!
//! # Sources
//!
//! G. Varghese and A. Lauck, "Hashed and Hierarchical Timing Wheels" (SOSP 1987), schemes 6 and 7; Linux,
//! `kernel/time/timer.c`; Kafka, `org.apache.kafka.server.util.timer.TimingWheel`.

mod list;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::Nanos;
use list::{Arena, List};

/// Slots a level: a digit of six bits.
const SLOTS: usize = 64;
const DIGIT: u32 = SLOTS.trailing_zeros();
/// As many digits as 64 bits have.
const LEVELS: usize = (u64::BITS.div_ceil(DIGIT)) as usize;

/// A timer that was set, to cancel or move it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    place: u32,
    generation: u32,
}

/// Where a timer's list is.
#[derive(Debug, Clone, Copy)]
enum Slot {
    /// Its tick has come.
    Due,
    At {
        level: u8,
        slot: u8,
    },
}

/// One of the wheels: its slots' lists, and a word of which are not empty.
#[derive(Clone, Copy)]
struct Level {
    occupied: u64,
    slots: [List; SLOTS],
}

/// Timers, each with a deadline and a value. See the [module page](self).
pub struct Wheel<T> {
    start: Nanos,
    /// Nanoseconds.
    tick: u64,
    /// The tick up to which all is due.
    hand: u64,
    levels: Box<[Level; LEVELS]>,
    due: List,
    timers: Arena<T>,
}

impl<T> Wheel<T> {
    /// An empty wheel whose ticks are counted from `start`. A tick is a nanosecond at least.
    pub fn new(start: Nanos, tick: Duration) -> Self {
        let tick = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX).max(1);
        let empty = Level { occupied: 0, slots: [List::EMPTY; SLOTS] };
        Wheel { start, tick, hand: 0, levels: Box::new([empty; LEVELS]), due: List::EMPTY, timers: Arena::new() }
    }

    /// How many timers are set and have not been popped.
    pub fn len(&self) -> usize {
        self.timers.len()
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets a timer. One whose deadline is past is popped by the next [`pop`](Self::pop).
    ///
    /// # Panics
    ///
    /// If 2³² timers are set, which would be a hundred gigabytes of them.
    pub fn insert(&mut self, deadline: Nanos, value: T) -> Key {
        let tick = self.tick_after(deadline);
        let key = self.timers.add(tick, value);
        self.link(key.place, tick);
        key
    }

    /// Cancels a timer and gives its value back, if it has neither been popped nor cancelled.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.timers.slot_of(key)?;
        self.unlink(key.place, slot);
        self.timers.take(key.place)
    }

    /// Gives a timer another deadline, as removing it and setting it anew would; its key stays good. `false` if it has
    /// been popped or cancelled.
    pub fn reset(&mut self, key: Key, deadline: Nanos) -> bool {
        let Some(slot) = self.timers.slot_of(key) else { return false };
        self.unlink(key.place, slot);
        let tick = self.tick_after(deadline);
        self.timers.set_tick(key.place, tick);
        self.link(key.place, tick);
        true
    }

    /// The value of a timer that is set.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.timers.slot_of(key)?;
        self.timers.value(key.place)
    }

    /// When to call [`pop`](Self::pop) next: no timer fires earlier than that, and sleeping until then is late for
    /// none. It may be earlier than the first deadline, by what a slot of that timer's level is wide: then that `pop`
    /// gives nothing, and the next answer is nearer.
    pub fn next(&self) -> Option<Nanos> {
        let tick = if self.due.is_empty() { self.next_slot()?.2 } else { self.hand };
        Some(self.start.later(tick.saturating_mul(self.tick)))
    }

    /// Takes the next timer whose deadline is not after `now`, if there is one.
    pub fn pop(&mut self, now: Nanos) -> Option<T> {
        if self.due.is_empty() {
            self.advance(now.since(self.start) / self.tick);
        }
        let place = self.due.first()?;
        self.unlink(place, Slot::Due);
        self.timers.take(place)
    }

    /// The first tick that is not before a moment.
    fn tick_after(&self, deadline: Nanos) -> u64 {
        deadline.since(self.start).div_ceil(self.tick)
    }

    /// Brings the hand to a tick: everything up to it is due then.
    fn advance(&mut self, to: u64) {
        while let Some((level, slot, from)) = self.next_slot() {
            if from > to {
                break;
            }
            self.hand = from;
            let all = std::mem::replace(&mut self.levels[level].slots[slot], List::EMPTY);
            self.levels[level].occupied &= !(1 << slot);
            let mut next = all.first();
            while let Some(place) = next {
                next = self.timers.next(place);
                let tick = self.timers.tick(place);
                self.link(place, tick);
            }
        }
        self.hand = self.hand.max(to);
    }

    /// The next slot that the hand comes to and that holds something: its level, its number and its first tick.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        // A lower level's slots all lie within the slot that the hand is in on the levels above.
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        let slot = self.levels[level].occupied.trailing_zeros();
        let below = DIGIT * level as u32;
        let above = self.hand.checked_shr(below + DIGIT).map_or(0, |high| high << (below + DIGIT));
        Some((level, slot as usize, above | u64::from(slot) << below))
    }

    /// Appends a timer to the list where its tick belongs.
    fn link(&mut self, place: u32, tick: u64) {
        if tick <= self.hand {
            self.timers.push(&mut self.due, place, Slot::Due);
            return;
        }
        let level = (tick ^ self.hand).ilog2() / DIGIT;
        let slot = (tick >> (level * DIGIT)) % SLOTS as u64;
        let of = &mut self.levels[level as usize];
        of.occupied |= 1 << slot;
        self.timers.push(&mut of.slots[slot as usize], place, Slot::At { level: level as u8, slot: slot as u8 });
    }

    fn unlink(&mut self, place: u32, slot: Slot) {
        match slot {
            Slot::Due => self.timers.unlink(&mut self.due, place),
            Slot::At { level, slot } => {
                let level = &mut self.levels[usize::from(level)];
                let list = &mut level.slots[usize::from(slot)];
                self.timers.unlink(list, place);
                if list.is_empty() {
                    level.occupied &= !(1 << slot);
                }
            }
        }
    }
}

impl<T> fmt::Debug for Wheel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel").field("len", &self.len()).field("hand", &self.hand).finish_non_exhaustive()
    }
}
