//! Blocks: what a table is read and cached in.
//!
//! ```text
//!   entry     varint shared │ varint rest │ varint value length │ varint tag │ rest of the key │ value
//!   block     entry … entry │ u32 offset of each restart … │ u32 number of restarts
//!   on disk   block, maybe compressed │ u8 how │ u32 CRC32C of both
//! ```
//! A key leaves out what it shares with the one before it. At a restart it leaves out nothing, so a search halves its
//! way through the restarts and reads on from one of them. The tag is the sequence number and the kind of the entry.

mod builder;
mod frame;
mod reader;
#[cfg(all(test, not(xs_loom)))]
mod tests;

pub(super) use builder::BlockBuilder;
pub(super) use frame::{close, open};
pub(super) use reader::{Block, BlockCursor, Find, Nonsense};
