//! One append-only log for whoever needs order and durability: [`Log`].
//!
//! # The problem
//!
//! A write-ahead log, a Raft log, a Kafka partition and an event store ask the same of the disk: put this behind
//! everything else, tell me when it can no longer be lost, read on from there, cut what turned out wrong off the end, let
//! go of what is old at the front. What is hard is the same as well. A sync of the disk takes as long as thousands of
//! appends, so callers must share one. A crash leaves the last write half done, and half done must not be taken for
//! damaged, nor damaged for half done. A place on the disk is used again, and what stood there must not come back.
//!
//! # How it works
//!
//! ```text
//!   append ─ check, sum up ─┐
//!   append ─ check, sum up ─┤ lock: index, copy ─▶ ┌ pending ┐  one leads: write, sync   ┌ segments ─────────────┐
//!   append ─ check, sum up ─┘                      └─────────┘ ────────────────────────▶ │ old │ old │ newest │ … │ ◀ spares
//!                                  readers read here ▲                                  └──────────▲────────────┘
//!                                                                                    and here ──────┘
//! ```
//!
//! **Group commit.** An append is a few dozen nanoseconds under a lock: a number, and a copy into memory. Its
//! [`Commit`] is for whoever must know. The first one that waits *leads*: it takes all that is pending, writes it with
//! one call and syncs once; the others sleep. While it is at that, the next group gathers. When it is done it wakes
//! those whose entries are durable, and one of the rest to lead on. With four threads that alone settles into two groups
//! of two in turn, each waiting for the other's sync. So a new leader waits a moment (at most 50 µs) if fewer have
//! appended than were last seen: one group of four. A wait that brings nobody makes the next ones rarer, and one thread
//! alone never waits. In async code a commit is awaited, and a step of [`LogOptions::jobs`] leads.
//!
//! **Nobody waits for a sync?** Then bytes gather in the page cache, and the append that begins a new segment would wait
//! until all of the old one is on the disk. So a job syncs behind the writers, each time that
//! [`LogOptions::background_sync_bytes`] have come together, and begins the new segment. While somebody is at that, appenders
//! go on in memory, up to eight times [`LogOptions::buffer_bytes`]. Its danger is the failure: after a failed sync the pages are
//! gone and the next sync of the same file succeeds. Hence all syncs of a log go through one lock, and the outcome is left
//! in it: whoever syncs behind one that failed fails as well, whatever the disk says.
//!
//! **Segments.** The log is a chain of files. A file's name says all that matters, `EPOCH-PREVIOUS-FIRST.log`: an epoch
//! that rises from segment to segment, the epoch of the segment that it continues, its first index. So a rename with a
//! sync of the directory adds a segment in one atomic step, and cutting the tail is just that: a new segment that
//! continues an earlier one and starts with the index of the cut. Bytes that were durable are never written over, and
//! readers and [file ranges](FileRange) of what was cut stay good. Trimming removes the oldest segments, one durably before the next, so that
//! a hole in the chain is damage and not a trim.
//!
//! **Space.** Writing behind the end of a file changes its length, and writing to space that was only set aside changes
//! its extents: on a file system with a journal either makes a sync commit that too. So the next segment is filled with
//! zeros ahead, from a quarter of the current one on, by a job in the background in steps of 256 KiB (in one step, the
//! page cache keeps it as pieces so large that each sync writes more), and trimmed segments are used again. That doubles
//! what is written, so it is done only where somebody waits for syncs: eight times in that quarter. Else, and for whoever
//! needs a segment before one is ready, space is set aside. [`LogOptions::warm_bytes`] asks for zeros nevertheless, and for
//! more than one segment of them: pages that are in the cache already are cheaper to write to.
//!
//! **The format.** A segment is a header of 32 bytes (`"xs-log\r\n"`, format u32, framing's name in 16 bytes, CRC32C), and
//! then what the framing says; [`Records`] has its bytes. All numbers are little-endian.
//!
//! **The watermark** costs no sync of its own. Every group starts with a *mark*: "all in front of index *n* was durable
//! when this was written", which the leader knows, because it writes a group only after the sync of the one before. The
//! mark becomes durable with its own group. A segment is continued only when it is synced, so a newer segment is the
//! mark of the whole of an older one. Closing leaves a last mark. What nothing can vouch for is the last group of a log
//! that was not closed: there, and only there, damage reads as a torn write.
//!
//! **Recovery** walks the newest segment until something does not parse. If a valid mark behind that place says that more
//! was durable, this is corruption, and opening fails and names the place. If not, it is a torn tail. Either way nothing
//! behind the end may ever be read: a new epoch begins, with a mark that is durable before anything else is written.
//! Entries of an older epoch fail their checksums from then on, in recycled segments, too: **the epoch is in every
//! checksum**, and so is the index.
//!
//! **Framing is a parameter**, [`Framing`]: how an entry's bytes lie, and how it is numbered. Appending is split between
//! it and the log at the lock. [`Framing::draft`] sees all bytes, on the caller's thread, before the index is known.
//! [`Framing::seal`] is told epoch and index under the lock, and gives a head of a few bytes: [`Records`] puts a checksum
//! of a checksum there, [`Batches`] overwrites the base offset that Kafka's checksum leaves out for this purpose, and
//! [`Raw`] nothing. So payloads that are handed over as [`Bytes`] go to the disk without a copy in every framing. The
//! alternative, an envelope of ours around foreign bytes, would give all of them marks, and would take from them what they are
//! for: a segment whose bytes can be sent to a consumer, or read by another program, as they are.
//!
//! **Places.** Each 64 KiB or so a segment has a *waypoint*: an index, the byte it stands at, the latest
//! [time](Framing::time) of all entries in front of it, and a sum of what their checksums leave out. They are what seeks
//! start from, and what [`Log::range`] ends at, which says where entries lie without reading any, and what
//! [`Log::first_at`] finds a time by. With [`LogOptions::index`] those of a full segment are kept in a file beside it, 28
//! bytes each. All of them can be found by walking, so that file is never synced, and one that is damaged is made again.
//!
//! # Invariants
//!
//! - What a commit has answered for is there after every crash. (`shared`: tickets are settled after the sync only.
//!   Tests explore every crash of recorded workloads, over 100,000 different disks in `.ci/long`.)
//! - What is there after a crash is a prefix of what was appended, entry by entry. (`open`: walking stops at the first gap.)
//! - What was given up, cut or trimmed does not come back. (`open`, `edit`: epochs. The same tests append over it and
//!   open once more.) One exception: what is trimmed while somebody reads it and no more files can be opened stays in the
//!   directory until the next trim, and is there again if the log is opened before that. (`spares::discard`)
//! - With [`Records`], a flipped bit is found by whoever reads it or is outside of all entries. (`framing::records`.)
//! - No wake-up is lost, nobody waits for a job that nobody steps. (`turn`; `.await` alone needs [`LogOptions::jobs`].)
//! - After a failed write or sync, also one in the background, every append and every commit that is not durable answers
//!   [`Error::Stopped`]; reads go on, up to what is durable. (`shared::stop`; `shared::sync_segment`: no sync succeeds
//!   behind one that failed.)
//! - The same calls with stepped jobs leave the same bytes.
//!
//! # Cost
//!
//! An entry takes 8 bytes, a group 32. Memory: up to [`LogOptions::buffer_bytes`] that wait and as much under way (eight times that while the disk is busy), a
//! waypoint of 40 bytes for 64 KiB of log that was written or read, one descriptor for a segment that was read. Opening
//! reads the newest segment. A seek reads at most 64 KiB within what has a waypoint; the first into an old segment walks
//! it from its front, or reads its index if there is one.
//!
//! What a median sync costs here (virtual disk, ext4 with a journal on a loop device), by where the bytes before it went:
//!
//! | | behind the end | into space set aside | over zeros |
//! |---|---|---|---|
//! | 140 bytes | 111 µs | 47 µs | 48 µs |
//! | 4 KiB | 172 µs | 122 µs | 51 µs |
//!
//! `cargo run --release -p xs-benches -- log [--bytes N] [--dir DIR]` measures the like, and appends by several threads.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//! use xs_os::vfs::MemoryVfs;
//! use xs_storage::log::{Index, Log, LogOptions};
//!
//! let disk = Arc::new(MemoryVfs::new());
//! let log = Log::open(disk.clone(), Path::new("orders"), LogOptions::default())?;
//! log.append(&[b"tea"])?;
//! let (index, commit) = log.append(&[b"coffee, ", b"black"])?;
//! commit.wait()?;                                  // durable, and "tea" with it
//!
//! log.truncate_from(index)?;
//! log.append(&[b"milk"])?.1.wait()?;
//! drop(log);
//!
//! let log = Log::open(disk, Path::new("orders"), LogOptions::default())?;
//! let mut reader = log.reader(Index(1));
//! assert_eq!(reader.next()?.unwrap().payload, &b"milk"[..]);
//! assert_eq!(reader.next()?, None);                // for now: it goes on when more is appended
//! # Ok::<(), xs_storage::Error>(())
//! ```
//!
//! # How others do it
//!
//! PostgreSQL recycles and zero-fills 16 MiB segments, has one writer flush for all that wait, and can be told to wait
//! for siblings (`commit_delay`). RocksDB's first waiting writer leads a group; its recycled logs carry the log's number
//! in each record, as the epoch here. etcd's log chains its checksums, so that old records do not fit behind new ones;
//! it tells torn from damaged by looking for zeroed sectors. LevelDB frames records in 32 KiB blocks to find its way
//! after damage; here the marks serve for that. Kafka does not sync, leaves durability to its replicas, and keeps an
//! index file beside each segment.
//!
//! # What this leaves out
//!
//! Checksums for foreign framings: with [`Batches`] and [`Raw`] the watermark finds what is missing or does not parse, but
//! Kafka's checksum does not cover the base offset, and [`Raw`] has
//! none at all; an index finds flipped bits of those, but not in the newest segment, which has none. Compaction by key,
//! compression, and direct I/O. A sector is taken to be whole: a durable entry may share one with the next write, which repeats its bytes.
//!
//! # Try next
//!
//! Write a framing whose entries are lines of text, with a checksum at the end of each, and run the tests' model on it.
//!
//! # Sources
//!
//! P. Helland et al., "Group Commit Timers and High Volume Transaction Systems" (1987); C. Mohan et al., "ARIES" (TODS
//! 1992); M. Rosenblum and J. Ousterhout, "The Design and Implementation of a Log-Structured File System" (SOSP 1991);
//! R. Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage" (FAST 2018), for torn against corrupt; J.
//! Kreps et al., "Kafka: a Distributed Messaging System for Log Processing" (NetDB 2011), and its protocol guide, "Record
//! Batch"; RFC 3720, B.4, for CRC32C.

