//! Getting records.

use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{At, Blob, Field, Form, Kind, ReadError, Reader, Wire, WriteError, Writer, all, from};

structs! {
    /// Gets records from offsets on, and may wait for them.
    struct FetchRequest {
        /// The cluster's name for itself.
        cluster_id: Option<ByteString>, from(12).nullable().tag(0).ignorable();
        /// The broker that asks, or -1 for a client.
        replica_id: i32 = -1, all();
        /// How long to wait for `min_bytes`, in milliseconds.
        max_wait_ms: i32, all();
        /// How many bytes to wait for.
        min_bytes: i32, all();
        /// How many bytes to send at most, in all. The first batch is sent, however long it is.
        max_bytes: i32 = i32::MAX, all();
        /// 0 to see every record, 1 to see those of committed transactions only.
        isolation_level: i8, all();
        /// The fetch session, or 0 for none.
        session_id: i32, from(7).ignorable();
        /// The number of the request within its session; 0 begins a session, -1 wants none.
        session_epoch: i32 = -1, from(7).ignorable();
        /// The topics.
        topics: Vec<FetchTopic>, all();
        /// What the session shall no longer fetch.
        forgotten_topics_data: Vec<ForgottenTopic>, from(7);
        /// Where the reader stands.
        rack_id: ByteString, from(11).ignorable();
    }

    /// An element of [`FetchRequest::topics`].
    struct FetchTopic {
        /// The topic's name.
        topic: ByteString, all();
        /// The partitions.
        partitions: Vec<FetchPartition>, all();
    }

    /// An element of [`FetchRequest::forgotten_topics_data`].
    struct ForgottenTopic {
        /// The topic's name.
        topic: ByteString, from(7).ignorable();
        /// The partitions.
        partitions: Vec<i32>, from(7);
    }

    /// An element of [`FetchTopic::partitions`].
    struct FetchPartition {
        /// The partition.
        partition: i32, all();
        /// The epoch of the leader that the client knows, or -1.
        current_leader_epoch: i32 = -1, from(9).ignorable();
        /// The offset to read from.
        fetch_offset: i64, all();
        /// The epoch of the last record that the reader has, or -1.
        last_fetched_epoch: i32 = -1, from(12);
        /// The first offset that a follower still has; -1 from a client.
        log_start_offset: i64 = -1, from(5).ignorable();
        /// How many bytes to send of this partition at most. Its first batch is sent, however long it is.
        partition_max_bytes: i32, all();
    }

    /// The answer to [`FetchRequest`].
    struct FetchResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, from(7).ignorable();
        /// The fetch session, or 0 for none.
        session_id: i32, from(7);
        /// The topics.
        responses: Vec<FetchableTopicResponse>, all();
    }

    /// An element of [`FetchResponse::responses`].
    struct FetchableTopicResponse {
        /// The topic's name.
        topic: ByteString, all();
        /// The partitions.
        partitions: Vec<PartitionData>, all();
    }

    /// An element of [`FetchableTopicResponse::partitions`].
    struct PartitionData {
        /// The partition.
        partition_index: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The offset behind the last record that readers may see.
        high_watermark: i64, all();
        /// The offset in front of which every transaction has ended.
        last_stable_offset: i64 = -1, all();
        /// The first offset that is still there, or -1.
        log_start_offset: i64 = -1, from(5).ignorable();
        /// Where the log of the reader and this one part.
        diverging_epoch: FetchResponseEpochEndOffset, from(12).tag(0);
        /// Which broker leads the partition, when this one does not.
        current_leader: FetchResponseLeaderIdAndEpoch, from(12).tag(1);
        /// The snapshot to read instead.
        snapshot_id: SnapshotId, from(12).tag(2);
        /// The transactions whose records a reader of committed ones must leave out. Null without isolation.
        aborted_transactions: Option<Vec<AbortedTransaction>> = Some(Default::default()), all().nullable();
        /// A nearer broker to read from, or -1.
        preferred_read_replica: i32 = -1, from(11);
        /// The record batches.
        records: Option<Blob> = Some(Default::default()), all().nullable();
    }

    /// What [`PartitionData::diverging_epoch`] says.
    struct FetchResponseEpochEndOffset {
        /// The epoch.
        epoch: i32 = -1, from(12);
        /// The offset behind the last one of that epoch, or -1.
        end_offset: i64 = -1, from(12);
    }

    /// What [`PartitionData::current_leader`] says.
    struct FetchResponseLeaderIdAndEpoch {
        /// The broker that leads the partition, or -1.
        leader_id: i32 = -1, from(12);
        /// The epoch of the leader, or -1.
        leader_epoch: i32 = -1, from(12);
    }

    /// What [`PartitionData::snapshot_id`] says.
    struct SnapshotId {
        /// The offset behind the last one that the snapshot has.
        end_offset: i64 = -1, all();
        /// The epoch of the last record that the snapshot has.
        epoch: i32 = -1, all();
    }

    /// An element of [`PartitionData::aborted_transactions`].
    struct AbortedTransaction {
        /// The producer's number.
        producer_id: i64, all();
        /// Where the transaction begins.
        first_offset: i64, all();
    }
}
