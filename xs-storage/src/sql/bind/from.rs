//! `FROM`: where rows come from, and what names they bring.

use std::sync::Arc;

use super::flatten::{Flat, has_right};
use super::nested::in_slot;
use super::{Binder, Bound, REFERENCES, ScopeColumn, ScopeTable, VIEWS};
use crate::sql::ast::{self, FromItem, Indexed, JoinConstraint, JoinKind, Source};
use crate::sql::catalog::{Relation, Table, View, folded};
use crate::sql::exec::{Body, Expr, OutputColumn, Place, Query, Relation as Compare};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;
use crate::sql::value::Affinity;

/// What the rows of a slot are.
pub(in crate::sql) enum Rows<S: Store> {
    Table(Arc<Table>),
    /// With whether it depends on queries around.
    Query(Box<Query<S>>, bool),
}

/// A table of `FROM`. Its slot is its place in the list.
pub(in crate::sql) struct FromTable<'q, S: Store> {
    pub(in crate::sql) name: Box<str>,
    pub(in crate::sql) rows: Rows<S>,
    /// The database that it is in, if it is a table or a view.
    schema: Option<usize>,
    pub(in crate::sql) kind: JoinKind,
    natural: bool,
    pub(in crate::sql) indexed: Option<&'q Indexed>,
    on: Vec<&'q ast::Expr>,
    using: Vec<&'q str>,
    /// That it is the table of a query in `FROM`.
    pub(in crate::sql) flat: Option<Flat<'q>>,
    /// What its query's plan says.
    pub(in crate::sql) plan: Vec<(u32, String)>,
    /// The arguments of a function, until they are bound.
    pub(super) args: &'q [ast::Expr],
    /// The tables that its arguments need.
    pub(in crate::sql) needs: u64,
    /// The tables that it shows instead of itself, if it is a join.
    parts: Vec<ScopeTable>,
    /// The name of the view or common table that it is, whatever it is called here.
    pub(in crate::sql) origin: Option<Box<str>>,
}

/// A join of more would not fit into the sets of tables that conditions keep.
pub(super) const TABLES: usize = 64;

impl<'q, S: Store> Binder<'q, S> {
    /// The tables, before the level that they belong to is there: a query among them doesn't see its neighbours. And how far out
    /// they reached.
    pub(super) fn sources(&mut self, from: &'q [FromItem]) -> Result<(Vec<FromTable<'q, S>>, usize)> {
        let mut tables = Vec::new();
        let mut reaches = self.levels.len();
        let keeps_right = std::mem::replace(&mut self.keeps_right, has_right(from));
        let added = self.add_sources(from, &mut tables, &mut reaches);
        self.keeps_right = keeps_right;
        added?;
        if tables.len() > TABLES {
            return Err(Failure::error("at most 64 tables in a join"));
        }
        Ok((tables, reaches))
    }

