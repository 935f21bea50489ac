//! A disk that is full soon, so that a wild length costs an error and not a gigabyte.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::{File, MemoryVfs, Open, Vfs};

/// The most bytes of a file.
const LIMIT: u64 = 1 << 20;

#[derive(Debug)]
pub struct SmallDisk(pub MemoryVfs);

#[derive(Debug)]
struct SmallFile(Arc<dyn File>);

fn fits(len: Option<u64>) -> io::Result<()> {
    if len.is_some_and(|len| len <= LIMIT) { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
}

impl Vfs for SmallDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(SmallFile(self.0.open(path, how)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.0.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.hard_link(from, to)
    }
}

impl File for SmallFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        fits(offset.checked_add(data.len() as u64))?;
        self.0.write_all_at(data, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        fits(Some(len))?;
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }
}
