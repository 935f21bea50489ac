//! Bytes arrive once and in order, whatever the links do.

use std::io;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use xs_net::Listener;
use xs_net::sim::{Host, Limits, Node};
use xs_os::Rng;
use xs_os::sim::{Keep, Link, Options, World};

use super::*;

/// The stream of a direction: any byte at any other place shows.
fn byte(at: usize, seed: u64) -> u8 {
    (at as u64).wrapping_add(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0]
}

/// Writes so many bytes in pieces of all sizes, then ends the direction.
async fn write(node: Node, mut to: impl tokio::io::AsyncWrite + Unpin, total: usize, seed: u64) -> io::Result<()> {
    let (mut rng, timer) = (node.rng(), node.timer());
    let mut at = 0;
    while at < total {
        let len = (1 + rng.index(100)).min(total - at);
        let piece: Vec<u8> = (at..at + len).map(|at| byte(at, seed)).collect();
        to.write_all(&piece).await?;
        at += len;
        if rng.chance(0.1) {
            timer.sleep(MS * rng.below(5) as u32).await;
        }
    }
    to.shutdown().await
}

/// Reads to the end, and compares.
async fn read(node: Node, mut from: impl tokio::io::AsyncRead + Unpin, total: usize, seed: u64) -> io::Result<()> {
    let (mut rng, timer) = (node.rng(), node.timer());
    let mut at = 0;
    loop {
        let mut piece = vec![0; 1 + rng.index(60)];
        let len = from.read(&mut piece).await?;
        if len == 0 {
            assert_eq!(at, total, "the stream ended early");
            return Ok(());
        }
        for (nth, got) in piece[..len].iter().enumerate() {
            assert_eq!(*got, byte(at + nth, seed), "at {}", at + nth);
        }
        at += len;
        if rng.chance(0.1) {
            timer.sleep(MS * rng.below(5) as u32).await;
        }
    }
}

async fn both(node: Node, stream: xs_net::sim::SimStream, out: (usize, u64), into: (usize, u64)) -> io::Result<()> {
    let (from, to) = split(stream);
    let (wrote, got) = tokio::join!(write(node.clone(), to, out.0, out.1), read(node, from, into.0, into.1));
    wrote.and(got)
}

fn exchange(seed: u64, link: Link, limits: Limits, up: usize, down: usize) -> u64 {
    let options = Options { link, keep: Keep::Last(200), ..Options::new(2) };
    let mut world = World::new(seed, options, move |cx| {
        let server = move |node: Node| async move {
            let mut listener = node.listen(PORT)?;
            let (stream, _) = listener.accept().await?;
            both(node, stream, (down, 2), (up, 1)).await
        };
        let client = move |node: Node| async move {
            let stream = node.connect(SERVER, PORT).await?;
            both(node, stream, (up, 1), (down, 2)).await
        };
        let limits = limits.clone();
        Ok(match cx.node() {
            SERVER => Host::with_limits(cx, limits, server),
            _ => Host::with_limits(cx, limits, client),
        })
    });
    let done = |world: &World<Host>| {
        [SERVER, CLIENT]
            .iter()
            .all(|node| world.actor(*node).is_some_and(|host| host.has_ended() && host.connections() == 0))
    };
    let ended = world.run_while(20_000_000 * MS, |_, _| Ok(()), done).unwrap();
    assert!(ended && world.tally().exits == 0, "seed {seed} in {:?}\n{}", world.now(), world.timeline());
    world.digest()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 60 } else { 1_000 }))]
    #[test]
    fn bytes_arrive_once_and_in_order(
        seed in any::<u64>(),
        loss in 0.0..0.4,
        duplicate in 0.0..0.4,
        late in 0.0..0.4,
        segment in 1usize..50,
        send_buffer in 1usize..200,
        receive_buffer in 1usize..200,
        (up, down) in (0usize..1_000, 0usize..1_000),
    ) {
        let link = Link { loss, duplicate, straggler: (late, 20 * MS), ..Link::datagrams() };
        // Who loses four packets of ten is answered one time in three; a hundred times in a row without an answer is nobody's luck.
        let patience = std::time::Duration::from_secs(200);
        let limits = Limits { segment, send_buffer, receive_buffer, patience, connect_patience: patience, ..Limits::default() };
        exchange(seed, link, limits, up, down);
    }
}

#[test]
fn a_seed_is_a_run() {
    let link = Link { loss: 0.2, duplicate: 0.2, straggler: (0.2, 20 * MS), ..Link::datagrams() };
    let digests: Vec<u64> = (0..20).map(|seed| exchange(seed, link, small(), 500, 500)).collect();
    let again: Vec<u64> = (0..20).map(|seed| exchange(seed, link, small(), 500, 500)).collect();
    assert_eq!(digests, again);
    let mut different = digests.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 20);
}

#[test]
fn a_large_transfer_uses_the_whole_window() {
    let megabyte = 1 << 20;
    let link = Link { latency: xs_os::sim::Latency::Constant(MS), ordered: true, ..Link::datagrams() };
    let client = move |node: Node| async move {
        let mut stream = node.connect(SERVER, PORT).await?;
        let sent: Vec<u8> = (0..megabyte).map(|at| byte(at, 0)).collect();
        stream.write_all(&sent).await?;
        stream.shutdown().await?;
        assert_eq!(stream.read_u64().await?, megabyte as u64);
        Ok(())
    };
    let server = |node: Node| async move {
        let mut listener = node.listen(PORT)?;
        let (mut stream, _) = listener.accept().await?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await?;
        assert!(all.iter().enumerate().all(|(at, got)| *got == byte(at, 0)));
        stream.write_u64(all.len() as u64).await
    };
    let mut world = pair(3, link, server, client);
    run(&mut world, 1_000);
    // 64 KiB a round trip of 2 ms is 32 ms; the drift of clocks and the handshake come on top.
    assert!(world.now() < 50 * MS, "{:?}", world.now());
}

#[test]
fn the_same_rng_would_not_do_for_both_ends() {
    let seeds = std::sync::Arc::new(Mutex::new(Vec::new()));
    let seen = seeds.clone();
    let note = move |node: Node| {
        seen.lock().unwrap().extend([node.rng().seed(), node.rng().seed()]);
        async { Ok(()) }
    };
    let mut world = pair(1, Link::datagrams(), note.clone(), note);
    run(&mut world, 10);
    let mut seeds = seeds.lock().unwrap().clone();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 4);
    assert!(!seeds.contains(&Rng::from_seed(1).seed()));
}
