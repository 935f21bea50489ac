//! The names of a database and of the files beside it. Transactions ask for them all the time: they are made once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use xs_os::vfs::parent;

#[derive(Debug)]
pub(super) struct Names {
    pub(super) database: PathBuf,
    /// The rollback journal.
    pub(super) journal: PathBuf,
    /// The write-ahead log.
    pub(super) log: PathBuf,
    /// Where all of them are.
    pub(super) dir: PathBuf,
}

/// The name of a file beside a database: the database's, and what it is.
pub(super) fn beside(database: &Path, what: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(what);
    PathBuf::from(name)
}

impl Names {
    pub(super) fn of(database: PathBuf) -> Self {
        let (journal, log) = (beside(&database, "-journal"), beside(&database, "-wal"));
        let dir = parent(&database).to_owned();
        Names { database, journal, log, dir }
    }
}
