//! The selected database, as commands see it: typed reads and edits over the keyspace.
//!
//! A read answers `None` for a missing key and [`Fault::WRONG_TYPE`] for a key of another type. An edit runs a closure on
//! the value; a collection that the closure leaves empty is removed, as Redis has no empty collections.

use xs_storage::keyspace::{Hash, KeepTtl, Keyspace, Limits, List, Set, Str, Stream, Value, Zset};

use crate::fault::Fault;

/// One database at one moment.
#[derive(Debug)]
pub(crate) struct Db<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    /// The database's number.
    pub(crate) index: usize,
    /// Unix time in milliseconds: decides what has expired.
    pub(crate) now: u64,
    pub(crate) lookups: &'a mut Lookups,
}

/// `keyspace_hits` and `keyspace_misses` of INFO.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Lookups {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

/// A type of value: how it is found in, and made into, a [`Value`].
pub(crate) trait Typed: Sized {
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn new(keyspace: &Keyspace) -> Self;
    fn into_value(self) -> Value;
    /// Whether the key must go when nothing is left (a string or a stream may be empty).
    fn is_gone(&self) -> bool;
}

macro_rules! typed {
    ($type:ident, $new:expr, $gone:expr) => {
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
            fn new(keyspace: &Keyspace) -> Self {
                let new: fn(&Keyspace) -> Self = $new;
                new(keyspace)
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
typed!(Str, |_| Str::from_slice(b""), |_| false);
typed!(List, |_| List::new(), |list| list.is_empty());
typed!(Hash, |keyspace| Hash::new(keyspace.seed()), |hash| hash.is_empty());
typed!(Set, |keyspace| Set::new(keyspace.seed()), |set| set.is_empty());
typed!(Zset, |keyspace| Zset::new(keyspace.seed()), |zset| zset.is_empty());
typed!(Stream, |_| Stream::new(), |_| false);

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
        let found = self.keyspace.get(self.index, key, self.now);
        match found {
            Some(_) => self.lookups.hits += 1,
            None => self.lookups.misses += 1,
        }
        found
    }

    /// Whether `key` exists; neither a hit nor an access.
    pub(crate) fn exists(&mut self, key: &[u8]) -> bool {
        self.keyspace.contains(self.index, key, self.now)
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
        let limits = self.keyspace.limits();
        let Some(mut entry) = self.keyspace.get_mut(self.index, key, self.now) else { return Ok(None) };
        let value = T::of_mut(&mut entry).ok_or(Fault::WRONG_TYPE)?;
        let result = edit(value, &limits);
        let gone = value.is_gone();
        drop(entry);
        if gone {
            self.keyspace.remove(self.index, key, self.now);
        }
        Ok(Some((result, if gone { Left::Nothing } else { Left::Something })))
    }

    /// Edits the `T` at `key`, made empty first when the key is missing.
    #[inline]
    pub(crate) fn edit_or_new<T: Typed, R>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut T, &Limits) -> R,
    ) -> Result<R, Fault> {
        let limits = self.keyspace.limits();
        if let Some(mut entry) = self.keyspace.get_mut(self.index, key, self.now) {
            let value = T::of_mut(&mut entry).ok_or(Fault::WRONG_TYPE)?;
            let result = edit(value, &limits);
            let gone = value.is_gone();
            drop(entry);
            if gone {
                self.keyspace.remove(self.index, key, self.now);
            }
            return Ok(result);
        }
        let mut value = T::new(self.keyspace);
        let result = edit(&mut value, &limits);
        if !value.is_gone() {
            self.keyspace.insert(self.index, key, value.into_value(), KeepTtl::No, self.now);
        }
        Ok(result)
    }

    /// Puts `value` at `key`, replacing what was there and its expiry.
    pub(crate) fn put<T: Typed>(&mut self, key: &[u8], value: T) {
        self.keyspace.insert(self.index, key, value.into_value(), KeepTtl::No, self.now);
    }

    /// Removes `key`; true when it was there.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        self.keyspace.remove(self.index, key, self.now).is_some()
    }

    /// Records that `key` was changed in place (watchers, trackers, blocked clients).
    pub(crate) fn modified(&mut self, key: &[u8]) {
        self.keyspace.modified(self.index, key);
    }
}
