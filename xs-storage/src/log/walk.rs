//! Walking over the entries of one segment: for readers, and for finding the end of a log.

use bytes::Bytes;

use super::Index;
use super::framing::{Framing, Mark, Parsed};
use super::segment::Waypoint;
use crate::Result;

/// The least that is read at once, in bytes.
const AHEAD: usize = 64 << 10;

/// A walker, at a place in a segment.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    pub(super) at: Waypoint,
    window: Bytes,
    /// Where in the segment the window starts.
    from: u64,
}

/// What the walker came past, or what stopped it.
#[derive(Debug)]
pub(super) enum Step {
    Entry { index: Index, end: Index, payload: Bytes },
    Mark(Mark),
    End,
    Damaged(&'static str),
}

impl Walk {
    pub(super) fn new(at: Waypoint) -> Self {
        Walk { at, window: Bytes::new(), from: at.pos }
    }

    /// Goes past the next thing. `fetch` reads at a place up to so many bytes, and fewer only where there are no more:
    /// so a length that only claims to be true costs no memory. After its error the walker stands where it stood.
    pub(super) fn step<F: Framing>(
        &mut self,
        framing: &F,
        fetch: &mut dyn FnMut(u64, usize) -> Result<Bytes>,
    ) -> Result<Step> {
        loop {
            let seen = (self.at.pos - self.from) as usize;
            let bytes = self.window.get(seen..).unwrap_or_default();
            match framing.parse(self.at.epoch, self.at.index, bytes) {
                Parsed::Entry { index, end, payload, len } => {
                    let payload = self.window.slice(seen + payload.start..seen + payload.end);
                    self.at.pass(framing, &payload, end, len as u64);
                    return Ok(Step::Entry { index, end, payload });
                }
                Parsed::Mark { mark, len } => {
                    self.at.pos += len as u64;
                    self.at.epoch = mark.epoch;
                    return Ok(Step::Mark(mark));
                }
                Parsed::More(needed) => {
                    let had = bytes.len();
                    self.window = fetch(self.at.pos, needed.max(AHEAD))?;
                    self.from = self.at.pos;
                    if self.window.len() < needed && self.window.len() <= had.max(needed - 1) {
                        return Ok(match self.window.iter().all(|byte| *byte == 0) {
                            true => Step::End,
                            false => Step::Damaged("an entry that is cut short"),
                        });
                    }
                }
                Parsed::End => return Ok(Step::End),
                Parsed::Damaged(why) => return Ok(Step::Damaged(why)),
            }
        }
    }

    /// Forgets what was read ahead.
    pub(super) fn moved(&mut self, at: Waypoint) {
        *self = Walk::new(at);
    }
}
