//! A file beside each full segment: where in it entries stand, and of which time they are.
//!
//! All of it can be found by walking the segment, which is what happens where the file is missing or damaged: so it is
//! never synced. It is written when the next segment has begun. From then on nothing is added to this one, and all that
//! the index speaks of is durable.
//!
//! ```text
//!  0  "xs-logi\n"
//!  8  format u32 = 1
//! 12  count  u32
//! 16  count times: index u64, byte u64, latest i64, sum u32
//!  .. crc    u32  CRC32C of all in front
//! ```
//!
//! Each line is a place that an entry stands at, some 64 KiB behind the one before; the last is the end of them all.
//! `latest` is the latest time of all entries in front of it, `sum` a CRC32C of what their own checksums leave out.
//! With a framing whose checksums leave something out (Kafka's do not cover the base offset), the sum is what
//! [`check`](super::Log::check) finds flipped bits of that by.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use xs_os::vfs::{Open, VfsExt};

use super::Index;
use super::framing::{Framing, le_u32, le_u64};
use super::reader::Entry;
use super::segment::{Segment, Waypoint, body};
use super::shared::Shared;
use super::walk::{Step, Walk};
use crate::{Error, Result};

/// The files' extension; the rest of the name is the segment's.
pub(super) const EXTENSION: &str = "index";

const MAGIC: &[u8; 8] = b"xs-logi\n";
const VERSION: u32 = 1;
const HEAD: usize = 16;
const LINE: usize = 28;
/// A segment has a place for each 64 KiB of it: so this is one of 64 GiB.
const MAX: usize = HEAD + LINE * (1 << 20) + 4;

fn encode(places: &[Waypoint]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + LINE * places.len() + 4);
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend((places.len() as u32).to_le_bytes());
    for at in places {
        out.extend(at.index.0.to_le_bytes());
        out.extend(at.pos.to_le_bytes());
        out.extend(at.latest.to_le_bytes());
        out.extend(at.sum.to_le_bytes());
    }
    let sum = crc32c::crc32c(&out);
    out.extend(sum.to_le_bytes());
    out
}

/// The places of an index, if it is one of this segment and whole.
fn decode<F: Framing>(segment: &Segment, bytes: &[u8]) -> Option<Vec<Waypoint>> {
    let (body, sum) = bytes.split_last_chunk::<4>()?;
    let intact = body.len() >= HEAD
        && crc32c::crc32c(body) == u32::from_le_bytes(*sum)
        && body.starts_with(MAGIC)
        && le_u32(body, 8) == VERSION;
    let lines = intact.then(|| body[HEAD..].chunks_exact(LINE))?;
    if !lines.remainder().is_empty() || lines.len() != le_u32(body, 12) as usize {
        return None;
    }
    let places: Vec<_> = lines
        .map(|line| Waypoint {
            index: Index(le_u64(line, 0)),
            pos: le_u64(line, 8),
            epoch: segment.epoch,
            latest: le_u64(line, 16) as i64,
            sum: le_u32(line, 24),
        })
        .collect();
    let rises = places.windows(2).all(|pair| pair[0].pos <= pair[1].pos && pair[0].index <= pair[1].index);
    let front = Waypoint::front::<F>(segment.first, segment.epoch);
    (rises && *places.first()? == front).then_some(places)
}

impl Segment {
    pub(super) fn index_path(&self) -> PathBuf {
        self.path.with_extension(EXTENSION)
    }
}

/// What indexes say, as far as nobody has come past it.
pub(super) struct Sums {
    parts: VecDeque<(Arc<Segment>, Waypoint)>,
    /// The sum of what was come past in this segment.
    so_far: Waypoint,
}

impl Sums {
    /// Goes past an entry, and compares if a place lies in front of it.
    pub(super) fn pass<F: Framing>(&mut self, framing: &F, entry: &Entry) -> Result<()> {
        while let Some((segment, at)) = self.parts.pop_front_if(|(_, at)| at.index <= entry.index) {
            if at.pos == body::<F>() {
                self.so_far = at;
            } else if (at.sum, at.latest) != (self.so_far.sum, self.so_far.latest) {
                let what = format!("what no checksum covers is not what was written, in front of entry {}", at.index);
                return Err(Error::corrupt(&segment.path, at.pos, what));
            }
        }
        self.so_far.pass(framing, &entry.payload, entry.end, 0);
        Ok(())
    }
}

