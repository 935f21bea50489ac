//! The selected database, as commands see it: typed reads and edits over the keyspace.
//!
//! A read answers `None` for a missing key and [`Fault::WRONG_TYPE`] for a key of another type. An edit runs a closure on
//! the value; a collection that the closure leaves empty is removed, as Redis has no empty collections.

use xs_storage::keyspace::{Hash, Keyspace, Limits, List, Set, Str, Stream, Ttl, Value, Zset};

use crate::events::Untold;
use crate::fault::Fault;

/// One database at one moment.
#[derive(Debug)]
pub(crate) struct Db<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    /// The thresholds of the compact encodings.
    pub(crate) limits: &'a Limits,
    /// The database's number.
    pub(crate) index: usize,
    /// Unix time in milliseconds: decides what has expired.
    pub(crate) now: u64,
    pub(crate) lookups: &'a mut Lookups,
    /// Large values that commands replace or remove are dropped in the background (`lazyfree-lazy-server-del`).
    pub(crate) sets_aside: bool,
}

/// `keyspace_hits` and `keyspace_misses` of INFO.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) untold: Untold,
}

/// A type of value: how it is found in, and made into, a [`Value`].
pub(crate) trait Typed: Sized {
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn new() -> Self;
    fn into_value(self) -> Value;
    /// Whether the key must go when nothing is left (a string or a stream may be empty).
    fn is_gone(&self) -> bool;
}

macro_rules! typed {
    ($type:ident, $gone:expr) => {
        impl Typed for $type {
            #[inline]
            fn of(value: &Value) -> Option<&Self> {
                match value {
                    Value::$type(value) => Some(value),
                    _ => None,
                }
            }
            #[inline]
            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$type(value) => Some(value),
                    _ => None,
                }
            }
            fn new() -> Self {
                $type::default()
            }
            #[allow(clippy::useless_conversion)]
            fn into_value(self) -> Value {
                Value::$type(self.into())
            }
            #[inline]
            fn is_gone(&self) -> bool {
                let gone: fn(&Self) -> bool = $gone;
                gone(self)
            }
        }
    };
}
typed!(Str, |_| false);
typed!(List, List::is_empty);
typed!(Set, Set::is_empty);
typed!(Hash, Hash::is_empty);
typed!(Zset, Zset::is_empty);
typed!(Stream, |_| false);

/// What an edit left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The key holds a value.
    Something,
    /// The collection became empty, and its key was removed.
    Nothing,
}

impl<'a> Db<'a> {
    /// The value of `key` for reading: counts as a hit or a miss and as an access.
    #[inline]
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<&Value> {
        if self.lookups.untold.wants_misses && !self.exists(key) {
            self.lookups.untold.missed(self.keyspace, self.index, key);
        }
        let found = self.keyspace.get(self.index, key, self.now);
        match found {
            Some(_) => self.lookups.hits += 1,
            None => self.lookups.misses += 1,
        }
        found
    }

    /// The value of `key` for a question about it: counts as a hit or a miss and not as an access.
    pub(crate) fn glance(&mut self, key: &[u8]) -> Option<&Value> {
        if !self.exists(key) {
            self.lookups.untold.missed(self.keyspace, self.index, key);
        }
        self.inspect(key)
    }

    /// Like [`Db::glance`], but nobody is told that there is no such key.
    pub(crate) fn inspect(&mut self, key: &[u8]) -> Option<&Value> {
        if !self.exists(key) {
            self.lookups.misses += 1;
            return None;
        }
        self.lookups.hits += 1;
        self.keyspace.peek(self.index, key, self.now)
    }

    /// Whether `key` exists; neither a hit nor an access.
    pub(crate) fn exists(&mut self, key: &[u8]) -> bool {
        self.exists_in(self.index, key)
    }

    /// Whether `key` exists in database `db`. If its time is up, it is removed.
    pub(crate) fn exists_in(&mut self, db: usize, key: &[u8]) -> bool {
        // Looking alone would leave an expired key where it is; looking for good counts as an access of a live one.
        self.keyspace.contains(db, key, self.now) || self.keyspace.get(db, key, self.now).is_some()
    }

    /// The value of `key` as a `T`, for reading.
    #[inline]
    pub(crate) fn read<T: Typed>(&mut self, key: &[u8]) -> Result<Option<&T>, Fault> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => T::of(value).map(Some).ok_or(Fault::WRONG_TYPE),
        }
    }

    /// The value of `key` as a `T`, where the command goes on to write it: not counted as a hit or a miss.
    pub(crate) fn look<T: Typed>(&mut self, key: &[u8]) -> Result<Option<&T>, Fault> {
        match self.keyspace.get(self.index, key, self.now) {
            None => Ok(None),
            Some(value) => T::of(value).map(Some).ok_or(Fault::WRONG_TYPE),
        }
    }

    /// Edits the `T` at `key`; `None` when there is none.
    #[inline]
    pub(crate) fn edit<T: Typed, R>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut T, &Limits) -> R,
    ) -> Result<Option<(R, Left)>, Fault> {
        let limits = self.limits;
        let edited = self.keyspace.update(self.index, key, self.now, |entry| {
            let value = T::of_mut(entry).ok_or(Fault::WRONG_TYPE)?;
            let result = edit(value, limits);
            Ok((result, if value.is_gone() { Left::Nothing } else { Left::Something }))
        });
        edited.transpose()
    }

    /// Edits the `T` at `key`, made empty first when the key is missing.
    #[inline]
    pub(crate) fn edit_or_new<T: Typed, R>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut T, &Limits) -> R,
    ) -> Result<R, Fault> {
        let make = || T::new().into_value();
        let (mut entry, _) = self.keyspace.get_or_insert_with(self.index, key, self.now, make);
        let value = T::of_mut(&mut entry).ok_or(Fault::WRONG_TYPE)?;
        let result = edit(value, self.limits);
        let gone = value.is_gone();
        drop(entry);
        if gone {
            self.keyspace.remove_if_spent(self.index, key);
        }
        Ok(result)
    }

    /// Puts `value` at `key`, replacing what was there and its expiry.
    pub(crate) fn put<T: Typed>(&mut self, key: &[u8], value: T) {
        if let Some(old) = self.keyspace.insert(self.index, key, value.into_value(), Ttl::Clear, self.now)
            && self.sets_aside
        {
            self.keyspace.set_aside(old);
        }
    }

    /// Removes `key`; true when it was there.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        self.unlink(key, self.sets_aside)
    }

    /// Removes `key`, and perhaps leaves it to the background to drop a large value; true when it was there.
    pub(crate) fn unlink(&mut self, key: &[u8], in_background: bool) -> bool {
        let Some(old) = self.keyspace.remove(self.index, key, self.now) else { return false };
        if in_background {
            self.keyspace.set_aside(old);
        }
        true
    }

    /// Records that `key` was changed in place (watchers, trackers, blocked clients).
    pub(crate) fn modified(&mut self, key: &[u8], event: &'static str) {
        self.keyspace.note(self.index, key, event);
    }

    /// Sets when `key` expires, in Unix milliseconds, or that it never does; false when there is nothing to change.
    pub(crate) fn set_expiry(&mut self, key: &[u8], at: Option<u64>) -> bool {
        if at.is_none() && self.expiry(key).is_none() {
            return false;
        }
        self.keyspace.set_deadline(self.index, key, at, self.now)
    }

    /// When `key` expires, in Unix milliseconds.
    pub(crate) fn expiry(&mut self, key: &[u8]) -> Option<u64> {
        self.keyspace.deadline(self.index, key, self.now).flatten()
    }
}
