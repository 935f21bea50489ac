//! What topics are told, and what comes of it.

use std::time::Duration;

use xs_kafka::Server;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::{BatchBuilder, Compression};

use crate::client::{Client, batch, records, values};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

async fn described(client: &mut Client, resource_type: i8, name: &str, keys: &[&str]) -> DescribeConfigsResult {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: (!keys.is_empty()).then(|| keys.iter().map(|key| (*key).into()).collect()),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], include_synonyms: true, ..Default::default() };
    let answer = client.ask(4, request).await;
    let Response::DescribeConfigs(answer) = answer else { panic!("{answer:?}") };
    answer.results[0].clone()
}

/// A topic's setting: its value, and where that comes from.
async fn setting(client: &mut Client, topic: &str, name: &str) -> (String, i8) {
    let result = described(client, TOPIC, topic, &[name]).await;
    let [config] = &result.configs[..] else { panic!("{result:?}") };
    (config.value.as_ref().unwrap().to_string(), config.config_source)
}

async fn alter_some(client: &mut Client, topic: &str, changes: &[(&str, i8, &str)]) -> ErrorCode {
    let config = |(name, operation, value): &(&str, i8, &str)| IncrementalAlterConfigsRequestAlterableConfig {
        name: (*name).into(),
        config_operation: *operation,
        value: Some((*value).into()),
    };
    let resource = IncrementalAlterConfigsRequestAlterConfigsResource {
        resource_type: TOPIC,
        resource_name: topic.into(),
        configs: changes.iter().map(config).collect(),
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    let answer = client.ask(1, request).await;
    let Response::IncrementalAlterConfigs(answer) = answer else { panic!("{answer:?}") };
    answer.responses[0].error_code
}

async fn alter(client: &mut Client, topic: &str, configs: &[(&str, &str)], validate_only: bool) -> ErrorCode {
    let config = |(name, value): &(&str, &str)| AlterConfigsRequestAlterableConfig {
        name: (*name).into(),
        value: Some((*value).into()),
    };
    let resource = AlterConfigsRequestAlterConfigsResource {
        resource_type: TOPIC,
        resource_name: topic.into(),
        configs: configs.iter().map(config).collect(),
    };
    let answer = client.ask(2, AlterConfigsRequest { resources: vec![resource], validate_only }).await;
    let Response::AlterConfigs(answer) = answer else { panic!("{answer:?}") };
    answer.responses[0].error_code
}

#[tokio::test]
async fn settings_are_shown_changed_taken_back_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Server::builder().data_dir(dir.path()).segment_bytes(1 << 16).ephemeral();
    let server = start().await.unwrap();
    let mut client = Client::of(&server).await;
    assert!(client.create("t", &[("retention.ms", "1000")]).await.error_code.is_ok());
    assert_eq!(setting(&mut client, "t", "retention.ms").await, ("1000".into(), 1));
    assert_eq!(setting(&mut client, "t", "segment.bytes").await, ("65536".into(), 5));
    let changes = [("retention.bytes", 0, "7"), ("cleanup.policy", 2, "compact"), ("retention.ms", 1, "")];
    assert_eq!(alter_some(&mut client, "t", &changes).await, ErrorCode::NONE);
    assert_eq!(setting(&mut client, "t", "retention.ms").await, ("604800000".into(), 5));
    for (changes, code) in [
        ([("retention.bytes", 0, "x")], ErrorCode::INVALID_CONFIG),
        ([("nonsense", 0, "1")], ErrorCode::INVALID_CONFIG),
        ([("retention.bytes", 2, "1")], ErrorCode::INVALID_CONFIG),
        ([("segment.bytes", 0, "8192")], ErrorCode::INVALID_CONFIG),
        ([("retention.bytes", 9, "1")], ErrorCode::INVALID_REQUEST),
    ] {
        assert_eq!(alter_some(&mut client, "t", &changes).await, code, "{changes:?}");
    }
    server.shutdown().await.unwrap();

    let server = start().await.unwrap();
    let mut client = Client::of(&server).await;
    assert_eq!(setting(&mut client, "t", "retention.bytes").await, ("7".into(), 1));
    assert_eq!(setting(&mut client, "t", "cleanup.policy").await, ("compact,delete".into(), 1));
    // What is not said again is taken back; what is only checked is not done.
    assert_eq!(alter(&mut client, "t", &[("retention.bytes", "8")], true).await, ErrorCode::NONE);
    assert_eq!(setting(&mut client, "t", "retention.bytes").await, ("7".into(), 1));
    assert_eq!(alter(&mut client, "t", &[("retention.bytes", "8")], false).await, ErrorCode::NONE);
    assert_eq!(setting(&mut client, "t", "retention.bytes").await, ("8".into(), 1));
    assert_eq!(setting(&mut client, "t", "cleanup.policy").await, ("delete".into(), 5));

    assert_eq!(alter(&mut client, "u", &[], false).await, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(described(&mut client, TOPIC, "u", &[]).await.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(described(&mut client, BROKER, "2", &[]).await.error_code, ErrorCode::INVALID_REQUEST);
    let broker = described(&mut client, BROKER, "1", &[]).await;
    assert!(broker.configs.iter().any(|config| &*config.name == "num.partitions" && config.read_only));
}

#[tokio::test]
async fn a_shorter_limit_holds_at_once() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    client.create("t", &[]).await;
    let long = batch(0, &[&"x".repeat(500)], Compression::None);
    assert!(client.produce("t", long.clone()).await.error_code.is_ok());
    alter_some(&mut client, "t", &[("max.message.bytes", 0, "200")]).await;
    assert_eq!(client.produce("t", long).await.error_code, ErrorCode::MESSAGE_TOO_LARGE);
}

/// Asks again until it is so.
async fn until(mut there: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if there().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never");
}

#[tokio::test]
async fn old_records_are_deleted_and_of_keys_the_last_is_kept() {
    let server = Server::builder().tend_every(Duration::from_millis(20)).ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    client.create("short", &[("segment.bytes", "4096"), ("retention.bytes", "5000")]).await;
    let compact = [("segment.bytes", "4096"), ("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.01")];
    assert!(client.create("last", &compact).await.error_code.is_ok());
    let now = 1_700_000_000_000;
    for n in 0..200 {
        client.produce("short", batch(now, &["x".repeat(100).as_str()], Compression::None)).await;
        let mut builder = BatchBuilder::new().with_compression(Compression::Lz4);
        builder.append(
            now,
            Some(format!("key-{}", n % 3).as_bytes()),
            Some(format!("{n} {}", "y".repeat(200)).as_bytes()),
        );
        assert!(client.produce("last", builder.finish().unwrap()).await.error_code.is_ok());
    }
    until(async || client.fetch(12, "short", 199, 0).await.log_start_offset > 100).await;
    // The newest segment is left as it is; everything in front of it has each key once.
    until(async || records(&client.fetch(12, "last", 0, 0).await).len() < 50).await;
    let mut last = std::collections::BTreeMap::new();
    for record in records(&client.fetch(12, "last", 0, 0).await) {
        last.insert(record.key.unwrap(), record.offset);
    }
    assert_eq!(last.into_values().collect::<Vec<_>>(), [198, 199, 197]);

    // Without a key there is nothing to be the last of.
    let mut keyless = BatchBuilder::new();
    keyless.append(now, None, Some(b"x"));
    assert_eq!(client.produce("last", keyless.finish().unwrap()).await.error_code, ErrorCode::INVALID_RECORD);
}

#[tokio::test]
async fn a_topic_grows() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Server::builder().data_dir(dir.path()).segment_bytes(1 << 16).ephemeral();
    let server = start().await.unwrap();
    let mut client = Client::of(&server).await;
    client.create("t", &[]).await;
    client.produce("t", batch(0, &["kept"], Compression::None)).await;
    let here = |count| Some(vec![CreatePartitionsAssignment { broker_ids: vec![1] }; count]);
    for (name, count, assignments, code) in [
        ("t", 1, None, ErrorCode::INVALID_PARTITIONS),
        ("t", 0, None, ErrorCode::INVALID_PARTITIONS),
        ("t", 1_000_000, None, ErrorCode::POLICY_VIOLATION),
        ("u", 2, None, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ("t", 3, here(1), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        ("t", 3, here(2), ErrorCode::NONE),
        ("t", 4, None, ErrorCode::NONE),
    ] {
        let topic = CreatePartitionsTopic { name: name.into(), count, assignments };
        let request = CreatePartitionsRequest { topics: vec![topic], timeout_ms: 1000, validate_only: false };
        let answer = client.ask(3, request).await;
        let Response::CreatePartitions(answer) = answer else { panic!("{answer:?}") };
        assert_eq!(answer.results[0].error_code, code, "{name} {count}");
    }
    server.shutdown().await.unwrap();
    let server = start().await.unwrap();
    let mut client = Client::of(&server).await;
    assert_eq!(client.metadata(&["t"]).await.topics[0].partitions.len(), 4);
    assert_eq!(values(&client.fetch(12, "t", 0, 0).await), [(0, "kept".to_owned())]);

    // Page by page, three partitions each.
    client.create("u", &[]).await;
    let (mut cursor, mut pages) = (None, Vec::new());
    loop {
        let request = DescribeTopicPartitionsRequest { response_partition_limit: 3, cursor, ..Default::default() };
        let answer = client.ask(0, request).await;
        let Response::DescribeTopicPartitions(answer) = answer else { panic!("{answer:?}") };
        let count = |topic: &DescribeTopicPartitionsResponseTopic| topic.partitions.len();
        pages.push(answer.topics.iter().map(count).collect::<Vec<_>>());
        let Some(next) = answer.next_cursor else { break };
        let (topic_name, partition_index) = (next.topic_name, next.partition_index);
        cursor = Some(DescribeTopicPartitionsRequestCursor { topic_name, partition_index });
    }
    assert_eq!(pages, [vec![3], vec![1, 1]]);
}
