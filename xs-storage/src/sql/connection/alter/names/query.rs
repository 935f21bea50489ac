//! Queries: `WITH`, `FROM`, results, order.

use super::{Common, Names, Scope, Shape, Source};
use crate::sql::ast::{
    Core, Expr, FromItem, Ident, JoinConstraint, OrderTerm, QualifiedName, Query, ResultColumn, Select, Source as From,
    Window, With,
};
use crate::sql::failure::{Failure, Result};

impl<'a> Names<'a> {
    /// Looks through a query, and answers what its columns are called.
    pub(super) fn select(&mut self, select: &'a Select) -> Result<Vec<Box<str>>> {
        let commons = self.commons.len();
        if let Some(with) = &select.with {
            self.with(with)?;
        }
        // The order of a single query sees its tables, that of several only their results.
        let order: &'a [OrderTerm] = if select.compounds.is_empty() { &select.order_by } else { &[] };
        let columns = self.core(&select.first, order)?;
        let mut results = columns.clone();
        for (_, core) in &select.compounds {
            results.extend(self.core(core, &[])?);
        }
        if !select.compounds.is_empty() {
            self.scopes.push(Scope::default());
            for term in &select.order_by {
                self.compound_term(&term.expr, &results)?;
            }
            self.scopes.pop();
        }
        if let Some(limit) = &select.limit {
            self.expr(&limit.limit)?;
            self.optional(limit.offset.as_ref())?;
        }
        self.commons.truncate(commons);
        Ok(columns)
    }

    /// A term of a compound's order: a result of one of its queries.
    fn compound_term(&mut self, expr: &'a Expr, results: &[Box<str>]) -> Result<()> {
        match expr {
            Expr::Collate(expr, _) => self.compound_term(expr, results),
            Expr::Column(column) if results.iter().any(|result| column.name.is(result)) => Ok(()),
            Expr::Column(column) => Err(Failure::error(format!("no such column: {}", super::displayed(column)))),
            _ => Ok(()),
        }
    }

    pub(super) fn with(&mut self, with: &'a With) -> Result<()> {
        for table in &with.tables {
            let named: Vec<Box<str>> = table.columns.iter().map(|column| column.text.clone()).collect();
            let columns = (!named.is_empty()).then_some(named);
            self.commons.push(Common { name: table.name.text.clone(), columns });
        }
        let first = self.commons.len() - with.tables.len();
        for (at, table) in with.tables.iter().enumerate() {
            let columns = self.select(&table.select)?;
            if let Some(common) = self.commons.get_mut(first + at) {
                common.columns.get_or_insert(columns);
            }
        }
        Ok(())
    }

    fn core(&mut self, core: &'a Core, order_by: &'a [OrderTerm]) -> Result<Vec<Box<str>>> {
        match core {
            Core::Values(rows) => {
                for row in rows {
                    self.exprs(row)?;
                }
                let width = rows.first().map_or(0, Vec::len);
                Ok((1..=width).map(|at| format!("column{at}").into()).collect())
            }
            Core::Query(query) => self.query(query, order_by),
        }
    }

    fn query(&mut self, query: &'a Query, order_by: &'a [OrderTerm]) -> Result<Vec<Box<str>>> {
        let mut scope = Scope::default();
        self.sources(&query.from, &mut scope)?;
        self.scopes.push(scope);
        // In SQLite's order, so that of several errors the same one is told.
        let results = self.results(&query.columns)?;
        let aliases = query.columns.iter().filter_map(|column| match column {
            ResultColumn::Expr { alias, .. } => alias.as_ref(),
            _ => None,
        });
        if let Some(scope) = self.scopes.last_mut() {
            scope.aliases = aliases.collect();
        }
        self.optional(query.having.as_ref())?;
        self.optional(query.filter.as_ref())?;
        self.conditions(&query.from)?;
        for (_, window) in &query.windows {
            self.window(window)?;
        }
        for term in order_by {
            let is_alias = |name: &Ident| {
                self.scopes.last().is_some_and(|scope| {
                    scope.aliases.iter().any(|alias| alias.is(&name.text))
                        || scope.starred.iter().any(|column| name.is(column))
                })
            };
            match &term.expr {
                Expr::Column(column) if column.table.is_none() && is_alias(&column.name) => {}
                expr => self.expr(expr)?,
            }
        }
        self.exprs(&query.group_by)?;
        self.scopes.pop();
        Ok(results)
    }

