//! Client-side caching: who must be told when a key changes.

/// `CLIENT TRACKING` of one connection.
#[derive(Debug)]
pub(crate) struct TrackingOptions {}

/// Which keys were read by whom.
#[derive(Debug, Default)]
pub(crate) struct Tracking {}

impl Tracking {
    /// Whether anybody tracks anything.
    pub(crate) fn is_active(&self) -> bool {
        false
    }
}
