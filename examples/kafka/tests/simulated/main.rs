//! The whole broker on a node of a simulated world, with a disk that loses what was not synced, fails and is full, and
//! everything between it and its clients going wrong. One seed is one run.
//!
//! ```text
//!   writers, each with a partition and a group's offset ─┐                    ┌─ kill, crash, slow, full, failing disk
//!   a payer, with transactions over two partitions ──────┴─ links ─▶ broker ◀─┘
//!        └── what was refused ──▶ operator: starts the broker again
//! ```
//!
//! The clients are those of the tests that kill the program (`program/kill.rs`, `groups/kill.rs`): here the disk may forget,
//! too. A log whose disk has failed takes nothing more until it is opened again; that is an operator's work, who hears of it
//! from the clients, and starts the whole machine again: behind a failed sync its page cache shows what the disk does not
//! have.
//!
//! Deliberate bugs ([`Mutation`]) show that this finds what it should (`mutations`).

#[path = "../common/client.rs"]
mod client;
mod mutations;
mod offsets;
#[path = "../common/payer.rs"]
mod payer;
#[path = "../common/writer.rs"]
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use xs_kafka::{Flush, Mutation, Server};
use xs_net::sim::{Host, Node, address};
use xs_os::Rng;
use xs_os::sim::{Episode, Fault, Keep, Link, Nemesis, NodeId, Options, World};

use client::Client;
use offsets::Reader;
use payer::Payer;
use writer::{Writer, make_topic};

const BROKER: NodeId = NodeId(0);
const WRITERS: u32 = 3;
const PAYER: NodeId = NodeId(1 + WRITERS);
const CLIENTS: u32 = WRITERS + 1;
/// One for each writer, two for the payer.
const PARTITIONS: i32 = WRITERS as i32 + 2;
const PORT: u16 = 9092;
const MS: Duration = Duration::from_millis(1);
/// When the last fault has ended, and writers begin nothing more.
const UNTIL: Duration = Duration::from_secs(4);

/// Somebody who is told that the broker refuses what it should take, and starts its machine again.
#[derive(Clone, Default)]
struct Operator(Arc<AtomicBool>);

impl Operator {
    fn tell(&self, refused: bool) {
        self.0.fetch_or(refused, Ordering::Relaxed);
    }

