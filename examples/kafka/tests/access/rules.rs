//! Rules that are set, asked for, obeyed, taken back, and there after a restart.

use xs_kafka::Server;
use xs_kafka::acl::{Operation, PatternType, Permission, ResourceType};
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::Compression;

use crate::client::{Client, batch};
use crate::login;

/// Prefixes stand with a `*` behind them.
pub(crate) fn rule(
    kind: ResourceType,
    name: &str,
    principal: &str,
    operation: Operation,
    permission: Permission,
) -> AclCreation {
    let (name, pattern) = match name.strip_suffix('*') {
        Some(prefix) if !prefix.is_empty() => (prefix, PatternType::Prefixed),
        _ => (name, PatternType::Literal),
    };
    AclCreation {
        resource_type: kind.code(),
        resource_name: name.into(),
        resource_pattern_type: pattern.code(),
        principal: principal.into(),
        host: "*".into(),
        operation: operation.code(),
        permission_type: permission.code(),
    }
}

pub(crate) fn allow(kind: ResourceType, name: &str, principal: &str, operation: Operation) -> AclCreation {
    rule(kind, name, principal, operation, Permission::Allow)
}

pub(crate) async fn create(client: &mut Client, creations: Vec<AclCreation>) -> Vec<ErrorCode> {
    match client.ask(3, CreateAclsRequest { creations }).await {
        Response::CreateAcls(answer) => answer.results.into_iter().map(|result| result.error_code).collect(),
        other => panic!("{other:?}"),
    }
}

/// Any rule.
fn any() -> DescribeAclsRequest {
    DescribeAclsRequest {
        resource_type_filter: 1,
        resource_name_filter: None,
        pattern_type_filter: 1,
        principal_filter: None,
        host_filter: None,
        operation: 1,
        permission_type: 1,
    }
}

async fn describe(client: &mut Client, request: DescribeAclsRequest) -> DescribeAclsResponse {
    match client.ask(2, request).await {
        Response::DescribeAcls(answer) => answer,
        other => panic!("{other:?}"),
    }
}

async fn delete(client: &mut Client, principal: &str) -> DeleteAclsFilterResult {
    let filter = DeleteAclsFilter {
        resource_type_filter: 1,
        resource_name_filter: None,
        pattern_type_filter: 1,
        principal_filter: Some(principal.into()),
        host_filter: None,
        operation: 1,
        permission_type: 1,
    };
    match client.ask(1, DeleteAclsRequest { filters: vec![filter] }).await {
        Response::DeleteAcls(answer) => answer.filter_results[0].clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_rules_nobody_speaks_of_them() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    let creation = allow(ResourceType::Topic, "t", "User:alice", Operation::Read);
    assert_eq!(create(&mut client, vec![creation.clone(), creation]).await, [ErrorCode::SECURITY_DISABLED; 2]);
    assert_eq!(describe(&mut client, any()).await.error_code, ErrorCode::SECURITY_DISABLED);
    assert_eq!(delete(&mut client, "User:alice").await.error_code, ErrorCode::SECURITY_DISABLED);
}

#[tokio::test]
async fn rules_are_obeyed_as_soon_as_they_are_answered_and_no_longer_than_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let start = || async {
        let builder = Server::builder().data_dir(dir.path()).super_user("root");
        let builder = ["root", "alice", "bob"].into_iter().fold(builder, |builder, name| builder.user(name, name));
        builder.ephemeral().await.unwrap()
    };
    let server = start().await;
    let (mut root, mut alice, mut bob) =
        (login(&server, "root").await, login(&server, "alice").await, login(&server, "bob").await);
    let denied = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    assert_eq!(alice.create("pay.eu", &[]).await.error_code, denied);
    use Operation::*;
    let topic = |name, operation| allow(ResourceType::Topic, name, "User:alice", operation);
    let made = create(&mut root, vec![topic("pay.*", Create), topic("pay.*", Write), topic("pay.*", Read)]).await;
    assert_eq!(made, [ErrorCode::NONE; 3]);
    assert_eq!(alice.create("pay.eu", &[]).await.error_code, ErrorCode::NONE);
    assert_eq!(alice.create("play", &[]).await.error_code, denied);
    let records = || batch(1, &["one"], Compression::None);
    assert_eq!(alice.produce("pay.eu", records()).await.error_code, ErrorCode::NONE);
    assert_eq!(alice.fetch(11, "pay.eu", 0, 0).await.error_code, ErrorCode::NONE);

    // Bob is not told whether it is there; a list has no place for it.
    assert_eq!(bob.metadata(&["pay.eu"]).await.topics[0].error_code, denied);
    assert_eq!(bob.metadata(&["nothing"]).await.topics[0].error_code, denied);
    let all = MetadataRequest { topics: None, ..Default::default() };
    let count = |answer| match answer {
        Response::Metadata(answer) => answer.topics.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(count(bob.ask(9, all.clone()).await), 0);
    assert_eq!(count(alice.ask(9, all).await), 1);
    assert_eq!(bob.produce("pay.eu", records()).await.error_code, denied);
    assert_eq!(bob.fetch(11, "pay.eu", 0, 0).await.error_code, denied);

    // One denial is enough.
    let secret = rule(ResourceType::Topic, "pay.eu", "User:*", Write, Permission::Deny);
    assert_eq!(create(&mut root, vec![secret]).await, [ErrorCode::NONE]);
    assert_eq!(alice.produce("pay.eu", records()).await.error_code, denied);
    assert_eq!(alice.fetch(11, "pay.eu", 0, 0).await.error_code, ErrorCode::NONE);
    assert_eq!(root.produce("pay.eu", records()).await.error_code, ErrorCode::NONE, "super users pass by");

    // What may be done is told who asks.
    let asked = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { name: Some("pay.eu".into()), ..Default::default() }]),
        include_topic_authorized_operations: true,
        include_cluster_authorized_operations: true,
        ..Default::default()
    };
    let Response::Metadata(told) = alice.ask(9, asked).await else { panic!("another answer") };
    let bits = [Read, Create, Describe].iter().fold(0, |bits, operation| bits | 1 << operation.code());
    assert_eq!((told.topics[0].topic_authorized_operations, told.cluster_authorized_operations), (bits, 0));

    // Only who may, changes rules.
    assert_eq!(create(&mut alice, vec![topic("*", All)]).await, [ErrorCode::CLUSTER_AUTHORIZATION_FAILED]);
    assert_eq!(describe(&mut alice, any()).await.error_code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    assert_eq!(delete(&mut alice, "User:*").await.error_code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED);

    // They are there after a restart.
    let before = describe(&mut root, any()).await;
    assert_eq!((before.error_code, before.resources.len()), (ErrorCode::NONE, 2));
    drop((root, alice, bob));
    server.shutdown().await.unwrap();
    let server = start().await;
    let (mut root, mut alice) = (login(&server, "root").await, login(&server, "alice").await);
    assert_eq!(describe(&mut root, any()).await, before);
    assert_eq!(alice.produce("pay.eu", records()).await.error_code, denied);
    let gone = delete(&mut root, "User:*").await;
    assert_eq!(gone.matching_acls.len(), 1);
    assert_eq!(gone.matching_acls[0].resource_name, "pay.eu");
    assert_eq!(alice.produce("pay.eu", records()).await.error_code, ErrorCode::NONE);
    assert_eq!(delete(&mut root, "User:alice").await.matching_acls.len(), 3);
    assert_eq!(alice.fetch(11, "pay.eu", 0, 0).await.error_code, denied);
    assert!(describe(&mut root, any()).await.resources.is_empty());
}

