//! Time as an argument: the [`Clock`] that every block receives, the system's and a virtual one.
//!
//! # The problem
//!
//! A program that reads the time from the air cannot be tested at the moment that matters: the millisecond in which a
//! key expires, a lease ends or a retry is due. It cannot be replayed either, because no two runs see the same
//! readings.
//!
//! # How it works
//!
//! Whoever assembles a system makes one clock and hands it to every block. [`SystemClock`] asks the operating system.
//! [`VirtualClock`] stands still until a test moves it:
//!
//! ```text
//!   test ── advance(5 s) ──▶ VirtualClock ── wakes every waker armed at or before the new instant
//!                               ▲    │
//!                    now(), wall()   └─▶ timers (in async code), polled again, see the new time
//! ```
//!
//! Both faces of time are there. [`Clock::now`] is monotonic and answers "how long"; [`Clock::wall`] is the calendar
//! and answers "when". The virtual clock moves both together; [`VirtualClock::set_wall`] moves the calendar alone, as
//! an operator or NTP would.
//!
//! A reading of `now` is seconds and nanoseconds, and each difference of two is put together again. For what does that in each
//! of millions of calls there is [`Clock::nanos`]: the same moment as one number ([`Nanos`]), into which an `Instant` can be
//! turned, and back.
//!
//! Waiting is the third face. Sleeping is a runtime's business, so the trait only lets a sleeper say when it wants to
//! be woken ([`Clock::wake_at`]). The system clock declines, and the caller uses its reactor's timer; the virtual clock
//! accepts and keeps the waker.
//!
//! # Invariants
//!
//! - `now` never goes backwards, on either clock (`VirtualClock::advance` takes a `Duration`, which cannot be negative).
//! - `advance` wakes exactly the wakers whose deadline has been reached, in order of deadline and then of arming, and
//!   it wakes them after the lock is released, so a waker may ask for the time.
//!
//! # Cost
//!
//! `SystemClock::now` is one vDSO call (about 20 ns), and so is its `nanos` on Linux; elsewhere that takes an `Instant` apart,
//! which costs as much again. `TickClock::now` (feature `ticks`) reads the processor's counter and asks
//! nobody, which saves a third of that or so, for whoever reads the clock for each of millions of calls; most of the rest is
//! making an `Instant` of it, which `nanos` spares. `VirtualClock::now` is one uncontended lock; arming is
//! O(log armed).
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use xs_os::{Clock, VirtualClock};
//!
//! let clock = VirtualClock::new();
//! let before = clock.now();
//! clock.advance(Duration::from_secs(3600)); // takes no time at all
//! assert_eq!(clock.now() - before, Duration::from_secs(3600));
//! ```
//!
//! # How others do it
//!
//! smoltcp passes a timestamp into every call; quinn passes `now: Instant`; tokio can pause its own clock inside one
//! runtime. An argument is the purest form and this project's pure cores use it; a clock object serves the code that
//! needs the time at a moment of its own choosing.
//!
//! # What this leaves out
//!
//! Following the system's clock where it is slewed: a `TickClock` keeps the speed that it measured at its start, and is off by
//! some millionths. Clock skew between nodes and drift: they belong to the simulated world (`sim`), which
//! makes one clock per node.
//!
//! # Try next
//!
//! Write a clock that runs at twice the speed of another one, and watch which of a system's timeouts are ratios and
//! which are constants.
//!
//! # Sources
//!
//! `clock_gettime(2)`; L. Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System" (1978) for why
//! the two faces must not be mixed.

mod nanos;
mod system;
#[cfg(feature = "ticks")]
mod ticks;
mod utc;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

pub use nanos::Nanos;
pub use system::SystemClock;
#[cfg(feature = "ticks")]
pub use ticks::TickClock;
pub use utc::Utc;

/// The time, as a block sees it.
pub trait Clock: Send + Sync + Debug {
    /// The monotonic instant: for durations, deadlines and timeouts.
    fn now(&self) -> Instant;

    /// The calendar: for what is written down or shown to people.
    fn wall(&self) -> SystemTime;

    /// The monotonic instant as one number: for what reads the time in each of millions of calls.
    #[inline]
    fn nanos(&self) -> Nanos {
        self.now().into()
    }

    /// Asks for `waker` to be woken once `now() >= deadline`.
    ///
    /// Returns [`Wake::ByReactor`] when this clock keeps no wakers, as the system's does: the caller then uses the
    /// timer of its runtime. A waker may be woken early or more than once; whoever wakes looks at the time again.
    fn wake_at(&self, deadline: Instant, waker: &Waker) -> Wake {
        let _ = (deadline, waker);
        Wake::ByReactor
    }

    /// Takes back a [`Clock::wake_at`] with the same arguments, of one who no longer waits. A clock that keeps no wakers has
    /// nothing to forget.
    fn forget(&self, deadline: Instant, waker: &Waker) {
        let _ = (deadline, waker);
    }
}

/// Who wakes a sleeper: the answer of [`Clock::wake_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The clock keeps the waker and wakes it when its time comes.
    ByClock,
    /// The clock runs by itself: use the runtime's timer.
    ByReactor,
}

/// A clock that stands still until it is told to move. Clones share one time.
#[derive(Clone)]
pub struct VirtualClock {
    state: Arc<Mutex<VirtualTime>>,
}

