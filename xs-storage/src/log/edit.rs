//! What shortens a log: cutting its tail off, trimming its head, and closing it.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Index;
use super::flush::Work;
use super::framing::{Framing, Mark};
use super::segment::Segment;
use super::shared::Shared;
use super::turn::Goal;
use crate::{Error, Result};

impl<F: Framing> Shared<F> {
    /// Runs `edit` while nobody else writes. A failure stops the log.
    fn alone<T>(&self, edit: impl FnOnce() -> Result<T>) -> Result<T> {
        let poke = || self.poke();
        let lead = self.turn.take(&poke);
        self.check_running()?;
        let edited = edit().inspect_err(|error| self.stop(error.clone()));
        drop(lead);
        // For what was appended meanwhile, as behind every flush.
        self.poke();
        edited
    }

    pub(super) fn truncate_from(&self, index: Index) -> Result<()> {
        self.check_running()?;
        if index >= self.tail.lock().next {
            return Ok(());
        }
        self.restart(index, |segments| {
            // The segment that starts with `index` goes too: the new one takes its place.
            let keep = segments.partition_point(|segment| segment.first < index);
            if keep == 0 && index < segments[0].first {
                let start = segments[0].first;
                return Err(Error::Invalid(format!("cannot cut at {index}: the log starts at {start}")));
            }
            Ok(keep)
        })
    }

    pub(super) fn restart_at(&self, index: Index) -> Result<()> {
        self.restart(index, |_| Ok(0))
    }

    /// Goes on with `index` in a new segment behind the first `keep` ones. Its name, once durable, says that the rest is
    /// no part of the log.
    fn restart(&self, index: Index, keep: impl Fn(&[Arc<Segment>]) -> Result<usize>) -> Result<()> {
        let mut trimmed = self.trimming.lock();
        {
            let tail = self.tail.lock();
            self.check_running()?;
            if keep(&tail.segments)? > 0 && index >= tail.next {
                return Ok(());
            }
        }
        self.alone(|| {
            self.flush(Work::Sync);
            self.check_running()?;
            // Appenders wait from here on: what they add belongs behind the cut.
            let mut tail = self.tail.lock();
            let Ok(kept) = keep(&tail.segments) else { return Ok(()) };
            if kept > 0 && index >= tail.next {
                return Ok(());
            }
            // Entries that came since the flush are cut with the rest; readers that saw them may still read them.
            let late = mem::take(&mut tail.filling);
            tail.filling_bytes = 0;
            self.put(&late, true)?;

            let epoch = tail.epoch + 1;
            let mut segments = tail.segments[..kept].to_vec();
            let previous = segments.last().map_or(0, |segment| segment.epoch);
            let segment = Arc::new(Segment::new::<F>(&self.dir, epoch, previous, index));
            segments.push(segment.clone());
            self.begin(&segment, self.options.segment_bytes)?;
            let mut dropped = tail.segments[kept..].to_vec();
            // The last one has begun, unless nothing was ever written to it.
            dropped.pop_if(|last| last.begun().is_none());
            tail.segments = Arc::new(segments);
            tail.timeline += 1;
            (tail.next, tail.durable, tail.epoch) = (index, index, epoch);
            tail.start_of_segment::<F>();
            let ticket = tail.ticket;
            drop((tail, late));
            self.io.lock().marked = index;
            // Who waits for an entry that is gone waits for nothing.
            self.safe.fetch_max(ticket, Ordering::AcqRel);
            self.turn.settle(Goal::Durable(ticket));
            trimmed.extend(dropped);
            self.discard(&mut trimmed)
        })
    }

    /// Removes segments that end at or before `index`; never the last one.
    pub(super) fn trim_to(&self, index: Index) -> Result<()> {
        let passed = |segments: &[Arc<Segment>]| segments.windows(2).take_while(|pair| pair[1].first <= index).count();
        // The oldest goes first, also of two trims: what a crash leaves has no gap.
        let mut trimmed = self.trimming.lock();
        {
            let tail = self.tail.lock();
            self.check_running()?;
            if passed(&tail.segments) == 0 && trimmed.is_empty() {
                return Ok(());
            }
        }
        let dropped = self.alone(|| {
            // The segment behind the trimmed ones must be there before they go.
            self.flush(Work::Sync);
            self.check_running()?;
            let mut tail = self.tail.lock();
            let mut segments = tail.segments.to_vec();
            let begun = segments.iter().take_while(|segment| !self.unbegun(&tail.filling, segment)).count();
            let passed = passed(&segments).min(begun.saturating_sub(1));
            let dropped: Vec<_> = segments.drain(..passed).collect();
            tail.segments = Arc::new(segments);
            Ok(dropped)
        })?;
        // Others write meanwhile: each of these waits for the disk.
        trimmed.extend(dropped);
        match self.discard(&mut trimmed) {
            Ok(()) => Ok(()),
            Err(error) => self.alone(|| Err(error)),
        }
    }

    fn unbegun(&self, filling: &[super::pending::Chunk], segment: &Arc<Segment>) -> bool {
        segment.begun().is_none() && filling.iter().any(|chunk| Arc::ptr_eq(&chunk.segment, segment))
    }

    /// Brings everything to the disk, and leaves a mark that says so: then nothing in front of it can pass for torn.
    /// The mark itself is not synced; it only says more than what is known without it.
    pub(super) fn close(&self) {
        let poke = || self.poke();
        let _lead = self.turn.take(&poke);
        let waiting = {
            let tail = self.tail.lock();
            !tail.filling.is_empty() || self.io.lock().dirty.is_some()
        };
        if waiting {
            self.flush(Work::Sync);
        }
        self.write_indexes();
        let tail = self.tail.lock();
        let mut io = self.io.lock();
        if F::MARK_LEN == 0 || self.stopped.get().is_some() || io.marked >= tail.durable {
            return;
        }
        let mut bytes = vec![0; F::MARK_LEN];
        self.framing.put_mark(Mark { epoch: tail.epoch, next: tail.next, durable: tail.durable }, &mut bytes);
        if let Some(file) = tail.last().begun() {
            // Nobody is left to be told; without the mark the log is as good as after a crash.
            let _ = file.write_all_at(&bytes, tail.pos);
            io.marked = tail.durable;
        }
    }
}
