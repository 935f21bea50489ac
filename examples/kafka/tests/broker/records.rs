//! Produce, Fetch, ListOffsets.

use std::time::Duration;

use xs_kafka::{Flush, Server};
use xs_os::{Clock, SystemClock};
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::{BatchBuilder, Compression, HEADER_LEN};

use crate::client::{Client, batch, fetch, produce, values};

const T: i64 = 1_700_000_000_000;

#[tokio::test]
async fn what_is_produced_is_fetched_whatever_its_compression() {
    let dir = tempfile::tempdir().unwrap();
    for (flush, on_disk) in [(Flush::Later, false), (Flush::Later, true), (Flush::Always, true)] {
        let mut builder = Server::builder().flush(flush).segment_bytes(1 << 20);
        if on_disk {
            builder = builder.data_dir(dir.path().join(format!("{flush:?}")));
        }
        let server = builder.ephemeral().await.unwrap();
        let mut client = Client::of(&server).await;
        client.metadata(&["t"]).await;
        for (n, compression) in Compression::ALL.into_iter().enumerate() {
            let done = client.produce("t", batch(T, &["a", "b"], compression)).await;
            assert_eq!((done.error_code, done.base_offset), (ErrorCode::NONE, 2 * n as i64));
        }
        // Also those of before zstd: some clients ask in them and understand it.
        for version in ApiKey::Fetch.versions() {
            let data = client.fetch(version, "t", 3, 0).await;
            assert_eq!((data.error_code, data.high_watermark, data.last_stable_offset), (ErrorCode::NONE, 10, 10));
            // The whole batch that holds offset 3, and all behind it.
            let expected: Vec<_> = (2..10).map(|n| (n, ["a", "b"][n as usize % 2].to_owned())).collect();
            assert_eq!(values(&data), expected);
        }
        server.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_fetch_waits_for_records_and_not_for_longer_than_it_says() {
    let server = Server::ephemeral().await.unwrap();
    let (mut reader, mut writer) = (Client::of(&server).await, Client::of(&server).await);
    writer.metadata(&["t"]).await;

    let start = SystemClock.now();
    let data = reader.fetch(12, "t", 0, 200).await;
    assert!(data.error_code.is_ok() && values(&data).is_empty());
    assert!((SystemClock.now() - start) >= Duration::from_millis(190), "{:?}", (SystemClock.now() - start));

    reader.send(12, fetch("t", 0, 15_000)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    writer.produce("t", batch(T, &["now"], Compression::None)).await;
    let Some(Response::Fetch(fetched)) = reader.receive().await else { panic!("no answer") };
    assert_eq!(values(&fetched.responses[0].partitions[0]), [(0, "now".to_owned())]);
    assert!((SystemClock.now() - start) < Duration::from_secs(10));
}

#[tokio::test]
async fn records_of_a_connection_stand_in_the_order_of_its_requests() {
    let server = Server::builder().flush(Flush::Always).ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    for n in 0..50 {
        client.send(9, produce(1, "t", batch(T, &[&n.to_string()], Compression::None))).await;
    }
    for n in 0..50 {
        let Some(Response::Produce(done)) = client.receive().await else { panic!("no answer") };
        assert_eq!(done.responses[0].partition_responses[0].base_offset, n);
    }
    let expected: Vec<_> = (0..50).map(|n| (n, n.to_string())).collect();
    assert_eq!(values(&client.fetch(12, "t", 0, 0).await), expected);
}

#[tokio::test]
async fn who_wants_no_answer_gets_none() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    client.send(9, produce(0, "t", batch(T, &["a"], Compression::None))).await;
    assert_eq!(values(&client.fetch(12, "t", 0, 1000).await), [(0, "a".to_owned())]);
    // A failure can only be told by the end of the connection.
    client.send(9, produce(0, "unknown", batch(T, &["a"], Compression::None))).await;
    assert_eq!(client.receive().await, None);
}

#[tokio::test]
async fn what_a_producer_may_not_send_is_refused_with_its_error() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    let good = batch(T, &["a"], Compression::None);
    let mut changed = good.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let mut old = good.to_vec();
    old[16] = 1;
    let mut transactional = BatchBuilder::new();
    transactional.header.set_transactional(true);
    (transactional.header.producer_id, transactional.header.producer_epoch, transactional.header.base_sequence) =
        (1, 0, 0);
    transactional.append(T, None, None);
    let large = batch(T, &[&"x".repeat(2 << 20)], Compression::None);
    for (bytes, code) in [
        (changed.into(), ErrorCode::CORRUPT_MESSAGE),
        (old.into(), ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT),
        (good.slice(..good.len() - 1), ErrorCode::CORRUPT_MESSAGE),
        (good.slice(..HEADER_LEN - 1), ErrorCode::CORRUPT_MESSAGE),
        ([&good[..], &good[..]].concat().into(), ErrorCode::CORRUPT_MESSAGE),
        (Default::default(), ErrorCode::INVALID_RECORD),
        (transactional.finish().unwrap(), ErrorCode::INVALID_PRODUCER_ID_MAPPING),
        (large, ErrorCode::MESSAGE_TOO_LARGE),
    ] {
        let done = client.produce("t", bytes).await;
        assert_eq!((done.error_code, done.base_offset), (code, -1));
    }
    let answer = client.ask(9, produce(2, "t", good.clone())).await;
    let Response::Produce(done) = answer else { panic!("{answer:?}") };
    assert_eq!(done.responses[0].partition_responses[0].error_code, ErrorCode::INVALID_REQUIRED_ACKS);
    assert_eq!(client.produce("unknown", good.clone()).await.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    // zstd, in a version whose readers may not know it.
    let answer = client.ask(6, produce(-1, "t", batch(T, &["a"], Compression::Zstd))).await;
    let Response::Produce(done) = answer else { panic!("{answer:?}") };
    assert_eq!(done.responses[0].partition_responses[0].error_code, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    // Nothing of all that is there.
    assert_eq!(client.produce("t", good).await.base_offset, 0);
}

#[tokio::test]
async fn a_batch_that_is_sent_again_stands_there_once() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    let nobody = InitProducerIdRequest { transactional_id: None, ..Default::default() };
    let Response::InitProducerId(producer) = client.ask(4, nobody.clone()).await else { panic!("another answer") };
    assert_eq!((producer.error_code, producer.producer_epoch), (ErrorCode::NONE, 0));
    let Response::InitProducerId(another) = client.ask(0, nobody).await else { panic!("another answer") };
    assert_ne!(another.producer_id, producer.producer_id);
    let numbered = |sequence| {
        let mut builder = BatchBuilder::new();
        builder.header.producer_id = producer.producer_id;
        (builder.header.producer_epoch, builder.header.base_sequence) = (0, sequence);
        builder.append(T, None, Some(b"once"));
        builder.finish().unwrap()
    };
    assert_eq!(client.produce("t", numbered(0)).await.base_offset, 0);
    assert_eq!(client.produce("t", numbered(1)).await.base_offset, 1);
    let again = client.produce("t", numbered(0)).await;
    assert_eq!((again.error_code, again.base_offset), (ErrorCode::NONE, 0));
    let gap = client.produce("t", numbered(5)).await;
    assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(values(&client.fetch(12, "t", 0, 0).await).len(), 2);
}

#[tokio::test]
async fn offsets_are_found_by_time() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    let look = async |client: &mut Client, timestamp| {
        let partition = ListOffsetsPartition { timestamp, ..Default::default() };
        let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition] };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        let answer = client.ask(7, request).await;
        let Response::ListOffsets(found) = answer else { panic!("{answer:?}") };
        let found = &found.topics[0].partitions[0];
        (found.error_code, found.offset, found.timestamp)
    };
    assert_eq!(look(&mut client, -1).await, (ErrorCode::NONE, 0, -1));
    assert_eq!(look(&mut client, T).await, (ErrorCode::NONE, -1, -1));
    assert_eq!(look(&mut client, -3).await, (ErrorCode::NONE, -1, -1));
    for compression in Compression::ALL {
        let from = T + 1000 * compression as i64;
        client.produce("t", batch(from, &["a", "b", "c"], compression)).await;
    }
    assert_eq!(look(&mut client, -1).await, (ErrorCode::NONE, 15, -1));
    assert_eq!(look(&mut client, -2).await, (ErrorCode::NONE, 0, -1));
    assert_eq!(look(&mut client, -3).await, (ErrorCode::NONE, 14, T + 4002));
    assert_eq!(look(&mut client, 0).await, (ErrorCode::NONE, 0, T));
    assert_eq!(look(&mut client, T + 1).await, (ErrorCode::NONE, 1, T + 1));
    assert_eq!(look(&mut client, T + 3).await, (ErrorCode::NONE, 3, T + 1000));
    assert_eq!(look(&mut client, T + 2002).await, (ErrorCode::NONE, 8, T + 2002));
    assert_eq!(look(&mut client, T + 4003).await, (ErrorCode::NONE, -1, -1));
}

