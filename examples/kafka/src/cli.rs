//! The program `xs-kafka`: a command line in front of [`Server`].
//!
//! # The problem
//!
//! Kafka wants a file of properties, a formatted directory and a Java machine before it says a word. A broker to develop
//! against should be one command, and say how to reach it.
//!
//! # How it works
//!
//! ```text
//!   xs-kafka --data-dir DIR ─▶ options ─▶ Builder ─▶ reactors, each with its socket on the port
//!                                                      └─ SIGTERM, SIGINT ─▶ drain ─▶ exit 0;  again ─▶ exit 130
//! ```
//!
//! # Invariants
//!
//! - The address is printed when connections are accepted, and not before.
//! - Nobody outside of the machine is answered unless `--bind` says so.
//! - An option that cannot be obeyed is an error: exit code 2 for the command line's, 1 for the machine's.
//!
//! # Cost
//!
//! A few milliseconds to start, one thread for signals, one for each `--threads`, four that wait for the disk.
//!
//! # Example
//!
//! ```
//! use std::process::ExitCode;
//!
//! let code = xs_kafka::cli::main(["xs-kafka".into(), "--version".into()]);
//! assert_eq!(code, ExitCode::SUCCESS);
//! ```
//!
//! # How others do it
//!
//! Redpanda has `rpk container start`, NATS one binary with flags. Kafka has `kafka-server-start.sh server.properties`.
//!
//! # What this leaves out
//!
//! Files of properties, and a process in the background: a supervisor does that.
//!
//! # Try next
//!
//! `xs-kafka --data-dir data` in one terminal; `kcat -b 127.0.0.1 -t try -P` and `kcat -b 127.0.0.1 -t try -C` in others.
//!
//! # Sources
//!
//! Kafka's documentation of broker configurations, for the names.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;
use xs_net::observe::Recorder;
use xs_net::reactors::Reactors;
use xs_net::signals::{Asked, Signals};
use xs_os::descriptors;

use crate::config::Flush;
use crate::quota::QuotaBy;
use crate::server::{Builder, Server};

const HELP: &str = "\
A Kafka broker in one process.

Usage: xs-kafka [OPTIONS]

Options:
      --data-dir DIR       keep everything here; without it everything is in memory, and gone at the end
      --bind ADDR          listen on this address [127.0.0.1]
      --port PORT          listen on this port; 0 takes a free one [9092]
      --advertise HOST:PORT  tell clients to connect there [where it listens]
      --node N             the broker's number [1]
      --partitions N       partitions of a topic that is made without saying [1]
      --segment-bytes N    the length of a file of records, for topics that say nothing else [64 MiB]
      --users FILE         let in only whom the lines NAME:PASSWORD of this file name, by SASL
      --acl                obey the access rules that clients set; without any, only super users may do anything
      --super-user NAME    this user may do everything, and --acl; may be said more than once
      --allow-unruled      where no rule speaks of a resource, everybody may do everything with it, and --acl
      --produce-quota N    each client may write so many bytes a second; who writes more is slowed down
      --fetch-quota N      each client may fetch so many bytes of records a second
      --request-quota N    each client may send so many requests a second
      --quota-by WHAT      who has quotas of its own: each client id (client), user, or both [client]
      --no-auto-create     do not make a topic because a client asks for it
      --flush              answer a producer when its records are on the disk, not when the system has them
      --warm-bytes N       write so many bytes of each partition's files ahead, for fast producers [0]
      --metrics ADDR:PORT  answer GET / there with a page of topics, throughput, groups and their lag, and
                           GET /metrics in the text format of Prometheus
      --threads N          threads that serve connections [1]
      --group-min-session MS  refuse members of groups with a shorter session [6000]
      --group-max-session MS  refuse members of groups with a longer session [1800000]
      --group-max-size N   refuse more members of one group [10000]
      --group-initial-delay MS  let an empty group wait so long for more members [0]
      --max-groups N       refuse more groups [100000]
  -h, --help               this
  -V, --version            the version

Connect with:
  kcat -b 127.0.0.1:9092 -L
  echo hello | kcat -b 127.0.0.1:9092 -t greetings -P
  kcat -b 127.0.0.1:9092 -t greetings -C -e
