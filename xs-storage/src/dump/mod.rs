//! Any engine's entries as one stream of bytes: [`save`], [`restore`], [`Reader`].
//!
//! # The problem
//!
//! A copy of an engine's files is the fastest backup, and one that only this engine, in a version that knows the format,
//! can read; copying them while it writes takes the engine's help. Moving from one engine to another, or keeping a backup
//! for ten years, wants what all engines share: keys in order, and their values.
//!
//! # How it works
//!
//! [`save`] walks a view from its first key to its last, so the dump is one moment of a store that goes on being written.
//! Nothing in it needs to seek: it may go through a pipe, and be read from one.
//!
//! ```text
//!   header   "xs-dump\n"   version (4)
//!   block    length (4)    that many bytes: a WriteBatch of puts, keys ascending      checksum (4)
//!   block    …
//!   end      0 (4)         blocks (8)   entries (8)                                   checksum (4)
//! ```
//!
//! Numbers are little-endian. A checksum is the CRC32C of the number of its block (from 0, eight bytes) and of all that
//! stands in front of it since the checksum before: so a block that is missing, doubled or out of place shows as well as
//! one that is damaged. A block is closed at 64 KiB; only one with a single large entry is longer.
//!
//! A block *is* a [`WriteBatch`]'s bytes: [`restore`] hands it to the engine as it came.
//!
//! # Invariants
//!
//! - Every entry of the view is in the dump once, in order (`save`, from the cursor's contract).
//! - Every flipped bit, cut, and added byte is an error that names the block ([`Reader`]). A dump without its end is cut off,
//!   even between two blocks.
//! - A length is a claim: memory grows with the bytes that arrive, never ahead of them (`Reader::take`).
//! - What [`Reader::next`] gives holds puts alone, in ascending order over the whole dump.
//!
//! # Cost
//!
//! Keys and values are copied once into a block. A dump is some bytes an entry larger than what it holds; nothing is
//! compressed, since a pipe through `zstd` does that.
//!
//! # Example
//!
//! ```
//! use xs_storage::dump;
//! use xs_storage::engine::{EngineExt, MemoryEngine, ReadView};
//!
//! let store = MemoryEngine::new();
//! store.put(b"apple", b"red")?;
//! let mut file = Vec::new();
//! let saved = dump::save(&store, &mut file, &mut |_| {})?;
//! assert_eq!(saved.entries, 1);
//!
//! let other = MemoryEngine::new();
//! dump::restore(&other, &mut &file[..], &mut |_| {})?;
//! assert_eq!(other.get(b"apple")?.unwrap(), "red");
//!
//! let last = file.len() - 30;
//! file[last] ^= 1;
//! assert!(dump::verify(&mut &file[..], &mut |_| {}).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! `pg_dump` and `.dump` of SQLite write the statements that make the data again. `mdb_dump` of LMDB writes lines of hex under
//! a text header, which any tool can read, and twice the size. RocksDB's `ldb dump` prints, and its backups are its files,
//! hard-linked. Redis' RDB is a dump, and its ordinary way of persisting.
//!
//! # What this leaves out
//!
//! Increments: only what changed since the last dump. Encryption and compression, which are pipes' work. Reading one key
//! without the rest.
//!
//! # Try next
//!
//! Let `save` begin behind a key, write how far it got, and resume a dump that a lost connection broke off.
//!
//! # Sources
//!
//! RFC 3720, appendix B.4 (CRC32C); the manual pages of `mdb_dump` and `pg_dump`.

mod reader;
mod writer;

use std::io;

pub use reader::{Reader, restore, verify};
pub use writer::save;

#[cfg(doc)]
use crate::engine::WriteBatch;

const MAGIC: [u8; 8] = *b"xs-dump\n";
const VERSION: u32 = 1;
/// A block is closed when it has reached this many bytes.
const BLOCK: usize = 64 << 10;
/// No block is longer: the longest entry that an engine takes, and what else was in its block.
const MAX_BLOCK: u32 = (1 << 30) + (1 << 20);

/// What a dump holds, or what has passed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Entries.
    pub entries: u64,
    /// Blocks.
    pub blocks: u64,
    /// Bytes of the stream, its framing included.
    pub bytes: u64,
}

/// Why a dump could not be written, read or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The bytes begin like nothing that [`save`] writes.
    #[error("not a dump: it begins otherwise")]
    NotADump,
    /// A newer version of this library wrote it. Update.
    #[error("a dump of format version {found}, and this build reads up to {known}: update it")]
    NewerFormat {
        /// The version in the header.
        found: u32,
        /// The newest that this build knows.
        known: u32,
    },
    /// It ends before its end: a full disk, a broken connection, or a save that was stopped. What came before is whole.
    #[error("the dump is cut off after {} whole blocks, {} entries", .0.blocks, .0.entries)]
    CutOff(Summary),
    /// The bytes are not those that were written.
    #[error("block {block} of the dump, at byte {offset}, is damaged: {what}")]
    Damaged {
        /// Which block, from 0.
        block: u64,
        /// Where it begins in the stream.
        offset: u64,
        /// How it shows.
        what: &'static str,
    },
    /// The stream could not be read.
    #[error("cannot read the dump: {0}")]
    Read(#[source] io::Error),
    /// The stream could not be written.
    #[error("cannot write the dump: {0}")]
    Write(#[source] io::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] crate::Error),
}

/// The checksum of a block.
fn checksum(block: u64, parts: [&[u8]; 2]) -> u32 {
    let seed = crc32c::crc32c(&block.to_le_bytes());
    parts.iter().fold(seed, |crc, part| crc32c::crc32c_append(crc, part))
}

#[cfg(all(test, not(xs_loom)))]
mod tests;
