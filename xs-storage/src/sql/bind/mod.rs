//! Names become places.
//!
//! A binder goes through a tree with a stack of levels, one for each query that it is in. A name is looked for in the innermost
//! level first; how many levels further out it is found is the depth that the expression keeps. Each level notes which tables a
//! condition used, so that the planner knows where to ask it, and how far out anything within it reached: a subquery that reaches
//! nowhere is computed once.

mod argument;
mod call;
mod change;
mod common;
mod explain;
mod expr;
mod flatten;
mod foreign;
mod from;
mod function;
mod generated;
mod group;
mod index;
mod nested;
mod operators;
mod pair;
mod parameters;
mod recursive;
mod results;
mod returning;
mod select;
mod sets;
mod trigger;
mod upsert;
mod vector;
mod window;

use std::collections::BTreeSet;
use std::marker::PhantomData;

pub(in crate::sql) use common::Uses;
pub(in crate::sql) use expr::Bound;
pub(in crate::sql) use foreign::{children, emptying};
pub(in crate::sql) use from::{FromTable, Rows};
pub(in crate::sql) use index::{check_index, stored};
pub(in crate::sql) use parameters::Parameters;
pub(in crate::sql) use trigger::routine;

use super::ast::{self, Ident, Quote};
use super::catalog::{Catalog, Relation};
use super::exec::{Aggregate, Expr, Place, Session};
use super::failure::{Failure, Result};
use super::store::{Store, TreeId};
use super::value::Affinity;
use crate::row::Collation;

/// A column that a level shows.
#[derive(Clone, Debug)]
pub(in crate::sql) struct ScopeColumn {
    pub(in crate::sql) name: Box<str>,
    pub(in crate::sql) affinity: Option<Affinity>,
    pub(in crate::sql) collation: Option<Collation>,
    pub(in crate::sql) declared: Box<str>,
    pub(in crate::sql) place: Place,
    /// That `USING` made it one with a column before it, which is shown instead.
    pub(in crate::sql) hidden: bool,
    /// What it means without its table's name, where a join that keeps right rows made it one with others: the right one's
    /// column, or the first of several that is something.
    pub(in crate::sql) joined: Vec<ScopeColumn>,
    /// That a later table is joined by `USING` it.
    pub(in crate::sql) used_again: bool,
}

impl ScopeColumn {
    /// As it is shown under its own name: of several columns in one, none is the one that was declared.
    fn shown(&self) -> ScopeColumn {
        let one = match &self.joined[..] {
            [] => self,
            [one] => one,
            _ => return ScopeColumn { declared: "".into(), ..self.clone() },
        };
        ScopeColumn { name: self.name.clone(), ..one.clone() }
    }
}

/// A table that a level shows.
#[derive(Clone, Debug)]
pub(in crate::sql) struct ScopeTable {
    pub(in crate::sql) name: Box<str>,
    /// The database that it is in, if it is a table or a view.
    pub(in crate::sql) schema: Option<usize>,
    pub(in crate::sql) columns: Vec<ScopeColumn>,
    /// Where the rowid is, if its rows have rowids.
    pub(in crate::sql) rowid: Option<Place>,
}

impl ScopeTable {
    /// Whether all of its columns are said with its name: as `excluded` is.
    fn is_qualified(&self) -> bool {
        self.columns.iter().all(|column| column.hidden && matches!(column.place, Place::Register(_)))
    }
}

/// The aggregates of a level.
pub(in crate::sql) struct Groups<S: Store> {
    aggregates: Vec<Aggregate<S>>,
    captured: Vec<(Expr<S>, u16)>,
    /// Where the captured are from.
    places: Vec<(Place, u16)>,
}

