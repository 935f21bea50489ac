//! sled 0.34. Its flush leaves the bytes in the disk's cache, so a durable write syncs the file as well.

use std::fs::File;

use crate::engines::subject::{Fallible, Reader, Setup, Subject, Write, touch};

struct Sled {
    db: sled::Db,
    file: File,
}

pub(super) fn open(setup: Setup<'_>) -> Fallible<Box<dyn Subject>> {
    let db = sled::Config::new().path(setup.dir).cache_capacity(setup.cache as u64).open()?;
    let file = File::open(setup.dir.join("db"))?;
    Ok(Box::new(Sled { db, file }))
}

impl Subject for Sled {
    fn write(&self, writes: &[Write<'_>], durable: bool) -> Fallible<()> {
        if let [(key, Some(value))] = writes {
            self.db.insert(key, *value)?;
        } else {
            let mut batch = sled::Batch::default();
            for (key, value) in writes {
                match value {
                    Some(value) => batch.insert(*key, *value),
                    None => batch.remove(*key),
                }
            }
            self.db.apply_batch(batch)?;
        }
        if durable { self.settle() } else { Ok(()) }
    }

    fn read(&self, f: &mut dyn FnMut(&mut dyn Reader) -> Fallible<()>) -> Fallible<()> {
        f(&mut View(&self.db))
    }

    fn settle(&self) -> Fallible<()> {
        self.db.flush()?;
        Ok(self.file.sync_data()?)
    }
}

struct View<'a>(&'a sled::Db);

impl Reader for View<'_> {
    fn get(&mut self, key: &[u8]) -> Fallible<Option<usize>> {
        Ok(self.0.get(key)?.map(|value| touch(&value)))
    }

    fn scan(&mut self, from: &[u8], limit: usize) -> Fallible<usize> {
        let (mut count, mut sum) = (0, 0);
        for entry in self.0.range(from..).take(limit) {
            let (key, value) = entry?;
            sum += key.len() + touch(&value);
            count += 1;
        }
        std::hint::black_box(sum);
        Ok(count)
    }
}
