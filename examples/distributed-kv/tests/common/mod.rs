//! A client of RESP, and clusters inside of this process.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tower::{Service, ServiceExt};
use xs_distributed_kv::{Bound, Config, Environment, Server};
use xs_net::client::{ClientOptions, connect};
use xs_proto::resp::{Frame, FrameCodec, Request, Version};

/// Whether this test may do what only root may.
pub(crate) fn is_root() -> bool {
    let id = std::process::Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// A connection to a node.
pub(crate) struct Client {
    connection: xs_net::Connection<Request, Frame>,
}

impl Client {
    pub(crate) async fn to(addr: SocketAddr) -> std::io::Result<Client> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let codec = FrameCodec::new(Version::Resp2);
        let (connection, _, driver) = connect(stream, codec, Frame::is_push, ClientOptions::default());
        tokio::spawn(driver.run());
        Ok(Client { connection })
    }

    /// Sends a request at once, and gives what its answer will be.
    pub(crate) async fn send(&mut self, words: &[&str]) -> xs_net::client::Reply<Frame> {
        let request: Request = words.iter().collect();
        match self.connection.ready().await {
            Ok(ready) => ready.call(request),
            Err(error) => panic!("{error}"),
        }
    }

    /// The answer, if there is one.
    pub(crate) async fn try_ask(&mut self, line: &str) -> Option<String> {
        let request: Request = line.split(' ').collect();
        let reply = self.connection.ready().await.ok()?.call(request).await;
        reply.ok().map(|frame| shown(&frame))
    }

    /// The answer as redis-cli would print it, roughly.
    pub(crate) async fn ask(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let reply = self.send(&words).await.await;
        reply.map_or_else(|error| format!("!{error}"), |frame| shown(&frame))
    }

    /// The same of what a leader may not be ready for, again and again: a new one knows of no other change of membership
    /// only when an entry of its own is committed, and a newcomer must catch up.
    pub(crate) async fn ask_again(&mut self, line: &str) -> String {
        for _ in 0..500 {
            let answer = self.ask(line).await;
            if !answer.starts_with("CLUSTERDOWN") {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{line}: nothing was done within 10 s");
    }
}

pub(crate) fn shown(frame: &Frame) -> String {
    match frame {
        Frame::Integer(n) => format!(":{n}"),
        Frame::Null => "nil".into(),
        frame => match (frame.elements(), frame.text()) {
            (Some(elements), _) => format!("[{}]", elements.iter().map(shown).collect::<Vec<_>>().join(" ")),
            (_, Some(text)) => String::from_utf8_lossy(text).into_owned(),
            _ => format!("{frame:?}"),
        },
    }
}

/// Nodes in this process.
pub(crate) struct Cluster {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) servers: BTreeMap<u64, Server>,
    founders: BTreeMap<u64, String>,
}

impl Cluster {
    pub(crate) async fn start(nodes: u64) -> Cluster {
        Cluster::start_with(nodes, |_| {}).await
    }

    pub(crate) async fn start_with(nodes: u64, change: impl Fn(&mut Config)) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let bound: Vec<(u64, Bound)> = (1..=nodes).map(|node| (node, bind())).collect();
        let founders: BTreeMap<u64, String> =
            bound.iter().map(|(node, bound)| (*node, bound.peer_addr().to_string())).collect();
        let mut servers = BTreeMap::new();
        for (node, bound) in bound {
            let mut config = config(dir.path(), node, &founders);
            change(&mut config);
            servers.insert(node, bound.start(config, &Environment::system()).unwrap());
        }
        let cluster = Cluster { dir, servers, founders };
        cluster.leader().await;
        cluster
    }

    /// A further node, which is not a member yet, or one that was stopped.
    pub(crate) fn add(&mut self, node: u64, bound: Bound) {
        let founders = if self.founders.contains_key(&node) { self.founders.clone() } else { BTreeMap::new() };
        let config = config(self.dir.path(), node, &founders);
        self.servers.insert(node, bound.start(config, &Environment::system()).unwrap());
    }

    /// Waits until all nodes agree on who leads.
    pub(crate) async fn leader(&self) -> u64 {
        for _ in 0..500 {
            let mut leaders: Vec<_> = self.servers.values().map(Server::leader).collect();
            leaders.dedup();
            if let [Some(leader)] = leaders[..]
                && self.servers.contains_key(&leader)
            {
                return leader;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no leader within 10 s");
    }

    pub(crate) async fn client(&self, node: u64) -> Client {
        Client::to(self.servers[&node].client_addr()).await.unwrap()
    }

    pub(crate) async fn follower(&self) -> u64 {
        let leader = self.leader().await;
        *self.servers.keys().find(|node| **node != leader).unwrap()
    }
}

pub(crate) fn bind() -> Bound {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Bound::bind(any, any).unwrap()
}

pub(crate) fn config(dir: &Path, node: u64, founders: &BTreeMap<u64, String>) -> Config {
    Config { founders: founders.clone(), ..Config::new(node, dir.join(format!("n{node}"))) }
}
