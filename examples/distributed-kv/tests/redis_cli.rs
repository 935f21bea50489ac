//! The real client, redis-cli, in front of three nodes.

mod common;

use std::process::Stdio;

use common::Cluster;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

async fn redis_cli(port: u16, args: &[&str], input: &str) -> String {
    let mut child = Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
#[ignore = "needs redis-cli"]
async fn redis_cli_speaks_with_any_node() {
    let cluster = Cluster::start(3).await;
    let ports: Vec<u16> = cluster.servers.values().map(|server| server.client_addr().port()).collect();
    assert_eq!(redis_cli(ports[0], &["set", "greeting", "hello"], "").await, "OK\n");
    for port in &ports {
        assert_eq!(redis_cli(*port, &["get", "greeting"], "").await, "hello\n");
        assert_eq!(redis_cli(*port, &["-3", "mget", "greeting", "nothing"], "").await, "hello\n\n");
    }
    let transaction = "multi\nset a 1\nincr a\nexec\nget a\n";
    assert_eq!(redis_cli(ports[1], &[], transaction).await, "OK\nQUEUED\nQUEUED\nOK\n2\n2\n");
    let scanned = redis_cli(ports[2], &["--scan", "--pattern", "g*"], "").await;
    assert_eq!(scanned, "greeting\n");
    let info = redis_cli(ports[2], &["info", "raft"], "").await;
    assert!(info.contains("raft_id:3\r"), "{info}");
    // Many at once, as `--pipe` sends them: all replies come, and in order.
    let lines: String = (0..2000).map(|n| format!("SET pipe:{n} {n}\r\n")).collect();
    let piped = redis_cli(ports[0], &["--pipe"], &lines).await;
    assert!(piped.contains("errors: 0, replies: 2000"), "{piped}");
    assert_eq!(redis_cli(ports[1], &["dbsize"], "").await, "2002\n");
    assert_eq!(redis_cli(ports[1], &["pttl", "greeting"], "").await, "-1\n");
}
