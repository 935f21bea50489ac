//! Whether every operation seems to take effect at one moment between its call and its return: [`Checker`].
//!
//! # The problem
//!
//! *Linearizable* means that clients cannot tell the system from a single object that does one thing at a time. To show
//! that a history is, one must find that order: a sequence of all operations that the object could have gone through,
//! in which no operation stands before one that had returned when it was called. To show that it is not, one must show
//! that there is no such sequence among very many.
//!
//! # How it works
//!
//! The checker walks along the history from return to return. At each it must have put the returning operation into its
//! sequence; it may put others that are under way in front of it, and does so only then, when the return forces it:
//! just in time.
//!
//! ```text
//!   client 1   ├─ write 1 ─────────────────┤
//!   client 2        ├─ write 2 ──┤     ┆
//!   client 3           ├─ read → 1 ┤   ┆         at the return of write 2:  [write 2]
//!                                ┆ ┆   ┆         at the return of read → 1: [write 2, write 1, read → 1]
//!   returns                      1 2   3         had write 1 been put in front of write 2, the read would
//!                                                find no place: the checker would come back and try this
//! ```
//!
//! A *configuration* is what matters of a sequence for what follows: how far the walk has come, which of the operations
//! under way are in it, and the object's state. From here it is a depth-first search over configurations, pruned:
//!
//! - A configuration that was seen is not entered again, whatever sequence led to it.
//! - An operation that only looks ([`Model::changes`]), as a read does, is put in as soon as it fits: no completion can
//!   need it later.
//! - Operations whose outcome is unknown may be put in at any time or never. One whose effect the next operation does not
//!   see might as well be left out, and is. A configuration that has used more of them than another one, and is otherwise
//!   the same, is not entered; of equal ones only the first is tried.
//! - A history over many keys is linearizable if it is for each key alone (locality), so [`Model::key`] splits it.
//!
//! When every way ends in front of a return, what was called up to that return is the shortest prefix that no sequence
//! explains (with the answers that it got, then or later), and [`Violation`] shows it beside the furthest sequence.
//!
//! # Invariants
//!
//! - The verdict is that of the definition: tested against a search over all sequences on small histories
//!   (`tests::agrees_with_the_definition`).
//! - [`Verdict::Linearizable`] carries the sequence found, which [`Checker::replay`] verifies by itself.
//! - At most [`Checker::limit`] configurations are kept; behind that the verdict is [`Verdict::Undecided`].
//!
//! # Cost
//!
//! Each configuration is entered once: for a history that is right about one an operation, and each costs a step of the
//! model for every operation under way. 10,000 operations of 16 clients over 10 keys take less than ten milliseconds, of
//! 8 clients on one key some tenths of a second; 16 clients that write one and the same key all the time, with a hundred
//! writes of unknown outcome among them, may end as undecided. In the worst case there are 2^clients × states of them at
//! every return. About 150 bytes a configuration.
//!
//! # Example
//!
//! ```
//! use xs_consensus::check::history::History;
//! use xs_consensus::check::linearizability::{Checker, Queue, QueueOp as Op, QueueRet as Ret, Verdict};
//!
//! // Herlihy and Wing's q4: y was in the queue before x, and x comes out first.
//! let mut history = History::new();
//! for (process, at, op, ret) in [
//!     (1, 0, Op::Enqueue('y'), Ret::Done),
//!     (2, 10, Op::Enqueue('x'), Ret::Done),
//!     (1, 20, Op::Dequeue, Ret::Value(Some('x'))),
//! ] {
//!     let call = history.invoke(process, at, op);
//!     history.returned(call, at + 5, ret);
//! }
//! let Verdict::Violation(violation) = Checker::new(Queue::new()).check(&history) else { panic!() };
//! assert_eq!(violation.culprit, 2); // its place in the history
//! ```
//!
//! # How others do it
//!
//! Porcupine and Knossos' `wgl` search as Wing and Gong did, with Lowe's memo of (operations done, state): a set over
//! the whole history. Here the set is over what is under way, which is Lowe's just-in-time variant: a configuration is
//! small and found in constant time, however long the history. Knossos' `linear` walks the same configurations in
//! breadth; depth finds the answer of a right history sooner and holds less.
//!
//! # What this leaves out
//!
//! Objects that may answer in several ways (a model can keep a set of states as its state), and the special algorithms
//! that decide queues with distinct values in polynomial time: many concurrent enqueues that are dequeued much later end
//! as undecided.
//!
//! # Try next
//!
//! Make the initial value of a register unknown, by a state that fits the first read whatever it was.
//!
//! # Sources
//!
//! M. Herlihy and J. Wing, "Linearizability: A Correctness Condition for Concurrent Objects" (1990); J. Wing and C. Gong,
//! "Testing and Verifying Concurrent Objects" (1993); G. Lowe, "Testing for linearizability" (2017); A. Horn and D.
//! Kroening, "Faster linearizability checking via P-compositionality" (2015).

