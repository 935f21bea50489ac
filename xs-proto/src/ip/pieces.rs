//! Pieces of something whole, which come in any order and may overlap.

use std::collections::BTreeMap;

/// What keeping a piece costs beside its bytes, so that many small ones are no way round a limit.
const OVERHEAD: usize = 64;

/// Pieces by where they begin, none of which overlap: of two copies of a byte the first stays.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    kept: BTreeMap<u64, Vec<u8>>,
    cost: usize,
}

impl Pieces {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Bytes, with what their keeping costs.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// Keeps what of `bytes` isn't there yet. Says whether some of it was.
    pub(super) fn insert(&mut self, at: u64, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return false;
        }
        let end = at.saturating_add(bytes.len() as u64);
        // The last piece that begins before, and those that begin inside.
        let before = self.kept.range(..=at).next_back().map(|(from, piece)| from + piece.len() as u64);
        let mut from = before.map_or(at, |end| end.max(at));
        let mut overlaps = from > at;
        let mut gaps = Vec::new();
        for (start, piece) in self.kept.range(at.saturating_add(1)..end) {
            overlaps = true;
            if from < *start {
                gaps.push((from, *start));
            }
            from = from.max(start + piece.len() as u64);
        }
        if from < end {
            gaps.push((from, end));
        }
        for (from, to) in gaps {
            let Some(piece) = bytes.get((from - at) as usize..(to - at) as usize) else { continue };
            self.cost += piece.len() + OVERHEAD;
            self.kept.insert(from, piece.to_vec());
        }
        overlaps
    }

    /// Bytes alone.
    pub(super) fn bytes(&self) -> usize {
        self.cost - self.kept.len() * OVERHEAD
    }

    /// The pieces, in their order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.kept.values()
    }

    /// Where the first piece begins.
    pub(super) fn first(&self) -> Option<u64> {
        self.kept.first_key_value().map(|(at, _)| *at)
    }

    /// Takes the first piece if it begins at `at`.
    pub(super) fn take(&mut self, at: u64) -> Option<Vec<u8>> {
        let first = self.kept.first_entry().filter(|first| *first.key() == at)?;
        let piece = first.remove();
        self.cost -= piece.len() + OVERHEAD;
        Some(piece)
    }
}
