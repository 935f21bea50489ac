//! Sleeping by a clock that was passed in: [`Timer`] and [`Sleep`].
//!
//! # The problem
//!
//! Time-outs are where a server's bugs hide, and waiting for them is where its tests go slow. The clock is already an
//! argument everywhere ([`xs_os::clock`]), but a clock only tells the time: somebody has to wake the sleeper. In
//! production that is the runtime's timer wheel, in a test it must be the test.
//!
//! # How it works
//!
//! A [`Sleep`] asks the clock to wake it. A clock that keeps wakers, as the virtual one does, takes the job; the
//! system's clock declines, and the sleep arms a timer of the runtime that it is polled in:
//!
//! ```text
//!   Sleep::poll ── now() >= deadline ──────────────▶ Ready
//!        │
//!        └── clock.wake_at(deadline, waker) ──▶ ByClock    woken by VirtualClock::advance
//!                                           └─▶ ByReactor  woken by tokio's wheel (resolution 1 ms)
//! ```
//!
//! # Invariants
//!
//! - A sleep is never ready before `clock.now() >= deadline`: every wake-up looks at the clock again (`Sleep::poll`).
//! - A sleep that is polled again with the same waker arms nothing new, and one that is dropped or moved takes back what it
//!   armed: the clock's list has a place for each sleeper and no more.
//! - With a virtual clock nothing here touches the runtime: the same code runs under any executor.
//!
//! # Cost
//!
//! Making a sleep is a reference count at most. The system's clock and the counter of ticks are known by name, so that the
//! compiler puts their reading where it is needed; any other clock costs a call through its table. Ticks, which [`Timer::default`]
//! counts where it may, are read in half of the time. The first poll allocates the runtime's timer once, [`Sleep::reset`] reuses it. Each poll reads the clock (20 ns), so hot loops should poll a sleep only when it may have fired.
//!
//! # Example
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use xs_net::Timer;
//! use xs_os::VirtualClock;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let clock = VirtualClock::new();
//! let timer = Timer::new(Arc::new(clock.clone()));
//! let hour = timer.sleep(Duration::from_secs(3600));
//! clock.advance(Duration::from_secs(3600)); // takes no time at all
//! hour.await;
//! # }
//! ```
//!
//! # How others do it
//!
//! tokio pauses the clock of a whole runtime; hyper and quinn take a timer as a trait object. Here the clock is the
//! argument and the timer a thin shell around it, because the blocks below xs-net need the clock without any runtime. governor
//! makes the clock a parameter of the type; then every layer, and whatever holds one, has it in its type as well.
//!
//! # What this leaves out
//!
//! Intervals, and more precision than the runtime's millisecond.
//!
//! # Try next
//!
//! Give two servers in one test two clocks and let one run ahead: a lease that both trust breaks visibly.
//!
//! # Sources
//!
//! `tokio::time`; G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels" (1987), the structure that tokio's
//! timer follows.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
#[cfg(feature = "ticks")]
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use xs_os::clock::Wake;
use xs_os::{Clock, Nanos, SystemClock};

/// Makes sleeps by one clock. Clones are cheap and share the clock.
#[derive(Debug, Clone)]
pub struct Timer(Source);

/// A clock. Those that are read in each of millions of calls are known by name, so that the compiler can put the reading where
/// it is needed; all others are asked through their table.
#[derive(Debug, Clone)]
enum Source {
    System,
    #[cfg(feature = "ticks")]
    Ticks(Arc<xs_os::TickClock>),
    Other(Arc<dyn Clock>),
}

/// Asks the clock, whichever it is.
macro_rules! ask {
    ($source:expr, $clock:ident => $answer:expr) => {
        match $source {
            Source::System => {
                let $clock = &SystemClock;
                $answer
            }
            #[cfg(feature = "ticks")]
            Source::Ticks($clock) => $answer,
            Source::Other($clock) => $answer,
        }
    };
}