mod bits;
mod models;
mod report;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use super::history::{History, Operation, Outcome};

pub use models::{
    Counter, CounterOp, CounterRet, Keyed, Lock, LockOp, Map, MapOp, MapRet, Queue, QueueOp, QueueRet, Register,
    RegisterOp, RegisterRet,
};
pub use report::Violation;

/// What an object does when nobody disturbs it: one operation at a time.
pub trait Model {
    /// What is asked. Equal operations must be the same to the object.
    type Op: Clone + PartialEq + Debug;
    /// What is answered.
    type Ret: Clone + Debug;
    /// What the object remembers.
    type State: Clone + Eq + Hash + Debug;
    /// What parts of the object stand alone.
    type Key: Clone + Ord + Debug;

    /// The state before anything was asked.
    fn init(&self) -> Self::State;

    /// The state after an operation that was answered so; none if the object would not have answered that. Without an
    /// answer (`ret` is none) nobody knows what it was, and the operation takes effect in any case.
    fn step(&self, state: &Self::State, op: &Self::Op, ret: Option<&Self::Ret>) -> Option<Self::State>;

    /// Whether an operation that was answered so may have changed the state, in whatever state it was: a read has not, nor
    /// has a compare-and-set that failed. The checker puts in at once what only looks; true is always right, and slower.
    fn changes(&self, op: &Self::Op, ret: &Self::Ret) -> bool {
        let _ = (op, ret);
        true
    }

    /// The part of the object that an operation is about; none if it is about more than one. If every operation of a
    /// history has a key, each part is checked alone, from [`Model::init`].
    fn key(&self, op: &Self::Op) -> Option<Self::Key>;
}

/// What a checker found.
#[derive(Clone, Debug)]
pub enum Verdict<M: Model> {
    /// There is a sequence: for each part of the object, the places of its operations in the history.
    Linearizable(Vec<Part<M::Key>>),
    /// There is none.
    Violation(Box<Violation<M>>),
    /// The bound was reached first. A higher [`Checker::limit`] or a shorter history may decide.
    Undecided {
        /// The part of the object, if it was split.
        key: Option<M::Key>,
        /// How many configurations were kept.
        configurations: usize,
    },
}

impl<M: Model> Verdict<M> {
    /// Whether a sequence was found.
    pub fn is_linearizable(&self) -> bool {
        matches!(self, Verdict::Linearizable(_))
    }

    /// Whether there is surely no sequence.
    pub fn is_violation(&self) -> bool {
        matches!(self, Verdict::Violation(_))
    }
}

/// A sequence of the operations on one part of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<K> {
    /// Which part; none if the history was not split.
    pub key: Option<K>,
    /// Places in the history, in the order in which the operations took effect. Those with an unknown outcome stand in
    /// it if they were needed.
    pub order: Vec<usize>,
}

