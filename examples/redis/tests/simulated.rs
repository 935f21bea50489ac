//! The whole server on a node of a simulated world, its clients on others, and everything between them going wrong: links that
//! lose and reorder, partitions, a server that is killed and comes back empty. One seed is one run.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower::{Service, ServiceExt};
use xs_net::client::{self, Backoff, CallError, ClientOptions, Connection, Reconnect, ReconnectOptions};
use xs_net::sim::{Host, Node};
use xs_os::Rng;
use xs_os::sim::{Keep, Kind, Link, Nemesis, NodeId, Options, World};
use xs_proto::resp::{Frame, FrameCodec, Request, Version};
use xs_redis::Server;

const SERVER: NodeId = NodeId(0);
const PORT: u16 = 6379;
const MS: Duration = Duration::from_millis(1);

async fn server(node: Node) -> io::Result<()> {
    let builder = Server::builder().clock(node.clock()).jobs(node.jobs()).seed(node.rng().seed());
    let builder = builder.directive("protected-mode", "no").map_err(io::Error::other)?;
    let _server = builder.start_on(node.listen(PORT)?).await.map_err(io::Error::other)?;
    std::future::pending().await
}

type Way = Connection<Request, Frame>;

async fn open(node: Node) -> io::Result<Way> {
    let stream = node.connect(SERVER, PORT).await?;
    let codec = FrameCodec::new(Version::Resp2);
    let (connection, _, driver) = client::connect(stream, codec, |_| false, ClientOptions::default());
    node.spawn(driver.run());
    Ok(connection)
}

