//! A right that ends by itself, and the number that keeps out those who missed its end: [`Table`], [`Fence`].
//!
//! # The problem
//!
//! One process at a time may write to a file, move a shard, send the invoices. A lock would do, until its holder dies with
//! it. So the lock gets an end: a *lease*. Now its holder may be alive, and late: paused by its collector, its virtual
//! machine moved, its packet held up in a switch. It has looked at the clock, has seen that the lease is good, has stood
//! still for a minute, and writes. By then somebody else holds the lease. No check by the holder helps, because anything
//! can happen between the check and the write's arrival.
//!
//! # How it works
//!
//! The table of leases gives each new holder a larger [`Token`]. The holder shows it with every request, and what is
//! protected refuses any that is smaller than the largest it has seen:
//!
//! ```text
//!   client 1 ──acquire──▶ table: token 33 ──▶ ▓▓▓▓▓ paused ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓ write, 33 ───┐
//!                                    33 ends here ┄┄┄┆                                     ▼
//!   client 2 ──────────────────────────── acquire ───▶ token 34 ──▶ read, 34 ─ write, 34 ─▶ store
//!                                                                      │                   33 < 34: refused
//!                                                                      └ from now on the store knows of 34
//! ```
//!
//! So the lease makes waiting short, and the token makes it safe. With the token, clocks decide only who waits how long;
//! where nothing can check a token (a printer, a mail server), all rests on them:
//!
//! - The client counts from the moment at which it *asked*, by its own clock ([`Grant::since`]).
//! - The table counts from the moment at which it *granted*, and waits longer, by what two clocks may drift apart
//!   ([`Options::drift`]). Both use clocks that are never set back.
//!
//! A table that was restarted has forgotten its leases, and grants none until the last of them has surely ended
//! ([`Table::restarted`]). Its tokens must grow all the same: their upper half is the number of the start, which its owner
//! keeps on the disk and raises *before* it starts; so not every grant needs a write.
//!
//! # Invariants
//!
//! - At no moment do two holders have a lease, by clocks within [`Options::drift`] (`tests::never_two_holders`).
//! - A later grant has a larger token, over restarts too if the epoch grows ([`Table::acquire`]; `tests::tokens_grow`).
//! - A [`Fence`] admits tokens in ascending order only: behind the first request of a holder, none of an earlier one's
//!   ([`Fence::admit`]).
//! - With the fence a paused client does no harm, without it does: both are found by the checker of linearizability on the
//!   simulated network (`tests/blocks/lease.rs`).
//!
//! # Cost
//!
//! An entry in two ordered maps a lease; at most [`Options::most`] of them. A fence is one number, and one comparison.
//! A holder that dies is missed for the rest of its lease: short leases cost renewals, long ones cost waiting.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use xs_consensus::lease::{Fence, Holder, Options, Refused, Table};
//! use xs_os::{Clock, VirtualClock};
//!
//! let clock = VirtualClock::new();
//! let (one, two) = (Holder(1), Holder(2));
//! let mut table = Table::new(Options::default(), 0);
//! let mut store = Fence::default();
//!
//! let asked = clock.now();
//! let first = table.acquire(clock.now(), "invoices", one).unwrap();
//! assert!(first.since(asked).is_held(clock.now()));
//! assert!(matches!(table.acquire(clock.now(), "invoices", two), Err(Refused::Held { .. })));
//!
//! clock.advance(Duration::from_secs(60));                 // the first client is paused
//! let second = table.acquire(clock.now(), "invoices", two).unwrap();
//! store.admit(second.token).unwrap();
//! store.admit(first.token).unwrap_err();                  // it wakes up, and is refused
//! ```
//!
//! # How others do it
//!
//! Chubby's sequencers are such tokens, with which a client's servers check that its lock is still held; where they cannot,
//! a lock that was lost is not given away for a minute. ZooKeeper offers a node's `zxid` or version as a token, etcd a
//! key's revision, and both leave the check to what is protected. Redlock, five Redis servers with timeouts, gives no
//! number that grows, and was criticized for just that. HDFS and Kafka fence by epochs of their leaders; SCSI's reservations
//! and a power switch fence harder. GFS and Raft's lease reads rest on clocks alone.
//!
//! # What this leaves out
//!
//! Keeping the table on several machines (make it a state machine of [`raft`](crate::raft), with the leader's time in
//! the entries); queues of those who wait; shared leases; telling holders that their lease ended. Requests of *one* holder
//! that overtake one another: the fence cannot tell them apart, number them.
//!
//! # Try next
//!
//! In `tests/blocks/lease.rs`, let a client look at its lease directly before it writes, without the fence: how many seeds
//! does the checker need now? Let a new holder write without having read: which of the two orders is lost?
//!
//! # Sources
//!
//! C. Gray and D. Cheriton, "Leases: An Efficient Fault-Tolerant Mechanism for Distributed File Cache Consistency" (1989);
//! M. Burrows, "The Chubby lock service for loosely-coupled distributed systems" (2006), 2.4; M. Kleppmann, "How to do
//! distributed locking" (2016); S. Sanfilippo, "Is Redlock safe?" (2016).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

