//! Opening: the log, the newest snapshot that it bears out, and the batches behind that.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use xs_os::vfs::{Vfs, VfsExt};
use xs_proto::kafka::records::BatchHeader;

use super::passes::Passes;
use super::state::{Derived, State};
use super::{HighWatermark, PartitionOptions, Shared, snapshot};
use crate::log::{Batches, Entry, Index, Log, LogOptions};
use crate::{Error, Result};

/// The directory of the log, in the partition's.
const LOG: &str = "log";
/// The file that says where the partition begins, where that is in the middle of a segment.
const START: &str = "start";
/// So much of a segment is set aside at first: a broker may have thousands of partitions with next to nothing in them.
const RESERVE: u64 = 64 << 10;

const MAGIC: &[u8; 8] = b"xs-parts";
const VERSION: u32 = 1;
/// ```text
///  0  "xs-parts"
///  8  format u32 = 1
/// 12  start  u64
/// 20  crc    u32  CRC32C of the 20 bytes in front
/// ```
const LEN: usize = 24;

/// Where the partition was told to begin.
fn read_start(vfs: &dyn Vfs, dir: &Path) -> Result<Index> {
    let path = dir.join(START);
    let bytes = match vfs.read(&path, LEN) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Index(0)),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            return Err(Error::corrupt(&path, 0, "a start that is too long"));
        }
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    // It was put there whole: unlike a snapshot, nothing else knows what it says.
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or_else(|| Error::corrupt(&path, 0, "a start cut short"))?;
    if body.len() != LEN - 4 || crc32c::crc32c(body) != u32::from_le_bytes(*sum) || !body.starts_with(MAGIC) {
        return Err(Error::corrupt(&path, 0, "a start whose checksum is wrong"));
    }
    let found = u32::from_le_bytes(body[8..12].try_into().expect("four bytes"));
    if found > VERSION {
        return Err(Error::NewerFormat { path, found, known: VERSION });
    }
    Ok(Index(u64::from_le_bytes(body[12..].try_into().expect("eight bytes"))))
}

impl Shared {
    pub(super) fn open(vfs: Arc<dyn Vfs>, dir: &Path, options: PartitionOptions) -> Result<Self> {
        vfs.make_dir(dir).map_err(Error::io("create", dir))?;
        let log_options = LogOptions {
            segment_bytes: options.segment_bytes,
            reserve_bytes: RESERVE,
            buffer_bytes: options.buffer_bytes,
            background_sync_bytes: options.background_sync_bytes,
            warm_bytes: options.warm_bytes,
            index: true,
            jobs: options.jobs.clone(),
            ..LogOptions::default()
        };
        let log = Log::open_with(vfs.clone(), &dir.join(LOG), log_options, Batches::default())?;
        let bounds = log.bounds();
        let told = read_start(&*vfs, dir)?;
        if told > bounds.end {
            let what = format!("it begins at {told}, and the log ends at {}", bounds.end);
            return Err(Error::corrupt(&dir.join(START), 0, what));
        }
        let start = told.max(bounds.start);
        let passes = Passes::read(&*vfs, dir)?;
        let shared = Shared {
            vfs,
            dir: dir.to_owned(),
            log,
            state: Mutex::new(State {
                derived: Derived::default(),
                start,
                high: start,
                saved: Index(0),
                unsaved: 0,
                newest: None,
                waiting: Vec::new(),
                waited: 0,
            }),
            keeping: Mutex::new(()),
            passes: Mutex::new(passes),
            cuts: AtomicU64::new(0),
            options,
        };
        let (derived, saved, unsaved) = shared.derive(bounds.end)?;
        {
            let mut state = shared.state.lock();
            (state.derived, state.saved, state.unsaved) = (derived, saved, unsaved);
            state.derived.trim(start);
            state.derived.producers.opened();
            if shared.options.high_watermark == HighWatermark::End {
                // Nobody waits yet.
                drop(state.raise(bounds.end));
            }
        }
        Ok(shared)
    }

    /// What follows from the log up to its end; up to where it was saved, and the bytes read behind that.
    pub(super) fn derive(&self, end: Index) -> Result<(Derived, Index, u64)> {
        let start = self.log.bounds().start;
        let saved = snapshot::newest(&*self.vfs, &self.dir, end)?;
        let mut derived = saved.unwrap_or_default();
        if derived.end < start {
            // What followed it is deleted, and with that the ends of transactions and the last sequence numbers: who is
            // unknown may go on, and who is known wrongly may not.
            derived.forget_producers();
            derived.end = start;
        }
        let (from, mut bytes) = (derived.end, 0);
        let mut reader = self.log.reader(from);
        while let Some(entry) = reader.next()?.filter(|entry| entry.end <= end) {
            if entry.index < from {
                let what = format!("batch {} spans {from}, where a snapshot ends", entry.index);
                return Err(Error::corrupt(&self.dir, 0, what));
            }
            let header = self.header(&entry)?;
            derived.apply(&header, &entry.payload, entry.index, entry.end, header.max_timestamp);
            bytes += entry.payload.len() as u64;
        }
        derived.end = end;
        Ok((derived, from, bytes))
    }

    /// A batch's header.
    pub(super) fn header(&self, entry: &Entry) -> Result<BatchHeader> {
        let wrong = |error| Error::corrupt(&self.dir, 0, format!("batch {}: {error}", entry.index));
        BatchHeader::parse(&entry.payload).map_err(wrong)
    }

    /// Says durably where the partition begins.
    pub(super) fn write_start(&self, start: Index) -> Result<()> {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(start.0.to_le_bytes());
        let sum = crc32c::crc32c(&bytes);
        bytes.extend(sum.to_le_bytes());
        let path = self.dir.join(START);
        self.vfs.replace(&path, &bytes).map_err(Error::io("write", &path))
    }

    /// Writes a snapshot, if something came since the last one.
    pub(super) fn save(&self) -> Result<()> {
        let derived = {
            let state = self.state.lock();
            if state.saved == state.derived.end {
                return Ok(());
            }
            state.derived.clone()
        };
        // Else a crash may leave a snapshot that the log does not bear out, and an older one is less than there could be.
        self.log.sync()?;
        snapshot::write(&*self.vfs, &self.dir, &derived)?;
        let mut state = self.state.lock();
        // What came meanwhile is counted from now on: a little too late, and never lost.
        (state.saved, state.unsaved) = (derived.end, 0);
        Ok(())
    }
}
