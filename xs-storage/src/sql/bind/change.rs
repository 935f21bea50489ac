//! `INSERT`, `UPDATE`, `DELETE`, bound.

use std::cell::RefCell;
use std::sync::Arc;

use super::upsert::assigned_names;
use super::{Binder, FromTable, Rows, ScopeTable, pair};
use crate::sql::ast::{self, Assignment, Conflict};
use crate::sql::catalog::{Column, Event, Relation, Table, View};
use crate::sql::exec::{
    Body, Change, Changing, Core, Expr, Hooks, Insert, Inserting, OutputColumn, Place, Query, SEQUENCE, Sets, Side,
    Subquery, Target, Watched, Writer,
};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::Store;
use crate::sql::value::Affinity;

/// A value that is assigned: of several that one query gives, which.
#[derive(Clone, Copy)]
pub(super) struct Assigned<'q> {
    value: &'q ast::Expr,
    column: usize,
    of: usize,
}

impl<'q, S: Store> Binder<'q, S> {
    /// The table that a statement changes, or the view that its triggers change instead.
    fn target(&mut self, target: &'q ast::Target, event: Event<'_>) -> Result<(Arc<Table>, Option<Query<S>>)> {
        let found = self.find(&target.name).map_err(|failure| self.unchangeable(&target.name, failure))?;
        let catalog = self.catalog;
        catalog.of(found.schema()).check_changeable(&target.name.name.text)?;
        match found {
            Relation::Table(table) if table.is_schema() => {
                Err(Failure::error(format!("table {} may not be modified", table.name)))
            }
            Relation::Table(table) => Ok((table.clone(), None)),
            Relation::View(view) => {
                let name = &view.create.name.name.text;
                if !catalog.triggers_on(view.schema, name).any(|trigger| trigger.waits_for(event)) {
                    return Err(Failure::error(format!("cannot modify {name} because it is a view")));
                }
                let (table, rows) = self.view_table(view)?;
                Ok((Arc::new(table), Some(rows)))
            }
        }
    }

    /// A view as a table, and its rows.
    pub(super) fn view_table(&mut self, view: &'q View) -> Result<(Table, Query<S>)> {
        let rows = self.view(view)?;
        let column = |column: &OutputColumn| Column {
            name: column.name.clone(),
            declared: column.declared.clone(),
            affinity: column.affinity.unwrap_or(Affinity::Blob),
            collation: column.collation.unwrap_or_default(),
            not_null: None,
            default: None,
            generated: None,
        };
        let columns = rows.columns.iter().map(column).collect();
        Ok((Table::of_view(&view.create.name.name.text, view.schema, columns), rows))
    }