/// The number of a grant: each later one is larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

/// Who holds a lease: one life of a process. A process that was restarted is another holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder(pub u64);

/// What a table promises and expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a holder may rely on its lease, by its own clock, from when it asked.
    pub ttl: Duration,
    /// By how many millionths any clock runs too fast or too slow at most; below a million.
    pub drift: u32,
    /// How many leases there are at once at most.
    pub most: usize,
}

impl Default for Options {
    /// Ten seconds, clocks that are right to a thousandth, a hundred thousand leases.
    fn default() -> Self {
        Options { ttl: Duration::from_secs(10), drift: 1000, most: 100_000 }
    }
}

impl Options {
    /// How long the table waits, by its clock, until a holder's `ttl` has surely passed by the holder's: if the table's
    /// clock is the fast one and the holder's the slow one, (1 + drift) / (1 - drift) times as long.
    fn wait(&self) -> Duration {
        let drift = f64::from(self.drift.min(999_999)) / 1e6;
        // A nanosecond for what rounding takes away.
        self.ttl.mul_f64((1.0 + drift) / (1.0 - drift)) + Duration::from_nanos(1)
    }
}

/// What a holder was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To be shown with every request.
    pub token: Token,
    /// How long it may rely on the lease, from when it asked.
    pub ttl: Duration,
}

impl Grant {
    /// The lease as its holder sees it, who had asked at this time of its own clock.
    pub fn since(&self, asked: Instant) -> Lease {
        Lease { token: self.token, asked, until: asked + self.ttl }
    }
}

/// A lease as its holder sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// To be shown with every request.
    pub token: Token,
    asked: Instant,
    until: Instant,
}

impl Lease {
    /// Whether it may be relied on at this time of the holder's clock. It says nothing of the time at which a request
    /// arrives: for that there is the token.
    pub fn is_held(&self, now: Instant) -> bool {
        now < self.until
    }

    /// When to renew it: after a third of its time, so that there are two more tries.
    pub fn renew_at(&self) -> Instant {
        self.asked + (self.until - self.asked) / 3
    }
}

/// Why there is no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Somebody else has it.
    #[error("held by another one: ask again at the end of its lease")]
    Held {
        /// Who.
        by: Holder,
        /// When it ends by the table's clock, unless it is renewed.
        until: Instant,
    },
    /// The table was restarted, and leases from before may still be held.
    #[error("the table was restarted, and older leases may still be held: ask again later")]
    Waiting {
        /// When they have surely ended, by the table's clock.
        until: Instant,
    },
    /// The lease with this token has ended, or was taken away: whatever it protected may be another one's.
    #[error("the lease {0} has ended: stop, and acquire a new one")]
    Ended(Token),
    /// There are as many leases as there may be.
    #[error("there are {0} leases, and no more are given")]
    Full(usize),
    /// All tokens of this start of the table are used up: start it again with a larger epoch.
    #[error("the tokens of this epoch are used up: start the table again with the next one")]
    UsedUp,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    holder: Holder,
    token: Token,
    until: Instant,
}

/// Who holds what until when. See the [module page](self).
#[derive(Clone, Debug)]
pub struct Table<N: Ord> {
    options: Options,
    held: BTreeMap<N, Held>,
    ends: BTreeSet<(Instant, N)>,
    last: Token,
    /// Nothing is granted before this.
    quiet: Option<Instant>,
}

