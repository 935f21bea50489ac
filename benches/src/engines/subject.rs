//! What the benchmark asks of an engine, ours or a peer.

use std::error::Error;
use std::path::Path;

pub(crate) type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A write: a key, and its value or that it goes.
pub(crate) type Write<'a> = (&'a [u8], Option<&'a [u8]>);

/// How to open a store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup<'a> {
    /// An empty directory, or one that the same subject has written.
    pub(crate) dir: &'a Path,
    /// Bytes of memory for caching, where there is such a setting.
    pub(crate) cache: usize,
}

/// An ordered store under test.
pub(crate) trait Subject: Send + Sync {
    /// Applies the writes at once; `durable`: they survive a power failure when this returns.
    fn write(&self, writes: &[Write<'_>], durable: bool) -> Fallible<()>;

    /// Reads one state of the store.
    fn read(&self, f: &mut dyn FnMut(&mut dyn Reader) -> Fallible<()>) -> Fallible<()>;

    /// Makes everything durable and waits until nothing is left to do in the background, as far as it can be told.
    fn settle(&self) -> Fallible<()>;
}

/// Reads of one state.
pub(crate) trait Reader {
    /// The value's length and first byte added up: proof that it was fetched.
    fn get(&mut self, key: &[u8]) -> Fallible<Option<usize>>;

    /// Visits up to `limit` entries from `from` on, and returns how many there were.
    fn scan(&mut self, from: &[u8], limit: usize) -> Fallible<usize>;
}

/// What [`Reader::get`] answers for a value.
pub(crate) fn touch(value: &[u8]) -> usize {
    value.len() + usize::from(value.first().copied().unwrap_or(0))
}

/// A subject by name.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) ours: bool,
    pub(crate) open: fn(Setup<'_>) -> Fallible<Box<dyn Subject>>,
    /// Why it can't be measured here, if so.
    pub(crate) missing: fn() -> Option<String>,
}
