//! Segments of a log in each framing, and its watermark, changed anywhere: what is read was written, and in order, where
//! checksums were not mended; and nothing panics where they were.
#![no_main]

#[path = "stores/mod.rs"]
mod stores;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use stores::disk::SmallDisk;
use stores::{Base, Input, sums};
use xs_os::SteppedJobs;
use xs_os::vfs::{MemoryVfs, Vfs};
use xs_storage::Result;
use xs_storage::log::{Batches, Index, Log, LogOptions, Raw, Records};
use xs_storage::testing::log::Entries;

fn open<F: Entries>(disk: Arc<dyn Vfs>, jobs: &SteppedJobs) -> Result<Log<F>> {
    let mut options = LogOptions::default();
    options.segment_bytes = 4096;
    options.buffer_bytes = 1024;
    options.background_sync_bytes = 1500;
    options.jobs = Arc::new(jobs.clone());
    Log::open_with(disk, Path::new("log"), options, F::default())
}

/// What was written: index and bytes.
type Written = Vec<(u64, Vec<u8>)>;

struct Made {
    base: Base,
    written: Written,
}

/// A few segments, cut, trimmed, opened twice; closed, or not.
fn made<F: Entries>(closed: bool) -> Made {
    let disk = MemoryVfs::new();
    let jobs = SteppedJobs::new();
    let log = open::<F>(Arc::new(disk.clone()), &jobs).unwrap();
    let append = |log: &Log<F>, n: u64| log.append(&[&F::payload(n, 20 + n as usize * 13 % 300)]).unwrap().1.wait();
    (0..70).for_each(|n| append(&log, n).unwrap());
    let bounds = log.bounds();
    log.truncate_from(Index(bounds.end.0 - 9)).unwrap();
    log.trim_to(Index(bounds.end.0 / 3)).unwrap();
    drop(log);
    let log = open::<F>(Arc::new(disk.clone()), &jobs).unwrap();
    (70..100).for_each(|n| append(&log, n).unwrap());
    jobs.run_until_idle(100);
    let mut reader = log.reader(Index(0));
    let written = std::iter::from_fn(|| reader.next().unwrap().map(|entry| (entry.index.0, entry.payload.to_vec())));
    let written = written.collect();
    let image = disk.fork();
    drop((reader, log));
    let base = Base::new(if closed { disk } else { image }, |path, bytes| match path.extension() {
        Some(_) => Some(match F::NAME {
            "records" => sums::records(path, bytes),
            "raw" => Vec::new(),
            _ => sums::batches(bytes),
        }),
        None if path.ends_with("watermark") => Some(sums::watermark(bytes)),
        None => None,
    });
    Made { base, written }
}

/// Bytes without those that Kafka's checksum leaves out.
fn covered<F: Entries>(bytes: &[u8]) -> &[u8] {
    match F::NAME {
        "records" => bytes,
        _ => bytes.get(16..).unwrap_or_default(),
    }
}

/// Whether what was found is a part of what was written, in its order.
fn right<F: Entries>(found: &Written, written: &Written) -> bool {
    let mut rest = written.iter();
    found.iter().all(|(index, bytes)| {
        rest.any(|(at, own)| covered::<F>(own) == covered::<F>(bytes) && (F::NAME != "records" || at == index))
    })
}

/// What a reader finds up to the end or an error, and whether it was the end.
fn read<F: Entries>(log: &Log<F>, from: u64) -> (Written, bool) {
    let mut reader = log.reader(Index(from));
    let mut found = Written::new();
    loop {
        match reader.next() {
            Ok(Some(entry)) => {
                assert!(entry.end > entry.index && found.last().is_none_or(|(last, _)| *last < entry.index.0));
                found.push((entry.index.0, entry.payload.to_vec()));
            }
            end => return (found, end.is_ok()),
        }
    }
}

fn run<F: Entries>(made: &Made, control: u8, input: &mut Input<'_>) {
    let edited = made.base.edit(control, input);
    let strict = !edited.forged && F::NAME != "raw";
    let mut expected = made.written.clone();
    for _ in 0..=(control >> 7) {
        let jobs = SteppedJobs::new();
        let Ok(log) = open::<F>(Arc::new(SmallDisk(edited.disk.clone())), &jobs) else { return };
        let (found, whole) = read(&log, 0);
        assert!(!strict || right::<F>(&found, &expected), "{:?} was not written", log.bounds());
        if strict && F::NAME == "records" {
            let (first, last) = (log.bounds().start.0, log.bounds().end.0);
            let there = expected.iter().filter(|(at, _)| (first..last).contains(at)).count();
            assert!(last - first == there as u64, "{first} to {last} was never there");
            assert!(!whole || found.len() == there, "{} entries from {first} to {last}", found.len());
        }
        // What was lost stays lost.
        expected.retain(|(at, _)| *at < log.bounds().end.0);
        let calls = input.u8();
        let start = log.bounds().start.0;
        let index = start.saturating_add(input.u16() as u64 % 4000);
        let (later, _) = read(&log, index);
        assert!(!strict || right::<F>(&later, &expected));
        let mut reader = log.reader(Index(index));
        for _ in 0..3 {
            let Ok(Some(range)) = reader.next_range(1 + u64::from(calls) * 8) else { break };
            let mut bytes = vec![0; usize::try_from(range.len).unwrap().min(1 << 20)];
            let _ = range.file.read_at(&mut bytes, range.offset);
        }
        let _ = log.check();
        if calls & 1 != 0 && log.truncate_from(Index(index)).is_ok() && index < log.bounds().end.0 {
            // Of an entry that spans the cut, a part is left where entries have parts.
            return;
        }
        expected.retain(|(at, _)| *at < log.bounds().end.0);
        if calls & 2 != 0 {
            let _ = log.trim_to(Index(index));
        }
        for n in 0..calls >> 2 & 7 {
            let payload = F::payload(500 + u64::from(n), usize::from(calls) * 3);
            let Ok((at, commit)) = log.append(&[&payload]) else { return };
            if commit.wait().is_err() {
                return;
            }
            expected.push((at.0, F::stored(&payload, at.0).0));
        }
        if calls & 32 != 0 {
            jobs.run_until_idle(20);
        }
    }
}

static RECORDS: LazyLock<[Made; 2]> = LazyLock::new(|| [made::<Records>(false), made::<Records>(true)]);
static BATCHES: LazyLock<[Made; 2]> = LazyLock::new(|| [made::<Batches>(false), made::<Batches>(true)]);
static RAW: LazyLock<[Made; 2]> = LazyLock::new(|| [made::<Raw>(false), made::<Raw>(true)]);

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let control = input.u8();
    let closed = usize::from(control >> 3 & 1);
    match control >> 4 & 3 {
        0 | 1 => run::<Records>(&RECORDS[closed], control, &mut input),
        2 => run::<Batches>(&BATCHES[closed], control, &mut input),
        _ => run::<Raw>(&RAW[closed], control, &mut input),
    }
});
