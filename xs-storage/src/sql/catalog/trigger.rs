//! A trigger as its `CREATE TRIGGER` describes it.

use super::home_of;
use crate::sql::ast::{CreateTrigger, TriggerEvent, TriggerTime};

/// A trigger.
#[derive(Clone, Debug)]
pub(in crate::sql) struct Trigger {
    pub(in crate::sql) create: CreateTrigger,
    /// Its statement, whose parts name columns.
    pub(in crate::sql) sql: String,
    /// The database that it is in, and that of its table, which for a temporary one may be another.
    pub(in crate::sql) schema: usize,
    pub(in crate::sql) on: usize,
    /// That it is what a foreign key does, and not in the schema.
    pub(in crate::sql) is_action: bool,
}

/// What happens to a row. An update says which columns its statement names.
#[derive(Clone, Copy, Debug)]
pub(in crate::sql) enum Event<'a> {
    Insert,
    Update(&'a [&'a str]),
    Delete,
}

impl Trigger {
    /// Where its names are looked for, if not everywhere.
    pub(in crate::sql) fn home(&self) -> Option<usize> {
        home_of(self.schema)
    }

    pub(in crate::sql) fn name(&self) -> &str {
        &self.create.name.name.text
    }

    /// Whether it waits for this.
    pub(in crate::sql) fn waits_for(&self, event: Event<'_>) -> bool {
        match (&self.create.event, event) {
            (TriggerEvent::Insert, Event::Insert) | (TriggerEvent::Delete, Event::Delete) => true,
            (TriggerEvent::Update(columns), Event::Update(changed)) => {
                columns.is_empty() || columns.iter().any(|column| changed.iter().any(|name| column.is(name)))
            }
            _ => false,
        }
    }

    /// Whether it runs once the row is as it will be. `INSTEAD OF` comes before a change that never is.
    pub(in crate::sql) fn is_after(&self) -> bool {
        self.create.time == Some(TriggerTime::After)
    }
}
