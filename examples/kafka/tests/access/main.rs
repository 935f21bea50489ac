//! Who gets in, what it may do there, and how much of it.

#[path = "../common/client.rs"]
mod client;
mod exchange;
#[allow(dead_code, reason = "what others need of it")]
#[path = "../program/process.rs"]
mod process;
mod quotas;
mod real;
mod refusals;
mod rules;

use client::Client;
use xs_kafka::Server;
use xs_proto::kafka::messages::*;

/// A connection of this user, whose password is its name.
async fn login(server: &Server, name: &str) -> Client {
    let mut client = Client::of(server).await;
    let chosen = client.ask(1, SaslHandshakeRequest { mechanism: "PLAIN".into() }).await;
    assert!(matches!(chosen, Response::SaslHandshake(answer) if answer.error_code.is_ok()));
    let said = SaslAuthenticateRequest { auth_bytes: format!("\0{name}\0{name}").into() };
    assert!(matches!(client.ask(2, said).await, Response::SaslAuthenticate(answer) if answer.error_code.is_ok()));
    client
}
