//! The assembly in the simulated world: the same nodes, over a simulated network and simulated disks, with everything going
//! wrong that the plan of a seed says; and clients whose record is checked.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use xs_net::sim::{Host, Node, SimStream, address};
use xs_os::sim::{self, Campaign, Keep, Kind, Nemesis, Report, Run, World};
use xs_os::vfs::faulty::Pace;
use xs_os::{Clock, Rng};

use crate::peer::Network;
use crate::server::{Config, EngineKind, Environment, Reads, assemble};
use crate::workload::{Record, Worker};

const MS: Duration = Duration::from_millis(1);
const SERVERS: u32 = 3;
const CLIENTS: u32 = 3;
const PEERS: u16 = 7379;
const RESP: u16 = 6379;
const ELECTION_TIMEOUT: Duration = Duration::from_millis(150);
/// When the last fault has ended.
const UNTIL: Duration = Duration::from_secs(4);
/// Behind it, every client must be served again within this.
const RECOVERY: Duration = Duration::from_secs(20);

/// The network of a simulated node.
#[derive(Clone, Debug)]
struct SimNetwork(Node);

impl Network for SimNetwork {
    type Io = SimStream;

    async fn connect(&self, address: &str) -> io::Result<SimStream> {
        let address: SocketAddr = address.parse().map_err(io::Error::other)?;
        self.0.connect_to(address).await
    }
}

/// What a seed decides beside the faults.
#[derive(Clone, Copy, Debug)]
struct Settings {
    engine: EngineKind,
    reads: Reads,
    log_bytes: u64,
    log_entries: u64,
}

impl Settings {
    fn draw(rng: &mut Rng) -> Settings {
        let short = rng.chance(0.5);
        Settings {
            engine: if rng.chance(0.5) { EngineKind::BTree } else { EngineKind::Lsm },
            // More than the clocks of two nodes drift apart: the nemesis turns each by two in a hundred.
            reads: if rng.chance(0.5) { Reads::Index } else { Reads::Lease { skew: ELECTION_TIMEOUT / 10 } },
            log_bytes: if short { 4 << 10 } else { 64 << 20 },
            log_entries: if short { 5 } else { 10_000 },
        }
    }
}

async fn server(node: Node, settings: Settings) -> io::Result<()> {
    let at = |id: u32, port| address(sim::NodeId(id), port).to_string();
    let me = node.id().0;
    let config = Config {
        founders: (0..SERVERS).map(|id| (u64::from(id) + 1, at(id, PEERS))).collect(),
        peer_address: at(me, PEERS),
        client_address: at(me, RESP),
        engine: settings.engine,
        reads: settings.reads,
        log_bytes: settings.log_bytes,
        log_entries: settings.log_entries,
        election_timeout: ELECTION_TIMEOUT,
        patience: 2000 * MS,
        ..Config::new(u64::from(me) + 1, "data")
    };
    let environment = Environment { clock: node.clock(), vfs: node.vfs(), jobs: node.jobs(), rng: node.rng() };
    let assembled = assemble(&config, &environment, SimNetwork(node.clone())).map_err(io::Error::other)?;
    let (peers, clients) = (node.listen(PEERS)?, node.listen(RESP)?);
    assembled.run(peers, clients, std::future::pending()).await.map_err(io::Error::other)
}

async fn client(node: Node, record: Record) -> io::Result<()> {
    let worker = Worker {
        network: SimNetwork(node.clone()),
        addresses: (0..SERVERS).map(|id| address(sim::NodeId(id), RESP).to_string()).collect(),
        name: u64::from(node.id().0),
        record: record.by({
            let node = node.clone();
            move || node.world_time()
        }),
        timer: node.timer(),
        rng: node.rng(),
        keys: 3,
        pause: 40 * MS,
        patience: 1000 * MS,
    };
    worker.run().await;
    Ok(())
}

