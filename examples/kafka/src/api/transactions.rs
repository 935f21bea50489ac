//! Transactional producers: beginning, adding, ending, and looking at it.

use std::collections::HashSet;
use std::sync::Arc;

use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::Outcome;

use crate::acl::{Operation, ResourceType};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::groups::offsets::{self, Offset};
use crate::groups::{Group, Who};
use crate::transactions::{Producer, State};

/// Clients of older versions know one word for all that is fenced.
fn known(error: ErrorCode, is_new: bool) -> ErrorCode {
    match error {
        ErrorCode::PRODUCER_FENCED if !is_new => ErrorCode::INVALID_PRODUCER_EPOCH,
        other => other,
    }
}

/// A transactional producer's identity.
pub(crate) async fn init(
    broker: Arc<Broker>,
    id: ByteString,
    request: InitProducerIdRequest,
    version: i16,
) -> Response {
    let expected = (request.producer_id >= 0).then_some((request.producer_id, request.producer_epoch));
    let response = match broker.transactions.begin(id, request.transaction_timeout_ms, expected).await {
        Ok((producer_id, producer_epoch)) => {
            InitProducerIdResponse { producer_id, producer_epoch, ..Default::default() }
        }
        Err(error) => {
            let error_code = known(error, version >= 4);
            InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() }
        }
    };
    response.into()
}

/// All partitions of a request become part of a transaction, or none.
pub(crate) async fn add_partitions(
    broker: Arc<Broker>,
    caller: Caller,
    request: AddPartitionsToTxnRequest,
    version: i16,
) -> Response {
    let stranger = caller.transaction(Operation::Write, &request.transactional_id).err();
    let denied: HashSet<&ByteString> = request
        .topics
        .iter()
        .map(|topic| &topic.name)
        .filter(|name| !caller.may(Operation::Write, ResourceType::Topic, name))
        .collect();
    let is_denied = |name: &ByteString| denied.contains(name);
    let exists = |topic: &str, partition: i32| {
        broker.topics.get(topic).is_some_and(|topic| topic.partition(partition).is_some())
    };
    let all =
        || request.topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| (&topic.name, *partition)));
    let missing = !denied.is_empty() || all().any(|(topic, partition)| !exists(topic, partition));
    let failed = match (stranger, missing) {
        (Some(error), _) => Some(error),
        (None, true) => None,
        (None, false) => {
            let who = Producer {
                id: &request.transactional_id,
                producer: request.producer_id,
                epoch: request.producer_epoch,
            };
            let partitions = all().map(|(topic, partition)| (ByteString::from(&**topic), partition)).collect();
            broker.transactions.add(who, partitions, None).await.err().map(|error| known(error, version >= 2))
        }
    };
    let error = |topic: &ByteString, partition: i32| match (missing && stranger.is_none(), failed) {
        (true, _) if is_denied(topic) => ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        (true, _) if exists(topic, partition) => ErrorCode::OPERATION_NOT_ATTEMPTED,
        (true, _) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        (false, failed) => failed.unwrap_or_default(),
    };
    let results = request.topics.iter().map(|topic| AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: topic
            .partitions
            .iter()
            .map(|partition| AddPartitionsToTxnPartitionResult {
                partition_index: *partition,
                partition_error_code: error(&topic.name, *partition),
            })
            .collect(),
    });
    AddPartitionsToTxnResponse { results_by_topic: results.collect(), ..Default::default() }.into()
}

/// A group becomes part of a transaction.
pub(crate) async fn add_offsets(
    broker: Arc<Broker>,
    caller: Caller,
    request: AddOffsetsToTxnRequest,
    version: i16,
) -> Response {
    let allowed = caller.transaction(Operation::Write, &request.transactional_id);
    if let Err(error_code) = allowed.and_then(|()| caller.group(Operation::Read, &request.group_id)) {
        return AddOffsetsToTxnResponse { error_code, ..Default::default() }.into();
    }
    let who = Producer { id: &request.transactional_id, producer: request.producer_id, epoch: request.producer_epoch };
    let added = match request.group_id.is_empty() {
        true => Err(ErrorCode::INVALID_GROUP_ID),
        false => broker.transactions.add(who, Vec::new(), Some(ByteString::from(&*request.group_id))).await,
    };
    let error_code = added.err().map(|error| known(error, version >= 2)).unwrap_or_default();
    AddOffsetsToTxnResponse { error_code, ..Default::default() }.into()
}

