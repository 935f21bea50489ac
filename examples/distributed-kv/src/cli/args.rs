//! What can be said on the command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::node::AtFollower;
use crate::server::{EngineKind, Reads};

/// A key-value store on several machines, which speaks RESP: redis-cli is its client
///
/// Every write is on the disks of a majority before it is answered, and every read sees all that was answered before.
#[derive(Debug, Parser)]
#[command(name = "xs-distributed-kv", version, after_help = AFTER, max_term_width = 100)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

const AFTER: &str = "\
Exit codes:
  0  done
  1  a check has failed, or the cluster refuses
  2  the command line makes no sense
  3  the node can't start, or can't go on

Three nodes on one machine:
  for n in 1 2 3; do
    xs-distributed-kv serve --id $n --data-dir /tmp/n$n --port 637$n --peer-port 737$n \\
      --cluster 1=127.0.0.1:7371,2=127.0.0.1:7372,3=127.0.0.1:7373 &
  done
  redis-cli -p 6371 set greeting hello
  redis-cli -p 6372 get greeting
  xs-distributed-kv status --to 127.0.0.1:6373";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a node
    Serve(Box<Serve>),
    /// Show the cluster as a table
    ///
    /// On a terminal it is refreshed every second until Ctrl-C; anywhere else it is printed once.
    Status(Status),
    /// Change who belongs to the cluster
    Members {
        /// Where clients reach one of its nodes
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6379", global = true)]
        to: String,
        #[command(subcommand)]
        change: Change,
    },
    /// Hand leadership to another node
    Transfer {
        /// Where clients reach one of the cluster's nodes
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6379")]
        to: String,
        /// Its number; whoever is furthest, if none is given
        node: Option<u64>,
    },
    /// Start three nodes, load them, do them harm, and check what their clients saw
    Demo(Demo),
    /// Run the same nodes on a simulated network and simulated disks, with faults that a seed draws
    Simulate {
        /// Run this seed alone, and print its story
        #[arg(long)]
        seed: Option<u64>,
        /// Run so many seeds
        #[arg(long, default_value_t = 100, conflicts_with = "seed", value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
        /// The first of them
        #[arg(long, default_value_t = 1, conflicts_with = "seed")]
        first: u64,
        /// Threads, each with worlds of its own
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// The node's number in its cluster, from 1; never used again for another disk
    #[arg(long)]
    pub(super) id: u64,
    /// Where it keeps everything
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: PathBuf,
    /// Listen on this address
    #[arg(long, default_value = "127.0.0.1")]
    pub(super) bind: IpAddr,
    /// Listen for clients on this port; 0 takes a free one
    #[arg(long, default_value_t = 6379)]
    pub(super) port: u16,
    /// Listen for other nodes on this port; 0 takes a free one
    #[arg(long, default_value_t = 7379)]
    pub(super) peer_port: u16,
    /// Serve metrics for Prometheus on this port: GET /metrics
    #[arg(long, value_name = "PORT")]
    pub(super) metrics_port: Option<u16>,
    /// The nodes that found the cluster, this one among them: the same on all of them
    #[arg(long, value_name = "ID=HOST:PORT,…", value_delimiter = ',', value_parser = founder, required_unless_present = "join")]
    pub(super) cluster: Vec<(u64, String)>,
    /// Found nothing: wait to be added to a cluster that runs (`members add`)
    #[arg(long, conflicts_with = "cluster")]
    pub(super) join: bool,
    /// The cluster's name; nodes of another one are refused
    #[arg(long, default_value = "xs")]
    pub(super) name: String,
    /// What keeps the state
    #[arg(long, value_enum, default_value = "btree")]
    pub(super) engine: Engine,
    /// What becomes of a write that comes to a follower
    #[arg(long, value_enum, default_value = "forward")]
    pub(super) at_follower: Follower,
    /// Tell other nodes and clients this host, instead of the address that is listened on
    #[arg(long, value_name = "HOST")]
    pub(super) advertise: Option<String>,
    /// Without a word of the leader for so long another node stands for election, in milliseconds
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub(super) election_timeout: u64,
    /// Give up a request that can't be done for so long, in milliseconds
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    pub(super) patience: u64,
    /// How the leader makes sure of a read; the same on all nodes
    #[arg(long, value_enum, default_value = "index")]
    pub(super) reads: ReadsBy,
    /// With leases: the most that two nodes' clocks drift apart within an election timeout, in milliseconds [default: a tenth
    /// of it]
    #[arg(long, value_name = "MS")]
    pub(super) lease_skew: Option<u64>,
    /// Shorten the log when so many bytes of entries stand in it
    #[arg(long, default_value_t = 64 << 20)]
    pub(super) log_bytes: u64,
    /// Keep so many entries for nodes that are a little behind
    #[arg(long, default_value_t = 10_000)]
    pub(super) log_entries: u64,
    /// Serve other hosts, too: there are no passwords, and whoever reaches it may do everything
    #[arg(long)]
    pub(super) allow_anyone: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Engine {
    /// A B+tree: reads fast
    Btree,
    /// A log-structured merge tree: writes fast
    Lsm,
}

impl From<Engine> for EngineKind {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Btree => EngineKind::BTree,
            Engine::Lsm => EngineKind::Lsm,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ReadsBy {
    /// It asks a majority whether it leads still
    Index,
    /// It relies on the majority's last promise and on all nodes' clocks: no message, and wrong if a clock drifts or stops
    Lease,
}

impl Serve {
    pub(super) fn reads(&self) -> Reads {
        let timeout = Duration::from_millis(self.election_timeout);
        match self.reads {
            ReadsBy::Index => Reads::Index,
            ReadsBy::Lease => Reads::Lease { skew: self.lease_skew.map_or(timeout / 10, Duration::from_millis) },
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Follower {
    /// It goes to the leader, and its answer comes back
    Forward,
    /// The client is told where the leader is: MOVED
    Redirect,
}

impl From<Follower> for AtFollower {
    fn from(follower: Follower) -> Self {
        match follower {
            Follower::Forward => AtFollower::Forward,
            Follower::Redirect => AtFollower::Redirect,
        }
    }
}

fn founder(text: &str) -> Result<(u64, String), String> {
    let (id, address) = text.split_once('=').ok_or("say ID=HOST:PORT")?;
    let id = id.parse().map_err(|_| format!("'{id}' is not a node's number"))?;
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { Ok((id, address.to_owned())) } else { Err(format!("'{address}' is not HOST:PORT")) }
}

#[derive(Debug, clap::Args)]
pub(super) struct Status {
    /// Where clients reach one of the cluster's nodes
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6379")]
    pub(super) to: String,
    /// Print it once, also on a terminal
    #[arg(long)]
    pub(super) once: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Change {
    /// Take a node in; it learns, and does not vote yet
    Add {
        /// Its number, which no node of the cluster has had
        node: u64,
        /// Where other nodes reach it
        #[arg(value_name = "HOST:PORT")]
        peer: String,
    },
    /// Let a node vote that has learned everything
    Promote {
        /// Its number
        node: u64,
    },
    /// Let a node go
    Remove {
        /// Its number
        node: u64,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Load the cluster for so many seconds between two acts
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub(super) act: f64,
    /// So many clients
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(super) clients: u64,
    /// Keep the nodes' data here; in a directory of the system's, which is removed, by default
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if Duration::try_from_secs_f64(seconds).is_ok() && (0.1..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("0.1 to 600 seconds".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        let serve = ["x", "serve", "--id", "2", "--data-dir", "d", "--cluster", "1=a:1,2=b:2"];
        let Ok(Args { command: Command::Serve(serve) }) = Args::try_parse_from(serve) else { panic!("it is refused") };
        assert_eq!(serve.cluster, [(1, "a:1".to_owned()), (2, "b:2".to_owned())]);
        for wrong in ["1", "x=a:1", "1=a", "1=a:99999"] {
            assert!(Args::try_parse_from(["x", "serve", "--id", "1", "--data-dir", "d", "--cluster", wrong]).is_err());
        }
        assert!(Args::try_parse_from(["x", "serve", "--id", "1", "--data-dir", "d"]).is_err(), "found, or join?");
    }
}
