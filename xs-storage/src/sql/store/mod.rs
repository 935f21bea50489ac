//! What SQL runs over: numbered trees of records.
//!
//! # The problem
//!
//! A table is rows under numbers, an index is records in an order. SQLite keeps both as B-trees in pages of one file; tests and
//! `:memory:` want no file; an engine of sorted bytes is a third way. The planner and the executor should be written once.
//!
//! # How it works
//!
//! A database is a set of trees with numbers. Whatever keeps them, a row is bytes in SQLite's record format, so a column is
//! read from them only when somebody asks for it, and a record goes from one store to another as it is.
//!
//! ```text
//!   tree 1   the schema      1 ─▶ ('table', 't', 't', 2, 'CREATE TABLE t(a, b)')
//!   tree 2   t               1 ─▶ ('x', 10)      2 ─▶ ('y', 20)
//!   tree 3   an index on b   (10, 1)   (20, 2)        the columns, then the rowid
//! ```
//!
//! A [`Store`] makes and changes trees; a [`Store::Cursor`] is a place in one. A cursor borrows nothing: each call that moves
//! it takes the store again, so that many are open while rows come and go. What a cursor shows, its record and rowid, it shows
//! without the store. That split is what lets an expression borrow columns from the cursors of many tables at once, while a
//! subquery inside of it moves its own.
//!
//! [`Memory`] is the store of `:memory:`: sorted maps, and a log of how to undo what was done.
//!
//! # Invariants
//!
//! - Tree 1 is the schema's table, and is always there.
//! - The order of an index is given with each call and is the same each time.
//! - Changes happen between [`Store::begin`] and [`Store::commit`] or [`Store::roll_back`]. Savepoints nest within.
//! - A cursor whose tree has changed finds its place by the key of its entry. If the entry is gone, the next and the previous
//!   are those of where it was.
//!
//! # Cost
//!
//! In memory: a step along a tree is a look at the next element of a batch of up to 64, a search is logarithmic. A change is
//! one more entry in the log until the transaction ends.
//!
//! # Example
//!
//! ```
//! use xs_storage::sql::store::{Cursor, Memory, Store, TreeKind};
//!
//! let mut store = Memory::new();
//! store.begin()?;
//! let tree = store.create_tree(TreeKind::Table)?;
//! store.insert(tree, 7, b"seven")?;
//! store.commit()?;
//!
//! let mut cursor = store.table_cursor(tree);
//! assert!(store.first(&mut cursor)?);
//! store.load(&mut cursor)?;
//! assert_eq!((cursor.rowid(), cursor.record()), (7, &b"seven"[..]));
//! # Ok::<(), xs_storage::sql::Failure>(())
//! ```
//!
//! # How others do it
//!
//! SQLite's virtual machine calls its B-tree module directly, in memory too, where pages stand in for a file. Its virtual tables
//! are the seam for other stores, at the level of rows. Turso keeps SQLite's B-tree and puts its own I/O below.
//!
//! # What this leaves out
//!
//! Statistics, which are rows of `sqlite_stat1` like any others. Text in UTF-16: a store gives and takes UTF-8.
//!
//! # Try next
//!
//! Write a store over an [`Engine`](https://docs.rs/xs-storage) whose keys are the tree's number and the rowid, highest byte first.
//!
//! # Sources
//!
//! - The file format, chapter 2: <https://www.sqlite.org/fileformat2.html>

mod about;
mod batch;
mod databases;
#[cfg(feature = "sqlite")]
mod file;
pub(super) mod key;
mod memory;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::failure::{Failure, Result};
use crate::row::{KeyColumn, ValueRef};

pub(in crate::sql) use databases::{Databases, MAIN, TEMP, local, schema_of, schema_tree, tree_in};

pub use about::{About, Checkpoint, Checkpointed, Journal, Pages, Setting};
#[cfg(feature = "sqlite")]
pub use file::FileCursor;
pub use memory::{Memory, MemoryCursor};

/// The number of a tree. A store's own are below 2³²: above, a connection says which of its databases a tree is of.
pub type TreeId = u64;

/// The tree of the schema's table.
pub const SCHEMA: TreeId = 1;

/// What a tree holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// Records under rowids.
    Table,
    /// Records in the order of their columns.
    Index,
}

/// A place in a tree. What it shows is defined while it stands on an entry.
pub trait Cursor {
    /// The rowid, in a table.
    fn rowid(&self) -> i64;

