//! Our engines, through the contract that they share.

use xs_storage::btree::{self, BTree};
use xs_storage::engine::{Durability, Engine, KeyRange, MemoryEngine, ReadView, WriteBatch};
use xs_storage::lsm::{self, Lsm};

use super::subject::{Entry, Fallible, Reader, Setup, Subject, Write, touch};

/// Those that exist, in the order of the table's columns.
pub(super) const ENTRIES: &[Entry] = &[
    Entry { name: "btree", ours: true, open: btree, missing: || None },
    Entry { name: "lsm", ours: true, open: lsm, missing: || None },
    Entry { name: "memory", ours: true, open: |_| open(Ok(MemoryEngine::new())), missing: || None },
];

fn btree(setup: Setup<'_>) -> Fallible<Box<dyn Subject>> {
    let options = btree::Options { memory: setup.cache as u64, ..btree::Options::default() };
    open(BTree::open(setup.dir, options))
}

/// A quarter more than others get for blocks alone: here it is for memtables, filters and indexes too. RocksDB takes two
/// memtables of 64 MiB besides its blocks.
fn lsm(setup: Setup<'_>) -> Fallible<Box<dyn Subject>> {
    open(Lsm::open(setup.dir, lsm::Options { memory: setup.cache as u64 * 5 / 4, ..lsm::Options::default() }))
}

/// Any engine of ours.
struct Ours<E>(E);

impl<E: Engine> Subject for Ours<E> {
    fn write(&self, writes: &[Write<'_>], durable: bool) -> Fallible<()> {
        let mut batch = WriteBatch::with_capacity(writes.len() * 128);
        for (key, value) in writes {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            };
        }
        let commit = self.0.submit(batch, if durable { Durability::Synced } else { Durability::Buffered })?;
        if durable { Ok(commit.wait()?) } else { Ok(()) }
    }

    fn read(&self, f: &mut dyn FnMut(&mut dyn Reader) -> Fallible<()>) -> Fallible<()> {
        f(&mut View(&self.0))
    }

    fn settle(&self) -> Fallible<()> {
        Ok(self.0.flush()?)
    }
}

struct View<'a, E>(&'a E);

impl<E: ReadView> Reader for View<'_, E> {
    fn get(&mut self, key: &[u8]) -> Fallible<Option<usize>> {
        let mut found = None;
        self.0.get_with(key, &mut |value| found = Some(touch(value)))?;
        Ok(found)
    }

    fn scan(&mut self, from: &[u8], limit: usize) -> Fallible<usize> {
        let mut cursor = self.0.cursor(KeyRange::from(from))?;
        let (mut count, mut sum) = (0, 0);
        while count < limit && cursor.next()? {
            sum += cursor.key().len() + touch(cursor.value()?);
            count += 1;
        }
        std::hint::black_box(sum);
        Ok(count)
    }
}

fn open<E: Engine + 'static>(engine: xs_storage::Result<E>) -> Fallible<Box<dyn Subject>> {
    Ok(Box::new(Ours(engine?)))
}