#[tokio::test]
async fn an_offset_that_is_not_there_is_named() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    client.produce("t", batch(T, &["a", "b"], Compression::None)).await;
    for (offset, code) in
        [(3, ErrorCode::OFFSET_OUT_OF_RANGE), (-1, ErrorCode::OFFSET_OUT_OF_RANGE), (2, ErrorCode::NONE)]
    {
        // At once, and not after the time that the fetch would wait.
        let wait = if code.is_err() { 15_000 } else { 0 };
        assert_eq!(client.fetch(12, "t", offset, wait).await.error_code, code, "{offset}");
    }
    assert_eq!(client.fetch(12, "unknown", 0, 15_000).await.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);

    let partition = DeleteRecordsPartition { partition_index: 0, offset: 1 };
    let topic = DeleteRecordsTopic { name: "t".into(), partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1000 };
    let answer = client.ask(2, request).await;
    let Response::DeleteRecords(deleted) = answer else { panic!("{answer:?}") };
    assert_eq!(
        (deleted.topics[0].partitions[0].error_code, deleted.topics[0].partitions[0].low_watermark),
        (ErrorCode::NONE, 1)
    );
    assert_eq!(client.fetch(12, "t", 0, 0).await.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(client.fetch(12, "t", 1, 0).await.log_start_offset, 1);
}

