//! Durable appends a second: the log's group commit beside what it replaces, a write and a sync for each.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lexopt::ValueExt;
use xs_os::vfs::{Open, SystemVfs, Vfs};
use xs_proto::kafka::records::BatchBuilder;
use xs_storage::log::{Log, LogOptions};
use xs_storage::partition::{Append, Isolation, Partition, PartitionOptions, Retention};

/// What `--help` prints.
const HELP: &str = "\
log: durable appends by 1, 4 and 16 threads, beside a plain file that is written and synced; and batches of records in
a partition, appended without waiting and handed out as ranges of files, and a burst of them into fresh segments and
into such as were written with zeros ahead

  --quick       half a second a cell and one round, instead of two and three
  --bytes N     the length of an entry; 116 by default
  --dir DIR     where the files go; a temporary directory by default
  --sync-us N   instead of syncing, sleep so many microseconds: figures without the noise of a disk that others use
  --json FILE   one object a line: bench, row, subject, unit, ours, rounds

The plain files differ in where a write goes: `extending` makes the file longer each time, `allocated` writes into space
that fallocate set aside, `zeroed` overwrites zeros that were written and synced before.
";

const THREADS: [usize; 3] = [1, 4, 16];
const SPACE: u64 = 64 << 20;

struct Options {
    cell: Duration,
    rounds: usize,
    bytes: usize,
    dir: Option<PathBuf>,
    sync: Option<Duration>,
    json: Option<File>,
}

