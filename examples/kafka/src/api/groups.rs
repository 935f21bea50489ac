//! FindCoordinator, and the requests of members and administrators of groups.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;

use crate::acl::{CLUSTER, Operation, ResourceType};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::groups::{Client, Group, Join, Member, State, Who};

/// From this version on a newcomer is told its name first (KIP-394).
const NAME_FIRST: i16 = 4;
/// What clients that do not say are given for joining again.
const OLD_REBALANCE: i16 = 0;

/// This broker looks after everything.
pub(crate) fn coordinator(broker: &Broker, caller: &Caller, request: &FindCoordinatorRequest) -> Response {
    let found = match request.key_type {
        0 => caller.group(Operation::Describe, &request.key).map_err(|code| (code, code.text())),
        1 => caller.transaction(Operation::Describe, &request.key).map_err(|code| (code, code.text())),
        _ => Err((ErrorCode::INVALID_REQUEST, "There is no such kind of key.")),
    };
    if let Err((error_code, why)) = found {
        let response = FindCoordinatorResponse {
            error_code,
            error_message: Some(why.into()),
            node_id: -1,
            port: -1,
            ..Default::default()
        };
        return response.into();
    }
    let (host, port) = broker.advertised();
    FindCoordinatorResponse { error_message: None, node_id: broker.config.node, host, port, ..Default::default() }
        .into()
}

/// Strings and bytes that are kept for long are no slices of the request, which would be kept with them.
fn own(text: &ByteString) -> ByteString {
    ByteString::from(&**text)
}

fn millis(number: i32) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0))
}

pub(crate) async fn join(
    broker: Arc<Broker>,
    caller: Caller,
    request: JoinGroupRequest,
    version: i16,
    client: Client,
) -> Response {
    if let Err(error_code) = caller.group(Operation::Read, &request.group_id) {
        let (member_id, protocol_name) = (request.member_id, (version < 7).then(ByteString::new));
        return JoinGroupResponse { error_code, member_id, protocol_name, ..Default::default() }.into();
    }
    let session = millis(request.session_timeout_ms);
    let member = own(&request.member_id);
    let fresh = request.group_instance_id.as_ref().unwrap_or(&client.id);
    let join = Join {
        fresh: format!("{fresh}-{}", broker.random_id()).into(),
        client: Client { id: own(&client.id), host: client.host },
        member: member.clone(),
        instance: request.group_instance_id.as_ref().map(own),
        protocol_type: own(&request.protocol_type),
        protocols: request
            .protocols
            .iter()
            .map(|protocol| (own(&protocol.name), Bytes::copy_from_slice(&protocol.metadata)))
            .collect(),
        session,
        rebalance: if version <= OLD_REBALANCE { session } else { millis(request.rebalance_timeout_ms) },
        name_first: version >= NAME_FIRST,
    };
    let response = match broker.groups.join(&request.group_id, join).await {
        Ok(place) => JoinGroupResponse {
            generation_id: place.generation,
            protocol_type: Some(place.protocol_type),
            protocol_name: Some(place.protocol),
            leader: place.leader,
            member_id: place.member,
            members: place
                .members
                .into_iter()
                .map(|(member_id, group_instance_id, metadata)| JoinGroupResponseMember {
                    member_id,
                    group_instance_id,
                    metadata,
                })
                .collect(),
            ..Default::default()
        },
        Err((error_code, member_id)) => {
            // Null came later.
            let protocol_name = (version < 7).then(ByteString::new);
            JoinGroupResponse { error_code, member_id, protocol_name, ..Default::default() }
        }
    };
    response.into()
}

pub(crate) async fn sync(broker: Arc<Broker>, caller: Caller, request: SyncGroupRequest) -> Response {
    if let Err(error_code) = caller.group(Operation::Read, &request.group_id) {
        return SyncGroupResponse { error_code, ..Default::default() }.into();
    }
    let SyncGroupRequest { group_id, generation_id, member_id, group_instance_id, .. } = request;
    let (protocol_type, protocol) = (request.protocol_type, request.protocol_name);
    let assignments = request
        .assignments
        .iter()
        .map(|assigned| (own(&assigned.member_id), Bytes::copy_from_slice(&assigned.assignment)))
        .collect();
    let synced = broker.groups.sync(&group_id, |group, now, token| {
        let who = Who { member: &member_id, instance: group_instance_id.as_deref() };
        let protocol = (protocol_type.as_deref(), protocol.as_deref());
        group.handle_sync(now, token, who, generation_id, protocol, assignments);
    });
    let response = match synced.await {
        Ok(synced) => SyncGroupResponse {
            protocol_type: Some(synced.protocol_type),
            protocol_name: Some(synced.protocol),
            assignment: synced.assignment,
            ..Default::default()
        },
        Err(error_code) => SyncGroupResponse { error_code, ..Default::default() },
    };
    response.into()
}

