//! The directives of redis.conf.

use std::time::Duration;

use xs_net::session::OutputLimits;

use crate::notify::Class;

/// The directives that this server obeys.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) databases: usize,
    pub(crate) notify: Class,
    pub(crate) maxmemory: u64,
    /// `acllog-max-len`
    pub(crate) acllog_max_len: usize,
    /// `tracking-table-max-keys`; 0 for no limit.
    pub(crate) tracking_table_max_keys: usize,
    /// `client-output-buffer-limit normal`
    pub(crate) output_normal: OutputLimits,
    /// `client-output-buffer-limit pubsub`
    pub(crate) output_pubsub: OutputLimits,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            databases: 16,
            notify: Class::NONE,
            maxmemory: 0,
            acllog_max_len: 128,
            tracking_table_max_keys: 1_000_000,
            output_normal: OutputLimits::NONE,
            output_pubsub: OutputLimits { hard: 32 << 20, soft: 8 << 20, soft_for: Duration::from_secs(60) },
        }
    }
}
