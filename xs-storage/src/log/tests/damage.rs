//! Files that were cut, blanked or flipped: a torn tail is given up, damage to what was promised is named, and nothing
//! is ever read that was not written.

use std::path::PathBuf;

use xs_os::vfs::{Open, VfsExt};

use super::*;
use crate::testing::log::Entries;

fn segments(disk: &MemoryVfs) -> Vec<PathBuf> {
    let names = disk.files().into_iter().map(|(path, _)| path);
    names.filter(|path| path.extension().is_some_and(|ext| ext == "log")).collect()
}

/// How far the bytes of a file go, without the zeros that were set aside.
fn used(disk: &MemoryVfs, path: &Path) -> usize {
    let bytes = disk.read(path, 1 << 20).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}

fn overwrite(disk: &MemoryVfs, path: &Path, at: usize, bytes: &[u8]) {
    disk.open(path, Open::Write).unwrap().write_all_at(bytes, at as u64).unwrap();
}

/// Opens, reads and checks: the entries, which are a beginning of what was written, or why not. What is found is there
/// again, with what is appended, at the next opening.
fn survive(disk: &MemoryVfs, written: &[(u64, Vec<u8>)]) -> Result<usize> {
    let log = try_open(disk)?;
    let mut found = try_read(&log, 0)?;
    assert!(written.starts_with(&found), "{found:?}");
    let survived = found.len();
    // As long as some that was lost: what was behind it must not come back.
    for (n, _) in written.iter().skip(survived).take(2).chain([&(99, vec![])]) {
        let bytes = vec![0xee; payload(*n).len()];
        log.append(&[&bytes])?.1.wait()?;
        found.push((found.len() as u64, bytes));
        drop(try_open(disk).err());
    }
    drop(log);
    assert_eq!(read(&open(disk), 0), found);
    Ok(survived)
}

/// The disk as it is while the log is open: nothing was closed.
fn unclosed(n: u64) -> (MemoryVfs, Vec<(u64, Vec<u8>)>) {
    let disk = MemoryVfs::new();
    let log = open(&disk);
    let entries: Vec<_> = (0..n).map(|n| (n, payload(n))).collect();
    for (_, payload) in &entries {
        log.append(&[payload]).unwrap().1.wait().unwrap();
    }
    let crashed = disk.fork();
    drop(log);
    (crashed, entries)
}

#[test]
fn at_every_cut_of_the_last_bytes_the_rest_is_there() {
    let (disk, written) = unclosed(20);
    let path = segments(&disk).pop().unwrap();
    let end = used(&disk, &path);
    let mut lost = 0;
    for keep in (32..=end).rev() {
        for blank in [false, true] {
            let cut = disk.fork();
            match blank {
                true => overwrite(&cut, &path, keep, &vec![0; end - keep]),
                false => cut.open(&path, Open::Write).unwrap().set_len(keep as u64).unwrap(),
            }
            // Nothing is left that says how much there was, so all of this is torn.
            let survived = survive(&cut, &written).unwrap();
            lost = lost.max(written.len() - survived);
        }
    }
    assert_eq!(lost, written.len());
}

#[test]
fn a_hole_in_front_of_a_later_mark_is_corruption_and_one_behind_it_is_torn() {
    let (disk, written) = unclosed(20);
    let path = segments(&disk).pop().unwrap();
    let end = used(&disk, &path);
    let (mut torn, mut corrupt) = (0, 0);
    for at in 32..end {
        let hole = disk.fork();
        overwrite(&hole, &path, at, &vec![0; (end - at).min(6)]);
        match survive(&hole, &written) {
            // The last group is the only one that nothing was written behind; a hole at the end of the one before it
            // takes the mark behind that as well.
            Ok(survived) => {
                torn += 1;
                assert!(survived + 2 >= written.len(), "{survived} with a hole at {at}");
            }
            Err(error) => {
                corrupt += 1;
                assert!(error.is_corrupt() && error.to_string().contains("durable"), "{error}");
            }
        }
    }
    assert!(torn > 100 && corrupt > 1000, "{torn} torn, {corrupt} corrupt");
}

#[test]
fn no_flipped_bit_changes_what_is_read() {
    let disk = MemoryVfs::new();
    let written = filled(&disk, 50);
    let total = segments(&disk).len();
    assert!(total > 1);
    let (mut harmless, mut named) = (0, 0);
    for (path, bytes) in disk.files() {
        for at in 0..used(&disk, &path) {
            let flipped = disk.fork();
            overwrite(&flipped, &path, at, &[bytes[at] ^ 1 << (at % 8)]);
            let read = try_open(&flipped).and_then(|log| try_read(&log, 0));
            match read {
                // The log was closed, so all of it is known to be durable: nothing may pass for torn.
                Ok(found) => {
                    harmless += 1;
                    assert_eq!(found, written, "bit {} of byte {at} of {}", at % 8, path.display());
                }
                Err(Error::Corrupt { path: named_path, .. }) => {
                    named += 1;
                    assert_eq!(named_path, path);
                }
                Err(Error::NotOurs { .. } | Error::NewerFormat { .. }) if at < 32 => named += 1,
                Err(error) => panic!("bit {} of byte {at} of {}: {error}", at % 8, path.display()),
            }
        }
    }
    // What may flip unseen is the closing mark and what a spare holds.
    assert!(named > 4000 && harmless < 200, "{named} named, {harmless} harmless");
}

/// Foreign entries, each durable, as a disk has them while the log is open; and what they are read as.
fn foreign<F: Entries>() -> (MemoryVfs, Vec<(u64, Vec<u8>)>) {
    let disk = MemoryVfs::new();
    let log = open_foreign::<F>(&disk).unwrap();
    for n in 0..20 {
        log.append(&[&F::payload(n, 40 + n as usize)]).unwrap().1.wait().unwrap();
    }
    (disk.fork(), F::joined(read(&log, 0)))
}

