//! Finding a command by its name, in any case.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::command::Spec;

/// The number of a command or subcommand in the table: what statistics and ACL rules are kept by.
pub(crate) type CommandId = u16;

/// A row with its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) id: CommandId,
    pub(crate) spec: &'static Spec,
}

/// All commands of all families, by name.
#[derive(Debug)]
pub(crate) struct Table {
    by_name: HashMap<&'static [u8], Entry, FixedState>,
    /// By number; a subcommand follows its container.
    rows: Vec<Row>,
}

/// One command or subcommand.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) spec: &'static Spec,
    /// `get`, or `client|list`.
    pub(crate) full_name: String,
    /// The container of a subcommand.
    pub(crate) parent: Option<CommandId>,
}

/// No command's name is longer.
const LONGEST: usize = 32;

impl Table {
    /// The table of this server: made once, never changed.
    pub(crate) fn get() -> &'static Table {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| Table::new(crate::commands::ALL))
    }

    fn new(families: &[&'static [Spec]]) -> Table {
        let mut table = Table { by_name: HashMap::with_hasher(FixedState::default()), rows: Vec::new() };
        for spec in families.iter().flat_map(|family| family.iter()) {
            let id = table.rows.len() as CommandId;
            table.rows.push(Row { spec, full_name: spec.name.to_owned(), parent: None });
            table.by_name.insert(spec.name.as_bytes(), Entry { id, spec });
            for sub in spec.sub {
                let full_name = format!("{}|{}", spec.name, sub.name);
                table.rows.push(Row { spec: sub, full_name, parent: Some(id) });
            }
        }
        table
    }

    /// The command called `name`, in any case.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<Entry> {
        let mut lower = [0_u8; LONGEST];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.by_name.get(&*lower).copied()
    }

    /// The subcommand of `container` called `name`.
    pub(crate) fn find_sub(&self, container: Entry, name: &[u8]) -> Option<Entry> {
        let at = container.spec.sub.iter().position(|sub| name.eq_ignore_ascii_case(sub.name.as_bytes()))?;
        Some(Entry { id: container.id + 1 + at as CommandId, spec: &container.spec.sub[at] })
    }

    /// Every row, by number.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The commands proper, without subcommands.
    pub(crate) fn commands(&self) -> impl Iterator<Item = Entry> + '_ {
        self.rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.parent.is_none())
            .map(|(id, row)| Entry { id: id as CommandId, spec: row.spec })
    }

    /// `get`, or `client|list`.
    pub(crate) fn full_name(&self, id: CommandId) -> &str {
        &self.rows[usize::from(id)].full_name
    }
}

/// The names that clients call the commands by, where `rename-command` has changed some. Rights, statistics and errors
/// know the commands by their own names all the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// In lower case: what a name means now; `None` for nothing any more.
    changed: BTreeMap<Vec<u8>, Option<Entry>>,
}

impl Names {
    /// The command that clients call `name`, in any case.
    #[inline]
    pub(crate) fn find(&self, table: &Table, name: &[u8]) -> Option<Entry> {
        if self.changed.is_empty() { table.find(name) } else { self.find_changed(table, name) }
    }

    #[cold]
    fn find_changed(&self, table: &Table, name: &[u8]) -> Option<Entry> {
        match self.changed.get(&name.to_ascii_lowercase()) {
            Some(meaning) => *meaning,
            None => table.find(name),
        }
    }

    /// Gives the command called `old` the name `new`, or none at all when that is empty.
    ///
    /// # Errors
    ///
    /// redis-server's own texts.
    pub(crate) fn rename(&mut self, table: &Table, old: &[u8], new: &[u8]) -> Result<(), &'static str> {
        let entry = self.find(table, old).ok_or("No such command in rename-command")?;
        self.changed.insert(old.to_ascii_lowercase(), None);
        if new.is_empty() {
            return Ok(());
        }
        if self.find(table, new).is_some() {
            return Err("Target command name already exists");
        }
        self.changed.insert(new.to_ascii_lowercase(), Some(entry));
        Ok(())
    }

    /// Whether the command of number `id` can be called by any name.
    pub(crate) fn knows(&self, table: &Table, id: CommandId) -> bool {
        let id = table.rows[usize::from(id)].parent.unwrap_or(id);
        let name = table.rows[usize::from(id)].spec.name.as_bytes();
        match self.changed.get(name) {
            None => true,
            Some(_) => self.changed.values().flatten().any(|entry| entry.id == id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_subcommands_by_their_own() {
        let table = Table::get();
        let get = table.find(b"GeT").unwrap();
        assert_eq!(get.spec.name, "get");
        assert!(table.find(b"nosuch").is_none());
        assert!(table.find(&[b'x'; 100]).is_none());
        let client = table.find(b"client").unwrap();
        let list = table.find_sub(client, b"LIST").unwrap();
        assert_eq!(table.full_name(list.id), "client|list");
    }
    #[test]
    fn names_change_places_and_go() {
        let (table, mut names) = (Table::get(), Names::default());
        let find = |names: &Names, name: &str| names.find(table, name.as_bytes()).map(|entry| entry.spec.name);
        names.rename(table, b"GET", b"Fetch").unwrap();
        names.rename(table, b"set", b"GET").unwrap();
        names.rename(table, b"del", b"").unwrap();
        assert_eq!(
            ["fetch", "get", "set", "del"].map(|name| find(&names, name)),
            [Some("get"), Some("set"), None, None]
        );
        assert_eq!(names.rename(table, b"set", b"x"), Err("No such command in rename-command"));
        assert_eq!(names.rename(table, b"incr", b"decr"), Err("Target command name already exists"));
        let known = |name: &str| names.knows(table, table.find(name.as_bytes()).unwrap().id);
        assert_eq!(["get", "set", "del", "ping"].map(known), [true, true, false, true]);
        names.rename(table, b"config", b"").unwrap();
        let config = table.find(b"config").unwrap();
        assert!(!names.knows(table, table.find_sub(config, b"get").unwrap().id));
    }
}
