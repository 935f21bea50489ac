//! Argument vectors: [`Args`], borrowed from a read buffer, and [`Request`], which owns its bytes.

use std::fmt::{self, Debug};
use std::iter::FusedIterator;
use std::ops::Index;

use bytes::Bytes;
use smallvec::SmallVec;

/// Where an argument lies in its buffer. Half the size of a slice, and it survives the buffer's moving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    // Whoever makes a span has bounded its buffer to `u32::MAX` bytes.
    #[inline]
    pub(super) fn new(start: usize, len: usize) -> Self {
        Span { start: start as u32, len: len as u32 }
    }

    #[inline]
    fn of(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize;
        bytes.get(start..start + self.len as usize).unwrap_or_default()
    }
}

/// The arguments of a request, borrowed. The command's name is argument 0. Copying it copies four words.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    spans: &'a [Span],
    bytes: &'a [u8],
}

impl<'a> Args<'a> {
    #[inline]
    pub(super) fn new(spans: &'a [Span], bytes: &'a [u8]) -> Self {
        Args { spans, bytes }
    }

    /// How many arguments there are, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is nothing to execute: an empty line, or a count that is not positive.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument number `i`.
    #[inline]
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        self.spans.get(i).map(|span| span.of(self.bytes))
    }

    /// The arguments in order.
    #[inline]
    pub fn iter(&self) -> ArgsIter<'a> {
        ArgsIter { spans: self.spans.iter(), bytes: self.bytes }
    }

    /// All but the first `n` arguments; empty when there are fewer.
    #[inline]
    #[must_use]
    pub fn skip(&self, n: usize) -> Args<'a> {
        Args { spans: self.spans.get(n..).unwrap_or_default(), bytes: self.bytes }
    }

    /// A copy that owns its bytes.
    pub fn to_owned(&self) -> Request {
        self.iter().collect()
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    /// # Panics
    ///
    /// When there is no argument number `i`.
    #[inline]
    fn index(&self, i: usize) -> &[u8] {
        self.spans[i].of(self.bytes)
    }
}

impl<'a> IntoIterator for Args<'a> {
    type Item = &'a [u8];
    type IntoIter = ArgsIter<'a>;
    #[inline]
    fn into_iter(self) -> ArgsIter<'a> {
        self.iter()
    }
}

impl PartialEq for Args<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Args<'_> {}

impl Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Text)).finish()
    }
}

/// Prints bytes as the text that they mostly are.
struct Text<'a>(&'a [u8]);

impl Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Iterates over the arguments of [`Args`].
#[derive(Clone)]
pub struct ArgsIter<'a> {
    spans: std::slice::Iter<'a, Span>,
    bytes: &'a [u8],
}

impl<'a> Iterator for ArgsIter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.spans.next().map(|span| span.of(self.bytes))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl DoubleEndedIterator for ArgsIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.spans.next_back().map(|span| span.of(self.bytes))
    }
}

impl ExactSizeIterator for ArgsIter<'_> {}
impl FusedIterator for ArgsIter<'_> {}

impl Debug for ArgsIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(Text)).finish()
    }
}

/// The arguments of a request, owned: one buffer and where each argument lies in it.
///
/// ```
/// use xs_proto::resp::Request;
///
/// let request = Request::from_iter(["SET", "key", "value"]);
/// assert_eq!(request.len(), 3);
/// assert_eq!(&request.args()[1], b"key");
/// ```
#[derive(Clone, Default)]
pub struct Request {
    bytes: Bytes,
    spans: SmallVec<[Span; 6]>,
}

impl Request {
    #[inline]
    pub(super) fn from_parts(bytes: Bytes, spans: &[Span]) -> Self {
        Request { bytes, spans: SmallVec::from_slice(spans) }
    }

    /// The arguments.
    #[inline]
    pub fn args(&self) -> Args<'_> {
        Args { spans: &self.spans, bytes: &self.bytes }
    }

    /// How many arguments there are, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no argument at all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument number `i`.
    #[inline]
    pub fn get(&self, i: usize) -> Option<&[u8]> {
        self.args().get(i)
    }

    /// The argument number `i` as `Bytes` that share this request's memory: nothing is copied.
    pub fn get_bytes(&self, i: usize) -> Option<Bytes> {
        self.get(i).map(|arg| self.bytes.slice_ref(arg))
    }

    /// The arguments in order.
    pub fn iter(&self) -> ArgsIter<'_> {
        self.args().iter()
    }
}

impl<A: AsRef<[u8]>> FromIterator<A> for Request {
    /// # Panics
    ///
    /// When the arguments take more than `u32::MAX` bytes together.
    fn from_iter<I: IntoIterator<Item = A>>(args: I) -> Self {
        let mut bytes = Vec::new();
        let mut spans = SmallVec::new();
        for arg in args {
            let arg = arg.as_ref();
            spans.push(Span::new(bytes.len(), arg.len()));
            bytes.extend_from_slice(arg);
            assert!(u32::try_from(bytes.len()).is_ok(), "a request is bounded by u32::MAX bytes");
        }
        Request { bytes: bytes.into(), spans }
    }
}

impl<'a> IntoIterator for &'a Request {
    type Item = &'a [u8];
    type IntoIter = ArgsIter<'a>;
    fn into_iter(self) -> ArgsIter<'a> {
        self.iter()
    }
}

impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        self.args() == other.args()
    }
}

impl Eq for Request {}

impl Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.args().fmt(f)
    }
}
