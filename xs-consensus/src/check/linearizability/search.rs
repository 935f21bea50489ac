//! The search over configurations, from return to return.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::bits::Bits;
use super::{Model, Operation, Outcome};

/// A return, and what is under way in front of it.
struct Return {
    /// The place of the operation that returns among `known`.
    target: usize,
    /// The operations with an answer that are under way, by time of return: those that return soonest most often took
    /// effect first.
    known: Vec<(usize, usize)>,
    /// How many operations without an answer were called.
    unknown: usize,
}

/// Where the search stands.
#[derive(Clone, Debug)]
struct Configuration {
    /// The return that comes next.
    at: usize,
    /// Slots of operations under way that are in the sequence.
    known: Bits,
    /// Operations without an answer that are in the sequence.
    unknown: Bits,
    state: u32,
    /// Length of the sequence.
    len: usize,
    /// What to try next from here.
    next: usize,
    /// The state in front of the last operation, if that one has no answer and nothing has seen its effect yet.
    unseen: Option<u32>,
}

/// Sets of unknown operations with which a place was entered: none of them holds another one.
#[derive(Default)]
struct Entered {
    first: Bits,
    more: Vec<Bits>,
}

/// What was found.
pub(super) enum Found<S> {
    /// A sequence: places in the history.
    Order(Vec<usize>),
    /// No sequence reaches beyond a return.
    Stuck(Stuck<S>),
    /// So many configurations were kept, and there are more.
    Bound(usize),
}

/// The end of the furthest way.
pub(super) struct Stuck<S> {
    /// The operation whose return no sequence passes: a place in the history.
    pub(super) culprit: usize,
    /// The longest sequence up to there, and the state that it leads to after each.
    pub(super) order: Vec<(usize, S)>,
    /// The states that are possible in front of that return, some of them.
    pub(super) states: Vec<S>,
}

pub(super) struct Search<'a, M: Model> {
    model: &'a M,
    history: &'a [Operation<M::Op, M::Ret>],
    returns: Vec<Return>,
    /// Operations without an answer, by time of their call; the first equal one in front, if there is one.
    unknown: Vec<(usize, Option<usize>)>,
    limit: usize,
    states: Vec<M::State>,
    numbers: HashMap<M::State, u32, FixedState>,
    entered: HashMap<(u32, u32, Bits), Entered, FixedState>,
    configurations: usize,
    order: Vec<(usize, u32)>,
}

