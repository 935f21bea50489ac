//! Copies of an open tree.

use std::path::Path;

use xs_os::vfs::{File, Open, Vfs, VfsExt};

use super::core::Core;
use super::disk::Name;
use super::events::Event;
use super::manifest::Manifest;
use super::open::check_empty;
use super::version::Version;
use crate::{Error, Result};

/// What is copied at once where files cannot be linked.
const CHUNK: usize = 1 << 20;

impl Core {
    /// Everything up to now must have been flushed. Tables never change, so a second name for each is a copy.
    pub(super) fn checkpoint(&self, dir: &Path) -> Result<()> {
        let vfs = self.disk.vfs();
        vfs.make_dir(dir).map_err(Error::io("create", dir))?;
        check_empty(vfs, dir)?;
        // Holding the version holds its files.
        let state = self.state.load_full();
        let version = &state.version;
        self.copy_to(version, dir).inspect_err(|_| {
            // A part of a copy is no store, and would only be in the way of the next attempt. The manifest goes first.
            let tables = version.tables().map(|table| Name::Table(table.info.id));
            let files = tables.chain(version.blobs.keys().map(|id| Name::Blob(*id))).map(|name| dir.join(name.file()));
            let ours = [Manifest::path(dir), dir.join("manifest.new")].into_iter().chain(files);
            ours.for_each(|path| drop(vfs.remove(&path)));
        })
    }

    fn copy_to(&self, version: &Version, dir: &Path) -> Result<()> {
        let vfs = self.disk.vfs();
        let tables = version.tables().map(|table| (Name::Table(table.info.id), table.info.bytes));
        let files = tables.chain(version.blobs.values().map(|blob| (Name::Blob(blob.id), blob.bytes)));
        let (mut done, of) = (0, version.bytes());
        for (name, bytes) in files {
            let (from, to) = (self.disk.path(name), dir.join(name.file()));
            match vfs.hard_link(&from, &to) {
                Ok(()) => {}
                // Another file system, or one without links.
                Err(error)
                    if matches!(error.kind(), std::io::ErrorKind::Unsupported | std::io::ErrorKind::CrossesDevices) =>
                {
                    self.disk.count_written(copy(vfs, &from, &to)?);
                }
                Err(error) => return Err(Error::io("link", &to)(error)),
            }
            done += bytes;
            self.disk.options.tell(Event::Progress { done, of });
        }
        vfs.sync_dir(dir).map_err(Error::io("sync", dir))?;
        // With the manifest it becomes a store: last.
        Manifest::of(version, self.disk.next_number()).write(vfs, dir).map(drop)
    }
}

/// Copies a file and makes its bytes durable; returns how many.
pub(super) fn copy(vfs: &dyn Vfs, from: &Path, to: &Path) -> Result<u64> {
    let source = vfs.open(from, Open::Read).map_err(Error::io("open", from))?;
    let target = vfs.open(to, Open::New).map_err(Error::io("create", to))?;
    let mut chunk = vec![0; CHUNK];
    let mut at = 0;
    loop {
        let n = source.read_at(&mut chunk, at).map_err(Error::io("read", from))?;
        if n == 0 {
            break;
        }
        target.write_all_at(&chunk[..n], at).map_err(Error::io("write", to))?;
        at += n as u64;
    }
    File::sync(&*target).map_err(Error::io("sync", to))?;
    Ok(at)
}
