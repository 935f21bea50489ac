//! The whole server over TLS, with certificates that change.

use http::StatusCode;
use xs_http::todos;
use xs_net::tls::{Authorities, Certificates, Connector, ConnectorOptions, Identity, Trust};

use super::*;

fn made(name: &str) -> (Identity, Authorities) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    (identity, Authorities::from_pem(chain.as_bytes()).unwrap())
}

#[tokio::test]
async fn requests_go_through_tls_and_certificates_change_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let content = pattern(1_000_000);
    write(dir.path(), "large", &content);
    let ((old, old_authority), (new, new_authority)) = (made("a.test"), made("a.test"));
    let certificates = Certificates::new(vec![old]).unwrap();
    let service = files(dir.path(), FilesOptions::default());
    let server = Serve::new(service).tls(certificates.clone()).start().await.unwrap();
    assert!(server.url().starts_with("https://127.0.0.1:"));
    let connect = async |authority: &Authorities| {
        let options = ConnectorOptions { alpn: vec![b"http/1.1".to_vec()], ..ConnectorOptions::default() };
        let connector = Connector::new(Trust::Authorities(authority.clone()), options, &Timer::system()).unwrap();
        connector.connect("a.test", TcpStream::connect(server.addr()).await.unwrap()).await
    };
    let request = || Request::get("/large").body(Full::default()).unwrap();
    let stream = connect(&old_authority).await.unwrap();
    assert_eq!(stream.alpn(), Some(&b"http/1.1"[..]));
    let before = connect(&old_authority).await.unwrap();
    assert!(ask_on(stream, request()).await.body()[..] == content[..]);

    certificates.replace(vec![new]).unwrap();
    assert!(connect(&old_authority).await.is_err());
    let answer = ask_on(connect(&new_authority).await.unwrap(), request()).await;
    assert!(answer.body()[..] == content[..]);
    assert_eq!(ask_on(before, request()).await.status(), StatusCode::OK);
    let heard = raw(&server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!heard.starts_with("HTTP/"), "{heard}");
}

#[tokio::test]
async fn who_does_not_shake_hands_holds_up_nobody() {
    let (identity, authority) = made("a.test");
    let certificates = Certificates::new(vec![identity]).unwrap();
    let server = Serve::new(todos().unwrap()).tls(certificates).start().await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(server.addr()).await.unwrap());
    }
    let connector =
        Connector::new(Trust::Authorities(authority), ConnectorOptions::default(), &Timer::system()).unwrap();
    let stream = soon(connector.connect("a.test", TcpStream::connect(server.addr()).await.unwrap())).await.unwrap();
    let answer = ask_on(stream, Request::get("/health").body(Full::default()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::OK);
}
