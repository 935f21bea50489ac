//! One run: a seed decides the cluster, its options, what its clients do and what goes wrong.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use xs_consensus::check::history::History;
use xs_consensus::check::linearizability::{Checker, Map, Verdict};
use xs_consensus::raft::{ClusterId, Options};
use xs_os::Rng;
use xs_os::sim::{self, Actor, Campaign, Episode, Fault, Kind, Nemesis, Report, Run, World};
use xs_os::vfs::faulty::Pace;

use super::client::{Client, Operator, Recorder};
use super::observer::Observer;
use super::server::{Cx, Msg, Server};

const MS: Duration = Duration::from_millis(1);
const SERVERS: u32 = 5;
const CLIENTS: u32 = 4;
/// When the last fault has ended.
const UNTIL: Duration = Duration::from_secs(3);

/// What a seed decides about a run beside the faults.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) servers: u32,
    /// So many of them are the cluster at first.
    pub(crate) founders: u64,
    pub(crate) raft: Options,
    /// Syncs happen so much later at most, several writes together; at once if none.
    pub(crate) sync_after: Option<Duration>,
    /// The log is compacted at so many entries.
    pub(crate) snapshot_at: Option<usize>,
    pub(crate) faults_until: Duration,
    /// Leaders die so soon after their election at the latest.
    pub(crate) cursed: Option<Duration>,
    /// Whether the operator changes the membership.
    pub(crate) changes: bool,
}

/// What a campaign varies.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    /// Clocks drift beyond what leases allow for.
    pub(crate) beyond_skew: bool,
    /// Disks say that they synced, and did not.
    pub(crate) lying: bool,
    /// Nobody changes the membership.
    pub(crate) fixed: bool,
    #[cfg(feature = "mutations")]
    pub(crate) mutation: Option<xs_consensus::raft::Mutation>,
}

