//! Tables: sorted, immutable, one file each.
//!
//! ```text
//!   0        header: "xs-lsmt\0", u32 version, four zeros
//!   16       block │ block │ …                                      entries, in order of key, then newest first
//!            filter │ deleted ranges │ index │ properties            each closed like a block
//!   end−40   u64 where the properties begin │ u64 their length │ u64 file length │ u32 zero │ u32 CRC32C │ "xs-lsmf\0"
//! ```
//! A look-up asks the filter, halves its way through the index (both in memory), and reads one block, if that is not in
//! memory too.

mod cache;
mod cursor;
mod filter;
mod index;
mod meta;
mod props;
mod read;
#[cfg(all(test, not(xs_loom)))]
mod tests;
mod write;

pub(super) use cache::BlockCache;
pub(super) use cursor::{Fill, TableCursor};
pub(super) use filter::hash;
pub use props::TableInfo;
pub(super) use read::Table;
pub(super) use write::TableWriter;

pub(super) const MAGIC: &[u8; 8] = b"xs-lsmt\0";
pub(super) const END_MAGIC: &[u8; 8] = b"xs-lsmf\0";
pub(super) const FOOTER: usize = 40;
