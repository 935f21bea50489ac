//! Which requests there are, in which versions, and one type for all of them.

use std::ops::RangeInclusive;

use super::*;
use crate::kafka::wire::{Form, Kind, ReadError, Reader, Wire, WriteError, Writer};

/// A request with an answer: what a client sends.
pub trait Call: Wire {
    /// Its number and versions.
    const API: ApiKey;
    /// Its answer.
    type Response: Wire;
}

macro_rules! apis {
    ($(
        $(#[$doc:meta])*
        $name:ident = $key:literal, $versions:expr, flexible $flexible:expr, $request:ident => $response:ident;
    )*) => {
        /// The requests, by their number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ApiKey {
            $($(#[$doc])* $name = $key,)*
        }

        impl ApiKey {
            /// All of them, by number.
            pub const ALL: &'static [ApiKey] = &[$(ApiKey::$name,)*];

            /// The request with this number.
            pub const fn from_code(code: i16) -> Option<ApiKey> {
                match code {
                    $($key => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            /// Its name, as Kafka's documentation has it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ApiKey::$name => stringify!($name),)*
                }
            }

            /// The versions that this crate reads and writes.
            pub const fn versions(self) -> RangeInclusive<i16> {
                match self {
                    $(ApiKey::$name => $versions,)*
                }
            }

            /// Whether `version` is a flexible one, of the request and of its answer.
            #[inline]
            pub const fn is_flexible(self, version: i16) -> bool {
                match self {
                    $(ApiKey::$name => version >= $flexible,)*
                }
            }

            /// What the request and its answer are made of.
            pub const fn kinds(self) -> (Kind, Kind) {
                match self {
                    $(ApiKey::$name => (<$request as Wire>::KIND, <$response as Wire>::KIND),)*
                }
            }
        }

        $(impl Call for $request {
            const API: ApiKey = ApiKey::$name;
            type Response = $response;
        })*

        /// Any request.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "each is the message of that name")]
        #[non_exhaustive]
        pub enum Request {
            $($name($request),)*
        }

        impl Request {
            /// Which it is.
            pub const fn api(&self) -> ApiKey {
                match self {
                    $(Request::$name(_) => ApiKey::$name,)*
                }
            }

            /// Takes a request off the front.
            pub fn read(api: ApiKey, version: i16, reader: &mut Reader) -> Result<Request, ReadError> {
                let form = api.form(version).ok_or(ReadError::Version(version))?;
                Ok(match api {
                    $(ApiKey::$name => Request::$name(Wire::read(reader, form)?),)*
                })
            }

            /// Appends the request.
            pub fn write(&self, version: i16, writer: &mut Writer<'_>) -> Result<(), WriteError> {
                let form = self.api().form(version).ok_or(WriteError::Version(version))?;
                match self {
                    $(Request::$name(request) => request.write(writer, form),)*
                }
            }
        }

        /// Any answer.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "each is the message of that name")]
        #[non_exhaustive]
        pub enum Response {
            $($name($response),)*
        }

        impl Response {
            /// What it answers.
            pub const fn api(&self) -> ApiKey {
                match self {
                    $(Response::$name(_) => ApiKey::$name,)*
                }
            }

            /// Takes an answer off the front.
            pub fn read(api: ApiKey, version: i16, reader: &mut Reader) -> Result<Response, ReadError> {
                let form = api.form(version).ok_or(ReadError::Version(version))?;
                Ok(match api {
                    $(ApiKey::$name => Response::$name(Wire::read(reader, form)?),)*
                })
            }

            /// Appends the answer.
            pub fn write(&self, version: i16, writer: &mut Writer<'_>) -> Result<(), WriteError> {
                let form = self.api().form(version).ok_or(WriteError::Version(version))?;
                match self {
                    $(Response::$name(response) => response.write(writer, form),)*
                }
            }
        }

        $(
            impl From<$request> for Request {
                fn from(request: $request) -> Request {
                    Request::$name(request)
                }
            }

            impl From<$response> for Response {
                fn from(response: $response) -> Response {
                    Response::$name(response)
                }
            }
        )*
    };
}

apis! {
    /// Appends records to partitions.
    Produce = 0, 3..=10, flexible 9, ProduceRequest => ProduceResponse;
    /// Gets records from offsets on, and may wait for them.
    Fetch = 1, 4..=12, flexible 12, FetchRequest => FetchResponse;
    /// Asks for the offset at a time, or for the first or last one.
    ListOffsets = 2, 1..=7, flexible 6, ListOffsetsRequest => ListOffsetsResponse;
    /// Asks which brokers and topics there are; may create topics.
    Metadata = 3, 0..=12, flexible 9, MetadataRequest => MetadataResponse;
    /// Remembers how far a group has read.
    OffsetCommit = 8, 2..=9, flexible 8, OffsetCommitRequest => OffsetCommitResponse;
    /// Asks how far groups have read.
    OffsetFetch = 9, 1..=9, flexible 6, OffsetFetchRequest => OffsetFetchResponse;
    /// Asks which broker looks after a group or a transaction.
    FindCoordinator = 10, 0..=3, flexible 3, FindCoordinatorRequest => FindCoordinatorResponse;
    /// Joins a group, and waits until all members have.
    JoinGroup = 11, 0..=7, flexible 6, JoinGroupRequest => JoinGroupResponse;
    /// Says that a member is alive.
    Heartbeat = 12, 0..=4, flexible 4, HeartbeatRequest => HeartbeatResponse;
    /// Leaves a group.
    LeaveGroup = 13, 0..=5, flexible 4, LeaveGroupRequest => LeaveGroupResponse;
    /// Brings the assignment that the group's leader has made, and gets one's own.
    SyncGroup = 14, 0..=5, flexible 4, SyncGroupRequest => SyncGroupResponse;
    /// Asks what a group is doing.
    DescribeGroups = 15, 0..=5, flexible 5, DescribeGroupsRequest => DescribeGroupsResponse;
    /// Asks which groups there are.
    ListGroups = 16, 0..=5, flexible 3, ListGroupsRequest => ListGroupsResponse;
    /// Chooses a SASL mechanism.
    SaslHandshake = 17, 0..=1, flexible i16::MAX, SaslHandshakeRequest => SaslHandshakeResponse;
    /// Asks which requests, in which versions, the broker answers.
    ApiVersions = 18, 0..=4, flexible 3, ApiVersionsRequest => ApiVersionsResponse;
    /// Creates topics.
    CreateTopics = 19, 2..=7, flexible 5, CreateTopicsRequest => CreateTopicsResponse;
    /// Deletes topics.
    DeleteTopics = 20, 1..=6, flexible 4, DeleteTopicsRequest => DeleteTopicsResponse;
    /// Deletes the records in front of an offset.
    DeleteRecords = 21, 0..=2, flexible 2, DeleteRecordsRequest => DeleteRecordsResponse;
    /// Gets a producer's identity, and fences older producers of the same transactional id.
    InitProducerId = 22, 0..=4, flexible 2, InitProducerIdRequest => InitProducerIdResponse;
    /// Asks where the records of a leader's epoch end.
    OffsetForLeaderEpoch = 23, 2..=4, flexible 4, OffsetForLeaderEpochRequest => OffsetForLeaderEpochResponse;
    /// Makes partitions part of a transaction.
    AddPartitionsToTxn = 24, 0..=3, flexible 3, AddPartitionsToTxnRequest => AddPartitionsToTxnResponse;
    /// Makes a group's offsets part of a transaction.
    AddOffsetsToTxn = 25, 0..=3, flexible 3, AddOffsetsToTxnRequest => AddOffsetsToTxnResponse;
    /// Ends a transaction.
    EndTxn = 26, 0..=3, flexible 3, EndTxnRequest => EndTxnResponse;
    /// Commits offsets as a part of a transaction.
    TxnOffsetCommit = 28, 0..=3, flexible 3, TxnOffsetCommitRequest => TxnOffsetCommitResponse;
    /// Asks for access rules.
    DescribeAcls = 29, 1..=3, flexible 2, DescribeAclsRequest => DescribeAclsResponse;
    /// Adds access rules.
    CreateAcls = 30, 1..=3, flexible 2, CreateAclsRequest => CreateAclsResponse;
    /// Removes access rules.
    DeleteAcls = 31, 1..=3, flexible 2, DeleteAclsRequest => DeleteAclsResponse;
    /// Asks for configurations.
    DescribeConfigs = 32, 1..=4, flexible 4, DescribeConfigsRequest => DescribeConfigsResponse;
    /// Replaces configurations.
    AlterConfigs = 33, 0..=2, flexible 2, AlterConfigsRequest => AlterConfigsResponse;
    /// Carries the bytes of a SASL exchange.
    SaslAuthenticate = 36, 0..=2, flexible 2, SaslAuthenticateRequest => SaslAuthenticateResponse;
    /// Adds partitions to topics.
    CreatePartitions = 37, 0..=3, flexible 2, CreatePartitionsRequest => CreatePartitionsResponse;
    /// Deletes groups.
    DeleteGroups = 42, 0..=2, flexible 2, DeleteGroupsRequest => DeleteGroupsResponse;
    /// Changes single values of configurations.
    IncrementalAlterConfigs = 44, 0..=1, flexible 1, IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse;
    /// Forgets what a group has committed.
    OffsetDelete = 47, 0..=0, flexible i16::MAX, OffsetDeleteRequest => OffsetDeleteResponse;
    /// Asks which brokers there are.
    DescribeCluster = 60, 0..=1, flexible 0, DescribeClusterRequest => DescribeClusterResponse;
    /// Asks which producers write to partitions.
    DescribeProducers = 61, 0..=0, flexible 0, DescribeProducersRequest => DescribeProducersResponse;
    /// Asks what transactions are doing.
    DescribeTransactions = 65, 0..=0, flexible 0, DescribeTransactionsRequest => DescribeTransactionsResponse;
    /// Asks which transactions there are.
    ListTransactions = 66, 0..=1, flexible 0, ListTransactionsRequest => ListTransactionsResponse;
    /// Asks for topics and their partitions, page by page.
    DescribeTopicPartitions = 75, 0..=0, flexible 0, DescribeTopicPartitionsRequest => DescribeTopicPartitionsResponse;
}

impl ApiKey {
    /// Its number.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Whether this crate reads and writes `version`.
    pub fn has(self, version: i16) -> bool {
        self.versions().contains(&version)
    }

    /// The form of messages in `version`, if this crate has that.
    pub fn form(self, version: i16) -> Option<Form> {
        self.has(version).then(|| Form::new(version, self.is_flexible(version)))
    }

    /// The entry that an answer to ApiVersions has for this request.
    ///
    /// Produce is listed from version 0 on, though it is read from version 3 on: librdkafka takes a broker without the old
    /// versions for one that cannot compress.
    pub fn listed(self) -> ApiVersion {
        let versions = self.versions();
        let min_version = if self == ApiKey::Produce { 0 } else { *versions.start() };
        ApiVersion { api_key: self.code(), min_version, max_version: *versions.end() }
    }
}
