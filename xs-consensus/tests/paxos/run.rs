//! One run of a cluster: a seed decides its size and options, what its clients do and what goes wrong.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use xs_consensus::check::history::History;
use xs_consensus::check::linearizability::{Checker, Map, Verdict};
use xs_consensus::paxos::multi::Options;
use xs_consensus::paxos::{Cluster, NodeId};
use xs_os::sim::{self, Actor, Campaign, Kind, Nemesis, Report, Run, World};
use xs_os::vfs::faulty::Pace;
use xs_os::{Rng, SystemClock};

use super::client::{Client, Recorder};
use super::observer::Observer;
use super::server::{Cx, Msg, Server};

const MS: Duration = Duration::from_millis(1);
const SERVERS: u32 = 5;
const CLIENTS: u32 = 3;
/// When the last fault has ended.
const UNTIL: Duration = Duration::from_secs(2);

/// What a seed decides about a run beside the faults.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) cluster: Cluster,
    /// How many votes choose.
    accept: usize,
    pub(crate) paxos: Options,
    /// Syncs happen so much later at most, several writes together; at once if none.
    pub(crate) sync_after: Option<Duration>,
    pub(crate) faults_until: Duration,
    /// Leaders die so soon after they came to lead at the latest.
    pub(crate) cursed: Option<Duration>,
}

/// What a campaign varies.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    #[cfg(feature = "mutations")]
    pub(crate) mutation: Option<xs_consensus::paxos::Mutation>,
}

impl Settings {
    #[cfg_attr(not(feature = "mutations"), allow(unused_mut, unused_variables))]
    fn draw(run: &Run, mode: Mode) -> Settings {
        let mut rng = Rng::from_seed(run.seed).fork("settings");
        let rng = &mut rng;
        let servers = if run.weather == 1 { 3 } else { SERVERS };
        let nodes: Vec<NodeId> = (0..u64::from(servers)).map(NodeId).collect();
        // Three and three of five, or quorums of different sizes for the two phases.
        let prepare = servers as usize / 2 + 1 + rng.index(2);
        let accept = servers as usize + 1 - prepare;
        let mut cluster = Cluster::flexible(nodes, prepare, accept).expect("quorums that meet");
        #[cfg(feature = "mutations")]
        (cluster.mutation = mode.mutation);
        // Many clusters are hasty: leaders come and go, and come back while their old messages are on the way.
        let (hasty, usual) = (run.weather < 2 && rng.chance(0.7), Options::default());
        let paxos = Options {
            patience: if hasty { 25 * MS } else { usual.patience },
            heartbeat: if hasty { 10 * MS } else { usual.heartbeat },
            jitter: [60 * MS, 150 * MS][rng.index(2)],
            max_open: [1, 4, 1024][rng.index(3)],
            max_batch_bytes: [1, 200, 1 << 20][rng.index(3)],
            ..usual
        };
        Settings {
            cluster,
            accept,
            paxos,
            sync_after: rng.chance(0.5).then(|| if hasty { 10 * MS } else { 50 * MS }),
            faults_until: UNTIL,
            cursed: (run.weather < 2 && rng.chance(0.5)).then_some(80 * MS),
        }
    }
}

enum Node {
    Server(Box<Server>),
    Client(Box<Client>),
}

impl Actor for Node {
    type Message = Msg;

    fn message(&mut self, from: sim::NodeId, message: Msg, cx: &mut Cx<'_>) {
        match self {
            Node::Server(server) => server.message(from, message, cx),
            Node::Client(client) => client.message(message, cx),
        }
    }

    fn timer(&mut self, timer: sim::Timer, cx: &mut Cx<'_>) {
        match self {
            Node::Server(server) => server.timer(timer, cx),
            Node::Client(client) => client.timer(timer, cx),
        }
    }
}

/// What goes wrong: everything that Paxos promises to stand, in three kinds of weather.
fn nemeses() -> Vec<Nemesis> {
    let nodes = |servers: u32| (0..servers).map(sim::NodeId).collect();
    let mut all = Nemesis::new(nodes(SERVERS), UNTIL);
    all.bystanders = (SERVERS..SERVERS + CLIENTS).map(sim::NodeId).collect();
    all.gap = 30 * MS..300 * MS;
    all.lasts = 20 * MS..1000 * MS;
    // Machines that come and go all the time, and a network that never settles: one leader after another.
    let storm = |servers| {
        let mut storm = Nemesis { nodes: nodes(servers), bystanders: Vec::new(), ..all.clone() };
        storm.gap = 5 * MS..80 * MS;
        storm.lasts = MS..200 * MS;
        storm.loss = 700;
        let crash = [Kind::Crash, Kind::Crash, Kind::CrashInStep, Kind::Kill];
        storm.only(&[&crash[..], &[Kind::Split, Kind::Cut, Kind::Pause, Kind::Lossy]].concat())
    };
    vec![storm(SERVERS), storm(3), all]
}

