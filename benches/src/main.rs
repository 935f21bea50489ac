//! Every benchmark of the project, side by side with the real systems.

mod arguments;
mod caches;
mod engines;
mod http;
mod http1;
mod kafka;
mod layers;
mod load_balancer;
mod log;
mod pool;
mod process;
mod raft;
mod redis;
mod relay;
mod replicated;
mod soak;
mod sql;
mod web;

use std::env::ArgsOs;
use std::error::Error;
use std::iter::Skip;
use std::process::ExitCode;

/// A benchmark: it reads the arguments that follow its name.
struct Bench {
    name: &'static str,
    /// The line that `list` prints.
    about: &'static str,
    run: fn(Skip<ArgsOs>) -> Result<(), Box<dyn Error>>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "caches",
        about: "the caches on three traces beside the optimum and, with --features peers, moka and quick_cache",
        run: caches::run,
    },
    Bench {
        name: "distributed-kv",
        about: "three replicated nodes that sync every write, beside etcd (--features peers-etcd): rates, latencies, failover",
        run: |args| replicated::run(args),
    },
    Bench {
        name: "engines",
        about: "the storage engines beside RocksDB, fjall, LMDB, redb, canopydb, sled and SQLite (--features peers)",
        run: engines::run,
    },
    Bench {
        name: "http",
        about: "the HTTP server under wrk, beside hyper (--features peers-http) and nginx: throughput, processor time, latency",
        run: |args| http::run(args),
    },
    Bench {
        name: "http1",
        about: "HTTP/1.1 in memory, parsed and answered, beside httparse and hyper (--features peers-http)",
        run: http1::run,
    },
    Bench {
        name: "kafka",
        about: "the Kafka broker under librdkafka's load generator, beside a sink and, with --features peers-nats, JetStream",
        run: |args| kafka::run(args),
    },
    Bench {
        name: "layers",
        about: "ns per call of every layer beside tower's and, with --features peers-layers, governor's and others'",
        run: |args| layers::run(args),
    },
    Bench {
        name: "load-balancer",
        about: "the HTTP load balancer under wrk, beside haproxy and nginx: throughput, processor time, latency",
        run: |args| load_balancer::run(args),
    },
    Bench {
        name: "log",
        about: "durable appends by 1, 4 and 16 threads, beside a plain file that is written and synced",
        run: log::run,
    },
    Bench {
        name: "pool",
        about: "the thread pool beside rayon (--features peers-pool), tokio's blocking pool and a shared channel",
        run: |args| pool::run(args),
    },
    Bench {
        name: "raft",
        about: "Raft in memory: proposals per CPU-second beside, with --features peers-raft, raft-rs and openraft",
        run: |args| raft::run(args),
    },
    Bench { name: "redis", about: "the Redis example beside redis-server and valkey-server", run: redis::run },
    Bench {
        name: "relay",
        about: "a relay between TCP connections: processor time of copying beside splicing",
        run: |args| relay::run(args),
    },
    Bench {
        name: "soak",
        about: "a storage engine under mixed load for minutes: what grows (--engine lsm|btree --minutes N)",
        run: |args| soak::run(args),
    },
    Bench {
        name: "sql",
        about: "SQL on SQLite's files beside SQLite (--features peers-sql) and turso (--features peers-turso)",
        run: |args| sql::run(args),
    },
];

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let name = args.next().unwrap_or_default();
    let outcome = match BENCHES.iter().find(|bench| name == bench.name) {
        Some(bench) => (bench.run)(args),
        None if name == "list" => {
            BENCHES.iter().for_each(|bench| println!("{:<14} {}", bench.name, bench.about));
            Ok(())
        }
        None => Err("usage: xs-benches NAME [--quick] [--json FILE] [--help]; `list` names the benchmarks".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The middle one, or the mean of the middle two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }
}
