//! Tables and their indexes as their statements describe them: also those that the engine can't use yet, which the catalog
//! refuses, and with names as they were written, which it folds away.

use super::default;
use crate::sql::Parser;
use crate::sql::ast::{
    ColumnConstraintKind, ColumnDef, Conflict, CreateIndex, CreateTable, Expr, Ident, Literal, Order, OrderTerm,
    ReferenceAction, ReferenceClause, References, Statement, Storage, TableBody, TableConstraintKind,
};
use crate::sql::catalog::SchemaRow;
use crate::sql::failure::{Failure, Result, ResultCode};

const BINARY: &str = "BINARY";

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) declared: String,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    /// Which column of the primary key, from 1; 0 for none.
    pub(super) key: usize,
    /// 2 if it is computed when read, 3 if when written.
    pub(super) hidden: i64,
    collation: String,
}

/// What an index is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The table's column, -1 for the rowid, -2 for an expression.
    pub(super) column: i64,
    pub(super) descending: bool,
    pub(super) collation: String,
}

#[derive(Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) unique: bool,
    /// `c`, `u` or `pk`
    pub(super) origin: &'static str,
    pub(super) partial: bool,
    pub(super) parts: Vec<Part>,
    conflict: Option<Conflict>,
}

#[derive(Debug)]
pub(super) struct ForeignKey {
    pub(super) table: String,
    /// Of the child, and of the parent if they are named.
    pub(super) columns: Vec<(String, Option<String>)>,
    pub(super) on_update: &'static str,
    pub(super) on_delete: &'static str,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) without_rowid: bool,
    pub(super) strict: bool,
    /// The newest first, but for those that replace, which come last.
    pub(super) indexes: Vec<Index>,
    /// The newest first.
    pub(super) foreign_keys: Vec<ForeignKey>,
}

fn malformed(row: &SchemaRow) -> Failure {
    Failure::new(ResultCode::CORRUPT, format!("malformed database schema: {}", row.name))
}

/// The table of a row of the schema, with the indexes that the other rows have for it.
pub(super) fn table(row: &SchemaRow, rows: &[SchemaRow]) -> Result<Table> {
    let sql = row.sql.as_deref().unwrap_or("");
    let mut table = match Parser::new(sql).next_statement() {
        Ok(Some(Statement::CreateTable(create))) => Table::new(&row.name, &create, sql),
        Ok(Some(Statement::CreateVirtualTable(_))) => {
            return Err(Failure::unsupported(&format!("virtual tables: {}", row.name)));
        }
        _ => None,
    }
    .ok_or_else(|| malformed(row))?;
    for other in rows.iter().filter(|other| other.kind == "index" && other.table.eq_ignore_ascii_case(&row.name)) {
        let Some(sql) = &other.sql else { continue };
        match Parser::new(sql).next_statement() {
            Ok(Some(Statement::CreateIndex(create))) => table.create_index(&other.name, &create),
            _ => return Err(malformed(other)),
        }
    }
    Ok(table)
}

/// What the key of a table without rowids is called.
pub(super) fn key_name(row: &SchemaRow) -> Option<String> {
    let sql = row.sql.as_deref()?;
    let Ok(Some(Statement::CreateTable(create))) = Parser::new(sql).next_statement() else { return None };
    let table = Table::new(&row.name, &create, sql).filter(|table| table.without_rowid)?;
    table.indexes.into_iter().find(|index| index.origin == "pk").map(|index| index.name)
}

/// The schema's own table.
pub(super) fn schema() -> Table {
    let columns = [("type", "TEXT"), ("name", "TEXT"), ("tbl_name", "TEXT"), ("rootpage", "INT"), ("sql", "TEXT")];
    let columns = columns.map(|(name, declared)| Column::plain(name, declared));
    Table { columns: columns.into(), ..Table::empty("sqlite_schema") }
}

impl Column {
    pub(super) fn plain(name: &str, declared: &str) -> Column {
        // The types that SQLite knows by heart come back in capitals.
        let known = ["ANY", "BLOB", "INT", "INTEGER", "REAL", "TEXT"];
        let known = known.into_iter().find(|known| known.eq_ignore_ascii_case(declared));
        Column {
            name: name.to_owned(),
            declared: known.unwrap_or(declared).to_owned(),
            not_null: false,
            default: None,
            key: 0,
            hidden: 0,
            collation: BINARY.to_owned(),
        }
    }

    fn new(def: &ColumnDef, default: Option<&str>) -> Column {
        let declared = def.type_name.as_ref().map_or("", |name| &*name.0);
        let mut column = Column::plain(&def.name.text, declared);
        column.default = default.map(str::to_owned);
        for constraint in &def.constraints {
            match &constraint.kind {
                ColumnConstraintKind::NotNull(_) => column.not_null = true,
                ColumnConstraintKind::Collate(name) => column.collation = name.text.to_string(),
                ColumnConstraintKind::Generated(_, storage) => {
                    column.hidden = if *storage == Some(Storage::Stored) { 3 } else { 2 };
                }
                _ => {}
            }
        }
        column
    }
}

