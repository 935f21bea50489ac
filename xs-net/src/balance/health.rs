//! Active health: asking every member, now and then, whether it is well.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use xs_os::Rng;

use super::members::Members;
use crate::caught::{caught, message};
use crate::count::count;
use crate::endpoint::Endpoint;

/// How members are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOptions {
    /// From the end of a check to the next one of the same member. Default 5 s.
    pub interval: Duration,
    /// Each pause is longer or shorter by up to so many percent, so that callers that start together don't check together.
    /// 100 at most. Default 20.
    pub jitter_percent: u8,
    /// A check that takes longer has failed. Default 2 s.
    pub timeout: Duration,
    /// So many good checks in a row make an unwell member well. Default 2.
    pub rise: u32,
    /// So many bad checks in a row make a well member unwell. Default 3.
    pub fall: u32,
    /// So many checks may be under way at once. Default 64.
    pub at_once: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        CheckOptions { interval: 5 * second, jitter_percent: 20, timeout: 2 * second, rise: 2, fall: 3, at_once: 64 }
    }
}

impl CheckOptions {
    /// The pause before the next check.
    pub fn pause(&self, rng: &mut Rng) -> Duration {
        let nanos = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX) / 2;
        let spread = (u128::from(nanos) * 2 * u128::from(self.jitter_percent.min(100)) / 100) as u64;
        let least = nanos.saturating_mul(2).saturating_sub(spread);
        // A pause of nothing would be a loop that never rests.
        Duration::from_nanos(least.saturating_add(rng.below(spread.saturating_mul(2).saturating_add(1))))
            .max(MILLISECOND)
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

/// What the checks of one member have said so far.
///
/// ```text
///            good, rise times in a row
///   unwell ─────────────────────────────▶ well       the first check of all decides alone
///          ◀─────────────────────────────
///            bad, fall times in a row
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    well: Option<bool>,
    /// Checks in a row that say otherwise.
    against: u32,
}

impl Health {
    /// Whether the member is well; `None` before its first check.
    pub fn well(&self) -> Option<bool> {
        self.well
    }

    /// A check has ended. Answers the member's health if that has changed, or is known now for the first time.
    pub fn checked(&mut self, good: bool, options: &CheckOptions) -> Option<bool> {
        let changes = match self.well {
            Some(well) if well == good => {
                self.against = 0;
                false
            }
            Some(well) => {
                self.against += 1;
                self.against >= if well { options.fall } else { options.rise }
            }
            None => true,
        };
        if !changes {
            return None;
        }
        (self.well, self.against) = (Some(good), 0);
        self.well
    }
}

/// A member as its checks see it.
struct Checked {
    endpoint: Endpoint,
    health: Health,
    /// When it is checked next; `None` while it is.
    due: Option<Instant>,
    /// Tells this member from an earlier one of the same name.
    generation: u64,
}