pub(crate) fn campaign(seeds: u64, test: &str) -> Campaign {
    let command = format!("XS_SEED={{seed}} cargo test -p xs-consensus --test paxos {test} -- --nocapture");
    Campaign::from_env(seeds, nemeses(), &command)
}

/// Runs a seed.
pub(crate) fn run(run: &Run, mode: Mode) -> Report {
    let settings = Settings::draw(run, mode);
    let servers = settings.cluster.nodes().len() as u32;
    let mut rng = Rng::from_seed(run.seed).fork("world");
    // Counted by what a quorum is, and not by what a mutated replica takes for one.
    let observer = Rc::new(RefCell::new(Observer::new(settings.accept)));
    let history: Recorder = Rc::new(RefCell::new(History::new()));
    let long_tail = sim::Latency::HeavyTail { least: MS / 2, scale: 10 * MS, most: 1000 * MS };
    let options = sim::Options {
        keep: run.keep,
        pace: if rng.chance(0.3) { Pace::flash() } else { Pace::default() },
        link: match rng.below(5) {
            0 => sim::Link::connection(),
            // Some messages take longer than leaders last.
            2 | 3 => sim::Link { latency: long_tail, ..sim::Link::datagrams() },
            1 => sim::Link { latency: sim::Latency::Uniform(MS, 20 * MS), ..sim::Link::datagrams() },
            _ => sim::Link::datagrams(),
        },
        respawn: if rng.chance(0.5) { 5 * MS } else { 100 * MS },
        ..sim::Options::new(SERVERS + CLIENTS)
    };
    let (watch, record, with) = (observer.clone(), history.clone(), settings.clone());
    let mut world = World::new(run.seed, options, move |cx| {
        Ok(match cx.node().0 {
            node if node < servers => Node::Server(Box::new(Server::start(cx, &with, watch.clone())?)),
            // Where there are three servers, there are two clients more.
            _ => Node::Client(Box::new(Client::start(cx, servers, record.clone()))),
        })
    });
    world.plan(run.plan.iter().cloned());
    let result = judge(&mut world, &observer, &history);
    world.report(result)
}

fn judge(
    world: &mut World<Node>,
    observer: &RefCell<Observer>,
    history: &RefCell<History<super::machine::Op, super::machine::Ret>>,
) -> Result<(), String> {
    let safe = |_: &World<Node>, _| observer.borrow().broken.clone().map_or(Ok(()), Err);
    world.run_until(UNTIL, safe)?;
    // Behind the last fault: every client gets answers to what it asks from now on.
    let goes_on = |world: &World<Node>| {
        let mut clients =
            world.actors().filter_map(|(_, node)| if let Node::Client(c) = node { Some(c) } else { None });
        clients.all(|client| client.answered.iter().rev().take_while(|began| **began > UNTIL).count() >= 3)
    };
    if !world.run_while(UNTIL + 10_000 * MS, safe, goes_on)? {
        let mut why = "liveness: ten seconds behind the last fault not all clients get answers".to_owned();
        for (_, node) in world.actors() {
            if let Node::Server(server) = node {
                why.push_str(&format!("\n  {:?}", server.replica.status()));
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

#[test]
fn paxos_stands_everything() {
    let campaign = campaign(500, "paxos_stands_everything");
    let verdict = campaign.run(&SystemClock, |one| run(one, Mode::default()));
    println!("{verdict}");
    verdict.expect_clean();
    if verdict.runs >= 500 {
        // Every kind of fault was there, and the clients were busy.
        assert_eq!(verdict.tally.faults.len(), Kind::ALL.len() - 1, "{verdict}");
        assert!(verdict.tally.sent > 500 * verdict.runs, "{verdict}");
    }
}

#[test]
fn the_same_seed_does_the_same_twice() {
    let campaign = Campaign { twice: true, ..campaign(30, "the_same_seed_does_the_same_twice") };
    campaign.run(&SystemClock, |one| run(one, Mode::default())).expect_clean();
}

/// The proof that the checkers bite: one deliberate bug after another, and how many seeds it takes to find it.
#[cfg(feature = "mutations")]
#[test]
fn every_mutation_is_found_within_a_thousand_seeds() {
    let only = std::env::var("XS_MUTATION").ok();
    let mut missed = Vec::new();
    for mutation in xs_consensus::paxos::Mutation::ALL {
        let name = format!("{mutation:?}");
        // Two ballots of one leader, and votes of the first that arrive in the second: `strangers` leads there.
        if mutation == xs_consensus::paxos::Mutation::CountOldVotes {
            continue;
        }
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let campaign = Campaign { shrink: 0, threads: 1, ..Campaign::new(1000, nemeses(), "") };
        let verdict = campaign.run(&SystemClock, |one| run(one, Mode { mutation: Some(mutation) }));
        match verdict.found {
            Some(found) => {
                let why: String = found.why.lines().next().unwrap_or_default().chars().take(110).collect();
                println!("| {name} | {} | {why} |", found.seed);
            }
            None => missed.push(name),
        }
    }
    assert!(missed.is_empty(), "nobody noticed {missed:?}");
}
