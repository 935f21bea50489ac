//! What a violation looks like to a person.

use std::fmt;

use super::search::Stuck;
use super::{Model, Operation};
use crate::check::history::Time;

/// How many operations of the sequence are printed.
const SHOWN: usize = 12;

/// Why a history is not linearizable: the shortest prefix that is wrong, and how far a sequence gets. Its `Display` is
/// for people.
#[derive(Clone, Debug)]
pub struct Violation<M: Model> {
    /// The part of the object, if the history was split.
    pub key: Option<M::Key>,
    /// The operation whose return no sequence passes: its place in the history.
    pub culprit: usize,
    /// When it returned. What was called up to here is the shortest prefix that is not linearizable.
    pub returned: Time,
    /// The longest sequence found of what was called by then: places in the history, and the state behind each.
    pub order: Vec<(usize, M::State)>,
    /// States in which the object may have been when the culprit would have had to take effect; up to 16 of them.
    pub states: Vec<M::State>,
    /// The operations of that prefix on this part, by place in the history: who else was under way.
    pub prefix: Vec<(usize, Operation<M::Op, M::Ret>)>,
}

impl<M: Model> Violation<M> {
    pub(super) fn new(
        key: Option<M::Key>,
        history: &[Operation<M::Op, M::Ret>],
        members: &[usize],
        stuck: Stuck<M::State>,
    ) -> Self {
        let returned = history[stuck.culprit].end();
        let called = members.iter().filter(|nth| history[**nth].invoked <= returned);
        Violation {
            key,
            culprit: stuck.culprit,
            returned,
            order: stuck.order,
            states: stuck.states,
            prefix: called.map(|&nth| (nth, history[nth].clone())).collect(),
        }
    }

    fn operation(&self, nth: usize) -> &Operation<M::Op, M::Ret> {
        let found = self.prefix.binary_search_by_key(&nth, |(nth, _)| *nth);
        &self.prefix[found.expect("what is in a sequence is in the prefix")].1
    }
}

impl<M: Model> fmt::Display for Violation<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not linearizable")?;
        if let Some(key) = &self.key {
            write!(f, ", key {key:?}")?;
        }
        writeln!(f, ": no order of the {} operations called until {} explains", self.prefix.len(), self.returned)?;
        writeln!(f, "  ✗ #{} {}", self.culprit, self.operation(self.culprit))?;
        let hidden = self.order.len().saturating_sub(SHOWN);
        match hidden {
            0 => writeln!(f, "the longest order found")?,
            _ => writeln!(f, "the longest order found, the last {SHOWN} of {}", self.order.len())?,
        }
        for (nth, state) in &self.order[hidden..] {
            writeln!(f, "    #{nth} {}   ⇒ {state:?}", self.operation(*nth))?;
        }
        let mut placed: Vec<usize> = self.order.iter().map(|(nth, _)| *nth).collect();
        placed.sort_unstable();
        let left = self.prefix.iter().filter(|(nth, _)| *nth != self.culprit && placed.binary_search(nth).is_err());
        for (nth, operation) in left {
            writeln!(f, "    under way and not in it: #{nth} {operation}")?;
        }
        let states: Vec<String> = self.states.iter().map(|state| format!("{state:?}")).collect();
        writeln!(f, "states that are possible there: {}", states.join(" or "))
    }
}

impl<M: Model> std::error::Error for Violation<M> where Violation<M>: fmt::Debug {}
