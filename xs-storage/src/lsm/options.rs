//! What can be chosen when a tree is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use xs_os::vfs::{SystemVfs, Vfs};
use xs_os::{Clock, Jobs, SystemClock, ThreadJobs};

use super::compaction::Policy;
use super::events::Event;
use crate::{Error, Result};

/// How an [`Lsm`](super::Lsm) is to behave. Everything can be changed from one opening to the next.
#[derive(Clone)]
pub struct Options {
    /// The disk.
    pub vfs: Arc<dyn Vfs>,
    /// Where flushes and compactions run.
    pub jobs: Arc<dyn Jobs>,
    /// For the age of tables.
    pub clock: Arc<dyn Clock>,
    /// All memory that the tree may take, in bytes: half of it for memtables at most, and what they leave for blocks,
    /// indexes and filters. At least 64 KiB.
    pub memory: u64,
    /// A memtable that takes this much memory is flushed. At most an eighth of [`Options::memory`] makes writers never
    /// wait for the last flush; 0 takes a quarter.
    pub memtable_bytes: u64,
    /// Which tables are merged, and when.
    pub policy: Policy,
    /// About the size of a table, in bytes.
    pub table_bytes: u64,
    /// About the size of a block before it is compressed, in bytes.
    pub block_bytes: usize,
    /// Entries from one whole key to the next, in a block.
    pub restart_interval: usize,
    /// Bits of filter for each key: 10 let one in a hundred look-ups of a missing key through; 0 leaves filters out.
    pub filter_bits: u32,
    /// How blocks are compressed.
    pub compression: Compression,
    /// Values of at least this many bytes are kept in files of their own, which compactions need not copy.
    pub separate_bytes: usize,
    /// A file of values of which less than this many hundredths are still of use is emptied and removed.
    pub blob_live_percent: u32,
    /// Bytes of log that a segment holds. A log that is empty takes one, and one more as a spare.
    pub log_segment_bytes: u64,
    /// The longest batch that is taken, in bytes, at most 2 GiB. As many as one entry of the longest key and the longest
    /// value takes, 1 GiB and 64 KiB, so that what is no longer than its own limit is never refused for this one. Whoever
    /// makes a batch holds it in memory, and it stays there until it is flushed, on top of [`Options::memory`]: set it to
    /// what you can spare.
    pub max_batch: usize,
    /// Tables and files of values that are kept open at once, at least 1; 1000 by default. Those beyond are opened when
    /// they are read. Readers that are at it at the same moment may hold as many more; the log has a few of its own.
    pub max_open_files: usize,
    /// Whether to refuse to make a tree where there is none. False.
    pub must_exist: bool,
    /// Called with what happens in the background. It must be quick: whoever does the work calls it, and that may be an
    /// ingest that holds writers up meanwhile, so it must not write to the tree and wait for that.
    pub events: Option<Arc<dyn Fn(&Event) + Send + Sync>>,
}

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// LZ4's block format: a little smaller, at gigabytes per second.
    #[cfg(feature = "lz4")]
    Lz4,
    /// Zstandard at level 1: smaller still, a few times slower.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Compression {
    /// Those that this build has.
    pub fn known() -> impl Iterator<Item = Compression> {
        (0..=2).filter_map(Compression::from_code)
    }

    pub(super) fn code(self) -> u8 {
        match self {
            Compression::None => 0,
            #[cfg(feature = "lz4")]
            Compression::Lz4 => 1,
            #[cfg(feature = "zstd")]
            Compression::Zstd => 2,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Compression> {
        match code {
            0 => Some(Compression::None),
            #[cfg(feature = "lz4")]
            1 => Some(Compression::Lz4),
            #[cfg(feature = "zstd")]
            2 => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// Appends the compressed bytes.
    pub(super) fn compress(self, raw: &[u8], out: &mut Vec<u8>) {
        match self {
            Compression::None => out.extend_from_slice(raw),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => out.extend_from_slice(&lz4_flex::block::compress(raw)),
            #[cfg(feature = "zstd")]
            Compression::Zstd => match zstd::bulk::compress(raw, 1) {
                Ok(packed) => out.extend_from_slice(&packed),
                // Out of memory: a block that does not shrink is written as it is.
                Err(_) => out.extend_from_slice(raw),
            },
        }
    }

    /// The most bytes that so many compressed ones can become. LZ4 lengthens a copy by up to 255 with each byte;
    /// Zstandard makes at most a block of 128 KiB of a header of three bytes and one to be repeated.
    #[cfg(any(feature = "lz4", feature = "zstd"))]
    pub(super) fn most_from(self, packed: usize) -> u64 {
        let packed = packed as u64;
        match self {
            Compression::None => packed,
            #[cfg(feature = "lz4")]
            Compression::Lz4 => packed * 255,
            #[cfg(feature = "zstd")]
            Compression::Zstd => packed * (128 << 10) / 4,
        }
    }

    /// The raw bytes, if they are exactly `len`, for which memory is taken.
    #[cfg(any(feature = "lz4", feature = "zstd"))]
    pub(super) fn decompress(self, packed: &[u8], len: usize) -> Option<Vec<u8>> {
        let raw = match self {
            Compression::None => packed.to_vec(),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => lz4_flex::block::decompress(packed, len).ok()?,
            #[cfg(feature = "zstd")]
            Compression::Zstd => {
                let claimed = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
                if claimed != len as u64 {
                    return None;
                }
                zstd::bulk::decompress(packed, len).ok()?
            }
        };
        (raw.len() == len).then_some(raw)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            vfs: Arc::new(SystemVfs),
            jobs: Arc::new(ThreadJobs::new()),
            clock: Arc::new(SystemClock),
            memory: 256 << 20,
            memtable_bytes: 0,
            policy: Policy::default(),
            table_bytes: 64 << 20,
            block_bytes: 4 << 10,
            restart_interval: 8,
            filter_bits: 10,
            compression: Compression::None,
            separate_bytes: 4 << 10,
            blob_live_percent: 50,
            log_segment_bytes: 8 << 20,
            max_batch: Self::MAX_KEY + Self::MAX_VALUE + Self::AROUND,
            max_open_files: 1000,
            must_exist: false,
            events: None,
        }
    }
}

impl Options {
    /// The longest key that is taken, in bytes.
    pub const MAX_KEY: usize = 64 << 10;
    /// The longest value that is taken, in bytes.
    pub const MAX_VALUE: usize = 1 << 30;
    /// The most that [`Options::block_bytes`] can be.
    pub(super) const MAX_BLOCK: usize = 16 << 20;
    /// Bytes of a batch or a block of one entry beside its key and its value, and to spare.
    pub(super) const AROUND: usize = 64;

    /// Small sizes throughout: memtables, blocks, tables and logs that fill up after a few kilobytes, so that a short
    /// test passes through flushes and compactions.
    pub fn tiny() -> Self {
        Options {
            memory: 256 << 10,
            memtable_bytes: 8 << 10,
            policy: Policy::Leveled(super::compaction::Leveled { base_bytes: 16 << 10, ..Default::default() }),
            table_bytes: 8 << 10,
            block_bytes: 512,
            restart_interval: 4,
            separate_bytes: 2 << 10,
            log_segment_bytes: 16 << 10,
            ..Options::default()
        }
    }

    pub(super) fn memtable_limit(&self) -> u64 {
        if self.memtable_bytes == 0 { self.memory / 4 } else { self.memtable_bytes }
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |what: &str| Err(Error::Invalid(what.to_owned()));
        if self.memory < 64 << 10 {
            return refuse("`memory` is below 64 KiB: give more");
        }
        if self.memtable_limit() > self.memory / 2 {
            return refuse("`memtable_bytes` is more than half of `memory`: give less, or raise `memory`");
        }
        if self.block_bytes == 0 || self.block_bytes > Self::MAX_BLOCK {
            return refuse("`block_bytes` is not between 1 and 16 MiB");
        }
        if self.table_bytes == 0 || self.log_segment_bytes == 0 || self.separate_bytes == 0 {
            return refuse("`table_bytes`, `log_segment_bytes` and `separate_bytes` must not be 0");
        }
        if self.filter_bits > 64 {
            return refuse("`filter_bits` is above 64, where more bits gain nothing");
        }
        if self.blob_live_percent > 100 {
            return refuse("`blob_live_percent` is above 100");
        }
        if self.max_batch > 1 << 31 {
            return refuse("`max_batch` is above 2 GiB");
        }
        if self.max_open_files == 0 {
            return refuse("`max_open_files` is 0: nothing could be read");
        }
        self.policy.check()
    }

    pub(super) fn tell(&self, event: Event) {
        if let Some(events) = &self.events {
            events(&event);
        }
    }

    /// The calendar, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> u64 {
        let since = self.clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("memory", &self.memory)
            .field("memtable_bytes", &self.memtable_limit())
            .field("policy", &self.policy)
            .field("table_bytes", &self.table_bytes)
            .field("block_bytes", &self.block_bytes)
            .field("compression", &self.compression)
            .field("separate_bytes", &self.separate_bytes)
            .field("must_exist", &self.must_exist)
            .finish_non_exhaustive()
    }
}
