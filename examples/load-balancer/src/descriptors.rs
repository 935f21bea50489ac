//! The process's limit of open files, which is what connections end at.

use crate::config::Config;

/// What the balancer keeps for itself: listeners, checks, runtimes, its page, pipes for splicing.
const OWN: u64 = 1024;

/// Makes room for the connections that a configuration allows, each with one to an endpoint, as far as the system lets us;
/// and says so if there is no room even for the clients' ends.
pub(crate) fn make_room(config: &Config) {
    let connections = config.listeners.iter().map(|listener| listener.connections as u64);
    let connections = connections.fold(0_u64, u64::saturating_add);
    let there = raise(connections.saturating_mul(2).saturating_add(OWN));
    if there < connections.saturating_add(OWN) {
        tracing::warn!(there, connections, "fewer files may be open than `connections` allows: see `ulimit -n`");
    }
}

#[cfg(target_os = "linux")]
fn raise(wanted: u64) -> u64 {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let raised = wanted.min(hard);
    if raised > soft && setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_ok() { raised } else { soft }
}

#[cfg(not(target_os = "linux"))]
fn raise(wanted: u64) -> u64 {
    wanted
}
