//! Where entries lie: found without reading them, by offset and by time, with indexes and without.

use std::sync::atomic::{AtomicU64, Ordering};
use std::{ffi::OsString, io};

use xs_os::Rng;
use xs_os::vfs::{File, Open};

use super::*;

/// A disk that counts the bytes that are read.
#[derive(Clone, Debug)]
struct Counting(MemoryVfs, Arc<AtomicU64>);

#[derive(Debug)]
struct CountingFile(Arc<dyn File>, Arc<AtomicU64>);

impl Vfs for Counting {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(CountingFile(self.0.open(path, how)?, self.1.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.0.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
}

impl File for CountingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.0.read_at(buf, offset)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }
}

/// A batch of a time.
fn timed(records: u32, body: usize, time: i64) -> Vec<u8> {
    let mut bytes = batch(0, records, &vec![time as u8; body]);
    bytes[35..43].copy_from_slice(&time.to_be_bytes());
    let sum = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn open_on(vfs: Arc<dyn Vfs>, jobs: &SteppedJobs, segment_bytes: u64, index: bool) -> Log<Batches> {
    let jobs = Arc::new(jobs.clone());
    let options = LogOptions { segment_bytes, buffer_bytes: 64 << 10, index, jobs, ..small(&SteppedJobs::new()) };
    Log::open_with(vfs, Path::new(DIR), options, Batches::default()).unwrap()
}

/// All bytes from an offset up to another, by ranges of about so many bytes.
fn ranges(log: &Log<Batches>, from: u64, upto: u64, limit: u64) -> Vec<u8> {
    let (mut next, mut bytes) = (Index(from), Vec::new());
    while let Some(range) = log.range(next, Index(upto), limit).unwrap() {
        assert!(range.end > next && range.len > 0);
        bytes.extend_from_slice(&range.read().unwrap());
        next = range.end;
    }
    bytes
}

fn bytes_of(entries: &[(u64, u64, i64, Vec<u8>)], from: u64, upto: u64) -> Vec<u8> {
    let there = entries.iter().filter(|(_, end, ..)| *end > from && *end <= upto);
    there.flat_map(|(.., bytes)| bytes.clone()).collect()
}

/// Batches of all lengths, some longer than the distance of two waypoints; first offset, the one behind, time, bytes.
fn fill(log: &Log<Batches>, jobs: &SteppedJobs, rng: &mut Rng, count: usize) -> Vec<(u64, u64, i64, Vec<u8>)> {
    let mut entries = Vec::new();
    for n in 0..count as i64 {
        let body = if rng.chance(0.05) { rng.index(150_000) } else { rng.index(3000) };
        let (records, time) = (1 + rng.below(4) as u32, n * 10 - rng.below(200) as i64);
        let mut bytes = timed(records, body, time);
        let (index, _) = log.append(&[&bytes]).unwrap();
        bytes[..8].copy_from_slice(&index.0.to_be_bytes());
        entries.push((index.0, index.0 + u64::from(records), time, bytes));
        if rng.chance(0.3) {
            jobs.step();
        }
    }
    entries
}

#[test]
fn ranges_are_the_entries_from_anywhere_to_anywhere() {
    for (seed, index) in [(1, false), (2, true), (3, true)] {
        let (disk, jobs, mut rng) = (MemoryVfs::new(), SteppedJobs::new(), Rng::from_seed(seed));
        let mut log = open_on(disk.vfs(), &jobs, 400_000, index);
        let mut entries = fill(&log, &jobs, &mut rng, 300);
        for round in 0..60 {
            if round == 20 {
                drop(log);
                log = open_on(disk.vfs(), &jobs, 400_000, index);
            }
            if round == 40 {
                // A cut through the middle leaves segments whose ends are not those that were known.
                let cut = entries[150].0;
                log.truncate_from(Index(cut)).unwrap();
                entries.truncate(150);
                let mut more = fill(&log, &jobs, &mut rng, 60);
                entries.append(&mut more);
            }
            let end = entries.last().unwrap().1;
            let (from, upto) = (rng.below(end), rng.below(end + 5));
            let limit = [1, 5_000, 70_000, 1 << 20][rng.index(4)];
            assert!(ranges(&log, from, upto, limit) == bytes_of(&entries, from, upto), "{from}..{upto} by {limit}");
        }
        log.sync().unwrap();
        assert_eq!(log.check().unwrap(), entries.len() as u64);
    }
}

#[test]
fn who_goes_on_where_the_last_range_ended_reads_no_file() {
    let (read, jobs, mut rng) = (Arc::new(AtomicU64::new(0)), SteppedJobs::new(), Rng::from_seed(4));
    let log = open_on(Arc::new(Counting(MemoryVfs::new(), read.clone())), &jobs, 1 << 20, true);
    let mut next = Index(0);
    let mut sent = 0;
    for _ in 0..40 {
        let entries = fill(&log, &jobs, &mut rng, 20);
        sent += entries.iter().map(|(.., bytes)| bytes.len() as u64).sum::<u64>();
        let before = read.load(Ordering::Relaxed);
        while let Some(range) = log.range(next, Index(u64::MAX), 300_000).unwrap() {
            assert!(range.len <= 300_000 + 150_000, "{}", range.len);
            sent -= range.len;
            next = range.end;
        }
        assert_eq!(read.load(Ordering::Relaxed), before);
    }
    assert_eq!(sent, 0);
    assert!(log.stats().segments > 2);
}

#[test]
fn times_are_found_with_an_index_as_without() {
    let read = Arc::new(AtomicU64::new(0));
    for index in [false, true] {
        let (disk, jobs, mut rng) = (MemoryVfs::new(), SteppedJobs::new(), Rng::from_seed(5));
        let vfs = Arc::new(Counting(disk.clone(), read.clone()));
        let mut log = open_on(vfs.clone(), &jobs, 300_000, index);
        let entries = fill(&log, &jobs, &mut rng, 400);
        for round in 0..80 {
            if round == 40 {
                jobs.run_until_idle(100);
                drop(log);
                log = open_on(vfs.clone(), &jobs, 300_000, index);
                read.store(0, Ordering::Relaxed);
            }
            let (time, from) = (rng.below(4300) as i64 - 200, if round % 3 == 0 { rng.below(900) } else { 0 });
            let expected = entries.iter().find(|(_, end, at, _)| *end > from && *at >= time.max(0));
            // A time in front of all is none.
            let expected = expected.map(|(base, _, at, _)| (Index(*base), *at));
            assert_eq!(log.first_at(time.max(0), Index(from)).unwrap(), expected, "{time} from {from}");
        }
        let all: u64 = entries.iter().map(|(.., bytes)| bytes.len() as u64).sum();
        if index {
            // Forty questions, each with a stride or an entry of its own to read.
            assert!(read.load(Ordering::Relaxed) < 40 * (64 + 64 + 150) * 1024);
        }
        assert!(all > 1 << 20, "{all}");
    }
}

#[test]
fn an_index_goes_with_its_segment_and_one_that_is_wrong_is_made_again() {
    let (disk, jobs, mut rng) = (MemoryVfs::new(), SteppedJobs::new(), Rng::from_seed(6));
    let log = open_on(disk.vfs(), &jobs, 200_000, true);
    let entries = fill(&log, &jobs, &mut rng, 300);
    log.sync().unwrap();
    jobs.run_until_idle(100);
    let names = |extension: &str| {
        let there = disk.files().into_iter().map(|(path, _)| path);
        there.filter(|path| path.extension().is_some_and(|found| found == extension)).collect::<Vec<_>>()
    };
    // One for each segment but the newest.
    assert_eq!(names("index").len(), names("log").len() - 1);
    let there: usize = disk.files().iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(log.stats().disk_bytes, there as u64);
    log.trim_to(Index(entries[100].0)).unwrap();
    assert_eq!(names("index").len(), names("log").len() - 1);
    drop(log);

    let path = names("index")[0].clone();
    let intact = disk.files().into_iter().find(|(there, _)| *there == path).unwrap().1;
    for wrong in [vec![], intact[..20].to_vec(), intact.iter().rev().copied().collect()] {
        disk.put(&path, Arc::new(wrong)).unwrap();
        let log = open_on(disk.vfs(), &jobs, 200_000, true);
        assert_eq!(
            log.check().unwrap(),
            (entries.len() - 100) as u64
                + entries[..100].iter().filter(|(first, ..)| *first >= log.bounds().start.0).count() as u64
        );
        jobs.run_until_idle(100);
        assert_eq!(disk.files().into_iter().find(|(there, _)| *there == path).unwrap().1, intact);
    }
}

#[test]
fn a_flipped_bit_in_what_no_checksum_covers_is_found_by_the_check() {
    let (disk, jobs, mut rng) = (MemoryVfs::new(), SteppedJobs::new(), Rng::from_seed(7));
    let log = open_on(disk.vfs(), &jobs, 200_000, true);
    drop(fill(&log, &jobs, &mut rng, 200));
    log.sync().unwrap();
    jobs.run_until_idle(100);
    drop(log);
    let oldest =
        disk.files().into_iter().map(|(path, _)| path).find(|path| path.extension().is_some_and(|ext| ext == "log"));
    // The leader epoch of the very first batch.
    let file = disk.open(&oldest.unwrap(), Open::Write).unwrap();
    file.write_all_at(&[1], 32 + 15).unwrap();
    let log = open_on(disk.vfs(), &jobs, 200_000, true);
    assert_eq!(log.reader(Index(0)).next().unwrap().unwrap().index, Index(0));
    let error = log.check().unwrap_err();
    assert!(error.is_corrupt() && error.to_string().contains("no checksum covers"), "{error}");
}

#[test]
fn a_log_that_is_told_to_roll_begins_a_segment_with_the_next_entry() {
    let (disk, jobs) = (MemoryVfs::new(), SteppedJobs::new());
    let log = open_on(disk.vfs(), &jobs, 1 << 20, true);
    log.roll();
    drop(log.append(&[&timed(2, 10, 5)]).unwrap());
    assert_eq!(log.segments().unwrap().len(), 1);
    log.roll();
    assert_eq!(log.segments().unwrap().len(), 1);
    drop(log.append(&[&timed(1, 10, 3)]).unwrap());
    drop(log.append(&[&timed(1, 10, 9)]).unwrap());
    let found: Vec<_> = log.segments().unwrap().into_iter().map(|at| (at.first.0, at.end.0, at.latest)).collect();
    assert_eq!(found, [(0, 2, Some(5)), (2, 4, Some(9))]);
}

#[test]
fn a_batch_gets_a_brokers_epoch_and_time_and_stays_whole() {
    let log = open_on(Arc::new(MemoryVfs::new()), &SteppedJobs::new(), 300_000, true);
    let batch = Bytes::from(timed(3, 50, 1000));
    let draft = Batches::default().draft(&[&batch]).unwrap().led_by(7).stamped(5000, &batch);
    log.append_drafted(&draft, batch).unwrap().1.wait().unwrap();
    // Reading checks the sum.
    let entry = log.reader(Index(0)).next().unwrap().unwrap();
    assert_eq!(entry.payload[12..16], 7_i32.to_be_bytes());
    assert_eq!(entry.payload[35..43], 5000_i64.to_be_bytes());
    assert_eq!(log.first_at(5000, Index(0)).unwrap(), Some((Index(0), 5000)));
    log.check().unwrap();
}