impl<F: Framing> Shared<F> {
    /// What an index in a file says of a segment; none if it is missing or not to be believed.
    fn read_index(&self, segment: &Segment) -> Result<Option<Vec<Waypoint>>> {
        let path = segment.index_path();
        match self.vfs.read(&path, MAX) {
            Ok(bytes) => Ok(decode::<F>(segment, &bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Makes the places in a full segment known, and where its entries end: from its index, or by walking it once.
    /// `limit` is the first index of the segment behind it. None is known of a segment without an index.
    pub(super) fn learn(&self, segment: &Segment, limit: Index) -> Result<Option<Waypoint>> {
        if !self.options.index || segment.end().is_some() {
            return Ok(segment.end());
        }
        match self.read_index(segment)? {
            Some(places) => {
                segment.learn(places);
                segment.indexed.store(true, Ordering::Release);
            }
            None => {
                let mut walk = Walk::new(Waypoint::front::<F>(segment.first, segment.epoch));
                while walk.at.index < limit {
                    let at = walk.at;
                    match walk.step(&self.framing, &mut |pos, len| self.read(segment, pos, len))? {
                        Step::Entry { end, .. } if end > limit => {
                            walk.at = at;
                            break;
                        }
                        Step::Entry { .. } => segment.waypoint(at),
                        Step::Mark(_) => {}
                        Step::End => break,
                        Step::Damaged(what) => {
                            let what = format!("{what}, where entry {} was", at.index);
                            return Err(Error::corrupt(&segment.path, at.pos, what));
                        }
                    }
                }
                segment.seal(walk.at);
                self.poke();
            }
        }
        Ok(segment.end())
    }

    /// Writes the indexes that are missing, of segments that are full and followed by one that has begun.
    pub(super) fn write_indexes(&self) {
        if !self.options.index || self.stopped.get().is_some() {
            return;
        }
        let segments = self.tail.lock().segments.clone();
        for pair in segments.windows(2).rev() {
            let (segment, next) = (&pair[0], &pair[1]);
            let due = !segment.indexed.load(Ordering::Acquire) && self.has_begun(next);
            let Some(places) = segment.places().filter(|_| due) else { continue };
            segment.indexed.store(true, Ordering::Release);
            // Without it the segment is walked when it is asked for: nobody's loss.
            let _ = self.write_index(segment, &places);
        }
    }

    fn write_index(&self, segment: &Arc<Segment>, places: &[Waypoint]) -> std::io::Result<()> {
        // The lock keeps the segment in the directory for as long as this takes: no index is left without its segment.
        let _trimming = self.trimming.lock();
        if !self.tail.lock().segments.iter().any(|there| Arc::ptr_eq(there, segment)) {
            return Ok(());
        }
        let file = self.vfs.open(&segment.index_path(), Open::Create)?;
        file.set_len(0)?;
        file.write_all_at(&encode(places), 0)
    }

    pub(super) fn has_begun(&self, segment: &Segment) -> bool {
        segment.begun().is_some() || !self.in_memory(segment)
    }

    pub(super) fn drop_index(&self, path: &Path) -> Result<()> {
        if !self.options.index {
            return Ok(());
        }
        match self.vfs.remove(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
            _ => Ok(()),
        }
    }

    /// Of an earlier life: removes the indexes whose segments are gone, and that of the segment that is written to.
    pub(super) fn drop_indexes(&self, names: &[String]) -> Result<()> {
        let segments = self.tail.lock().segments.clone();
        let full = &segments[..segments.len() - 1];
        let stale = names.iter().map(|name| self.dir.join(name));
        let stale = stale.filter(|path| !full.iter().any(|segment| segment.index_path() == *path));
        stale.into_iter().try_for_each(|path| self.vfs.remove(&path).map_err(Error::io("remove", &path)))
    }

    /// What the indexes of full segments say, to be compared with what is there.
    pub(super) fn sums(&self) -> Result<Sums> {
        let segments = self.tail.lock().segments.clone();
        let mut parts = VecDeque::new();
        for pair in segments.windows(2) {
            let limit = pair[1].first;
            self.learn(&pair[0], limit)?;
            let places = pair[0].places().unwrap_or_default();
            parts.extend(places.into_iter().filter(|at| at.index <= limit).map(|at| (pair[0].clone(), at)));
        }
        Ok(Sums { parts, so_far: Waypoint::front::<F>(Index(0), 0) })
    }

    /// Bytes that indexes take on the disk.
    pub(super) fn index_bytes(&self) -> u64 {
        if !self.options.index {
            return 0;
        }
        let segments = self.tail.lock().segments.clone();
        let files = segments.iter().filter_map(|segment| self.vfs.open(&segment.index_path(), Open::Read).ok());
        files.filter_map(|file| file.len().ok()).sum()
    }
}
