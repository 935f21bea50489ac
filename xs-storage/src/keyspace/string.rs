//! Strings as values: a number, a few bytes in place, a buffer with room to grow, or shared bytes.
//!
//! # The problem
//!
//! Most values of a cache are strings, and most of those are short. A pointer to a length to an allocation costs more
//! than the ten bytes that it leads to; a counter kept as text is parsed and printed at every increment; and a value of a
//! megabyte that is copied into every reply costs more than everything else about the request.
//!
//! # How it works
//!
//! [`Str`] is 24 bytes and chooses by length and by what was done to it:
//!
//! ```text
//!   "-120"            ──▶ [int │ i64               ]                 canonical text of an i64: eight bytes, no heap
//!   up to 22 bytes    ──▶ [ in │n│ bytes in place  ]                 no heap
//!   longer            ──▶ [heap│ ──▶ len cap bytes… ]                one allocation of the exact class
//!   changed in place  ──▶ [raw │ ──▶ len cap bytes… room ]           appends are O(1) a byte
//!   16 KiB and more   ──▶ [ref │ ──▶ Bytes ─────────▶ shared ]       a reply holds a reference, not a copy
//! ```
//!
//! [`Str::from_slice`] recognises numbers; [`Str::append`], [`Str::set_range`] and [`Str::bytes_mut`] turn the value into
//! the raw form once and change it there. A reader never needs to know the form: [`Str::view`] is the bytes, with a
//! number printed into the view itself.
//!
//! # Invariants
//!
//! - The number form is used only where its text is exactly the string that was stored (`"007"` and `"+7"` stay bytes):
//!   `Item::compact`'s rule, tested there.
//! - The in-place form holds at most [`Str::INLINE`] bytes, and the shared form at least [`Str::SHARED`]
//!   (`Str::from_bytes` and `Str::from_slice` are the only makers).
//! - [`Str::encoding`] answers what Redis 7.0 would: `int`, `embstr` up to 44 bytes, `raw` beyond, and `raw` for
//!   whatever was changed in place. The forms here are finer than that and never show.
//!
//! # Cost
//!
//! Making a string costs one copy, and an allocation from 23 bytes up. Reading costs nothing, or printing a number
//! (about 5 ns). A shared string that is changed in place is copied once.
//!
//! # Example
//!
//! ```
//! use xs_storage::keyspace::string::Str;
//!
//! let mut s = Str::from_slice(b"41");
//! assert_eq!(s.encoding(), "int");
//! s.set_i64(s.as_i64().unwrap() + 1);
//! assert_eq!(&*s.view(), b"42");
//! assert_eq!(s.append(b" is it"), 8);
//! assert_eq!((&*s.view(), s.encoding()), (&b"42 is it"[..], "raw"));
//! ```
//!
//! # How others do it
//!
//! Redis keeps a 16-byte object header and a string with its own header, in one allocation up to 44 bytes (`embstr`), and
//! shares one object for each number below 10,000. Valkey 8 and later put key and value into one allocation, as the
//! keyspace here does with the in-place form. Both copy large values into the reply, or hand the object itself to the
//! client's queue.
//!
//! # What this leaves out
//!
//! Compression, and ropes for edits in the middle of large strings: a [`Str::set_range`] touches only its own range, but
//! growing copies.
//!
//! # Try next
//!
//! Make the shared form change in place when nobody else holds the bytes (`Bytes::try_into_mut`), and measure who gains.
//!
//! # Sources
//!
//! Redis' `object.c` (the encodings and their limits); the `bytes` crate.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use super::item::canonical_i64;
use super::size::alloc_size;
use super::thin::ThinBytes;

/// A string value. See the [module page](self).
#[derive(Clone)]
pub struct Str(Form);

#[derive(Clone)]
enum Form {
    Int(i64),
    Inline {
        len: u8,
        bytes: [u8; Str::INLINE],
    },
    /// Never changed since it was stored.
    Heap(ThinBytes),
    /// Changed in place.
    Raw(ThinBytes),
    /// Boxed: `Bytes` is four words.
    Shared(Box<Bytes>),
}

impl Str {
    /// Strings up to this length need no heap.
    pub const INLINE: usize = 22;
    /// Strings from this length up are shared with the replies that carry them.
    pub const SHARED: usize = 16 * 1024;
    /// The longest string that Redis calls `embstr`.
    const EMBEDDED: usize = 44;

    /// A string; a number if it is the usual text of one.
    #[inline]
    pub fn from_slice(bytes: &[u8]) -> Self {
        match canonical_i64(bytes) {
            Some(number) => Str(Form::Int(number)),
            None => Str::from_text(bytes),
        }
    }

