//! How far groups have read.

use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{At, Field, Form, Kind, ReadError, Reader, Wire, WriteError, Writer, all, between, from};

structs! {
    /// Remembers how far a group has read.
    struct OffsetCommitRequest {
        /// The group.
        group_id: ByteString, all();
        /// How often the group has been rebalanced, or the member's epoch; -1 outside of a group.
        generation_id_or_member_epoch: i32 = -1, all();
        /// The name that the coordinator gave the member; empty before.
        member_id: ByteString, all();
        /// The name of a static member, which keeps its place when it restarts.
        group_instance_id: Option<ByteString>, from(7).nullable();
        /// How long to remember, in milliseconds, or -1 for the broker's default.
        retention_time_ms: i64 = -1, between(0, 4).ignorable();
        /// The topics.
        topics: Vec<OffsetCommitRequestTopic>, all();
    }

    /// An element of [`OffsetCommitRequest::topics`].
    struct OffsetCommitRequestTopic {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<OffsetCommitRequestPartition>, all();
    }

    /// An element of [`OffsetCommitRequestTopic::partitions`].
    struct OffsetCommitRequestPartition {
        /// The partition.
        partition_index: i32, all();
        /// The offset of the record to be read next.
        committed_offset: i64, all();
        /// The epoch of the leader that the last record read came from, or -1.
        committed_leader_epoch: i32 = -1, from(6).ignorable();
        /// What the client wants to be told again.
        committed_metadata: Option<ByteString> = Some(Default::default()), all().nullable();
    }

    /// The answer to [`OffsetCommitRequest`].
    struct OffsetCommitResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(3).ignorable();
        /// The topics.
        topics: Vec<OffsetCommitResponseTopic>, all();
    }

    /// An element of [`OffsetCommitResponse::topics`].
    struct OffsetCommitResponseTopic {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<OffsetCommitResponsePartition>, all();
    }

    /// An element of [`OffsetCommitResponseTopic::partitions`].
    struct OffsetCommitResponsePartition {
        /// The partition.
        partition_index: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
    }

    /// Asks how far groups have read.
    struct OffsetFetchRequest {
        /// The group.
        group_id: ByteString, between(0, 7);
        /// The topics; null for all.
        topics: Option<Vec<OffsetFetchRequestTopic>> = Some(Default::default()), between(0, 7).null_from(2);
        /// The groups.
        groups: Vec<OffsetFetchRequestGroup>, from(8);
        /// Whether to refuse offsets that an open transaction may still change.
        require_stable: bool, from(7);
    }

    /// An element of [`OffsetFetchRequest::topics`].
    struct OffsetFetchRequestTopic {
        /// The name.
        name: ByteString, between(0, 7);
        /// The partitions.
        partition_indexes: Vec<i32>, between(0, 7);
    }

    /// An element of [`OffsetFetchRequest::groups`].
    struct OffsetFetchRequestGroup {
        /// The group.
        group_id: ByteString, from(8);
        /// The name that the coordinator gave the member; empty before.
        member_id: Option<ByteString>, from(9).nullable().ignorable();
        /// The member's epoch, or -1.
        member_epoch: i32 = -1, from(9).ignorable();
        /// The topics; null for all.
        topics: Option<Vec<OffsetFetchRequestTopics>> = Some(Default::default()), from(8).nullable();
    }

    /// An element of [`OffsetFetchRequestGroup::topics`].
    struct OffsetFetchRequestTopics {
        /// The name.
        name: ByteString, from(8);
        /// The partitions.
        partition_indexes: Vec<i32>, from(8);
    }

    /// The answer to [`OffsetFetchRequest`].
    struct OffsetFetchResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(3).ignorable();
        /// The topics.
        topics: Vec<OffsetFetchResponseTopic>, between(0, 7);
        /// What went wrong, or nothing.
        error_code: ErrorCode, between(2, 7).ignorable();
        /// The groups.
        groups: Vec<OffsetFetchResponseGroup>, from(8);
    }

    /// An element of [`OffsetFetchResponse::topics`].
    struct OffsetFetchResponseTopic {
        /// The name.
        name: ByteString, between(0, 7);
        /// The partitions.
        partitions: Vec<OffsetFetchResponsePartition>, between(0, 7);
    }

    /// An element of [`OffsetFetchResponse::groups`].
    struct OffsetFetchResponseGroup {
        /// The group.
        group_id: ByteString, from(8);
        /// The topics.
        topics: Vec<OffsetFetchResponseTopics>, from(8);
        /// What went wrong, or nothing.
        error_code: ErrorCode, from(8);
    }

    /// An element of [`OffsetFetchResponseTopic::partitions`].
    struct OffsetFetchResponsePartition {
        /// The partition.
        partition_index: i32, between(0, 7);
        /// The offset of the record to be read next.
        committed_offset: i64, between(0, 7);
        /// The epoch of the leader that the last record read came from, or -1.
        committed_leader_epoch: i32 = -1, between(5, 7).ignorable();
        /// What the client wanted to be told again.
        metadata: Option<ByteString> = Some(Default::default()), between(0, 7).nullable();
        /// What went wrong, or nothing.
        error_code: ErrorCode, between(0, 7);
    }

    /// An element of [`OffsetFetchResponseGroup::topics`].
    struct OffsetFetchResponseTopics {
        /// The name.
        name: ByteString, from(8);
        /// The partitions.
        partitions: Vec<OffsetFetchResponsePartitions>, from(8);
    }

    /// An element of [`OffsetFetchResponseTopics::partitions`].
    struct OffsetFetchResponsePartitions {
        /// The partition.
        partition_index: i32, from(8);
        /// The offset of the record to be read next.
        committed_offset: i64, from(8);
        /// The epoch of the leader that the last record read came from, or -1.
        committed_leader_epoch: i32 = -1, from(8).ignorable();
        /// What the client wanted to be told again.
        metadata: Option<ByteString> = Some(Default::default()), from(8).nullable();
        /// What went wrong, or nothing.
        error_code: ErrorCode, from(8);
    }

    /// Forgets what a group has committed.
    struct OffsetDeleteRequest {
        /// The group.
        group_id: ByteString, all();
        /// The topics.
        topics: Vec<OffsetDeleteRequestTopic>, all();
    }

    /// An element of [`OffsetDeleteRequest::topics`].
    struct OffsetDeleteRequestTopic {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<OffsetDeleteRequestPartition>, all();
    }

    /// An element of [`OffsetDeleteRequestTopic::partitions`].
    struct OffsetDeleteRequestPartition {
        /// The partition.
        partition_index: i32, all();
    }

    /// The answer to [`OffsetDeleteRequest`].
    struct OffsetDeleteResponse {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The topics.
        topics: Vec<OffsetDeleteResponseTopic>, all();
    }

    /// An element of [`OffsetDeleteResponse::topics`].
    struct OffsetDeleteResponseTopic {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<OffsetDeleteResponsePartition>, all();
    }

    /// An element of [`OffsetDeleteResponseTopic::partitions`].
    struct OffsetDeleteResponsePartition {
        /// The partition.
        partition_index: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
    }
}
