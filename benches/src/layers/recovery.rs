//! The layers that recover, when nothing goes wrong.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tower::retry::budget::{Budget, TpsBudget};
use tower::{Layer, service_fn};
use xs_net::breaker::{BreakerLayer, BreakerOptions, Window};
use xs_net::cache::{CacheLayer, Lifetime};
use xs_net::fallback::FallbackLayer;
use xs_net::fault::{FaultLayer, Faults};
use xs_net::hedge::{HedgeLayer, HedgeOptions};
use xs_net::retry::{BudgetOptions, RetryLayer, RetryOptions, SharedBudget, Verdict};
use xs_net::shed::{CodelOptions, ShedLayer};
use xs_net::timeout::TimeoutLayer;
use xs_os::Rng;
use xs_storage::cache::S3FifoCache;

use super::{Case, echo, timers};

pub(super) const BREAKER: &str = "a circuit breaker";
const TIMEOUT: &str = "a time limit";
const RETRY: &str = "retries within a budget";
const ALONE: &str = "a layer that nobody else has in this form";

/// tower's policy: retries every error, with its own budget.
#[derive(Clone)]
struct Again(Arc<TpsBudget>);

impl<E> tower::retry::Policy<u64, u64, E> for Again {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, E>) -> Option<Self::Future> {
        match result {
            Ok(_) => {
                self.0.deposit();
                None
            }
            Err(_) => self.0.withdraw().then(|| std::future::ready(())),
        }
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

pub(super) fn cases() -> Vec<Case> {
    let second = Duration::from_secs(1);
    let mut cases = Vec::new();
    for (timer, by) in timers() {
        let windows = [
            (Window::Count(100), ["BreakerLayer, last 100 calls", "BreakerLayer, last 100 calls, by ticks"]),
            (
                Window::Time { span: 10 * second, buckets: 10 },
                ["BreakerLayer, last 10 s", "BreakerLayer, last 10 s, by ticks"],
            ),
        ];
        for (window, subject) in windows {
            let options = BreakerOptions { window, ..BreakerOptions::default() };
            let layer = BreakerLayer::new("bench", options, &timer);
            cases.push(Case::service(BREAKER, subject[by], true, layer.layer(service_fn(echo))));
        }
        let subject = ["TimeoutLayer", "TimeoutLayer by ticks"][by];
        let layer = TimeoutLayer::new("bench", 3600 * second, &timer);
        cases.push(Case::service(TIMEOUT, subject, true, layer.layer(service_fn(echo))));
        let budget = SharedBudget::new(BudgetOptions::default(), &timer);
        let classify = |result: &Result<u64, Infallible>| if result.is_ok() { Verdict::Done } else { Verdict::Again };
        let (options, rng, replay) = (RetryOptions::default(), Rng::from_seed(1), |n: &u64| Some(*n));
        let layer = RetryLayer::new("bench", options, budget, &timer, rng, replay, classify);
        let subject = ["RetryLayer", "RetryLayer by ticks"][by];
        cases.push(Case::service(RETRY, subject, true, layer.layer(service_fn(echo))));
    }
    let limited = tower::timeout::Timeout::new(service_fn(echo), 3600 * second);
    cases.push(Case::service(TIMEOUT, "tower", false, limited));
    let retried = tower::retry::Retry::new(Again(TpsBudget::new(10 * second, 10, 0.2).into()), service_fn(echo));
    cases.push(Case::service(RETRY, "tower", false, retried));

    let [(timer, _), _] = timers();
    // Nobody has waited.
    let came = timer.now() + 3600 * second;
    let layer = ShedLayer::new("bench", CodelOptions::default(), &timer, move |_: &u64| came);
    cases.push(Case::service(ALONE, "ShedLayer", true, layer.layer(service_fn(echo))));
    let instead = |n, _: Infallible| std::future::ready(Ok::<u64, Infallible>(n));
    let layer = FallbackLayer::new("bench", |n: &u64| *n, instead);
    cases.push(Case::service(ALONE, "FallbackLayer", true, layer.layer(service_fn(echo))));
    let budget = SharedBudget::new(BudgetOptions::default(), &timer);
    let layer = HedgeLayer::new("bench", HedgeOptions::default(), budget, &timer, |n: &u64| Some(*n));
    cases.push(Case::service(ALONE, "HedgeLayer", true, layer.layer(service_fn(echo))));
    let layer = FaultLayer::new("bench", Faults::default(), &timer, Rng::from_seed(1));
    cases.push(Case::service(ALONE, "FaultLayer, no faults", true, layer.layer(service_fn(echo))));
    let hour = Lifetime::fresh(3600 * second);
    let layer = CacheLayer::new("bench", S3FifoCache::new(128), hour, &timer, |n: &u64| Some(n % 64));
    cases.push(Case::service(ALONE, "CacheLayer, hits", true, layer.layer(service_fn(echo))));
    cases
}
