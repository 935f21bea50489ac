//! A network of namespaces: each node has one of its own, and a cable to a switch in one more. Links are cut in one
//! direction, or both, or a cable is pulled; nothing of the machine's own network is touched.
//!
//! ```text
//!   n1 ── eth0 ═══ v1 ─┐
//!   n2 ── eth0 ═══ v2 ─┼─ switch ─ the clients, and the test
//!   n3 ── eth0 ═══ v3 ─┘
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

use crate::cluster::Place;

/// Networks of this process, so that each has a name of its own.
static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// The network. Dropping it takes it down.
pub(crate) struct Network {
    /// The switch's namespace, in which this thread lives meanwhile.
    pub(crate) switch: String,
    nodes: BTreeMap<u64, String>,
    home: File,
}

fn run(program: &str, arguments: &str) -> Result<String, String> {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

fn ip(arguments: &str) -> Result<String, String> {
    run("ip", arguments)
}

fn address(node: u64) -> Ipv4Addr {
    Ipv4Addr::new(10, 99, 0, u8::try_from(node).unwrap())
}

impl Network {
    /// Puts it up, and moves this thread to the switch.
    pub(crate) fn up(nodes: u64) -> Result<Network, String> {
        let home = File::open("/proc/thread-self/ns/net").map_err(|error| error.to_string())?;
        let name = format!("xs-dkv-{}-{}", std::process::id(), NETWORKS.fetch_add(1, Ordering::Relaxed));
        let switch = format!("{name}-sw");
        ip(&format!("netns add {switch}"))?;
        let mut network = Network { switch, nodes: BTreeMap::new(), home };
        network.lay(&name, nodes)?;
        let there = File::open(format!("/run/netns/{}", network.switch)).map_err(|error| error.to_string())?;
        setns(there, CloneFlags::CLONE_NEWNET).map_err(|error| format!("setns: {error}"))?;
        Ok(network)
    }

    fn lay(&mut self, name: &str, nodes: u64) -> Result<(), String> {
        let switch = self.switch.clone();
        ip(&format!("-n {switch} link add br0 type bridge"))?;
        ip(&format!("-n {switch} link set br0 up"))?;
        ip(&format!("-n {switch} addr add {}/24 dev br0", address(254)))?;
        for node in 1..=nodes {
            let own = format!("{name}-n{node}");
            ip(&format!("netns add {own}"))?;
            self.nodes.insert(node, own.clone());
            ip(&format!("-n {switch} link add v{node} type veth peer name eth0 netns {own}"))?;
            ip(&format!("-n {switch} link set v{node} master br0 up"))?;
            ip(&format!("-n {own} addr add {}/24 dev eth0", address(node)))?;
            ip(&format!("-n {own} link set eth0 up"))?;
            ip(&format!("-n {own} link set lo up"))?;
            for rule in [
                "add table ip xs",
                "add set ip xs cut { type ipv4_addr ; }",
                "add chain ip xs in { type filter hook input priority 0 ; }",
                "add rule ip xs in ip saddr @cut counter drop",
            ] {
                self.nft(node, rule)?;
            }
        }
        Ok(())
    }

    fn nft(&self, node: u64, rule: &str) -> Result<String, String> {
        ip(&format!("netns exec {} nft {rule}", self.nodes[&node]))
    }

    /// Where nodes run here.
    pub(crate) fn places(&self) -> BTreeMap<u64, Place> {
        let place = |(node, namespace): (&u64, &String)| {
            let place = Place {
                namespace: Some(namespace.clone()),
                ip: IpAddr::V4(address(*node)),
                port: 6379,
                peer_port: 7379,
            };
            (*node, place)
        };
        self.nodes.iter().map(place).collect()
    }

    /// Whatever `from` sends to `to` is lost from now on.
    pub(crate) fn cut(&self, from: u64, to: u64) {
        self.nft(to, &format!("add element ip xs cut {{ {} }}", address(from))).unwrap();
    }

    /// Neither hears the other one.
    pub(crate) fn part(&self, one: u64, other: u64) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// All links that were cut are whole again.
    pub(crate) fn heal(&self) {
        for node in self.nodes.keys() {
            self.nft(*node, "flush set ip xs cut").unwrap();
        }
    }

    /// The node's cable is pulled, or put back: it loses its clients, too.
    pub(crate) fn plug(&self, node: u64, is_in: bool) {
        let state = if is_in { "up" } else { "down" };
        ip(&format!("-n {} link set v{node} {state}", self.switch)).unwrap();
    }

    /// How many packets were lost on links that were cut.
    pub(crate) fn lost(&self) -> u64 {
        let lost = |node: &u64| {
            let rules = self.nft(*node, "list chain ip xs in").unwrap();
            let packets = rules.split("counter packets ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
            packets.parse::<u64>().unwrap()
        };
        self.nodes.keys().map(lost).sum()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = setns(&self.home, CloneFlags::CLONE_NEWNET);
        for namespace in self.nodes.values().chain([&self.switch]) {
            let _ = ip(&format!("netns del {namespace}"));
        }
    }
}
