//! What clients asked and were told: [`History`].
//!
//! # The problem
//!
//! A checker needs the record of a run, and records have gaps: a client that timed out does not know whether its write
//! happened, a client that crashed will never say. A record that papers over this, by calling such a write failed or
//! done, makes checkers lie.
//!
//! # How it works
//!
//! A history is a list of operations, each with the process that made it, the time of its call and one of three
//! [outcomes](Outcome):
//!
//! ```text
//!   process 1   ├── write 7 ──┤ Returned: took effect once, somewhere between call and return
//!   process 2        ├── write 8 ─────────────────────▶ Unknown: at any moment after the call, or never
//!   process 3            ├── write 9 ──┤ Failed: surely never
//! ```
//!
//! Times are numbers of one clock, in any unit. One operation is *before* another if it returned at an earlier time than
//! the other was called; operations that are not ordered so are concurrent, those that touch at one moment too.
//!
//! With the feature `check-json` a history has a text form, one event a line, so that a program in any language can be
//! checked ([`History::from_json_lines`]).
//!
//! # Invariants
//!
//! - An operation has one outcome; [`History::returned`] and [`History::failed`] say so if it had one already, or if it
//!   would have returned before it was called ([`BadRecord`]).
//! - What has no outcome is `Unknown`: forgetting to record one never makes a checker stricter than the truth.
//!
//! # Cost
//!
//! An operation is its own value, its return and 40 bytes.
//!
//! # Example
//!
//! ```
//! use xs_consensus::check::history::{History, Outcome};
//!
//! let mut history = History::new();
//! let put = history.invoke(1, 100, "put x 7");
//! let get = history.invoke(2, 110, "get x");
//! history.returned(get, 130, "7");
//! assert_eq!(history.operations()[get.index()].outcome, Outcome::Returned { at: 130, ret: "7" });
//! assert_eq!(history.operations()[put.index()].outcome, Outcome::Unknown);
//! ```
//!
//! # How others do it
//!
//! Jepsen records four kinds of events, `invoke`, `ok`, `fail` and `info`; the text form uses these words. Porcupine
//! records operations with two times and leaves operations without a return to its caller.
//!
//! # What this leaves out
//!
//! Clocks: two clients on two machines need a common one, or times that are wide enough to cover their difference (the
//! call earlier, the return later). Too wide hides violations; too narrow invents them.
//!
//! # Try next
//!
//! Shift one client's clock by a millisecond in a recorded history, and watch a correct system become a wrong one.
//!
//! # Sources
//!
//! M. Herlihy and J. Wing, "Linearizability" (1990), 2; the Jepsen documentation on histories.

#[cfg(feature = "check-json")]
mod json;

use std::fmt;

#[cfg(feature = "check-json")]
pub use json::JsonError;

/// Which client, thread or connection: it has one operation under way at a time.
pub type Process = u64;

/// A moment on the one clock of a history, in a unit of the recorder's choice.
pub type Time = u64;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<Ret> {
    /// It took effect, and this was the answer.
    Returned {
        /// When the answer arrived.
        at: Time,
        /// The answer.
        ret: Ret,
    },
    /// Nobody knows: it may take effect at any moment after its call, or never.
    Unknown,
    /// It surely did not take effect, and never will.
    Failed {
        /// When that was known.
        at: Time,
    },
}

/// Something that a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<Op, Ret> {
    /// Who asked.
    pub process: Process,
    /// When.
    pub invoked: Time,
    /// What for.
    pub op: Op,
    /// How it ended.
    pub outcome: Outcome<Ret>,
}

impl<Op, Ret> Operation<Op, Ret> {
    /// The answer, if there was one.
    pub fn ret(&self) -> Option<&Ret> {
        match &self.outcome {
            Outcome::Returned { ret, .. } => Some(ret),
            _ => None,
        }
    }

    /// When it returned; the end of time if it never did.
    pub(crate) fn end(&self) -> Time {
        match &self.outcome {
            Outcome::Returned { at, .. } | Outcome::Failed { at } => *at,
            Outcome::Unknown => Time::MAX,
        }
    }
}

impl<Op: fmt::Debug, Ret: fmt::Debug> fmt::Display for Operation<Op, Ret> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} {:?} ", self.process, self.op)?;
        match &self.outcome {
            Outcome::Returned { at, ret } => write!(f, "→ {ret:?}  [{}, {at}]", self.invoked),
            Outcome::Unknown => write!(f, "→ unknown  [{}, …", self.invoked),
            Outcome::Failed { at } => write!(f, "→ failed  [{}, {at}]", self.invoked),
        }
    }
}

