//! What callers do with a log, one at a time.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use xs_os::vfs::VfsExt;

use super::*;

#[test]
fn what_is_appended_is_read_at_once_and_after_reopening() {
    let disk = MemoryVfs::new();
    let log = open(&disk);
    let expected: Vec<_> = (0..500).map(|n| (n, payload(n))).collect();
    for (n, payload) in &expected {
        let (front, back) = payload.split_at(payload.len() / 2);
        let (index, commit) = log.append(&[front, back]).unwrap();
        assert_eq!(index, Index(*n));
        if n % 7 == 0 {
            commit.wait().unwrap();
        }
    }
    assert!(log.stats().segments > 3);
    assert_eq!(read(&log, 0), expected);
    assert_eq!(read(&log, 321), expected[321..]);
    drop(log);
    let log = open(&disk);
    assert_eq!(read(&log, 0), expected);
    assert_eq!(log.bounds(), Index(0)..Index(500));
    assert_eq!(log.check().unwrap(), 500);
}

#[test]
fn a_new_log_starts_where_it_is_told() {
    let disk = MemoryVfs::new();
    let options = LogOptions { first: Index(77), ..small(&SteppedJobs::new()) };
    let log = Log::open(disk.vfs(), Path::new(DIR), options).unwrap();
    assert_eq!(log.bounds(), Index(77)..Index(77));
    assert_eq!(log.append(&[b"first"]).unwrap().0, Index(77));
    drop(log);
    assert_eq!(read(&open(&disk), 0), [(77, b"first".to_vec())]);
}

#[test]
fn entries_longer_than_a_segment_get_one_of_their_own() {
    let disk = MemoryVfs::new();
    let log = open(&disk);
    let entries = [payload(3), vec![7; 100_000], payload(4), vec![8; 5000]];
    for entry in &entries {
        log.append_batch(Bytes::from(entry.clone())).unwrap().1.wait().unwrap();
    }
    let expected: Vec<_> = (0..).zip(entries).collect();
    assert_eq!(read(&log, 0), expected);
    drop(log);
    assert_eq!(read(&open(&disk), 0), expected);
}

#[test]
fn a_reader_outlives_a_cut_tail_and_sees_what_it_knew() {
    let disk = MemoryVfs::new();
    let before = filled(&disk, 200);
    let log = open(&disk);
    let mut old = log.reader(Index(50));
    assert_eq!(old.next().unwrap().unwrap().index, Index(50));
    log.truncate_from(Index(80)).unwrap();
    for n in 0..200 {
        drop(log.append(&[format!("new {n}").as_bytes()]).unwrap());
    }
    log.sync().unwrap();
    for (index, payload) in &before[51..] {
        let entry = old.next().unwrap().unwrap();
        assert_eq!((entry.index.0, &entry.payload[..]), (*index, &payload[..]));
    }
    assert_eq!(old.next().unwrap(), None);
    assert!(old.is_cut());
    let mut expected = before[..80].to_vec();
    expected.extend((0..200).map(|n| (80 + n, format!("new {n}").into_bytes())));
    assert_eq!(read(&log, 0), expected);
    drop((log, old));
    assert_eq!(read(&open(&disk), 0), expected);
}

#[test]
fn a_reader_outlives_trimmed_and_recycled_segments() {
    let disk = MemoryVfs::new();
    let mut expected = filled(&disk, 200);
    let log = open(&disk);
    let mut old = log.reader(Index(0));
    log.trim_to(Index(150)).unwrap();
    assert!(log.bounds().start > Index(100) && log.bounds().start <= Index(150));
    for n in 200..600 {
        drop(log.append(&[&payload(n)]).unwrap());
        expected.push((n, payload(n)));
    }
    for (index, payload) in &expected {
        let entry = old.next().unwrap().unwrap();
        assert_eq!((entry.index.0, &entry.payload[..]), (*index, &payload[..]));
    }
    assert_eq!(old.next().unwrap(), None);
}

#[test]
fn trimmed_segments_are_used_again_and_their_entries_stay_gone() {
    let disk = MemoryVfs::new();
    let log = open(&disk);
    for round in 0..20_u64 {
        for n in 0..100 {
            drop(log.append(&[&payload(round * 100 + n)]).unwrap());
        }
        log.sync().unwrap();
        log.trim_to(Index(round * 100)).unwrap();
    }
    let start = log.bounds().start.0;
    let expected: Vec<_> = (start..2000).map(|n| (n, payload(n))).collect();
    let files = disk.files();
    assert!(files.len() < 12, "{files:?}");
    assert!(files.iter().any(|(path, _)| path.to_string_lossy().contains("spare")));
    drop(log);
    assert_eq!(read(&open(&disk), 0), expected);
}

