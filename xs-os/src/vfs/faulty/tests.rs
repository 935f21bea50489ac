//! The fault model, sentence by sentence.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::Clock;
use crate::vfs::{VfsExt, conformance};

fn path(name: &str) -> &Path {
    Path::new(name)
}

/// A file with some synced bytes and a synced name.
fn synced(disk: &FaultyVfs, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = disk.open(path(name), Open::Create).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync().unwrap();
    disk.sync_dir(path(".")).unwrap();
    file
}

/// The different contents that a file has after crashes; none where it is gone.
fn crashes(disk: &FaultyVfs, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    let mut rng = Rng::from_seed(1);
    (0..300).map(|_| disk.crash(&mut rng).read(path(name), 1 << 20).ok()).collect()
}

fn bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(bytes.to_vec())
}

#[test]
fn it_is_a_disk_like_others() {
    let disk = FaultyVfs::new(1);
    conformance::check(&disk, path("/suite"));
    conformance::check(&FaultyVfs::over(&disk.crash(&mut Rng::from_seed(1)), 2), path("again"));
    assert_eq!(disk.used(), disk.shared.cache.files().iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>());
}

#[test]
fn what_was_synced_is_there_and_nothing_else_is_certain() {
    let disk = FaultyVfs::new(1);
    let file = synced(&disk, "f", b"old");
    file.write_all_at(b"new!", 0).unwrap();
    assert_eq!(crashes(&disk, "f"), [bytes(b"old"), bytes(b"new!")].into());
    file.sync().unwrap();
    assert_eq!(crashes(&disk, "f"), [bytes(b"new!")].into());
    assert_eq!(disk.pending(), 0);
}

#[test]
fn writes_are_lost_in_any_order_but_a_sector_carries_what_was_in_it() {
    let disk = FaultyVfs::new(1);
    let file = synced(&disk, "f", &[b'.'; 1024]);
    for (byte, at) in [(b'a', 0), (b'b', 600), (b'c', 1)] {
        file.write_all_at(&[byte], at).unwrap();
    }
    let found: BTreeSet<(u8, u8, u8)> =
        crashes(&disk, "f").into_iter().flatten().map(|bytes| (bytes[0], bytes[1], bytes[600])).collect();
    let first = [(b'.', b'.'), (b'a', b'.'), (b'a', b'c')];
    let expected = first.iter().flat_map(|(a, c)| [(*a, *c, b'.'), (*a, *c, b'b')]).collect();
    assert_eq!(found, expected, "c in the first sector never without a; b beside them or not");
}

#[test]
fn a_length_may_come_without_its_bytes() {
    let disk = FaultyVfs::new(1);
    let file = synced(&disk, "f", b"");
    file.write_all_at(&[7; 2048], 0).unwrap();
    let found = crashes(&disk, "f");
    assert!(found.contains(&bytes(&[])) && found.contains(&bytes(&[7; 2048])) && found.contains(&bytes(&[0; 2048])));
    assert!(found.len() > 6, "and torn in several ways");
    assert!(
        found.iter().flatten().flat_map(|bytes| bytes.chunks(SECTOR)).all(|s| s == [0; SECTOR] || s == [7; SECTOR])
    );
    file.set_len(100).unwrap();
    assert!(crashes(&disk, "f").contains(&bytes(&[0; 100])));
}