/// An operation that was invoked, as its recorder names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call(usize);

impl Call {
    /// Its place in [`History::operations`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// A record that cannot be: a mistake of whoever recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRecord {
    /// The operation has its outcome already.
    #[error("operation {0} ended twice")]
    EndedTwice(usize),
    /// It would have ended before it began.
    #[error("operation {operation} was invoked at {invoked} and ended at {ended}")]
    EndedEarly {
        /// Its place in the history.
        operation: usize,
        /// The time of its call.
        invoked: Time,
        /// The time of its end.
        ended: Time,
    },
    /// There is no such operation.
    #[error("there is no operation {0}")]
    NoSuchOperation(usize),
}

/// What clients asked and were told. See the [module page](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<Op, Ret> {
    operations: Vec<Operation<Op, Ret>>,
}

impl<Op, Ret> History<Op, Ret> {
    /// Nothing was asked yet.
    pub fn new() -> Self {
        History { operations: Vec::new() }
    }

    /// A process asks for something. Until its end is recorded, its outcome is unknown.
    pub fn invoke(&mut self, process: Process, at: Time, op: Op) -> Call {
        self.operations.push(Operation { process, invoked: at, op, outcome: Outcome::Unknown });
        Call(self.operations.len() - 1)
    }

    /// The answer has come.
    ///
    /// # Panics
    ///
    /// If the operation ended before, or would end before it began: see [`History::try_end`].
    #[track_caller]
    pub fn returned(&mut self, call: Call, at: Time, ret: Ret) {
        if let Err(bad) = self.try_end(call.0, Outcome::Returned { at, ret }) {
            panic!("{bad}");
        }
    }

    /// It is known that the operation has no effect and never will. A time-out is not that.
    ///
    /// # Panics
    ///
    /// As [`History::returned`].
    #[track_caller]
    pub fn failed(&mut self, call: Call, at: Time) {
        if let Err(bad) = self.try_end(call.0, Outcome::Failed { at }) {
            panic!("{bad}");
        }
    }

    /// Gives the operation at a place its outcome: for records that come from elsewhere.
    pub fn try_end(&mut self, operation: usize, outcome: Outcome<Ret>) -> Result<(), BadRecord> {
        let found = self.operations.get_mut(operation).ok_or(BadRecord::NoSuchOperation(operation))?;
        if !matches!(found.outcome, Outcome::Unknown) {
            return Err(BadRecord::EndedTwice(operation));
        }
        if let Outcome::Returned { at, .. } | Outcome::Failed { at } = outcome
            && at < found.invoked
        {
            return Err(BadRecord::EndedEarly { operation, invoked: found.invoked, ended: at });
        }
        found.outcome = outcome;
        Ok(())
    }

    /// All operations, in the order in which their calls were recorded.
    pub fn operations(&self) -> &[Operation<Op, Ret>] {
        &self.operations
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}

impl<Op, Ret> Default for History<Op, Ret> {
    fn default() -> Self {
        Self::new()
    }
}

/// One operation a line, in the order of their calls.
impl<Op: fmt::Debug, Ret: fmt::Debug> fmt::Display for History<Op, Ret> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operations.iter().try_for_each(|operation| writeln!(f, "{operation}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_before_the_call_and_a_second_end_are_refused() {
        let mut history: History<&str, ()> = History::new();
        let call = history.invoke(1, 10, "x");
        assert_eq!(
            history.try_end(call.index(), Outcome::Failed { at: 9 }),
            Err(BadRecord::EndedEarly { operation: 0, invoked: 10, ended: 9 })
        );
        assert_eq!(history.try_end(call.index(), Outcome::Returned { at: 10, ret: () }), Ok(()));
        assert_eq!(history.try_end(call.index(), Outcome::Failed { at: 11 }), Err(BadRecord::EndedTwice(0)));
        assert_eq!(history.try_end(1, Outcome::Unknown), Err(BadRecord::NoSuchOperation(1)));
    }

    #[test]
    fn it_prints_what_a_person_asks_first() {
        let mut history: History<&str, u8> = History::new();
        let get = history.invoke(3, 10, "get x");
        history.invoke(4, 11, "put x");
        history.returned(get, 12, 7);
        assert_eq!(history.to_string(), "process 3 \"get x\" → 7  [10, 12]\nprocess 4 \"put x\" → unknown  [11, …\n");
    }
}