impl<N: Ord + Clone> Table<N> {
    /// A table that was never there before. Its tokens are above those of every smaller epoch.
    pub fn new(options: Options, epoch: u32) -> Self {
        let last = Token(u64::from(epoch) << 32);
        Table { options, held: BTreeMap::new(), ends: BTreeSet::new(), last, quiet: None }
    }

    /// A table that has forgotten the leases of earlier epochs, which were granted with these options or shorter ones. It
    /// lets them end first.
    pub fn restarted(options: Options, epoch: u32, now: Instant) -> Self {
        Table { quiet: Some(now + options.wait()), ..Self::new(options, epoch) }
    }

    /// Grants a lease that nobody else holds. Who holds it already, and has not heard the answer, gets it again with a new
    /// token: a late [`Table::release`] of the one before then ends nothing.
    pub fn acquire(&mut self, now: Instant, name: N, holder: Holder) -> Result<Grant, Refused> {
        if let Some(until) = self.quiet.filter(|until| now < *until) {
            return Err(Refused::Waiting { until });
        }
        self.expire(now);
        match self.held.get(&name) {
            Some(held) if held.holder != holder => {
                return Err(Refused::Held { by: held.holder, until: held.until });
            }
            None if self.held.len() >= self.options.most => return Err(Refused::Full(self.options.most)),
            _ => {}
        }
        if self.last.0 as u32 == u32::MAX {
            return Err(Refused::UsedUp);
        }
        self.last.0 += 1;
        Ok(self.hold(now, name, holder, self.last))
    }

    /// Makes a lease last from now on again, if it has not ended.
    pub fn renew(&mut self, now: Instant, name: N, token: Token) -> Result<Grant, Refused> {
        self.expire(now);
        match self.held.get(&name) {
            Some(held) if held.token == token => {
                let holder = held.holder;
                Ok(self.hold(now, name, holder, token))
            }
            _ => Err(Refused::Ended(token)),
        }
    }

    /// Gives a lease back before its end. Its holder must not have requests under way that nobody fences.
    pub fn release(&mut self, now: Instant, name: &N, token: Token) -> Result<(), Refused> {
        self.expire(now);
        match self.held.get(name) {
            Some(held) if held.token == token => {
                self.revoke(name);
                Ok(())
            }
            _ => Err(Refused::Ended(token)),
        }
    }

    /// Takes a lease away at once; the answer is its token. Its holder does not know: only a fence keeps it out.
    pub fn revoke(&mut self, name: &N) -> Option<Token> {
        let (name, held) = self.held.remove_entry(name)?;
        self.ends.remove(&(held.until, name));
        Some(held.token)
    }

    /// Ends the leases whose time is over; the answer is which.
    pub fn expire(&mut self, now: Instant) -> Vec<(N, Holder, Token)> {
        let mut ended = Vec::new();
        while self.deadline().is_some_and(|end| end <= now) {
            let Some((_, name)) = self.ends.pop_first() else { break };
            if let Some(held) = self.held.remove(&name) {
                ended.push((name, held.holder, held.token));
            }
        }
        ended
    }

    /// When the next lease ends, if it isn't renewed.
    pub fn deadline(&self) -> Option<Instant> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Who holds a lease, and with which token.
    pub fn holder(&self, now: Instant, name: &N) -> Option<(Holder, Token)> {
        self.held.get(name).filter(|held| now < held.until).map(|held| (held.holder, held.token))
    }

    fn hold(&mut self, now: Instant, name: N, holder: Holder, token: Token) -> Grant {
        let until = now + self.options.wait();
        if let Some(before) = self.held.insert(name.clone(), Held { holder, token, until }) {
            self.ends.remove(&(before.until, name.clone()));
        }
        self.ends.insert((until, name));
        Grant { token, ttl: self.options.ttl }
    }
}

/// A request came with a token that is older than one that was seen: its sender's lease has ended, and somebody else has
/// begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token {shown} is older than {highest}: the lease has ended, stop")]
pub struct Stale {
    /// The request's token.
    pub shown: Token,
    /// The highest that was seen.
    pub highest: Token,
}

/// Keeps out whoever's lease has ended: it stands in front of what is protected, and lives as long as that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    highest: Token,
}

