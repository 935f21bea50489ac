//! The index of the log: where the newest frame of a page is, in memory that all connections share.
//!
//! ```text
//!   region 0 │ header │ header │ backfilled │ 5 read marks │ locks │ … │ 4062 page numbers │ 8192 places │
//!   region n │                                              4096 page numbers              │ 8192 places │
//! ```
//!
//! The page numbers are those of the frames in their order. The places are a hash table: a page's number says where to look
//! first, and there or behind stand the places of its frames in the list, from 1 on; 0 ends the search.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use xs_os::vfs::SharedWords;

use super::super::node::PageId;
use super::head::{HEAD, Head};
use super::share::Share;
use crate::Result;

/// Frames of a region, and of the first, which begins with the header.
const FRAMES: u32 = 4096;
const FRAMES_OF_FIRST: u32 = FRAMES - FIRST as u32;
/// Places of the hash table of a region.
const SLOTS: usize = 8192;
/// Where the page numbers of the first region begin.
const FIRST: usize = 34;
/// Words of a region: the page numbers, and places of two bytes.
pub(super) const REGION: usize = FRAMES as usize + SLOTS / 2;
/// Frames up to this one are in the database.
const BACKFILL: usize = 2 * HEAD;
const MARKS: usize = BACKFILL + 1;
/// Up to here somebody began to copy to the database.
const ATTEMPTED: usize = 32;

/// Readers are at one of so many states, the first of which is the database without the log.
pub(super) const READERS: usize = 5;
/// The mark of a state that nobody reads.
pub(super) const UNUSED: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Index {
    regions: Vec<Arc<SharedWords>>,
    /// Where in a region's hash table the last frame of a page was noted. All places from the first one on are taken up to there.
    noted: [Option<Noted>; NOTED],
    /// None, if nobody else looks at the log.
    pub(super) share: Option<Share>,
}

/// How many pages are remembered: those that each commit writes.
const NOTED: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Noted {
    id: PageId,
    region: usize,
    slot: usize,
}

fn region_of(frame: u32) -> usize {
    ((u64::from(frame) + FIRST as u64 - 1) / u64::from(FRAMES)) as usize
}

/// The frames in front of a region.
fn before(region: usize) -> u32 {
    match region {
        0 => 0,
        _ => FRAMES_OF_FIRST.saturating_add((region as u32 - 1).saturating_mul(FRAMES)),
    }
}

fn first_word(region: usize) -> usize {
    if region == 0 { FIRST } else { 0 }
}

fn slot(words: &[AtomicU32], at: usize) -> u16 {
    let [a, b, c, d] = load(words, FRAMES as usize + at / 2).to_ne_bytes();
    u16::from_ne_bytes(if at.is_multiple_of(2) { [a, b] } else { [c, d] })
}

/// Only who has the lock to write does this, so that nobody changes the other half meanwhile.
fn set_slot(words: &[AtomicU32], at: usize, to: u16) {
    let word = FRAMES as usize + at / 2;
    let ([a, b, c, d], [x, y]) = (load(words, word).to_ne_bytes(), to.to_ne_bytes());
    store(words, word, u32::from_ne_bytes(if at.is_multiple_of(2) { [x, y, c, d] } else { [a, b, x, y] }));
}

fn load(words: &[AtomicU32], at: usize) -> u32 {
    words.get(at).map_or(0, |word| word.load(Ordering::Acquire))
}

fn store(words: &[AtomicU32], at: usize, to: u32) {
    if let Some(word) = words.get(at) {
        word.store(to, Ordering::Release);
    }
}

fn first_slot(id: PageId) -> usize {
    id.wrapping_mul(383) as usize % SLOTS
}

/// Notes a frame in its region. Says in which place of the hash table, which is looked for from `from` on or from its first; none if
/// the region makes no sense.
fn note(words: &[AtomicU32], region: usize, frame: u32, id: PageId, from: Option<usize>) -> Option<usize> {
    let nth = frame.saturating_sub(before(region)) as usize;
    if nth == 1 {
        words.iter().skip(first_word(region)).for_each(|word| word.store(0, Ordering::Release));
    }
    let mut at = from.unwrap_or_else(|| first_slot(id));
    for _ in 0..=nth {
        if slot(words, at) == 0 {
            store(words, first_word(region) + nth - 1, id);
            set_slot(words, at, nth as u16);
            return Some(at);
        }
        at = (at + 1) % SLOTS;
    }
    None
}

impl Index {
    pub(super) fn new(share: Option<Share>) -> Self {
        Index { regions: Vec::new(), noted: [None; NOTED], share }
    }

    /// The words of a region, made if they are not there.
    fn region(&mut self, nth: usize) -> Result<&[AtomicU32]> {
        while self.regions.len() <= nth {
            let words = match &self.share {
                Some(share) => share.region(self.regions.len())?,
                None => Arc::new(SharedWords::private(REGION)),
            };
            self.regions.push(words);
        }
        Ok(self.regions[nth].words())
    }

    fn info(&mut self) -> Result<&[AtomicU32]> {
        self.region(0)
    }

    /// The header, if both copies of it are one and whole.
    pub(super) fn head(&mut self) -> Result<Option<Head>> {
        let words = self.info()?;
        let copy = |from: usize| std::array::from_fn(|at| load(words, from + at));
        let one: [u32; HEAD] = copy(0);
        fence(Ordering::SeqCst);
        let two: [u32; HEAD] = copy(HEAD);
        Ok(if one == two { Head::parse(one) } else { None })
    }

