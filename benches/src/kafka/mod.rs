//! The Kafka broker under librdkafka's own load generator, beside a sink that only acknowledges and NATS JetStream.
//!
//! The generator has threads of its own and is the bottleneck of a fast broker, so it and the servers have all cores unless told
//! otherwise, and the sink says what it reaches when nothing is kept. A round starts each server anew in an empty directory,
//! produces, reads all of it from the beginning, and ends it. JetStream's client keeps a thousand publishes under way. The last
//! table is of a thousand messages a second, each sent at once.

mod generator;
#[cfg(feature = "peers-nats")]
mod jetstream;
mod latency;
mod sink;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lexopt::ValueExt;

use latency::Latency;

use crate::web::{self, Running};
use crate::{arguments, median, process};

const HELP: &str = "\
kafka: the broker under librdkafka's load generator, beside a sink that only acknowledges and NATS JetStream

  --quick            one round, a tenth of the messages
  --json FILE        one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds
  --rounds N         rounds (default 5)
  --cores LIST       where the servers run (default: all cores)
  --generator PATH   rdkafka_performance (default: .cache/rdkafka_performance, where .ci/tools builds it)
  --ours PATH        the program to measure as ours (default: the release build of xs-kafka)
  --tansu PATH       the tansu of the Rust registry (`cargo install tansu --features dynostore`), to measure its broker with
                     what it keeps in memory. Its 0.6 does not understand librdkafka 2.0, Debian's: put a newer one in front, for
                     all subjects alike, by LD_LIBRARY_PATH (a wheel of confluent-kafka has one, to be named librdkafka.so.1)
  --dir PATH         where the servers keep their data (default: the system's temporary directory); it should be a disk

Build with `--features peers-nats` to measure JetStream (Debian's nats-server).
";

/// The bytes of a message, how many of them a round has, and how many for JetStream.
const ROWS: [(usize, u64, u64); 2] = [(100, 5_000_000, 500_000), (1024, 1_000_000, 300_000)];

struct Options {
    json: Option<File>,
    rounds: usize,
    cores: String,
    generator: PathBuf,
    ours: PathBuf,
    tansu: Option<PathBuf>,
    dir: PathBuf,
}

/// Beside which servers ours is measured, and what ours is told.
const SUBJECTS: [(&str, Subject); 6] = [
    ("sink", Subject::Sink),
    ("xs-kafka", Subject::Ours(&[])),
    ("xs-kafka, warm", Subject::Ours(&["--warm-bytes", "268435456"])),
    ("xs-kafka, flushed", Subject::Ours(&["--flush"])),
    ("tansu", Subject::Tansu),
    ("JetStream", Subject::JetStream),
];

#[derive(Clone, Copy)]
enum Subject {
    Sink,
    Ours(&'static [&'static str]),
    Tansu,
    JetStream,
}

/// The unit of which more is better.
const RATE: &str = "messages/s";

/// What one round of one subject gave.
#[derive(Clone, Copy, Default)]
struct Measured {
    /// Messages a second.
    produced: f64,
    /// Messages a second; nothing of what can't be read.
    consumed: Option<f64>,
    /// Processor seconds of the server for a gigabyte of messages that came in, and that went out.
    cpu_in: f64,
    cpu_out: f64,
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let (mut rounds, mut sink_at, mut generator, mut tansu) = (None, None, None, None);
    let cores = std::thread::available_parallelism()?.get();
    let mut cores = format!("0-{}", cores - 1);
    let mut ours = std::env::current_exe()?.with_file_name("xs-kafka");
    let mut dir = std::env::temp_dir();
    let read = arguments::parse(args, HELP, |name, parser| {
        match name {
            "rounds" => rounds = Some(parser.value()?.parse()?),
            "cores" => cores = parser.value()?.string()?,
            "generator" => generator = Some(parser.value()?.parse()?),
            "ours" => ours = std::path::absolute(parser.value()?)?,
            "tansu" => tansu = Some(std::path::absolute(parser.value()?)?),
            "dir" => dir = std::path::absolute(parser.value()?)?,
            // How the benchmark starts its sink.
            "sink" => sink_at = Some(parser.value()?.parse()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(read) = read else { return Ok(()) };
    if let Some(port) = sink_at {
        return sink::serve(port);
    }
    if !ours.exists() {
        let what = "there is no release build of xs-kafka; `cargo build --release -p xs-kafka`";
        return Err(format!("{}: {what}", ours.display()).into());
    }
    let (rounds, share) = (rounds.unwrap_or(if read.quick { 1 } else { 5 }), if read.quick { 10 } else { 1 });
    let generator = generator::find(generator)?;
    let mut options = Options { json: read.json, rounds, cores, generator, ours, tansu, dir };
    println!("# kafka\n\nServers on cores {}, the load generator on all of them.\n", options.cores);
    println!("| row | subject | produced /s | consumed /s | CPU-s/GB in | CPU-s/GB out |\n|---|---|--:|--:|--:|--:|");
    let mut ratios = Vec::new();
    for (size, count, slow) in ROWS {
        table(&mut options, size, count / share, slow / share, &mut ratios)?;
    }
    latencies(&mut options)?;
    println!("\nAbove 1 is better for us\n\n| row | subject | beside | produce | consume |\n|---|---|---|--:|--:|");
    ratios.iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn table(
    options: &mut Options,
    size: usize,
    count: u64,
    slow: u64,
    ratios: &mut Vec<String>,
) -> Result<(), Box<dyn Error>> {
    let mut rounds: BTreeMap<usize, Vec<Measured>> = BTreeMap::new();
    for round in 0..options.rounds {
        for step in 0..SUBJECTS.len() {
            let at = (round + step) % SUBJECTS.len();
            let dir = tempfile::Builder::new().prefix("xs-kafka-").tempdir_in(&options.dir)?;
            let measured = match SUBJECTS[at].1 {
                Subject::Sink => Some(acknowledged(options, size, count)?),
                Subject::JetStream => jetstream(options, dir.path(), size, slow)?,
                subject => match broker(options, dir.path(), subject)? {
                    // It is not as fast, and takes as long.
                    Some(broker) if matches!(subject, Subject::Tansu) => Some(load(options, &broker, size, slow)?),
                    Some(broker) => Some(load(options, &broker, size, count)?),
                    None => None,
                },
            };
            rounds.entry(at).or_default().extend(measured);
        }
    }
    let row = format!("{size} B");
    let mut medians = Vec::new();
    for (at, (name, _)) in SUBJECTS.iter().enumerate() {
        let all = &rounds[&at];
        if all.is_empty() {
            continue;
        }
        let of = |figure: fn(&Measured) -> f64| median(all.iter().map(figure).collect());
        let consumed = all[0].consumed.map(|_| of(|one| one.consumed.unwrap_or_default()));
        let one =
            Measured { produced: of(|m| m.produced), consumed, cpu_in: of(|m| m.cpu_in), cpu_out: of(|m| m.cpu_out) };
        let read = consumed.map_or("–".into(), |rate| format!("{rate:.0}"));
        println!("| {row} | {name} | {:.0} | {read} | {:.2} | {:.2} |", one.produced, one.cpu_in, one.cpu_out);
        medians.push((*name, one));
    }
    for (subject, mine) in medians.iter().filter(|(name, _)| name.starts_with("xs-kafka")) {
        for (peer, theirs) in medians.iter().filter(|(name, _)| !name.starts_with("xs-kafka")) {
            let produce = mine.produced / theirs.produced;
            let consume = mine.consumed.zip(theirs.consumed).map(|(mine, theirs)| mine / theirs);
            let shown = consume.map_or("–".into(), |ratio| format!("{ratio:.2}"));
            ratios.push(format!("| {row} | {subject} | {peer} | {produce:.2} | {shown} |"));
            record(options, &format!("{row}, produce"), subject, peer, RATE, (mine.produced, theirs.produced))?;
            if let Some((mine, theirs)) = mine.consumed.zip(theirs.consumed) {
                record(options, &format!("{row}, consume"), subject, peer, RATE, (mine, theirs))?;
            }
        }
    }
    Ok(())
}

fn gigabytes(size: usize, count: u64) -> f64 {
    size as f64 * count as f64 / 1e9
}

fn spent(server: &Running) -> std::io::Result<f64> {
    process::ticks(&server.0.id().to_string())
}

fn acknowledged(options: &Options, size: usize, count: u64) -> Result<Measured, Box<dyn Error>> {
    let port = web::free_port()?;
    let program = std::env::current_exe()?;
    let server = web::run(&options.cores, &program, &["kafka", "--sink", &port.to_string()], Stdio::null())?;
    web::wait_for(port, "the sink")?;
    let before = spent(&server)?;
    let produced = generator::produce(&options.generator, port, "t", size, count)?;
    let cpu_in = (spent(&server)? - before) / gigabytes(size, count);
    Ok(Measured { produced, cpu_in, ..Measured::default() })
}

/// A broker that listens.
struct Broker {
    running: Running,
    port: u16,
}

/// Starts one; nothing where there is none of the kind.
fn broker(options: &Options, dir: &Path, subject: Subject) -> Result<Option<Broker>, Box<dyn Error>> {
    let port = web::free_port()?;
    let (dir, number) = (dir.display().to_string(), port.to_string());
    let running = match (subject, &options.tansu) {
        (Subject::Ours(more), _) => {
            let args = [&["--data-dir", &dir, "--port", &number], more].concat();
            web::run(&options.cores, &options.ours, &args, Stdio::null())?
        }
        (Subject::Tansu, Some(program)) => {
            let (url, data) = (format!("tcp://127.0.0.1:{port}"), "memory://tansu/");
            let args = [
                "broker",
                "--kafka-listener-url",
                &url,
                "--kafka-advertised-listener-url",
                &url,
                "--storage-engine",
                data,
            ];
            web::run(&options.cores, program, &args, Stdio::null())?
        }
        _ => return Ok(None),
    };
    web::wait_for(port, "the broker")?;
    if let (Subject::Tansu, Some(program)) = (subject, &options.tansu) {
        // Its topics are not made by who asks for them.
        for topic in ["t", latency::TOPIC] {
            let url = format!("tcp://127.0.0.1:{port}");
            let args = ["topic", "create", "--broker", &url, "--partitions", "1", topic];
            if !web::run(&options.cores, program, &args, Stdio::null())?.0.wait()?.success() {
                return Err(format!("tansu makes no topic `{topic}`").into());
            }
        }
    }
    Ok(Some(Broker { running, port }))
}

fn load(options: &Options, broker: &Broker, size: usize, count: u64) -> Result<Measured, Box<dyn Error>> {
    let (server, port) = (&broker.running, broker.port);
    // A topic is made by whoever asks for it; its first segment is there then.
    generator::produce(&options.generator, port, "t", size, 1)?;
    let before = spent(server)?;
    let produced = generator::produce(&options.generator, port, "t", size, count)?;
    let between = spent(server)?;
    let consumed = generator::consume(&options.generator, port, "t", count)?;
    let after = spent(server)?;
    let gigabytes = gigabytes(size, count);
    let (cpu_in, cpu_out) = ((between - before) / gigabytes, (after - between) / gigabytes);
    Ok(Measured { produced, consumed: Some(consumed), cpu_in, cpu_out })
}

/// The table of latencies.
fn latencies(options: &mut Options) -> Result<(), Box<dyn Error>> {
    println!("\nEnd to end at {} messages a second, in µs\n\n| subject | p50 | p99 |\n|---|--:|--:|", latency::RATE);
    let mut rounds: BTreeMap<usize, Vec<Latency>> = BTreeMap::new();
    for round in 0..options.rounds {
        for step in 0..SUBJECTS.len() {
            let at = (round + step) % SUBJECTS.len();
            let dir = tempfile::Builder::new().prefix("xs-kafka-").tempdir_in(&options.dir)?;
            let measured = match SUBJECTS[at].1 {
                Subject::Sink => None,
                Subject::JetStream => jetstream_latency(options, dir.path())?,
                subject => match broker(options, dir.path(), subject)? {
                    Some(broker) => Some(latency::of_broker(&options.generator, broker.port, dir.path())?),
                    None => None,
                },
            };
            rounds.entry(at).or_default().extend(measured);
        }
    }
    let mut mine = None;
    for (at, (name, _)) in SUBJECTS.iter().enumerate() {
        let all = rounds.get(&at).map_or(&[][..], Vec::as_slice);
        if all.is_empty() {
            continue;
        }
        let of = |figure: fn(&Latency) -> f64| median(all.iter().map(figure).collect());
        let (p50, p99) = (of(|one| one.p50), of(|one| one.p99));
        println!("| {name} | {p50:.0} | {p99:.0} |");
        match mine {
            None => mine = Some((p50, p99)),
            Some((mine50, mine99)) => {
                record(options, "latency, p50", "xs-kafka", name, "µs", (mine50, p50))?;
                record(options, "latency, p99", "xs-kafka", name, "µs", (mine99, p99))?;
            }
        }
    }
    Ok(())
}

#[cfg(feature = "peers-nats")]
fn jetstream(options: &Options, dir: &Path, size: usize, count: u64) -> Result<Option<Measured>, Box<dyn Error>> {
    let Some(server) = jetstream::Server::start(dir, &options.cores)? else { return Ok(None) };
    let before = spent(&server.running)?;
    let (produced, consumed) = server.round("t", size, count)?;
    // Both halves together: they are told apart by nobody.
    let cpu_in = (spent(&server.running)? - before) / gigabytes(size, count);
    Ok(Some(Measured { produced, consumed: Some(consumed), cpu_in, cpu_out: 0.0 }))
}

#[cfg(not(feature = "peers-nats"))]
fn jetstream(_: &Options, _: &Path, _: usize, _: u64) -> Result<Option<Measured>, Box<dyn Error>> {
    Ok(None)
}

#[cfg(feature = "peers-nats")]
fn jetstream_latency(options: &Options, dir: &Path) -> Result<Option<Latency>, Box<dyn Error>> {
    jetstream::Server::start(dir, &options.cores)?.map(|server| server.latency()).transpose()
}

#[cfg(not(feature = "peers-nats"))]
fn jetstream_latency(_: &Options, _: &Path) -> Result<Option<Latency>, Box<dyn Error>> {
    Ok(None)
}

fn record(
    options: &mut Options,
    row: &str,
    subject: &str,
    peer: &str,
    unit: &str,
    (mine, theirs): (f64, f64),
) -> Result<(), Box<dyn Error>> {
    let ratio = if unit == RATE { mine / theirs } else { theirs / mine };
    let Some(json) = &mut options.json else { return Ok(()) };
    let object = serde_json::json!({
        "bench": "kafka", "row": row, "subject": subject, "peer": peer, "unit": unit, "ratio": ratio,
        "ours": mine, "theirs": theirs, "rounds": options.rounds,
    });
    writeln!(json, "{object}")?;
    Ok(())
}
