//! The operating system's files.
#![allow(clippy::disallowed_methods)] // the one place that calls them

use std::ffi::OsString;
use std::fs::{self, OpenOptions, TryLockError};
use std::io;
#[cfg(unix)]
use std::io::IoSlice;
#[cfg(target_os = "linux")]
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

#[cfg(target_os = "linux")]
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    libc,
};

use super::{File, Open, Vfs};
#[cfg(target_os = "linux")]
use super::{RangeLock, SharedWords};

/// The disk of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemVfs;

impl Vfs for SystemVfs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(how != Open::Read).create(how == Open::Create).create_new(how == Open::New);
        let file = options.open(path)?;
        // Opening a directory to read succeeds on Unix, and every read then fails with a riddle. To write it does not.
        if how == Open::Read && file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Arc::new(SystemFile(file)))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            // What systems say of a directory differs.
            Err(_) if fs::symlink_metadata(path)?.is_dir() => fs::remove_dir(path),
            removed => removed,
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let mut names = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // Windows has no handle on a directory to sync: NTFS journals its names by itself.
        if cfg!(windows) { Ok(()) } else { fs::File::open(dir)?.sync_all() }
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }
}

#[derive(Debug)]
struct SystemFile(fs::File);

/// A range as `fcntl` takes it, from the file's start on.
#[cfg(target_os = "linux")]
fn flock(range: Range<u64>, kind: i32) -> io::Result<libc::flock> {
    let len = range.end.checked_sub(range.start).filter(|len| *len > 0);
    let places = len.and_then(|len| Some((range.start.try_into().ok()?, len.try_into().ok()?)));
    let (l_start, l_len) = places.ok_or(io::ErrorKind::InvalidInput)?;
    // Locks of descriptions ask for a process of 0.
    Ok(libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start, l_len, l_pid: 0 })
}

impl File for SystemFile {
    #[cfg(unix)]
    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        Some(std::os::fd::AsFd::as_fd(&self.0))
    }

    #[cfg(unix)]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match std::os::unix::fs::FileExt::read_at(&self.0, buf, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    #[cfg(windows)]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.0, buf, offset)
    }

    #[cfg(unix)]
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, data, offset)
    }

    #[cfg(windows)]
    fn write_all_at(&self, mut data: &[u8], mut offset: u64) -> io::Result<()> {
        while !data.is_empty() {
            match std::os::windows::fs::FileExt::seek_write(&self.0, data, offset)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => {
                    data = &data[n..];
                    offset += n as u64;
                }
            }
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    #[cfg(target_os = "linux")]
    fn try_lock_range(&self, range: Range<u64>, lock: RangeLock) -> io::Result<bool> {
        let kind = match lock {
            RangeLock::Shared => libc::F_RDLCK,
            RangeLock::Exclusive => libc::F_WRLCK,
        };
        match fcntl(&self.0, FcntlArg::F_OFD_SETLK(&flock(range, kind)?)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            // What POSIX says of a handle that is of the wrong kind for the lock.
            Err(Errno::EBADF) => Err(io::ErrorKind::PermissionDenied.into()),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(target_os = "linux")]
    fn unlock_range(&self, range: Range<u64>) -> io::Result<()> {
        fcntl(&self.0, FcntlArg::F_OFD_SETLK(&flock(range, libc::F_UNLCK)?))?;
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn is_range_locked(&self, range: Range<u64>) -> io::Result<bool> {
        let mut flock = flock(range, libc::F_WRLCK)?;
        fcntl(&self.0, FcntlArg::F_OFD_GETLK(&mut flock))?;
        Ok(i32::from(flock.l_type) != libc::F_UNLCK)
    }

    #[cfg(target_os = "linux")]
    fn share_words(&self, offset: u64, words: usize) -> io::Result<Arc<SharedWords>> {
        // Space that is set aside: a page without one would end the process.
        self.allocate(offset.saturating_add(words as u64 * 4))?;
        SharedWords::of_file(&self.0, offset, words).map(Arc::new)
    }

    #[cfg(target_os = "linux")]
    fn write_all_vectored_at(&self, slices: &[IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        const AT_ONCE: usize = 1024; // IOV_MAX
        for group in slices.chunks(AT_ONCE) {
            let mut rest = group.to_vec();
            let mut rest = &mut rest[..];
            IoSlice::advance_slices(&mut rest, 0); // drops empty ones in front
            while !rest.is_empty() {
                match rustix::io::pwritev(&self.0, rest, offset) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => {
                        offset += n as u64;
                        IoSlice::advance_slices(&mut rest, n);
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, len: u64) -> io::Result<()> {
        let have = self.len()?;
        if len <= have {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            // Not every file system can.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => self.set_len(len),
            Err(error) => Err(error.into()),
        }
    }
}
