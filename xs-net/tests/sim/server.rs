//! `serve` and `Session`, unchanged, behind a simulated listener.

use std::convert::Infallible;
use std::future::pending;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use xs_net::serve::{Conn, ServeOptions, serve_with};
use xs_net::sim::{Host, Node, SimStream};
use xs_net::{Addr, Registry, Session};
use xs_os::Rng;
use xs_os::sim::{Kind, Link, Nemesis, NodeId, Options, World};

use super::common::{Echo, LINES};
use super::*;

/// Sessions that answer lines with themselves, as any program on xs-net would have them.
pub(crate) async fn echo(node: Node) -> io::Result<()> {
    let listener = node.listen(PORT)?;
    let (registry, echo, timer) = (Registry::new(), Echo::default(), node.timer());
    let options = ServeOptions { timer: timer.clone(), ..ServeOptions::default() };
    let sessions = tower::service_fn(move |conn: Conn<SimStream, Addr>| {
        let session = Session::new(registry.register(conn.peer), LINES, echo.clone(), &timer);
        let run = session.with_drain(conn.drain).run(conn.io);
        async move {
            let _ = run.await;
            Ok::<(), Infallible>(())
        }
    });
    serve_with(listener, sessions, pending::<()>(), options).await.map(drop)
}

async fn ask(stream: &mut SimStream, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    let mut answer = vec![0; line.len() + 1];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, format!("{line}\n").as_bytes());
    Ok(())
}

#[test]
fn a_session_answers_over_links_that_lose_double_and_reorder() {
    let link = Link { loss: 0.2, duplicate: 0.2, straggler: (0.2, 50 * MS), ..Link::datagrams() };
    for seed in 0..20 {
        let client = |node: Node| async move {
            let mut stream = node.connect(SERVER, PORT).await?;
            assert_eq!(stream.peer_addr().to_string(), "10.1.0.0:7");
            for n in 0..50 {
                ask(&mut stream, &format!("line {n}")).await?;
            }
            Ok(())
        };
        run(&mut pair(seed, link, echo, client), 60_000);
    }
}

#[test]
fn a_link_that_loses_nothing_carries_a_request_in_two_packets() {
    let client = |node: Node| async move {
        let mut stream = node.connect(SERVER, PORT).await?;
        for n in 0..100 {
            ask(&mut stream, &format!("line {n}")).await?;
        }
        Ok(())
    };
    let mut world = pair(1, Link::datagrams(), echo, client);
    run(&mut world, 1_000);
    // The handshake, the requests with their answers, and the end from the side of the client.
    assert!((200..206).contains(&world.tally().sent), "{}\n{}", world.tally().sent, world.timeline());
}

/// Retries each line on a new connection until it is answered.
async fn stubborn(node: Node, lines: u32) -> io::Result<()> {
    let timer = node.timer();
    let mut stream = None;
    for n in 0..lines {
        loop {
            let attempt = async {
                let mut open = match stream.take() {
                    Some(open) => open,
                    None => node.connect(SERVER, PORT).await?,
                };
                ask(&mut open, &format!("line {n} of {}", node.id())).await?;
                Ok::<_, io::Error>(open)
            };
            match timer.timeout(300 * MS, attempt).await {
                Some(Ok(open)) => {
                    stream = Some(open);
                    break;
                }
                Some(Err(why)) => node.note(format_args!("line {n}: {why}")),
                None => node.note(format_args!("line {n}: no answer")),
            }
            timer.sleep(20 * MS).await;
        }
        timer.sleep(10 * MS).await;
    }
    Ok(())
}

fn storm(seed: u64) -> (u64, u64, bool) {
    let options = Options { nodes: 4, ..Options::new(4) };
    let mut world = World::new(seed, options, |cx| {
        Ok(if cx.node() == SERVER { Host::new(cx, echo) } else { Host::new(cx, |node| stubborn(node, 100)) })
    });
    let nemesis = Nemesis::new(vec![SERVER], 5_000 * MS);
    let bystanders = (1..4).map(NodeId).collect();
    let nemesis = Nemesis { bystanders, ..nemesis }.without(Kind::FullDisk);
    world.plan(nemesis.draw(&mut Rng::from_seed(seed)));
    let ended = |world: &World<Host>| (1..4).all(|n| world.actor(NodeId(n)).is_some_and(Host::has_ended));
    let ended = world.run_while(60_000 * MS, |_, _| Ok(()), ended).unwrap();
    (world.digest(), world.tally().starts, ended)
}

#[test]
fn clients_that_retry_get_through_a_storm_and_the_same_seed_is_the_same_storm() {
    let mut restarts = 0;
    for seed in 0..10 {
        let (digest, starts, ended) = storm(seed);
        assert!(ended, "seed {seed}");
        assert_eq!(storm(seed).0, digest, "seed {seed} is not the same twice");
        restarts += starts - 4;
    }
    assert!(restarts > 10, "{restarts}");
}
