//! Putting a configuration into force.

use std::time::Duration;

use xs_storage::keyspace::Keyspace;

use super::Config;
use crate::acl::Acl;
use crate::client::Client;
use crate::fault::Fault;
use crate::state::Server;

/// Puts `new` into force, at once and as a whole. `client` is the one that asks for it.
///
/// What is read from [`Config`] whenever it is needed (`maxmemory`, say) needs nothing more;
/// whatever keeps a copy of its own is told here.
pub(crate) fn apply(server: &mut Server, keyspace: &mut Keyspace, client: &Client, new: Config) {
    let old = std::mem::replace(&mut server.config, new);
    keyspace.set_config(server.config.keyspace());
    server.limits_changed = true;
    tell(server);
    server.limit_output(client);
    server.limit.set_max(server.config.maxclients);
    if old.client_query_buffer_limit != server.config.client_query_buffer_limit {
        let limit = server.config.unread_limit();
        server.clients.iter().chain([client]).for_each(|client| client.handle.set_max_unread(limit));
    }
    if server.config.client_memory_limit().is_some() {
        // Nobody may have been counted so far: everybody is, before the next command.
        server.client_memory = usize::MAX;
    }
    if old.timeout != server.config.timeout {
        server.clients.iter().chain([client]).for_each(|client| server.limit_idleness(client));
    }
    crate::log::set_level(server.config.loglevel);
    if old.requirepass != server.config.requirepass {
        let password = server.config.requirepass.clone();
        server.set_default_password(&password);
    }
}

/// Puts the configuration that a server starts with into force.
pub(crate) fn adopt(server: &mut Server) {
    tell(server);
    let config = server.config.clone();
    if let Err(error) = server.oom.adjust(&config) {
        tracing::warn!("Unable to write oom_score_adj: {}", super::reason(&error));
    }
    if !config.requirepass.is_empty() {
        server.set_default_password(&config.requirepass);
    }
    for user in &config.users {
        // The rules were checked when the line was read.
        let _ = define(&mut server.acl, &user.words, config.acl_all_channels);
    }
}

/// Makes the user of a `user` line. A line replaces what the default user may; other users are new.
pub(super) fn define(acl: &mut Acl, words: &[Vec<u8>], all_channels: bool) -> Result<(), Fault> {
    let Some((name, rules)) = words.split_first() else { return Ok(()) };
    let reset = (name == b"default").then_some(&b"reset"[..]);
    let rules: Vec<&[u8]> = reset.into_iter().chain(rules.iter().map(Vec::as_slice)).collect();
    acl.set_user(name, rules, all_channels).map(drop)
}

fn tell(server: &mut Server) {
    server.clients.iter().for_each(|client| server.limit_output(client));
    let config = &server.config;
    server.slow_after = looked_at_from(config);
    server.slowlog.keep(config.slowlog_max_len);
    server.stats.latency_tracking = config.latency_tracking;
}

/// Commands that take this long are looked at: for the slow log, or for the latency monitor.
fn looked_at_from(config: &Config) -> Duration {
    let latency = Some(config.latency_threshold).filter(|threshold| !threshold.is_zero());
    config.slow_after.into_iter().chain(latency).min().unwrap_or(Duration::MAX)
}
