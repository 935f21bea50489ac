//! Clients that speak TLS, in both modes, and certificates that change.

mod support;

use std::net::SocketAddr;
use std::path::Path;

use support::{Does, Endpoint, config, rig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use xs_load_balancer::{Machine, StartError, check};
use xs_net::Timer;
use xs_net::tls::{Authorities, Connector, ConnectorOptions, Trust};

/// Writes a certificate for `name` and its key, and gives who believes it.
fn certify(dir: &Path, name: &str) -> Connector {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let trust = Trust::Authorities(Authorities::from_pem(made.cert.pem().as_bytes()).unwrap());
    Connector::new(trust, ConnectorOptions::default(), &Timer::system()).unwrap()
}

fn listener(dir: &Path, mode: &str) -> String {
    let file = |name: &str| dir.join(name).display().to_string();
    format!("mode = \"{mode}\"\ntls = {{ certificate = {:?}, key = {:?} }}", file("cert.pem"), file("key.pem"))
}

/// Asks once over TLS, or says why that was not to be.
async fn ask(address: SocketAddr, connector: &Connector, name: &str) -> Result<String, String> {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
    let request = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(|error| error.to_string())?;
    Ok(answer)
}

#[tokio::test]
async fn requests_come_over_tls_and_endpoints_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let trusted = certify(dir.path(), "a.example");
    let endpoint = Endpoint::start(Does::Echoes).await;
    let rig = rig(&[endpoint.address], &listener(dir.path(), "http"), "");
    let answer = ask(rig.address, &trusted, "a.example").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("x-forwarded-proto: https\r\n"), "{answer}");
    assert!(ask(rig.address, &trusted, "b.example").await.is_err(), "the certificate is for another name");
    // Who doesn't speak TLS is no burden to those who do.
    let mut plain = TcpStream::connect(rig.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP/"), "{said:?}");
    assert!(ask(rig.address, &trusted, "a.example").await.is_ok());
}

#[tokio::test]
async fn bytes_come_over_tls_and_go_on_without() {
    let dir = tempfile::tempdir().unwrap();
    let trusted = certify(dir.path(), "a.example");
    let endpoint = Endpoint::start(Does::Leaves("any protocol".into())).await;
    let rig = rig(&[endpoint.address], &listener(dir.path(), "tcp"), "");
    assert_eq!(ask(rig.address, &trusted, "a.example").await.unwrap(), "any protocol");
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_a_wrong_one_for_none() {
    let dir = tempfile::tempdir().unwrap();
    let first = certify(dir.path(), "a.example");
    let endpoint = Endpoint::start(Does::Names).await;
    let told = listener(dir.path(), "http");
    let mut rig = rig(&[endpoint.address], &told, "");
    assert!(ask(rig.address, &first, "a.example").await.is_ok());

    let second = certify(dir.path(), "b.example");
    assert!(ask(rig.address, &first, "a.example").await.is_ok(), "nobody has said that it changed");
    rig.balancer.reload(config(&[endpoint.address], &told, "")).unwrap();
    assert!(ask(rig.address, &second, "b.example").await.is_ok());

    std::fs::write(dir.path().join("cert.pem"), "no certificate").unwrap();
    let wrong = config(&[endpoint.address], &told, "");
    let error = check(&wrong, &Machine::system()).unwrap_err();
    assert!(error.to_string().contains("cert.pem"), "{error}");
    assert!(matches!(rig.balancer.reload(wrong), Err(StartError::Certificate { .. })));
    assert!(ask(rig.address, &second, "b.example").await.is_ok(), "everything is as it was");
}
