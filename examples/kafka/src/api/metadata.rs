//! Metadata, DescribeCluster, DescribeTopicPartitions: the broker and its topics.

use std::sync::Arc;

use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::wire::Uuid;

use crate::acl::{CLUSTER, Operation, ResourceType};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::topics::Topic;

/// No page has more partitions (`max.request.partition.size.limit`).
const PAGE: i32 = 2000;

/// Tells of topics, and makes those that are missing, where the client and the configuration want that.
pub(crate) async fn answer(broker: Arc<Broker>, caller: Caller, request: MetadataRequest, version: i16) -> Response {
    let every = match &request.topics {
        None => true,
        Some(topics) => topics.is_empty() && version == 0,
    };
    let may_see = |topic: &Arc<Topic>| caller.may(Operation::Describe, ResourceType::Topic, &topic.name);
    let mut topics = Vec::new();
    if every {
        let all = broker.topics.all();
        topics.extend(all.iter().filter(|topic| may_see(topic)).map(|topic| describe(&broker, topic)));
    } else {
        let auto_create = request.allow_auto_topic_creation && broker.config.auto_create;
        for asked in request.topics.unwrap_or_default() {
            let mut topic = one(&broker, &caller, asked, auto_create).await;
            if version < 12 {
                // Null came later.
                topic.name.get_or_insert_default();
            }
            topics.push(topic);
        }
    }
    if request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.error_code.is_ok()) {
            let name = topic.name.as_deref().unwrap_or_default();
            topic.topic_authorized_operations = caller.operations(ResourceType::Topic, name);
        }
    }
    let (host, port) = broker.advertised();
    let node = MetadataResponseBroker { node_id: broker.config.node, host, port, rack: None };
    MetadataResponse {
        brokers: vec![node],
        cluster_id: Some(broker.cluster_id.clone()),
        controller_id: broker.config.node,
        topics,
        cluster_authorized_operations: operations(&caller, request.include_cluster_authorized_operations),
        ..Default::default()
    }
    .into()
}

/// What may be done with the cluster, if that is asked for. The lowest number says that nobody has asked.
fn operations(caller: &Caller, asked: bool) -> i32 {
    match asked {
        false => i32::MIN,
        true if caller.may(Operation::Describe, ResourceType::Cluster, CLUSTER) => {
            caller.operations(ResourceType::Cluster, CLUSTER)
        }
        true => 0,
    }
}

async fn one(
    broker: &Broker,
    caller: &Caller,
    asked: MetadataRequestTopic,
    auto_create: bool,
) -> MetadataResponseTopic {
    let MetadataRequestTopic { topic_id, name } = asked;
    let Some(name) = name.filter(|_| topic_id == Uuid::ZERO) else {
        return match broker.topics.by_id(topic_id) {
            Some(topic) => match caller.topic(Operation::Describe, &topic.name) {
                Ok(()) => describe(broker, &topic),
                Err(denied) => unknown(denied, None, topic_id),
            },
            None => unknown(ErrorCode::UNKNOWN_TOPIC_ID, None, topic_id),
        };
    };
    // Who may not see a topic is not told whether it is there.
    if let Err(denied) = caller.topic(Operation::Describe, &name) {
        return unknown(denied, Some(name), Uuid::ZERO);
    }
    if let Some(topic) = broker.topics.get(&name) {
        return describe(broker, &topic);
    }
    if !auto_create {
        return unknown(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Some(name), Uuid::ZERO);
    }
    if !caller.may(Operation::Create, ResourceType::Cluster, CLUSTER)
        && let Err(denied) = caller.topic(Operation::Create, &name)
    {
        return unknown(denied, Some(name), Uuid::ZERO);
    }
    let partitions = broker.config.partitions.unsigned_abs();
    match broker.create(name.clone(), partitions, broker.defaults.clone()).await {
        Ok(topic) => describe(broker, &topic),
        // Somebody else was faster.
        Err((ErrorCode::TOPIC_ALREADY_EXISTS, _)) => match broker.topics.get(&name) {
            Some(topic) => describe(broker, &topic),
            None => unknown(ErrorCode::LEADER_NOT_AVAILABLE, Some(name), Uuid::ZERO),
        },
        Err((code, _)) => unknown(code, Some(name), Uuid::ZERO),
    }
}

