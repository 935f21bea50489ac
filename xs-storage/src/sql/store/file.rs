//! SQLite's file format as a store.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::{About, Checkpoint, Checkpointed, Cursor, Journal, Pages, Setting, Store, TreeId, TreeKind};
use crate::row::{Encoding, KeyColumn, ValueRef};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::{Error, sqlite};

/// A place in a tree of a file.
#[derive(Debug)]
pub struct FileCursor {
    place: sqlite::Cursor,
}

impl Cursor for FileCursor {
    #[inline]
    fn rowid(&self) -> i64 {
        self.place.last_rowid()
    }

    #[inline(always)]
    fn record(&self) -> &[u8] {
        self.place.last_payload()
    }

    #[inline]
    fn is_loaded(&self) -> bool {
        self.place.is_local()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let (code, what) = match &error {
            Error::Locked { .. } => (ResultCode::BUSY, "database is locked"),
            Error::Snapshot { .. } => (ResultCode::BUSY_SNAPSHOT, "database is locked"),
            Error::Corrupt { .. } => (ResultCode::CORRUPT, "database disk image is malformed"),
            Error::NotOurs { .. } => (ResultCode::NOT_A_DATABASE, "file is not a database"),
            Error::ReadOnly { .. } => (ResultCode::READ_ONLY, "attempt to write a readonly database"),
            Error::Interrupted => (ResultCode::INTERRUPT, "interrupted"),
            error if error.is_full() => (ResultCode::FULL, "database or disk is full"),
            Error::Io { action: "open" | "create", .. } => (ResultCode::CANT_OPEN, "unable to open database file"),
            Error::Io { .. } | Error::Stopped { .. } => (ResultCode::IO, "disk I/O error"),
            _ => return Failure::error(error.to_string()),
        };
        Failure::new(code, what)
    }
}

/// The page that a tree begins with. None has the number 0.
fn page(tree: TreeId) -> sqlite::PageId {
    sqlite::PageId::try_from(tree).unwrap_or(0)
}

/// A new file has no page, not even that of the schema's table.
fn is_void(db: &sqlite::Database) -> bool {
    db.pages() == 0
}

/// The engine compares text in UTF-8, and an index in another encoding has another order.
fn in_utf8(db: &sqlite::Database) -> Result<()> {
    match db.header().encoding {
        Encoding::Utf8 => Ok(()),
        _ => Err(Failure::error("databases in UTF-16 are not supported by SQL yet")),
    }
}

fn writable(db: &sqlite::Database) -> Result<()> {
    match db.is_read_only() {
        true => Err(Failure::new(ResultCode::READ_ONLY, "attempt to write a readonly database")),
        false => Ok(()),
    }
}

/// The name of a database that is no file, as SQLite has it; its disk should be one in memory.
const MEMORY: &str = ":memory:";

fn is_nameless(db: &sqlite::Database) -> bool {
    db.path() == Path::new(MEMORY)
}

/// Waits so long from now on, by the clock that the database was opened with.
fn set_busy_timeout(db: &mut sqlite::Database, limit: Duration) -> Result<()> {
    let busy = db.busy_timeout().map(|busy| sqlite::BusyTimeout { limit, ..busy.clone() });
    if busy.is_none() && !limit.is_zero() {
        return Err(Failure::unsupported("PRAGMA busy_timeout of a database that was opened without a clock"));
    }
    db.set_busy_timeout(busy);
    Ok(())
}

/// What the store has to refuse by an error in SQLite's words.
fn refused<T>(done: Result<T, Error>) -> Result<T> {
    match done {
        Err(Error::Invalid(what)) => Err(Failure::error(what)),
        done => Ok(done?),
    }
}

fn set_journal(db: &mut sqlite::Database, journal: Journal) -> Result<()> {
    let mode = match journal {
        _ if is_nameless(db) => return Ok(()),
        Journal::Delete => sqlite::JournalMode::Delete,
        Journal::Truncate => sqlite::JournalMode::Truncate,
        Journal::Persist => sqlite::JournalMode::Persist,
        Journal::Wal => sqlite::JournalMode::Wal,
        Journal::Memory => sqlite::JournalMode::Memory,
    };
    // What has been changed already ends as it began.
    if db.has_changes() {
        return Ok(());
    }
    refused(db.set_journal_mode(mode))
}

const LEVELS: [sqlite::Synchronous; 4] =
    [sqlite::Synchronous::Off, sqlite::Synchronous::Normal, sqlite::Synchronous::Full, sqlite::Synchronous::Extra];

impl Store for sqlite::Database {
    type Cursor = FileCursor;

    fn create_tree(&mut self, kind: TreeKind) -> Result<TreeId> {
        let kind = match kind {
            TreeKind::Table => sqlite::TreeKind::Table,
            TreeKind::Index => sqlite::TreeKind::Index,
        };
        Ok(self.create_tree(kind)?.into())
    }

    fn clear_tree(&mut self, tree: TreeId) -> Result<()> {
        Ok(self.clear_tree(page(tree))?)
    }

