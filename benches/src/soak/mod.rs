//! A store under mixed load for minutes: does it want more and more of anything?
//!
//! ```text
//!   two writers ── puts, overwrites, deletes, range deletes, some durable ──▶ ┌───────┐
//!   a reader ───── gets, scans both ways, snapshots held for seconds ───────▶ │ store │
//!   every two seconds: memory, descriptors, space, p99.9 of the writes ◀───── └───────┘
//! ```
//!
//! The load is as steady as it is mixed: so many writes a second over a fixed set of keys. After a warm-up, in which caches
//! and levels fill, a store that gives back what it took looks in the last third of the time as in the first.

mod load;
mod report;

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use lexopt::ValueExt;
use xs_storage::btree::{self, BTree};
use xs_storage::engine::Engine;
use xs_storage::lsm::{self, Lsm};

use crate::process;
use load::Load;
use report::{Report, Sample};

/// What `--help` prints.
const HELP: &str = "\
soak: a store under mixed load, and whether its memory, descriptors, space or slowest writes grow

  --engine NAME   lsm or btree (default lsm)
  --minutes N     how long (default 10); parts of a minute are fine
  --rate N        writes a second (default 10,000)
  --keys N        how many keys there may be (default 200,000)
  --memory N      the store's budget in MiB (default 32)
  --every N       seconds between two samples (default 2)
  --dir DIR       where the store is put (default: the system's place for temporary files)

Ends with an error if memory, descriptors or space grow, or if the store finds something wrong with itself.
";

struct Options {
    engine: String,
    time: Duration,
    rate: u64,
    keys: u64,
    memory: u64,
    every: Duration,
    dir: Option<PathBuf>,
}

fn options(args: impl Iterator<Item = OsString>) -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options {
        engine: "lsm".into(),
        time: Duration::from_mins(10),
        rate: 10_000,
        keys: 200_000,
        memory: 32 << 20,
        every: Duration::from_secs(2),
        dir: None,
    };
    let seconds = |text: OsString, unit: f64| -> Result<Duration, Box<dyn Error>> {
        Ok(Duration::try_from_secs_f64(text.parse::<f64>()? * unit)?.max(Duration::from_millis(100)))
    };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("engine") => options.engine = parser.value()?.string()?,
            lexopt::Arg::Long("minutes") => options.time = seconds(parser.value()?, 60.0)?,
            lexopt::Arg::Long("rate") => options.rate = parser.value()?.parse::<u64>()?.max(1),
            lexopt::Arg::Long("keys") => options.keys = parser.value()?.parse::<u64>()?.max(1000),
            lexopt::Arg::Long("memory") => options.memory = parser.value()?.parse::<u64>()?.max(1) << 20,
            lexopt::Arg::Long("every") => options.every = seconds(parser.value()?, 1.0)?,
            lexopt::Arg::Long("dir") => options.dir = Some(parser.value()?.into()),
            lexopt::Arg::Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

/// A store that can check itself.
type Opened = (Arc<dyn Engine>, Box<dyn Fn() -> xs_storage::Result<()>>);

/// Logs and levels are small beside what is written, so that a minute passes through many checkpoints and compactions.
fn open(options: &Options, dir: &Path) -> Result<Opened, Box<dyn Error>> {
    match options.engine.as_str() {
        "btree" => {
            let tree = Arc::new(BTree::open(dir, btree::Options { memory: options.memory, ..Default::default() })?);
            Ok((tree.clone(), Box::new(move || tree.check().map(drop))))
        }
        "lsm" => {
            let options = lsm::Options {
                memory: options.memory,
                memtable_bytes: (4 << 20).min(options.memory / 4),
                table_bytes: 4 << 20,
                log_segment_bytes: 8 << 20,
                ..Default::default()
            };
            let tree = Arc::new(Lsm::open(dir, options)?);
            Ok((tree.clone(), Box::new(move || tree.check().map(drop))))
        }
        other => Err(format!("there is no engine {other}: lsm or btree").into()),
    }
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let Some(options) = options(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    let dir = match &options.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let (store, check) = open(&options, dir.path())?;
    println!(
        "# soak of {}: {:.1} minutes, {} writes/s, up to {} keys, {} MiB\n",
        options.engine,
        options.time.as_secs_f64() / 60.0,
        options.rate,
        options.keys,
        options.memory >> 20,
    );
    let load = Load::new(options.keys, options.rate);
    let mut report = Report::default();
    let (began, mut next) = (Instant::now(), Instant::now() + options.every);
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let workers: Vec<_> = (0..3)
            .map(|nth| {
                let (load, store) = (&load, &*store);
                scope.spawn(move || if nth == 0 { load.read(store) } else { load.write(store, nth) })
            })
            .collect();
        let mut sampled = Ok(());
        while began.elapsed() < options.time && !workers.iter().any(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            next += options.every;
            sampled = sample(began.elapsed(), &load, &*store, dir.path()).map(|sample| report.add(sample));
            if sampled.is_err() {
                break;
            }
        }
        load.stop();
        for worker in workers {
            worker.join().map_err(|_| "a worker panicked")?.map_err(|error| error as Box<dyn Error>)?;
        }
        sampled.map_err(Into::into)
    })?;
    check()?;
    report.print();
    if report.grows() { Err(format!("{}: it grows", options.engine).into()) } else { Ok(()) }
}

fn sample(at: Duration, load: &Load, store: &dyn Engine, dir: &Path) -> std::io::Result<Sample> {
    let stats = store.stats();
    let (writes, p999, worst) = load.written();
    Ok(Sample {
        at,
        resident: process::figure("self", "status", "VmRSS:")? << 10,
        descriptors: std::fs::read_dir("/proc/self/fd")?.count() as u64,
        space: process::directory_bytes(dir)?,
        p999,
        worst,
        writes,
        reads: load.reads(),
        owners: stats.memory,
    })
}
