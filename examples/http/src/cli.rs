//! The program `xs-http`: a command line in front of [`Serve`].
//!
//! # The problem
//!
//! A directory should be on the network, now, and safely: `python3 -m http.server` is the first thing that comes to mind,
//! and it has no ranges, no TLS, no compression, one connection at a time blocks the next with HTTP/1.0, and it listens to
//! the whole network. What does it right wants a configuration file first.
//!
//! # How it works
//!
//! ```text
//!   xs-http serve DIR ─▶ Files  ─┐
//!   xs-http api       ─▶ Router ─┴─▶ Serve ─▶ threads, each with its socket on the port
//!                                              │
//!   SIGHUP ─▶ certificates anew                └─ SIGTERM, SIGINT ─▶ drain ─▶ exit 0;  again ─▶ exit 130
//! ```
//!
//! # Invariants
//!
//! - The address is printed when connections are accepted, and not before.
//! - Nobody outside of the machine is answered unless `--bind` says so.
//! - An option that cannot be obeyed is an error, with exit code 2 where it is the command line's, and 1 where it is the
//!   machine's.
//!
//! # Cost
//!
//! A few milliseconds to start, one thread for signals, one for each `--threads`, and four that read files.
//!
//! # Example
//!
//! ```
//! use std::process::ExitCode;
//!
//! // Says what it can do; with a directory it would return when the server has stopped.
//! let code = xs_http::cli::main(["xs-http".into(), "--version".into()]);
//! assert_eq!(code, ExitCode::SUCCESS);
//! ```
//!
//! # How others do it
//!
//! `caddy file-server` and `npx serve` are of this kind; miniserve and static-web-server are in Rust.
//!
//! # What this leaves out
//!
//! Virtual hosts, rewriting, proxying, passwords, certificates by themselves (ACME), and a process in the background: a
//! supervisor does that.
//!
//! # Try next
//!
//! Serve a directory with `--tls-cert`, replace the certificate, send `SIGHUP`, and ask `openssl s_client` which one it sees.
//! Then put half a file there.
//!
//! # Sources
//!
//! `signal(7)`; the usual exit codes of `sysexits.h` are not used.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use http::{HeaderValue, Request, Response};
use tokio::runtime::Runtime;
use tower::Service;
use xs_net::http::Incoming;
use xs_net::reactors::Reactors;
use xs_net::serve::ConnectionLimit;
use xs_net::signals::{Asked, Signals};
use xs_net::tls::{CertificateFiles, Certificates};
use xs_net::{Bridge, Timer};
use xs_os::{Rng, ThreadJobs, descriptors};

use crate::body::Body;
use crate::serve::{Cors, Serve};
use crate::{Files, FilesOptions, todos};

/// How many descriptors the server keeps for itself: listeners, logs, runtimes, files that are being sent.
const OWN: usize = 256;

/// How many threads read files, and how many reads wait for one.
const READERS: (usize, usize) = (4, 1024);

/// A web server: the files of a directory, or a small JSON API to try clients with.
#[derive(Debug, Parser)]
#[command(name = "xs-http", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  xs-http serve .                              this directory, at http://127.0.0.1:8080/
  xs-http serve site --bind 0.0.0.0 --port 80  for everybody who can reach this machine
  xs-http serve site --compress --cache 3600   text compressed, and kept by browsers for an hour
  xs-http serve dist --tls-cert cert.pem --tls-key key.pem --port 8443
  kill -HUP $(pidof xs-http)                   read the certificates again
  xs-http api                                  then: curl -si 127.0.0.1:8080/todos \\
                                                       -H 'content-type: application/json' -d '{\"title\": \"tea\"}'
  curl -sr 0-99,-100 127.0.0.1:8080/large      two ranges of a file
Log lines are filtered by RUST_LOG (default: info; xs_http::access=off turns off the lines for requests).";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the files of a directory.
    Serve {
        /// The directory.
        dir: PathBuf,
        #[command(flatten)]
        files: FilesArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Serve a list of things to do, kept in memory: /todos, /todos/{id}, /health.
    Api {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Args)]
struct FilesArgs {
    /// List directories that have no index page.
    #[arg(long)]
    list: bool,
    /// What is sent for a directory.
    #[arg(long, value_name = "NAME", default_value = "index.html")]
    index: String,
    /// Serve names that begin with a dot, too.
    #[arg(long)]
    hidden: bool,
    /// Follow symbolic links that lead out of the directory.
    #[arg(long)]
    follow_links: bool,
    /// Do not send name.br, name.zst and name.gz in place of name.
    #[arg(long)]
    no_precompressed: bool,
    /// Let browsers keep what they get for so long without asking.
    #[arg(long, value_name = "SECONDS")]
    cache: Option<u32>,
}

#[derive(Debug, Args)]
struct Common {
    /// The address to listen at; 0.0.0.0 or :: for everybody who can reach this machine.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// The port to listen at; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = 8080)]
    port: u16,
    /// Speak TLS with this chain of certificates (PEM). SIGHUP reads it again.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Compress text for clients that take it (br, zstd, gzip).
    #[arg(long)]
    compress: bool,
    /// Let pages of other sites read the responses: of all, or only of these.
    #[arg(long, value_name = "ORIGIN", num_args = 0..=1, require_equals = true, default_missing_value = "*", value_delimiter = ',')]
    cors: Vec<String>,
    /// Threads that serve.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Connections at most; others wait until there is a place.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    connections: usize,
    /// How long connections may take to end after SIGTERM or SIGINT.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    drain: u64,
    /// No line for each request.
    #[arg(long)]
    quiet: bool,
}

