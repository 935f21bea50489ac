//! One run: a seed decides the cluster, its options, what its clients do and what goes wrong.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use xs_consensus::check::history::History;
use xs_consensus::raft::{ClusterId, Options};
use xs_os::Rng;
use xs_os::sim::{self, Campaign, Episode, Fault, Kind, Nemesis, Report, Run, World};
use xs_os::vfs::faulty::Pace;

use super::common::client::{Client, Recorder};
use super::common::node::{Node, judge};
use super::common::operator::{Errands, Operator};
use super::observer::Observer;
use super::server::Server;
use super::weather::Weather;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SERVERS: u32 = 5;
pub(crate) const CLIENTS: u32 = 4;
/// When the last fault has ended.
pub(crate) const UNTIL: Duration = Duration::from_secs(3);

/// What a seed decides about a run beside the faults.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// So many servers are the cluster at first.
    pub(crate) founders: u64,
    pub(crate) raft: Options,
    /// Syncs happen so much later at most, several writes together; at once if none.
    pub(crate) sync_after: Option<Duration>,
    /// The log is compacted at so many entries.
    pub(crate) snapshot_at: Option<usize>,
    pub(crate) faults_until: Duration,
    /// Leaders die so soon after their election at the latest.
    pub(crate) cursed: Option<Duration>,
    pub(crate) errands: Errands,
    /// The most between an answer and a client's next question.
    pub(crate) pause: Duration,
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
    /// No other weather.
    pub(crate) only: Option<Weather>,
    #[cfg(feature = "mutations")]
    pub(crate) mutation: Option<xs_consensus::raft::Mutation>,
}

impl Settings {
    fn draw(run: &Run, mode: Mode, weather: Weather) -> Settings {
        let mut rng = Rng::from_seed(run.seed).fork("settings");
        let rng = &mut rng;
        let storm = matches!(weather, Weather::Storm | Weather::SmallStorm);
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
        let founders = match weather {
            Weather::Storm => u64::from(SERVERS),
            Weather::SmallStorm => 3,
            _ => 3 + rng.below(3),
        };
        let mut settings = Settings {
            founders,
            raft,
            sync_after: rng.chance(0.5).then(|| [10 * MS, 50 * MS][rng.index(2)]),
            snapshot_at: rng.chance(0.6).then(|| 8 + rng.index(40)),
            faults_until: UNTIL,
            cursed: (storm && rng.chance(0.5)).then_some(80 * MS),
            errands: if mode.fixed || storm { Errands::Transfers } else { Errands::Changes },
            pause: 30 * MS,
        };
        weather.settle(&mut settings);
        settings
    }
}

/// What goes wrong: everything that Raft promises to stand.
pub(crate) fn nemeses(mode: Mode) -> Vec<Nemesis> {
    if mode.lying {
        let mut lies = Weather::All.nemesis();
        lies.gap = 5 * MS..80 * MS;
        return vec![lies.only(&[Kind::LyingDisk, Kind::LyingDisk, Kind::Crash])];
    }
    if mode.beyond_skew {
        return Vec::new();
    }
    match mode.only {
        Some(weather) => vec![weather.nemesis()],
        None => Weather::ALL.map(Weather::nemesis).into(),
    }
}

fn weather(run: &Run, mode: Mode) -> Weather {
    match mode.only {
        Some(weather) => weather,
        None if mode.beyond_skew => Weather::Leases,
        None if mode.lying => Weather::All,
        None => Weather::ALL[run.weather],
    }
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
    let weather = weather(run, mode);
    let settings = Settings::draw(run, mode, weather);
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
    let mut world: World<Node<Server>> = World::new(run.seed, options, move |cx| {
        Ok(match cx.node().0 {
            node if node < SERVERS => Node::Server(Box::new(Server::start(cx, &with, watch.clone())?)),
            node if node < SERVERS + CLIENTS => {
                Node::Client(Box::new(Client::start(cx, SERVERS, with.pause, record.clone())))
            }
            _ => Node::Operator(Box::new(Operator::start(cx, SERVERS, with.faults_until, with.errands))),
        })
    });
    world.plan(run.plan.iter().cloned());
    world.plan(if mode.beyond_skew { slow_clocks(&mut rng) } else { weather.always() });
    let result = judge(&mut world, settings.faults_until, || observer.borrow().broken.clone(), &history);
    world.report(result)
}