#[test]
fn what_a_log_takes_is_what_lies_on_the_disk() {
    fn look<F: crate::testing::log::Entries>() {
        let disk = MemoryVfs::new();
        let mut jobs = SteppedJobs::new();
        let open = |jobs: &SteppedJobs| Log::open_with(disk.vfs(), Path::new(DIR), small(jobs), F::default()).unwrap();
        let (mut log, mut spares) = (open(&jobs), false);
        for n in 0..400 {
            log.append(&[&F::payload(n, 60)]).unwrap().1.wait().unwrap();
            jobs.run_until_idle(n as usize % 3);
            if n % 90 == 89 {
                log.trim_to(Index(log.bounds().end.0 / 2)).unwrap();
            }
            if n % 150 == 149 {
                drop(log);
                jobs = SteppedJobs::new();
                log = open(&jobs);
            }
            let there: usize = disk.files().iter().map(|(_, bytes)| bytes.len()).sum();
            assert_eq!(log.stats().disk_bytes, there as u64, "{disk:?}");
            spares |= disk.files().iter().any(|(path, _)| path.to_string_lossy().contains("spare"));
        }
        assert_eq!(spares, F::MARK_LEN > 0);
    }
    look::<Records>();
    look::<Batches>();
    look::<Raw>();
}

#[test]
fn a_log_that_stays_short_takes_little() {
    let disk = MemoryVfs::new();
    let open = || {
        let options = LogOptions { segment_bytes: 1 << 20, reserve_bytes: 1 << 10, ..small(&SteppedJobs::new()) };
        Log::open_with(disk.vfs(), Path::new(DIR), options, Batches::default()).unwrap()
    };
    let segments = |disk: &MemoryVfs| -> u64 {
        let files = disk.files().into_iter().filter(|(path, _)| path.extension().is_some_and(|kind| kind == "log"));
        files.map(|(_, bytes)| bytes.len() as u64).sum()
    };
    let grow = |log: &Log<Batches>, upto: u64| {
        let mut end = log.segments().unwrap()[0].bytes;
        while end < upto {
            log.append(&[&<Batches as crate::testing::log::Entries>::payload(7, 100)]).unwrap().1.wait().unwrap();
            end = log.segments().unwrap()[0].bytes;
            let taken = segments(&disk);
            assert!(taken == 1 << 10 || (end..2 * end).contains(&taken), "{taken} for {end}");
            assert!(taken.is_power_of_two());
        }
    };
    let log = open();
    grow(&log, 5000);
    assert_eq!(segments(&disk), 8 << 10);
    drop(log);
    let log = open();
    assert_eq!(segments(&disk), 8 << 10, "no more than before");
    grow(&log, 20_000);
}

#[test]
fn a_log_can_go_on_elsewhere() {
    let disk = MemoryVfs::new();
    filled(&disk, 100);
    let log = open(&disk);
    log.restart_at(Index(5000)).unwrap();
    assert_eq!(log.bounds(), Index(5000)..Index(5000));
    let (index, commit) = log.append(&[b"far"]).unwrap();
    commit.wait().unwrap();
    assert_eq!(index, Index(5000));
    drop(log);
    assert_eq!(read(&open(&disk), 0), [(5000, b"far".to_vec())]);
}

#[test]
fn a_task_waits_for_a_commit_and_for_growth() {
    let disk = MemoryVfs::new();
    let jobs = SteppedJobs::new();
    let log = Log::open(disk.vfs(), Path::new(DIR), small(&jobs)).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    jobs.run_until_idle(100);
    let mut grown = pin!(log.grown(Index(0)));
    assert_eq!(grown.as_mut().poll(&mut cx), Poll::Pending);
    let (_, commit) = log.append(&[b"one"]).unwrap();
    assert_eq!(grown.as_mut().poll(&mut cx), Poll::Ready(()));
    let mut commit = pin!(commit);
    assert!(commit.as_mut().poll(&mut cx).is_pending());
    assert_eq!(log.durable(), Index(0));
    jobs.run_until_idle(100);
    assert!(matches!(commit.as_mut().poll(&mut cx), Poll::Ready(Ok(()))));
    assert_eq!(log.durable(), Index(1));
}

#[test]
fn one_sync_is_enough_for_all_that_waited() {
    let disk = MemoryVfs::new();
    let log = open(&disk);
    let commits: Vec<_> = (0..10).map(|n| log.append(&[&payload(n)]).unwrap().1).collect();
    let before = log.stats().syncs;
    commits.into_iter().rev().for_each(|commit| commit.wait().unwrap());
    assert_eq!(log.stats().syncs - before, 1);
}

