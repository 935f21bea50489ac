//! Produce: appends batches as they came.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::sync::oneshot::{self, error::TryRecvError};
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, Response, TopicProduceResponse,
};
use xs_proto::kafka::records::{Batch, BatchHeader, Compression};
use xs_storage::engine::Commit;
use xs_storage::log::{Batches, Written};
use xs_storage::partition::{Append, AppendError, Appended, Partition, check_keys};

use crate::acl::{Operation, ResourceType};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::config::Flush;
use crate::mutation::Mutation;
use crate::service::{Answer, Closing};
use crate::topics::Topic;
use crate::transactions::Producer;

/// From this version on a batch may be compressed with zstd (KIP-110).
const ZSTD: i16 = 7;

/// A longer batch of a topic whose records must have keys is looked into away from the reactor, and so is one that must be
/// decompressed, of which nobody knows how long that takes. Looking through so many bytes takes some ten microseconds.
const IN_PLACE: usize = 64 << 10;

/// The order in which a connection's records are appended, where some are looked into elsewhere first: the end of the last one
/// that was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order(Arc<Mutex<Option<oneshot::Receiver<()>>>>);

impl Order {
    /// What must be appended before anything else is, if there is such a thing.
    fn before(&self) -> Option<oneshot::Receiver<()>> {
        let mut last = self.0.lock().take()?;
        matches!(last.try_recv(), Err(TryRecvError::Empty)).then_some(last)
    }
}

/// Appends in the order of the requests, and writes each partition once behind all of it. That is done at once, unless
/// records have to be looked into that take their time; what else is waited for is who is at the disk.
pub(crate) fn answer(
    broker: &Arc<Broker>,
    caller: Caller,
    request: ProduceRequest,
    version: i16,
    order: &Order,
) -> Answer {
    let (before, looks) = (order.before(), looked_into(broker, &caller, &request));
    if before.is_none() && looks.is_empty() {
        return match put(broker, &caller, request, version, &Looked::default()) {
            Ok(None) => Answer::None,
            Ok(Some((response, waits))) if waits.is_empty() => Answer::Now(response.into()),
            Ok(Some((response, waits))) => Answer::Later(answered(response, waits).boxed()),
            Err(why) => Answer::Close(why),
        };
    }
    let (over, behind) = oneshot::channel();
    *order.0.lock() = Some(behind);
    let broker = broker.clone();
    Answer::Either(
        async move {
            let looked = match looks.is_empty() {
                true => Looked::default(),
                false => broker.bridge.run(move || look(looks)).await,
            };
            if let Some(before) = before {
                // It ends when it goes.
                let _ = before.await;
            }
            let put = put(&broker, &caller, request, version, &looked)?;
            drop(over);
            Ok(match put {
                Some((response, waits)) => Some(answered(response, waits).await),
                None => None,
            })
        }
        .boxed(),
    )
}

/// Where in a request a partition stands.
type Place = (usize, usize);

/// What was found in the batches that were looked into.
type Looked = BTreeMap<Place, Result<(), AppendError>>;

/// The batches that are to be looked into elsewhere.
fn looked_into(broker: &Broker, caller: &Caller, request: &ProduceRequest) -> Vec<(Place, Bytes)> {
    let mut looks = Vec::new();
    for (at, data) in request.topic_data.iter().enumerate() {
        let compacts = broker.topics.get(&data.name).is_some_and(|topic| topic.config.compact);
        if !compacts || !caller.may(Operation::Write, ResourceType::Topic, &data.name) {
            continue;
        }
        for (nth, partition) in data.partition_data.iter().enumerate() {
            let Some(bytes) = partition.records.clone().and_then(|records| records.to_bytes()) else { continue };
            let is_plain = |header: BatchHeader| header.compression().is_ok_and(|how| how == Compression::None);
            // What is no batch is refused soon enough.
            let in_place = bytes.len() <= IN_PLACE && BatchHeader::parse(&bytes).map_or(true, is_plain);
            if !in_place {
                looks.push(((at, nth), bytes));
            }
        }
    }
    looks
}

fn look(looks: Vec<(Place, Bytes)>) -> Looked {
    looks.into_iter().map(|(place, batch)| (place, check_keys(&batch))).collect()
}

/// Appends and writes. What is to be answered, unless nothing is, and what has to be waited for before that.
fn put(
    broker: &Broker,
    caller: &Caller,
    request: ProduceRequest,
    version: i16,
    looked: &Looked,
) -> Result<Option<(ProduceResponse, Vec<(Place, Wait)>)>, Closing> {
    let (acks, transaction) = (request.acks, request.transactional_id);
    let (mut put, mut failed) = (Vec::new(), None);
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for (at, data) in request.topic_data.into_iter().enumerate() {
        let denied = caller.topic(Operation::Write, &data.name).err();
        let topic = broker.topics.get(&data.name).filter(|_| denied.is_none());
        let mut partition_responses = Vec::with_capacity(data.partition_data.len());
        for (nth, partition) in data.partition_data.into_iter().enumerate() {
            let index = partition.index;
            let bytes = partition.records.as_ref().map_or(0, |records| records.len() as u64);
            let looked = looked.get(&(at, nth));
            let done = match (acks, denied) {
                (-1..=1, None) => {
                    append(broker, caller, topic.as_deref(), partition, version, transaction.as_deref(), looked)
                }
                (-1..=1, Some(denied)) => Err((denied, None)),
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
        (0, Some(code)) => return Err(Closing::Unanswered(code)),
        (0, None) => return Ok(None),
        _ => {}
    }
    let response = ProduceResponse { responses, ..Default::default() };
    if broker.config.bug.is(Mutation::AnswerBeforeDurable) {
        return Ok(Some((response, Vec::new())));
    }
    let durable = broker.config.flush == Flush::Always;
    // One write takes all that was appended to a partition.
    let waits = put.into_iter().map(|(place, partition, commit)| match durable {
        true => (place, Wait::Durable(commit)),
        false => (place, Wait::Written(partition.write())),
    });
    let waits = waits.filter(|(_, wait)| !wait.is_over()).collect();
    Ok(Some((response, waits)))
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
    caller: &Caller,
    topic: Option<&Topic>,
    data: PartitionProduceData,
    version: i16,
    transaction: Option<&str>,
    looked: Option<&Result<(), AppendError>>,
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
    if let Some(Err(error)) = looked {
        return Err((code(error), Some(error.to_string())));
    }
    let keyed = topic.config.compact && looked.is_none();
    let how = Append { leader_epoch: 0, now: broker.now_ms(), stamp: topic.config.stamp, keyed };
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
