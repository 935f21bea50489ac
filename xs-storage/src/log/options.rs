//! How a log is to work: [`LogOptions`].

use std::sync::Arc;

use xs_os::{Jobs, ThreadJobs};

use super::Index;
use crate::{Error, Result};

/// How a log is to work.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The length of a segment in bytes. An entry that is longer gets a segment of its own length. At least 4 KiB;
    /// 16 MiB by default.
    pub segment_bytes: u64,
    /// So much of a segment is set aside on the disk when it begins, and twice as much each time that it is full: a log that stays
    /// short takes little. All of it by default, so that what is appended to a segment that has begun finds its place on the disk.
    /// Without effect where the framing has marks, because such files are used again, or nothing but entries in its files. At
    /// least 512.
    pub reserve_bytes: u64,
    /// Bytes that may wait in memory before whoever appends must write them itself; 1 MiB by default. Up to eight times as
    /// many while somebody else syncs, or begins a segment.
    pub buffer_bytes: u64,
    /// Bytes that may be written without a sync before one is made in the background, so that a segment that is full has
    /// little left to sync; 1 MiB by default, and `u64::MAX` for never.
    pub background_sync_bytes: u64,
    /// The largest payload that is taken, in bytes; as much as the framing can by default.
    pub max_entry: u64,
    /// The index that a new log starts with; 0 by default. A log is new until something is written to it.
    pub first: Index,
    /// Files that are kept ready to become segments: one is made ahead, and segments that are trimmed are kept up to
    /// this many. 2 by default; 0 makes every segment when it is needed. On a full disk they make room for what fits none.
    pub spares: usize,
    /// So many bytes of segments are filled with zeros before anybody needs them, in the background, and one more as each is
    /// taken: appends that nobody waits for then go to pages that are there, which cost less than fresh ones. It
    /// doubles what is written. 0 by default; without effect where the framing has files of nothing but entries.
    pub warm_bytes: u64,
    /// Keep a file beside each full segment that says where in it entries stand and of which time they are, so that neither
    /// a seek nor a question for a time walks through a segment; not by default.
    pub index: bool,
    /// Where commits that are awaited are synced, segments synced as they fill, and spare segments made. By default a thread of the log's own.
    pub jobs: Arc<dyn Jobs>,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            segment_bytes: 16 << 20,
            reserve_bytes: u64::MAX,
            buffer_bytes: 1 << 20,
            background_sync_bytes: 1 << 20,
            max_entry: u64::MAX,
            first: Index(0),
            spares: 2,
            warm_bytes: 0,
            index: false,
            jobs: Arc::new(ThreadJobs::new()),
        }
    }
}

impl LogOptions {
    pub(super) fn check(&mut self) -> Result<()> {
        if self.segment_bytes < 4 << 10 {
            return Err(Error::Invalid("segment_bytes: at least 4096".into()));
        }
        if self.reserve_bytes < 512 {
            return Err(Error::Invalid("reserve_bytes: at least 512".into()));
        }
        if self.buffer_bytes == 0 {
            return Err(Error::Invalid("buffer_bytes: at least 1".into()));
        }
        if self.background_sync_bytes == 0 {
            return Err(Error::Invalid("background_sync_bytes: at least 1".into()));
        }
        Ok(())
    }
}
