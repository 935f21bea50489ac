//! fjall: an LSM tree.

use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::engines::subject::{Fallible, Reader, Setup, Subject, Write, touch};

struct Fjall {
    db: Database,
    items: Keyspace,
}

pub(super) fn open(setup: Setup<'_>) -> Fallible<Box<dyn Subject>> {
    let db = Database::builder(setup.dir)
        .cache_size(setup.cache as u64)
        .journal_compression(CompressionType::None)
        .open()?;
    let options = || {
        KeyspaceCreateOptions::default().data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
    };
    let items = db.keyspace("items", options)?;
    Ok(Box::new(Fjall { db, items }))
}

impl Subject for Fjall {
    fn write(&self, writes: &[Write<'_>], durable: bool) -> Fallible<()> {
        if let ([(key, Some(value))], false) = (writes, durable) {
            return Ok(self.items.insert(*key, *value)?);
        }
        let mut batch = self.db.batch().durability(durable.then_some(PersistMode::SyncData));
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(&self.items, *key, *value),
                None => batch.remove(&self.items, *key),
            }
        }
        Ok(batch.commit()?)
    }

    fn read(&self, f: &mut dyn FnMut(&mut dyn Reader) -> Fallible<()>) -> Fallible<()> {
        f(&mut View(&self.items))
    }

    fn settle(&self) -> Fallible<()> {
        self.db.persist(PersistMode::SyncAll)?;
        self.items.rotate_memtable_and_wait()?;
        while self.db.outstanding_flushes() > 0 || self.db.active_compactions() > 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Ok(())
    }
}

struct View<'a>(&'a Keyspace);

impl Reader for View<'_> {
    fn get(&mut self, key: &[u8]) -> Fallible<Option<usize>> {
        Ok(self.0.get(key)?.map(|value| touch(&value)))
    }

    fn scan(&mut self, from: &[u8], limit: usize) -> Fallible<usize> {
        let (mut count, mut sum) = (0, 0);
        for entry in self.0.range(from..).take(limit) {
            let (key, value) = entry.into_inner()?;
            sum += key.len() + touch(&value);
            count += 1;
        }
        std::hint::black_box(sum);
        Ok(count)
    }
}
