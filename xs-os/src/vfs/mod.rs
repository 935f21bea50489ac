//! The disk as an argument: [`Vfs`] and [`File`], the operating system's, in memory, and one that fails.
//!
//! # The problem
//!
//! What a store promises ("acknowledged data survives a crash") is a statement about a disk, and the disk that a test
//! runs on never crashes, is never full and never lies. A store that calls the operating system directly can be tested
//! for everything except its promise. One that takes its disk as an argument can be handed a disk that forgets what was
//! not synced.
//!
//! # How it works
//!
//! Seven calls on files and six on names are all that a storage engine needs:
//!
//! ```text
//!   names:  Vfs   open ─ rename ─ remove ─ list ─ create_dir ─ sync_dir
//!                   │
//!                   ▼
//!   bytes:  File  read_at ─ write_all_at ─ len ─ set_len ─ sync ─ try_lock ─ (try_lock_range)
//!
//!               ┌──────────────┬──────────────┐
//!           SystemVfs      MemoryVfs      FaultyVfs: loses, tears, fails, fills up
//! ```
//!
//! Reads and writes are positional and take `&self`: there is no cursor to share, so threads read one file at once.
//! A file and its name are made durable separately: [`File::sync`] is for the bytes, [`Vfs::sync_dir`] for the name. A
//! new file whose directory was not synced may be gone after a crash, however well its bytes were synced.
//!
//! # Invariants
//!
//! - A read sees every write that returned before it began, in the same process. Nothing is promised about a crash
//!   until `sync` has returned.
//! - `sync` makes durable the bytes and the length, as far as reading them back needs it (POSIX `fdatasync`).
//! - After a `sync` that failed, the bytes written since the last good one may be gone, although reads still showed
//!   them: the caller must not retry it and believe the answer. Engines stop writing and ask to be reopened.
//! - `rename` replaces its target atomically, and is durable after `sync_dir` of both directories.
//! - `write_all_at` past the end fills the gap with zeros; a read past the end is short.
//! - A lock is held by a handle, excludes every other handle, of other processes too, and ends with it.
//!
//! - A lock of a range of bytes ([`File::try_lock_range`]) is a handle's too, and knows nothing of the file's one lock. It is
//!   for formats whose other programs lock so. Not every disk has them.
//! - Words that are shared ([`File::share_words`]) may be gone or be anything after a crash.
//!
//! What a disk may do on its bad days is prose in [`faulty`], and [`explore`] tries all of it on a workload. All else
//! is one suite, `vfs::conformance` (feature `testing`), which every implementation passes.
//!
//! # Cost
//!
//! A virtual call in front of a system call. `Arc<dyn File>` keeps a removed file's bytes until the last handle is gone.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use xs_os::vfs::{MemoryVfs, Open, Vfs, VfsExt};
//!
//! let disk = MemoryVfs::new();
//! disk.create_dir(Path::new("db"))?;
//! let file = disk.open(Path::new("db/log"), Open::New)?;
//! file.write_all_at(b"hello", 0)?;
//! file.sync()?;                          // the bytes
//! disk.sync_dir(Path::new("db"))?;       // the name
//! assert_eq!(disk.read(Path::new("db/log"), 1024)?, b"hello");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How others do it
//!
//! SQLite's VFS is the ancestor of all of these, and lets Turso and others run it on anything. RocksDB's `FileSystem`
//! has some seventy methods, one per optimisation of one system. redb's `StorageBackend` is a single file: six calls,
//! no names, which is what a database in one file needs. PostgreSQL learnt in 2018 that a failed `fsync` on Linux drops
//! the dirty pages and reports the error once; hence the third invariant.
//!
//! # What this leaves out
//!
//! Locks of ranges and shared words on other systems than Linux. Mapping files to read them (an I/O error becomes a signal, and
//! there is nothing to inject): [`File::share_words`] is for indexes that a crash may take. Asynchronous I/O, permissions, links
//! other than hard ones, and watching for changes.
//!
//! # Try next
//!
//! Write a `Vfs` that keeps two others in step and compares their answers: a mirror, and a test of both.
//!
//! # Sources
//!
//! POSIX.1-2017 `fdatasync`, `rename`; T. Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014); A. Rebello
//! et al., "Can Applications Recover from fsync Failures?" (ATC 2020); the SQLite VFS documentation.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod explore;
pub mod faulty;
mod memory;
mod ranges;
mod shared;
mod system;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use memory::MemoryVfs;
pub use ranges::RangeLock;
pub use shared::SharedWords;
pub use system::SystemVfs;

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// To read only. [`io::ErrorKind::NotFound`] if it is missing.
    Read,
    /// To read and write. `NotFound` if it is missing.
    Write,
    /// To read and write; made empty if it is missing.
    Create,
    /// To read and write; [`io::ErrorKind::AlreadyExists`] if there is one.
    New,
}

