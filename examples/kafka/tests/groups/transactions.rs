//! Transactions, said by hand.

use std::time::Duration;

use bytes::Bytes;
use xs_kafka::Server;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::BatchBuilder;

use crate::client::{Client, values};

const ID: &str = "writer";

async fn begin(client: &mut Client, version: i16, timeout: i32) -> InitProducerIdResponse {
    let request = InitProducerIdRequest {
        transactional_id: Some(ID.into()),
        transaction_timeout_ms: timeout,
        ..Default::default()
    };
    match client.ask(version, request).await {
        Response::InitProducerId(response) => response,
        other => panic!("{other:?}"),
    }
}

async fn add(client: &mut Client, version: i16, who: &InitProducerIdResponse) -> ErrorCode {
    let topic = AddPartitionsToTxnTopic { name: "t".into(), partitions: vec![0] };
    let request = AddPartitionsToTxnRequest {
        transactional_id: ID.into(),
        producer_id: who.producer_id,
        producer_epoch: who.producer_epoch,
        topics: vec![topic],
    };
    match client.ask(version, request).await {
        Response::AddPartitionsToTxn(response) => {
            response.results_by_topic[0].results_by_partition[0].partition_error_code
        }
        other => panic!("{other:?}"),
    }
}

async fn write(client: &mut Client, who: &InitProducerIdResponse, sequence: i32, value: &str) -> ErrorCode {
    let mut builder = BatchBuilder::new();
    builder.header.producer_id = who.producer_id;
    builder.header.producer_epoch = who.producer_epoch;
    builder.header.base_sequence = sequence;
    builder.header.set_transactional(true);
    builder.append(1, None, Some(value.as_bytes()));
    let records: Bytes = builder.finish().unwrap();
    let partition = PartitionProduceData { index: 0, records: Some(records.into()) };
    let topic = TopicProduceData { name: "t".into(), partition_data: vec![partition] };
    let request =
        ProduceRequest { transactional_id: Some(ID.into()), acks: -1, timeout_ms: 1000, topic_data: vec![topic] };
    match client.ask(9, request).await {
        Response::Produce(response) => response.responses[0].partition_responses[0].error_code,
        other => panic!("{other:?}"),
    }
}

async fn end(client: &mut Client, version: i16, who: &InitProducerIdResponse, committed: bool) -> ErrorCode {
    let request = EndTxnRequest {
        transactional_id: ID.into(),
        producer_id: who.producer_id,
        producer_epoch: who.producer_epoch,
        committed,
    };
    match client.ask(version, request).await {
        Response::EndTxn(response) => response.error_code,
        other => panic!("{other:?}"),
    }
}

/// What a reader of committed records gets, and whose records it is told to leave out.
async fn read(client: &mut Client) -> (Vec<String>, usize) {
    let partition = FetchPartition { partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: "t".into(), partitions: vec![partition] };
    let request = FetchRequest {
        max_wait_ms: 0,
        max_bytes: 1 << 20,
        isolation_level: 1,
        topics: vec![topic],
        ..Default::default()
    };
    let Response::Fetch(response) = client.ask(12, request).await else { panic!("another answer") };
    let data = &response.responses[0].partitions[0];
    let aborted = data.aborted_transactions.as_ref().map_or(0, Vec::len);
    let end = data.last_stable_offset;
    (values(data).into_iter().filter(|(offset, _)| *offset < end).map(|(_, value)| value).collect(), aborted)
}

/// The values of producers' records: markers have values that are no text.
fn texts(read: (Vec<String>, usize)) -> (Vec<String>, usize) {
    (read.0.into_iter().filter(|value| value.chars().all(|c| c.is_ascii_alphanumeric())).collect(), read.1)
}

async fn start() -> (Server, Client) {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    (server, client)
}

#[tokio::test]
async fn records_count_when_they_are_committed_in_every_version() {
    let (_server, mut client) = start().await;
    let mut expected = Vec::new();
    for version in 0..=3 {
        let who = begin(&mut client, version, 60_000).await;
        assert!(who.error_code.is_ok(), "{who:?}");
        assert_eq!(add(&mut client, version, &who).await, ErrorCode::NONE);
        let value = format!("committed{version}");
        assert_eq!(write(&mut client, &who, 0, &value).await, ErrorCode::NONE);
        assert_eq!(texts(read(&mut client).await).0, expected, "not yet");
        assert_eq!(end(&mut client, version, &who, true).await, ErrorCode::NONE);
        assert_eq!(end(&mut client, version, &who, true).await, ErrorCode::NONE, "asked again");
        assert_eq!(end(&mut client, version, &who, false).await, ErrorCode::INVALID_TXN_STATE);
        expected.push(value);
        assert_eq!(texts(read(&mut client).await), (expected.clone(), 0));
    }
    let who = begin(&mut client, 4, 60_000).await;
    add(&mut client, 3, &who).await;
    write(&mut client, &who, 0, "aborted").await;
    assert_eq!(end(&mut client, 3, &who, false).await, ErrorCode::NONE);
    assert_eq!(read(&mut client).await.1, 1, "readers are told whom to leave out");
}