/// Checks all members for ever, by `check`: true is good. Those that come are checked at once, those that go no longer. One
/// that takes too long, or panics, has failed.
///
/// It runs inside the caller's task; spawn it, and abort it to stop. Say [`ClusterOptions::well_unchecked`]: false to wait
/// for a member's first check before it gets calls.
///
/// [`ClusterOptions::well_unchecked`]: super::ClusterOptions::well_unchecked
pub async fn check<S, P, F>(members: &Members<S, P>, options: CheckOptions, mut rng: Rng, check: impl Fn(Endpoint) -> F)
where
    F: Future<Output = bool>,
{
    let (timer, name) = (members.timer(), members.name());
    let mut checked: BTreeMap<Arc<str>, Checked> = BTreeMap::new();
    let mut running = FuturesUnordered::new();
    let mut generations = 0;
    loop {
        // Asked for before looking, so that a change between the two is not missed.
        let mut changed = std::pin::pin!(members.changed());
        let endpoints = members.endpoints();
        checked.retain(|name, _| endpoints.binary_search_by(|endpoint| endpoint.name.cmp(name)).is_ok());
        let now = timer.now();
        for endpoint in endpoints {
            let entry = checked.entry(endpoint.name.clone()).or_insert_with(|| {
                generations += 1;
                let health = Health::default();
                Checked { endpoint: endpoint.clone(), health, due: Some(now), generation: generations }
            });
            entry.endpoint = endpoint;
        }
        loop {
            let now = timer.now();
            let room = options.at_once.max(1).saturating_sub(running.len());
            // Who has waited longest comes first, whatever its name: where checks hang, there is not room for all.
            let mut due: Vec<_> = checked.values_mut().filter(|_| room > 0).collect();
            due.retain(|member| member.due.is_some_and(|due| due <= now));
            due.sort_by_key(|member| member.due);
            for member in due.into_iter().take(room) {
                member.due = None;
                let (endpoint, generation) = (member.endpoint.clone(), member.generation);
                let run = caught(|| timer.timeout(options.timeout, check(endpoint.clone())));
                running.push(async move {
                    // One that panics has failed, is not polled again, and the others go on.
                    let ended = match run {
                        Ok(run) => AssertUnwindSafe(run).catch_unwind().await.map_err(message),
                        Err(panic) => Err(panic),
                    };
                    (endpoint.name, generation, ended)
                });
            }
            let room = running.len() < options.at_once.max(1);
            let next = checked.values().filter_map(|member| member.due).min().filter(|_| room);
            let rest = async {
                match next {
                    Some(due) => timer.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let (ended, generation, outcome) = tokio::select! {
                biased;
                Some(ended) = running.next() => ended,
                () = changed.as_mut() => break,
                () = rest => continue,
            };
            let good = outcome.unwrap_or_else(|panic| {
                tracing::error!(name = &**name, endpoint = &*ended, panic, "a check panicked");
                Some(false)
            });
            let good = good.unwrap_or(false);
            let Some(member) = checked.get_mut(&ended).filter(|member| member.generation == generation) else {
                continue;
            };
            let now = timer.now();
            member.due = Some(now.checked_add(options.pause(&mut rng)).unwrap_or(now + Duration::from_secs(86_400)));
            if !good {
                tracing::debug!(name = &**name, endpoint = &*ended, "a check failed");
                count("xs_balance_failed_checks_total", name);
            }
            member.health.checked(good, &options);
            // Said each time, changed or not: the member may have gone and come back between two looks at the list, and
            // its new self is as unknown as any newcomer.
            if let Some(well) = member.health.well() {
                members.set_well(&ended, well);
            }
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_takes_so_many_in_a_row_to_change_ones_mind() {
        let options = CheckOptions::default();
        let mut health = Health::default();
        let said: Vec<_> = [false, true, false, true, true, false, false, true, false, false, false, true]
            .map(|good| health.checked(good, &options))
            .into();
        let (well, unwell, same) = (Some(true), Some(false), None);
        assert_eq!(said, [unwell, same, same, same, well, same, same, same, same, same, unwell, same]);
        assert_eq!(health.well(), Some(false));
    }

    #[test]
    fn pauses_spread_around_the_interval() {
        let options = CheckOptions { interval: Duration::from_secs(10), ..CheckOptions::default() };
        let mut rng = Rng::from_seed(1);
        let pauses: Vec<f64> = (0..1000).map(|_| options.pause(&mut rng).as_secs_f64()).collect();
        assert!(pauses.iter().all(|pause| (8.0..=12.0).contains(pause)));
        assert!(pauses.iter().any(|&pause| pause < 8.1) && pauses.iter().any(|&pause| pause > 11.9));
        let never = CheckOptions { interval: Duration::ZERO, ..options };
        assert_eq!(never.pause(&mut rng), MILLISECOND);
        let ages = CheckOptions { interval: Duration::MAX, ..options };
        assert!(ages.pause(&mut rng) > Duration::from_secs(1 << 32));
    }
}
