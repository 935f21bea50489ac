//! Tables of all kinds, their indexes, views and triggers.

use super::{Generator, Step, known};

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) generated: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// What no two rows have in common; empty for a view.
    pub(super) key: Vec<String>,
    pub(super) unique: Vec<String>,
    /// The rowid is there, and is no column.
    pub(super) hidden_rowid: bool,
    /// There are values that it can't have: that is no conflict.
    pub(super) typed: bool,
    /// Some constraint says what is done instead of an error.
    pub(super) lenient: bool,
}

impl Table {
    /// Its columns by a name in front.
    pub(super) fn scope(&self, alias: &str) -> Vec<String> {
        self.columns.iter().map(|column| format!("{alias}.{}", column.name)).collect()
    }

    /// Its columns that can be written.
    pub(super) fn plain(&self) -> Vec<String> {
        self.columns.iter().filter(|column| !column.generated).map(|column| column.name.to_owned()).collect()
    }

    pub(super) fn is_view(&self) -> bool {
        self.key.is_empty()
    }
}

const NAMES: &[&str] = &["a", "b", "c", "d", "e"];
const CONFLICTS: &[&str] =
    &["", "", "", " ON CONFLICT REPLACE", " ON CONFLICT IGNORE", " ON CONFLICT FAIL", " ON CONFLICT ABORT"];

impl Generator {
    /// What a new file is made with.
    pub(super) fn settings(&mut self) -> Vec<Step> {
        let page = self.one(&["512", "1024", "4096"]);
        let mut steps = vec![format!("PRAGMA page_size = {page}")];
        if known::UTF_16 && self.once_in(3) {
            steps.push("PRAGMA encoding = 'UTF-16le'".to_owned());
        }
        if self.once_in(3) {
            steps.push(format!("PRAGMA recursive_triggers = {}", self.one(&["ON", "OFF"])));
        }
        steps.into_iter().map(Step::from).collect()
    }

    pub(super) fn schema(&mut self) -> Vec<Step> {
        let mut steps = vec!["CREATE TABLE log (x, y)".to_owned().into()];
        for at in 0..1 + self.of(3) {
            steps.push(self.table(at).into());
        }
        steps.extend(self.several(0, 3, |it| Step::from(it.index())));
        if !self.once_in(3) {
            steps.push(self.view().into());
        }
        steps.extend(self.several(0, 2, |it| Step::from(it.trigger())));
        steps
    }

    fn table(&mut self, at: usize) -> String {
        let count = 2 + self.of(4);
        let strict = self.once_in(6);
        let (mut columns, mut parts) = (Vec::new(), Vec::new());
        let mut unique = Vec::new();
        // None, an integer that is the rowid, one column, two.
        let key = self.of(4);
        let without_rowid = key > 1 && self.once_in(2);
        for name in &NAMES[..count] {
            let kinds: &[&str] = match strict {
                true => &["INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"],
                false => &["", "INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB", "VARCHAR(5)", "DATETIME"],
            };
            let mut part = format!("{name} {}", self.one(kinds));
            let first = columns.is_empty();
            if first && key == 1 {
                // Behind the highest rowid comes one by chance, or an error that ends transactions.
                let kind = self.one(&["", " AUTOINCREMENT", " DESC"]);
                part = format!("{name} INTEGER PRIMARY KEY{kind} CHECK ({name} < 1000)");
            } else if first && key == 2 {
                part += " PRIMARY KEY";
                part += self.one(CONFLICTS);
            } else if !first && name != &"b" && self.once_in(5) {
                let scope: Vec<String> = NAMES[..2].iter().map(|name| (*name).to_owned()).collect();
                let computed = self.scalar(&scope, 2);
                if strict && !known::TYPES_OF_VIRTUAL {
                    part = format!("{name} ANY");
                }
                let real = part.ends_with("REAL") && !known::VIRTUAL_REALS;
                let kind = if real { "STORED" } else { self.one(&["STORED", "VIRTUAL"]) };
                parts.push(format!("{part} AS ({computed}) {kind}"));
                columns.push(Column { name, generated: true });
                continue;
            }
            if self.once_in(4) {
                part += self.one(&[" COLLATE NOCASE", " COLLATE RTRIM"]);
            }
            if self.once_in(6) {
                part += " NOT NULL";
                part += self.one(CONFLICTS);
            }
            if self.once_in(6) {
                unique.push((*name).to_owned());
                part += " UNIQUE";
                part += self.one(CONFLICTS);
            }
            let default = self.literal();
            if self.once_in(4) && (default != "NULL" || known::REPLACED_BY_NULL) {
                part += &format!(" DEFAULT {default}");
            }
            if self.once_in(8) {
                part += &format!(" CHECK ({name} {} {})", self.one(&["<", "<>", "IS NOT"]), self.literal());
            }
            parts.push(part);
            columns.push(Column { name, generated: false });
        }
        if key == 3 {
            parts.push(format!(
                "PRIMARY KEY ({}){}",
                self.one(&["a, b", "b DESC, a", "a COLLATE NOCASE, b"]),
                self.one(CONFLICTS)
            ));
        }
        if self.once_in(6) {
            parts.push(format!("UNIQUE (b, a){}", self.one(CONFLICTS)));
        }
        if self.once_in(8) {
            parts.push("CONSTRAINT small CHECK (a IS NULL OR length(a) < 12)".into());
        }
        let options: Vec<_> = [(strict, "STRICT"), (without_rowid, "WITHOUT ROWID")]
            .into_iter()
            .filter_map(|(has, option)| has.then_some(option))
            .collect();
        let key: &[&str] = match (without_rowid, key) {
            (false, _) => &["rowid"],
            (true, 2) => &["a"],
            (true, _) => &["a", "b"],
        };
        let name = format!("t{at}");
        let made = format!("CREATE TABLE {name} ({}) {}", parts.join(", "), options.join(", "));
        let hidden_rowid = !without_rowid && !parts.iter().any(|part| part.contains("INTEGER PRIMARY KEY"));
        let typed = strict || parts.iter().any(|part| part.contains("INTEGER PRIMARY KEY"));
        let lenient = parts.iter().any(|part| part.contains("ON CONFLICT"));
        let key = key.iter().map(|key| (*key).to_owned()).collect();
        self.tables.push(Table { name, columns, key, unique, hidden_rowid, typed, lenient });
        made.trim_end().to_owned()
    }

