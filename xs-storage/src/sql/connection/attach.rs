//! `ATTACH` and `DETACH`.

use super::Db;
use crate::sql::exec::{Outer, Query};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{Databases, Store};
use crate::sql::value::Value;

/// The one value of each query.
pub(super) fn values<S: Store>(outer: Outer<'_, S>, queries: &mut [Query<S>]) -> Result<Vec<Value>> {
    let mut values = Vec::with_capacity(queries.len());
    for query in queries {
        query.reset();
        query.next(outer)?;
        values.push(query.output(0, outer)?.into_value());
    }
    Ok(values)
}

/// A value as a name: nothing is the empty one.
fn text(value: Option<&Value>) -> String {
    let text = value.and_then(|value| value.as_ref().to_text().map(|text| text.into_owned()));
    String::from_utf8_lossy(&text.unwrap_or_default()).into_owned()
}

/// Opens a database and gives it a name.
pub(super) fn attach<S: Store>(outer: Outer<'_, Databases<S>>, queries: &mut [Query<Databases<S>>]) -> Result<()> {
    let session = outer.run.session;
    let values = values(outer, queries)?;
    let (file, name) = (text(values.first()), text(values.get(1)));
    session.store.borrow_mut().attach(&name, &file)?;
    let added = session.store.borrow().len() - 1;
    session.read_again().inspect_err(|_| session.store.borrow_mut().detach(added))
}

/// Lets a database go.
pub(super) fn detach<S: Store>(outer: Outer<'_, Databases<S>>, queries: &mut [Query<Databases<S>>]) -> Result<()> {
    let session: &Db<S> = outer.run.session;
    let name = text(values(outer, queries)?.first());
    let mut store = session.store.borrow_mut();
    let Some(schema) = (0..store.len()).find(|schema| {
        // What nobody has used is not there.
        store.is_open(*schema) && store.name(*schema).eq_ignore_ascii_case(&name)
    }) else {
        return Err(Failure::error(format!("no such database: {name}")));
    };
    if schema < 2 {
        return Err(Failure::error(format!("cannot detach database {name}")));
    }
    if store.is_used(schema) {
        return Err(Failure::error(format!("database {name} is locked")));
    }
    store.detach(schema);
    drop(store);
    session.read_again()
}
