//! What the server does by itself, ten times a second: removing keys whose time is up, and sampling its own rates.

use std::sync::Arc;
use std::time::Duration;

use crate::dispatch;
use crate::eviction::{Room, make_room};
use crate::redis::stopped;
use crate::service::unix_ms;
use crate::state::{Shared, State};

/// How often.
const PERIOD: Duration = Duration::from_millis(100);
/// Keys are removed for so long at most while commands wait.
const AT_ONCE: Duration = Duration::from_millis(1);
/// The clock is read every so many keys.
const BETWEEN_LOOKS: usize = 16;

/// Runs until the server stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut stopped = std::pin::pin!(stopped(shared.stop.subscribe()));
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = shared.timer.sleep(PERIOD) => {
                let mut left = expiring_time(&shared);
                while tick(&shared, &mut left) {
                    // Others have a go between rounds.
                    tokio::task::yield_now().await;
                }
            },
        }
    }
}

/// How much of one period may go into removing keys whose time is up: a quarter, and more as `active-expire-effort` says.
pub(crate) fn expiring_time(shared: &Shared) -> Duration {
    let effort = shared.state.lock().server.config.active_expire_effort;
    PERIOD * (25 + 2 * effort.saturating_sub(1)) / 100
}

/// One round; true when there is more to remove and time `left` for it.
pub(crate) fn tick(shared: &Shared, left: &mut Duration) -> bool {
    let now = unix_ms(shared.clock.wall());
    let mut guard = shared.state.lock();
    let state = &mut *guard;
    let mut goes_on = false;
    // While clients are paused nothing changes by itself either.
    let is_paused = state.server.pause.is_some_and(|pause| pause.until > now);
    if state.server.active_expire && !is_paused {
        goes_on = expire(state, now, left);
    }
    // A lower limit takes effect without waiting for a command.
    if state.server.config.maxmemory > 0 && !is_paused {
        goes_on |= make_room(state, now) == Room::Making;
    }
    if state.keyspace.has_changes() {
        dispatch::spread_changes(state, None);
        // Whoever reads with a group waits in vain once its stream has expired.
        dispatch::serve_blocked(state, None, now);
        state.server.broadcast_invalid(None);
    }
    state.server.bound_tracking(None);
    state.server.evict_clients(None);
    crate::memory::survey(state);
    let stats = &mut state.server.stats;
    stats.ops_samples.push_back((now, stats.commands));
    if stats.ops_samples.len() > 16 {
        stats.ops_samples.pop_front();
    }
    dispatch::drop_aside(state);
    goes_on
}

/// Removes keys whose time is up, for a while; true when there are more and time is left.
fn expire(state: &mut State, now: u64, left: &mut Duration) -> bool {
    let start = state.server.clock.now();
    while state.keyspace.expire_due(now, BETWEEN_LOOKS) == BETWEEN_LOOKS {
        let took = state.server.clock.now().duration_since(start);
        if took >= AT_ONCE.min(*left) {
            *left = left.saturating_sub(took);
            return !left.is_zero();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Redis};
    use xs_os::{Rng, VirtualClock};
    use xs_storage::keyspace::{Str, Ttl, Value};

    #[test]
    fn expiry_stops_when_its_time_is_up_and_goes_on_in_the_next_round() {
        let (config, rng, clock) = (Config::default(), Rng::from_seed(1), Arc::new(VirtualClock::new()));
        let mut store = config.store(&rng);
        for n in 0..100_u32 {
            store.insert(0, &n.to_le_bytes(), Value::Str(Str::from_slice(b"v")), Ttl::At(1), 0);
        }
        let Redis(shared) = Redis::new(&config, store, clock, rng);
        let left_over = || shared.state.lock().keyspace.len(0);
        assert!(!tick(&shared, &mut Duration::from_secs(0)), "no time is left");
        assert_eq!(left_over(), 100 - BETWEEN_LOOKS);
        assert!(!tick(&shared, &mut expiring_time(&shared)), "nothing is left");
        assert_eq!(left_over(), 0);
    }
}
