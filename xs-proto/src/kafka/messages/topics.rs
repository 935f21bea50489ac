//! Making topics, and deleting them and their records.

use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{
    At, Field, Form, Kind, ReadError, Reader, Uuid, Wire, WriteError, Writer, all, between, from,
};

structs! {
    /// Creates topics.
    struct CreateTopicsRequest {
        /// The topics.
        topics: Vec<CreatableTopic>, all();
        /// How long the broker may take, in milliseconds.
        timeout_ms: i32 = 60000, all();
        /// Whether to check only, and change nothing.
        validate_only: bool, all();
    }

    /// An element of [`CreateTopicsRequest::topics`].
    struct CreatableTopic {
        /// The name.
        name: ByteString, all();
        /// How many partitions, or -1 for the broker's default.
        num_partitions: i32, all();
        /// How many brokers hold each partition, or -1 for the broker's default.
        replication_factor: i16, all();
        /// For each partition the brokers that shall hold it, or nothing to let the broker choose.
        assignments: Vec<CreatableReplicaAssignment>, all();
        /// Values that differ from the defaults.
        configs: Vec<CreatableTopicConfig>, all();
    }

    /// An element of [`CreatableTopic::assignments`].
    struct CreatableReplicaAssignment {
        /// The partition.
        partition_index: i32, all();
        /// The numbers of brokers.
        broker_ids: Vec<i32>, all();
    }

    /// An element of [`CreatableTopic::configs`].
    struct CreatableTopicConfig {
        /// The name.
        name: ByteString, all();
        /// The value.
        value: Option<ByteString> = Some(Default::default()), all().nullable();
    }

    /// The answer to [`CreateTopicsRequest`].
    struct CreateTopicsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The topics.
        topics: Vec<CreatableTopicResult>, all();
    }

    /// An element of [`CreateTopicsResponse::topics`].
    struct CreatableTopicResult {
        /// The name.
        name: ByteString, all();
        /// The topic's identity.
        topic_id: Uuid, from(7).ignorable();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString> = Some(Default::default()), all().nullable();
        /// Why the configuration is not told, or nothing.
        topic_config_error_code: ErrorCode, from(5).tag(0).ignorable();
        /// How many partitions, or -1 if that is not told.
        num_partitions: i32 = -1, from(5).ignorable();
        /// How many brokers hold each partition, or -1 if that is not told.
        replication_factor: i16 = -1, from(5).ignorable();
        /// The values.
        configs: Option<Vec<CreatableTopicConfigs>> = Some(Default::default()), from(5).nullable().ignorable();
    }

    /// An element of [`CreatableTopicResult::configs`].
    struct CreatableTopicConfigs {
        /// The name.
        name: ByteString, from(5);
        /// The value.
        value: Option<ByteString> = Some(Default::default()), from(5).nullable();
        /// Whether the value cannot be changed.
        read_only: bool, from(5);
        /// Where the value comes from: 1 the topic, 4 the broker's file, 5 the default, and others.
        config_source: i8 = -1, from(5).ignorable();
        /// Whether the value is a secret, which is not told.
        is_sensitive: bool, from(5);
    }

    /// Deletes topics.
    struct DeleteTopicsRequest {
        /// The topics.
        topics: Vec<DeleteTopicState>, from(6);
        /// The topics' names.
        topic_names: Vec<ByteString>, between(0, 5).ignorable();
        /// How long the broker may take, in milliseconds.
        timeout_ms: i32, all();
    }

    /// An element of [`DeleteTopicsRequest::topics`].
    struct DeleteTopicState {
        /// The name.
        name: Option<ByteString>, from(6).nullable();
        /// The topic's identity.
        topic_id: Uuid, from(6);
    }

    /// The answer to [`DeleteTopicsRequest`].
    struct DeleteTopicsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The topics.
        responses: Vec<DeletableTopicResult>, all();
    }

    /// An element of [`DeleteTopicsResponse::responses`].
    struct DeletableTopicResult {
        /// The name.
        name: Option<ByteString> = Some(Default::default()), all().null_from(6);
        /// The topic's identity.
        topic_id: Uuid, from(6).ignorable();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString>, from(5).nullable().ignorable();
    }

    /// Deletes the records in front of an offset.
    struct DeleteRecordsRequest {
        /// The topics.
        topics: Vec<DeleteRecordsTopic>, all();
        /// How long the broker may take, in milliseconds.
        timeout_ms: i32, all();
    }

    /// An element of [`DeleteRecordsRequest::topics`].
    struct DeleteRecordsTopic {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<DeleteRecordsPartition>, all();
    }

    /// An element of [`DeleteRecordsTopic::partitions`].
    struct DeleteRecordsPartition {
        /// The partition.
        partition_index: i32, all();
        /// The first offset to keep; -1 stands for the high watermark.
        offset: i64, all();
    }

    /// The answer to [`DeleteRecordsRequest`].
    struct DeleteRecordsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The topics.
        topics: Vec<DeleteRecordsTopicResult>, all();
    }

    /// An element of [`DeleteRecordsResponse::topics`].
    struct DeleteRecordsTopicResult {
        /// The name.
        name: ByteString, all();
        /// The partitions.
        partitions: Vec<DeleteRecordsPartitionResult>, all();
    }

    /// An element of [`DeleteRecordsTopicResult::partitions`].
    struct DeleteRecordsPartitionResult {
        /// The partition.
        partition_index: i32, all();
        /// The first offset that is still there, or -1.
        low_watermark: i64, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
    }

    /// Adds partitions to topics.
    struct CreatePartitionsRequest {
        /// The topics.
        topics: Vec<CreatePartitionsTopic>, all();
        /// How long the broker may take, in milliseconds.
        timeout_ms: i32, all();
        /// Whether to check only, and change nothing.
        validate_only: bool, all();
    }

    /// An element of [`CreatePartitionsRequest::topics`].
    struct CreatePartitionsTopic {
        /// The name.
        name: ByteString, all();
        /// How many partitions there shall be.
        count: i32, all();
        /// For each partition the brokers that shall hold it, or nothing to let the broker choose.
        assignments: Option<Vec<CreatePartitionsAssignment>> = Some(Default::default()), all().nullable();
    }

    /// An element of [`CreatePartitionsTopic::assignments`].
    struct CreatePartitionsAssignment {
        /// The numbers of brokers.
        broker_ids: Vec<i32>, all();
    }

    /// The answer to [`CreatePartitionsRequest`].
    struct CreatePartitionsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The results, in the order of the request.
        results: Vec<CreatePartitionsTopicResult>, all();
    }

    /// An element of [`CreatePartitionsResponse::results`].
    struct CreatePartitionsTopicResult {
        /// The name.
        name: ByteString, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString>, all().nullable();
    }
}