impl Fence {
    /// A fence that has seen a token before, as was kept with what it protects.
    pub fn restore(highest: Token) -> Self {
        Fence { highest }
    }

    /// The highest token that was seen: to be kept with what is protected, in one write.
    pub fn highest(&self) -> Token {
        self.highest
    }

    /// Lets a request pass, if no later holder was seen.
    ///
    /// Reads must pass too: a holder that reads, works and writes back must have shown its token *before* it reads, or
    /// an earlier holder's write comes in between and is lost.
    pub fn admit(&mut self, token: Token) -> Result<(), Stale> {
        if token < self.highest {
            return Err(Stale { shown: token, highest: self.highest });
        }
        self.highest = token;
        Ok(())
    }
}

/// A map behind a [`Fence`]: the least store that paused clients can't hurt.
#[derive(Clone, Debug)]
pub struct FencedStore<K: Ord, V> {
    fence: Fence,
    values: BTreeMap<K, V>,
}

impl<K: Ord, V> Default for FencedStore<K, V> {
    fn default() -> Self {
        FencedStore { fence: Fence::default(), values: BTreeMap::new() }
    }
}

impl<K: Ord, V> FencedStore<K, V> {
    /// Reads, and keeps out all earlier holders from now on.
    pub fn read(&mut self, token: Token, key: &K) -> Result<Option<&V>, Stale> {
        self.fence.admit(token)?;
        Ok(self.values.get(key))
    }

    /// Writes; the answer is the value before.
    pub fn write(&mut self, token: Token, key: K, value: V) -> Result<Option<V>, Stale> {
        self.fence.admit(token)?;
        Ok(self.values.insert(key, value))
    }

    /// The fence.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xs_os::{Clock, VirtualClock};

    const ONE: Holder = Holder(1);
    const TWO: Holder = Holder(2);
    const SECOND: Duration = Duration::from_secs(1);

    fn options() -> Options {
        Options { ttl: 10 * SECOND, drift: 100_000, most: 2 }
    }

    #[test]
    fn a_lease_is_held_renewed_given_back_and_ends() {
        let now = VirtualClock::new().now();
        let mut table = Table::new(options(), 0);
        let first = table.acquire(now, 'a', ONE).unwrap();
        assert_eq!(first.since(now).renew_at(), now + 10 * SECOND / 3);
        let lost = first.token;
        let first = table.acquire(now + SECOND, 'a', ONE).unwrap();
        assert!(first.token > lost, "the answer was lost, and what was under way with it ends nothing");
        assert_eq!(table.release(now + SECOND, &'a', lost), Err(Refused::Ended(lost)));
        // Extended to 11 s; ended for the table once 10 s have passed for a clock that is a tenth slow, by one a tenth fast.
        let Err(Refused::Held { by: ONE, until }) = table.acquire(now + 2 * SECOND, 'a', TWO) else { panic!() };
        let surely = SECOND + (10 * SECOND).mul_f64(1.1 / 0.9);
        assert!(until >= now + surely && until < now + surely + Duration::from_millis(1));
        assert_eq!(table.renew(now + 3 * SECOND, 'a', first.token), Ok(first));
        assert_eq!(table.release(now, &'a', Token(99)), Err(Refused::Ended(Token(99))));
        table.release(now + 4 * SECOND, &'a', first.token).unwrap();
        assert_eq!(table.deadline(), None);
        let second = table.acquire(now + 4 * SECOND, 'a', TWO).unwrap();
        assert!(second.token > first.token);
        assert_eq!(table.renew(now + 4 * SECOND, 'a', first.token), Err(Refused::Ended(first.token)));
        let end = table.deadline().unwrap();
        assert_eq!(table.holder(end - SECOND, &'a'), Some((TWO, second.token)));
        assert_eq!(table.holder(end, &'a'), None);
        assert_eq!(table.expire(end), [('a', TWO, second.token)]);
        assert_eq!(table.renew(end, 'a', second.token), Err(Refused::Ended(second.token)));
    }