    /// What writes to a table. The table lives in the catalog, and so do its conditions.
    pub(in crate::sql) fn writer(&mut self, table: &Arc<Table>, conflict: Option<Conflict>) -> Result<Writer<S>> {
        if table.root == 0 {
            let defaults = table.columns.iter().map(|_| None).collect();
            return Ok(Writer::new(self.session, table.clone(), Vec::new(), defaults, conflict));
        }
        let catalog = self.catalog;
        let table = self.lasting(table)?;
        let mut columns = super::from::table_columns(table, 0);
        for (at, column) in columns.iter_mut().enumerate() {
            column.place = Place::Register(at as u16);
        }
        self.push_level();
        self.level().tables.push(ScopeTable {
            name: table.name.clone(),
            schema: Some(table.schema),
            columns,
            rowid: None,
        });
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
            let Some(Relation::Table(sequence)) = catalog.of(table.schema).relation(SEQUENCE) else {
                return Err(Failure::new(ResultCode::CORRUPT, "database disk image is malformed"));
            };
            writer.sequence_tree = Some(sequence.root);
        }
        writer.reader.generated = self.generated(table)?;
        Ok(writer)
    }

    fn column_target(&self, table: &Table, name: &ast::Ident) -> Result<Target> {
        if let Some(column) = table.column(&name.text) {
            return Ok(Target::Column(column));
        }
        match table.key.is_none() && ["rowid", "oid", "_rowid_"].iter().any(|rowid| name.is(rowid)) {
            true => Ok(Target::Rowid),
            false => Err(Failure::error("")),
        }
    }

    pub(in crate::sql) fn insert(&mut self, insert: &'q ast::Insert) -> Result<Insert<S>> {
        let (table, view) = self.target(&insert.target, Event::Insert)?;
        if view.is_some() && !insert.upserts.is_empty() {
            return Err(Failure::error("cannot UPSERT a view"));
        }
        let conflict = self.conflict(insert.conflict);
        let name = &insert.target.name.name.text;
        let mut targets = Vec::new();
        for column in &insert.columns {
            let target = self.column_target(&table, column).map_err(|_| {
                Failure::error(format!("table {name} has no column named {}", column.text)).at(column.span.start)
            })?;
            ordinary(&table, &target, "INSERT into")?;
            targets.push(target);
        }
        if insert.columns.is_empty() {
            let given = |column: &usize| table.columns[*column].generated.is_none();
            targets = (0..table.columns.len()).filter(given).map(Target::Column).collect();
        }
        let commons = self.commons.len();
        if let Some(with) = &insert.with {
            self.with(with)?;
        }
        let reads = self.reads.len();
        let source = insert.source.as_ref().map(|source| self.select(source)).transpose()?.map(|(query, _)| query);
        let hooks = self.hooks(&table, Event::Insert);
        let gather = hooks.has_triggers() || self.reads[reads..].contains(&table.root);
        if let Some(source) = &source
            && source.columns.len() != targets.len()
        {
            let (given, wanted) = (source.columns.len(), targets.len());
            return Err(Failure::error(match insert.columns.is_empty() {
                true => format!("table {name} has {wanted} columns but {given} values were supplied"),
                false => format!("{given} values for {wanted} columns"),
            }));
        }
        let writer = self.writer(&table, conflict)?;
        let deletes = Hooks::default();
        let (returning, upserts, state) = (None, Vec::new(), Inserting::default());
        let mut bound = Insert { writer, source, targets, gather, hooks, deletes, upserts, returning, state };
        self.upserts(&mut bound, insert)?;
        // What is not named is there as well, but a rowid that is made is new.
        let own = table.rowid_column.map_or(Target::Rowid, Target::Column);
        let named = bound.names_rowid();
        let mut given: Vec<_> = (0..table.columns.len()).map(Target::Column).collect();
        given.retain(|target| named || *target != own);
        given.extend(named.then_some(Target::Rowid));
        let single = bound.source.as_ref().is_none_or(Query::is_one_row)
            && !bound.hooks.has_triggers()
            && bound.upserts.iter().all(|upsert| upsert.hooks.is_empty())
            && insert.returning.is_empty()
            && self.within.is_none()
            && !self.session.violations.defer.get()
            && !bound.writer.may_replace(&given, false);
        self.watch(&mut bound.hooks, &table, &Watched::Insert { single })?;
        let ways = 1 + bound.upserts.len();
        bound.returning = self.returning(&insert.returning, &table, Side::New, ways)?;
        self.expect(&bound.hooks.before, conflict)?;
        for upsert in &bound.upserts {
            self.expect(&upsert.hooks.before, Some(Conflict::Abort))?;
            self.expect_actions(&upsert.hooks)?;
            self.expect(&upsert.hooks.after, Some(Conflict::Abort))?;
        }
        bound.deletes = self.deletes(&bound.writer, &given, false)?;
        bound.gather |= bound.deletes.actions().is_some();
        self.commons.truncate(commons);
        self.expect(&bound.hooks.after, conflict)?;
        Ok(bound)
    }

    pub(in crate::sql) fn delete(&mut self, delete: &'q ast::Delete) -> Result<Change<S>> {
        let (table, view) = self.target(&delete.target, Event::Delete)?;
        let commons = self.commons.len();
        if let Some(with) = &delete.with {
            self.with(with)?;
        }
        let (indexed, filter) = (delete.indexed.as_ref(), delete.filter.as_ref());
        let rows = self.changed((&table, view), &delete.target, indexed, &[], filter, &[])?;
        let writer = self.writer(&table, None)?;
        let returning = self.returning(&delete.returning, &table, Side::Old, 1)?;
        let mut hooks = self.hooks(&table, Event::Delete);
        self.watch(&mut hooks, &table, &Watched::Delete)?;
        self.expect_all(&table, Event::Delete, None)?;
        self.expect_actions(&hooks)?;
        self.commons.truncate(commons);
        Ok(Change { writer, rows, sets: None, hooks, deletes: Hooks::default(), returning, state: Changing::default() })
    }

    pub(in crate::sql) fn update(&mut self, update: &'q ast::Update) -> Result<Change<S>> {
        let names = assigned_names(&update.sets);
        let (table, view) = self.target(&update.target, Event::Update(&names))?;
        let conflict = self.conflict(update.conflict);
        let (targets, assigned) = self.assignments(&table, &update.sets)?;
        let commons = self.commons.len();
        if let Some(with) = &update.with {
            self.with(with)?;
        }
        let own = update.target.alias.as_ref().unwrap_or(&update.target.name.name);
        for item in &update.from {
            if let (ast::Source::Table(name, _), None) = (&item.source, &item.alias)
                && own.is(&name.name.text)
            {
                let name = &name.name.text;
                return Err(Failure::error(format!("target object/alias may not appear in FROM clause: {name}")));
            }
        }
        let mut values = None;
        if update.from.is_empty() {
            let name = update.target.alias.as_ref().map_or(&table.name, |alias| &alias.text);
            self.push_level();
            self.level().tables.push(pair::side(name, &table, Side::Old, pair::Names::Columns));
            let bound = assigned.iter().map(|value| self.assigned_value(*value)).collect::<Result<Vec<_>>>();
            self.pop_level()?;
            values = Some(bound?);
        }
        let joined = if values.is_some() { &[][..] } else { &assigned[..] };
        let (indexed, filter) = (update.indexed.as_ref(), update.filter.as_ref());
        let rows = self.changed((&table, view), &update.target, indexed, &update.from, filter, joined)?;
        let writer = self.writer(&table, conflict)?;
        let mut hooks = self.hooks(&table, Event::Update(&names));
        self.watch(&mut hooks, &table, &Watched::update(&table, &targets))?;
        let returning = self.returning(&update.returning, &table, Side::New, 1)?;
        self.expect_all(&table, Event::Update(&names), conflict)?;
        let moves = hooks.foreign.as_ref().is_some_and(|foreign| foreign.moves);
        let deletes = self.deletes(&writer, &targets, moves)?;
        self.expect_actions(&hooks)?;
        self.commons.truncate(commons);
        let sets = Some(Sets { targets, values });
        Ok(Change { writer, rows, sets, hooks, deletes, returning, state: Changing::default() })
    }

    /// What `SET` assigns to, and the values: of a query, which of its columns.
    pub(super) fn assignments(
        &mut self,
        table: &Table,
        sets: &'q [Assignment],
    ) -> Result<(Vec<Target>, Vec<Assigned<'q>>)> {
        let (mut targets, mut values) = (Vec::new(), Vec::new());
        for set in sets {
            match set {
                Assignment::Column(name, value) => {
                    targets.push(self.assigned(table, name)?);
                    values.push(Assigned { value, column: 0, of: 1 });
                }
                Assignment::Columns(names, value) => {
                    for (at, name) in names.iter().enumerate() {
                        targets.push(self.assigned(table, name)?);
                        values.push(match value {
                            ast::Expr::Row(row) => Assigned { value: row.get(at).unwrap_or(value), column: 0, of: 1 },
                            value => Assigned { value, column: at, of: names.len() },
                        });
                    }
                    let given = match value {
                        ast::Expr::Row(row) => row.len(),
                        ast::Expr::Subquery(_) => names.len(),
                        _ => 1,
                    };
                    if given != names.len() {
                        let columns = names.len();
                        return Err(Failure::error(format!("{columns} columns assigned {given} values")));
                    }
                }
            }
        }
        Ok((targets, values))
    }

    /// A value that is assigned.
    pub(super) fn assigned_value(&mut self, Assigned { value, column, of }: Assigned<'q>) -> Result<Expr<S>> {
        let ast::Expr::Subquery(select) = value else { return Ok(self.expr(value).map_err(no_aggregate)?.expr) };
        let (query, correlated) = self.subquery(select, "SCALAR ")?;
        let columns = query.columns.len();
        if columns != of {
            return Err(Failure::error(match of {
                1 => format!("sub-select returns {columns} columns - expected 1"),
                _ => format!("{of} columns assigned {columns} values"),
            }));
        }
        let mut query = Subquery::new(query, correlated, Vec::new());
        query.column = column;
        Ok(Expr::Scalar(Box::new(RefCell::new(query))))
    }

    fn assigned(&self, table: &Table, name: &ast::Ident) -> Result<Target> {
        let missing = |_| Failure::error(format!("no such column: {}", name.text)).at(name.span.start);
        let target = self.column_target(table, name).map_err(missing)?;
        ordinary(table, &target, "UPDATE")?;
        Ok(target)
    }

    /// What the rows that are changed are known by, or of a view the rows; and behind them values that other tables have a part in.
    pub(super) fn changed(
        &mut self,
        (table, view): (&Arc<Table>, Option<Query<S>>),
        target: &'q ast::Target,
        indexed: Option<&'q ast::Indexed>,
        from: &'q [ast::FromItem],
        filter: Option<&'q ast::Expr>,
        values: &[Assigned<'q>],
    ) -> Result<Query<S>> {
        let (others, _) = self.sources(from)?;
        let name = target.alias.as_ref().map_or(&table.name, |alias| &alias.text);
        let mut own = FromTable::of(name.clone(), table.clone());
        own.indexed = indexed;
        let is_view = view.is_some();
        match view {
            Some(rows) => own.rows = Rows::Query(Box::new(rows), false),
            None => self.reads.push(table.root),
        }
        let mut tables = vec![own];
        tables.extend(others);
        if tables.len() > super::from::TABLES {
            return Err(Failure::error("at most 64 tables in a join"));
        }
        self.push_level();
        let joins = self.show(&mut tables)?;
        let filter = filter.map(|filter| self.conditions(filter)).transpose()?.unwrap_or_default();
        let mut outputs = Vec::new();
        if is_view {
            let columns: Vec<Place> = self.level().tables[0].columns.iter().map(|column| column.place).collect();
            for place in columns {
                self.level().note(place);
                outputs.push(Expr::Local(place));
            }
        } else {
            outputs.push(self.identity(table));
        }
        for value in values {
            outputs.push(self.assigned_value(*value)?);
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

/// Fails if a value is given to a column that is computed.
fn ordinary(table: &Table, target: &Target, verb: &str) -> Result<()> {
    match target {
        Target::Column(at) if table.columns[*at].generated.is_some() => {
            Err(Failure::error(format!("cannot {verb} generated column \"{}\"", table.columns[*at].name)))
        }
        _ => Ok(()),
    }
}

/// The failure of an aggregate that has no rows to be of, as SQLite says it here.
pub(super) fn no_aggregate(failure: Failure) -> Failure {
    match failure.message().strip_prefix("misuse of aggregate: ") {
        Some(name) => Failure::error(format!("misuse of aggregate function {name}")),
        None => failure,
    }
}
