//! `ON CONFLICT`, bound: which key each clause is about, and the update that it says.

use std::sync::Arc;

use super::Binder;
use super::pair::{self, Names};
use super::select::ordinal;
use crate::sql::ast::{self, Assignment};
use crate::sql::catalog::{Event, IndexPart, Table, collation_named};
use crate::sql::exec::{Clause, Insert, Key, Side, Upsert, Watched};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

impl<'q, S: Store> Binder<'q, S> {
    /// Binds the clauses of an `INSERT` to it.
    pub(super) fn upserts(&mut self, insert: &mut Insert<S>, tree: &'q ast::Insert) -> Result<()> {
        if tree.upserts.is_empty() {
            return Ok(());
        }
        let table = insert.writer.table.clone();
        let name = tree.target.alias.as_ref().map_or(&table.name, |alias| &alias.text).clone();
        let mut named = Vec::with_capacity(tree.upserts.len());
        for (at, upsert) in tree.upserts.iter().enumerate() {
            named.push(match &upsert.target {
                None => None,
                Some(target) => {
                    self.push_level();
                    self.level().tables.push(pair::side(&table.name, &table, Side::Old, Names::Columns));
                    let key = self.key(&table, target)?;
                    self.pop_level()?;
                    let which = if tree.upserts.len() > 1 { format!("{} ", ordinal(at + 1)) } else { String::new() };
                    Some(key.ok_or_else(|| {
                        Failure::error(format!(
                            "{which}ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint"
                        ))
                    })?)
                }
            });
        }
        let keys = insert.writer.keys.iter().map(|(key, _)| *key).collect();
        let order = in_order(keys, &named);
        // What no row can come to is not looked at: without a rowid of its own, no row is in the way of another's.
        let names_rowid = insert.names_rowid();
        let mut clauses = vec![Clause::Nothing; named.len()];
        for (at, upsert) in tree.upserts.iter().enumerate() {
            let reached = order.iter().any(|(key, clause)| *clause == Some(at) && (*key != Key::Rowid || names_rowid));
            if let (true, Some(update)) = (reached, &upsert.update) {
                clauses[at] = Clause::Update(insert.upserts.len());
                insert.upserts.push(self.upsert(&name, &table, update)?);
            }
        }
        let clause = |(key, clause): (Key, Option<usize>)| (key, clause.map(|at| clauses[at]));
        insert.writer.keys = order.into_iter().map(clause).collect();
        Ok(())
    }

    fn upsert(&mut self, name: &str, table: &Arc<Table>, update: &'q ast::UpsertUpdate) -> Result<Upsert<S>> {
        self.push_level();
        let excluded = pair::side("excluded", table, Side::New, Names::Excluded);
        let tables = [pair::side(name, table, Side::Old, Names::Columns), excluded];
        self.level().tables.extend(tables);
        let (targets, values) = self.assignments(table, &update.sets)?;
        let values = values.into_iter().map(|value| self.assigned_value(value)).collect::<Result<_>>()?;
        let filter = update.filter.as_ref().map(|filter| self.expr(filter)).transpose()?.map(|filter| filter.expr);
        self.pop_level()?;
        let names = assigned_names(&update.sets);
        let mut hooks = self.hooks(table, Event::Update(&names));
        self.watch(&mut hooks, table, &Watched::update(table, &targets))?;
        Ok(Upsert { targets, values, filter, hooks })
    }

    /// The key that a clause is about.
    fn key(&mut self, table: &Table, target: &'q ast::UpsertTarget) -> Result<Option<Key>> {
        // Names that mean nothing are errors, also where nothing is computed.
        for term in &target.columns {
            self.expr(&term.expr)?;
            if term.nulls.is_some() {
                let which = if term.nulls == Some(ast::Nulls::First) { "FIRST" } else { "LAST" };
                return Err(Failure::error(format!("unsupported use of NULLS {which}")));
            }
        }
        if let Some(filter) = &target.filter {
            self.expr(filter)?;
        }
        let named = |expr: &ast::Expr| match expr {
            ast::Expr::Column(column) => Some(table.column(&column.name.text).or(table.rowid_column)),
            _ => None,
        };
        if let [term] = &target.columns[..]
            && let Some(column) = named(&term.expr)
            && column == table.rowid_column
        {
            return Ok(Some(Key::Rowid));
        }
        for (at, index) in table.indexes.iter().enumerate() {
            if index.unique.is_none() || index.parts.len() != target.columns.len() {
                continue;
            }
            let mut all = true;
            for part in &index.parts {
                let mut any = false;
                for term in &target.columns {
                    any |= is_part(table, part, &term.expr)?;
                }
                all &= any;
            }
            if all {
                return Ok(Some(Key::Index(at)));
            }
        }
        Ok(None)
    }
}

/// Whether a term is a part of an index; a collation that it names must be that of the index.
fn is_part(table: &Table, part: &IndexPart, term: &ast::Expr) -> Result<bool> {
    Ok(match term {
        // SQLite takes a column that is the rowid for no part of an index.
        ast::Expr::Column(column) => {
            table.column(&column.name.text) == Some(part.column) && table.rowid_column != Some(part.column)
        }
        ast::Expr::Collate(operand, name) => {
            collation_named(&name.text)? == part.key.collation && is_part(table, part, operand)?
        }
        _ => false,
    })
}

/// The columns that are assigned to.
pub(super) fn assigned_names(sets: &[Assignment]) -> Vec<&str> {
    let mut names = Vec::new();
    for set in sets {
        match set {
            Assignment::Column(name, _) => names.push(&*name.text),
            Assignment::Columns(several, _) => names.extend(several.iter().map(|name| &*name.text)),
        }
    }
    names
}

/// The keys that clauses name, in the clauses' order, and which clause that is; then the others. The rowid comes behind the last
/// clause that names a key.
fn in_order(keys: Vec<Key>, named: &[Option<Key>]) -> Vec<(Key, Option<usize>)> {
    let mut order: Vec<(Key, Option<usize>)> = Vec::with_capacity(keys.len());
    for (clause, key) in named.iter().enumerate() {
        if let Some(key) = key
            && !order.iter().any(|(known, _)| known == key)
        {
            order.push((*key, Some(clause)));
        }
    }
    // The last one may be about any key.
    let any = named.iter().position(Option::is_none);
    let rest = keys.iter().filter(|key| **key == Key::Rowid).chain(keys.iter().filter(|key| **key != Key::Rowid));
    for key in rest {
        if !order.iter().any(|(known, _)| known == key) {
            order.push((*key, any));
        }
    }
    order
}
