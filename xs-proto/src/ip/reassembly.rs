//! One direction of a TCP connection, as the bytes that were sent.

use super::pieces::Pieces;
use super::{Tcp, TcpFlags};

/// How much is kept of what came too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Bytes, with some for each segment. Beyond them what is missing is taken for lost.
    pub bytes: usize,
}

impl Default for StreamLimits {
    /// 1 MiB.
    fn default() -> Self {
        StreamLimits { bytes: 1 << 20 }
    }
}

/// What a stream says next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Bytes, in their order, each once.
    Data(&'a [u8]),
    /// So many bytes were never seen.
    Gap(u64),
    /// The sender has sent all.
    End,
    /// The connection was torn down.
    Reset,
}

/// Puts one direction's segments in order. Who watches a connection has two of them.
///
/// It begins with the SYN, or with the first segment that it sees. Each byte is given out once: of two copies of a byte
/// the first that came counts, whatever the second says.
#[derive(Debug, Default)]
pub struct Stream {
    limits: StreamLimits,
    /// The number of the byte that comes next, counted on where 32 bits end. None before the first segment.
    next: Option<u64>,
    pieces: Pieces,
    /// The number behind the last byte, when the sender has named it.
    end: Option<u64>,
    ended: bool,
}

/// Where the numbers begin, so that what is before the first one seen has a number too.
const BASE: u64 = 1 << 32;

impl Stream {
    /// A stream of which nothing was seen.
    pub fn new(limits: StreamLimits) -> Self {
        Stream { limits, ..Self::default() }
    }

    /// Whether [`Chunk::End`] or [`Chunk::Reset`] was given out: nothing follows.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Bytes that wait for earlier ones.
    pub fn waiting(&self) -> usize {
        self.pieces.bytes()
    }

    /// Takes a segment, and gives out what can be said now.
    pub fn push(&mut self, segment: &Tcp, payload: &[u8], mut give: impl FnMut(Chunk<'_>)) {
        if self.ended {
            return;
        }
        let syn = segment.flags.contains(TcpFlags::SYN);
        let first = segment.sequence.wrapping_add(syn.into());
        let next = *self.next.get_or_insert(BASE + u64::from(first));
        // Numbers are compared by their distance, which is less than half of what 32 bits count.
        let distance = first.wrapping_sub(next as u32).cast_signed();
        let at = next.saturating_add_signed(distance.into());
        if segment.flags.contains(TcpFlags::RST) {
            self.ended = true;
            return give(Chunk::Reset);
        }
        let end = at + payload.len() as u64;
        if segment.flags.contains(TcpFlags::FIN) && end >= next {
            self.end.get_or_insert(end);
        }
        // What stands behind the end that was named is nobody's.
        let most = self.end.map_or(u64::MAX, |end| end.saturating_sub(at));
        let payload = payload.get(..most as usize).unwrap_or(payload);
        let skip = next.saturating_sub(at).min(payload.len() as u64);
        let (at, payload) = (at + skip, &payload[skip as usize..]);
        if at == next && self.pieces.is_empty() {
            self.give(payload, &mut give);
        } else {
            self.pieces.insert(at, payload);
            self.deliver(&mut give);
            while self.pieces.cost() > self.limits.bytes {
                self.skip_gap(&mut give);
            }
        }
        self.finish_if_done(&mut give);
    }

    /// Gives out all that is left, with the gaps in it: nothing more will be seen.
    pub fn finish(&mut self, mut give: impl FnMut(Chunk<'_>)) {
        while !self.ended && !self.pieces.is_empty() {
            self.skip_gap(&mut give);
        }
        self.finish_if_done(&mut give);
    }

    fn give(&mut self, data: &[u8], give: &mut impl FnMut(Chunk<'_>)) {
        if !data.is_empty() {
            self.next = self.next.map(|next| next + data.len() as u64);
            give(Chunk::Data(data));
        }
    }

    fn deliver(&mut self, give: &mut impl FnMut(Chunk<'_>)) {
        while let Some(piece) = self.next.and_then(|next| self.pieces.take(next)) {
            self.give(&piece, give);
        }
    }

    fn skip_gap(&mut self, give: &mut impl FnMut(Chunk<'_>)) {
        if let Some((first, next)) = self.pieces.first().zip(self.next) {
            if first > next {
                give(Chunk::Gap(first - next));
            }
            self.next = Some(first);
            self.deliver(give);
        }
    }

    fn finish_if_done(&mut self, give: &mut impl FnMut(Chunk<'_>)) {
        if !self.ended && self.end.is_some() && self.end <= self.next {
            self.ended = true;
            give(Chunk::End);
        }
    }
}
