//! Outgoing bytes: [`Out`], the buffer that every encoder writes into.
//!
//! # The problem
//!
//! A server answers with many small pieces and a few large ones. Small pieces want to be copied next to each other, so
//! that a thousand replies leave in one system call over one slice. A large value wants the opposite: it already lies
//! in memory, counted by reference, and copying a megabyte to save a pointer is a bad trade. And some bytes should
//! never enter the process at all, such as a file range that the kernel can move to the socket by itself.
//!
//! # How it works
//!
//! All small bytes lie in one `Vec<u8>`, in order. Next to it stands a queue of references, each with the position in
//! that vector before which it belongs:
//!
//! ```text
//!   inline   +OK\r\n$20000\r\n│\r\n:1\r\n│...          one Vec<u8>
//!                         14 ▲        20 ▲
//!   refs     (14, Bytes of 20000) (20, external chunk)  one VecDeque, almost always empty
//! ```
//!
//! A writer asks for [`io_slices`](Out::io_slices), makes one vectored write, and reports with
//! [`advance`](Out::advance) how far it came. An external chunk ends the slices; the writer that knows its type takes
//! it from [`front_external`](Out::front_external).
//!
//! # Invariants
//!
//! - Bytes leave in the order in which they were put, whichever way each was stored (property test `any_mix_in_order`
//!   below).
//! - Positions in the queue never decrease and never point before what has been written ([`Out::advance`] is the only
//!   place that moves the front).
//! - An emptied `Out` holds at most [`KEPT_CAPACITY`] bytes of memory in its vector ([`Out::clear`]).
//!
//! # Cost
//!
//! Without references an `Out` is a `Vec<u8>`: putting is an append, writing is one slice, advancing over all of it is
//! a reset. A reference costs one queue entry (some 50 bytes); that is why smaller `Bytes` than [`BY_REFERENCE`] are
//! copied. [`Out::insert_slice`] moves everything behind the insertion.
//!
//! # Example
//!
//! ```
//! use bytes::Bytes;
//! use xs_proto::Out;
//!
//! let value = Bytes::from(vec![b'x'; 20_000]);
//! let mut out = Out::new();
//! out.put_slice(b"$20000\r\n");
//! out.put_bytes(value.clone()); // by reference: nothing is copied
//! out.put_slice(b"\r\n");
//!
//! let mut slices = [std::io::IoSlice::new(&[]); 8];
//! assert_eq!(out.io_slices(&mut slices), 3);
//! assert_eq!(slices[1].as_ptr(), value.as_ptr());
//! out.advance(20_010);
//! assert!(out.is_empty());
//! ```
//!
//! # How others do it
//!
//! Redis keeps a fixed buffer per client and a list of blocks behind it, and copies every value. hyper flattens small
//! buffers and queues large ones, which is the same bargain as here, with a queue entry for each. The `bytes` crate
//! offers `Chain`, whose type grows with each link; here the shape is a value, not a type.
//!
//! # What this leaves out
//!
//! Limits: an `Out` grows as it is told to, and its owner compares [`Out::len`] with what a slow reader is allowed.
//! Reading back what has been put, except for tests ([`Out::to_vec`]).
//!
//! # Try next
//!
//! Change [`BY_REFERENCE`] to 1 KiB and to 1 MiB and measure a server that answers with values of 16 KiB: the first
//! pays in queue entries and short slices, the second in copied bytes.
//!
//! # Sources
//!
//! `writev(2)` and `sendfile(2)`; `IOV_MAX` in POSIX, which bounds how many slices one call takes.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::io::IoSlice;

use bytes::Bytes;

/// From this many bytes up, [`Out::put_bytes`] keeps a reference; below it copies.
pub const BY_REFERENCE: usize = 16 * 1024;

/// An emptied [`Out`] gives back the memory that it has beyond this.
pub const KEPT_CAPACITY: usize = 64 * 1024;

/// Outgoing bytes, in order: small ones in one piece, large ones by reference. See the [module page](self).
#[derive(Default)]
pub struct Out {
    /// Every byte that was copied in.
    inline: Vec<u8>,
    /// How many bytes of `inline` have left.
    head: usize,
    /// What lies elsewhere, with the length of `inline` at which it was put.
    refs: VecDeque<(usize, Ref)>,
    /// The sum of what `refs` still have to send.
    ref_len: usize,
}

enum Ref {
    Bytes(Bytes),
    External { chunk: Box<dyn Any + Send>, sent: u64, left: usize },
}

impl Ref {
    fn len(&self) -> usize {
        match self {
            Ref::Bytes(bytes) => bytes.len(),
            Ref::External { left, .. } => *left,
        }
    }
}