    fn drop_tree(&mut self, tree: TreeId) -> Result<()> {
        Ok(self.drop_tree(page(tree))?)
    }

    fn insert(&mut self, tree: TreeId, rowid: i64, record: &[u8]) -> Result<bool> {
        Ok(self.insert(page(tree), rowid, record)?)
    }

    fn delete(&mut self, tree: TreeId, rowid: i64) -> Result<bool> {
        Ok(self.delete(page(tree), rowid)?)
    }

    fn insert_record(&mut self, tree: TreeId, order: &[KeyColumn], record: &[u8]) -> Result<bool> {
        Ok(self.insert_record(page(tree), order, record)?)
    }

    fn fill_index(&mut self, tree: TreeId, _: &[KeyColumn], records: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        Ok(self.fill_index(page(tree), records)?)
    }

    fn delete_record(&mut self, tree: TreeId, order: &[KeyColumn], key: &[ValueRef<'_>]) -> Result<bool> {
        Ok(self.delete_record(page(tree), order, key)?)
    }

    fn table_cursor(&self, tree: TreeId) -> FileCursor {
        FileCursor { place: sqlite::Cursor::table(page(tree)) }
    }

    fn index_cursor(&self, tree: TreeId, order: Arc<[KeyColumn]>) -> FileCursor {
        FileCursor { place: sqlite::Cursor::index(page(tree), order) }
    }

    fn first(&mut self, cursor: &mut FileCursor) -> Result<bool> {
        Ok(!is_void(self) && cursor.place.first(self)?)
    }

    fn last(&mut self, cursor: &mut FileCursor) -> Result<bool> {
        Ok(!is_void(self) && cursor.place.last(self)?)
    }

    #[inline]
    fn next(&mut self, cursor: &mut FileCursor) -> Result<bool> {
        Ok(cursor.place.step(self) || cursor.place.next(self)?)
    }

    fn previous(&mut self, cursor: &mut FileCursor) -> Result<bool> {
        Ok(cursor.place.previous(self)?)
    }

    fn seek(&mut self, cursor: &mut FileCursor, rowid: i64) -> Result<Option<Ordering>> {
        if is_void(self) {
            return Ok(None);
        }
        Ok(cursor.place.seek(self, rowid)?)
    }

    fn seek_columns(&mut self, cursor: &mut FileCursor, columns: &[ValueRef<'_>]) -> Result<Option<Ordering>> {
        Ok(cursor.place.seek_columns(self, columns)?)
    }

    fn seek_behind(&mut self, cursor: &mut FileCursor, columns: &[ValueRef<'_>]) -> Result<bool> {
        Ok(cursor.place.seek_behind(self, columns)?)
    }

    fn has_row(&mut self, tree: TreeId, rowid: i64) -> Result<bool> {
        Ok(!is_void(self) && self.has_row(page(tree), rowid)?)
    }

    fn last_rowid(&mut self, tree: TreeId) -> Result<Option<i64>> {
        match is_void(self) {
            true => Ok(None),
            false => Ok(self.last_rowid(page(tree))?),
        }
    }

    fn leave(&mut self, cursor: &mut FileCursor) {
        cursor.place.leave();
    }

    fn load(&mut self, cursor: &mut FileCursor) -> Result<()> {
        cursor.place.payload(self)?;
        Ok(())
    }

    fn begin_read(&mut self) -> Result<()> {
        self.begin_read()?;
        in_utf8(self)
    }

    fn end_read(&mut self) -> Result<()> {
        Ok(self.end_read()?)
    }

    fn begin(&mut self) -> Result<()> {
        writable(self)?;
        self.begin()?;
        in_utf8(self)
    }

    fn begin_exclusive(&mut self) -> Result<()> {
        writable(self)?;
        self.begin_exclusive()?;
        in_utf8(self)
    }

    fn commit(&mut self) -> Result<()> {
        Ok(self.commit()?)
    }

    fn journal(&self) -> Option<PathBuf> {
        self.journal().filter(|_| !is_nameless(self))
    }

    fn begin_super_journal(&mut self, journals: &[PathBuf]) -> Result<Option<PathBuf>> {
        // As in SQLite: without a name there is no place for it.
        if is_nameless(self) { Ok(None) } else { Ok(Some(self.begin_super_journal(journals)?)) }
    }

    fn end_super_journal(&mut self, name: &Path) -> Result<()> {
        Ok(self.end_super_journal(name)?)
    }

    fn lock_to_commit(&mut self) -> Result<()> {
        Ok(self.lock_to_commit()?)
    }

    fn prepare_commit(&mut self, super_journal: Option<&Path>) -> Result<()> {
        Ok(self.prepare_commit(super_journal)?)
    }

    fn roll_back(&mut self) -> Result<()> {
        Ok(self.roll_back()?)
    }

    fn savepoint(&mut self) -> Result<()> {
        self.savepoint()?;
        Ok(())
    }

    fn roll_back_to(&mut self, depth: usize) -> Result<()> {
        Ok(self.roll_back_to(depth + 1)?)
    }

    fn release(&mut self, depth: usize) -> Result<()> {
        Ok(self.release(depth + 1)?)
    }

    fn schema_cookie(&mut self) -> Result<u32> {
        Ok(self.header().schema_cookie)
    }

    fn change_schema(&mut self) -> Result<()> {
        Ok(self.change_schema()?)
    }

    fn about(&mut self) -> Result<About> {
        let header = self.header();
        let journal = match self.journal_mode() {
            _ if is_nameless(self) => Journal::Memory,
            sqlite::JournalMode::Wal => Journal::Wal,
            sqlite::JournalMode::Delete => Journal::Delete,
            sqlite::JournalMode::Truncate => Journal::Truncate,
            sqlite::JournalMode::Persist => Journal::Persist,
            sqlite::JournalMode::Memory => Journal::Memory,
        };
        Ok(About {
            file: (!is_nameless(self)).then(|| self.path().display().to_string()),
            pages: Some(Pages { size: header.page_size, count: self.pages(), free: header.free_pages }),
            encoding: header.encoding,
            user_version: header.user_version as i32,
            application_id: header.application_id as i32,
            journal,
            auto_vacuum: u8::from(header.is_auto_vacuum()) + u8::from(header.incremental_vacuum),
            cache_size: self.cache_size(),
            journal_limit: self.journal_limit().map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX)),
            is_changed: self.has_changes(),
            keeps_locks: self.locking() == sqlite::Locking::Exclusive,
            synchronous: LEVELS.iter().position(|level| *level == self.synchronous()).unwrap_or(2) as u8,
            autocheckpoint: self.autocheckpoint(),
            busy_timeout: self.busy_timeout().map_or(Duration::ZERO, |busy| busy.limit),
        })
    }

    fn set(&mut self, setting: Setting) -> Result<()> {
        match setting {
            Setting::UserVersion(number) => self.set_user_version(number as u32)?,
            Setting::ApplicationId(number) => self.set_application_id(number as u32)?,
            Setting::SchemaCookie(cookie) => self.set_schema_cookie(cookie)?,
            Setting::PageSize(size) => {
                self.set_page_size(size)?;
            }
            Setting::DropAutoVacuum(drops) => self.drop_auto_vacuum(drops),
            Setting::Journal(journal) => set_journal(self, journal)?,
            Setting::KeepLocks(true) => self.set_locking(sqlite::Locking::Exclusive)?,
            Setting::KeepLocks(false) => self.set_locking(sqlite::Locking::Normal)?,
            Setting::JournalLimit(limit) => self.set_journal_limit(u64::try_from(limit).ok()),
            Setting::Synchronous(level) => {
                self.set_synchronous(LEVELS.get(usize::from(level)).copied().unwrap_or_default());
            }
            Setting::Autocheckpoint(frames) => self.set_autocheckpoint(frames),
            Setting::CacheSize(size) => self.set_cache_size(size),
            Setting::BusyTimeout(limit) => set_busy_timeout(self, limit)?,
        }
        Ok(())
    }

    fn set_interrupt(&mut self, interrupt: Arc<AtomicBool>) {
        self.set_interrupt(Some(interrupt));
    }

    fn check(&mut self, orders: &BTreeMap<TreeId, Arc<[KeyColumn]>>) -> Result<Option<String>> {
        let order = |entry: &sqlite::SchemaEntry| orders.get(&entry.root.into()).map(|order| order.to_vec());
        match self.check(&mut { order }) {
            Ok(_) => Ok(None),
            Err(error) if error.is_corrupt() => Ok(Some(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    fn copy_to(&mut self, name: &str) -> Result<()> {
        refused(self.copy_to(Path::new(name)))
    }

    fn beside(&mut self, name: &str) -> Result<Self> {
        let opened = match name {
            "" | MEMORY => self.beside(None),
            file => self.beside(Some(Path::new(file))),
        };
        opened.map_err(|error| match Failure::from(error) {
            failure if failure.code() == ResultCode::CANT_OPEN => {
                Failure::new(ResultCode::CANT_OPEN, format!("unable to open database: {name}"))
            }
            failure => failure,
        })
    }

    fn temporary(&mut self, in_memory: bool) -> Result<Self> {
        Ok(if in_memory { self.beside(None)? } else { self.temporary()? })
    }

    fn vacuum(&mut self) -> Result<()> {
        refused(self.vacuum())
    }

    fn checkpoint(&mut self, kind: Checkpoint) -> Result<Checkpointed> {
        if self.is_reading() || self.is_writing() {
            return Err(Failure::new(ResultCode::LOCKED, "database table is locked"));
        }
        let mode = match kind {
            Checkpoint::Passive => sqlite::Checkpoint::Passive,
            Checkpoint::Full => sqlite::Checkpoint::Full,
            Checkpoint::Restart => sqlite::Checkpoint::Restart,
            Checkpoint::Truncate => sqlite::Checkpoint::Truncate,
        };
        let Some(done) = refused(self.checkpoint(mode))? else { return Ok(Checkpointed::NOTHING) };
        Ok(Checkpointed { busy: done.busy, frames: done.frames, backfilled: done.backfilled })
    }
}
