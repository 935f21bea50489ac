//! What all connections share.

use std::sync::{Arc, OnceLock};

use bytestring::ByteString;
use parking_lot::Mutex;
use xs_net::{Bridge, Timer};
use xs_os::Rng;
use xs_proto::kafka::wire::Uuid;

use crate::acl::Rules;
use crate::api::fetch::Sessions;
use crate::config::Config;
use crate::groups::Groups;
use crate::metrics::Meters;
use crate::quota;
use crate::sasl::Users;
use crate::topic_config::TopicConfig;
use crate::topics::{Refusal, Topic, Topics};
use crate::transactions::Transactions;

/// The broker: its topics, and what it tells of itself.
pub(crate) struct Broker {
    pub(crate) config: Config,
    pub(crate) defaults: TopicConfig,
    pub(crate) topics: Arc<Topics>,
    pub(crate) groups: Arc<Groups>,
    pub(crate) transactions: Transactions,
    pub(crate) users: Arc<Users>,
    /// Who may do what. Without it everybody may do everything.
    pub(crate) rules: Option<Arc<Rules>>,
    pub(crate) sessions: Sessions,
    pub(crate) meters: Meters,
    /// Who may send and fetch how much. Without it everybody may any.
    pub(crate) quotas: Option<Arc<quota::Meters>>,
    pub(crate) timer: Timer,
    /// The way to the disk for what may wait for it.
    pub(crate) bridge: Bridge,
    pub(crate) cluster_id: ByteString,
    /// Where clients find it. Known once it listens.
    pub(crate) advertised: OnceLock<(ByteString, i32)>,
    pub(crate) rng: Mutex<Rng>,
}

impl Broker {
    /// Now, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        millis(self.timer.wall())
    }

    pub(crate) fn advertised(&self) -> (ByteString, i32) {
        self.advertised.get().cloned().unwrap_or_else(|| ("127.0.0.1".into(), 9092))
    }

    pub(crate) fn random_id(&self) -> Uuid {
        let mut rng = self.rng.lock();
        let (high, low) = (rng.next_u64(), rng.next_u64());
        Uuid::from_random((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }

    /// Makes a topic, away from the reactor.
    pub(crate) async fn create(
        &self,
        name: ByteString,
        partitions: u32,
        config: TopicConfig,
    ) -> Result<Arc<Topic>, Refusal> {
        let (topics, id) = (self.topics.clone(), self.random_id());
        self.bridge.run(move || topics.create(name, id, partitions, config)).await
    }

    /// Deletes a topic, away from the reactor.
    pub(crate) async fn delete(&self, name: ByteString) -> Result<Arc<Topic>, Refusal> {
        let (topics, groups) = (self.topics.clone(), self.groups.clone());
        let delete = move || {
            let topic = topics.delete(&name)?;
            // Offsets in it would be believed of another topic of that name.
            if let Err(error) = groups.forget_topic(&name) {
                tracing::error!(topic = %name, %error, "offsets in a deleted topic are still there");
            }
            Ok(topic)
        };
        self.bridge.run(delete).await
    }
}

/// A time in milliseconds since 1970.
pub(crate) fn millis(time: std::time::SystemTime) -> i64 {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
