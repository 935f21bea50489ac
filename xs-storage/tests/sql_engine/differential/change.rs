//! Statements that change rows, and transactions.

use super::schema::Table;
use super::{Generator, known};

impl Generator {
    /// A table to change; a view seldom.
    fn target(&mut self) -> Table {
        match self.once_in(10) {
            true => self.readable().unwrap_or_else(|| self.stored()),
            false => self.stored(),
        }
    }

    fn value(&mut self) -> String {
        if self.once_in(6) { self.scalar(&[], 1) } else { self.literal() }
    }

    pub(super) fn insert(&mut self) -> String {
        let table = self.target();
        let columns = table.plain();
        let verb = self.one(&[
            "INSERT",
            "INSERT",
            "INSERT OR IGNORE",
            "INSERT OR REPLACE",
            "INSERT OR FAIL",
            "INSERT OR ABORT",
            "INSERT OR ROLLBACK",
            "REPLACE",
        ]);
        let mut listed = columns.clone();
        if self.once_in(3) {
            self.rng.shuffle(&mut listed);
            listed.truncate(1 + self.of(columns.len()));
        }
        if table.hidden_rowid && self.once_in(8) {
            listed.push("rowid".into());
        }
        let source = match self.of(8) {
            0 if !table.is_view() => "DEFAULT VALUES".to_owned(),
            1 => {
                let from = self.stored();
                let scope = from.scope("f");
                listed.retain(|column| column != "rowid");
                let values: Vec<_> = listed.iter().map(|_| self.scalar(&scope, 1)).collect();
                let order: Vec<_> = from.key.iter().map(|key| format!("f.{key}")).collect();
                let from = format!("FROM {} AS f WHERE true ORDER BY {}", from.name, order.join(", "));
                format!("SELECT {} {from} LIMIT 3", values.join(", "))
            }
            _ => {
                let rows = self.several(1, 4, |it| it.row(&listed));
                format!("VALUES {}", rows.join(", "))
            }
        };
        if source == "DEFAULT VALUES" {
            return format!("{verb} INTO {} DEFAULT VALUES{}", table.name, self.returning(&table));
        }
        let upsert = if self.once_in(5) && verb == "INSERT" { self.upsert(&table) } else { String::new() };
        let mismatches = table.typed || listed.iter().any(|column| column == "rowid");
        let single = mismatches && !known::MISMATCHES_HALF_WAY;
        let source = if single { format!("VALUES {}", self.row(&listed)) } else { source };
        let names =
            if listed == columns && self.once_in(2) { String::new() } else { format!(" ({})", listed.join(", ")) };
        let returning = self.returning(&table);
        format!("{verb} INTO {}{names} {source}{upsert}{returning}", table.name)
    }

    fn row(&mut self, columns: &[String]) -> String {
        // Behind the highest rowid comes one by chance.
        let value = |column: &String| match column == "rowid" {
            true => self.of(50).to_string(),
            false => self.value(),
        };
        format!("({})", columns.iter().map(value).collect::<Vec<_>>().join(", "))
    }

    fn upsert(&mut self, table: &Table) -> String {
        let target = match self.of(3) {
            0 => String::new(),
            1 if !table.unique.is_empty() => format!(" ({})", self.one(&table.unique)),
            _ if table.key.is_empty() || table.key == ["rowid"] => String::new(),
            _ => format!(" ({})", table.key.join(", ")),
        };
        if self.once_in(3) {
            return format!(" ON CONFLICT{target} DO NOTHING");
        }
        let mut scope = table.scope(&table.name);
        scope.extend(table.scope("excluded"));
        let columns = table.plain();
        let (column, value) = (self.one(&columns), self.scalar(&scope, 1));
        let filter = if self.once_in(3) { format!(" WHERE {}", self.scalar(&scope, 1)) } else { String::new() };
        format!(" ON CONFLICT{target} DO UPDATE SET {column} = {value}{filter}")
    }

    fn returning(&mut self, table: &Table) -> String {
        if !self.once_in(7) || table.is_view() && !known::RETURNING_OF_VIEWS {
            return String::new();
        }
        let scope: Vec<String> = table.columns.iter().map(|column| column.name.to_owned()).collect();
        let what = if known::RETURNED_EXPRESSIONS { self.scalar(&scope, 1) } else { self.one(&scope) };
        format!(" RETURNING {what}, *")
    }

    /// One row by its key, or all for which something is so.
    fn filter(&mut self, table: &Table, scope: &[String]) -> String {
        match (self.of(5), table.key.first()) {
            (0, _) => String::new(),
            (1 | 2, Some(key)) => format!(" WHERE {key} = {}", self.literal()),
            _ => format!(" WHERE {}", self.condition(scope, usize::from(known::ASKED_WHILE_CHANGED))),
        }
    }

    pub(super) fn update(&mut self) -> String {
        let table = self.target();
        let scope = table.scope(&table.name);
        let columns = table.plain();
        let sets = self.several(1, 2, |it| {
            let (column, value) = (it.one(&columns), it.scalar(&scope, 1));
            format!("{column} = {value}")
        });
        let mut sets = sets;
        if !known::ASSIGNED_TWICE {
            let mut seen = Vec::new();
            sets.retain(|set: &String| {
                let column = set.split(' ').next().map(str::to_owned);
                let new = !seen.contains(&column);
                seen.push(column);
                new
            });
        }
        let filter = match (table.lenient || table.typed) && !known::ORDER_OF_ROWS {
            true => format!(" WHERE {} = {}", table.key[0], self.literal()),
            false => self.filter(&table, &scope),
        };
        // Which rows are kept depends on which is changed first, so only where that is one row.
        let single = filter.starts_with(" WHERE rowid = ");
        let or = if single { self.one(&["", " OR IGNORE", " OR REPLACE", " OR FAIL", " OR ROLLBACK"]) } else { "" };
        let from = match self.once_in(10) {
            true => {
                let other = self.stored();
                let whether = format!("f.{} = {}", other.key[0], self.one(&["1", "2", "3"]));
                let one = format!("(SELECT * FROM {} AS f WHERE {whether} LIMIT 1) AS g", other.name);
                format!(" FROM {one}")
            }
            false => String::new(),
        };
        let returning = self.returning(&table);
        format!("UPDATE{or} {} SET {}{from}{filter}{returning}", table.name, sets.join(", "))
    }

    pub(super) fn delete(&mut self) -> String {
        let table = self.target();
        let scope = table.scope(&table.name);
        let filter = match self.filter(&table, &scope) {
            all if all.is_empty() && !self.once_in(4) => format!(" WHERE {}", self.condition(&scope, 0)),
            filter => filter,
        };
        format!("DELETE FROM {}{filter}{}", table.name, self.returning(&table))
    }

    pub(super) fn transaction(&mut self) -> String {
        match self.of(8) {
            0 | 1 => self.one(&["BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"]).into(),
            2 => "COMMIT".into(),
            3 => "ROLLBACK".into(),
            4 | 5 => {
                self.savepoints += 1;
                format!("SAVEPOINT s{}", self.savepoints % 3)
            }
            6 => format!("RELEASE s{}", self.of(3)),
            _ => format!("ROLLBACK TO s{}", self.of(3)),
        }
    }
}
