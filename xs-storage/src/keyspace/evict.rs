//! Which key goes when memory is short: the names of the policies, and the keyspace's part, which draws the samples and
//! carries out the choice. The choice among the samples is [`cache::policy`](crate::cache::policy)'s.

use bytes::Bytes;
use xs_os::Rng;

use super::access;
use super::change::ChangeKind;
use super::space::{Db, Keyspace};
use super::table::Spot;

/// `maxmemory-policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Nothing is evicted; writes that need memory fail.
    #[default]
    NoEviction,
    /// The key that was not used for longest, of all keys.
    AllKeysLru,
    /// The same, of the keys that have a deadline.
    VolatileLru,
    /// The key that is used least often, of all keys.
    AllKeysLfu,
    /// The same, of the keys that have a deadline.
    VolatileLfu,
    /// Any key.
    AllKeysRandom,
    /// Any key that has a deadline.
    VolatileRandom,
    /// The key whose deadline comes first. Exact: the expiry index knows it.
    VolatileTtl,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 8] = [
        Policy::NoEviction,
        Policy::AllKeysLru,
        Policy::VolatileLru,
        Policy::AllKeysLfu,
        Policy::VolatileLfu,
        Policy::AllKeysRandom,
        Policy::VolatileRandom,
        Policy::VolatileTtl,
    ];

    /// The name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Policy::NoEviction => "noeviction",
            Policy::AllKeysLru => "allkeys-lru",
            Policy::VolatileLru => "volatile-lru",
            Policy::AllKeysLfu => "allkeys-lfu",
            Policy::VolatileLfu => "volatile-lfu",
            Policy::AllKeysRandom => "allkeys-random",
            Policy::VolatileRandom => "volatile-random",
            Policy::VolatileTtl => "volatile-ttl",
        }
    }

    /// The policy of a name, in any case.
    pub fn from_name(name: &str) -> Option<Policy> {
        Policy::ALL.into_iter().find(|policy| policy.name().eq_ignore_ascii_case(name))
    }

    /// Whether the policy counts uses instead of timing them.
    pub const fn is_lfu(self) -> bool {
        matches!(self, Policy::AllKeysLfu | Policy::VolatileLfu)
    }

    /// Whether the policy spares keys without a deadline.
    pub const fn is_volatile(self) -> bool {
        matches!(self, Policy::VolatileLru | Policy::VolatileLfu | Policy::VolatileRandom | Policy::VolatileTtl)
    }
}

impl Keyspace {
    /// Removes the key that the policy would rather lose than any other, and answers its database and name. `None` if
    /// the policy leaves nothing to evict.
    ///
    /// `lru` and `lfu` sample, as Redis does; they judge by what [`Config::tracking`](super::Config) records. Random is
    /// uniform over all keys of all databases, and `volatile-ttl` is exact.
    pub fn evict_one(&mut self, policy: Policy, rng: &mut Rng, now_ms: u64) -> Option<(usize, Bytes)> {
        let (db, hash, spot) = match policy {
            Policy::NoEviction => return None,
            Policy::AllKeysLru | Policy::VolatileLru | Policy::AllKeysLfu | Policy::VolatileLfu => {
                self.sampled_victim(policy.is_volatile(), rng, now_ms)?
            }
            Policy::AllKeysRandom => {
                let db = self.random_db(rng, |db| db.keys.len())?;
                let keys = &self.dbs[db].keys;
                let spot = keys.random_spot(rng)?;
                (db, self.hasher.hash(keys.at(spot)?.key()), spot)
            }
            Policy::VolatileRandom => {
                let db = self.random_db(rng, |db| db.deadlines.len())?;
                let (hash, spot) = self.random_volatile(db, rng)?;
                (db, hash, spot)
            }
            Policy::VolatileTtl => {
                let first = |(number, db): (usize, &Db)| db.deadlines.first().map(|&entry| (entry, number));
                let (entry, db) = self.dbs.iter().enumerate().filter_map(first).min()?;
                (db, entry.1, self.locate_deadline(db, entry)?)
            }
        };
        let item = self.take(db, spot, hash, ChangeKind::Evicted)?;
        let key = Bytes::copy_from_slice(item.key());
        if self.config.set_aside.evicted {
            self.set_aside(item.into_value());
        }
        Some((db, key))
    }

    /// A database, as likely as its share of what `len` counts.
    fn random_db(&self, rng: &mut Rng, len: impl Fn(&Db) -> usize) -> Option<usize> {
        let mut at = rng.index(self.dbs.iter().map(&len).sum());
        self.dbs.iter().position(|db| {
            let here = at < len(db);
            at = at.saturating_sub(len(db));
            here
        })
    }

    fn random_volatile(&self, db: usize, rng: &mut Rng) -> Option<(u64, Spot)> {
        let deadlines = &self.dbs[db].deadlines;
        let entry = *deadlines.select(rng.index(deadlines.len()))?;
        Some((entry.1, self.locate_deadline(db, entry)?))
    }

    fn sampled_victim(&mut self, volatile: bool, rng: &mut Rng, now_ms: u64) -> Option<(usize, u64, Spot)> {
        loop {
            let mut seen = 0;
            for db in 0..self.dbs.len() {
                for _ in 0..self.config.samples.max(1) {
                    let sample = if volatile {
                        self.random_volatile(db, rng)
                    } else {
                        let keys = &self.dbs[db].keys;
                        let spot = keys.random_spot(rng);
                        spot.and_then(|spot| Some((self.hasher.hash(keys.at(spot)?.key()), spot)))
                    };
                    let Some((hash, spot)) = sample else { break };
                    let Some(item) = self.dbs[db].keys.at(spot) else { break };
                    self.pool.offer((db, hash), access::score(item.tag(), self.config.tracking, now_ms));
                    seen += 1;
                }
            }
            // The pool remembers earlier samples, whose keys may be gone or may have lost their deadlines. If all of them
            // are, the pool is empty now, and what the next round samples is live.
            while let Some((db, hash)) = self.pool.take() {
                let hasher = self.hasher;
                let live = self.dbs.get(db).and_then(|db| {
                    db.keys.locate(hash, |item| hasher.hash(item.key()) == hash && (!volatile || item.note().is_some()))
                });
                if let Some(spot) = live {
                    return Some((db, hash, spot));
                }
            }
            if seen == 0 {
                return None;
            }
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for policy in Policy::ALL {
            assert_eq!(Policy::from_name(&policy.name().to_uppercase()), Some(policy));
        }
        assert_eq!(Policy::from_name("lru"), None);
    }
}
