//! One run: a seed decides the cluster, its options, what its clients do and what goes wrong.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use xs_consensus::check::history::History;
use xs_consensus::check::linearizability::{Checker, Map, Verdict};
use xs_consensus::raft::{ClusterId, Options};
use xs_os::Rng;
use xs_os::sim::{self, Actor, Campaign, Nemesis, Report, Run, World};
use xs_os::vfs::faulty::Pace;

use super::client::{Client, Operator, Recorder};
use super::observer::{Observer, Seen};
use super::server::{Cx, Msg, Server};

const MS: Duration = Duration::from_millis(1);
const SERVERS: u32 = 4;
const CLIENTS: u32 = 3;
/// When the last fault has ended.
const UNTIL: Duration = Duration::from_secs(3);

/// What a seed decides about a run beside the faults.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) servers: u32,
    pub(crate) founders: u64,
    pub(crate) raft: Options,
    /// A step of a job is taken so much later at most.
    pub(crate) jobs_after: Duration,
    /// Whether the state machines keep themselves.
    pub(crate) keeps: bool,
    pub(crate) ballast: usize,
    pub(crate) compact_after_bytes: u64,
    pub(crate) keep_entries: u64,
    pub(crate) faults_until: Duration,
    /// Whether the operator changes the membership.
    pub(crate) changes: bool,
}

impl Settings {
    fn draw(run: &Run) -> Settings {
        let mut rng = Rng::from_seed(run.seed).fork("settings");
        let large = rng.chance(0.3);
        let raft = Options {
            cluster: ClusterId(7),
            eager_commit: rng.chance(0.5),
            max_append_bytes: [200, 1 << 20][rng.index(2)],
            cache_bytes: [0, 1000, 1 << 20][rng.index(3)],
            // Either way a snapshot is several pieces, and the large ones are several blocks of the file.
            snapshot_chunk_bytes: if large { 30_000 } else { 100 },
            ..Options::default()
        };
        Settings {
            servers: SERVERS,
            founders: 3 + rng.below(2),
            raft,
            jobs_after: [Duration::ZERO, 2 * MS, 20 * MS][rng.index(3)],
            keeps: rng.chance(0.4),
            ballast: if large { 100_000 } else { 0 },
            compact_after_bytes: [500, 2000, 10_000][rng.index(3)],
            keep_entries: rng.below(10),
            faults_until: UNTIL,
            changes: rng.chance(0.6),
        }
    }
}

enum Node {
    Server(Box<Server>),
    Client(Box<Client>),
    Operator(Box<Operator>),
}

impl Actor for Node {
    type Message = Msg;

    fn message(&mut self, from: sim::NodeId, message: Msg, cx: &mut Cx<'_>) {
        match self {
            Node::Server(server) => server.message(from, message, cx),
            Node::Client(client) => client.message(message, cx),
            Node::Operator(_) => {}
        }
    }

    fn timer(&mut self, timer: sim::Timer, cx: &mut Cx<'_>) {
        match self {
            Node::Server(server) => server.timer(timer, cx),
            Node::Client(client) => client.timer(timer, cx),
            Node::Operator(operator) => operator.timer(cx),
        }
    }
}

/// Everything that disks and networks may do, but lie.
fn nemeses() -> Vec<Nemesis> {
    let mut all = Nemesis::new((0..SERVERS).map(sim::NodeId).collect(), UNTIL);
    all.bystanders = (SERVERS..SERVERS + CLIENTS).map(sim::NodeId).collect();
    all.gap = 30 * MS..300 * MS;
    all.lasts = 20 * MS..1000 * MS;
    vec![all]
}

pub(crate) fn campaign(seeds: u64, test: &str) -> Campaign {
    let command = format!("XS_SEED={{seed}} cargo test -p xs-consensus --test replicas {test} -- --nocapture");
    Campaign::from_env(seeds, nemeses(), &command)
}

/// Runs a seed.
pub(crate) fn run(run: &Run) -> (Report, Seen) {
    let settings = Settings::draw(run);
    let mut rng = Rng::from_seed(run.seed).fork("world");
    let observer: Rc<RefCell<Observer>> = Rc::default();
    let history: Recorder = Rc::new(RefCell::new(History::new()));
    let options = sim::Options {
        keep: run.keep,
        drift: 200,
        pace: if rng.chance(0.3) { Pace::flash() } else { Pace::default() },
        link: if rng.chance(0.3) { sim::Link::connection() } else { sim::Link::datagrams() },
        respawn: if rng.chance(0.5) { 5 * MS } else { 100 * MS },
        ..sim::Options::new(SERVERS + CLIENTS + 1)
    };
    let (watch, record, with) = (observer.clone(), history.clone(), settings.clone());
    let mut world = World::new(run.seed, options, move |cx| {
        Ok(match cx.node().0 {
            node if node < SERVERS => Node::Server(Box::new(Server::start(cx, &with, watch.clone())?)),
            node if node < SERVERS + CLIENTS => Node::Client(Box::new(Client::start(cx, &with, record.clone()))),
            _ => Node::Operator(Box::new(Operator::start(cx, &with))),
        })
    });
    world.plan(run.plan.iter().cloned());
    let result = judge(&mut world, &settings, &observer, &history);
    let seen = observer.borrow().seen;
    (world.report(result), seen)
}

fn judge(
    world: &mut World<Node>,
    settings: &Settings,
    observer: &RefCell<Observer>,
    history: &RefCell<History<super::machine::Op, super::machine::Ret>>,
) -> Result<(), String> {
    let safe = |_: &World<Node>, _| observer.borrow().broken.clone().map_or(Ok(()), Err);
    world.run_until(settings.faults_until, safe)?;
    // Behind the last fault: every client gets answers to what it asks from now on.
    let healed = settings.faults_until;
    let goes_on = |world: &World<Node>| {
        let mut clients =
            world.actors().filter_map(|(_, node)| if let Node::Client(c) = node { Some(c) } else { None });
        clients.all(|client| client.answered.iter().rev().take_while(|began| **began > healed).count() >= 3)
    };
    if !world.run_while(healed + 10_000 * MS, safe, goes_on)? {
        let mut states = String::new();
        for (node, actor) in world.actors() {
            if let Node::Server(server) = actor {
                states.push_str(&format!("\n  {node:?} {:?}", server.replica));
            }
        }
        return Err(format!("liveness: ten seconds behind the last fault not all clients get answers{states}"));
    }
    match Checker::new(Map::new()).limit(500_000).check(&history.borrow()) {
        Verdict::Linearizable(_) => Ok(()),
        Verdict::Violation(violation) => Err(violation.to_string()),
        Verdict::Undecided { configurations, .. } => Err(format!("undecided after {configurations} configurations")),
    }
}