    #[test]
    fn there_is_no_end_of_leases_and_tokens_unnoticed() {
        let now = VirtualClock::new().now();
        let mut table = Table::new(options(), 7);
        table.acquire(now, 'a', ONE).unwrap();
        assert_eq!(table.acquire(now, 'b', ONE).unwrap().token, Token((7 << 32) | 2));
        assert_eq!(table.acquire(now, 'c', ONE), Err(Refused::Full(2)));
        assert_eq!(table.revoke(&'a').unwrap().to_string(), "7.1");
        table.last = Token(8 << 32);
        table.last.0 -= 1;
        assert_eq!(table.acquire(now, 'c', ONE), Err(Refused::UsedUp));
    }

    #[test]
    fn a_restarted_table_waits_and_its_tokens_grow() {
        let now = VirtualClock::new().now();
        let mut before = Table::new(options(), 0);
        let old = before.acquire(now, 'a', ONE).unwrap();
        let mut after = Table::restarted(options(), 1, now);
        let Err(Refused::Waiting { until }) = after.acquire(now, 'a', TWO) else { panic!() };
        assert!(!old.since(now).is_held(until));
        assert!(after.acquire(until, 'a', TWO).unwrap().token > old.token);
    }

    /// The holder reads before its token was seen: the earlier one's write comes in between. The fence is shown at the read.
    #[test]
    fn a_read_shows_the_token_too() {
        let mut store = FencedStore::default();
        store.write(Token(1), 'k', 1).unwrap();
        assert_eq!(store.read(Token(2), &'k'), Ok(Some(&1)));
        assert_eq!(store.write(Token(1), 'k', 5), Err(Stale { shown: Token(1), highest: Token(2) }));
        assert_eq!(store.write(Token(2), 'k', 2), Ok(Some(1)));
        assert!(Fence::restore(store.fence().highest()).admit(Token(1)).is_err());
    }

    proptest! {
        /// Holders whose clocks run as wrongly as they may, and a table whose clock does: at any moment at most one of them
        /// believes that it has the lease.
        #[test]
        fn never_two_holders(
            rates in prop::array::uniform3(prop_oneof![Just(900_000_u64), Just(1_100_000), 900_000_u64..=1_100_000]),
            steps in prop::collection::vec((0_usize..2, 0_u64..6000, 0_u64..2000, any::<bool>(), any::<bool>()), 1..80),
        ) {
            let start = VirtualClock::new().now();
            // What a clock shows when so many microseconds have truly passed.
            let shows = |clock: usize, micros: u64| start + Duration::from_nanos(micros * rates[clock] / 1000);
            let mut table = Table::new(options(), 0);
            let mut leases: [Option<Lease>; 2] = [None; 2];
            let (mut truth, mut last) = (0, Token::default());
            for (who, wait, way, lost, at_end) in steps {
                truth += wait * 1000;
                // Half of them ask as soon as the table lets them.
                if let Some(end) = table.deadline().filter(|_| at_end) {
                    truth = truth.max((end - start).as_nanos() as u64 * 1000 / rates[2] + 1);
                }
                let asked = shows(who, truth);
                truth += way * 1000;
                if let Ok(grant) = table.acquire(shows(2, truth), (), Holder(who as u64)) {
                    prop_assert!(grant.token > last);
                    last = grant.token;
                    if !lost {
                        leases[who] = Some(grant.since(asked));
                    }
                }
                let held = |who: usize| leases[who].is_some_and(|lease: Lease| lease.is_held(shows(who, truth)));
                prop_assert!(!(held(0) && held(1)));
            }
        }

        #[test]
        fn tokens_grow(steps in prop::collection::vec((0_u8..4, 0_u64..4, 0_u64..8000), 1..100)) {
            let mut now = VirtualClock::new().now();
            let (mut epoch, mut last) = (0, Token::default());
            let mut table = Table::new(options(), epoch);
            let mut held = None;
            for (what, who, wait) in steps {
                now += Duration::from_millis(wait);
                match what {
                    0 => {
                        epoch += 1;
                        table = Table::restarted(options(), epoch, now);
                        held = None;
                    }
                    1 => {
                        // It may have ended by itself.
                        let _ = held.take().map(|token| table.release(now, &(), token));
                    }
                    _ => {
                        if let Ok(grant) = table.acquire(now, (), Holder(who)) {
                            prop_assert!(grant.token > last);
                            (last, held) = (grant.token, Some(grant.token));
                        }
                    }
                }
            }
        }
    }
}
