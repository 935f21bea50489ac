//! The program `xs-redis`: redis-server's command line in front of [`Server`](crate::Server).
//!
//! # The problem
//!
//! Harnesses that start redis-server exist for every language. They write a configuration file, add options, wait for a
//! line of the log, and read the port or the error from it. A server that speaks the protocol but starts in a way of its
//! own is of no use to them.
//!
//! # How it works
//!
//! ```text
//!   xs-redis redis.conf --port 7000 ──▶ configuration ──▶ log ──▶ listen ──▶ serve ──▶ SIGTERM, SIGINT, SHUTDOWN
//!                                            │                       │                          │
//!                        exit 1 ◀── bad directive      exit 1 ◀── port taken            exit 0 ◀┘
//! ```
//!
//! [`main`](main()) reads the optional file and the options, which are lines of that file in another spelling. It says on standard
//! output what redis-server says there, in its form: the pid, `Server initialized`, `Ready to accept connections`.
//!
//! # Invariants
//!
//! - `Ready to accept connections` is written only when connections are accepted.
//! - A directive is never dropped silently: it is obeyed, named in a warning, or an error. A few only tune what is done in
//!   another way here; those are accepted, and `--help` lists them, from the same table.
//! - The process leaves the terminal (`--daemonize yes`) before it has a second thread.
//!
//! # Cost
//!
//! A millisecond, most of it the system's for the new process.
//!
//! # Example
//!
//! ```
//! use std::process::ExitCode;
//!
//! // Prints the version; with a server's arguments it would return when the server has stopped.
//! let code = xs_redis::cli::main(["xs-redis".into(), "--version".into()], |_| Ok(()));
//! assert_eq!(code, ExitCode::SUCCESS);
//! ```
//!
//! # How others do it
//!
//! redis-server appends its options to the text of the file and reads the whole; so does this program, which is how both
//! report an error in `--prot 1` as a bad line of a file.
//!
//! # What this leaves out
//!
//! Sentinel mode, `--test-memory` and `--check-system` (each an error), and local time in the log (it is UTC). `CONFIG SET`
//! leaves `port` and `bind` alone: the reactors own their sockets from the start to the end.
//!
//! # Try next
//!
//! Start it under the harness that your project has for redis-server, by giving it this program's path.
//!
//! # Sources
//!
//! The comments in redis.conf 7.0; the output of redis-server 7.0.15.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use xs_net::listener::{Addr, Listener};
use xs_net::serve::serve_with;
use xs_net::signals::Signals;
use xs_os::{SystemClock, descriptors};

use crate::config::Config;
use crate::config::cli::{Invocation, NO_SENTINEL, invocation};
use crate::redis::Redis;
use crate::server::StartError;

/// How many descriptors the server keeps for itself: listeners, logs, its runtimes.
pub(crate) const OWN_DESCRIPTORS: usize = 32;