#[test]
fn the_same_calls_leave_the_same_bytes() {
    let run = || {
        let disk = MemoryVfs::new();
        let jobs = SteppedJobs::new();
        for opening in 0..3 {
            let log = Log::open(disk.vfs(), Path::new(DIR), small(&jobs)).unwrap();
            for n in 0..150 {
                let (_, commit) = log.append(&[&payload(n)]).unwrap();
                match n % 5 {
                    0 => commit.wait().unwrap(),
                    1 => drop(jobs.step()),
                    _ => {}
                }
            }
            log.truncate_from(Index(140 * (opening + 1))).unwrap();
            log.trim_to(Index(50 * opening)).unwrap();
        }
        disk.files()
    };
    assert_eq!(run(), run());
}

#[test]
fn strangers_are_told_apart() {
    let disk = MemoryVfs::new();
    filled(&disk, 3);
    let path = disk.files().into_iter().map(|(path, _)| path).find(|path| path.extension().is_some()).unwrap();

    let held = open(&disk);
    assert!(matches!(try_open(&disk), Err(Error::Locked { .. })));
    drop(held);

    let batches = Log::open_with(disk.vfs(), Path::new(DIR), small(&SteppedJobs::new()), Batches::default());
    assert!(matches!(batches, Err(Error::NotOurs { .. })));

    let newer = disk.fork();
    let file = newer.open(&path, xs_os::vfs::Open::Write).unwrap();
    file.write_all_at(&2_u32.to_le_bytes(), 8).unwrap();
    assert!(matches!(try_open(&newer), Err(Error::NewerFormat { found: 2, known: 1, .. })));

    let strange = disk.fork();
    strange.replace(&Path::new(DIR).join("holiday.jpg"), b"beach").unwrap();
    // Beside a log it is in nobody's way; without one the directory is somebody else's.
    drop(try_open(&strange).unwrap());
    strange.remove(&path).unwrap();
    assert!(matches!(try_open(&strange), Err(Error::NotOurs { .. })));
    assert!(strange.exists(&Path::new(DIR).join("holiday.jpg")).unwrap());
}

#[test]
fn nonsense_is_refused_and_leaves_no_trace() {
    let disk = MemoryVfs::new();
    let options = LogOptions { max_entry: 100, ..small(&SteppedJobs::new()) };
    let log = Log::open(disk.vfs(), Path::new(DIR), options).unwrap();
    assert!(matches!(log.append(&[&[0; 101]]), Err(Error::TooLarge { len: 101, limit: 100, .. })));
    log.append(&[]).unwrap().1.wait().unwrap();
    assert_eq!(read(&log, 0), [(0, vec![])]);
    log.restart_at(Index(10)).unwrap();
    assert!(matches!(log.truncate_from(Index(9)), Err(Error::Invalid(_))));
    assert!(log.stopped().is_none());
    let tiny = LogOptions { segment_bytes: 100, ..LogOptions::default() };
    assert!(matches!(Log::open(disk.vfs(), Path::new("other"), tiny), Err(Error::Invalid(_))));
}

#[test]
fn batches_are_numbered_kept_whole_and_may_leave_holes() {
    let disk = MemoryVfs::new();
    let open = |keep_offsets| {
        let options = small(&SteppedJobs::new());
        Log::open_with(disk.vfs(), Path::new(DIR), options, Batches { keep_offsets }).unwrap()
    };
    let leader = open(false);
    // The leader numbers: what the producer wrote there does not matter.
    assert_eq!(leader.append_batch(batch(999, 3, b"abc").into()).unwrap().0, Index(0));
    assert_eq!(leader.append(&[&batch(0, 5, b"defgh")]).unwrap().0, Index(3));
    assert_eq!(read(&leader, 4), [(3, batch(3, 5, b"defgh"))]);
    assert!(matches!(leader.append(&[b"no batch"]), Err(Error::Invalid(_))));
    let mut torn = batch(0, 1, b"x");
    torn[61] ^= 1;
    assert!(matches!(leader.append(&[&torn]), Err(Error::Invalid(_))));
    drop(leader);

    let follower = open(true);
    assert_eq!(follower.append(&[&batch(100, 2, b"xy")]).unwrap().0, Index(100));
    assert!(matches!(follower.append(&[&batch(50, 1, b"z")]), Err(Error::Invalid(_))));
    for n in 0..200 {
        drop(follower.append(&[&batch(200 + 10 * n, 2, &payload(n))]).unwrap());
    }
    assert_eq!(read(&follower, 8)[0].0, 100);
    assert_eq!(read(&follower, 1005)[0].0, 1010);
    assert_eq!(read(&follower, 1001)[0].0, 1000);
    // A cut through a batch takes it whole.
    follower.truncate_from(Index(1001)).unwrap();
    let expected = read(&follower, 0);
    assert_eq!(expected.last().unwrap().0, 990);
    drop(follower);
    let again = open(false);
    assert_eq!(read(&again, 0), expected);
    assert_eq!(again.append(&[&batch(0, 1, b"next")]).unwrap().0, Index(1001));
}

