//! The HTTP server under wrk, beside hyper: throughput, processor seconds a million requests, and latency.
//!
//! Every server is a process of its own on the first core with one single-threaded runtime; wrk runs on the second. The
//! rounds of a row are interleaved, and what is printed is their median.

mod servers;

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::{median, process};

/// What `--help` prints.
const HELP: &str = "\
http: the HTTP server under wrk, beside hyper (--features peers-http)

  --quick            one second a run and two rounds
  --json FILE        one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds
  --rounds N         rounds a row (default 5)
  --seconds N        seconds a run (default 4)
";

/// The servers measured, ours first. `raw` is ours with heads as they came instead of the http crate's types.
const SUBJECTS: &[&str] = &["xs", "xs-raw", "hyper"];

/// A row: its name, the path asked for, and how many requests wrk sends at once.
const ROWS: &[(&str, &str, usize)] =
    &[("3 B", "/small", 1), ("3 B, 16 pipelined", "/small", 16), ("64 KiB", "/large", 1)];

/// How many connections are opened to see what an idle one takes: as many as the usual limit of descriptors leaves room for.
const IDLE: usize = 900;

/// Makes wrk send several requests at once.
const PIPELINE: &str = "
init = function(args)
  local depth = tonumber(args[1])
  local requests = {}
  for i = 1, depth do requests[i] = wrk.format() end
  batch = table.concat(requests)
end
request = function() return batch end
";

#[derive(Debug)]
struct Options {
    json: Option<File>,
    rounds: usize,
    seconds: usize,
    serve: Option<String>,
}

