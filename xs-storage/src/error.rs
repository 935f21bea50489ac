//! What can go wrong with a store on a disk, said once for logs and engines.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a log or an engine answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a store refuses. Cloning is cheap: an engine that has stopped gives every caller the same reason.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk answered with an error. Reads may be tried again; after one from a write or a sync the store has
    /// [stopped](Error::Stopped).
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// What was tried: a verb, `read`, `write`, `sync`, `open`.
        action: &'static str,
        /// Of which file or directory.
        path: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// Bytes that were durable are not what was written: bit rot, another program, or a bug. Restore from a backup, or
    /// see the engine's `check`.
    #[error("{}: corrupt at byte {offset}: {what}", path.display())]
    Corrupt {
        /// In which file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The directory or file belongs to something else. Give another one.
    #[error("{}: not a {expected}: {what}", path.display())]
    NotOurs {
        /// What was opened.
        path: PathBuf,
        /// What it should have been.
        expected: &'static str,
        /// How it shows.
        what: String,
    },
    /// The path has a file where a directory should be: in its middle, or at its end if it is a store's. Give another one.
    #[error("{}: a file stands where a directory should be: name another path", path.display())]
    NotADirectory {
        /// What was to be opened.
        path: PathBuf,
    },
    /// A layer found entries in its engine that it did not write. Give it an engine of its own.
    #[error("the engine holds {what}: a layer needs an engine of its own")]
    Foreign {
        /// How it shows.
        what: String,
    },
    /// A newer version of this library wrote it. Update.
    #[error("{}: format version {found}, and this build reads up to {known}: update it", path.display())]
    NewerFormat {
        /// What was opened.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest that this build knows.
        known: u32,
    },
    /// Another handle or process has it open. End that one first.
    #[error("{}: in use by another process, or opened twice in this one", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// What was read has been changed by another handle since, and so nothing can be written that builds on it. End the
    /// transaction, and begin again.
    #[error("{}: changed by another since reading began: begin again", path.display())]
    Snapshot {
        /// The database.
        path: PathBuf,
    },
    /// The medium takes no writes, and a store writes even when it is only read: its lock, and what a crash has left to
    /// be put in order. Mount it to be written, or copy the store.
    #[error("{}: the file system is read-only: mount it to be written, or open a copy of the store", path.display())]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
    },
    /// A key, value or batch above its limit. Nothing was written.
    #[error("{what} of {len} bytes, and the limit is {limit}")]
    TooLarge {
        /// `key`, `value`, `batch`.
        what: &'static str,
        /// Its length in bytes.
        len: u64,
        /// The most that is taken, in bytes.
        limit: u64,
    },
    /// An earlier failure (a failed sync, a full disk) means that nothing more can be promised: reads go on, writes are
    /// refused until the store is opened again.
    #[error("writing has stopped: {reason}; reads go on, open the store again to recover")]
    Stopped {
        /// The failure that stopped it.
        reason: Arc<Error>,
    },
    /// Somebody asked for work to end that takes long. Nothing of it stays.
    #[error("interrupted")]
    Interrupted,
    /// An option, or a call, that makes no sense here.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// A failed call of the disk. For `map_err`: `file.sync().map_err(Error::io("sync", &path))`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Error::ReadOnly { path: path.to_owned() },
            io::ErrorKind::NotADirectory => Error::NotADirectory { path: path.to_owned() },
            _ => Error::Io { action, path: path.to_owned(), source: Arc::new(source) },
        }
    }

    /// Wrong bytes in a file.
    pub fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> Error {
        Error::Corrupt { path: path.to_owned(), offset, what: what.into() }
    }

    /// The same failure as every later writer sees it.
    pub fn stopped(self) -> Error {
        match self {
            Error::Stopped { .. } => self,
            reason => Error::Stopped { reason: Arc::new(reason) },
        }
    }

    /// Whether the disk has no space left.
    pub fn is_full(&self) -> bool {
        match self {
            Error::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Error::Stopped { reason } => reason.is_full(),
            _ => false,
        }
    }

    /// Whether bytes on the disk are wrong.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Error::Corrupt { .. })
    }
}