fn options(args: impl Iterator<Item = OsString>) -> Result<Option<Options>, Box<dyn Error>> {
    let mut options =
        Options { cell: Duration::from_secs(2), rounds: 3, bytes: 116, dir: None, sync: None, json: None };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("quick") => (options.cell, options.rounds) = (Duration::from_millis(500), 1),
            lexopt::Arg::Long("bytes") => options.bytes = parser.value()?.parse()?,
            lexopt::Arg::Long("dir") => options.dir = Some(parser.value()?.into()),
            lexopt::Arg::Long("sync-us") => options.sync = Some(Duration::from_micros(parser.value()?.parse()?)),
            lexopt::Arg::Long("json") => options.json = Some(File::create(parser.value()?)?),
            lexopt::Arg::Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

/// What a cell measured.
#[derive(Clone, Copy, Default)]
struct Measured {
    per_second: f64,
    syncs: u64,
    appends: u64,
}

/// Appends durably on so many threads for a while. `append` returns when its bytes are durable.
fn drive(threads: usize, cell: Duration, append: impl Fn() + Sync) -> (u64, f64) {
    let count = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while start.elapsed() < cell {
                    append();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    (count.into_inner(), start.elapsed().as_secs_f64())
}

fn ours(dir: &Path, threads: usize, options: &Options) -> Result<Measured, Box<dyn Error>> {
    let payload = vec![0x5a; options.bytes];
    let vfs: Arc<dyn Vfs> = match options.sync {
        None => Arc::new(SystemVfs),
        Some(takes) => Arc::new(Slow { takes }),
    };
    let log = Log::open(vfs, &dir.join("log"), LogOptions::default())?;
    let before = log.stats();
    let (appends, seconds) = drive(threads, options.cell, || {
        let (_, commit) = log.append(&[&payload]).expect("the disk has room");
        commit.wait().expect("the disk works");
    });
    let syncs = log.stats().syncs - before.syncs;
    drop(log);
    std::fs::remove_dir_all(dir.join("log"))?;
    Ok(Measured { per_second: appends as f64 / seconds, syncs, appends })
}

/// The system's disk, with syncs that take a fixed time and do nothing.
#[derive(Debug)]
struct Slow {
    takes: Duration,
}

#[derive(Debug)]
struct SlowFile {
    file: Arc<dyn xs_os::vfs::File>,
    takes: Duration,
}

impl Vfs for Slow {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn xs_os::vfs::File>> {
        Ok(Arc::new(SlowFile { file: SystemVfs.open(path, how)?, takes: self.takes }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemVfs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemVfs.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        SystemVfs.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        SystemVfs.create_dir(dir)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl xs_os::vfs::File for SlowFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        std::thread::sleep(self.takes);
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn write_all_vectored_at(&self, slices: &[io::IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.file.write_all_vectored_at(slices, offset)
    }
}

#[derive(Clone, Copy)]
enum Space {
    Extending,
    Allocated,
    Zeroed,
}

fn plain(dir: &Path, threads: usize, options: &Options, space: Space) -> Result<Measured, Box<dyn Error>> {
    let path = dir.join("plain");
    let file = File::create(&path)?;
    match space {
        Space::Extending => {}
        Space::Allocated => {
            SystemVfs.open(&path, Open::Write)?.allocate(SPACE)?;
        }
        Space::Zeroed => {
            for at in (0..SPACE).step_by(256 << 10) {
                file.write_all_at(&[0; 256 << 10], at)?;
                file.sync_data()?;
            }
        }
    }
    file.sync_all()?;
    let payload = vec![0x5a; options.bytes];
    let end = Mutex::new(0);
    let (appends, seconds) = drive(threads, options.cell, || {
        let mut end = end.lock().expect("no thread panics");
        file.write_all_at(&payload, *end % (SPACE - options.bytes as u64)).expect("the disk has room");
        match options.sync {
            None => file.sync_data().expect("the disk works"),
            Some(takes) => std::thread::sleep(takes),
        }
        *end += payload.len() as u64;
    });
    std::fs::remove_file(&path)?;
    Ok(Measured { per_second: appends as f64 / seconds, syncs: appends, appends })
}

type Cell = fn(&Path, usize, &Options) -> Result<Measured, Box<dyn Error>>;

const SUBJECTS: [(&str, Cell); 4] = [
    ("xs log", ours),
    ("plain, extending", |dir, threads, options| plain(dir, threads, options, Space::Extending)),
    ("plain, allocated", |dir, threads, options| plain(dir, threads, options, Space::Allocated)),
    ("plain, zeroed", |dir, threads, options| plain(dir, threads, options, Space::Zeroed)),
];

/// Appends on one thread that nobody waits for: what an entry costs but for the disk's syncs.
fn unsynced(dir: &Path, options: &Options) -> Result<f64, Box<dyn Error>> {
    let log = Log::open(Arc::new(SystemVfs), &dir.join("log"), LogOptions::default())?;
    let payload = vec![0x5a; options.bytes];
    let start = Instant::now();
    let mut appends = 0_u64;
    while start.elapsed() < options.cell {
        for _ in 0..1000 {
            drop(log.append(&[&payload])?);
        }
        appends += 1000;
    }
    let seconds = start.elapsed().as_secs_f64();
    drop(log);
    std::fs::remove_dir_all(dir.join("log"))?;
    Ok(appends as f64 / seconds)
}

/// Records a batch.
const BATCHES: [usize; 3] = [1, 100, 10_000];
/// So much is appended before it is deleted, in bytes.
const KEPT: u64 = 512 << 20;

/// What a partition does in a second.
struct Partitioned {
    records: f64,
    bytes: f64,
    /// Ranges of 1 MiB handed out, and their bytes, of which none is read.
    ranges: f64,
    read: f64,
}

/// Appends batches that nobody waits for, as a broker without flushing does, and then has them all handed out.
fn batches(dir: &Path, records: usize, cell: Duration) -> Result<Partitioned, Box<dyn Error>> {
    let dir = dir.join("partition");
    let options = PartitionOptions { max_batch: 16 << 20, ..PartitionOptions::default() };
    let partition = Partition::open(Arc::new(SystemVfs), &dir, options)?;
    let how = Append { now: 1_700_000_000_000, ..Append::default() };
    let mut batch = BatchBuilder::new();
    (0..records).for_each(|_| batch.append(how.now, None, Some(&[0x5a; 100])));
    let batch = batch.finish()?;
    let keep = Retention { more_than_bytes: Some(KEPT), ..Retention::default() };
    let (mut appended, mut untended) = (0_u64, 0);
    let start = Instant::now();
    while start.elapsed() < cell {
        for _ in 0..1000.min(1 + 10_000 / records) {
            drop(partition.append(batch.clone(), how)?);
            appended += 1;
            untended += batch.len() as u64;
        }
        if untended > KEPT / 4 {
            partition.tend(how.now, &keep)?;
            untended = 0;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let (mut ranges, mut read) = (0_u64, 0);
    let reading = Instant::now();
    while ranges == 0 || reading.elapsed() < cell / 4 {
        let mut next = partition.bounds().start;
        loop {
            let fetched = partition.read(next, 1 << 20, Isolation::Uncommitted)?;
            if fetched.ranges.is_empty() {
                break;
            }
            ranges += fetched.ranges.len() as u64;
            read += fetched.bytes();
            next = fetched.next;
        }
    }
    let reading = reading.elapsed().as_secs_f64();
    drop(partition);
    std::fs::remove_dir_all(&dir)?;
    Ok(Partitioned {
        records: appended as f64 * records as f64 / seconds,
        bytes: appended as f64 * batch.len() as f64 / seconds,
        ranges: ranges as f64 / reading,
        read: read as f64 / reading,
    })
}

/// Records of 1 KiB a batch, and how many bytes of them are appended: a producer's burst.
const BURST: (usize, u64) = (64, 256 << 20);

/// Records a second of a burst, into fresh segments or into such as were written with zeros ahead.
fn burst(dir: &Path, warm: bool) -> Result<f64, Box<dyn Error>> {
    let dir = dir.join("burst");
    let (records, bytes) = BURST;
    let warm_bytes = if warm { bytes } else { 0 };
    let options = PartitionOptions { warm_bytes, ..PartitionOptions::default() };
    let segment = options.segment_bytes;
    let partition = Partition::open(Arc::new(SystemVfs), &dir, options)?;
    while warm && partition.disk_bytes() < warm_bytes + segment {
        std::thread::sleep(Duration::from_millis(10));
    }
    let how = Append { now: 1_700_000_000_000, ..Append::default() };
    let mut batch = BatchBuilder::new();
    (0..records).for_each(|_| batch.append(how.now, None, Some(&[0x5a; 1024])));
    let batch = batch.finish()?;
    let count = bytes / batch.len() as u64;
    let start = Instant::now();
    for _ in 0..count {
        drop(partition.append(batch.clone(), how)?);
    }
    let seconds = start.elapsed().as_secs_f64();
    drop(partition);
    std::fs::remove_dir_all(&dir)?;
    Ok(count as f64 * records as f64 / seconds)
}

/// Measures all cells, round by round, and prints the medians.
pub(crate) fn run(args: std::iter::Skip<std::env::ArgsOs>) -> Result<(), Box<dyn Error>> {
    let Some(mut options) = options(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    let dir = match &options.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    println!("{:<20} {:>8} {:>14} {:>18}", "", "threads", "appends/s", "appends per sync");
    for threads in THREADS {
        let mut cells = [const { Vec::new() }; SUBJECTS.len()];
        for _ in 0..options.rounds {
            for ((_, measure), cells) in SUBJECTS.iter().zip(&mut cells) {
                cells.push(measure(dir.path(), threads, &options)?);
            }
        }
        for ((name, _), mut cells) in SUBJECTS.iter().zip(cells) {
            cells.sort_by(|a: &Measured, b| a.per_second.total_cmp(&b.per_second));
            let median = cells[cells.len() / 2];
            let shared = median.appends as f64 / median.syncs.max(1) as f64;
            println!("{name:<20} {threads:>8} {:>14.0} {shared:>18.2}", median.per_second);
            if let Some(json) = &mut options.json {
                let row = format!("{threads} threads");
                let line = serde_json::json!({ "bench": "log", "row": row, "subject": name, "unit": "appends/s",
                    "ours": median.per_second, "rounds": options.rounds });
                writeln!(json, "{line}")?;
            }
        }
    }
    println!("{:<20} {:>8} {:>14.0}", "xs log, not waiting", 1, unsynced(dir.path(), &options)?);
    println!(
        "\n{:<30} {:>14} {:>10} {:>16} {:>12}",
        "partition, 100 B a record", "records/s", "MB/s", "read as ranges", "GB/s"
    );
    for records in BATCHES {
        let mut cells = Vec::new();
        for _ in 0..options.rounds {
            cells.push(batches(dir.path(), records, options.cell)?);
        }
        cells.sort_by(|a, b| a.records.total_cmp(&b.records));
        let median = &cells[cells.len() / 2];
        let row = format!("batches of {records}");
        println!(
            "{row:<30} {:>14.0} {:>10.0} {:>16.0} {:>12.1}",
            median.records,
            median.bytes / 1e6,
            median.ranges,
            median.read / 1e9
        );
        if let Some(json) = &mut options.json {
            let line = serde_json::json!({ "bench": "log", "row": row, "subject": "xs partition", "unit": "records/s",
                "ours": median.records, "rounds": options.rounds });
            writeln!(json, "{line}")?;
        }
    }
    println!("\n{:<30} {:>14}", "partition, 1 KiB a record", "records/s");
    let mut cells = [Vec::new(), Vec::new()];
    for _ in 0..options.rounds {
        for (warm, cells) in [false, true].into_iter().zip(&mut cells) {
            cells.push(burst(dir.path(), warm)?);
        }
    }
    for (row, mut cells) in ["256 MiB, fresh segments", "256 MiB, warm segments"].into_iter().zip(cells) {
        cells.sort_by(f64::total_cmp);
        let median = cells[cells.len() / 2];
        println!("{row:<30} {median:>14.0}");
        if let Some(json) = &mut options.json {
            let line = serde_json::json!({ "bench": "log", "row": row, "subject": "xs partition", "unit": "records/s",
                "ours": median, "rounds": options.rounds });
            writeln!(json, "{line}")?;
        }
    }
    Ok(())
}
