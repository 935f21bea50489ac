//! The write-ahead log: changed pages behind each other in a file of their own, and an index of them that connections share.
//!
//! ```text
//!   database  │ 1 │ 2 │ 3 │ 4 │                         as it was when the log began
//!   log       │ header │ 2 │ 4 ! │ 2 │ 1 │ 2 ! │ 3 …    ! a commit: what stands behind the last does not count
//!                              ▲            ▲
//!                              a reader     another: each sees what was committed when it began
//! ```
//!
//! A commit appends; who reads goes on reading what it has begun with. A *checkpoint* copies pages back to the database, up to
//! what the oldest reader sees; when all are there and nobody reads the log, it begins anew from its start.
//!
//! # Invariants
//!
//! - A frame counts if the sums of all frames up to it are right, with the header's salt, up to the last commit. A log that begins
//!   anew has another salt, so that what an earlier one left counts for nothing.
//! - Nobody copies a page to the database that a reader of it must not see: each reader has locked a mark, and frames behind the
//!   lowest mark stay in the log.
//! - Before the first page is copied the log is durable, and the log begins anew only when the database is.
//! - The index is memory: who comes first makes it from the log.

mod checkpoint;
mod format;
mod head;
mod index;
mod read;
mod recover;
mod share;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use xs_os::vfs::{File, Open, RangeLock, Vfs};

use self::format::FRAME;
pub(super) use self::head::Head;
use self::index::Index;
use self::share::{Opened, Share, Slots};
use super::names::Names;
use super::node::PageId;
use crate::{Error, Result};

pub(super) use self::checkpoint::Manner;
pub use self::checkpoint::{Checkpoint, Checkpointed};
pub(super) use self::write::Appending;

/// The log of a database, as one connection has it open.
#[derive(Debug)]
pub(super) struct Wal {
    vfs: Arc<dyn Vfs>,
    /// The database's file, which checkpoints write to.
    database: Arc<dyn File>,
    names: Arc<Names>,
    file: Arc<dyn File>,
    path: PathBuf,
    index: Index,
    /// What this connection sees; with what it has written itself, while it writes.
    pub(super) head: Head,
    /// The mark that is locked while it reads; 0 for the database without the log.
    reader: Option<usize>,
    /// Frames in front of this one were in the database when it began to read.
    first: u32,
    is_writing: bool,
    /// Whether the lock of checkpoints is this connection's.
    is_checkpointing: bool,
    /// Whether the log has begun anew with the transaction under way.
    has_begun: bool,
    /// How often the log has begun anew, as far as this connection knows.
    checkpoints: u32,
    /// Bytes that frames are gathered in.
    gathered: Vec<u8>,
    /// Whether the log's name is known to be durable.
    is_named: bool,
}

/// Who else may look at the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    Shared,
    /// Nobody: the database's file is locked against all others, and the index is this connection's.
    Alone,
}

/// What comes of opening a log.
#[derive(Debug)]
pub(super) enum Found {
    Log(Box<Wal>),
    /// Another connection is at it.
    Busy,
    /// There is no memory to share here: it goes alone, or not.
    Unshared,
}

impl Wal {
    /// Opens a database's log, and makes it if it is missing.
    pub(super) fn open(
        vfs: &Arc<dyn Vfs>,
        database: &Arc<dyn File>,
        names: &Arc<Names>,
        sharing: Sharing,
    ) -> Result<Found> {
        let share = match sharing {
            Sharing::Alone => None,
            Sharing::Shared => match Share::open(&**vfs, &names.database)? {
                Opened::Shared(share) => Some(share),
                Opened::Busy => return Ok(Found::Busy),
                Opened::Unsupported => return Ok(Found::Unshared),
            },
        };
        let path = names.log.clone();
        let file = vfs.open(&path, Open::Create).map_err(Error::io("open", &path))?;
        Ok(Found::Log(Box::new(Wal {
            vfs: vfs.clone(),
            database: database.clone(),
            names: names.clone(),
            file,
            path,
            index: Index::new(share),
            head: Head::default(),
            reader: None,
            first: 0,
            is_writing: false,
            is_checkpointing: false,
            has_begun: false,
            checkpoints: 0,
            gathered: Vec::new(),
            is_named: false,
        })))
    }

    /// Removes the log and what its index was mapped from. Everything is in the database, which nobody else has open.
    pub(super) fn remove(self) -> Result<()> {
        let Wal { vfs, path, names, .. } = self;
        for path in [path, share::path_of(&names.database)] {
            match vfs.remove(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                done => done.map_err(Error::io("remove", &path))?,
            }
        }
        // A log that came back would be played over what is written without it.
        vfs.sync_dir(&names.dir).map_err(Error::io("sync", &names.dir))
    }

    /// Whether others may have it open too.
    pub(super) fn is_shared(&self) -> bool {
        self.index.share.is_some()
    }

    fn lock(&self, slots: Slots, lock: RangeLock) -> Result<bool> {
        self.index.share.as_ref().map_or(Ok(true), |share| share.lock(slots, lock))
    }

    fn unlock(&self, slots: Slots) -> Result<()> {
        self.index.share.as_ref().map_or(Ok(()), |share| share.unlock(slots))
    }

    fn corrupt(&self, frame: u32, what: &str) -> Error {
        Error::corrupt(&self.path, format::place(frame, self.head.page_size()), what)
    }

    /// Where the newest bytes of a page are that this connection sees, if they are in the log.
    pub(super) fn find(&mut self, id: PageId) -> Result<Option<u32>> {
        if self.reader == Some(0) {
            return Ok(None);
        }
        let last = self.head.last();
        match self.index.find(id, self.first, last)? {
            Ok(found) => Ok(found),
            Err(()) => Err(self.corrupt(last, "an index that makes no sense")),
        }
    }

    /// Reads the start of a frame's page, or all of it.
    pub(super) fn read(&self, frame: u32, page: &mut [u8]) -> Result<()> {
        let at = format::place(frame, self.head.page_size()) + FRAME as u64;
        match self.file.read_exact_at(page, at) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.corrupt(frame, "the log ends in a frame that counts"))
            }
            done => done.map_err(Error::io("read", &self.path)),
        }
    }

    /// The size of the log's pages; none while it has none.
    pub(super) fn page_size(&self) -> Option<u32> {
        (self.head.last() > 0).then(|| self.head.page_size())
    }

    /// Makes the log durable, its name too.
    fn sync(&mut self) -> Result<()> {
        self.file.sync().map_err(Error::io("sync", &self.path))?;
        if !self.is_named {
            let dir = &self.names.dir;
            self.vfs.sync_dir(dir).map_err(Error::io("sync", dir))?;
            self.is_named = true;
        }
        Ok(())
    }
}
