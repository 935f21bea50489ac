//! A fixed window of which what passes is counted without a look at the clock.

use std::ops::DerefMut;
use std::time::Duration;

#[cfg(xs_loom)]
use loom::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};
#[cfg(not(xs_loom))]
use parking_lot::Mutex;
#[cfg(not(xs_loom))]
use std::sync::atomic::{AtomicU64, Ordering};

use xs_os::Nanos;

use super::policy::{fits, within};
use super::rate::{later, nanos_from};
use super::{Denied, Limit, Rate};
use crate::Timer;

/// At most `rate.amount()` in a window, which lasts until its amount is used up, and for `rate.period()` at least.
///
/// Reading the clock is most of what a limit costs. Whoever finds a unit left needs no clock here: only the request that finds
/// none asks whether the window is a period old, and begins the next one if it is. So a window begins with its first request, as
/// that of a [`FixedWindow`](super::FixedWindow) does, but what is left of it does not expire.
///
/// *What passes.* Windows begin a period apart or more, so any stretch of a period sees one beginning at most, and what passes in
/// it belongs to two windows: at most twice the amount, the bound of the fixed window. After a quiet time all of that may come
/// at once, the rest of the old window and a new one. Whoever keeps to the rate is never refused: a window that he has used up is
/// a period old.
///
/// ```
/// use xs_net::limit::{AtomicWindow, Rate};
/// use xs_os::{Clock, VirtualClock};
///
/// let clock = VirtualClock::new();
/// let limit = AtomicWindow::new(Rate::per_minute(2)?);
/// assert!(limit.check(clock.nanos(), 1).is_ok());
/// assert!(limit.check(clock.nanos(), 1).is_ok());
/// assert!(limit.check(clock.nanos(), 1).is_err());
/// # Ok::<(), xs_net::limit::InvalidRate>(())
/// ```
#[derive(Debug)]
pub struct AtomicWindow {
    rate: Rate,
    /// What is left of the window that is open. Whoever finds enough takes it, and that is all: the counter is changed by
    /// exchanges alone, but for the beginning of a window.
    left: AtomicU64,
    /// When the next window begins at the earliest; zero while nobody but the lock knows. Written after the `left` that belongs
    /// to it, so that whoever reads this and then finds too little left has been refused by one window.
    opens: AtomicU64,
    turn: Mutex<Turn>,
}

/// The last window that anybody has a place in.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// None before the first request.
    start: Option<Nanos>,
    /// What is left of a window that is promised and has not begun; `left` is zero then.
    promised: Option<u64>,
}

impl AtomicWindow {
    /// Windows as `rate` says.
    pub fn new(rate: Rate) -> Self {
        AtomicWindow { rate, left: AtomicU64::new(0), opens: AtomicU64::new(0), turn: Mutex::new(Turn::default()) }
    }

    /// Takes `cost` units now.
    ///
    /// # Errors
    ///
    /// [`Denied`], and nothing was taken.
    #[inline]
    pub fn check(&self, now: Nanos, cost: u64) -> Result<(), Denied> {
        self.reserve(&(), now, cost, Duration::ZERO).map(drop)
    }

    #[inline]
    fn ask(&self, now: impl FnOnce() -> Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        fits(cost, self.rate.amount())?;
        if cost == 0 || self.take(cost) {
            return Ok(Duration::ZERO);
        }
        self.used_up(now(), cost, patience)
    }

    /// Takes what is left of the window that is open, if that is enough.
    #[inline]
    fn take(&self, cost: u64) -> bool {
        let mut left = self.left.load(Ordering::Relaxed);
        while let Some(less) = left.checked_sub(cost) {
            match self.left.compare_exchange_weak(left, less, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(present) => left = present,
            }
        }
        false
    }

    #[inline]
    fn used_up(&self, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        if patience.is_zero() {
            let wait = Nanos::new(self.opens.load(Ordering::Acquire)).since(now);
            if wait > 0 && self.left.load(Ordering::Relaxed) < cost {
                return Err(Denied::Busy { retry_after_nanos: wait });
            }
        }
        self.next(now, cost, patience)
    }

