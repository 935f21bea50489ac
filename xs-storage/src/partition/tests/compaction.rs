//! Compaction against a map, while others append and read, over crashes and by other openings.

use std::ops::Range;

use xs_os::Progress;
use xs_os::vfs::MemoryVfs;
use xs_os::vfs::explore::Explorer;
use xs_os::vfs::faulty::FaultyVfs;
use xs_proto::kafka::records::{BatchBuilder, Compression};

use super::life::*;
use super::*;

#[test]
fn of_each_key_the_last_record_stays() {
    let disk = MemoryVfs::new();
    let partition = open(&disk);
    let compression = [Compression::None, Compression::Lz4, Compression::Zstd, Compression::Gzip, Compression::Snappy];
    for n in 0..300_u32 {
        let batch = [(n as u8 % 7, Some(n)), (n as u8 % 5 + 10, Some(n + 1000))];
        drop(partition.append(keyed(NOBODY, 0, &batch, compression[n as usize % 5]), at(NOW)).unwrap());
    }
    let before = records(&partition);
    let (bounds, disk_bytes) = (partition.bounds(), partition.disk_bytes());
    let held = partition.read(Index(0), 1 << 20, Isolation::Uncommitted).unwrap();
    let held_bytes: Vec<_> = held.ranges.iter().map(|range| range.read().unwrap()).collect();

    let mut compactor = partition.compactor();
    compact(&mut compactor, NOW, &EAGER);
    let after = records(&partition);
    assert_eq!(view(&after), view(&before));
    assert!(after.len() < 120, "{}", after.len());
    // What stays is what it was, where it was.
    assert!(after.iter().all(|record| before[record.offset as usize] == *record));
    assert_eq!(partition.bounds(), bounds);
    assert!(partition.disk_bytes() < disk_bytes / 2);
    partition.check().unwrap();
    // Who has ranges of the old files keeps them.
    assert!(held.ranges.iter().zip(&held_bytes).all(|(range, bytes)| range.read().unwrap() == bytes));
    // From the middle of a hole on, the next batch comes.
    let hole = (0..).find(|offset| !after.iter().any(|record| record.offset == *offset)).unwrap();
    let fetched = partition.read(Index(hole as u64), 1, Isolation::Uncommitted).unwrap();
    assert!(fetched.ranges[0].end > Index(hole as u64));
    // There is nothing left to be done, by another opening as well.
    assert_eq!(compactor.step(NOW, &EAGER).unwrap(), Progress::Idle);
    drop((held, compactor, partition));
    let partition = open(&disk);
    assert_eq!(records(&partition), after);
    assert_eq!(partition.compactor().step(NOW, &EAGER).unwrap(), Progress::Idle);
    partition.check().unwrap();
}

#[test]
fn a_tombstone_goes_when_it_has_been_clean_for_long() {
    let partition = open(&MemoryVfs::new());
    let mut compactor = partition.compactor();
    let filler = |partition: &Partition| {
        for n in 0..40 {
            let batch = keyed(NOBODY, 0, &[(100, Some(n)), (101, Some(n))], Compression::None);
            drop(partition.append(batch, at(NOW)).unwrap());
        }
    };
    drop(partition.append(keyed(NOBODY, 0, &[(1, Some(1)), (2, Some(2))], Compression::None), at(NOW)).unwrap());
    drop(partition.append(keyed(NOBODY, 0, &[(1, None)], Compression::None), at(NOW)).unwrap());
    let tombstone = |partition: &Partition| records(partition).iter().any(|record| record.value.is_none());
    for (now, there) in [(NOW, true), (NOW + 999, true), (NOW + 1000, false)] {
        filler(&partition);
        compact(&mut compactor, now, &EAGER);
        assert_eq!(tombstone(&partition), there, "{}", now - NOW);
        assert!(!view(&records(&partition)).contains_key(&b"k\x01"[..]));
        assert!(view(&records(&partition)).contains_key(&b"k\x02"[..]));
    }
}