/// The names of a disk. Paths are taken as they are; both `/` and relative ones are fine.
pub trait Vfs: Send + Sync + fmt::Debug {
    /// Opens a file. The name of one that this made is durable after [`Vfs::sync_dir`] of its directory.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;

    /// Whether there is a file of this name.
    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.open(path, Open::Read) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a file another name, in place of a file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file, or a directory that is empty. Handles that are open go on working.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted, without the directory's own path.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;

    /// Makes a directory and those above it that are missing. Fine if it is there.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable: files made, renamed and removed in it.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Gives a file a second name, where the machine can; [`io::ErrorKind::Unsupported`] where it can't.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _ = (from, to);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The bytes of an open file.
pub trait File: Send + Sync + fmt::Debug {
    /// Reads at an offset in bytes; fewer than asked for, down to 0, only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `data` at an offset in bytes. After an error any part of it may have been written.
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()>;

    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Cuts the file, or fills it up with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes durable what was written before the call. See the [page](self) for what a failure means.
    fn sync(&self) -> io::Result<()>;

    /// Takes the file's one exclusive lock; false if another handle holds it. It ends when the handle is dropped.
    fn try_lock(&self) -> io::Result<bool>;

    /// Locks a range of bytes, in the file or behind its end, in place of what this handle has locked there. False, and then
    /// nothing has changed, if a lock of another handle shuts it out. An exclusive one needs a handle that can write.
    ///
    /// It ends with [`File::unlock_range`] or with the handle. [`io::ErrorKind::Unsupported`] where there are none.
    fn try_lock_range(&self, range: Range<u64>, lock: RangeLock) -> io::Result<bool> {
        let _ = (range, lock);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Ends what this handle has locked in a range of bytes.
    fn unlock_range(&self, range: Range<u64>) -> io::Result<()> {
        let _ = range;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Whether another handle has locked a byte of a range, shared or not.
    fn is_range_locked(&self, range: Range<u64>) -> io::Result<bool> {
        let _ = range;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Words from an offset on that every handle on this file shares, of other processes too, in memory: the file is made as
    /// long as they need. They are the file's bytes where the machine maps them. In memory they begin as zeros, and begin anew
    /// when the file is cut.
    ///
    /// The offset is a multiple of four, and those that share words ask for the same ranges. [`io::ErrorKind::Unsupported`]
    /// where there are none.
    fn share_words(&self, offset: u64, words: usize) -> io::Result<Arc<SharedWords>> {
        let _ = (offset, words);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Writes several slices one behind the other, in one system call where the machine can.
    fn write_all_vectored_at(&self, slices: &[IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        for slice in slices {
            self.write_all_at(slice, offset)?;
            offset += slice.len() as u64;
        }
        Ok(())
    }

    /// Makes the file at least `len` bytes long, with disk space set aside for all of it where the machine can, so
    /// that writing there later neither runs out of space nor changes metadata. New bytes read as zeros.
    fn allocate(&self, len: u64) -> io::Result<()> {
        if self.len()? < len { self.set_len(len) } else { Ok(()) }
    }

    /// The descriptor behind it, where there is one, for calls that move bytes within the kernel, such as `sendfile`. What is
    /// read through it is not seen by a faulty disk.
    #[cfg(unix)]
    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }

    /// Whether there is no byte.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills the buffer; [`io::ErrorKind::UnexpectedEof`] if the file ends first.
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(buf, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    buf = &mut buf[n..];
                    offset += n as u64;
                }
            }
        }
        Ok(())
    }
}

/// What can be said with the calls of [`Vfs`].
pub trait VfsExt: Vfs {
    /// Makes a directory, and those above it that are missing, so that a crash takes none of them. One that is there
    /// already is made durable as well: an earlier life may not have come to that.
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let is_missing = |dir: &Path| match self.list(dir) {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        };
        let mut made = vec![dir];
        while let Some(&last) = made.last()
            && parent(last) != last
            && is_missing(last)?
        {
            made.push(parent(last));
        }
        // The last one was there, unless it is the only one; its own name is nobody's business then.
        if made.len() > 1 {
            made.pop();
        }
        self.create_dir(dir)?;
        made.iter().rev().try_for_each(|made| self.sync_dir(parent(made)))
    }

    /// A whole file; [`io::ErrorKind::FileTooLarge`] if it has more than `limit` bytes.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let file = self.open(path, Open::Read)?;
        let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
        if len > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Puts a small file in the place of another, so that a crash leaves the one or the other, whole: a new file,
    /// synced, renamed over the old one, and the directory synced. When this returns, it is durable.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let fresh = Path::new(&name);
        let file = self.open(fresh, Open::Create)?;
        file.set_len(0)?;
        file.write_all_at(bytes, 0)?;
        file.sync()?;
        self.rename(fresh, path)?;
        self.sync_dir(parent(path))
    }
}

impl<V: Vfs + ?Sized> VfsExt for V {}

/// The directory that a path's name stands in; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}
