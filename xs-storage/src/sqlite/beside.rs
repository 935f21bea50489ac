//! Other databases of the same program, which it asks for by name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xs_os::Rng;
use xs_os::vfs::{MemoryVfs, Vfs};

use super::database::{Database, Options};
use super::journal::JournalMode;
use super::lock::Locking;
use super::synchronous::Synchronous;
use crate::{Error, Result};

/// The name of what is in memory, as SQLite has it.
const MEMORY: &str = ":memory:";

impl Database {
    /// Opens another database as this one was opened: whether it is only read, how long it waits, how much memory it may take.
    /// It is on the disk of [`Options::copies`]; without a path, in memory, and nobody else's.
    ///
    /// # Errors
    ///
    /// Those of [`Database::open`].
    pub fn beside(&mut self, path: Option<&Path>) -> Result<Database> {
        let pager = &mut self.pager;
        let read_only = pager.read_only && path.is_some();
        let options = Options {
            read_only,
            create: !read_only,
            memory: pager.memory,
            busy_timeout: pager.busy.clone(),
            autocheckpoint: pager.autocheckpoint.map_or(0, std::num::NonZeroU32::get),
            copies: Some(pager.copies.clone()),
            directory: pager.directory.clone(),
            temporary: pager.temporary.clone(),
            ..Options::default()
        };
        let (vfs, path): (Arc<dyn Vfs>, PathBuf) = match path {
            Some(path) => (pager.copies.clone(), self.pager.named(path)),
            None => (Arc::new(MemoryVfs::new()), PathBuf::from(MEMORY)),
        };
        let rng = Rng::from_seed(self.pager.rng.next_u64());
        Database::open(vfs, &path, options, rng)
    }

    /// Makes a new database whose file has no name and is gone with it, in [`Options::temporary`]; without such a directory, in
    /// memory.
    ///
    /// # Errors
    ///
    /// Those of [`Database::open`].
    pub fn temporary(&mut self) -> Result<Database> {
        let Some(directory) = self.pager.temporary.clone() else { return self.beside(None) };
        let path = directory.join(format!("xs_{:016x}", self.pager.rng.next_u64()));
        let vfs = self.pager.copies.clone();
        let options = Options {
            memory: self.pager.memory,
            // Nobody looks for it after a crash.
            locking: Locking::Exclusive,
            journal_mode: JournalMode::Memory,
            synchronous: Synchronous::Off,
            ..Options::default()
        };
        let rng = Rng::from_seed(self.pager.rng.next_u64());
        let made = Database::open(vfs.clone(), &path, options, rng)?;
        vfs.remove(&path).map_err(Error::io("remove", &path))?;
        Ok(made)
    }
}
