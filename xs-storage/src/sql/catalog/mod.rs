//! What there is: tables, indexes and views, read from the statements that made them.
//!
//! The schema's table holds text. It is parsed once when a database is opened and again when its cookie changes; statements are
//! bound against what came out.

mod action;
mod constant;
mod databases;
mod foreign;
mod generated;
mod index;
mod keyed;
mod read;
mod refers;
mod strict;
mod table;
mod trigger;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(in crate::sql) use action::target;
pub(in crate::sql) use constant::constant;
pub(in crate::sql) use databases::Catalog;
pub(in crate::sql) use foreign::{ForeignKey, ParentKey};
pub(in crate::sql) use generated::Generated;
pub(in crate::sql) use read::{STATISTICS, SchemaRow, read};
pub(in crate::sql) use refers::{columns_in, parts as parts_of};
pub(in crate::sql) use table::{Column, Index, IndexPart, Origin, Table, collation_named};
pub(in crate::sql) use trigger::{Event, Trigger};

use super::ast::{CreateView, QualifiedName, SchemaKind};
use super::failure::{Failure, Result};
use super::plan::Counted;
use super::store::TEMP;

/// A view: a query under a name.
#[derive(Debug)]
pub(in crate::sql) struct View {
    pub(in crate::sql) create: CreateView,
    /// Its statement, whose parts name columns.
    pub(in crate::sql) sql: String,
    /// The database that it is in.
    pub(in crate::sql) schema: usize,
}

impl View {
    /// Where its names are looked for, if not everywhere.
    pub(in crate::sql) fn home(&self) -> Option<usize> {
        home_of(self.schema)
    }
}

/// What is in a database sees that database only; but what is temporary sees all.
fn home_of(schema: usize) -> Option<usize> {
    (schema != TEMP).then_some(schema)
}

/// What a name of `FROM` may mean.
#[derive(Clone, Debug)]
pub(in crate::sql) enum Relation {
    Table(Arc<Table>),
    View(Arc<View>),
}

/// What one database has, under names in small letters.
#[derive(Clone, Debug, Default)]
pub(in crate::sql) struct Schema {
    /// What the database is called, and its place among all.
    pub(in crate::sql) name: Box<str>,
    pub(in crate::sql) number: usize,
    /// That the database was here, and is no more.
    pub(in crate::sql) is_gone: bool,
    relations: BTreeMap<String, Relation>,
    /// Indexes, with the table that each is on.
    indexes: BTreeMap<String, String>,
    /// Tables and indexes that use what isn't there yet, and why.
    refused: BTreeMap<String, Refused>,
    /// Of each table and view its triggers, the newest first, which is how they run.
    triggers: BTreeMap<String, Vec<Arc<Trigger>>>,
    /// Tables and views whose rows can be read but not changed, and why.
    unchangeable: BTreeMap<String, Failure>,
    /// What `ANALYZE` counted, by table and index.
    counted: BTreeMap<(String, Option<String>), Counted>,
    pub(in crate::sql) cookie: u32,
}

/// An object that is known by its name only.
#[derive(Clone, Debug)]
pub(in crate::sql) struct Refused {
    pub(in crate::sql) kind: SchemaKind,
    /// Whether it can be dropped like any other.
    pub(in crate::sql) droppable: bool,
    pub(in crate::sql) why: Failure,
}

pub(in crate::sql) fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl Schema {
    pub(in crate::sql) fn relation(&self, name: &str) -> Option<&Relation> {
        self.relations.get(&folded(name))
    }

    /// What `ANALYZE` counted of an index, or of a table without any.
    pub(in crate::sql) fn counted(&self, table: &str, index: Option<&str>) -> Option<&Counted> {
        match self.counted.is_empty() {
            true => None,
            false => self.counted.get(&(folded(table), index.map(folded))),
        }
    }

    /// A table or an index that uses what isn't there yet.
    pub(in crate::sql) fn refused(&self, kind: SchemaKind, name: &str) -> Option<&Refused> {
        self.refused.get(&folded(name)).filter(|refused| refused.kind == kind)
    }

    pub(in crate::sql) fn has_trigger(&self, name: &str) -> bool {
        self.triggers.values().flatten().any(|trigger| trigger.name().eq_ignore_ascii_case(name))
    }

    /// Its triggers that are on tables and views of a name, whichever database those are in.
    fn triggers_on(&self, name: &str) -> &[Arc<Trigger>] {
        self.triggers.get(&folded(name)).map_or(&[], |triggers| triggers)
    }

    /// Fails if something on a table or view would have to follow its changes and can't.
    pub(in crate::sql) fn check_changeable(&self, name: &str) -> Result<()> {
        self.unchangeable.get(&folded(name)).map_or(Ok(()), |why| Err(why.clone()))
    }

    /// The tables that users made.
    pub(in crate::sql) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.relations.values().filter_map(|relation| match relation {
            Relation::Table(table) if !table.is_schema() => Some(table),
            _ => None,
        })
    }

    /// The table of an index, and the index.
    pub(in crate::sql) fn index(&self, name: &str) -> Option<(&Arc<Table>, &Arc<Index>)> {
        let table = self.indexes.get(&folded(name))?;
        let Some(Relation::Table(table)) = self.relations.get(table) else { return None };
        Some((table, table.indexes.iter().find(|index| index.name.eq_ignore_ascii_case(name))?))
    }
}

pub(in crate::sql) fn displayed(name: &QualifiedName) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", schema.text, name.name.text),
        None => name.name.text.to_string(),
    }
}