fn cors(origins: &[String]) -> Result<Cors, String> {
    if origins.is_empty() {
        return Ok(Cors::Off);
    }
    if origins.iter().any(|origin| origin == "*") {
        return Ok(Cors::Any);
    }
    let origin = |text: &String| {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        host.filter(|host| !host.is_empty() && !host.contains('/'))
            .and_then(|_| HeaderValue::try_from(text).ok())
            .ok_or_else(|| format!("--cors={text}: an origin looks like https://a.example, without a slash at its end"))
    };
    Ok(Cors::Origins(origins.iter().map(origin).collect::<Result<_, _>>()?))
}

/// Runs the program with these arguments, its own name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Whoever closed the pipe doesn't want to know.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // Whoever installed a subscriber before keeps it.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).try_init();
    match run(cli.command) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("xs-http: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, String> {
    let timer = Timer::system();
    match command {
        Command::Serve { dir, files, common } => {
            let options = FilesOptions {
                index: Some(files.index),
                listing: files.list,
                hidden: files.hidden,
                follow_links_out: files.follow_links,
                precompressed: !files.no_precompressed,
                cache_control: files.cache.map(|seconds| format!("public, max-age={seconds}")),
            };
            let bridge = Bridge::new(Arc::new(ThreadJobs::new()), READERS.0, READERS.1);
            let files = Files::open(&dir, options, bridge, &timer, &mut Rng::from_entropy());
            let files = files.map_err(|error| format!("cannot serve {}: {error}", dir.display()))?;
            serve(files, &dir.display().to_string(), &common)
        }
        Command::Api { common } => {
            let api = todos().map_err(|error| error.to_string())?;
            serve(api, "things to do, which are gone when this ends", &common)
        }
    }
}

fn serve<S>(service: S, what: &str, common: &Common) -> Result<ExitCode, String>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = std::convert::Infallible, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
{
    let room = descriptors::room(common.connections, OWN).max(1);
    if room < common.connections {
        tracing::warn!("{room} connections and not {}: the system allows no more open files", common.connections);
    }
    let mut server = Serve::new(service)
        .listen(SocketAddr::new(common.bind, common.port))
        .threads(common.threads.into())
        .compress(common.compress)
        .cors(cors(&common.cors)?)
        .connections(ConnectionLimit::new(room))
        .drain_timeout(Duration::from_secs(common.drain))
        .access_log(!common.quiet);
    let mut certificates = None;
    if let (Some(chain), Some(key)) = (&common.tls_cert, &common.tls_key) {
        let files = vec![CertificateFiles { chain: chain.clone(), key: key.clone() }];
        let loaded = Certificates::load(Arc::new(xs_os::vfs::SystemVfs), files).map_err(|error| error.to_string())?;
        certificates = Some(loaded.clone());
        server = server.tls(loaded);
    }
    let scheme = server.scheme();
    // Asked for before anything listens: who sees it listen may send a signal.
    let foreground = Foreground::new().map_err(|error| error.to_string())?;
    let reactors = server.run().map_err(|error| error.to_string())?;
    let url = format!("{scheme}://{}/", reactors.local_addr());
    tracing::info!("serving {what} at {url} (ctrl-c ends it; try: curl -i {url})");
    foreground.wait(reactors, certificates.as_ref(), common.drain).map_err(|error| error.to_string())
}

/// The thread that no connection waits for.
struct Foreground {
    runtime: Runtime,
    signals: Signals,
}

impl Foreground {
    fn new() -> io::Result<Foreground> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = runtime.block_on(async { Signals::new() })?;
        Ok(Foreground { runtime, signals })
    }

    /// Waits until the process is asked to end, and then until it has. Reads certificates again where it is asked for that.
    fn wait(self, reactors: Reactors, certificates: Option<&Certificates>, drain: u64) -> io::Result<ExitCode> {
        let Foreground { runtime, mut signals } = self;
        runtime.block_on(async {
            let name = loop {
                match signals.next().await {
                    Asked::End(name) => break name,
                    Asked::Reload => match certificates {
                        // It says itself what came of it.
                        Some(certificates) => drop(certificates.reload()),
                        None => tracing::info!("SIGHUP: there are no certificates to read again"),
                    },
                }
            };
            tracing::info!("{name}: connections have {drain} s to end; a second signal ends it now");
            reactors.shutdown();
            let (done, ended) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || done.send(reactors.join()));
            tokio::select! {
                ended = ended => ended.unwrap_or(Ok(())).map(|()| ExitCode::SUCCESS),
                _ = signals.end() => Ok(ExitCode::from(130)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_understood_or_refused() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ').map(OsString::from));
        for line in
            ["xs-http serve . --cors", "xs-http serve . --cors=https://a.b,https://c --threads 2", "xs-http api"]
        {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in [
            "xs-http",
            "xs-http serve",
            "xs-http serve . --tls-cert a",
            "xs-http api --threads 0",
            "xs-http api --list",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert_eq!(cors(&["https://a.b".to_owned()]), Ok(Cors::Origins(vec![HeaderValue::from_static("https://a.b")])));
        assert_eq!(cors(&["*".to_owned()]), Ok(Cors::Any));
        assert!(cors(&["a.b".to_owned()]).is_err() && cors(&["https://a.b/".to_owned()]).is_err());
    }
}