    /// A string that stays text even when it looks like a number.
    #[inline]
    pub fn from_text(bytes: &[u8]) -> Self {
        if bytes.len() <= Self::INLINE {
            let mut inline = [0; Self::INLINE];
            inline[..bytes.len()].copy_from_slice(bytes);
            return Str(Form::Inline { len: bytes.len() as u8, bytes: inline });
        }
        if bytes.len() < Self::SHARED {
            return Str(Form::Heap(ThinBytes::from(bytes)));
        }
        Str(Form::Shared(Box::new(Bytes::copy_from_slice(bytes))))
    }

    /// A string that keeps large `bytes` as they are, without a copy. What they are a part of stays in memory with them,
    /// so pass bytes that own their memory, not a piece of a larger read buffer.
    pub fn from_bytes(bytes: Bytes) -> Self {
        if bytes.len() < Self::SHARED { Str::from_slice(&bytes) } else { Str(Form::Shared(Box::new(bytes))) }
    }

    /// The text of a number.
    #[inline]
    pub fn from_i64(number: i64) -> Self {
        Str(Form::Int(number))
    }

    /// Becomes the text of a number.
    #[inline]
    pub fn set_i64(&mut self, number: i64) {
        self.0 = Form::Int(number);
    }

    /// The number that the string is the usual text of.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        match &self.0 {
            Form::Int(number) => Some(*number),
            Form::Inline { len, bytes } => canonical_i64(&bytes[..usize::from(*len)]),
            Form::Heap(bytes) | Form::Raw(bytes) => canonical_i64(bytes),
            Form::Shared(_) => None,
        }
    }

    /// The bytes, with `scratch` as the place to print a number to.
    #[inline]
    pub fn as_bytes<'a>(&'a self, scratch: &'a mut [u8; 20]) -> &'a [u8] {
        match &self.0 {
            Form::Int(number) => {
                let mut buffer = itoa::Buffer::new();
                let text = buffer.format(*number).as_bytes();
                scratch[..text.len()].copy_from_slice(text);
                &scratch[..text.len()]
            }
            Form::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Form::Heap(bytes) | Form::Raw(bytes) => bytes,
            Form::Shared(bytes) => bytes,
        }
    }

    /// The bytes, in a view that a number prints itself into.
    #[inline]
    pub fn view(&self) -> StrRef<'_> {
        match &self.0 {
            Form::Int(number) => {
                let mut text = [0; 20];
                let mut buffer = itoa::Buffer::new();
                let digits = buffer.format(*number).as_bytes();
                text[..digits.len()].copy_from_slice(digits);
                StrRef(View::Text { len: digits.len() as u8, text })
            }
            Form::Inline { len, bytes } => StrRef(View::Slice(&bytes[..usize::from(*len)])),
            Form::Heap(bytes) | Form::Raw(bytes) => StrRef(View::Slice(bytes)),
            Form::Shared(bytes) => StrRef(View::Slice(bytes)),
        }
    }

    /// The bytes by reference, if they are kept so: for a reply that carries them without a copy.
    #[inline]
    pub fn to_shared(&self) -> Option<Bytes> {
        match &self.0 {
            Form::Shared(bytes) => Some((**bytes).clone()),
            _ => None,
        }
    }

    /// A copy of the bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.view().to_vec()
    }

    /// The length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Int(number) => itoa::Buffer::new().format(*number).len(),
            Form::Inline { len, .. } => usize::from(*len),
            Form::Heap(bytes) | Form::Raw(bytes) => bytes.len(),
            Form::Shared(bytes) => bytes.len(),
        }
    }

    /// Whether there is no byte.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buffer that changes are made in.
    fn raw(&mut self, extra: usize) -> &mut ThinBytes {
        match &mut self.0 {
            Form::Raw(_) => {}
            Form::Heap(bytes) => self.0 = Form::Raw(std::mem::take(bytes)),
            _ => {
                let old = self.view();
                let mut bytes = ThinBytes::with_capacity(old.len() + extra);
                bytes.extend_from_slice(&old);
                self.0 = Form::Raw(bytes);
            }
        }
        match &mut self.0 {
            Form::Raw(bytes) => bytes,
            _ => unreachable!("made raw above"),
        }
    }

    /// Appends `more` and answers the new length. At most 4 GiB in all; callers set a tighter limit.
    pub fn append(&mut self, more: &[u8]) -> usize {
        let bytes = self.raw(more.len());
        bytes.extend_from_slice(more);
        bytes.len()
    }

    /// Writes `part` at `offset`, behind zeros if the string is shorter, and answers the new length; an empty part changes
    /// nothing. At most 4 GiB in all; callers set a tighter limit.
    pub fn set_range(&mut self, offset: usize, part: &[u8]) -> usize {
        if part.is_empty() {
            return self.len();
        }
        let bytes = self.bytes_mut(offset + part.len());
        bytes[offset..offset + part.len()].copy_from_slice(part);
        bytes.len()
    }

    /// The bytes to change in place, extended by zeros to `min_len`.
    pub fn bytes_mut(&mut self, min_len: usize) -> &mut [u8] {
        let extra = min_len.saturating_sub(self.len());
        let bytes = self.raw(extra);
        if bytes.len() < min_len {
            bytes.resize(min_len, 0);
        }
        bytes
    }

    /// What Redis 7.0 calls the form of this string: `int`, `embstr` or `raw`.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Int(_) => "int",
            Form::Inline { .. } => "embstr",
            Form::Heap(bytes) if bytes.len() <= Self::EMBEDDED => "embstr",
            _ => "raw",
        }
    }

    /// The bytes that the string takes on the heap.
    #[inline]
    pub fn allocated_bytes(&self) -> usize {
        match &self.0 {
            Form::Int(_) | Form::Inline { .. } => 0,
            Form::Heap(bytes) | Form::Raw(bytes) => bytes.allocated_bytes(),
            Form::Shared(bytes) => alloc_size(size_of::<Bytes>()) + alloc_size(bytes.len()),
        }
    }

    /// Asks for what a read will need.
    #[inline]
    pub(crate) fn prefetch(&self) {
        if let Form::Heap(bytes) | Form::Raw(bytes) = &self.0 {
            bytes.prefetch();
        }
    }
}