/// By the clock that is read in the least time: what layers are best given, which look at the time in each call and measure by it
/// alone. That is the processor's counter ([`Timer::ticks`]) with feature `ticks`, where the machine has one that keeps its speed,
/// and the system's clock otherwise.
impl Default for Timer {
    fn default() -> Self {
        #[cfg(feature = "ticks")]
        return Timer::ticks();
        #[cfg(not(feature = "ticks"))]
        Timer::system()
    }
}

impl Timer {
    /// A timer by `clock`. By the system's it is better made by [`Timer::system`], which reads it in less time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Timer(Source::Other(clock))
    }

    /// A timer by the operating system's clock. Its sleeps must be polled inside a tokio runtime.
    pub fn system() -> Self {
        Timer(Source::System)
    }

    /// A timer by the processor's counter, which is read in less time: for layers that look at the time in each call. What is
    /// given up for that is said at [`TickClock`](xs_os::TickClock). Its sleeps must be polled inside a tokio runtime.
    #[cfg(feature = "ticks")]
    pub fn ticks() -> Self {
        // One for all, so that a moment that one timer has read is the same to each other one.
        static TICKS: LazyLock<Arc<xs_os::TickClock>> = LazyLock::new(Arc::default);
        Timer(Source::Ticks(TICKS.clone()))
    }

    /// The clock behind it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        match &self.0 {
            Source::System => Arc::new(SystemClock),
            #[cfg(feature = "ticks")]
            Source::Ticks(clock) => clock.clone(),
            Source::Other(clock) => clock.clone(),
        }
    }

    /// The monotonic instant, by the clock.
    #[inline]
    pub fn now(&self) -> Instant {
        ask!(&self.0, clock => clock.now())
    }

    /// The monotonic instant as one number, by the clock: for layers that look at the time in each call.
    #[inline]
    pub fn nanos(&self) -> Nanos {
        ask!(&self.0, clock => clock.nanos())
    }

    /// The calendar, by the clock.
    pub fn wall(&self) -> SystemTime {
        ask!(&self.0, clock => clock.wall())
    }

    /// Sleeps until `deadline`.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep { timer: self.clone(), deadline, armed: None, reactor: None }
    }

    /// Sleeps for `duration` from now on.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        // A duration that no instant can hold means "for ever"; thirty years are as good.
        const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        let now = self.now();
        self.sleep_until(now.checked_add(duration).unwrap_or_else(|| now + FOREVER))
    }

    /// Runs `future` for `limit` at most; `None` means that the time was up and the future has been dropped.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut sleep = self.sleep(limit);
        tokio::select! {
            biased;
            output = &mut future => Some(output),
            () = &mut sleep => None,
        }
    }
}