impl<'a, M: Model> Search<'a, M> {
    pub(super) fn new(model: &'a M, history: &'a [Operation<M::Op, M::Ret>], members: &[usize], limit: usize) -> Self {
        let (returns, unknown) = lay_out(history, members);
        let equal = |nth: usize| {
            let op = &history[unknown[nth]].op;
            (0..nth).rev().find(|&other| history[unknown[other]].op == *op)
        };
        let unknown = (0..unknown.len()).map(|nth| (unknown[nth], equal(nth))).collect();
        Search {
            model,
            history,
            returns,
            unknown,
            limit,
            states: Vec::new(),
            numbers: HashMap::default(),
            entered: HashMap::default(),
            configurations: 0,
            order: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Found<M::State> {
        let state = self.number(self.model.init());
        let (known, unknown) = (Bits::default(), Bits::default());
        let start = Configuration { at: 0, known, unknown, state, len: 0, next: 0, unseen: None };
        let mut stack = Vec::new();
        let mut stuck: Option<(usize, Vec<(usize, u32)>)> = None;
        let mut states_at_stuck: Vec<u32> = Vec::new();
        match self.settle(start) {
            None => return Found::Order(self.order.into_iter().map(|(nth, _)| nth).collect()),
            Some(start) => stack.push(start),
        }
        while let Some(top) = stack.last_mut() {
            self.order.truncate(top.len);
            let furthest = stuck.as_ref().map(|(at, _)| *at);
            if let Some(entered) = self.child(top) {
                match self.settle(entered) {
                    None => return Found::Order(self.order.into_iter().map(|(nth, _)| nth).collect()),
                    Some(next) if self.enter(&next) => stack.push(next),
                    Some(_) => {}
                }
                if self.configurations > self.limit {
                    return Found::Bound(self.configurations);
                }
                continue;
            }
            // Every way from here is tried.
            if furthest.is_none_or(|furthest| furthest < top.at) {
                states_at_stuck.clear();
                stuck = Some((top.at, self.order.clone()));
            }
            if let Some((at, longest)) = &mut stuck
                && *at == top.at
            {
                if self.order.len() > longest.len() {
                    longest.clone_from(&self.order);
                }
                if states_at_stuck.len() < 16 && !states_at_stuck.contains(&top.state) {
                    states_at_stuck.push(top.state);
                }
            }
            stack.pop();
        }
        let (at, order) = stuck.unwrap_or_default();
        let target = &self.returns[at];
        let state = |number: u32| self.states[number as usize].clone();
        Found::Stuck(Stuck {
            culprit: target.known[target.target].0,
            order: order.into_iter().map(|(nth, number)| (nth, state(number))).collect(),
            states: states_at_stuck.into_iter().map(state).collect(),
        })
    }

    /// Puts in what fits and only looks, and passes every return whose operation is in. None at the end.
    fn settle(&mut self, mut at: Configuration) -> Option<Configuration> {
        loop {
            let next = self.returns.get(at.at)?;
            for &(nth, slot) in &next.known {
                if at.known.has(slot) {
                    continue;
                }
                let state = &self.states[at.state as usize];
                let operation = &self.history[nth];
                let Some(ret) = operation.ret() else { continue };
                if !self.model.changes(&operation.op, ret) && self.model.step(state, &operation.op, Some(ret)).is_some()
                {
                    at.known.set(slot);
                    at.unseen = None;
                    self.order.push((nth, at.state));
                }
            }
            let slot = next.known[next.target].1;
            if !at.known.has(slot) {
                at.len = self.order.len();
                return Some(at);
            }
            // The slot is free for the next call.
            at.known.clear(slot);
            at.at += 1;
        }
    }

    /// Puts in one more operation: first those behind which the one that returns now fits, then the others; of both, those
    /// that return first, and those without an answer last.
    fn child(&mut self, from: &mut Configuration) -> Option<Configuration> {
        let next = &self.returns[from.at];
        let known = next.known.len();
        let all = known + next.unknown;
        let target = &self.history[next.known[next.target].0];
        while from.next < 2 * all {
            let (nth, enables) = (from.next % all, from.next < all);
            from.next += 1;
            let (place, ret) = if nth < known {
                let (place, slot) = next.known[nth];
                if from.known.has(slot) {
                    continue;
                }
                (place, self.history[place].ret())
            } else {
                let (place, equal) = self.unknown[nth - known];
                if from.unknown.has(nth - known) || equal.is_some_and(|equal| !from.unknown.has(equal)) {
                    continue;
                }
                (place, None)
            };
            let state = &self.states[from.state as usize];
            let Some(after) = self.model.step(state, &self.history[place].op, ret) else { continue };
            // What has no answer and no effect may as well not have happened here.
            if ret.is_none() && after == *state {
                continue;
            }
            // Nor may what has no answer be in front of an operation that does the same without it.
            if let Some(before) = from.unseen
                && let Some(without) = self.model.step(&self.states[before as usize], &self.history[place].op, ret)
                && without == after
            {
                continue;
            }
            let is_target = nth == next.target;
            if enables != (is_target || self.model.step(&after, &target.op, target.ret()).is_some()) {
                continue;
            }
            let unseen = (nth >= known).then_some(from.state);
            let mut child = Configuration { next: 0, unseen, ..from.clone() };
            if nth < known {
                child.known.set(next.known[nth].1);
            } else {
                child.unknown.set(nth - known);
            }
            child.state = self.number(after);
            self.order.push((place, child.state));
            return Some(child);
        }
        None
    }

    /// Whether nothing that was entered can do all that this one could.
    fn enter(&mut self, at: &Configuration) -> bool {
        use hashbrown::hash_map::Entry;
        match self.entered.entry((at.at as u32, at.state, at.known.clone())) {
            Entry::Vacant(place) => {
                place.insert(Entered { first: at.unknown.clone(), more: Vec::new() });
            }
            Entry::Occupied(mut place) => {
                let entered = place.get_mut();
                if entered.first.is_subset(&at.unknown) || entered.more.iter().any(|less| less.is_subset(&at.unknown)) {
                    return false;
                }
                entered.more.retain(|more| !at.unknown.is_subset(more));
                if at.unknown.is_subset(&entered.first) {
                    entered.first = at.unknown.clone();
                } else {
                    entered.more.push(at.unknown.clone());
                }
            }
        }
        self.configurations += 1;
        true
    }

    fn number(&mut self, state: M::State) -> u32 {
        if let Some(&number) = self.numbers.get(&state) {
            return number;
        }
        let number = self.states.len() as u32;
        self.states.push(state.clone());
        self.numbers.insert(state, number);
        number
    }
}

/// The returns in the order of time, what is under way at each, and the operations without an answer.
fn lay_out<Op, Ret>(history: &[Operation<Op, Ret>], members: &[usize]) -> (Vec<Return>, Vec<usize>) {
    // Of one time, calls go first: operations that touch are concurrent.
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for &nth in members {
        events.push((history[nth].invoked, false, nth));
        if let Outcome::Returned { at, .. } = history[nth].outcome {
            events.push((at, true, nth));
        }
    }
    events.sort_unstable();
    let mut under_way: Vec<(usize, usize)> = Vec::new();
    let (mut returns, mut unknown, mut free, mut slots) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (_, is_return, nth) in events {
        if is_return {
            let target = under_way.iter().position(|(place, _)| *place == nth).expect("what returns was called before");
            returns.push(Return { target, known: under_way.clone(), unknown: unknown.len() });
            free.push(under_way.remove(target).1);
        } else if history[nth].ret().is_some() {
            let slot = free.pop().unwrap_or_else(|| {
                slots += 1;
                slots - 1
            });
            let end = history[nth].end();
            let behind = under_way.partition_point(|(place, _)| history[*place].end() <= end);
            under_way.insert(behind, (nth, slot));
        } else {
            unknown.push(nth);
        }
    }
    (returns, unknown)
}
