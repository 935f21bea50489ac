//! Topics, and what connections may not do.

use xs_kafka::Server;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::Compression;
use xs_proto::kafka::wire::Uuid;

use crate::client::{Client, batch, values};

async fn create(client: &mut Client, topic: CreatableTopic, validate_only: bool) -> (ErrorCode, i32) {
    let request = CreateTopicsRequest { topics: vec![topic], validate_only, ..Default::default() };
    let answer = client.ask(7, request).await;
    let Response::CreateTopics(created) = answer else { panic!("{answer:?}") };
    (created.topics[0].error_code, created.topics[0].num_partitions)
}

fn topic(name: &str, num_partitions: i32) -> CreatableTopic {
    CreatableTopic { name: name.into(), num_partitions, replication_factor: -1, ..Default::default() }
}

#[tokio::test]
async fn a_topic_is_made_told_of_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Server::builder().data_dir(dir.path()).segment_bytes(1 << 16).auto_create(false).ephemeral();
    let server = start().await.unwrap();
    let mut client = Client::of(&server).await;
    assert_eq!(client.metadata(&["t"]).await.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(create(&mut client, topic("t", 3), true).await, (ErrorCode::NONE, 3));
    assert_eq!(client.metadata(&["t"]).await.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(create(&mut client, topic("t", 3), false).await, (ErrorCode::NONE, 3));
    assert_eq!(create(&mut client, topic("t", 3), false).await.0, ErrorCode::TOPIC_ALREADY_EXISTS);
    client.produce("t", batch(0, &["kept"], Compression::None)).await;
    let id = client.metadata(&["t"]).await.topics[0].topic_id;
    let cluster = client.metadata(&["t"]).await.cluster_id;
    server.shutdown().await.unwrap();

    // It is there after a restart, with its records.
    let server = start().await.unwrap();
    let mut client = Client::of(&server).await;
    let metadata = client.metadata(&["t"]).await;
    assert_eq!(metadata.cluster_id, cluster);
    assert_eq!((metadata.topics[0].topic_id, metadata.topics[0].partitions.len()), (id, 3));
    assert_eq!(metadata.brokers[0].port, i32::from(server.addr().port()));
    assert!(metadata.topics[0].partitions.iter().all(|partition| partition.leader_id == metadata.brokers[0].node_id));
    assert_eq!(values(&client.fetch(12, "t", 0, 0).await), [(0, "kept".to_owned())]);

    let request =
        DeleteTopicsRequest { topics: vec![DeleteTopicState { name: None, topic_id: id }], ..Default::default() };
    let answer = client.ask(6, request).await;
    let Response::DeleteTopics(deleted) = answer else { panic!("{answer:?}") };
    assert_eq!((deleted.responses[0].error_code, deleted.responses[0].name.as_deref()), (ErrorCode::NONE, Some("t")));
    let request = DeleteTopicsRequest { topic_names: vec!["t".into()], ..Default::default() };
    let answer = client.ask(1, request).await;
    let Response::DeleteTopics(deleted) = answer else { panic!("{answer:?}") };
    assert_eq!(deleted.responses[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);

    // One that is made again has another identity, and nothing of the records.
    assert_eq!(create(&mut client, topic("t", 1), false).await, (ErrorCode::NONE, 1));
    assert_ne!(client.metadata(&["t"]).await.topics[0].topic_id, id);
    assert!(values(&client.fetch(12, "t", 0, 0).await).is_empty());
}

#[tokio::test]
async fn a_topic_that_cannot_be_is_refused() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    let with = |change: &dyn Fn(&mut CreatableTopic)| {
        let mut topic = topic("t", 1);
        change(&mut topic);
        topic
    };
    let config = |name: &str, value: &str| vec![CreatableTopicConfig { name: name.into(), value: Some(value.into()) }];
    let assigned =
        |partition_index, broker| vec![CreatableReplicaAssignment { partition_index, broker_ids: vec![broker] }];
    for (topic, code) in [
        (topic("", 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (topic("..", 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (topic("a/b", 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (topic(&"x".repeat(250), 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (topic("t", 0), ErrorCode::INVALID_PARTITIONS),
        (topic("t", i32::MAX), ErrorCode::POLICY_VIOLATION),
        (with(&|topic| topic.replication_factor = 2), ErrorCode::INVALID_REPLICATION_FACTOR),
        (with(&|topic| topic.configs = config("cleanup.policy", "neither")), ErrorCode::INVALID_CONFIG),
        (with(&|topic| topic.assignments = assigned(0, 1)), ErrorCode::INVALID_REQUEST),
        (
            with(&|topic| (topic.num_partitions, topic.assignments) = (-1, assigned(0, 9))),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        ),
        (
            with(&|topic| (topic.num_partitions, topic.assignments) = (-1, assigned(1, 1))),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        ),
        (with(&|topic| (topic.num_partitions, topic.assignments) = (-1, assigned(0, 1))), ErrorCode::NONE),
    ] {
        assert_eq!(create(&mut client, topic.clone(), false).await.0, code, "{topic:?}");
    }
    let unknown = MetadataRequestTopic { topic_id: Uuid([7; 16]), name: None };
    for version in [10, 12] {
        let request = MetadataRequest { topics: Some(vec![unknown.clone()]), ..Default::default() };
        let answer = client.ask(version, request).await;
        let Response::Metadata(metadata) = answer else { panic!("{answer:?}") };
        assert_eq!(metadata.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    }
}

#[tokio::test]
async fn only_what_is_served_is_listed_and_everything_listed_is_answered() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    for version in ApiKey::ApiVersions.versions() {
        let answer = client.ask(version, ApiVersionsRequest::default()).await;
        let Response::ApiVersions(versions) = answer else { panic!("{answer:?}") };
        assert!(versions.api_keys.iter().any(|api| (api.api_key, api.min_version, api.max_version) == (0, 0, 10)));
        // Everything that the codec knows.
        assert_eq!(versions.api_keys.len(), ApiKey::ALL.len());
    }
    // What is not listed, such as 999, ends the connection, and nobody else's.
    client.send_raw(b"\0\0\0\x0a\x03\xe7\0\0\0\0\0\x01\xff\xff").await;
    assert_eq!(client.frame().await, None);
    let mut other = Client::of(&server).await;
    assert_eq!(other.metadata(&[]).await.topics, []);
}

#[tokio::test]
async fn strangers_are_sent_away() {
    let server = Server::ephemeral().await.unwrap();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n"[..],
        b"\xff\xff\xff\xff",
        b"\0\0\0\x02\0\x12",
        b"\0\0\0\x0a\x03\xe7\0\0\0\0\0\x01\xff\xff",
        // Produce in version 2, which is listed and not served.
        b"\0\0\0\x14\0\0\0\x02\0\0\0\x01\xff\xff\0\x01\0\0\0\x01\0\0\0\0",
    ] {
        let mut client = Client::of(&server).await;
        client.send_raw(bytes).await;
        assert_eq!(client.rest().await, b"", "{}", bytes.escape_ascii());
    }
    // ApiVersions of the future is answered with what there is.
    let mut client = Client::of(&server).await;
    client.send_raw(b"\0\0\0\x0c\0\x12\0\x63\0\0\0\x05\xff\xff\0\0").await;
    let mut answer = client;
    answer.send_raw(b"\xff\xff\xff\xff").await;
    assert_eq!(answer.rest().await, b"\0\0\0\x10\0\0\0\x05\0\x23\0\0\0\x01\0\x12\0\0\0\x04");
}
