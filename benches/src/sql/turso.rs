//! Turso, which is asynchronous and has no rollback journal.

use std::error::Error;
use std::path::Path;

use futures::executor::block_on;
use turso::{Builder, Connection, Database, Value};

use super::subject::{Bind, Db};

struct Turso {
    db: Connection,
    _whole: Database,
}

pub(super) fn open(path: &Path, _wal: bool) -> Result<Box<dyn Db>, Box<dyn Error>> {
    let path = path.to_str().ok_or("a path that is no text")?;
    block_on(async {
        let whole = Builder::new_local(path).build().await?;
        let db = whole.connect()?;
        Ok(Box::new(Turso { db, _whole: whole }) as Box<dyn Db>)
    })
}

impl Db for Turso {
    fn batch(&mut self, sql: &str) -> Result<(), Box<dyn Error>> {
        Ok(block_on(self.db.execute_batch(sql))?)
    }

    fn repeat(&mut self, sql: &str, bind: &mut dyn FnMut(&mut Vec<Bind>) -> bool) -> Result<f64, Box<dyn Error>> {
        block_on(async {
            let mut statement = self.db.prepare(sql).await?;
            let mut values = Vec::new();
            let mut sum = 0.0;
            while bind(&mut values) {
                let values = values.drain(..).map(|value| match value {
                    Bind::Integer(n) => Value::Integer(n),
                    Bind::Real(real) => Value::Real(real),
                    Bind::Text(text) => Value::Text(text),
                });
                let values: Vec<Value> = values.collect();
                let mut rows = statement.query(values).await?;
                let columns = rows.column_count();
                while let Some(row) = rows.next().await? {
                    for at in 0..columns {
                        sum += match row.get_value(at)? {
                            Value::Integer(n) => n as f64,
                            Value::Real(real) => real,
                            Value::Text(text) => text.len() as f64,
                            Value::Blob(_) | Value::Null => 0.0,
                        };
                    }
                }
                drop(rows);
                statement.reset()?;
            }
            Ok(sum)
        })
    }
}
