//! A relay between TCP connections: processor time of copying beside splicing, for exchanges of many sizes.
//!
//! Each subject is a relay with a thread of its own in this process, whose time the kernel counts by itself. Clients and
//! endpoint are blocking threads. The rounds of a row are interleaved, and what is printed is their median.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use tower::service_fn;
use xs_net::reactors::{ReactorOptions, Reactors};
use xs_net::relay::{Options as RelayOptions, Pipes, Relay};
use xs_net::{Addr, Conn, Timer, serve};

use crate::arguments::{self, Arguments};
use crate::median;

/// What `--help` prints.
const HELP: &str = "\
relay: a relay between TCP connections, copying beside splicing

  --quick            two rounds, and a quarter of the bytes
  --json FILE        one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds
  --rounds N         rounds a row (default 5)
";

/// The relays: name, bytes read at once, and from how many bytes on they splice.
const SUBJECTS: &[(&str, usize, usize)] = &[
    ("copy-16k", 16 << 10, usize::MAX),
    ("copy-32k", 32 << 10, usize::MAX),
    ("copy-64k", 64 << 10, usize::MAX),
    ("splice", 16 << 10, 0),
    ("auto", 16 << 10, 128 << 10),
];

/// A row: its name, the size of an answer, how many exchanges there are in all, and over how many connections.
const ROWS: &[(&str, u64, u64, u64)] = &[
    ("64 B", 64, 40_000, 8),
    ("4 KiB", 4 << 10, 30_000, 8),
    ("16 KiB", 16 << 10, 16_000, 8),
    ("64 KiB", 64 << 10, 8_000, 8),
    ("256 KiB", 256 << 10, 2_000, 4),
    ("1 MiB", 1 << 20, 1_000, 4),
    ("1 GiB", 1 << 30, 1, 1),
];

/// What a question has before its answer comes: the size of the answer, and padding.
const QUESTION: usize = 64;

struct Subject {
    name: &'static str,
    reactors: Reactors,
    task: String,
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    use lexopt::ValueExt;
    let mut told = None;
    let own = |name: &str, parser: &mut lexopt::Parser| {
        let known = name == "rounds";
        if known {
            told = Some(parser.value()?.parse::<usize>()?);
        }
        Ok(known)
    };
    let Some(Arguments { quick, mut json }) = arguments::parse(args, HELP, own)? else { return Ok(()) };
    let (rounds, part) = if quick { (2, 4) } else { (5, 1) };
    let rounds = told.unwrap_or(rounds);
    let endpoint = endpoint()?;
    let subjects: Vec<_> = SUBJECTS.iter().map(|subject| start(subject, endpoint)).collect::<Result<_, _>>()?;
    println!("# relay\n\nProcessor time of the relay's thread; the answer's size is the row's name.\n");
    println!("| row | relay | µs an exchange | CPU s a GB |\n|---|---|--:|--:|");
    for &(row, size, exchanges, connections) in ROWS {
        let exchanges = (exchanges / part).max(connections);
        let mut runs = vec![Vec::new(); subjects.len()];
        for _ in 0..rounds {
            for (subject, runs) in subjects.iter().zip(&mut runs) {
                let before = subject.nanos()?;
                exchange(subject.reactors.local_addr(), size, exchanges / connections, connections)?;
                let spent = subject.nanos()? - before;
                runs.push(spent as f64 / (exchanges / connections * connections) as f64 / 1000.0);
            }
        }
        let medians: Vec<f64> = runs.into_iter().map(median).collect();
        for (subject, &micros) in subjects.iter().zip(&medians) {
            let gb = micros * 1000.0 / (size + QUESTION as u64) as f64;
            println!("| {row} | {} | {micros:.1} | {gb:.3} |", subject.name);
        }
        if let Some(file) = &mut json {
            for (subject, &ours) in subjects.iter().zip(&medians).skip(1) {
                let line = serde_json::json!({
                    "bench": "relay", "row": row, "subject": subject.name, "peer": subjects[0].name,
                    "ratio": medians[0] / ours, "unit": "µs of CPU an exchange",
                    "ours": ours, "theirs": medians[0], "rounds": rounds,
                });
                writeln!(file, "{line}")?;
            }
        }
    }
    Ok(())
}

