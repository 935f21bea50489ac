//! Transactions over several databases: a file that the journals of all of them name at their ends. While it is there, nothing is
//! committed, and whoever finds one of the journals undoes its part; whoever removes it has committed for all.
//!
//! ```text
//! a-journal   │ … records │ number of the lock's page │ name │ its length │ its sum │ magic │
//! b-journal   │ …         │                             name                               │
//! a-mj…       │ a-journal \0 b-journal \0 │
//! ```

use std::path::{Path, PathBuf};

use xs_os::vfs::{File, Open, Vfs, VfsExt, parent};

use super::database::Database;
use super::header::lock_page;
use super::journal::{JournalMode, MAGIC, read};
use super::node::get_u32;
use super::synchronous::Synchronous;
use crate::{Error, Result};

/// The longest name that is believed.
const NAME: u32 = 4096;
/// The longest list of journals that is believed: more databases than SQLite can be built for.
const LIST: usize = 130 * NAME as usize;

/// As SQLite adds it up: bytes have signs.
fn sum(name: &[u8]) -> u32 {
    name.iter().fold(0, |sum, byte| sum.wrapping_add(*byte as i8 as u32))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::Invalid(format!("a name that is no UTF-8: {}", path.display())))
}

/// What a journal ends with that names one.
pub(super) fn tail(name: &Path, page_size: usize) -> Result<Vec<u8>> {
    let name = text(name)?.as_bytes();
    let mut tail = lock_page(page_size as u32).to_be_bytes().to_vec();
    tail.extend_from_slice(name);
    tail.extend_from_slice(&(name.len() as u32).to_be_bytes());
    tail.extend_from_slice(&sum(name).to_be_bytes());
    tail.extend_from_slice(&MAGIC);
    Ok(tail)
}

/// The one that a journal names, if it does.
pub(super) fn named_by(journal: &dyn File, path: &Path) -> Result<Option<PathBuf>> {
    let len = journal.len().map_err(Error::io("measure", path))?;
    let mut tail = [0; 16];
    if len < 16 || !read(journal, path, &mut tail, len - 16)? || tail[8..] != MAGIC {
        return Ok(None);
    }
    let name_len = get_u32(&tail, 0);
    if name_len == 0 || name_len > NAME || u64::from(name_len) + 16 > len {
        return Ok(None);
    }
    let mut name = vec![0; name_len as usize];
    let whole = read(journal, path, &mut name, len - 16 - u64::from(name_len))?;
    if !whole || get_u32(&tail, 4) != sum(&name) || name.first() == Some(&0) {
        return Ok(None);
    }
    Ok(String::from_utf8(name).ok().map(|name| PathBuf::from(name.trim_end_matches('\0'))))
}

/// Whether there was one and somebody has removed it.
pub(super) fn is_gone(vfs: &dyn Vfs, name: Option<&Path>) -> Result<bool> {
    match name {
        None => Ok(false),
        Some(name) => Ok(!vfs.exists(name).map_err(Error::io("open", name))?),
    }
}

/// Removes one that no journal names any more.
pub(super) fn remove_if_unused(vfs: &dyn Vfs, name: &Path) -> Result<()> {
    let list = match vfs.read(name, LIST) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        // What is none is not to be removed.
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => return Ok(()),
        list => list.map_err(Error::io("read", name))?,
    };
    for journal in list.split(|byte| *byte == 0).filter(|journal| !journal.is_empty()) {
        let Ok(journal) = str::from_utf8(journal) else { return Ok(()) };
        let path = Path::new(journal);
        let file = match vfs.open(path, Open::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            opened => opened.map_err(Error::io("open", path))?,
        };
        if named_by(&*file, path)?.as_deref() == Some(name) {
            return Ok(());
        }
    }
    vfs.remove(name).map_err(Error::io("remove", name))
}

impl Database {
    /// The journal that undoes the transaction after a crash, if it has changed something and has one. One in memory undoes
    /// nothing then, and a write-ahead log commits by itself.
    pub fn journal(&self) -> Option<PathBuf> {
        let on_disk = matches!(self.journal_mode(), JournalMode::Delete | JournalMode::Truncate | JournalMode::Persist);
        let counts = on_disk && self.synchronous() > Synchronous::Off && self.has_changes();
        counts.then(|| self.pager.names.journal.clone())
    }

    /// Makes a super-journal beside this database, durably, for a transaction of several databases with these journals.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Invalid`] for names that are no UTF-8.
    pub fn begin_super_journal(&mut self, journals: &[PathBuf]) -> Result<PathBuf> {
        let mut list = Vec::new();
        for journal in journals {
            list.extend_from_slice(text(journal)?.as_bytes());
            list.push(0);
        }
        let mut name = self.path().as_os_str().to_owned();
        let chance = self.pager.rng.next_u64();
        name.push(format!("-mj{:06X}9{:02X}", chance >> 8 & 0xFF_FFFF, chance & 0xFF));
        let name = PathBuf::from(name);
        let file = self.pager.vfs.open(&name, Open::New).map_err(Error::io("create", &name))?;
        let made = file.write_all_at(&list, 0).and_then(|()| file.sync()).map_err(Error::io("write", &name));
        let made = made.and_then(|()| self.pager.vfs.sync_dir(parent(&name)).map_err(Error::io("sync", parent(&name))));
        if made.is_err() {
            // No journal names it yet.
            let _ = self.pager.vfs.remove(&name);
        }
        made.map(|()| name)
    }

    /// Removes a super-journal: the moment in which all of its databases are committed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: whether it was removed is not known then.
    pub fn end_super_journal(&mut self, name: &Path) -> Result<()> {
        self.pager.vfs.remove(name).map_err(Error::io("remove", name))?;
        self.pager.vfs.sync_dir(parent(name)).map_err(Error::io("sync", parent(name)))
    }

    /// The first half of a commit: nobody else reads from here on. The transaction goes on.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if others read for longer than [`Options::busy_timeout`](super::Options::busy_timeout).
    pub fn lock_to_commit(&mut self) -> Result<()> {
        self.pager.lock_to_commit()
    }

    /// The second: everything is in the file, and can still be undone. What is left is [`Database::commit`] or
    /// [`Database::roll_back`]. A transaction with a write-ahead log stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and the like: it can only be rolled back.
    pub fn prepare_commit(&mut self, super_journal: Option<&Path>) -> Result<()> {
        self.pager.prepare_commit(super_journal)
    }
}
