//! What an operator asks of a store beside its entries.

use xs_storage::engine::{KeyRange, ReadView};
use xs_storage::{Error, Result};

/// The long work on a store, each engine in its own way. `told` hears now and then how many entries are done.
pub trait Admin: Send + Sync {
    /// Looks at everything; the first thing that is wrong is the error. How many entries there are.
    fn check(&self, told: &mut dyn FnMut(u64)) -> Result<u64>;

    /// Gives back the space of what is no longer there, as far as the engine can.
    fn compact(&self, told: &mut dyn FnMut(u64)) -> Result<()>;

    /// Makes everything durable that was accepted, and readies the store for being opened quickly. The last call.
    fn close(&self) -> Result<()>;
}

/// The check that every engine allows: reads all entries forwards, each of them by its key, and all backwards, and
/// compares.
///
/// # Errors
///
/// The engine's, and [`Error::Invalid`] where its answers contradict each other.
pub fn check_by_reading(view: &dyn ReadView, told: &mut dyn FnMut(u64)) -> Result<u64> {
    let (mut entries, mut last) = (0_u64, None::<Vec<u8>>);
    let wrong = |key: &[u8], what: &str| Err(Error::Invalid(format!("key {}: {what}", key.escape_ascii())));
    let mut cursor = view.cursor(KeyRange::all())?;
    while cursor.next()? {
        let key = cursor.key();
        if last.as_deref().is_some_and(|last| last >= key) {
            return wrong(key, "not behind the key before it");
        }
        let value = cursor.value()?;
        let mut same = false;
        if !view.get_with(key, &mut |found| same = found == value)? || !same {
            return wrong(key, "a scan and a get disagree");
        }
        let last = last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
        entries += 1;
        if entries.is_multiple_of(1024) {
            told(entries);
        }
    }
    let (mut back, mut next) = (0_u64, None::<Vec<u8>>);
    cursor.seek_end()?;
    while cursor.prev()? {
        if next.as_deref().is_some_and(|next| next <= cursor.key()) {
            return wrong(cursor.key(), "backwards, not in front of the key behind it");
        }
        let next = next.get_or_insert_default();
        next.clear();
        next.extend_from_slice(cursor.key());
        back += 1;
    }
    if back != entries {
        return Err(Error::Invalid(format!("{entries} entries forwards, and {back} backwards")));
    }
    Ok(entries)
}
