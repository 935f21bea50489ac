//! A database: opened, changed in transactions.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use xs_os::Rng;
use xs_os::vfs::Vfs;

use super::check;
use super::cursor::Cursor;
use super::fill;
use super::header::{Header, is_page_size};
use super::journal::JournalMode;
use super::lock::{BusyTimeout, Locking};
use super::node::{Kind, PageId};
use super::pager::Pager;
use super::seek::Key;
use super::synchronous::Synchronous;
use super::tree;
use crate::row::record;
use crate::row::{Encoding, KeyColumn, ValueRef};
use crate::{Error, Result};

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether it is only read. A journal that is left over can't be played back then, and opening is refused.
    pub read_only: bool,
    /// Whether it is made if it is missing.
    pub create: bool,
    /// Bytes for pages in memory. More than half of it changed in one transaction, and pages are written early. Savepoints
    /// take as much again as that half, at most.
    pub memory: u64,
    /// How long locks are held.
    pub locking: Locking,
    /// How long to wait for those of others; none: not at all.
    pub busy_timeout: Option<BusyTimeout>,
    /// How transactions end, where the database has no write-ahead log. [`JournalMode::Wal`] gives it one, if it is not only read.
    pub journal_mode: JournalMode,
    /// What commits wait for.
    pub synchronous: Synchronous,
    /// Frames of a write-ahead log from which on a commit copies them to the database; 0: never by itself.
    pub autocheckpoint: u32,
    /// Bytes of a page, in a new database.
    pub page_size: u32,
    /// How text is written, in a new database.
    pub encoding: Encoding,
    /// The disk that [`Database::copy_to`] writes to and that [`Database::beside`] opens files of; none: the database's own.
    pub copies: Option<Arc<dyn Vfs>>,
    /// The directory that [`Database::beside`] begins in with names that are not whole paths; none: they are taken as they are.
    pub directory: Option<PathBuf>,
    /// The directory of [`Database::temporary`]; none: memory.
    pub temporary: Option<PathBuf>,
}

impl Default for Options {
    /// As SQLite has it: made if missing, 2 MB of memory, no waiting, the journal removed, pages of 4096 bytes, UTF-8.
    fn default() -> Self {
        Options {
            read_only: false,
            create: true,
            memory: 2_048_000,
            locking: Locking::Normal,
            busy_timeout: None,
            journal_mode: JournalMode::Delete,
            synchronous: Synchronous::Full,
            autocheckpoint: 1000,
            page_size: 4096,
            encoding: Encoding::Utf8,
            copies: None,
            directory: None,
            temporary: None,
        }
    }
}

/// What kind of tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// Rows under rowids.
    Table,
    /// Records in the order of their columns: an index, or a table without rowids.
    Index,
}

/// A row of the schema's table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaEntry {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that it belongs to; a table's own name.
    pub table: String,
    /// Where its tree begins; 0 if it has none.
    pub root: PageId,
    /// The statement that made it; none for indexes that were made by themselves.
    pub sql: Option<String>,
}

/// A database in a file, and one connection to it.
#[derive(Debug)]
pub struct Database {
    pub(super) pager: Pager,
}

impl Database {
    /// Opens a database, and undoes what a crash has left half done. The random numbers mark journals.
    ///
    /// # Errors
    ///
    /// [`Error::NotOurs`] for another kind of file, [`Error::Locked`] if others write, or keep it for themselves, [`Error::Corrupt`],
    /// [`Error::NewerFormat`], [`Error::Invalid`] for what is not done here, [`Error::Io`].
    pub fn open(vfs: Arc<dyn Vfs>, path: &Path, options: Options, mut rng: Rng) -> Result<Self> {
        let rng = Rng::from_seed(rng.next_u64());
        let pager = Pager::open(vfs, path.to_owned(), options, rng)?;
        Ok(Database { pager })
    }

    /// What the file said of itself when it was last read. Within a transaction, what it will say.
    pub fn header(&self) -> &Header {
        &self.pager.header
    }

