//! SQLite, as rusqlite bundles it.

use std::error::Error;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};

use super::subject::{Bind, Db};

struct Sqlite(Connection);

pub(super) fn open(path: &Path, wal: bool) -> Result<Box<dyn Db>, Box<dyn Error>> {
    let db = Connection::open(path)?;
    if wal {
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    }
    db.execute_batch("PRAGMA synchronous = FULL")?;
    Ok(Box::new(Sqlite(db)))
}

impl rusqlite::ToSql for Bind {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(match self {
            Bind::Integer(n) => (*n).into(),
            Bind::Real(real) => (*real).into(),
            Bind::Text(text) => text.as_str().into(),
        })
    }
}

impl Db for Sqlite {
    fn batch(&mut self, sql: &str) -> Result<(), Box<dyn Error>> {
        Ok(self.0.execute_batch(sql)?)
    }

    fn repeat(&mut self, sql: &str, bind: &mut dyn FnMut(&mut Vec<Bind>) -> bool) -> Result<f64, Box<dyn Error>> {
        let mut statement = self.0.prepare(sql)?;
        let columns = statement.column_count();
        let mut values = Vec::new();
        let mut sum = 0.0;
        while bind(&mut values) {
            let mut rows = statement.query(params_from_iter(&values))?;
            while let Some(row) = rows.next()? {
                for at in 0..columns {
                    sum += match row.get_ref(at)? {
                        ValueRef::Integer(n) => n as f64,
                        ValueRef::Real(real) => real,
                        ValueRef::Text(text) => text.len() as f64,
                        ValueRef::Blob(_) | ValueRef::Null => 0.0,
                    };
                }
            }
            drop(rows);
            values.clear();
        }
        Ok(sum)
    }
}