    /// Opens the next window if it is time, or promises a place in it.
    #[cold]
    fn next(&self, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        let (limit, period) = (self.rate.amount(), self.rate.period_nanos());
        let mut turn = self.turn();
        let start = turn.start.unwrap_or(now);
        let following = later(start, u128::from(period));
        if let Some(promised) = turn.promised.filter(|_| start <= now) {
            turn.promised = None;
            self.open(promised, following);
        }
        let (start, rest) = match turn.promised {
            Some(promised) if cost <= promised => (start, promised - cost),
            Some(_) => (following, limit - cost),
            // Somebody else may have opened a window before us.
            None if self.take(cost) => return Ok(Duration::ZERO),
            None if turn.start.is_none() || nanos_from(start, now) >= period => {
                turn.start = Some(now);
                self.open(limit - cost, later(now, u128::from(period)));
                return Ok(Duration::ZERO);
            }
            None => (following, limit - cost),
        };
        let wait = within(patience, u128::from(nanos_from(now, start)))?;
        // What is left of the window before this one is given up: who is promised a moment is served before who comes later.
        self.open(0, Nanos::ZERO);
        *turn = Turn { start: Some(start), promised: Some(rest) };
        Ok(wait)
    }

    /// From now on so much may pass, and when that is gone, no more until then. Called under the lock.
    fn open(&self, left: u64, opens: Nanos) {
        self.left.store(left, Ordering::Relaxed);
        self.opens.store(opens.get(), Ordering::Release);
    }

    #[cfg(not(xs_loom))]
    fn turn(&self) -> impl DerefMut<Target = Turn> {
        self.turn.lock()
    }

    #[cfg(xs_loom)]
    fn turn(&self) -> impl DerefMut<Target = Turn> {
        self.turn.lock().expect("nobody panics under it")
    }
}

impl Limit for AtomicWindow {
    #[inline]
    fn reserve(&self, (): &(), now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        self.ask(|| now, cost, patience)
    }

    #[inline]
    fn reserve_by(&self, (): &(), timer: &Timer, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        self.ask(|| timer.nanos(), cost, patience)
    }
}

#[cfg(all(test, xs_loom))]
mod loom_tests {
    use super::*;
    use loom::thread;
    use std::sync::Arc;
    use xs_os::{Clock, VirtualClock};

    /// A limit of so many a second of which a first window is used up, and the moment at which that one began.
    fn used_up(amount: u64) -> (Arc<AtomicWindow>, Nanos) {
        let (limit, now) = (AtomicWindow::new(Rate::per_second(amount).unwrap()), VirtualClock::new().nanos());
        limit.check(now, amount).unwrap();
        (Arc::new(limit), now)
    }

    #[test]
    fn one_window_is_opened_by_all_who_come_when_it_is_time() {
        loom::model(|| {
            let (limit, began) = used_up(2);
            let now = began + Duration::from_secs(1);
            let ask = move |limit: &AtomicWindow| usize::from(limit.check(now, 1).is_ok());
            let theirs = limit.clone();
            let other = thread::spawn(move || ask(&theirs) + ask(&theirs));
            let passed = ask(&limit) + other.join().unwrap();
            assert_eq!(passed, 2);
        });
    }

    #[test]
    fn nobody_is_refused_by_two_halves_of_two_windows() {
        loom::model(|| {
            let (limit, began) = used_up(2);
            let now = began + Duration::from_secs(1);
            let theirs = limit.clone();
            let other = thread::spawn(move || theirs.check(now, 1));
            // Two are left, and only two ask: whoever opens the window, both pass.
            assert_eq!((limit.check(now, 1), other.join().unwrap()), (Ok(()), Ok(())));
        });
    }

