//! ListOffsets and OffsetForLeaderEpoch: offsets by time, by end, by epoch.

use std::sync::Arc;

use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::{BatchIter, DEFAULT_LIMIT};
use xs_storage::log::Index;
use xs_storage::partition::{Isolation, Partition};

use crate::acl::Operation;
use crate::broker::Broker;
use crate::caller::Caller;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
/// From this version on answers have leader epochs.
const EPOCHS: i16 = 4;

/// Looks for each partition; by time it reads the log, away from the reactor.
pub(crate) async fn answer(broker: Arc<Broker>, caller: Caller, request: ListOffsetsRequest, version: i16) -> Response {
    let committed = request.isolation_level == 1;
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let denied = caller.topic(Operation::Describe, &asked.name).err();
        let topic = broker.topics.get(&asked.name);
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for asked in asked.partitions {
            let partition = topic.as_ref().and_then(|topic| topic.partition(asked.partition_index)).cloned();
            let found = match (partition, asked.current_leader_epoch) {
                _ if denied.is_some() => Err(denied.unwrap_or_default()),
                (None, _) => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                (Some(_), 1..) => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
                (Some(partition), _) => {
                    let look = move || look(&partition, asked.timestamp, committed);
                    match asked.timestamp {
                        EARLIEST | LATEST => look(),
                        _ => broker.bridge.run(look).await,
                    }
                }
            };
            let partition_index = asked.partition_index;
            partitions.push(match found {
                Ok((offset, timestamp)) => ListOffsetsPartitionResponse {
                    partition_index,
                    offset,
                    timestamp,
                    leader_epoch: if offset < 0 || version < EPOCHS { -1 } else { 0 },
                    ..Default::default()
                },
                Err(error_code) => ListOffsetsPartitionResponse { partition_index, error_code, ..Default::default() },
            });
        }
        topics.push(ListOffsetsTopicResponse { name: asked.name, partitions });
    }
    ListOffsetsResponse { topics, ..Default::default() }.into()
}

/// Offset and time; -1 for both if there is none.
fn look(partition: &Partition, timestamp: i64, committed: bool) -> Result<(i64, i64), ErrorCode> {
    let bounds = partition.bounds();
    let end = if committed { bounds.last_stable } else { bounds.high_watermark };
    match timestamp {
        LATEST => Ok((end.0 as i64, -1)),
        EARLIEST => Ok((bounds.start.0 as i64, -1)),
        MAX_TIMESTAMP => latest_time(partition),
        0.. => first_at(partition, timestamp),
        _ => Err(ErrorCode::UNSUPPORTED_VERSION),
    }
}

/// The first record of that time or later. The partition knows the batch; which of its records it is, the batch knows.
fn first_at(partition: &Partition, time: i64) -> Result<(i64, i64), ErrorCode> {
    let failed = |error: xs_storage::Error| {
        tracing::error!(%error, "a time cannot be looked for");
        ErrorCode::KAFKA_STORAGE_ERROR
    };
    let Some((base, latest)) = partition.offset_for_time(time).map_err(failed)? else { return Ok((-1, -1)) };
    let fetched = partition.read(base, 1, Isolation::Uncommitted).map_err(|_| ErrorCode::OFFSET_OUT_OF_RANGE)?;
    let Some(range) = fetched.ranges.first() else { return Ok((base.0 as i64, latest)) };
    let bytes = super::fetch::read(range)?.freeze();
    for batch in BatchIter::new(bytes) {
        let batch = batch.map_err(ErrorCode::from)?;
        for record in batch.records(DEFAULT_LIMIT).map_err(ErrorCode::from)? {
            let record = record.map_err(ErrorCode::from)?;
            if record.timestamp >= time && record.offset >= base.0 as i64 {
                return Ok((record.offset, record.timestamp));
            }
        }
    }
    Ok((base.0 as i64, latest))
}

/// The first record of the latest time that there is.
fn latest_time(partition: &Partition) -> Result<(i64, i64), ErrorCode> {
    let at = |time| partition.offset_for_time(time).map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR);
    let Some((_, mut low)) = at(0)? else { return Ok((-1, -1)) };
    let mut high = i64::MAX;
    // There is something at `low`, and nothing behind `high`.
    while low < high {
        let middle = low + (high - low) / 2 + 1;
        match at(middle)? {
            Some((_, time)) => low = time.max(middle),
            None => high = middle - 1,
        }
    }
    first_at(partition, low)
}

/// Where the records of epochs end.
pub(crate) fn of_epochs(broker: &Broker, caller: &Caller, request: OffsetForLeaderEpochRequest) -> Response {
    let topics = request.topics.into_iter().map(|asked| {
        let denied = caller.topic(Operation::Describe, &asked.topic).err();
        let topic = broker.topics.get(&asked.topic);
        let partitions = asked.partitions.into_iter().map(|asked| {
            let partition = topic.as_ref().and_then(|topic| topic.partition(asked.partition));
            let (error_code, found) = match partition {
                _ if denied.is_some() => (denied.unwrap_or_default(), None),
                None => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None),
                Some(_) if asked.current_leader_epoch > 0 => (ErrorCode::UNKNOWN_LEADER_EPOCH, None),
                Some(partition) => (ErrorCode::NONE, partition.end_of_epoch(asked.leader_epoch)),
            };
            let (leader_epoch, end_offset) = found.map_or((-1, -1), |(epoch, Index(end))| (epoch, end as i64));
            OffsetForLeaderEpochResponseEpochEndOffset {
                error_code,
                partition: asked.partition,
                leader_epoch,
                end_offset,
            }
        });
        OffsetForLeaderTopicResult { topic: asked.topic, partitions: partitions.collect() }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() }.into()
}
