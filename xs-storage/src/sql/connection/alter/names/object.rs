//! Objects: tables, indexes, views and triggers.

use super::{Names, Scope, Shape, Source};
use crate::sql::ast::{
    Assignment, ColumnConstraintKind, ColumnDef, CreateIndex, CreateTable, CreateTrigger, Delete, Expr, Ident, Insert,
    OrderTerm, References, Statement, TableBody, TableConstraint, TableConstraintKind, Target, TriggerEvent,
    TriggerStep, Update, UpsertUpdate,
};
use crate::sql::failure::{Failure, Result};

impl<'a> Names<'a> {
    /// Looks through the statement of an object.
    pub(in super::super) fn object(&mut self, tree: &'a Statement) -> Result<()> {
        match tree {
            Statement::CreateTable(create) => self.table(create),
            Statement::CreateIndex(create) => self.index(create),
            Statement::CreateView(create) => self.select(&create.select).map(drop),
            Statement::CreateTrigger(create) => self.trigger(create),
            _ => Ok(()),
        }
    }

    fn table(&mut self, create: &'a CreateTable) -> Result<()> {
        let TableBody::Columns { columns, constraints, .. } = &create.body else { return Ok(()) };
        let name = &create.name.name;
        self.note_table(name);
        for (at, def) in columns.iter().enumerate() {
            if columns[..at].iter().any(|other| other.name.is(&def.name.text)) {
                return Err(Failure::error(format!("duplicate column name: {}", def.name.text)));
            }
            self.note_column(&name.text, &def.name);
        }
        self.strings = self.goal.strings;
        let own = self.of_table(name)?;
        self.scopes.push(Scope { sources: vec![own], ..Scope::default() });
        let own = || columns.iter().flat_map(|def| &def.constraints).map(|constraint| &constraint.kind);
        for kind in own() {
            if let ColumnConstraintKind::References(references) = kind {
                self.references(references);
            }
        }
        for constraint in constraints {
            self.constraint(&name.text, columns, constraint)?;
        }
        // Expressions are looked at when the whole table is known.
        for kind in own() {
            if let ColumnConstraintKind::Check(expr, _) = kind {
                self.expr(expr)?;
            }
        }
        for constraint in constraints {
            if let TableConstraintKind::Check(expr, _, _) = &constraint.kind {
                self.expr(expr)?;
            }
        }
        for kind in own() {
            if let ColumnConstraintKind::Generated(expr, _) = kind {
                self.expr(expr)?;
            }
        }
        self.scopes.pop();
        Ok(())
    }

    fn constraint(&mut self, table: &str, columns: &[ColumnDef], constraint: &'a TableConstraint) -> Result<()> {
        match &constraint.kind {
            TableConstraintKind::Nothing | TableConstraintKind::Check(..) => Ok(()),
            TableConstraintKind::PrimaryKey { columns, .. } | TableConstraintKind::Unique(columns, _) => {
                self.key(columns)
            }
            TableConstraintKind::ForeignKey { columns: own, references, .. } => {
                for name in own {
                    if !columns.iter().any(|def| def.name.is(&name.text)) {
                        let name = &name.text;
                        return Err(Failure::error(format!("unknown column \"{name}\" in foreign key definition")));
                    }
                }
                self.note_columns(table, own);
                self.references(references);
                Ok(())
            }
        }
    }

    /// The columns of a key, where there can't be a string.
    fn key(&mut self, terms: &'a [OrderTerm]) -> Result<()> {
        for term in terms {
            let known = self.found.strings.len();
            let strings = std::mem::replace(&mut self.strings, true);
            self.expr(&term.expr)?;
            self.strings = strings;
            if self.found.strings.len() > known {
                return Err(Failure::error("expressions prohibited in PRIMARY KEY and UNIQUE constraints"));
            }
        }
        Ok(())
    }

    fn references(&mut self, references: &References) {
        self.note_table(&references.table);
        self.note_columns(&references.table.text, &references.columns);
    }

    fn index(&mut self, create: &'a CreateIndex) -> Result<()> {
        self.note_table(&create.table);
        self.strings = self.goal.strings;
        let own = self.of_table(&create.table)?;
        self.scopes.push(Scope { sources: vec![own], ..Scope::default() });
        self.terms(&create.columns)?;
        self.optional(create.filter.as_ref())?;
        self.scopes.pop();
        Ok(())
    }

