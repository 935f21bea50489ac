//! An array that only grows: one thread appends, others read what is there, and nothing ever moves.
//!
//! ```text
//!   outer: 256 places ──▶ inner: 2^inner places ──▶ chunk: 2^shift elements
//! ```
//! Each place is a [`OnceLock`]: empty, then set for good. Reading is two or three loads and no lock.

use std::sync::OnceLock;

const OUTER: usize = 256;

type Chunk<T> = OnceLock<Box<[OnceLock<T>]>>;

/// See the [page](self).
#[derive(Debug)]
pub(super) struct Chunks<T> {
    outer: Box<[OnceLock<Box<[Chunk<T>]>>]>,
    inner: u32,
    shift: u32,
}

/// A box of empty places.
fn empty<T>(len: usize) -> Box<[OnceLock<T>]> {
    (0..len).map(|_| OnceLock::new()).collect()
}

impl<T> Chunks<T> {
    /// Chunks of `2^shift` elements, in groups of `2^inner`.
    pub(super) fn new(shift: u32, inner: u32) -> Self {
        Chunks { outer: empty(OUTER), inner, shift }
    }

    /// The most elements that there can be.
    pub(super) fn capacity(&self) -> u64 {
        (OUTER as u64) << (self.inner + self.shift)
    }

    #[inline]
    fn split(&self, at: u32) -> (usize, usize, usize) {
        let chunk = at as usize >> self.shift;
        (chunk >> self.inner, chunk & ((1 << self.inner) - 1), at as usize & ((1 << self.shift) - 1))
    }

    /// An element; none if it is not there, or not visible yet to this thread.
    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<&T> {
        let (outer, inner, place) = self.split(at);
        self.outer.get(outer)?.get()?[inner].get()?[place].get()
    }

    /// Sets element `at`, where none is yet; returns the bytes of memory that this took.
    pub(super) fn set(&self, at: u32, value: T) -> usize {
        let (outer, inner, place) = self.split(at);
        let mut took = 0;
        let chunks = self.outer[outer].get_or_init(|| {
            took += size_of::<Chunk<T>>() << self.inner;
            empty(1 << self.inner)
        });
        let chunk = chunks[inner].get_or_init(|| {
            took += size_of::<OnceLock<T>>() << self.shift;
            empty(1 << self.shift)
        });
        let fresh = chunk[place].set(value).is_ok();
        debug_assert!(fresh, "element {at} is set twice");
        took
    }
}
