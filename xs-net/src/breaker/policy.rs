//! The decisions of a breaker, without a clock, a lock or a future: [`Breaker`].

use std::time::{Duration, Instant};

use super::window::Outcomes;
use super::{Outcome, Rejected, Totals, Window};

/// When a [`Breaker`] opens, for how long, and how it tries again.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerOptions {
    /// Which calls it looks at. Default: the last 100.
    pub window: Window,
    /// It stays closed until the window holds so many calls. In a window of fewer calls than this, that many are enough.
    /// Default 20.
    pub minimum_calls: u32,
    /// It opens when at least this share of the window failed, a number above 0; anything above 1 means never.
    /// Default 0.5.
    pub failure_rate: f64,
    /// A call that takes at least so long is slow, whatever it answers. Default: 30 s.
    pub slow_after: Duration,
    /// It opens when at least this share of the window was slow; anything above 1 means never. Default: never.
    pub slow_rate: f64,
    /// How long it stays open before it lets calls try. Default 5 s.
    pub open_for: Duration,
    /// The time open is multiplied by this each time the trial fails; below 1 counts as 1. Default 2.
    pub open_growth: f64,
    /// The longest time open. Default 60 s.
    pub open_most: Duration,
    /// How many calls try when it is half open, at least one: their failure and slow rates decide. Default 3.
    pub trials: u32,
    /// If every trial place is taken and none was given out for so long, the trial has failed: calls that hang must not
    /// keep it half open for ever. Default 60 s.
    pub trial_most: Duration,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        BreakerOptions {
            window: Window::Count(100),
            minimum_calls: 20,
            failure_rate: 0.5,
            slow_after: Duration::from_secs(30),
            slow_rate: f64::INFINITY,
            open_for: Duration::from_secs(5),
            open_growth: 2.0,
            open_most: Duration::from_secs(60),
            trials: 3,
            trial_most: Duration::from_secs(60),
        }
    }
}

/// What a breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Lets every call through and watches.
    Closed,
    /// Rejects every call until its time is over.
    Open,
    /// Lets a few calls try.
    HalfOpen,
    /// Rejects every call until somebody says otherwise.
    ForcedOpen,
    /// Lets every call through and counts nothing.
    ForcedClosed,
}

/// What a breaker is, and since how many changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// What it does with calls.
    pub state: State,
    /// Grows by one with every change. A call counts only in the generation that it began in.
    pub generation: u64,
}

/// The right to make one call, to be handed back with [`Breaker::end`] or [`Breaker::cancel`].
#[derive(Debug)]
#[must_use = "a call that never ends holds its trial place"]
pub struct Ticket {
    generation: u64,
    began: Instant,
}

/// A circuit breaker as a pure policy. See the [module page](super).
///
/// ```text
///             rate reached                    time over, a call comes
///   Closed ─────────────────▶ Open ──────────────────────────────────▶ HalfOpen ── trial good ──▶ Closed
///                              ▲                                          │
///                              └────────── trial failed: longer ──────────┘
/// ```
#[derive(Debug)]
pub struct Breaker {
    options: BreakerOptions,
    status: Status,
    outcomes: Outcomes,
    /// How often in a row it opened without closing between.
    opened: u32,
    until: Instant,
    trial: Trial,
}

#[derive(Debug)]
struct Trial {
    /// Places given out: calls under way and calls that were counted.
    given: u32,
    last: Instant,
    counted: Totals,
}

impl Trial {
    fn begin(now: Instant) -> Self {
        Trial { given: 0, last: now, counted: Totals::default() }
    }
}

impl Breaker {
    /// A closed breaker.
    pub fn new(options: BreakerOptions, now: Instant) -> Self {
        let outcomes = Outcomes::new(options.window, now);
        let status = Status { state: State::Closed, generation: 0 };
        Breaker { options, status, outcomes, opened: 0, until: now, trial: Trial::begin(now) }
    }

    /// What it is since its last change. One whose time open is over stays open until a call comes.
    pub fn status(&self) -> Status {
        self.status
    }

    /// What the window held when the last call ended: a window of time moves on only then.
    pub fn totals(&self) -> Totals {
        self.outcomes.totals()
    }

    /// Whether [`begin`](Self::begin) would refuse a call at `now`, without asking for a place.
    pub fn refuses(&self, now: Instant) -> bool {
        self.rejection(now).is_some()
    }

    /// What a call would hear at `now` if [`begin`](Self::begin) would refuse it, without asking for a place.
    pub fn rejection(&self, now: Instant) -> Option<Rejected> {
        match self.status.state {
            State::Closed | State::ForcedClosed => None,
            State::Open => (now < self.until).then(|| self.reject(self.until - now)),
            State::HalfOpen => (self.trial.given >= self.trials()).then(|| self.reject(self.options.open_for)),
            State::ForcedOpen => Some(self.reject(self.options.open_for)),
        }
    }