";

/// Files that may be open, if the system allows it: three for a partition that is written to, one for one that is not and for
/// each connection.
const FILES: usize = 65_536;

enum Invocation {
    Serve(Box<Builder>, Option<SocketAddr>),
    Print(String),
}

/// Runs the program with these arguments, its own name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match parse(args) {
        Ok(Invocation::Print(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Invocation::Serve(builder, metrics)) => {
            let filter = tracing_subscriber::EnvFilter::try_from_env("XS_LOG").unwrap_or_else(|_| "info".into());
            // A second one in the same process keeps the first one's.
            let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();
            serve(*builder, metrics).unwrap_or_else(|error| {
                eprintln!("xs-kafka: {error}");
                ExitCode::FAILURE
            })
        }
        Err(error) => {
            eprintln!("xs-kafka: {error}\nTry --help.");
            ExitCode::from(2)
        }
    }
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, lexopt::Error> {
    let mut parser = lexopt::Parser::from_iter(args);
    let (mut builder, mut metrics) = (Server::builder(), None);
    while let Some(arg) = parser.next()? {
        builder = match arg {
            Long("data-dir") => builder.data_dir(parser.value()?),
            Long("bind") => builder.bind(parser.value()?.parse::<IpAddr>()?),
            Long("port") => builder.port(parser.value()?.parse()?),
            Long("advertise") => {
                let place = parser.value()?.string()?;
                let (host, port) = place.rsplit_once(':').ok_or("--advertise wants HOST:PORT")?;
                let port = port.parse().map_err(|_| "--advertise wants HOST:PORT")?;
                builder.advertise(host, port)
            }
            Long("node") => builder.node(parser.value()?.parse_with(|text| match text.parse() {
                Ok(node @ 0..) => Ok(node),
                _ => Err("a number from 0"),
            })?),
            Long("partitions") => builder.partitions(parser.value()?.parse_with(|text| match text.parse() {
                Ok(partitions @ 1..=10_000) => Ok(partitions),
                _ => Err("1 to 10000"),
            })?),
            Long("segment-bytes") => builder.segment_bytes(parser.value()?.parse_with(|text| match text.parse() {
                Ok(bytes @ 4096..=0x7fff_ffff) => Ok(bytes),
                _ => Err("4096 to 2147483647"),
            })?),
            Long("users") => users(builder, &parser.value()?.string()?)?,
            Long("acl") => builder.acl(),
            Long("super-user") => builder.super_user(&parser.value()?.string()?),
            Long("allow-unruled") => builder.allow_unruled(),
            Long("produce-quota") => builder.produce_quota(parser.value()?.parse_with(quota)?),
            Long("fetch-quota") => builder.fetch_quota(parser.value()?.parse_with(quota)?),
            Long("request-quota") => builder.request_quota(parser.value()?.parse_with(quota)?),
            Long("quota-by") => builder.quota_by(parser.value()?.parse_with(|text| match text {
                "client" => Ok(QuotaBy::Client),
                "user" => Ok(QuotaBy::User),
                "both" => Ok(QuotaBy::Both),
                _ => Err("client, user or both"),
            })?),
            Long("no-auto-create") => builder.auto_create(false),
            Long("warm-bytes") => builder.warm_bytes(parser.value()?.parse()?),
            Long("metrics") => {
                metrics = Some(parser.value()?.parse()?);
                builder
            }
            Long("group-min-session") => builder.group_min_session(millis(&mut parser)?),
            Long("group-max-session") => builder.group_max_session(millis(&mut parser)?),
            Long("group-initial-delay") => builder.group_initial_delay(millis(&mut parser)?),
            Long("group-max-size") => builder.group_max_size(at_least_one(&mut parser)?),
            Long("max-groups") => builder.max_groups(at_least_one(&mut parser)?),
            Long("flush") => builder.flush(Flush::Always),
            Long("threads") => builder.threads(parser.value()?.parse_with(|text| match text.parse() {
                Ok(threads @ 1..=256) => Ok(threads),
                _ => Err("1 to 256"),
            })?),
            Short('h') | Long("help") => return Ok(Invocation::Print(HELP.to_owned())),
            Short('V') | Long("version") => {
                return Ok(Invocation::Print(format!("xs-kafka {}\n", env!("CARGO_PKG_VERSION"))));
            }
            other => return Err(other.unexpected()),
        };
    }
    Ok(Invocation::Serve(Box::new(builder), metrics))
}

