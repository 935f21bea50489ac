//! Deleted ranges, cut into pieces that do not overlap.
//!
//! ```text
//!   deletes    a ────── 7 ────── f            pieces   a─c: 7    c─f: 9, 7    f─k: 9
//!                    c ────── 9 ────── k
//! ```
//! The question is always the same: which delete covers this key, the newest that a reader at `seq` may know of? In
//! pieces it is one binary search.

use bytes::Bytes;
use smallvec::SmallVec;

use super::Seq;
use super::codec::{Reader, put_string};
use crate::varint::put_varint;

/// A part of the key space, and the sequence numbers of the deletes that cover it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: Bytes,
    pub(super) end: Bytes,
    /// The newest first, none twice.
    pub(super) seqs: SmallVec<[Seq; 2]>,
}

/// Pieces in order, none empty, none overlapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    pieces: Vec<Piece>,
}

/// What [`Ranges::around`] says of a key: the newest delete that covers it, and up to where that is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Around<'a> {
    /// The newest delete that a reader may know of; 0 if there is none.
    pub(super) seq: Seq,
    /// Where this answer begins to hold; none from the first key on.
    pub(super) start: Option<&'a Bytes>,
    /// Where this answer ends to hold; none up to the last key.
    pub(super) end: Option<&'a Bytes>,
}

impl Ranges {
    /// Cuts deletes of any order into pieces. `start < end` in each.
    pub(super) fn new(mut deletes: Vec<(Bytes, Bytes, Seq)>) -> Self {
        if deletes.is_empty() {
            return Self::default();
        }
        let mut cuts: Vec<Bytes> = deletes.iter().flat_map(|(start, end, _)| [start.clone(), end.clone()]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        deletes.sort_unstable();
        let mut pieces: Vec<Piece> = Vec::with_capacity(cuts.len());
        let mut open: Vec<(Bytes, Seq)> = Vec::new();
        let mut next = deletes.into_iter().peekable();
        for pair in cuts.windows(2) {
            open.retain(|(end, _)| *end > pair[0]);
            while let Some((_, end, seq)) = next.next_if(|(start, _, _)| *start <= pair[0]) {
                open.push((end, seq));
            }
            let mut seqs: SmallVec<[Seq; 2]> = open.iter().map(|(_, seq)| *seq).collect();
            seqs.sort_unstable_by(|a, b| b.cmp(a));
            seqs.dedup();
            if !seqs.is_empty() {
                pieces.push(Piece { start: pair[0].clone(), end: pair[1].clone(), seqs });
            }
        }
        let mut ranges = Ranges { pieces };
        ranges.join();
        ranges
    }

    /// Neighbours that say the same become one.
    fn join(&mut self) {
        self.pieces.dedup_by(|next, piece| {
            let same = piece.end == next.start && piece.seqs == next.seqs;
            if same {
                piece.end = next.end.clone();
            }
            same
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The deletes that these pieces are made of, cut up.
    pub(super) fn deletes(&self) -> impl Iterator<Item = (Bytes, Bytes, Seq)> + '_ {
        self.pieces.iter().flat_map(|piece| piece.seqs.iter().map(|seq| (piece.start.clone(), piece.end.clone(), *seq)))
    }

    /// The newest delete that covers a key and is not newer than `seq`; 0 if there is none.
    pub(super) fn cover(&self, key: &[u8], seq: Seq) -> Seq {
        if self.pieces.is_empty() { 0 } else { self.around(key, seq).seq }
    }

    /// The same, and how far it holds.
    pub(super) fn around(&self, key: &[u8], seq: Seq) -> Around<'_> {
        let after = self.pieces.partition_point(|piece| piece.start[..] <= *key);
        let behind = self.pieces.get(after).map(|piece| &piece.start);
        let Some(piece) = after.checked_sub(1).map(|at| &self.pieces[at]) else {
            return Around { seq: 0, start: None, end: behind };
        };
        if *key < piece.end[..] {
            let newest = piece.seqs.iter().copied().find(|known| *known <= seq).unwrap_or(0);
            Around { seq: newest, start: Some(&piece.start), end: Some(&piece.end) }
        } else {
            Around { seq: 0, start: Some(&piece.end), end: behind }
        }
    }

    /// The part between two keys; none means without end.
    pub(super) fn clip(&self, from: Option<&Bytes>, to: Option<&Bytes>) -> Ranges {
        let clipped = self.pieces.iter().filter_map(|piece| {
            let start = from.map_or(&piece.start, |from| from.max(&piece.start)).clone();
            let end = to.map_or(&piece.end, |to| to.min(&piece.end)).clone();
            (start < end).then(|| Piece { start, end, seqs: piece.seqs.clone() })
        });
        Ranges { pieces: clipped.collect() }
    }

    /// Keeps of each piece's deletes those for which `keep` says so.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Piece, Seq) -> bool) {
        for at in 0..self.pieces.len() {
            let piece = &self.pieces[at];
            let seqs = piece.seqs.iter().copied().filter(|seq| keep(piece, *seq)).collect();
            self.pieces[at].seqs = seqs;
        }
        self.pieces.retain(|piece| !piece.seqs.is_empty());
        self.join();
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.pieces.len() as u64);
        for piece in &self.pieces {
            put_string(out, &piece.start);
            put_string(out, &piece.end);
            put_varint(out, piece.seqs.len() as u64);
            piece.seqs.iter().for_each(|seq| put_varint(out, *seq));
        }
    }

