//! The PROXY protocol beside haproxy: through one, through us, and to another one, the client stays who it is.

mod support;

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::{Wire, get, nobody, rig};
use tokio::net::TcpStream;

struct Haproxy(Child);

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two frontends: one passes bytes to `ours` behind a header, the other one demands a header and answers who it names.
fn haproxy(dir: &std::path::Path, front: SocketAddr, ours: SocketAddr, send: &str, behind: SocketAddr) -> Haproxy {
    let text = format!(
        "global\n  maxconn 100\ndefaults\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n\
         frontend front\n  mode tcp\n  bind {front}\n  default_backend ours\n\
         backend ours\n  mode tcp\n  server ours {ours} {send}\n\
         frontend behind\n  mode http\n  bind {behind} accept-proxy\n\
         \x20 http-request return status 200 content-type text/plain lf-string \"%[src]:%[src_port]\"\n"
    );
    let file = dir.join("haproxy.cfg");
    std::fs::write(&file, text).unwrap();
    let child = Command::new("haproxy").arg("-db").arg("-f").arg(&file).stdin(Stdio::null()).spawn();
    Haproxy(child.expect("haproxy is installed"))
}

#[tokio::test]
#[ignore = "needs haproxy"]
async fn the_client_stays_who_it_is() {
    for (send, version) in [
        ("send-proxy", "v1"),
        ("send-proxy", "v2"),
        ("send-proxy-v2", "v1"),
        ("send-proxy-v2 proxy-v2-options crc32c,unique-id", "v2"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (front, behind) = (nobody().await, nobody().await);
        let listener = "mode = \"tcp\"\naccept-proxy = true\ntrusted = [\"127.0.0.0/8\"]";
        let rig = rig(&[behind], listener, &format!("send-proxy = \"{version}\""));
        let _haproxy = haproxy(dir.path(), front, rig.address, send, behind);
        let client = async {
            loop {
                match TcpStream::connect(front).await {
                    Ok(stream) => return stream,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let stream = tokio::time::timeout(Duration::from_secs(10), client).await.expect("haproxy listens");
        let own = stream.local_addr().unwrap();
        let mut wire = Wire::new(stream);
        wire.send(&get("/")).await;
        let answer = wire.answer(false).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{own}")), "{send}, {version}: {own} became {answer}");
    }
}

#[tokio::test]
#[ignore = "needs haproxy"]
async fn requests_of_each_client_come_as_its_own() {
    for version in ["v1", "v2"] {
        let dir = tempfile::tempdir().unwrap();
        let (front, behind) = (nobody().await, nobody().await);
        let health = "health = { http = \"/\", interval = \"50ms\", rise = 1, fall = 1 }\npanic = 0.0";
        let rig = rig(&[behind], "", &format!("send-proxy = \"{version}\"\n{health}"));
        let _haproxy = haproxy(dir.path(), front, rig.address, "", behind);
        let listens = async {
            while TcpStream::connect(behind).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // A check must have found it well, which takes a header too.
            tokio::time::sleep(Duration::from_millis(300)).await;
        };
        tokio::time::timeout(Duration::from_secs(10), listens).await.expect("haproxy listens");
        let mut clients = vec![rig.connect().await, rig.connect().await, rig.connect().await];
        for _ in 0..3 {
            for wire in &mut clients {
                let own = wire.stream.local_addr().unwrap();
                wire.send(&get("/")).await;
                let answer = wire.answer(false).await;
                assert!(answer.ends_with(&format!("\r\n\r\n{own}")), "{version}: {own} became {answer}");
            }
        }
    }
}
