//! `xs-redis` as a program: redis-server's command line, its log, its signals.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use xs_os::SystemClock;

use crate::VERSION;
use crate::config::cli::{Invocation, invocation};
use crate::config::Config;
use crate::server::{Builder, Server};

/// Runs the program with its arguments, its own name first, until it is told to stop.
pub fn main(args: impl IntoIterator<Item = String>) -> ExitCode {
    let args: Vec<String> = args.into_iter().skip(1).collect();
    let config = match invocation(&args, &mut std::io::stdin()) {
        Invocation::Serve(config) => *config,
        Invocation::Print(text) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Invocation::Refuse(text) => {
            eprint!("{text}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = crate::log::install(config.loglevel, config.logfile.as_deref(), Arc::new(SystemClock)) {
        eprintln!("Can't open the log file: {error}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("Can't start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> ExitCode {
    announce(&config);
    let server = match Builder::from_config(config).start().await {
        Ok(server) => server,
        Err(error) => {
            tracing::warn!("{error}");
            eprintln!("xs-redis: {error}");
            return ExitCode::FAILURE;
        }
    };
    ready(&server);
    match told_to_stop(&server).await {
        Some(signal) => tracing::warn!("Received {signal} scheduling shutdown..."),
        None => tracing::warn!("User requested shutdown..."),
    }
    server.shutdown().await;
    tracing::warn!("Redis is now ready to exit, bye bye...");
    ExitCode::SUCCESS
}

/// The lines that redis-server begins with; harnesses made for it wait for some of them.
fn announce(config: &Config) {
    let pid = std::process::id();
    tracing::warn!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    tracing::warn!("Redis version={VERSION}, bits={}, commit=00000000, modified=0, pid={pid}, just started", usize::BITS);
    if config.file.is_some() {
        tracing::warn!("Configuration loaded");
    }
    for directive in &config.unsupported {
        tracing::warn!("The directive {directive:?} concerns a part of Redis that this server doesn't have: it has no effect");
    }
    println!("PID: {pid}");
}

fn ready(server: &Server) {
    tracing::warn!("Server initialized");
    for addr in server.addrs() {
        tracing::info!("Listening on {addr}");
    }
    let how = match server.port() {
        0 => String::new(),
        port => format!("; try: redis-cli -p {port}"),
    };
    tracing::info!("Ready to accept connections{how}");
}

/// The signal that came, or `None` when a client asked.
async fn told_to_stop(server: &Server) -> Option<&'static str> {
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        server.stopped().await;
        return None;
    };
    tokio::select! {
        biased;
        _ = int.recv() => Some("SIGINT"),
        _ = term.recv() => Some("SIGTERM"),
        () = server.stopped() => None,
    }
}
