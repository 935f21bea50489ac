//! SASL without Kafka's headers, as before Kafka 1.0.

use bytes::Bytes;
use xs_kafka::Server;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;

use crate::client::Client;

async fn begin(server: &Server, mechanism: &str) -> (Client, ErrorCode) {
    let mut client = Client::of(server).await;
    let chosen = client.ask(0, SaslHandshakeRequest { mechanism: mechanism.into() }).await;
    let Response::SaslHandshake(answer) = chosen else { panic!("{chosen:?}") };
    (client, answer.error_code)
}

fn framed(token: &[u8]) -> Vec<u8> {
    [&(token.len() as u32).to_be_bytes()[..], token].concat()
}

#[tokio::test]
async fn after_handshake_0_tokens_come_without_headers() {
    let server = Server::builder().user("alice", "secret").ephemeral().await.unwrap();
    let (mut client, chosen) = begin(&server, "PLAIN").await;
    assert_eq!(chosen, ErrorCode::NONE);
    client.send_raw(&framed(b"\0alice\0secret")).await;
    assert_eq!(client.frame().await, Some(Bytes::new()));
    assert!(client.metadata(&["t"]).await.topics[0].error_code.is_ok());

    // A mechanism that there isn't: the headers stay.
    let (mut client, chosen) = begin(&server, "GSSAPI").await;
    assert_eq!(chosen, ErrorCode::UNSUPPORTED_SASL_MECHANISM);
    let again = client.ask(1, SaslHandshakeRequest { mechanism: "PLAIN".into() }).await;
    assert!(matches!(again, Response::SaslHandshake(answer) if answer.error_code.is_ok()));

    let (mut client, _) = begin(&server, "SCRAM-SHA-256").await;
    client.send_raw(&framed(b"n,,n=alice,r=nonce")).await;
    let first = client.frame().await.unwrap();
    assert!(first.starts_with(b"r=nonce"), "{first:?}");
    client.send_raw(&framed(b"c=biws,r=nonce,p=AAAA")).await;
    assert_eq!(client.frame().await, None, "who has not proved it is not heard again");
}

#[tokio::test]
async fn what_is_no_token_ends_the_connection() {
    let server = Server::builder().user("alice", "secret").ephemeral().await.unwrap();
    let wrong = [framed(b"\0alice\0guess"), framed(b""), (1_u32 << 20).to_be_bytes().to_vec(), vec![0xff; 4]];
    for bytes in wrong {
        let (mut client, _) = begin(&server, "PLAIN").await;
        client.send_raw(&bytes).await;
        assert_eq!(client.frame().await, None, "{bytes:?}");
    }
    // Others are unharmed.
    let (mut client, _) = begin(&server, "PLAIN").await;
    client.send_raw(&framed(b"\0alice\0secret")).await;
    assert_eq!(client.frame().await, Some(Bytes::new()));
}
