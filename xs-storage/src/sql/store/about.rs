//! What a store says of itself, and what it can be told: what `PRAGMA` is about.

use std::time::Duration;

use crate::row::Encoding;

/// What undoes a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// A file that is removed at the transaction's end.
    Delete,
    /// A file that is cut to nothing.
    Truncate,
    /// A file whose beginning is wiped.
    Persist,
    /// Memory.
    Memory,
    /// A log in front of the database.
    Wal,
}

impl Journal {
    /// All of them.
    pub const ALL: [Journal; 5] = [Journal::Delete, Journal::Truncate, Journal::Persist, Journal::Memory, Journal::Wal];

    /// What SQLite calls it.
    pub fn name(self) -> &'static str {
        match self {
            Journal::Delete => "delete",
            Journal::Truncate => "truncate",
            Journal::Persist => "persist",
            Journal::Memory => "memory",
            Journal::Wal => "wal",
        }
    }
}

/// How far the pages of a write-ahead log are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// As far as nobody is in the way.
    Passive,
    /// All of them, behind a wait for who writes and for old readers.
    Full,
    /// Also waits until nobody reads the log.
    Restart,
    /// Also cuts the log.
    Truncate,
}

/// What that has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpointed {
    /// Whether others were in the way.
    pub busy: bool,
    /// Frames of the log; none without one.
    pub frames: Option<u32>,
    /// How many of them were copied.
    pub backfilled: Option<u32>,
}

impl Checkpointed {
    /// There is no log.
    pub const NOTHING: Checkpointed = Checkpointed { busy: false, frames: None, backfilled: None };
}

/// The pages of a store that has some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Bytes of each.
    pub size: u32,
    /// How many there are.
    pub count: u32,
    /// How many of them are free.
    pub free: u32,
}

/// What a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The file that it is in, if it is in one.
    pub file: Option<String>,
    /// Its pages, if it has some.
    pub pages: Option<Pages>,
    /// How text is written.
    pub encoding: Encoding,
    /// A number of the user's.
    pub user_version: i32,
    /// A number of the application's.
    pub application_id: i32,
    /// How transactions are undone.
    pub journal: Journal,
    /// Whether free pages are given back: 0 never, 1 at each commit, 2 when asked.
    pub auto_vacuum: u8,
    /// What may be in memory: so many pages, or KiB if it is negative.
    pub cache_size: i32,
    /// Whether the transaction under way has changed something.
    pub is_changed: bool,
    /// Whether locks are kept once they are taken.
    pub keeps_locks: bool,
    /// How much commits wait for the disk: 0 for not at all, up to 3.
    pub synchronous: u8,
    /// Frames of a write-ahead log from which on they are copied to the database; 0 for never.
    pub autocheckpoint: u32,
    /// Bytes that a journal or a log that is kept has at most; -1 for no limit.
    pub journal_limit: i64,
    /// How long it waits for others.
    pub busy_timeout: Duration,
}

impl Default for About {
    /// Of a store in memory.
    fn default() -> About {
        About {
            file: None,
            pages: None,
            encoding: Encoding::Utf8,
            user_version: 0,
            application_id: 0,
            journal: Journal::Memory,
            auto_vacuum: 0,
            cache_size: -2000,
            journal_limit: -1,
            is_changed: false,
            keeps_locks: false,
            synchronous: 2,
            autocheckpoint: 1000,
            busy_timeout: Duration::ZERO,
        }
    }
}

/// What a store can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// [`About::user_version`], within a transaction.
    UserVersion(i32),
    /// [`About::application_id`], within a transaction.
    ApplicationId(i32),
    /// What [`Store::schema_cookie`](super::Store::schema_cookie) is, within a transaction.
    SchemaCookie(u32),
    /// Bytes of a page. A store that has pages already stays as it is.
    PageSize(u32),
    /// Whether the next `VACUUM` leaves [`About::auto_vacuum`] at 0.
    DropAutoVacuum(bool),
    /// How transactions are undone. A store that can't do it so goes on as before.
    Journal(Journal),
    /// [`About::cache_size`]
    CacheSize(i32),
    /// [`About::keeps_locks`]. A store that can't do it so goes on as before.
    KeepLocks(bool),
    /// [`About::journal_limit`]
    JournalLimit(i64),
    /// [`About::synchronous`]
    Synchronous(u8),
    /// [`About::autocheckpoint`]
    Autocheckpoint(u32),
    /// [`About::busy_timeout`]
    BusyTimeout(Duration),
}
