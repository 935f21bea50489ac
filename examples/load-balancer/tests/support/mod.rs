//! Endpoints that behave as a test wants, and clients that see every byte.
#![allow(dead_code, unreachable_pub)] // each test program uses a part of it

pub(crate) mod process;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use xs_load_balancer::{Balancer, Config, Machine};

/// What an endpoint does with a request, of which it sees the head.
#[derive(Clone)]
pub(crate) enum Does {
    /// Answers with these bytes.
    Says(String),
    /// Answers 200 with the head as it came, and the body that its length announces.
    Echoes,
    /// Answers 200 with its own address.
    Names,
    /// Says nothing.
    Hangs,
    /// Resets the connection.
    Resets,
    /// Says these bytes, and closes.
    Leaves(String),
    /// Answers the first request with the first of these, and so on; all that come later with the last.
    InTurn(Vec<String>),
    /// Answers so after a while.
    Waits(Duration, String),
    /// Says the first part at once, and the rest after a while.
    Drips(String, Duration, String),
}

pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) requests: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Endpoint {
    pub(crate) async fn start(does: Does) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Endpoint::on(listener, does)
    }

    pub(crate) fn on(listener: TcpListener, does: Does) -> Endpoint {
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        let counts = (connections.clone(), requests.clone());
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counts.0.fetch_add(1, Ordering::SeqCst);
                open.spawn(converse(stream, does.clone(), counts.1.clone(), address));
            }
        });
        Endpoint { address, connections, requests, tasks }
    }

    /// As `kill -9`: everything is cut at once.
    pub(crate) async fn kill(&mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn converse(mut stream: TcpStream, does: Does, requests: Arc<AtomicUsize>, address: SocketAddr) {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = find(&read, b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let is_check = head.starts_with("GET /health ");
        let nth = requests.fetch_add(usize::from(!is_check), Ordering::SeqCst);
        let length: usize = field(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        let text = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = match &does {
            _ if is_check => text("well"),
            Does::Says(answer) => answer.clone(),
            Does::InTurn(answers) => answers[nth.min(answers.len() - 1)].clone(),
            Does::Names => text(&address.to_string()),
            Does::Echoes => {
                if field(&head, "expect").is_some() {
                    stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
                }
                while read.len() < end + length {
                    assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "the request broke off");
                }
                text(&String::from_utf8_lossy(&read[..end + length]))
            }
            Does::Hangs => {
                let _ = stream.read(&mut [0; 1024]).await;
                return;
            }
            Does::Resets => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Does::Leaves(answer) => {
                let _ = stream.write_all(answer.as_bytes()).await;
                return;
            }
            Does::Drips(first, time, rest) => {
                stream.write_all(first.as_bytes()).await.unwrap();
                tokio::time::sleep(*time).await;
                rest.clone()
            }
            Does::Waits(time, answer) => {
                tokio::time::sleep(*time).await;
                answer.clone()
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        read.drain(..end + length.min(read.len() - end));
    }
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The value of the first field of this name in a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|f| f.1)
}

/// A port on which nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// One HTTP listener on any port, and a pool; `listener` and `pool` are more of each, in TOML.
pub(crate) fn config(endpoints: &[SocketAddr], listener: &str, pool: &str) -> Config {
    let list: Vec<_> = endpoints.iter().map(|address| format!("\"{address}\"")).collect();
    let text = format!(
        "drain = \"2s\"\n[pool.app]\nendpoints = [{}]\n{pool}\n[[listener]]\nname = \"web\"\nlisten = \"127.0.0.1:0\"\n\
         pool = \"app\"\n{listener}\n",
        list.join(", ")
    );
    Config::parse(&text).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

pub(crate) struct Rig {
    pub(crate) balancer: Balancer,
    pub(crate) address: SocketAddr,
}

pub(crate) fn rig(endpoints: &[SocketAddr], listener: &str, pool: &str) -> Rig {
    let balancer = Balancer::start(config(endpoints, listener, pool), Machine::system()).unwrap();
    let address = balancer.address("web").unwrap();
    Rig { balancer, address }
}

impl Rig {
    pub(crate) async fn connect(&self) -> Wire {
        Wire { stream: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }

    /// One request on a connection of its own, whose answer is all that comes.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut wire = self.connect().await;
        wire.send(request).await;
        wire.answer(request.starts_with("HEAD")).await
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        self.ask(&get(path)).await
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")
}

/// A client's connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Wire {
        Wire { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until `end` has come, and gives all up to there.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let read = async {
            loop {
                if let Some(at) = find(&self.read, end.as_bytes()) {
                    let got: Vec<u8> = self.read.drain(..at + end.len()).collect();
                    return String::from_utf8(got).unwrap();
                }
                match self.stream.read_buf(&mut self.read).await {
                    Ok(0) | Err(_) => return format!("(closed) {}", String::from_utf8_lossy(&self.read)),
                    Ok(_) => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("nothing came")
    }

    /// One whole response with a length or chunks, or what came until the connection ended.
    pub(crate) async fn answer(&mut self, bodiless: bool) -> String {
        let head = self.until("\r\n\r\n").await;
        let empty = bodiless || head.starts_with("HTTP/1.1 204") || head.starts_with("HTTP/1.1 304");
        if head.starts_with("(closed)") || empty {
            return head;
        }
        if field(&head, "transfer-encoding").is_some() {
            return head + &self.until("0\r\n").await + &self.until("\r\n").await;
        }
        let length: usize =
            field(&head, "content-length").unwrap_or_else(|| panic!("no length: {head}")).parse().unwrap();
        let read = async {
            while self.read.len() < length {
                match self.stream.read_buf(&mut self.read).await {
                    Ok(0) | Err(_) => return format!("(closed) {head}"),
                    Ok(_) => {}
                }
            }
            let body: Vec<u8> = self.read.drain(..length).collect();
            head + &String::from_utf8_lossy(&body)
        };
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("the body did not come")
    }
}

pub(crate) fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no status: {answer}"))
}
