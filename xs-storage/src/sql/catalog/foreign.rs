//! Foreign keys, as a table's statement describes them, and which key of the parent each means.

use std::sync::{Arc, OnceLock};

use super::super::ast::{
    ColumnConstraintKind, ColumnDef, Deferrable, Ident, Initially, ReferenceAction, ReferenceClause, References,
    TableConstraint, TableConstraintKind,
};
use super::{Origin, Table, Trigger};
use crate::sql::failure::{Failure, Result};

/// That some columns of a table, the child, are a key of another one, the parent, or nothing.
#[derive(Debug)]
pub(in crate::sql) struct ForeignKey {
    /// The child's columns.
    pub(in crate::sql) columns: Vec<usize>,
    pub(in crate::sql) parent: Box<str>,
    /// The parent's columns; its primary key, if none are named.
    pub(in crate::sql) parent_columns: Vec<Box<str>>,
    pub(in crate::sql) on_delete: ReferenceAction,
    pub(in crate::sql) on_update: ReferenceAction,
    /// Whether it must hold when the transaction ends, rather than the statement.
    pub(in crate::sql) deferred: bool,
    /// What it does when a parent goes, and when one is updated, once somebody has asked.
    pub(super) triggers: [OnceLock<Arc<Trigger>>; 2],
}

/// What a foreign key looks up in its parent.
#[derive(Clone, Debug)]
pub(in crate::sql) struct ParentKey {
    /// The place of the unique index among the parent's; none for the rowid.
    pub(in crate::sql) index: Option<usize>,
    /// The child's columns, each with the parent's that it names, in the order of the index.
    pub(in crate::sql) pairs: Vec<(usize, usize)>,
}

impl ForeignKey {
    /// The foreign keys of a table, the newest first.
    pub(super) fn of(table: &Table, defs: &[ColumnDef], constraints: &[TableConstraint]) -> Result<Vec<Arc<Self>>> {
        let mut keys: Vec<ForeignKey> = Vec::new();
        for def in defs {
            for constraint in &def.constraints {
                match &constraint.kind {
                    ColumnConstraintKind::References(references) => {
                        if references.columns.len() > 1 {
                            let (column, parent) = (&def.name.text, &references.table.text);
                            return Err(Failure::error(format!(
                                "foreign key on {column} should reference only one column of table {parent}"
                            )));
                        }
                        keys.push(ForeignKey::new(table, std::slice::from_ref(&def.name), references)?);
                    }
                    ColumnConstraintKind::Deferrable(deferrable) => defer(&mut keys, *deferrable),
                    _ => {}
                }
            }
        }
        for constraint in constraints {
            if let TableConstraintKind::ForeignKey { columns, references, deferrable } = &constraint.kind {
                if !references.columns.is_empty() && references.columns.len() != columns.len() {
                    return Err(Failure::error(
                        "number of columns in foreign key does not match the number of columns in the referenced table",
                    ));
                }
                keys.push(ForeignKey::new(table, columns, references)?);
                if let Some(deferrable) = deferrable {
                    defer(&mut keys, *deferrable);
                }
            }
        }
        Ok(keys.into_iter().rev().map(Arc::new).collect())
    }

    fn new(table: &Table, columns: &[Ident], references: &References) -> Result<ForeignKey> {
        let column = |name: &Ident| {
            let unknown = || Failure::error(format!("unknown column \"{}\" in foreign key definition", name.text));
            table.column(&name.text).ok_or_else(unknown)
        };
        let mut key = ForeignKey {
            columns: columns.iter().map(column).collect::<Result<_>>()?,
            parent: references.table.text.clone(),
            parent_columns: references.columns.iter().map(|name| name.text.clone()).collect(),
            on_delete: ReferenceAction::NoAction,
            on_update: ReferenceAction::NoAction,
            deferred: false,
            triggers: Default::default(),
        };
        for clause in &references.clauses {
            match clause {
                ReferenceClause::OnDelete(action) => key.on_delete = *action,
                ReferenceClause::OnUpdate(action) => key.on_update = *action,
                ReferenceClause::OnInsert(_) | ReferenceClause::Match(_) => {}
            }
        }
        Ok(key)
    }

    /// The key of the parent: its rowid, or a unique index of just these columns, in the collations of the columns.
    pub(in crate::sql) fn parent_key(&self, child: &str, parent: &Table) -> Result<ParentKey> {
        if let ([column], Some(rowid)) = (&self.columns[..], parent.rowid_column)
            && self.parent_columns.first().is_none_or(|name| name.eq_ignore_ascii_case(&parent.columns[rowid].name))
        {
            return Ok(ParentKey { index: None, pairs: vec![(*column, rowid)] });
        }
        for (at, index) in parent.indexes.iter().enumerate() {
            let is_whole = index.filter.is_none() && index.expressions.is_empty();
            if index.unique.is_none() || !is_whole || index.parts.len() != self.columns.len() {
                continue;
            }
            let child_columns: Option<Vec<usize>> = match self.parent_columns.is_empty() {
                true => (index.origin == Origin::PrimaryKey).then(|| self.columns.clone()),
                false => index
                    .parts
                    .iter()
                    .map(|part| {
                        let column = parent.columns.get(part.column)?;
                        let named =
                            self.parent_columns.iter().position(|name| name.eq_ignore_ascii_case(&column.name))?;
                        let same = part.key.collation == column.collation;
                        self.columns.get(named).copied().filter(|_| same)
                    })
                    .collect(),
            };
            if let Some(columns) = child_columns {
                let parts = index.parts.iter().map(|part| part.column);
                return Ok(ParentKey { index: Some(at), pairs: columns.into_iter().zip(parts).collect() });
            }
        }
        Err(self.mismatch(child))
    }

    /// The parent has no such key.
    pub(in crate::sql) fn mismatch(&self, child: &str) -> Failure {
        let doubled = |name: &str| name.replace('"', "\"\"");
        let (child, parent) = (doubled(child), doubled(&self.parent));
        Failure::error(format!("foreign key mismatch - \"{child}\" referencing \"{parent}\""))
    }
}

/// Says of the newest key when it is checked.
fn defer(keys: &mut [ForeignKey], deferrable: Deferrable) {
    if let Some(last) = keys.last_mut() {
        last.deferred = !deferrable.not && deferrable.initially == Some(Initially::Deferred);
    }
}