    /// Pages of the database, likewise.
    pub fn pages(&self) -> u32 {
        self.pager.pages
    }

    /// Begins to read. Until [`Database::end_read`], nothing that others write is seen, and nobody can write to the file.
    ///
    /// What is read outside of a transaction begins this by itself, and the next [`Database::begin`] or
    /// [`Database::begin_read`] ends it: whoever shares a database with others says when, and does not leave it open.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if another handle writes for longer than [`Options::busy_timeout`], and those of
    /// [`Database::open`].
    pub fn begin_read(&mut self) -> Result<()> {
        self.pager.begin_read()
    }

    /// Ends reading, if something was read. A transaction that writes goes on.
    pub fn end_read(&mut self) -> Result<()> {
        self.pager.end_read()
    }

    /// Whether the caller has begun to read, and has not ended.
    pub fn is_reading(&self) -> bool {
        self.pager.reading
    }

    /// Begins a transaction that writes. One at a time does; others may read until it commits. It ends with
    /// [`Database::commit`] or [`Database::roll_back`], or with the handle, and then is undone. If it began
    /// within [`Database::begin_read`], reading goes on behind it.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if another handle writes for longer than [`Options::busy_timeout`]; at once if this one has begun to
    /// read, for the two could wait for each other.
    pub fn begin(&mut self) -> Result<()> {
        match self.pager.read_only {
            true => Err(Error::Invalid("the database was opened to be read only".to_owned())),
            false => self.pager.begin(),
        }
    }

    /// Begins a transaction that writes, when nobody else reads; nobody does until it ends. With a write-ahead log, others may.
    ///
    /// # Errors
    ///
    /// Those of [`Database::begin`].
    pub fn begin_exclusive(&mut self) -> Result<()> {
        self.begin()?;
        self.pager.keep_readers_out()
    }

    /// How long to wait for the locks of others from now on.
    pub fn set_busy_timeout(&mut self, timeout: Option<BusyTimeout>) {
        self.pager.busy = timeout;
    }

    /// How long it waits for the locks of others.
    pub fn busy_timeout(&self) -> Option<&BusyTimeout> {
        self.pager.busy.as_ref()
    }

    /// The name that it was opened by.
    pub fn path(&self) -> &Path {
        &self.pager.names.database
    }

    /// What may be in memory: so many pages, or KiB if the number is negative.
    pub fn cache_size(&self) -> i32 {
        self.pager.cache_size
    }

    /// Sets [`Options::memory`] anew: so many pages, or KiB if the number is negative.
    pub fn set_cache_size(&mut self, size: i32) {
        self.pager.set_cache_size(size);
    }

    /// What goes through the whole database ([`Database::vacuum`], [`Database::copy_to`], [`Database::check`]) ends with
    /// [`Error::Interrupted`] once this is true, and leaves everything as it was.
    pub fn set_interrupt(&mut self, interrupt: Option<Arc<AtomicBool>>) {
        self.pager.interrupt = interrupt;
    }

    /// Bytes of a page, if the database has none yet. Answers whether that is so; if not, [`Database::vacuum`] heeds it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if pages can't have so many.
    pub fn set_page_size(&mut self, size: u32) -> Result<bool> {
        if !is_page_size(size) {
            return Err(Error::Invalid(format!("pages of {size} bytes: a power of two, 512 to 65536")));
        }
        self.pager.read()?;
        let is_new = self.pager.pages == 0 && !self.is_writing();
        if is_new {
            self.pager.fresh.0 = size;
            self.pager.reset(Header::new(size, self.pager.fresh.1), 0);
        } else {
            self.pager.next_page_size = Some(size);
        }
        Ok(is_new)
    }

    /// Whether a transaction that writes is under way.
    pub fn is_writing(&self) -> bool {
        self.pager.is_writing()
    }

    /// Makes everything since [`Database::begin`] durable.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if others read for longer than [`Options::busy_timeout`]: the transaction is as it was, and can be
    /// committed later, while nobody new begins to read. After any other error, roll it back.
    pub fn commit(&mut self) -> Result<()> {
        self.pager.commit()
    }

