//! One file of a log: its name, its header, and where in it which entry stands.
//!
//! The name says which segment this is, and so a `rename` makes a prepared file a segment of the log in one durable
//! step: `EPOCH-PREVIOUS-FIRST.log`, three numbers of sixteen hexadecimal digits. `EPOCH` rises from segment to segment,
//! `PREVIOUS` is the epoch of the segment that this one continues (0: none), `FIRST` the index that it starts with. A segment
//! that was rewritten has a fourth number, which rises: of two names with one epoch the greater one counts. It may stand
//! for several; then its epoch is that of the last of them, and it continues what the first continued.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use xs_os::vfs::{File, Open, Vfs};

use super::framing::{Framing, le_u32};
use super::{FORMAT, Index};
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"xs-log\r\n";
/// The bytes of a header.
const HEADER: usize = 32;
/// The least distance of two waypoints, in bytes.
pub(super) const STRIDE: u64 = 64 << 10;

/// A place that reading can start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waypoint {
    /// The first index that stands here or behind.
    pub(super) index: Index,
    pub(super) pos: u64,
    /// The epoch of what stands here.
    pub(super) epoch: u64,
    /// The latest time that an entry of this segment in front of here says of itself; [`NEVER`] if none does.
    pub(super) latest: i64,
    /// CRC32C of what the checksums of all entries of this segment in front of here leave out.
    pub(super) sum: u32,
}

/// Before every time.
pub(super) const NEVER: i64 = i64::MIN;

impl Waypoint {
    /// The front of a segment's entries.
    pub(super) fn front<F: Framing>(index: Index, epoch: u64) -> Self {
        Waypoint { index, pos: body::<F>(), epoch, latest: NEVER, sum: 0 }
    }

    /// Goes past an entry of `len` bytes, of which the first are given.
    pub(super) fn pass<F: Framing>(&mut self, framing: &F, entry: &[u8], end: Index, len: u64) {
        self.latest = self.latest.max(framing.time(entry).unwrap_or(NEVER));
        self.sum = crc32c::crc32c_append(self.sum, framing.uncovered(entry));
        self.pos += len;
        self.index = end;
    }
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) epoch: u64,
    pub(super) previous: u64,
    pub(super) first: Index,
    /// How often it was rewritten.
    pub(super) generation: u64,
    pub(super) path: PathBuf,
    file: OnceLock<Arc<dyn File>>,
    /// So long is the file that is written to, as far as anybody has looked.
    pub(super) reserved: AtomicU64,
    /// Everything in front of this is in the file; what is not is still in memory.
    written: AtomicU64,
    waypoints: Mutex<Vec<Waypoint>>,
    /// Where its entries end, once no more come and somebody knows.
    end: OnceLock<Waypoint>,
    /// Its index is in a file, or need not be.
    pub(super) indexed: AtomicBool,
}

impl Segment {
    /// A segment that has no file yet, or whose file is opened when it is first read.
    pub(super) fn new<F: Framing>(dir: &Path, epoch: u64, previous: u64, first: Index) -> Self {
        Segment::rewritten::<F>(dir, epoch, previous, first, 0)
    }

    /// A segment that takes the place of others, or of itself.
    pub(super) fn rewritten<F: Framing>(dir: &Path, epoch: u64, previous: u64, first: Index, generation: u64) -> Self {
        let name = format!("{epoch:016x}-{previous:016x}-{:016x}", first.0);
        let path = dir.join(match generation {
            0 => format!("{name}.log"),
            _ => format!("{name}-{generation:016x}.log"),
        });
        let start = Waypoint::front::<F>(first, epoch);
        let (file, written) = (OnceLock::new(), AtomicU64::new(start.pos));
        let (end, indexed) = (OnceLock::new(), AtomicBool::new(false));
        Segment {
            epoch,
            previous,
            first,
            generation,
            path,
            file,
            reserved: AtomicU64::new(0),
            written,
            waypoints: Mutex::new(vec![start]),
            end,
            indexed,
        }
    }