mod edit;
mod framing;
mod index;
mod open;
mod options;
mod pending;
mod range;
mod reader;
#[cfg(feature = "partition")]
mod rewrite;
mod segment;
mod shared;
mod spares;
mod sync;
mod tail;
#[cfg(test)]
mod tests;
mod turn;
mod walk;
mod watermark;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use xs_os::jobs::JobHandle;
use xs_os::vfs::Vfs;

use crate::engine::Commit;
use crate::{Error, Result};
use shared::{Payload, Shared};
use turn::Goal;

pub use framing::{BatchDraft, Batches, Framing, MAX_HEAD, Mark, Parsed, Raw, RecordDraft, Records, Sealed};
pub use options::LogOptions;
pub use reader::{Entry, FileRange, Grown, Reader};
#[cfg(feature = "partition")]
pub(crate) use rewrite::Rewrite;
#[cfg(feature = "lsm")]
pub(crate) use spares::remove_spares;

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

/// A segment of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// The index that it starts with.
    pub first: Index,
    /// The first index behind it.
    pub end: Index,
    /// The bytes of its entries, with its header; of its whole file, if that is all that is known.
    pub bytes: u64,
    /// The latest time that one of its entries says of itself, if one does and it is known.
    pub latest: Option<i64>,
}

/// Figures about a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// Segments, the one that is written to included.
    pub segments: usize,
    /// Bytes of its files on the disk: segments as long as they were set aside, spares, the watermark.
    pub disk_bytes: u64,
    /// Bytes that wait in memory.
    pub buffered_bytes: u64,
    /// Bytes of payload that were appended since it was opened.
    pub payload_bytes: u64,
    /// Bytes written since it was opened, without those that prepare space.
    pub written_bytes: u64,
    /// Syncs of entries since it was opened, without those that prepare space.
    pub syncs: u64,
}

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