async fn ask(way: &mut impl Service<Request, Response = Frame, Error = CallError>, words: &[&str]) -> Frame {
    try_ask(way, words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

async fn try_ask<W>(way: &mut W, words: &[&str]) -> Result<Frame, CallError>
where
    W: Service<Request, Response = Frame, Error = CallError>,
{
    let request = Request::from_iter(words.iter().copied());
    way.ready().await?.call(request).await
}

fn bulk(text: &str) -> Frame {
    Frame::Bulk(text.to_owned().into())
}

fn rough() -> Link {
    Link { loss: 0.1, duplicate: 0.1, straggler: (0.1, 20 * MS), ..Link::datagrams() }
}

/// A world of one server and clients that all do the same.
fn world<F>(seed: u64, link: Link, clients: u32, client: impl Fn(Node) -> F + 'static) -> World<Host>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let options = Options { link, keep: Keep::Last(300), ..Options::new(1 + clients) };
    World::new(seed, options, move |cx| {
        Ok(if cx.node() == SERVER { Host::new(cx, server) } else { Host::new(cx, &client) })
    })
}

/// Runs a world until all clients have ended.
#[track_caller]
fn run(world: &mut World<Host>, clients: u32) {
    let ended = |world: &World<Host>| (1..=clients).all(|n| world.actor(NodeId(n)).is_some_and(Host::has_ended));
    let all = world.run_while(600_000 * MS, |_, _| Ok(()), ended).unwrap();
    assert!(all, "not all clients have ended:\n{}", world.timeline());
}

#[test]
fn counting_blocking_and_expiry_over_links_that_lose_and_reorder() {
    for seed in 0..5 {
        let client = |node: Node| async move {
            let mut way = open(node.clone()).await?;
            for _ in 0..50 {
                ask(&mut way, &["INCR", "count"]).await;
            }
            // The first client waits for a word from each of the others, at the end of their counting.
            let me = node.id().to_string();
            if node.id() != NodeId(1) {
                ask(&mut way, &["RPUSH", "done", &me]).await;
                return Ok::<(), io::Error>(());
            }
            for _ in 0..2 {
                assert!(matches!(ask(&mut way, &["BLPOP", "done", "0"]).await, Frame::Array(pair) if pair.len() == 2));
            }
            assert_eq!(ask(&mut way, &["GET", "count"]).await, bulk("150"));
            ask(&mut way, &["SET", "short", "lived", "PX", "5000"]).await;
            node.timer().sleep(4_000 * MS).await;
            assert_eq!(ask(&mut way, &["GET", "short"]).await, bulk("lived"));
            node.timer().sleep(1_100 * MS).await;
            assert_eq!(ask(&mut way, &["GET", "short"]).await, Frame::Null);
            Ok(())
        };
        run(&mut world(seed, rough(), 3, client), 3);
    }
}

/// What one client was told in one life of the server: how often it asked, and the answers that it heard.
#[derive(Debug, Default)]
struct Counted {
    asked: i64,
    heard: Vec<i64>,
}

impl Counted {
    /// An answer, behind so many questions that got none.
    fn hear(&mut self, n: i64, unknown: i64) {
        self.asked += 1 + unknown;
        self.heard.push(n);
    }
}

/// Counts with a key of its own through everything that goes wrong, in a transaction that also says which server answers.
async fn count(node: Node, lives: Arc<Mutex<BTreeMap<(NodeId, String), Counted>>>) -> io::Result<()> {
    let (timer, key) = (node.timer(), format!("count:{}", node.id()));
    let opener = node.clone();
    let backoff = Backoff::new(10 * MS, 200 * MS, node.rng());
    let mut way = Reconnect::new(move || open(opener.clone()), backoff, &timer, ReconnectOptions::default());
    let (mut unknown, mut done) = (0, 0);
    while done < 100 {
        let transaction = async {
            // One connection's answers come in order; a broken one answers none of what was under way.
            for words in [&["MULTI"][..], &["INCR", &key], &["INFO", "server"]] {
                try_ask(&mut way, words).await?;
            }
            try_ask(&mut way, &["EXEC"]).await
        };
        let answer = timer.timeout(1_000 * MS, transaction).await;
        let Some(Ok(Frame::Array(answers))) = answer else {
            unknown += 1;
            // A transaction that was left halfway must not go on with the next one's beginning.
            let _ = timer.timeout(1_000 * MS, try_ask(&mut way, &["DISCARD"])).await;
            timer.sleep(10 * MS).await;
            continue;
        };
        let [Frame::Integer(n), Frame::Bulk(info)] = &answers[..] else { panic!("{answers:?}") };
        let info = String::from_utf8_lossy(info);
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:")).expect("a run id").to_owned();
        lives.lock().unwrap().entry((node.id(), run)).or_default().hear(*n, std::mem::take(&mut unknown));
        done += 1;
        timer.sleep(10 * MS).await;
    }
    Ok(())
}

fn storm(seed: u64) -> (u64, u64) {
    let lives = Arc::new(Mutex::new(BTreeMap::new()));
    let seen = lives.clone();
    let mut world = world(seed, Link::datagrams(), 3, move |node| count(node, seen.clone()));
    let nemesis = Nemesis::new(vec![SERVER], 5_000 * MS);
    let nemesis = Nemesis { bystanders: (1..4).map(NodeId).collect(), ..nemesis };
    let nemesis = nemesis.without(Kind::FullDisk).without(Kind::FailingDisk).without(Kind::SlowDisk);
    world.plan(nemesis.draw(&mut Rng::from_seed(seed)));
    run(&mut world, 3);
    for ((node, run), life) in lives.lock().unwrap().iter() {
        // Each answer is one more than the last, or more by what was asked meanwhile and not answered.
        assert!(life.heard.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}, {node}, {run}: {life:?}");
        assert!(life.heard.last().is_none_or(|last| *last <= life.asked), "seed {seed}, {node}, {run}: {life:?}");
    }
    (world.digest(), world.tally().starts - 4)
}

#[test]
fn no_count_is_lost_or_made_up_within_a_life_of_the_server_and_a_seed_is_a_run() {
    let mut restarts = 0;
    for seed in 0..10 {
        let (digest, again) = storm(seed);
        assert_eq!(storm(seed).0, digest, "seed {seed} is not the same twice");
        restarts += again;
    }
    assert!(restarts >= 10, "{restarts}");
}
