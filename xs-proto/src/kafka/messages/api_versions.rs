//! What the broker speaks.

use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{At, Field, Form, Kind, ReadError, Reader, Wire, WriteError, Writer, all, from};

structs! {
    /// Asks which requests, in which versions, the broker answers.
    struct ApiVersionsRequest {
        /// The client library.
        client_software_name: ByteString, from(3).ignorable();
        /// The client library's version.
        client_software_version: ByteString, from(3).ignorable();
    }

    /// The answer to [`ApiVersionsRequest`].
    struct ApiVersionsResponse {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The requests and their versions.
        api_keys: Vec<ApiVersion>, all();
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(1).ignorable();
        /// The features that the broker knows.
        supported_features: Vec<SupportedFeatureKey>, from(3).tag(0).ignorable();
        /// The epoch of that agreement, or -1.
        finalized_features_epoch: i64 = -1, from(3).tag(1).ignorable();
        /// The features that the cluster has agreed on.
        finalized_features: Vec<FinalizedFeatureKey>, from(3).tag(2).ignorable();
        /// Whether the cluster is moving from ZooKeeper.
        zk_migration_ready: bool, from(3).tag(3).ignorable();
    }

    /// An element of [`ApiVersionsResponse::api_keys`].
    struct ApiVersion {
        /// The number of the request.
        api_key: i16, all();
        /// The lowest version.
        min_version: i16, all();
        /// The highest version.
        max_version: i16, all();
    }

    /// An element of [`ApiVersionsResponse::supported_features`].
    struct SupportedFeatureKey {
        /// The name.
        name: ByteString, from(3);
        /// The lowest version.
        min_version: i16, from(3);
        /// The highest version.
        max_version: i16, from(3);
    }

    /// An element of [`ApiVersionsResponse::finalized_features`].
    struct FinalizedFeatureKey {
        /// The name.
        name: ByteString, from(3);
        /// The highest level.
        max_version_level: i16, from(3);
        /// The lowest level.
        min_version_level: i16, from(3);
    }
}
