//! A table as its `CREATE TABLE` describes it, and the indexes on it.

use std::sync::Arc;

use super::super::ast::{
    ColumnConstraintKind, ColumnDef, Conflict, CreateTable, DefaultValue, Expr, Literal, Order, OrderTerm, TableBody,
    TableConstraintKind,
};
use super::refers::without_queries;
use super::{ForeignKey, Generated, constant};
use crate::row::{Collation, KeyColumn};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{TEMP, TreeId, schema_of, schema_tree};
use crate::sql::value::{Affinity, Value};

/// A column of a table.
#[derive(Debug)]
pub(in crate::sql) struct Column {
    pub(in crate::sql) name: Box<str>,
    /// As it was declared; nothing, if it has no type.
    pub(in crate::sql) declared: Box<str>,
    pub(in crate::sql) affinity: Affinity,
    pub(in crate::sql) collation: Collation,
    /// That it may not be null, and what happens if it would be.
    pub(in crate::sql) not_null: Option<Conflict>,
    pub(in crate::sql) default: Option<Expr>,
    pub(in crate::sql) generated: Option<Generated>,
}

/// What made an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Origin {
    Create,
    Unique,
    PrimaryKey,
}

/// A column of an index.
#[derive(Clone, Copy, Debug)]
pub(in crate::sql) struct IndexPart {
    /// The table's column. The expressions of indexes are counted behind the columns.
    pub(in crate::sql) column: usize,
    pub(in crate::sql) key: KeyColumn,
}

/// An index: its parts, and the rowid behind them, or what stands for it in a table without rowids.
#[derive(Debug)]
pub(in crate::sql) struct Index {
    pub(in crate::sql) name: Box<str>,
    pub(in crate::sql) root: TreeId,
    pub(in crate::sql) parts: Vec<IndexPart>,
    /// What its records have behind the parts, in a table without rowids.
    pub(in crate::sql) behind: Vec<IndexPart>,
    /// The order of its records: that of the parts, and the rowid.
    pub(in crate::sql) order: Arc<[KeyColumn]>,
    /// That no two rows are the same in all parts, and what happens if they would be.
    pub(in crate::sql) unique: Option<Conflict>,
    pub(in crate::sql) origin: Origin,
    /// What is computed of a row for it, each with the number that the part has as a column.
    pub(in crate::sql) expressions: Vec<(usize, Expr)>,
    /// Which rows it has, if not all.
    pub(in crate::sql) filter: Option<Expr>,
}

/// A table.
#[derive(Debug)]
pub(in crate::sql) struct Table {
    pub(in crate::sql) name: Box<str>,
    /// The database that it is in.
    pub(in crate::sql) schema: usize,
    pub(in crate::sql) root: TreeId,
    pub(in crate::sql) columns: Vec<Column>,
    /// The column that is the rowid: declared `INTEGER PRIMARY KEY`.
    pub(in crate::sql) rowid_column: Option<usize>,
    /// The index that is the table, in one without rowids.
    pub(in crate::sql) key: Option<usize>,
    /// That columns hold values of their type only.
    pub(in crate::sql) strict: bool,
    /// That no rowid is given a second time, even if its row is gone.
    pub(in crate::sql) autoincrement: bool,
    /// What happens if a rowid is there already.
    pub(in crate::sql) rowid_conflict: Conflict,
    pub(in crate::sql) indexes: Vec<Arc<Index>>,
    /// Conditions of all rows, with how errors call them.
    pub(in crate::sql) checks: Vec<(Box<str>, Expr)>,
    /// Its row in the schema: which tables are older.
    pub(in crate::sql) row: i64,
    /// The newest first.
    pub(in crate::sql) foreign_keys: Vec<Arc<ForeignKey>>,
}

impl Table {
    pub(in crate::sql) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// What columns are in records that were written before the columns were added.
    pub(in crate::sql) fn defaults(&self) -> Vec<Value> {
        let of = |column: &Column| column.default.as_ref().and_then(constant).unwrap_or_default();
        self.columns.iter().map(|column| column.affinity.apply_to(of(column))).collect()
    }