/// A query that is being bound.
pub(in crate::sql) struct Level<'q, S: Store> {
    pub(in crate::sql) tables: Vec<ScopeTable>,
    groups: Option<Groups<S>>,
    windows: Option<window::LevelWindows<'q, S>>,
    /// That its results are of groups, and so may call aggregates.
    grouped: bool,
    /// That its `ORDER BY` is being bound.
    ordering: bool,
    /// What is bound now is computed of rows, before they are grouped.
    before: bool,
    pub(in crate::sql) registers: u16,
    /// The outermost level that something in here named.
    reaches: usize,
    /// Names of results, which conditions may use too.
    aliases: Vec<(&'q Ident, &'q ast::Expr)>,
    /// The alias that is being bound, so that it doesn't mean itself.
    busy: bool,
    /// The slots that were named since this was cleared.
    used: u64,
    /// The columns of each slot that are read.
    pub(in crate::sql) columns: Vec<BTreeSet<u16>>,
}

impl<S: Store> Level<'_, S> {
    fn new(reaches: usize) -> Self {
        Level {
            tables: Vec::new(),
            groups: None,
            windows: None,
            grouped: false,
            ordering: false,
            before: true,
            registers: 0,
            reaches,
            aliases: Vec::new(),
            busy: false,
            used: 0,
            columns: Vec::new(),
        }
    }

    /// The slots that are named elsewhere than in conditions.
    pub(in crate::sql) fn used(&self) -> u64 {
        self.used
    }

    fn note(&mut self, place: Place) {
        let (slot, column) = match place {
            Place::Column { slot, column } | Place::Real { slot, column } => (slot, Some(column)),
            Place::Rowid { slot } => (slot, None),
            Place::Register(_) => return,
        };
        self.used |= 1_u64.checked_shl(u32::from(slot)).unwrap_or(0);
        if let (Some(columns), Some(column)) = (self.columns.get_mut(usize::from(slot)), column) {
            columns.insert(column);
        }
    }
}

/// Binds one statement.
pub(in crate::sql) struct Binder<'q, S: Store> {
    pub(in crate::sql) catalog: &'q Catalog,
    pub(in crate::sql) session: &'q Session<S>,
    /// The text that spans are of.
    text: &'q str,
    levels: Vec<Level<'q, S>>,
    pub(in crate::sql) parameters: Parameters,
    commons: Vec<common::Common<'q, S>>,
    /// How often common tables are named.
    pub(in crate::sql) uses: Uses,
    /// That what is bound is a step that runs again and again.
    repeats: bool,
    /// That the order of the query that is bound next doesn't matter where it stands.
    unordered: bool,
    /// Views that are open.
    views: u32,
    /// Views and common tables that were bound so far.
    opened: u32,
    /// How deep in expressions it is, whatever texts they are from.
    height: u32,
    /// How deep in the expression that it is in.
    rise: u32,
    /// How many queries it is in.
    nested: u32,
    /// The tables that are read.
    pub(in crate::sql) reads: Vec<TreeId>,
    /// The database whose names are meant where none is said; all, outside of views and triggers.
    pub(in crate::sql) home: Option<usize>,
    /// The databases that something was found in, a bit for each.
    pub(in crate::sql) schemas: u16,
    /// What the plan says of itself: how deep, and what.
    pub(in crate::sql) plan: Vec<(u32, String)>,
    depth: u32,
    /// The trigger that the statements are of.
    within: Option<trigger::Within>,
    /// What the plan says of queries within the expressions of the innermost level, each with the tables that the condition is
    /// about in which it stands, if it is one.
    pending: Vec<(Option<u64>, Vec<(u32, String)>)>,
    /// That a query in `FROM` can't be taken for its table now.
    keeps_right: bool,
    /// Whether somebody reads what the plan says.
    pub(in crate::sql) explains: bool,
    /// Queries that were bound.
    selects: u32,
    /// The rows that are found now are to be changed.
    pub(in crate::sql) changes: bool,
    _store: PhantomData<S>,
}

/// Views and common tables within each other.
const VIEWS: u32 = 1000;
/// Views and common tables in all: SQLite's own limit of references to one.
const REFERENCES: u32 = 65_535;
/// SQLite's `SQLITE_MAX_EXPR_DEPTH`.
const HEIGHT: u32 = 1000;

