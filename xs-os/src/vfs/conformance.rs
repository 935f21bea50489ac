//! The suite that every [`Vfs`] passes: [`check`].
//!
//! # The problem
//!
//! An engine that is tested on one disk and run on another is tested only as far as the two agree. What they have to
//! agree on is prose in [`vfs`](super); here it is a program.
//!
//! # How it works
//!
//! [`check`] takes a `Vfs` and an empty directory of it, and runs one small scenario for each sentence of the contract,
//! each in a directory of its own:
//!
//! ```text
//!   dir/reads_and_writes/…   dir/names/…   dir/locks/…   …
//! ```
//!
//! # Invariants
//!
//! Those of [`vfs`](super). What a crash does is not among them: nothing that keeps running can show it.
//!
//! # Cost
//!
//! A few dozen small files.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use xs_os::vfs::{MemoryVfs, conformance};
//!
//! conformance::check(&MemoryVfs::new(), Path::new("suite"));
//! ```
//!
//! # How others do it
//!
//! SQLite's TCL suite runs on any VFS that is made the default; object stores in Rust (`object_store`, `opendal`) stamp
//! one behaviour suite on every backend.
//!
//! # What this leaves out
//!
//! Crashes, failures and concurrency: each implementation tests what it adds.
//!
//! # Try next
//!
//! Break `MemoryVfs::rename` so that it refuses to replace a file, and see which sentence says so.
//!
//! # Sources
//!
//! POSIX.1-2017, the pages of `pread`, `pwrite`, `rename`, `unlink`, `ftruncate`, `fdatasync`.

use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::SeqCst;

use super::{Open, RangeLock, Vfs, VfsExt};

/// Runs the whole suite in `dir`, which is made.
///
/// # Panics
/// At the first thing that doesn't hold.
pub fn check(vfs: &dyn Vfs, dir: &Path) {
    let scenarios: [(&str, fn(&dyn Vfs, &Path) -> io::Result<()>); 10] = [
        ("reads_and_writes", reads_and_writes),
        ("lengths", lengths),
        ("vectored_writes", vectored_writes),
        ("ways_to_open", ways_to_open),
        ("names", names),
        ("removed_files_live_on", removed_files_live_on),
        ("locks", locks),
        ("locks_of_ranges", locks_of_ranges),
        ("words", words),
        ("hard_links", hard_links),
    ];
    for (name, scenario) in scenarios {
        let dir = dir.join(name);
        vfs.create_dir(&dir).unwrap_or_else(|error| panic!("{name}: create_dir: {error}"));
        scenario(vfs, &dir).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn reads_and_writes(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("file"), Open::New)?;
    assert!(file.is_empty()?);
    file.write_all_at(b"hello", 3)?;
    let mut bytes = [9; 10];
    assert_eq!(file.read_at(&mut bytes, 0)?, 8, "a read at the end is short");
    assert_eq!(&bytes[..8], b"\0\0\0hello", "the gap reads as zeros");
    assert_eq!(file.read_at(&mut bytes, 8)?, 0, "nothing at the end");
    assert_eq!(file.read_at(&mut bytes, 1 << 40)?, 0, "nothing far past the end");
    assert_eq!(kind(file.read_exact_at(&mut bytes, 0)), Some(ErrorKind::UnexpectedEof));
    file.write_all_at(b"J", 3)?;
    file.write_all_at(b"", 100)?;
    assert_eq!(file.len()?, 8, "writing nothing changes nothing");
    file.sync()?;
    let second = vfs.open(&dir.join("file"), Open::Read)?;
    second.read_exact_at(&mut bytes[..5], 3)?;
    assert_eq!(&bytes[..5], b"Jello", "another handle sees the same bytes");
    assert!(second.write_all_at(b"x", 0).is_err(), "a handle to read does not write");
    Ok(())
}

fn lengths(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("file"), Open::New)?;
    file.write_all_at(b"abcdef", 0)?;
    file.set_len(3)?;
    file.set_len(5)?;
    let mut bytes = [9; 5];
    file.read_exact_at(&mut bytes, 0)?;
    assert_eq!(&bytes, b"abc\0\0", "what was cut off does not come back");
    file.allocate(4)?;
    assert_eq!(file.len()?, 5, "allocating less than there is changes nothing");
    file.allocate(10_000)?;
    assert_eq!(file.len()?, 10_000);
    file.read_exact_at(&mut bytes, 9_995)?;
    assert_eq!(bytes, [0; 5]);
    Ok(())
}