    /// The table of a statement; `roots` gives the roots of its tree and, in their order, of the indexes that come with it.
    pub(in crate::sql) fn new(create: &CreateTable, sql: &str, roots: &[TreeId]) -> Result<Table> {
        let TableBody::Columns { columns: defs, constraints, without_rowid, strict } = &create.body else {
            return Err(Failure::internal("a table that is stored as a query"));
        };
        let name = create.name.name.text.clone();
        let mut table = Table {
            name,
            schema: schema_of(roots.first().copied().unwrap_or(0)),
            root: roots.first().copied().unwrap_or(0),
            columns: Vec::with_capacity(defs.len()),
            rowid_column: None,
            key: None,
            strict: false,
            autoincrement: false,
            rowid_conflict: Conflict::Abort,
            indexes: Vec::new(),
            checks: Vec::new(),
            row: 0,
            foreign_keys: Vec::new(),
        };
        for def in defs {
            if table.column(&def.name.text).is_some() {
                return Err(Failure::error(format!("duplicate column name: {}", def.name.text)));
            }
            table.columns.push(column(def)?);
        }
        let mut keys = Keys {
            table: &mut table,
            roots: &roots[1.min(roots.len())..],
            primary: false,
            descending: false,
            rowid_conflict: None,
            conflicts: Vec::new(),
        };
        for (at, def) in defs.iter().enumerate() {
            keys.of_column(at, def)?;
        }
        for constraint in constraints {
            match &constraint.kind {
                TableConstraintKind::PrimaryKey { columns, autoincrement, conflict } => {
                    keys.primary(columns, *autoincrement, *conflict)?;
                }
                TableConstraintKind::Unique(columns, conflict) => {
                    let parts = parts(keys.table, columns)?;
                    keys.index(parts, *conflict, Origin::Unique)?;
                }
                _ => {}
            }
        }
        if *without_rowid && let Some(column) = keys.table.rowid_column.take() {
            let (conflict, part) = (keys.rowid_conflict, keys.part(column, keys.descending));
            keys.index(vec![part], conflict, Origin::PrimaryKey)?;
        }
        if *strict {
            table.make_strict()?;
        }
        if *without_rowid {
            table.without_rowid()?;
        }
        table.check_ordinary()?;
        table.foreign_keys = ForeignKey::of(&table, defs, constraints)?;
        // Checks are found in the order in which they stand.
        let named = |name: &Option<super::super::ast::Ident>, span: super::super::ast::Span| match name {
            Some(name) => name.text.clone(),
            None => sql.get(span.start as usize..span.end as usize).unwrap_or("").trim().into(),
        };
        for def in defs {
            for constraint in &def.constraints {
                if let ColumnConstraintKind::Check(check, span) = &constraint.kind {
                    without_queries(check, "CHECK constraints")?;
                    table.checks.push((named(&constraint.name, *span), check.clone()));
                }
            }
        }
        for constraint in constraints {
            if let TableConstraintKind::Check(check, span, _) = &constraint.kind {
                without_queries(check, "CHECK constraints")?;
                table.checks.push((named(&constraint.name, *span), check.clone()));
            }
        }
        Ok(table)
    }

    /// A view, as those see it who change it.
    pub(in crate::sql) fn of_view(name: &str, schema: usize, columns: Vec<Column>) -> Table {
        Table { name: name.into(), root: 0, columns, ..Table::schema(schema) }
    }

    /// Whether it is the schema's own table.
    pub(in crate::sql) fn is_schema(&self) -> bool {
        self.root == schema_tree(self.schema)
    }