    /// Undoes everything since [`Database::begin`].
    pub fn roll_back(&mut self) -> Result<()> {
        self.pager.roll_back()
    }

    /// Marks a state of the transaction to which it can go back. Says its number: how many there are now.
    pub fn savepoint(&mut self) -> Result<usize> {
        self.pager.savepoint()
    }

    /// Undoes everything since a savepoint, which stays; those behind it end. What failed half-way is undone as well, if it
    /// was not for the disk.
    pub fn roll_back_to(&mut self, savepoint: usize) -> Result<()> {
        self.pager.roll_back_to(savepoint)
    }

    /// Ends a savepoint, and those behind it. What was changed since stays.
    pub fn release(&mut self, savepoint: usize) -> Result<()> {
        self.pager.release(savepoint)
    }

    /// Makes a change. One that fails may be half done, and so the transaction can only be rolled back.
    pub(super) fn change<T>(&mut self, change: impl FnOnce(&mut Pager) -> Result<T>) -> Result<T> {
        self.pager.check_writing()?;
        change(&mut self.pager).map_err(|error| self.pager.fail(error))
    }

    /// Makes an empty tree. Its root stays where it is, however it grows.
    pub fn create_tree(&mut self, kind: TreeKind) -> Result<PageId> {
        let kind = match kind {
            TreeKind::Table => Kind::TableLeaf,
            TreeKind::Index => Kind::IndexLeaf,
        };
        self.change(|pager| tree::create(pager, kind))
    }

    /// Takes everything out of a tree.
    pub fn clear_tree(&mut self, root: PageId) -> Result<()> {
        self.change(|pager| tree::clear(pager, root, false))
    }

    /// Gives a tree's pages back, its root too.
    pub fn drop_tree(&mut self, root: PageId) -> Result<()> {
        self.change(|pager| tree::clear(pager, root, true))
    }

    /// Puts a row into a table. Answers whether it took the place of another.
    pub fn insert(&mut self, root: PageId, rowid: i64, record: &[u8]) -> Result<bool> {
        check_len(record)?;
        self.change(|pager| tree::insert(pager, root, Key::Rowid(rowid), record))
    }

    /// Whether a table has a row. Where the row is written next, this search is spared.
    pub fn has_row(&mut self, root: PageId, rowid: i64) -> Result<bool> {
        self.pager.read()?;
        self.check_any()?;
        Ok(tree::find_row(&mut self.pager, root, rowid)?.1)
    }

    /// The largest rowid of a table; none, if it is empty.
    pub fn last_rowid(&mut self, root: PageId) -> Result<Option<i64>> {
        self.pager.read()?;
        self.check_any()?;
        if let Some(last) = self.pager.last_rowid(root)? {
            return Ok(Some(last));
        }
        let mut cursor = Cursor::table(root);
        cursor.last(self)?;
        Ok(cursor.rowid(self))
    }

    /// Takes a row out of a table. Answers whether it was there.
    pub fn delete(&mut self, root: PageId, rowid: i64) -> Result<bool> {
        self.change(|pager| tree::delete(pager, root, Key::Rowid(rowid)))
    }

    /// Puts a record into an index. One with the same key, the columns that `order` is of, gives it its place; answers
    /// whether there was one.
    pub fn insert_record(&mut self, root: PageId, order: &[KeyColumn], record: &[u8]) -> Result<bool> {
        check_len(record)?;
        let mut columns = record::decode(record).map_err(|what| Error::Invalid(what.to_owned()))?;
        columns.truncate(order.len());
        self.change(|pager| tree::insert(pager, root, Key::Columns(&columns, order), record))
    }

    /// Fills an empty index with records, which come in its order, no two with the same key. Faster than one by one: each page is
    /// written once.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is not empty, and those of any change.
    pub fn fill_index(&mut self, root: PageId, records: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        self.change(|pager| fill::fill(pager, root, records))
    }

