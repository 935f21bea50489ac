//! Which keys a statement concerns, and what follows from them, resolved before the first row.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Foreign;
use crate::sql::ast::{Conflict, ReferenceAction, SchemaKind};
use crate::sql::catalog::{Catalog, ForeignKey, ParentKey, Relation, Table};
use crate::sql::exec::Writer;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

/// How rows of a table change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Watched {
    /// They come. Of a single row SQLite knows that it breaks no key of others, and doesn't mind if such a key fits nothing.
    Insert { single: bool },
    /// They go.
    Delete,
    /// These columns change.
    Update(BTreeSet<usize>),
    /// The table goes: what does not fit is passed over.
    Drop,
}

/// A foreign key with its two tables.
pub(super) struct Link {
    pub(super) child: Arc<Table>,
    /// None, if it is not there and the child goes.
    pub(super) parent: Option<Arc<Table>>,
    pub(super) key: Arc<ForeignKey>,
    pub(super) found: ParentKey,
}

/// What follows for the children of a row.
pub(super) struct Consequence {
    pub(super) link: Link,
    pub(super) action: ReferenceAction,
    /// The plan of what is done to the children.
    pub(super) then: Option<usize>,
}

/// One kind of change of one table.
pub(super) struct Plan<S: Store> {
    pub(super) table: Arc<Table>,
    watched: Watched,
    /// Keys that its rows have.
    pub(super) parents: Vec<Link>,
    /// Keys that mean its rows.
    pub(super) children: Vec<Consequence>,
    /// That an update takes the row away before it puts the new one there. Otherwise SQLite finds a row that is its own child
    /// when it looks for the children that wait for the new key.
    pub(super) moves: bool,
    /// Made when a row is to be changed.
    pub(super) writer: Option<Writer<S>>,
}

impl Link {
    /// Whether child and parent are one table.
    pub(super) fn is_circular(&self) -> bool {
        self.parent.as_ref().is_some_and(|parent| Arc::ptr_eq(parent, &self.child))
    }
}

/// The keys of other tables, and of its own, that mean a table, the newest first.
pub(super) fn references<'a>(
    catalog: &'a Catalog,
    name: &'a str,
) -> impl Iterator<Item = (&'a Arc<Table>, &'a Arc<ForeignKey>)> {
    let mut tables: Vec<_> = catalog.tables().filter(|table| !table.foreign_keys.is_empty()).collect();
    tables.sort_by_key(|table| std::cmp::Reverse(table.row));
    let keys = tables.into_iter().flat_map(|child| child.foreign_keys.iter().map(move |key| (child, key)));
    keys.filter(move |(_, key)| key.parent.eq_ignore_ascii_case(name))
}

fn link(catalog: &Catalog, child: &Arc<Table>, key: &Arc<ForeignKey>) -> Result<Link> {
    let parent = match catalog.relation(&key.parent) {
        Some(Relation::Table(parent)) => parent.clone(),
        Some(Relation::View(_)) => return Err(key.mismatch(&child.name)),
        None => {
            return Err(match catalog.refused(SchemaKind::Table, &key.parent) {
                Some(refused) => refused.why.clone(),
                None => Failure::error(format!("no such table: main.{}", key.parent)),
            });
        }
    };
    let found = key.parent_key(&child.name, &parent)?;
    Ok(Link { child: child.clone(), parent: Some(parent), key: key.clone(), found })
}

/// Whether a change touches the child's columns of a key.
fn touches_child(key: &ForeignKey, changed: &BTreeSet<usize>) -> bool {
    key.columns.iter().any(|column| changed.contains(column))
}

/// Whether a change touches the parent's columns of a key.
fn touches_parent(key: &ForeignKey, parent: &Table, changed: &BTreeSet<usize>) -> bool {
    let primary = |column: &usize| {
        parent.rowid_column == Some(*column)
            || parent.indexes.iter().any(|index| {
                index.origin == crate::sql::catalog::Origin::PrimaryKey
                    && index.parts.iter().any(|part| part.column == *column)
            })
    };
    match key.parent_columns.is_empty() {
        true => changed.iter().any(primary),
        false => changed.iter().any(|column| {
            let name = parent.columns.get(*column).map_or("", |column| &column.name);
            key.parent_columns.iter().any(|other| other.eq_ignore_ascii_case(name))
        }),
    }
}

/// Whether an update takes rows away before it puts them back: it moves them, or a key that it touches has it so.
fn moves(catalog: &Catalog, table: &Table, changed: &BTreeSet<usize>) -> bool {
    let circular = |key: &ForeignKey| key.parent.eq_ignore_ascii_case(&table.name) && touches_child(key, changed);
    let acts = |key: &ForeignKey| key.on_update != ReferenceAction::NoAction && touches_parent(key, table, changed);
    table.rowid_column.is_some_and(|rowid| changed.contains(&rowid))
        || table.foreign_keys.iter().any(|key| circular(key))
        || references(catalog, &table.name).any(|(_, key)| acts(key))
}

/// Whether a change concerns a key of the table's own.
fn concerns_child(table: &Table, key: &ForeignKey, watched: &Watched) -> bool {
    match watched {
        Watched::Update(changed) => key.parent.eq_ignore_ascii_case(&table.name) || touches_child(key, changed),
        _ => true,
    }
}

/// Whether a change concerns a key that means the table.
fn concerns_parent(table: &Table, key: &ForeignKey, watched: &Watched) -> bool {
    match watched {
        Watched::Update(changed) => touches_parent(key, table, changed),
        _ => true,
    }
}

fn action(key: &ForeignKey, watched: &Watched) -> ReferenceAction {
    match watched {
        Watched::Insert { .. } => ReferenceAction::NoAction,
        Watched::Update(_) => key.on_update,
        Watched::Delete | Watched::Drop => key.on_delete,
    }
}