impl Table {
    fn empty(name: &str) -> Table {
        Table {
            name: name.to_owned(),
            columns: Vec::new(),
            without_rowid: false,
            strict: false,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
        }
    }

    fn new(name: &str, create: &CreateTable, sql: &str) -> Option<Table> {
        let TableBody::Columns { columns, constraints, without_rowid, strict } = &create.body else { return None };
        let mut table = Table { without_rowid: *without_rowid, strict: *strict, ..Table::empty(name) };
        let defaults = default::defaults(sql);
        for (at, def) in columns.iter().enumerate() {
            table.columns.push(Column::new(def, defaults.get(at).copied().flatten()));
        }
        // A rowid under another name, which has no index unless there are no rowids.
        let mut rowid = None;
        for (at, def) in columns.iter().enumerate() {
            let part = |table: &Table, order| table.part(at as i64, None, order);
            for constraint in &def.constraints {
                match &constraint.kind {
                    ColumnConstraintKind::PrimaryKey { order, conflict, .. } => {
                        let part = part(&table, *order);
                        table.primary_key(vec![part], *order != Some(Order::Desc), *conflict, &mut rowid);
                    }
                    ColumnConstraintKind::Unique(conflict) => {
                        let part = part(&table, None);
                        table.automatic_index(vec![part], *conflict, "u");
                    }
                    ColumnConstraintKind::References(references) => {
                        table.foreign_key(std::slice::from_ref(&def.name), references);
                    }
                    _ => {}
                }
            }
        }
        for constraint in constraints {
            match &constraint.kind {
                TableConstraintKind::PrimaryKey { columns, conflict, .. } => {
                    let parts = table.parts(columns);
                    table.primary_key(parts, true, *conflict, &mut rowid);
                }
                TableConstraintKind::Unique(columns, conflict) => {
                    let parts = table.parts(columns);
                    table.automatic_index(parts, *conflict, "u");
                }
                TableConstraintKind::ForeignKey { columns, references, .. } => table.foreign_key(columns, references),
                _ => {}
            }
        }
        let rowid_column = rowid.as_ref().map(|(part, _)| part.column).filter(|_| !table.without_rowid);
        if let (true, Some((part, conflict))) = (table.without_rowid, rowid.take()) {
            table.automatic_index(vec![part], conflict, "pk");
        }
        if table.without_rowid {
            table.single_key_columns();
        }
        for (at, column) in table.columns.iter_mut().enumerate() {
            let is_rowid = rowid_column == Some(at as i64);
            column.not_null |= column.key > 0 && (table.without_rowid || table.strict && !is_rowid);
        }
        Some(table)
    }