    /// Takes the record of a key out of an index. Answers whether it was there.
    pub fn delete_record(&mut self, root: PageId, order: &[KeyColumn], key: &[ValueRef<'_>]) -> Result<bool> {
        if key.len() != order.len() {
            return Err(Error::Invalid(format!("a key of {} columns, and the index has {}", key.len(), order.len())));
        }
        self.change(|pager| tree::delete(pager, root, Key::Columns(key, order)))
    }

    /// Sets what is the user's to set in the header, within a transaction.
    pub fn set_user_version(&mut self, version: u32) -> Result<()> {
        self.pager.check_writing()?;
        self.pager.header.user_version = version;
        Ok(())
    }

    /// Says whose file it is, within a transaction.
    pub fn set_application_id(&mut self, id: u32) -> Result<()> {
        self.pager.check_writing()?;
        self.pager.header.application_id = id;
        Ok(())
    }

    /// Tells other connections that the schema has changed, within a transaction.
    pub fn change_schema(&mut self) -> Result<()> {
        self.pager.check_writing()?;
        self.pager.header.schema_cookie = self.pager.header.schema_cookie.wrapping_add(1);
        Ok(())
    }

    /// Says that the schema is one that was there before, or one that was not, within a transaction.
    pub fn set_schema_cookie(&mut self, cookie: u32) -> Result<()> {
        self.pager.check_writing()?;
        self.pager.header.schema_cookie = cookie;
        Ok(())
    }

    /// Reads the schema's table.
    pub fn schema(&mut self) -> Result<Vec<SchemaEntry>> {
        let mut entries = Vec::new();
        self.pager.read()?;
        if self.pager.pages == 0 {
            return Ok(entries);
        }
        let mut cursor = Cursor::table(1);
        let encoding = self.pager.header.encoding;
        let mut more = cursor.first(self)?;
        while more {
            let rowid = cursor.rowid(self).unwrap_or(0);
            let payload = cursor.payload(self)?.unwrap_or(&[]);
            match record::decode(payload).ok().and_then(|columns| schema_entry(&columns, encoding)) {
                Some(entry) => entries.push(entry),
                None => return Err(self.pager.corrupt(1, format_args!("row {rowid} of the schema makes no sense"))),
            }
            more = cursor.next(self)?;
        }
        Ok(entries)
    }

    /// Looks at every page: used once, entries in their order, the free list as long as it says. `order` tells the columns
    /// that an index or a table without rowids is ordered by; where it tells none, the order is not looked at.
    pub fn check(&mut self, order: &mut dyn FnMut(&SchemaEntry) -> Option<Vec<KeyColumn>>) -> Result<check::Report> {
        self.pager.read()?;
        check::check(self, order)
    }

    /// A database without a page has no tree.
    pub(super) fn check_any(&self) -> Result<()> {
        match self.pager.pages {
            0 => Err(Error::Invalid("the database is empty".to_owned())),
            _ => Ok(()),
        }
    }
}

/// Payloads have the length that SQLite takes, unless it was told otherwise.
fn check_len(record: &[u8]) -> Result<()> {
    const LIMIT: usize = 1_000_000_000;
    match record.len() <= LIMIT {
        true => Ok(()),
        false => Err(Error::TooLarge { what: "record", len: record.len() as u64, limit: LIMIT as u64 }),
    }
}

fn schema_entry(columns: &[ValueRef<'_>], encoding: Encoding) -> Option<SchemaEntry> {
    let text = |at: usize| match columns.get(at) {
        Some(ValueRef::Text(text)) => Some(encoding.decode(text).into_owned()),
        _ => None,
    };
    let root = match columns.get(3) {
        Some(ValueRef::Integer(root)) => PageId::try_from(*root).ok()?,
        Some(ValueRef::Null) => 0,
        _ => return None,
    };
    Some(SchemaEntry { kind: text(0)?, name: text(1)?, table: text(2)?, root, sql: text(4) })
}
