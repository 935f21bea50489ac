//! Names of a schema's object, looked up: which tokens mean the table and the column that are asked for, and what means nothing.
//!
//! This is the binder's work done once more, without making anything of it: it goes through triggers, windows and whatever else a
//! text may have, and keeps where names stand. What the binder decides by values, such as types, is nothing to it.

mod expr;
mod object;
mod query;

use std::collections::BTreeMap;

use super::shapes::{Shape, Shapes};
use crate::sql::ast::{Column, Ident, Quote, Span};
use crate::sql::catalog::folded;
use crate::sql::failure::{Failure, Result};

/// What is looked for.
pub(super) struct Goal<'a> {
    pub(super) table: &'a str,
    pub(super) column: Option<&'a str>,
    /// Whether `"x"` may be a string in a table's or an index's own expressions.
    pub(super) strings: bool,
}

/// The tokens that were found.
#[derive(Default)]
pub(in crate::sql::connection) struct Found {
    /// That mean the table.
    pub(super) tables: Vec<Span>,
    /// That mean the column.
    pub(super) columns: Vec<Span>,
    /// That look like names and are strings.
    pub(super) strings: Vec<(Span, Box<str>)>,
}

/// Something that rows are from.
#[derive(Clone, Default)]
struct Source {
    name: Box<str>,
    /// Whether the name is one that the text gave it.
    aliased: bool,
    /// The table, if it is one.
    table: Option<String>,
    /// None, if nobody knows.
    columns: Option<Vec<Box<str>>>,
    rowid: bool,
    /// Columns that `USING` made one with a column before them.
    merged: Vec<Box<str>>,
    /// `old` and `new` show nothing to a name without a table.
    qualified: bool,
}

/// What a query shows to its expressions.
#[derive(Default)]
struct Scope<'a> {
    sources: Vec<Source>,
    aliases: Vec<&'a Ident>,
    /// What `*` stands for, which `ORDER BY` takes for aliases.
    starred: Vec<Box<str>>,
}

/// A common table that is in sight.
struct Common {
    name: Box<str>,
    /// None, while its own query is looked at.
    columns: Option<Vec<Box<str>>>,
}

/// Looks through one object.
pub(super) struct Names<'a> {
    shapes: &'a Shapes,
    sql: &'a str,
    goal: &'a Goal<'a>,
    pub(super) found: Found,
    /// How many views are open, in which nothing is kept.
    views: u32,
    /// The columns of views that were looked at.
    known: BTreeMap<String, Vec<Box<str>>>,
    strings: bool,
    scopes: Vec<Scope<'a>>,
    commons: Vec<Common>,
}

/// Views within each other.
const VIEWS: u32 = 1000;