/// One run.
#[derive(Debug, Clone, Copy)]
struct Measured {
    /// Requests a second.
    rate: f64,
    /// Processor seconds of the server a million requests.
    cpu: f64,
    /// Milliseconds.
    p50: f64,
    p99: f64,
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let Some(mut options) = parse(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    if let Some(name) = &options.serve {
        return Ok(servers::serve(name)?);
    }
    if Command::new("wrk").arg("-v").stdout(Stdio::null()).status().is_err() {
        return Err("wrk isn't installed: .ci/tools installs it".into());
    }
    let available = |name: &&&str| **name != "hyper" || cfg!(feature = "peers-http");
    let subjects: Vec<&str> = SUBJECTS.iter().filter(available).copied().collect();
    println!("# http\n\nEach server on core 0 with one thread, `wrk -t1 -c64` on core 1.\n");
    if !cfg!(feature = "peers-http") {
        println!("hyper isn't built in (--features peers-http): not measured.\n");
    }
    println!("| row | server | requests/s | CPU s per million | p50 ms | p99 ms |\n|---|---|--:|--:|--:|--:|");
    let servers = subjects.iter().map(|name| Server::start(name)).collect::<io::Result<Vec<_>>>()?;
    for (row, path, depth) in ROWS {
        let mut runs = vec![Vec::new(); servers.len()];
        for _ in 0..options.rounds {
            for (server, runs) in servers.iter().zip(&mut runs) {
                runs.push(server.measure(path, *depth, options.seconds)?);
            }
        }
        let medians: Vec<Measured> = runs.iter().map(|runs| median_of(runs)).collect();
        for (name, m) in subjects.iter().zip(&medians) {
            println!("| {row} | {name} | {:.0} | {:.2} | {:.2} | {:.2} |", m.rate, m.cpu, m.p50, m.p99);
        }
        if let (Some(file), Some(peer)) = (&mut options.json, subjects.iter().position(|name| *name == "hyper")) {
            for (subject, ours) in subjects.iter().zip(&medians).take(peer) {
                let line = serde_json::json!({
                    "bench": "http", "row": row, "subject": subject, "peer": "hyper",
                    "ratio": medians[peer].cpu / ours.cpu, "unit": "CPU s per million requests",
                    "ours": ours.cpu, "theirs": medians[peer].cpu, "rounds": options.rounds,
                });
                writeln!(file, "{line}")?;
            }
        }
    }
    drop(servers);
    println!("\nMemory of an idle connection that has asked once (of {IDLE}):\n\n| server | KiB |\n|---|--:|");
    for name in &subjects {
        println!("| {name} | {:.1} |", Server::start(name)?.idle_memory()? / 1024.0);
    }
    Ok(())
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Options>, Box<dyn Error>> {
    use lexopt::prelude::{Long, ValueExt};
    let mut options = Options { json: None, rounds: 5, seconds: 4, serve: None };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") => return Ok(None),
            Long("quick") => (options.rounds, options.seconds) = (2, 1),
            Long("json") => options.json = Some(File::create(parser.value()?)?),
            Long("rounds") => options.rounds = parser.value()?.parse()?,
            Long("seconds") => options.seconds = parser.value()?.parse()?,
            Long("serve") => options.serve = Some(parser.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

fn median_of(runs: &[Measured]) -> Measured {
    let of = |figure: fn(&Measured) -> f64| median(runs.iter().map(figure).collect());
    Measured { rate: of(|m| m.rate), cpu: of(|m| m.cpu), p50: of(|m| m.p50), p99: of(|m| m.p99) }
}

/// A server in a process of its own, ended with the value.
#[derive(Debug)]
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(name: &str) -> io::Result<Server> {
        // Not even a killed harness leaves a server behind.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "-c", "0"])
            .arg(std::env::current_exe()?)
            .args(["http", "--serve", name])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().parse() {
            Ok(port) => Ok(Server { child, port }),
            Err(_) => Err(io::Error::other(format!("the server {name} didn't start"))),
        }
    }

    fn measure(&self, path: &str, depth: usize, seconds: usize) -> io::Result<Measured> {
        let script = tempfile::NamedTempFile::new()?;
        script.as_file().write_all(PIPELINE.as_bytes())?;
        let mut wrk = Command::new("taskset");
        wrk.args(["-c", "1", "wrk", "-t1", "-c64", "--latency", &format!("-d{seconds}s")]);
        if depth > 1 {
            wrk.arg("-s").arg(script.path());
        }
        wrk.arg(format!("http://127.0.0.1:{}{path}", self.port));
        if depth > 1 {
            wrk.args(["--", &depth.to_string()]);
        }
        let pid = self.child.id().to_string();
        let before = process::ticks(&pid)?;
        let output = wrk.output()?;
        let spent = process::ticks(&pid)? - before;
        let text = String::from_utf8_lossy(&output.stdout);
        let (requests, rate, p50, p99) =
            figures(&text).ok_or_else(|| io::Error::other(format!("wrk said:\n{text}")))?;
        Ok(Measured { rate, cpu: spent / requests * 1e6, p50, p99 })
    }
}

impl Server {
    /// Resident bytes for each connection that has asked once and asks no more.
    fn idle_memory(&self) -> io::Result<f64> {
        let pid = self.child.id().to_string();
        let resident = || process::figure(&pid, "status", "VmRSS:").map(|kib| kib as f64 * 1024.0);
        let ask = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.write_all(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            let mut answer = [0; 1024];
            if stream.read(&mut answer)? == 0 {
                return Err(io::Error::other("the server closed an idle connection"));
            }
            Ok(stream)
        };
        // The first ones pay for what all share.
        let _first = (0..IDLE / 9).map(|_| ask()).collect::<io::Result<Vec<_>>>()?;
        let before = resident()?;
        let idle = (0..IDLE / 9 * 8).map(|_| ask()).collect::<io::Result<Vec<_>>>()?;
        Ok((resident()? - before) / idle.len() as f64)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Requests, requests a second, and two percentiles in milliseconds, of what wrk prints. Nothing if a response was wrong.
pub(crate) fn figures(text: &str) -> Option<(f64, f64, f64, f64)> {
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return None;
    }
    let word_after = |label: &str| {
        let line = text.lines().map(str::trim).find(|line| line.starts_with(label))?;
        line[label.len()..].split_whitespace().next()
    };
    let requests = text.lines().find(|line| line.contains(" requests in "))?.split_whitespace().next()?;
    Some((
        requests.parse().ok()?,
        word_after("Requests/sec:")?.parse().ok()?,
        millis(word_after("50%")?)?,
        millis(word_after("99%")?)?,
    ))
}

/// `612.00us`, `1.20ms`, `2.00s`.
fn millis(text: &str) -> Option<f64> {
    let (number, factor) = match text.strip_suffix("us") {
        Some(number) => (number, 1e-3),
        None => match text.strip_suffix("ms") {
            Some(number) => (number, 1.0),
            None => (text.strip_suffix('s')?, 1e3),
        },
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Running 1s test @ http://127.0.0.1:1/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   500.00us  100.00us   4.00ms   90.00%
  Latency Distribution
     50%  512.00us
     75%  600.00us
     90%  700.00us
     99%    1.25ms
  120000 requests in 1.00s, 9.00MB read
Requests/sec: 119000.50
Transfer/sec:      9.00MB
";

    #[test]
    fn what_wrk_says_is_read() {
        assert_eq!(figures(SAID), Some((120_000.0, 119_000.5, 0.512, 1.25)));
        assert_eq!(figures(&SAID.replace("Requests/sec", "Non-2xx or 3xx responses: 7\nRequests/sec")), None);
        assert_eq!(millis("2.00s"), Some(2000.0));
        assert_eq!(millis("2.00"), None);
    }

    #[test]
    fn the_command_line() {
        let options = |line: &str| parse(line.split_whitespace().map(OsString::from));
        assert_eq!(options("--quick").unwrap().map(|options| (options.rounds, options.seconds)), Some((2, 1)));
        assert!(options("--help").unwrap().is_none());
        assert!(options("--fast").is_err());
    }
}
