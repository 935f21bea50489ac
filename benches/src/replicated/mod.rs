//! Three replicated nodes on one machine, each with its log synced to the disk, beside etcd: what clients get, and for how
//! long they get nothing when the leader dies.
//!
//! All servers run on the first core unless told otherwise, all clients on the second. The rounds are interleaved, so that a disk that is slow
//! for a while is slow for all. Each client has a connection to the leader and one request under way.

mod election;
mod etcd;
mod load;
mod ours;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::web::Running;
use crate::{median, process};
use load::{Ask, Measured};

/// What `--help` prints.
const HELP: &str = "\
distributed-kv: three nodes that sync every write, beside etcd's (Debian's etcd-server)

  --quick            one round of a second
  --json FILE        one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds
  --clients A,B      so many clients (default 1,16,64,256)
  --rounds N         rounds a row (default 5)
  --seconds N        seconds a round (default 4)
  --failovers N      how often the leader of each is killed (default 10; 0: never)
  --elections N      how often ours is killed for each of three election timeouts (default 10; 0: never)
  --cores LIST       where the servers run (default 0); clients run on 1
  --ours PATH        the program to measure as ours (default: the release build of xs-distributed-kv)
  --dir PATH         where the nodes keep their data (default: the system's temporary directory); it should be a disk

Build with `--features peers-etcd` to measure etcd.
";

/// Bytes of a value.
const VALUE: usize = 256;

#[derive(Debug)]
struct Options {
    json: Option<File>,
    clients: Vec<usize>,
    rounds: usize,
    seconds: u64,
    failovers: usize,
    elections: usize,
    cores: String,
    ours: PathBuf,
    dir: PathBuf,
}

impl Options {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Options>, Box<dyn Error>> {
        use lexopt::prelude::{Long, ValueExt};
        let mut options = Options {
            json: None,
            clients: vec![1, 16, 64, 256],
            rounds: 5,
            seconds: 4,
            failovers: 10,
            elections: 10,
            cores: "0".into(),
            ours: ours::program()?,
            dir: std::env::temp_dir(),
        };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("help") => return Ok(None),
                Long("quick") => {
                    (options.rounds, options.seconds) = (1, 1);
                    (options.failovers, options.elections) = (1, 1);
                }
                Long("json") => options.json = Some(File::create(parser.value()?)?),
                Long("clients") => {
                    let counts = parser.value()?.string()?;
                    options.clients = counts.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                Long("rounds") => options.rounds = parser.value()?.parse()?,
                Long("seconds") => options.seconds = parser.value()?.parse()?,
                Long("failovers") => options.failovers = parser.value()?.parse()?,
                Long("elections") => options.elections = parser.value()?.parse()?,
                Long("cores") => options.cores = parser.value()?.string()?,
                Long("ours") => options.ours = std::path::absolute(parser.value()?)?,
                Long("dir") => options.dir = std::path::absolute(parser.value()?)?,
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(Some(options))
    }
}

/// Three nodes.
trait Cluster {
    fn name(&self) -> &'static str;

    /// Starts a node that does not run: for the first time, or again.
    fn start(&mut self, node: usize) -> io::Result<()>;

    /// Where clients find each node.
    fn ports(&self) -> [u16; 3];

    /// The nodes that run.
    fn nodes(&mut self) -> &mut [Option<Running>; 3];

    fn protocol(&self) -> load::Protocol;
}

impl dyn Cluster + '_ {
    /// Processor seconds of all nodes.
    fn spent(&mut self) -> io::Result<f64> {
        self.nodes().iter().flatten().map(|node| process::ticks(&node.0.id().to_string())).sum()
    }

    /// Starts all nodes for the first time, and waits for a leader.
    fn found(&mut self) -> io::Result<()> {
        (0..3).try_for_each(|node| self.start(node))?;
        self.leader().map(drop)
    }

    /// The leader, once there is one.
    fn leader(&self) -> io::Result<usize> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(leader) = self.ports().iter().position(|port| self.protocol().leads(*port)) {
                return Ok(leader);
            }
            if Instant::now() > until {
                return Err(io::Error::other(format!("{} has no leader", self.name())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let Some(mut options) = Options::parse(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    let dir = tempfile::Builder::new().prefix("xs-distributed-kv-").tempdir_in(&options.dir)?;
    println!("# distributed-kv\n");
    println!(
        "Three nodes on core {}, clients on core 1, values of {VALUE} bytes, every write synced.\n",
        options.cores
    );
    let ours = ours::Nodes::new(dir.path(), "xs", &options, None)?;
    let mut clusters: Vec<Box<dyn Cluster>> = vec![Box::new(ours)];
    match etcd::Nodes::find(dir.path(), &options.cores)? {
        Ok(etcd) => clusters.push(Box::new(etcd)),
        Err(why) => println!("{why}: not measured.\n"),
    }
    clusters.iter_mut().try_for_each(|cluster| cluster.found())?;
    throughput(&mut clusters, &mut options)?;
    failover(&mut clusters, &mut options)?;
    drop(clusters);
    election::run(dir.path(), &mut options)
}

fn throughput(clusters: &mut [Box<dyn Cluster>], options: &mut Options) -> Result<(), Box<dyn Error>> {
    println!("| row | subject | /s | p50 ms | p99 ms | CPU-s/M |\n|---|---|--:|--:|--:|--:|");
    let puts = options.clients.iter().map(|clients| (Ask::Put, *clients));
    let rows: Vec<(Ask, usize)> = puts.chain([(Ask::Get, 64)]).collect();
    let mut lines = Vec::new();
    for (ask, clients) in rows {
        let row = format!("{ask}, {clients} clients");
        let mut rounds: BTreeMap<usize, Vec<Measured>> = BTreeMap::new();
        for round in 0..options.rounds {
            for step in 0..clusters.len() {
                let at = (round + step) % clusters.len();
                let cluster = &mut *clusters[at];
                let leader = cluster.leader()?;
                let before = cluster.spent()?;
                let mut measured =
                    load::run(cluster.protocol(), cluster.ports()[leader], ask, clients, options.seconds)?;
                measured.cpu = (cluster.spent()? - before) / measured.count * 1e6;
                rounds.entry(at).or_default().push(measured);
            }
        }
        let medians: Vec<Measured> = rounds.values().map(|all| Measured::median_of(all)).collect();
        for (cluster, m) in clusters.iter().zip(&medians) {
            println!("| {row} | {} | {:.0} | {:.2} | {:.2} | {:.1} |", cluster.name(), m.rate, m.p50, m.p99, m.cpu);
        }
        let (mine, others) = medians.split_first().ok_or("nothing was measured")?;
        for (cluster, theirs) in clusters[1..].iter().zip(others) {
            let peer = cluster.name();
            lines.push(format!("| {row} | {peer} | {:.2} | {:.2} |", mine.rate / theirs.rate, theirs.p99 / mine.p99));
            record(options, &row, peer, "requests/s", (mine.rate, theirs.rate), mine.rate / theirs.rate)?;
            record(options, &row, peer, "p99 ms", (mine.p99, theirs.p99), theirs.p99 / mine.p99)?;
        }
    }
    println!("\nAbove 1 is better for us\n\n| row | peer | throughput | p99 |\n|---|---|--:|--:|");
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// Kills the leader, again and again, while a client of another node writes.
fn failover(clusters: &mut [Box<dyn Cluster>], options: &mut Options) -> Result<(), Box<dyn Error>> {
    if options.failovers == 0 {
        return Ok(());
    }
    let mut gaps = vec![Vec::new(); clusters.len()];
    for _ in 0..options.failovers {
        for (cluster, gaps) in clusters.iter_mut().zip(&mut gaps) {
            let leader = cluster.leader()?;
            let other = cluster.ports()[(leader + 1) % 3];
            // It is killed as a machine that loses its power: no word to the others.
            let node = cluster.nodes()[leader].take();
            let protocol = cluster.protocol();
            gaps.push(load::gap(protocol, other, move || drop(node))?.as_secs_f64() * 1e3);
            cluster.start(leader)?;
            std::thread::sleep(Duration::from_secs(2));
        }
    }
    println!(
        "\nFrom the leader's death to the next write that another node's client gets through, {} times\n",
        options.failovers
    );
    println!("| subject | median ms | worst ms |\n|---|--:|--:|");
    let medians: Vec<f64> = gaps.iter().map(|all| median(all.clone())).collect();
    for ((cluster, median), all) in clusters.iter().zip(&medians).zip(&gaps) {
        println!("| {} | {median:.0} | {:.0} |", cluster.name(), all.iter().copied().fold(0.0, f64::max));
    }
    for (cluster, theirs) in clusters[1..].iter().zip(&medians[1..]) {
        let name = cluster.name();
        record(options, "failover", name, "ms", (medians[0], *theirs), theirs / medians[0])?;
    }
    Ok(())
}

fn record(
    options: &mut Options,
    row: &str,
    peer: &str,
    unit: &str,
    (ours, theirs): (f64, f64),
    ratio: f64,
) -> Result<(), Box<dyn Error>> {
    let Some(file) = &mut options.json else { return Ok(()) };
    let line = serde_json::json!({
        "bench": "distributed-kv", "row": row, "subject": "xs-distributed-kv", "peer": peer, "ratio": ratio, "unit": unit,
        "ours": ours, "theirs": theirs, "rounds": options.rounds,
    });
    Ok(writeln!(file, "{line}")?)
}

/// Ports that nobody has: for clients, and for the nodes. All are held until all are known, so that none comes twice.
fn free_ports() -> io::Result<([u16; 3], [u16; 3])> {
    let held = (0..6).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<Vec<_>>>()?;
    let ports = held.iter().map(|held| Ok(held.local_addr()?.port())).collect::<io::Result<Vec<_>>>()?;
    Ok(([ports[0], ports[1], ports[2]], [ports[3], ports[4], ports[5]]))
}

/// A directory of its own for each node.
fn data_dir(dir: &Path, name: &str, node: usize) -> io::Result<String> {
    let path = dir.join(format!("{name}-{}", node + 1));
    std::fs::create_dir_all(&path)?;
    Ok(path.display().to_string())
}