/// Runs the program with these arguments, its own name first: reads them, installs the log, and hands the configuration
/// to `serve`, which returns when the server has stopped.
pub fn main(
    args: impl IntoIterator<Item = OsString>,
    serve: impl FnOnce(Config) -> Result<(), StartError>,
) -> ExitCode {
    let mut args = args.into_iter().map(|arg| arg.to_string_lossy().into_owned());
    if args.next().is_some_and(|name| name.contains("redis-sentinel")) {
        eprint!("{NO_SENTINEL}");
        return ExitCode::FAILURE;
    }
    let args: Vec<String> = args.collect();
    match invocation(&args, &mut io::stdin()) {
        Invocation::Serve(config) => run(*config, serve),
        Invocation::Print(text) => {
            // Whoever closed the pipe doesn't want to know.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Invocation::Refuse(text) => {
            let _ = io::stderr().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// Where the process number is written by a server in the background that isn't told where.
const DAEMON_PIDFILE: &str = "/var/run/redis.pid";

/// Leaves the terminal: the caller's process ends well, and a child of it goes on in a session of its own, with nothing
/// as its standard streams.
#[cfg(target_os = "linux")]
fn go_into_the_background() -> Result<(), String> {
    nix::unistd::daemon(true, false).map_err(|error| error.desc().to_owned())
}

#[cfg(not(target_os = "linux"))]
fn go_into_the_background() -> Result<(), String> {
    Err("this server does that on Linux only".to_owned())
}

fn run(mut config: Config, serve: impl FnOnce(Config) -> Result<(), StartError>) -> ExitCode {
    // Before there is any thread: a fork takes only its own along.
    if config.daemonize
        && let Err(why) = go_into_the_background()
    {
        eprintln!("Can't run in the background: {why}");
        return ExitCode::FAILURE;
    }
    let log = config.logfile.as_ref().map(|path| config.path(path));
    if let Err(error) = crate::log::install(config.loglevel, log.as_deref(), Arc::new(SystemClock)) {
        let line = config.logfile.unwrap_or_default();
        eprintln!("Can't open the log file: {}: {line}", crate::config::reason(&error));
        return ExitCode::FAILURE;
    }
    announce(&config);
    let (asked, room) = (config.maxclients, descriptors::room(config.maxclients, OWN_DESCRIPTORS));
    if room < asked && config.set("maxclients", &room.max(1).to_string()).is_ok() {
        tracing::warn!("maxclients is {room} and not {asked}: the system allows no more open files (ulimit -n)");
    }
    let pidfile = config.pidfile.as_deref().or(config.daemonize.then_some(DAEMON_PIDFILE));
    let (port, pidfile) = (config.port, pidfile.map(|path| config.path(path)));
    if let Some(path) = &pidfile
        && let Err(error) = std::fs::write(path, format!("{}\n", std::process::id()))
    {
        tracing::warn!("Failed to write PID file: {}", crate::config::reason(&error));
    }
    let outcome = serve(config);
    if let Some(path) = &pidfile {
        let _ = std::fs::remove_file(path);
    }
    match outcome {
        Ok(()) => {
            tracing::warn!("Redis is now ready to exit, bye bye...");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::warn!("{}", failed(error, port));
            ExitCode::FAILURE
        }
    }
}

/// The lines before anything is listened on.
fn announce(config: &Config) {
    let (pid, port) = (std::process::id(), config.port);
    let version = crate::VERSION;
    tracing::warn!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    tracing::warn!(
        "Redis version={version}, bits={}, commit=00000000, modified=0, pid={pid}, just started",
        usize::BITS
    );
    match config.is_given {
        true => tracing::warn!("Configuration loaded"),
        false => tracing::warn!(
            "Warning: no config file specified, using the default config. In order to specify a config file use xs-redis /path/to/redis.conf"
        ),
    }
    if !config.unsupported.is_empty() {
        let names = config.unsupported.join(", ");
        tracing::warn!("These directives are known but not supported, and have no effect: {names}");
    }
    if config.always_show_logo {
        tracing::info!("\n{}", logo(port, pid));
    } else {
        tracing::info!("Running mode=standalone, port={port}. PID: {pid}");
    }
}

fn logo(port: u16, pid: u32) -> String {
    format!(
        "
      __  _____
     / / / ___/      xs-redis: Redis {}, assembled
     > < (__  )
    /_/\\_\\/____/     Running in standalone mode
                     Port: {port}
                     PID: {pid}
",
        crate::VERSION
    )
}

/// The thread that serves no client: housekeeping, the socket file, signals.
#[derive(Debug)]
pub struct Foreground {
    runtime: tokio::runtime::Runtime,
    signals: Signals,
}

impl Foreground {
    /// From here on the process is asked to end, not killed. SIGHUP is caught and ignored: the server outlives the terminal
    /// that it was started from.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn new() -> Result<Self, StartError> {
        let start = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let signals = runtime.block_on(async { Signals::new() })?;
            Ok(Foreground { runtime, signals })
        };
        start().map_err(|error: std::io::Error| StartError::Config(error.to_string()))
    }

    /// Says that the server at `addrs` is ready, serves the socket file where one is configured, does the housekeeping, and
    /// returns once a signal or a client tells it to stop.
    ///
    /// # Errors
    ///
    /// When it listens nowhere, or the operating system refuses a reactor.
    pub fn run_until_told_to_stop(
        self,
        redis: &Redis,
        config: &Config,
        mut addrs: Vec<Addr>,
    ) -> Result<(), StartError> {
        if addrs.is_empty() && config.unixsocket.is_none() {
            return Err(StartError::Config("Configured to not listen anywhere, exiting.".to_owned()));
        }
        let Foreground { runtime, mut signals } = self;
        let mut socket_file = None;
        #[cfg(unix)]
        runtime.block_on(async {
            if let Some(listener) = config.listen_unix()? {
                addrs.push(listener.local_addr());
                let connections = redis.connections(config.codec());
                socket_file = Some(tokio::spawn(serve_with(listener, connections, redis.stopped(), redis.serving())));
            }
            Ok::<(), StartError>(())
        })?;
        redis.listening(&addrs);
        tracing::warn!("Server initialized");
        let port = addrs.iter().find_map(|addr| if let Addr::Tcp(addr) = addr { Some(addr.port()) } else { None });
        let hint = port.map(|port| format!("; try: redis-cli -p {port}")).unwrap_or_default();
        tracing::info!("Ready to accept connections{hint}");
        let told = runtime.block_on(async {
            tokio::select! {
                biased;
                () = redis.stopped() => None,
                name = signals.end() => Some(name),
                () = redis.housekeeping() => None,
            }
        });
        match told {
            Some(name) => tracing::warn!("Received {name} scheduling shutdown..."),
            None => tracing::warn!("User requested shutdown..."),
        }
        redis.stop();
        if let Some(served) = socket_file
            && let Err(error) = runtime.block_on(served)
        {
            tracing::error!(%error, "the socket file's listener failed");
        }
        Ok(())
    }
}

/// The log's lines for a server that could not start.
fn failed(error: StartError, port: u16) -> String {
    let StartError::Listen(error) = error else { return error.to_string() };
    let why = crate::config::reason(&error.source);
    tracing::warn!("Warning: Could not create server TCP listening socket {}: bind: {why}", error.addr);
    format!("Failed listening on port {port} (TCP), aborting.")
}