    fn was_told(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

async fn broker(node: Node, mutation: Option<Mutation>) -> io::Result<()> {
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
    let builder = match mutation {
        Some(mutation) => builder.mutation(mutation),
        None => builder,
    };
    let listener = node.listen(PORT)?;
    let _server = builder.start_on(listener, address(BROKER, PORT)).map_err(io::Error::other)?;
    std::future::pending().await
}

/// Connects, and finds the topic.
async fn client(node: &Node, operator: &Operator) -> Option<Client<xs_net::sim::SimStream>> {
    let mut client = Client::over(node.connect(BROKER, PORT).await.ok()?);
    match make_topic(&mut client, PARTITIONS).await? {
        Ok(()) => Some(client),
        Err(_) => {
            operator.tell(true);
            None
        }
    }
}

async fn writes(node: Node, operator: Operator) -> io::Result<()> {
    let (timer, partition) = (node.timer(), node.id().0 as i32 - 1);
    let (mut writer, mut reader) = (Writer::new(partition, node.rng()), Reader::new(partition));
    let writing = || node.world_time() < UNTIL;
    loop {
        let life = async {
            let mut client = client(&node, &operator).await?;
            reader.check(&mut client).await?;
            loop {
                // Some batches, and a pause: more of the same would only take longer.
                let begun = AtomicU32::new(0);
                writer.write(&mut client, || writing() && begun.fetch_add(1, Ordering::Relaxed) < 8).await;
                if !writer.is_settled() {
                    return None;
                }
                reader.commit(&mut client).await?;
                if !writing() {
                    break;
                }
                timer.sleep(50 * MS).await;
            }
            reader.check(&mut client).await?;
            writer.check(&mut client).await
        };
        if let Some(Some(())) = timer.timeout(1500 * MS, life).await {
            break;
        }
        operator.tell(writer.refused.take().is_some() | reader.refused.take().is_some());
        timer.sleep(20 * MS).await;
    }
    assert!(writer.acknowledged > 0, "{writer:?}");
    node.note(format_args!("{} numbers are there", writer.acknowledged));
    Ok(())
}

async fn pays(node: Node, operator: Operator) -> io::Result<()> {
    let (timer, mut payer) = (node.timer(), Payer::new([PARTITIONS - 2, PARTITIONS - 1]));
    let writing = || node.world_time() < UNTIL;
    loop {
        let life = async {
            let mut client = client(&node, &operator).await?;
            while writing() {
                let begun = AtomicU32::new(0);
                payer.write(&mut client, || writing() && begun.fetch_add(1, Ordering::Relaxed) < 3).await?;
                timer.sleep(50 * MS).await;
            }
            payer.check(&mut client).await
        };
        if let Some(Some(())) = timer.timeout(1500 * MS, life).await {
            break;
        }
        operator.tell(payer.refused.take().is_some());
        timer.sleep(20 * MS).await;
    }
    node.note(format_args!("{} transactions were answered", payer.answered.len()));
    Ok(())
}

/// What a seed came to.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    digest: u64,
    /// How often the broker was started again.
    restarts: u64,
}

/// Runs a seed.
fn run(seed: u64, mutation: Option<Mutation>) -> Result<Run, String> {
    let options = Options { link: Link::datagrams(), keep: Keep::Last(300), ..Options::new(1 + CLIENTS) };
    let operator = Operator::default();
    let theirs = operator.clone();
    let mut world = World::new(seed, options, move |cx| {
        let operator = theirs.clone();
        Ok(match cx.node() {
            BROKER => Host::new(cx, |node| broker(node, mutation)),
            PAYER => Host::new(cx, |node| pays(node, operator)),
            _ => Host::new(cx, |node| writes(node, operator)),
        })
    });
    let nemesis = Nemesis::new(vec![BROKER], UNTIL);
    let nemesis = Nemesis { bystanders: (1..=CLIENTS).map(NodeId).collect(), ..nemesis };
    world.plan(nemesis.draw(&mut Rng::from_seed(seed)));
    let ended = |world: &World<Host>| (1..=CLIENTS).all(|n| world.actor(NodeId(n)).is_some_and(Host::has_ended));
    let mut told = false;
    let over = loop {
        let over = world.run_while(
            Duration::from_secs(60),
            |_, _| Ok(()),
            |world| {
                told = operator.was_told();
                told || ended(world)
            },
        );
        if !told {
            break over;
        }
        let fault = Fault::Crash { node: BROKER };
        world.plan([Episode { at: world.now(), lasts: 20 * MS, fault }]);
    };
    match over {
        Ok(true) => Ok(Run { digest: world.digest(), restarts: world.tally().starts - u64::from(1 + CLIENTS) }),
        Ok(false) => Err(format!("not all clients have ended:\n{}", world.timeline())),
        Err(why) => Err(why),
    }
}

/// `XS_SEEDS=500` runs more, `XS_SEED=7` one.
#[test]
fn nothing_acknowledged_is_lost_whatever_the_disk_does() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = number("XS_SEED").map_or(0..number("XS_SEEDS").unwrap_or(10), |seed| seed..seed + 1);
    let (count, mut restarts) = (seeds.end - seeds.start, 0);
    for seed in seeds {
        // The last one that a failure shows.
        println!("seed {seed}");
        restarts += run(seed, None).unwrap_or_else(|why| panic!("seed {seed}: {why}")).restarts;
    }
    println!("{count} seeds, {restarts} restarts");
    assert!(restarts >= count / 2, "{restarts}");
}

#[test]
fn a_seed_is_a_run() {
    assert_eq!(run(1, None), run(1, None));
}
