//! All databases of a connection, and what a name means among them.
//!
//! A name that says no database is looked for in `temp`, then in `main`, then in the others in the order in which they were attached.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::read::MASTER;
use super::{Counted, Event, Index, Relation, Schema, Table, Trigger, displayed, folded};
use crate::sql::ast::{Ident, QualifiedName, SchemaKind};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{MAIN, TEMP};

/// What all databases have. There are two at least.
#[derive(Clone, Debug)]
pub(in crate::sql) struct Catalog {
    all: Vec<Arc<Schema>>,
    /// Triggers of `temp`, by the database of their table and its name; the newest first.
    temporary: BTreeMap<(usize, String), Vec<Arc<Trigger>>>,
}

impl Catalog {
    /// Of the databases in their order, `main` and `temp` first. A trigger that was there before stays on its table, whatever
    /// its name would mean now.
    pub(in crate::sql) fn new(all: Vec<Arc<Schema>>, before: Option<&Catalog>) -> Self {
        let mut catalog = Catalog { all, temporary: BTreeMap::new() };
        let mut temporary: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for trigger in catalog.of(TEMP).triggers.values().flatten() {
            let same = |other: &Arc<Trigger>| other.sql == trigger.sql;
            // One whose table has gone with its database waits for nothing.
            let on = match before.filter(|before| before.of(TEMP).triggers.values().flatten().any(same)) {
                Some(before) => catalog.known(before, trigger),
                None => catalog.on(trigger),
            };
            let Some(on) = on else { continue };
            let trigger = Trigger { on, ..Trigger::clone(trigger) };
            let key = (on, folded(&trigger.create.table.name.text));
            temporary.entry(key).or_default().push(Arc::new(trigger));
        }
        catalog.temporary = temporary;
        catalog
    }

    /// The database of a temporary trigger's table, by its name.
    fn on(&self, trigger: &Trigger) -> Option<usize> {
        self.find(&trigger.create.table, None).ok().map(Relation::schema)
    }

    /// The same, as it was before.
    fn known(&self, before: &Catalog, trigger: &Trigger) -> Option<usize> {
        let same = |other: &&Arc<Trigger>| other.sql == trigger.sql;
        let known = before.temporary.values().flatten().find(same)?;
        let schema = &before.of(known.on).name;
        let on = self.all.iter().position(|other| !other.is_gone && other.name == *schema)?;
        self.of(on).relation(&trigger.create.table.name.text).map(|_| on)
    }

    /// All databases, in the order of their places.
    pub(in crate::sql) fn all(&self) -> &[Arc<Schema>] {
        &self.all
    }

    /// One of them by its place.
    pub(in crate::sql) fn of(&self, schema: usize) -> &Schema {
        static NONE: std::sync::LazyLock<Schema> = std::sync::LazyLock::new(Schema::default);
        self.all.get(schema).map_or(&NONE, |schema| schema)
    }

    /// The place of a database by its name.
    pub(in crate::sql) fn number(&self, name: &Ident) -> Option<usize> {
        self.all.iter().position(|schema| !schema.is_gone && name.is(&schema.name))
    }

    /// Those where something is looked for: one, or all in their order.
    pub(in crate::sql) fn order(&self, within: Option<usize>) -> impl Iterator<Item = &Schema> {
        let rest = self.all.len().max(TEMP + 1);
        let all = [TEMP, MAIN].into_iter().chain(TEMP + 1..rest);
        all.filter(move |schema| within.is_none_or(|within| within == *schema)).map(|schema| self.of(schema))
    }

    /// Where a name is looked for. Nothing, if it says a database that there isn't.
    pub(in crate::sql) fn within(&self, name: &QualifiedName, home: Option<usize>) -> Option<Option<usize>> {
        match &name.schema {
            Some(schema) => self.number(schema).map(Some),
            None => Some(home),
        }
    }

    /// A table or view by its name, in one database or in any.
    pub(in crate::sql) fn relation(&self, within: Option<usize>, name: &str) -> Option<&Relation> {
        let found = self.order(within).find_map(|schema| schema.relation(name));
        // The schema of `temp` has the names of the others as well, where it is said that it is meant.
        found.or_else(|| match within {
            Some(TEMP) if MASTER.iter().any(|own| own.eq_ignore_ascii_case(name)) => {
                self.of(TEMP).relation("sqlite_temp_master")
            }
            _ => None,
        })
    }

    /// What a name means. Without a database it is looked for at `home`, or everywhere.
    pub(in crate::sql) fn find(&self, name: &QualifiedName, home: Option<usize>) -> Result<&Relation> {
        let text = &*name.name.text;
        let missing = || match (&name.schema, home) {
            (None, Some(home)) => Failure::error(format!("no such table: {}.{text}", self.of(home).name)),
            _ => Failure::error(format!("no such table: {}", displayed(name))),
        };
        let within = self.within(name, home).ok_or_else(missing)?;
        for schema in self.order(within) {
            if let Some(refused) = schema.refused(SchemaKind::Table, text) {
                return Err(refused.why.clone());
            }
            if let Some(found) = schema.relation(text) {
                return Ok(found);
            }
        }
        self.relation(within, text).ok_or_else(missing)
    }

    /// A table as it is here, however it was found.
    pub(in crate::sql) fn own(&self, table: &Table) -> Option<&Arc<Table>> {
        match self.relation(Some(table.schema), &table.name) {
            Some(Relation::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// The table of an index, and the index.
    pub(in crate::sql) fn index(&self, within: Option<usize>, name: &str) -> Option<(&Arc<Table>, &Arc<Index>)> {
        self.order(within).find_map(|schema| schema.index(name))
    }

    /// The triggers of a table or view, in the order in which they run.
    pub(in crate::sql) fn triggers_on(&self, schema: usize, name: &str) -> impl Iterator<Item = &Arc<Trigger>> {
        let temporary = match self.temporary.is_empty() {
            true => None,
            false => self.temporary.get(&(schema, folded(name))),
        };
        let temporary = temporary.map_or(&[][..], |triggers| triggers);
        let own = if schema == TEMP { &[] } else { self.of(schema).triggers_on(name) };
        // Elsewhere than in `temp` itself, the oldest of these comes first.
        let (newest, oldest) = if schema == TEMP { (temporary, &[][..]) } else { (&[][..], temporary) };
        newest.iter().chain(oldest.iter().rev()).chain(own)
    }

    /// Those that wait for something.
    pub(in crate::sql) fn waiting<'a>(
        &'a self,
        table: &'a Table,
        event: Event<'a>,
    ) -> impl Iterator<Item = &'a Arc<Trigger>> {
        self.triggers_on(table.schema, &table.name).filter(move |trigger| trigger.waits_for(event))
    }

    /// What `ANALYZE` counted of an index, or of a table without any.
    pub(in crate::sql) fn counted(&self, table: &Table, index: Option<&str>) -> Option<&Counted> {
        self.of(table.schema).counted(&table.name, index)
    }
}

impl Relation {
    /// The database that it is in.
    pub(in crate::sql) fn schema(&self) -> usize {
        match self {
            Relation::Table(table) => table.schema,
            Relation::View(view) => view.schema,
        }
    }
}
