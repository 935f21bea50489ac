//! The errors that answers carry.

use std::fmt;

use super::records::BatchError;
use super::wire::{Form, Kind, ReadError, Reader, Wire, WriteError, Writer};

/// What went wrong with a request or a part of it: a number, of which zero is success. A number that this crate has no name
/// for stays what it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrorCode(pub i16);

macro_rules! errors {
    ($($code:literal $name:ident $($retriable:ident)?: $text:literal;)*) => {
        impl ErrorCode {
            $(#[doc = concat!("Error ", stringify!($code), ": ", $text, ".")]
            pub const $name: ErrorCode = ErrorCode($code);)*

            /// All that have a name.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)*];

            /// Name, whether it is retriable, and text.
            const fn entry(self) -> Option<(&'static str, bool, &'static str)> {
                match self.0 {
                    $($code => Some((stringify!($name), errors!(@ $($retriable)?), $text)),)*
                    _ => None,
                }
            }
        }
    };
    (@) => { false };
    (@ retriable) => { true };
}

impl ErrorCode {
    /// Whether it is none.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// Whether it is one.
    pub const fn is_err(self) -> bool {
        self.0 != 0
    }

    /// The name that all clients know it by, such as `CORRUPT_MESSAGE`.
    pub const fn name(self) -> Option<&'static str> {
        match self.entry() {
            Some((name, ..)) => Some(name),
            None => None,
        }
    }

    /// What it says, for people.
    pub const fn text(self) -> &'static str {
        match self.entry() {
            Some((.., text)) => text,
            None => "an error that this version does not know",
        }
    }

    /// Whether the same request may succeed later, perhaps elsewhere: what clients take as the reason to try again.
    pub const fn is_retriable(self) -> bool {
        matches!(self.entry(), Some((_, true, _)))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "ErrorCode({})", self.0),
        }
    }
}

impl Wire for ErrorCode {
    const KIND: Kind = Kind::Int16;

    fn read(reader: &mut Reader, form: Form) -> Result<Self, ReadError> {
        i16::read(reader, form).map(ErrorCode)
    }

    fn write(&self, writer: &mut Writer<'_>, form: Form) -> Result<(), WriteError> {
        self.0.write(writer, form)
    }
}

/// What a producer is told about a batch that is not accepted.
impl From<BatchError> for ErrorCode {
    fn from(error: BatchError) -> ErrorCode {
        match error {
            BatchError::Magic(_) => ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
            BatchError::UnknownCompression(_) | BatchError::Unsupported(_) => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            BatchError::TooLarge(_) => ErrorCode::MESSAGE_TOO_LARGE,
            BatchError::Count | BatchError::Control | BatchError::Producer | BatchError::Record(_) => {
                ErrorCode::INVALID_RECORD
            }
            _ => ErrorCode::CORRUPT_MESSAGE,
        }
    }
}

