//! Stride scheduling: proportional shares without dice.

use std::collections::BTreeSet;

use super::super::{CpuId, MILLI, TaskId, Time};
use super::{Hints, Machine, Policy, Ready, Stop, Table, Turn};

/// A pass, as a fixed-point number with room for any run.
type Pass = i128;

/// What a quantum costs who has one ticket. Large, so that what is lost by dividing it is little.
const STRIDE1: Pass = 1 << 40;

#[derive(Debug, Default, Clone)]
struct Client {
    tickets: u32,
    pass: Pass,
    /// While it waits: how far ahead of the others it was when it left.
    remain: Pass,
    queued: u64,
}

/// Every task has tickets, and a pass that grows by 1/tickets with every quantum; the least pass runs. After any number of quanta,
/// two tasks that could both run have had their shares to within one quantum. A lottery's error grows without bound.
#[derive(Debug)]
pub struct Stride {
    clients: Table<Client>,
    /// By pass; of equals, who has been queued longest.
    queue: BTreeSet<(Pass, u64, TaskId)>,
    numbered: u64,
    /// How far a task that had had exactly its share would be.
    global: Pass,
    /// The tickets of all who can run.
    tickets: u64,
    /// How long a task may run. Default 10 ms.
    pub quantum: Time,
}

impl Default for Stride {
    fn default() -> Self {
        Stride {
            clients: Table::default(),
            queue: BTreeSet::new(),
            numbered: 0,
            global: 0,
            tickets: 0,
            quantum: 10 * MILLI,
        }
    }
}

impl Stride {
    fn queue(&mut self, task: TaskId) {
        self.numbered += 1;
        let client = self.clients.at(task);
        client.queued = self.numbered;
        self.queue.insert((client.pass, client.queued, task));
    }
}

impl Policy for Stride {
    fn name(&self) -> &'static str {
        "stride"
    }

    fn admit(&mut self, task: TaskId, hints: Hints) {
        *self.clients.at(task) = Client { tickets: hints.weight.max(1), ..Client::default() };
    }

    fn ready(&mut self, task: TaskId, why: Ready, machine: Machine<'_>) -> Option<CpuId> {
        let global = self.global;
        let client = self.clients.at(task);
        // It neither gains by having been away nor is forgiven what it was ahead.
        let ahead = match why {
            Ready::New => STRIDE1 / Pass::from(client.tickets.max(1)),
            Ready::Woken => client.remain,
        };
        client.pass = global + ahead;
        self.tickets += u64::from(client.tickets);
        self.queue(task);
        machine.idle.least()
    }

    fn next(&mut self, _: CpuId, _: Machine<'_>) -> Option<Turn> {
        let (_, _, task) = self.queue.pop_first()?;
        Some(Turn { task, quantum: Some(self.quantum.max(1)) })
    }

    fn stop(&mut self, task: TaskId, _: CpuId, ran: Time, why: Stop, _: Machine<'_>) {
        let quantum = Pass::from(self.quantum.max(1));
        // What part of a quantum it was counts as that part.
        let part = |tickets: u64| STRIDE1 * Pass::from(ran) / quantum / Pass::from(tickets.max(1));
        self.global += part(self.tickets);
        let global = self.global;
        let client = self.clients.at(task);
        client.pass += part(u64::from(client.tickets));
        if why.can_run() {
            self.queue(task);
        } else {
            client.remain = client.pass - global;
            self.tickets = self.tickets.saturating_sub(u64::from(client.tickets));
        }
    }
}
