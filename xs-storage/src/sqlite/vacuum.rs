//! Packing a database in place: a whole copy without gaps, and that copy over the old pages, in one transaction.

use std::path::PathBuf;

use xs_os::Rng;

use super::copy::is_empty;
use super::database::{Database, Options};
use super::header::{Header, lock_page};
use super::lock::wait;
use super::names::beside;
use super::pager::Pager;
use super::synchronous::Synchronous;
use crate::cache::Cache;
use crate::{Error, Result};

impl Database {
    /// Writes everything anew, so that no page is free and trees lie together. Rows keep their rowids; the roots of trees change,
    /// and so does the number of the schema. A size of pages that [`Database::set_page_size`] was told counts from here on,
    /// unless there is a write-ahead log. One with auto-vacuum has to be told first that it should have none
    /// ([`Database::drop_auto_vacuum`]).
    ///
    /// The copy is a file beside the database, whose name ends in `-vacuum`. A crash may leave it, and the next call removes it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] within a transaction, [`Error::Locked`] if others read or write, and those of the disk. Then everything is
    /// as it was.
    pub fn vacuum(&mut self) -> Result<()> {
        if self.pager.reading || self.pager.is_writing() {
            return Err(Error::Invalid("cannot VACUUM - SQL statements in progress".to_owned()));
        }
        if self.pager.read_only {
            return Err(Error::ReadOnly { path: self.pager.names.database.clone() });
        }
        self.pager.read()?;
        if self.pager.pages == 0 {
            return self.pager.rest();
        }
        if self.header().is_auto_vacuum() && !self.pager.drops_auto_vacuum {
            self.pager.rest()?;
            let what = "VACUUM of a database with auto_vacuum, which is not written: set it to none first";
            return Err(Error::Invalid(format!("not supported yet: {what}")));
        }
        self.pager.begin_anyhow()?;
        let path = path_of(&self.pager);
        let done = self.vacuum_through(&path);
        if done.is_err() {
            self.roll_back()?;
        }
        match self.pager.vfs.remove(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => done,
            removed => done.and(removed.map_err(Error::io("remove", &path))),
        }
    }

    fn vacuum_through(&mut self, path: &std::path::Path) -> Result<()> {
        let vfs = self.pager.vfs.clone();
        if !is_empty(&*vfs, path).unwrap_or(true) {
            vfs.remove(path).map_err(Error::io("remove", path))?;
        }
        let header = self.header();
        let options = Options {
            page_size: self.pager.next_page_size.filter(|_| self.pager.wal.is_none()).unwrap_or(header.page_size),
            encoding: header.encoding,
            memory: self.pager.memory,
            // Nobody needs it after a crash.
            synchronous: Synchronous::Off,
            ..Options::default()
        };
        let rng = Rng::from_seed(self.pager.rng.next_u64());
        let mut copy = Database::open(vfs, path, options, rng)?;
        copy.fill(self)?;
        copy.pager.read()?;
        let old = self.header();
        let mut header = copy.header().clone();
        (header.read_version, header.write_version) = (old.read_version, old.write_version);
        header.change_counter = old.change_counter;
        self.pager.take_over(&mut copy.pager, header)?;
        (self.pager.next_page_size, self.pager.drops_auto_vacuum) = (None, false);
        Ok(())
    }
}

impl Database {
    /// Whether [`Database::vacuum`] leaves the database without auto-vacuum.
    pub fn drop_auto_vacuum(&mut self, drops: bool) {
        self.pager.drops_auto_vacuum = drops;
    }
}

fn path_of(pager: &Pager) -> PathBuf {
    beside(&pager.names.database, "-vacuum")
}

impl Pager {
    /// Commits the pages of another database in place of all that are there.
    fn take_over(&mut self, copy: &mut Pager, mut header: Header) -> Result<()> {
        let hole = lock_page(header.page_size);
        if self.wal.is_some() {
            for id in (1..=copy.pages).filter(|id| *id != hole) {
                self.check_interrupt()?;
                if self.dirty.len() >= self.most_dirty {
                    self.spill()?;
                }
                let page = copy.get(id)?;
                self.clean.remove(&id);
                self.dirty.insert(id, page);
            }
            (self.header, self.pages) = (header, copy.pages);
            self.moved();
            return self.commit();
        }
        // The size of pages may be another: old ones go to the journal, all of them, and new ones to the file itself.
        let old_lock_page = lock_page(self.header.page_size);
        for id in (1..=self.pages).filter(|id| *id != old_lock_page) {
            self.check_interrupt()?;
            let page = self.get(id)?;
            self.keep(id, &page)?;
        }
        let (busy, lock) = (self.busy.clone(), &mut self.lock);
        wait(busy.as_ref(), &self.names.database, || lock.try_exclusive())?;
        header.count_change(copy.pages);
        self.begin_overwriting()?;
        let size = header.page_size;
        for id in (1..=copy.pages).filter(|id| *id != hole) {
            let page = copy.get(id)?;
            let at = u64::from(id - 1) * u64::from(size);
            match id {
                1 => {
                    let mut bytes = page.bytes.clone();
                    header.write(&mut bytes);
                    self.file.write_all_at(&bytes, at)
                }
                _ => self.file.write_all_at(&page.bytes, at),
            }
            .map_err(Error::io("write", &self.names.database))?;
        }
        let len = u64::from(copy.pages) * u64::from(size);
        self.file.set_len(len).map_err(Error::io("cut", &self.names.database))?;
        self.reset(header, copy.pages);
        self.end_overwriting()
    }
}
