//! Real processes, each in a network namespace of its own, whose links are cut: both ways, one way, between some; while
//! clients of every node record what they are told.

use std::collections::BTreeSet;
use std::time::Duration;

use xs_os::Rng;

use crate::cluster::{MS, Processes, judge};
use crate::common::is_root;
use crate::namespaces::Network;

/// Behind a cut, a majority must serve again within this, and all nodes behind its healing.
const SOON: Duration = Duration::from_secs(10);

/// What is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The leader, from all.
    Leader,
    /// The leader, which is then killed, and started while it is still cut off.
    LeaderAndKill,
    /// The leader hears the others, and is not heard.
    LeaderIsMute,
    /// The leader is heard by the others, and hears nobody.
    LeaderIsDeaf,
    /// The leader's cable is pulled: it loses its clients, too.
    Cable,
    /// A follower, from all.
    Follower,
    /// The leader and one follower, from each other: both see the rest.
    LeaderFromOne,
    /// The followers, from each other: all see the leader.
    Followers,
    /// The leader and one follower, from the rest, which is a majority of five.
    Minority,
    /// Two halves that both see one node in between.
    Bridge,
}

/// A cut, drawn for who leads now.
struct Plan {
    /// From whom to whom nothing comes.
    links: BTreeSet<(u64, u64)>,
    /// Who can reach no majority, or is not reached by one.
    lost: Vec<u64>,
}

impl Cut {
    fn plan(self, leader: u64, others: &[u64]) -> Plan {
        let all = || std::iter::once(leader).chain(others.iter().copied());
        let between = |these: &[u64], those: &[u64]| {
            let pairs = these.iter().flat_map(|a| those.iter().flat_map(move |b| [(*a, *b), (*b, *a)]));
            pairs.filter(|(a, b)| a != b).collect::<BTreeSet<_>>()
        };
        let first = others[0];
        let (links, lost) = match self {
            Cut::Leader | Cut::LeaderAndKill => (between(&[leader], others), vec![leader]),
            Cut::LeaderIsMute => (others.iter().map(|other| (leader, *other)).collect(), vec![leader]),
            Cut::LeaderIsDeaf => (others.iter().map(|other| (*other, leader)).collect(), vec![leader]),
            Cut::Cable => (BTreeSet::new(), vec![leader]),
            Cut::Follower => (between(&[first], &all().collect::<Vec<_>>()), vec![first]),
            Cut::LeaderFromOne => (between(&[leader], &[first]), Vec::new()),
            Cut::Followers => (between(others, others), Vec::new()),
            Cut::Minority => (between(&[leader, first], &others[1..]), vec![leader, first]),
            Cut::Bridge => (between(&[leader, first], &others[1..others.len() - 1]), Vec::new()),
        };
        Plan { links, lost }
    }
}

/// Waits until a majority's nodes each take a write.
async fn majority_serves(cluster: &Processes, nodes: &[u64], needed: usize) {
    let began = cluster.timer.now();
    loop {
        let mut served = 0;
        for node in nodes {
            served += usize::from(cluster.ask(*node, "SET probe here").await.as_deref() == Some("OK"));
        }
        if served >= needed {
            return;
        }
        let waited = cluster.timer.now() - began;
        assert!(waited < SOON, "{served} of {nodes:?} serve after {waited:?}: {}", logs(cluster));
    }
}

fn logs(cluster: &Processes) -> String {
    cluster.places.keys().map(|node| format!("---- n{node}\n{}", cluster.log(*node))).collect()
}

