//! A node as a process.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use xs_net::signals::Signals;
use xs_os::{Clock, SystemClock};

use super::args::Serve;
use super::{Failure, Outcome, block_on, say};
use crate::server::{Bound, Config, Environment, Reads, StartError};

pub(super) fn run(serve: Serve) -> Outcome {
    if !serve.bind.is_loopback() && !serve.allow_anyone {
        return Err(Failure::usage(format!(
            "{} may be reached from other hosts, and there are no passwords here: say --allow-anyone if that is meant",
            serve.bind
        )));
    }
    if serve.lease_skew.is_some() && serve.reads() == Reads::Index {
        return Err(Failure::usage("--lease-skew says nothing without --reads lease"));
    }
    if serve.bind.is_unspecified() && serve.advertise.is_none() {
        return Err(Failure::usage(format!(
            "{} is no address that others can call: say --advertise and the name or address of this host",
            serve.bind
        )));
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Whoever installed another one keeps it.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
    block_on(serve_until_told(serve))
}

fn address(serve: &Serve, bound: SocketAddr) -> String {
    match &serve.advertise {
        Some(host) => format!("{host}:{}", bound.port()),
        None => bound.to_string(),
    }
}

async fn serve_until_told(serve: Serve) -> Outcome {
    let failed = |error: StartError| match error {
        StartError::Config(why) => Failure::usage(why),
        other => Failure::broken(other),
    };
    // Asked for before anything listens: who can connect may send a signal.
    let mut signals = Signals::new().map_err(Failure::broken)?;
    let bound = Bound::bind(SocketAddr::new(serve.bind, serve.peer_port), SocketAddr::new(serve.bind, serve.port))
        .map_err(failed)?;
    let (peers, clients) = (bound.peer_addr(), bound.client_addr());
    let config = Config {
        cluster: serve.name.clone(),
        founders: serve.cluster.iter().cloned().collect(),
        peer_address: address(&serve, peers),
        client_address: address(&serve, clients),
        engine: serve.engine.into(),
        at_follower: serve.at_follower.into(),
        election_timeout: Duration::from_millis(serve.election_timeout),
        patience: Duration::from_millis(serve.patience),
        reads: serve.reads(),
        log_bytes: serve.log_bytes,
        log_entries: serve.log_entries,
        ..Config::new(serve.id, &serve.data_dir)
    };
    let began = SystemClock.now();
    let mut server = bound.start(config, &Environment::system()).map_err(failed)?;
    if let Some(port) = serve.metrics_port {
        let at = server.serve_metrics(SocketAddr::new(serve.bind, port)).map_err(failed)?;
        tracing::info!("metrics at http://{at}/metrics");
    }
    let took = SystemClock.now() - began;
    say(&format!(
        "n{} of cluster '{}' listens on {clients} for clients and {peers} for nodes, after {took:.0?}; try: redis-cli -h {} -p {}",
        serve.id,
        serve.name,
        clients.ip(),
        clients.port()
    ));
    tokio::select! {
        biased;
        name = signals.end() => tracing::info!("{name}: hands on what it has, and ends"),
        ended = server.join() => return ended.map_err(Failure::broken),
    }
    server.shutdown().await.map_err(Failure::broken)
}
