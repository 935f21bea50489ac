//! A handle on a file of a [`FaultyVfs`].

use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::Inode;
use super::{FaultyVfs, Operation};
use crate::vfs::{File, MemoryVfs, RangeLock, SharedWords};

pub(super) struct FaultyFile {
    vfs: FaultyVfs,
    path: PathBuf,
    inode: Inode,
    cache: Arc<dyn File>,
    writable: bool,
}

impl FaultyFile {
    pub(super) fn new(vfs: FaultyVfs, path: PathBuf, inode: Inode, cache: Arc<dyn File>, writable: bool) -> Self {
        FaultyFile { vfs, path, inode, cache, writable }
    }

    fn need_writable(&self, end: Option<u64>) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        match end {
            Some(end) if end <= MemoryVfs::MAX_FILE => Ok(()),
            _ => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }
}

impl File for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.vfs.enter(Operation::Read, &self.path, buf.len() as u64)?;
        self.cache.read_at(buf, offset)
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.need_writable(offset.checked_add(data.len() as u64))?;
        let entered = self.vfs.enter(Operation::Write, &self.path, data.len() as u64);
        self.vfs.shared.state.lock().write(self.inode, data, offset, entered)
    }

    fn len(&self) -> io::Result<u64> {
        self.cache.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.need_writable(Some(len))?;
        self.vfs.enter(Operation::SetLen, &self.path, 0)?;
        self.vfs.shared.state.lock().set_len(self.inode, len)
    }

    fn sync(&self) -> io::Result<()> {
        let dirty = self.vfs.shared.state.lock().dirty(self.inode);
        let entered = self.vfs.enter(Operation::Sync, &self.path, dirty);
        self.vfs.shared.state.lock().sync(self.inode, entered)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.cache.try_lock()
    }

    fn try_lock_range(&self, range: Range<u64>, lock: RangeLock) -> io::Result<bool> {
        if lock == RangeLock::Exclusive && !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.cache.try_lock_range(range, lock)
    }

    fn unlock_range(&self, range: Range<u64>) -> io::Result<()> {
        self.cache.unlock_range(range)
    }

    fn is_range_locked(&self, range: Range<u64>) -> io::Result<bool> {
        self.cache.is_range_locked(range)
    }

    fn share_words(&self, offset: u64, words: usize) -> io::Result<Arc<SharedWords>> {
        self.allocate(offset.saturating_add(words as u64 * 4))?;
        self.cache.share_words(offset, words)
    }

    /// One write, as the system's call is one.
    fn write_all_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let slices: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
        self.write_all_at(&slices.concat(), offset)
    }
}

impl Drop for FaultyFile {
    fn drop(&mut self) {
        self.vfs.shared.state.lock().close(self.inode);
    }
}

impl fmt::Debug for FaultyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyFile").field("path", &self.path).finish_non_exhaustive()
    }
}