/// What SQLite says of keys that fit nothing: it goes through them thrice, and of several errors tells the last.
fn wrong(catalog: &Catalog, table: &Arc<Table>, watched: &Watched) -> Option<Failure> {
    if *watched == Watched::Drop {
        return None;
    }
    let of_others = |key: &(&Arc<Table>, &Arc<ForeignKey>)| link(catalog, key.0, key.1).err();
    let others = || references(catalog, &table.name);
    let concerned = || others().filter(|(_, key)| concerns_parent(table, key, watched));
    let mut wrong = None;
    if !matches!(watched, Watched::Insert { .. }) {
        wrong = others().filter_map(|key| of_others(&key)).last();
    }
    let lenient = *watched == (Watched::Insert { single: true });
    let own = table.foreign_keys.iter().filter(|key| concerns_child(table, key, watched));
    let own = own.filter_map(|key| link(catalog, table, key).err()).next();
    let others = || concerned().filter(|(_, key)| !lenient || key.deferred).find_map(|key| of_others(&key));
    let checked = own.or_else(others);
    let acts = concerned().filter(|(_, key)| action(key, watched) != ReferenceAction::NoAction);
    acts.filter_map(|key| of_others(&key)).last().or(checked).or(wrong)
}

impl<S: Store> Foreign<S> {
    /// All that a change of a table may concern; none, if it concerns no key. `replaces` says of a constraint whether rows go for
    /// those that it forbids.
    pub(super) fn new(
        catalog: &Catalog,
        table: &Arc<Table>,
        watched: Watched,
        replaces: &dyn Fn(Conflict) -> bool,
    ) -> Result<Option<Foreign<S>>> {
        let mut foreign = Foreign { plans: Vec::new(), main: None, replaced: None, todo: Vec::new() };
        let deletes = matches!(watched, Watched::Delete | Watched::Drop);
        let moves = matches!(&watched, Watched::Update(changed) if moves(catalog, table, changed));
        let looks_at = |column: usize| match &watched {
            Watched::Update(changed) => moves || changed.contains(&column),
            _ => true,
        };
        let mut indexes = table.indexes.iter();
        let replaces = !deletes
            && (replaces(table.rowid_conflict) && table.rowid_column.is_some_and(looks_at)
                || indexes.any(|index| {
                    index.unique.is_some_and(replaces) && index.parts.iter().any(|part| looks_at(part.column))
                }));
        let watched = match watched {
            Watched::Insert { single } => Watched::Insert { single: single && !replaces },
            other => other,
        };
        foreign.main = foreign.add(catalog, table, watched);
        if deletes {
            foreign.replaced = foreign.main;
        } else if replaces {
            foreign.replaced = foreign.add(catalog, table, Watched::Delete);
        }
        // Plans are put behind those that are there as long as new ones follow from them.
        let mut at = 0;
        while at < foreign.plans.len() {
            foreign.resolve(catalog, at)?;
            at += 1;
        }
        Ok((!foreign.plans.is_empty()).then_some(foreign))
    }

    /// The plan of a change, if it concerns any key. It is resolved later.
    fn add(&mut self, catalog: &Catalog, table: &Arc<Table>, watched: Watched) -> Option<usize> {
        let known = |plan: &Plan<S>| Arc::ptr_eq(&plan.table, table) && plan.watched == watched;
        if let Some(known) = self.plans.iter().position(known) {
            return Some(known);
        }
        let mut keys = table.foreign_keys.iter();
        let mut others = references(catalog, &table.name);
        let concerned = match &watched {
            Watched::Update(changed) => {
                keys.any(|key| touches_child(key, changed))
                    || others.any(|(_, key)| touches_parent(key, table, changed))
            }
            _ => keys.len() > 0 || others.next().is_some(),
        };
        if !concerned {
            return None;
        }
        let (parents, children) = (Vec::new(), Vec::new());
        self.plans.push(Plan { table: table.clone(), watched, parents, children, moves: true, writer: None });
        Some(self.plans.len() - 1)
    }

    fn resolve(&mut self, catalog: &Catalog, at: usize) -> Result<()> {
        let (table, watched) = (self.plans[at].table.clone(), self.plans[at].watched.clone());
        if let Watched::Update(changed) = &watched {
            self.plans[at].moves = moves(catalog, &table, changed);
        }
        if let Some(wrong) = wrong(catalog, &table, &watched) {
            return Err(wrong);
        }
        for key in &table.foreign_keys {
            if !concerns_child(&table, key, &watched) {
                continue;
            }
            match link(catalog, &table, key) {
                Ok(link) => self.plans[at].parents.push(link),
                Err(_) if catalog.relation(&key.parent).is_none() => {
                    let found = ParentKey { index: None, pairs: key.columns.iter().map(|at| (*at, 0)).collect() };
                    let link = Link { child: table.clone(), parent: None, key: key.clone(), found };
                    self.plans[at].parents.push(link);
                }
                Err(_) => {}
            }
        }
        for (child, key) in references(catalog, &table.name) {
            if !concerns_parent(&table, key, &watched) {
                continue;
            }
            let Ok(link) = link(catalog, child, key) else { continue };
            let action = action(key, &watched);
            let deletes = matches!(watched, Watched::Delete | Watched::Drop);
            let then = match action {
                ReferenceAction::NoAction | ReferenceAction::Restrict => None,
                ReferenceAction::Cascade if deletes => Some(Watched::Delete),
                _ => Some(Watched::Update(key.columns.iter().copied().collect())),
            };
            // The change touches this very key, so that there is always a plan.
            let then = then.and_then(|then| self.add(catalog, child, then));
            self.plans[at].children.push(Consequence { link, action, then });
        }
        Ok(())
    }
}
