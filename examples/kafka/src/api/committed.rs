//! OffsetCommit, OffsetFetch, OffsetDelete: how far groups have come.

use std::sync::Arc;

use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_storage::engine::{Engine, WriteBatch};

use crate::acl::{Operation, ResourceType};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::groups::offsets::{self, At, Offset};
use crate::groups::{Group, Who};
use crate::mutation::Mutation;

/// `offset.metadata.max.bytes`.
pub(crate) const MAX_METADATA: usize = 4096;

/// An offset as it is asked for, and what is wrong with it.
pub(crate) fn check(broker: &Broker, caller: &Caller, (topic, partition): &At, metadata: Option<&str>) -> ErrorCode {
    if let Err(denied) = caller.topic(Operation::Read, topic) {
        return denied;
    }
    let known = broker.topics.get(topic).is_some_and(|topic| topic.partition(*partition).is_some());
    match () {
        () if !known => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        () if metadata.is_some_and(|metadata| metadata.len() > MAX_METADATA) => ErrorCode::OFFSET_METADATA_TOO_LARGE,
        () => ErrorCode::NONE,
    }
}

/// Commits those offsets that can be, all at once, in the order of the calls; only the disk is waited for.
pub(crate) fn commit(
    broker: &Broker,
    caller: &Caller,
    request: OffsetCommitRequest,
) -> impl Future<Output = Response> + Send + use<> {
    let denied = caller.group(Operation::Read, &request.group_id).err();
    let now = broker.now_ms();
    let expires_ms = (request.retention_time_ms >= 0).then(|| now.saturating_add(request.retention_time_ms));
    let mut asked: Vec<(At, Offset, ErrorCode)> = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let at = (topic.name.clone(), partition.partition_index);
            let metadata = partition.committed_metadata.clone().unwrap_or_default();
            let error = check(broker, caller, &at, Some(&metadata));
            let offset = Offset {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata,
                committed_ms: now,
                expires_ms,
            };
            asked.push((at, offset, error));
        }
    }
    let who = Who { member: &request.member_id, instance: request.group_instance_id.as_deref() };
    let generation = request.generation_id_or_member_epoch;
    let fill = |batch: &mut WriteBatch| {
        for (at, offset, _) in asked.iter().filter(|(.., error)| error.is_ok()) {
            offsets::commit(batch, &request.group_id, at, offset);
        }
    };
    let check = |group: &mut Group, now| group.handle_commit(now, who, generation);
    let submitted = denied.is_none().then(|| broker.groups.commit(&request.group_id, generation < 0, check, fill));
    let waits = !broker.config.bug.is(Mutation::OffsetsBeforeDurable);
    async move {
        let failed = match submitted {
            Some(submitted) if waits => submitted.await.err(),
            Some(_) => None,
            None => denied,
        };
        let mut errors = asked.iter().map(|(.., error)| failed.unwrap_or(*error));
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: errors.next().unwrap_or_default(),
            });
            OffsetCommitResponseTopic { name: topic.name.clone(), partitions: partitions.collect() }
        });
        OffsetCommitResponse { topics: topics.collect(), ..Default::default() }.into()
    }
}

/// What a group has committed, of some partitions or of all.
struct Found {
    topics: Vec<OffsetFetchResponseTopics>,
    error: ErrorCode,
}

/// Reads what is committed, away from the reactor.
pub(crate) async fn fetch(broker: Arc<Broker>, caller: Caller, request: OffsetFetchRequest, version: i16) -> Response {
    let stable = request.require_stable;
    if version >= 8 {
        let mut groups = Vec::with_capacity(request.groups.len());
        for asked in request.groups {
            let topics = asked.topics.map(|topics| {
                topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect::<Vec<_>>()
            });
            let Found { topics, error } = find(&broker, &caller, asked.group_id.clone(), topics, stable).await;
            groups.push(OffsetFetchResponseGroup { group_id: asked.group_id, topics, error_code: error });
        }
        return OffsetFetchResponse { groups, ..Default::default() }.into();
    }
    let topics = request.topics;
    let topics = topics.map(|topics| topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect());
    let Found { topics, error } = find(&broker, &caller, request.group_id, topics, stable).await;
    let partition = |found: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: found.partition_index,
        committed_offset: found.committed_offset,
        committed_leader_epoch: found.committed_leader_epoch,
        metadata: found.metadata,
        error_code: if found.error_code.is_ok() { error } else { found.error_code },
    };
    let topics = topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    });
    OffsetFetchResponse { topics: topics.collect(), error_code: error, ..Default::default() }.into()
}

type Asked = Vec<(ByteString, Vec<i32>)>;

async fn find(broker: &Broker, caller: &Caller, group: ByteString, topics: Option<Asked>, stable: bool) -> Found {
    if let Err(error) = caller.group(Operation::Describe, &group) {
        let topics = topics.unwrap_or_default().into_iter().map(|asked| refused(asked, error)).collect();
        return Found { topics, error };
    }
    // Who asks for all is not told of what it may not see.
    let every = topics.is_none();
    let may = |name: &str| caller.may(Operation::Describe, ResourceType::Topic, name);
    let (topics, denied) = match topics {
        None => (None, Vec::new()),
        Some(topics) => {
            let (allowed, denied): (Asked, Asked) = topics.into_iter().partition(|(name, _)| may(name));
            (Some(allowed), denied)
        }
    };
    let mut found = find_allowed(broker, group, topics, stable).await;
    if every {
        found.topics.retain(|topic| may(&topic.name));
    }
    found.topics.extend(denied.into_iter().map(|asked| refused(asked, ErrorCode::TOPIC_AUTHORIZATION_FAILED)));
    found
}

