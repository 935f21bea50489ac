//! `WITH`: common tables, bound where they are named.
//!
//! A table that is named once is a query like any other in `FROM`. One that is named again is computed once, and each who
//! names it reads the same rows. How often that is must be known before the first is bound: a statement with common tables is
//! bound twice, and the first time only counts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::from::rename;
use super::{Binder, Rows};
use crate::sql::ast::{self, Materialized};
use crate::sql::catalog::{Catalog, View};
use crate::sql::exec::{Body, Current, OutputColumn, Query, Session, Shared};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

/// A common table, and those that it can see.
pub(super) struct Common<'q, S: Store> {
    pub(super) table: &'q ast::CommonTable,
    /// How many tables are seen from within: those of its list and of lists further out.
    pub(super) seen: usize,
    pub(super) text: &'q str,
    pub(super) reach: Reach,
    /// Its rows, and their columns. How many there may be, SQLite doesn't know of any but the first who reads them.
    shared: Option<Kept<S>>,
}

/// Rows that are computed once, and their columns.
type Kept<S> = (Rc<RefCell<Shared<S>>>, Vec<OutputColumn>);

/// What happens to who names a common table.
#[derive(Clone)]
pub(super) enum Reach {
    Query,
    /// It is being bound, and this is said of who names it now.
    Refused(&'static str),
    /// So deep in the plan, its row at hand is seen.
    Row {
        depth: u32,
        current: Current,
        columns: Vec<OutputColumn>,
    },
}

/// How often common tables are named, by where they are in the tree.
#[derive(Clone, Debug, Default)]
pub(in crate::sql) struct Uses {
    counting: bool,
    counts: BTreeMap<usize, u32>,
}

impl Uses {
    /// Counts by binding. What is wrong is found when it is bound in earnest.
    pub(in crate::sql) fn of<S: Store>(
        catalog: &Catalog,
        session: &Session<S>,
        text: &str,
        statement: &ast::Statement,
    ) -> Uses {
        let with = match statement {
            ast::Statement::Explain(ast::Explain::QueryPlan, inner) => return Uses::of(catalog, session, text, inner),
            // A query further in may have common tables too.
            ast::Statement::Select(_)
            | ast::Statement::Insert(_)
            | ast::Statement::Update(_)
            | ast::Statement::Delete(_) => text.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"with")),
            _ => false,
        };
        if !with {
            return Uses::default();
        }
        let mut binder = Binder::new(catalog, session, text);
        binder.uses.counting = true;
        match statement {
            ast::Statement::Select(select) => drop(binder.select(select)),
            ast::Statement::Insert(insert) => drop(binder.insert(insert)),
            ast::Statement::Update(update) => drop(binder.update(update)),
            ast::Statement::Delete(delete) => drop(binder.delete(delete)),
            _ => {}
        }
        Uses { counting: false, counts: binder.uses.counts }
    }

    /// Adds those of a view.
    pub(super) fn add_view<S: Store>(&mut self, catalog: &Catalog, session: &Session<S>, view: &View) {
        let select = &view.create.select;
        if self.counting || select.with.is_none() {
            return;
        }
        let mut binder = Binder::new(catalog, session, &view.sql);
        binder.home = view.home();
        binder.uses.counting = true;
        drop(binder.select(select));
        self.counts.append(&mut binder.uses.counts);
    }

    /// Whether a table is worth keeping, as it is named here.
    fn keeps(&mut self, table: &ast::CommonTable) -> bool {
        let count = self.counts.entry(std::ptr::from_ref(table).addr()).or_default();
        if self.counting {
            *count += 1;
        }
        self.are_several(table)
    }

    /// Whether a table is named often enough to be kept.
    pub(super) fn are_several(&self, table: &ast::CommonTable) -> bool {
        let count = self.counts.get(&std::ptr::from_ref(table).addr()).copied().unwrap_or_default();
        match table.materialized {
            Some(Materialized::No) => false,
            Some(Materialized::Yes) => true,
            None => self.counting || count > 1,
        }
    }
}

impl<'q, S: Store> Binder<'q, S> {
    pub(super) fn with(&mut self, with: &'q ast::With) -> Result<()> {
        for (at, table) in with.tables.iter().enumerate() {
            if with.tables[..at].iter().any(|other| other.name.is(&table.name.text)) {
                return Err(Failure::error(format!("duplicate WITH table name: {}", table.name.text)));
            }
        }
        let seen = self.commons.len() + with.tables.len();
        for table in &with.tables {
            self.commons.push(Common { table, seen, text: self.text, reach: Reach::Query, shared: None });
        }
        Ok(())
    }

    /// The rows of a common table, and how far out they reach.
    pub(super) fn common(&mut self, at: usize) -> Result<(Rows<S>, usize)> {
        let table = self.commons[at].table;
        let name = &table.name.text;
        match self.commons[at].reach.clone() {
            Reach::Query => {}
            Reach::Row { depth, current, columns } if depth == self.depth => {
                let query = Query::new(Body::Current(current), columns);
                return Ok((Rows::Query(Box::new(query), true), self.levels.len()));
            }
            Reach::Row { .. } => return Err(Failure::error(format!("multiple recursive references: {name}"))),
            Reach::Refused(why) => return Err(Failure::error(format!("{why}: {name}"))),
        }
        let keeps = self.uses.keeps(table);
        if let (true, Some((shared, columns))) = (keeps, &self.commons[at].shared) {
            let query = Query::new(Body::Shared(Shared::reader(shared)), columns.clone());
            return Ok((Rows::Query(Box::new(query), false), self.levels.len()));
        }
        let (query, reaches) = self.bind_common(at)?;
        let correlated = reaches < self.levels.len();
        if keeps && !correlated {
            let (columns, estimate) = (query.columns.clone(), query.estimate);
            let shared = Rc::new(RefCell::new(Shared::new(query)));
            let mut query = Query::new(Body::Shared(Shared::reader(&shared)), columns.clone());
            query.estimate = estimate;
            self.commons[at].shared = Some((shared, columns));
            return Ok((Rows::Query(Box::new(query), false), reaches));
        }
        Ok((Rows::Query(Box::new(query), correlated), reaches))
    }

    fn bind_common(&mut self, at: usize) -> Result<(Query<S>, usize)> {
        let Common { table, seen, text, .. } = self.commons[at];
        self.open_view()?;
        let hidden = self.commons.split_off(seen);
        self.commons[at].reach = Reach::Refused("circular reference");
        let text = std::mem::replace(&mut self.text, text);
        self.depth += 1;
        let bound = match super::recursive::first_recursive(table) {
            Some(first) => self.recursive(at, first),
            None => self.select(&table.select).and_then(|(mut query, reaches)| {
                rename(&mut query.columns, &table.columns, &table.name.text)?;
                Ok((query, reaches))
            }),
        };
        self.depth -= 1;
        self.text = text;
        self.commons.truncate(seen);
        self.commons[at].reach = Reach::Query;
        self.commons.extend(hidden);
        self.views -= 1;
        bound
    }
}
