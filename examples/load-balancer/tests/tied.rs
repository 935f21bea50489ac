//! Requests to endpoints that are told in a PROXY header whose connection it is: none goes on another client's.

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{field, find, get, rig, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// An endpoint that reads a header of version 1, and answers each request with it and with how many came before on the same
/// connection.
struct Told {
    address: SocketAddr,
    headers: Arc<Mutex<Vec<String>>>,
    /// Connections, of which each one holds one.
    open: Arc<()>,
    _tasks: JoinSet<()>,
}

impl Told {
    /// `most`: how many requests it answers on a connection before it closes that without a word.
    async fn start(most: usize) -> Told {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let headers = Arc::<Mutex<Vec<String>>>::default();
        let open = Arc::new(());
        let (noted, counted) = (headers.clone(), open.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut all = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (headers, counted) = (noted.clone(), counted.clone());
                all.spawn(async move {
                    converse(stream, headers, most).await;
                    drop(counted);
                });
            }
        });
        Told { address, headers, open, _tasks: tasks }
    }

    /// How many connections are open: two of those who hold `open` are no connections.
    fn open(&self) -> usize {
        Arc::strong_count(&self.open) - 2
    }

    fn headers(&self) -> Vec<String> {
        self.headers.lock().unwrap().clone()
    }
}

async fn converse(mut stream: TcpStream, headers: Arc<Mutex<Vec<String>>>, most: usize) {
    let mut read = Vec::new();
    let mut until = async |stream: &mut TcpStream, end: &[u8]| -> Option<String> {
        loop {
            if let Some(at) = find(&read, end) {
                return String::from_utf8(read.drain(..at + end.len()).collect()).ok();
            }
            if stream.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        }
    };
    let Some(header) = until(&mut stream, b"\r\n").await else { return };
    let header = header.trim_end().to_owned();
    headers.lock().unwrap().push(header.clone());
    for nth in 0..most {
        let Some(head) = until(&mut stream, b"\r\n\r\n").await else { return };
        if field(&head, "upgrade").is_some() {
            let yes = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: words\r\n\r\n";
            let _ = stream.write_all(yes).await;
            let _ = stream.read(&mut [0; 64]).await;
            return;
        }
        let body = format!("{nth}|{header}");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

const POOL: &str = "send-proxy = \"v1\"";

fn line(client: SocketAddr, balancer: SocketAddr) -> String {
    format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}", client.port(), balancer.port())
}

#[tokio::test]
async fn each_client_has_a_connection_of_its_own_and_keeps_it() {
    let told = Told::start(usize::MAX).await;
    let rig = rig(&[told.address], "", POOL);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let wire = rig.connect().await;
        let own = wire.stream.local_addr().unwrap();
        clients.push((wire, line(own, rig.address)));
    }
    for nth in 0..4 {
        for (wire, header) in &mut clients {
            wire.send(&get("/")).await;
            let answer = wire.answer(false).await;
            assert!(answer.ends_with(&format!("\r\n\r\n{nth}|{header}")), "{answer}");
        }
    }
    assert_eq!(told.headers().len(), 3);
    // With the client goes its connection; one that comes gets no other's.
    drop(clients);
    let mut wire = rig.connect().await;
    let header = line(wire.stream.local_addr().unwrap(), rig.address);
    wire.send(&get("/")).await;
    assert!(wire.answer(false).await.ends_with(&format!("0|{header}")));
}

#[tokio::test]
async fn one_that_was_closed_meanwhile_costs_no_request() {
    let told = Told::start(2).await;
    let rig = rig(&[told.address], "", &format!("{POOL}\nretry = {{ attempts = 1 }}"));
    let mut wire = rig.connect().await;
    for nth in 0..9 {
        wire.send(&get("/")).await;
        let answer = wire.answer(false).await;
        assert!(status(&answer) == 200 && answer.contains(&format!("\r\n\r\n{}|", nth % 2)), "{answer}");
    }
    assert_eq!(told.headers().len(), 5);
}

