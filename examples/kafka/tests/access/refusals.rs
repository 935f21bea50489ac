//! Everything that is served, asked by somebody who may do nothing, and by somebody who may do everything.

use std::collections::BTreeSet;

use xs_kafka::Server;
use xs_kafka::acl::{Operation, ResourceType};
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::Compression;

use crate::client::{Client, batch, fetch, produce};
use crate::login;
use crate::rules::{allow, create};

const TOPIC: ErrorCode = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
const GROUP: ErrorCode = ErrorCode::GROUP_AUTHORIZATION_FAILED;
const CLUSTER: ErrorCode = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
const TRANSACTION: ErrorCode = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;

/// Requests about the topic `t`, the group `g` and the transactional id `x`, and what who may not is told. Those that
/// destroy something stand behind the others.
fn requests() -> Vec<(i16, Request, ErrorCode)> {
    let config = |resource_type, name: &str| DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource { resource_type, resource_name: name.into(), ..Default::default() }],
        ..Default::default()
    };
    let set = |resource_type, name: &str| IncrementalAlterConfigsRequest {
        resources: vec![IncrementalAlterConfigsRequestAlterConfigsResource {
            resource_type,
            resource_name: name.into(),
            configs: Vec::new(),
        }],
        ..Default::default()
    };
    let coordinator = |key: &str, key_type| FindCoordinatorRequest { key: key.into(), key_type };
    let committed = OffsetFetchRequestGroup {
        group_id: "g".into(),
        topics: Some(vec![OffsetFetchRequestTopics { name: "t".into(), partition_indexes: vec![0] }]),
        ..Default::default()
    };
    let commit = OffsetCommitRequestTopic {
        name: "t".into(),
        partitions: vec![OffsetCommitRequestPartition { committed_offset: 1, ..Default::default() }],
    };
    let filter = DeleteAclsFilter { resource_type_filter: 2, principal_filter: None, ..Default::default() };
    let rules = DescribeAclsRequest { resource_type_filter: 2, operation: 1, permission_type: 1, ..Default::default() };
    vec![
        (9, produce(-1, "t", batch(1, &["one"], Compression::None)).into(), TOPIC),
        (11, fetch("t", 0, 0).into(), TOPIC),
        (
            7,
            ListOffsetsRequest {
                topics: vec![ListOffsetsTopic {
                    name: "t".into(),
                    partitions: vec![ListOffsetsPartition { timestamp: -1, ..Default::default() }],
                }],
                ..Default::default()
            }
            .into(),
            TOPIC,
        ),
        (
            12,
            MetadataRequest {
                topics: Some(vec![MetadataRequestTopic { name: Some("t".into()), ..Default::default() }]),
                ..Default::default()
            }
            .into(),
            TOPIC,
        ),
        (
            4,
            OffsetForLeaderEpochRequest {
                topics: vec![OffsetForLeaderTopic { topic: "t".into(), partitions: vec![Default::default()] }],
                ..Default::default()
            }
            .into(),
            TOPIC,
        ),
        (
            0,
            DescribeProducersRequest {
                topics: vec![DescribeProducersRequestTopicRequest { name: "t".into(), partition_indexes: vec![0] }],
            }
            .into(),
            TOPIC,
        ),
        (
            0,
            DescribeTopicPartitionsRequest {
                topics: vec![DescribeTopicPartitionsRequestTopicRequest { name: "t".into() }],
                ..Default::default()
            }
            .into(),
            TOPIC,
        ),
        (4, config(2, "t").into(), TOPIC),
        (4, config(4, "1").into(), CLUSTER),
        (1, set(2, "t").into(), TOPIC),
        (
            2,
            AlterConfigsRequest {
                resources: vec![AlterConfigsRequestAlterConfigsResource {
                    resource_type: 2,
                    resource_name: "t".into(),
                    configs: Vec::new(),
                }],
                ..Default::default()
            }
            .into(),
            TOPIC,
        ),
        (4, InitProducerIdRequest { transactional_id: None, ..Default::default() }.into(), CLUSTER),
        (4, InitProducerIdRequest { transactional_id: Some("x".into()), ..Default::default() }.into(), TRANSACTION),
        (3, coordinator("g", 0).into(), GROUP),
        (3, coordinator("x", 1).into(), TRANSACTION),
        (5, JoinGroupRequest { group_id: "g".into(), ..Default::default() }.into(), GROUP),
        (5, SyncGroupRequest { group_id: "g".into(), ..Default::default() }.into(), GROUP),
        (4, HeartbeatRequest { group_id: "g".into(), ..Default::default() }.into(), GROUP),
        (4, LeaveGroupRequest { group_id: "g".into(), ..Default::default() }.into(), GROUP),
        (8, OffsetCommitRequest { group_id: "g".into(), topics: vec![commit], ..Default::default() }.into(), GROUP),
        (8, OffsetFetchRequest { groups: vec![committed], ..Default::default() }.into(), GROUP),
        (5, DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() }.into(), GROUP),
        (
            3,
            AddPartitionsToTxnRequest {
                transactional_id: "x".into(),
                topics: vec![AddPartitionsToTxnTopic { name: "t".into(), partitions: vec![0] }],
                ..Default::default()
            }
            .into(),
            TRANSACTION,
        ),
        (
            3,
            AddOffsetsToTxnRequest { transactional_id: "x".into(), group_id: "g".into(), ..Default::default() }.into(),
            TRANSACTION,
        ),
        (
            3,
            TxnOffsetCommitRequest {
                transactional_id: "x".into(),
                group_id: "g".into(),
                topics: vec![TxnOffsetCommitRequestTopic { name: "t".into(), partitions: vec![Default::default()] }],
                ..Default::default()
            }
            .into(),
            TRANSACTION,
        ),
        (3, EndTxnRequest { transactional_id: "x".into(), ..Default::default() }.into(), TRANSACTION),
        (0, DescribeTransactionsRequest { transactional_ids: vec!["x".into()] }.into(), TRANSACTION),
        (3, rules.into(), CLUSTER),
        (
            3,
            CreateAclsRequest { creations: vec![allow(ResourceType::Topic, "u", "User:bob", Operation::Read)] }.into(),
            CLUSTER,
        ),
        (3, DeleteAclsRequest { filters: vec![filter] }.into(), CLUSTER),
        (
            7,
            CreateTopicsRequest {
                topics: vec![CreatableTopic {
                    name: "new".into(),
                    num_partitions: 1,
                    replication_factor: 1,
                    ..Default::default()
                }],
                ..Default::default()
            }
            .into(),
            TOPIC,
        ),
        (
            3,
            CreatePartitionsRequest {
                topics: vec![CreatePartitionsTopic { name: "t".into(), count: 2, assignments: None }],
                ..Default::default()
            }
            .into(),
            TOPIC,
        ),
        (
            2,
            DeleteRecordsRequest {
                topics: vec![DeleteRecordsTopic {
                    name: "t".into(),
                    partitions: vec![DeleteRecordsPartition { partition_index: 0, offset: 0 }],
                }],
                ..Default::default()
            }
            .into(),
            TOPIC,
        ),
        (
            0,
            OffsetDeleteRequest {
                group_id: "g".into(),
                topics: vec![OffsetDeleteRequestTopic {
                    name: "t".into(),
                    partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
                }],
            }
            .into(),
            GROUP,
        ),
        (2, DeleteGroupsRequest { groups_names: vec!["g".into()] }.into(), GROUP),
        (4, DeleteTopicsRequest { topic_names: vec!["t".into()], ..Default::default() }.into(), TOPIC),
        (
            6,
            DeleteTopicsRequest {
                topics: vec![DeleteTopicState { name: Some("t".into()), ..Default::default() }],
                ..Default::default()
            }
            .into(),
            TOPIC,
        ),
    ]
}

