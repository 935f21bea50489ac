//! One append-only log for whoever needs order and durability: [`Log`].
//!
//! # The problem
//!
//! # How it works
//!
//! # Invariants
//!
//! # Cost
//!
//! # Example
//!
//! # How others do it
//!
//! # What this leaves out
//!
//! # Try next
//!
//! # Sources

mod edit;
pub mod framing;
mod open;
mod pending;
mod reader;
mod segment;
mod shared;
mod spares;
mod tail;
mod turn;
mod walk;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use xs_os::vfs::Vfs;
use xs_os::{Jobs, ThreadJobs};

#[cfg(test)]
mod tests;

use crate::engine::Commit;
use crate::{Error, Result};
use framing::Framing;
use shared::{Payload, Shared};
use turn::Goal;

pub use framing::{Batches, Raw, Records};
pub use reader::{Entry, Grown, Reader};

/// The version of the files that this build writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// The number of an entry. With [`Records`] one follows the other; a framing may count something else: Kafka's offsets,
/// a file's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub u64);

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a log is to work.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogOptions {
    /// The length of a segment in bytes. An entry that is longer gets a segment of its own length. At least 4 KiB;
    /// 16 MiB by default.
    pub segment_bytes: u64,
    /// Bytes that may wait in memory before whoever appends must write them itself; 1 MiB by default.
    pub buffer_bytes: u64,
    /// The largest payload that is taken, in bytes; as much as the framing can by default.
    pub max_entry: u64,
    /// The index that a new log starts with; 0 by default.
    pub first: Index,
    /// Files that are kept ready to become segments: one is made ahead, and segments that are trimmed are kept up to
    /// this many. 2 by default; 0 makes every segment when it is needed.
    pub spares: usize,
    /// Where commits that are awaited are synced, and spare segments made. By default a thread of the log's own.
    pub jobs: Arc<dyn Jobs>,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            segment_bytes: 16 << 20,
            buffer_bytes: 1 << 20,
            max_entry: u64::MAX,
            first: Index(0),
            spares: 2,
            jobs: Arc::new(ThreadJobs::new()),
        }
    }
}

impl LogOptions {
    fn check(&mut self) -> Result<()> {
        if self.segment_bytes < 4 << 10 {
            return Err(Error::Invalid("segment_bytes: at least 4096".into()));
        }
        if self.buffer_bytes == 0 {
            return Err(Error::Invalid("buffer_bytes: at least 1".into()));
        }
        Ok(())
    }
}

/// Figures about a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// Segments, the one that is written to included.
    pub segments: usize,
    /// Bytes that wait in memory.
    pub buffered_bytes: u64,
    /// Bytes of payload that were appended since it was opened.
    pub payload_bytes: u64,
    /// Bytes written since it was opened, without those that prepare space.
    pub written_bytes: u64,
    /// Syncs of files since it was opened.
    pub syncs: u64,
}

/// A log in a directory of its own. Clones are handles of the same log; the last one that goes closes it.
///
/// All methods take `&self` and may be called from any thread.
pub struct Log<F: Framing = Records> {
    shared: Arc<Shared<F>>,
}

impl Log<Records> {
    /// Opens the log in `dir`, and makes one if there is none.
    ///
    /// A tail that a crash tore is given up; all that was durable is there.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if something that was durable is damaged or missing, [`Error::Locked`] if the log is open
    /// elsewhere, [`Error::NotOurs`] and [`Error::NewerFormat`] if it is another's, [`Error::Io`] from the disk.
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path, options: LogOptions) -> Result<Self> {
        Log::open_with(vfs, dir, options, Records)
    }
}

impl<F: Framing> Log<F> {
    /// [`Log::open`], with entries framed in another way.
    ///
    /// # Errors
    /// Those of [`Log::open`]; `NotOurs`, too, if the log was made with another framing.
    pub fn open_with(vfs: Arc<dyn Vfs>, dir: &Path, options: LogOptions, framing: F) -> Result<Self> {
        Ok(Log { shared: Shared::open(vfs, dir, options, framing)? })
    }

