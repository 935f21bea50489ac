//! What a program sees of partitions, crashes, slow links and ends that don't read.

use std::future::pending;
use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use xs_net::sim::{SimStream, address};
use xs_net::{Addr, Listener, Transport};
use xs_os::sim::Latency;

use super::*;

/// Every link takes a millisecond.
fn even() -> Link {
    Link { latency: Latency::Constant(MS), ordered: true, ..Link::datagrams() }
}

/// Accepts connections, and does the same with each.
async fn accept_all<F>(node: Node, each: fn(SimStream) -> F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut listener = node.listen(PORT)?;
    loop {
        let (stream, _) = listener.accept().await?;
        node.spawn(each(stream));
    }
}

/// Sends back each byte, one more than it was.
async fn next_byte(mut stream: SimStream) {
    while let Ok(byte) = stream.read_u8().await {
        if stream.write_u8(byte + 1).await.is_err() {
            break;
        }
    }
}

async fn ask(stream: &mut SimStream, byte: u8) -> io::Result<u8> {
    stream.write_u8(byte).await?;
    stream.read_u8().await
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn a_partition_is_silence_and_then_it_goes_on() {
    let client = |node: Node| async move {
        let mut stream = node.connect(SERVER, PORT).await?;
        assert_eq!(ask(&mut stream, 1).await?, 2);
        node.timer().sleep(100 * MS).await; // the partition begins
        let asked = node.world_time();
        assert_eq!(ask(&mut stream, 2).await?, 3);
        let waited = node.world_time() - asked;
        assert!(waited > 4_900 * MS && waited < 7_500 * MS, "{waited:?}");
        assert_eq!(ask(&mut stream, 3).await?, 4);
        Ok(())
    };
    let mut world = pair(1, even(), |node| accept_all(node, next_byte), client);
    world.plan([episode(50, 5_000, Fault::Split { one: vec![SERVER], other: vec![CLIENT] })]);
    run(&mut world, 10_000);
}

#[test]
fn a_longer_one_breaks_the_connection_on_both_sides() {
    let ends = Log::default();
    let (seen, server_seen) = (ends.clone(), ends.clone());
    let server = move |node: Node| {
        let ends = server_seen.clone();
        async move {
            let mut listener = node.listen(PORT)?;
            let (mut stream, _) = listener.accept().await?;
            node.timer().sleep(100 * MS).await;
            stream.write_u8(1).await?;
            ends.add(&node, format_args!("server: {}", kind(stream.read_u8().await)));
            pending().await
        }
    };
    let client = move |node: Node| {
        let ends = seen.clone();
        async move {
            let mut stream = node.connect(SERVER, PORT).await?;
            node.timer().sleep(100 * MS).await;
            stream.write_u8(1).await?;
            ends.add(&node, format_args!("client: {}", kind(stream.read_u8().await)));
            ends.add(&node, format_args!("again: {}", kind(stream.read_u8().await)));
            // The world is whole again by now.
            node.timer().sleep(20_000 * MS).await;
            assert!(node.connect(SERVER, PORT).await.is_ok());
            Ok(())
        }
    };
    let mut world = pair(1, even(), server, client);
    world.plan([episode(50, 30_000, Fault::Split { one: vec![SERVER], other: vec![CLIENT] })]);
    run(&mut world, 60_000);
    let mut lines = ends.lines();
    lines.sort();
    assert_eq!(lines, ["again: timed out", "client: timed out", "server: timed out"]);
}

#[test]
fn an_idle_connection_does_not_notice_a_partition() {
    let client = |node: Node| async move {
        let mut stream = node.connect(SERVER, PORT).await?;
        assert_eq!(ask(&mut stream, 1).await?, 2);
        node.timer().sleep(100_000 * MS).await;
        assert_eq!(ask(&mut stream, 2).await?, 3);
        Ok(())
    };
    let mut world = pair(1, even(), |node| accept_all(node, next_byte), client);
    world.plan([episode(50, 90_000, Fault::Split { one: vec![SERVER], other: vec![CLIENT] })]);
    run(&mut world, 200_000);
}

#[test]
fn a_request_that_arrived_is_not_sent_again_to_the_program_if_its_answer_was_cut_off() {
    let client = |node: Node| async move {
        let mut stream = node.connect(SERVER, PORT).await?;
        assert_eq!(ask(&mut stream, 1).await?, 2);
        node.timer().sleep(100 * MS).await;
        assert_eq!(ask(&mut stream, 2).await?, 3); // the request passes, the answer doesn't for a second
        let byte = node.timer().timeout(500 * MS, stream.read_u8()).await;
        assert!(byte.is_none(), "the server heard something twice: {byte:?}");
        Ok(())
    };
    let mut world = pair(1, even(), |node| accept_all(node, next_byte), client);
    world.plan([episode(50, 1_000, Fault::Cut { from: vec![SERVER], to: vec![CLIENT] })]);
    run(&mut world, 10_000);
    assert!(world.now() > 1_000 * MS && world.tally().lost > 2, "{:?}", world.tally());
}

#[test]
fn who_nobody_listens_for_is_refused_and_who_nobody_hears_gives_up() {
    let client = |node: Node| async move {
        assert_eq!(kind(node.connect(SERVER, 9).await), ErrorKind::ConnectionRefused);
        assert!(node.world_time() < 5 * MS);
        assert_eq!(kind(node.connect_to("10.1.0.77:9".parse().unwrap()).await), ErrorKind::AddrNotAvailable);
        node.timer().sleep(100 * MS).await;
        let called = node.world_time();
        assert_eq!(kind(node.connect(SERVER, PORT).await), ErrorKind::TimedOut);
        let waited = node.world_time() - called;
        assert!(waited >= Limits::default().connect_patience && waited < 13_000 * MS, "{waited:?}");
        let (timer, called) = (node.timer(), node.world_time());
        assert!(timer.timeout(50 * MS, node.connect(SERVER, PORT)).await.is_none(), "a caller may give up by itself");
        assert!(node.world_time() - called < 52 * MS);
        Ok(())
    };
    let mut world = pair(1, even(), |node| accept_all(node, next_byte), client);
    world.plan([episode(50, 60_000, Fault::Split { one: vec![SERVER], other: vec![CLIENT] })]);
    run(&mut world, 60_000);
    // What was given up is forgotten.
    assert_eq!(world.actor(CLIENT).unwrap().connections(), 0);
}

#[test]
fn a_crash_is_heard_of_from_the_next_life() {
    let client = |node: Node| async move {
        let mut stream = node.connect(SERVER, PORT).await?;
        assert_eq!(ask(&mut stream, 1).await?, 2);
        node.timer().sleep(100 * MS).await;
        assert_eq!(kind(ask(&mut stream, 2).await), ErrorKind::ConnectionReset);
        assert!(node.world_time() > 500 * MS, "nobody was there to say so before");
        assert_eq!(kind(stream.write_u8(3).await), ErrorKind::BrokenPipe);
        let mut stream = node.connect(SERVER, PORT).await?;
        assert_eq!(ask(&mut stream, 4).await?, 5);
        Ok(())
    };
    let mut world = pair(1, even(), |node| accept_all(node, next_byte), client);
    world.plan([episode(50, 450, Fault::Crash { node: SERVER })]);
    run(&mut world, 10_000);
}

#[test]
fn who_is_killed_is_closed_by_the_machine() {
    let client = |node: Node| async move {
        let mut quiet = node.connect(SERVER, PORT).await?;
        let mut busy = node.connect(SERVER, PORT).await?;
        assert_eq!(ask(&mut quiet, 1).await?, 2);
        let end = quiet.read_u8().await.unwrap_err();
        assert_eq!((end.kind(), node.world_time().as_millis()), (ErrorKind::UnexpectedEof, 51));
        assert_eq!(kind(ask(&mut busy, 2).await), ErrorKind::UnexpectedEof); // closed, and the question is lost
        node.timer().sleep(100 * MS).await;
        assert_eq!(kind(node.timer().timeout(200 * MS, busy.write_u8(3)).await.unwrap()), ErrorKind::ConnectionReset);
        assert_eq!(ask(&mut node.connect(SERVER, PORT).await?, 4).await?, 5);
        Ok(())
    };
    let mut world = pair(1, even(), |node| accept_all(node, next_byte), client);
    world.plan([episode(50, 50, Fault::Kill { node: SERVER })]);
    run(&mut world, 10_000);
}

#[test]
fn a_packet_for_an_earlier_life_reaches_nobody_in_the_next() {
    // The client's last words are held up for longer than the server needs to start again and be called again.
    let slow = Link { latency: Latency::Constant(300 * MS), ..Link::datagrams() };
    let client = |node: Node| async move {
        let mut old = node.connect(SERVER, PORT).await?;
        assert_eq!(ask(&mut old, 1).await?, 2);
        assert_eq!(node.world_time().as_secs(), 1);
        node.timer().sleep(100 * MS).await;
        old.write_u8(2).await?; // leaves at 1300 ms and arrives at 1600 ms, in the second life
        let mut new = node.connect(SERVER, PORT).await?;
        assert_eq!(kind(old.read_u8().await), ErrorKind::ConnectionReset);
        assert_eq!(ask(&mut new, 10).await?, 11);
        Ok(())
    };
    let mut world = pair(1, slow, |node| accept_all(node, next_byte), client);
    world.plan([episode(1_400, 50, Fault::Crash { node: SERVER })]);
    run(&mut world, 20_000);
    assert_eq!(world.tally().starts, 3);
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    let server = |node: Node| {
        accept_all(node, |mut stream| async move {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all.reverse();
            stream.write_all(&all).await.unwrap();
        })
    };
    let client = |node: Node| async move {
        let mut stream = node.connect(SERVER, PORT).await?;
        stream.write_all(b"abc").await?;
        stream.shutdown().await?;
        assert_eq!(kind(stream.write_all(b"d").await), ErrorKind::BrokenPipe);
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await?;
        assert_eq!(all, b"cba");
        assert_eq!(stream.read(&mut [0]).await?, 0, "an end stays one");
        Ok(())
    };
    for seed in 0..10 {
        let lossy = Link { loss: 0.3, straggler: (0.3, 50 * MS), ..Link::datagrams() };
        let mut world = pair(seed, lossy, server, client);
        run(&mut world, 30_000);
        world.run_until(world.now() + 20_000 * MS, |_, _| Ok(())).unwrap();
        let left: usize = world.actors().map(|(_, host)| host.connections()).sum();
        assert_eq!(left, 0, "seed {seed}: what has ended on both sides is forgotten");
    }
}

#[test]
fn a_reader_that_does_not_read_holds_the_writer_back() {
    let limits = Limits::default();
    let held = limits.send_buffer + limits.receive_buffer;
    let log = Log::default();
    let seen = log.clone();
    let server = |node: Node| async move {
        let mut listener = node.listen(PORT)?;
        let (mut stream, _) = listener.accept().await?;
        node.timer().sleep(60_000 * MS).await; // longer than the other side's patience, but the node answers
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await?;
        stream.write_u64(all.len() as u64).await
    };
    let client = move |node: Node| {
        let log = seen.clone();
        async move {
            let mut stream = node.connect(SERVER, PORT).await?;
            let mut wrote = 0;
            while let Some(len) = node.timer().timeout(1_000 * MS, stream.write(&[b'x'; 1_000])).await {
                wrote += len?;
            }
            log.add(&node, wrote);
            stream.write_all(&[b'y'; 100_000]).await?;
            log.add(&node, node.world_time().as_secs());
            stream.shutdown().await?;
            assert_eq!(stream.read_u64().await?, wrote as u64 + 100_000);
            Ok(())
        }
    };
    let mut world = pair(1, even(), server, client);
    run(&mut world, 100_000);
    // The clocks drift a little, and probes are up to two seconds apart.
    let lines = log.lines();
    assert_eq!(lines[0], held.to_string());
    assert!((59..63).contains(&lines[1].parse().unwrap()), "{lines:?}");
    assert!(world.tally().sent < 120, "a full receiver is asked with pauses: {:?}", world.tally());
}

#[test]
fn a_slow_link_takes_its_time() {
    let server = |node: Node| {
        accept_all(node, |mut stream| async move {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            stream.write_u64(all.len() as u64).await.unwrap();
        })
    };
    let client = |node: Node| async move {
        let mut stream = node.connect(SERVER, PORT).await?;
        stream.write_all(&[0; 200_000]).await?;
        stream.shutdown().await?;
        assert_eq!(stream.read_u64().await?, 200_000);
        Ok(())
    };
    let mut world = pair(1, even(), server, client);
    let slow = Fault::Slow { node: SERVER, extra: 50 * MS, bandwidth: 100_000 };
    world.plan([episode(0, 100_000, slow)]);
    run(&mut world, 20_000);
    assert!(world.now() > 2_000 * MS && world.now() < 4_000 * MS, "{:?}", world.now());
}

#[test]
fn an_end_that_drops_what_it_was_sent_resets() {
    let server = |node: Node| async move {
        let mut listener = node.listen(PORT)?;
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(b"bye").await?;
        node.timer().sleep(10 * MS).await; // a byte arrives, which nobody reads
        drop(stream);
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(b"bye").await?;
        drop(stream); // in good order: nothing has arrived
        let (stream, _) = listener.accept().await?;
        stream.reset_on_close();
        drop(stream);
        pending().await
    };
    let client = |node: Node| async move {
        let mut bye = [0; 3];
        let mut stream = node.connect(SERVER, PORT).await?;
        stream.write_u8(1).await?;
        stream.read_exact(&mut bye).await?;
        assert_eq!(kind(stream.read_u8().await), ErrorKind::ConnectionReset);

        let mut stream = node.connect(SERVER, PORT).await?;
        stream.read_exact(&mut bye).await?;
        assert_eq!(kind(stream.read_u8().await), ErrorKind::UnexpectedEof);
        stream.write_u8(1).await?; // nobody will read it, and that is told
        node.timer().sleep(10 * MS).await;
        assert_eq!(kind(stream.write_u8(1).await), ErrorKind::ConnectionReset);
        assert_eq!(kind(stream.write_u8(1).await), ErrorKind::BrokenPipe);

        let mut stream = node.connect(SERVER, PORT).await?;
        assert_eq!(kind(stream.read_u8().await), ErrorKind::ConnectionReset);
        Ok(())
    };
    run(&mut pair(1, even(), server, client), 1_000);
}

#[test]
fn a_full_backlog_lets_callers_wait_and_a_dropped_listener_sends_them_away() {
    let limits = Limits { backlog: 2, ..Limits::default() };
    let options = Options { link: even(), ..Options::new(2) };
    let mut world = World::new(1, options, move |cx| {
        let server = |node: Node| async move {
            let mut listener = node.listen(PORT)?;
            assert_eq!(listener.local_addr(), Addr::Tcp(address(SERVER, PORT)));
            assert_eq!(kind(node.listen(PORT)), ErrorKind::AddrInUse);
            assert!(node.listen(0)?.port() > 49_000);
            node.timer().sleep(500 * MS).await;
            let accepted = listener.accept().await?;
            node.timer().sleep(500 * MS).await;
            drop((accepted, listener));
            pending::<io::Result<()>>().await
        };
        let client = |node: Node| async move {
            let mut first = node.connect(SERVER, PORT).await?;
            let mut second = node.connect(SERVER, PORT).await?;
            assert!(node.world_time() < 10 * MS);
            let mut third = node.connect(SERVER, PORT).await?;
            assert!(node.world_time() > 500 * MS, "there was no place before");
            assert_eq!(kind(first.read_u8().await), ErrorKind::UnexpectedEof); // it was accepted
            assert_eq!(kind(second.read_u8().await), ErrorKind::ConnectionReset);
            assert_eq!(kind(third.read_u8().await), ErrorKind::ConnectionReset);
            assert_eq!(kind(node.connect(SERVER, PORT).await), ErrorKind::ConnectionRefused);
            Ok::<_, io::Error>(())
        };
        Ok(match cx.node() {
            SERVER => Host::with_limits(cx, limits.clone(), server),
            _ => Host::new(cx, client),
        })
    });
    run(&mut world, 10_000);
}

#[test]
fn a_paused_process_goes_on_with_everything_that_arrived() {
    let client = |node: Node| async move {
        let mut stream = node.connect(SERVER, PORT).await?;
        assert_eq!(ask(&mut stream, 1).await?, 2);
        node.timer().sleep(100 * MS).await;
        assert_eq!(ask(&mut stream, 2).await?, 3);
        assert!(node.world_time() > 3_050 * MS);
        Ok(())
    };
    let mut world = pair(1, even(), |node| accept_all(node, next_byte), client);
    world.plan([episode(50, 3_000, Fault::Pause { node: SERVER })]);
    run(&mut world, 10_000);
}

#[test]
fn a_program_that_fails_is_started_again_and_one_that_ends_is_not() {
    let server = |node: Node| async move {
        if node.life() < 3 {
            node.timer().sleep(10 * MS).await;
            return Err(io::Error::other("not this time"));
        }
        accept_all(node, next_byte).await
    };
    let client = |node: Node| async move {
        while node.connect(SERVER, PORT).await.is_err() {
            node.timer().sleep(MS).await;
        }
        Ok(())
    };
    let mut world = pair(1, even(), server, client);
    run(&mut world, 10_000);
    world.run_until(20_000 * MS, |_, _| Ok(())).unwrap();
    assert_eq!((world.tally().starts, world.tally().exits), (5, 3));
    assert!(world.timeline().contains("n0 ends: not this time"));
}

#[test]
#[should_panic(expected = "this assertion stands in a task")]
fn an_assertion_in_a_task_fails_the_test() {
    let client = |node: Node| async move {
        node.spawn(async { panic!("this assertion stands in a task") });
        pending().await
    };
    run(&mut pair(1, even(), |node| accept_all(node, next_byte), client), 1_000);
}

#[test]
#[should_panic(expected = "the program on n1 started a thread")]
#[allow(clippy::disallowed_methods, reason = "that is what is refused")]
fn a_thread_is_refused() {
    let client = |node: Node| async move {
        let thread = tokio::task::spawn_blocking(|| ());
        while !thread.is_finished() {
            node.timer().sleep(MS).await;
        }
        node.timer().sleep(MS).await;
        Ok(())
    };
    run(&mut pair(1, even(), |node| accept_all(node, next_byte), client), u32::MAX);
}
