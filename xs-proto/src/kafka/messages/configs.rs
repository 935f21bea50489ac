//! Configurations of topics and brokers.

use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{At, Field, Form, Kind, ReadError, Reader, Wire, WriteError, Writer, all, from};

structs! {
    /// Asks for configurations.
    struct DescribeConfigsRequest {
        /// What is asked about.
        resources: Vec<DescribeConfigsResource>, all();
        /// Whether to tell all places that give the value.
        include_synonyms: bool, all();
        /// Whether to tell what each value is for.
        include_documentation: bool, from(3);
    }

    /// An element of [`DescribeConfigsRequest::resources`].
    struct DescribeConfigsResource {
        /// What it is about: 2 a topic, 4 a broker.
        resource_type: i8, all();
        /// The topic's name, or the broker's number.
        resource_name: ByteString, all();
        /// The names to tell of; null for all.
        configuration_keys: Option<Vec<ByteString>> = Some(Default::default()), all().nullable();
    }

    /// The answer to [`DescribeConfigsRequest`].
    struct DescribeConfigsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The results, in the order of the request.
        results: Vec<DescribeConfigsResult>, all();
    }

    /// An element of [`DescribeConfigsResponse::results`].
    struct DescribeConfigsResult {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString> = Some(Default::default()), all().nullable();
        /// What it is about: 2 a topic, 4 a broker.
        resource_type: i8, all();
        /// The topic's name, or the broker's number.
        resource_name: ByteString, all();
        /// The values.
        configs: Vec<DescribeConfigsResourceResult>, all();
    }

    /// An element of [`DescribeConfigsResult::configs`].
    struct DescribeConfigsResourceResult {
        /// The name.
        name: ByteString, all();
        /// The value.
        value: Option<ByteString> = Some(Default::default()), all().nullable();
        /// Whether the value cannot be changed.
        read_only: bool, all();
        /// Where the value comes from: 1 the topic, 4 the broker's file, 5 the default, and others.
        config_source: i8 = -1, all();
        /// Whether the value is a secret, which is not told.
        is_sensitive: bool, all();
        /// All places that give the value, the strongest first.
        synonyms: Vec<DescribeConfigsSynonym>, all();
        /// The type of the value.
        config_type: i8, from(3).ignorable();
        /// What the value is for.
        documentation: Option<ByteString> = Some(Default::default()), from(3).nullable().ignorable();
    }

    /// An element of [`DescribeConfigsResourceResult::synonyms`].
    struct DescribeConfigsSynonym {
        /// The name.
        name: ByteString, all();
        /// The value.
        value: Option<ByteString> = Some(Default::default()), all().nullable();
        /// Where the value comes from: 1 the topic, 4 the broker's file, 5 the default, and others.
        source: i8, all();
    }

    /// Replaces configurations.
    struct AlterConfigsRequest {
        /// What to change.
        resources: Vec<AlterConfigsRequestAlterConfigsResource>, all();
        /// Whether to check only, and change nothing.
        validate_only: bool, all();
    }

    /// An element of [`AlterConfigsRequest::resources`].
    struct AlterConfigsRequestAlterConfigsResource {
        /// What it is about: 2 a topic, 4 a broker.
        resource_type: i8, all();
        /// The topic's name, or the broker's number.
        resource_name: ByteString, all();
        /// The values.
        configs: Vec<AlterConfigsRequestAlterableConfig>, all();
    }

    /// An element of [`AlterConfigsRequestAlterConfigsResource::configs`].
    struct AlterConfigsRequestAlterableConfig {
        /// The name.
        name: ByteString, all();
        /// The value.
        value: Option<ByteString> = Some(Default::default()), all().nullable();
    }

    /// The answer to [`AlterConfigsRequest`].
    struct AlterConfigsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The results, in the order of the request.
        responses: Vec<AlterConfigsResponseAlterConfigsResourceResponse>, all();
    }

    /// An element of [`AlterConfigsResponse::responses`].
    struct AlterConfigsResponseAlterConfigsResourceResponse {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString> = Some(Default::default()), all().nullable();
        /// What it is about: 2 a topic, 4 a broker.
        resource_type: i8, all();
        /// The topic's name, or the broker's number.
        resource_name: ByteString, all();
    }

    /// Changes single values of configurations.
    struct IncrementalAlterConfigsRequest {
        /// What to change.
        resources: Vec<IncrementalAlterConfigsRequestAlterConfigsResource>, all();
        /// Whether to check only, and change nothing.
        validate_only: bool, all();
    }

    /// An element of [`IncrementalAlterConfigsRequest::resources`].
    struct IncrementalAlterConfigsRequestAlterConfigsResource {
        /// What it is about: 2 a topic, 4 a broker.
        resource_type: i8, all();
        /// The topic's name, or the broker's number.
        resource_name: ByteString, all();
        /// The values.
        configs: Vec<IncrementalAlterConfigsRequestAlterableConfig>, all();
    }

    /// An element of [`IncrementalAlterConfigsRequestAlterConfigsResource::configs`].
    struct IncrementalAlterConfigsRequestAlterableConfig {
        /// The name.
        name: ByteString, all();
        /// 0 to set, 1 to go back to the default, 2 to append to a list, 3 to take from a list.
        config_operation: i8, all();
        /// The value.
        value: Option<ByteString> = Some(Default::default()), all().nullable();
    }

    /// The answer to [`IncrementalAlterConfigsRequest`].
    struct IncrementalAlterConfigsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The results, in the order of the request.
        responses: Vec<IncrementalAlterConfigsResponseAlterConfigsResourceResponse>, all();
    }

    /// An element of [`IncrementalAlterConfigsResponse::responses`].
    struct IncrementalAlterConfigsResponseAlterConfigsResourceResponse {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString> = Some(Default::default()), all().nullable();
        /// What it is about: 2 a topic, 4 a broker.
        resource_type: i8, all();
        /// The topic's name, or the broker's number.
        resource_name: ByteString, all();
    }
}
