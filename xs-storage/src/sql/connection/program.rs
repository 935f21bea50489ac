//! A statement that is bound.

use super::{schema, trigger, vacuum};
use crate::sql::ast::{Core, Explain, Expr, Literal, Select, Statement as Tree};
use crate::sql::bind::{self, Binder, Parameters};
use crate::sql::catalog::{Catalog, Relation};
use crate::sql::connection::Db;
use crate::sql::exec::{Change, Insert, OutputColumn, Query, Returning};
use crate::sql::failure::{Failure, Result};
use crate::sql::pragma::{Pragma, Rows};
use crate::sql::store::{Databases, Store};

/// What a statement does.
pub(super) enum Program<S: Store> {
    Query(Box<Query<S>>),
    Insert(Box<Insert<S>>),
    Change(Box<Change<S>>),
    /// The lines of a plan, and how deep each is.
    Plan(Vec<(u32, String)>),
    /// A pragma, and the rows that it gave.
    Pragma(Pragma, Rows),
    /// `VACUUM INTO` of a database, and the query of the one value that says where to.
    Copy(usize, Vec<Query<S>>),
    /// `ATTACH`, and the queries of the file and of the name.
    Attach(Vec<Query<S>>),
    /// `DETACH`, and the query of the name.
    Detach(Vec<Query<S>>),
    /// Everything that is done at once: schemas, transactions.
    Other(Box<Tree>),
}

/// The databases that a program uses from its beginning on, a bit for each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uses {
    pub(super) reads: u16,
    pub(super) writes: u16,
}

/// A program, and what its parameters are called.
pub(super) struct Bound<S: Store> {
    pub(super) program: Program<S>,
    pub(super) parameters: Parameters,
    pub(super) uses: Uses,
}

impl<S: Store> Program<Databases<S>> {
    pub(super) fn bind(session: &Db<S>, catalog: &Catalog, text: &str, tree: Tree) -> Result<Bound<Databases<S>>> {
        let none = Parameters::default();
        if let Tree::Pragma(name, value) = &tree
            && let Some(pragma) = Pragma::new(name, value.as_ref(), catalog)?
        {
            pragma.check(session.in_transaction.get())?;
            let uses = match pragma.writes() {
                true => Uses { reads: 0, writes: pragma.databases() },
                false => Uses { reads: pragma.databases(), writes: 0 },
            };
            return Ok(Bound { program: Program::Pragma(pragma, Rows::new()), parameters: none, uses });
        }
        let targets = match &tree {
            Tree::Vacuum { schema, into } => {
                let schema = vacuum::place(catalog, schema.as_ref())?;
                into.as_ref().map(|target| (vec![only(target)], schema))
            }
            Tree::Attach { file, schema, .. } => Some((vec![only(&worded(file)), only(&worded(schema))], 0)),
            Tree::Detach(schema) => Some((vec![only(&worded(schema))], 0)),
            _ => None,
        };
        let mut binder = Binder::new(catalog, session, text);
        binder.uses = bind::Uses::of(catalog, session, text, &tree);
        binder.explains = matches!(tree, Tree::Explain(..));
        if let Some((targets, schema)) = &targets {
            let mut values = Vec::with_capacity(targets.len());
            for target in targets {
                values.push(binder.select(target)?.0);
            }
            let (parameters, uses) = (binder.parameters, Uses::default());
            let program = match tree {
                Tree::Vacuum { .. } => Program::Copy(*schema, values),
                Tree::Attach { .. } => Program::Attach(values),
                _ => Program::Detach(values),
            };
            let reads = if matches!(program, Program::Copy(..)) { bit(*schema) } else { 0 };
            return Ok(Bound { program, parameters, uses: Uses { reads, ..uses } });
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
                let uses = Uses { reads: 0, writes: written(catalog, &tree) };
                return Ok(Bound { program: Program::Other(Box::new(tree)), parameters: none, uses });
            }
        };
        let writes = match &program {
            Program::Insert(insert) => insert.writer.place(),
            Program::Change(change) => change.writer.place(),
            _ => None,
        };
        let uses = Uses { reads: binder.schemas, writes: writes.map_or(0, bit) };
        Ok(Bound { program, parameters: binder.parameters, uses })
    }
}

fn bit(schema: usize) -> u16 {
    1_u16.checked_shl(schema as u32).unwrap_or(0)
}

/// The database whose schema a statement changes, where that can be said. What is wrong is told when it runs.
fn written(catalog: &Catalog, tree: &Tree) -> u16 {
    let place = match tree {
        Tree::CreateTable(create) => schema::temporary_place(catalog, &create.name, create.temporary).ok(),
        Tree::CreateView(create) => schema::temporary_place(catalog, &create.name, create.temporary).ok(),
        Tree::CreateIndex(create) => schema::index_place(catalog, create).ok(),
        Tree::CreateTrigger(create) => trigger::place_of(catalog, create).ok(),
        Tree::Drop(what) => schema::dropped_place(catalog, what),
        Tree::AlterTable(alter) => catalog.find(&alter.table, None).ok().map(Relation::schema),
        _ => None,
    };
    place.map_or(0, bit)
}

impl<S: Store> Program<S> {
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

/// A bare word where a name is wanted as a value.
fn worded(value: &Expr) -> Expr {
    match value {
        Expr::Column(column) if column.table.is_none() => Expr::Literal(Literal::String(column.name.text.clone())),
        other => other.clone(),
    }
}

/// A query of one value.
fn only(value: &Expr) -> Select {
    let first = Core::Values(vec![vec![value.clone()]]);
    Select { with: None, first, compounds: Vec::new(), order_by: Vec::new(), limit: None }
}