/// A chunk that only the writer can resolve, at the front of an [`Out`].
#[derive(Debug)]
pub struct External<'a> {
    /// What was given to [`Out::put_external`]; downcast it to the types that the transport knows.
    pub chunk: &'a mut (dyn Any + Send),
    /// How many of its bytes have been sent.
    pub sent: u64,
    /// How many are still to be sent.
    pub left: usize,
}

impl Out {
    /// An empty buffer without memory.
    pub const fn new() -> Self {
        Out { inline: Vec::new(), head: 0, refs: VecDeque::new(), ref_len: 0 }
    }

    /// An empty buffer with room for `capacity` small bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Out { inline: Vec::with_capacity(capacity), ..Out::new() }
    }

    /// How many bytes wait to be written, external ones included.
    #[inline]
    pub fn len(&self) -> usize {
        self.inline.len() - self.head + self.ref_len
    }

    /// Whether nothing waits to be written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory the copied bytes occupy, free room included. References are not counted: they are shared.
    pub fn capacity(&self) -> usize {
        self.inline.capacity()
    }

    /// Whether some chunk can only be sent by a transport that knows its type.
    pub fn has_external(&self) -> bool {
        self.refs.iter().any(|(_, r)| matches!(r, Ref::External { .. }))
    }

    /// Appends a copy of `bytes`.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        self.inline.extend_from_slice(bytes);
    }

    /// Appends one byte.
    #[inline]
    pub fn put_u8(&mut self, byte: u8) {
        self.inline.push(byte);
    }

    /// Appends `bytes`: by reference from [`BY_REFERENCE`] up, else as a copy.
    #[inline]
    pub fn put_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < BY_REFERENCE {
            self.inline.extend_from_slice(&bytes);
        } else {
            self.push_ref(Ref::Bytes(bytes));
        }
    }

    /// Appends `len` bytes that only the transport can fetch, for example a range of a file. A `len` of zero appends
    /// nothing.
    pub fn put_external(&mut self, chunk: Box<dyn Any + Send>, len: usize) {
        if len > 0 {
            self.push_ref(Ref::External { chunk, sent: 0, left: len });
        }
    }

    #[cold]
    fn push_ref(&mut self, r: Ref) {
        self.ref_len += r.len();
        self.refs.push_back((self.inline.len(), r));
    }

    /// Moves everything that waits in `other` behind what waits here.
    pub fn append(&mut self, other: &mut Out) {
        if self.is_empty() && self.inline.capacity() <= other.inline.capacity() {
            self.clear();
            std::mem::swap(self, other);
            return;
        }
        let base = self.inline.len();
        self.inline.extend_from_slice(&other.inline[other.head..]);
        self.ref_len += other.ref_len;
        let moved = other.refs.drain(..).map(|(at, r)| (base + at - other.head, r));
        self.refs.extend(moved);
        other.clear();
    }

    /// Inserts `bytes` before the byte number `pos` of what waits, where `pos` is what [`len`](Out::len) was at that
    /// point. Made for lengths that are known only after what they count has been written.
    ///
    /// # Panics
    ///
    /// When `pos` is beyond the end or inside a reference.
    pub fn insert_slice(&mut self, pos: usize, bytes: &[u8]) {
        assert!(pos <= self.len(), "insertion beyond the end");
        let mut refs_before = 0;
        let mut first_after = self.refs.len();
        for (i, (at, r)) in self.refs.iter().enumerate() {
            let start = at - self.head + refs_before;
            if start >= pos {
                first_after = i;
                break;
            }
            refs_before += r.len();
            assert!(start + r.len() <= pos, "insertion inside a reference");
        }
        let at = self.head + pos - refs_before;
        self.inline.splice(at..at, bytes.iter().copied());
        for (at, _) in self.refs.range_mut(first_after..) {
            *at += bytes.len();
        }
    }

    /// The vector behind the small bytes, for encoders that append in tight loops. Append only: what is already in it
    /// may be partly written, and references point between its bytes.
    #[inline]
    pub fn inline_mut(&mut self) -> &mut Vec<u8> {
        &mut self.inline
    }

    /// Takes back what was put last, so that `len` bytes wait; does nothing when fewer do. A chunk of which only a part
    /// would stay goes as a whole.
    pub fn truncate(&mut self, len: usize) {
        while len < self.len() {
            let behind = self.inline.len() - self.refs.back().map_or(self.head, |(at, _)| *at);
            let excess = self.len() - len;
            self.inline.truncate(self.inline.len() - excess.min(behind));
            if excess > behind
                && let Some((_, r)) = self.refs.pop_back()
            {
                self.ref_len -= r.len();
            }
        }
    }

    /// Fills `dst` with what a vectored write should send next, and returns how many slices that are. Stops before an
    /// external chunk, so zero means that nothing waits, `dst` is empty or an external chunk is at the front.
    pub fn io_slices<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let mut n = 0;
        let mut from = self.head;
        for (at, r) in &self.refs {
            if from < *at {
                let Some(slot) = dst.get_mut(n) else { return n };
                *slot = IoSlice::new(&self.inline[from..*at]);
                n += 1;
                from = *at;
            }
            let Ref::Bytes(bytes) = r else { return n };
            let Some(slot) = dst.get_mut(n) else { return n };
            *slot = IoSlice::new(bytes);
            n += 1;
        }
        if from < self.inline.len()
            && let Some(slot) = dst.get_mut(n)
        {
            *slot = IoSlice::new(&self.inline[from..]);
            n += 1;
        }
        n
    }

    /// The next bytes in one slice, or an empty one when nothing waits or an external chunk is next.
    pub fn front(&self) -> &[u8] {
        match self.refs.front() {
            None => &self.inline[self.head..],
            Some((at, _)) if self.head < *at => &self.inline[self.head..*at],
            Some((_, Ref::Bytes(bytes))) => bytes,
            Some((_, Ref::External { .. })) => &[],
        }
    }

    /// The external chunk whose turn it is, if it is one's turn.
    pub fn front_external(&mut self) -> Option<External<'_>> {
        match self.refs.front_mut() {
            Some((at, Ref::External { chunk, sent, left })) if *at == self.head => {
                Some(External { chunk: chunk.as_mut(), sent: *sent, left: *left })
            }
            _ => None,
        }
    }

    /// Forgets the first `n` bytes: they have been written.
    ///
    /// # Panics
    ///
    /// When fewer than `n` bytes wait.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len(), "advanced beyond the end");
        if n == self.len() {
            self.clear();
        } else {
            self.advance_partly(n);
        }
    }

    fn advance_partly(&mut self, mut n: usize) {
        while let Some((at, r)) = self.refs.front_mut() {
            let inline = n.min(*at - self.head);
            self.head += inline;
            n -= inline;
            if self.head < *at || n == 0 {
                break;
            }
            let step = n.min(r.len());
            n -= step;
            self.ref_len -= step;
            match r {
                Ref::Bytes(bytes) => bytes::Buf::advance(bytes, step),
                Ref::External { sent, left, .. } => {
                    *sent += step as u64;
                    *left -= step;
                }
            }
            if r.len() == 0 {
                self.refs.pop_front();
            }
        }
        self.head += n;
        // A reader that never quite catches up must not let the written part grow for ever. Moving less than what was
        // written since the last time keeps the cost constant per byte.
        if self.head >= KEPT_CAPACITY && self.head >= self.inline.len() / 2 {
            self.inline.drain(..self.head);
            for (at, _) in &mut self.refs {
                *at -= self.head;
            }
            self.head = 0;
        }
    }

    /// Forgets everything. Keeps [`KEPT_CAPACITY`] bytes of memory for the next use and gives back the rest.
    #[inline]
    pub fn clear(&mut self) {
        self.inline.clear();
        self.head = 0;
        self.ref_len = 0;
        if !self.refs.is_empty() {
            self.refs = VecDeque::new();
        }
        if self.inline.capacity() > KEPT_CAPACITY {
            self.inline.shrink_to(KEPT_CAPACITY);
        }
    }

    /// Gives back all memory that is not in use, for a connection that has gone quiet.
    pub fn shrink(&mut self) {
        self.inline.shrink_to_fit();
        self.refs.shrink_to_fit();
    }

    /// A copy of what waits. External chunks contribute nothing; see [`has_external`](Out::has_external).
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        let mut from = self.head;
        for (at, r) in &self.refs {
            all.extend_from_slice(&self.inline[from..*at]);
            from = *at;
            if let Ref::Bytes(bytes) = r {
                all.extend_from_slice(bytes);
            }
        }
        all.extend_from_slice(&self.inline[from..]);
        all
    }
}

