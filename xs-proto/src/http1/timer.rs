//! The one deadline that a connection has at any moment.

use std::time::Instant;

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
    deadline: Option<Instant>,
}

impl Timer {
    pub(super) fn new(timeouts: Timeouts) -> Timer {
        Timer { timeouts, waits: Waits::None, deadline: None }
    }

    /// Waits for something: from now on if it is something else than before or if there was `progress`, which is more than
    /// a few bytes of a head: those would keep a connection for ever.
    pub(super) fn set(&mut self, now: Instant, waits: Waits, progress: bool) {
        if self.waits == waits && !progress {
            return;
        }
        self.waits = waits;
        let timeout = match waits {
            Waits::None => None,
            Waits::Idle => self.timeouts.idle,
            Waits::Head => self.timeouts.head,
            Waits::Body => self.timeouts.body,
        };
        // A sum beyond what an instant can be is for ever.
        self.deadline = timeout.and_then(|timeout| now.checked_add(timeout));
    }

    pub(super) fn stop(&mut self) {
        (self.waits, self.deadline) = (Waits::None, None);
    }

    /// What was waited for in vain, if `now` is late enough. It is waited for no longer.
    pub(super) fn expired(&mut self, now: Instant) -> Waits {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Waits::None;
        }
        let waits = self.waits;
        self.stop();
        waits
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}
