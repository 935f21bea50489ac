//! The protocol of groups, said by hand: what no client library does on purpose.

use std::time::Duration;

use xs_kafka::Server;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;

use crate::client::Client;
use crate::process::Broker;

async fn server() -> Server {
    Server::builder().partitions(2).ephemeral().await.unwrap()
}

fn join(group: &str, member: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: "topics".into() };
    JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 6000,
        rebalance_timeout_ms: 10_000,
        member_id: member.into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    }
}

async fn joined(client: &mut Client, version: i16, request: JoinGroupRequest) -> JoinGroupResponse {
    match client.ask(version, request).await {
        Response::JoinGroup(response) => response,
        other => panic!("{other:?}"),
    }
}

async fn synced(client: &mut Client, version: i16, place: &JoinGroupResponse) -> SyncGroupResponse {
    let assign = |member: &JoinGroupResponseMember| SyncGroupRequestAssignment {
        member_id: member.member_id.clone(),
        assignment: "yours".into(),
    };
    let request = SyncGroupRequest {
        group_id: "g".into(),
        generation_id: place.generation_id,
        member_id: place.member_id.clone(),
        assignments: place.members.iter().map(assign).collect(),
        ..Default::default()
    };
    match client.ask(version, request).await {
        Response::SyncGroup(response) => response,
        other => panic!("{other:?}"),
    }
}

async fn heartbeat(client: &mut Client, version: i16, member: &str, generation_id: i32) -> ErrorCode {
    let request =
        HeartbeatRequest { group_id: "g".into(), generation_id, member_id: member.into(), ..Default::default() };
    match client.ask(version, request).await {
        Response::Heartbeat(response) => response.error_code,
        other => panic!("{other:?}"),
    }
}

async fn leave(client: &mut Client, version: i16, member: &str) -> ErrorCode {
    let identity = MemberIdentity { member_id: member.into(), ..Default::default() };
    let request = match version {
        ..3 => LeaveGroupRequest { group_id: "g".into(), member_id: member.into(), ..Default::default() },
        _ => LeaveGroupRequest { group_id: "g".into(), members: vec![identity], ..Default::default() },
    };
    match client.ask(version, request).await {
        Response::LeaveGroup(response) => match response.members.first() {
            Some(member) => member.error_code,
            None => response.error_code,
        },
        other => panic!("{other:?}"),
    }
}

