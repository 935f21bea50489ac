//! A cluster in front of one's eyes: it is loaded, and harmed, and what its clients saw is checked.
//!
//! Nodes run in this process, on loopback, with data on the real disk. A partition is made where nodes reach each other: a
//! network that refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use xs_net::{Timer, Transport};
use xs_os::Rng;
use xs_os::vfs::{SystemVfs, Vfs};

use super::args::Demo;
use super::{Failure, Outcome, say};
use crate::peer::{Network, Tcp};
use crate::server::{Bound, Config, Environment, Server};
use crate::workload::{Record, Worker};

const NODES: u64 = 3;

/// TCP that can be cut: what goes to, or comes from, a node on the other side stays unsent.
#[derive(Clone, Debug)]
struct Cuttable {
    cuts: Cuts,
    me: u64,
    addresses: Arc<BTreeMap<String, u64>>,
}

/// The nodes that nobody hears.
#[derive(Clone, Debug, Default)]
struct Cuts(Arc<Mutex<BTreeSet<u64>>>);

impl Cuts {
    fn between(&self, one: u64, other: u64) -> bool {
        let cut = self.0.lock();
        cut.contains(&one) != cut.contains(&other)
    }
}

/// A connection that breaks when its ends are cut off from each other.
#[derive(Debug)]
struct CutStream {
    io: TcpStream,
    cuts: Cuts,
    ends: (u64, u64),
}

