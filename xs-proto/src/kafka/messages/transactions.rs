//! Producers with an identity, and transactions.

use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{At, Field, Form, Kind, ReadError, Reader, Wire, WriteError, Writer, all, from};

structs! {
    /// Gets a producer's identity, and fences older producers of the same transactional id.
    struct InitProducerIdRequest {
        /// The producer's name for its transactions.
        transactional_id: Option<ByteString> = Some(Default::default()), all().nullable();
        /// After how long an open transaction is aborted, in milliseconds.
        transaction_timeout_ms: i32, all();
        /// The producer's number, or -1 for a new one.
        producer_id: i64 = -1, from(3);
        /// The producer's epoch, or -1 with a new number.
        producer_epoch: i16 = -1, from(3);
    }

    /// The answer to [`InitProducerIdRequest`].
    struct InitProducerIdResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The producer's number.
        producer_id: i64 = -1, all();
        /// The producer's epoch.
        producer_epoch: i16, all();
    }

    /// Makes partitions part of a transaction.
    struct AddPartitionsToTxnRequest {
        /// The producer's name for its transactions.
        transactional_id: ByteString, all();
        /// The producer's number.
        producer_id: i64, all();
        /// The producer's epoch.
        producer_epoch: i16, all();
        /// The topics.
        topics: Vec<AddPartitionsToTxnTopic>, all();
    }

    /// An element of [`AddPartitionsToTxnRequest::topics`].
    struct AddPartitionsToTxnTopic {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<i32>, all();
    }

    /// The answer to [`AddPartitionsToTxnRequest`].
    struct AddPartitionsToTxnResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The topics.
        results_by_topic: Vec<AddPartitionsToTxnTopicResult>, all();
    }

    /// An element of [`AddPartitionsToTxnResponse::results_by_topic`].
    struct AddPartitionsToTxnTopicResult {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult>, all();
    }

    /// An element of [`AddPartitionsToTxnTopicResult::results_by_partition`].
    struct AddPartitionsToTxnPartitionResult {
        /// The partition.
        partition_index: i32, all();
        /// What went wrong, or nothing.
        partition_error_code: ErrorCode, all();
    }

    /// Makes a group's offsets part of a transaction.
    struct AddOffsetsToTxnRequest {
        /// The producer's name for its transactions.
        transactional_id: ByteString, all();
        /// The producer's number.
        producer_id: i64, all();
        /// The producer's epoch.
        producer_epoch: i16, all();
        /// The group.
        group_id: ByteString, all();
    }

    /// The answer to [`AddOffsetsToTxnRequest`].
    struct AddOffsetsToTxnResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
    }

    /// Ends a transaction.
    struct EndTxnRequest {
        /// The producer's name for its transactions.
        transactional_id: ByteString, all();
        /// The producer's number.
        producer_id: i64, all();
        /// The producer's epoch.
        producer_epoch: i16, all();
        /// Whether to commit; else to abort.
        committed: bool, all();
    }

    /// The answer to [`EndTxnRequest`].
    struct EndTxnResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
    }

    /// Commits offsets as a part of a transaction.
    struct TxnOffsetCommitRequest {
        /// The producer's name for its transactions.
        transactional_id: ByteString, all();
        /// The group.
        group_id: ByteString, all();
        /// The producer's number.
        producer_id: i64, all();
        /// The producer's epoch.
        producer_epoch: i16, all();
        /// How often the group has been rebalanced.
        generation_id: i32 = -1, from(3);
        /// The name that the coordinator gave the member; empty before.
        member_id: ByteString, from(3);
        /// The name of a static member, which keeps its place when it restarts.
        group_instance_id: Option<ByteString>, from(3).nullable();
        /// The topics.
        topics: Vec<TxnOffsetCommitRequestTopic>, all();
    }

    /// An element of [`TxnOffsetCommitRequest::topics`].
    struct TxnOffsetCommitRequestTopic {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<TxnOffsetCommitRequestPartition>, all();
    }

    /// An element of [`TxnOffsetCommitRequestTopic::partitions`].
    struct TxnOffsetCommitRequestPartition {
        /// The partition.
        partition_index: i32, all();
        /// The offset of the record to be read next.
        committed_offset: i64, all();
        /// The epoch of the leader that the last record read came from, or -1.
        committed_leader_epoch: i32 = -1, from(2).ignorable();
        /// What the client wants to be told again.
        committed_metadata: Option<ByteString> = Some(Default::default()), all().nullable();
    }

    /// The answer to [`TxnOffsetCommitRequest`].
    struct TxnOffsetCommitResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The topics.
        topics: Vec<TxnOffsetCommitResponseTopic>, all();
    }

    /// An element of [`TxnOffsetCommitResponse::topics`].
    struct TxnOffsetCommitResponseTopic {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<TxnOffsetCommitResponsePartition>, all();
    }

    /// An element of [`TxnOffsetCommitResponseTopic::partitions`].
    struct TxnOffsetCommitResponsePartition {
        /// The partition.
        partition_index: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
    }
}
