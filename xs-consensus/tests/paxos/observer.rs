//! What must hold of all replicas together, watched from outside: from votes when they become durable, and from what is
//! applied.

use std::collections::{BTreeMap, BTreeSet};

use xs_consensus::paxos::multi::{Record, Slot, Value};
use xs_consensus::paxos::{Ballot, NodeId, Vote};

use super::common::machine::Command;

/// Everything that was ever seen, of all replicas and all their lives.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// How many votes choose; what the replicas believe is another matter.
    accept: usize,
    /// Who voted durably, by slot and ballot, and for what.
    votes: BTreeMap<(Slot, Ballot), (Value, BTreeSet<NodeId>)>,
    /// The lowest ballot in which a slot was decided, as far as it was seen, and for what.
    chosen: BTreeMap<Slot, (Ballot, Value)>,
    applied: BTreeMap<Slot, Value>,
    pub(crate) broken: Option<String>,
}

impl Observer {
    pub(crate) fn new(accept: usize) -> Self {
        Observer { accept, ..Observer::default() }
    }

    fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// A record of a replica is durable.
    pub(crate) fn durable(&mut self, node: NodeId, record: &Record) {
        let Record::Voted(slot, Vote { ballot, value }) = record else { return };
        if *ballot == Ballot::CHOSEN {
            return;
        }
        let seen = self.votes.entry((*slot, *ballot)).or_insert_with(|| (value.clone(), BTreeSet::new()));
        if seen.0 != *value {
            let what =
                format!("{slot} has two values in ballot {ballot}: {} of {node}, and {}", told(value), told(&seen.0));
            return self.breaks(what);
        }
        seen.1.insert(node);
        if seen.1.len() >= self.accept {
            let chosen = self.chosen.entry(*slot).or_insert_with(|| (*ballot, value.clone()));
            chosen.0 = chosen.0.min(*ballot);
            if chosen.1 != *value {
                let what = format!(
                    "agreement: {slot} is decided for {} in {}, and for {} in {ballot}",
                    told(&chosen.1),
                    chosen.0,
                    told(value)
                );
                return self.breaks(what);
            }
        }
        // P2a: above the ballot that decided, nobody votes for anything else.
        if let Some((decided, chosen)) = self.chosen.get(slot).cloned() {
            let above = self.votes.range((*slot, decided)..=(*slot, Ballot::CHOSEN));
            let other = above.into_iter().find(|(_, (value, _))| *value != chosen);
            if let Some(((_, ballot), (value, _))) = other {
                let (chosen, other) = (told(&chosen), told(value));
                let what =
                    format!("P2a: {slot} was decided for {chosen} in {decided}, and {other} got a vote in {ballot}");
                self.breaks(what);
            }
        }
    }

    /// A replica takes a value for chosen.
    pub(crate) fn applied(&mut self, node: NodeId, slot: Slot, value: &Value) {
        let first = self.applied.entry(slot).or_insert_with(|| value.clone());
        if first != value {
            let what = format!("agreement: {node} applied {} in {slot}, and another {}", told(value), told(first));
            return self.breaks(what);
        }
        // What is applied was chosen: a quorum holds it durably, all in one ballot.
        let decided = self.chosen.get(&slot).map(|(_, chosen)| chosen);
        if decided != Some(value) {
            let decided = decided.map_or("nothing".to_owned(), told);
            let what = format!("{node} applied {} in {slot}, where {decided} is decided", told(value));
            self.breaks(what);
        }
    }
}

fn told(value: &Value) -> String {
    let command = match value {
        Value::Noop => return "a no-op".to_owned(),
        Value::Command(bytes) => Command::decode(bytes),
    };
    command.map_or("no command".to_owned(), |command| format!("{:?} of c{}", command.op, command.client))
}
