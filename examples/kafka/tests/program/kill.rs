//! The broker is killed in the middle of its writes, again and again: what it acknowledged is there, and of what an
//! idempotent producer sent again nothing is there twice.
//!
//! ```text
//!   writer n ──▶ partition n    batches of numbers 0, 1, 2 …; up to five requests under way
//!      ▲  ◀── acknowledged
//!      └── kill -9, start again: what is not acknowledged is sent again, the same batches in the same order
//! ```
//!
//! Every other writer is an idempotent producer. A kill keeps what the operating system has cached, so this proves what is
//! answered when, and what a partition knows again; that syncs are made is proved by the crash explorer of xs-storage.
//!
//! `XS_KILLS=100 cargo test --release -p xs-kafka --test program kill` for a long run.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use xs_os::Rng;
use xs_os::vfs::SystemVfs;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::BatchBuilder;
use xs_storage::partition::{Partition, PartitionOptions};

use crate::client::{Client, values};
use crate::process::Broker;

const WRITERS: usize = 4;
const KILLS: usize = 6;
/// As many requests as an idempotent producer may have under way.
const UNDER_WAY: usize = 5;
const TOPIC: &str = "t";

/// The numbers `from..to`, as one batch.
#[derive(Clone, Copy)]
struct Sent {
    from: u64,
    to: u64,
}

struct Writer {
    partition: i32,
    /// Its identity, if it is an idempotent producer.
    producer: Option<i64>,
    /// What may or may not be there: the oldest first.
    pending: VecDeque<Sent>,
    next: u64,
    rng: Rng,
    acknowledged: Arc<AtomicU64>,
}

impl Writer {
    /// Writes until the broker is gone.
    async fn life(&mut self, addr: SocketAddr) {
        let Ok(mut client) = Client::at(addr).await else { return };
        if self.partition % 2 == 0 && self.producer.is_none() {
            let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
            if client.try_send(4, request).await.is_err() {
                return;
            }
            let Some(Response::InitProducerId(answer)) = client.receive().await else { return };
            assert!(answer.error_code.is_ok(), "{answer:?}");
            self.producer = Some(answer.producer_id);
        }
        let mut unsent = self.pending.clone();
        loop {
            while self.pending.len() - unsent.len() < UNDER_WAY {
                let sent = unsent.pop_front().unwrap_or_else(|| {
                    let sent = Sent { from: self.next, to: self.next + 1 + self.rng.below(20) };
                    self.next = sent.to;
                    self.pending.push_back(sent);
                    sent
                });
                if client.try_send(9, self.request(sent)).await.is_err() {
                    return;
                }
            }
            let Some(Response::Produce(answer)) = client.receive().await else { return };
            let answer = &answer.responses[0].partition_responses[0];
            assert!(answer.error_code.is_ok(), "writer {}: {answer:?}", self.partition);
            let done = self.pending.pop_front().expect("it was sent");
            self.acknowledged.store(done.to, Ordering::SeqCst);
        }
    }

    fn request(&self, sent: Sent) -> ProduceRequest {
        let mut builder = BatchBuilder::new();
        if let Some(producer) = self.producer {
            let header = &mut builder.header;
            (header.producer_id, header.producer_epoch, header.base_sequence) = (producer, 0, sent.from as i32);
        }
        for number in sent.from..sent.to {
            builder.append(number as i64, None, Some(number.to_string().as_bytes()));
        }
        let records: Bytes = builder.finish().unwrap();
        let partition = PartitionProduceData { index: self.partition, records: Some(records.into()) };
        let topic = TopicProduceData { name: TOPIC.into(), partition_data: vec![partition] };
        ProduceRequest { acks: -1, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() }
    }
}

/// All numbers of a partition, in the order of their offsets.
async fn all(client: &mut Client, partition: i32) -> Vec<u64> {
    let (mut found, mut next) = (Vec::new(), 0);
    loop {
        let asked =
            FetchPartition { partition, fetch_offset: next, partition_max_bytes: 1 << 20, ..Default::default() };
        let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![asked] };
        let request = FetchRequest { max_wait_ms: 0, max_bytes: 1 << 20, topics: vec![topic], ..Default::default() };
        let Response::Fetch(answer) = client.ask(12, request).await else { panic!("another answer") };
        let data = &answer.responses[0].partitions[0];
        assert!(data.error_code.is_ok(), "{data:?}");
        let read = values(data);
        let Some((last, _)) = read.last() else { return found };
        found.extend(read.iter().filter(|(offset, _)| *offset >= next).map(|(_, text)| text.parse::<u64>().unwrap()));
        next = last + 1;
    }
}

/// Opens every partition that is there, as the broker does, and checks it.
fn check(dir: &Path) {
    let options = || PartitionOptions { segment_bytes: 1 << 20, ..PartitionOptions::default() };
    for topic in std::fs::read_dir(dir.join("topics")).unwrap() {
        for partition in std::fs::read_dir(topic.unwrap().path()).unwrap() {
            let path = partition.unwrap().path();
            Partition::open(Arc::new(SystemVfs), &path, options()).unwrap().check().unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_nothing_of_idempotent_producers_is_there_twice() {
    let kills = std::env::var("XS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let dir = tempfile::tempdir().unwrap();
    let start = || Broker::on(dir.path(), &["--flush", "--partitions", "4", "--segment-bytes", "65536"]);
    let mut rng = Rng::from_seed(1);
    let writer = |n: usize| Writer {
        partition: n as i32,
        producer: None,
        pending: VecDeque::new(),
        next: 0,
        rng: Rng::from_seed(n as u64),
        acknowledged: Arc::default(),
    };
    let mut writers: Vec<Writer> = (0..WRITERS).map(writer).collect();
    let acknowledged: Vec<_> = writers.iter().map(|writer| writer.acknowledged.clone()).collect();
    for _ in 0..kills {
        let broker = start();
        let addr = broker.addr;
        Client::at(addr).await.unwrap().metadata(&[TOPIC]).await;
        let lives = writers.drain(..).map(|mut writer| {
            tokio::spawn(async move {
                writer.life(addr).await;
                writer
            })
        });
        let lives: Vec<_> = lives.collect();
        tokio::time::sleep(Duration::from_millis(50 + rng.below(400))).await;
        broker.kill();
        for life in lives {
            writers.push(life.await.unwrap());
        }
    }
    let broker = start();
    let mut client = Client::at(broker.addr).await.unwrap();
    for (n, acknowledged) in acknowledged.iter().enumerate() {
        let (found, acknowledged) = (all(&mut client, n as i32).await, acknowledged.load(Ordering::SeqCst));
        assert!(acknowledged > 0, "writer {n} was never answered");
        if writers[n].producer.is_some() {
            // From 0 on, each once.
            assert!(found.iter().copied().eq(0..found.len() as u64), "writer {n}: {found:?}");
            assert!(found.len() as u64 >= acknowledged, "writer {n}: {} of {acknowledged}", found.len());
        } else {
            let mut there = found.clone();
            there.sort_unstable();
            there.dedup();
            assert!(there.iter().copied().take(acknowledged as usize).eq(0..acknowledged), "writer {n}: {found:?}");
        }
    }
    broker.kill();
    check(dir.path());
}
