//! A mark on responses that were compressed before they were asked for.

/// The response's entity tag is that of its compressed form, and stays strong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Precompressed;
