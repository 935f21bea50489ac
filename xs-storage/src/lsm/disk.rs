//! What all parts of one tree share: the directory, the memory for blocks, and the counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xs_os::vfs::Vfs;

use super::files::{Files, Handle};
use super::options::Options;
use super::table::BlockCache;
use crate::{Error, Result};

/// A directory and what is known about it.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) options: Options,
    pub(super) dir: PathBuf,
    pub(super) cache: BlockCache,
    pub(super) files: Arc<Files>,
    pub(super) written: AtomicU64,
    pub(super) syncs: AtomicU64,
    next_file: AtomicU64,
}

/// The files of a tree by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Table(u64),
    Blob(u64),
}

impl Disk {
    pub(super) fn new(options: Options, dir: PathBuf, next_file: u64) -> Self {
        let cache = BlockCache::new(options.memory / 2);
        let files = Arc::new(Files::new(options.max_open_files));
        let next_file = AtomicU64::new(next_file);
        Disk { options, dir, cache, files, written: AtomicU64::new(0), syncs: AtomicU64::new(0), next_file }
    }

    pub(super) fn vfs(&self) -> &dyn Vfs {
        &*self.options.vfs
    }

    /// A number that no file has.
    pub(super) fn new_number(&self) -> u64 {
        self.next_file.fetch_add(1, Ordering::Relaxed)
    }

    /// The number that the next new file gets.
    pub(super) fn next_number(&self) -> u64 {
        self.next_file.load(Ordering::Relaxed)
    }

    pub(super) fn path(&self, name: Name) -> PathBuf {
        self.dir.join(name.file())
    }

    /// A file to read, which is opened when it is.
    pub(super) fn handle(&self, path: PathBuf) -> Arc<Handle> {
        Handle::new(self.options.vfs.clone(), self.files.clone(), path)
    }

    /// Makes the names in the directory durable.
    pub(super) fn sync_dir(&self) -> Result<()> {
        self.count_sync();
        self.vfs().sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))
    }

    pub(super) fn count_written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn count_sync(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }
}

impl Name {
    pub(super) fn file(self) -> String {
        match self {
            Name::Table(n) => format!("{n:08}.table"),
            Name::Blob(n) => format!("{n:08}.blob"),
        }
    }

    /// None if it is no name of ours.
    pub(super) fn parse(name: &Path) -> Option<Name> {
        let stem = name.file_stem()?.to_str()?;
        let n = stem.parse().ok()?;
        let name = match name.extension()?.to_str()? {
            "table" => Name::Table(n),
            "blob" => Name::Blob(n),
            _ => return None,
        };
        Some(name)
    }
}

/// Removes a file when the last one who uses it lets it go, if it has become obsolete until then.
#[derive(Debug)]
pub(super) struct Doomed {
    pub(super) path: PathBuf,
    vfs: Arc<dyn Vfs>,
    doomed: std::sync::atomic::AtomicBool,
}

impl Doomed {
    pub(super) fn new(vfs: Arc<dyn Vfs>, path: PathBuf) -> Self {
        Doomed { path, vfs, doomed: false.into() }
    }

    pub(super) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    pub(super) fn spare(&self) {
        self.doomed.store(false, Ordering::Release);
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if *self.doomed.get_mut() {
            // Should it fail, or the machine stop first: files that no manifest names are removed at the next opening.
            let _ = self.vfs.remove(&self.path);
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in [Name::Table(7), Name::Blob(123_456_789)] {
            assert_eq!(Name::parse(Path::new(&name.file())), Some(name));
        }
        assert_eq!(Name::parse(Path::new("manifest")), None);
        assert_eq!(Name::parse(Path::new("x.table")), None);
    }
}
