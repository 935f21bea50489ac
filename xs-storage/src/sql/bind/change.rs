//! `INSERT`, `UPDATE`, `DELETE`, bound.

use std::sync::Arc;

use super::{Binder, FromTable, ScopeTable};
use crate::sql::ast::{self, Assignment, Conflict};
use crate::sql::catalog::{Relation, Table};
use crate::sql::exec::{Body, Change, Core, Expr, Insert, OutputColumn, Place, Query, SEQUENCE, Target, Writer};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{SCHEMA, Store};

impl<'q, S: Store> Binder<'q, S> {
    /// The table that a statement changes.
    fn target(&mut self, target: &'q ast::Target) -> Result<Arc<Table>> {
        let found = self.catalog.find(&target.name)?;
        self.catalog.check_changeable(&target.name.name.text)?;
        match found {
            Relation::Table(table) if table.root == SCHEMA => {
                Err(Failure::error(format!("table {} may not be modified", table.name)))
            }
            Relation::Table(table) => Ok(table.clone()),
            Relation::View(_) => {
                let name = &target.name.name.text;
                Err(Failure::error(format!("cannot modify {name} because it is a view")))
            }
        }
    }

    /// What writes to a table. The table lives in the catalog, and so do its conditions.
    fn writer(&mut self, table: &Arc<Table>, conflict: Option<Conflict>) -> Result<Writer<S>> {
        let catalog = self.catalog;
        let Some(Relation::Table(table)) = catalog.relation(&table.name) else {
            return Err(Failure::internal("a table that is not in the catalog"));
        };
        let mut columns = super::from::table_columns(table, 0);
        for (at, column) in columns.iter_mut().enumerate() {
            column.place = Place::Register(at as u16);
        }
        self.push_level();
        self.level().tables.push(ScopeTable { name: table.name.clone(), columns, rowid: None });
        let mut checks = Vec::with_capacity(table.checks.len());
        for (name, check) in &table.checks {
            checks.push((name.clone(), self.expr(check)?.expr));
        }
        self.pop_level()?;
        self.push_level();
        let mut defaults = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            defaults.push(match &column.default {
                Some(default) => Some(self.expr(default)?.expr),
                None => None,
            });
        }
        self.pop_level()?;
        let mut writer = Writer::new(self.session, table.clone(), checks, defaults, conflict);
        writer.rules = self.index_rules(table, table.indexes.iter().map(|index| &**index))?;
        if table.autoincrement {
            let Some(Relation::Table(sequence)) = catalog.relation(SEQUENCE) else {
                return Err(Failure::new(ResultCode::CORRUPT, "database disk image is malformed"));
            };
            writer.sequence_tree = Some(sequence.root);
        }
        Ok(writer)
    }

    fn column_target(&self, table: &Table, name: &ast::Ident) -> Result<Target> {
        if let Some(column) = table.column(&name.text) {
            return Ok(Target::Column(column));
        }
        match ["rowid", "oid", "_rowid_"].iter().any(|rowid| name.is(rowid)) {
            true => Ok(Target::Rowid),
            false => Err(Failure::error("")),
        }
    }

    pub(in crate::sql) fn insert(&mut self, insert: &'q ast::Insert) -> Result<Insert<S>> {
        if !insert.upserts.is_empty() {
            return Err(Failure::unsupported("ON CONFLICT"));
        }
        if !insert.returning.is_empty() {
            return Err(Failure::unsupported("RETURNING"));
        }
        let table = self.target(&insert.target)?;
        let name = &insert.target.name.name.text;
        let mut targets = Vec::new();
        for column in &insert.columns {
            let target = self.column_target(&table, column).map_err(|_| {
                Failure::error(format!("table {name} has no column named {}", column.text)).at(column.span.start)
            })?;
            targets.push(target);
        }
        if insert.columns.is_empty() {
            targets = (0..table.columns.len()).map(Target::Column).collect();
        }
        let commons = self.commons.len();
        if let Some(with) = &insert.with {
            self.with(with)?;
        }
        let reads = self.reads.len();
        let source = insert.source.as_ref().map(|source| self.select(source)).transpose()?.map(|(query, _)| query);
        self.commons.truncate(commons);
        let gather = self.reads[reads..].contains(&table.root);
        if let Some(source) = &source
            && source.columns.len() != targets.len()
        {
            let (given, wanted) = (source.columns.len(), targets.len());
            return Err(Failure::error(match insert.columns.is_empty() {
                true => format!("table {name} has {wanted} columns but {given} values were supplied"),
                false => format!("{given} values for {wanted} columns"),
            }));
        }
        let writer = self.writer(&table, insert.conflict)?;
        Ok(Insert { writer, source, targets, gather })
    }

    pub(in crate::sql) fn delete(&mut self, delete: &'q ast::Delete) -> Result<Change<S>> {
        if !delete.returning.is_empty() {
            return Err(Failure::unsupported("RETURNING"));
        }
        let table = self.target(&delete.target)?;
        let commons = self.commons.len();
        if let Some(with) = &delete.with {
            self.with(with)?;
        }
        let rows = self.changed(&table, &delete.target, delete.indexed.as_ref(), &[], delete.filter.as_ref(), &[])?;
        self.commons.truncate(commons);
        let writer = self.writer(&table, None)?;
        Ok(Change { writer, rows, sets: None, joins: false })
    }

    pub(in crate::sql) fn update(&mut self, update: &'q ast::Update) -> Result<Change<S>> {
        if !update.returning.is_empty() {
            return Err(Failure::unsupported("RETURNING"));
        }
        let table = self.target(&update.target)?;
        let mut sets = Vec::new();
        let mut values = Vec::new();
        for set in &update.sets {
            match set {
                Assignment::Column(name, value) => {
                    sets.push(self.assigned(&table, name)?);
                    values.push(value);
                }
                Assignment::Columns(names, ast::Expr::Row(row)) => {
                    if names.len() != row.len() {
                        let (columns, given) = (names.len(), row.len());
                        return Err(Failure::error(format!("{columns} columns assigned {given} values")));
                    }
                    for (name, value) in names.iter().zip(row) {
                        sets.push(self.assigned(&table, name)?);
                        values.push(value);
                    }
                }
                Assignment::Columns(..) => return Err(Failure::unsupported("SET of several columns to a query")),
            }
        }
        let commons = self.commons.len();
        if let Some(with) = &update.with {
            self.with(with)?;
        }
        let (indexed, filter) = (update.indexed.as_ref(), update.filter.as_ref());
        let rows = self.changed(&table, &update.target, indexed, &update.from, filter, &values)?;
        self.commons.truncate(commons);
        let writer = self.writer(&table, update.conflict)?;
        Ok(Change { writer, rows, sets: Some(sets), joins: !update.from.is_empty() })
    }

    fn assigned(&self, table: &Table, name: &ast::Ident) -> Result<Target> {
        let missing = |_| Failure::error(format!("no such column: {}", name.text)).at(name.span.start);
        self.column_target(table, name).map_err(missing)
    }

    /// The rowids of the rows that are changed, and behind them the new values and, if there are any, the row itself.
    fn changed(
        &mut self,
        table: &Arc<Table>,
        target: &'q ast::Target,
        indexed: Option<&'q ast::Indexed>,
        from: &'q [ast::FromItem],
        filter: Option<&'q ast::Expr>,
        values: &[&'q ast::Expr],
    ) -> Result<Query<S>> {
        let (others, _) = self.sources(from)?;
        let name = target.alias.as_ref().map_or(&table.name, |alias| &alias.text);
        let mut own = FromTable::of(name.clone(), table.clone());
        own.indexed = indexed;
        let mut tables = vec![own];
        tables.extend(others);
        self.reads.push(table.root);
        self.push_level();
        let joins = self.show(&mut tables)?;
        let filter = filter.map(|filter| self.conditions(filter)).transpose()?.unwrap_or_default();
        let mut outputs = vec![Expr::Local(Place::Rowid { slot: 0 })];
        for value in values {
            outputs.push(self.expr(value)?.expr);
        }
        if !values.is_empty() {
            let columns: Vec<Place> = self.level().tables[0].columns.iter().map(|column| column.place).collect();
            for place in columns {
                self.level().note(place);
                outputs.push(Expr::Local(place));
            }
        }
        self.changes = true;
        let planned = self.plan_joins(tables, joins, filter, None);
        self.changes = false;
        let planned = planned?;
        let level = self.pop_level()?;
        let mut frame = planned.frame;
        frame.registers = vec![Default::default(); usize::from(level.registers)];
        let column = || OutputColumn { name: "".into(), affinity: None, collation: None, declared: "".into() };
        let columns = outputs.iter().map(|_| column()).collect();
        let core = Core::new(frame, planned.joined, None, outputs, None);
        Ok(Query::new(Body::Core(Box::new(core)), columns))
    }
}