impl<'a> Names<'a> {
    pub(super) fn new(shapes: &'a Shapes, sql: &'a str, goal: &'a Goal<'a>) -> Names<'a> {
        Names {
            shapes,
            sql,
            goal,
            found: Found::default(),
            views: 0,
            known: BTreeMap::new(),
            strings: true,
            scopes: Vec::new(),
            commons: Vec::new(),
        }
    }

    fn is_goal(&self, table: &str) -> bool {
        self.views == 0 && table.eq_ignore_ascii_case(self.goal.table)
    }

    /// A token that names a table.
    fn note_table(&mut self, name: &Ident) {
        if self.is_goal(&name.text) {
            self.found.tables.push(name.span);
        }
    }

    /// A token that names a column of a table.
    fn note_column(&mut self, table: &str, name: &Ident) {
        if self.is_goal(table) && self.goal.column.is_some_and(|column| name.is(column)) {
            self.found.columns.push(name.span);
        }
    }

    /// Columns of a table that are named in a list.
    fn note_columns(&mut self, table: &str, names: &[Ident]) {
        names.iter().for_each(|name| self.note_column(table, name));
    }

    /// A name in an expression.
    fn resolve(&mut self, column: &Column) -> Result<()> {
        let name = &*column.name.text;
        let here = column.schema.as_ref().is_none_or(|schema| schema.is(&self.shapes.schema));
        for depth in (0..self.scopes.len()).rev() {
            if !here {
                break;
            }
            let scope = &self.scopes[depth];
            let in_sight = |source: &&Source| match &column.table {
                Some(table) => table.is(&source.name),
                None => !source.qualified,
            };
            let has = |source: &&Source| {
                let listed = |list: &[Box<str>]| list.iter().any(|other| other.eq_ignore_ascii_case(name));
                source.columns.as_deref().is_some_and(listed) && (column.table.is_some() || !listed(&source.merged))
            };
            let mut found = scope.sources.iter().filter(in_sight).filter(has);
            let first = found.next();
            if first.is_some() && found.next().is_some() {
                return Err(Failure::error(format!("ambiguous column name: {}", displayed(column))));
            }
            let rowid = ["rowid", "oid", "_rowid_"].iter().any(|rowid| column.name.is(rowid));
            let all = || scope.sources.iter().filter(in_sight);
            let found = first
                .or_else(|| all().find(|source| rowid && source.rowid))
                .or_else(|| all().find(|source| source.columns.is_none()));
            if let Some(source) = found {
                let (aliased, table) = (source.aliased, source.table.clone());
                if let Some(table) = table {
                    if let (Some(qualifier), false) = (&column.table, aliased) {
                        self.note_table(qualifier);
                    }
                    self.note_column(&table, &column.name);
                }
                return Ok(());
            }
            if column.table.is_none() && scope.aliases.iter().any(|alias| alias.is(name)) {
                return Ok(());
            }
        }
        if column.table.is_none() {
            match column.name.quote {
                Quote::Double if self.strings => {
                    if self.views == 0 {
                        self.found.strings.push((column.name.span, column.name.text.clone()));
                    }
                    return Ok(());
                }
                Quote::Bare if column.name.is("true") || column.name.is("false") => return Ok(()),
                _ => {}
            }
        }
        Err(Failure::error(format!("no such column: {}", displayed(column))))
    }

    /// A table's rows under its own name.
    fn of_table(&self, name: &Ident) -> Result<Source> {
        match self.shapes.get(&name.text) {
            Some(Shape::Table(columns, rowid)) => Ok(Source {
                name: name.text.clone(),
                table: Some(folded(&name.text)),
                columns: Some(columns.clone()),
                rowid: *rowid,
                ..Source::default()
            }),
            Some(Shape::Unknown) => Ok(Source {
                name: name.text.clone(),
                table: Some(folded(&name.text)),
                rowid: true,
                ..Source::default()
            }),
            Some(Shape::View(..)) => Ok(Source { name: name.text.clone(), ..Source::default() }),
            None => Err(Failure::error(format!("no such table: {}.{}", self.shapes.schema, name.text))),
        }
    }

    /// The columns that a view has.
    fn of_view(&mut self, name: &str) -> Result<Vec<Box<str>>> {
        if let Some(columns) = self.known.get(&folded(name)) {
            return Ok(columns.clone());
        }
        let shapes = self.shapes;
        let Some(Shape::View(create, sql)) = shapes.get(name) else {
            return Err(Failure::internal("a view that is none"));
        };
        if self.views >= VIEWS {
            return Err(Failure::error(format!("view {name} is circularly defined")));
        }
        let (scopes, commons) = (std::mem::take(&mut self.scopes), std::mem::take(&mut self.commons));
        let (own, strings) = (std::mem::replace(&mut self.sql, sql), std::mem::replace(&mut self.strings, true));
        self.views += 1;
        let columns = self.select(&create.select);
        self.views -= 1;
        (self.scopes, self.commons, self.sql, self.strings) = (scopes, commons, own, strings);
        let mut columns = columns?;
        if !create.columns.is_empty() {
            columns = create.columns.iter().map(|column| column.text.clone()).collect();
        }
        self.known.insert(folded(name), columns.clone());
        Ok(columns)
    }
}

fn displayed(column: &Column) -> String {
    let parts = [column.schema.as_ref(), column.table.as_ref(), Some(&column.name)];
    parts.into_iter().flatten().map(|part| &*part.text).collect::<Vec<_>>().join(".")
}