    fn trigger(&mut self, create: &'a CreateTrigger) -> Result<()> {
        let table = &create.table.name;
        self.note_table(table);
        if let TriggerEvent::Update(columns) = &create.event {
            self.note_columns(&table.text, columns);
        }
        let mut rows = self.target_rows(table)?;
        (rows.aliased, rows.qualified) = (true, true);
        let named = |name: &str| Source { name: name.into(), ..rows.clone() };
        let sources = match &create.event {
            TriggerEvent::Insert => vec![named("new")],
            TriggerEvent::Delete => vec![named("old")],
            TriggerEvent::Update(_) => vec![named("old"), named("new")],
        };
        self.scopes.push(Scope { sources, ..Scope::default() });
        self.optional(create.when.as_ref())?;
        for step in &create.steps {
            match step {
                TriggerStep::Insert(insert) => self.insert(insert)?,
                TriggerStep::Update(update) => self.update(update)?,
                TriggerStep::Delete(delete) => self.delete(delete)?,
                TriggerStep::Select(select) => drop(self.select(select)?),
            }
        }
        self.scopes.pop();
        Ok(())
    }

    /// The rows of a table or view that is changed.
    fn target_rows(&mut self, name: &Ident) -> Result<Source> {
        let mut source = self.of_table(name)?;
        if let Some(Shape::View(..)) = self.shapes.get(&name.text) {
            source.columns = Some(self.of_view(&name.text)?);
        }
        Ok(source)
    }

    fn target(&mut self, target: &Target) -> Result<Source> {
        let mut source = self.target_rows(&target.name.name)?;
        self.note_table(&target.name.name);
        if let Some(alias) = &target.alias {
            (source.name, source.aliased) = (alias.text.clone(), true);
        }
        Ok(source)
    }

    fn sets(&mut self, table: &str, sets: &'a [Assignment]) -> Result<()> {
        for set in sets {
            let value: &'a Expr = match set {
                Assignment::Column(name, value) => {
                    self.note_column(table, name);
                    value
                }
                Assignment::Columns(names, value) => {
                    self.note_columns(table, names);
                    value
                }
            };
            self.expr(value)?;
        }
        Ok(())
    }

    fn insert(&mut self, insert: &'a Insert) -> Result<()> {
        let commons = self.commons.len();
        if let Some(with) = &insert.with {
            self.with(with)?;
        }
        let rows = self.target(&insert.target)?;
        let table = &insert.target.name.name.text;
        self.note_columns(table, &insert.columns);
        if let Some(source) = &insert.source {
            self.select(source)?;
        }
        self.commons.truncate(commons);
        let excluded = Source { name: "excluded".into(), aliased: true, qualified: true, ..rows.clone() };
        self.scopes.push(Scope { sources: vec![rows, excluded], ..Scope::default() });
        for upsert in &insert.upserts {
            if let Some(target) = &upsert.target {
                self.terms(&target.columns)?;
                self.optional(target.filter.as_ref())?;
            }
            if let Some(UpsertUpdate { sets, filter }) = &upsert.update {
                self.sets(table, sets)?;
                self.optional(filter.as_ref())?;
            }
        }
        self.results(&insert.returning)?;
        self.scopes.pop();
        Ok(())
    }

    fn update(&mut self, update: &'a Update) -> Result<()> {
        let commons = self.commons.len();
        if let Some(with) = &update.with {
            self.with(with)?;
        }
        let mut scope = Scope::default();
        scope.sources.push(self.target(&update.target)?);
        self.sources(&update.from, &mut scope)?;
        self.scopes.push(scope);
        self.conditions(&update.from)?;
        self.sets(&update.target.name.name.text, &update.sets)?;
        self.optional(update.filter.as_ref())?;
        self.results(&update.returning)?;
        self.scopes.pop();
        self.commons.truncate(commons);
        Ok(())
    }

    fn delete(&mut self, delete: &'a Delete) -> Result<()> {
        let commons = self.commons.len();
        if let Some(with) = &delete.with {
            self.with(with)?;
        }
        let rows = self.target(&delete.target)?;
        self.scopes.push(Scope { sources: vec![rows], ..Scope::default() });
        self.optional(delete.filter.as_ref())?;
        self.results(&delete.returning)?;
        self.scopes.pop();
        self.commons.truncate(commons);
        Ok(())
    }
}