impl Settings {
    fn draw(run: &Run, mode: Mode) -> Settings {
        let mut rng = Rng::from_seed(run.seed).fork("settings");
        let rng = &mut rng;
        let storm = run.weather < 2 && !mode.beyond_skew && !mode.lying;
        let lease = (rng.chance(if storm { 0.2 } else { 0.5 }) || mode.beyond_skew).then_some(40 * MS);
        let raft = Options {
            cluster: ClusterId(7),
            pre_vote: rng.chance(if storm { 0.3 } else { 0.8 }),
            check_quorum: lease.is_some() || rng.chance(if storm { 0.3 } else { 0.8 }),
            election_jitter: if storm { 60 * MS } else { 150 * MS },
            lease_skew: lease,
            eager_commit: rng.chance(0.5),
            max_append_bytes: [1, 200, 1 << 20][rng.index(3)],
            max_inflight: [1, 4, 128][rng.index(3)],
            cache_bytes: [0, 1 << 20][rng.index(2)],
            snapshot_chunk_bytes: [64, 1 << 20][rng.index(2)],
            #[cfg(feature = "mutations")]
            mutation: mode.mutation,
            ..Options::default()
        };
        let founders = match run.weather {
            0 if storm => u64::from(SERVERS),
            1 if storm => 3,
            _ => 3 + rng.below(3),
        };
        Settings {
            servers: SERVERS,
            founders,
            raft,
            sync_after: rng.chance(0.5).then(|| [10 * MS, 50 * MS][rng.index(2)]),
            snapshot_at: rng.chance(0.6).then(|| 8 + rng.index(40)),
            faults_until: UNTIL,
            cursed: (storm && rng.chance(0.5)).then_some(80 * MS),
            changes: !mode.fixed && !storm,
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

/// What goes wrong: everything that Raft promises to stand, in three kinds of weather.
pub(crate) fn nemeses(mode: Mode) -> Vec<Nemesis> {
    let nodes = |servers: u32| (0..servers).map(sim::NodeId).collect();
    let mut all = Nemesis::new(nodes(SERVERS), UNTIL);
    all.bystanders = (SERVERS..SERVERS + CLIENTS).map(sim::NodeId).collect();
    all.gap = 30 * MS..300 * MS;
    all.lasts = 20 * MS..1000 * MS;
    // A tenth: two clocks then differ by 30 ms in an election timeout, and leases allow for 40.
    all.drift = 100_000;
    if mode.lying {
        all.gap = 5 * MS..80 * MS;
        return vec![all.only(&[Kind::LyingDisk, Kind::LyingDisk, Kind::Crash])];
    }
    if mode.beyond_skew {
        return Vec::new();
    }
    // Machines that come and go all the time, and a network that never settles: one election after another.
    let storm = |servers| {
        let mut storm = Nemesis { nodes: nodes(servers), bystanders: Vec::new(), ..all.clone() };
        storm.gap = 5 * MS..80 * MS;
        storm.lasts = MS..200 * MS;
        storm.loss = 700;
        storm.only(&[
            Kind::Crash,
            Kind::Crash,
            Kind::CrashInStep,
            Kind::Kill,
            Kind::Split,
            Kind::Cut,
            Kind::Pause,
            Kind::Lossy,
        ])
    };
    vec![storm(SERVERS), storm(3), all]
}

/// Two nodes whose clocks nearly stand still, and soon nobody else hears them but half of the clients.
fn slow_clocks(rng: &mut Rng) -> Vec<Episode> {
    let mut others: Vec<sim::NodeId> = (0..SERVERS).map(sim::NodeId).collect();
    rng.shuffle(&mut others);
    let mut slow = others.split_off(3);
    let episode = |at: u32, fault| Episode { at: at * MS, lasts: 1000 * MS, fault };
    let mut plan: Vec<Episode> =
        slow.iter().map(|node| episode(1000, Fault::Drift { node: *node, ppm: -800_000 })).collect();
    slow.extend((SERVERS..SERVERS + CLIENTS / 2).map(sim::NodeId));
    others.extend((SERVERS + CLIENTS / 2..SERVERS + CLIENTS).map(sim::NodeId));
    plan.push(episode(1050, Fault::Split { one: slow, other: others }));
    plan
}

pub(crate) fn campaign(seeds: u64, mode: Mode, test: &str) -> Campaign {
    let command = format!(
        "XS_SEED={{seed}} cargo test -p xs-consensus --test simulation {test} -- --nocapture --include-ignored"
    );
    Campaign::from_env(seeds, nemeses(mode), &command)
}

/// Runs a seed.
pub(crate) fn run(run: &Run, mode: Mode) -> Report {
    let settings = Settings::draw(run, mode);
    let mut rng = Rng::from_seed(run.seed).fork("world");
    let observer: Rc<RefCell<Observer>> = Rc::default();
    let history: Recorder = Rc::new(RefCell::new(History::new()));
    let options = sim::Options {
        keep: run.keep,
        drift: 200,
        pace: if rng.chance(0.3) { Pace::flash() } else { Pace::default() },
        link: match rng.below(4) {
            0 => sim::Link::connection(),
            1 => sim::Link { latency: sim::Latency::Uniform(MS, 20 * MS), ..sim::Link::datagrams() },
            _ => sim::Link::datagrams(),
        },
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
    if mode.beyond_skew {
        world.plan(slow_clocks(&mut rng));
    }
    let result = judge(&mut world, &settings, &observer, &history);
    world.report(result)
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
    let alive = world.run_while(healed + 10_000 * MS, safe, goes_on)?;
    let stuck = || {
        let mut states = String::new();
        for (_, node) in world.actors() {
            if let Node::Server(server) = node {
                states.push_str(&format!("\n  {:?}", server.raft.status()));
            }
        }
        format!("liveness: ten seconds behind the last fault not all clients get answers{states}")
    };
    if !alive {
        return Err(stuck());
    }
    match Checker::new(Map::new()).limit(500_000).check(&history.borrow()) {
        Verdict::Linearizable(_) => Ok(()),
        Verdict::Violation(violation) => Err(violation.to_string()),
        Verdict::Undecided { configurations, .. } => Err(format!("undecided after {configurations} configurations")),
    }
}
