//! The file that the index is mapped from, and the locks of the log, which are on it.
//!
//! ```text
//!   byte 120 │ write │ checkpoint │ recover │ 5 readers │ somebody is here │
//! ```
//!
//! Whoever has the log open holds the last, shared. Who can have it alone is the first, and what the file holds is of no use.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xs_os::vfs::{File, Open, RangeLock, SharedWords, Vfs};

use super::super::names::beside;
use super::index::{READERS, REGION};
use crate::{Error, Result};

const BASE: u64 = 120;
const HERE: Range<u64> = BASE + 8..BASE + 9;

/// A lock of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slots {
    Write,
    Checkpoint,
    Recover,
    /// The two above.
    CheckpointAndRecover,
    Reader(usize),
    /// All readers of the log, those of the database alone excepted.
    Readers,
}

impl Slots {
    fn range(self) -> Range<u64> {
        let (first, count) = match self {
            Slots::Write => (0, 1),
            Slots::Checkpoint => (1, 1),
            Slots::Recover => (2, 1),
            Slots::CheckpointAndRecover => (1, 2),
            Slots::Reader(nth) => (3 + nth as u64, 1),
            Slots::Readers => (4, READERS as u64 - 1),
        };
        BASE + first..BASE + first + count
    }
}

#[derive(Debug)]
pub(super) struct Share {
    file: Arc<dyn File>,
    path: PathBuf,
}

pub(super) fn path_of(database: &Path) -> PathBuf {
    beside(database, "-shm")
}

/// What comes of opening it.
#[derive(Debug)]
pub(super) enum Opened {
    Shared(Share),
    /// Somebody else is at it.
    Busy,
    /// There is no such memory here.
    Unsupported,
}

impl Share {
    pub(super) fn open(vfs: &dyn Vfs, database: &Path) -> Result<Opened> {
        let path = path_of(database);
        let file = vfs.open(&path, Open::Create).map_err(Error::io("open", &path))?;
        let share = Share { file, path };
        let is_anybody_here = match share.file.is_range_locked(HERE) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(Opened::Unsupported),
            answer => answer.map_err(Error::io("lock", &share.path))?,
        };
        if !is_anybody_here {
            if !share.take(HERE, RangeLock::Exclusive)? {
                return Ok(Opened::Busy);
            }
            // Shorter than the index: who maps it makes it longer, with zeros.
            share.file.set_len(3).map_err(Error::io("cut", &share.path))?;
        }
        if !share.take(HERE, RangeLock::Shared)? {
            return Ok(Opened::Busy);
        }
        match share.file.share_words(0, REGION) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(Opened::Unsupported),
            Err(error) => Err(Error::io("map", &share.path)(error)),
            Ok(_) => Ok(Opened::Shared(share)),
        }
    }

    pub(super) fn region(&self, nth: usize) -> Result<Arc<SharedWords>> {
        let offset = nth as u64 * REGION as u64 * 4;
        self.file.share_words(offset, REGION).map_err(Error::io("map", &self.path))
    }

    fn take(&self, range: Range<u64>, lock: RangeLock) -> Result<bool> {
        self.file.try_lock_range(range, lock).map_err(Error::io("lock", &self.path))
    }

    pub(super) fn lock(&self, slots: Slots, lock: RangeLock) -> Result<bool> {
        self.take(slots.range(), lock)
    }

    pub(super) fn unlock(&self, slots: Slots) -> Result<()> {
        self.file.unlock_range(slots.range()).map_err(Error::io("unlock", &self.path))
    }
}
