//! Quotas: how many bytes a second a client may write and read, and how many requests a second it may send.
//!
//! ```text
//!   request ─▶ answered as always, at once ─▶ throttle_time_ms: 350 ─▶ written
//!      │                                               │
//!      └─ bytes, 1 request ─▶ a bucket for each key ───┘─▶ the connection's next request is taken up 350 ms later
//! ```
//!
//! Nothing is refused: who takes more than its share is told for how long that is too much, and heard again afterwards (KIP-219).
//! Clients that understand it wait by themselves. What a connection has sent meanwhile stays where it is, at last in the client's
//! own socket, so waiting costs no memory, no thread, and nobody else's time.
//!
//! A bucket holds what may pass in a second. A request that is larger is let through, and paid for afterwards: within any
//! stretch of time passes what the quota says, what the bucket holds, and one request of each connection. (What a fetch brings is
//! known when it is answered. There it is those that a connection has under way.) Several connections of one client pay into one
//! bucket. Nobody waits longer than [`LONGEST`] for one request; what would take longer is forgiven,
//! because clients take a broker for dead that is silent for so long.
//!
//! Buckets are bounded in number; who finds no place shares one with all others who don't ([`Keyed`]).
//!
//! Sources: KIP-13 (quotas), KIP-55 (by user), KIP-124 (requests; Kafka counts the time of threads there), KIP-219.

mod mute;
mod told;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytestring::ByteString;
use metrics::Counter;
use xs_net::Timer;
use xs_net::limit::{Gcra, InvalidRate, Keyed, Limit, Rate};
use xs_os::Nanos;
use xs_proto::kafka::messages::{FetchResponse, Response};

pub(crate) use mute::{Mute, Pause};

/// Nobody waits longer for one request.
const LONGEST: Duration = Duration::from_secs(30);
/// So much of a client's name for itself tells it from others.
const MAX_NAME: usize = 256;

/// Who has a quota of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QuotaBy {
    /// Every client id, whoever uses it.
    #[default]
    Client,
    /// Every user, whatever its clients are called. Who has not said who it is, is one user.
    User,
    /// Every client id of every user.
    Both,
}

/// What there is for each key; nothing where there is no limit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quotas {
    pub(crate) by: QuotaBy,
    /// Bytes of produce requests, a second.
    pub(crate) produce: Option<u64>,
    /// Bytes of records fetched, a second.
    pub(crate) fetch: Option<u64>,
    /// Requests, a second.
    pub(crate) requests: Option<u64>,
    /// So many keys are told apart.
    pub(crate) max_keys: usize,
}

/// A user and a client id; what is not looked at is empty.
type Key = (ByteString, ByteString);
type Buckets = Keyed<Key, Gcra>;

/// The buckets of all clients.
pub(crate) struct Meters {
    by: QuotaBy,
    produce: Option<Buckets>,
    fetch: Option<Buckets>,
    requests: Option<Buckets>,
    timer: Timer,
    throttled: Counter,
}

impl Meters {
    /// `None` if there is no limit at all. `seed` is what clients don't know.
    ///
    /// # Errors
    ///
    /// A quota that is no rate.
    pub(crate) fn new(quotas: &Quotas, timer: Timer, seed: u64) -> Result<Option<Arc<Meters>>, InvalidRate> {
        let buckets = |quota: Option<u64>| -> Result<Option<Buckets>, InvalidRate> {
            let gcra = |quota| Rate::per_second(quota).map(|rate| Gcra::new(rate, quota));
            Ok(quota.map(gcra).transpose()?.map(|gcra| Keyed::new(gcra, quotas.max_keys, seed)))
        };
        let (produce, fetch) = (buckets(quotas.produce)?, buckets(quotas.fetch)?);
        let requests = buckets(quotas.requests)?;
        let any = produce.is_some() || fetch.is_some() || requests.is_some();
        metrics::describe_counter!("xs_kafka_throttled_total", "Requests whose clients were told to wait, by quotas.");
        let throttled = metrics::counter!("xs_kafka_throttled_total");
        Ok(any.then(|| Arc::new(Meters { by: quotas.by, produce, fetch, requests, timer, throttled })))
    }

    /// Whose bucket it is.
    fn key(&self, principal: &ByteString, client: Option<&ByteString>) -> Key {
        let client = client.filter(|_| self.by != QuotaBy::User).map_or("", |client| &**client);
        let principal = if self.by == QuotaBy::Client { "" } else { &**principal };
        // Kept for long, so no slices of the request.
        (cut(principal).into(), cut(client).into())
    }