#[tokio::test]
async fn what_does_not_belong_to_a_transaction_is_refused() {
    let (_server, mut client) = start().await;
    for timeout in [0, -1, 15 * 60 * 1000 + 1] {
        assert_eq!(begin(&mut client, 4, timeout).await.error_code, ErrorCode::INVALID_TRANSACTION_TIMEOUT);
    }
    let nobody = InitProducerIdResponse { producer_id: 5, ..Default::default() };
    assert_eq!(add(&mut client, 3, &nobody).await, ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    let old = begin(&mut client, 4, 60_000).await;
    assert_eq!(write(&mut client, &old, 0, "early").await, ErrorCode::INVALID_TXN_STATE);
    add(&mut client, 3, &old).await;
    assert_eq!(write(&mut client, &old, 0, "fenced").await, ErrorCode::NONE);
    // Another one takes its place: what the old one has written is aborted, and it may do nothing more.
    let new = begin(&mut client, 4, 60_000).await;
    assert_eq!(new.producer_id, old.producer_id);
    assert!(new.producer_epoch > old.producer_epoch);
    assert_eq!(add(&mut client, 3, &old).await, ErrorCode::PRODUCER_FENCED);
    assert_eq!(add(&mut client, 1, &old).await, ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(write(&mut client, &old, 1, "late").await, ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(end(&mut client, 3, &old, true).await, ErrorCode::PRODUCER_FENCED);
    assert_eq!(read(&mut client).await.1, 1);
}

#[tokio::test]
async fn what_takes_too_long_is_aborted() {
    let (_server, mut client) = start().await;
    let who = begin(&mut client, 4, 100).await;
    add(&mut client, 3, &who).await;
    write(&mut client, &who, 0, "slow").await;
    for _ in 0..100 {
        if read(&mut client).await.1 == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(read(&mut client).await.1, 1);
    assert_eq!(end(&mut client, 3, &who, true).await, ErrorCode::PRODUCER_FENCED);
}

#[tokio::test]
async fn an_open_transaction_outlives_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Server::builder().data_dir(dir.path()).ephemeral();
    let server = start().await.unwrap();
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    let who = begin(&mut client, 4, 60_000).await;
    add(&mut client, 3, &who).await;
    write(&mut client, &who, 0, "before").await;
    drop(client);
    server.shutdown().await.unwrap();
    let server = start().await.unwrap();
    let mut client = Client::of(&server).await;
    assert_eq!(write(&mut client, &who, 1, "after").await, ErrorCode::NONE);
    assert_eq!(texts(read(&mut client).await).0, Vec::<String>::new());
    assert_eq!(end(&mut client, 3, &who, true).await, ErrorCode::NONE);
    assert_eq!(texts(read(&mut client).await), (vec!["before".into(), "after".into()], 0));
}

async fn commit_offset(client: &mut Client, who: &InitProducerIdResponse, offset: i64) -> ErrorCode {
    let partition = TxnOffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
    let topic = TxnOffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition] };
    let request = TxnOffsetCommitRequest {
        transactional_id: ID.into(),
        group_id: "g".into(),
        producer_id: who.producer_id,
        producer_epoch: who.producer_epoch,
        topics: vec![topic],
        ..Default::default()
    };
    match client.ask(3, request).await {
        Response::TxnOffsetCommit(response) => response.topics[0].partitions[0].error_code,
        other => panic!("{other:?}"),
    }
}

async fn committed(client: &mut Client, require_stable: bool) -> (i64, ErrorCode) {
    let topic = OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0] };
    let request =
        OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![topic]), require_stable, ..Default::default() };
    match client.ask(7, request).await {
        Response::OffsetFetch(response) => {
            let found = &response.topics[0].partitions[0];
            (found.committed_offset, found.error_code)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn offsets_count_with_their_transaction() {
    let (_server, mut client) = start().await;
    let who = begin(&mut client, 4, 60_000).await;
    assert_eq!(commit_offset(&mut client, &who, 1).await, ErrorCode::INVALID_TXN_STATE);
    for (commits, offset, expected) in [(true, 5, 5), (false, 9, 5), (true, 7, 7)] {
        let request = AddOffsetsToTxnRequest {
            transactional_id: ID.into(),
            producer_id: who.producer_id,
            producer_epoch: who.producer_epoch,
            group_id: "g".into(),
        };
        let Response::AddOffsetsToTxn(added) = client.ask(3, request).await else { panic!("another answer") };
        assert!(added.error_code.is_ok());
        let before = committed(&mut client, false).await;
        assert_eq!(commit_offset(&mut client, &who, offset).await, ErrorCode::NONE);
        assert_eq!(committed(&mut client, true).await, (-1, ErrorCode::UNSTABLE_OFFSET_COMMIT));
        assert_eq!(committed(&mut client, false).await, before);
        assert_eq!(end(&mut client, 3, &who, commits).await, ErrorCode::NONE);
        assert_eq!(committed(&mut client, true).await, (expected, ErrorCode::NONE));
    }
}

#[tokio::test]
async fn transactions_are_described_and_listed() {
    let (_server, mut client) = start().await;
    let who = begin(&mut client, 4, 60_000).await;
    add(&mut client, 3, &who).await;
    let request = DescribeTransactionsRequest { transactional_ids: vec![ID.into(), "nobody".into()] };
    let Response::DescribeTransactions(found) = client.ask(0, request).await else { panic!("another answer") };
    let [one, nobody] = &found.transaction_states[..] else { panic!("{found:?}") };
    assert_eq!((&*one.transaction_state, one.producer_id), ("Ongoing", who.producer_id));
    assert_eq!(one.topics, [TopicData { topic: "t".into(), partitions: vec![0] }]);
    assert_eq!(nobody.error_code, ErrorCode::TRANSACTIONAL_ID_NOT_FOUND);
    for (states, count, unknown) in [(vec!["Ongoing"], 1, 0), (vec!["Empty", "Odd"], 0, 1), (vec![], 1, 0)] {
        let state_filters = states.into_iter().map(Into::into).collect();
        let request = ListTransactionsRequest { state_filters, ..Default::default() };
        let Response::ListTransactions(found) = client.ask(1, request).await else { panic!("another answer") };
        assert_eq!((found.transaction_states.len(), found.unknown_state_filters.len()), (count, unknown));
    }
}
