//! Flipped bits: named, harmless, or in what no promise speaks of.

use xs_os::vfs::MemoryVfs;

use super::*;

/// A partition with some of everything, closed.
fn filled() -> (MemoryVfs, Vec<u8>) {
    let disk = MemoryVfs::new();
    let partition = open(&disk);
    for n in 0..60 {
        let epoch = n as i32 / 20;
        let how = Append { leader_epoch: epoch, now: NOW, stamp: n % 9 == 0, keyed: false };
        drop(partition.append(plain(n, 2, NOW + n as i64), how).unwrap());
        let open = in_transaction(7, 0, n as i32, &[b"value"]);
        drop(partition.append(open, how).unwrap());
        if n % 10 == 5 {
            let outcome = if n % 20 == 5 { Outcome::Abort } else { Outcome::Commit };
            drop(partition.end_transaction(7, 0, outcome, 1, how).unwrap());
            partition.tend(NOW, &Retention::default()).unwrap();
        }
    }
    partition.delete_records(Index(3)).unwrap();
    let all = bytes(&partition, 3);
    drop(partition);
    (disk, all)
}

#[test]
fn a_flipped_bit_is_named_or_changes_nothing_that_was_promised() {
    let (disk, all) = filled();
    let newest = disk.files().into_iter().map(|(path, _)| path).filter(|path| path.ends_with_log()).max().unwrap();
    let (mut named, mut harmless, mut newest_only) = (0, 0, 0);
    for (path, bytes_before) in disk.files() {
        let bits = bytes_before.len() * 8;
        for bit in (0..bits).step_by(1 + bits / 150) {
            let mut wrong = bytes_before.to_vec();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let copy = disk.fork();
            copy.put(&path, Arc::new(wrong)).unwrap();
            let found = try_open(Arc::new(copy)).map_err(ReadError::from).and_then(|partition| {
                partition.check()?;
                try_bytes(&partition, partition.bounds().start.0, 900, Isolation::Uncommitted)
            });
            match found {
                Err(_) => named += 1,
                Ok(found) if found == all => harmless += 1,
                // The newest segment has no index yet, which would sum up offsets and epochs.
                Ok(_) if path == newest => newest_only += 1,
                Ok(_) => panic!("bit {bit} of {} changes what is read, and nobody says so", path.display()),
            }
        }
    }
    assert!(named > 500, "{named} named, {harmless} harmless, {newest_only} in the newest segment");
    assert!(newest_only < 60, "{newest_only}");
}

trait Extension {
    fn ends_with_log(&self) -> bool;
}

impl Extension for std::path::PathBuf {
    fn ends_with_log(&self) -> bool {
        self.extension().is_some_and(|extension| extension == "log")
    }
}

#[test]
fn without_indexes_and_snapshots_everything_is_found_again() {
    let (disk, all) = filled();
    let mut removed = 0;
    for (path, _) in disk.files() {
        if path.extension().is_some_and(|extension| extension == "index" || extension == "state") {
            disk.remove(&path).unwrap();
            removed += 1;
        }
    }
    assert!(removed > 3, "{removed}");
    let partition = open(&disk);
    assert_eq!(bytes(&partition, 3), all);
    derived_is_replayed(&partition).unwrap();
    partition.check().unwrap();
    assert_eq!(partition.offset_for_time(NOW + 31).unwrap().map(|(_, time)| time >= NOW + 31), Some(true));
}

#[test]
fn files_that_are_noise_never_panic() {
    let (disk, _) = filled();
    for (path, bytes) in disk.files() {
        for keep in [0, 1, 20, bytes.len() / 2, bytes.len().saturating_sub(1)] {
            let noise = (0..500).map(|n| (n * 7919 % 251) as u8);
            let wrong: Vec<u8> = bytes[..keep.min(bytes.len())].iter().copied().chain(noise).collect();
            let copy = disk.fork();
            copy.put(&path, Arc::new(wrong)).unwrap();
            let Ok(partition) = try_open(Arc::new(copy)) else { continue };
            drop(partition.check());
            drop(try_bytes(&partition, partition.bounds().start.0, 900, Isolation::Committed));
            drop(partition.append(plain(1, 1, NOW), Append { leader_epoch: 50, now: NOW, stamp: true, keyed: false }));
        }
    }
}