impl Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out").field("len", &self.len()).field("references", &self.refs.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Put {
        Slice(Vec<u8>),
        Bytes(Vec<u8>),
        Appended(Vec<u8>),
        /// Inserted at a point that was noted before the following puts.
        Deferred(Vec<u8>, Vec<u8>),
        Advance(usize),
    }

    fn put() -> impl Strategy<Value = Put> {
        let small = || proptest::collection::vec(any::<u8>(), 0..40);
        let big = (0u8..255, 0usize..200).prop_map(|(b, extra)| vec![b; BY_REFERENCE + extra - 100]);
        prop_oneof![
            small().prop_map(Put::Slice),
            big.clone().prop_map(Put::Bytes),
            big.prop_map(Put::Appended),
            (small(), small()).prop_map(|(a, b)| Put::Deferred(a, b)),
            (0usize..50_000).prop_map(Put::Advance),
        ]
    }

    fn by_slices(out: &Out) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 256];
        let n = out.io_slices(&mut slices);
        slices[..n].iter().flat_map(|s| s.iter().copied()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn any_mix_in_order(puts in proptest::collection::vec(put(), 0..40)) {
            let mut out = Out::new();
            let mut model: Vec<u8> = Vec::new();
            for put in puts {
                match put {
                    Put::Slice(bytes) => {
                        out.put_slice(&bytes);
                        model.extend(bytes);
                    }
                    Put::Bytes(bytes) => {
                        out.put_bytes(bytes.clone().into());
                        model.extend(bytes);
                    }
                    Put::Appended(bytes) => {
                        let mut other = Out::new();
                        other.put_slice(b"ab");
                        other.put_bytes(bytes.clone().into());
                        other.put_slice(b"c");
                        other.advance(1);
                        out.append(&mut other);
                        prop_assert!(other.is_empty());
                        model.push(b'b');
                        model.extend(bytes);
                        model.push(b'c');
                    }
                    Put::Deferred(first, rest) => {
                        let mark = out.len();
                        let big = vec![7; BY_REFERENCE];
                        out.put_bytes(big.clone().into());
                        out.put_slice(&rest);
                        out.insert_slice(mark, &first);
                        model.extend(first);
                        model.extend(big);
                        model.extend(rest);
                    }
                    Put::Advance(n) => {
                        let n = n.min(out.len());
                        out.advance(n);
                        model.drain(..n);
                    }
                }
                prop_assert_eq!(out.len(), model.len());
                prop_assert!(out.to_vec() == model);
                prop_assert!(by_slices(&out) == model);
                prop_assert!(model.starts_with(out.front()));
            }
        }
    }

    #[test]
    fn a_small_reply_is_one_slice_and_a_large_value_is_not_copied() {
        let mut out = Out::new();
        out.put_slice(b"+OK\r\n");
        out.put_bytes(Bytes::from_static(b":1\r\n"));
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(out.io_slices(&mut slices), 1);
        let big = Bytes::from(vec![0; BY_REFERENCE]);
        out.put_bytes(big.clone());
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(out.io_slices(&mut slices), 2);
        assert_eq!(slices[1].as_ptr(), big.as_ptr());
    }

    #[test]
    fn an_external_chunk_waits_for_its_turn_and_remembers_how_far_it_came() {
        let mut out = Out::new();
        out.put_slice(b"head");
        out.put_external(Box::new("file"), 10);
        out.put_slice(b"tail");
        assert_eq!((out.len(), by_slices(&out)), (18, b"head".to_vec()));
        assert!(out.has_external() && out.front_external().is_none());
        out.advance(4);
        assert!(by_slices(&out).is_empty() && out.front().is_empty());
        let external = out.front_external().unwrap();
        assert_eq!(external.chunk.downcast_ref::<&str>(), Some(&"file"));
        assert_eq!((external.sent, external.left), (0, 10));
        out.advance(3);
        let external = out.front_external().unwrap();
        assert_eq!((external.sent, external.left), (3, 7));
        out.advance(7);
        assert_eq!((out.front(), out.len()), (&b"tail"[..], 4));
    }

    #[test]
    fn memory_beyond_the_kept_capacity_is_given_back() {
        let mut out = Out::new();
        out.put_slice(&vec![1; 10 * KEPT_CAPACITY]);
        out.advance(10 * KEPT_CAPACITY);
        assert!(out.capacity() <= KEPT_CAPACITY);
        out.put_slice(b"x");
        out.clear();
        out.shrink();
        assert_eq!(out.capacity(), 0);
    }

    #[test]
    fn a_reader_that_lags_by_one_byte_does_not_hold_the_past() {
        let mut out = Out::new();
        out.put_u8(0);
        for _ in 0..1000 {
            out.put_slice(&[1; 1000]);
            out.advance(1000);
        }
        assert_eq!(out.len(), 1);
        assert!(out.capacity() <= 4 * KEPT_CAPACITY);
    }
}