    #[test]
    fn two_who_wait_get_two_places_and_nobody_slips_in() {
        loom::model(|| {
            let (limit, began) = used_up(1);
            let theirs = limit.clone();
            let other = thread::spawn(move || theirs.reserve(&(), began, 1, Duration::MAX).unwrap());
            let mut waits = [limit.reserve(&(), began, 1, Duration::MAX).unwrap(), other.join().unwrap()];
            waits.sort();
            assert_eq!(waits, [Duration::from_secs(1), Duration::from_secs(2)]);
            assert!(limit.check(began + Duration::from_secs(2), 1).is_err());
        });
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use super::*;
    use crate::limit::model::{History, densest, follow, rates, steps};
    use proptest::prelude::*;
    use xs_os::{Clock, VirtualClock};

    /// By its definition: all that has passed is dealt out to windows in order, each as full as it goes.
    fn window(rate: Rate, history: &History, now: u64, cost: u64) -> bool {
        let (limit, period) = (rate.amount(), rate.period().as_nanos() as u64);
        let last = history.iter().fold(None, |window, &(at, cost)| match window {
            Some((start, used)) if used + cost <= limit => Some((start, used + cost)),
            _ => Some((at, cost)),
        });
        last.is_none_or(|(start, used)| used + cost <= limit || now - start >= period)
    }

    proptest! {
        #[test]
        fn it_is_its_definition_and_passes_at_most_twice_its_amount_in_a_period(rate in rates(), steps in steps()) {
            let limit = AtomicWindow::new(rate);
            let ask = |now, cost, patience| limit.reserve(&(), now, cost, patience);
            let history = follow(rate.amount(), &steps, ask, |history, now, cost| window(rate, history, now, cost));
            prop_assert!(densest(&history, rate.period().as_nanos() as u64) <= 2 * rate.amount());
        }

        #[test]
        fn who_keeps_to_the_rate_is_never_refused(rate in rates(), early in 0_u64..100) {
            let (limit, mut clock) = (AtomicWindow::new(rate), VirtualClock::new().nanos());
            // A period ago, some of a window was used up.
            let _ = limit.check(clock, early % (rate.amount() + 1));
            clock += rate.period();
            for _ in 0..5 * rate.amount() {
                clock += rate.interval();
                prop_assert_eq!(limit.check(clock, 1), Ok(()));
            }
        }

        #[test]
        fn nothing_is_too_much(
            amount in prop_oneof![any::<u64>(), Just(u64::MAX)],
            period in any::<u64>(),
            steps in proptest::collection::vec((any::<u64>(), any::<u64>()), 1..20),
        ) {
            let Ok(rate) = Rate::new(amount, Duration::from_nanos(period)) else { return Ok(()) };
            let (limit, mut now) = (AtomicWindow::new(rate), VirtualClock::new().nanos());
            for (pause, cost) in steps {
                now += Duration::from_nanos(pause >> (pause % 64));
                let _ = limit.reserve(&(), now, cost >> (cost % 64), Duration::from_nanos(pause));
                let _ = limit.reserve(&(), now, amount, Duration::MAX);
                let answer = limit.reserve(&(), now, 1, Duration::ZERO);
                prop_assert!(answer.is_err() || answer == Ok(Duration::ZERO));
            }
        }
    }

    /// Counts how often it is read.
    #[derive(Debug, Default)]
    struct Counted(VirtualClock, parking_lot::Mutex<Cell<u32>>);

    impl Clock for Counted {
        fn now(&self) -> std::time::Instant {
            self.1.lock().update(|read| read + 1);
            self.0.now()
        }

        fn wall(&self) -> std::time::SystemTime {
            self.0.wall()
        }
    }

    #[test]
    fn the_clock_is_read_when_the_count_is_used_up_and_not_before() {
        let clock = Arc::new(Counted::default());
        let (limit, timer) = (AtomicWindow::new(Rate::per_second(100).unwrap()), Timer::new(clock.clone()));
        let ask = || limit.reserve_by(&(), &timer, 1, Duration::ZERO);
        for _ in 0..3 {
            assert_eq!((0..100).filter(|_| ask().is_ok()).count(), 100);
            clock.0.advance(Duration::from_secs(1));
        }
        assert_eq!(clock.1.lock().get(), 3);
        assert_eq!((0..100).filter(|_| ask().is_ok()).count(), 100);
        assert_eq!(ask(), Err(Denied::Busy { retry_after_nanos: 1_000_000_000 }));
    }

    #[test]
    fn threads_share_it_exactly() {
        let now = VirtualClock::new().nanos();
        let limit = AtomicWindow::new(Rate::per_second(1000).unwrap());
        for second in 0..3 {
            let now = now + Duration::from_secs(second);
            let ask = || (0..1000).filter(|_| limit.check(now, 1).is_ok()).count();
            let passed: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!(passed, 1000);
        }
    }
}