#[test]
fn a_pass_begins_when_enough_is_dirty_and_goes_as_far_as_memory_lasts() {
    let partition = open(&MemoryVfs::new());
    let mut compactor = partition.compactor();
    let fill = |count: u32| {
        for n in 0..count {
            let batch = keyed(NOBODY, 0, &[((n % 200) as u8, Some(n))], Compression::None);
            drop(partition.append(batch, at(NOW)).unwrap());
        }
    };
    fill(400);
    let how = Compaction { min_dirty_ratio: 0.5, ..EAGER };
    let expected = view(&records(&partition));
    // Fifty keys at a time: the first pass finds no key twice.
    let few = Compaction { map_bytes: 50 * 50, ..EAGER };
    let upto = |partition: &Partition| partition.shared.passes.lock().clean().0;
    while upto(&partition) == 0 {
        assert_eq!(compactor.step(NOW, &few).unwrap(), Progress::Busy);
    }
    assert!((50..60).contains(&upto(&partition)), "{}", upto(&partition));
    assert_eq!(records(&partition).len(), 400);
    compact(&mut compactor, NOW, &few);
    let clean = records(&partition).len();
    assert!(clean < 290, "{clean}");
    assert_eq!(view(&records(&partition)), expected);
    // A little more is not worth a pass.
    fill(60);
    assert_eq!(compactor.step(NOW, &how).unwrap(), Progress::Idle);
    fill(400);
    assert_eq!(compactor.step(NOW, &how).unwrap(), Progress::Busy);
}

#[test]
fn sequence_numbers_outlive_the_records() {
    let disk = MemoryVfs::new();
    let partition = open(&disk);
    let last = keyed(7, 0, &[(1, Some(1))], Compression::None);
    drop(partition.append(last.clone(), at(NOW)).unwrap());
    drop(partition.end_transaction(7, 0, Outcome::Commit, 0, at(NOW)).unwrap());
    for n in 0..100 {
        drop(partition.append(keyed(NOBODY, 0, &[(1, Some(n))], Compression::None), at(NOW)).unwrap());
    }
    compact(&mut partition.compactor(), NOW + 99_999, &EAGER);
    assert!(partition.append(last.clone(), at(NOW)).unwrap().duplicate);
    drop(partition);
    for (path, _) in disk.files() {
        if path.extension().is_some_and(|extension| extension == "state") {
            disk.remove(&path).unwrap();
        }
    }
    // Also where nothing but the log is left to learn it from.
    let partition = open(&disk);
    assert!(partition.append(last, at(NOW)).unwrap().duplicate);
}

#[test]
fn what_a_reader_is_left_with_is_what_a_map_holds() {
    for seed in 0..12 {
        let disk = MemoryVfs::new();
        let mut partition = open(&disk);
        let mut compactor = partition.compactor();
        let mut life = Life::new(seed);
        for n in 0..600 {
            life.call(&partition);
            if n % 3 == 0 {
                let _ = compactor.step(life.now, &EAGER).unwrap();
            }
            if n % 150 == 149 {
                drop(compactor);
                drop(partition);
                partition = open(&disk);
                compactor = partition.compactor();
            }
        }
        life.end_all(&partition);
        assert_eq!(view(&records(&partition)), life.expected(u64::MAX), "seed {seed}");
        compact(&mut compactor, life.now, &EAGER);
        assert_eq!(view(&records(&partition)), life.expected(u64::MAX), "seed {seed}, compacted");
        partition.check().unwrap();
        drop((partition, compactor));
        let partition = open(&disk);
        assert_eq!(view(&records(&partition)), life.expected(u64::MAX), "seed {seed}, opened again");
    }
}

#[test]
fn no_crash_in_the_middle_of_a_pass_loses_a_key() {
    let mut explorer = Explorer::new(1).per_point(15);
    for seed in 0..6 {
        let disk = FaultyVfs::new(seed);
        let partition = open(&disk);
        let mut compactor = partition.compactor();
        let mut life = Life::new(seed);
        for n in 0..150 {
            life.call(&partition);
            if n % 20 == 0 {
                compact(&mut compactor, life.now, &EAGER);
            }
        }
        life.end_all(&partition);
        partition.commit().wait().unwrap();
        // From here on nothing is appended: all that is there must stay.
        let expected = life.expected(u64::MAX);
        disk.record();
        compact(&mut compactor, life.now, &EAGER);
        life.now += 5000;
        partition.shared.log.roll();
        compact(&mut compactor, life.now, &EAGER);
        drop((partition, compactor));
        let explored = explorer.explore(&disk.recorded(), &mut |crash| {
            let partition = try_open(Arc::new(crash.disk.clone())).map_err(|error| error.to_string())?;
            partition.check().map_err(|error| error.to_string())?;
            if view(&records(&partition)) != expected {
                return Err("another value".into());
            }
            compact(&mut partition.compactor(), NOW * 2, &EAGER);
            if view(&records(&partition)) == expected {
                Ok(())
            } else {
                Err("another value, compacted once more".into())
            }
        });
        explored.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    }
    assert!(explorer.report().distinct > 50, "{}", explorer.report());
}

