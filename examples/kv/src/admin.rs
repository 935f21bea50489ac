//! What an operator asks of a store beside its entries.

use xs_storage::engine::{KeyRange, ReadView};
use xs_storage::{Error, Result};

/// How far long work is. It may go through everything several times: then each time is a part with a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The part that is going on.
    pub part: &'static str,
    /// What of it is done: entries, pages or bytes.
    pub done: u64,
    /// Of how much. An estimate where nobody knows before the end.
    pub of: u64,
}

impl Progress {
    /// For the calls of engines that tell of two numbers: names the part.
    pub(crate) fn of<'a>(part: &'static str, told: &'a mut dyn FnMut(Progress)) -> impl FnMut(u64, u64) + 'a {
        move |done, of| told(Progress { part, done, of })
    }
}

/// The long work on a store, each engine in its own way. `told` hears now and then how far it is.
pub trait Admin: Send + Sync {
    /// Looks at everything; the first thing that is wrong is the error. How many entries there are.
    fn check(&self, told: &mut dyn FnMut(Progress)) -> Result<u64>;

    /// Gives back the space of what is no longer there, as far as the engine can.
    fn compact(&self, told: &mut dyn FnMut(Progress)) -> Result<()>;

    /// Makes everything durable that was accepted, and readies the store for being opened quickly. The last call.
    fn close(&self) -> Result<()>;
}

/// The check that every engine allows: reads all entries forwards, each of them by its key, and all backwards, and
/// compares. `expected` is how many entries there are, about, for `told`.
///
/// # Errors
///
/// The engine's, and [`Error::Invalid`] where its answers contradict each other.
pub fn check_by_reading(view: &dyn ReadView, expected: Option<u64>, told: &mut dyn FnMut(Progress)) -> Result<u64> {
    let mut tell = |part, done: u64, of: u64| {
        if done.is_multiple_of(1024) || done == of {
            told(Progress { part, done, of: of.max(done) });
        }
    };
    let (mut entries, mut last) = (0_u64, None::<Vec<u8>>);
    let expected = expected.unwrap_or(0);
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
        tell("comparing with look-ups", entries, expected);
    }
    tell("comparing with look-ups", entries, entries);
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
        tell("reading backwards", back, entries);
    }
    tell("reading backwards", back, back);
    if back != entries {
        return Err(Error::Invalid(format!("{entries} entries forwards, and {back} backwards")));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use xs_os::vfs::MemoryVfs;
    use xs_storage::engine::{Durability, WriteBatch};

    use super::*;
    use crate::{EngineKind, Machine, Opening, Store, open};

    fn a_store(kind: EngineKind) -> Store {
        let machine = Machine { vfs: Arc::new(MemoryVfs::new()), ..Machine::system() };
        let store = open(kind, Some(Path::new("store")), Opening::OrMake, &machine).unwrap();
        let mut batch = WriteBatch::new();
        (0..30_000_u32).for_each(|n| _ = batch.put(&n.to_be_bytes(), &[n as u8; 50]));
        store.engine.submit(batch, Durability::Synced).unwrap().wait().unwrap();
        store.engine.flush().unwrap();
        let mut batch = WriteBatch::new();
        batch.delete_range(&5_000_u32.to_be_bytes(), &20_000_u32.to_be_bytes());
        store.engine.submit(batch, Durability::Synced).unwrap().wait().unwrap();
        store
    }

    /// The parts in their order, each of which came on and to its end; and how often it was told.
    fn parts(told: &[Progress]) -> Vec<(&'static str, usize)> {
        let mut parts: Vec<(&'static str, usize)> = Vec::new();
        for part in told.chunk_by(|a, b| a.part == b.part) {
            assert!(part.windows(2).all(|pair| pair[0].done <= pair[1].done), "{part:?}");
            let last = part[part.len() - 1];
            assert!(part.iter().all(|progress| progress.done <= progress.of) && last.done == last.of, "{part:?}");
            assert!(!parts.iter().any(|(known, _)| *known == last.part), "{} again", last.part);
            parts.push((last.part, part.len()));
        }
        parts
    }

    #[test]
    fn long_work_tells_how_far_it_is() {
        for (kind, first) in [
            (EngineKind::BTree, Some("looking at pages")),
            (EngineKind::Lsm, Some("looking at tables")),
            (EngineKind::Memory, None),
        ] {
            let store = a_store(kind);
            let mut told = Vec::new();
            assert_eq!(store.admin.check(&mut |progress| told.push(progress)).unwrap(), 15_000);
            let parts = parts(&told);
            let names: Vec<_> = first.into_iter().chain(["comparing with look-ups", "reading backwards"]).collect();
            assert_eq!(parts.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
            assert!(parts.iter().all(|(_, times)| *times > 1), "{parts:?}");
        }
    }

    #[test]
    fn compacting_tells_how_far_it_is() {
        for (kind, part) in [(EngineKind::BTree, "moving pages"), (EngineKind::Lsm, "merging")] {
            let store = a_store(kind);
            let mut told = Vec::new();
            store.admin.compact(&mut |progress| told.push(progress)).unwrap();
            let parts = parts(&told);
            assert!(parts.len() == 1 && parts[0].0 == part && parts[0].1 > 1, "{parts:?}");
        }
    }
}