fn vectored_writes(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("file"), Open::New)?;
    let parts: Vec<Vec<u8>> = (0..3000_u32).map(|n| n.to_string().into_bytes()).collect();
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    slices.insert(0, IoSlice::new(b""));
    file.write_all_vectored_at(&slices, 7)?;
    let mut expected = vec![0; 7];
    parts.iter().for_each(|part| expected.extend_from_slice(part));
    assert!(vfs.read(&dir.join("file"), 1 << 20)? == expected, "slices stand one behind the other");
    file.write_all_vectored_at(&[], 0)?;
    assert_eq!(kind(vfs.read(&dir.join("file"), 100)), Some(ErrorKind::FileTooLarge));
    Ok(())
}

fn ways_to_open(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let path = dir.join("file");
    for how in [Open::Read, Open::Write] {
        assert_eq!(kind(vfs.open(&path, how)), Some(ErrorKind::NotFound), "{how:?} makes no file");
    }
    assert!(!vfs.exists(&path)?);
    vfs.open(&path, Open::Create)?.write_all_at(b"kept", 0)?;
    vfs.open(&path, Open::Create)?;
    assert_eq!(vfs.read(&path, 10)?, b"kept", "Create keeps what is there");
    assert_eq!(kind(vfs.open(&path, Open::New)), Some(ErrorKind::AlreadyExists));
    assert_eq!(kind(vfs.open(dir, Open::Read)), Some(ErrorKind::IsADirectory));
    assert_eq!(kind(vfs.open(&dir.join("no/file"), Open::Create)), Some(ErrorKind::NotFound), "no directory");
    Ok(())
}

fn names(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    assert!(vfs.list(dir)?.is_empty());
    for name in ["b", "a", "c"] {
        vfs.open(&dir.join(name), Open::New)?.write_all_at(name.as_bytes(), 0)?;
    }
    let deep: PathBuf = dir.join("x/y/z");
    vfs.create_dir(&deep)?;
    vfs.create_dir(&deep)?;
    vfs.sync_dir(&deep)?;
    assert_eq!(vfs.list(dir)?, ["a", "b", "c", "x"], "sorted, and no grandchildren");
    vfs.rename(&dir.join("a"), &dir.join("b"))?;
    assert_eq!(vfs.read(&dir.join("b"), 10)?, b"a", "a rename replaces");
    assert!(!vfs.exists(&dir.join("a"))?);
    vfs.rename(&dir.join("b"), &dir.join("x/b"))?;
    assert_eq!(kind(vfs.rename(&dir.join("b"), &dir.join("c"))), Some(ErrorKind::NotFound));
    assert_eq!(kind(vfs.remove(&dir.join("b"))), Some(ErrorKind::NotFound));
    assert_eq!(kind(vfs.remove(&dir.join("x"))), Some(ErrorKind::DirectoryNotEmpty));
    vfs.remove(&deep)?;
    vfs.remove(&dir.join("x/y"))?;
    assert_eq!(vfs.list(&dir.join("x"))?, ["b"]);
    assert_eq!(kind(vfs.list(&dir.join("nowhere"))), Some(ErrorKind::NotFound));
    assert_eq!(kind(vfs.sync_dir(&dir.join("nowhere"))), Some(ErrorKind::NotFound));
    vfs.replace(&dir.join("c"), b"new")?;
    assert_eq!(vfs.read(&dir.join("c"), 10)?, b"new");
    assert_eq!(vfs.list(dir)?, ["c", "x"], "nothing else is left behind");
    Ok(())
}

fn removed_files_live_on(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let path = dir.join("file");
    let file = vfs.open(&path, Open::New)?;
    file.write_all_at(b"old", 0)?;
    vfs.remove(&path)?;
    vfs.open(&path, Open::New)?.write_all_at(b"new", 0)?;
    let mut bytes = [0; 3];
    file.read_exact_at(&mut bytes, 0)?;
    assert_eq!(&bytes, b"old");
    Ok(())
}

fn locks(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let path = dir.join("LOCK");
    let first = vfs.open(&path, Open::Create)?;
    let second = vfs.open(&path, Open::Create)?;
    assert!(first.try_lock()?);
    assert!(first.try_lock()?, "the holder has it already");
    assert!(!second.try_lock()?);
    drop(first);
    assert!(second.try_lock()?, "it ends with its handle");
    Ok(())
}

