//! Our engine over SQLite's files.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use xs_os::Rng;
use xs_os::vfs::SystemVfs;
use xs_storage::sql::{Connection, Value, ValueRef};
use xs_storage::sqlite::{Database, Options};

use super::subject::{Bind, Db};

struct Ours(Connection<Database>);

pub(super) fn open(path: &Path, wal: bool) -> Result<Box<dyn Db>, Box<dyn Error>> {
    let db = Connection::new(Database::open(Arc::new(SystemVfs), path, Options::default(), Rng::from_seed(1))?)?;
    db.set_random(|| 4);
    if wal {
        let mode: String = db.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0))?;
        if mode != "wal" {
            return Err(format!("there is no write-ahead log: {mode}").into());
        }
        db.execute_batch("PRAGMA synchronous = FULL")?;
    }
    Ok(Box::new(Ours(db)))
}

impl Db for Ours {
    fn batch(&mut self, sql: &str) -> Result<(), Box<dyn Error>> {
        Ok(self.0.execute_batch(sql)?)
    }

    fn repeat(&mut self, sql: &str, bind: &mut dyn FnMut(&mut Vec<Bind>) -> bool) -> Result<f64, Box<dyn Error>> {
        let mut statement = self.0.prepare(sql)?;
        let columns = statement.column_count();
        let mut values = Vec::new();
        let mut sum = 0.0;
        while bind(&mut values) {
            let values = values.drain(..).map(|value| match value {
                Bind::Integer(n) => Value::Integer(n),
                Bind::Real(real) => Value::Real(real),
                Bind::Text(text) => text.into(),
            });
            let values: Vec<Value> = values.collect();
            let mut rows = statement.query(values)?;
            while let Some(row) = rows.next()? {
                for at in 0..columns {
                    sum += row.with(at, |value| {
                        Ok(match value {
                            ValueRef::Integer(n) => n as f64,
                            ValueRef::Real(real) => real,
                            ValueRef::Text(text) => text.len() as f64,
                            ValueRef::Blob(_) | ValueRef::Null => 0.0,
                        })
                    })?;
                }
            }
        }
        Ok(sum)
    }
}