    /// Asks to make a call.
    pub fn begin(&mut self, now: Instant) -> Result<Ticket, Rejected> {
        match self.status.state {
            State::Closed | State::ForcedClosed => {}
            State::Open if now < self.until => return Err(self.reject(self.until - now)),
            State::ForcedOpen => return Err(self.reject(self.options.open_for)),
            State::Open => {
                self.change(State::HalfOpen, now);
                self.place(now);
            }
            State::HalfOpen if self.trial.given < self.trials() => self.place(now),
            State::HalfOpen => {
                let hung = self.trial.last.checked_add(self.options.trial_most).is_some_and(|end| now >= end);
                if hung {
                    self.open(now);
                    return Err(self.reject(self.until - now));
                }
                return Err(self.reject(self.options.open_for));
            }
        }
        Ok(Ticket { generation: self.status.generation, began: now })
    }

    /// Notes how a call ended. One that began before the last change counts for nothing.
    pub fn end(&mut self, ticket: Ticket, outcome: Outcome, now: Instant) {
        if ticket.generation != self.status.generation {
            return;
        }
        let failed = match outcome {
            Outcome::Success => false,
            Outcome::Failure => true,
            Outcome::Ignored => return self.cancel(ticket),
        };
        let slow = now.saturating_duration_since(ticket.began) >= self.options.slow_after;
        match self.status.state {
            State::Closed => {
                let totals = self.outcomes.record(failed, slow, now);
                let enough = match self.options.window {
                    Window::Count(most) => self.options.minimum_calls.min(most.max(1)),
                    Window::Time { .. } => self.options.minimum_calls,
                };
                if totals.calls >= enough && self.is_bad(totals, totals.calls) {
                    self.open(now);
                }
            }
            State::HalfOpen => {
                self.trial.counted.add(Totals { calls: 1, failures: failed.into(), slow: slow.into() });
                // Shares of all trial calls: as soon as the rate is certain to be reached the rest can change nothing.
                if self.is_bad(self.trial.counted, self.trials()) {
                    self.open(now);
                } else if self.trial.counted.calls == self.trials() {
                    self.opened = 0;
                    self.change(State::Closed, now);
                }
            }
            // No ticket has the generation of an open breaker, and a forced one counts nothing.
            State::Open | State::ForcedOpen | State::ForcedClosed => {}
        }
    }

    /// Takes a call back that ended without telling anything: it was dropped. Its trial place is free again.
    pub fn cancel(&mut self, ticket: Ticket) {
        if ticket.generation == self.status.generation && self.status.state == State::HalfOpen {
            self.trial.given -= 1;
        }
    }

    /// Rejects every call from now on, until [`force_closed`](Self::force_closed) or [`reset`](Self::reset).
    pub fn force_open(&mut self, now: Instant) {
        self.change(State::ForcedOpen, now);
    }

    /// Lets every call through from now on and counts nothing, until [`force_open`](Self::force_open) or
    /// [`reset`](Self::reset).
    pub fn force_closed(&mut self, now: Instant) {
        self.change(State::ForcedClosed, now);
    }

    /// As it was made: closed, with nothing counted.
    pub fn reset(&mut self, now: Instant) {
        self.opened = 0;
        self.change(State::Closed, now);
    }

    fn trials(&self) -> u32 {
        self.options.trials.max(1)
    }

    fn is_bad(&self, totals: Totals, of: u32) -> bool {
        let reached = |part: u32, rate: f64| part > 0 && f64::from(part) >= rate * f64::from(of);
        reached(totals.failures, self.options.failure_rate) || reached(totals.slow, self.options.slow_rate)
    }

    fn place(&mut self, now: Instant) {
        self.trial.given += 1;
        self.trial.last = now;
    }

    fn open(&mut self, now: Instant) {
        // Far above any cap, and the largest power that a growth of two can still be asked for as a number.
        let growth = self.options.open_growth.max(1.0).powi(self.opened.min(1000) as i32);
        let seconds = self.options.open_for.as_secs_f64() * growth;
        let grown = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let most = self.options.open_most.max(self.options.open_for);
        // Thirty years are for ever, and an instant can hold them.
        let forever = Duration::from_secs(30 * 365 * 24 * 3600);
        self.until = now + grown.min(most).min(forever);
        self.opened = self.opened.saturating_add(1);
        self.change(State::Open, now);
    }

    fn change(&mut self, state: State, now: Instant) {
        self.status = Status { state, generation: self.status.generation + 1 };
        self.outcomes.clear(now);
        self.trial = Trial::begin(now);
    }

    fn reject(&self, retry_after: Duration) -> Rejected {
        Rejected { state: self.status.state, retry_after }
    }
}
