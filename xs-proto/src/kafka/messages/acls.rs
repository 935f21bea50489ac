//! Who may do what.

use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{At, Field, Form, Kind, ReadError, Reader, Wire, WriteError, Writer, all};

structs! {
    /// Asks for access rules.
    struct DescribeAclsRequest {
        /// What the rules wanted are about: 1 anything, 2 a topic, 3 a group, 4 the cluster, 5 a transactional id.
        resource_type_filter: i8, all();
        /// The name of what the rules wanted are about; null for any.
        resource_name_filter: Option<ByteString> = Some(Default::default()), all().nullable();
        /// How the name is meant: 1 for any, 2 for all that match, 3 literally, 4 as a prefix.
        pattern_type_filter: i8 = 3, all();
        /// Whom the rules wanted are about; null for anybody.
        principal_filter: Option<ByteString> = Some(Default::default()), all().nullable();
        /// The host of the rules wanted; null for any.
        host_filter: Option<ByteString> = Some(Default::default()), all().nullable();
        /// The operation: 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, and others; 1 for any.
        operation: i8, all();
        /// 2 to deny, 3 to allow, 1 for any.
        permission_type: i8, all();
    }

    /// The answer to [`DescribeAclsRequest`].
    struct DescribeAclsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString> = Some(Default::default()), all().nullable();
        /// What the rules that were found are about, each with its rules.
        resources: Vec<DescribeAclsResource>, all();
    }

    /// An element of [`DescribeAclsResponse::resources`].
    struct DescribeAclsResource {
        /// What it is about: 2 a topic, 3 a group, 4 the cluster, 5 a transactional id.
        resource_type: i8, all();
        /// The name of what the rule is about.
        resource_name: ByteString, all();
        /// How the name is meant: 3 literally, 4 as a prefix.
        pattern_type: i8 = 3, all();
        /// The rules.
        acls: Vec<AclDescription>, all();
    }

    /// An element of [`DescribeAclsResource::acls`].
    struct AclDescription {
        /// Whom the rule is about.
        principal: ByteString, all();
        /// The host that a client comes from, or `*` for any.
        host: ByteString, all();
        /// The operation: 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, and others.
        operation: i8, all();
        /// 2 to deny, 3 to allow.
        permission_type: i8, all();
    }

    /// Adds access rules.
    struct CreateAclsRequest {
        /// The rules to add.
        creations: Vec<AclCreation>, all();
    }

    /// An element of [`CreateAclsRequest::creations`].
    struct AclCreation {
        /// What it is about: 2 a topic, 3 a group, 4 the cluster, 5 a transactional id.
        resource_type: i8, all();
        /// The name of what the rule is about.
        resource_name: ByteString, all();
        /// How the name is meant: 3 literally, 4 as a prefix.
        resource_pattern_type: i8 = 3, all();
        /// Whom the rule is about.
        principal: ByteString, all();
        /// The host that a client comes from, or `*` for any.
        host: ByteString, all();
        /// The operation: 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, and others.
        operation: i8, all();
        /// 2 to deny, 3 to allow.
        permission_type: i8, all();
    }

    /// The answer to [`CreateAclsRequest`].
    struct CreateAclsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The results, in the order of the request.
        results: Vec<AclCreationResult>, all();
    }

    /// An element of [`CreateAclsResponse::results`].
    struct AclCreationResult {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString> = Some(Default::default()), all().nullable();
    }

    /// Removes access rules.
    struct DeleteAclsRequest {
        /// Which rules to remove.
        filters: Vec<DeleteAclsFilter>, all();
    }

    /// An element of [`DeleteAclsRequest::filters`].
    struct DeleteAclsFilter {
        /// What the rules wanted are about: 1 anything, 2 a topic, 3 a group, 4 the cluster, 5 a transactional id.
        resource_type_filter: i8, all();
        /// The name of what the rules wanted are about; null for any.
        resource_name_filter: Option<ByteString> = Some(Default::default()), all().nullable();
        /// How the name is meant: 1 for any, 2 for all that match, 3 literally, 4 as a prefix.
        pattern_type_filter: i8 = 3, all();
        /// Whom the rules wanted are about; null for anybody.
        principal_filter: Option<ByteString> = Some(Default::default()), all().nullable();
        /// The host of the rules wanted; null for any.
        host_filter: Option<ByteString> = Some(Default::default()), all().nullable();
        /// The operation: 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, and others; 1 for any.
        operation: i8, all();
        /// 2 to deny, 3 to allow, 1 for any.
        permission_type: i8, all();
    }

    /// The answer to [`DeleteAclsRequest`].
    struct DeleteAclsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// What each filter did, in the order of the request.
        filter_results: Vec<DeleteAclsFilterResult>, all();
    }

    /// An element of [`DeleteAclsResponse::filter_results`].
    struct DeleteAclsFilterResult {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString> = Some(Default::default()), all().nullable();
        /// The rules that matched.
        matching_acls: Vec<DeleteAclsMatchingAcl>, all();
    }

    /// An element of [`DeleteAclsFilterResult::matching_acls`].
    struct DeleteAclsMatchingAcl {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString> = Some(Default::default()), all().nullable();
        /// What it is about: 2 a topic, 3 a group, 4 the cluster, 5 a transactional id.
        resource_type: i8, all();
        /// The name of what the rule is about.
        resource_name: ByteString, all();
        /// How the name is meant: 3 literally, 4 as a prefix.
        pattern_type: i8 = 3, all();
        /// Whom the rule is about.
        principal: ByteString, all();
        /// The host that a client comes from, or `*` for any.
        host: ByteString, all();
        /// The operation: 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, and others.
        operation: i8, all();
        /// 2 to deny, 3 to allow.
        permission_type: i8, all();
    }
}
