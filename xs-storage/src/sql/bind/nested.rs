//! A join in parentheses, where it can't be taken as a part of the join around it: a query of all its tables' columns, which
//! keep their tables' names.

use super::{Binder, ScopeColumn, ScopeTable};
use crate::sql::ast::FromItem;
use crate::sql::exec::{Body, Core, Expr, OutputColumn, Place, Query};
use crate::sql::failure::Result;
use crate::sql::store::Store;

impl<'q, S: Store> Binder<'q, S> {
    /// The query, how far out it reaches, and its tables, whose columns are places in some slot.
    pub(super) fn nested(&mut self, items: &'q [FromItem]) -> Result<(Query<S>, usize, Vec<ScopeTable>)> {
        self.depth += 1;
        let (mut tables, mut reaches) = self.sources(items)?;
        self.push_level();
        let joins = self.show(&mut tables)?;
        let mut parts = self.level().tables.clone();
        let (mut outputs, mut columns, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for column in parts.iter().flat_map(|part| &part.columns) {
            self.level().note(column.place);
            places.push(column.place);
            outputs.push(Expr::Local(column.place));
            let plain = ScopeColumn { joined: Vec::new(), ..column.clone() };
            columns.push(OutputColumn::from(plain));
        }
        for part in &mut parts {
            part.rowid = None;
            part.columns.iter_mut().for_each(|column| moved(column, &places));
        }
        let planned = self.plan_joins(tables, joins, Vec::new(), None)?;
        let level = self.pop_level()?;
        self.depth -= 1;
        reaches = reaches.min(level.reaches);
        let mut frame = planned.frame;
        frame.registers = vec![Default::default(); usize::from(level.registers)];
        let core = Core::new(frame, planned.joined, None, outputs, None);
        Ok((Query::new(Body::Core(Box::new(core)), columns), reaches, parts))
    }
}

/// To where the query has it, in the first slot.
fn moved(column: &mut ScopeColumn, places: &[Place]) {
    let at = places.iter().position(|place| *place == column.place).unwrap_or(0);
    column.place = Place::Column { slot: 0, column: at as u16 };
    column.joined.iter_mut().for_each(|part| moved(part, places));
}

/// The same columns in another slot.
pub(super) fn in_slot(columns: &[ScopeColumn], slot: u16) -> Vec<ScopeColumn> {
    let of = |column: &ScopeColumn| {
        let mut column = column.clone();
        if let Place::Column { slot: at, .. } = &mut column.place {
            *at = slot;
        }
        column.joined = in_slot(&column.joined, slot);
        column
    };
    columns.iter().map(of).collect()
}
