//! A statement that is bound.

use super::vacuum;
use crate::sql::ast::{Core, Explain, Expr, Select, Statement as Tree};
use crate::sql::bind::{Binder, Parameters, Uses};
use crate::sql::catalog::Catalog;
use crate::sql::exec::{Change, Insert, OutputColumn, Query, Returning, Session};
use crate::sql::failure::{Failure, Result};
use crate::sql::pragma::{Pragma, Rows};
use crate::sql::store::Store;

/// What a statement does.
pub(super) enum Program<S: Store> {
    Query(Box<Query<S>>),
    Insert(Box<Insert<S>>),
    Change(Box<Change<S>>),
    /// The lines of a plan, and how deep each is.
    Plan(Vec<(u32, String)>),
    /// A pragma, and the rows that it gave.
    Pragma(Pragma, Rows),
    /// `VACUUM INTO`, and the query of the one value that says where to.
    Copy(Box<Query<S>>),
    /// Everything that is done at once: schemas, transactions.
    Other(Box<Tree>),
}

/// A program, and what its parameters are called.
pub(super) struct Bound<S: Store> {
    pub(super) program: Program<S>,
    pub(super) parameters: Parameters,
}

impl<S: Store> Program<S> {
    pub(super) fn bind(session: &Session<S>, catalog: &Catalog, text: &str, tree: Tree) -> Result<Bound<S>> {
        if let Tree::Pragma(name, value) = &tree
            && let Some(pragma) = Pragma::new(name, value.as_ref())?
        {
            pragma.check(session.in_transaction.get())?;
            return Ok(Bound { program: Program::Pragma(pragma, Rows::new()), parameters: Parameters::default() });
        }
        if let Tree::Vacuum { schema, .. } = &tree {
            vacuum::check_name(schema.as_ref())?;
        }
        let target = match &tree {
            Tree::Vacuum { schema, into: Some(target) } => {
                if let Some(schema) = schema.as_ref().filter(|schema| !schema.is("main")) {
                    return Err(Failure::error(format!("unknown database {}", schema.text)).at(schema.span.start));
                }
                Some(only(target))
            }
            _ => None,
        };
        let mut binder = Binder::new(catalog, session, text);
        binder.uses = Uses::of(catalog, session, text, &tree);
        binder.explains = matches!(tree, Tree::Explain(..));
        if let Some(target) = &target {
            let query = Box::new(binder.select(target)?.0);
            return Ok(Bound { program: Program::Copy(query), parameters: binder.parameters });
        }
        let program = match &tree {
            Tree::Select(select) => Program::Query(Box::new(binder.select(select)?.0)),
            Tree::Insert(insert) => Program::Insert(Box::new(binder.insert(insert)?)),
            Tree::Update(update) => Program::Change(Box::new(binder.update(update)?)),
            Tree::Delete(delete) => Program::Change(Box::new(binder.delete(delete)?)),
            Tree::Explain(Explain::QueryPlan, inner) => {
                match &**inner {
                    Tree::Select(select) => drop(binder.select(select)?),
                    Tree::Insert(insert) => drop(binder.insert(insert)?),
                    Tree::Update(update) => drop(binder.update(update)?),
                    Tree::Delete(delete) => drop(binder.delete(delete)?),
                    _ => return Err(Failure::unsupported("EXPLAIN QUERY PLAN of this statement")),
                }
                Program::Plan(binder.whole_plan())
            }
            Tree::Explain(Explain::Program, _) => return Err(Failure::unsupported("EXPLAIN")),
            _ => {
                drop(binder);
                return Ok(Bound { program: Program::Other(Box::new(tree)), parameters: Parameters::default() });
            }
        };
        Ok(Bound { program, parameters: binder.parameters })
    }

    pub(super) fn columns(&self) -> Vec<OutputColumn> {
        let named =
            |name: &str| OutputColumn { name: name.into(), affinity: None, collation: None, declared: "".into() };
        match self {
            Program::Query(query) => query.columns.clone(),
            Program::Insert(_) | Program::Change(_) => {
                self.returning().map_or_else(Vec::new, |returning| returning.columns.clone())
            }
            Program::Plan(_) => ["id", "parent", "notused", "detail"].into_iter().map(named).collect(),
            Program::Pragma(pragma, _) => pragma.columns().iter().copied().map(named).collect(),
            _ => Vec::new(),
        }
    }

    /// What it tells of the rows that it changed.
    pub(super) fn returning(&self) -> Option<&Returning<S>> {
        match self {
            Program::Insert(insert) => insert.returning.as_ref(),
            Program::Change(change) => change.returning.as_ref(),
            _ => None,
        }
    }

    /// Whether it may change anything.
    pub(super) fn writes(&self) -> bool {
        matches!(self, Program::Insert(_) | Program::Change(_))
    }
}

/// A query of one value.
fn only(value: &Expr) -> Select {
    let first = Core::Values(vec![vec![value.clone()]]);
    Select { with: None, first, compounds: Vec::new(), order_by: Vec::new(), limit: None }
}