    /// Takes note of a request. Its bytes are records to be written, or none.
    pub(crate) fn begin(
        self: &Arc<Self>,
        principal: &ByteString,
        client: Option<&ByteString>,
        produced: u64,
        mute: Arc<Mute>,
    ) -> Charge {
        let (key, now) = (self.key(principal, client), self.timer.nanos());
        let wait = pay(&self.requests, &key, now, 1).max(pay(&self.produce, &key, now, produced));
        let until = self.timer.now() + wait;
        if !wait.is_zero() {
            // Not only when it is answered: what was sent behind it would be taken up meanwhile.
            mute.until(until);
        }
        Charge { meters: self.clone(), key, until, mute }
    }
}

/// The beginning of a name.
fn cut(name: &str) -> &str {
    let end = (0..=MAX_NAME.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    &name[..end.unwrap_or(0)]
}

/// Takes so much from a bucket, a part that fits after the other, and answers when there is that much in it again.
fn pay(buckets: &Option<Buckets>, key: &Key, now: Nanos, mut cost: u64) -> Duration {
    let Some(buckets) = buckets else { return Duration::ZERO };
    let (mut wait, capacity) = (Duration::ZERO, xs_net::limit::Policy::capacity(&buckets.policy()));
    while cost > 0 {
        let part = cost.min(capacity);
        match buckets.reserve(key, now, part, LONGEST) {
            Ok(granted) => wait = granted,
            Err(_) => return LONGEST,
        }
        cost -= part;
    }
    wait
}

/// A request under way, and until when it will have been too much.
pub(crate) struct Charge {
    meters: Arc<Meters>,
    key: Key,
    until: Instant,
    mute: Arc<Mute>,
}

impl Charge {
    /// The request is answered: tells the client how long it has to wait, and sees to it that it does.
    pub(crate) fn end(self, response: Option<&mut Response>) {
        let Charge { meters, key, mut until, mute } = self;
        let now = meters.timer.now();
        if let Some(Response::Fetch(fetch)) = &response {
            until = until.max(now + pay(&meters.fetch, &key, meters.timer.nanos(), fetched(fetch)));
        }
        // What a fetch has waited for records has passed already.
        let wait = until.saturating_duration_since(now);
        if wait.is_zero() {
            return;
        }
        mute.until(until);
        meters.throttled.increment(1);
        if let Some(throttle) = response.and_then(told::throttle) {
            *throttle = i32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
        }
    }
}

fn fetched(fetch: &FetchResponse) -> u64 {
    let partitions = fetch.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.filter_map(|partition| partition.records.as_ref()).map(|records| records.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use xs_os::VirtualClock;

    use super::*;

    fn meters(quotas: &Quotas) -> (Arc<Meters>, VirtualClock) {
        let clock = VirtualClock::new();
        let meters = Meters::new(quotas, Timer::new(Arc::new(clock.clone())), 1).unwrap().unwrap();
        (meters, clock)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn wait(meters: &Arc<Meters>, user: &str, client: &str, bytes: u64) -> Duration {
        meters.begin(&user.into(), Some(&client.into()), bytes, Arc::default()).until - meters.timer.now()
    }

    #[test]
    fn what_is_too_much_is_waited_for_and_no_longer_than_that() {
        let quotas = Quotas { produce: Some(1000), max_keys: 100, ..Quotas::default() };
        let (meters, clock) = meters(&quotas);
        assert_eq!(wait(&meters, "u", "a", 1000), ms(0));
        assert_eq!(wait(&meters, "u", "a", 500), ms(500));
        assert_eq!(wait(&meters, "v", "a", 0), ms(0), "nothing costs nothing");
        assert_eq!(wait(&meters, "v", "b", 1000), ms(0), "another client");
        clock.advance(ms(500));
        assert_eq!(wait(&meters, "v", "a", 5500), ms(5500), "more than the bucket holds");
        clock.advance(ms(5500));
        assert_eq!(wait(&meters, "v", "a", 1_000_000), LONGEST);
        assert_eq!(wait(&meters, "v", &"x".repeat(MAX_NAME), 1000), ms(0));
        assert_eq!(wait(&meters, "v", &"x".repeat(MAX_NAME + 1), 1000), ms(1000));
    }

    #[test]
    fn a_bucket_is_a_clients_or_a_users_or_that_of_both() {
        for (by, [same_client, same_user]) in
            [(QuotaBy::Client, [true, false]), (QuotaBy::User, [false, true]), (QuotaBy::Both, [false, false])]
        {
            let (meters, _) = meters(&Quotas { by, requests: Some(1), max_keys: 100, ..Quotas::default() });
            assert_eq!(wait(&meters, "u", "a", 0), ms(0));
            assert_eq!(!wait(&meters, "v", "a", 0).is_zero(), same_client, "{by:?}");
            assert_eq!(!wait(&meters, "u", "b", 0).is_zero(), same_user, "{by:?}");
        }
        assert!(Meters::new(&Quotas::default(), Timer::system(), 1).unwrap().is_none());
    }
}