impl Default for Str {
    fn default() -> Self {
        Str::from_text(b"")
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        *self.view() == *other.view()
    }
}

impl Eq for Str {}

impl PartialEq<[u8]> for Str {
    fn eq(&self, other: &[u8]) -> bool {
        *self.view() == *other
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.view().escape_ascii())
    }
}

/// The bytes of a [`Str`].
#[derive(Clone, Copy)]
pub struct StrRef<'a>(View<'a>);

#[derive(Clone, Copy)]
enum View<'a> {
    Slice(&'a [u8]),
    Text { len: u8, text: [u8; 20] },
}

impl Deref for StrRef<'_> {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            View::Slice(bytes) => bytes,
            View::Text { len, text } => &text[..usize::from(*len)],
        }
    }
}

impl AsRef<[u8]> for StrRef<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for StrRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_words_and_no_more() {
        assert_eq!(size_of::<Str>(), 24);
    }

    #[test]
    fn forms_and_names() {
        let name = |bytes: &[u8]| Str::from_slice(bytes).encoding();
        assert_eq!(
            [name(b"12"), name(b"012"), name(b""), name(&[b'x'; 44]), name(&[b'x'; 45])],
            ["int", "embstr", "embstr", "embstr", "raw"]
        );
        assert_eq!(Str::from_slice(&[b'x'; Str::INLINE]).allocated_bytes(), 0);
        assert_eq!(Str::from_slice(&[b'x'; Str::INLINE + 1]).allocated_bytes(), 32);
        assert_eq!(Str::from_text(b"12").encoding(), "embstr");
        let mut short = Str::from_slice(b"ab");
        short.append(b"c");
        assert_eq!(short.encoding(), "raw");
        assert_eq!((Str::default().len(), Str::default().is_empty()), (0, true));
        assert_eq!(Str::from_i64(i64::MIN).len(), 20);
    }

    #[test]
    fn a_large_string_is_shared_until_it_changes() {
        let large = Bytes::from(vec![b'x'; Str::SHARED]);
        let mut s = Str::from_bytes(large.clone());
        assert_eq!(s.to_shared().map(|b| b.as_ptr()), Some(large.as_ptr()));
        assert!(Str::from_slice(&large).to_shared().is_some());
        s.set_range(1, b"y");
        assert!(s.to_shared().is_none() && large[1] == b'x' && s.view()[1] == b'y');
        assert!(Str::from_bytes(Bytes::from_static(b"5")).as_i64() == Some(5));
    }

    proptest! {
        #[test]
        fn changes_agree_with_a_vec(
            start in prop_oneof![any::<i64>().prop_map(|n| n.to_string().into_bytes()), prop::collection::vec(any::<u8>(), 0..60)],
            edits in prop::collection::vec((0..3_u8, 0..80_usize, prop::collection::vec(any::<u8>(), 0..40)), 0..10),
        ) {
            let (mut s, mut model) = (Str::from_slice(&start), start);
            for (kind, at, part) in edits {
                match kind {
                    0 => { prop_assert_eq!(s.append(&part), model.len() + part.len()); model.extend_from_slice(&part); }
                    1 => {
                        let end = at + part.len();
                        if !part.is_empty() && model.len() < end { model.resize(end, 0); }
                        if !part.is_empty() { model[at..end].copy_from_slice(&part); }
                        prop_assert_eq!(s.set_range(at, &part), model.len());
                    }
                    _ => {
                        if model.len() < at { model.resize(at, 0); }
                        s.bytes_mut(at).reverse();
                        model.reverse();
                    }
                }
                let mut scratch = [0; 20];
                prop_assert_eq!(s.as_bytes(&mut scratch), &*model);
                prop_assert_eq!(&*s.view(), &*model);
                prop_assert_eq!(s.len(), model.len());
                prop_assert_eq!(s.as_i64(), canonical_i64(&model));
            }
        }
    }
}
