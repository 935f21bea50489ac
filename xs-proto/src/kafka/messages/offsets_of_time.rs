//! Offsets by time, and by the epoch of a leader.

use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{At, Field, Form, Kind, ReadError, Reader, Wire, WriteError, Writer, all, from};

structs! {
    /// Asks for the offset at a time, or for the first or last one.
    struct ListOffsetsRequest {
        /// The broker that asks, or -1 for a client.
        replica_id: i32, all();
        /// 0 to see every record, 1 to see those of committed transactions only.
        isolation_level: i8, from(2);
        /// The topics.
        topics: Vec<ListOffsetsTopic>, all();
    }

    /// An element of [`ListOffsetsRequest::topics`].
    struct ListOffsetsTopic {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<ListOffsetsPartition>, all();
    }

    /// An element of [`ListOffsetsTopic::partitions`].
    struct ListOffsetsPartition {
        /// The partition.
        partition_index: i32, all();
        /// The epoch of the leader that the client knows, or -1.
        current_leader_epoch: i32 = -1, from(4).ignorable();
        /// The time, in milliseconds since 1970; -1 stands for the end of the log, -2 for its start, -3 (from version
        /// 7) for the latest time of all records.
        timestamp: i64, all();
    }

    /// The answer to [`ListOffsetsRequest`].
    struct ListOffsetsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(2).ignorable();
        /// The topics.
        topics: Vec<ListOffsetsTopicResponse>, all();
    }

    /// An element of [`ListOffsetsResponse::topics`].
    struct ListOffsetsTopicResponse {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<ListOffsetsPartitionResponse>, all();
    }

    /// An element of [`ListOffsetsTopicResponse::partitions`].
    struct ListOffsetsPartitionResponse {
        /// The partition.
        partition_index: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The time of the record that was found, in milliseconds since 1970, or -1.
        timestamp: i64 = -1, all();
        /// The offset of the record that was found, or -1.
        offset: i64 = -1, all();
        /// The epoch of the leader, or -1.
        leader_epoch: i32 = -1, from(4);
    }

    /// Asks where the records of a leader's epoch end.
    struct OffsetForLeaderEpochRequest {
        /// The broker that asks, or -1 for a client.
        replica_id: i32 = -2, from(3).ignorable();
        /// The topics.
        topics: Vec<OffsetForLeaderTopic>, all();
    }

    /// An element of [`OffsetForLeaderEpochRequest::topics`].
    struct OffsetForLeaderTopic {
        /// The topic's name.
        topic: ByteString, all();
        /// The partitions.
        partitions: Vec<OffsetForLeaderPartition>, all();
    }

    /// An element of [`OffsetForLeaderTopic::partitions`].
    struct OffsetForLeaderPartition {
        /// The partition.
        partition: i32, all();
        /// The epoch of the leader that the client knows, or -1.
        current_leader_epoch: i32 = -1, all();
        /// The epoch that is asked about.
        leader_epoch: i32, all();
    }

    /// The answer to [`OffsetForLeaderEpochRequest`].
    struct OffsetForLeaderEpochResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The topics.
        topics: Vec<OffsetForLeaderTopicResult>, all();
    }

    /// An element of [`OffsetForLeaderEpochResponse::topics`].
    struct OffsetForLeaderTopicResult {
        /// The topic's name.
        topic: ByteString, all();
        /// The partitions.
        partitions: Vec<OffsetForLeaderEpochResponseEpochEndOffset>, all();
    }

    /// An element of [`OffsetForLeaderTopicResult::partitions`].
    struct OffsetForLeaderEpochResponseEpochEndOffset {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The partition.
        partition: i32, all();
        /// The epoch of the leader, or -1.
        leader_epoch: i32 = -1, all();
        /// The offset behind the last one of that epoch, or -1.
        end_offset: i64 = -1, all();
    }
}
