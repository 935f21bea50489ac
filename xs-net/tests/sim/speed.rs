//! How fast a world of hosts runs. The figures are printed: `cargo test --release -p xs-net --test sim speed -- --nocapture`.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use xs_os::sim::{Keep, Kind, Nemesis};
use xs_os::{Clock, Rng, SystemClock};

use super::server::echo;
use super::*;

/// Asks another node, with a time limit for each question, and a pause behind it.
async fn ask_on(node: Node, peer: NodeId) {
    let timer = node.timer();
    loop {
        let asking = async {
            let mut stream = node.connect(peer, PORT).await?;
            let mut answer = [0; 101];
            loop {
                stream.write_all(&[&[b'x'; 100][..], b"\n"].concat()).await?;
                match timer.timeout(500 * MS, stream.read_exact(&mut answer)).await {
                    Some(read) => read?,
                    None => return Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut)),
                };
                timer.sleep(10 * MS).await;
            }
        };
        let _ = asking.await;
        timer.sleep(10 * MS).await;
    }
}

/// Three nodes, each of which serves and asks both others, for ten seconds; with faults or without.
fn cluster(seed: u64, faults: bool) -> World<Host> {
    let options = Options { keep: Keep::Hash, ..Options::new(3) };
    let mut world = World::new(seed, options, |cx| {
        Ok(Host::new(cx, |node: Node| {
            for peer in node.nodes().filter(|peer| *peer != node.id()) {
                node.spawn(ask_on(node.clone(), peer));
            }
            echo(node)
        }))
    });
    if faults {
        let nemesis = Nemesis::new((0..3).map(NodeId).collect(), 10_000 * MS).without(Kind::FullDisk);
        world.plan(nemesis.draw(&mut Rng::from_seed(seed)));
    }
    world.run_until(10_000 * MS, |_, _| Ok(())).unwrap();
    world
}

#[test]
fn worlds_a_second() {
    let rounds = if cfg!(debug_assertions) { 3 } else { 200 };
    for faults in [false, true] {
        let began = SystemClock.now();
        let (mut steps, mut packets, mut starts) = (0, 0, 0);
        for seed in 0..rounds {
            let world = cluster(seed, faults);
            steps += world.trace().count() - world.tally().sent;
            packets += world.tally().sent;
            starts += world.tally().starts;
        }
        let took = (SystemClock.now() - began).as_secs_f64();
        println!(
            "three nodes, 10 s, faults {faults}: {:.0} worlds/s, {:.0} packets/s, {:.0} steps/s; {} packets, {starts} lives",
            rounds as f64 / took,
            packets as f64 / took,
            steps as f64 / took,
            packets,
        );
        // Six conversations, each of an exchange every 12 ms or so, in two packets.
        assert!(packets > rounds * 3_000, "{packets}");
    }
}
