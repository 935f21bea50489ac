//! The file format of SQLite 3, read and written: [`Database`], [`Cursor`].
//!
//! # The problem
//!
//! Most of the world's databases are files of one format, which has been the same since 2004. A program that reads and
//! writes it exchanges data with everything else that does: what it wrote, any `sqlite3` opens, also what it has left
//! behind in the middle of a transaction when the power went.
//!
//! # How it works
//!
//! A file is pages of one size. The first begins with a [`Header`]; each tree begins at a root page whose number never
//! changes, and the first page is the root of a table that lists the others.
//!
//! ```text
//!   page 1                page 2             page 3            page 4             page 5
//!  ┌────────┬─────────┐  ┌───────────────┐  ┌──────────────┐  ┌───────────────┐  ┌────────────┐
//!  │ header │ schema: │  │ table, inner: │  │ table, leaf: │  │ chained page: │  │ free list: │
//!  │        │ t at 2  │─▶│  ≤ 17 │ rest  │─▶│ 3: record    │  │ more of 17    │  │ 8, 9, 12   │
//!  └────────┴─────────┘  └───────┴───────┘  │ 17: record ──┼─▶│               │  └────────────┘
//!                                           └──────────────┘  └───────────────┘
//! ```
//!
//! *Tables* are B+trees: 64-bit rowids on inner pages, rows on leaves. *Indexes*, and tables without rowids, are B-trees:
//! every entry is a record, inner pages hold entries too, and the order is that of the record's columns ([`KeyColumn`]). A
//! record that is too long leaves its end on a chain of other pages.
//!
//! *A transaction* changes pages in memory. Before a page is changed for the first time, the *rollback journal* beside the
//! database gets it as it was:
//!
//! ```text
//!   begin ─ change … change ─▶ journal: pages as they were ─ sync ─ their number ─ sync ─ name ─ sync
//!                                                                                            │
//!           committed ◀─ journal removed ◀─ sync ◀─ changed pages over the old ones ◀────────┘
//! ```
//!
//! A journal that is there when a database is opened is *hot*: its pages are written back, the file is cut to its old length,
//! and the transaction was never there. So the moment in which the journal goes is the commit. Should a transaction change
//! more pages than memory is for, they are written early, behind a sync of what the journal has by then.
//!
//! *A write-ahead log* turns that round: the database stays as it is, changed pages go to the end of a log beside it, and the frame
//! that ends a transaction is the commit. Readers find the newest frame of a page through an index in memory that all processes
//! share, each up to the frame that was the last when it began: so they read on while another commits. A *checkpoint* copies
//! pages back when nobody needs the old ones any more; the last one who has the database open takes the log away.
//! [`JournalMode::Wal`] is the way there, [`Database::checkpoint`] the way back.
//!
//! ```text
//!   log      │ header │ 2 │ 4 ! │ 2 │ 1 │ 2 ! │         ! a commit
//!   index      page 2: frames 1, 3, 5    page 4: 2    page 1: 4     marks of readers: 2, 5
//! ```
//!
//! *Savepoints* are states inside a transaction: before a page is changed for the first time since one, it is kept as it is. A
//! statement that fails half-way goes back to the savepoint in front of it ([`Database::roll_back_to`]).
//!
//! *Others* may have the database open, SQLite among them. Whoever reads has a shared lock, and nobody writes to the file
//! meanwhile; one at a time changes pages in memory beside them, and waits with writing until they have ended:
//!
//! ```text
//!   begin_read: shared ── has the header another count of changes? then what is in memory is old ── end_read
//!   begin:      shared ── reserved: the only one who changes ── commit: pending, nobody begins to read ── exclusive
//! ```
//!
//! The locks are on SQLite's bytes at one gibibyte, whose page stays empty
//! ([`File::try_lock_range`](xs_os::vfs::File::try_lock_range)). A journal is hot only if nobody has the lock to change. Who
//! can't have a lock waits for [`Options::busy_timeout`], and then is told [`Error::Locked`](crate::Error::Locked).
//!
//! A page that gets too full, or two thirds empty, is dealt anew with up to two neighbours, and what parts them is told to
//! their parent, which may get too full by that. Only a table whose rowids come in order leaves its full pages full, and an
//! index that is [filled at once](Database::fill_index).
//!
//! # Invariants
//!
//! - Nothing is written to a place that the database had before the transaction until the journal has that place's old
//!   bytes, durably. A journal counts records only after they are durable.
//! - Nothing in a file is believed: a page's header and each of its cells are looked at before they are used, a page as a whole
//!   before cells move, a tree is at most 20 levels deep, a way through it enters no more pages than there are, a chain has as
//!   many pages as its payload needs, and no length is allocated that the file could not hold.
//! - A frame of the log counts if the sums of all frames up to the next commit are right. No frame goes to the database that a reader's
//!   mark is in front of; the log is durable before the first does, and begins anew only when the database is.
//! - A page is packed before a cell is taken out of it, and stays so.
//! - A change that fails leaves a transaction that can only be rolled back, as a whole or to a savepoint.
//! - The file is written to only under the exclusive lock, and read only under a shared one. Two never wait for each other: who
//!   reads and can't begin to write is told so at once.
//! - Text and keys stay bytes as they are in the file: what another program wrote is compared as that program does.
//!
//! # Cost
//!
//! A look-up reads a page a level, three or four levels for millions of rows; what is in memory costs a hash look-up each.
//! A change copies a page if a cursor stands on it, moves half a page's bytes on average, and once a transaction writes
//! the page to the journal and to the file. A commit is four syncs, whatever it changed, or five; with a log it is one
//! ([`Synchronous`] says how many are worth it). Beginning to read is a look at
//! the journal's name and the header, and three system calls for locks; [`Locking::Exclusive`] spares them.
//!
//! Memory: [`Options::memory`] for pages, half as much again for savepoints, and a bit a page for those that the journal has.
//! While others read, a transaction can't be written early, and takes what it changes.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//! use xs_os::Rng;
//! use xs_os::vfs::MemoryVfs;
//! use xs_storage::sqlite::{Cursor, Database, Options, TreeKind, ValueRef, decode, encode};
//!
//! let disk = Arc::new(MemoryVfs::new());
//! let mut db = Database::open(disk, Path::new("demo.db"), Options::default(), Rng::from_seed(1))?;
//! db.begin()?;
//! let fruit = db.create_tree(TreeKind::Table)?;
//! let sql = ValueRef::Text(b"CREATE TABLE fruit(name TEXT, weight INT)");
//! let (kind, name) = (ValueRef::Text(b"table"), ValueRef::Text(b"fruit"));
//! db.insert(1, 1, &encode(&[kind, name, name, ValueRef::Integer(fruit.into()), sql]))?;
//! db.insert(fruit, 7, &encode(&[ValueRef::Text(b"pear"), ValueRef::Integer(180)]))?;
//! db.insert(fruit, 3, &encode(&[ValueRef::Text(b"fig"), ValueRef::Null]))?;
//! db.commit()?;                                   // now `sqlite3 demo.db .dump` shows it
//!
//! let mut cursor = Cursor::table(fruit);
//! assert!(cursor.first(&mut db)? && cursor.next(&mut db)?);
//! assert_eq!(cursor.rowid(&db), Some(7));
//! let row = cursor.payload(&mut db)?.unwrap_or_default();
//! assert_eq!(decode(row), Ok(vec![ValueRef::Text(b"pear"), ValueRef::Integer(180)]));
//! assert_eq!(db.check(&mut |_| None)?.entries, 3);
//! # Ok::<(), xs_storage::Error>(())
//! ```
//!
//! # How others do it
//!
//! SQLite itself keeps free blocks inside pages and takes the first that is large enough; here cells are packed when one goes,
//! which moves more bytes and never fragments. Its cursors are told of every change to their tree, and save their keys; here
//! they notice by a count of changes. Its locks belong to processes and these to handles, which see each other all the same
//! ([`xs_os::vfs`] says why). Both deal a page's cells to three siblings. Turso writes the same format by a
//! write-ahead log only. SQLite overwrites a page that a long transaction wrote to the log twice; here it is appended again. redb and LMDB avoid the journal by never changing a page in place, and so does
//! [`btree`](crate::btree), which shares the idea of a page cache with this and not its code: there, pages never change and
//! threads read them without a lock; here, one connection edits them in place, and what stays in memory is for
//! [`S3FifoCache`](crate::cache::S3FifoCache) to say.
//!
//! # What this leaves out
//!
//! Sharing a database where the disk has no locks of ranges, as on other systems than Linux: there the handle takes the whole
//! file from its opening to its end, and SQLite does not see it; a log then has its index in the memory of that handle. A database
//! in that mode is read through its log even by who only reads, so it must be possible to make the log's files. Databases with
//! auto-vacuum are read only: their pointer maps are read and checked, not written, until [`Database::vacuum`] leaves them
//! without. Super-journals, which tie several databases into one transaction,
//! are heeded, not written, and not removed. A crash may leave an empty file whose name ends in `-savepoints`, or a copy that ends in
//! `-vacuum`; the next one who needs one takes it away. SQL: tables and indexes are trees here, and keeping them in step is the caller's.
//!
//! # Try next
//!
//! Leave out the sync between a journal's records and their number, and let the crash tests find the checksum that saves
//! most of it, and then the page that has none.
//!
//! # Sources
//!
//! sqlite.org: "Database File Format", "Atomic Commit In SQLite", "File Locking And Concurrency In SQLite Version 3",
//! "Write-Ahead Logging", "WAL-mode File Format";
//! D. Comer, "The Ubiquitous B-Tree" (Computing Surveys 1979).

mod beside;
mod cells;
mod check;
mod content;
mod copy;
mod cursor;
mod database;
mod dirty;
mod durability;
mod fill;
mod free;
mod header;
mod hint;
mod journal;
mod lock;
mod logged;
mod names;
mod node;
mod pager;
mod payload;
mod savepoint;
mod schema;
mod seek;
mod sharing;
mod super_journal;
mod synchronous;
mod transaction;
mod tree;
mod vacuum;
mod wal;

#[cfg(test)]
mod tests;

pub use crate::row::{Collation, Columns, Encoding, KeyColumn, ValueRef, columns, compare, decode, encode};
pub use check::Report;
pub use cursor::Cursor;
pub use database::{Database, Options, SchemaEntry, TreeKind};
pub use header::Header;
pub use journal::JournalMode;
pub use lock::{BusyTimeout, Locking};
pub use node::PageId;
pub use synchronous::Synchronous;
pub use wal::{Checkpoint, Checkpointed};