/// Records of some are looked into elsewhere, and those that come behind them wait for their turn.
#[tokio::test]
async fn a_compacted_topic_takes_records_in_the_order_of_the_requests() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    assert!(client.create("t", &[("cleanup.policy", "compact")]).await.error_code.is_ok());
    let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
    let Response::InitProducerId(who) = client.ask(4, request).await else { panic!("another answer") };
    const REQUESTS: i32 = 40;
    for n in 0..REQUESTS {
        let compression = if n % 3 == 0 { Compression::Zstd } else { Compression::None };
        let mut builder = BatchBuilder::new().with_compression(compression);
        let header = &mut builder.header;
        (header.producer_id, header.producer_epoch, header.base_sequence) = (who.producer_id, 0, n);
        let value = vec![b'x'; if n % 4 == 0 { 100_000 } else { 10 }];
        builder.append(T, Some(n.to_string().as_bytes()), Some(&value));
        client.send(9, produce(-1, "t", builder.finish().unwrap())).await;
    }
    for n in 0..REQUESTS {
        let Some(Response::Produce(answer)) = client.receive().await else { panic!("another answer") };
        let done = &answer.responses[0].partition_responses[0];
        assert_eq!((done.error_code, done.base_offset), (ErrorCode::NONE, i64::from(n)), "{done:?}");
    }
    // One without a key, among others that have one, and one that wants no answer.
    let mut builder = BatchBuilder::new().with_compression(Compression::Gzip);
    builder.append(T, Some(b"key"), Some(b"value"));
    builder.append(T, None, Some(b"value"));
    let refused = client.produce("t", builder.finish().unwrap()).await;
    assert_eq!(refused.error_code, ErrorCode::INVALID_RECORD, "{refused:?}");
    client.send(9, produce(0, "t", batch(T, &["unanswered"], Compression::Gzip))).await;
    let put = client.produce("t", batch(T, &["behind"], Compression::None)).await;
    assert_eq!((put.error_code, put.base_offset), (ErrorCode::NONE, i64::from(REQUESTS) + 1));
}
