//! One owner for a directory.

use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::{File, Open, Vfs};

use crate::{Error, Result};

/// Takes the lock of a store: a file, made if it is missing, that is locked for as long as the handle lives.
///
/// # Errors
///
/// [`Error::Locked`] if another handle has it, of this process or another; [`Error::Io`] from the disk.
pub fn lock(vfs: &dyn Vfs, path: &Path) -> Result<Arc<dyn File>> {
    let file = vfs.open(path, Open::Create).map_err(Error::io("open", path))?;
    match file.try_lock().map_err(Error::io("lock", path))? {
        true => Ok(file),
        false => Err(Error::Locked { path: path.to_owned() }),
    }
}
