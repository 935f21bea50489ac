//! What is not needed any more, and goes in the background.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use xs_os::vfs::Vfs;
use xs_storage::Error as StorageError;
use xs_storage::log::{Index as Position, Log};

/// Records and snapshots that nobody needs, from [`RaftStore::garbage`](super::RaftStore::garbage).
#[derive(Debug)]
#[must_use = "it takes up space until it is collected"]
pub struct Garbage {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) dir: PathBuf,
    pub(super) log: Log,
    pub(super) to: Position,
    pub(super) snapshots: Vec<PathBuf>,
}

impl Garbage {
    /// Removes it. It waits for the disk, so it is work for a job; the store may be used meanwhile.
    ///
    /// # Errors
    /// From the disk. If it was the log's, the log has stopped; a snapshot that could not be removed is found again at the
    /// next opening.
    pub fn collect(self) -> Result<(), StorageError> {
        // What takes its place must be durable first.
        self.log.sync()?;
        for path in &self.snapshots {
            match self.vfs.remove(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StorageError::io("remove", path)(error));
                }
                _ => {}
            }
        }
        if !self.snapshots.is_empty() {
            self.vfs.sync_dir(&self.dir).map_err(StorageError::io("sync", &self.dir))?;
        }
        self.log.trim_to(self.to)
    }
}