#[test]
fn a_record_without_a_key_is_refused_where_keys_are_asked_for_and_else_goes_with_a_pass() {
    let partition = open(&MemoryVfs::new());
    let strict = Append { keyed: true, ..at(NOW) };
    for compression in [Compression::None, Compression::Zstd] {
        let mut batch = BatchBuilder::new().with_compression(compression);
        batch.append(NOW, Some(b"key"), Some(b"value"));
        batch.append(NOW, None, Some(b"value"));
        let batch = batch.finish().unwrap();
        let refused = partition.append(batch.clone(), strict).unwrap_err();
        assert!(matches!(refused, AppendError::NoKey { record: 1 }), "{refused}");
        drop(partition.append(batch, at(NOW)).unwrap());
    }
    assert_eq!(partition.bounds().end, Index(4));
    for n in 0..100 {
        drop(partition.append(keyed(NOBODY, 0, &[(n as u8, Some(n))], Compression::None), strict).unwrap());
    }
    compact(&mut partition.compactor(), NOW, &EAGER);
    let left = records(&partition);
    assert!(left.iter().all(|record| record.key.is_some()));
    assert_eq!(left.len(), 101);
    partition.check().unwrap();
}

#[test]
fn what_is_young_is_left_as_it_is() {
    let partition = open(&MemoryVfs::new());
    for n in 0..200_u32 {
        let mut batch = BatchBuilder::new();
        batch.append(NOW + i64::from(n), Some(b"key"), Some(&[n as u8; 50]));
        drop(partition.append(batch.finish().unwrap(), at(NOW)).unwrap());
    }
    let how = Compaction { min_lag_ms: 100, ..EAGER };
    let mut compactor = partition.compactor();
    compact(&mut compactor, NOW + 99, &how);
    assert_eq!(records(&partition).len(), 200);
    // Records up to 49 are old enough, in segments that are so as a whole.
    compact(&mut compactor, NOW + 150, &how);
    let left = records(&partition);
    assert!((151..200).contains(&left.len()), "{}", left.len());
    assert!(left[1..].windows(2).all(|pair| pair[0].offset + 1 == pair[1].offset));
    compact(&mut compactor, NOW + 9999, &how);
    assert!(records(&partition).len() < 50);
}

#[test]
fn what_has_been_dirty_for_long_is_worth_a_pass_however_little_it_is() {
    let partition = open(&MemoryVfs::new());
    let mut compactor = partition.compactor();
    let put = |count: u32, now: i64| {
        for n in 0..count {
            let mut batch = BatchBuilder::new();
            batch.append(now, Some(b"key"), Some(&[n as u8; 50]));
            drop(partition.append(batch.finish().unwrap(), at(now)).unwrap());
        }
    };
    put(200, NOW);
    compact(&mut compactor, NOW, &EAGER);
    let how = Compaction { min_dirty_ratio: 1.0, max_lag_ms: Some(1000), ..EAGER };
    // What the first pass left is dirty by now.
    put(100, NOW + 10);
    assert_eq!(compactor.step(NOW + 999, &how).unwrap(), Progress::Idle);
    assert_eq!(compactor.step(NOW + 2000, &Compaction { max_lag_ms: None, ..how }).unwrap(), Progress::Idle);
    assert_eq!(compactor.step(NOW + 1010, &how).unwrap(), Progress::Busy);
    compact(&mut compactor, NOW + 1010, &how);
    // The newest segment is ended for it, too, by the next append.
    let newest = partition.shared.log.newest();
    put(1, NOW + 1010);
    assert!(partition.shared.log.newest() > newest);
    compact(&mut compactor, NOW + 1020, &how);
    let clean = partition.shared.passes.lock().clean();
    assert_eq!(clean, partition.shared.log.newest());
    assert_eq!(records(&partition).len(), 2);
}