fn refused((name, partitions): (ByteString, Vec<i32>), error: ErrorCode) -> OffsetFetchResponseTopics {
    let partitions = partitions.into_iter().map(|index| answer(index, None, error)).collect();
    OffsetFetchResponseTopics { name, partitions }
}

async fn find_allowed(broker: &Broker, group: ByteString, topics: Option<Asked>, stable: bool) -> Found {
    let catalog = broker.topics.catalog();
    let asked = topics.clone();
    let found = broker.bridge.run(move || look(&*catalog, &group, topics, stable)).await;
    match found {
        Ok(topics) => Found { topics, error: ErrorCode::NONE },
        Err(error) => {
            tracing::error!(%error, "offsets cannot be read");
            let error = ErrorCode::COORDINATOR_NOT_AVAILABLE;
            let topics = asked.unwrap_or_default().into_iter().map(|asked| refused(asked, error));
            Found { topics: topics.collect(), error }
        }
    }
}

fn look(
    catalog: &dyn Engine,
    group: &str,
    topics: Option<Asked>,
    stable: bool,
) -> xs_storage::Result<Vec<OffsetFetchResponseTopics>> {
    let unstable = if stable { offsets::unstable(catalog, group)? } else { Default::default() };
    let one = |at: &At, offset: Option<Offset>| match unstable.contains(at) {
        true => answer(at.1, None, ErrorCode::UNSTABLE_OFFSET_COMMIT),
        false => answer(at.1, offset, ErrorCode::NONE),
    };
    let mut found: Vec<OffsetFetchResponseTopics> = Vec::new();
    let Some(topics) = topics else {
        for (at, offset) in offsets::of_group(catalog, group)? {
            if found.last().is_none_or(|last| last.name != at.0) {
                found.push(OffsetFetchResponseTopics { name: at.0.clone(), ..Default::default() });
            }
            let partition = one(&at, Some(offset));
            if let Some(last) = found.last_mut() {
                last.partitions.push(partition);
            }
        }
        return Ok(found);
    };
    for (name, indices) in topics {
        let mut partitions = Vec::with_capacity(indices.len());
        for index in indices {
            let offset = offsets::get(catalog, group, &name, index)?;
            partitions.push(one(&(name.clone(), index), offset));
        }
        found.push(OffsetFetchResponseTopics { name, partitions });
    }
    Ok(found)
}

fn answer(partition_index: i32, offset: Option<Offset>, error_code: ErrorCode) -> OffsetFetchResponsePartitions {
    let (committed_offset, committed_leader_epoch, metadata) = match offset {
        Some(offset) => (offset.offset, offset.leader_epoch, offset.metadata),
        None => (-1, -1, ByteString::new()),
    };
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset,
        committed_leader_epoch,
        metadata: Some(metadata),
        error_code,
    }
}

/// Forgets offsets of topics that no member reads.
pub(crate) async fn delete(broker: Arc<Broker>, caller: Caller, request: OffsetDeleteRequest) -> Response {
    if let Err(error_code) = caller.group(Operation::Delete, &request.group_id) {
        return OffsetDeleteResponse { error_code, ..Default::default() }.into();
    }
    let read = broker.groups.ask(&request.group_id, |group, _| super::subscription::of(group));
    let read = match read {
        None => Err(ErrorCode::GROUP_ID_NOT_FOUND),
        Some(None) => Err(ErrorCode::NON_EMPTY_GROUP),
        Some(Some(read)) => Ok(read),
    };
    let read = match read {
        Ok(read) => read,
        Err(error_code) => return OffsetDeleteResponse { error_code, ..Default::default() }.into(),
    };
    let error = |topic: &str, partition: i32| match check(&broker, &caller, &(topic.into(), partition), None) {
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        _ if read.contains(topic) => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
        error => error,
    };
    let each = |topic: &OffsetDeleteRequestTopic| {
        let partitions = topic.partitions.iter().map(|partition| OffsetDeleteResponsePartition {
            partition_index: partition.partition_index,
            error_code: error(&topic.name, partition.partition_index),
        });
        OffsetDeleteResponseTopic { name: topic.name.clone(), partitions: partitions.collect() }
    };
    let topics: Vec<OffsetDeleteResponseTopic> = request.topics.iter().map(each).collect();
    let fill = |batch: &mut WriteBatch| {
        for topic in &topics {
            for partition in topic.partitions.iter().filter(|partition| partition.error_code.is_ok()) {
                offsets::remove(batch, &request.group_id, &(topic.name.clone(), partition.partition_index));
            }
        }
    };
    let done = broker.groups.commit(&request.group_id, false, |_, _| Ok(()), fill).await;
    let error_code = done.err().unwrap_or_default();
    OffsetDeleteResponse { error_code, topics, ..Default::default() }.into()
}
