//! Full segments, written anew with less in them, while others append and read.
//!
//! The new file is filled beside the old ones, made durable, and becomes a segment by its name: `rename` and a sync of the
//! directory, in one step ([`segment`](super::segment) says how names tell which counts). Readers that have the old files
//! keep them. Nobody waits but who rewrites.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use super::Index;
use super::framing::{Framing, Parsed};
use super::segment::{Segment, Waypoint};
use super::shared::Shared;
use super::spares::Spare;
use crate::{Error, Result};

/// So much is written at once, in bytes.
const AT_ONCE: usize = 1 << 20;

/// A segment that is to take the place of others.
pub(crate) struct Rewrite<F: Framing> {
    log: Arc<Shared<F>>,
    /// What it takes the place of.
    old: Vec<Arc<Segment>>,
    segment: Segment,
    /// None once it is the segment's.
    spare: Option<Spare>,
    /// The place behind the last entry.
    at: Waypoint,
    /// Entries that have not been written, which end there.
    waiting: Vec<u8>,
}

impl<F: Framing> Rewrite<F> {
    pub(super) fn begin(log: Arc<Shared<F>>, range: Range<Index>) -> Result<Option<Self>> {
        let segments = log.tail.lock().segments.clone();
        // The newest is written to.
        let full = segments.windows(2).filter(|pair| pair[0].first >= range.start && pair[1].first <= range.end);
        let old: Vec<_> = full.map(|pair| pair[0].clone()).collect();
        let (Some(first), Some(last)) = (old.first(), old.last()) else { return Ok(None) };
        // While the one behind has no file, the last of these is the newest on the disk, and may not be all there.
        let next = segments.iter().find(|segment| segment.first >= range.end && !Arc::ptr_eq(segment, last));
        let begun = next.is_some_and(|next| log.has_begun(next));
        if first.first != range.start || !begun || F::BARE {
            return Ok(None);
        }
        let generation = 1 + old.iter().map(|segment| segment.generation).max().unwrap_or(0);
        let segment = Segment::rewritten::<F>(&log.dir, last.epoch, first.previous, first.first, generation);
        let at = Waypoint::front::<F>(segment.first, segment.epoch);
        let spare = Some(log.start(0)?);
        Ok(Some(Rewrite { log, old, segment, spare, at, waiting: Vec::new() }))
    }

    /// Adds an entry as it lies in the log, or with less in it.
    pub(crate) fn push(&mut self, entry: &[u8]) -> Result<()> {
        let parsed = self.log.framing.parse(self.at.epoch, self.at.index, entry);
        let end = match parsed {
            Parsed::Entry { end, len, .. } if len == entry.len() => end,
            other => return Err(Error::Invalid(format!("what is to be written anew is no entry: {other:?}"))),
        };
        self.segment.waypoint(self.at);
        self.at.pass(&self.log.framing, entry, end, entry.len() as u64);
        self.waiting.extend_from_slice(entry);
        if self.waiting.len() >= AT_ONCE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let bytes = mem::take(&mut self.waiting);
        let Some(spare) = &self.spare else { return Ok(()) };
        let written = spare.file.write_all_at(&bytes, self.at.pos - bytes.len() as u64);
        written.map_err(Error::io("write", &spare.path))
    }

    /// Puts it in the place of the old ones, durably. False if one of them is gone by now: then nothing happens.
    pub(crate) fn finish(mut self) -> Result<bool> {
        self.write()?;
        let Some(spare) = self.spare.as_ref() else { return Ok(false) };
        spare.file.sync().map_err(Error::io("sync", &spare.path))?;
        let log = self.log.clone();
        // Nobody takes segments out meanwhile.
        let mut trimmed = log.trimming.lock();
        log.check_running()?;
        let place = |segments: &[Arc<Segment>]| {
            let same = |there: &[Arc<Segment>]| there.iter().zip(&self.old).all(|(one, other)| Arc::ptr_eq(one, other));
            // One must follow: the newest is written to.
            let fits = |there: &[Arc<Segment>]| there.len() == self.old.len() + 1 && same(there);
            segments.windows(self.old.len() + 1).position(fits)
        };
        if place(&log.tail.lock().segments).is_none() {
            return Ok(false);
        }
        log.vfs.rename(&spare.path, &self.segment.path).map_err(Error::io("rename", &spare.path))?;
        // From here on it is there or not, as the disk likes: what is not certain ends the log.
        log.sync_dir().inspect_err(|error| log.stop(error.clone()))?;
        if let Some(spare) = self.spare.take() {
            self.segment.begin(spare.file);
        }
        self.segment.wrote(self.at.pos);
        self.segment.seal(self.at);
        let nothing = Segment::new::<F>(&log.dir, 0, 0, Index(0));
        let segment = Arc::new(mem::replace(&mut self.segment, nothing));
        {
            let mut tail = log.tail.lock();
            let Some(at) = place(&tail.segments) else { return Ok(false) };
            let mut segments = tail.segments.to_vec();
            segments.splice(at..at + self.old.len(), [segment]);
            tail.segments = Arc::new(segments);
        }
        log.poke();
        trimmed.extend(mem::take(&mut self.old));
        log.discard(&mut trimmed)?;
        Ok(true)
    }
}

impl<F: Framing> Drop for Rewrite<F> {
    fn drop(&mut self) {
        if let Some(spare) = &self.spare {
            // What stays is removed by the next opening.
            let _ = self.log.vfs.remove(&spare.path);
        }
    }
}