    /// Whether the header is still this one.
    pub(super) fn is_head(&mut self, head: &Head) -> Result<bool> {
        fence(Ordering::SeqCst);
        let words = self.info()?;
        Ok((0..HEAD).all(|at| load(words, at) == head.0[at]))
    }

    pub(super) fn set_head(&mut self, head: &Head) -> Result<()> {
        let words = self.info()?;
        (0..HEAD).for_each(|at| store(words, HEAD + at, head.0[at]));
        fence(Ordering::SeqCst);
        (0..HEAD).for_each(|at| store(words, at, head.0[at]));
        fence(Ordering::SeqCst);
        Ok(())
    }

    pub(super) fn backfilled(&mut self) -> Result<u32> {
        Ok(load(self.info()?, BACKFILL))
    }

    pub(super) fn set_backfilled(&mut self, frame: u32) -> Result<()> {
        store(self.info()?, BACKFILL, frame);
        Ok(())
    }

    pub(super) fn set_attempted(&mut self, frame: u32) -> Result<()> {
        store(self.info()?, ATTEMPTED, frame);
        Ok(())
    }

    pub(super) fn mark(&mut self, reader: usize) -> Result<u32> {
        Ok(load(self.info()?, MARKS + reader))
    }

    pub(super) fn set_mark(&mut self, reader: usize, frame: u32) -> Result<()> {
        store(self.info()?, MARKS + reader, frame);
        Ok(())
    }

    /// The newest frame of a page from `first` to `last`. Fails with false if the index makes no sense.
    pub(super) fn find(&mut self, id: PageId, first: u32, last: u32) -> Result<Result<Option<u32>, ()>> {
        if last == 0 {
            return Ok(Ok(None));
        }
        for nth in (region_of(first)..=region_of(last)).rev() {
            let words = self.region(nth)?;
            let (mut at, mut found) = (first_slot(id), None);
            for tries in 0.. {
                let place = slot(words, at);
                if place == 0 {
                    break;
                }
                if tries == SLOTS || usize::from(place) > FRAMES as usize {
                    return Ok(Err(()));
                }
                let frame = before(nth).saturating_add(place.into());
                let is_there = load(words, first_word(nth) + usize::from(place) - 1) == id;
                if is_there && (first..=last).contains(&frame) {
                    found = found.max(Some(frame));
                }
                at = (at + 1) % SLOTS;
            }
            if found.is_some() {
                return Ok(Ok(found));
            }
        }
        Ok(Ok(None))
    }

    /// The page of each frame from `first` to `last`.
    pub(super) fn pages(&mut self, first: u32, last: u32, each: &mut dyn FnMut(u32, PageId)) -> Result<()> {
        for frame in first..=last {
            let nth = region_of(frame);
            let at = first_word(nth) + (frame - before(nth)) as usize - 1;
            each(frame, load(self.region(nth)?, at));
        }
        Ok(())
    }

    /// Notes a frame behind the last. False if the index makes no sense.
    pub(super) fn append(&mut self, frame: u32, id: PageId, last: u32) -> Result<bool> {
        let nth = region_of(frame);
        let at = first_word(nth) + (frame - before(nth)) as usize - 1;
        if load(self.region(nth)?, at) != 0 {
            // Of a transaction that never ended.
            self.forget_behind(last)?;
        }
        let known = id as usize % NOTED;
        let from = self.noted[known].filter(|noted| (noted.id, noted.region) == (id, nth)).map(|noted| noted.slot);
        let slot = note(self.region(nth)?, nth, frame, id, from);
        self.noted[known] = slot.map(|slot| Noted { id, region: nth, slot });
        Ok(slot.is_some())
    }

    /// The log has begun anew, or others have written to it, and may have begun it anew.
    pub(super) fn forget_noted(&mut self) {
        self.noted = [None; NOTED];
    }

    /// Forgets what is noted behind a frame, in its region: the next begin empty.
    pub(super) fn forget_behind(&mut self, last: u32) -> Result<()> {
        self.forget_noted();
        if last == 0 {
            return Ok(());
        }
        let nth = region_of(last);
        let kept = (last - before(nth)) as usize;
        let words = self.region(nth)?;
        (0..SLOTS).filter(|at| usize::from(slot(words, *at)) > kept).for_each(|at| set_slot(words, at, 0));
        (first_word(nth) + kept..FRAMES as usize).for_each(|at| store(words, at, 0));
        Ok(())
    }

    /// Notes all frames anew, from the first on. Who reads meanwhile finds what is already right.
    pub(super) fn rebuild(&mut self, pages: &[PageId]) -> Result<bool> {
        self.forget_noted();
        let mut frame = 0;
        while (frame as usize) < pages.len() {
            let nth = region_of(frame + 1);
            let fresh = SharedWords::private(REGION);
            while (frame as usize) < pages.len() && region_of(frame + 1) == nth {
                frame += 1;
                if note(fresh.words(), nth, frame, pages[frame as usize - 1], None).is_none() {
                    return Ok(false);
                }
            }
            let words = self.region(nth)?;
            for at in first_word(nth)..REGION {
                let wanted = load(fresh.words(), at);
                if load(words, at) != wanted {
                    store(words, at, wanted);
                }
            }
        }
        Ok(true)
    }
}
