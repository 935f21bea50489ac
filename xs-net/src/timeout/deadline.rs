//! The moment at which an answer loses its worth, and where a request keeps it.

use std::time::{Duration, Instant};

use xs_os::Nanos;

/// A moment, or never. Each method takes a moment in either form: as an [`Instant`], or as [`Nanos`], which costs less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadline(Option<Nanos>);

impl Deadline {
    /// The answer is always welcome.
    pub const NEVER: Deadline = Deadline(None);

    /// At this moment.
    pub fn at(moment: impl Into<Nanos>) -> Self {
        Deadline(Some(moment.into()))
    }

    /// So long after `now`; never, if no moment can hold that.
    #[inline]
    pub fn after(now: impl Into<Nanos>, limit: Duration) -> Self {
        Deadline(now.into().checked_add(limit))
    }

    /// When it is, if ever.
    pub fn instant(self) -> Option<Instant> {
        self.0.map(Instant::from)
    }

    /// The earlier of the two.
    #[inline]
    #[must_use]
    pub fn earlier(self, other: Deadline) -> Deadline {
        match (self.0, other.0) {
            (Some(one), Some(two)) => Deadline(Some(one.min(two))),
            (one, two) => Deadline(one.or(two)),
        }
    }

    /// What is left at `now`: zero when it has passed, `None` when it never comes.
    pub fn remaining(self, now: impl Into<Nanos>) -> Option<Duration> {
        let now = now.into();
        self.0.map(|at| at - now)
    }

    /// Whether it has passed at `now`.
    #[inline]
    pub fn has_passed(self, now: impl Into<Nanos>) -> bool {
        let now = now.into();
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
