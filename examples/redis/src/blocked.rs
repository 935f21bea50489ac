//! Clients that wait for a key: `BLPOP`, `BLMOVE`, `BZPOPMIN`, `XREAD BLOCK` and their relatives.
//!
//! A command that finds nothing says what it waits for ([`crate::ctx::Ctx::block`]). When a later command changes one of
//! those keys, the waiting command is simply run again, in the order in which the clients came, until the
//! key is gone; its reply goes into the waiting client's queue. There is no second implementation of "serve a waiting
//! client" beside the command itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use xs_proto::resp::{Reply, Request};

/// What a blocked client waits for.
#[derive(Debug)]
pub(crate) struct BlockedOn {
    pub(crate) db: usize,
    pub(crate) keys: Vec<Vec<u8>>,
    /// The command to run again.
    pub(crate) request: Request,
    /// Unix milliseconds; `None` waits for ever.
    pub(crate) deadline: Option<u64>,
    pub(crate) waits: Waits,
    /// Its place in every queue, given when it begins to wait.
    pub(crate) ticket: u64,
}

/// Which family waits: decides the reply when the time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Answered with a null array (`BLPOP`, `BZPOPMIN`, `XREAD`).
    Array,
    /// For a single element: answered with a null array, too, but with a null where nothing can be waited for (`BLMOVE`,
    /// `BRPOPLPUSH`).
    Element,
    /// Answered with zero: none has come, and none will (`WAIT`).
    Replicas,
    /// `CLIENT PAUSE`: the command has not run yet and runs when the pause ends.
    Pause,
}

impl Waits {
    /// Writes what a command answers whose time is up.
    pub(crate) fn timed_out(self, reply: &mut Reply<'_>) {
        match self {
            Waits::Array | Waits::Element => reply.null_array(),
            Waits::Replicas => reply.int(0),
            Waits::Pause => {}
        }
    }
}

/// Who waits for which key, by ticket: in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Blocked {
    waiting: BTreeMap<(usize, Vec<u8>), BTreeMap<u64, u64>>,
    /// Keys that changed while somebody waited for them, in the order in which they changed.
    ready: VecDeque<(usize, Vec<u8>)>,
    ready_set: BTreeSet<(usize, Vec<u8>)>,
    clients: usize,
    tickets: u64,
}

impl Blocked {
    /// Number of clients that wait.
    pub(crate) fn len(&self) -> usize {
        self.clients
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.clients == 0
    }

    /// Queues client `id` behind those who already wait.
    pub(crate) fn add(&mut self, id: u64, on: &mut BlockedOn) {
        self.clients += 1;
        self.tickets += 1;
        on.ticket = self.tickets;
        for key in &on.keys {
            self.waiting.entry((on.db, key.clone())).or_default().insert(on.ticket, id);
        }
    }

    /// Takes a client out of every queue.
    pub(crate) fn remove(&mut self, on: &BlockedOn) {
        self.clients = self.clients.saturating_sub(1);
        for key in &on.keys {
            let place = (on.db, key.clone());
            if let Some(queue) = self.waiting.get_mut(&place) {
                queue.remove(&on.ticket);
                if queue.is_empty() {
                    self.waiting.remove(&place);
                }
            }
        }
    }

    /// Notes that a key changed; only keys that somebody waits for are kept.
    pub(crate) fn changed(&mut self, db: usize, key: &[u8]) {
        if self.clients == 0 {
            return;
        }
        let place = (db, key.to_vec());
        if self.waiting.contains_key(&place) && self.ready_set.insert(place.clone()) {
            self.ready.push_back(place);
        }
    }

    /// Every key of `db` that somebody waits for has perhaps changed (`SWAPDB`, `FLUSHALL` and reload).
    pub(crate) fn changed_all(&mut self, db: usize) {
        let keys: Vec<_> = self.waiting.keys().filter(|(at, _)| *at == db).map(|(_, key)| key.clone()).collect();
        keys.iter().for_each(|key| self.changed(db, key));
    }

    /// The next key that changed and that somebody waits for.
    pub(crate) fn next_ready(&mut self) -> Option<(usize, Vec<u8>)> {
        while let Some(place) = self.ready.pop_front() {
            self.ready_set.remove(&place);
            if self.waiting.contains_key(&place) {
                return Some(place);
            }
        }
        None
    }

    /// The first client behind `ticket` that waits for a key, with its own ticket.
    pub(crate) fn next_after(&self, place: &(usize, Vec<u8>), ticket: u64) -> Option<(u64, u64)> {
        let queue = self.waiting.get(place)?;
        queue.range(ticket + 1..).next().map(|(ticket, id)| (*ticket, *id))
    }
}
