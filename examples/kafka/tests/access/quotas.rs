//! Quotas in a simulated world, where a second is as long as it should be.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use xs_kafka::{Builder, Flush, Server};
use xs_net::sim::{Host, Node, address};
use xs_os::sim::{Link, NodeId, Options, World};
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::Compression;

use crate::client::{Client, batch, fetch, produce};

const BROKER: NodeId = NodeId(0);
const PORT: u16 = 9092;
/// About what a batch of the tests has, in bytes.
const BATCH: usize = 1000;

/// What a client does, by its node: how long it took, and the longest that it was told to wait.
type Took = Arc<Mutex<BTreeMap<u32, (Duration, i32)>>>;

/// Runs a broker with these quotas and clients 1 to 3. The first two call themselves alike, and all do the same so many times.
fn run(quotas: fn(Builder) -> Builder, times: [usize; 3], work: Work) -> [(Duration, i32); 3] {
    let took = Took::default();
    let results = took.clone();
    let mut world = World::new(7, Options { link: Link::connection(), ..Options::new(4) }, move |cx| {
        let results = results.clone();
        Ok(match cx.node() {
            BROKER => Host::new(cx, move |node: Node| broker(node, quotas)),
            NodeId(n) => Host::new(cx, move |node: Node| client(node, work, times[n as usize - 1], results.clone())),
        })
    });
    let ended = |world: &World<Host>| (1..=3).all(|n| world.actor(NodeId(n)).is_some_and(Host::has_ended));
    assert!(world.run_while(Duration::from_secs(600), |_, _| Ok(()), ended).unwrap(), "{}", world.timeline());
    let took = took.lock().unwrap();
    [took[&1], took[&2], took[&3]]
}

async fn broker(node: Node, quotas: fn(Builder) -> Builder) -> io::Result<()> {
    let builder = Server::builder().data_dir("data").clock(node.clock()).jobs(node.jobs()).vfs(node.vfs());
    let builder = quotas(builder.bridge(node.bridge()).seed(node.rng().seed()).segment_bytes(1 << 20));
    let _server = builder.start_on(node.listen(PORT)?, address(BROKER, PORT)).map_err(io::Error::other)?;
    std::future::pending().await
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Work {
    Produce,
    /// Does not wait for answers before it sends more.
    Ahead,
    /// Writes half a second's worth before, and fetches it again and again.
    Fetch,
    Ask,
}

async fn client(node: Node, work: Work, times: usize, took: Took) -> io::Result<()> {
    let number = node.id().0;
    let name = if number == 3 { "other" } else { "same" };
    let socket = loop {
        match node.connect(BROKER, PORT).await {
            Ok(socket) => break socket,
            // It does not listen yet.
            Err(_) => node.timer().sleep(Duration::from_millis(10)).await,
        }
    };
    let mut client = Client::named(name, socket);
    let topic = format!("t{number}");
    client.metadata(&[&topic]).await;
    let records = batch(1, &[&"x".repeat(BATCH - 80)], Compression::None);
    assert!(records.len().abs_diff(BATCH) < 20, "{}", records.len());
    if work == Work::Fetch {
        client.produce(&topic, records.clone()).await;
    }
    let (begun, mut longest) = (node.world_time(), 0);
    if work == Work::Ahead {
        let all: Vec<_> = (0..times).flat_map(|_| client.encode(9, produce(1, &topic, records.clone()))).collect();
        client.send_raw(&all).await;
    }
    for _ in 0..times {
        let throttle = match work {
            Work::Ahead => match client.receive().await {
                Some(Response::Produce(answer)) => answer.throttle_time_ms,
                other => panic!("{other:?}"),
            },
            Work::Produce => match client.ask(9, produce(1, &topic, records.clone())).await {
                Response::Produce(answer) => answer.throttle_time_ms,
                other => panic!("{other:?}"),
            },
            Work::Fetch => match client.ask(11, fetch(&topic, 0, 0)).await {
                Response::Fetch(answer) => {
                    let found = answer.responses[0].partitions[0].records.as_ref().map_or(0, |found| found.len());
                    assert_eq!(found, records.len());
                    answer.throttle_time_ms
                }
                other => panic!("{other:?}"),
            },
            Work::Ask => match client.ask(1, ListOffsetsRequest::default()).await {
                // This version has no word for it. It is waited for all the same.
                Response::ListOffsets(answer) => answer.throttle_time_ms,
                other => panic!("{other:?}"),
            },
        };
        longest = throttle.max(longest);
    }
    if work != Work::Ahead {
        // The last answer came at once; the next one does not.
        client.metadata(&[]).await;
    }
    took.lock().unwrap().insert(number, (node.world_time() - begun, longest));
    Ok(())
}

fn seconds(times: usize, a_second: usize) -> Duration {
    Duration::from_millis((times * 1000 / a_second) as u64)
}

/// One client id, two connections: together they get a second's worth, and from then on the rate. Another has its own.
fn is_slowed(took: [(Duration, i32); 3], both: Duration) {
    let [(one, told), (two, _), (other, not_told)] = took;
    let slower = one.max(two);
    // Batches are a little shorter than they should be, and a request is a little longer than its batch.
    assert!(slower >= both.mul_f64(0.95) - Duration::from_secs(1), "{took:?}");
    assert!(slower <= both + Duration::from_secs(1), "{took:?}");
    assert!(told > 0, "{took:?}");
    assert!(other < Duration::from_millis(500) && not_told == 0, "{took:?}");
}

#[test]
fn who_writes_too_much_is_slowed_to_the_rate() {
    let took = run(|builder| builder.produce_quota(10 * BATCH as u64), [50, 50, 5], Work::Produce);
    is_slowed(took, seconds(100, 10));
}

#[test]
fn who_does_not_wait_for_answers_is_slowed_as_well() {
    // Answers take their time here, and what comes behind a request is there long before its answer.
    let quotas = |builder: Builder| builder.produce_quota(10 * BATCH as u64).flush(Flush::Always);
    let took = run(quotas, [50, 50, 5], Work::Ahead);
    is_slowed(took, seconds(100, 10));
}

#[test]
fn who_reads_too_much_is_slowed_to_the_rate() {
    let took = run(|builder| builder.fetch_quota(10 * BATCH as u64), [50, 50, 5], Work::Fetch);
    is_slowed(took, seconds(100, 10));
}

#[test]
fn who_asks_too_often_is_slowed_to_the_rate() {
    let took = run(|builder| builder.request_quota(20), [50, 50, 5], Work::Ask);
    let [one, two, other] = took;
    assert_eq!((one.1, two.1), (0, 0));
    is_slowed([(one.0, 1), two, other], seconds(100, 20));
}

#[test]
fn without_quotas_nobody_waits() {
    for (took, told) in run(|builder| builder, [50, 50, 50], Work::Produce) {
        assert!(took < Duration::from_secs(2) && told == 0, "{took:?}");
    }
}

#[test]
fn a_user_is_one_client_whatever_it_calls_itself() {
    use xs_kafka::QuotaBy;
    let quotas = |builder: Builder| builder.produce_quota(10 * BATCH as u64).quota_by(QuotaBy::User);
    // Nobody has said who it is, so all are one.
    let took = run(quotas, [10, 10, 30], Work::Produce);
    let slowest = took.iter().map(|(took, _)| *took).max().unwrap();
    assert!(slowest >= seconds(50, 10) - Duration::from_secs(1), "{took:?}");
}
