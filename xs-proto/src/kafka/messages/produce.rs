//! Sending records.

use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{At, Blob, Field, Form, Kind, ReadError, Reader, Wire, WriteError, Writer, all, from};

structs! {
    /// Appends records to partitions.
    struct ProduceRequest {
        /// The producer's name for its transactions.
        transactional_id: Option<ByteString>, all().nullable();
        /// How many replicas must have the records before the answer: 0 for no answer at all, 1 for the leader, -1
        /// for all in sync.
        acks: i16, all();
        /// How long the broker may take, in milliseconds.
        timeout_ms: i32, all();
        /// The topics.
        topic_data: Vec<TopicProduceData>, all();
    }

    /// An element of [`ProduceRequest::topic_data`].
    struct TopicProduceData {
        /// The topic's name.
        name: ByteString, all();
        /// The partitions.
        partition_data: Vec<PartitionProduceData>, all();
    }

    /// An element of [`TopicProduceData::partition_data`].
    struct PartitionProduceData {
        /// The partition.
        index: i32, all();
        /// The record batches.
        records: Option<Blob> = Some(Default::default()), all().nullable();
    }

    /// The answer to [`ProduceRequest`].
    struct ProduceResponse {
        /// The topics.
        responses: Vec<TopicProduceResponse>, all();
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// Where the leaders that are named are found.
        node_endpoints: Vec<NodeEndpoint>, from(10).tag(0);
    }

    /// An element of [`ProduceResponse::responses`].
    struct TopicProduceResponse {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partition_responses: Vec<PartitionProduceResponse>, all();
    }

    /// An element of [`ProduceResponse::node_endpoints`].
    struct NodeEndpoint {
        /// The number of the broker.
        node_id: i32, from(10);
        /// The broker's host name.
        host: ByteString, from(10);
        /// The broker's port.
        port: i32, from(10);
        /// Where the broker stands.
        rack: Option<ByteString>, from(10).nullable();
    }

    /// An element of [`TopicProduceResponse::partition_responses`].
    struct PartitionProduceResponse {
        /// The partition.
        index: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The offset of the first record.
        base_offset: i64, all();
        /// The time that the broker gave the records, or -1 if they keep their own.
        log_append_time_ms: i64 = -1, all();
        /// The first offset that is still there, or -1.
        log_start_offset: i64 = -1, from(5).ignorable();
        /// The records that are to blame.
        record_errors: Vec<BatchIndexAndErrorMessage>, from(8).ignorable();
        /// What went wrong, for people.
        error_message: Option<ByteString>, from(8).nullable().ignorable();
        /// Which broker leads the partition, when this one does not.
        current_leader: ProduceResponseLeaderIdAndEpoch, from(10).tag(0);
    }

    /// An element of [`PartitionProduceResponse::record_errors`].
    struct BatchIndexAndErrorMessage {
        /// Which record, counted within the request.
        batch_index: i32, from(8);
        /// What is wrong with that record.
        batch_index_error_message: Option<ByteString>, from(8).nullable();
    }

    /// What [`PartitionProduceResponse::current_leader`] says.
    struct ProduceResponseLeaderIdAndEpoch {
        /// The broker that leads the partition, or -1.
        leader_id: i32 = -1, from(10);
        /// The epoch of the leader, or -1.
        leader_epoch: i32 = -1, from(10);
    }
}
