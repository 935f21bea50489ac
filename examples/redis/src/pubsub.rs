//! Who listens to which channel.

/// The subscriptions of all connections.
#[derive(Debug, Default)]
pub(crate) struct PubSub {}

impl PubSub {
    /// Sends `message` to everybody who listens to `channel`; returns how many.
    pub(crate) fn publish(&mut self, _channel: &[u8], _message: &[u8]) -> usize {
        0
    }
}
