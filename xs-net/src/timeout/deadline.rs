//! The moment at which an answer loses its worth, and where a request keeps it.

use std::time::{Duration, Instant};

/// An instant, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The answer is always welcome.
    pub const NEVER: Deadline = Deadline(None);

    /// At this instant.
    pub fn at(instant: Instant) -> Self {
        Deadline(Some(instant))
    }

    /// So long after `now`; never, if no instant can hold that.
    pub fn after(now: Instant, limit: Duration) -> Self {
        Deadline(now.checked_add(limit))
    }

    /// When it is, if ever.
    pub fn instant(self) -> Option<Instant> {
        self.0
    }

    /// The earlier of the two.
    #[must_use]
    pub fn earlier(self, other: Deadline) -> Deadline {
        match (self.0, other.0) {
            (Some(one), Some(two)) => Deadline(Some(one.min(two))),
            (one, two) => Deadline(one.or(two)),
        }
    }

    /// What is left at `now`: zero when it has passed, `None` when it never comes.
    pub fn remaining(self, now: Instant) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(now))
    }

    /// Whether it has passed at `now`.
    pub fn has_passed(self, now: Instant) -> bool {
        self.0.is_some_and(|at| now >= at)
    }
}

/// Where a request keeps its deadline. A pair of closures is one: `Fn(&R) -> Deadline` and `Fn(&mut R, Deadline)`.
pub trait Carry<R> {
    /// What the request brings.
    fn read(&self, request: &R) -> Deadline;

    /// Hands it on to whoever the request goes to.
    fn write(&self, request: &mut R, deadline: Deadline);
}

/// Requests carry no deadline: a limit stands alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl<R> Carry<R> for Alone {
    fn read(&self, _: &R) -> Deadline {
        Deadline::NEVER
    }

    fn write(&self, _: &mut R, _: Deadline) {}
}

impl<R, Get: Fn(&R) -> Deadline, Set: Fn(&mut R, Deadline)> Carry<R> for (Get, Set) {
    fn read(&self, request: &R) -> Deadline {
        self.0(request)
    }

    fn write(&self, request: &mut R, deadline: Deadline) {
        self.1(request, deadline);
    }
}
