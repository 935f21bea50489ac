//! Clients: as many connections, each with one request under way.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use super::VALUE;
use crate::median;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Put,
    Get,
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ask::Put => "durable puts",
            Ask::Get => "linearizable gets",
        })
    }
}

/// What a cluster speaks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    Resp,
    #[cfg(feature = "peers-etcd")]
    Etcd,
}

/// How many keys all clients write to, together.
const KEYS: u64 = 100_000;

const PATIENCE: Duration = Duration::from_secs(1);

/// A connection.
pub(super) trait Client {
    /// Asks once, and waits for the answer.
    fn ask<'a>(&'a mut self, ask: Ask, key: u64, value: &'a [u8]) -> Answer<'a>;
}

pub(super) type Answer<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + 'a>>;

impl Protocol {
    async fn connect(self, port: u16) -> io::Result<Box<dyn Client>> {
        match self {
            Protocol::Resp => Ok(Box::new(Resp::connect(port).await?)),
            #[cfg(feature = "peers-etcd")]
            Protocol::Etcd => Ok(Box::new(super::etcd::Client::connect(port).await?)),
        }
    }

    /// Whether the node at a port says that it leads.
    pub(super) fn leads(self, port: u16) -> bool {
        let asked = async move {
            match self {
                Protocol::Resp => Resp::connect(port).await?.leads().await,
                #[cfg(feature = "peers-etcd")]
                Protocol::Etcd => super::etcd::Client::connect(port).await?.leads().await,
            }
        };
        on_second_core(|| async { tokio::time::timeout(PATIENCE, asked).await? }).unwrap_or(false)
    }
}

/// One run, or the median of some.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) count: f64,
    /// Requests a second.
    pub(super) rate: f64,
    /// Milliseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Processor seconds of all servers a million requests.
    pub(super) cpu: f64,
}

impl Measured {
    pub(super) fn median_of(runs: &[Measured]) -> Measured {
        let of = |figure: fn(&Measured) -> f64| median(runs.iter().map(figure).collect());
        Measured {
            count: of(|m| m.count),
            rate: of(|m| m.rate),
            p50: of(|m| m.p50),
            p99: of(|m| m.p99),
            cpu: of(|m| m.cpu),
        }
    }
}

/// So many clients for so long.
pub(super) fn run(protocol: Protocol, port: u16, ask: Ask, clients: usize, seconds: u64) -> io::Result<Measured> {
    let work = || async move {
        let mut ready = Vec::new();
        for _ in 0..clients {
            let mut client = protocol.connect(port).await?;
            client.ask(Ask::Put, 0, &[b'v'; VALUE]).await?;
            ready.push(client);
        }
        let mut tasks = JoinSet::new();
        let begin = Instant::now();
        let end = begin + Duration::from_secs(seconds);
        for (nth, client) in ready.into_iter().enumerate() {
            tasks.spawn_local(one_after_the_other(client, ask, nth as u64, KEYS / clients as u64, end));
        }
        let mut all = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            all.extend(ended.map_err(io::Error::other)??);
        }
        Ok((all, begin.elapsed().as_secs_f64()))
    };
    let (mut all, took) = on_second_core(work)?;
    all.sort_by(f32::total_cmp);
    let at = |share: f64| all.get((all.len() as f64 * share) as usize).copied().map_or(f64::NAN, f64::from);
    let count = all.len() as f64;
    Ok(Measured { count, rate: count / took, p50: at(0.5), p99: at(0.99), cpu: 0.0 })
}

/// Asks until the end; the milliseconds of each answer.
async fn one_after_the_other(
    mut client: Box<dyn Client>,
    ask: Ask,
    nth: u64,
    keys: u64,
    end: Instant,
) -> io::Result<Vec<f32>> {
    let mut latencies = Vec::new();
    let mut from = Instant::now();
    for count in 0.. {
        if from >= end {
            break;
        }
        client.ask(ask, nth << 32 | (count % keys.max(1)), &[b'v'; VALUE]).await?;
        let to = Instant::now();
        latencies.push((to - from).as_secs_f32() * 1e3);
        from = to;
    }
    Ok(latencies)
}

