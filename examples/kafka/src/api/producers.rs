//! InitProducerId and DescribeProducers: identities of producers, and who writes where.

use std::sync::Arc;

use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_storage::partition::ActiveProducer;

use crate::acl::{Operation, ResourceType};
use crate::broker::Broker;
use crate::caller::Caller;

/// A fresh number with epoch 0. One that had a number before gets a new one as well: nothing of it is remembered but in
/// the partitions, where the old number's batches stay what they are.
pub(crate) async fn init(
    broker: Arc<Broker>,
    caller: Caller,
    request: InitProducerIdRequest,
    version: i16,
) -> Response {
    let allowed = match &request.transactional_id {
        Some(id) => caller.transaction(Operation::Write, id),
        // Who may write anywhere may do so without writing twice.
        None if caller.may_any(Operation::Write, ResourceType::Topic) => Ok(()),
        None => caller.cluster(Operation::IdempotentWrite),
    };
    if let Err(error_code) = allowed {
        return InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() }.into();
    }
    if let Some(id) = request.transactional_id.clone() {
        return super::transactions::init(broker, id, request, version).await;
    }
    let topics = broker.topics.clone();
    match broker.bridge.run(move || topics.next_producer()).await {
        Ok(producer_id) => InitProducerIdResponse { producer_id, ..Default::default() }.into(),
        Err(error) => {
            tracing::error!(%error, "no number for a producer");
            let error_code = ErrorCode::KAFKA_STORAGE_ERROR;
            InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() }.into()
        }
    }
}

/// Who writes to partitions, as the partitions know it.
pub(crate) fn describe(broker: &Broker, caller: &Caller, request: DescribeProducersRequest) -> Response {
    let topics = request.topics.into_iter().map(|asked| {
        let denied = caller.topic(Operation::Read, &asked.name).err();
        let topic = broker.topics.get(&asked.name).filter(|_| denied.is_none());
        let partitions = asked.partition_indexes.into_iter().map(|partition_index| {
            let partition = topic.as_ref().and_then(|topic| topic.partition(partition_index));
            let error_code = match partition {
                Some(_) => ErrorCode::NONE,
                None => denied.unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            };
            let active_producers = partition.map_or_else(Vec::new, |partition| {
                partition
                    .producers()
                    .into_iter()
                    .map(|producer: ActiveProducer| ProducerState {
                        producer_id: producer.producer_id,
                        producer_epoch: producer.producer_epoch.into(),
                        last_sequence: producer.last_sequence,
                        last_timestamp: producer.last_timestamp,
                        coordinator_epoch: producer.coordinator_epoch,
                        current_txn_start_offset: producer.transaction_start.map_or(-1, |start| start.0 as i64),
                    })
                    .collect()
            });
            PartitionResponse { partition_index, error_code, active_producers, ..Default::default() }
        });
        TopicResponse { partitions: partitions.collect(), name: asked.name }
    });
    DescribeProducersResponse { topics: topics.collect(), ..Default::default() }.into()
}