    fn add_sources(
        &mut self,
        from: &'q [FromItem],
        tables: &mut Vec<FromTable<'q, S>>,
        reaches: &mut usize,
    ) -> Result<()> {
        let unordered = self.unordered;
        for item in from {
            self.unordered = unordered;
            let schema = self.schema_of(item);
            let kind = item.join.map_or(JoinKind::Comma, |join| join.kind);
            let natural = item.join.is_some_and(|join| join.natural);
            let start = tables.len();
            if let Source::Nested(items) = &item.source {
                let outer = matches!(kind, JoinKind::Left | JoinKind::Right | JoinKind::Full);
                let has_outer = |item: &FromItem| {
                    item.join.is_some_and(|join| matches!(join.kind, JoinKind::Right | JoinKind::Full))
                };
                let shared = natural || matches!(item.constraint, Some(JoinConstraint::Using(_)));
                if start > 0 && (outer || shared || items.iter().any(has_outer)) {
                    let plan = std::mem::take(&mut self.plan);
                    let (query, out, parts) = self.nested(items)?;
                    let plan = std::mem::replace(&mut self.plan, plan);
                    *reaches = out.min(*reaches);
                    let correlated = out < self.levels.len();
                    let rows = Rows::Query(Box::new(query), correlated);
                    let from = FromTable::of_rows(format!("(join-{})", start + 1).into(), rows);
                    tables.push(FromTable { kind, natural, plan, parts, ..from });
                } else {
                    self.add_sources(items, tables, reaches)?;
                }
                if let Some(first) = tables.get_mut(start)
                    && kind == JoinKind::Cross
                {
                    first.kind = kind;
                }
            } else if let (false, Some((table, flat, indexed))) = (self.keeps_right, self.flat(item)?) {
                let alias = item.alias.as_ref().map(|alias| alias.text.clone());
                let name = match (&alias, &item.source) {
                    (None, Source::Table(name, _)) => name.name.text.clone(),
                    _ => alias.unwrap_or_default(),
                };
                let from = FromTable::of(name, table);
                tables.push(FromTable { kind, natural, indexed, schema, flat: Some(flat), ..from });
            } else {
                let plan = std::mem::take(&mut self.plan);
                let (name, rows, indexed) = self.source(item, reaches)?;
                let plan = std::mem::replace(&mut self.plan, plan);
                let args = super::function::args_of(&item.source);
                let origin = match (&item.source, &rows) {
                    (Source::Table(name, _), Rows::Query(..)) => Some(name.name.text.clone()),
                    _ => None,
                };
                let from = FromTable::of_rows(name, rows);
                tables.push(FromTable { kind, natural, indexed, schema, plan, args, origin, ..from });
            }
            let last = tables.last_mut().filter(|_| item.constraint.is_some());
            match (last, &item.constraint) {
                (Some(last), Some(JoinConstraint::On(on))) => last.on.push(on),
                (Some(last), Some(JoinConstraint::Using(columns))) => {
                    last.using.extend(columns.iter().map(|column| &*column.text));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The database of what a source names, if that is a table or a view.
    fn schema_of(&self, item: &FromItem) -> Option<usize> {
        let Source::Table(name, _) = &item.source else { return None };
        let is_common =
            name.schema.is_none() && self.commons.iter().any(|common| common.table.name.is(&name.name.text));
        let found = self.catalog.find(name, self.home).ok().filter(|_| !is_common);
        found.map(Relation::schema)
    }

    fn source(&mut self, item: &'q FromItem, reaches: &mut usize) -> Result<(Box<str>, Rows<S>, Option<&'q Indexed>)> {
        let alias = item.alias.as_ref().map(|alias| alias.text.clone());
        match &item.source {
            Source::Table(name, indexed) => {
                let rows = self.named(name, reaches)?;
                if let (Rows::Query(query, _), Some(Indexed::By(index))) = (&rows, indexed) {
                    return Err(Failure::error(match query.body {
                        Body::Current(_) => "no query solution".to_owned(),
                        _ => format!("no such index: \"{}\"", index.text),
                    }));
                }
                Ok((alias.unwrap_or_else(|| name.name.text.clone()), rows, indexed.as_ref()))
            }
            Source::Select(select) => {
                self.depth += 1;
                let (query, out) = self.select(select)?;
                self.depth -= 1;
                *reaches = out.min(*reaches);
                let correlated = out < self.levels.len();
                Ok((alias.unwrap_or_default(), Rows::Query(Box::new(query), correlated), None))
            }
            Source::Function(name, args) => {
                let query = self.function_named(name, args.len())?;
                Ok((alias.unwrap_or_else(|| name.name.text.clone()), Rows::Query(Box::new(query), false), None))
            }
            Source::Nested(_) => Err(Failure::internal("a join as one table")),
        }
    }

    /// What a name stands for: a common table, a table, a view.
    fn named(&mut self, name: &'q ast::QualifiedName, reaches: &mut usize) -> Result<Rows<S>> {
        if name.schema.is_none()
            && let Some(at) = self.commons.iter().rposition(|common| common.table.name.is(&name.name.text))
        {
            let (rows, out) = self.common(at)?;
            *reaches = out.min(*reaches);
            return Ok(rows);
        }
        let found = self.find(name);
        if let (Err(_), Some(query)) = (&found, self.table_function(&name.name.text)?) {
            return Ok(Rows::Query(Box::new(query), false));
        }
        match found? {
            Relation::Table(table) => {
                self.reads.push(table.root);
                Ok(Rows::Table(table.clone()))
            }
            Relation::View(view) => Ok(Rows::Query(Box::new(self.view(view)?), false)),
        }
    }

    pub(super) fn open_view(&mut self) -> Result<()> {
        self.views += 1;
        self.opened += 1;
        if self.opened > REFERENCES {
            return Err(Failure::error(format!("too many references to views and common tables: max {REFERENCES}")));
        }
        match self.views > VIEWS {
            true => Err(Failure::error("views or common tables within each other too deeply")),
            false => Ok(()),
        }
    }

    pub(super) fn view(&mut self, view: &'q View) -> Result<Query<S>> {
        self.open_view()?;
        self.uses.add_view(self.catalog, self.session, view);
        // A view sees nothing of where it is used.
        let levels = std::mem::take(&mut self.levels);
        let commons = std::mem::take(&mut self.commons);
        let text = std::mem::replace(&mut self.text, &view.sql);
        let home = std::mem::replace(&mut self.home, view.home());
        let bound = self.select(&view.create.select);
        (self.levels, self.commons, self.text, self.home) = (levels, commons, text, home);
        self.views -= 1;
        let (mut query, _) = bound?;
        rename(&mut query.columns, &view.create.columns, &view.create.name.name.text)?;
        Ok(query)
    }

    /// All of a table, as `IN t` has it.
    pub(super) fn whole_table(&mut self, name: &'q ast::QualifiedName) -> Result<(Query<S>, usize)> {
        let mut reaches = self.levels.len();
        let rows = self.named(name, &mut reaches)?;
        let table = match rows {
            Rows::Query(query, _) => return Ok((*query, reaches)),
            Rows::Table(table) => table,
        };
        let name = table.name.clone();
        let mut tables = vec![FromTable::of(name, table)];
        self.push_level();
        self.show(&mut tables)?;
        let columns: Vec<_> = self.level().tables[0].columns.clone();
        let mut outputs = Vec::new();
        for column in &columns {
            self.level().note(column.place);
            outputs.push(Expr::Local(column.place));
        }
        let planned = self.plan_joins(tables, Vec::new(), Vec::new(), None)?;
        self.pop_level()?;
        let shown = columns.into_iter().map(OutputColumn::from).collect();
        let core = crate::sql::exec::Core::new(planned.frame, planned.joined, None, outputs, None);
        Ok((Query::new(Body::Core(Box::new(core)), shown), reaches))
    }

    /// Shows the tables' names in the level that was pushed, and answers what each join asks for.
    pub(super) fn show(&mut self, tables: &mut [FromTable<'q, S>]) -> Result<Vec<Vec<(Expr<S>, u64)>>> {
        let slots = tables.len();
        let keeps_right = last_right(tables).is_some();
        self.level().columns = vec![Default::default(); slots];
        let mut conditions = Vec::with_capacity(slots);
        for (slot, table) in tables.iter_mut().enumerate() {
            let columns = match &table.rows {
                _ if !table.parts.is_empty() => {
                    table.parts.iter().flat_map(|part| in_slot(&part.columns, slot as u16)).collect()
                }
                Rows::Table(table) => table_columns(table, slot as u16),
                Rows::Query(query, _) => super::function::columns(query, slot as u16),
            };
            let columns = match &table.flat {
                Some(flat) => flat.shown(&columns),
                None => columns,
            };
            let has_rowid = table.has_rowid() && table.flat.is_none();
            let rowid = has_rowid.then_some(Place::Rowid { slot: slot as u16 });
            let mut shown = ScopeTable { name: table.name.clone(), schema: table.schema, columns, rowid };
            let mut shared: Vec<Box<str>> = Vec::new();
            for name in std::mem::take(&mut table.using) {
                if !shared.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    shared.push(name.into());
                }
            }
            if table.natural {
                if !shared.is_empty() || !table.on.is_empty() {
                    return Err(Failure::error("a NATURAL join may not have an ON or USING clause"));
                }
                let known = |name: &str| {
                    let all = self.levels.last().into_iter().flat_map(|level| &level.tables);
                    all.flat_map(|table| &table.columns).any(|column| column.name.eq_ignore_ascii_case(name))
                };
                let columns = shown.columns.iter().take(table.shown());
                for column in columns.filter(|column| !column.hidden && known(&column.name)) {
                    if !shared.iter().any(|known| known.eq_ignore_ascii_case(&column.name)) {
                        shared.push(column.name.clone());
                    }
                }
            }
            let mut equal = Vec::new();
            // Of several columns that are ambiguous, the last one is told of.
            let mut ambiguous = None;
            for name in &shared {
                match self.share(name, &mut shown, table.kind, keeps_right) {
                    Err(failure) if failure.message().starts_with("ambiguous") => ambiguous = Some(failure),
                    shared => equal.push(shared?),
                }
            }
            if let Some(failure) = ambiguous {
                return Err(failure);
            }
            conditions.push(equal);
            let mut columns = std::mem::take(&mut shown.columns).into_iter();
            for mut part in std::mem::take(&mut table.parts) {
                part.columns = columns.by_ref().take(part.columns.len()).collect();
                self.level().tables.push(part);
            }
            shown.columns = columns.collect();
            if !shown.columns.is_empty() {
                self.level().tables.push(shown);
            }
        }
        for (slot, table) in tables.iter_mut().enumerate() {
            if let (Some(flat), Rows::Table(rows)) = (&table.flat, &table.rows) {
                conditions[slot].extend(self.flat_conditions(flat, rows, slot)?);
            }
            for on in std::mem::take(&mut table.on) {
                for condition in self.conditions(on)? {
                    conditions[slot].push(condition);
                }
            }
            self.bind_args(slot, table)?;
        }
        Ok(conditions)
    }

    /// A column of `USING`: equal on both sides, and shown once. `keeps_right` says that some join here keeps right rows.
    fn share(
        &mut self,
        name: &str,
        right: &mut ScopeTable,
        kind: JoinKind,
        keeps_right: bool,
    ) -> Result<(Expr<S>, u64)> {
        let missing = || Failure::error(format!("cannot join using column {name} - column not present in both tables"));
        let is_own = |column: &&mut ScopeColumn| !column.hidden && column.name.eq_ignore_ascii_case(name);
        let own = right.columns.iter_mut().find(is_own).ok_or_else(missing)?;
        let level = self.level();
        let mut lefts: Vec<&mut ScopeColumn> = Vec::new();
        for table in &mut level.tables {
            let Some(left) = table.columns.iter_mut().find(|column| column.name.eq_ignore_ascii_case(name)) else {
                continue;
            };
            // A join in parentheses is one table here.
            if lefts.last().is_some_and(|last| last.place.slot() == left.place.slot()) {
                continue;
            }
            if keeps_right && !lefts.is_empty() && !left.hidden {
                return Err(Failure::error(format!("ambiguous reference to {name} in USING()")));
            }
            left.used_again = true;
            lefts.push(left);
        }
        // Without right rows the first has the value, if any has it.
        let counted = if keeps_right { lefts.len() } else { 1 };
        let mut places: Vec<_> = lefts.iter().take(counted).map(|column| column.place).collect();
        let bound = |column: &ScopeColumn| Bound {
            expr: Expr::Local(column.place),
            affinity: column.affinity,
            collation: column.collation,
            explicit: false,
        };
        let first = lefts.into_iter().next().ok_or_else(missing)?;
        let left = match places[..] {
            [_] => bound(first),
            _ => Bound::plain(Expr::Coalesce(places.iter().map(|place| Expr::Local(*place)).collect())),
        };
        places.push(own.place);
        match kind {
            JoinKind::Right => first.joined = vec![own.clone()],
            JoinKind::Full => {
                if first.joined.is_empty() {
                    first.joined.push(ScopeColumn { joined: Vec::new(), ..first.clone() });
                }
                first.joined.push(own.clone());
            }
            _ => {}
        }
        own.hidden = true;
        let own = bound(own);
        let used = std::mem::take(&mut level.used);
        places.into_iter().for_each(|place| level.note(place));
        let mask = std::mem::replace(&mut level.used, used);
        let how = super::expr::comparison(&left, &own);
        Ok((Expr::Compare(Compare::Eq, how, Box::new((left.expr, own.expr))), mask))
    }

    /// The parts of a condition that all must hold, each with the tables that it is about.
    pub(in crate::sql) fn conditions(&mut self, expr: &'q ast::Expr) -> Result<Vec<(Expr<S>, u64)>> {
        let mut parts = Vec::new();
        let mut open = vec![expr];
        while let Some(expr) = open.pop() {
            match expr {
                ast::Expr::Binary(binary) if binary.op == ast::BinaryOp::And => {
                    open.push(&binary.right);
                    open.push(&binary.left);
                }
                other => {
                    let used = std::mem::take(&mut self.level().used);
                    let queries = self.pending.len();
                    let bound = self.expr(other);
                    let mask = std::mem::replace(&mut self.level().used, used);
                    for (within, _) in self.pending.iter_mut().skip(queries) {
                        *within = Some(mask);
                    }
                    let expr = bound?.expr;
                    parts.push((
                        match super::index::likelihood(other) {
                            Some(truth) => Expr::Likely(truth, Box::new(expr)),
                            None => expr,
                        },
                        mask,
                    ));
                }
            }
        }
        Ok(parts)
    }
}

/// The last table whose rows without partners are kept.
pub(super) fn last_right<S: Store>(tables: &[FromTable<'_, S>]) -> Option<usize> {
    tables.iter().rposition(|table| matches!(table.kind, JoinKind::Right | JoinKind::Full))
}

impl<S: Store> FromTable<'_, S> {
    /// A table by itself.
    pub(in crate::sql) fn of(name: Box<str>, table: Arc<Table>) -> Self {
        let schema = Some(table.schema);
        FromTable { schema, ..FromTable::of_rows(name, Rows::Table(table)) }
    }

    pub(super) fn of_rows(name: Box<str>, rows: Rows<S>) -> Self {
        FromTable {
            name,
            rows,
            schema: None,
            kind: JoinKind::Comma,
            natural: false,
            indexed: None,
            on: Vec::new(),
            using: Vec::new(),
            flat: None,
            plan: Vec::new(),
            args: &[],
            needs: 0,
            parts: Vec::new(),
            origin: None,
        }
    }
}

/// The columns of a table, as a slot has them.
pub(in crate::sql) fn table_columns(table: &Table, slot: u16) -> Vec<ScopeColumn> {
    let of = |(at, column): (usize, &crate::sql::catalog::Column)| ScopeColumn {
        name: column.name.clone(),
        affinity: Some(column.affinity),
        collation: Some(column.collation),
        declared: column.declared.clone(),
        place: match column.affinity {
            _ if table.rowid_column == Some(at) => Place::Rowid { slot },
            Affinity::Real => Place::Real { slot, column: at as u16 },
            _ => Place::Column { slot, column: at as u16 },
        },
        hidden: false,
        joined: Vec::new(),
        used_again: false,
    };
    table.columns.iter().enumerate().map(of).collect()
}

pub(super) fn query_columns(columns: &[OutputColumn], slot: u16) -> Vec<ScopeColumn> {
    let of = |(at, column): (usize, &OutputColumn)| ScopeColumn {
        name: column.name.clone(),
        affinity: column.affinity,
        collation: column.collation,
        declared: column.declared.clone(),
        place: Place::Column { slot, column: at as u16 },
        hidden: false,
        joined: Vec::new(),
        used_again: false,
    };
    columns.iter().enumerate().map(of).collect()
}

impl From<ScopeColumn> for OutputColumn {
    fn from(column: ScopeColumn) -> Self {
        let ScopeColumn { name, affinity, collation, declared, .. } = column;
        OutputColumn { name, affinity, collation, declared }
    }
}

/// Gives the columns other names, and those that have the same name a number.
pub(super) fn rename(columns: &mut [OutputColumn], names: &[ast::Ident], of: &str) -> Result<()> {
    if !names.is_empty() {
        if names.len() != columns.len() {
            let (want, have) = (names.len(), columns.len());
            return Err(Failure::error(format!("table {of} has {have} values for {want} columns")));
        }
        for (column, name) in columns.iter_mut().zip(names) {
            column.name = name.text.clone();
        }
    }
    let mut taken = std::collections::BTreeSet::new();
    for column in columns {
        let mut name = column.name.clone();
        let mut number = 0;
        while !taken.insert(folded(&name)) {
            number += 1;
            name = format!("{}:{number}", column.name).into();
        }
        column.name = name;
    }
    Ok(())
}