    /// A table that isn't a view.
    pub(super) fn stored(&mut self) -> Table {
        let tables: Vec<_> = self.tables.iter().filter(|table| !table.is_view()).cloned().collect();
        self.one(&tables)
    }

    pub(super) fn readable(&mut self) -> Option<Table> {
        let tables = self.tables.clone();
        (!tables.is_empty()).then(|| self.one(&tables))
    }

    pub(super) fn index(&mut self) -> String {
        let table = self.stored();
        self.indexes += 1;
        let unique = if self.once_in(5) { "UNIQUE " } else { "" };
        let plain: Vec<String> = table.columns.iter().map(|column| column.name.to_owned()).collect();
        let columns = self.several(1, 3, |it| {
            let column = it.one(&plain);
            let collation = it.one(&["", "", "", " COLLATE NOCASE", " COLLATE BINARY"]);
            column + collation + it.one(&["", "", " DESC"])
        });
        let filter = match known::PARTIAL_INDEXES && self.once_in(3) {
            true => format!(" WHERE {}", self.scalar(&plain, 1)),
            false => String::new(),
        };
        format!("CREATE {unique}INDEX i{} ON {} ({}){filter}", self.indexes, table.name, columns.join(", "))
    }

    fn view(&mut self) -> String {
        let table = self.stored();
        let scope = table.scope("s");
        let columns = [self.one(&scope), self.scalar(&scope, 2)];
        let made = match self.of(3) {
            0 => {
                let whether = self.condition(&scope, 0);
                format!("SELECT {}, {} FROM {} AS s WHERE {whether}", columns[0], columns[1], table.name)
            }
            1 => format!("SELECT {}, {} FROM {} AS s", columns[0], columns[1], table.name),
            _ => {
                let first = &columns[0];
                format!("SELECT {first}, count(*) FROM {} AS s GROUP BY {first}", table.name)
            }
        };
        let columns = ["a", "b"].map(|name| Column { name, generated: false });
        let (columns, key, unique) = (columns.to_vec(), Vec::new(), Vec::new());
        self.tables.push(Table {
            name: "v".into(),
            columns,
            key,
            unique,
            hidden_rowid: false,
            typed: false,
            lenient: false,
        });
        format!("CREATE VIEW v (a, b) AS {made}")
    }

    fn trigger(&mut self) -> String {
        let Some(table) = self.readable() else { return String::new() };
        self.triggers += 1;
        let event = self.one(&["INSERT", "UPDATE", "DELETE", "UPDATE OF a, b"]);
        let time = if table.is_view() { "INSTEAD OF" } else { self.one(&["BEFORE", "AFTER", "AFTER"]) };
        let typed = table.typed && event != "DELETE" && !known::TYPES_BEFORE_TRIGGERS;
        let time = if typed { "AFTER" } else { time };
        let mut scope = Vec::new();
        if event != "DELETE" {
            let computed = time != "BEFORE" || known::COMPUTED_BEFORE;
            let all = table.columns.iter().filter(|column| computed || !column.generated);
            scope.extend(all.map(|column| format!("new.{}", column.name)));
        }
        if event != "INSERT" {
            scope.extend(table.scope("old"));
        }
        let when = if self.once_in(3) { format!(" WHEN {}", self.scalar(&scope, 1)) } else { String::new() };
        let values = [self.one(&scope), self.scalar(&scope, 1)];
        let mut body = format!("INSERT INTO log VALUES ({}, {});", values[0], values[1]);
        let other = self.stored();
        let itself = (time == "BEFORE" && other.name == table.name || other.typed) && !known::TRIGGERS_OF_THEMSELVES;
        if self.once_in(3) && !itself {
            let columns = other.plain();
            let (column, key) = (self.one(&columns), &other.key[0]);
            let value = if known::ORDER_OF_ROWS { self.column(&scope) } else { self.literal() };
            body += &match self.of(4) {
                0 => format!(" DELETE FROM {} WHERE {key} = {value};", other.name),
                1 => format!(" UPDATE OR IGNORE {} SET {column} = {value} WHERE {key} = {};", other.name, self.of(4)),
                2 => format!(" SELECT RAISE(ABORT, 'no') WHERE {} = 3;", self.column(&scope)),
                _ => format!(" INSERT OR IGNORE INTO {} ({column}) VALUES ({value});", other.name),
            };
        }
        let name = format!("g{}", self.triggers);
        format!("CREATE TRIGGER {name} {time} {event} ON {} FOR EACH ROW{when} BEGIN {body} END", table.name)
    }

    /// A statement that changes the schema between others.
    pub(super) fn schema_change(&mut self) -> Step {
        match self.of(6) {
            0..2 => self.index(),
            2 => format!("DROP INDEX IF EXISTS i{}", 1 + self.of(3)),
            3 => format!("DROP TRIGGER IF EXISTS g{}", 1 + self.of(2)),
            4 => format!("REINDEX {}", self.stored().name),
            _ => self.one(&["VACUUM", "PRAGMA integrity_check", "CREATE TABLE IF NOT EXISTS log (x, y)"]).into(),
        }
        .into()
    }
}