    /// Appends one entry, whose payload is these pieces joined. Readers see it at once; it is durable when its commit is.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and [`Error::Invalid`] if the framing refuses the payload: nothing happened then.
    /// [`Error::Stopped`] after a failure of the disk.
    pub fn append(&self, payload: &[&[u8]]) -> Result<(Index, Commit)> {
        self.shared.append(Payload::Pieces(payload))
    }

    /// [`Log::append`] of bytes that are kept as they are until they have been written: large ones are not copied.
    ///
    /// # Errors
    /// Those of [`Log::append`].
    pub fn append_batch(&self, encoded: Bytes) -> Result<(Index, Commit)> {
        self.shared.append(Payload::Whole(encoded))
    }

    /// Makes everything durable that was appended before the call.
    ///
    /// # Errors
    /// [`Error::Stopped`] if that has failed, now or earlier.
    pub fn sync(&self) -> Result<()> {
        let ticket = self.shared.tail.lock().ticket;
        self.shared.settle(Goal::Durable(ticket))
    }

    /// The first index that is there, and the one behind the last that can be read. Equal when the log is empty.
    pub fn bounds(&self) -> Range<Index> {
        let tail = self.shared.tail.lock();
        tail.start()..tail.end()
    }

    /// Everything in front of this index is durable.
    pub fn durable(&self) -> Index {
        self.shared.tail.lock().durable
    }

    /// A reader that starts with the first entry at or after an index, or the first there is.
    pub fn reader(&self, from: Index) -> Reader<F> {
        Reader::new(self.shared.clone(), from)
    }

    /// Resolves when there is an entry at or behind `index`, or the log was cut or has stopped.
    pub fn grown(&self, index: Index) -> Grown<F> {
        let timeline = self.shared.tail.lock().timeline;
        Grown { log: self.shared.clone(), past: index, timeline }
    }

    /// Cuts off the entry at `index` and all behind it; the next entry gets this index. Durable when it returns, and all
    /// in front of `index` with it. Nothing happens if the log ends before `index`. An entry of several indices goes if
    /// one of them does.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `index` lies in front of the log. A failure of the disk stops the log.
    pub fn truncate_from(&self, index: Index) -> Result<()> {
        self.shared.truncate_from(index)
    }

    /// Removes the oldest segments as far as all their entries lie in front of `index`. So entries in front of `index`
    /// may remain: those that share a segment with later ones.
    ///
    /// # Errors
    /// A failure of the disk stops the log.
    pub fn trim_to(&self, index: Index) -> Result<()> {
        self.shared.trim_to(index)
    }

    /// Removes all entries; the next one gets `index`. For a replica whose log was overtaken by a snapshot.
    ///
    /// # Errors
    /// A failure of the disk stops the log.
    pub fn restart_at(&self, index: Index) -> Result<()> {
        self.shared.restart_at(index)
    }

    /// Reads and checks every entry that is durable, and says how many there are.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for the first that is damaged, [`Error::Io`] from the disk.
    pub fn check(&self) -> Result<u64> {
        let durable = self.durable();
        let mut reader = self.reader(Index(0));
        let mut entries = 0;
        while let Some(entry) = reader.next()? {
            if entry.end > durable {
                break;
            }
            entries += 1;
        }
        Ok(entries)
    }

    /// Why the log takes no more entries, if it has stopped.
    pub fn stopped(&self) -> Option<Error> {
        self.shared.stopped.get().cloned()
    }

    /// What the log knows about itself.
    pub fn stats(&self) -> LogStats {
        let counts = &self.shared.counts;
        let tail = self.shared.tail.lock();
        LogStats {
            segments: tail.segments.len(),
            buffered_bytes: tail.filling_bytes,
            payload_bytes: counts.payload.load(Ordering::Relaxed),
            written_bytes: counts.written.load(Ordering::Relaxed),
            syncs: counts.syncs.load(Ordering::Relaxed),
        }
    }
}

impl<F: Framing> Clone for Log<F> {
    fn clone(&self) -> Self {
        Log { shared: self.shared.clone() }
    }
}

impl<F: Framing> fmt::Debug for Log<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("dir", &self.shared.dir).field("bounds", &self.bounds()).finish_non_exhaustive()
    }
}