/// The refusals in an answer.
fn refusals(answer: &Response) -> Vec<ErrorCode> {
    let said = format!("{answer:?}");
    let is_said = |code: &ErrorCode| said.contains(&format!("error_code: {code:?}"));
    [TOPIC, GROUP, CLUSTER, TRANSACTION].into_iter().filter(is_said).collect()
}

async fn start() -> (Server, Client, Client) {
    let builder = Server::builder().user("root", "root").user("alice", "alice").super_user("root");
    let server = builder.ephemeral().await.unwrap();
    let (mut root, alice) = (login(&server, "root").await, login(&server, "alice").await);
    assert!(root.create("t", &[]).await.error_code.is_ok());
    (server, root, alice)
}

#[tokio::test]
async fn who_may_nothing_is_told_so_by_every_request() {
    let (_server, mut root, mut alice) = start().await;
    for (version, request, expected) in requests() {
        let answer = alice.ask(version, request).await;
        assert_eq!(refusals(&answer), [expected], "{answer:?}");
    }
    // Nothing has happened.
    let fetched = root.fetch(11, "t", 0, 0).await;
    assert_eq!((fetched.error_code, fetched.high_watermark), (ErrorCode::NONE, 0));
    let request = MetadataRequest { topics: None, ..Default::default() };
    let Response::Metadata(answer) = root.ask(12, request).await else { panic!("another answer") };
    assert_eq!(answer.topics.len(), 1);
    assert_eq!(answer.topics[0].partitions.len(), 1);
}

