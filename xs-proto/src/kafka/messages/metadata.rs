//! Which brokers, topics and partitions there are.

use bytestring::ByteString;

use super::macros::{nullable_structs, structs};
use crate::kafka::ErrorCode;
use crate::kafka::wire::{
    At, Field, Form, Kind, ReadError, Reader, Uuid, Wire, WriteError, Writer, all, between, from,
};

structs! {
    /// Asks which brokers and topics there are; may create topics.
    struct MetadataRequest {
        /// The topics to tell of. All of them: null from version 1 on, and an empty list in version 0.
        topics: Option<Vec<MetadataRequestTopic>> = Some(Default::default()), all().null_from(1);
        /// Whether a topic that does not exist may be created.
        allow_auto_topic_creation: bool = true, from(4);
        /// Whether to tell what the client may do with the cluster.
        include_cluster_authorized_operations: bool, between(8, 10);
        /// Whether to tell what the client may do with each topic.
        include_topic_authorized_operations: bool, from(8);
    }

    /// An element of [`MetadataRequest::topics`].
    struct MetadataRequestTopic {
        /// The topic's identity.
        topic_id: Uuid, from(10).ignorable();
        /// The name.
        name: Option<ByteString> = Some(Default::default()), all().null_from(10);
    }

    /// The answer to [`MetadataRequest`].
    struct MetadataResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(3).ignorable();
        /// The brokers that are there.
        brokers: Vec<MetadataResponseBroker>, all();
        /// The cluster's name for itself.
        cluster_id: Option<ByteString>, from(2).nullable().ignorable();
        /// The broker that topics are created at, or -1.
        controller_id: i32 = -1, from(1).ignorable();
        /// The topics.
        topics: Vec<MetadataResponseTopic>, all();
        /// Which operations on the cluster the client may do, as bits.
        cluster_authorized_operations: i32 = i32::MIN, between(8, 10);
    }

    /// An element of [`MetadataResponse::brokers`].
    struct MetadataResponseBroker {
        /// The number of the broker.
        node_id: i32, all();
        /// The broker's host name.
        host: ByteString, all();
        /// The broker's port.
        port: i32, all();
        /// Where the broker stands.
        rack: Option<ByteString>, from(1).nullable().ignorable();
    }

    /// An element of [`MetadataResponse::topics`].
    struct MetadataResponseTopic {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The name.
        name: Option<ByteString> = Some(Default::default()), all().null_from(12);
        /// The topic's identity.
        topic_id: Uuid, from(10).ignorable();
        /// Whether the topic is the broker's own.
        is_internal: bool, from(1).ignorable();
        /// The partitions.
        partitions: Vec<MetadataResponsePartition>, all();
        /// Which operations on the topic the client may do, as bits.
        topic_authorized_operations: i32 = i32::MIN, from(8);
    }

    /// An element of [`MetadataResponseTopic::partitions`].
    struct MetadataResponsePartition {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The partition.
        partition_index: i32, all();
        /// The broker that leads the partition, or -1.
        leader_id: i32, all();
        /// The epoch of the leader, or -1.
        leader_epoch: i32 = -1, from(7).ignorable();
        /// The brokers that hold the partition.
        replica_nodes: Vec<i32>, all();
        /// The brokers that hold all of the partition.
        isr_nodes: Vec<i32>, all();
        /// Replicas that are not there.
        offline_replicas: Vec<i32>, from(5).ignorable();
    }

    /// Asks which brokers there are.
    struct DescribeClusterRequest {
        /// Whether to tell what the client may do with the cluster.
        include_cluster_authorized_operations: bool, all();
        /// 1 for brokers, 2 for controllers.
        endpoint_type: i8 = 1, from(1);
    }

    /// The answer to [`DescribeClusterRequest`].
    struct DescribeClusterResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString>, all().nullable();
        /// 1 for brokers, 2 for controllers.
        endpoint_type: i8 = 1, from(1);
        /// The cluster's name for itself.
        cluster_id: ByteString, all();
        /// The broker that topics are created at, or -1.
        controller_id: i32 = -1, all();
        /// The brokers that are there.
        brokers: Vec<DescribeClusterBroker>, all();
        /// Which operations on the cluster the client may do, as bits.
        cluster_authorized_operations: i32 = i32::MIN, all();
    }

    /// An element of [`DescribeClusterResponse::brokers`].
    struct DescribeClusterBroker {
        /// The number of a broker.
        broker_id: i32, all();
        /// The broker's host name.
        host: ByteString, all();
        /// The broker's port.
        port: i32, all();
        /// Where the broker stands.
        rack: Option<ByteString>, all().nullable();
    }

    /// Asks for topics and their partitions, page by page.
    struct DescribeTopicPartitionsRequest {
        /// The topics.
        topics: Vec<DescribeTopicPartitionsRequestTopicRequest>, all();
        /// How many partitions a page has at most.
        response_partition_limit: i32 = 2000, all();
        /// Where to go on; null for the start.
        cursor: Option<DescribeTopicPartitionsRequestCursor>, all().nullable();
    }

    /// An element of [`DescribeTopicPartitionsRequest::topics`].
    struct DescribeTopicPartitionsRequestTopicRequest {
        /// The name.
        name: ByteString, all();
    }

    /// What [`DescribeTopicPartitionsRequest::cursor`] says.
    struct DescribeTopicPartitionsRequestCursor {
        /// The topic's name.
        topic_name: ByteString, all();
        /// The partition.
        partition_index: i32, all();
    }

    /// The answer to [`DescribeTopicPartitionsRequest`].
    struct DescribeTopicPartitionsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The topics.
        topics: Vec<DescribeTopicPartitionsResponseTopic>, all();
        /// Where the next page begins; null at the end.
        next_cursor: Option<DescribeTopicPartitionsResponseCursor>, all().nullable();
    }

    /// An element of [`DescribeTopicPartitionsResponse::topics`].
    struct DescribeTopicPartitionsResponseTopic {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The name.
        name: Option<ByteString> = Some(Default::default()), all().nullable();
        /// The topic's identity.
        topic_id: Uuid, all();
        /// Whether the topic is the broker's own.
        is_internal: bool, all();
        /// The partitions.
        partitions: Vec<DescribeTopicPartitionsResponsePartition>, all();
        /// Which operations on the topic the client may do, as bits.
        topic_authorized_operations: i32 = i32::MIN, all();
    }

    /// What [`DescribeTopicPartitionsResponse::next_cursor`] says.
    struct DescribeTopicPartitionsResponseCursor {
        /// The topic's name.
        topic_name: ByteString, all();
        /// The partition.
        partition_index: i32, all();
    }

    /// An element of [`DescribeTopicPartitionsResponseTopic::partitions`].
    struct DescribeTopicPartitionsResponsePartition {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The partition.
        partition_index: i32, all();
        /// The broker that leads the partition, or -1.
        leader_id: i32, all();
        /// The epoch of the leader, or -1.
        leader_epoch: i32 = -1, all();
        /// The brokers that hold the partition.
        replica_nodes: Vec<i32>, all();
        /// The brokers that hold all of the partition.
        isr_nodes: Vec<i32>, all();
        /// Replicas outside of the ones in sync that may still lead.
        eligible_leader_replicas: Option<Vec<i32>>, all().nullable();
        /// Replicas that were the last to be in sync.
        last_known_elr: Option<Vec<i32>>, all().nullable();
        /// Replicas that are not there.
        offline_replicas: Vec<i32>, all();
    }
}

nullable_structs! {
    DescribeTopicPartitionsRequestCursor,
    DescribeTopicPartitionsResponseCursor,
}
