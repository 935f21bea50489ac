//! CreateTopics, CreatePartitions, DeleteTopics, DeleteRecords.

use std::collections::HashSet;
use std::sync::Arc;

use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::wire::Uuid;
use xs_storage::log::Index;
use xs_storage::partition::ReadError;

use crate::acl::{CLUSTER, Operation, ResourceType};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::topic_config::TopicConfig;
use crate::topics::Refusal;

/// Makes topics, or only checks whether it could.
pub(crate) async fn create(broker: Arc<Broker>, caller: Caller, request: CreateTopicsRequest) -> Response {
    let mut seen = HashSet::new();
    let twice: HashSet<ByteString> =
        request.topics.iter().filter(|topic| !seen.insert(&topic.name)).map(|topic| topic.name.clone()).collect();
    let mut topics: Vec<CreatableTopicResult> = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let name = asked.name.clone();
        if twice.contains(&name) {
            if topics.iter().all(|topic| topic.name != name) {
                topics
                    .push(refused(name, (ErrorCode::INVALID_REQUEST, "The topic stands twice in the request.".into())));
            }
            continue;
        }
        // Who may make topics may make any; others are named theirs.
        let allowed = caller.may(Operation::Create, ResourceType::Cluster, CLUSTER)
            || caller.may(Operation::Create, ResourceType::Topic, &name);
        if !allowed {
            topics.push(refused(name, denied()));
            continue;
        }
        topics.push(match create_one(&broker, &caller, asked, request.validate_only).await {
            Ok(result) => result,
            Err(refusal) => refused(name, refusal),
        });
    }
    CreateTopicsResponse { topics, ..Default::default() }.into()
}

fn refused(name: ByteString, (error_code, why): Refusal) -> CreatableTopicResult {
    CreatableTopicResult { name, error_code, error_message: Some(why.into()), configs: None, ..Default::default() }
}

/// What somebody is told who may not.
fn denied() -> Refusal {
    let code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    (code, code.text().to_owned())
}

async fn create_one(
    broker: &Broker,
    caller: &Caller,
    asked: CreatableTopic,
    check: bool,
) -> Result<CreatableTopicResult, Refusal> {
    let node = broker.config.node;
    let count = match (asked.num_partitions, asked.assignments.len()) {
        (-1, 0) => broker.config.partitions,
        (count, 0) => count,
        (-1, assigned) => assigned as i32,
        _ => {
            let why = "With an assignment the number of partitions is -1.";
            return Err((ErrorCode::INVALID_REQUEST, why.into()));
        }
    };
    if count < 1 {
        return Err((ErrorCode::INVALID_PARTITIONS, "Number of partitions must be larger than 0.".into()));
    }
    if !matches!(asked.replication_factor, -1 | 1) {
        let why = format!("Replication factor: {} larger than available brokers: 1.", asked.replication_factor);
        return Err((ErrorCode::INVALID_REPLICATION_FACTOR, why));
    }
    let mut indices: Vec<i32> = asked.assignments.iter().map(|assigned| assigned.partition_index).collect();
    indices.sort_unstable();
    let here = asked.assignments.iter().all(|assigned| assigned.broker_ids == [node]);
    if !here || indices.iter().enumerate().any(|(n, index)| *index != n as i32) {
        let why = format!("Partitions are numbered from 0 and held by broker {node} alone.");
        return Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, why));
    }
    let mut config: TopicConfig = broker.defaults.clone();
    for entry in &asked.configs {
        config.set(&entry.name, entry.value.as_deref())?;
    }
    let topic_id = match check {
        true => {
            broker.topics.check(&asked.name, count.unsigned_abs())?;
            Uuid::ZERO
        }
        false => broker.create(asked.name.clone(), count.unsigned_abs(), config).await?.id,
    };
    // What it is like is for those who may look at configurations.
    let topic_config_error_code = caller.topic(Operation::DescribeConfigs, &asked.name).err().unwrap_or_default();
    let (num_partitions, replication_factor) = if topic_config_error_code.is_ok() { (count, 1) } else { (-1, -1) };
    Ok(CreatableTopicResult {
        name: asked.name,
        topic_id,
        error_message: None,
        topic_config_error_code,
        num_partitions,
        replication_factor,
        configs: None,
        ..Default::default()
    })
}

