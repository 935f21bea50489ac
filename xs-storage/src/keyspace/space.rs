//! The keyspace itself: databases of typed values with deadlines, and the account of all of it.

use xs_os::Rng;

use crate::cache::policy::Pool;

use super::access::{self, Tracking};
use super::change::{Change, ChangeKind, Changes};
use super::entry::EntryMut;
use super::hasher::KeyHasher;
use super::rank_tree::RankTree;
use super::table::{Spot, Table};
use super::thin::KeyBox;
use super::value::Value;

/// A key with its value; the tag is the access record, the note the deadline.
type Item = KeyBox<Value>;

/// The longest key in bytes. Callers check: [`Keyspace::insert`] panics on a longer one.
pub const MAX_KEY: usize = Item::MAX_KEY;

/// What can be set on a [`Keyspace`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What is remembered of every use of a key.
    pub tracking: Tracking,
    /// `maxmemory-samples`: keys that are looked at to find one victim.
    pub samples: usize,
    /// Which values are kept for [`Keyspace::garbage`] when their keys go.
    pub set_aside: SetAside,
}

/// Large values are dropped where their keys go, or set aside so that their owner can drop them elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAside {
    /// Those of keys whose deadlines have passed.
    pub expired: bool,
    /// Those of evicted keys.
    pub evicted: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config { tracking: Tracking::Recency, samples: 5, set_aside: SetAside::default() }
    }
}

/// The deadline that a stored value gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ttl {
    /// None.
    #[default]
    Clear,
    /// The one that the key has, if any.
    Keep,
    /// This moment, in Unix milliseconds.
    At(u64),
}

/// One database.
#[derive(Debug, Default)]
pub(super) struct Db {
    pub(super) keys: Table<Item>,
    /// Deadline and key hash of every key that has a deadline.
    pub(super) deadlines: RankTree<(u64, u64)>,
    /// What the items take: boxes and what their values own.
    items: usize,
}

impl Db {
    fn used_bytes(&self) -> usize {
        self.items + self.keys.allocated_bytes() + self.deadlines.allocated_bytes()
    }

    fn add_deadline(&mut self, entry: (u64, u64)) {
        self.deadlines.insert(entry, |other| other.cmp(&entry));
    }

    fn drop_deadline(&mut self, entry: (u64, u64)) {
        let gone = self.deadlines.remove(|other| other.cmp(&entry));
        debug_assert_eq!(gone, Some(entry), "every note has its entry in the index");
    }
}