fn millis(parser: &mut lexopt::Parser) -> Result<Duration, lexopt::Error> {
    let most = i32::MAX as u64;
    parser.value()?.parse_with(|text| match text.parse() {
        Ok(millis) if millis <= most => Ok(Duration::from_millis(millis)),
        _ => Err("milliseconds, up to 2147483647"),
    })
}

fn at_least_one(parser: &mut lexopt::Parser) -> Result<usize, lexopt::Error> {
    parser.value()?.parse_with(|text| match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err("a number from 1"),
    })
}

fn serve(builder: Builder, metrics: Option<SocketAddr>) -> Result<ExitCode, Box<dyn std::error::Error>> {
    tracing::debug!(files = descriptors::raise(FILES), "files may be open");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Asked for before anything listens: who sees it listen may send a signal.
    let signals = runtime.block_on(async { Signals::new() })?;
    let recorder = Recorder::new();
    if metrics.is_some() {
        // In place before the broker counts anything.
        recorder.install()?;
    }
    let (reactors, broker) = builder.run_shared()?;
    if let Some(listen) = metrics {
        let listens = runtime.block_on(async { crate::page::serve(recorder, broker, listen) })?;
        tracing::info!("metrics at http://{listens}/metrics, and a page for people at http://{listens}/");
    }
    let addr = reactors.local_addr();
    tracing::info!("listening on {addr} (try: kcat -b {addr} -L)");
    Ok(runtime.block_on(wait(reactors, signals))?)
}

/// Until the process is asked to end, and then until connections have ended.
async fn wait(reactors: Reactors, mut signals: Signals) -> io::Result<ExitCode> {
    let name = loop {
        match signals.next().await {
            Asked::End(name) => break name,
            Asked::Reload => tracing::info!("there is nothing to read again"),
        }
    };
    tracing::info!("{name}: connections have some seconds to end; a second signal ends it now");
    reactors.shutdown();
    let (done, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || done.send(reactors.join()));
    tokio::select! {
        ended = ended => ended.unwrap_or(Ok(())).map(|()| ExitCode::SUCCESS),
        _ = signals.end() => Ok(ExitCode::from(130)),
    }
}

fn quota(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|quota| *quota > 0).ok_or("a number from 1")
}

/// The users that a file names, a line each.
fn users(builder: Builder, file: &str) -> Result<Builder, lexopt::Error> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("--users: {file}: {error}"))?;
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let mut named = 0;
    let builder = lines.try_fold(builder, |builder, line| {
        named += 1;
        match line.split_once(':').filter(|(name, password)| !name.is_empty() && !password.is_empty()) {
            Some((name, password)) => Ok(builder.user(name, password)),
            None => Err(format!("--users: {file}: a line is not NAME:PASSWORD")),
        }
    })?;
    match named {
        // Without users everybody is let in, which nobody means who names a file.
        0 => Err(format!("--users: {file}: there is nobody in it").into()),
        _ => Ok(builder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_understood_or_refused() {
        let parse = |line: &str| parse(line.split(' ').map(OsString::from)).map(drop);
        for line in [
            "xs-kafka",
            "xs-kafka --data-dir d --port=0 --flush --threads 2",
            "xs-kafka --advertise [::1]:9",
            "xs-kafka --acl --super-user root --super-user other --allow-unruled",
            "xs-kafka --produce-quota 1 --fetch-quota 2 --request-quota 3 --quota-by both",
            "xs-kafka --group-max-size 2 --group-min-session 100",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in [
            "xs-kafka --super-user",
            "xs-kafka --fetch-quota 0",
            "xs-kafka --quota-by all",
            "xs-kafka d",
            "xs-kafka --threads 0",
            "xs-kafka --port x",
            "xs-kafka --advertise host",
            "xs-kafka --x",
            "xs-kafka --group-max-size 0",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