#[tokio::test]
async fn none_is_kept_for_longer_than_it_may_be() {
    for (connections, expected) in [
        ("connections = { idle = 0 }", 3),
        ("connections = { idle-timeout = \"1ms\" }", 3),
        ("connections = { lifetime = \"1ms\" }", 3),
        ("", 1),
    ] {
        let told = Told::start(usize::MAX).await;
        let rig = rig(&[told.address], "", &format!("{POOL}\n{connections}"));
        let mut wire = rig.connect().await;
        for _ in 0..3 {
            wire.send(&get("/")).await;
            assert_eq!(status(&wire.answer(false).await), 200);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(told.headers().len(), expected, "{connections}");
    }
}

#[tokio::test]
async fn none_stays_that_its_client_will_not_need_or_not_in_time() {
    let switch = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: words\r\n\r\n";
    for (next, expected, connections) in
        [(&*get("/"), 200, "connections = { idle-timeout = \"200ms\" }"), (switch, 101, "")]
    {
        let two = [Told::start(usize::MAX).await, Told::start(usize::MAX).await];
        let addresses = two.each_ref().map(|told| told.address);
        let rig = rig(&addresses, "", &format!("{POOL}\npolicy = \"round-robin\"\n{connections}"));
        let mut wire = rig.connect().await;
        wire.send(&get("/")).await;
        assert_eq!(status(&wire.answer(false).await), 200);
        let first = usize::from(two[0].open() == 0);
        assert_eq!((two[first].open(), two[1 - first].open()), (1, 0));
        tokio::time::sleep(Duration::from_millis(300)).await;
        // It goes to the other endpoint.
        wire.send(next).await;
        assert_eq!(status(&wire.until("\r\n\r\n").await), expected);
        let gone = async {
            while two[first].open() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the first one is kept");
        assert_eq!(two[1 - first].open(), 1);
    }
}

#[tokio::test]
async fn one_that_its_client_leaves_idle_is_closed_in_time() {
    for connections in ["idle-timeout = \"200ms\"", "lifetime = \"200ms\""] {
        let told = Told::start(usize::MAX).await;
        let rig = rig(&[told.address], "", &format!("{POOL}\nconnections = {{ {connections} }}"));
        let mut wire = rig.connect().await;
        for _ in 0..2 {
            wire.send(&get("/")).await;
            assert_eq!(status(&wire.answer(false).await), 200);
            assert_eq!(told.open(), 1);
            // The client says nothing more, and stays.
            let gone = async {
                while told.open() > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(5), gone).await.expect("it is kept");
        }
        assert_eq!(told.headers().len(), 2);
    }
}

#[tokio::test]
async fn there_are_no_more_than_there_may_be_and_a_client_that_goes_makes_room() {
    let told = Told::start(usize::MAX).await;
    let rig = rig(
        &[told.address],
        "",
        &format!("{POOL}\nconnections = {{ max = 1, wait = \"5s\" }}\nretry = {{ attempts = 1 }}"),
    );
    let mut first = rig.connect().await;
    first.send(&get("/")).await;
    assert_eq!(status(&first.answer(false).await), 200);
    let mut second = rig.connect().await;
    second.send(&get("/")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(told.headers().len(), 1, "the first one's is still its own");
    drop(first);
    assert_eq!(status(&second.answer(false).await), 200);
    assert_eq!(told.headers().len(), 2);
}

#[tokio::test]
async fn the_header_tells_what_another_balancer_has_told() {
    let told = Told::start(usize::MAX).await;
    let rig = rig(&[told.address], "accept-proxy = true\ntrusted = [\"127.0.0.0/8\"]", POOL);
    let answer = rig.ask(&format!("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n{}", get("/"))).await;
    assert!(answer.ends_with("0|PROXY TCP4 192.0.2.7 198.51.100.1 56324 443"), "{answer}");
}

#[tokio::test]
async fn checks_say_that_they_speak_for_nobody() {
    let told = Told::start(usize::MAX).await;
    let health = "health = { http = \"/health\", interval = \"20ms\", rise = 1, fall = 1 }";
    let rig = rig(&[told.address], "", &format!("{POOL}\npanic = 0.0\n{health}"));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(told.headers().iter().any(|header| header == "PROXY UNKNOWN"), "{:?}", told.headers());
    assert_eq!(status(&rig.get("/").await), 200, "it is well");
}