/// Databases that were emptied, with all that they held. Drop it wherever that may take its time, on another thread too.
#[derive(Debug)]
#[must_use = "dropping it frees the memory, which takes time: choose where"]
pub struct Garbage(#[allow(dead_code, reason = "it is held to be dropped")] Vec<Db>);

/// Typed values under binary-safe keys. See the [module page](super).
///
/// Times are Unix milliseconds. A key with a deadline is there up to and including that millisecond. A database number
/// that is out of range holds nothing, and storing into it is a caller's error that panics.
#[derive(Debug)]
pub struct Keyspace {
    pub(super) dbs: Vec<Db>,
    pub(super) hasher: KeyHasher,
    pub(super) config: Config,
    pub(super) changes: Changes,
    /// The best victims of recent samples, by database and key hash.
    pub(super) pool: Pool<(usize, u64)>,
    /// Values that somebody else drops.
    garbage: Vec<Value>,
    /// Keys whose deadlines have passed stay where they are when they are read.
    keeps_expired: bool,
    /// Chance for the frequency counter.
    rng: Rng,
}

impl Keyspace {
    /// An empty keyspace of so many databases. The seed decides the order of iteration and keeps strangers from choosing
    /// keys that collide: in a server it is secret.
    pub fn new(databases: usize, config: Config, seed: u64) -> Self {
        let mut dbs = Vec::new();
        dbs.resize_with(databases, Db::default);
        Keyspace {
            dbs,
            hasher: KeyHasher::new(seed),
            config,
            changes: Changes::default(),
            pool: Pool::default(),
            garbage: Vec::new(),
            keeps_expired: false,
            rng: Rng::from_seed(seed).fork("lfu"),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the configuration. Access records are not rewritten: under another tracking they mean something else until
    /// the keys are used again.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
        self.pool.clear();
    }

    /// The number of databases.
    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    /// The number of keys, expired ones that nobody has met yet included.
    pub fn len(&self, db: usize) -> usize {
        self.dbs.get(db).map_or(0, |db| db.keys.len())
    }

    /// Whether a database has no key.
    pub fn is_empty(&self, db: usize) -> bool {
        self.len(db) == 0
    }

    /// The number of keys that have a deadline.
    pub fn volatile_len(&self, db: usize) -> usize {
        self.dbs.get(db).map_or(0, |db| db.deadlines.len())
    }

    /// The account: what all keys, values, tables and indexes take, by the classes of [`alloc_size`](super::alloc_size).
    pub fn used_bytes(&self) -> usize {
        self.dbs.iter().map(Db::used_bytes).sum()
    }

    /// What one key takes with its value, its slot and its entry in the expiry index.
    pub fn memory_usage(&self, db: usize, key: &[u8]) -> Option<usize> {
        let item = self.item(db, key)?;
        let index = if item.note().is_some() { 24 } else { 0 };
        Some(item.allocated_bytes() + item.value().allocated_bytes() + 2 * size_of::<Item>() + index)
    }

    // ------------------------------------------------------------------------------------------------- finding

    fn item(&self, db: usize, key: &[u8]) -> Option<&Item> {
        self.dbs.get(db)?.keys.find(self.hasher.hash(key), |item| item.key() == key)
    }

    /// Finds a live key. One whose deadline has passed is removed here.
    #[inline]
    fn locate(&mut self, db: usize, key: &[u8], hash: u64, now_ms: u64) -> Option<Spot> {
        let keys = &self.dbs.get(db)?.keys;
        let spot = keys.locate(hash, |item| item.key() == key)?;
        if keys.at(spot)?.note().is_some_and(|deadline| deadline < now_ms) {
            self.expire(db, spot, hash);
            return None;
        }
        Some(spot)
    }

    /// The first of three steps that overlap the waits of a batch: asks for the bucket of each key, then (in a second
    /// pass) [`Keyspace::prefetch_item`] and (in a third, for reads) [`Keyspace::prefetch_value`]. Keeps nothing; answers
    /// the hash for the later steps.
    #[inline]
    pub fn prefetch(&self, db: usize, key: &[u8]) -> u64 {
        let hash = self.hasher.hash(key);
        if let Some(db) = self.dbs.get(db) {
            db.keys.prefetch(hash);
        }
        hash
    }

    /// Asks for the key and the value's head behind a hash that [`Keyspace::prefetch`] answered.
    #[inline]
    pub fn prefetch_item(&self, db: usize, hash: u64) {
        if let Some(item) = self.dbs.get(db).and_then(|db| db.keys.candidate(hash)) {
            item.prefetch();
        }
    }

    /// Asks for the bytes of a longer string behind a hash that [`Keyspace::prefetch`] answered.
    #[inline]
    pub fn prefetch_value(&self, db: usize, hash: u64) {
        if let Some(item) = self.dbs.get(db).and_then(|db| db.keys.candidate(hash)) {
            item.value().prefetch();
        }
    }

    /// The value of a key, to read: removes the key if its deadline has passed, and counts as a use.
    #[inline]
    pub fn get(&mut self, db: usize, key: &[u8], now_ms: u64) -> Option<&Value> {
        let hash = self.hasher.hash(key);
        if self.keeps_expired && !self.contains(db, key, now_ms) {
            return None;
        }
        let spot = self.locate(db, key, hash, now_ms)?;
        let item = self.dbs[db].keys.at_mut(spot)?;
        let record = access::used(item.tag(), self.config.tracking, now_ms, &mut self.rng);
        // Most uses fall into the same second; a read that writes nothing leaves the cache line clean.
        if record != item.tag() {
            item.set_tag(record);
        }
        Some(item.value())
    }

    /// The value of a key, without any effect: nothing is removed and nothing counts as a use.
    pub fn peek(&self, db: usize, key: &[u8], now_ms: u64) -> Option<&Value> {
        let item = self.item(db, key)?;
        item.note().is_none_or(|deadline| deadline >= now_ms).then(|| item.value())
    }

    /// Whether a key is there, without any effect.
    pub fn contains(&self, db: usize, key: &[u8], now_ms: u64) -> bool {
        self.peek(db, key, now_ms).is_some()
    }

    /// The value of a key, to change in place. See [`EntryMut`].
    #[inline]
    pub fn get_mut(&mut self, db: usize, key: &[u8], now_ms: u64) -> Option<EntryMut<'_>> {
        let hash = self.hasher.hash(key);
        let spot = self.locate(db, key, hash, now_ms)?;
        self.entry(db, spot, now_ms)
    }

    #[inline]
    fn entry(&mut self, db: usize, spot: Spot, now_ms: u64) -> Option<EntryMut<'_>> {
        let Db { keys, items, .. } = &mut self.dbs[db];
        let item = keys.at_mut(spot)?;
        item.set_tag(access::used(item.tag(), self.config.tracking, now_ms, &mut self.rng));
        Some(EntryMut::new(db, item, items, &mut self.changes))
    }

    /// The value of a key to change in place; if there is none, `make`'s, stored first. The second answer says whether
    /// it was.
    #[inline]
    pub fn get_or_insert_with(
        &mut self,
        db: usize,
        key: &[u8],
        now_ms: u64,
        make: impl FnOnce() -> Value,
    ) -> (EntryMut<'_>, bool) {
        let hash = self.hasher.hash(key);
        match self.locate(db, key, hash, now_ms) {
            Some(spot) => (self.entry(db, spot, now_ms).expect("located just now"), false),
            None => {
                let hasher = self.hasher;
                let Db { keys, items, .. } = &mut self.dbs[db];
                let mut item = KeyBox::new(key, make(), None);
                item.set_tag(access::fresh(self.config.tracking, now_ms));
                *items += item.allocated_bytes() + item.value().allocated_bytes();
                self.changes.push(db, key, ChangeKind::Created);
                let item = keys.insert_unique(hash, item, |item| hasher.hash(item.key()));
                (EntryMut::new(db, item, items, &mut self.changes), true)
            }
        }
    }

    /// Changes a value in place and removes the key if that left a collection empty. `None` if there is no such key.
    pub fn update<R>(
        &mut self,
        db: usize,
        key: &[u8],
        now_ms: u64,
        change: impl FnOnce(&mut EntryMut<'_>) -> R,
    ) -> Option<R> {
        let hash = self.hasher.hash(key);
        let spot = self.locate(db, key, hash, now_ms)?;
        let mut entry = self.entry(db, spot, now_ms)?;
        let result = change(&mut entry);
        let spent = entry.is_spent();
        drop(entry);
        if spent {
            self.take(db, spot, hash, ChangeKind::Removed);
        }
        Some(result)
    }

    // -------------------------------------------------------------------------------------------------- storing

    /// Stores a value and answers the one that it replaces.
    ///
    /// # Panics
    /// If the key is longer than [`MAX_KEY`], or `db` is not one of the databases.
    pub fn insert(&mut self, db: usize, key: &[u8], value: Value, ttl: Ttl, now_ms: u64) -> Option<Value> {
        let hash = self.hasher.hash(key);
        match self.locate(db, key, hash, now_ms) {
            Some(spot) => {
                let old = self.replace(db, spot, hash, value, ttl, now_ms);
                self.changes.push(db, key, ChangeKind::Set);
                old
            }
            None => {
                self.add(db, key, hash, value, if let Ttl::At(at) = ttl { Some(at) } else { None }, now_ms);
                self.changes.push(db, key, ChangeKind::Created);
                None
            }
        }
    }

    fn add(&mut self, db: usize, key: &[u8], hash: u64, value: Value, deadline: Option<u64>, now_ms: u64) {
        let hasher = self.hasher;
        let db = &mut self.dbs[db];
        let mut item = KeyBox::new(key, value, deadline);
        item.set_tag(access::fresh(self.config.tracking, now_ms));
        db.items += item.allocated_bytes() + item.value().allocated_bytes();
        db.keys.insert_unique(hash, item, |item| hasher.hash(item.key()));
        if let Some(deadline) = deadline {
            db.add_deadline((deadline, hash));
        }
    }

    fn replace(&mut self, db: usize, spot: Spot, hash: u64, value: Value, ttl: Ttl, now_ms: u64) -> Option<Value> {
        let Db { keys, items, .. } = &mut self.dbs[db];
        let item = keys.at_mut(spot)?;
        let old = std::mem::replace(item.value_mut(), value);
        *items = *items - old.allocated_bytes() + item.value().allocated_bytes();
        // As in Redis, the count of uses survives a new value, and this is one.
        item.set_tag(access::used(item.tag(), self.config.tracking, now_ms, &mut self.rng));
        match ttl {
            Ttl::Keep => {}
            Ttl::Clear if item.note().is_none() => {}
            Ttl::Clear => self.set_note(db, spot, hash, None),
            Ttl::At(at) => self.set_note(db, spot, hash, Some(at)),
        }
        Some(old)
    }

    /// Gives an item another deadline, or none: in its box, in the index and in the account.
    fn set_note(&mut self, db: usize, spot: Spot, hash: u64, deadline: Option<u64>) {
        let db = &mut self.dbs[db];
        let Some(item) = db.keys.at_mut(spot) else { return };
        let old = item.note();
        if old == deadline {
            return;
        }
        db.items -= item.allocated_bytes();
        item.set_note(deadline);
        db.items += item.allocated_bytes();
        if let Some(old) = old {
            db.drop_deadline((old, hash));
        }
        if let Some(deadline) = deadline {
            db.add_deadline((deadline, hash));
        }
    }

    /// Takes an item out of its database, the index and the account, and tells so.
    pub(super) fn take(&mut self, db: usize, spot: Spot, hash: u64, kind: ChangeKind) -> Option<Item> {
        let hasher = self.hasher;
        let Db { keys, items, .. } = &mut self.dbs[db];
        let item = keys.take_at(spot, |item| hasher.hash(item.key()))?;
        *items -= item.allocated_bytes() + item.value().allocated_bytes();
        if let Some(deadline) = item.note() {
            self.dbs[db].drop_deadline((deadline, hash));
        }
        self.changes.push(db, item.key(), kind);
        Some(item)
    }

    /// Takes an item out whose deadline has passed.
    fn expire(&mut self, db: usize, spot: Spot, hash: u64) -> Option<()> {
        let item = self.take(db, spot, hash, ChangeKind::Expired)?;
        if self.config.set_aside.expired {
            self.set_aside(item.into_value());
        }
        Some(())
    }

    /// Keeps a value that was taken out for [`Keyspace::garbage`], if it is large; drops it otherwise.
    pub fn set_aside(&mut self, value: Value) {
        /// From so many allocations on, the way to another thread is the shorter one.
        const LARGE: usize = 64;
        if value.pieces() > LARGE {
            self.garbage.push(value);
        }
    }

    /// Whether anything was set aside.
    #[inline]
    pub fn has_garbage(&self) -> bool {
        !self.garbage.is_empty()
    }

    /// The values that were set aside, taken out. The account no longer knows them.
    pub fn garbage(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.garbage)
    }

    /// Removes a key and answers its value. One whose deadline has passed is removed as expired and not answered.
    pub fn remove(&mut self, db: usize, key: &[u8], now_ms: u64) -> Option<Value> {
        let hash = self.hasher.hash(key);
        let spot = self.locate(db, key, hash, now_ms)?;
        self.take(db, spot, hash, ChangeKind::Removed).map(KeyBox::into_value)
    }

    /// Removes a key if it holds an empty collection: what to call after changes through [`Keyspace::get_mut`] that may
    /// have emptied one. [`Keyspace::update`] does it by itself.
    pub fn remove_if_spent(&mut self, db: usize, key: &[u8]) -> bool {
        let hash = self.hasher.hash(key);
        let Some(spot) = self.dbs.get(db).and_then(|db| db.keys.locate(hash, |item| item.key() == key)) else {
            return false;
        };
        let spent = self.dbs[db].keys.at(spot).is_some_and(|item| item.value().is_spent());
        spent && self.take(db, spot, hash, ChangeKind::Removed).is_some()
    }

    /// Gives the value and the deadline of `from` to the key `to` of a database, replacing what is there. `false`, and no
    /// change, if there is no `from`. A key that is renamed to itself stays.
    pub fn rename(&mut self, from: (usize, &[u8]), to: (usize, &[u8]), now_ms: u64) -> bool {
        let hash = self.hasher.hash(from.1);
        let Some(spot) = self.locate(from.0, from.1, hash, now_ms) else { return false };
        if from == to {
            return true;
        }
        let Some(item) = self.take(from.0, spot, hash, ChangeKind::Removed) else { return false };
        let (record, deadline) = (item.tag(), item.note());
        self.insert(to.0, to.1, item.into_value(), deadline.map_or(Ttl::Clear, Ttl::At), now_ms);
        let hash = self.hasher.hash(to.1);
        if let Some(item) = self.dbs[to.0].keys.find_mut(hash, |item| item.key() == to.1) {
            item.set_tag(record);
        }
        true
    }

    /// Lets two databases change places.
    pub fn swap_dbs(&mut self, a: usize, b: usize) {
        self.dbs.swap(a, b);
        self.pool.clear();
        self.changes.push(a, b"", ChangeKind::Swapped(b));
        self.changes.push(b, b"", ChangeKind::Swapped(a));
    }

    /// Empties one database, or all of them for `None`.
    pub fn flush(&mut self, db: Option<usize>) -> Garbage {
        let range = match db {
            Some(db) => db..(db + 1).min(self.dbs.len()),
            None => 0..self.dbs.len(),
        };
        self.pool.clear();
        let mut garbage = Vec::new();
        for db in range {
            garbage.push(std::mem::take(&mut self.dbs[db]));
            self.changes.push(db, b"", ChangeKind::Flushed);
        }
        Garbage(garbage)
    }

    // ------------------------------------------------------------------------------------------------- deadlines

    /// The deadline of a key: `None` if there is no such key, `Some(None)` if it has none.
    pub fn deadline(&self, db: usize, key: &[u8], now_ms: u64) -> Option<Option<u64>> {
        let deadline = self.item(db, key)?.note();
        deadline.is_none_or(|deadline| deadline >= now_ms).then_some(deadline)
    }

    /// Sets the deadline of a key, or takes it off; `false` if there is no such key. One in the past makes the key vanish
    /// at its next use or at [`Keyspace::expire_due`].
    pub fn set_deadline(&mut self, db: usize, key: &[u8], deadline: Option<u64>, now_ms: u64) -> bool {
        let hash = self.hasher.hash(key);
        let Some(spot) = self.locate(db, key, hash, now_ms) else { return false };
        self.set_note(db, spot, hash, deadline);
        self.changes.push(db, key, ChangeKind::Deadline(deadline));
        true
    }

    /// Whether reading leaves a key where it is whose deadline has passed. It is answered as missing all the same, and
    /// whoever writes it still removes it: for times in which nothing may change but by request.
    pub fn keep_expired(&mut self, keep: bool) {
        self.keeps_expired = keep;
    }

    /// The earliest deadline of all.
    pub fn next_deadline(&self) -> Option<u64> {
        self.dbs.iter().filter_map(|db| db.deadlines.first()).map(|entry| entry.0).min()
    }

    /// Removes up to `limit` keys whose deadlines have passed, in the order of their deadlines, and answers how many.
    pub fn expire_due(&mut self, now_ms: u64, limit: usize) -> usize {
        for expired in 0..limit {
            let first =
                |(number, db): (usize, &Db)| db.deadlines.first().map(|&(deadline, hash)| (deadline, number, hash));
            let Some((deadline, db, hash)) = self.dbs.iter().enumerate().filter_map(first).min() else {
                return expired;
            };
            if deadline >= now_ms {
                return expired;
            }
            let spot = self.locate_deadline(db, (deadline, hash));
            if spot.and_then(|spot| self.expire(db, spot, hash)).is_none() {
                // Cannot happen while the index agrees with the notes; if it ever did, an entry without a key must not
                // stand in the way of the others.
                debug_assert!(false, "an index entry without a key");
                self.dbs[db].drop_deadline((deadline, hash));
            }
        }
        limit
    }

    /// The item of an entry of the expiry index.
    pub(super) fn locate_deadline(&self, db: usize, (deadline, hash): (u64, u64)) -> Option<Spot> {
        // Two keys may share all bits of a hash and even the deadline; then either will do, and the other one's entry
        // finds the other one.
        self.dbs[db].keys.locate(hash, |item| item.note() == Some(deadline) && self.hasher.hash(item.key()) == hash)
    }

    // ------------------------------------------------------------------------------------------------- browsing

    /// A live key, every one equally likely. Expired keys that are drawn are removed; where they must stay
    /// ([`Keyspace::keep_expired`]), `None` may be answered though a live key is there, after many tries.
    pub fn random_key(&mut self, db: usize, rng: &mut Rng, now_ms: u64) -> Option<&[u8]> {
        let mut tries = if self.keeps_expired { 100 } else { usize::MAX };
        loop {
            tries = tries.checked_sub(1)?;
            let keys = &self.dbs.get(db)?.keys;
            let spot = keys.random_spot(rng)?;
            let item = keys.at(spot)?;
            if item.note().is_none_or(|deadline| deadline >= now_ms) {
                break self.dbs[db].keys.at(spot).map(KeyBox::key);
            }
            if !self.keeps_expired {
                let hash = self.hasher.hash(item.key());
                self.expire(db, spot, hash);
            }
        }
    }

    /// Visits keys from `cursor` on until about `count` were seen, and answers the cursor to go on from; 0 starts and 0
    /// ends. What is there from the first to the last step is visited, whatever happens between; see [`Table::scan`].
    /// Expired keys are counted and not shown.
    pub fn scan(&self, db: usize, cursor: u64, count: usize, now_ms: u64, mut visit: impl FnMut(&[u8], &Value)) -> u64 {
        let Some(db) = self.dbs.get(db) else { return 0 };
        let (mut cursor, mut seen) = (cursor, 0);
        loop {
            cursor = db.keys.scan(cursor, |item| {
                seen += 1;
                if item.note().is_none_or(|deadline| deadline >= now_ms) {
                    visit(item.key(), item.value());
                }
            });
            if cursor == 0 || seen >= count.max(1) {
                return cursor;
            }
        }
    }

    /// All keys with value and deadline, expired ones included, in an order that depends on seed and history alone.
    pub fn iter(&self, db: usize) -> impl Iterator<Item = (&[u8], &Value, Option<u64>)> {
        let keys = self.dbs.get(db).map(|db| &db.keys);
        keys.into_iter().flatten().map(|item| (item.key(), item.value(), item.note()))
    }

    /// How long a key was not used, in milliseconds, while recency is tracked. Asking is not a use.
    pub fn idle_ms(&self, db: usize, key: &[u8], now_ms: u64) -> Option<u64> {
        self.item(db, key).map(|item| access::idle_ms(item.tag(), now_ms))
    }

    /// How often a key is used, as a logarithm, while frequency is tracked. Asking is not a use.
    pub fn frequency(&self, db: usize, key: &[u8], now_ms: u64) -> Option<u8> {
        let Tracking::Frequency { decay_minutes, .. } = self.config.tracking else { return None };
        self.item(db, key).map(|item| access::frequency(item.tag(), decay_minutes, now_ms))
    }

    // -------------------------------------------------------------------------------------------------- changes

    /// The number of the last mutation; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.changes.seq()
    }

    /// How many keys have expired since the start.
    pub fn expired(&self) -> u64 {
        self.changes.losses().0
    }

    /// How many keys were evicted since the start.
    pub fn evicted(&self) -> u64 {
        self.changes.losses().1
    }

    /// Starts or stops the recording of changes. Nothing is kept unless somebody asked; the numbers run on anyway.
    pub fn record_changes(&mut self, on: bool) {
        self.changes.record(on);
    }

    /// Whether anything is recorded that was not drained yet.
    #[inline]
    pub fn has_changes(&self) -> bool {
        self.changes.has_any()
    }

    /// The recorded changes in their order, left where they are.
    pub fn recorded(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    /// The recorded changes in their order, taken out. Who records must drain, after every command or batch.
    pub fn changes(&mut self) -> impl Iterator<Item = Change> {
        std::iter::from_fn(|| self.changes.pop())
    }

    /// Adds a change that the keyspace cannot see by itself: a command's name for what it did to a key.
    pub fn note(&mut self, db: usize, key: &[u8], event: &'static str) {
        self.changes.push(db, key, ChangeKind::Modified(event));
    }
}

mod audit;
#[cfg(all(test, not(xs_loom)))]
mod tests;
