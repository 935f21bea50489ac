//! The broker is killed in the middle of transactions: each counts in all of its partitions, or in none, and those that were
//! answered count.
//!
//! A transaction writes its number to two partitions and commits it as a group's offset. After each kill another producer
//! takes the transactional id, and goes on with the next number.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use xs_os::Rng;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::BatchBuilder;

use crate::client::{Client, records};
use crate::process::Broker;

const KILLS: usize = 6;
const ID: &str = "writer";

struct Writer {
    next: i64,
    acknowledged: Arc<AtomicI64>,
}

async fn ask(client: &mut Client, version: i16, request: impl Into<Request>) -> Option<Response> {
    client.try_send(version, request).await.ok()?;
    client.receive().await
}

fn batch(who: &InitProducerIdResponse, sequence: i32, number: i64) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.header.producer_id = who.producer_id;
    (builder.header.producer_epoch, builder.header.base_sequence) = (who.producer_epoch, sequence);
    builder.header.set_transactional(true);
    builder.append(number, None, Some(number.to_string().as_bytes()));
    builder.finish().unwrap()
}

impl Writer {
    /// Writes until the broker is gone.
    async fn life(&mut self, addr: SocketAddr) -> Option<()> {
        let mut client = Client::at(addr).await.ok()?;
        let request = InitProducerIdRequest {
            transactional_id: Some(ID.into()),
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let Response::InitProducerId(who) = ask(&mut client, 4, request).await? else { panic!("another answer") };
        assert!(who.error_code.is_ok(), "{who:?}");
        for sequence in 0.. {
            let number = self.next;
            self.next += 1;
            self.transact(&mut client, &who, sequence, number).await?;
            self.acknowledged.store(number, Ordering::SeqCst);
        }
        None
    }

    async fn transact(
        &self,
        client: &mut Client,
        who: &InitProducerIdResponse,
        sequence: i32,
        number: i64,
    ) -> Option<()> {
        let (producer_id, producer_epoch) = (who.producer_id, who.producer_epoch);
        let topic = AddPartitionsToTxnTopic { name: "t".into(), partitions: vec![0, 1] };
        let request =
            AddPartitionsToTxnRequest { transactional_id: ID.into(), producer_id, producer_epoch, topics: vec![topic] };
        let Response::AddPartitionsToTxn(added) = ask(client, 3, request).await? else { panic!("another answer") };
        assert!(added.results_by_topic[0].results_by_partition.iter().all(|p| p.partition_error_code.is_ok()));
        let request =
            AddOffsetsToTxnRequest { transactional_id: ID.into(), producer_id, producer_epoch, group_id: "g".into() };
        let Response::AddOffsetsToTxn(added) = ask(client, 3, request).await? else { panic!("another answer") };
        assert!(added.error_code.is_ok());
        let write = |index| PartitionProduceData { index, records: Some(batch(who, sequence, number).into()) };
        let request = ProduceRequest {
            transactional_id: Some(ID.into()),
            acks: -1,
            timeout_ms: 1000,
            topic_data: vec![TopicProduceData { name: "t".into(), partition_data: vec![write(0), write(1)] }],
        };
        let Response::Produce(written) = ask(client, 9, request).await? else { panic!("another answer") };
        assert!(written.responses[0].partition_responses.iter().all(|p| p.error_code.is_ok()), "{written:?}");
        let partition = TxnOffsetCommitRequestPartition { committed_offset: number, ..Default::default() };
        let request = TxnOffsetCommitRequest {
            transactional_id: ID.into(),
            group_id: "g".into(),
            producer_id,
            producer_epoch,
            topics: vec![TxnOffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition] }],
            ..Default::default()
        };
        let Response::TxnOffsetCommit(moved) = ask(client, 3, request).await? else { panic!("another answer") };
        assert!(moved.topics[0].partitions[0].error_code.is_ok(), "{moved:?}");
        let request = EndTxnRequest { transactional_id: ID.into(), producer_id, producer_epoch, committed: true };
        let Response::EndTxn(ended) = ask(client, 3, request).await? else { panic!("another answer") };
        assert!(ended.error_code.is_ok(), "{ended:?}");
        Some(())
    }
}

