//! The nodes of a world, and what a run of it is judged by.

use std::cell::RefCell;
use std::time::Duration;

use xs_consensus::check::history::History;
use xs_consensus::check::linearizability::{Checker, Map, Verdict};
use xs_os::sim::{self, Actor, World};
use xs_os::{Rng, sim::Context};

use super::client::{Client, Protocol};
use super::machine::{Op, Ret};
use super::operator::Operator;

/// A server.
pub(crate) trait Server {
    type Protocol: Protocol;

    fn message(&mut self, from: sim::NodeId, message: Message<Self>, cx: &mut Context<'_, Message<Self>>);

    fn timer(&mut self, timer: sim::Timer, cx: &mut Context<'_, Message<Self>>);

    /// What it knows, for the story of a run that stands still.
    fn told(&self) -> String;
}

pub(crate) type Message<S> = <<S as Server>::Protocol as Protocol>::Message;

pub(crate) enum Node<S: Server> {
    Server(Box<S>),
    Client(Box<Client<S::Protocol>>),
    Operator(Box<Operator>),
}

impl<S: Server> Actor for Node<S> {
    type Message = Message<S>;

    fn message(&mut self, from: sim::NodeId, message: Message<S>, cx: &mut Context<'_, Message<S>>) {
        match self {
            Node::Server(server) => server.message(from, message, cx),
            Node::Client(client) => client.message(message, cx),
            Node::Operator(_) => {}
        }
    }

    fn timer(&mut self, timer: sim::Timer, cx: &mut Context<'_, Message<S>>) {
        match self {
            Node::Server(server) => server.timer(timer, cx),
            Node::Client(client) => client.timer(timer, cx),
            Node::Operator(operator) => operator.timer::<S::Protocol>(cx),
        }
    }

    fn garbled(message: Message<S>, rng: &mut Rng) -> Option<Message<S>> {
        S::Protocol::garbled(message, rng)
    }
}

/// Runs a world: nothing may break at any step, behind the last fault every client gets answers to what it asks, and what
/// all of them were told is linearizable.
pub(crate) fn judge<S: Server>(
    world: &mut World<Node<S>>,
    healed: Duration,
    broken: impl Fn() -> Option<String>,
    history: &RefCell<History<Op, Ret>>,
) -> Result<(), String> {
    let safe = |_: &World<Node<S>>, _| broken().map_or(Ok(()), Err);
    world.run_until(healed, safe)?;
    let goes_on = |world: &World<Node<S>>| {
        let mut clients =
            world.actors().filter_map(|(_, node)| if let Node::Client(client) = node { Some(client) } else { None });
        clients.all(|client| client.answered.iter().rev().take_while(|began| **began > healed).count() >= 3)
    };
    if !world.run_while(healed + Duration::from_secs(10), safe, goes_on)? {
        let mut why = "liveness: ten seconds behind the last fault not all clients get answers".to_owned();
        for (node, actor) in world.actors() {
            if let Node::Server(server) = actor {
                why.push_str(&format!("\n  {node} {}", server.told()));
            }
        }
        return Err(why);
    }
    match Checker::new(Map::new()).limit(500_000).check(&history.borrow()) {
        Verdict::Linearizable(_) => Ok(()),
        Verdict::Violation(violation) => Err(violation.to_string()),
        Verdict::Undecided { configurations, .. } => Err(format!("undecided after {configurations} configurations")),
    }
}