    /// The own table of a database's schema.
    pub(in crate::sql) fn schema(schema: usize) -> Table {
        let column = |name: &str, declared: &str| Column {
            name: name.into(),
            declared: declared.into(),
            affinity: Affinity::of_column(declared),
            collation: Collation::Binary,
            not_null: None,
            default: None,
            generated: None,
        };
        let columns = [("type", "TEXT"), ("name", "TEXT"), ("tbl_name", "TEXT"), ("rootpage", "INT"), ("sql", "TEXT")];
        Table {
            name: if schema == TEMP { "sqlite_temp_master" } else { "sqlite_master" }.into(),
            schema,
            root: schema_tree(schema),
            columns: columns.into_iter().map(|(name, declared)| column(name, declared)).collect(),
            rowid_column: None,
            key: None,
            strict: false,
            autoincrement: false,
            rowid_conflict: Conflict::Abort,
            indexes: Vec::new(),
            checks: Vec::new(),
            row: 0,
            foreign_keys: Vec::new(),
        }
    }
}

fn column(def: &ColumnDef) -> Result<Column> {
    let declared: Box<str> = def.type_name.as_ref().map_or("".into(), |name| name.0.clone());
    let mut column = Column {
        name: def.name.text.clone(),
        affinity: Affinity::of_column(&declared),
        declared,
        collation: Collation::Binary,
        not_null: None,
        default: None,
        generated: Generated::of(def)?,
    };
    for constraint in &def.constraints {
        match &constraint.kind {
            ColumnConstraintKind::NotNull(conflict) => column.not_null = Some(conflict.unwrap_or(Conflict::Abort)),
            ColumnConstraintKind::Collate(name) => column.collation = collation_named(&name.text)?,
            ColumnConstraintKind::Default(default) => {
                column.default = Some(match default {
                    DefaultValue::Constant(expr) | DefaultValue::Expr(expr) => expr.clone(),
                    DefaultValue::Word(word) if word.is("true") => Expr::Literal(Literal::Integer(1)),
                    DefaultValue::Word(word) if word.is("false") => Expr::Literal(Literal::Integer(0)),
                    DefaultValue::Word(word) => Expr::Literal(Literal::String(word.text.clone())),
                });
            }
            _ => {}
        }
    }
    Ok(column)
}

/// The order that a name stands for.
pub(in crate::sql) fn collation_named(name: &str) -> Result<Collation> {
    match name.to_ascii_lowercase().as_str() {
        "binary" => Ok(Collation::Binary),
        "nocase" => Ok(Collation::NoCase),
        "rtrim" => Ok(Collation::Rtrim),
        _ => Err(Failure::error(format!("no such collation sequence: {name}"))),
    }
}

/// Puts keys to a table: the rowid's column, or indexes.
struct Keys<'a> {
    table: &'a mut Table,
    roots: &'a [TreeId],
    primary: bool,
    /// What was said of the column that is the rowid.
    descending: bool,
    rowid_conflict: Option<Conflict>,
    /// What was said of each index.
    conflicts: Vec<Option<Conflict>>,
}

