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
//! [`Commit`](crate::engine::Commit) is for whoever must know. The first one that waits *leads*: it takes all that is pending, writes it with
//! one call and syncs once; the others sleep. While it is at that, the next group gathers. When it is done it wakes
//! those whose entries are durable, and one of the rest to lead on. With four threads that alone settles into two groups
//! of two in turn, each waiting for the other's sync. So a new leader waits a moment (at most 50 µs) if fewer have
//! appended than were last seen: one group of four. A wait that brings nobody makes the next ones rarer, and one thread
//! alone never waits. In async code a commit is awaited, and a step of [`LogOptions::jobs`] leads.
//!
//! **Written is less than durable**, and enough for who fears for the process and not for the machine: what the kernel
//! has is there when a killed process is started again. [`Log::write`] is made for reactors. If nobody is at the disk, the
//! caller makes the one call that copies all that is pending into the page cache, as Kafka's request threads do. If
//! somebody is, or if a segment must begin, which waits for syncs, its [`Written`] is awaited: who gives the turn back wakes
//! it, or pokes the job, which writes. So callers share writes as they share syncs, and no reactor waits.
//!
//! **Nobody waits for a sync?** Then bytes gather in the page cache, and the append that begins a new segment would wait
//! until all of the old one is on the disk. So a job syncs behind the writers, each time that
//! [`LogOptions::background_sync_bytes`] have come together, or [`Log::sync_behind`] asks for it, and begins the new segment. While somebody is at that, appenders
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
//! **Space.** A log that nobody has written to has no segment: of ten thousand some are never used. Writing behind the end of a
//! file changes its length, and writing to space that was only set aside changes
//! its extents: on a file system with a journal either makes a sync commit that too. So the next segment is filled with
//! zeros ahead, from a quarter of the current one on, by a job in the background in steps of 256 KiB (in one step, the
//! page cache keeps it as pieces so large that each sync writes more), and trimmed segments are used again. That doubles
//! what is written, so it is done only where somebody waits for syncs: eight times in that quarter. Else, and for whoever
//! needs a segment before one is ready, space is set aside: all of the segment's, or what [`LogOptions::reserve_bytes`]
//! says and then twice as much each time, where logs are many and most are short. [`LogOptions::warm_bytes`] asks for zeros nevertheless, and for
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
//! [`Raw`] nothing. So payloads that are handed over as [`Bytes`](bytes::Bytes) go to the disk without a copy in every framing. The
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
//! - What a commit has answered for is there after every crash. (`flush`: tickets are settled after the sync only.
//!   Tests explore every crash of recorded workloads, over 100,000 different disks in `.ci/long`.)
//! - What a [`Written`] has answered for is there when the process was killed. (`flush`: settled when the write has returned.
//!   Tests kill at random.)
//! - What is there after a crash is a prefix of what was appended, entry by entry. (`open`: walking stops at the first gap.)
//! - What was given up, cut or trimmed does not come back. (`open`, `edit`: epochs. The same tests append over it and
//!   open once more.) One exception: what is trimmed while somebody reads it and no more files can be opened stays in the
//!   directory until the next trim, and is there again if the log is opened before that. (`spares::discard`)
//! - With [`Records`], a flipped bit is found by whoever reads it or is outside of all entries. (`framing::records`.)
//! - No wake-up is lost, nobody waits for a job that nobody steps. (`turn`; `.await` alone needs [`LogOptions::jobs`].)
//! - After a failed write or sync, also one in the background, every append and every commit that is not durable answers
//!   [`Error::Stopped`](crate::Error::Stopped); reads go on, up to what is durable. (`flush::stop`; `flush::sync_segment`: no sync succeeds
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
//! after damage; here the marks serve for that. Kafka writes before it answers and does not sync, leaves durability to its replicas, and keeps an
//! index file beside each segment.
//!
//! # What this leaves out
//!
//! Checksums for foreign framings: with [`Batches`] and [`Raw`] the watermark finds what is missing or does not parse, but
//! Kafka's checksum does not cover the base offset, and [`Raw`] has
//! none at all; an index finds flipped bits of those, but not in the newest segment, which has none. Compaction by key,
//! compression, and direct I/O. A sector is taken to be whole: a durable entry may share one with the next write, which repeats its bytes.
//! A sync of the directory that failed: a process that is started again believes the name that it finds there and syncs the
//! directory once more, and on a disk where that brings nothing back a later crash may take the segment. Whoever sees a log stop
//! starts the machine again, and not only the process.
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
mod flush;
mod framing;
mod handle;
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
#[cfg(all(test, not(xs_loom)))]
mod tests;
mod turn;
mod walk;
mod watermark;
mod written;

use std::fmt;

pub use framing::{BatchDraft, Batches, Framing, MAX_HEAD, Mark, Parsed, Raw, RecordDraft, Records, Sealed};
pub use handle::Log;
pub use options::LogOptions;
pub use reader::{Entry, FileRange, Grown, Reader};
#[cfg(feature = "partition")]
pub(crate) use rewrite::Rewrite;
#[cfg(feature = "lsm")]
pub(crate) use spares::remove_spares;
pub use written::Written;

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