struct VirtualTime {
    now: Instant,
    wall: SystemTime,
    /// Armed wakers by deadline, then by order of arming.
    armed: BTreeMap<(Instant, u64), Waker>,
    next: u64,
}

/// Where virtual wall time starts: 2020-01-01T00:00:00Z, so that a trace never depends on the day of the run.
pub const VIRTUAL_EPOCH: Duration = Duration::from_secs(1_577_836_800);

impl VirtualClock {
    /// A clock that starts at an arbitrary instant, with the calendar at [`VIRTUAL_EPOCH`].
    // An `Instant` can only be made by reading one; it serves as an anchor and nothing ever compares it with real time.
    #[allow(clippy::disallowed_methods)]
    pub fn new() -> Self {
        Self::starting_at(Instant::now(), SystemTime::UNIX_EPOCH + VIRTUAL_EPOCH)
    }

    /// A clock that starts where it is told: several with one anchor, or one that goes on where another stood.
    pub fn starting_at(now: Instant, wall: SystemTime) -> Self {
        let state = VirtualTime { now, wall, armed: BTreeMap::new(), next: 0 };
        VirtualClock { state: Arc::new(Mutex::new(state)) }
    }

    /// Moves both faces forward by `by` and wakes whoever waited for a moment up to there.
    pub fn advance(&self, by: Duration) {
        let due = {
            let mut state = self.state.lock();
            state.now += by;
            state.wall += by;
            let now = state.now;
            let later = state.armed.split_off(&(now, u64::MAX));
            std::mem::replace(&mut state.armed, later)
        };
        due.into_values().for_each(Waker::wake);
    }

    /// Sets the calendar alone, forwards or backwards.
    pub fn set_wall(&self, wall: SystemTime) {
        self.state.lock().wall = wall;
    }

    /// The earliest deadline that somebody waits for: how far a test must advance for anything to happen.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.state.lock().armed.keys().next().map(|(at, _)| *at)
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Debug for VirtualClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        f.debug_struct("VirtualClock").field("wall", &state.wall).field("armed", &state.armed.len()).finish()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        self.state.lock().now
    }

    fn wall(&self) -> SystemTime {
        self.state.lock().wall
    }

    fn wake_at(&self, deadline: Instant, waker: &Waker) -> Wake {
        let mut state = self.state.lock();
        if state.now >= deadline {
            drop(state);
            waker.wake_by_ref();
            return Wake::ByClock;
        }
        let order = state.next;
        state.next += 1;
        state.armed.insert((deadline, order), waker.clone());
        Wake::ByClock
    }

    fn forget(&self, deadline: Instant, waker: &Waker) {
        let mut state = self.state.lock();
        let mut armed = state.armed.range((deadline, 0)..=(deadline, u64::MAX));
        let Some(key) = armed.find(|(_, kept)| kept.will_wake(waker)).map(|(key, _)| *key) else { return };
        let kept = state.armed.remove(&key);
        // Dropping a waker may drop a task, and that one's sleeps.
        drop(state);
        drop(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake as StdWake;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl StdWake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn virtual_time_moves_only_when_told_and_moves_both_faces() {
        let clock = VirtualClock::new();
        let (now, wall) = (clock.now(), clock.wall());
        assert_eq!((clock.now(), clock.wall()), (now, wall));
        clock.advance(Duration::from_millis(7));
        assert_eq!(clock.now() - now, Duration::from_millis(7));
        assert_eq!(clock.wall().duration_since(wall).unwrap(), Duration::from_millis(7));
    }

    #[test]
    fn a_waker_is_woken_at_its_deadline_and_not_before() {
        let clock = VirtualClock::new();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let at = clock.now() + Duration::from_secs(1);
        assert_eq!(clock.wake_at(at, &waker), Wake::ByClock);
        assert_eq!(clock.next_deadline(), Some(at));
        clock.advance(Duration::from_millis(999));
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        clock.advance(Duration::from_millis(1));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(clock.next_deadline(), None);
    }

    #[test]
    fn who_no_longer_waits_is_not_woken_and_is_no_deadline() {
        let clock = VirtualClock::new();
        let (one, other) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let at = clock.now() + Duration::from_secs(1);
        let (first, second) = (Waker::from(one.clone()), Waker::from(other.clone()));
        clock.wake_at(at, &first);
        clock.wake_at(at, &second);
        clock.forget(at, &first);
        clock.forget(at, &first);
        clock.advance(Duration::from_secs(1));
        assert_eq!((one.0.load(Ordering::SeqCst), other.0.load(Ordering::SeqCst)), (0, 1));
        clock.wake_at(at + Duration::from_secs(1), &first);
        clock.forget(at + Duration::from_secs(1), &first);
        assert_eq!(clock.next_deadline(), None);
    }

    #[test]
    fn a_deadline_that_has_passed_wakes_at_once() {
        let clock = VirtualClock::new();
        let count = Arc::new(Count::default());
        clock.wake_at(clock.now(), &Waker::from(count.clone()));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_calendar_can_be_set_back_while_durations_stay_true() {
        let clock = VirtualClock::new();
        let now = clock.now();
        clock.set_wall(SystemTime::UNIX_EPOCH);
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH);
        assert_eq!(clock.now(), now);
    }
}