/// The numbers of a partition that count, for a reader of committed records.
async fn committed(client: &mut Client, index: i32) -> Vec<i64> {
    let (mut found, mut next) = (Vec::new(), 0);
    loop {
        let partition =
            FetchPartition { partition: index, fetch_offset: next, partition_max_bytes: 1 << 20, ..Default::default() };
        let request = FetchRequest {
            max_bytes: 1 << 20,
            isolation_level: 1,
            topics: vec![FetchTopic { topic: "t".into(), partitions: vec![partition] }],
            ..Default::default()
        };
        let Response::Fetch(answer) = client.ask(12, request).await else { panic!("another answer") };
        let data = &answer.responses[0].partitions[0];
        assert_eq!(data.last_stable_offset, data.high_watermark, "a transaction is open");
        found.extend(counted(data, next));
        match records(data).last() {
            Some(last) => next = last.offset + 1,
            None => return found,
        }
    }
}

/// As a consumer does it: from an aborted transaction's first offset on, its producer's records do not count, up to its
/// marker.
fn counted(data: &PartitionData, from: i64) -> Vec<i64> {
    use xs_proto::kafka::records::{BatchIter, DEFAULT_LIMIT};
    let mut aborted = data.aborted_transactions.clone().unwrap_or_default();
    aborted.sort_by_key(|aborted| aborted.first_offset);
    let (mut aborted, mut out) = (aborted.into_iter().peekable(), std::collections::HashSet::new());
    let mut found = Vec::new();
    for batch in BatchIter::new(data.records.clone().unwrap_or_default().to_bytes().unwrap()) {
        let batch = batch.unwrap();
        let header = batch.header();
        while let Some(begun) = aborted.next_if(|aborted| aborted.first_offset <= header.last_offset()) {
            out.insert(begun.producer_id);
        }
        if header.is_control() {
            out.remove(&header.producer_id);
        } else if !out.contains(&header.producer_id) {
            let records = batch.records(DEFAULT_LIMIT).unwrap().map(Result::unwrap);
            let here = records.filter(|record| record.offset >= from);
            found.extend(
                here.map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap().parse::<i64>().unwrap()),
            );
        }
    }
    found
}

#[tokio::test]
async fn transactions_count_everywhere_or_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Broker::on(dir.path(), &["--partitions", "2"]);
    let mut rng = Rng::from_seed(3);
    let acknowledged = Arc::new(AtomicI64::new(-1));
    let mut writer = Writer { next: 0, acknowledged: acknowledged.clone() };
    let mut answered = Vec::new();
    for _ in 0..KILLS {
        let broker = start();
        let addr = broker.addr;
        Client::at(addr).await.unwrap().metadata(&["t"]).await;
        let first = writer.next;
        let life = tokio::spawn(async move {
            writer.life(addr).await;
            writer
        });
        tokio::time::sleep(Duration::from_millis(300 + rng.below(700))).await;
        broker.kill();
        writer = life.await.unwrap();
        answered.extend(first..=acknowledged.load(Ordering::SeqCst));
    }
    assert!(!answered.is_empty(), "nothing was ever answered");
    let broker = start();
    let mut client = Client::at(broker.addr).await.unwrap();
    // The last one may still be open: whoever takes its place ends it.
    let request = InitProducerIdRequest {
        transactional_id: Some(ID.into()),
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    let Response::InitProducerId(who) = client.ask(4, request).await else { panic!("another answer") };
    assert!(who.error_code.is_ok());
    let (one, two) = (committed(&mut client, 0).await, committed(&mut client, 1).await);
    assert_eq!(one, two, "a transaction counts in one partition only");
    assert!(one.is_sorted_by(|a, b| a < b), "a transaction counts twice: {one:?}");
    let lost: Vec<&i64> = answered.iter().filter(|number| !one.contains(number)).collect();
    assert!(lost.is_empty(), "answered, and lost: {lost:?}");
    let request = OffsetFetchRequest {
        group_id: "g".into(),
        topics: Some(vec![OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0] }]),
        require_stable: true,
        ..Default::default()
    };
    let Response::OffsetFetch(found) = client.ask(7, request).await else { panic!("another answer") };
    assert_eq!(Some(&found.topics[0].partitions[0].committed_offset), one.last(), "the offset is another one's");
    broker.kill();
}