/// Decides whether histories of an object are linearizable. See the [module page](self).
#[derive(Clone, Copy, Debug)]
pub struct Checker<M> {
    model: M,
    limit: usize,
}

impl<M: Model> Checker<M> {
    /// A checker for an object, with a limit of two million configurations.
    pub fn new(model: M) -> Self {
        Checker { model, limit: 2_000_000 }
    }

    /// The most configurations that are kept, for each part of the object; about 150 bytes each, and a state for each
    /// that is new.
    pub fn limit(mut self, configurations: usize) -> Self {
        self.limit = configurations;
        self
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Decides. With several wrong parts the one whose violation ends first is shown.
    pub fn check(&self, history: &History<M::Op, M::Ret>) -> Verdict<M> {
        let mut parts = Vec::new();
        let mut undecided = None;
        let mut first: Option<Box<Violation<M>>> = None;
        for (key, operations) in self.split(history) {
            let found = search::Search::new(&self.model, history.operations(), &operations, self.limit).run();
            match found {
                search::Found::Order(order) => parts.push(Part { key, order }),
                search::Found::Bound(configurations) => {
                    undecided = undecided.or(Some(Verdict::Undecided { key, configurations }));
                }
                search::Found::Stuck(stuck) => {
                    let end = |violation: &Violation<M>| violation.returned;
                    let violation = Box::new(Violation::new(key, history.operations(), &operations, stuck));
                    if first.as_ref().is_none_or(|first| end(&violation) < end(first)) {
                        first = Some(violation);
                    }
                }
            }
        }
        match (first, undecided) {
            (Some(violation), _) => Verdict::Violation(violation),
            (None, Some(undecided)) => undecided,
            (None, None) => Verdict::Linearizable(parts),
        }
    }

    /// Whether a sequence is one that the object could have gone through, and keeps the order of the clock; the proof
    /// of a [`Verdict::Linearizable`], checked without any search.
    pub fn replay(&self, history: &History<M::Op, M::Ret>, parts: &[Part<M::Key>]) -> bool {
        let operations = history.operations();
        let split = self.split(history);
        split.len() == parts.len()
            && split.iter().zip(parts).all(|((key, members), part)| {
                let mut state = Some(self.model.init());
                // The latest call so far: nothing behind it in the sequence may have returned before that.
                let mut called = 0;
                let fits = part.order.iter().all(|&nth| {
                    let Some(operation) = operations.get(nth) else { return false };
                    state = state.as_ref().and_then(|s| self.model.step(s, &operation.op, operation.ret()));
                    called = called.max(operation.invoked);
                    state.is_some() && operation.end() >= called
                });
                let mut sorted = part.order.clone();
                sorted.sort_unstable();
                let once = sorted.windows(2).all(|pair| pair[0] < pair[1]);
                let has = |nth: usize| sorted.binary_search(&nth).is_ok();
                let all = members.iter().all(|&nth| operations[nth].ret().is_none() || has(nth));
                let known = sorted.iter().all(|nth| members.contains(nth));
                *key == part.key && fits && once && all && known
            })
    }

    /// The places of the operations that may have had an effect, by key.
    fn split(&self, history: &History<M::Op, M::Ret>) -> Vec<(Option<M::Key>, Vec<usize>)> {
        let maybe = |operation: &&Operation<M::Op, M::Ret>| !matches!(operation.outcome, Outcome::Failed { .. });
        let places = || history.operations().iter().enumerate().filter(|(_, operation)| maybe(operation));
        let mut keyed: BTreeMap<M::Key, Vec<usize>> = BTreeMap::new();
        for (nth, operation) in places() {
            match self.model.key(&operation.op) {
                Some(key) => keyed.entry(key).or_default().push(nth),
                None => return vec![(None, places().map(|(nth, _)| nth).collect())],
            }
        }
        keyed.into_iter().map(|(key, places)| (Some(key), places)).collect()
    }
}
