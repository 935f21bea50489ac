//! Bytes that are not with the operating system yet: what appenders have left, in the order in which it will be written.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Index;
use super::framing::{Framing, Mark};
use super::segment::Segment;

/// Bytes that go to one place of one segment, in one write.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) segment: Arc<Segment>,
    /// Where in the segment.
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) mark: Mark,
    /// The segment's length that is to be set aside when it begins.
    pub(super) reserve: u64,
    pieces: VecDeque<Piece>,
}

#[derive(Debug)]
enum Piece {
    /// Copied together.
    Run(Vec<u8>),
    /// Handed over.
    Shared(Bytes),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Run(run) => run,
            Piece::Shared(bytes) => bytes,
        }
    }
}

impl Chunk {
    /// A chunk with nothing but its mark. `run` is memory to use, of an earlier one.
    pub(super) fn new<F: Framing>(
        framing: &F,
        segment: Arc<Segment>,
        start: u64,
        mark: Mark,
        reserve: u64,
        mut run: Vec<u8>,
    ) -> Self {
        run.clear();
        run.resize(F::MARK_LEN, 0);
        framing.put_mark(mark, &mut run);
        let pieces = VecDeque::from([Piece::Run(run)]);
        Chunk { segment, start, len: F::MARK_LEN as u64, mark, reserve, pieces }
    }

    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }

    /// Copies bytes.
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        match self.pieces.back_mut() {
            Some(Piece::Run(run)) => run.extend_from_slice(bytes),
            _ => self.pieces.push_back(Piece::Run(bytes.to_vec())),
        }
    }

    /// Takes bytes as they are.
    pub(super) fn share(&mut self, bytes: Bytes) {
        self.len += bytes.len() as u64;
        self.pieces.push_back(Piece::Shared(bytes));
    }

    /// Brings the mark up to what is durable by now.
    pub(super) fn refresh<F: Framing>(&mut self, framing: &F, durable: Index) {
        self.mark.durable = durable;
        if let Some(Piece::Run(run)) = self.pieces.front_mut() {
            framing.put_mark(self.mark, &mut run[..F::MARK_LEN]);
        }
    }

    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.pieces.iter().map(|piece| IoSlice::new(piece.bytes())).collect()
    }

    /// Copies up to `len` bytes that will stand at `pos`, which lies in this chunk, to `out`.
    pub(super) fn read(&self, pos: u64, len: usize, out: &mut BytesMut) {
        let mut skip = (pos - self.start) as usize;
        let mut left = len;
        for piece in &self.pieces {
            let bytes = piece.bytes();
            if skip >= bytes.len() {
                skip -= bytes.len();
                continue;
            }
            let part = &bytes[skip..bytes.len().min(skip.saturating_add(left))];
            out.extend_from_slice(part);
            left -= part.len();
            skip = 0;
            if left == 0 {
                return;
            }
        }
    }

    /// The memory of the first run, to be used again.
    pub(super) fn into_run(mut self) -> Option<Vec<u8>> {
        match self.pieces.pop_front() {
            Some(Piece::Run(run)) => Some(run),
            _ => None,
        }
    }
}