impl CutStream {
    fn check(&self) -> io::Result<()> {
        if self.cuts.between(self.ends.0, self.ends.1) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Network for Cuttable {
    type Io = CutStream;

    async fn connect(&self, address: &str) -> io::Result<CutStream> {
        let other = self.addresses.get(address).copied().unwrap_or(self.me);
        if self.cuts.between(self.me, other) {
            return Err(io::ErrorKind::HostUnreachable.into());
        }
        let io = Tcp.connect(address).await?;
        Ok(CutStream { io, cuts: self.cuts.clone(), ends: (self.me, other) })
    }
}

impl Transport for CutStream {}

impl AsyncRead for CutStream {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        self.check()?;
        std::pin::Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        self.check()?;
        std::pin::Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The stage.
struct Stage {
    servers: BTreeMap<u64, Server>,
    founders: BTreeMap<u64, String>,
    clients: BTreeMap<u64, SocketAddr>,
    cuts: Cuts,
    dir: std::path::PathBuf,
    timer: Timer,
    began: Instant,
    record: Record,
    told: (u64, u64, u64),
}

impl Stage {
    fn tell(&self, what: impl fmt::Display) {
        let at = (self.timer.now() - self.began).as_secs_f64();
        say(&format!("{at:7.3} s  {what}"));
    }

    fn start(&mut self, node: u64, bound: Bound) -> Result<(), Failure> {
        let config = Config {
            founders: self.founders.clone(),
            peer_address: self.founders[&node].clone(),
            ..Config::new(node, self.dir.join(format!("n{node}")))
        };
        let addresses = self.founders.iter().map(|(node, address)| (address.clone(), *node)).collect();
        let network = Cuttable { cuts: self.cuts.clone(), me: node, addresses: Arc::new(addresses) };
        let server = bound.start_over(config, &Environment::system(), network).map_err(Failure::broken)?;
        self.servers.insert(node, server);
        Ok(())
    }

    /// Waits until all who can hear each other agree, and tells how long it took.
    async fn leader(&self, among: &[u64]) -> Result<u64, Failure> {
        let from = self.timer.now();
        loop {
            let mut leaders: Vec<_> =
                among.iter().map(|node| self.servers.get(node).and_then(Server::leader)).collect();
            leaders.dedup();
            if let [Some(leader)] = leaders[..]
                && among.contains(&leader)
            {
                self.tell(format_args!("n{leader} leads, after {:.0?}", self.timer.now() - from));
                return Ok(leader);
            }
            if self.timer.now() - from > Duration::from_secs(10) {
                return Err(Failure::refused("no leader within 10 s"));
            }
            self.timer.sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets the clients work, and tells what they got.
    async fn act(&mut self, length: Duration) {
        self.timer.sleep(length).await;
        let counts = self.record.counts();
        let (answered, refused, uncertain) = self.told;
        self.tell(format_args!(
            "{} answered, {} refused, {} uncertain",
            counts.answered - answered,
            counts.refused - refused,
            counts.uncertain - uncertain
        ));
        self.told = (counts.answered, counts.refused, counts.uncertain);
    }
}

pub(super) async fn run(demo: Demo) -> Outcome {
    let (dir, temporary) = match &demo.data_dir {
        Some(dir) => (dir.clone(), false),
        None => (std::env::temp_dir().join(format!("xs-distributed-kv-demo-{}", std::process::id())), true),
    };
    let outcome = play(&demo, &dir).await;
    if temporary {
        remove(&SystemVfs, &dir);
    }
    outcome
}

/// Removes a directory of the demonstration's own; what can't be removed stays.
fn remove(vfs: &dyn Vfs, path: &Path) {
    if vfs.remove(path).is_err()
        && let Ok(names) = vfs.list(path)
    {
        names.iter().for_each(|name| remove(vfs, &path.join(name)));
        let _ = vfs.remove(path);
    }
}

async fn play(demo: &Demo, dir: &Path) -> Outcome {
    let length = Duration::from_secs_f64(demo.act);
    let timer = Timer::system();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut bound = BTreeMap::new();
    for node in 1..=NODES {
        bound.insert(node, Bound::bind(any, any).map_err(Failure::broken)?);
    }
    let began = timer.now();
    let clock = timer.clone();
    let mut stage = Stage {
        servers: BTreeMap::new(),
        founders: bound.iter().map(|(node, bound)| (*node, bound.peer_addr().to_string())).collect(),
        clients: bound.iter().map(|(node, bound)| (*node, bound.client_addr())).collect(),
        cuts: Cuts::default(),
        dir: dir.to_owned(),
        timer,
        began,
        record: Record::new(move || clock.now() - began),
        told: (0, 0, 0),
    };
    for (node, bound) in bound {
        stage.tell(format_args!("n{node} starts, for clients on {}", bound.client_addr()));
        stage.start(node, bound)?;
    }
    let all: Vec<u64> = (1..=NODES).collect();
    let leader = stage.leader(&all).await?;
    let mut workers = Vec::new();
    for name in 1..=demo.clients {
        let worker = Worker {
            network: Tcp,
            addresses: stage.clients.values().map(SocketAddr::to_string).collect(),
            name,
            record: stage.record.clone(),
            timer: stage.timer.clone(),
            rng: Rng::from_entropy(),
            keys: 8,
            pause: Duration::from_millis(4),
            patience: Duration::from_secs(2),
        };
        workers.push(tokio::spawn(worker.run()));
    }
    stage.tell(format_args!("{} clients read and write", demo.clients));
    stage.act(length).await;

    stage.tell(format_args!("n{leader} is killed"));
    stage.servers.remove(&leader);
    let rest: Vec<u64> = all.iter().copied().filter(|node| *node != leader).collect();
    let second = stage.leader(&rest).await?;
    stage.act(length).await;

    stage.tell(format_args!("n{leader} comes back with its disk"));
    let peers = stage.founders[&leader].parse().map_err(Failure::broken)?;
    // The killed node's tasks may not have let go of its sockets yet.
    let bound = loop {
        match Bound::bind(peers, stage.clients[&leader]) {
            Ok(bound) => break bound,
            Err(_) => stage.timer.sleep(Duration::from_millis(10)).await,
        }
    };
    stage.start(leader, bound)?;
    stage.act(length).await;

    let second = stage.leader(&all).await.unwrap_or(second);
    stage.tell(format_args!("n{second} is cut off from the other two"));
    stage.cuts.0.lock().insert(second);
    let rest: Vec<u64> = all.iter().copied().filter(|node| *node != second).collect();
    stage.leader(&rest).await?;
    stage.act(length).await;

    stage.tell("the network is whole again");
    stage.cuts.0.lock().clear();
    stage.leader(&all).await?;
    stage.act(length).await;

    workers.iter().for_each(tokio::task::JoinHandle::abort);
    let table = super::operate::table(&stage.clients[&1].to_string()).await?;
    say(&table);
    let operations = stage.record.operations();
    let checked = stage.record.check();
    for (_, server) in std::mem::take(&mut stage.servers) {
        server.shutdown().await.map_err(Failure::broken)?;
    }
    match checked {
        Ok(()) => {
            stage.tell(format_args!("all {operations} operations fit one order: linearizable, and nothing is lost"));
            Ok(())
        }
        Err(why) => Err(Failure::refused(why)),
    }
}