/// A relay to `endpoint` on a thread of its own.
fn start(
    &(name, buffer, splice_after): &(&'static str, usize, usize),
    endpoint: SocketAddr,
) -> Result<Subject, Box<dyn Error>> {
    let options = ReactorOptions { name: name.to_owned(), ..ReactorOptions::default() };
    let reactors = Reactors::start(([127, 0, 0, 1], 0).into(), options, move |reactor| async move {
        let (timer, pipes) = (Timer::system(), Pipes::new(64));
        let relay = service_fn(move |conn: Conn<tokio::net::TcpStream, Addr>| {
            let options = RelayOptions { buffer, splice_after, pipes: Some(pipes.clone()), ..RelayOptions::default() };
            let timer = timer.clone();
            async move {
                let to = tokio::net::TcpStream::connect(endpoint).await?;
                to.set_nodelay(true)?;
                io::Result::Ok(Relay::new(conn.io, to, &timer, options).await)
            }
        });
        let mut shutdown = reactor.shutdown;
        serve(reactor.listener, relay, async move { shutdown.drained().await }).await.map(drop)
    })?;
    let task = task(&format!("{name}-0"))?;
    Ok(Subject { name, reactors, task })
}

/// The directory in which the kernel tells of a thread of this process.
fn task(name: &str) -> io::Result<String> {
    for _ in 0..100 {
        for entry in fs::read_dir("/proc/self/task")? {
            let path = entry?.path();
            if fs::read_to_string(path.join("comm"))?.trim_end() == name {
                return Ok(path.to_string_lossy().into_owned());
            }
        }
        // A thread gives itself its name when it begins.
        thread::sleep(std::time::Duration::from_millis(10));
    }
    Err(io::Error::other(format!("no thread {name}")))
}

impl Subject {
    /// Nanoseconds on a processor so far, as the scheduler counts them.
    fn nanos(&self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("{}/schedstat", self.task))?;
        let nanos = text.split_whitespace().next().and_then(|field| field.parse().ok());
        nanos.ok_or_else(|| io::Error::other("no figures of the scheduler"))
    }
}

/// Answers each question with as many bytes as it asks for.
fn endpoint() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let addr = listener.local_addr()?;
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            thread::spawn(move || -> io::Result<()> {
                stream.set_nodelay(true)?;
                let answer = vec![b'x'; 128 << 10];
                let mut question = [0; QUESTION];
                loop {
                    stream.read_exact(&mut question)?;
                    let mut left = u64::from_le_bytes(*question.first_chunk().unwrap_or(&[0; 8]));
                    while left > 0 {
                        let piece = left.min(answer.len() as u64);
                        stream.write_all(&answer[..piece as usize])?;
                        left -= piece;
                    }
                }
            });
        }
    });
    Ok(addr)
}

/// So many exchanges on each of so many connections, one after the other on each.
fn exchange(addr: SocketAddr, size: u64, each: u64, connections: u64) -> io::Result<()> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..connections).map(|_| scope.spawn(|| client(addr, size, each))).collect();
        clients.into_iter().try_for_each(|client| client.join().unwrap_or_else(|_| Err(io::Error::other("panicked"))))
    })
}

fn client(addr: SocketAddr, size: u64, each: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    let mut question = [0; QUESTION];
    question[..8].copy_from_slice(&size.to_le_bytes());
    let mut space = vec![0; 256 << 10];
    for _ in 0..each {
        stream.write_all(&question)?;
        let mut left = size;
        while left > 0 {
            let most = left.min(space.len() as u64) as usize;
            match stream.read(&mut space[..most])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => left -= n as u64,
            }
        }
    }
    Ok(())
}
