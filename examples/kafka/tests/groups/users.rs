//! What a client may ask before it has said who it is.

use xs_kafka::Server;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;

use crate::client::Client;

async fn choose(client: &mut Client, version: i16, mechanism: &str) -> ErrorCode {
    match client.ask(version, SaslHandshakeRequest { mechanism: mechanism.into() }).await {
        Response::SaslHandshake(response) => {
            assert_eq!(response.mechanisms, ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]);
            response.error_code
        }
        other => panic!("{other:?}"),
    }
}

async fn say(client: &mut Client, version: i16, said: &'static str) -> ErrorCode {
    match client.ask(version, SaslAuthenticateRequest { auth_bytes: said.into() }).await {
        Response::SaslAuthenticate(response) => response.error_code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn strangers_are_told_the_versions_and_nothing_else() {
    let server = Server::builder().user("alice", "secret").ephemeral().await.unwrap();
    for version in 0..=2 {
        let mut client = Client::of(&server).await;
        assert!(matches!(client.ask(3, ApiVersionsRequest::default()).await, Response::ApiVersions(_)));
        assert_eq!(choose(&mut client, 1, "GSSAPI").await, ErrorCode::UNSUPPORTED_SASL_MECHANISM);
        assert_eq!(choose(&mut client, 1, "PLAIN").await, ErrorCode::NONE);
        assert_eq!(say(&mut client, version, "\0alice\0secret").await, ErrorCode::NONE);
        assert!(client.metadata(&["t"]).await.topics[0].error_code.is_ok());
    }
    let mut stranger = Client::of(&server).await;
    stranger.send(12, MetadataRequest::default()).await;
    assert!(stranger.receive().await.is_none(), "the connection ends");
    let mut liar = Client::of(&server).await;
    choose(&mut liar, 1, "PLAIN").await;
    assert_eq!(say(&mut liar, 2, "\0alice\0guess").await, ErrorCode::SASL_AUTHENTICATION_FAILED);
    liar.send(12, MetadataRequest::default()).await;
    assert!(liar.receive().await.is_none(), "the connection ends");
}

#[tokio::test]
async fn where_nobody_has_to_say_who_it_is_nobody_can() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    assert_eq!(choose(&mut client, 1, "PLAIN").await, ErrorCode::ILLEGAL_SASL_STATE);
    assert!(client.metadata(&["t"]).await.topics[0].error_code.is_ok());
}
