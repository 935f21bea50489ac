//! What the broker does for groups and transactions in the background.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join3;

use crate::broker::Broker;

/// How often offsets are looked for that have grown old. `offsets.retention.check.interval.ms`
const EXPIRY: Duration = Duration::from_secs(600);

impl Broker {
    /// Keeps groups and transactions going, for as long as it is polled.
    pub(crate) async fn coordinate(self: Arc<Self>) {
        join3(self.groups.run(), self.transactions.run(), self.expire()).await;
    }

    async fn expire(&self) {
        loop {
            self.timer.sleep(EXPIRY).await;
            let (groups, retention) = (self.groups.clone(), self.config.offsets_retention_ms);
            if let Err(error) = self.bridge.run(move || groups.expire(retention)).await {
                tracing::error!(%error, "old offsets cannot be forgotten");
            }
        }
    }
}
