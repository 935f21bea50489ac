//! Clusters of real processes, clients that record what they are told, and what can be done to both.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::JoinHandle;
use xs_distributed_kv::Tcp;
use xs_distributed_kv::testing::{Record, Worker};
use xs_net::Timer;
use xs_os::Rng;

use crate::common::Client;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// Where a node runs.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The network namespace, if it is another one than the test's.
    pub(crate) namespace: Option<String>,
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
    pub(crate) peer_port: u16,
}

impl Place {
    /// On loopback, on ports that nobody has.
    pub(crate) fn local() -> Place {
        Place { namespace: None, ip: Ipv4Addr::LOCALHOST.into(), port: free_port(), peer_port: free_port() }
    }

    pub(crate) fn clients(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    pub(crate) fn peers(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.peer_port)
    }
}

/// One below those that connections take for themselves: somebody's connection could have such a one by the time it is needed.
fn free_port() -> u16 {
    loop {
        let port = 10_000 + (RandomState::new().hash_one(()) % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A cluster of processes.
pub(crate) struct Processes {
    pub(crate) dir: tempfile::TempDir,
    /// The founders, and where they are.
    pub(crate) places: BTreeMap<u64, Place>,
    pub(crate) running: BTreeMap<u64, Child>,
    /// What all of them are told beside who they are.
    pub(crate) arguments: Vec<String>,
    pub(crate) timer: Timer,
}

impl Processes {
    /// Founders on loopback.
    pub(crate) async fn start(nodes: u64) -> Processes {
        Processes::start_with(nodes, &[]).await
    }

    /// Founders on loopback, with further arguments.
    pub(crate) async fn start_with(nodes: u64, arguments: &[&str]) -> Processes {
        Processes::start_at((1..=nodes).map(|node| (node, Place::local())).collect(), arguments).await
    }

    pub(crate) async fn start_at(places: BTreeMap<u64, Place>, arguments: &[&str]) -> Processes {
        let dir = tempfile::tempdir().unwrap();
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let running = BTreeMap::new();
        let mut processes = Processes { dir, places, running, arguments, timer: Timer::system() };
        let nodes: Vec<u64> = processes.places.keys().copied().collect();
        nodes.into_iter().for_each(|node| processes.run(node));
        processes.leader().await;
        processes
    }

    pub(crate) fn data_dir(&self, node: u64) -> PathBuf {
        self.dir.path().join(format!("n{node}"))
    }

    /// What starts a founder.
    pub(crate) fn command(&self, node: u64, data_dir: &Path) -> Command {
        let founders: Vec<_> = self.places.iter().map(|(id, place)| format!("{id}={}", place.peers())).collect();
        let mut command = self.serve(node, data_dir, &self.places[&node]);
        command.args(["--cluster", &founders.join(",")]);
        command
    }

    /// What starts any node, but for how it finds the others.
    pub(crate) fn serve(&self, node: u64, data_dir: &Path, place: &Place) -> Command {
        let program = env!("CARGO_BIN_EXE_xs-distributed-kv");
        let mut command = match &place.namespace {
            None => Command::new(program),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace, program]);
                command
            }
        };
        command.args(["serve", "--id", &node.to_string(), "--data-dir"]).arg(data_dir);
        command.args(["--bind", &place.ip.to_string(), "--allow-anyone"]);
        command.args(["--port", &place.port.to_string(), "--peer-port", &place.peer_port.to_string()]);
        command.args(&self.arguments);
        command
    }

    /// What the node has said on its standard error.
    pub(crate) fn log(&self, node: u64) -> String {
        std::fs::read_to_string(self.dir.path().join(format!("n{node}.log"))).unwrap_or_default()
    }

    /// Waits until the node has said this.
    pub(crate) async fn said(&self, node: u64, what: &str) {
        for _ in 0..1000 {
            if self.log(node).contains(what) {
                return;
            }
            self.timer.sleep(10 * MS).await;
        }
        panic!("n{node} does not say '{what}': {}", self.log(node));
    }

    pub(crate) fn run(&mut self, node: u64) {
        let dir = self.data_dir(node);
        self.run_in(node, &dir);
    }

    pub(crate) fn run_in(&mut self, node: u64, dir: &Path) {
        let command = self.command(node, dir);
        self.spawn(node, command);
    }

    pub(crate) fn spawn(&mut self, node: u64, mut command: Command) {
        let log = self.dir.path().join(format!("n{node}.log"));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.running.insert(node, child);
    }

    /// Has the program do something else than serving, and waits for its end.
    pub(crate) async fn program(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_xs-distributed-kv"));
        command.args(arguments).kill_on_drop(true);
        let ended = self.timer.timeout(Duration::from_secs(60), command.output()).await;
        ended.unwrap_or_else(|| panic!("it does not end: {arguments:?}")).unwrap()
    }

    pub(crate) fn signal(&self, node: u64, signal: Signal) {
        kill(Pid::from_raw(self.running[&node].id() as i32), signal).unwrap();
    }

    pub(crate) fn kill(&mut self, node: u64) {
        let mut child = self.running.remove(&node).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends it as an operator would.
    pub(crate) async fn stop(&mut self, node: u64) -> ExitStatus {
        self.signal(node, Signal::SIGTERM);
        self.end(node).await
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self, node: u64) -> ExitStatus {
        let mut child = self.running.remove(&node).unwrap();
        for _ in 0..1000 {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            self.timer.sleep(10 * MS).await;
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!("n{node} does not end: {}", self.log(node));
    }

    pub(crate) fn addr(&self, node: u64) -> SocketAddr {
        self.places[&node].clients()
    }

    /// What a node answers to one request, if it does.
    pub(crate) async fn ask(&self, node: u64, line: &str) -> Option<String> {
        let asked = async { Client::to(self.addr(node)).await.ok()?.try_ask(line).await };
        self.timer.timeout(500 * MS, asked).await.flatten()
    }

    /// A node's word on who leads, and its own role.
    pub(crate) async fn status(&self, node: u64) -> Option<(u64, String)> {
        let status = self.ask(node, "RAFT STATUS").await?;
        let field = |name: &str| Some(status.split(name).nth(1)?.split(' ').next()?.trim_end_matches(']').to_owned());
        Some((field("leader :")?.parse().ok()?, field("role ")?))
    }

    /// A node's word on who leads.
    pub(crate) async fn says(&self, node: u64) -> Option<u64> {
        self.status(node).await.map(|(leader, _)| leader).filter(|leader| *leader != 0)
    }

    /// Who leads, by the word of all that run.
    pub(crate) async fn leader(&self) -> u64 {
        self.leader_but(&[]).await
    }

    /// Who leads, by the word of all but these, and is none of these.
    pub(crate) async fn leader_but(&self, silent: &[u64]) -> u64 {
        for _ in 0..1000 {
            let mut said = Vec::new();
            for node in self.running.keys().filter(|node| !silent.contains(node)) {
                said.push(self.says(*node).await);
            }
            said.dedup();
            if let [Some(leader)] = said[..]
                && !silent.contains(&leader)
                && self.running.contains_key(&leader)
            {
                return leader;
            }
            self.timer.sleep(10 * MS).await;
        }
        let logs: Vec<_> = self.places.keys().map(|node| self.log(*node)).collect();
        panic!("no leader: {}", logs.join("\n----\n"));
    }

    /// Some node that does not lead.
    pub(crate) async fn follower(&self) -> u64 {
        let leader = self.leader().await;
        *self.running.keys().find(|node| **node != leader).unwrap()
    }

    /// Clients that go wherever they are answered.
    pub(crate) fn clients(&self, clients: u64) -> (Record, Vec<JoinHandle<()>>) {
        let record = self.record();
        let all: Vec<u64> = self.places.keys().copied().collect();
        let tasks = (1..=clients).map(|name| self.client(&record, name, &all)).collect();
        (record, tasks)
    }

    /// An empty record.
    pub(crate) fn record(&self) -> Record {
        let (timer, began) = (self.timer.clone(), self.timer.now());
        Record::new(move || timer.now() - began)
    }

    /// One client, of these nodes.
    pub(crate) fn client(&self, record: &Record, name: u64, nodes: &[u64]) -> JoinHandle<()> {
        let worker = Worker {
            network: Tcp,
            addresses: nodes.iter().map(|node| self.addr(*node).to_string()).collect(),
            name,
            record: record.clone(),
            timer: self.timer.clone(),
            rng: Rng::from_seed(name),
            keys: 6,
            pause: 10 * MS,
            patience: 3000 * MS,
        };
        tokio::spawn(worker.run())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Ends the clients, and checks what they were told.
pub(crate) fn judge(record: &Record, tasks: &[JoinHandle<()>]) {
    tasks.iter().for_each(JoinHandle::abort);
    println!("{record}");
    assert!(record.answered() > 20, "the clients were served");
    record.check().unwrap();
}