fn unknown(error_code: ErrorCode, name: Option<ByteString>, topic_id: Uuid) -> MetadataResponseTopic {
    MetadataResponseTopic { error_code, name, topic_id, ..Default::default() }
}

fn describe(broker: &Broker, topic: &Topic) -> MetadataResponseTopic {
    let node = broker.config.node;
    let partition = |index| MetadataResponsePartition {
        partition_index: index,
        leader_id: node,
        leader_epoch: 0,
        replica_nodes: vec![node],
        isr_nodes: vec![node],
        ..Default::default()
    };
    MetadataResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        partitions: (0..topic.partitions.len() as i32).map(partition).collect(),
        ..Default::default()
    }
}

/// The one broker.
pub(crate) fn cluster(broker: &Broker, caller: &Caller, request: &DescribeClusterRequest) -> Response {
    if request.endpoint_type != 1 {
        let error_code = ErrorCode::MISMATCHED_ENDPOINT_TYPE;
        return DescribeClusterResponse { error_code, ..Default::default() }.into();
    }
    let (host, port) = broker.advertised();
    let node = DescribeClusterBroker { broker_id: broker.config.node, host, port, rack: None };
    DescribeClusterResponse {
        cluster_id: broker.cluster_id.clone(),
        controller_id: broker.config.node,
        brokers: vec![node],
        cluster_authorized_operations: operations(caller, request.include_cluster_authorized_operations),
        ..Default::default()
    }
    .into()
}

/// Topics in the order of their names, page by page: so many partitions, and where the next page begins.
pub(crate) fn pages(broker: &Broker, caller: &Caller, request: DescribeTopicPartitionsRequest) -> Response {
    let every = request.topics.is_empty();
    let mut names: Vec<ByteString> = match every {
        true => broker.topics.all().iter().map(|topic| topic.name.clone()).collect(),
        false => request.topics.into_iter().map(|topic| topic.name).collect(),
    };
    names.sort_unstable();
    names.dedup();
    let (mut left, mut next_cursor) = (request.response_partition_limit.clamp(1, PAGE), None);
    let begin = request.cursor.map_or_else(Default::default, |cursor| (cursor.topic_name, cursor.partition_index));
    let mut topics = Vec::new();
    for name in names.into_iter().filter(|name| *name >= begin.0) {
        match caller.topic(Operation::Describe, &name) {
            Ok(()) => {}
            Err(_) if every => continue,
            Err(error_code) => {
                topics.push(DescribeTopicPartitionsResponseTopic {
                    error_code,
                    name: Some(name),
                    ..Default::default()
                });
                continue;
            }
        }
        let from = if name == begin.0 { begin.1.max(0) } else { 0 };
        let Some(topic) = broker.topics.get(&name) else {
            let error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            topics.push(DescribeTopicPartitionsResponseTopic { error_code, name: Some(name), ..Default::default() });
            continue;
        };
        if left == 0 {
            next_cursor = Some(DescribeTopicPartitionsResponseCursor { topic_name: name, partition_index: 0 });
            break;
        }
        let count = topic.partitions.len() as i32;
        let upto = count.min(from.saturating_add(left));
        left -= (upto - from).max(0);
        let node = broker.config.node;
        let partition = |partition_index| DescribeTopicPartitionsResponsePartition {
            partition_index,
            leader_id: node,
            leader_epoch: 0,
            replica_nodes: vec![node],
            isr_nodes: vec![node],
            ..Default::default()
        };
        topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(name.clone()),
            topic_id: topic.id,
            partitions: (from..upto).map(partition).collect(),
            topic_authorized_operations: caller.operations(ResourceType::Topic, &name),
            ..Default::default()
        });
        if upto < count {
            next_cursor = Some(DescribeTopicPartitionsResponseCursor { topic_name: name, partition_index: upto });
            break;
        }
    }
    DescribeTopicPartitionsResponse { topics, next_cursor, ..Default::default() }.into()
}
