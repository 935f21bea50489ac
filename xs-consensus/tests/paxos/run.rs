//! One run of a cluster: a seed decides its size and options, what its clients do and what goes wrong.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use xs_consensus::check::history::History;
use xs_consensus::paxos::multi::Options;
use xs_consensus::paxos::{Cluster, NodeId};
use xs_os::sim::{self, Campaign, Episode, Fault, Kind, Nemesis, Report, Run, World};
use xs_os::vfs::faulty::Pace;
use xs_os::{Rng, SystemClock};

use super::common::client::{Client, Recorder};
use super::common::node::{Node, judge};
use super::observer::Observer;
use super::server::Server;

const MS: Duration = Duration::from_millis(1);
const SERVERS: u32 = 5;
const CLIENTS: u32 = 3;
/// When the last fault has ended.
const UNTIL: Duration = Duration::from_secs(2);
/// The weather in which one node leads again and again, while votes for what it proposed before are on their way.
const STRAGGLERS: usize = 3;

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
    /// No other weather.
    pub(crate) only: Option<usize>,
    #[cfg(feature = "mutations")]
    pub(crate) mutation: Option<xs_consensus::paxos::Mutation>,
}

impl Settings {
    #[cfg_attr(not(feature = "mutations"), allow(unused_mut, unused_variables))]
    fn draw(run: &Run, mode: Mode, weather: usize) -> Settings {
        let mut rng = Rng::from_seed(run.seed).fork("settings");
        let rng = &mut rng;
        let servers = if weather == 1 { 3 } else { SERVERS };
        let nodes: Vec<NodeId> = (0..u64::from(servers)).map(NodeId).collect();
        // Three and three of five, or quorums of different sizes for the two phases.
        let stragglers = weather == STRAGGLERS;
        let prepare = servers as usize / 2 + 1 + if stragglers { 0 } else { rng.index(2) };
        let accept = servers as usize + 1 - prepare;
        let mut cluster = Cluster::flexible(nodes, prepare, accept).expect("quorums that meet");
        #[cfg(feature = "mutations")]
        (cluster.mutation = mode.mutation);
        // Many clusters are hasty: leaders come and go, and come back while their old messages are on the way.
        let (hasty, usual) = (weather < 2 && rng.chance(0.7) || stragglers, Options::default());
        let paxos = Options {
            patience: if hasty { 25 * MS } else { usual.patience },
            heartbeat: if hasty { 10 * MS } else { usual.heartbeat },
            jitter: [60 * MS, 150 * MS][rng.index(2)],
            max_open: [1, 4, 1024][if stragglers { 0 } else { rng.index(3) }],
            max_batch_bytes: [1, 200, 1 << 20][rng.index(3)],
            ..usual
        };
        Settings {
            cluster,
            accept,
            paxos,
            sync_after: rng.chance(0.5).then(|| if hasty { 10 * MS } else { 50 * MS }),
            faults_until: UNTIL,
            cursed: (weather < 2 && rng.chance(0.5) || stragglers).then_some(80 * MS),
        }
    }
}

/// What goes wrong: everything that Paxos promises to stand, in four kinds of weather.
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
    let mut stragglers = storm(1);
    stragglers.gap = 100 * MS..500 * MS;
    vec![storm(SERVERS), storm(3), all, stragglers.only(&[Kind::Kill, Kind::Lossy])]
}

pub(crate) fn campaign(seeds: u64, test: &str) -> Campaign {
    let command = format!("XS_SEED={{seed}} cargo test -p xs-consensus --test paxos {test} -- --nocapture");
    Campaign::from_env(seeds, nemeses(), &command)
}

/// Runs a seed.
pub(crate) fn run(run: &Run, mode: Mode) -> Report {
    let weather = mode.only.unwrap_or(run.weather);
    let settings = Settings::draw(run, mode, weather);
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
            _ if weather == STRAGGLERS => sim::Link { latency: long_tail, ..sim::Link::datagrams() },
            0 => sim::Link::connection(),
            // Some messages take longer than leaders last.
            2 | 3 => sim::Link { latency: long_tail, ..sim::Link::datagrams() },
            1 => sim::Link { latency: sim::Latency::Uniform(MS, 20 * MS), ..sim::Link::datagrams() },
            _ => sim::Link::datagrams(),
        },
        respawn: if rng.chance(0.5) || weather == STRAGGLERS { 5 * MS } else { 100 * MS },
        ..sim::Options::new(SERVERS + CLIENTS)
    };
    let (watch, record, with) = (observer.clone(), history.clone(), settings.clone());
    let mut world: World<Node<Server>> = World::new(run.seed, options, move |cx| {
        Ok(match cx.node().0 {
            node if node < servers => Node::Server(Box::new(Server::start(cx, &with, watch.clone())?)),
            // Where there are three servers, there are two clients more.
            _ => Node::Client(Box::new(Client::start(cx, servers, 30 * MS, record.clone()))),
        })
    });
    world.plan(run.plan.iter().cloned());
    if weather == STRAGGLERS {
        // Nobody but the first thinks of leading, as soon as he is back.
        world.plan((1..servers).map(|node| {
            let fault = Fault::Drift { node: sim::NodeId(node), ppm: -800_000 };
            Episode { at: Duration::ZERO, lasts: UNTIL, fault }
        }));
    }
    let result = judge(&mut world, UNTIL, || observer.borrow().broken.clone(), &history);
    world.report(result)
}

#[test]
fn paxos_stands_everything() {
    let campaign = campaign(500, "paxos_stands_everything");
    let verdict = campaign.run(&SystemClock, |one| run(one, Mode::default()));
    println!("{verdict}");
    verdict.expect_clean();
    if verdict.runs >= 500 {
        // Every kind of fault was there, and the clients were busy.
        assert_eq!(verdict.tally.faults.len(), Kind::USUAL, "{verdict}");
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
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        // Two ballots of one leader, and votes of the first that arrive in the second.
        let old_votes = mutation == xs_consensus::paxos::Mutation::CountOldVotes;
        let weather = old_votes.then_some(STRAGGLERS);
        let nemeses = weather.map_or_else(nemeses, |weather| vec![nemeses().swap_remove(weather)]);
        let campaign = Campaign { shrink: 0, threads: 1, ..Campaign::new(1000, nemeses, "") };
        let verdict = campaign.run(&SystemClock, |one| run(one, Mode { only: weather, mutation: Some(mutation) }));
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