fn open_foreign<F: Entries>(disk: &MemoryVfs) -> Result<Log<F>> {
    Log::open_with(disk.vfs(), Path::new(DIR), small(&SteppedJobs::new()), F::default())
}

/// What is read of a damaged disk, or what is said of it.
fn survive_foreign<F: Entries>(disk: &MemoryVfs) -> Result<Vec<(u64, Vec<u8>)>> {
    let log = open_foreign::<F>(disk)?;
    Ok(F::joined(try_read(&log, 0)?))
}

#[test]
fn no_cut_of_foreign_entries_that_were_durable_reads_as_torn() {
    fn cut_anywhere<F: Entries>() {
        let (disk, written) = foreign::<F>();
        assert_eq!(survive_foreign::<F>(&disk.fork()).unwrap(), written);
        let path = segments(&disk).pop().unwrap();
        for keep in 32..used(&disk, &path) {
            let cut = disk.fork();
            cut.open(&path, Open::Write).unwrap().set_len(keep as u64).unwrap();
            let error = survive_foreign::<F>(&cut).unwrap_err();
            assert!(error.is_corrupt() && error.to_string().contains("watermark"), "{keep}: {error}");
        }
    }
    cut_anywhere::<Batches>();
    cut_anywhere::<Raw>();
}

#[test]
fn a_flipped_bit_in_durable_batches_is_named() {
    let (disk, written) = foreign::<Batches>();
    let path = segments(&disk).pop().unwrap();
    let bytes = disk.read(&path, 1 << 20).unwrap();
    let mut at = 32;
    for (_, batch) in &written {
        // The base offset stands outside of Kafka's checksum, and so does the leader's epoch.
        for byte in (8..12).chain(16..batch.len()) {
            let flipped = disk.fork();
            overwrite(&flipped, &path, at + byte, &[bytes[at + byte] ^ 1 << (byte % 8)]);
            let error = survive_foreign::<Batches>(&flipped).unwrap_err();
            assert!(error.is_corrupt(), "byte {byte} of a batch: {error}");
        }
        at += batch.len();
    }
}

#[test]
fn a_watermark_that_is_damaged_says_less_and_nothing_wrong() {
    let (disk, written) = foreign::<Batches>();
    let mark = Path::new(DIR).join("watermark");
    let bytes = disk.read(&mark, 1 << 20).unwrap();
    for (at, byte) in bytes.iter().enumerate() {
        let flipped = disk.fork();
        overwrite(&flipped, &mark, at, &[byte ^ 0x10]);
        assert_eq!(survive_foreign::<Batches>(&flipped).unwrap(), written);
    }
    let lost = disk.fork();
    lost.remove(&mark).unwrap();
    assert_eq!(survive_foreign::<Batches>(&lost).unwrap(), written);
    // The segment that it speaks of is gone, with all that it has.
    let lost = disk.fork();
    lost.remove(&segments(&disk).pop().unwrap()).unwrap();
    assert!(survive_foreign::<Batches>(&lost).unwrap_err().is_corrupt());
}

#[test]
fn a_missing_segment_is_named() {
    let disk = MemoryVfs::new();
    filled(&disk, 200);
    let paths = segments(&disk);
    assert!(paths.len() >= 4);
    let middle = disk.fork();
    middle.remove(&paths[1]).unwrap();
    assert!(matches!(try_open(&middle), Err(Error::Corrupt { what, .. }) if what.contains("missing")));
    // The oldest may be gone: that is what trimming does.
    let head = disk.fork();
    head.remove(&paths[0]).unwrap();
    let log = open(&head);
    assert!(log.bounds().start > Index(0));
    assert_eq!(read(&log, 0).last().unwrap().0, 199);
}

#[test]
fn random_bytes_are_no_reason_to_panic() {
    let disk = MemoryVfs::new();
    filled(&disk, 60);
    let mut rng = xs_os::Rng::from_seed(5);
    for round in 0..500 {
        let noisy = disk.fork();
        let files = noisy.files();
        let (path, bytes) = &files[rng.index(files.len())];
        let mut noise: Vec<u8> = (0..rng.index(bytes.len() + 100)).map(|_| rng.next_u64() as u8).collect();
        if round % 3 == 0 && noise.len() > 32 && bytes.len() > 32 {
            noise[..32].copy_from_slice(&bytes[..32]);
        }
        noisy.put(path, Arc::new(noise)).unwrap();
        if let Ok(log) = try_open(&noisy) {
            let _ = try_read(&log, 0);
            let _ = log.append(&[b"more"]).map(|(_, commit)| commit.wait());
        }
    }
}

#[test]
fn an_epoch_that_no_log_lives_to_see_is_corruption() {
    let disk = unclosed(3).0;
    let path = segments(&disk).pop().unwrap();
    for epoch in [u64::MAX, u64::MAX - 1, 1 << 63] {
        let named = disk.fork();
        named.rename(&path, &Path::new(DIR).join(format!("{epoch:016x}-{:016x}-{:016x}.log", 0, 0))).unwrap();
        let error = try_open(&named).unwrap_err();
        assert!(error.is_corrupt() && error.to_string().contains("epoch"), "{error}");
    }
    // A mark that says so, with a checksum that is right.
    let mut mark = vec![0; Records::MARK_LEN];
    Records.put_mark(Mark { epoch: u64::MAX, next: Index(3), durable: Index(3) }, &mut mark);
    overwrite(&disk, &path, used(&disk, &path), &mark);
    let error = try_open(&disk).unwrap_err();
    assert!(error.is_corrupt() && error.to_string().contains("epoch"), "{error}");
}