#[test]
fn raw_bytes_are_a_file_as_other_programs_read_it() {
    let disk = MemoryVfs::new();
    let open = || Log::open_with(disk.vfs(), Path::new(DIR), small(&SteppedJobs::new()), Raw).unwrap();
    let log = open();
    let mut expected = Vec::new();
    for n in 0..200 {
        drop(log.append(&[&payload(n)]).unwrap());
        expected.extend(payload(n));
    }
    log.sync().unwrap();
    let joined = |log: &Log<Raw>, from| read(log, from).into_iter().flat_map(|(_, bytes)| bytes).collect::<Vec<u8>>();
    assert_eq!(joined(&log, 0), expected);
    assert_eq!(joined(&log, 4711), expected[4711..]);
    log.truncate_from(Index(5000)).unwrap();
    drop(log.append(&[b"tail"]).unwrap());
    expected.truncate(5000);
    expected.extend(b"tail");
    drop(log);
    assert_eq!(joined(&open(), 0), expected);
    // The segments up to the cut are the bytes and nothing else.
    let files = disk.files().into_iter().filter(|(path, _)| path.extension().is_some());
    let bytes: Vec<u8> = files.flat_map(|(_, bytes)| bytes.to_vec()).collect();
    assert!(bytes.ends_with(b"tail"));
    assert_eq!(bytes[..5000], expected[..5000]);
}

#[test]
fn ranges_of_a_file_outlive_the_entries_in_it() {
    let disk = MemoryVfs::new();
    let log = Log::open_with(disk.vfs(), Path::new(DIR), small(&SteppedJobs::new()), Batches::default()).unwrap();
    let mut expected = Vec::new();
    for n in 0..100 {
        let (index, _) = log.append(&[&batch(0, 2, &payload(n))]).unwrap();
        expected.extend(batch(index.0, 2, &payload(n)));
    }
    let mut reader = log.reader(Index(0));
    let mut ranges = Vec::new();
    while let Some(range) = reader.next_range(1000).unwrap() {
        assert!(range.len <= 1000);
        ranges.push(range);
    }
    assert!(ranges.len() > 10 && ranges.windows(2).all(|pair| pair[0].end == pair[1].index));
    log.trim_to(Index(150)).unwrap();
    log.truncate_from(Index(160)).unwrap();
    for n in 0..100 {
        log.append(&[&batch(0, 2, &payload(n + 7))]).unwrap().1.wait().unwrap();
    }
    let mut sent = Vec::new();
    for range in ranges {
        let mut bytes = vec![0; range.len as usize];
        range.file.read_exact_at(&mut bytes, range.offset).unwrap();
        sent.extend(bytes);
    }
    assert_eq!(sent, expected);
}

#[test]
fn who_appends_waits_for_no_segment_to_begin_while_memory_lasts() {
    let (disk, jobs) = (MemoryVfs::new(), SteppedJobs::new());
    let log = Log::open(disk.vfs(), Path::new(DIR), small(&jobs)).unwrap();
    let figures = |log: &Log| (log.stats().segments, log.stats().written_bytes, log.stats().syncs);
    let append = |n: u64| drop(log.append(&[&[n as u8; 100]]).unwrap());
    let mut n = 0;
    while log.stats().segments == 1 {
        append(n);
        n += 1;
    }
    // Whoever goes on writes nothing and syncs nothing: both would have to wait for the new segment.
    let (_, written, syncs) = figures(&log);
    while log.stats().buffered_bytes < 7 << 10 {
        append(n);
        n += 1;
    }
    assert_eq!(figures(&log), (log.stats().segments, written, syncs));
    // The job does, in one step.
    jobs.step();
    assert_eq!(log.stats().buffered_bytes, 0);
    assert!(log.stats().syncs > syncs);
    // If it never comes, memory has an end.
    for _ in 0..200 {
        append(n);
        n += 1;
        assert!(log.stats().buffered_bytes <= 8 << 10);
    }
    drop(log);
    assert_eq!(open(&disk).bounds(), Index(0)..Index(n));
}