/// Runs one seed.
pub(crate) fn run(run: &Run) -> Report {
    let mut rng = Rng::from_seed(run.seed).fork("settings");
    let settings = Settings::draw(&mut rng);
    let record = Record::new(|| Duration::ZERO);
    let options = sim::Options {
        keep: run.keep,
        pace: if rng.chance(0.3) { Pace::flash() } else { Pace::default() },
        link: if rng.chance(0.5) { sim::Link::connection() } else { sim::Link::datagrams() },
        respawn: if rng.chance(0.5) { 10 * MS } else { 100 * MS },
        ..sim::Options::new(SERVERS + CLIENTS)
    };
    let recorded = record.clone();
    let mut world = World::new(run.seed, options, move |cx| {
        let recorded = recorded.clone();
        Ok(match cx.node().0 {
            node if node < SERVERS => Host::new(cx, |node| server(node, settings)),
            _ => Host::new(cx, |node| client(node, recorded)),
        })
    });
    world.plan(run.plan.iter().cloned());
    let result = judge(&mut world, &record);
    world.report(result)
}

fn judge(world: &mut World<Host>, record: &Record) -> Result<(), String> {
    world.run_until(UNTIL, |_, _| Ok(()))?;
    let served = |_: &World<Host>| {
        let began = record.counts().began;
        began.len() == CLIENTS as usize
            && began.values().all(|began| began.iter().rev().take_while(|began| **began > UNTIL).count() >= 3)
    };
    if !world.run_while(UNTIL + RECOVERY, |_, _| Ok(()), served)? {
        let counts = record.counts();
        let last: Vec<_> = counts.began.iter().map(|(client, began)| (client, began.last())).collect();
        return Err(format!("liveness: {RECOVERY:?} behind the last fault not all clients are served: {last:?}"));
    }
    record.check()
}

/// So many seeds, from the first on; each failing one's command is printed.
pub(crate) fn campaign(first: u64, seeds: u64, threads: usize, command: &str) -> Campaign {
    let nodes = (0..SERVERS).map(sim::NodeId).collect();
    let mut all = Nemesis::new(nodes, UNTIL);
    all.bystanders = (SERVERS..SERVERS + CLIENTS).map(sim::NodeId).collect();
    let mut storm = all.clone();
    storm.gap = 20 * MS..200 * MS;
    storm.lasts = 5 * MS..400 * MS;
    let storm =
        storm.only(&[Kind::Crash, Kind::Crash, Kind::CrashInStep, Kind::Kill, Kind::Split, Kind::Cut, Kind::Pause]);
    Campaign { first, threads, ..Campaign::new(seeds, [all, storm], command) }
}

/// Runs seeds and prints what came of them; whether all went well.
pub(crate) fn simulate(first: u64, seeds: u64, threads: usize, clock: &Arc<dyn Clock>) -> (bool, String) {
    let campaign = campaign(first, seeds, threads, "xs-distributed-kv simulate --seed {seed}");
    if seeds == 1 {
        let report = run(&Run { keep: Keep::Last(400), ..campaign.one(first) });
        let verdict = match &report.result {
            Ok(()) => "linearizable, and served again behind the last fault".to_owned(),
            Err(why) => why.clone(),
        };
        let text = format!("{}\nseed {first}: {verdict}\n{:?}", report.text, report.tally);
        return (report.result.is_ok(), text);
    }
    let verdict = campaign.run(&**clock, run);
    (verdict.found.is_none(), verdict.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use xs_os::SystemClock;

    #[test]
    fn in_fair_weather_all_clients_are_served_soon() {
        let report = run(&Run { seed: 1, weather: 0, plan: Vec::new(), keep: Keep::Last(60) });
        assert_eq!(report.result, Ok(()), "{}", report.text);
        assert!(report.simulated < UNTIL + Duration::from_secs(1));
    }

    #[test]
    fn the_same_seed_does_the_same_twice() {
        let campaign = Campaign { twice: true, ..campaign(1, 2, 2, "seed {seed}") };
        campaign.run(&SystemClock, run).expect_clean();
    }

    /// `XS_SEEDS=500` runs more.
    #[test]
    fn the_whole_assembly_stands_everything() {
        let seeds = std::env::var("XS_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
        let verdict = campaign(100, seeds, 2, "xs-distributed-kv simulate --seed {seed}").run(&SystemClock, run);
        println!("{verdict}");
        verdict.expect_clean();
    }
}
