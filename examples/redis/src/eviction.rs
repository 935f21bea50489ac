//! Making room when the memory is full (`maxmemory`): which key goes is the keyspace's choice, how long a command waits
//! for it is decided here.

use std::time::Duration;

use crate::state::State;

/// How an attempt to evict until the memory fits has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// It fits.
    Made,
    /// Not yet, and the time is up: commands run, and the server goes on evicting by itself.
    Making,
    /// Nothing more may be evicted.
    None,
}

/// Evicts until the memory fits or the time for that is up (`maxmemory-eviction-tenacity`).
pub(crate) fn make_room(state: &mut State, now: u64) -> Room {
    /// The clock is read every so many keys.
    const BETWEEN_LOOKS: usize = 16;
    let limit = state.server.config.maxmemory;
    if state.server.used_memory(&state.keyspace) <= limit {
        return Room::Made;
    }
    let (start, patience) = (state.server.clock.now(), patience(state.server.config.eviction_tenacity));
    for evicted in 1_usize.. {
        let policy = state.server.config.maxmemory_policy;
        if state.keyspace.evict_one(policy, &mut state.server.rng, now).is_none() {
            return Room::None;
        }
        if state.server.used_memory(&state.keyspace) <= limit {
            break;
        }
        let looks = evicted % BETWEEN_LOOKS == 0;
        if looks && patience.is_some_and(|patience| state.server.clock.now().duration_since(start) > patience) {
            return Room::Making;
        }
    }
    Room::Made
}

/// How long one command may evict: up to 500 µs for a tenacity of 10, a sixth more for each step above, and without
/// end for 100.
fn patience(tenacity: u32) -> Option<Duration> {
    match tenacity {
        0..=10 => Some(Duration::from_micros(50 * u64::from(tenacity))),
        100.. => None,
        _ => Some(Duration::from_micros((500.0 * 1.15_f64.powi(tenacity as i32 - 10)) as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_tenacity_and_ends_in_none() {
        let micros = |tenacity| patience(tenacity).map(|patience| patience.as_micros());
        assert_eq!([0, 1, 10, 11, 100].map(micros), [Some(0), Some(50), Some(500), Some(575), None]);
        assert!((1..99).all(|tenacity| patience(tenacity) < patience(tenacity + 1)));
    }
}
