//! What a replica wants done, with the order that must be kept as a type.
//!
//! ```text
//!   Replica::ready() ─▶ Ready ─┬─ send ───────────────────▶ network, now
//!                              ├─ apply ──────────────────▶ state machine
//!                              └─ persist: Persist ──▶ disk, synced ──▶ Persist::done() ─▶ Persisted
//!                                    │ sealed: prepares, promises, votes                     │
//!                                    └──────────── given out by ◀── Replica::persisted ◀─────┘
//! ```

use super::{Body, Message, Record, Replica, Slot, Value};
use crate::paxos::{Error, NodeId};

/// What a replica wants done now.
#[must_use = "what a `Ready` holds is given out once"]
#[derive(Debug, Default)]
pub struct Ready {
    /// What must become durable. Several may be under way; they become durable in order.
    pub persist: Option<Persist>,
    /// Messages that promise nothing, or only what is durable: send them at once, in any order. They may get lost.
    pub send: Vec<Message>,
    /// What is chosen, in the order of slots, each once: apply it. After a restart it begins again with slot 1.
    pub apply: Vec<(Slot, Value)>,
}

/// What must become durable, after every earlier one; a crash may leave the first of its records. It holds back what the
/// node may say only when all of it is durable; dropping it stops the node.
#[must_use = "a dropped `Persist` stops the node"]
#[derive(Debug)]
pub struct Persist {
    nth: u64,
    records: Vec<Record>,
    sealed: Vec<(NodeId, Body)>,
}

impl Persist {
    /// What to write. Nothing: it only waits for the earlier ones.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// It is durable, and every earlier one is.
    pub fn done(self) -> Persisted {
        Persisted { nth: self.nth, sealed: self.sealed }
    }
}

/// The proof that a [`Persist`] is durable, for [`Replica::persisted`].
#[must_use = "a dropped `Persisted` stops the node"]
#[derive(Debug)]
pub struct Persisted {
    nth: u64,
    sealed: Vec<(NodeId, Body)>,
}

impl Replica {
    /// What the replica wants done, if there is something. Call it after every other call until it answers `None`.
    pub fn ready(&mut self) -> Option<Ready> {
        if self.alive().is_err() {
            return None;
        }
        loop {
            self.flush();
            if let Some(body) = self.local.pop_front() {
                // What a node says to itself, it does not refuse.
                let _ = self.take(self.id, body);
            } else if self.records.is_empty() && self.handed == self.done && !self.sealed.is_empty() {
                // All that these speak of is durable already.
                let sealed = std::mem::take(&mut self.sealed);
                sealed.into_iter().for_each(|(to, body)| self.say(to, body));
            } else {
                break;
            }
        }
        let mut ready = Ready { persist: self.take_persist(), ..Ready::default() };
        if self.commit > self.applied {
            let chosen = self.votes.range(self.applied.next()..=self.commit);
            let chosen = chosen.map(|(slot, vote)| (*slot, vote.value.clone()));
            ready.apply = self.batch(chosen, |(_, value)| value.size());
            self.applied = ready.apply.last().map_or(self.applied, |(slot, _)| *slot);
        }
        ready.send = std::mem::take(&mut self.outbox);
        (ready.persist.is_some() || !ready.send.is_empty() || !ready.apply.is_empty()).then_some(ready)
    }

    fn take_persist(&mut self) -> Option<Persist> {
        if self.records.is_empty() && self.sealed.is_empty() {
            return None;
        }
        // It vouches for votes in front of it, so it comes behind them, and is worth no write of its own.
        if !self.records.is_empty() && self.commit > self.commit_recorded {
            self.commit_recorded = self.commit;
            self.records.push(Record::Commit(self.commit));
        }
        self.handed += 1;
        let (records, sealed) = (std::mem::take(&mut self.records), std::mem::take(&mut self.sealed));
        Some(Persist { nth: self.handed, records, sealed })
    }

    /// A [`Persist`] is durable: gives out what it held back.
    ///
    /// # Errors
    /// [`Error::PersistLost`] if an earlier one was lost; the node has stopped then.
    pub fn persisted(&mut self, persisted: Persisted) -> Result<(), Error> {
        self.lost |= persisted.nth != self.done + 1;
        self.alive()?;
        self.done += 1;
        for (to, body) in persisted.sealed {
            self.say(to, body);
        }
        Ok(())
    }
}
