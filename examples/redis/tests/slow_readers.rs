//! What clients that never read may cost. Alone in its file, because it measures the memory of its process.
#![cfg(target_os = "linux")]

mod raw;

use raw::Client;

const MIB: usize = 1 << 20;
/// `client-output-buffer-limit` of normal clients.
const LIMIT: usize = 4 * MIB;
const CLIENTS: usize = 10;

/// A line of this process' status, in bytes.
fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").trim().parse::<usize>().expect("a number") * 1024
}

/// Clients that ask for a hundred times a mebibyte each and never read are cut at their limit. What they may hold until
/// then is the limit, and what one batch is answered at once: a mebibyte, and the reply that exceeds it.
#[tokio::test]
async fn ten_clients_that_never_read_cost_no_more_than_their_limit() {
    let limit = format!("normal {LIMIT} 0 0");
    let server = xs_redis::Server::builder().directive("client-output-buffer-limit", &limit).unwrap();
    let server = server.ephemeral().await.unwrap();
    let mut control = Client::connect(server.port()).await;
    control.expect(&[("SETRANGE value 1048575 v", ":1048576")]).await;
    let element = "e".repeat(1024);
    for _ in 0..1024 {
        control.ask_words(&["RPUSH", "list", &element]).await;
    }
    for request in ["GET value\r\n", "LRANGE list 0 -1\r\n"] {
        let (before, mut slow) = (status("VmRSS"), Vec::new());
        std::fs::write("/proc/self/clear_refs", "5").expect("the peak is counted anew");
        for _ in 0..CLIENTS {
            let mut client = Client::connect(server.port()).await;
            client.send_bytes(request.repeat(100).as_bytes()).await;
            slow.push(client);
        }
        for _ in 0..500 {
            if control.ask("CLIENT LIST").await.lines().filter(|line| line.contains("id=")).count() == 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(control.ask("CLIENT LIST").await.lines().filter(|line| line.contains("id=")).count(), 1);
        let grown = status("VmHWM").saturating_sub(before);
        // Room for the allocator, which also rounds buffers up to twice their size.
        assert!(grown < CLIENTS * 2 * (LIMIT + 2 * MIB), "{request:?}: {} MiB more at the peak", grown / MIB);
        println!("{request:?}: {} MiB more at the peak", grown / MIB);
        drop(slow);
    }
}