    /// The record, once [`Store::load`] was called here, or where it [needs no loading](Cursor::is_loaded).
    fn record(&self) -> &[u8];

    /// Whether the record is there as soon as the cursor has moved, without [`Store::load`].
    fn is_loaded(&self) -> bool {
        false
    }
}

/// A set of trees. The methods mirror those of the file format's own database and cursor, so that the adaptor is thin.
pub trait Store {
    /// A place in a tree.
    type Cursor: Cursor;

    /// Makes an empty tree.
    fn create_tree(&mut self, kind: TreeKind) -> Result<TreeId>;
    /// Takes everything out of a tree.
    fn clear_tree(&mut self, tree: TreeId) -> Result<()>;
    /// Removes a tree.
    fn drop_tree(&mut self, tree: TreeId) -> Result<()>;
    /// Puts a row into a table. Answers whether it took the place of another.
    fn insert(&mut self, tree: TreeId, rowid: i64, record: &[u8]) -> Result<bool>;
    /// Takes a row out of a table. Answers whether it was there.
    fn delete(&mut self, tree: TreeId, rowid: i64) -> Result<bool>;
    /// Puts a record into an index whose key is as many columns as `order` has.
    fn insert_record(&mut self, tree: TreeId, order: &[KeyColumn], record: &[u8]) -> Result<bool>;
    /// Fills an empty index with records, which come in its order, no two with the same key.
    fn fill_index(
        &mut self,
        tree: TreeId,
        order: &[KeyColumn],
        records: &mut dyn Iterator<Item = &[u8]>,
    ) -> Result<()> {
        for record in records {
            self.insert_record(tree, order, record)?;
        }
        Ok(())
    }
    /// Takes the record of a key out of an index. Answers whether it was there.
    fn delete_record(&mut self, tree: TreeId, order: &[KeyColumn], key: &[ValueRef<'_>]) -> Result<bool>;

    /// A cursor over a table.
    fn table_cursor(&self, tree: TreeId) -> Self::Cursor;
    /// A cursor over an index.
    fn index_cursor(&self, tree: TreeId, order: Arc<[KeyColumn]>) -> Self::Cursor;
    /// To the first entry; false if there is none.
    fn first(&mut self, cursor: &mut Self::Cursor) -> Result<bool>;
    /// To the last entry; false if there is none.
    fn last(&mut self, cursor: &mut Self::Cursor) -> Result<bool>;
    /// To the next entry; false behind the last.
    fn next(&mut self, cursor: &mut Self::Cursor) -> Result<bool>;
    /// To the previous entry; false in front of the first.
    fn previous(&mut self, cursor: &mut Self::Cursor) -> Result<bool>;
    /// To a rowid, or the next one behind it, and which of the two; none if there is neither.
    fn seek(&mut self, cursor: &mut Self::Cursor, rowid: i64) -> Result<Option<Ordering>>;
    /// To the first record that begins with these columns, or the next one behind, and which of the two.
    fn seek_columns(&mut self, cursor: &mut Self::Cursor, columns: &[ValueRef<'_>]) -> Result<Option<Ordering>>;
    /// To the first record behind all that begin with these columns; false if there is none.
    fn seek_behind(&mut self, cursor: &mut Self::Cursor, columns: &[ValueRef<'_>]) -> Result<bool>;
    /// Whether a table has a row. Where the row is written next, this search is spared.
    fn has_row(&mut self, tree: TreeId, rowid: i64) -> Result<bool> {
        let mut cursor = self.table_cursor(tree);
        Ok(self.seek(&mut cursor, rowid)? == Some(Ordering::Equal))
    }
    /// The largest rowid of a table; none, if it is empty.
    fn last_rowid(&mut self, tree: TreeId) -> Result<Option<i64>> {
        let mut cursor = self.table_cursor(tree);
        Ok(self.last(&mut cursor)?.then(|| cursor.rowid()))
    }
    /// Lets go of what the cursor stands on: what is written there next may cost less then. It is nowhere until it is moved.
    fn leave(&mut self, cursor: &mut Self::Cursor) {
        let _ = cursor;
    }
    /// Makes the entry's record ready to be borrowed.
    fn load(&mut self, cursor: &mut Self::Cursor) -> Result<()>;

    /// Begins to read: until [`Store::end_read`] nothing is seen of what others change. Stores that are nobody else's need none.
    fn begin_read(&mut self) -> Result<()> {
        Ok(())
    }
    /// Ends reading.
    fn end_read(&mut self) -> Result<()> {
        Ok(())
    }
    /// Begins a transaction that writes.
    fn begin(&mut self) -> Result<()>;
    /// Begins a transaction that writes, and keeps others from reading if it can.
    fn begin_exclusive(&mut self) -> Result<()> {
        self.begin()
    }
    /// Makes everything since [`Store::begin`] last.
    fn commit(&mut self) -> Result<()>;
    /// The file that undoes the transaction after a crash, if there is one that has to be told of others that are part of it.
    fn journal(&self) -> Option<PathBuf> {
        None
    }
    /// Makes the file that several journals have in common, if this store is where it can be. Whoever removes it has committed.
    fn begin_super_journal(&mut self, journals: &[PathBuf]) -> Result<Option<PathBuf>> {
        let _ = journals;
        Ok(None)
    }
    /// Removes it.
    fn end_super_journal(&mut self, name: &Path) -> Result<()> {
        let _ = name;
        Err(Failure::internal("the super-journal of a store that has none"))
    }
    /// Before a commit of several stores: waits until nobody is in the way. What fails here changes nothing.
    fn lock_to_commit(&mut self) -> Result<()> {
        Ok(())
    }
    /// Behind that: does all of [`Store::commit`] but its last step. What fails here can only be rolled back.
    fn prepare_commit(&mut self, super_journal: Option<&Path>) -> Result<()> {
        let _ = super_journal;
        Ok(())
    }
    /// Undoes everything since [`Store::begin`].
    fn roll_back(&mut self) -> Result<()>;
    /// Opens a savepoint within a transaction, one deeper than the last.
    fn savepoint(&mut self) -> Result<()>;
    /// Undoes what was done since the savepoint of a depth, counted from 0, which stays; those within it go.
    fn roll_back_to(&mut self, depth: usize) -> Result<()>;
    /// Forgets the savepoint of a depth and those within it. What was done stays done.
    fn release(&mut self, depth: usize) -> Result<()>;
    /// A number that changes when the schema does.
    fn schema_cookie(&mut self) -> Result<u32>;
    /// Changes it.
    fn change_schema(&mut self) -> Result<()>;

    /// What it says of itself, while it is read or written.
    fn about(&mut self) -> Result<About> {
        Ok(About::default())
    }
    /// What goes through everything at once (`check`, `vacuum`, `copy_to`) fails once this is true.
    fn set_interrupt(&mut self, interrupt: Arc<AtomicBool>) {
        let _ = interrupt;
    }
    /// Sets something. What it does not know is refused.
    fn set(&mut self, setting: Setting) -> Result<()> {
        Err(Failure::unsupported(&format!("{setting:?} of this store")))
    }
    /// Looks at everything that it has, while it is read. `orders` are those of the indexes that are known. What is wrong, if
    /// something is.
    fn check(&mut self, orders: &BTreeMap<TreeId, Arc<[KeyColumn]>>) -> Result<Option<String>> {
        let _ = orders;
        Ok(None)
    }
    /// Copies what is in a write-ahead log to where it belongs, while nothing is read or written. Stores without a log have nothing
    /// to do.
    fn checkpoint(&mut self, kind: Checkpoint) -> Result<Checkpointed> {
        let _ = kind;
        Ok(Checkpointed::NOTHING)
    }
    /// Opens another database by the name that `ATTACH` has for it, on the same disks and with the same settings.
    fn beside(&mut self, name: &str) -> Result<Self>
    where
        Self: Sized,
    {
        Err(Failure::unsupported(&format!("ATTACH {name} to this store")))
    }
    /// Makes a new database that nobody else sees, and that ends with its value: in memory, or where there is more room.
    fn temporary(&mut self, in_memory: bool) -> Result<Self>
    where
        Self: Sized,
    {
        let _ = in_memory;
        Err(Failure::unsupported("temporary tables of this store"))
    }
    /// Takes no more space than it needs, outside of a transaction. The numbers of trees may change.
    fn vacuum(&mut self) -> Result<()> {
        Err(Failure::unsupported("VACUUM of this store"))
    }
    /// Copies everything, while it is read, to a place of this name, where nothing may be yet.
    fn copy_to(&mut self, name: &str) -> Result<()> {
        Err(Failure::unsupported(&format!("VACUUM INTO {name} of this store")))
    }
}
