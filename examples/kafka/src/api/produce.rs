//! Produce: appends batches as they came.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::join_all;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, Response, TopicProduceResponse,
};
use xs_proto::kafka::records::{Batch, Compression};
use xs_storage::engine::Commit;
use xs_storage::log::{Batches, Written};
use xs_storage::partition::{Append, AppendError, Appended, Partition};

use crate::broker::Broker;
use crate::config::Flush;
use crate::service::{Answer, Closing};
use crate::topics::Topic;
use crate::transactions::Producer;

/// From this version on a batch may be compressed with zstd (KIP-110).
const ZSTD: i16 = 7;

/// Appends at once, in the order of the requests, and writes each partition once behind all of it; what is waited for is
/// who else is at the disk.
pub(crate) fn answer(broker: &Arc<Broker>, request: ProduceRequest, version: i16) -> Answer {
    let (acks, transaction) = (request.acks, request.transactional_id);
    let (mut put, mut failed) = (Vec::new(), None);
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for (at, data) in request.topic_data.into_iter().enumerate() {
        let topic = broker.topics.get(&data.name);
        let mut partition_responses = Vec::with_capacity(data.partition_data.len());
        for (nth, partition) in data.partition_data.into_iter().enumerate() {
            let index = partition.index;
            let bytes = partition.records.as_ref().map_or(0, |records| records.len() as u64);
            let done = match acks {
                -1..=1 => append(broker, topic.as_deref(), partition, version, transaction.as_deref()),
                _ => Err((ErrorCode::INVALID_REQUIRED_ACKS, None)),
            };
            partition_responses.push(match done {
                Ok(Put { appended, partition, log_start_offset }) => {
                    broker.meters.produced_batches.increment(1);
                    broker.meters.produced_bytes.increment(bytes);
                    let (base_offset, log_append_time_ms) = (appended.base.0 as i64, appended.stamped.unwrap_or(-1));
                    put.push(((at, nth), partition, appended.commit));
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
    let durable = broker.config.flush == Flush::Always;
    // One write takes all that was appended to a partition.
    let waits = put.into_iter().map(|(place, partition, commit)| match durable {
        true => (place, Wait::Durable(commit)),
        false => (place, Wait::Written(partition.write())),
    });
    let waits: Vec<_> = waits.filter(|(_, wait)| !wait.is_over()).collect();
    match waits.is_empty() {
        true => Answer::Now(response.into()),
        false => Answer::Later(answered(response, waits).boxed()),
    }
}

/// What an answer waits for.
enum Wait {
    Durable(Commit),
    Written(Written<Batches>),
}

impl Wait {
    fn is_over(&self) -> bool {
        matches!(self, Wait::Written(written) if matches!(written.outcome(), Some(Ok(()))))
    }

    async fn over(self) -> xs_storage::Result<()> {
        match self {
            Wait::Durable(commit) => commit.await,
            Wait::Written(written) => written.await,
        }
    }
}

/// Where in the answer a partition stands.
type Place = (usize, usize);

/// The answer when all is where it is to be. A disk that fails has failed for every batch that waited for it.
async fn answered(mut response: ProduceResponse, waits: Vec<(Place, Wait)>) -> Response {
    let over = waits.into_iter().map(|(place, wait)| wait.over().map(move |outcome| (place, outcome)));
    for ((topic, partition), outcome) in join_all(over).await {
        if let Err(error) = outcome {
            let name = &response.responses[topic].name;
            tracing::error!(topic = %name, %error, "records are not on the disk");
            let partition = &mut response.responses[topic].partition_responses[partition];
            (partition.error_code, partition.base_offset) = (ErrorCode::KAFKA_STORAGE_ERROR, -1);
        }
    }
    response.into()
}

/// What was appended, and where.
struct Put {
    appended: Appended,
    partition: Partition,
    log_start_offset: i64,
}

type Refused = (ErrorCode, Option<String>);

fn append(
    broker: &Broker,
    topic: Option<&Topic>,
    data: PartitionProduceData,
    version: i16,
    transaction: Option<&str>,
) -> Result<Put, Refused> {
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
    let append = || partition.append(batch.into_bytes(), how);
    let appended = match is_transactional {
        false => append(),
        true => {
            let who = Producer { id: transaction.unwrap_or_default(), producer, epoch };
            let at = (topic.name.clone(), data.index);
            let fenced = |error| match error {
                ErrorCode::PRODUCER_FENCED => (ErrorCode::INVALID_PRODUCER_EPOCH, None),
                error => (error, None),
            };
            broker.transactions.within(who, &at, append).map_err(fenced)?
        }
    };
    let appended = appended.map_err(|error| (code(&error), Some(error.to_string())))?;
    Ok(Put { appended, partition: partition.clone(), log_start_offset: partition.bounds().start.0 as i64 })
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
