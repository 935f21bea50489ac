//! Putting a configuration into force.

use std::time::Duration;

use xs_storage::keyspace::Keyspace;

use super::Config;
use crate::state::Server;

/// Puts `new` into force, at once and as a whole.
///
/// What is read from [`Config`] whenever it is needed (limits of values, `maxmemory`, `timeout` of the next connection)
/// needs nothing more; whatever keeps a copy of its own is told here.
pub(crate) fn apply(server: &mut Server, keyspace: &mut Keyspace, new: Config) {
    let old = std::mem::replace(&mut server.config, new);
    let config = &server.config;
    keyspace.set_config(config.keyspace());
    server.slow_after = measured_from(config);
    server.slowlog.keep(config.slowlog_max_len);
    server.stats.latency_tracking = config.latency_tracking;
    crate::log::set_level(config.loglevel);
    let password = config.requirepass.clone();
    if old.requirepass != password {
        server.set_default_password(&password);
    }
}

/// Commands that take this long are looked at: for the slow log, or for the latency monitor.
pub(crate) fn measured_from(config: &Config) -> Duration {
    let latency = Some(config.latency_threshold).filter(|threshold| !threshold.is_zero());
    config.slow_after.into_iter().chain(latency).min().unwrap_or(Duration::MAX)
}