pub(crate) fn heartbeat(broker: &Broker, caller: &Caller, request: &HeartbeatRequest) -> Response {
    if let Err(error_code) = caller.group(Operation::Read, &request.group_id) {
        return HeartbeatResponse { error_code, ..Default::default() }.into();
    }
    let who = Who { member: &request.member_id, instance: request.group_instance_id.as_deref() };
    let beat = |group: &mut Group, now| group.handle_heartbeat(now, who, request.generation_id);
    let error_code = broker.groups.ask(&request.group_id, beat).unwrap_or(ErrorCode::UNKNOWN_MEMBER_ID);
    HeartbeatResponse { error_code, ..Default::default() }.into()
}

/// One member goes, or, since version 3, some do.
pub(crate) fn leave(broker: &Broker, caller: &Caller, request: LeaveGroupRequest, version: i16) -> Response {
    let group_id = request.group_id;
    if let Err(error_code) = caller.group(Operation::Read, &group_id) {
        return LeaveGroupResponse { error_code, ..Default::default() }.into();
    }
    let leave = |who: Who<'_>| {
        let left = broker.groups.ask(&group_id, |group, now| group.handle_leave(now, who));
        left.unwrap_or(ErrorCode::UNKNOWN_MEMBER_ID)
    };
    if version < 3 {
        let error_code = leave(Who { member: &request.member_id, instance: None });
        return LeaveGroupResponse { error_code, ..Default::default() }.into();
    }
    let members = request.members.into_iter().map(|gone| {
        let error_code = leave(Who { member: &gone.member_id, instance: gone.group_instance_id.as_deref() });
        MemberResponse { member_id: gone.member_id, group_instance_id: gone.group_instance_id, error_code }
    });
    LeaveGroupResponse { members: members.collect(), ..Default::default() }.into()
}

pub(crate) fn describe(broker: &Broker, caller: &Caller, request: DescribeGroupsRequest) -> Response {
    let describe = |group_id: ByteString| {
        if let Err(error_code) = caller.group(Operation::Describe, &group_id) {
            return DescribedGroup { error_code, group_id, ..Default::default() };
        }
        let described = broker.groups.ask(&group_id, |group, _| describe_one(group_id.clone(), group));
        let dead = || DescribedGroup { group_state: State::Dead.name().into(), ..Default::default() };
        let authorized_operations = match request.include_authorized_operations {
            true => caller.operations(ResourceType::Group, &group_id),
            false => i32::MIN,
        };
        DescribedGroup { group_id, authorized_operations, ..described.unwrap_or_else(dead) }
    };
    let groups = request.groups.into_iter().map(describe).collect();
    DescribeGroupsResponse { groups, ..Default::default() }.into()
}

/// What members say and are assigned is told while it holds.
fn describe_one(group_id: ByteString, group: &Group) -> DescribedGroup {
    let protocol = group.protocol();
    let describe = |(id, member): (&ByteString, &Member)| DescribedGroupMember {
        member_id: id.clone(),
        group_instance_id: member.instance.clone(),
        client_id: member.client.id.clone(),
        client_host: member.client.host.clone(),
        member_metadata: protocol.map(|protocol| member.metadata(protocol)).unwrap_or_default(),
        member_assignment: protocol.map(|_| member.assignment.clone()).unwrap_or_default(),
    };
    DescribedGroup {
        group_id,
        group_state: group.state().name().into(),
        protocol_type: group.protocol_type().cloned().unwrap_or_default(),
        protocol_data: protocol.cloned().unwrap_or_default(),
        members: group.members().iter().map(describe).collect(),
        ..Default::default()
    }
}

/// All groups, or those in some states.
pub(crate) fn list(broker: &Broker, caller: &Caller, request: &ListGroupsRequest) -> Response {
    let has = |filter: &[ByteString], is: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(is))
    };
    let typed = has(&request.types_filter, "classic");
    let every = caller.may(Operation::Describe, ResourceType::Cluster, CLUSTER);
    let may_see = |name: &str| every || caller.may(Operation::Describe, ResourceType::Group, name);
    let groups = broker.groups.each(|name, group| {
        let state = group.state().name();
        (typed && has(&request.states_filter, state) && may_see(name)).then(|| ListedGroup {
            group_id: name.clone(),
            protocol_type: group.protocol_type().cloned().unwrap_or_default(),
            group_state: state.into(),
            group_type: "classic".into(),
        })
    });
    ListGroupsResponse { groups, ..Default::default() }.into()
}

/// Deletes groups without members.
pub(crate) async fn delete(broker: Arc<Broker>, caller: Caller, request: DeleteGroupsRequest) -> Response {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        if let Err(error_code) = caller.group(Operation::Delete, &group_id) {
            results.push(DeletableGroupResult { group_id, error_code });
            continue;
        }
        let (groups, name) = (broker.groups.clone(), group_id.clone());
        let deleted = broker.bridge.run(move || groups.delete(&name)).await;
        results.push(DeletableGroupResult { group_id, error_code: deleted.err().unwrap_or_default() });
    }
    DeleteGroupsResponse { results, ..Default::default() }.into()
}