/// Gives topics more partitions; each is answered for itself.
pub(crate) async fn grow(broker: Arc<Broker>, caller: Caller, request: CreatePartitionsRequest) -> Response {
    let mut results = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let name = asked.name.clone();
        let grown = match grow_check(&broker, &asked) {
            _ if !caller.may(Operation::Alter, ResourceType::Topic, &name) => Err(denied()),
            Ok(count) => {
                let (topics, name, check) = (broker.topics.clone(), name.clone(), request.validate_only);
                broker.bridge.run(move || topics.grow(&name, count, check)).await
            }
            Err(refusal) => Err(refusal),
        };
        let (error_code, error_message) = match grown {
            Ok(()) => (ErrorCode::NONE, None),
            Err((code, why)) => (code, Some(why.into())),
        };
        results.push(CreatePartitionsTopicResult { name, error_code, error_message });
    }
    CreatePartitionsResponse { results, ..Default::default() }.into()
}

/// How many partitions a topic is to have.
fn grow_check(broker: &Broker, asked: &CreatePartitionsTopic) -> Result<u32, Refusal> {
    let now = broker.topics.get(&asked.name).map_or(0, |topic| topic.partitions.len());
    let count = u32::try_from(asked.count).ok().filter(|count| *count > 0);
    let count = count.ok_or_else(|| (ErrorCode::INVALID_PARTITIONS, "A topic has a partition at least.".to_owned()))?;
    if let Some(assignments) = asked.assignments.as_ref().filter(|assignments| !assignments.is_empty()) {
        let here = assignments.iter().all(|assigned| assigned.broker_ids == [broker.config.node]);
        if !here || assignments.len() != (count as usize).saturating_sub(now) {
            let why = format!("New partitions are all named, and held by broker {} alone.", broker.config.node);
            return Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, why));
        }
    }
    Ok(count)
}

/// Deletes topics, by name or by identity.
pub(crate) async fn delete(broker: Arc<Broker>, caller: Caller, request: DeleteTopicsRequest) -> Response {
    let names = request.topic_names.into_iter().map(|name| DeleteTopicState { name: Some(name), ..Default::default() });
    let mut responses = Vec::new();
    for asked in names.chain(request.topics) {
        let mut result =
            DeletableTopicResult { name: asked.name.clone(), topic_id: asked.topic_id, ..Default::default() };
        let name = match asked.name {
            Some(name) => Some(name),
            None => broker.topics.by_id(asked.topic_id).map(|topic| topic.name.clone()),
        };
        let may = |operation| name.as_deref().is_none_or(|name| caller.may(operation, ResourceType::Topic, name));
        if !may(Operation::Delete) {
            if may(Operation::Describe) {
                result.name = name;
            }
            let (code, why) = denied();
            (result.error_code, result.error_message) = (code, Some(why.into()));
            responses.push(result);
            continue;
        }
        let deleted = match name {
            Some(name) => broker.delete(name).await,
            None => Err((ErrorCode::UNKNOWN_TOPIC_ID, "There is no topic with this id.".into())),
        };
        match deleted {
            Ok(topic) => (result.name, result.topic_id) = (Some(topic.name.clone()), topic.id),
            Err((code, why)) => (result.error_code, result.error_message) = (code, Some(why.into())),
        }
        responses.push(result);
    }
    DeleteTopicsResponse { responses, ..Default::default() }.into()
}

/// Lets partitions begin later.
pub(crate) async fn delete_records(broker: Arc<Broker>, caller: Caller, request: DeleteRecordsRequest) -> Response {
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let denied = caller.topic(Operation::Delete, &asked.name).err();
        let topic = broker.topics.get(&asked.name).filter(|_| denied.is_none());
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for asked in asked.partitions {
            let partition = topic.as_ref().and_then(|topic| topic.partition(asked.partition_index)).cloned();
            let found = match partition {
                None => Err(denied.unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
                Some(partition) => {
                    broker
                        .bridge
                        .run(move || {
                            // -1 is the high watermark.
                            let before = match asked.offset {
                                -1 => partition.bounds().high_watermark,
                                offset => Index(u64::try_from(offset).map_err(|_| ErrorCode::OFFSET_OUT_OF_RANGE)?),
                            };
                            partition.delete_records(before).map_err(|error| match error {
                                ReadError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
                                _ => ErrorCode::KAFKA_STORAGE_ERROR,
                            })
                        })
                        .await
                }
            };
            let (low_watermark, error_code) = match found {
                Ok(start) => (start.0 as i64, ErrorCode::NONE),
                Err(code) => (-1, code),
            };
            let partition_index = asked.partition_index;
            partitions.push(DeleteRecordsPartitionResult { partition_index, low_watermark, error_code });
        }
        topics.push(DeleteRecordsTopicResult { name: asked.name, partitions });
    }
    DeleteRecordsResponse { topics, ..Default::default() }.into()
}