errors! {
    -1 UNKNOWN_SERVER_ERROR: "an unexpected error in the broker";
    0 NONE: "no error";
    1 OFFSET_OUT_OF_RANGE: "the offset is outside of the partition";
    2 CORRUPT_MESSAGE retriable: "the record batch is damaged, too long, or without a key that the topic wants";
    3 UNKNOWN_TOPIC_OR_PARTITION retriable: "the broker does not have this partition";
    4 INVALID_FETCH_SIZE: "the size to fetch is not possible";
    5 LEADER_NOT_AVAILABLE retriable: "the partition has no leader at the moment";
    6 NOT_LEADER_OR_FOLLOWER retriable: "the broker does not lead this partition, or does not hold it";
    7 REQUEST_TIMED_OUT retriable: "the request took too long";
    8 BROKER_NOT_AVAILABLE: "the broker is not there";
    9 REPLICA_NOT_AVAILABLE retriable: "the replica is not there";
    10 MESSAGE_TOO_LARGE: "the record batch is longer than the broker allows";
    11 STALE_CONTROLLER_EPOCH: "the controller has moved";
    12 OFFSET_METADATA_TOO_LARGE: "the text with a committed offset is too long";
    13 NETWORK_EXCEPTION retriable: "the connection ended before the answer";
    14 COORDINATOR_LOAD_IN_PROGRESS retriable: "the coordinator is still loading";
    15 COORDINATOR_NOT_AVAILABLE retriable: "the coordinator is not there";
    16 NOT_COORDINATOR retriable: "the broker does not coordinate this group or transaction";
    17 INVALID_TOPIC_EXCEPTION: "the topic's name is not possible, or the topic is not for clients";
    18 RECORD_LIST_TOO_LARGE: "the record batch is longer than a segment";
    19 NOT_ENOUGH_REPLICAS retriable: "fewer replicas are in sync than the topic wants";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND retriable: "the records are written, to fewer replicas than the topic wants";
    21 INVALID_REQUIRED_ACKS: "acknowledgements can be 0, 1 or -1";
    22 ILLEGAL_GENERATION: "the group has been rebalanced since";
    23 INCONSISTENT_GROUP_PROTOCOL: "the members of the group have no protocol in common";
    24 INVALID_GROUP_ID: "the group's name is not possible";
    25 UNKNOWN_MEMBER_ID: "the group does not have this member";
    26 INVALID_SESSION_TIMEOUT: "the session timeout is outside of what the broker allows";
    27 REBALANCE_IN_PROGRESS: "the group is being rebalanced, so join again";
    28 INVALID_COMMIT_OFFSET_SIZE: "the offset to commit is too large";
    29 TOPIC_AUTHORIZATION_FAILED: "not allowed on this topic";
    30 GROUP_AUTHORIZATION_FAILED: "not allowed on this group";
    31 CLUSTER_AUTHORIZATION_FAILED: "not allowed on the cluster";
    32 INVALID_TIMESTAMP: "the record's time is outside of what the topic allows";
    33 UNSUPPORTED_SASL_MECHANISM: "the broker does not have this SASL mechanism";
    34 ILLEGAL_SASL_STATE: "not in this state of authentication";
    35 UNSUPPORTED_VERSION: "the broker does not know this version of the request";
    36 TOPIC_ALREADY_EXISTS: "the topic exists already";
    37 INVALID_PARTITIONS: "the number of partitions is not possible";
    38 INVALID_REPLICATION_FACTOR: "the replication factor is not possible";
    39 INVALID_REPLICA_ASSIGNMENT: "the assignment of replicas is not possible";
    40 INVALID_CONFIG: "the configuration is not possible";
    41 NOT_CONTROLLER retriable: "the broker is not the controller";
    42 INVALID_REQUEST: "the request makes no sense";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT: "the message format on the broker has no place for this";
    44 POLICY_VIOLATION: "the broker's policy forbids it";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER: "a batch of this producer is missing in front of this one";
    46 DUPLICATE_SEQUENCE_NUMBER: "this batch was written before";
    47 INVALID_PRODUCER_EPOCH: "the producer has been replaced by a newer one";
    48 INVALID_TXN_STATE: "not in this state of the transaction";
    49 INVALID_PRODUCER_ID_MAPPING: "the producer does not belong to this transactional id";
    50 INVALID_TRANSACTION_TIMEOUT: "the transaction timeout is longer than the broker allows";
    51 CONCURRENT_TRANSACTIONS retriable: "another operation on the transaction is under way";
    52 TRANSACTION_COORDINATOR_FENCED: "the coordinator has been replaced by a newer one";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "not allowed on this transactional id";
    54 SECURITY_DISABLED: "the broker has no access rules";
    55 OPERATION_NOT_ATTEMPTED: "not tried, because another part of the request failed";
    56 KAFKA_STORAGE_ERROR retriable: "the broker's disk failed";
    57 LOG_DIR_NOT_FOUND: "the broker does not have this log directory";
    58 SASL_AUTHENTICATION_FAILED: "authentication failed";
    59 UNKNOWN_PRODUCER_ID: "the broker does not remember this producer";
    60 REASSIGNMENT_IN_PROGRESS: "the partition's replicas are being moved";
    61 DELEGATION_TOKEN_AUTH_DISABLED: "the broker has no delegation tokens";
    62 DELEGATION_TOKEN_NOT_FOUND: "the delegation token does not exist";
    63 DELEGATION_TOKEN_OWNER_MISMATCH: "the delegation token belongs to another principal";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: "delegation tokens are not given out on this connection";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED: "not allowed on this delegation token";
    66 DELEGATION_TOKEN_EXPIRED: "the delegation token has expired";
    67 INVALID_PRINCIPAL_TYPE: "the type of the principal is not possible";
    68 NON_EMPTY_GROUP: "the group still has members";
    69 GROUP_ID_NOT_FOUND: "the group does not exist";
    70 FETCH_SESSION_ID_NOT_FOUND retriable: "the fetch session does not exist";
    71 INVALID_FETCH_SESSION_EPOCH retriable: "the fetch session expected another epoch";
    72 LISTENER_NOT_FOUND retriable: "the leader has no listener of this name";
    73 TOPIC_DELETION_DISABLED: "topics cannot be deleted";
    74 FENCED_LEADER_EPOCH retriable: "the client knows an older leader than the broker";
    75 UNKNOWN_LEADER_EPOCH retriable: "the client knows a newer leader than the broker";
    76 UNSUPPORTED_COMPRESSION_TYPE: "the client does not know this compression";
    77 STALE_BROKER_EPOCH: "the broker has restarted since";
    78 OFFSET_NOT_AVAILABLE retriable: "a new leader does not know the offset yet";
    79 MEMBER_ID_REQUIRED: "join again with the member id of this answer";
    80 PREFERRED_LEADER_NOT_AVAILABLE retriable: "the preferred leader is not there";
    81 GROUP_MAX_SIZE_REACHED: "the group has as many members as it may have";
    82 FENCED_INSTANCE_ID: "another member has taken over this static name";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE retriable: "no replica can become the leader";
    84 ELECTION_NOT_NEEDED retriable: "the partition needs no election";
    85 NO_REASSIGNMENT_IN_PROGRESS: "no replicas are being moved";
    86 GROUP_SUBSCRIBED_TO_TOPIC: "the group reads this topic";
    87 INVALID_RECORD: "a record is not possible";
    88 UNSTABLE_OFFSET_COMMIT retriable: "an open transaction may still change the offset";
    89 THROTTLING_QUOTA_EXCEEDED retriable: "the client has used up its quota";
    90 PRODUCER_FENCED: "a newer producer has taken over the transactional id";
    91 RESOURCE_NOT_FOUND: "the resource does not exist";
    92 DUPLICATE_RESOURCE: "the resource stands twice in the request";
    93 UNACCEPTABLE_CREDENTIAL: "the credential is not good enough";
    94 INCONSISTENT_VOTER_SET: "the voters differ from those expected";
    95 INVALID_UPDATE_VERSION: "the version of the feature is not possible";
    96 FEATURE_UPDATE_FAILED: "the features could not be changed";
    97 PRINCIPAL_DESERIALIZATION_FAILURE: "the forwarded principal could not be read";
    98 SNAPSHOT_NOT_FOUND: "the snapshot does not exist";
    99 POSITION_OUT_OF_RANGE: "the position is outside of the snapshot";
    100 UNKNOWN_TOPIC_ID retriable: "the broker does not have a topic with this id";
    101 DUPLICATE_BROKER_REGISTRATION: "the broker's number is taken";
    102 BROKER_ID_NOT_REGISTERED: "no broker has this number";
    103 INCONSISTENT_TOPIC_ID retriable: "the topic id is another one than the log's";
    104 INCONSISTENT_CLUSTER_ID: "the cluster id is another one than the broker's";
    105 TRANSACTIONAL_ID_NOT_FOUND: "the transactional id does not exist";
    106 FETCH_SESSION_TOPIC_ID_ERROR retriable: "the fetch session uses names and ids of topics mixed";
    107 INELIGIBLE_REPLICA: "a replica may not be in sync";
    108 NEW_LEADER_ELECTED: "another leader has been elected meanwhile";
    109 OFFSET_MOVED_TO_TIERED_STORAGE: "the offset has moved to other storage";
    110 FENCED_MEMBER_EPOCH: "the member's epoch is over, so join again";
    111 UNRELEASED_INSTANCE_ID: "the static name is still in use";
    112 UNSUPPORTED_ASSIGNOR: "the broker does not have this assignor";
    113 STALE_MEMBER_EPOCH: "the member's epoch is old";
    114 MISMATCHED_ENDPOINT_TYPE: "the request went to the wrong kind of endpoint";
    115 UNSUPPORTED_ENDPOINT_TYPE: "this kind of endpoint does not exist";
    116 UNKNOWN_CONTROLLER_ID: "no controller has this number";
    117 UNKNOWN_SUBSCRIPTION_ID: "the telemetry subscription is not known";
    118 TELEMETRY_TOO_LARGE: "the telemetry is too large";
    119 INVALID_REGISTRATION: "the registration is not possible";
    120 TRANSACTION_ABORTABLE: "the transaction must be aborted, and then the producer can go on";
    121 INVALID_RECORD_STATE: "the record is not in this state";
    122 SHARE_SESSION_NOT_FOUND retriable: "the share session does not exist";
    123 INVALID_SHARE_SESSION_EPOCH retriable: "the share session expected another epoch";
    124 FENCED_STATE_EPOCH: "the share group's state has another epoch";
    125 INVALID_VOTER_KEY: "the voter has another key";
    126 DUPLICATE_VOTER: "the voter exists already";
    127 VOTER_NOT_FOUND: "the voter does not exist";
    128 INVALID_REGULAR_EXPRESSION: "the regular expression is not possible";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_number_and_its_name() {
        let codes: Vec<i16> = ErrorCode::ALL.iter().map(|error| error.0).collect();
        assert_eq!(codes, (-1..=128).collect::<Vec<_>>());
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|error| error.name().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        assert_eq!(format!("{:?} {:?}", ErrorCode(2), ErrorCode(999)), "CORRUPT_MESSAGE ErrorCode(999)");
        assert!(ErrorCode(999).name().is_none() && !ErrorCode(999).is_retriable());
        assert!(ErrorCode::CORRUPT_MESSAGE.is_retriable() && !ErrorCode::OFFSET_OUT_OF_RANGE.is_retriable());
        assert!(ErrorCode::NONE.is_ok() && ErrorCode(-1).is_err());
    }
}