    fn column(&self, name: &str) -> Option<i64> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)).map(|at| at as i64)
    }

    fn at(&self, column: i64) -> Option<&Column> {
        self.columns.get(usize::try_from(column).ok()?)
    }

    /// What a column is called; the rowid and expressions are not.
    pub(super) fn name_of(&self, part: &Part) -> Option<&str> {
        self.at(part.column).map(|column| &*column.name)
    }

    fn part(&self, column: i64, collation: Option<&Ident>, order: Option<Order>) -> Part {
        let collation = collation.map(|name| name.text.to_string());
        let collation = collation.or_else(|| self.at(column).map(|column| column.collation.clone()));
        Part {
            column,
            descending: order == Some(Order::Desc),
            collation: collation.unwrap_or_else(|| BINARY.to_owned()),
        }
    }

    fn parts(&self, terms: &[OrderTerm]) -> Vec<Part> {
        let part = |term: &OrderTerm| {
            let (expr, collation) = match &term.expr {
                Expr::Collate(expr, name) => (&**expr, Some(name)),
                expr => (expr, None),
            };
            let column = match expr {
                Expr::Column(column) if column.table.is_none() => self.column(&column.name.text),
                Expr::Literal(Literal::String(name)) => self.column(name),
                _ => None,
            };
            self.part(column.unwrap_or(-2), collation, term.order)
        };
        terms.iter().map(part).collect()
    }

    fn primary_key(
        &mut self,
        parts: Vec<Part>,
        may_be_rowid: bool,
        conflict: Option<Conflict>,
        rowid: &mut Option<(Part, Option<Conflict>)>,
    ) {
        for (nth, part) in parts.iter().enumerate() {
            if let Some(column) = usize::try_from(part.column).ok().and_then(|at| self.columns.get_mut(at)) {
                // A column that is named twice counts once.
                column.key = if column.key == 0 { nth + 1 } else { column.key };
            }
        }
        match &parts[..] {
            [part] if may_be_rowid && self.at(part.column).is_some_and(|column| column.declared == "INTEGER") => {
                let own = self.at(part.column).map_or_else(|| BINARY.to_owned(), |column| column.collation.clone());
                *rowid = Some((Part { collation: own, ..part.clone() }, conflict));
            }
            _ => self.automatic_index(parts, conflict, "pk"),
        }
    }

    /// An index that comes with the table, unless there is one like it, which then is the primary key's as well.
    fn automatic_index(&mut self, parts: Vec<Part>, conflict: Option<Conflict>, origin: &'static str) {
        let same = |index: &&mut Index| {
            let pairs = index.parts.iter().zip(&parts);
            index.parts.len() == parts.len()
                && pairs.clone().all(|(a, b)| a.column == b.column && a.collation.eq_ignore_ascii_case(&b.collation))
        };
        if let Some(index) = self.indexes.iter_mut().find(same) {
            index.conflict = index.conflict.or(conflict);
            if origin == "pk" {
                index.origin = origin;
            }
            return;
        }
        let name = format!("sqlite_autoindex_{}_{}", self.name, self.indexes.len() + 1);
        self.put(Index { name, unique: true, origin, partial: false, parts, conflict });
    }

    fn create_index(&mut self, name: &str, create: &CreateIndex) {
        let parts = self.parts(&create.columns);
        let (unique, partial) = (create.unique, create.filter.is_some());
        self.put(Index { name: name.to_owned(), unique, origin: "c", partial, parts, conflict: None });
    }

    fn put(&mut self, index: Index) {
        self.indexes.insert(0, index);
        self.indexes.sort_by_key(|index| index.conflict == Some(Conflict::Replace));
    }

    /// What follows the parts of an index in its records: what finds the row.
    pub(super) fn behind(&self, index: &Index) -> Vec<Part> {
        if !self.without_rowid {
            return vec![self.part(-1, None, None)];
        }
        let plain = |column| Part { column, descending: false, collation: BINARY.to_owned() };
        let all = || (0..self.columns.len() as i64).map(plain).collect();
        let key = self.indexes.iter().find(|index| index.origin == "pk");
        let more: Vec<Part> = match key {
            Some(key) if key.name != index.name => {
                // What comes with the table has all of the key ascending.
                let descending = |part: &Part| part.descending && index.origin == "c";
                key.parts.iter().map(|part| Part { descending: descending(part), ..part.clone() }).collect()
            }
            // The table itself: all its columns that are stored.
            _ => {
                let all: Vec<Part> = all();
                all.into_iter().filter(|part| self.at(part.column).is_some_and(|column| column.hidden != 2)).collect()
            }
        };
        let is_key = key.is_some_and(|key| key.name == index.name);
        let same =
            |a: &Part, b: &Part| a.column == b.column && (is_key || a.collation.eq_ignore_ascii_case(&b.collation));
        more.into_iter().filter(|part| !index.parts.iter().any(|other| same(part, other))).collect()
    }

    /// The key of a table without rowids has each column once.
    fn single_key_columns(&mut self) {
        let Some(key) = self.indexes.iter_mut().find(|index| index.origin == "pk") else { return };
        let mut parts: Vec<Part> = Vec::new();
        for part in std::mem::take(&mut key.parts) {
            let same =
                |other: &Part| other.column == part.column && other.collation.eq_ignore_ascii_case(&part.collation);
            if !parts.iter().any(same) {
                parts.push(part);
            }
        }
        for (nth, part) in parts.iter().enumerate().rev() {
            if let Some(column) = usize::try_from(part.column).ok().and_then(|at| self.columns.get_mut(at)) {
                column.key = nth + 1;
            }
        }
        key.parts = parts;
    }

    fn foreign_key(&mut self, columns: &[Ident], references: &References) {
        let named = |name: &Ident| match self.column(&name.text).and_then(|at| self.at(at)) {
            Some(column) => column.name.clone(),
            None => name.text.to_string(),
        };
        let parent = |nth: usize| references.columns.get(nth).map(|name| name.text.to_string());
        let columns = columns.iter().enumerate().map(|(nth, name)| (named(name), parent(nth))).collect();
        let (mut on_update, mut on_delete) = ("NO ACTION", "NO ACTION");
        for clause in &references.clauses {
            match clause {
                ReferenceClause::OnUpdate(action) => on_update = called(*action),
                ReferenceClause::OnDelete(action) => on_delete = called(*action),
                ReferenceClause::OnInsert(_) | ReferenceClause::Match(_) => {}
            }
        }
        self.foreign_keys
            .insert(0, ForeignKey { table: references.table.text.to_string(), columns, on_update, on_delete });
    }
}

fn called(action: ReferenceAction) -> &'static str {
    match action {
        ReferenceAction::SetNull => "SET NULL",
        ReferenceAction::SetDefault => "SET DEFAULT",
        ReferenceAction::Cascade => "CASCADE",
        ReferenceAction::Restrict => "RESTRICT",
        ReferenceAction::NoAction => "NO ACTION",
    }
}