/// Offsets that count when their transaction is committed.
pub(crate) async fn commit_offsets(broker: Arc<Broker>, caller: Caller, request: TxnOffsetCommitRequest) -> Response {
    let allowed = caller.transaction(Operation::Write, &request.transactional_id);
    let allowed = allowed.and_then(|()| caller.group(Operation::Read, &request.group_id));
    let now = broker.now_ms();
    let mut asked = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let at = (topic.name.clone(), partition.partition_index);
            let metadata = partition.committed_metadata.clone().unwrap_or_default();
            let error = super::committed::check(&broker, &caller, &at, Some(&metadata));
            let (offset, leader_epoch) = (partition.committed_offset, partition.committed_leader_epoch);
            asked.push((at, Offset { offset, leader_epoch, metadata, committed_ms: now, expires_ms: None }, error));
        }
    }
    let producer =
        Producer { id: &request.transactional_id, producer: request.producer_id, epoch: request.producer_epoch };
    let who = Who { member: &request.member_id, instance: request.group_instance_id.as_deref() };
    let (group, generation) = (&request.group_id, request.generation_id);
    let submitted = allowed.map(|()| {
        broker.transactions.within_group(producer, group, || {
            let check = |group: &mut Group, _| group.check_transaction(who, generation);
            broker.groups.commit(group, generation < 0, check, |batch| {
                for (at, offset, _) in asked.iter().filter(|(.., error)| error.is_ok()) {
                    offsets::commit_later(batch, group, request.producer_id, at, offset);
                }
            })
        })
    });
    let failed = match submitted {
        Ok(Ok(submitted)) => submitted.await.err(),
        Ok(Err(error)) => Some(known(error, false)),
        Err(denied) => Some(denied),
    };
    let mut errors = asked.iter().map(|(.., error)| failed.unwrap_or(*error));
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| TxnOffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: errors.next().unwrap_or_default(),
        });
        TxnOffsetCommitResponseTopic { name: topic.name.clone(), partitions: partitions.collect() }
    });
    TxnOffsetCommitResponse { topics: topics.collect(), ..Default::default() }.into()
}

pub(crate) async fn end(broker: Arc<Broker>, caller: Caller, request: EndTxnRequest, version: i16) -> Response {
    if let Err(error_code) = caller.transaction(Operation::Write, &request.transactional_id) {
        return EndTxnResponse { error_code, ..Default::default() }.into();
    }
    let who = Producer { id: &request.transactional_id, producer: request.producer_id, epoch: request.producer_epoch };
    let outcome = if request.committed { Outcome::Commit } else { Outcome::Abort };
    let ended = broker.transactions.end(who, outcome).await;
    let error_code = ended.err().map(|error| known(error, version >= 2)).unwrap_or_default();
    EndTxnResponse { error_code, ..Default::default() }.into()
}

pub(crate) fn describe(broker: &Broker, caller: &Caller, request: DescribeTransactionsRequest) -> Response {
    let describe = |id: ByteString| {
        if let Err(error_code) = caller.transaction(Operation::Describe, &id) {
            let transactional_id = id;
            return DescribeTransactionsResponseTransactionState { error_code, transactional_id, ..Default::default() };
        }
        let Some(txn) = broker.transactions.get(&id) else {
            return DescribeTransactionsResponseTransactionState {
                error_code: ErrorCode::TRANSACTIONAL_ID_NOT_FOUND,
                transactional_id: id,
                ..Default::default()
            };
        };
        let mut topics: Vec<TopicData> = Vec::new();
        let may_see = |topic: &str| caller.may(Operation::Describe, ResourceType::Topic, topic);
        for (topic, partition) in txn.partitions.into_iter().filter(|(topic, _)| may_see(topic)) {
            match topics.last_mut().filter(|last| last.topic == topic) {
                Some(last) => last.partitions.push(partition),
                None => topics.push(TopicData { topic, partitions: vec![partition] }),
            }
        }
        DescribeTransactionsResponseTransactionState {
            error_code: ErrorCode::NONE,
            transactional_id: id,
            transaction_state: txn.state.name().into(),
            transaction_timeout_ms: txn.timeout_ms,
            transaction_start_time_ms: if txn.state == State::Ongoing { txn.started_ms } else { -1 },
            producer_id: txn.producer,
            producer_epoch: txn.epoch,
            topics,
        }
    };
    let transaction_states = request.transactional_ids.into_iter().map(describe).collect();
    DescribeTransactionsResponse { transaction_states, ..Default::default() }.into()
}

pub(crate) fn list(broker: &Broker, caller: &Caller, request: ListTransactionsRequest) -> Response {
    let is_known = |name: &ByteString| State::ALL.iter().any(|state| *state.name() == **name);
    let now = broker.now_ms();
    let transaction_states = broker.transactions.each(|id, txn| {
        let (states, producers) = (&request.state_filters, &request.producer_id_filters);
        let state = txn.state.name();
        let wanted = (states.is_empty() || states.iter().any(|wanted| *wanted == state))
            && (producers.is_empty() || producers.contains(&txn.producer))
            && (request.duration_filter < 0
                || (txn.state == State::Ongoing && now.saturating_sub(txn.started_ms) > request.duration_filter));
        let may_see = || caller.may(Operation::Describe, ResourceType::TransactionalId, id);
        (wanted && may_see()).then(|| ListTransactionsResponseTransactionState {
            transactional_id: id.clone(),
            producer_id: txn.producer,
            transaction_state: state.into(),
        })
    });
    let unknown_state_filters = request.state_filters.iter().filter(|name| !is_known(name)).cloned().collect();
    ListTransactionsResponse { transaction_states, unknown_state_filters, ..Default::default() }.into()
}