/// A future that is ready once the clock has reached its deadline.
#[derive(Debug)]
#[must_use = "a sleep does nothing until it is polled"]
pub struct Sleep {
    timer: Timer,
    deadline: Instant,
    /// The waker that the clock keeps for us, so that the same one isn't armed twice.
    armed: Option<Waker>,
    reactor: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Sleep {
    /// When it is ready.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Moves the deadline. The sleep must be polled again to be woken.
    pub fn reset(&mut self, deadline: Instant) {
        self.disarm();
        self.deadline = deadline;
        if let Some(sleep) = &mut self.reactor {
            sleep.as_mut().reset(deadline.into());
        }
    }

    /// The clock need not keep its waker any longer.
    fn disarm(&mut self) {
        if let Some(waker) = self.armed.take() {
            ask!(&self.timer.0, clock => clock.forget(self.deadline, &waker));
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

impl Future for Sleep {
    type Output = ();

    // This is where the runtime's timer is reached, and the only place.
    #[allow(clippy::disallowed_methods)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let now = this.timer.now();
            if now >= this.deadline {
                // The clock has forgotten it by itself.
                this.armed = None;
                return Poll::Ready(());
            }
            if this.reactor.is_none() {
                if this.armed.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    return Poll::Pending;
                }
                this.disarm();
                match ask!(&this.timer.0, clock => clock.wake_at(this.deadline, cx.waker())) {
                    Wake::ByClock => {
                        this.armed = Some(cx.waker().clone());
                        // Another thread may have moved the clock between the reading and the arming; the clock then
                        // wakes at once, so waiting is right.
                        return Poll::Pending;
                    }
                    Wake::ByReactor => {
                        this.reactor = Some(Box::pin(tokio::time::sleep_until(this.deadline.into())));
                    }
                }
            }
            if let Some(sleep) = &mut this.reactor {
                match sleep.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    // The runtime's clock may be paused and run ahead of ours, which then decides.
                    Poll::Ready(()) if this.timer.now() >= this.deadline => return Poll::Ready(()),
                    Poll::Ready(()) => {
                        let rest = this.deadline.saturating_duration_since(this.timer.now());
                        sleep.as_mut().reset(tokio::time::Instant::now() + rest.max(Duration::from_millis(1)));
                    }
                }
            }
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use xs_os::VirtualClock;

    #[tokio::test]
    async fn virtual_sleepers_wake_when_the_clock_is_moved_and_not_before() {
        let clock = VirtualClock::new();
        let timer = Timer::new(Arc::new(clock.clone()));
        let done = Arc::new(AtomicBool::new(false));
        let seen = done.clone();
        let sleep = timer.sleep(Duration::from_secs(60));
        let task = tokio::spawn(async move {
            sleep.await;
            seen.store(true, Ordering::SeqCst);
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!done.load(Ordering::SeqCst));
        clock.advance(Duration::from_secs(1));
        task.await.unwrap();
        assert!(done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn polling_again_does_not_arm_again() {
        let clock = VirtualClock::new();
        let timer = Timer::new(Arc::new(clock.clone()));
        let mut sleep = timer.sleep(Duration::from_secs(1));
        let waker = Waker::noop();
        for _ in 0..100 {
            assert!(Pin::new(&mut sleep).poll(&mut Context::from_waker(waker)).is_pending());
        }
        assert!(format!("{clock:?}").contains("armed: 1"));
        sleep.reset(clock.now() + Duration::from_secs(2));
        assert!(Pin::new(&mut sleep).poll(&mut Context::from_waker(waker)).is_pending());
        assert_eq!(clock.next_deadline(), Some(sleep.deadline()));
        drop(sleep);
        assert_eq!(clock.next_deadline(), None);
    }

    #[tokio::test]
    async fn the_systems_clock_sleeps_on_the_runtime_and_can_be_reset() {
        let timer = Timer::system();
        let start = timer.now();
        let mut sleep = timer.sleep(Duration::from_millis(5));
        (&mut sleep).await;
        sleep.reset(timer.now() + Duration::from_millis(5));
        sleep.await;
        assert!(timer.now() - start >= Duration::from_millis(10));
    }

    #[cfg(feature = "ticks")]
    #[tokio::test]
    async fn ticks_sleep_on_the_runtime_as_well() {
        let timer = Timer::ticks();
        let (start, by_system) = (timer.now(), Timer::system().now());
        timer.sleep(Duration::from_millis(20)).await;
        assert!(timer.now() - start >= Duration::from_millis(20));
        assert!(Timer::system().now() - by_system >= Duration::from_millis(19));
    }

    #[tokio::test]
    async fn a_timeout_gives_the_result_or_gives_up() {
        let clock = VirtualClock::new();
        let timer = Timer::new(Arc::new(clock.clone()));
        assert_eq!(timer.timeout(Duration::from_secs(1), async { 7 }).await, Some(7));
        let never = timer.timeout(Duration::from_secs(1), std::future::pending::<()>());
        let (none, ()) = tokio::join!(never, async { clock.advance(Duration::from_secs(1)) });
        assert_eq!(none, None);
    }
}
