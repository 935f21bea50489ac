//! `xs-redis`: a Redis server, assembled.
//!
//! **A listener × a codec × a service × a store.** Everything particular to Redis is in the service, the library of this
//! package; the other three are blocks that any server can use.

use std::process::ExitCode;
use std::sync::Arc;

use xs_net::serve::serve_with;
use xs_os::{Rng, SystemClock, ThreadJobs};
use xs_redis::{Config, Redis, StartError, cli};

mod allocator;

fn main() -> ExitCode {
    allocator::give_back_at_once();
    cli::main(std::env::args_os(), serve)
}

fn serve(config: Config) -> Result<(), StartError> {
    // The machine: real time, real chance, real threads. A test hands over a virtual clock, a seed and stepped jobs.
    let (clock, rng, jobs) = (Arc::new(SystemClock), Rng::from_entropy(), Arc::new(ThreadJobs::new()));

    // Signals, asked for before anything listens: who can connect may send one.
    let foreground = cli::Foreground::new()?;

    // The store, behind one lock that is taken once for each batch of pipelined commands.
    let store = config.store(&rng);

    // The service: the commands of Redis.
    let redis = Redis::new(&config, store, clock, rng).with_jobs(jobs);

    // The listeners: `io-threads` reactors, each with its own runtime and its own socket on the port; and the codec.
    let (codec, service) = (config.codec(), redis.clone());
    let reactors = config.reactors(move |reactor| {
        let connections = service.connections(codec.clone());
        let served = serve_with(reactor.listener, connections, service.stopped(), service.serving());
        async move { served.await.map(drop) }
    })?;

    // Expiry on this thread, until it is told to stop; then every reactor drains its connections.
    let addrs = reactors.iter().map(|reactor| reactor.local_addr().into()).collect();
    let outcome = foreground.run_until_told_to_stop(&redis, &config, addrs);
    redis.stop();
    for reactor in reactors {
        if let Err(error) = reactor.join() {
            tracing::error!(%error, "a reactor failed");
        }
    }
    outcome
}
