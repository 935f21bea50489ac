//! What tables and views there are, and which columns they have: also those that the engine refuses.

use std::collections::BTreeMap;

use crate::sql::Parser;
use crate::sql::ast::{CreateView, Statement, TableBody};
use crate::sql::catalog::{SchemaRow, folded};

/// A table or a view.
pub(super) enum Shape {
    /// Its columns, and whether its rows have rowids.
    Table(Vec<Box<str>>, bool),
    /// A view, and its text.
    View(Box<CreateView>, String),
    /// A virtual table, whose columns only its module knows.
    Unknown,
}

/// All of a database, by their names in small letters.
pub(super) struct Shapes {
    /// What the database is called.
    pub(super) schema: Box<str>,
    all: BTreeMap<String, Shape>,
}

impl Shapes {
    /// Of the schema's rows. A text that can't be read has no shape: whoever looks at that row says so.
    pub(super) fn new(schema: &str, rows: &[SchemaRow]) -> Shapes {
        let mut shapes = BTreeMap::new();
        let columns = ["type", "name", "tbl_name", "rootpage", "sql"].map(Box::from);
        for name in ["sqlite_master", "sqlite_schema"] {
            shapes.insert(name.to_owned(), Shape::Table(columns.to_vec(), true));
        }
        for row in rows {
            let sql = row.sql.as_deref().unwrap_or("");
            let shape = match Parser::new(sql).next_statement() {
                Ok(Some(Statement::CreateTable(create))) => match &create.body {
                    TableBody::Columns { columns, without_rowid, .. } => {
                        Shape::Table(columns.iter().map(|def| def.name.text.clone()).collect(), !without_rowid)
                    }
                    TableBody::Select(_) => continue,
                },
                Ok(Some(Statement::CreateView(create))) => Shape::View(create, sql.to_owned()),
                Ok(Some(Statement::CreateVirtualTable(_))) => Shape::Unknown,
                _ => continue,
            };
            shapes.insert(folded(&row.name), shape);
        }
        Shapes { schema: schema.into(), all: shapes }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Shape> {
        self.all.get(&folded(name))
    }
}
