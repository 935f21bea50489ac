//! Consumer groups: finding their coordinator, joining, leaving, and being listed.

use bytes::Bytes;
use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{At, Field, Form, Kind, ReadError, Reader, Wire, WriteError, Writer, all, between, from};

structs! {
    /// Asks which broker looks after a group or a transaction.
    struct FindCoordinatorRequest {
        /// The group, or the transactional id.
        key: ByteString, all();
        /// 0 for a group, 1 for a transaction.
        key_type: i8, from(1);
    }

    /// The answer to [`FindCoordinatorRequest`].
    struct FindCoordinatorResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(1).ignorable();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString> = Some(Default::default()), from(1).nullable().ignorable();
        /// The number of the broker.
        node_id: i32, all();
        /// The broker's host name.
        host: ByteString, all();
        /// The broker's port.
        port: i32, all();
    }

    /// Joins a group, and waits until all members have.
    struct JoinGroupRequest {
        /// The group.
        group_id: ByteString, all();
        /// How long a member may be silent, in milliseconds.
        session_timeout_ms: i32, all();
        /// How long the members have for joining again, in milliseconds.
        rebalance_timeout_ms: i32 = -1, from(1).ignorable();
        /// The name that the coordinator gave the member; empty before.
        member_id: ByteString, all();
        /// The name of a static member, which keeps its place when it restarts.
        group_instance_id: Option<ByteString>, from(5).nullable();
        /// What kind of group, such as `consumer`.
        protocol_type: ByteString, all();
        /// The ways of assigning that the member knows, the best first.
        protocols: Vec<JoinGroupRequestProtocol>, all();
    }

    /// An element of [`JoinGroupRequest::protocols`].
    struct JoinGroupRequestProtocol {
        /// The name.
        name: ByteString, all();
        /// What the member says of itself, in the protocol's own form.
        metadata: Bytes, all();
    }

    /// The answer to [`JoinGroupRequest`].
    struct JoinGroupResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(2).ignorable();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// How often the group has been rebalanced.
        generation_id: i32 = -1, all();
        /// What kind of group, such as `consumer`.
        protocol_type: Option<ByteString>, from(7).nullable().ignorable();
        /// The way in which partitions are assigned.
        protocol_name: Option<ByteString> = Some(Default::default()), all().null_from(7);
        /// The member that makes the assignment.
        leader: ByteString, all();
        /// The name that the coordinator gave the member; empty before.
        member_id: ByteString, all();
        /// The members.
        members: Vec<JoinGroupResponseMember>, all();
    }

    /// An element of [`JoinGroupResponse::members`].
    struct JoinGroupResponseMember {
        /// The name that the coordinator gave the member; empty before.
        member_id: ByteString, all();
        /// The name of a static member, which keeps its place when it restarts.
        group_instance_id: Option<ByteString>, from(5).nullable().ignorable();
        /// What the member says of itself, in the protocol's own form.
        metadata: Bytes, all();
    }

    /// Says that a member is alive.
    struct HeartbeatRequest {
        /// The group.
        group_id: ByteString, all();
        /// How often the group has been rebalanced.
        generation_id: i32, all();
        /// The name that the coordinator gave the member; empty before.
        member_id: ByteString, all();
        /// The name of a static member, which keeps its place when it restarts.
        group_instance_id: Option<ByteString>, from(3).nullable();
    }

    /// The answer to [`HeartbeatRequest`].
    struct HeartbeatResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(1).ignorable();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
    }

    /// Leaves a group.
    struct LeaveGroupRequest {
        /// The group.
        group_id: ByteString, all();
        /// The name that the coordinator gave the member; empty before.
        member_id: ByteString, between(0, 2);
        /// The members.
        members: Vec<MemberIdentity>, from(3);
    }

    /// An element of [`LeaveGroupRequest::members`].
    struct MemberIdentity {
        /// The name that the coordinator gave the member; empty before.
        member_id: ByteString, from(3);
        /// The name of a static member, which keeps its place when it restarts.
        group_instance_id: Option<ByteString>, from(3).nullable();
        /// Why, for people.
        reason: Option<ByteString>, from(5).nullable().ignorable();
    }

    /// The answer to [`LeaveGroupRequest`].
    struct LeaveGroupResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(1).ignorable();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The members.
        members: Vec<MemberResponse>, from(3);
    }

    /// An element of [`LeaveGroupResponse::members`].
    struct MemberResponse {
        /// The name that the coordinator gave the member; empty before.
        member_id: ByteString, from(3);
        /// The name of a static member, which keeps its place when it restarts.
        group_instance_id: Option<ByteString> = Some(Default::default()), from(3).nullable();
        /// What went wrong, or nothing.
        error_code: ErrorCode, from(3);
    }

    /// Brings the assignment that the group's leader has made, and gets one's own.
    struct SyncGroupRequest {
        /// The group.
        group_id: ByteString, all();
        /// How often the group has been rebalanced.
        generation_id: i32, all();
        /// The name that the coordinator gave the member; empty before.
        member_id: ByteString, all();
        /// The name of a static member, which keeps its place when it restarts.
        group_instance_id: Option<ByteString>, from(3).nullable();
        /// What kind of group, such as `consumer`.
        protocol_type: Option<ByteString>, from(5).nullable().ignorable();
        /// The way in which partitions are assigned.
        protocol_name: Option<ByteString>, from(5).nullable().ignorable();
        /// What each member shall read. Only the member that makes the assignment has something to say here.
        assignments: Vec<SyncGroupRequestAssignment>, all();
    }

    /// An element of [`SyncGroupRequest::assignments`].
    struct SyncGroupRequestAssignment {
        /// The member.
        member_id: ByteString, all();
        /// What the member shall read, in the protocol's own form.
        assignment: Bytes, all();
    }

    /// The answer to [`SyncGroupRequest`].
    struct SyncGroupResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(1).ignorable();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What kind of group, such as `consumer`.
        protocol_type: Option<ByteString>, from(5).nullable().ignorable();
        /// The way in which partitions are assigned.
        protocol_name: Option<ByteString>, from(5).nullable().ignorable();
        /// What the member shall read, in the protocol's own form.
        assignment: Bytes, all();
    }

    /// Asks what a group is doing.
    struct DescribeGroupsRequest {
        /// The groups.
        groups: Vec<ByteString>, all();
        /// Whether to tell what the client may do.
        include_authorized_operations: bool, from(3);
    }

    /// The answer to [`DescribeGroupsRequest`].
    struct DescribeGroupsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(1).ignorable();
        /// The groups.
        groups: Vec<DescribedGroup>, all();
    }

    /// An element of [`DescribeGroupsResponse::groups`].
    struct DescribedGroup {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The group.
        group_id: ByteString, all();
        /// What the group is doing.
        group_state: ByteString, all();
        /// What kind of group, such as `consumer`.
        protocol_type: ByteString, all();
        /// What the protocol has to say.
        protocol_data: ByteString, all();
        /// The members.
        members: Vec<DescribedGroupMember>, all();
        /// Which operations the client may do, as bits. The lowest number says that nobody asked.
        authorized_operations: i32 = i32::MIN, from(3);
    }

    /// An element of [`DescribedGroup::members`].
    struct DescribedGroupMember {
        /// The name that the coordinator gave the member; empty before.
        member_id: ByteString, all();
        /// The name of a static member, which keeps its place when it restarts.
        group_instance_id: Option<ByteString>, from(4).nullable().ignorable();
        /// What the member calls itself.
        client_id: ByteString, all();
        /// From where the member is connected.
        client_host: ByteString, all();
        /// What the member said of itself, in the protocol's own form.
        member_metadata: Bytes, all();
        /// What the member shall read, in the protocol's own form.
        member_assignment: Bytes, all();
    }

    /// Asks which groups there are.
    struct ListGroupsRequest {
        /// Only groups in these states; empty for any.
        states_filter: Vec<ByteString>, from(4);
        /// Only groups of these types; empty for any.
        types_filter: Vec<ByteString>, from(5);
    }

    /// The answer to [`ListGroupsRequest`].
    struct ListGroupsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, from(1).ignorable();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The groups.
        groups: Vec<ListedGroup>, all();
    }

    /// An element of [`ListGroupsResponse::groups`].
    struct ListedGroup {
        /// The group.
        group_id: ByteString, all();
        /// What kind of group, such as `consumer`.
        protocol_type: ByteString, all();
        /// What the group is doing.
        group_state: ByteString, from(4).ignorable();
        /// The group's protocol, `classic` or `consumer`.
        group_type: ByteString, from(5).ignorable();
    }

    /// Deletes groups.
    struct DeleteGroupsRequest {
        /// The groups.
        groups_names: Vec<ByteString>, all();
    }

    /// The answer to [`DeleteGroupsRequest`].
    struct DeleteGroupsResponse {
        /// How long the client was slowed down because of a quota, in milliseconds.
        throttle_time_ms: i32, all();
        /// The results, in the order of the request.
        results: Vec<DeletableGroupResult>, all();
    }

    /// An element of [`DeleteGroupsResponse::results`].
    struct DeletableGroupResult {
        /// The group.
        group_id: ByteString, all();
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
    }
}
