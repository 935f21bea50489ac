//! A value under change.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::change::{ChangeKind, Changes};
use super::thin::KeyBox;
use super::value::Value;

/// A value to change in place. It dereferences to the [`Value`]; when it is dropped it settles the memory account by the
/// difference.
///
/// Changing is silent: call [`EntryMut::touched`] when something did change, which numbers the change and tells it. A
/// collection that runs empty has to be removed from the keyspace afterwards ([`Keyspace::remove_if_spent`]), or use
/// [`Keyspace::update`].
///
/// [`Keyspace::remove_if_spent`]: super::Keyspace::remove_if_spent
/// [`Keyspace::update`]: super::Keyspace::update
pub struct EntryMut<'a> {
    db: usize,
    item: &'a mut KeyBox<Value>,
    before: usize,
    account: &'a mut usize,
    changes: &'a mut Changes,
}

impl<'a> EntryMut<'a> {
    #[inline]
    pub(super) fn new(
        db: usize,
        item: &'a mut KeyBox<Value>,
        account: &'a mut usize,
        changes: &'a mut Changes,
    ) -> Self {
        let before = item.value().allocated_bytes();
        EntryMut { db, item, before, account, changes }
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.item.key()
    }

    /// The deadline.
    pub fn deadline(&self) -> Option<u64> {
        self.item.note()
    }

    /// Tells that the value was changed, by the name that the change has to the outside (`"lpush"`).
    #[inline]
    pub fn touched(&mut self, event: &'static str) {
        self.changes.push(self.db, self.item.key(), ChangeKind::Modified(event));
    }
}

impl Deref for EntryMut<'_> {
    type Target = Value;
    #[inline]
    fn deref(&self) -> &Value {
        self.item.value()
    }
}

impl DerefMut for EntryMut<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Value {
        self.item.value_mut()
    }
}

impl Drop for EntryMut<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.account = *self.account - self.before + self.item.value().allocated_bytes();
    }
}

impl fmt::Debug for EntryMut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.item.fmt(f)
    }
}