#[tokio::test]
async fn who_has_not_said_who_it_is_is_anonymous() {
    let server = Server::builder().allow_unruled().ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    assert_eq!(client.create("t", &[]).await.error_code, ErrorCode::NONE, "no rule speaks of it");
    let mine = |operation| allow(ResourceType::Topic, "t", "User:ANONYMOUS", operation);
    assert_eq!(create(&mut client, vec![mine(Operation::Read)]).await, [ErrorCode::NONE]);
    let refused = client.produce("t", batch(1, &["one"], Compression::None)).await.error_code;
    assert_eq!(refused, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    assert_eq!(client.fetch(11, "t", 0, 0).await.error_code, ErrorCode::NONE);
    // From where it is.
    let here = |host: &str| AclCreation { host: host.into(), ..mine(Operation::Write) };
    assert_eq!(create(&mut client, vec![here("127.0.0.2")]).await, [ErrorCode::NONE]);
    let refused = client.produce("t", batch(1, &["one"], Compression::None)).await.error_code;
    assert_eq!(refused, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    assert_eq!(create(&mut client, vec![here("127.0.0.1")]).await, [ErrorCode::NONE]);
    let done = client.produce("t", batch(1, &["one"], Compression::None)).await.error_code;
    assert_eq!(done, ErrorCode::NONE);
}

#[tokio::test]
async fn what_is_no_rule_is_refused_and_the_others_are_kept() {
    let server = Server::builder().allow_unruled().ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    let good = || allow(ResourceType::Group, "g", "User:alice", Operation::Read);
    let wrong = vec![
        good(),
        AclCreation { resource_type: 0, ..good() },
        AclCreation { resource_type: 1, ..good() },
        AclCreation { resource_type: 9, ..good() },
        AclCreation { resource_pattern_type: 1, ..good() },
        AclCreation { resource_pattern_type: 2, ..good() },
        AclCreation { operation: 1, ..good() },
        AclCreation { operation: 99, ..good() },
        AclCreation { permission_type: 1, ..good() },
        AclCreation { resource_name: "".into(), ..good() },
        AclCreation { principal: "alice".into(), ..good() },
        AclCreation { principal: ":alice".into(), ..good() },
        AclCreation { principal: "User:".into(), ..good() },
        AclCreation { host: "".into(), ..good() },
        AclCreation { resource_name: "x".repeat(5000).into(), ..good() },
        AclCreation { resource_type: ResourceType::Cluster.code(), ..good() },
    ];
    let count = wrong.len();
    let mut results = create(&mut client, wrong).await;
    assert_eq!(results.remove(0), ErrorCode::NONE);
    assert_eq!(results, vec![ErrorCode::INVALID_REQUEST; count - 1]);
    assert_eq!(create(&mut client, vec![good()]).await, [ErrorCode::NONE], "it was there");
    assert_eq!(describe(&mut client, any()).await.resources.len(), 1);
    let unknown = DescribeAclsRequest { pattern_type_filter: 7, ..any() };
    assert_eq!(describe(&mut client, unknown).await.error_code, ErrorCode::INVALID_REQUEST);
}