/// Goes through these cuts, under load.
async fn stand(nodes: u64, cuts: &[Cut], arguments: &[&str]) {
    if !is_root() {
        return println!("not tried: only root makes network namespaces");
    }
    let rounds: usize = std::env::var("XS_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let network = Network::up(nodes).unwrap();
    let arguments = [&["--patience", "1000"][..], arguments].concat();
    let mut cluster = Processes::start_at(network.places(), &arguments).await;
    let all: Vec<u64> = cluster.places.keys().copied().collect();
    // One stays at each node, whatever becomes of it, and some go where they are answered.
    let record = cluster.record();
    let mut tasks: Vec<_> = all.iter().map(|node| cluster.client(&record, *node, &[*node])).collect();
    tasks.extend((nodes + 1..=nodes + 2).map(|name| cluster.client(&record, name, &all)));
    let mut rng = Rng::from_seed(nodes);
    let (mut elected, mut stepped, mut healed) = (Vec::new(), Vec::new(), Vec::new());
    for cut in std::iter::repeat_n(cuts, rounds).flatten().copied() {
        let leader = cluster.leader().await;
        let others: Vec<u64> = all.iter().copied().filter(|node| *node != leader).collect();
        let plan = cut.plan(leader, &others);
        let (lost, began) = (network.lost(), cluster.timer.now());
        plan.links.iter().for_each(|(from, to)| network.cut(*from, *to));
        if cut == Cut::Cable {
            network.plug(leader, false);
        }
        if plan.lost.contains(&leader) {
            cluster.leader_but(&plan.lost).await;
            elected.push(cluster.timer.now() - began);
            // It finds by itself that no majority hears it.
            while cut != Cut::Cable && cluster.status(leader).await.is_none_or(|(_, role)| role == "leader") {
                assert!(cluster.timer.now() - began < SOON, "n{leader} leads on: {}", logs(&cluster));
                cluster.timer.sleep(10 * MS).await;
            }
            stepped.push(cluster.timer.now() - began);
        }
        if cut == Cut::LeaderAndKill {
            cluster.kill(leader);
            cluster.run(leader);
        }
        let able: Vec<u64> = all.iter().copied().filter(|node| !plan.lost.contains(node)).collect();
        majority_serves(&cluster, &able, all.len() / 2 + 1).await;
        cluster.timer.sleep(rng.below(1500) as u32 * MS).await;
        assert!(cut == Cut::Cable || network.lost() > lost, "{cut:?}: nothing was lost");
        network.heal();
        if cut == Cut::Cable {
            network.plug(leader, true);
        }
        let whole = cluster.timer.now();
        majority_serves(&cluster, &all, all.len()).await;
        cluster.leader().await;
        let took = cluster.timer.now() - whole;
        healed.push(took);
        println!("{cut:?} of n{leader}: {:?} until all serve again", took);
    }
    let most = |times: &[Duration]| times.iter().max().copied().unwrap_or_default();
    println!(
        "{} cuts, {} packets lost; at most {:?} to another leader, {:?} until the old one has stepped down, {:?} to heal; {record}",
        healed.len(),
        network.lost(),
        most(&elected),
        most(&stepped),
        most(&healed),
    );
    judge(&record, &tasks);
}

const OF_THREE: [Cut; 8] = [
    Cut::Leader,
    Cut::Follower,
    Cut::LeaderIsMute,
    Cut::LeaderIsDeaf,
    Cut::LeaderFromOne,
    Cut::Followers,
    Cut::Cable,
    Cut::LeaderAndKill,
];

#[tokio::test]
#[ignore = "needs root and network namespaces"]
async fn three_nodes_whose_links_are_cut_tell_nothing_wrong_and_recover() {
    stand(3, &OF_THREE, &[]).await;
}

/// What a leader answers by its lease while others elect another one.
#[tokio::test]
#[ignore = "needs root and network namespaces"]
async fn three_nodes_that_read_by_lease_tell_nothing_wrong_either() {
    stand(3, &OF_THREE, &["--reads", "lease"]).await;
}

#[tokio::test]
#[ignore = "needs root and network namespaces"]
async fn five_nodes_are_split_and_bridged() {
    let cuts = [Cut::Minority, Cut::Bridge, Cut::LeaderFromOne, Cut::Followers, Cut::LeaderIsMute, Cut::LeaderIsDeaf];
    stand(5, &cuts, &[]).await;
}

/// Dropping it takes down what it has put up, also when a test panics.
#[tokio::test]
#[ignore = "needs root and network namespaces"]
async fn nothing_of_a_network_stays() {
    if !is_root() {
        return println!("not tried: only root makes network namespaces");
    }
    let listed = || {
        let listed = std::process::Command::new("ip").args(["netns", "list"]).output().unwrap();
        String::from_utf8_lossy(&listed.stdout).into_owned()
    };
    let (tell, told) = std::sync::mpsc::channel();
    let panicked = std::thread::spawn(move || {
        let network = Network::up(2).unwrap();
        tell.send((network.switch.clone(), listed())).unwrap();
        panic!("as a test may");
    });
    assert!(panicked.join().is_err());
    let (switch, while_up) = told.recv().unwrap();
    assert!(while_up.contains(&switch), "{while_up}");
    assert!(!listed().contains(&switch), "{}", listed());
}
