//! The whole broker on a node of a simulated world, with a disk that loses what was not synced, and everything between it and
//! its clients going wrong. One seed is one run.
//!
//! The clients are the writers of the test that kills the program (`program/kill.rs`): here the disk may forget, too.

#[path = "../common/client.rs"]
mod client;
#[path = "../common/writer.rs"]
mod writer;

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use xs_kafka::{Flush, Server};
use xs_net::sim::{Host, Node, address};
use xs_os::Rng;
use xs_os::sim::{Keep, Kind, Link, Nemesis, NodeId, Options, World};

use client::Client;
use writer::{Writer, make_topic};

const BROKER: NodeId = NodeId(0);
const CLIENTS: u32 = 3;
const PORT: u16 = 9092;
const MS: Duration = Duration::from_millis(1);
/// When the last fault has ended, and writers begin nothing more.
const UNTIL: Duration = Duration::from_secs(4);

async fn broker(node: Node) -> io::Result<()> {
    let builder = Server::builder()
        .data_dir("data")
        .flush(Flush::Always)
        .segment_bytes(8192)
        .tend_every(500 * MS)
        .clock(node.clock())
        .jobs(node.jobs())
        .vfs(node.vfs())
        .bridge(node.bridge())
        .seed(node.rng().seed());
    let listener = node.listen(PORT)?;
    let _server = builder.start_on(listener, address(BROKER, PORT)).map_err(io::Error::other)?;
    std::future::pending().await
}

async fn writes(node: Node) -> io::Result<()> {
    let (timer, partition) = (node.timer(), node.id().0 as i32 - 1);
    let mut writer = Writer::new(partition, node.rng());
    let writing = || node.world_time() < UNTIL;
    loop {
        let life = async {
            let mut client = Client::over(node.connect(BROKER, PORT).await.ok()?);
            if !make_topic(&mut client, CLIENTS as i32).await {
                return None;
            }
            loop {
                // Some batches, and a pause: more of the same would only take longer.
                let begun = AtomicU32::new(0);
                writer.write(&mut client, || writing() && begun.fetch_add(1, Ordering::Relaxed) < 8).await;
                if !writer.is_settled() {
                    return None;
                }
                if !writing() {
                    break;
                }
                timer.sleep(50 * MS).await;
            }
            writer.check(&mut client).await
        };
        if let Some(Some(())) = timer.timeout(1500 * MS, life).await {
            break;
        }
        timer.sleep(20 * MS).await;
    }
    assert!(writer.acknowledged > 0, "{writer:?}");
    node.note(format_args!("{} numbers are there", writer.acknowledged));
    Ok(())
}

/// Runs a seed: its digest, and how often the broker was started again.
fn run(seed: u64) -> (u64, u64) {
    // The last one that a failure shows.
    println!("seed {seed}");
    let options = Options { link: Link::datagrams(), keep: Keep::Last(300), ..Options::new(1 + CLIENTS) };
    let mut world = World::new(seed, options, |cx| {
        Ok(if cx.node() == BROKER { Host::new(cx, broker) } else { Host::new(cx, writes) })
    });
    let nemesis = Nemesis::new(vec![BROKER], UNTIL);
    let nemesis = Nemesis { bystanders: (1..=CLIENTS).map(NodeId).collect(), ..nemesis };
    // A partition whose disk has failed takes nothing more until the broker is started again, and nobody does that here.
    let nemesis = nemesis.without(Kind::FullDisk).without(Kind::FailingDisk);
    world.plan(nemesis.draw(&mut Rng::from_seed(seed)));
    let ended = |world: &World<Host>| (1..=CLIENTS).all(|n| world.actor(NodeId(n)).is_some_and(Host::has_ended));
    let all = world
        .run_while(Duration::from_secs(60), |_, _| Ok(()), ended)
        .unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    assert!(all, "seed {seed}: not all clients have ended:\n{}", world.timeline());
    (world.digest(), world.tally().starts - u64::from(1 + CLIENTS))
}

/// `XS_SEEDS=500` runs more.
#[test]
fn nothing_acknowledged_is_lost_whatever_the_disk_forgets() {
    let seeds = std::env::var("XS_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let restarts: u64 = (0..seeds).map(|seed| run(seed).1).sum();
    println!("{seeds} seeds, {restarts} restarts");
    assert!(restarts >= seeds / 2, "{restarts}");
}

#[test]
fn a_seed_is_a_run() {
    assert_eq!(run(1), run(1));
}
