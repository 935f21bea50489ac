//! redb: a copy-on-write B+tree in one file.

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};

use crate::engines::subject::{Fallible, Reader, Setup, Subject, Write, touch};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("t");

struct Redb(Database);

pub(super) fn open(setup: Setup<'_>) -> Fallible<Box<dyn Subject>> {
    let db = Database::builder().set_cache_size(setup.cache).create(setup.dir.join("redb"))?;
    let txn = db.begin_write()?;
    txn.open_table(TABLE)?;
    txn.commit()?;
    Ok(Box::new(Redb(db)))
}

impl Subject for Redb {
    fn write(&self, writes: &[Write<'_>], durable: bool) -> Fallible<()> {
        let mut txn = self.0.begin_write()?;
        txn.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
        {
            let mut table = txn.open_table(TABLE)?;
            for (key, value) in writes {
                match value {
                    Some(value) => drop(table.insert(key, value)?),
                    None => drop(table.remove(key)?),
                }
            }
        }
        Ok(txn.commit()?)
    }

    fn read(&self, f: &mut dyn FnMut(&mut dyn Reader) -> Fallible<()>) -> Fallible<()> {
        f(&mut View(self.0.begin_read()?.open_table(TABLE)?))
    }

    fn settle(&self) -> Fallible<()> {
        // An empty durable commit carries everything before it to the disk.
        self.write(&[], true)
    }
}

struct View(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Reader for View {
    fn get(&mut self, key: &[u8]) -> Fallible<Option<usize>> {
        Ok(self.0.get(key)?.map(|value| touch(value.value())))
    }

    fn scan(&mut self, from: &[u8], limit: usize) -> Fallible<usize> {
        let (mut count, mut sum) = (0, 0);
        for entry in self.0.range(from..)?.take(limit) {
            let (key, value) = entry?;
            sum += key.value().len() + touch(value.value());
            count += 1;
        }
        std::hint::black_box(sum);
        Ok(count)
    }
}