fn locks_of_ranges(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let path = dir.join("RANGES");
    let [one, two, three] = [Open::Create, Open::Write, Open::Read].map(|how| vfs.open(&path, how));
    let (one, two, three) = (one?, two?, three?);
    match one.try_lock_range(10..20, RangeLock::Shared) {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
        taken => assert!(taken?, "behind the file's end"),
    }
    assert!(two.try_lock_range(15..25, RangeLock::Shared)?);
    assert!(!two.try_lock_range(15..16, RangeLock::Exclusive)?, "one has it, shared");
    assert!(two.try_lock_range(20..22, RangeLock::Exclusive)?, "in place of its own");
    assert!(three.try_lock_range(15..20, RangeLock::Shared)? && !three.try_lock_range(0..21, RangeLock::Shared)?);
    assert_eq!(kind(three.try_lock_range(90..91, RangeLock::Exclusive)), Some(ErrorKind::PermissionDenied));
    assert!(one.is_range_locked(0..100)? && !one.is_range_locked(0..15)?, "its own do not count");
    three.unlock_range(0..100)?;
    two.unlock_range(15..20)?;
    assert!(!one.is_range_locked(0..20)? && one.is_range_locked(20..21)?);
    // A hole in the middle; the rest is still locked.
    assert!(one.try_lock_range(10..20, RangeLock::Exclusive)?);
    one.unlock_range(14..16)?;
    assert!(two.try_lock_range(14..16, RangeLock::Exclusive)?);
    assert!(!two.try_lock_range(13..14, RangeLock::Shared)? && !two.try_lock_range(16..17, RangeLock::Shared)?);
    assert!(one.try_lock_range(16..20, RangeLock::Shared)? && two.try_lock_range(16..20, RangeLock::Shared)?);
    assert_eq!(kind(one.try_lock_range(5..5, RangeLock::Shared)), Some(ErrorKind::InvalidInput));
    // Another handle's end takes nothing of this one.
    drop((one, three));
    assert!(vfs.open(&path, Open::Write)?.is_range_locked(14..16)?);
    assert!(two.try_lock_range(0..100, RangeLock::Exclusive)?, "they end with their handles");
    assert!(vfs.open(&path, Open::Write)?.try_lock()?, "and have nothing to do with the file's one lock");
    Ok(())
}

fn words(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let path = dir.join("words");
    let (one, two) = (vfs.open(&path, Open::New)?, vfs.open(&path, Open::Write)?);
    let first = match one.share_words(0, 8192) {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
        done => done?,
    };
    assert_eq!(one.len()?, 32768, "as long as they need");
    let (same, second) = (two.share_words(0, 8192)?, two.share_words(32768, 8192)?);
    first.words()[8191].store(0xABCD_EF01, SeqCst);
    assert_eq!(same.words()[8191].load(SeqCst), 0xABCD_EF01);
    assert_eq!((same.words().len(), second.words()[0].load(SeqCst)), (8192, 0));
    second.words()[0].store(7, SeqCst);
    assert_eq!(one.share_words(32768, 8192)?.words()[0].load(SeqCst), 7);
    drop((one, two));
    assert_eq!(first.words()[8191].load(SeqCst), 0xABCD_EF01, "they stay with who has them");
    drop((first, same, second));
    let one = vfs.open(&path, Open::Write)?;
    one.set_len(3)?;
    assert_eq!(one.share_words(0, 8192)?.words()[8191].load(SeqCst), 0, "cut, they begin anew");
    assert_eq!(kind(one.share_words(2, 1)), Some(ErrorKind::InvalidInput));
    Ok(())
}

fn hard_links(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let (one, two) = (dir.join("one"), dir.join("two"));
    vfs.open(&one, Open::New)?.write_all_at(b"same", 0)?;
    match vfs.hard_link(&one, &two) {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
        done => done?,
    }
    assert_eq!(kind(vfs.hard_link(&one, &two)), Some(ErrorKind::AlreadyExists));
    vfs.remove(&one)?;
    vfs.open(&two, Open::Write)?.write_all_at(b"S", 0)?;
    assert_eq!(vfs.read(&two, 10)?, b"Same");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{MemoryVfs, SystemVfs};
    use super::*;

    #[test]
    fn memory() {
        let disk = MemoryVfs::new();
        check(&disk, Path::new("/suite"));
        check(&disk.fork(), Path::new("again/../another"));
    }

    #[test]
    fn the_system() {
        let dir = tempfile::tempdir().unwrap();
        check(&SystemVfs, &dir.path().join("suite"));
    }
}
