//! What a broker can be told.

use std::time::Duration;

use crate::mutation::Bug;
use crate::{groups, quota, transactions};

/// When a produce request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flush {
    /// When the operating system has the batch, as Kafka does by default: it is there when the broker was killed, and may be
    /// lost when the machine goes down within the next second or two.
    #[default]
    Later,
    /// When the batch is on the disk.
    Always,
}

/// How a broker works.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Its number in the cluster.
    pub(crate) node: i32,
    /// Where clients are told to connect; where it listens, if nothing else is said.
    pub(crate) advertised: Option<(String, u16)>,
    /// How many partitions a topic gets if nobody says.
    pub(crate) partitions: i32,
    /// Whether asking for a topic makes it.
    pub(crate) auto_create: bool,
    /// When a produce request is answered.
    pub(crate) flush: Flush,
    /// The longest request.
    pub(crate) request_bytes: usize,
    /// Requests of one connection that may be worked on at a time.
    pub(crate) depth: usize,
    /// A fetch never waits longer than this.
    pub(crate) max_wait: Duration,
    /// A fetch never brings more than this.
    pub(crate) max_fetch: usize,
    /// All topics together have no more partitions than this.
    pub(crate) max_partitions: usize,
    /// What bounds groups, and how patient they are.
    pub(crate) groups: groups::Limits,
    /// There are no more groups than this.
    pub(crate) max_groups: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub(crate) offsets_retention_ms: i64,
    /// There are no more access rules than this.
    pub(crate) max_rules: usize,
    /// How much clients may send and fetch.
    pub(crate) quotas: quota::Quotas,
    /// What bounds transactions.
    pub(crate) transactions: transactions::Limits,
    /// So many fetch sessions are remembered at once.
    pub(crate) max_sessions: usize,
    /// How often old records are looked for, and keys that stand there twice.
    pub(crate) tend: Duration,
    /// For tests of tests.
    pub(crate) bug: Bug,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            node: 1,
            advertised: None,
            partitions: 1,
            auto_create: true,
            flush: Flush::Later,
            request_bytes: xs_proto::kafka::codec::DEFAULT_LIMIT,
            depth: 64,
            max_wait: Duration::from_secs(60),
            max_fetch: 55 << 20,
            max_partitions: 10_000,
            groups: groups::Limits { initial_delay: Duration::ZERO, ..Default::default() },
            max_groups: 100_000,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1000,
            max_rules: 10_000,
            quotas: quota::Quotas { max_keys: 10_000, ..Default::default() },
            transactions: Default::default(),
            max_sessions: 1000,
            tend: Duration::from_secs(15),
            bug: Bug::default(),
        }
    }
}