    /// What comes out of a query or of `RETURNING`, over the innermost scope.
    pub(super) fn results(&mut self, columns: &'a [ResultColumn]) -> Result<Vec<Box<str>>> {
        let (mut names, mut starred): (Vec<Box<str>>, Vec<Box<str>>) = (Vec::new(), Vec::new());
        for column in columns {
            let known = starred.len();
            match column {
                ResultColumn::Expr { expr, alias, span } => {
                    self.expr(expr)?;
                    names.push(match (alias, expr) {
                        (Some(alias), _) => alias.text.clone(),
                        (None, Expr::Column(column)) => column.name.text.clone(),
                        _ => self.sql.get(span.start as usize..span.end as usize).unwrap_or("").trim().into(),
                    });
                }
                ResultColumn::All => {
                    for source in self.scopes.last().map_or(&[][..], |scope| &scope.sources) {
                        let merged = |name: &str| source.merged.iter().any(|other| other.eq_ignore_ascii_case(name));
                        starred.extend(source.columns.iter().flatten().filter(|name| !merged(name)).cloned());
                    }
                }
                ResultColumn::AllOf(name) => {
                    let sources = self.scopes.last().map_or(&[][..], |scope| &scope.sources);
                    let Some(source) = sources.iter().find(|source| name.is(&source.name)) else {
                        return Err(Failure::error(format!("no such table: {}", name.text)));
                    };
                    starred.extend(source.columns.iter().flatten().cloned());
                    if source.table.is_some() && !source.aliased {
                        self.note_table(name);
                    }
                }
            }
            names.extend(starred[known..].iter().cloned());
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.starred = starred;
        }
        Ok(names)
    }

    /// The tables, which don't see each other.
    pub(super) fn sources(&mut self, from: &'a [FromItem], scope: &mut Scope<'a>) -> Result<()> {
        for item in from {
            let mut source = match &item.source {
                From::Nested(items) => {
                    self.sources(items, scope)?;
                    continue;
                }
                From::Table(name, _) => self.named(name)?,
                From::Function(name, args) => {
                    self.exprs(args)?;
                    Source { name: name.name.text.clone(), ..Source::default() }
                }
                From::Select(select) => {
                    let columns = Some(self.select(select)?);
                    Source { columns, ..Source::default() }
                }
            };
            if let Some(alias) = &item.alias {
                (source.name, source.aliased) = (alias.text.clone(), true);
            }
            let before = |name: &str| {
                let mut columns = scope.sources.iter().flat_map(|source| source.columns.iter().flatten());
                columns.any(|other| other.eq_ignore_ascii_case(name))
            };
            let unknown = source.columns.is_none() || scope.sources.iter().any(|source| source.columns.is_none());
            let mut merged = Vec::new();
            if item.join.is_some_and(|join| join.natural) {
                merged.extend(source.columns.iter().flatten().filter(|name| before(name)).cloned());
            }
            if let Some(JoinConstraint::Using(columns)) = &item.constraint {
                for column in columns {
                    let has = source.columns.iter().flatten().any(|name| column.is(name));
                    if !(unknown || has && before(&column.text)) {
                        return Err(Failure::error(format!(
                            "cannot join using column {} - column not present in both tables",
                            column.text
                        )));
                    }
                    merged.push(column.text.clone());
                }
            }
            source.merged = merged;
            scope.sources.push(source);
        }
        Ok(())
    }

    /// What joins ask for, once all tables are in sight.
    pub(super) fn conditions(&mut self, from: &'a [FromItem]) -> Result<()> {
        for item in from {
            if let From::Nested(items) = &item.source {
                self.conditions(items)?;
            }
            if let Some(JoinConstraint::On(on)) = &item.constraint {
                self.expr(on)?;
            }
        }
        Ok(())
    }

    /// A common table, a table or a view.
    fn named(&mut self, name: &'a QualifiedName) -> Result<Source> {
        let common = self.commons.iter().rev().find(|common| name.name.is(&common.name));
        if let (None, Some(common)) = (&name.schema, common) {
            let (name, columns) = (common.name.clone(), common.columns.clone());
            return Ok(Source { name, columns, ..Source::default() });
        }
        if let Some(schema) = name.schema.as_ref().filter(|schema| !schema.is(&self.shapes.schema)) {
            return Err(Failure::error(format!("no such table: {}.{}", schema.text, name.name.text)));
        }
        let mut source = self.of_table(&name.name)?;
        if let Some(Shape::View(..)) = self.shapes.get(&name.name.text) {
            source.columns = Some(self.of_view(&name.name.text)?);
        }
        self.note_table(&name.name);
        Ok(source)
    }

    /// The window that a call sees.
    pub(super) fn window(&mut self, window: &'a Window) -> Result<()> {
        use crate::sql::ast::FrameBound::{Following, Preceding};
        self.exprs(&window.partition_by)?;
        self.terms(&window.order_by)?;
        if let Some(frame) = &window.frame {
            for bound in [Some(&frame.start), frame.end.as_ref()].into_iter().flatten() {
                if let Preceding(expr) | Following(expr) = bound {
                    self.expr(expr)?;
                }
            }
        }
        Ok(())
    }
}
