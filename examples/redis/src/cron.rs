//! What the server does by itself, ten times a second: removing keys whose time is up, and sampling its own rates.

use std::sync::Arc;
use std::time::Duration;

use crate::dispatch;
use crate::redis::stopped;
use crate::service::unix_ms;
use crate::state::Shared;

/// How often.
const PERIOD: Duration = Duration::from_millis(100);
/// At most this many keys are removed under one lock.
const EXPIRE_AT_ONCE: usize = 1000;

/// Runs until the server stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut stopped = std::pin::pin!(stopped(shared.stop.subscribe()));
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = shared.timer.sleep(PERIOD) => while tick(&shared) {
                // Others have a go between rounds.
                tokio::task::yield_now().await;
            },
        }
    }
}

/// One round; true when there is more to remove.
pub(crate) fn tick(shared: &Shared) -> bool {
    let now = unix_ms(shared.clock.wall());
    let mut guard = shared.state.lock();
    let state = &mut *guard;
    let mut removed = 0;
    // While clients are paused nothing changes by itself either.
    let is_paused = state.server.pause.is_some_and(|pause| pause.until > now);
    if state.server.active_expire && !is_paused {
        removed = state.keyspace.expire_due(now, EXPIRE_AT_ONCE);
    }
    // A lower limit takes effect without waiting for a command.
    if state.server.config.maxmemory > 0 && !is_paused {
        dispatch::make_room(state, now);
    }
    if state.keyspace.has_changes() {
        dispatch::spread_changes(state, None);
        // Whoever reads with a group waits in vain once its stream has expired.
        dispatch::serve_blocked(state, None, now);
        state.server.broadcast_invalid(None);
    }
    state.server.bound_tracking(None);
    state.server.evict_clients(None);
    let stats = &mut state.server.stats;
    stats.peak_memory = stats.peak_memory.max(state.keyspace.used_bytes() as u64);
    stats.ops_samples.push_back((now, stats.commands));
    if stats.ops_samples.len() > 16 {
        stats.ops_samples.pop_front();
    }
    removed == EXPIRE_AT_ONCE
}
