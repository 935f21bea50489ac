//! What was durable, for framings that have no room for marks of their own: a small file beside the segments.
//!
//! It is written behind every sync of entries and synced by the way, in the background, so it costs a write to the page
//! cache. There are two slots; writing goes to the one that was not synced last, so that whatever a crash tears the
//! other says something, if less.
//!
//! ```text
//!  0 and 4096   "xs-logw\n"
//!           8   format   u32 = 1
//!          12   zero     u32
//!          16   epoch    u64  of the segment that it speaks of, and that everything older was followed by
//!          24   durable  u64  everything in front of this index was durable
//!          32   count    u64  the greater one is the newer one
//!          40   crc      u32  CRC32C of the 40 bytes in front
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xs_os::vfs::{File, Open, Vfs};

use super::Index;
use super::framing::{le_u32, le_u64};
use crate::{Error, Result};

/// The file's name.
pub(super) const NAME: &str = "watermark";

const MAGIC: &[u8; 8] = b"xs-logw\n";
const VERSION: u32 = 1;
const LEN: usize = 44;
const APART: u64 = 4096;

/// What a watermark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) epoch: u64,
    pub(super) durable: Index,
}

#[derive(Debug)]
pub(super) struct Watermark {
    path: PathBuf,
    /// None until something is to be said, and while nothing is.
    file: Option<Arc<dyn File>>,
    /// Bytes of the file.
    len: u64,
    /// Its name may not be durable.
    made: bool,
    /// Where the next one goes, and its number.
    slot: u64,
    count: u64,
    /// Bytes of entries that the watermark has come to speak of since it was synced.
    unsynced: u64,
}

impl Watermark {
    /// That of a log, and what it says. The file is made when there is something to say.
    pub(super) fn open(vfs: &dyn Vfs, dir: &Path) -> Result<(Self, Option<Promise>)> {
        let path = dir.join(NAME);
        match vfs.open(&path, Open::Read) {
            Ok(file) => Watermark::load(&*file, path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok((Watermark { path, file: None, len: 0, made: true, slot: 0, count: 0, unsynced: 0 }, None))
            }
            Err(error) => Err(Error::io("open", &path)(error)),
        }
    }

    fn load(file: &dyn File, path: PathBuf) -> Result<(Self, Option<Promise>)> {
        let mut newest: Option<(u64, u64, Promise)> = None;
        for slot in 0..2 {
            let mut bytes = [0; LEN];
            let len = file.read_at(&mut bytes, slot * APART).map_err(Error::io("read", &path))?;
            // One that is not whole was being written.
            let whole = len == LEN && bytes.starts_with(MAGIC) && crc32c::crc32c(&bytes[..40]) == le_u32(&bytes, 40);
            if !whole {
                continue;
            }
            let found = le_u32(&bytes, 8);
            if found > VERSION {
                return Err(Error::NewerFormat { path, found, known: VERSION });
            }
            let promise = Promise { epoch: le_u64(&bytes, 16), durable: Index(le_u64(&bytes, 24)) };
            let count = le_u64(&bytes, 32);
            if newest.is_none_or(|(_, newest, _)| newest < count) {
                newest = Some((slot, count, promise));
            }
        }
        let (slot, count) = newest.map_or((0, 0), |(slot, count, _)| (1 - slot, count.saturating_add(1)));
        let len = file.len().map_err(Error::io("measure", &path))?;
        let watermark = Watermark { path, file: None, len, made: false, slot, count, unsynced: 0 };
        Ok((watermark, newest.map(|(.., promise)| promise)))
    }

    /// Lets go of the file until there is something to say again: a process may have more logs than files.
    pub(super) fn rest(&mut self) {
        self.file = None;
    }

    /// Bytes of its file.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Says that more is durable; `bytes` more than before. True if it should be synced by somebody who has time.
    pub(super) fn raise(&mut self, vfs: &dyn Vfs, promise: Promise, bytes: u64, sync_from: u64) -> Result<bool> {
        let file = match self.file.take() {
            Some(file) => file,
            None => vfs.open(&self.path, Open::Create).map_err(Error::io("open", &self.path))?,
        };
        let mut out = [0; LEN];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[16..24].copy_from_slice(&promise.epoch.to_le_bytes());
        out[24..32].copy_from_slice(&promise.durable.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.count.to_le_bytes());
        let sum = crc32c::crc32c(&out[..40]);
        out[40..].copy_from_slice(&sum.to_le_bytes());
        let written = file.write_all_at(&out, self.slot * APART).map_err(Error::io("write", &self.path));
        self.file = Some(file);
        written?;
        self.len = self.len.max(self.slot * APART + LEN as u64);
        self.count = self.count.saturating_add(1);
        self.unsynced = self.unsynced.saturating_add(bytes);
        Ok(self.unsynced >= sync_from)
    }

    /// Syncs it, if there is a reason to; the next one goes to the other slot then.
    pub(super) fn sync(&mut self, vfs: &dyn Vfs, dir: &Path, from: u64) -> Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| self.unsynced >= from) else { return Ok(()) };
        self.unsynced = 0;
        file.sync().map_err(Error::io("sync", &self.path))?;
        if self.made {
            vfs.sync_dir(dir).map_err(Error::io("sync", dir))?;
            self.made = false;
        }
        self.slot = 1 - self.slot;
        Ok(())
    }
}