    /// None if these are not pieces in order.
    pub(super) fn decode(bytes: &[u8]) -> Option<Ranges> {
        let mut reader = Reader::new(bytes);
        let mut pieces: Vec<Piece> = Vec::new();
        for _ in 0..reader.varint()? {
            let start = Bytes::copy_from_slice(reader.string()?);
            let end = Bytes::copy_from_slice(reader.string()?);
            let mut seqs = SmallVec::new();
            for _ in 0..reader.varint()? {
                seqs.push(reader.varint()?);
            }
            let follows = pieces.last().is_none_or(|last| last.end <= start);
            if !follows || start >= end || seqs.is_empty() || !seqs.is_sorted_by(|a, b| a > b) {
                return None;
            }
            pieces.push(Piece { start, end, seqs });
        }
        reader.is_empty().then_some(Ranges { pieces })
    }

    /// About how much memory this takes.
    pub(super) fn weight(&self) -> u64 {
        let pieces = self.pieces.iter();
        pieces
            .map(|piece| (size_of::<Piece>() + piece.start.len() + piece.end.len() + 8 * piece.seqs.len()) as u64)
            .sum()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn deletes() -> impl Strategy<Value = Vec<(u8, u8, Seq)>> {
        proptest::collection::vec((0..20_u8, 0..20_u8, 1..30_u64), 0..12)
    }

    fn ranges(deletes: &[(u8, u8, Seq)]) -> Ranges {
        let real = deletes.iter().filter(|(start, end, _)| start < end);
        Ranges::new(real.map(|(start, end, seq)| (Bytes::from(vec![*start]), Bytes::from(vec![*end]), *seq)).collect())
    }

    fn model(deletes: &[(u8, u8, Seq)], key: u8, seq: Seq) -> Seq {
        let covering = deletes.iter().filter(|(start, end, known)| *start <= key && key < *end && *known <= seq);
        covering.map(|(_, _, known)| *known).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn pieces_answer_as_the_deletes_would(deletes in deletes(), from in 0..20_u8, to in 0..20_u8, seq in 0..31_u64) {
            let ranges = ranges(&deletes);
            prop_assert!(ranges.pieces().windows(2).all(|pair| pair[0].end <= pair[1].start));
            let clipped = ranges.clip(Some(&Bytes::from(vec![from])), Some(&Bytes::from(vec![to])));
            for key in 0..21 {
                let expected = model(&deletes, key, seq);
                prop_assert_eq!(ranges.cover(&[key], seq), expected);
                prop_assert_eq!(clipped.cover(&[key], seq), if from <= key && key < to { expected } else { 0 });
                let around = ranges.around(&[key], seq);
                for near in 0..21_u8 {
                    let inside = around.start.is_none_or(|start| start[..] <= [near][..]) && around.end.is_none_or(|end| [near][..] < end[..]);
                    prop_assert!(!inside || ranges.cover(&[near], seq) == around.seq);
                }
            }
            let mut bytes = Vec::new();
            ranges.encode(&mut bytes);
            prop_assert_eq!(Ranges::decode(&bytes), Some(ranges.clone()));
            prop_assert_eq!(Ranges::new(ranges.deletes().collect()), ranges);
        }

        #[test]
        fn any_bytes_are_pieces_or_refused(bytes in any::<Vec<u8>>()) {
            let _ = Ranges::decode(&bytes);
        }
    }
}
