//! Which entries a merge keeps.
//!
//! Snapshots cut sequence numbers into stripes. Of the versions of a key in one stripe every reader sees the newest at
//! most, so the others go; so does what a deleted range of the same stripe covers. A delete goes when nothing older can be
//! below, and everybody sees it.

use super::super::ranges::Ranges;
use super::super::{Kind, Seq};

/// Decides entry by entry, in their order.
#[derive(Debug)]
pub(in super::super) struct Retain {
    /// The sequence numbers that somebody reads at, in order.
    snapshots: Vec<Seq>,
    /// Deleted ranges of what goes in.
    ranges: Ranges,
    last_key: Vec<u8>,
    /// The stripe of the entry of `last_key` that was seen last; none if there was none.
    last_stripe: Option<usize>,
}

impl Retain {
    pub(in super::super) fn new(snapshots: Vec<Seq>, ranges: Ranges) -> Self {
        Retain { snapshots, ranges, last_key: Vec::new(), last_stripe: None }
    }

    /// How many snapshots are older than a write.
    #[inline]
    fn stripe(&self, seq: Seq) -> usize {
        if self.snapshots.is_empty() { 0 } else { self.snapshots.partition_point(|snapshot| *snapshot < seq) }
    }

    /// The tag under which an entry goes on; none if it goes. `bottom` says whether nothing older of this key can be below.
    #[inline]
    pub(in super::super) fn keep(&mut self, key: &[u8], tag: u64, bottom: impl FnOnce() -> bool) -> Option<u64> {
        let seq = tag >> 2;
        let stripe = self.stripe(seq);
        if self.last_stripe.is_some() && self.last_key == key {
            if self.last_stripe == Some(stripe) {
                return None;
            }
        } else {
            self.last_key.clear();
            self.last_key.extend_from_slice(key);
        }
        self.last_stripe = Some(stripe);
        if !self.ranges.is_empty() {
            // The newest delete that those see who see the entry and not the next stripe.
            let up_to = self.snapshots.get(stripe).copied().unwrap_or(Seq::MAX);
            if self.ranges.cover(key, up_to) > seq {
                return None;
            }
        }
        if stripe > 0 {
            return Some(tag);
        }
        let delete = tag & 3 == Kind::Delete as u64;
        if delete {
            return (!bottom()).then_some(tag);
        }
        // Without a number it takes one byte. Not under deleted ranges, which must go on being older than it.
        if self.ranges.is_empty() && seq > 0 && bottom() { Some(tag & 3) } else { Some(tag) }
    }

    /// The deleted ranges that go on. `bottom` says whether nothing older can be below a piece.
    pub(in super::super) fn ranges(&self, bottom: impl Fn(&super::super::ranges::Piece) -> bool) -> Ranges {
        let mut ranges = self.ranges.clone();
        let mut last: Option<(bytes::Bytes, usize)> = None;
        ranges.retain(|piece, seq| {
            let stripe = self.stripe(seq);
            let again = last.as_ref().is_some_and(|(start, seen)| *start == piece.start && *seen == stripe);
            last = Some((piece.start.clone(), stripe));
            !(again || stripe == 0 && bottom(piece))
        });
        ranges
    }
}
