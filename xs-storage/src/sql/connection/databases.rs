//! The databases of a connection: which there are, and their schemas as they are now.

use std::sync::Arc;

use crate::sql::catalog::{self, Catalog, Schema};
use crate::sql::exec::Session;
use crate::sql::failure::{Result, ResultCode};
use crate::sql::pragma::Pragma;
use crate::sql::store::{Databases, MAIN, Store, TEMP};

/// What all statements of a connection share.
pub(in crate::sql) type Db<S> = Session<Databases<S>>;

fn read<S: Store>(store: &mut Databases<S>, schema: usize) -> Result<Arc<Schema>> {
    let read = store.looking(schema, |store| catalog::read(store, schema))?;
    store.know(schema, read.cookie);
    Ok(Arc::new(read))
}

impl<S: Store> Db<S> {
    /// Of the database that is `main`.
    pub(in crate::sql) fn open(main: S) -> Result<Self> {
        let mut store = Databases::new(main);
        let all = (MAIN..=TEMP).map(|schema| read(&mut store, schema)).collect::<Result<_>>()?;
        Ok(Session::new(store, Catalog::new(all, None), Pragma::run))
    }

    /// The schemas as they are now.
    pub(in crate::sql) fn catalog(&self) -> Result<Arc<Catalog>> {
        let store = &mut *self.store.borrow_mut();
        let known = self.catalog.borrow().clone();
        let mut changed: Option<Vec<Arc<Schema>>> = None;
        for (at, schema) in known.all().iter().enumerate() {
            let cookie = match store.looking(at, |store| store.cookie(at)) {
                // Whoever uses it waits for it then.
                Err(failure) if at > TEMP && failure.code().class() == ResultCode::BUSY => continue,
                cookie => cookie?,
            };
            if cookie != schema.cookie {
                changed.get_or_insert_with(|| known.all().to_vec())[at] = read(store, at)?;
            }
        }
        match changed {
            None => Ok(known),
            Some(all) => {
                *self.catalog.borrow_mut() = Arc::new(Catalog::new(all, Some(&known)));
                Ok(self.catalog.borrow().clone())
            }
        }
    }

    /// Reads all schemas again, whatever their cookies say: going back may have given them old numbers anew.
    pub(in crate::sql) fn read_again(&self) -> Result<()> {
        let store = &mut *self.store.borrow_mut();
        let all = (0..store.len()).map(|schema| read(store, schema)).collect::<Result<_>>();
        let known = self.catalog.borrow().clone();
        *self.catalog.borrow_mut() = Arc::new(Catalog::new(all?, Some(&known)));
        Ok(())
    }

    /// Says that a schema has changed, and reads it again.
    pub(in crate::sql) fn schema_changed(&self, schema: usize) -> Result<()> {
        self.store.borrow_mut().change_schema_of(schema)?;
        self.catalog().map(drop)
    }
}