#[test]
fn epochs_and_aborted_transactions_outlive_the_batches_that_they_follow_from() {
    let disk = MemoryVfs::new();
    let partition = open(&disk);
    let put =
        |epoch: i32, batch: Bytes| drop(partition.append(batch, Append { leader_epoch: epoch, ..at(NOW) }).unwrap());
    for n in 0..200_u32 {
        put(n as i32 / 20, keyed(NOBODY, 0, &[(1, Some(n))], Compression::None));
    }
    let epochs = |partition: &Partition| (0..12).map(|epoch| partition.end_of_epoch(epoch)).collect::<Vec<_>>();
    let before = epochs(&partition);
    compact(&mut partition.compactor(), NOW, &EAGER);
    assert!(records(&partition).len() < 50);
    assert_eq!(epochs(&partition), before);
    drop(partition);
    assert_eq!(epochs(&open(&disk)), before);
}

/// Compaction while others append and nobody waits, over crashes at every point: what is left is what the log was up to
/// where it ends now, and no less than was promised.
fn explore_lives(explorer: &mut Explorer, seeds: Range<u64>, calls: usize, disks: u64) {
    for seed in seeds.start.. {
        let disk = FaultyVfs::new(seed);
        let mut partition = open(&disk);
        let mut compactor = partition.compactor();
        let mut life = Life::new(seed);
        let mut durable = vec![0];
        disk.record();
        for call in 0..calls {
            life.call(&partition);
            match call % 40 {
                9 | 19 => drop(partition.tend(life.now, &Retention::default()).unwrap()),
                39 => {
                    drop((partition, compactor));
                    partition = open(&disk);
                    compactor = partition.compactor();
                    life.durable = partition.bounds().end.0;
                }
                _ => {}
            }
            let _ = compactor.step(life.now, &EAGER).unwrap();
            durable.push(life.durable);
            disk.mark(durable.len() as u64 - 1);
        }
        let end = partition.bounds().end;
        drop((partition, compactor));
        let explored = explorer.explore(&disk.recorded(), &mut |crash| {
            let text = |error: &dyn std::fmt::Display| error.to_string();
            let partition = try_open(Arc::new(crash.disk.clone())).map_err(|error| text(&error))?;
            let found = partition.bounds();
            if found.end.0 < durable[crash.mark as usize] || found.end > end {
                return Err(format!("it ends at {}, and {} was promised", found.end, durable[crash.mark as usize]));
            }
            partition.check().map_err(|error| text(&error))?;
            let expected = life.expected(found.end.0);
            if view(&records(&partition)) != expected {
                return Err(format!("another value in a log that ends at {}", found.end));
            }
            partition.shared.log.roll();
            compact(&mut partition.compactor(), NOW * 2, &EAGER);
            if view(&records(&partition)) != expected {
                return Err(format!("another value once it is compacted, in a log that ends at {}", found.end));
            }
            drop(partition);
            let partition = try_open(Arc::new(crash.disk.clone())).map_err(|error| text(&error))?;
            partition.check().map_err(|error| text(&error))?;
            if view(&records(&partition)) == expected { Ok(()) } else { Err("another value, opened again".into()) }
        });
        explored.unwrap_or_else(|failure| panic!("life {seed} of {calls} calls: {failure}"));
        if explorer.report().distinct >= disks && seed + 1 >= seeds.end {
            break;
        }
    }
    println!("{}", explorer.report());
}

#[test]
fn no_crash_while_others_append_leaves_another_value() {
    explore_lives(&mut Explorer::new(3).per_point(4), 0..6, 160, 600);
}

#[test]
#[ignore = "takes minutes: 20,000 disks, for .ci/long"]
fn no_crash_out_of_twenty_thousand_while_others_append_leaves_another_value() {
    explore_lives(&mut Explorer::new(4).per_point(100).tears(2), 100..101, 400, 10_000);
    explore_lives(&mut Explorer::new(5).per_point(4), 200..240, 200, 10_000);
}
