//! The Redis example beside redis-server and valkey-server: throughput, processor time and bytes per item.
//!
//! All servers run at once, each on the first core and idle while another is measured; redis-benchmark runs on the
//! second. For every cell (a test at a pipeline depth) the rounds are interleaved, so that whatever slows the machine
//! for a while slows all of them. What is printed is the median of the rounds. The number of requests is found by a
//! first run against the peer and is the same for all.

mod cells;
mod memory;
mod server;
mod wire;

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use crate::median;
use cells::{Measured, TESTS, Test};
use memory::{Bytes, KINDS};
use server::{Server, installed, ours};

/// What `--help` prints.
const HELP: &str = "\
redis: the Redis example beside redis-server and valkey-server

  --quick            a third of a second a cell and two rounds, small collections
  --json FILE        one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds
  --tests A,B        only these tests (SET GET INCR LPUSH RPUSH LPOP SADD HSET SPOP ZADD ZPOPMIN MSET XADD LRANGE_100
                     LRANGE_600), or `none` for the memory table alone
  --pipeline 1,16    only these depths (default 1,16,100)
  --rounds N         rounds a cell (default 5)
  --memory yes|no    whether to measure bytes per item (default: only when --tests isn't given)
  --ours PATH        the server to measure as ours (default: the release build of xs-redis)
";

/// The peers, by the program that starts them.
const PEERS: &[&str] = &["redis-server", "valkey-server"];

/// The command line.
#[derive(Debug)]
struct Options {
    quick: bool,
    json: Option<File>,
    tests: Vec<&'static Test>,
    depths: Vec<usize>,
    rounds: usize,
    memory: bool,
    ours: Option<PathBuf>,
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let Some(mut options) = parse(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    let subjects = Subjects::find(&options)?;
    println!("# redis\n\nEach server on core 0, redis-benchmark on core 1, `-c 50 -r 100000`.\n");
    for missing in &subjects.missing {
        println!("{missing} isn't installed: not measured.\n");
    }
    if !options.tests.is_empty() {
        speed(&subjects, &mut options)?;
    }
    if options.memory {
        bytes(&subjects, &mut options)?;
    }
    Ok(())
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Options>, Box<dyn Error>> {
    use lexopt::prelude::{Long, ValueExt};
    let mut options = Options {
        quick: false,
        json: None,
        tests: TESTS.iter().collect(),
        depths: vec![1, 16, 100],
        rounds: 0,
        memory: true,
        ours: None,
    };
    let mut memory = None;
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") => return Ok(None),
            Long("quick") => options.quick = true,
            Long("json") => options.json = Some(File::create(parser.value()?)?),
            Long("tests") => {
                options.tests = tests(&parser.value()?.string()?)?;
                memory.get_or_insert(options.tests.is_empty());
            }
            Long("pipeline") => {
                let depths = parser.value()?.string()?;
                options.depths = depths.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            Long("rounds") => options.rounds = parser.value()?.parse()?,
            Long("memory") => memory = Some(parser.value()?.string()? == "yes"),
            Long("ours") => options.ours = Some(std::path::absolute(parser.value()?)?),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.rounds == 0 {
        options.rounds = if options.quick { 2 } else { 5 };
    }
    options.memory = memory.unwrap_or(true);
    Ok(Some(options))
}

fn tests(names: &str) -> Result<Vec<&'static Test>, Box<dyn Error>> {
    if names == "none" {
        return Ok(Vec::new());
    }
    let find = |name: &str| {
        let found = TESTS.iter().find(|test| test.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| format!("no test is called {name}").into())
    };
    names.split(',').map(find).collect()
}

/// Which programs are compared.
#[derive(Debug)]
struct Subjects {
    ours: PathBuf,
    peers: Vec<(&'static str, PathBuf)>,
    missing: Vec<&'static str>,
}

impl Subjects {
    fn find(options: &Options) -> Result<Subjects, Box<dyn Error>> {
        for needed in ["setpriv", "taskset", "redis-benchmark"] {
            installed(needed).ok_or_else(|| format!("{needed} is missing"))?;
        }
        let (mut peers, mut missing) = (Vec::new(), Vec::new());
        for &peer in PEERS {
            match installed(peer) {
                Some(path) => peers.push((peer, path)),
                None => missing.push(peer),
            }
        }
        if peers.is_empty() {
            return Err("there is no peer to compare with: install redis-server or valkey-server".into());
        }
        Ok(Subjects { ours: ours(options.ours.as_deref())?, peers, missing })
    }

    /// Starts all of them; ours is the first.
    fn start(&self) -> std::io::Result<Vec<Server>> {
        let peers = self.peers.iter().map(|(name, path)| Server::start(name, path));
        std::iter::once(Server::start("xs-redis", &self.ours)).chain(peers).collect()
    }
}

fn speed(subjects: &Subjects, options: &mut Options) -> Result<(), Box<dyn Error>> {
    let servers = subjects.start()?;
    println!("| test | -P | peer | throughput, ours/theirs | CPU-s/M ours | theirs | ours/theirs |");
    println!("|---|---|---|---|---|---|---|");
    let seconds = if options.quick { 0.3 } else { 2.0 };
    for &depth in &options.depths.clone() {
        for test in options.tests.clone() {
            let requests = calibrate(test, &servers[1], depth, seconds)?;
            let mut rounds = vec![Vec::new(); servers.len()];
            for round in 0..options.rounds {
                // Each round begins with another server.
                for step in 0..servers.len() {
                    let at = (round + step) % servers.len();
                    rounds[at].push(test.run(&servers[at], depth, requests)?);
                }
            }
            let medians: Vec<Measured> = rounds.iter().map(|runs| median_of(runs)).collect();
            let (mine, others) = medians.split_first().ok_or("nothing was measured")?;
            for (theirs, server) in others.iter().zip(&servers[1..]) {
                let throughput = mine.rate / theirs.rate;
                println!(
                    "| {} | {depth} | {} | {throughput:.2} | {:.2} | {:.2} | {:.2} |",
                    test.name,
                    server.name,
                    mine.cpu,
                    theirs.cpu,
                    mine.cpu / theirs.cpu
                );
                let row = format!("{} -P {depth}", test.name);
                record(options, &row, server, throughput, "requests/s", mine.rate, theirs.rate)?;
                record(options, &row, server, theirs.cpu / mine.cpu, "CPU-s/M", mine.cpu, theirs.cpu)?;
            }
        }
    }
    println!();
    Ok(())
}

/// How many requests take about `seconds` on this server; the run is its warming up as well.
fn calibrate(test: &Test, server: &Server, depth: usize, seconds: f64) -> std::io::Result<usize> {
    let trial = test.run(server, depth, 10_000 * depth.min(20))?;
    // Whole pipelines of all fifty connections.
    let unit = 50 * depth;
    Ok(((trial.rate * seconds) as usize).clamp(unit, test.most()).next_multiple_of(unit))
}

fn bytes(subjects: &Subjects, options: &mut Options) -> Result<(), Box<dyn Error>> {
    println!(
        "| bytes per item | items | peer | RSS ours | theirs | ours/theirs | used_memory ours | theirs | ours/theirs |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for kind in KINDS {
        let items = kind.items(options.quick);
        // A fresh process each, so that nothing that an earlier kind left behind is reused.
        let servers = subjects.start()?;
        let measured = servers.iter().map(|server| kind.measure(server, items)).collect::<Result<Vec<Bytes>, _>>()?;
        let (mine, others) = measured.split_first().ok_or("nothing was measured")?;
        for (theirs, server) in others.iter().zip(&servers[1..]) {
            println!(
                "| {} | {items} | {} | {:.1} | {:.1} | {:.2} | {:.1} | {:.1} | {:.2} |",
                kind.name,
                server.name,
                mine.resident,
                theirs.resident,
                mine.resident / theirs.resident,
                mine.used,
                theirs.used,
                mine.used / theirs.used
            );
            let ratio = theirs.resident / mine.resident;
            record(options, kind.name, server, ratio, "RSS bytes/item", mine.resident, theirs.resident)?;
            let ratio = theirs.used / mine.used;
            record(options, kind.name, server, ratio, "used_memory bytes/item", mine.used, theirs.used)?;
        }
    }
    println!();
    Ok(())
}

/// Writes one line of JSON. The ratio is above 1 where ours is better.
fn record(
    options: &mut Options,
    row: &str,
    peer: &Server,
    ratio: f64,
    unit: &str,
    ours: f64,
    theirs: f64,
) -> std::io::Result<()> {
    let rounds = options.rounds;
    let Some(file) = &mut options.json else { return Ok(()) };
    let line = serde_json::json!({
        "bench": "redis", "row": row, "subject": "xs-redis", "peer": peer.name, "ratio": ratio, "unit": unit,
        "ours": ours, "theirs": theirs, "rounds": rounds,
    });
    writeln!(file, "{line}")
}

fn median_of(runs: &[Measured]) -> Measured {
    Measured {
        rate: median(runs.iter().map(|run| run.rate).collect()),
        cpu: median(runs.iter().map(|run| run.cpu).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line() {
        let options = |line: &str| parse(line.split_whitespace().map(OsString::from));
        let all = options("").unwrap().unwrap();
        assert_eq!((all.tests.len(), all.rounds, all.memory), (15, 5, true));
        let some = options("--tests set,GET --pipeline 16,100 --quick").unwrap().unwrap();
        assert_eq!((some.tests.len(), some.depths, some.rounds, some.memory), (2, vec![16, 100], 2, false));
        assert!(options("--tests none").unwrap().unwrap().memory);
        assert!(options("--tests nothing").is_err());
        assert!(options("--help").unwrap().is_none());
    }
}
