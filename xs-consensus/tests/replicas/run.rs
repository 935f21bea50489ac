//! One run: a seed decides the cluster, its options, what its clients do and what goes wrong.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use xs_consensus::check::history::History;
use xs_consensus::raft::{ClusterId, Options};
use xs_os::Rng;
use xs_os::sim::{self, Campaign, Kind, Nemesis, Report, Run, World};
use xs_os::vfs::faulty::Pace;

use super::common::client::{Client, Recorder};
use super::common::node::{Node, judge};
use super::common::operator::{Errands, Operator};
use super::observer::{Observer, Seen};
use super::server::Server;

const MS: Duration = Duration::from_millis(1);
const SERVERS: u32 = 4;
const CLIENTS: u32 = 3;
/// When the last fault has ended.
const UNTIL: Duration = Duration::from_secs(3);

/// What a seed decides about a run beside the faults.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) founders: u64,
    pub(crate) raft: Options,
    /// A step of a job is taken so much later at most.
    pub(crate) jobs_after: Duration,
    /// Whether the state machines keep themselves.
    pub(crate) keeps: bool,
    pub(crate) ballast: usize,
    pub(crate) compact_after_bytes: u64,
    pub(crate) keep_entries: u64,
    pub(crate) hold_bytes: u64,
    errands: Errands,
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
        let rotten = run.weather == ROTTEN;
        let compact_after_bytes = [500, 2000, 10_000][rng.index(3)];
        Settings {
            // One of three that forgets what it promised is one too many: two quorums meet in one node. Of four they meet in
            // two.
            founders: if rotten { 4 } else { 3 + rng.below(2) },
            raft,
            jobs_after: [Duration::ZERO, 2 * MS, 20 * MS][rng.index(3)],
            keeps: rng.chance(0.4),
            ballast: if large { 100_000 } else { 0 },
            compact_after_bytes,
            keep_entries: rng.below(10),
            hold_bytes: compact_after_bytes * [1, 4, 16][rng.index(3)],
            errands: if rng.chance(0.6) && !rotten { Errands::Changes } else { Errands::Transfers },
        }
    }
}

/// The weather in which one node's disk rots.
const ROTTEN: usize = 1;

/// Everything that disks and networks may do, but lie. In every other run one node's disk rots: it may be refused and stay
/// away, or forget the last that it was told, and no more than that.
fn nemeses() -> Vec<Nemesis> {
    let mut all = Nemesis::new((0..SERVERS).map(sim::NodeId).collect(), UNTIL).with(Kind::Garbled, 2);
    all.bystanders = (SERVERS..SERVERS + CLIENTS).map(sim::NodeId).collect();
    all.frail = vec![sim::NodeId(0)];
    all.gap = 30 * MS..300 * MS;
    all.lasts = 20 * MS..1000 * MS;
    vec![all.clone(), all.with(Kind::RottenDisk, 2)]
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
    let mut world: World<Node<Server>> = World::new(run.seed, options, move |cx| {
        Ok(match cx.node().0 {
            node if node < SERVERS => Node::Server(Box::new(Server::start(cx, &with, watch.clone())?)),
            node if node < SERVERS + CLIENTS => {
                Node::Client(Box::new(Client::start(cx, SERVERS, 30 * MS, record.clone())))
            }
            _ => Node::Operator(Box::new(Operator::start(cx, SERVERS, UNTIL, with.errands))),
        })
    });
    world.plan(run.plan.iter().cloned());
    let result = judge(&mut world, UNTIL, || observer.borrow().broken.clone(), &history);
    let seen = observer.borrow().seen;
    (world.report(result), seen)
}
