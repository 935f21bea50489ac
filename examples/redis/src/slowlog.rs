//! The commands that took longest lately.

/// `SLOWLOG`.
#[derive(Debug, Default)]
pub(crate) struct Slowlog {}
