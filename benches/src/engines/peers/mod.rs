//! The engines that ours are measured against, each set up as its own documentation advises, without compression.

mod canopydb;
mod fjall;
mod lmdb;
mod redb;
mod rocksdb;
mod sled;
mod sqlite;

use super::subject::Entry;

const fn built_in() -> Option<String> {
    None
}

/// All of them, in the order of the table's columns.
pub(super) const ENTRIES: &[Entry] = &[
    Entry { name: "RocksDB", ours: false, open: rocksdb::open, missing: rocksdb::missing },
    Entry { name: "fjall", ours: false, open: fjall::open, missing: built_in },
    Entry { name: "LMDB", ours: false, open: lmdb::open, missing: built_in },
    Entry { name: "redb", ours: false, open: redb::open, missing: built_in },
    Entry { name: "canopydb", ours: false, open: canopydb::open, missing: built_in },
    Entry { name: "sled", ours: false, open: sled::open, missing: built_in },
    Entry { name: "SQLite", ours: false, open: sqlite::open, missing: built_in },
];