/// Each request of a member's life, in every version that there is.
#[tokio::test]
async fn every_version_of_a_members_life() {
    let server = server().await;
    let mut client = Client::of(&server).await;
    for version in 0..=7 {
        let mut place = joined(&mut client, version, join("g", "")).await;
        if version >= 4 {
            assert_eq!(place.error_code, ErrorCode::MEMBER_ID_REQUIRED);
            place = joined(&mut client, version, join("g", &place.member_id)).await;
        }
        assert!(place.error_code.is_ok(), "{version}: {place:?}");
        assert_eq!((place.leader.clone(), place.members.len()), (place.member_id.clone(), 1));
        assert_eq!(synced(&mut client, version.min(5), &place).await.assignment, "yours", "{version}");
        let (member, generation) = (&place.member_id, place.generation_id);
        assert_eq!(heartbeat(&mut client, version.min(4), member, generation).await, ErrorCode::NONE);
        assert_eq!(leave(&mut client, version.min(5), member).await, ErrorCode::NONE);
        assert_eq!(heartbeat(&mut client, version.min(4), member, generation).await, ErrorCode::UNKNOWN_MEMBER_ID);
    }
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let server = server().await;
    let mut client = Client::of(&server).await;
    assert_eq!(heartbeat(&mut client, 4, "m", 1).await, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(leave(&mut client, 5, "m").await, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(joined(&mut client, 7, join("g", "m")).await.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(joined(&mut client, 7, join("", "")).await.error_code, ErrorCode::INVALID_GROUP_ID);
    let hasty = JoinGroupRequest { session_timeout_ms: 10, ..join("g", "") };
    assert_eq!(joined(&mut client, 3, hasty).await.error_code, ErrorCode::INVALID_SESSION_TIMEOUT);
    let place = joined(&mut client, 3, join("g", "")).await;
    let stale = JoinGroupResponse { generation_id: 9, ..place.clone() };
    assert_eq!(synced(&mut client, 5, &stale).await.error_code, ErrorCode::ILLEGAL_GENERATION);
    let other = JoinGroupRequest { protocol_type: "connect".into(), ..join("g", "") };
    assert_eq!(joined(&mut client, 3, other).await.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    assert!(synced(&mut client, 5, &place).await.error_code.is_ok());
}

/// Two members on two connections: the first waits until the second has joined, and who is silent is out.
#[tokio::test]
async fn a_member_waits_for_the_other_and_outlives_it() {
    let server = server().await;
    let (mut one, mut two) = (Client::of(&server).await, Client::of(&server).await);
    let first = joined(&mut one, 3, join("g", "")).await;
    synced(&mut one, 5, &first).await;
    two.send(3, join("g", "")).await;
    while heartbeat(&mut one, 4, &first.member_id, 1).await != ErrorCode::REBALANCE_IN_PROGRESS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let again = joined(&mut one, 3, join("g", &first.member_id)).await;
    let Some(Response::JoinGroup(second)) = two.receive().await else { panic!("no answer") };
    assert_eq!((again.generation_id, second.generation_id, again.members.len()), (2, 2, 2));
    assert_eq!(second.leader, first.member_id);
    synced(&mut one, 5, &again).await;
    // The second one is never heard of again.
    let mut beats = 0;
    while heartbeat(&mut one, 4, &first.member_id, 2).await != ErrorCode::REBALANCE_IN_PROGRESS {
        tokio::time::sleep(Duration::from_millis(100)).await;
        beats += 1;
        assert!(beats < 150, "it is still there");
    }
    let alone = joined(&mut one, 3, join("g", &first.member_id)).await;
    assert_eq!((alone.generation_id, alone.members.len()), (3, 1));
}

fn commit(group: &str, topic: &str, partition: i32, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: offset,
        committed_metadata: Some("said".into()),
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic { name: topic.into(), partitions: vec![partition] };
    OffsetCommitRequest { group_id: group.into(), topics: vec![topic], ..Default::default() }
}

async fn committed(client: &mut Client, version: i16, request: OffsetCommitRequest) -> ErrorCode {
    match client.ask(version, request).await {
        Response::OffsetCommit(response) => response.topics[0].partitions[0].error_code,
        other => panic!("{other:?}"),
    }
}

async fn fetched(client: &mut Client, version: i16, group: &str) -> (i64, ErrorCode) {
    let request = match version {
        8.. => {
            let topic = OffsetFetchRequestTopics { name: "t".into(), partition_indexes: vec![1] };
            let group =
                OffsetFetchRequestGroup { group_id: group.into(), topics: Some(vec![topic]), ..Default::default() };
            OffsetFetchRequest { groups: vec![group], ..Default::default() }
        }
        _ => {
            let topic = OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![1] };
            OffsetFetchRequest { group_id: group.into(), topics: Some(vec![topic]), ..Default::default() }
        }
    };
    match client.ask(version, request).await {
        Response::OffsetFetch(response) if version >= 8 => {
            let found = &response.groups[0].topics[0].partitions[0];
            (found.committed_offset, found.error_code)
        }
        Response::OffsetFetch(response) => {
            let found = &response.topics[0].partitions[0];
            (found.committed_offset, found.error_code)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_in_every_version() {
    let server = server().await;
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    for version in 2..=9 {
        let offset = 100 + i64::from(version);
        assert_eq!(committed(&mut client, version, commit("g", "t", 1, offset)).await, ErrorCode::NONE);
        for version in 1..=9 {
            assert_eq!(fetched(&mut client, version, "g").await, (offset, ErrorCode::NONE), "{version}");
        }
    }
    assert_eq!(fetched(&mut client, 7, "nobody").await, (-1, ErrorCode::NONE));
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(committed(&mut client, 8, commit("g", "t", 2, 1)).await, unknown);
    assert_eq!(committed(&mut client, 8, commit("g", "u", 0, 1)).await, unknown);
    let stale = OffsetCommitRequest { generation_id_or_member_epoch: 1, ..commit("new", "t", 1, 1) };
    assert_eq!(committed(&mut client, 8, stale).await, ErrorCode::ILLEGAL_GENERATION);
    let mut long = commit("g", "t", 1, 1);
    long.topics[0].partitions[0].committed_metadata = Some("x".repeat(5000).into());
    assert_eq!(committed(&mut client, 8, long).await, ErrorCode::OFFSET_METADATA_TOO_LARGE);
    // A member's group is not moved from outside.
    let place = joined(&mut client, 3, join("g", "")).await;
    synced(&mut client, 5, &place).await;
    assert_eq!(committed(&mut client, 8, commit("g", "t", 1, 1)).await, ErrorCode::UNKNOWN_MEMBER_ID);
    let own = OffsetCommitRequest {
        generation_id_or_member_epoch: place.generation_id,
        member_id: place.member_id,
        ..commit("g", "t", 1, 7)
    };
    assert_eq!(committed(&mut client, 8, own).await, ErrorCode::NONE);
    assert_eq!(fetched(&mut client, 9, "g").await, (7, ErrorCode::NONE));
}

#[tokio::test]
async fn a_topic_that_is_made_again_has_no_offsets() {
    let server = server().await;
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    assert_eq!(committed(&mut client, 8, commit("g", "t", 1, 7)).await, ErrorCode::NONE);
    let delete = DeleteTopicsRequest { topic_names: vec!["t".into()], timeout_ms: 1000, ..Default::default() };
    client.ask(5, delete).await;
    client.metadata(&["t"]).await;
    assert_eq!(fetched(&mut client, 9, "g").await, (-1, ErrorCode::NONE));
}

#[tokio::test]
async fn offsets_and_generations_outlive_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Server::builder().partitions(2).data_dir(dir.path()).ephemeral();
    let server = start().await.unwrap();
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    let place = joined(&mut client, 3, join("g", "")).await;
    synced(&mut client, 5, &place).await;
    let own = OffsetCommitRequest {
        generation_id_or_member_epoch: place.generation_id,
        member_id: place.member_id.clone(),
        ..commit("g", "t", 1, 7)
    };
    assert_eq!(committed(&mut client, 8, own).await, ErrorCode::NONE);
    drop(client);
    server.shutdown().await.unwrap();
    let server = start().await.unwrap();
    let mut client = Client::of(&server).await;
    assert_eq!(fetched(&mut client, 9, "g").await, (7, ErrorCode::NONE));
    assert_eq!(heartbeat(&mut client, 4, &place.member_id, place.generation_id).await, ErrorCode::NONE);
}

#[tokio::test]
async fn offsets_of_topics_that_are_read_are_not_deleted() {
    let server = server().await;
    let mut client = Client::of(&server).await;
    client.metadata(&["t"]).await;
    assert_eq!(committed(&mut client, 8, commit("g", "t", 1, 7)).await, ErrorCode::NONE);
    let delete = |group: &str| {
        let partitions = vec![OffsetDeleteRequestPartition { partition_index: 1 }];
        let topic = OffsetDeleteRequestTopic { name: "t".into(), partitions };
        OffsetDeleteRequest { group_id: group.into(), topics: vec![topic] }
    };
    let mut reader = join("g", "");
    reader.protocols[0].metadata = bytes::Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff");
    let place = joined(&mut client, 3, reader).await;
    synced(&mut client, 5, &place).await;
    let Response::OffsetDelete(response) = client.ask(0, delete("g")).await else { panic!("another answer") };
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
    assert_eq!(leave(&mut client, 5, &place.member_id).await, ErrorCode::NONE);
    let Response::OffsetDelete(response) = client.ask(0, delete("g")).await else { panic!("another answer") };
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NONE);
    assert_eq!(fetched(&mut client, 9, "g").await, (-1, ErrorCode::NONE));
    let Response::OffsetDelete(response) = client.ask(0, delete("nobody")).await else { panic!("another answer") };
    assert_eq!(response.error_code, ErrorCode::GROUP_ID_NOT_FOUND);
}

/// What administrators ask, in every version that there is.
#[tokio::test]
async fn every_version_of_looking_at_groups() {
    let server = server().await;
    let mut client = Client::of(&server).await;
    let place = joined(&mut client, 3, join("g", "")).await;
    synced(&mut client, 5, &place).await;
    for version in ApiKey::FindCoordinator.versions() {
        for (key_type, expected) in [(0, ErrorCode::NONE), (1, ErrorCode::NONE), (2, ErrorCode::INVALID_REQUEST)] {
            if version == 0 && key_type > 0 {
                continue;
            }
            let request = FindCoordinatorRequest { key: "g".into(), key_type };
            let Response::FindCoordinator(found) = client.ask(version, request).await else { panic!("another answer") };
            assert_eq!(found.error_code, expected, "{version}");
            assert_eq!(found.node_id, if expected.is_ok() { 1 } else { -1 });
        }
    }
    for version in ApiKey::DescribeGroups.versions() {
        let request = DescribeGroupsRequest { groups: vec!["g".into(), "none".into()], ..Default::default() };
        let Response::DescribeGroups(found) = client.ask(version, request).await else { panic!("another answer") };
        let [one, none] = &found.groups[..] else { panic!("{found:?}") };
        assert_eq!((&*one.group_state, &*one.protocol_data, &*none.group_state), ("Stable", "range", "Dead"));
        assert_eq!((&*one.members[0].member_assignment, &*one.members[0].client_host), (&b"yours"[..], "/127.0.0.1"));
    }
    for version in ApiKey::ListGroups.versions() {
        let Response::ListGroups(found) = client.ask(version, ListGroupsRequest::default()).await else {
            panic!("another answer")
        };
        assert_eq!(found.groups.iter().map(|group| &*group.group_id).collect::<Vec<_>>(), ["g"]);
    }
    let request = ListGroupsRequest { states_filter: vec!["empty".into()], ..Default::default() };
    let Response::ListGroups(found) = client.ask(4, request).await else { panic!("another answer") };
    assert!(found.groups.is_empty());
    for version in ApiKey::DeleteGroups.versions() {
        let request = DeleteGroupsRequest { groups_names: vec!["g".into(), "none".into()] };
        let Response::DeleteGroups(found) = client.ask(version, request).await else { panic!("another answer") };
        let errors: Vec<ErrorCode> = found.results.iter().map(|result| result.error_code).collect();
        assert_eq!(errors, [ErrorCode::NON_EMPTY_GROUP, ErrorCode::GROUP_ID_NOT_FOUND]);
    }
    leave(&mut client, 5, &place.member_id).await;
    let request = DeleteGroupsRequest { groups_names: vec!["g".into()] };
    let Response::DeleteGroups(found) = client.ask(2, request).await else { panic!("another answer") };
    assert_eq!(found.results[0].error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn limits_of_groups_are_the_operators() {
    let second = Duration::from_secs(1);
    let builder =
        Server::builder().group_min_session(second).group_max_session(9 * second).group_max_size(1).max_groups(1);
    let server = builder.ephemeral().await.unwrap();
    let (mut one, mut two) = (Client::of(&server).await, Client::of(&server).await);
    for (session_timeout_ms, code) in
        [(999, ErrorCode::INVALID_SESSION_TIMEOUT), (9001, ErrorCode::INVALID_SESSION_TIMEOUT), (1000, ErrorCode::NONE)]
    {
        let request = JoinGroupRequest { session_timeout_ms, ..join("g", "") };
        assert_eq!(joined(&mut one, 3, request).await.error_code, code, "{session_timeout_ms}");
    }
    assert_eq!(joined(&mut two, 3, join("g", "")).await.error_code, ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(joined(&mut two, 3, join("other", "")).await.error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE);
}

/// It was answered, and nothing else was written afterwards that would have brought it to the disk.
#[tokio::test]
async fn who_has_left_before_a_kill_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::on(dir.path(), &[]);
    let mut client = Client::at(broker.addr).await.unwrap();
    let place = joined(&mut client, 3, join("g", "")).await;
    assert!(synced(&mut client, 3, &place).await.error_code.is_ok());
    assert!(leave(&mut client, 3, &place.member_id).await.is_ok());
    tokio::time::sleep(Duration::from_secs(1)).await;
    broker.kill();
    let broker = Broker::on(dir.path(), &[]);
    let mut client = Client::at(broker.addr).await.unwrap();
    let request = DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() };
    let Response::DescribeGroups(described) = client.ask(5, request).await else { panic!("another answer") };
    assert_eq!((&*described.groups[0].group_state, described.groups[0].members.len()), ("Empty", 0));
}
