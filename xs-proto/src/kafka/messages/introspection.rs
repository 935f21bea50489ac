//! Looking at producers and transactions from outside.

use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{At, Field, Form, Kind, ReadError, Reader, Wire, WriteError, Writer, all, from};

structs! {
    /// Asks which producers write to partitions.
    struct DescribeProducersRequest {
        /// The topics.
        topics: Vec<DescribeProducersRequestTopicRequest>, all();
    }

    /// An element of [`DescribeProducersRequest::topics`].
    struct DescribeProducersRequestTopicRequest {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partition_indexes: Vec<i32>, all();
    }

    /// The answer to [`DescribeProducersRequest`].
    struct DescribeProducersResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The topics.
        topics: Vec<TopicResponse>, all();
    }

    /// An element of [`DescribeProducersResponse::topics`].
    struct TopicResponse {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<PartitionResponse>, all();
    }

    /// An element of [`TopicResponse::partitions`].
    struct PartitionResponse {
        /// The partition.
        partition_index: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString>, all().nullable();
        /// The producers that the partition remembers.
        active_producers: Vec<ProducerState>, all();
    }

    /// An element of [`PartitionResponse::active_producers`].
    struct ProducerState {
        /// The producer's number.
        producer_id: i64, all();
        /// The producer's epoch.
        producer_epoch: i32, all();
        /// The producer's last sequence number, or -1.
        last_sequence: i32 = -1, all();
        /// The time of the producer's last record.
        last_timestamp: i64 = -1, all();
        /// The epoch of the transaction's coordinator.
        coordinator_epoch: i32, all();
        /// Where the producer's open transaction begins, or -1.
        current_txn_start_offset: i64 = -1, all();
    }

    /// Asks what transactions are doing.
    struct DescribeTransactionsRequest {
        /// The producers' names for their transactions.
        transactional_ids: Vec<ByteString>, all();
    }

    /// The answer to [`DescribeTransactionsRequest`].
    struct DescribeTransactionsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The transactions.
        transaction_states: Vec<DescribeTransactionsResponseTransactionState>, all();
    }

    /// An element of [`DescribeTransactionsResponse::transaction_states`].
    struct DescribeTransactionsResponseTransactionState {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The producer's name for its transactions.
        transactional_id: ByteString, all();
        /// What the transaction is doing.
        transaction_state: ByteString, all();
        /// After how long an open transaction is aborted, in milliseconds.
        transaction_timeout_ms: i32, all();
        /// When the transaction began, or -1.
        transaction_start_time_ms: i64, all();
        /// The producer's number.
        producer_id: i64, all();
        /// The producer's epoch.
        producer_epoch: i16, all();
        /// The topics.
        topics: Vec<TopicData>, all();
    }

    /// An element of [`DescribeTransactionsResponseTransactionState::topics`].
    struct TopicData {
        /// The topic's name.
        topic: ByteString, all();
        /// The partitions.
        partitions: Vec<i32>, all();
    }

    /// Asks which transactions there are.
    struct ListTransactionsRequest {
        /// Only transactions in these states; empty for any.
        state_filters: Vec<ByteString>, all();
        /// Only transactions of these producers; empty for any.
        producer_id_filters: Vec<i64>, all();
        /// Only transactions that have been open for longer, in milliseconds; -1 for any.
        duration_filter: i64 = -1, from(1);
    }

    /// The answer to [`ListTransactionsRequest`].
    struct ListTransactionsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The states of the filter that do not exist.
        unknown_state_filters: Vec<ByteString>, all();
        /// The transactions.
        transaction_states: Vec<ListTransactionsResponseTransactionState>, all();
    }

    /// An element of [`ListTransactionsResponse::transaction_states`].
    struct ListTransactionsResponseTransactionState {
        /// The producer's name for its transactions.
        transactional_id: ByteString, all();
        /// The producer's number.
        producer_id: i64, all();
        /// What the transaction is doing.
        transaction_state: ByteString, all();
    }
}