    /// The segment that a file's name speaks of, if it is one.
    pub(super) fn from_name<F: Framing>(dir: &Path, name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".log")?.split('-');
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        let (epoch, previous, first) = (number()?, number()?, number()?);
        let generation = number().unwrap_or(0);
        let segment = Segment::rewritten::<F>(dir, epoch, previous, Index(first), generation);
        let exact = segment.path.file_name().is_some_and(|ours| ours == name);
        (exact && previous < epoch).then_some(segment)
    }

    /// Gives a new segment its file.
    pub(super) fn begin(&self, file: Arc<dyn File>) {
        self.file.set(file).expect("only who leads begins a segment, and once");
    }

    pub(super) fn begun(&self) -> Option<&Arc<dyn File>> {
        self.file.get()
    }

    /// The file of a segment that has one.
    pub(super) fn open<F: Framing>(&self, vfs: &dyn Vfs, how: Open) -> Result<&Arc<dyn File>> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = match vfs.open(&self.path, how) {
            Ok(file) => file,
            // Who takes the name away opens the file first, for those who have the segment: it may be there by now.
            Err(error) => return self.file.get().ok_or_else(|| Error::io("open", &self.path)(error)),
        };
        check_header::<F>(&*file, &self.path)?;
        let len = file.len().map_err(Error::io("measure", &self.path))?;
        // Another thread may have been faster; its file is as good.
        self.wrote(len);
        Ok(self.file.get_or_init(|| file))
    }

    /// The length of its file, if it has one by now.
    pub(super) fn len(&self, vfs: &dyn Vfs) -> Option<u64> {
        match self.file.get() {
            Some(file) => file.len().ok(),
            // To be read once, and not kept: a log may have more segments than a process may have files.
            None => vfs.open(&self.path, Open::Read).and_then(|file| file.len()).ok(),
        }
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    pub(super) fn wrote(&self, upto: u64) {
        self.written.fetch_max(upto, Ordering::AcqRel);
    }

    /// For a segment whose end was just found: what is behind it has not been written.
    pub(super) fn cut_to(&self, end: u64) {
        self.written.store(end, Ordering::Release);
    }

    /// Remembers a place, if it is far enough from the last that is remembered.
    pub(super) fn waypoint(&self, at: Waypoint) {
        let mut waypoints = self.waypoints.lock();
        if waypoints.last().is_none_or(|last| last.pos + STRIDE <= at.pos) {
            waypoints.push(at);
        }
    }

    /// Says where its entries end: no more come.
    pub(super) fn seal(&self, end: Waypoint) {
        let _ = self.end.set(end);
    }

    pub(super) fn end(&self) -> Option<Waypoint> {
        self.end.get().copied()
    }

    /// All that is known, and where its entries end.
    pub(super) fn places(&self) -> Option<Vec<Waypoint>> {
        let end = self.end()?;
        let mut places = self.waypoints.lock().clone();
        // Places of entries that were cut off stand behind the end, if the end was found later.
        places.retain(|at| at.pos < end.pos);
        places.push(end);
        Some(places)
    }

    /// Takes places that were read from an index in place of what is known.
    pub(super) fn learn(&self, mut places: Vec<Waypoint>) {
        if let Some(end) = places.pop() {
            if !places.is_empty() {
                *self.waypoints.lock() = places;
            }
            self.seal(end);
        }
    }

    /// The last known place behind byte `from` and at most at byte `upto`, that does not come past `limit`.
    pub(super) fn last_within(&self, from: u64, upto: u64, limit: Index) -> Option<Waypoint> {
        let waypoints = self.waypoints.lock();
        let behind = waypoints.partition_point(|at| at.pos <= upto && at.index <= limit);
        waypoints[..behind].last().filter(|at| at.pos > from).copied()
    }

    /// The first known place behind byte `from` that does not come past `limit`.
    pub(super) fn first_behind(&self, from: u64, limit: Index) -> Option<Waypoint> {
        let waypoints = self.waypoints.lock();
        let at = waypoints.partition_point(|at| at.pos <= from);
        waypoints.get(at).filter(|at| at.index <= limit).copied()
    }

    /// The last known place in front of which no entry is of `time` or later.
    pub(super) fn before_time(&self, time: i64) -> Waypoint {
        let waypoints = self.waypoints.lock();
        let behind = waypoints.partition_point(|at| at.latest < time);
        waypoints[behind.max(1) - 1]
    }

    /// The last known place from which reading comes past `index`.
    pub(super) fn before(&self, index: Index) -> Waypoint {
        let waypoints = self.waypoints.lock();
        let behind = waypoints.partition_point(|at| at.index <= index);
        waypoints[behind.max(1) - 1]
    }
}

/// Where the entries of a segment start.
pub(super) const fn body<F: Framing>() -> u64 {
    if F::BARE { 0 } else { HEADER as u64 }
}

/// The header of every segment.
///
/// ```text
///  0  "xs-log\r\n"
///  8  format  u32
/// 12  framing 16 bytes, ASCII, filled up with zeros
/// 28  crc     u32  CRC32C of the 28 bytes in front
/// ```
pub(super) fn header<F: Framing>() -> Vec<u8> {
    if F::BARE {
        return Vec::new();
    }
    let mut bytes = vec![0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[12..12 + F::NAME.len()].copy_from_slice(F::NAME.as_bytes());
    let sum = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

pub(super) fn check_header<F: Framing>(file: &dyn File, path: &Path) -> Result<()> {
    if F::BARE {
        return Ok(());
    }
    let mut found = [0; HEADER];
    let not_ours = |what: &str| Error::NotOurs { path: path.to_owned(), expected: "log", what: what.to_owned() };
    let len = file.read_at(&mut found, 0).map_err(Error::io("read", path))?;
    if len < HEADER {
        return Err(Error::corrupt(path, 0, "the header is missing"));
    }
    if crc32c::crc32c(&found[..28]) != le_u32(&found, 28) {
        return Err(match found.starts_with(MAGIC) {
            // Another version may have another header.
            true if le_u32(&found, 8) > FORMAT => newer(path, le_u32(&found, 8)),
            _ => Error::corrupt(path, 0, "a header whose checksum is wrong"),
        });
    }
    if !found.starts_with(MAGIC) {
        return Err(not_ours("its first bytes are not a log's"));
    }
    match le_u32(&found, 8) {
        FORMAT => {}
        version if version > FORMAT => return Err(newer(path, version)),
        _ => return Err(not_ours("its format version has never been one")),
    }
    if found[..] != header::<F>()[..] {
        let name = String::from_utf8_lossy(&found[12..28]).trim_end_matches('\0').to_owned();
        return Err(not_ours(&format!("its entries are framed as `{name}`, not as `{}`", F::NAME)));
    }
    Ok(())
}

fn newer(path: &Path, found: u32) -> Error {
    Error::NewerFormat { path: path.to_owned(), found, known: FORMAT }
}