impl<'q, S: Store> Binder<'q, S> {
    pub(in crate::sql) fn new(catalog: &'q Catalog, session: &'q Session<S>, text: &'q str) -> Self {
        Binder {
            catalog,
            session,
            text,
            levels: Vec::new(),
            parameters: Parameters::default(),
            commons: Vec::new(),
            uses: Uses::default(),
            repeats: false,
            unordered: false,
            views: 0,
            opened: 0,
            height: 0,
            rise: 0,
            nested: 0,
            reads: Vec::new(),
            home: None,
            schemas: 0,
            plan: Vec::new(),
            depth: 0,
            within: None,
            pending: Vec::new(),
            keeps_right: false,
            explains: false,
            selects: 0,
            changes: false,
            _store: PhantomData,
        }
    }

    pub(in crate::sql) fn push_level(&mut self) {
        let reaches = self.levels.len();
        self.levels.push(Level::new(reaches));
    }

    pub(in crate::sql) fn pop_level(&mut self) -> Result<Level<'q, S>> {
        self.levels.pop().ok_or_else(|| Failure::internal("no level"))
    }

    pub(in crate::sql) fn level(&mut self) -> &mut Level<'q, S> {
        if self.levels.is_empty() {
            self.push_level();
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    /// Shows the queries of conditions that are asked once some tables have rows.
    pub(in crate::sql) fn show_pending(&mut self, done: u64) {
        for (mask, lines) in &mut self.pending {
            if mask.is_some_and(|mask| mask & !done == 0) {
                self.plan.append(lines);
            }
        }
    }

    /// What the plan says.
    pub(in crate::sql) fn whole_plan(&mut self) -> Vec<(u32, String)> {
        self.show_subqueries(Vec::new());
        std::mem::take(&mut self.plan)
    }

    /// Shows the queries that are left, and goes back to those of the level around.
    fn show_subqueries(&mut self, around: Vec<(Option<u64>, Vec<(u32, String)>)>) {
        for (_, mut lines) in std::mem::replace(&mut self.pending, around) {
            self.plan.append(&mut lines);
        }
    }

    /// Shows how rows without partners are found.
    fn show_right_joins(&mut self, lines: &[(u32, String)]) {
        self.plan.extend_from_slice(lines);
    }

    /// Whether what is bound now is within another query, and may run many times.
    pub(in crate::sql) fn is_within(&self) -> bool {
        self.levels.len() > 1
    }

    /// How deep in the plan what is bound now is shown.
    pub(in crate::sql) fn depth(&self) -> u32 {
        self.depth
    }

    /// The columns of a slot of the innermost level that are read.
    pub(in crate::sql) fn columns_of(&self, slot: usize) -> Option<&BTreeSet<u16>> {
        self.levels.last()?.columns.get(slot)
    }

    /// The table or view of a name.
    pub(super) fn find(&mut self, name: &ast::QualifiedName) -> Result<&'q Relation> {
        let found = self.catalog.find(name, self.home)?;
        self.schemas |= 1_u16.checked_shl(found.schema() as u32).unwrap_or(0);
        Ok(found)
    }

    /// A column by its name, from the innermost level outwards.
    fn resolve(&mut self, column: &'q ast::Column) -> Result<Bound<S>> {
        let name = &*column.name.text;
        let schema = match &column.schema {
            None => None,
            Some(schema) => Some(self.catalog.number(schema).ok_or_else(|| self.no_column(column))?),
        };
        for depth in 0..self.levels.len() {
            let at = self.levels.len() - 1 - depth;
            let mut found = Vec::new();
            for table in &self.levels[at].tables {
                let qualified = column.table.as_ref();
                // `NEW`, `OLD`, `excluded` and queries are in no database.
                let elsewhere = schema.is_some() && table.schema != schema;
                if elsewhere || qualified.is_some_and(|wanted| !wanted.is(&table.name)) {
                    continue;
                }
                let fits =
                    |of: &&ScopeColumn| of.name.eq_ignore_ascii_case(name) && (qualified.is_some() || !of.hidden);
                found.extend(table.columns.iter().filter(fits).cloned());
            }
            if found.is_empty() && ["rowid", "oid", "_rowid_"].iter().any(|rowid| rowid.eq_ignore_ascii_case(name)) {
                let named = |table: &&ScopeTable| match &column.table {
                    Some(wanted) => wanted.is(&table.name) && (schema.is_none() || table.schema == schema),
                    None => !table.is_qualified(),
                };
                let tables: Vec<_> = self.levels[at].tables.iter().filter(named).collect();
                if let [ScopeTable { rowid: Some(place), .. }] = tables[..] {
                    found.push(ScopeColumn {
                        name: name.into(),
                        affinity: Some(Affinity::Integer),
                        collation: None,
                        declared: "INTEGER".into(),
                        place: *place,
                        hidden: false,
                        joined: Vec::new(),
                        used_again: false,
                    });
                }
            }
            match &found[..] {
                [] => {}
                [one] => return self.place(one, depth, column.table.is_none()),
                _ => {
                    let shown = displayed(column);
                    return Err(Failure::error(format!("ambiguous column name: {shown}")).at(start(column)));
                }
            }
            if column.table.is_none() && !self.levels[at].busy {
                let alias = self.levels[at].aliases.iter().find(|(alias, _)| alias.is(name)).map(|(_, expr)| *expr);
                if let (Some(expr), 0) = (alias, depth) {
                    self.levels[at].busy = true;
                    let bound = self.expr(expr);
                    self.levels[at].busy = false;
                    return bound;
                }
            }
        }
        if column.table.is_none() {
            match column.name.quote {
                Quote::Double => return Ok(Bound::constant(name.into())),
                Quote::Bare if column.name.is("true") => return Ok(Bound::constant(true.into())),
                Quote::Bare if column.name.is("false") => return Ok(Bound::constant(false.into())),
                _ => {}
            }
        }
        Err(self.no_column(column))
    }

    fn no_column(&self, column: &ast::Column) -> Failure {
        Failure::error(format!("no such column: {}", displayed(column))).at(start(column))
    }

    /// A column that was found so many levels out; by its own name alone, what joins made of it.
    fn place(&mut self, column: &ScopeColumn, depth: usize, alone: bool) -> Result<Bound<S>> {
        let parts = match alone && !column.joined.is_empty() {
            true => &column.joined[..],
            false => std::slice::from_ref(column),
        };
        let at = self.levels.len() - 1 - depth;
        for level in &mut self.levels[at + 1..] {
            level.reaches = level.reaches.min(at);
        }
        let level = &mut self.levels[at];
        let mut places = Vec::with_capacity(1);
        for part in parts {
            level.note(part.place);
            places.push(level.after_groups(part.place)?);
        }
        let local = |place| match depth {
            0 => Expr::Local(place),
            _ => Expr::Outer(depth as u16, place),
        };
        match (parts, &places[..]) {
            ([part], [one]) => {
                Ok(Bound { expr: local(*one), affinity: part.affinity, collation: part.collation, explicit: false })
            }
            _ => Ok(Bound::plain(Expr::Coalesce(places.into_iter().map(local).collect()))),
        }
    }
}

impl<S: Store> Level<'_, S> {
    /// Where a column is when rows have become groups.
    fn after_groups(&mut self, place: Place) -> Result<Place> {
        if self.before || matches!(place, Place::Register(_)) {
            return Ok(place);
        }
        let Some(groups) = &mut self.groups else { return Ok(place) };
        if let Some((_, register)) = groups.places.iter().find(|(known, _)| *known == place) {
            return Ok(Place::Register(*register));
        }
        let register = self.registers;
        self.registers = register.checked_add(1).ok_or_else(|| Failure::error("too many columns"))?;
        groups.places.push((place, register));
        groups.captured.push((Expr::Local(place), register));
        Ok(Place::Register(register))
    }
}

/// Where a column's name begins.
fn start(column: &ast::Column) -> u32 {
    let first = column.schema.as_ref().or(column.table.as_ref()).unwrap_or(&column.name);
    first.span.start
}

fn displayed(column: &ast::Column) -> String {
    let parts = [column.schema.as_ref(), column.table.as_ref(), Some(&column.name)];
    parts.into_iter().flatten().map(|part| &*part.text).collect::<Vec<_>>().join(".")
}
