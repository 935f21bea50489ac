//! An operator, who moves the cluster about until a moment: who leads, and who belongs to it.

use std::time::Duration;

use xs_consensus::raft::{Change, NodeId};
use xs_os::sim;

use super::client::Protocol;

const NEXT: sim::Timer = sim::Timer(0);

/// What an operator wants.
pub(crate) enum Order {
    Change(Vec<Change>),
    Transfer(NodeId),
}

/// What an operator does all day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errands {
    /// Hands leadership over.
    Transfers,
    /// Hands it over, adds and removes nodes.
    Changes,
    /// Removes two nodes with a request each, one behind the other, and brings them back.
    Churn,
    Nothing,
}

pub(crate) struct Operator {
    servers: u32,
    until: Duration,
    errands: Errands,
    turn: u32,
    /// Whom the churn is about.
    pair: [NodeId; 2],
}

impl Operator {
    pub(crate) fn start<M>(cx: &mut sim::Context<'_, M>, servers: u32, until: Duration, errands: Errands) -> Self {
        cx.set_timer_after(NEXT, Duration::from_millis(500));
        Operator { servers, until, errands, turn: 0, pair: [NodeId(0), NodeId(1)] }
    }

    pub(crate) fn timer<P: Protocol>(&mut self, cx: &mut sim::Context<'_, P::Message>) {
        if cx.world_time() > self.until {
            return;
        }
        for order in self.orders(cx) {
            // Whoever leads takes it; the others refuse.
            let Some(message) = P::order(order) else { continue };
            for server in 0..self.servers {
                cx.send(sim::NodeId(server), message.clone());
            }
        }
        let most = if self.errands == Errands::Churn { 150 } else { 400 };
        let next = Duration::from_millis(50 + cx.rng().below(most));
        cx.set_timer_after(NEXT, next);
    }

    fn orders<M>(&mut self, cx: &mut sim::Context<'_, M>) -> Vec<Order> {
        let servers = u64::from(self.servers);
        let node = NodeId(cx.rng().below(servers));
        match self.errands {
            Errands::Nothing => Vec::new(),
            Errands::Churn => {
                self.turn += 1;
                let both = |change: fn(NodeId) -> Change| vec![Order::Change(self.pair.map(change).into())];
                match self.turn % 3 {
                    0 => both(Change::AddVoter),
                    // They come back as learners, to catch up.
                    2 => both(Change::AddLearner),
                    _ => {
                        self.pair = [node, NodeId((node.0 + 1 + cx.rng().below(servers - 1)) % servers)];
                        self.pair.map(|node| Order::Change(vec![Change::Remove(node)])).into()
                    }
                }
            }
            Errands::Changes if cx.rng().below(4) > 0 => {
                let mut changes = Vec::new();
                for _ in 0..1 + cx.rng().below(3) {
                    let node = NodeId(cx.rng().below(servers));
                    changes.push(match cx.rng().below(5) {
                        0..2 => Change::AddVoter(node),
                        2 => Change::AddLearner(node),
                        _ => Change::Remove(node),
                    });
                }
                vec![Order::Change(changes)]
            }
            Errands::Changes | Errands::Transfers => vec![Order::Transfer(node)],
        }
    }
}