#[test]
fn names_are_lost_until_their_directory_is_synced() {
    let disk = FaultyVfs::new(1);
    synced(&disk, "a", b"1");
    synced(&disk, "b", b"2");
    let file = disk.open(path("new"), Open::New).unwrap();
    file.write_all_at(b"3", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(crashes(&disk, "new"), [None, bytes(b"3")].into(), "its bytes are safe, its name is not");
    disk.remove(path("a")).unwrap();
    disk.rename(path("b"), path("c")).unwrap();
    assert_eq!(crashes(&disk, "a"), [None, bytes(b"1")].into(), "a removal is undone");
    let mut rng = Rng::from_seed(1);
    for _ in 0..100 {
        let after = disk.crash(&mut rng);
        assert!(after.exists(path("b")).unwrap() != after.exists(path("c")).unwrap(), "a rename is done or not");
    }
    disk.sync_dir(path("/")).unwrap();
    assert_eq!(disk.durable().list(path(".")).unwrap(), ["c", "new"]);
}

#[test]
fn a_file_that_was_replaced_by_rename_is_the_old_one_or_the_new_one() {
    let disk = FaultyVfs::new(1);
    synced(&disk, "f", b"old");
    disk.replace(path("f"), b"new").unwrap();
    assert_eq!(crashes(&disk, "f"), [bytes(b"new")].into());
    // Without the sync of the bytes, the name may come first: the classic bug.
    disk.open(path("f.new"), Open::New).unwrap().write_all_at(b"lost", 0).unwrap();
    disk.rename(path("f.new"), path("f")).unwrap();
    disk.sync_dir(path(".")).unwrap();
    assert!(crashes(&disk, "f").contains(&bytes(b"")));
}

#[test]
fn a_failed_sync_loses_pages_that_reads_still_show() {
    let mut after = BTreeSet::new();
    for seed in 0..40 {
        let disk = FaultyVfs::new(seed);
        let file = synced(&disk, "f", b"old");
        file.write_all_at(b"new", 0).unwrap();
        disk.fail(Fault::of(Operation::Sync));
        assert_eq!(file.sync().unwrap_err().kind(), ErrorKind::Other);
        file.sync().unwrap();
        assert_eq!(disk.read(path("f"), 10).unwrap(), b"new", "from the cache");
        let durable = disk.durable().read(path("f"), 10).unwrap();
        disk.drop_caches().unwrap();
        assert_eq!(disk.read(path("f"), 10).unwrap(), durable);
        after.insert(durable);
    }
    assert_eq!(after, [b"old".to_vec(), b"new".to_vec()].into());
}

#[test]
fn a_failed_write_leaves_a_part_and_a_full_disk_what_fits() {
    let mut left = BTreeSet::new();
    for seed in 0..40 {
        let disk = FaultyVfs::new(seed);
        let file = disk.open(path("f"), Open::New).unwrap();
        disk.fail(Fault::of(Operation::Write).within("f").after(1));
        file.write_all_at(b"ab", 0).unwrap();
        assert!(file.write_all_at(b"cdef", 2).unwrap_err().to_string().contains("Write of f"));
        let found = disk.read(path("f"), 10).unwrap();
        assert!(b"abcdef".starts_with(&found));
        left.insert(found.len());
        file.write_all_at(b"cdef", 2).unwrap();
    }
    assert_eq!(left, (2..=6).collect());

    let disk = FaultyVfs::new(1);
    disk.set_capacity(Some(10));
    let (one, two) = (disk.open(path("1"), Open::New).unwrap(), disk.open(path("2"), Open::New).unwrap());
    one.write_all_at(b"1234567", 0).unwrap();
    assert_eq!(two.write_all_at(b"abcdef", 0).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.read(path("2"), 10).unwrap(), b"abc");
    assert_eq!(two.set_len(4).unwrap_err().kind(), ErrorKind::StorageFull);
    one.write_all_at(b"7654321", 0).unwrap();
    disk.remove(path("1")).unwrap();
    assert_eq!(disk.used(), 10, "a removed file takes space while it is open");
    drop(one);
    assert_eq!(disk.used(), 3);
    two.allocate(10).unwrap();
}

#[test]
fn failures_come_as_scripted() {
    let disk = FaultyVfs::new(1);
    let file = synced(&disk, "wal/../f", b"bytes");
    disk.fail(Fault::of(Operation::Read).after(1).times(2).error(ErrorKind::TimedOut));
    let mut buf = [0; 5];
    let answers: Vec<_> = (0..4).map(|_| file.read_at(&mut buf, 0).map_err(|error| error.kind())).collect();
    assert_eq!(answers, [Ok(5), Err(ErrorKind::TimedOut), Err(ErrorKind::TimedOut), Ok(5)]);
    disk.fail(Fault::of(Operation::Open).within("other").forever());
    assert!(disk.exists(path("f")).unwrap());
    assert!((0..5).all(|_| disk.open(path("another"), Open::Create).is_err()));
    disk.heal();
    assert!(!disk.exists(path("another")).unwrap(), "what failed was not done");
    disk.fail(Fault::of(Operation::Read).chance(0.2).forever());
    let failed = (0..1000).filter(|_| file.read_at(&mut buf, 0).is_err()).count();
    assert!((150..250).contains(&failed), "{failed}");
}

#[test]
fn bits_rot_on_the_disk_and_in_the_cache() {
    let disk = FaultyVfs::new(1);
    synced(&disk, "f", &[0; 100]);
    disk.rot(path("f"), 7, 3).unwrap();
    assert_eq!(disk.read(path("f"), 100).unwrap()[7], 8);
    assert_eq!(disk.durable().read(path("f"), 100).unwrap()[7], 8);
    assert_eq!(disk.rot(path("f"), 100, 0).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let (name, at, bit) = disk.rot_at_random(1).unwrap().remove(0);
    assert_eq!(disk.read(&name, 100).unwrap()[at as usize] >> bit & 1, u8::from((at, bit) != (7, 3)));
}

#[test]
fn calls_cost_virtual_time() {
    let (disk, clock) = (FaultyVfs::new(1), VirtualClock::new());
    let sync = Cost { call: Duration::from_millis(5), mebibyte: Duration::from_millis(8) };
    disk.set_pace(Pace { sync, ..Pace::default() }, Some(clock.clone()));
    let before = clock.now();
    let file = disk.open(path("f"), Open::New).unwrap();
    file.write_all_at(&vec![1; 1 << 18], 0).unwrap();
    assert_eq!(disk.spent(), Duration::ZERO);
    file.sync().unwrap();
    file.sync().unwrap();
    assert_eq!(disk.spent(), Duration::from_millis(12), "two syncs, and a quarter of a mebibyte once");
    assert_eq!(clock.now() - before, disk.spent());
}

#[test]
fn a_call_that_is_held_goes_on_when_released() {
    let disk = FaultyVfs::new(1);
    let file = disk.open(path("f"), Open::New).unwrap();
    disk.hold(Operation::Sync);
    std::thread::scope(|scope| {
        let syncing = scope.spawn(|| file.sync());
        file.write_all_at(b"meanwhile", 0).unwrap();
        assert!(!syncing.is_finished());
        disk.release();
        syncing.join().unwrap().unwrap();
    });
}

#[test]
fn a_frozen_disk_does_nothing_and_forgets_that_it_was_asked() {
    let disk = FaultyVfs::new(1);
    disk.set_pace(Pace::flash(), None);
    let file = disk.open(path("f"), Open::New).unwrap();
    file.write_all_at(b"before", 0).unwrap();
    let before = (disk.digest(), disk.spent(), disk.pending());
    disk.freeze(true);
    assert!(file.write_all_at(b"behind", 0).is_err() && file.sync().is_err() && file.set_len(0).is_err());
    assert!(disk.open(path("g"), Open::New).is_err() && disk.remove(path("f")).is_err());
    assert!(disk.sync_dir(path("")).is_err() && disk.rename(path("f"), path("g")).is_err());
    assert!(!disk.is_off());
    disk.freeze(false);
    assert_eq!((disk.digest(), disk.spent(), disk.pending()), before);
    let mut bytes = [0; 6];
    assert_eq!((file.read_at(&mut bytes, 0).unwrap(), &bytes), (6, b"before"));
}

/// A run in which everything may happen.
fn wild(seed: u64) -> (u64, Vec<Vec<(PathBuf, Arc<Vec<u8>>)>>) {
    let disk = FaultyVfs::new(seed);
    let mut rng = Rng::from_seed(seed).fork("wild");
    disk.set_capacity(Some(100_000));
    disk.set_pace(Pace { hiccup: (0.1, Duration::from_secs(1)), ..Pace::flash() }, None);
    for operation in [Operation::Write, Operation::Sync, Operation::SyncDir, Operation::Open, Operation::Rename] {
        disk.fail(Fault::of(operation).chance(0.05).forever());
    }
    let mut images = Vec::new();
    for _ in 0..300 {
        let name = format!("{}", rng.below(5));
        let name = path(&name);
        // Failures are part of it.
        let _ = match rng.below(8) {
            0 => disk.rename(name, path("3")),
            1 => disk.remove(name),
            2 => disk.sync_dir(path("")),
            3 => disk.open(name, Open::Write).and_then(|file| file.set_len(rng.below(9000))),
            4 => disk.open(name, Open::Read).and_then(|file| file.sync()),
            5 => disk.rot_at_random(1).map(drop),
            _ => disk
                .open(name, Open::Create)
                .and_then(|file| file.write_all_at(&vec![rng.next_u64() as u8; rng.index(5000)], rng.below(9000))),
        };
        if rng.chance(0.1) {
            images.push(disk.crash(&mut rng).files());
        }
    }
    (disk.digest() ^ disk.spent().as_nanos() as u64, images)
}

#[test]
fn one_seed_gives_one_run() {
    let digests: BTreeSet<u64> = (0..20)
        .map(|seed| {
            let (one, again) = (wild(seed), wild(seed));
            assert_eq!(one.0, again.0);
            assert!(one.1 == again.1, "the same disks after the same crashes");
            one.0
        })
        .collect();
    assert_eq!(digests.len(), 20, "and another seed another");
}
