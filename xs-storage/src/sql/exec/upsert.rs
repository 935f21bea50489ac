//! `ON CONFLICT ... DO UPDATE`: an update of the one row that is in the way of an insert.

use super::change::Target;
use super::expr::Expr;
use super::frame::Outer;
use super::pair::pair;
use super::row_change::{Hooks, RowChange};
use super::write::Writer;
use crate::sql::ast::Conflict;
use crate::sql::failure::Result;
use crate::sql::store::Store;
use crate::sql::value::Value;

pub(in crate::sql) struct Upsert<S: Store> {
    pub(in crate::sql) targets: Vec<Target>,
    pub(in crate::sql) values: Vec<Expr<S>>,
    pub(in crate::sql) filter: Option<Expr<S>>,
    pub(in crate::sql) hooks: Hooks<S>,
}

impl<S: Store> Upsert<S> {
    /// The update; none, if its `WHERE` doesn't want the row.
    pub(in crate::sql) fn begin(
        &self,
        writer: &mut Writer<S>,
        other: i64,
        excluded: (Vec<Value>, i64),
        outer: Outer<'_, S>,
    ) -> Result<Option<RowChange>> {
        let old = writer.row(other, outer.run.session)?;
        let new = Some((&excluded.0[..], Some(excluded.1)));
        let frame = pair(old.len(), new, Some((&old, Some(other))));
        if let Some(filter) = &self.filter
            && !filter.holds(&outer.env(&frame))?
        {
            return Ok(None);
        }
        let given = self.values.iter().map(|value| Ok(value.eval(&outer.env(&frame))?.into_value()));
        let given = given.collect::<Result<Vec<_>>>()?;
        let mut new = old.clone();
        let rowid = super::change::assign(&mut new, Some(other), given, &self.targets, writer.table.rowid_column)?;
        // Whatever the insert says of conflicts, this one is undone if it has one.
        Ok(Some(RowChange::update((Some(other), old), new, rowid, Some(Conflict::Abort))))
    }
}
