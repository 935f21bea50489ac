//! The commands that took longest lately.

/// `SLOWLOG`.
#[derive(Debug, Default)]
pub(crate) struct Slowlog {}

impl Slowlog {
    pub(crate) fn keep(&mut self, _: usize) {}
}