/// Does something to a cluster while a client writes through the node at `port`, and tells how long after that it took until
/// a write was answered that had been asked for after it.
pub(super) fn gap(protocol: Protocol, port: u16, happens: impl FnOnce() + Send) -> io::Result<Duration> {
    on_second_core(move || async move {
        let mut client = protocol.connect(port).await?;
        for key in 0..100 {
            client.ask(Ask::Put, key, &[b'v'; VALUE]).await?;
        }
        happens();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(30) {
            // One that got lost with the leader is asked again soon, as a client that retries does.
            let asked = async {
                let mut client = protocol.connect(port).await?;
                client.ask(Ask::Put, 0, &[b'v'; VALUE]).await
            };
            match tokio::time::timeout(Duration::from_millis(50), asked).await {
                Ok(Ok(())) => return Ok(begin.elapsed()),
                Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(_) => {}
            }
        }
        Err(io::Error::other("nobody writes any more, thirty seconds after the leader's death"))
    })
}

/// Kills something, and tells how long after that it took until one of the nodes at `ports` said that it leads.
pub(super) fn elected(ports: Vec<u16>, kill: impl FnOnce() + Send) -> io::Result<Duration> {
    on_second_core(move || async move {
        let mut nodes = Vec::new();
        for port in ports {
            nodes.push(Resp::connect(port).await?);
        }
        kill();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            for node in &mut nodes {
                if node.leads().await? {
                    return Ok(begin.elapsed());
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(io::Error::other("nobody leads, a minute after the leader's death"))
    })
}

/// Runs what `make` makes on a runtime of its own, on the second core.
fn on_second_core<T: Send, F: Future<Output = io::Result<T>>>(make: impl FnOnce() -> F + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut core = rustix::thread::CpuSet::new();
            core.set(1);
            // A machine of one core has no second one.
            let _ = rustix::thread::sched_setaffinity(None, &core);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, make())
        });
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the clients' thread panicked")))
    })
}

/// A connection that speaks RESP.
struct Resp {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Resp {
    async fn connect(port: u16) -> io::Result<Resp> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Resp { stream, request: Vec::new(), answer: Vec::new() })
    }

    fn write(&mut self, words: &[&[u8]]) {
        self.request.clear();
        self.request.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.request.extend_from_slice(word);
            self.request.extend_from_slice(b"\r\n");
        }
    }

    /// Sends what was written, and reads one answer: a line, or a string.
    async fn exchange(&mut self) -> io::Result<&[u8]> {
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some(line) = self.answer.windows(2).position(|pair| pair == b"\r\n") else { continue };
            let whole = match self.answer[0] {
                b'-' => return Err(io::Error::other(String::from_utf8_lossy(&self.answer).into_owned())),
                b'$' => {
                    let len = std::str::from_utf8(&self.answer[1..line]).ok().and_then(|text| text.parse::<i64>().ok());
                    let len = len.ok_or_else(|| io::Error::other("an answer without a length"))?;
                    line + 2 + usize::try_from(len).map_or(0, |len| len + 2)
                }
                _ => line + 2,
            };
            if self.answer.len() >= whole {
                return Ok(&self.answer);
            }
        }
    }

    async fn leads(&mut self) -> io::Result<bool> {
        self.write(&[b"INFO"]);
        let answer = self.exchange().await?;
        Ok(String::from_utf8_lossy(answer).contains("raft_role:leader"))
    }
}

impl Client for Resp {
    fn ask<'a>(&'a mut self, ask: Ask, key: u64, value: &'a [u8]) -> Answer<'a> {
        let key = format!("{key:016x}");
        match ask {
            Ask::Put => self.write(&[b"SET", key.as_bytes(), value]),
            Ask::Get => self.write(&[b"GET", key.as_bytes()]),
        }
        Box::pin(async move { self.exchange().await.map(drop) })
    }
}