#[tokio::test]
async fn who_may_everything_is_refused_nothing() {
    let (_server, mut root, _) = start().await;
    for (version, request, _) in requests() {
        let answer = root.ask(version, request).await;
        assert_eq!(refusals(&answer), [], "{answer:?}");
    }
}

#[test]
fn every_request_is_tried_or_asks_nothing() {
    let mut tried: BTreeSet<ApiKey> = requests().iter().map(|(_, request, _)| request.api()).collect();
    // Who says hello, and lists, from which something is left out.
    tried.extend([ApiKey::ApiVersions, ApiKey::SaslHandshake, ApiKey::SaslAuthenticate]);
    tried.extend([ApiKey::DescribeCluster, ApiKey::ListGroups, ApiKey::ListTransactions]);
    let all: BTreeSet<ApiKey> = ApiKey::ALL.iter().copied().collect();
    assert_eq!(tried, all);
}

#[tokio::test]
async fn lists_have_what_may_be_seen() {
    let (_server, mut root, mut alice) = start().await;
    for (group, id) in [("g", "x"), ("h", "y")] {
        let init = InitProducerIdRequest {
            transactional_id: Some(id.into()),
            transaction_timeout_ms: 1000,
            ..Default::default()
        };
        assert!(matches!(root.ask(4, init).await, Response::InitProducerId(answer) if answer.error_code.is_ok()));
        let partitions = vec![OffsetCommitRequestPartition { committed_offset: 1, ..Default::default() }];
        let topics = vec![OffsetCommitRequestTopic { name: "t".into(), partitions }];
        let commit = OffsetCommitRequest { group_id: group.into(), topics, ..Default::default() };
        let Response::OffsetCommit(answer) = root.ask(8, commit).await else { panic!("another answer") };
        assert!(answer.topics[0].partitions[0].error_code.is_ok());
    }
    async fn groups(client: &mut Client) -> Vec<String> {
        match client.ask(4, ListGroupsRequest::default()).await {
            Response::ListGroups(answer) => answer.groups.iter().map(|group| group.group_id.to_string()).collect(),
            other => panic!("{other:?}"),
        }
    }
    async fn transactions(client: &mut Client) -> Vec<String> {
        match client.ask(0, ListTransactionsRequest::default()).await {
            Response::ListTransactions(answer) => {
                answer.transaction_states.iter().map(|txn| txn.transactional_id.to_string()).collect()
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((groups(&mut root).await.len(), transactions(&mut root).await.len()), (2, 2));
    assert_eq!((groups(&mut alice).await.len(), transactions(&mut alice).await.len()), (0, 0));
    let rules = vec![
        allow(ResourceType::Group, "g", "User:alice", Operation::Read),
        allow(ResourceType::TransactionalId, "y", "User:alice", Operation::Write),
    ];
    assert_eq!(create(&mut root, rules).await, [ErrorCode::NONE; 2]);
    assert_eq!(groups(&mut alice).await, ["g"]);
    assert_eq!(transactions(&mut alice).await, ["y"]);

    // She may know of the group's offsets, and not of those in a topic that she may not see.
    let asked = |topics| OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup { group_id: "g".into(), topics, ..Default::default() }],
        ..Default::default()
    };
    let Response::OffsetFetch(all) = alice.ask(8, asked(None)).await else { panic!("another answer") };
    assert!(all.groups[0].error_code.is_ok() && all.groups[0].topics.is_empty());
    let named = vec![OffsetFetchRequestTopics { name: "t".into(), partition_indexes: vec![0] }];
    let Response::OffsetFetch(one) = alice.ask(8, asked(Some(named))).await else { panic!("another answer") };
    assert_eq!(one.groups[0].topics[0].partitions[0].error_code, TOPIC);
}
