//! The handle of a log: what can be asked of it.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use xs_os::jobs::JobHandle;
use xs_os::vfs::Vfs;

use super::framing::{BatchDraft, Batches, Framing, Records};
use super::reader::{FileRange, Grown, Reader};
#[cfg(feature = "partition")]
use super::rewrite::Rewrite;
use super::shared::{Payload, Shared};
use super::turn::Goal;
use super::written::Written;
use super::{Index, LogOptions, LogStats, SegmentInfo};
use crate::engine::Commit;
use crate::{Error, Result};

/// A log in a directory of its own. Clones are handles of the same log; the last one that goes closes it.
///
/// All methods take `&self` and may be called from any thread.
pub struct Log<F: Framing = Records> {
    // In front of `shared`: the step under way ends before the last handle lets go of the directory.
    open: Arc<Opened>,
    shared: Arc<Shared<F>>,
}

/// What all handles hold together.
struct Opened(JobHandle);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.finish();
    }
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
        let shared = Shared::open(vfs, dir, options, framing)?;
        let job = shared.job.get().cloned().expect("an opened log has its job");
        Ok(Log { open: Arc::new(Opened(job)), shared })
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

    /// Durable when everything is that was appended before the call.
    pub fn commit(&self) -> Commit {
        let ticket = self.shared.tail.lock().ticket;
        Commit::pending(self.shared.clone(), ticket)
    }

    /// Hands everything that was appended before the call to the operating system: then it survives this process, though
    /// not the machine. Written on the caller's thread, with one call and without waiting for the disk, if nobody else is
    /// at it and no segment has to begin; else who is at it writes that, too, or the job, and the answer comes when it is
    /// done.
    pub fn write(&self) -> Written<F> {
        let ticket = self.shared.tail.lock().ticket;
        self.shared.write_ready(Goal::Written(ticket));
        Written::new(self.shared.clone(), ticket)
    }

    /// Has everything that is written synced by the job, while others go on writing: for who does not wait for it, and wants
    /// no more than so much to be lost with the machine.
    pub fn sync_behind(&self) {
        self.shared.ask_to_sync();
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

    /// Where entries lie in their file, to be sent from there: from the one that spans `from`, or the first behind it, up
    /// to those that end at or before `upto`. It has about `limit` bytes, and one entry at least; none if there are none.
    ///
    /// Who goes on where the last range ended is answered without a look at the file; who starts elsewhere has up to
    /// 64 KiB of it read once. What is still in memory is written first.
    ///
    /// # Errors
    /// [`Error::Corrupt`] and [`Error::Io`] where the file must be read, [`Error::Stopped`] if the entries cannot be
    /// written to it any more.
    pub fn range(&self, from: Index, upto: Index, limit: u64) -> Result<Option<FileRange>> {
        self.shared.range(from, upto, limit)
    }

    /// The first entry at or behind `from` that says of itself that it is of `time` or later, and what it says: its
    /// [`Framing::time`]. With [`LogOptions::index`] up to 64 KiB are read; without, whole segments.
    ///
    /// # Errors
    /// [`Error::Corrupt`] and [`Error::Io`] from what is read.
    pub fn first_at(&self, time: i64, from: Index) -> Result<Option<(Index, i64)>> {
        self.shared.first_at(time, from)
    }

    /// Its segments, oldest first; the last one is written to. Of those that are full it is known what they hold if the
    /// log has [indexes](LogOptions::index).
    ///
    /// # Errors
    /// [`Error::Corrupt`] and [`Error::Io`] where an index is missing and the segment must be read.
    pub fn segments(&self) -> Result<Vec<SegmentInfo>> {
        self.shared.segments()
    }

    /// Ends the newest segment, unless it is empty: the next entry begins another one.
    pub fn roll(&self) {
        let mut tail = self.shared.tail.lock();
        tail.rolls = tail.next != tail.last().first;
    }

    /// Closes it, though others may still hold commits: those that are durable by now say so, and the directory may be
    /// opened again. Else a log is open for as long as anybody has a commit or a reader of it.
    #[cfg(feature = "partition")]
    pub(crate) fn close(&self) {
        self.shared.close();
        self.shared.stop(Error::Invalid("the log was closed".into()));
        self.shared.lock.lock().take();
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
    /// may remain: those that share a segment with later ones, and those of a segment that is read and whose file cannot be
    /// opened for that now; it goes with the next trim.
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

    /// Gives the space of spare segments back: for who finds the disk full. The log makes others when it needs them.
    pub fn drop_spares(&self) {
        self.shared.drop_spares();
    }

    /// Reads and checks every entry that is durable, and says how many there are. With [`LogOptions::index`] what the
    /// framing's checksums leave out is checked, too, in all segments but the newest.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for the first that is damaged, [`Error::Io`] from the disk.
    pub fn check(&self) -> Result<u64> {
        let durable = self.durable();
        // The reader first: it keeps what is trimmed meanwhile, of which the sums then say nothing.
        let mut reader = self.reader(Index(0));
        let mut sums = self.shared.sums()?;
        let mut entries = 0;
        while let Some(entry) = reader.next()? {
            if entry.end > durable {
                break;
            }
            sums.pass(&self.shared.framing, &entry)?;
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
        let disk_bytes = self.shared.disk_bytes();
        let tail = self.shared.tail.lock();
        LogStats {
            segments: tail.segments.len(),
            disk_bytes,
            buffered_bytes: tail.filling_bytes,
            payload_bytes: counts.payload.load(Ordering::Relaxed),
            written_bytes: counts.written.load(Ordering::Relaxed),
            syncs: counts.syncs.load(Ordering::Relaxed),
        }
    }
}

impl Log<Batches> {
    /// [`Log::append_batch`] of a batch that [`Framing::draft`] has seen: it is stored with the draft's header, into which a
    /// broker has put its epoch or its time.
    ///
    /// # Errors
    /// Those of [`Log::append_batch`].
    pub fn append_drafted(&self, draft: &BatchDraft, batch: Bytes) -> Result<(Index, Commit)> {
        self.shared.append_drafted(draft, Payload::Whole(batch))
    }

    /// Begins to write the full segments in `range` anew, as one. None if they are not all there, or are not full.
    #[cfg(feature = "partition")]
    pub(crate) fn rewrite(&self, range: Range<Index>) -> Result<Option<Rewrite<Batches>>> {
        Rewrite::begin(self.shared.clone(), range)
    }

    /// The index that the newest segment begins with.
    #[cfg(feature = "partition")]
    pub(crate) fn newest(&self) -> Index {
        self.shared.tail.lock().last().first
    }
}

impl<F: Framing> Clone for Log<F> {
    fn clone(&self) -> Self {
        Log { open: self.open.clone(), shared: self.shared.clone() }
    }
}

impl<F: Framing> fmt::Debug for Log<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("dir", &self.shared.dir).field("bounds", &self.bounds()).finish_non_exhaustive()
    }
}