impl Keys<'_> {
    fn of_column(&mut self, at: usize, def: &ColumnDef) -> Result<()> {
        for constraint in &def.constraints {
            match &constraint.kind {
                ColumnConstraintKind::PrimaryKey { order, conflict, autoincrement } => {
                    self.begin_primary()?;
                    // A descending one is an index, by an old mistake that files depend on.
                    self.key(vec![self.part(at, *order == Some(Order::Desc))], *order != Some(Order::Desc), *conflict)?;
                    self.check_autoincrement(*autoincrement)?;
                }
                ColumnConstraintKind::Unique(conflict) => {
                    self.index(vec![self.part(at, false)], *conflict, Origin::Unique)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn primary(&mut self, columns: &[OrderTerm], autoincrement: bool, conflict: Option<Conflict>) -> Result<()> {
        self.begin_primary()?;
        let parts = parts(self.table, columns)?;
        self.key(parts, true, conflict)?;
        self.check_autoincrement(autoincrement)
    }

    fn begin_primary(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.primary, true) {
            true => Err(Failure::error(format!("table \"{}\" has more than one primary key", self.table.name))),
            false => Ok(()),
        }
    }

    fn check_autoincrement(&mut self, autoincrement: bool) -> Result<()> {
        match (autoincrement, self.table.rowid_column) {
            (false, _) => Ok(()),
            (true, None) => Err(Failure::error("AUTOINCREMENT is only allowed on an INTEGER PRIMARY KEY")),
            (true, Some(_)) => {
                self.table.autoincrement = true;
                Ok(())
            }
        }
    }

    fn part(&self, column: usize, descending: bool) -> IndexPart {
        IndexPart { column, key: KeyColumn { collation: self.table.columns[column].collation, descending } }
    }

    fn key(&mut self, parts: Vec<IndexPart>, may_be_rowid: bool, conflict: Option<Conflict>) -> Result<()> {
        if parts.iter().any(|part| self.table.columns.get(part.column).is_some_and(|column| column.generated.is_some()))
        {
            return Err(Failure::error("generated columns cannot be part of the PRIMARY KEY"));
        }
        if let [part] = parts[..]
            && may_be_rowid
            && self.table.columns[part.column].declared.eq_ignore_ascii_case("INTEGER")
        {
            self.table.rowid_column = Some(part.column);
            self.table.rowid_conflict = conflict.unwrap_or(Conflict::Abort);
            (self.descending, self.rowid_conflict) = (part.key.descending, conflict);
            return Ok(());
        }
        self.index(parts, conflict, Origin::PrimaryKey)
    }

    /// An index that comes with the table, unless one like it is there.
    fn index(&mut self, parts: Vec<IndexPart>, conflict: Option<Conflict>, origin: Origin) -> Result<()> {
        let same = |index: &Arc<Index>| {
            index.parts.len() == parts.len()
                && index
                    .parts
                    .iter()
                    .zip(&parts)
                    .all(|(a, b)| a.column == b.column && a.key.collation == b.key.collation)
        };
        if let Some(at) = self.table.indexes.iter().position(same) {
            // Two constraints in one index, which is the primary key's if one of them is.
            let said = self.conflicts[at].or(conflict);
            if conflict.is_some_and(|conflict| said != Some(conflict)) {
                return Err(Failure::error("conflicting ON CONFLICT clauses specified"));
            }
            self.conflicts[at] = said;
            if let Some(index) = Arc::get_mut(&mut self.table.indexes[at]) {
                index.unique = Some(said.unwrap_or(Conflict::Abort));
                if origin == Origin::PrimaryKey {
                    index.origin = origin;
                }
            }
            return Ok(());
        }
        let number = self.table.indexes.len();
        let name = format!("sqlite_autoindex_{}_{}", self.table.name, number + 1);
        let root = self.roots.get(number).copied().unwrap_or(0);
        let unique = Some(conflict.unwrap_or(Conflict::Abort));
        self.table.indexes.push(Arc::new(Index::new(name.into(), root, parts, unique, origin)));
        self.conflicts.push(conflict);
        Ok(())
    }
}

impl Index {
    pub(super) fn new(
        name: Box<str>,
        root: TreeId,
        parts: Vec<IndexPart>,
        unique: Option<Conflict>,
        origin: Origin,
    ) -> Index {
        let order = parts.iter().map(|part| part.key).chain([KeyColumn::default()]).collect();
        let (behind, expressions) = (Vec::new(), Vec::new());
        Index { name, root, parts, behind, order, unique, origin, expressions, filter: None }
    }
}

fn parts(table: &Table, terms: &[OrderTerm]) -> Result<Vec<IndexPart>> {
    let mut parts = Vec::with_capacity(terms.len());
    for term in terms {
        let (expr, collation) = match &term.expr {
            Expr::Collate(expr, name) => (&**expr, Some(collation_named(&name.text)?)),
            expr => (expr, None),
        };
        let name = match expr {
            Expr::Column(column) if column.table.is_none() => &column.name.text,
            Expr::Literal(Literal::String(name)) => name,
            _ => return Err(Failure::error("expressions prohibited in PRIMARY KEY and UNIQUE constraints")),
        };
        let Some(column) = table.column(name) else {
            return Err(Failure::error(format!("table {} has no column named {name}", table.name)));
        };
        let collation = collation.unwrap_or(table.columns[column].collation);
        let descending = term.order == Some(Order::Desc);
        parts.push(IndexPart { column, key: KeyColumn { collation, descending } });
    }
    Ok(parts)
}
