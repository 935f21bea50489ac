//! Recursive common tables: a query that begins, and those that go on from each row that it and they gave.

use super::Binder;
use super::common::Reach;
use super::from::rename;
use crate::sql::ast::{self, CompoundOp, Source};
use crate::sql::exec::{Access, Body, Current, Frame, Joined, Loop, Query, Recursive, Slot};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

/// The first of the parts at the end of a compound that name the table itself. What is wrong with naming it is found later.
pub(super) fn first_recursive(table: &ast::CommonTable) -> Option<usize> {
    let select = &table.select;
    let op = select.compounds.last()?.0;
    if !matches!(op, CompoundOp::Union | CompoundOp::UnionAll) {
        return None;
    }
    let is_recursive = |(other, clause): &&(CompoundOp, ast::Core)| *other == op && names(clause, table) > 0;
    match select.compounds.iter().rev().take_while(is_recursive).count() {
        0 => None,
        parts => Some(select.compounds.len() - parts),
    }
}

/// How often `FROM` names the table.
fn names(clause: &ast::Core, table: &ast::CommonTable) -> usize {
    let ast::Core::Query(query) = clause else { return 0 };
    let is_table = |item: &&ast::FromItem| match &item.source {
        Source::Table(name, _) => name.schema.is_none() && name.name.is(&table.name.text),
        _ => false,
    };
    query.from.iter().filter(is_table).count()
}

impl<'q, S: Store> Binder<'q, S> {
    /// The common table at a place, of which the compounds from `first` on are recursive.
    pub(super) fn recursive(&mut self, at: usize, first: usize) -> Result<(Query<S>, usize)> {
        let table = self.commons[at].table;
        let (select, name) = (&table.select, &table.name.text);
        let (before, steps) = select.compounds.split_at(first);
        if steps.iter().any(|(_, clause)| names(clause, table) > 1) {
            return Err(Failure::error(format!("multiple references to recursive table: {name}")));
        }
        let unordered = std::mem::take(&mut self.unordered) && select.limit.is_none();
        let commons = self.commons.len();
        if let Some(with) = &select.with {
            self.with(with)?;
        }
        self.plan.push((self.depth, "SETUP".to_owned()));
        self.depth += 1;
        let (setup, mut reaches) = match before {
            [] => self.single(&select.first, &[], None)?,
            _ => self.compound_of(&select.first, before, &[])?,
        };
        let mut columns = setup.columns.clone();
        rename(&mut columns, &table.columns, name)?;
        self.plan.push((self.depth - 1, "RECURSIVE STEP".to_owned()));
        let current = Current::default();
        let reach = Reach::Row { depth: self.depth, current: current.clone(), columns: columns.clone() };
        self.commons[at].reach = reach;
        let mut collations: Vec<_> = setup.columns.iter().map(|column| column.collation).collect();
        // With several steps, SQLite tells rows apart by what these have, whatever the first rows do.
        let mut own = vec![None; columns.len()];
        let mut bodies = Vec::with_capacity(steps.len());
        let several = steps.len() > 1;
        if several {
            self.plan.push((self.depth, "COMPOUND QUERY".to_owned()));
        }
        for (number, (op, clause)) in steps.iter().enumerate() {
            if several {
                let line = if number == 0 { "LEFT-MOST SUBQUERY" } else { "UNION ALL" };
                self.plan.push((self.depth + 1, line.to_owned()));
                self.depth += 2;
                self.commons[at].reach =
                    Reach::Row { depth: self.depth, current: current.clone(), columns: columns.clone() };
            }
            let repeats = std::mem::replace(&mut self.repeats, true);
            let step = self.single(clause, &[], None);
            self.repeats = repeats;
            let (step, out) = step?;
            self.depth -= if several { 2 } else { 0 };
            reaches = reaches.min(out);
            let Body::Core(core) = &step.body else { return Err(Failure::internal("a recursive step of values")) };
            if core.windows.is_some() {
                return Err(Failure::error("cannot use window functions in recursive queries"));
            }
            if core.grouping.is_some() {
                return Err(Failure::error("recursive aggregate queries not supported"));
            }
            super::select::same_width(*op, columns.len(), step.columns.len())?;
            super::select::first_collations(&mut collations, &step.columns);
            super::select::first_collations(&mut own, &step.columns);
            bodies.push(step.body);
        }
        self.depth -= 1;
        let order_by = if unordered { &[][..] } else { &select.order_by[..] };
        let all = &select.compounds;
        let keys = self.compound_order(order_by, &select.first, all, &setup.columns, &collations)?;
        let collations = if several { own } else { collations };
        let collations = collations.into_iter().map(Option::unwrap_or_default).collect();
        let distinct = steps.iter().any(|(op, _)| *op == CompoundOp::Union);
        let recursive = Recursive::new(setup.body, bodies, current, collations, distinct, keys);
        let mut query = Query::new(Body::Recursive(Box::new(recursive)), columns);
        // Nobody can tell; SQLite takes it for many.
        query.estimate = 320;
        self.limit(&mut query, select.limit.as_ref())?;
        self.commons.truncate(commons);
        Ok((query, reaches))
    }

    /// What is gone through once keeps no rows of a query that it reads first.
    pub(super) fn stream(&self, frame: &mut Frame<S>, joined: &Joined<S>) {
        let once = self.levels.is_empty() && !self.repeats && joined.loops.iter().all(|one| one.right.is_none());
        if let (true, Some(Loop { slot, access: Access::Rows, .. })) = (once, joined.loops.first())
            && let Some(Slot::Rows(rows)) = frame.slots.get_mut(*slot)
        {
            rows.keep = false;
        }
    }
}
