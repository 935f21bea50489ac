//! SQLite: one table `WITHOUT ROWID`, in WAL mode. One connection, taken in turns.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use crate::engines::subject::{Fallible, Reader, Setup, Subject, Write, touch};

struct Sqlite {
    connection: Mutex<Connection>,
    syncs: AtomicBool,
}

pub(super) fn open(setup: Setup<'_>) -> Fallible<Box<dyn Subject>> {
    let connection = Connection::open(setup.dir.join("sqlite"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -((setup.cache >> 10) as i64))?;
    connection.execute("CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID", ())?;
    Ok(Box::new(Sqlite { connection: Mutex::new(connection), syncs: AtomicBool::new(true) }))
}

impl Sqlite {
    fn connection(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subject for Sqlite {
    fn write(&self, writes: &[Write<'_>], durable: bool) -> Fallible<()> {
        let mut connection = self.connection();
        if self.syncs.swap(durable, Ordering::Relaxed) != durable {
            connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "OFF" })?;
        }
        let transaction = connection.transaction()?;
        {
            let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO kv VALUES (?1, ?2)")?;
            let mut delete = transaction.prepare_cached("DELETE FROM kv WHERE k = ?1")?;
            for (key, value) in writes {
                match value {
                    Some(value) => put.execute((key, value))?,
                    None => delete.execute((key,))?,
                };
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&self, f: &mut dyn FnMut(&mut dyn Reader) -> Fallible<()>) -> Fallible<()> {
        f(&mut View(&self.connection()))
    }

    fn settle(&self) -> Fallible<()> {
        let connection = self.connection();
        connection.pragma_update(None, "synchronous", "FULL")?;
        self.syncs.store(true, Ordering::Relaxed);
        Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?)
    }
}

struct View<'a>(&'a Connection);

impl Reader for View<'_> {
    fn get(&mut self, key: &[u8]) -> Fallible<Option<usize>> {
        let mut statement = self.0.prepare_cached("SELECT v FROM kv WHERE k = ?1")?;
        Ok(statement.query_row((key,), |row| Ok(touch(row.get_ref(0)?.as_blob()?))).optional()?)
    }

    fn scan(&mut self, from: &[u8], limit: usize) -> Fallible<usize> {
        let mut statement = self.0.prepare_cached("SELECT k, v FROM kv WHERE k >= ?1 ORDER BY k LIMIT ?2")?;
        let mut rows = statement.query((from, limit as i64))?;
        let (mut count, mut sum) = (0, 0);
        while let Some(row) = rows.next()? {
            sum += row.get_ref(0)?.as_blob()?.len() + touch(row.get_ref(1)?.as_blob()?);
            count += 1;
        }
        std::hint::black_box(sum);
        Ok(count)
    }
}
