//! The limits of connections: how much may wait to be read by them, and how long they may be silent.

use std::time::Duration;

use xs_net::session::OutputLimits;

use crate::client::Client;
use crate::config::OutputLimit;
use crate::state::Server;

impl Server {
    /// Limits a client anew that has become a subscriber, or is one no longer.
    pub(crate) fn limit_subscriber(&self, client: &Client) {
        self.limit_output(client);
        if self.config.timeout > 0 {
            self.limit_idleness(client);
        }
    }

    /// Gives a connection the output limits of its class.
    pub(crate) fn limit_output(&self, client: &Client) {
        let class = if client.subscriptions() > 0 { 2 } else { 0 };
        client.handle.set_output_limits(limits(self.config.output_limits[class]));
    }

    /// Gives a connection its idle timeout. Whoever listens has nothing to say, which doesn't make it idle.
    pub(crate) fn limit_idleness(&self, client: &Client) {
        let timeout = self.config.idle_timeout().filter(|_| client.subscriptions() == 0);
        client.handle.set_idle_timeout(timeout);
    }
}

/// The limits of a class of clients, as a connection takes them.
pub(crate) fn limits(limit: OutputLimit) -> OutputLimits {
    let bytes = |limit: u64| if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    OutputLimits { hard: bytes(limit.hard), soft: bytes(limit.soft), soft_for: Duration::from_secs(limit.seconds) }
}
