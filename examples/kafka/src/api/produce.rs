//! Produce: appends batches as they came.

use std::sync::Arc;

use futures::FutureExt;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, Response, TopicProduceResponse,
};
use xs_proto::kafka::records::{Batch, Compression};
use xs_storage::engine::Commit;
use xs_storage::partition::{Append, AppendError, Appended};

use crate::acl::Operation;
use crate::broker::Broker;
use crate::caller::Caller;
use crate::config::Flush;
use crate::service::{Answer, Closing};
use crate::topics::Topic;
use crate::transactions::Producer;

/// From this version on a batch may be compressed with zstd (KIP-110).
const ZSTD: i16 = 7;

/// Appends at once, in the order of the requests; only the disk is waited for.
pub(crate) fn answer(broker: &Arc<Broker>, caller: &Caller, request: ProduceRequest, version: i16) -> Answer {
    let (acks, transaction) = (request.acks, request.transactional_id);
    let (mut commits, mut failed) = (Vec::new(), None);
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for data in request.topic_data {
        let denied = caller.topic(Operation::Write, &data.name).err();
        let topic = broker.topics.get(&data.name).filter(|_| denied.is_none());
        let mut partition_responses = Vec::with_capacity(data.partition_data.len());
        for partition in data.partition_data {
            let index = partition.index;
            let bytes = partition.records.as_ref().map_or(0, |records| records.len() as u64);
            let done = match (acks, denied) {
                (-1..=1, None) => append(broker, caller, topic.as_deref(), partition, version, transaction.as_deref()),
                (-1..=1, Some(denied)) => Err((denied, None)),
                _ => Err((ErrorCode::INVALID_REQUIRED_ACKS, None)),
            };
            partition_responses.push(match done {
                Ok((appended, log_start_offset)) => {
                    broker.meters.produced_batches.increment(1);
                    broker.meters.produced_bytes.increment(bytes);
                    let (base_offset, log_append_time_ms) = (appended.base.0 as i64, appended.stamped.unwrap_or(-1));
                    commits.push(appended.commit);
                    PartitionProduceResponse {
                        index,
                        base_offset,
                        log_append_time_ms,
                        log_start_offset,
                        ..Default::default()
                    }
                }
                Err((error_code, error_message)) => {
                    failed = Some(error_code);
                    broker.meters.refused_batches.increment(1);
                    PartitionProduceResponse {
                        index,
                        error_code,
                        base_offset: -1,
                        error_message: error_message.map(Into::into),
                        ..Default::default()
                    }
                }
            });
        }
        responses.push(TopicProduceResponse { name: data.name, partition_responses });
    }
    match (acks, failed) {
        // Who wants no answer can only be told by the end of the connection.
        (0, Some(code)) => return Answer::Close(Closing::Unanswered(code)),
        (0, None) => return Answer::None,
        _ => {}
    }
    let response = ProduceResponse { responses, ..Default::default() };
    match broker.config.flush {
        Flush::Later => Answer::Now(response.into()),
        Flush::Always => Answer::Later(flushed(response, commits).boxed()),
    }
}

/// The answer when all is on the disk. A disk that fails has failed for every batch that waited for it.
async fn flushed(mut response: ProduceResponse, commits: Vec<Commit>) -> Response {
    let mut outcome = Ok(());
    for commit in commits {
        outcome = outcome.and(commit.await);
    }
    if let Err(error) = outcome {
        tracing::error!(%error, "records are not on the disk");
        let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
        for partition in partitions.filter(|partition| partition.error_code.is_ok()) {
            (partition.error_code, partition.base_offset) = (ErrorCode::KAFKA_STORAGE_ERROR, -1);
        }
    }
    response.into()
}

type Refused = (ErrorCode, Option<String>);

fn append(
    broker: &Broker,
    caller: &Caller,
    topic: Option<&Topic>,
    data: PartitionProduceData,
    version: i16,
    transaction: Option<&str>,
) -> Result<(Appended, i64), Refused> {
    let topic = topic.ok_or((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None))?;
    let partition = topic.partition(data.index).ok_or((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None))?;
    let bytes = data.records.and_then(|records| records.to_bytes()).unwrap_or_default();
    if bytes.is_empty() {
        return Err((ErrorCode::INVALID_RECORD, Some("There is no batch.".into())));
    }
    let refused = |error: xs_proto::kafka::records::BatchError| (ErrorCode::from(error), Some(error.to_string()));
    let batch = Batch::new(bytes).map_err(refused)?;
    batch.header().check_produced().map_err(refused)?;
    match batch.header().compression().map_err(refused)? {
        Compression::Zstd if version < ZSTD => return Err((ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, None)),
        _ => {}
    }
    let (len, limit) = (batch.as_bytes().len() as u64, topic.config.max_batch);
    if len > limit {
        let error = AppendError::TooLarge { len, limit };
        return Err((code(&error), Some(error.to_string())));
    }
    let how = Append { leader_epoch: 0, now: broker.now_ms(), stamp: topic.config.stamp, keyed: topic.config.compact };
    let (producer, epoch) = (batch.header().producer_id, batch.header().producer_epoch);
    let is_transactional = batch.header().is_transactional();
    let records = u64::try_from(batch.header().count).unwrap_or(0);
    let append = || partition.append(batch.into_bytes(), how);
    let appended = match is_transactional {
        false => append(),
        true => {
            let who = Producer { id: transaction.unwrap_or_default(), producer, epoch };
            caller.transaction(Operation::Write, who.id).map_err(|code| (code, None))?;
            let at = (topic.name.clone(), data.index);
            let fenced = |error| match error {
                ErrorCode::PRODUCER_FENCED => (ErrorCode::INVALID_PRODUCER_EPOCH, None),
                error => (error, None),
            };
            broker.transactions.within(who, &at, append).map_err(fenced)?
        }
    };
    let appended = appended.map_err(|error| (code(&error), Some(error.to_string())))?;
    topic.traffic.produced(records, len);
    Ok((appended, partition.bounds().start.0 as i64))
}

fn code(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::Batch(_) => ErrorCode::CORRUPT_MESSAGE,
        AppendError::NoKey { .. } => ErrorCode::INVALID_RECORD,
        AppendError::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        AppendError::StaleLeader { .. } => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        AppendError::OutOfOrder { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        AppendError::Fenced { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
        AppendError::NotInTransaction { .. } => ErrorCode::INVALID_TXN_STATE,
        AppendError::StaleCoordinator { .. } => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        AppendError::Store(error) => {
            tracing::error!(%error, "records cannot be stored");
            ErrorCode::KAFKA_STORAGE_ERROR
        }
        _ => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}
