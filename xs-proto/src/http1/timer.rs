//! The one deadline that a connection has at any moment.

use std::time::{Duration, Instant};

use super::config::Timeouts;

/// What the peer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    None,
    Idle,
    Head,
    Body,
}

#[derive(Debug)]
pub(super) struct Timer {
    timeouts: Timeouts,
    waits: Waits,
    /// Since when.
    began: Option<Instant>,
    /// For how long the body may go on coming too slowly.
    credit: Duration,
    /// Since when its time runs, as far as it has not been taken off the credit.
    since: Option<Instant>,
    /// How much of it has come and was not added to the credit.
    came: u64,
}

/// The most that a body has credit for where its pauses are not bounded.
const CREDIT: Duration = Duration::from_secs(30);

impl Timer {
    pub(super) fn new(timeouts: Timeouts) -> Timer {
        Timer { timeouts, waits: Waits::None, began: None, credit: Duration::MAX, since: None, came: 0 }
    }

    fn most_credit(&self) -> Duration {
        if self.timeouts.body_rate == 0 { Duration::MAX } else { self.timeouts.body.unwrap_or(CREDIT) }
    }

    /// A body begins.
    pub(super) fn begin_body(&mut self) {
        (self.credit, self.since, self.came) = (self.most_credit(), None, 0);
    }

    /// So many bytes of it have come.
    pub(super) fn came(&mut self, len: usize) {
        self.came = self.came.saturating_add(len as u64);
    }

    /// Takes the time that was waited off the credit, and adds what has come in it.
    fn settle_credit(&mut self, now: Instant, waits: Waits) {
        if self.timeouts.body_rate == 0 {
            return;
        }
        let waited = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let nanos = u128::from(self.came) * 1_000_000_000 / u128::from(self.timeouts.body_rate.max(1));
        let earned = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.credit = self.credit.saturating_sub(waited).saturating_add(earned).min(self.most_credit());
        self.since = (waits == Waits::Body).then_some(now);
        self.came = 0;
    }

    /// Waits for something: from now on if it is something else than before or if there was `progress`, which is more than
    /// a few bytes of a head: those would keep a connection for ever.
    #[inline]
    pub(super) fn set(&mut self, now: Instant, waits: Waits, progress: bool) {
        if self.waits == waits && !progress {
            return;
        }
        if self.waits == Waits::Body || waits == Waits::Body {
            self.settle_credit(now, waits);
        }
        (self.waits, self.began) = (waits, Some(now));
    }

    pub(super) fn stop(&mut self) {
        (self.waits, self.began) = (Waits::None, None);
    }

    /// What was waited for in vain, if `now` is late enough. It is waited for no longer.
    pub(super) fn expired(&mut self, now: Instant) -> Waits {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Waits::None;
        }
        let waits = self.waits;
        self.stop();
        waits
    }

    /// When patience ends. It is asked for once a round, and what is waited for changes twice a request.
    #[inline]
    pub(super) fn deadline(&self) -> Option<Instant> {
        let timeout = match self.waits {
            Waits::None => None,
            Waits::Idle => self.timeouts.idle,
            Waits::Head => self.timeouts.head,
            Waits::Body => Some(self.timeouts.body.unwrap_or(Duration::MAX).min(self.credit)),
        };
        // A sum beyond what an instant can be is for ever.
        self.began?.checked_add(timeout?)
    }
}
