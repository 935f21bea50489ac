//! Which keys a statement concerns, resolved before the first row.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Foreign;
use super::children::Children;
use crate::sql::ast::{ReferenceAction, SchemaKind};
use crate::sql::bind;
use crate::sql::catalog::{Catalog, ForeignKey, Origin, ParentKey, Relation, Table};
use crate::sql::exec::{Session, Target};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

/// How rows of a table change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Watched {
    /// They come. Of a single row SQLite knows that it breaks no key of others, and doesn't mind if such a key fits nothing.
    Insert { single: bool },
    /// They go.
    Delete,
    /// These columns change. That what a row is known by is one of them may be said too, where that is no column.
    Update { columns: BTreeSet<usize>, moves: bool },
    /// The table goes: what does not fit is passed over.
    Drop,
}

impl Watched {
    /// An update that assigns to so many columns: what is computed of them changes too.
    pub(in crate::sql) fn update(table: &Table, targets: &[Target]) -> Watched {
        let mut columns = BTreeSet::new();
        for target in targets {
            columns.extend(match target {
                Target::Column(at) => Some(*at),
                Target::Rowid => table.rowid_column,
            });
        }
        loop {
            let before = columns.len();
            let computed = (0..table.columns.len()).filter(|at| table.needs(*at).any(|need| columns.contains(&need)));
            let computed: Vec<usize> = computed.collect();
            columns.extend(computed);
            if columns.len() == before {
                break;
            }
        }
        let keyed = |primary: &Arc<_>| {
            let primary: &crate::sql::catalog::Index = primary;
            primary.parts.iter().any(|part| columns.contains(&part.column))
        };
        let moves = targets.contains(&Target::Rowid)
            || table.rowid_column.is_some_and(|rowid| columns.contains(&rowid))
            || table.primary().is_some_and(keyed);
        Watched::Update { columns, moves }
    }
}

/// A foreign key with its two tables.
pub(super) struct Link {
    pub(super) child: Arc<Table>,
    /// None, if it is not there and the child goes.
    pub(super) parent: Option<Arc<Table>>,
    pub(super) key: Arc<ForeignKey>,
    pub(super) found: ParentKey,
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
    parent: &'a Table,
) -> impl Iterator<Item = (&'a Arc<Table>, &'a Arc<ForeignKey>)> {
    let mut tables: Vec<_> =
        catalog.of(parent.schema).tables().filter(|table| !table.foreign_keys.is_empty()).collect();
    tables.sort_by_key(|table| std::cmp::Reverse(table.row));
    let keys = tables.into_iter().flat_map(|child| child.foreign_keys.iter().map(move |key| (child, key)));
    keys.filter(move |(_, key)| key.parent.eq_ignore_ascii_case(&parent.name))
}

fn link(catalog: &Catalog, child: &Arc<Table>, key: &Arc<ForeignKey>) -> Result<Link> {
    let schema = catalog.of(child.schema);
    let parent = match schema.relation(&key.parent) {
        Some(Relation::Table(parent)) => parent.clone(),
        Some(Relation::View(_)) => return Err(key.mismatch(&child.name)),
        None => {
            return Err(match schema.refused(SchemaKind::Table, &key.parent) {
                Some(refused) => refused.why.clone(),
                None => Failure::error(format!("no such table: {}.{}", schema.name, key.parent)),
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
                index.origin == Origin::PrimaryKey && index.parts.iter().any(|part| part.column == *column)
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
    table.foreign_keys.iter().any(|key| circular(key)) || references(catalog, table).any(|(_, key)| acts(key))
}

/// Whether a change concerns a key of the table's own.
fn concerns_child(table: &Table, key: &ForeignKey, watched: &Watched) -> bool {
    match watched {
        Watched::Update { columns: changed, .. } => {
            key.parent.eq_ignore_ascii_case(&table.name) || touches_child(key, changed)
        }
        _ => true,
    }
}

/// Whether a change concerns a key that means the table.
fn concerns_parent(table: &Table, key: &ForeignKey, watched: &Watched) -> bool {
    match watched {
        Watched::Update { columns: changed, .. } => touches_parent(key, table, changed),
        _ => true,
    }
}

fn action(key: &ForeignKey, watched: &Watched) -> ReferenceAction {
    match watched {
        Watched::Insert { .. } => ReferenceAction::NoAction,
        Watched::Update { .. } => key.on_update,
        Watched::Delete | Watched::Drop => key.on_delete,
    }
}

/// What SQLite says of keys that fit nothing: it goes through them thrice, and of several errors tells the last.
fn wrong(catalog: &Catalog, table: &Arc<Table>, watched: &Watched) -> Option<Failure> {
    if *watched == Watched::Drop {
        return None;
    }
    let of_others = |key: &(&Arc<Table>, &Arc<ForeignKey>)| link(catalog, key.0, key.1).err();
    let others = || references(catalog, table);
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
    /// All that a change of a table may concern; none, if it concerns no key.
    pub(in crate::sql) fn new(
        session: &Session<S>,
        catalog: &Catalog,
        table: &Arc<Table>,
        watched: &Watched,
    ) -> Result<Option<Foreign<S>>> {
        let mut keys = table.foreign_keys.iter();
        let mut others = references(catalog, table);
        let (concerned, moves) = match watched {
            Watched::Update { columns, moves: moved } => {
                let concerned = keys.any(|key| touches_child(key, columns))
                    || others.any(|(_, key)| touches_parent(key, table, columns));
                (concerned, *moved || moves(catalog, table, columns))
            }
            _ => (keys.len() > 0 || others.next().is_some(), true),
        };
        if !concerned {
            return Ok(None);
        }
        if let Some(wrong) = wrong(catalog, table, watched) {
            return Err(wrong);
        }
        let mut parents = Vec::new();
        for key in table.foreign_keys.iter().filter(|key| concerns_child(table, key, watched)) {
            match link(catalog, table, key) {
                Ok(link) => parents.push(link),
                Err(_) if catalog.of(table.schema).relation(&key.parent).is_none() => {
                    let found = ParentKey { index: None, pairs: key.columns.iter().map(|at| (*at, 0)).collect() };
                    parents.push(Link { child: table.clone(), parent: None, key: key.clone(), found });
                }
                Err(_) => {}
            }
        }
        let (mut children, mut actions) = (Vec::new(), Vec::new());
        for (child, key) in references(catalog, table).filter(|(_, key)| concerns_parent(table, key, watched)) {
            let Ok(link) = link(catalog, child, key) else { continue };
            let updates = matches!(watched, Watched::Update { .. });
            let acts = match action(key, watched) {
                ReferenceAction::NoAction => false,
                ReferenceAction::Restrict => !session.violations.defer.get(),
                _ => true,
            };
            if acts {
                actions.extend(key.action(child, table, &link.found, updates));
            }
            let query = bind::children(session, catalog, &link.child, table, &link.found)?;
            children.push(Children::new(link, query));
        }
        Ok(Some(Foreign { parents, children, actions: actions.into(), moves }))
    }
}
