//! Every version of everything that is listed: a client never finds out by a closed connection.

use xs_kafka::Server;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::Compression;
use xs_proto::kafka::wire::Uuid;

use crate::client::{Client, batch, fetch, produce};

/// What a client can ask of a topic that is there and of one that is not, in any version.
fn asked(api: ApiKey, version: i16, topic: &str) -> Option<Request> {
    let name = || topic.into();
    Some(match api {
        ApiKey::Produce => produce(-1, topic, batch(1000, &["a"], Compression::None)).into(),
        ApiKey::Fetch => fetch(topic, 0, 0).into(),
        ApiKey::ListOffsets => {
            let partition = |timestamp| ListOffsetsPartition { timestamp, ..Default::default() };
            let topic = ListOffsetsTopic { name: name(), partitions: [-1, -2, 0].map(partition).to_vec() };
            ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() }.into()
        }
        ApiKey::Metadata => {
            let topic = MetadataRequestTopic { name: Some(name()), ..Default::default() };
            MetadataRequest { topics: Some(vec![topic]), ..Default::default() }.into()
        }
        ApiKey::ApiVersions => ApiVersionsRequest::default().into(),
        ApiKey::CreateTopics => {
            let topic = CreatableTopic { name: name(), num_partitions: 1, replication_factor: 1, ..Default::default() };
            CreateTopicsRequest { topics: vec![topic], ..Default::default() }.into()
        }
        ApiKey::DeleteTopics => match version {
            6.. => {
                let unknown = DeleteTopicState { name: None, topic_id: Uuid([9; 16]) };
                let named = DeleteTopicState { name: Some("gone".into()), topic_id: Uuid::ZERO };
                DeleteTopicsRequest { topics: vec![unknown, named], ..Default::default() }.into()
            }
            _ => DeleteTopicsRequest { topic_names: vec!["gone".into()], ..Default::default() }.into(),
        },
        ApiKey::DeleteRecords => {
            let partition = |partition_index| DeleteRecordsPartition { partition_index, offset: 0 };
            let topic = DeleteRecordsTopic { name: name(), partitions: vec![partition(0), partition(7)] };
            DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1000 }.into()
        }
        ApiKey::InitProducerId => InitProducerIdRequest { transactional_id: None, ..Default::default() }.into(),
        ApiKey::OffsetForLeaderEpoch => {
            let partition = OffsetForLeaderPartition { leader_epoch: 0, ..Default::default() };
            let topic = OffsetForLeaderTopic { topic: name(), partitions: vec![partition] };
            OffsetForLeaderEpochRequest { replica_id: -1, topics: vec![topic] }.into()
        }
        ApiKey::DescribeCluster => DescribeClusterRequest::default().into(),
        ApiKey::CreatePartitions => {
            let topic = CreatePartitionsTopic { name: name(), count: 3, assignments: None };
            CreatePartitionsRequest { topics: vec![topic], timeout_ms: 1000, validate_only: true }.into()
        }
        ApiKey::DescribeConfigs => {
            let resource =
                DescribeConfigsResource { resource_type: 2, resource_name: name(), configuration_keys: None };
            DescribeConfigsRequest { resources: vec![resource], include_synonyms: true, ..Default::default() }.into()
        }
        ApiKey::AlterConfigs => {
            let resource = AlterConfigsRequestAlterConfigsResource {
                resource_type: 2,
                resource_name: name(),
                configs: Vec::new(),
            };
            AlterConfigsRequest { resources: vec![resource], validate_only: true }.into()
        }
        ApiKey::IncrementalAlterConfigs => {
            let resource = IncrementalAlterConfigsRequestAlterConfigsResource {
                resource_type: 2,
                resource_name: name(),
                configs: Vec::new(),
            };
            IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: true }.into()
        }
        ApiKey::DescribeProducers => {
            let topic = DescribeProducersRequestTopicRequest { name: name(), partition_indexes: vec![0, 7] };
            DescribeProducersRequest { topics: vec![topic] }.into()
        }
        ApiKey::DescribeTopicPartitions => {
            let topic = DescribeTopicPartitionsRequestTopicRequest { name: name() };
            DescribeTopicPartitionsRequest { topics: vec![topic], ..Default::default() }.into()
        }
        _ => return None,
    })
}

#[tokio::test]
async fn every_version_that_is_listed_is_answered_for_topics_that_are_there_and_that_are_not() {
    let server = Server::builder().auto_create(false).ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    let listed = client.ask(3, ApiVersionsRequest::default()).await;
    let Response::ApiVersions(listed) = listed else { panic!("{listed:?}") };
    client.create("there", &[]).await;
    client.produce("there", batch(1000, &["a"], Compression::None)).await;
    for listed in listed.api_keys {
        let api = ApiKey::from_code(listed.api_key).unwrap();
        for version in api.versions() {
            for topic in ["there", "not-there"] {
                if api == ApiKey::CreateTopics {
                    // Made in every version, and refused where it is there.
                    let made = format!("made-{version}");
                    let topic = if topic == "there" { &made } else { "there" };
                    client.ask(version, asked(api, version, topic).unwrap()).await;
                    continue;
                }
                let Some(request) = asked(api, version, topic) else { continue };
                client.send(version, request).await;
                let answer = client.receive().await;
                assert!(answer.is_some_and(|answer| answer.api() == api), "{} {version} {topic}", api.name());
            }
        }
    }
}
