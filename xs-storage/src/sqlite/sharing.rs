//! Reading beside others: the lock, what a crash has left, and whether others have written since.

use std::path::Path;

use xs_os::vfs::File;

use super::header::{self, Header, Version};
use super::journal;
use super::lock::{Level, wait};
use super::pager::Pager;
use crate::{Error, Result};

impl Pager {
    /// Whoever reads has this in front of it. The lock is held to the transaction's end, or until reading ends.
    pub(super) fn read(&mut self) -> Result<()> {
        if self.is_locked_to_read() {
            return Ok(());
        }
        if let Some(error) = &self.stopped {
            return Err(error.clone());
        }
        let (busy, names) = (self.busy.clone(), self.names.clone());
        wait(busy.as_ref(), &names.database, || self.try_read())
    }

    /// False while others are in the way, and then nothing is locked.
    pub(super) fn try_read(&mut self) -> Result<bool> {
        if self.is_locked_to_read() {
            return Ok(true);
        }
        if !self.lock.try_shared()? {
            return Ok(false);
        }
        let ready = self.prepare();
        if !matches!(ready, Ok(true)) {
            self.rest()?;
        }
        ready
    }

    pub(super) fn prepare(&mut self) -> Result<bool> {
        if self.wal.is_none() {
            if !self.recover()? || !self.find_log()? {
                return Ok(false);
            }
            if self.wal.is_none() {
                self.load()?;
                // The last one who had its log open took it away.
                if self.header.read_version < 2 {
                    return Ok(true);
                }
                if !self.open_log()? {
                    return Ok(false);
                }
            }
        }
        self.read_log()
    }

    /// Undoes what a crash has left half done.
    fn recover(&mut self) -> Result<bool> {
        if !journal::is_hot(&*self.vfs, &self.names)? || self.lock.is_reserved_by_another()? {
            return Ok(true);
        }
        if self.read_only {
            return Err(Error::ReadOnly { path: self.names.database.clone() });
        }
        if !self.lock.try_exclusive()? {
            return Ok(false);
        }
        // Somebody else may have been faster.
        if journal::is_hot(&*self.vfs, &self.names)? {
            journal::roll_back(&*self.vfs, &self.names, &*self.file, self.mode)?;
        }
        self.lock.down(Level::Shared)?;
        Ok(true)
    }

    /// Notices what others have written. Each transaction counts itself in the header.
    pub(super) fn load(&mut self) -> Result<()> {
        let Some(bytes) = read_start(&*self.file, &self.names.database)? else {
            if self.version != Some(Version::default()) {
                let (page_size, encoding) = self.fresh;
                self.reset(Header::new(page_size, encoding), 0);
                self.version = Some(Version::default());
            }
            return Ok(());
        };
        // Most often it is as it was: there is no need to take it apart.
        if self.version == Some(header::version(&bytes)) {
            return Ok(());
        }
        let header = Header::parse(&bytes, &self.names.database)?;
        let len = self.file.len().map_err(Error::io("measure", &self.names.database))?;
        let pages = header.page_count(len, &self.names.database)?;
        self.version = Some(header.version());
        self.reset(header, pages);
        Ok(())
    }

    /// Begins to read: until it ends, nobody else's change is seen, and nobody can write to the file.
    pub(super) fn begin_read(&mut self) -> Result<()> {
        if self.reading || self.writing.is_some() {
            return Err(Error::Invalid("a transaction is under way already".to_owned()));
        }
        self.end_read()?;
        self.read()?;
        self.reading = true;
        Ok(())
    }

    /// Ends reading. A transaction that writes goes on.
    pub(super) fn end_read(&mut self) -> Result<()> {
        self.reading = false;
        if self.writing.is_none() { self.rest() } else { Ok(()) }
    }

    /// A transaction that was to write has ended; one that reads around it goes on.
    pub(super) fn unlock(&mut self) -> Result<()> {
        if let Some(wal) = &mut self.wal {
            wal.end_write()?;
            return if self.reading { Ok(()) } else { wal.end_read() };
        }
        self.down(if self.reading { Level::Shared } else { Level::None })
    }

    /// Nobody else reads from here on; a transaction that has begun ends if they do.
    pub(super) fn keep_readers_out(&mut self) -> Result<()> {
        if self.wal.is_some() {
            return Ok(());
        }
        let (busy, lock) = (self.busy.clone(), &mut self.lock);
        let alone = wait(busy.as_ref(), &self.names.database, || lock.try_exclusive());
        if alone.is_err() {
            self.roll_back()?;
        }
        alone
    }

    /// Takes the locks for as long as the handle lives.
    pub(super) fn lock_for_good(&mut self) -> Result<()> {
        let (busy, names) = (self.busy.clone(), self.names.clone());
        wait(busy.as_ref(), &names.database, || {
            let taken = self.lock.try_shared()? && (self.read_only || self.lock.try_exclusive()?);
            if taken {
                self.lock.keep();
                if self.prepare()? {
                    return Ok(true);
                }
                self.lock.keep_not();
            }
            self.lock.down(Level::None)?;
            Ok(false)
        })
    }
}

/// Reads the bytes of a file's header; none if the file is empty.
fn read_start(file: &dyn File, path: &Path) -> Result<Option<[u8; header::LEN]>> {
    let mut bytes = [0; header::LEN];
    match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            if file.is_empty().map_err(Error::io("measure", path))? {
                return Ok(None);
            }
            Err(Error::NotOurs {
                path: path.to_owned(),
                expected: "SQLite 3 database",
                what: "it ends before its header does".to_owned(),
            })
        }
        done => done.map(|()| Some(bytes)).map_err(Error::io("read", path)),
    }
}

/// Reads the bytes of the header of a file that has one.
pub(super) fn read_header(file: &dyn File, path: &Path) -> Result<[u8; header::LEN]> {
    read_start(file, path)?.ok_or_else(|| Error::NotOurs {
        path: path.to_owned(),
        expected: "SQLite 3 database",
        what: "it is empty".to_owned(),
    })
}
