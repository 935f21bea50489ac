//! Pragmas as tables: `pragma_table_info('t')` in `FROM`.

use super::{KNOWN, Kind, Pragma};
use crate::sql::ast::{Ident, PragmaValue, QualifiedName, Quote};
use crate::sql::exec::Session;
use crate::sql::failure::{Failure, Result};
use crate::sql::function::{self, TableColumn, TableRows};
use crate::sql::store::Store;
use crate::sql::value::Value;

/// A pragma that only tells something.
pub(in crate::sql) struct PragmaTable {
    name: &'static str,
    kind: Kind,
}

impl PragmaTable {
    /// What `pragma_NAME` means, if it means one.
    pub(in crate::sql) fn named(name: &str) -> Option<PragmaTable> {
        let prefix = name.get(..7).filter(|prefix| prefix.eq_ignore_ascii_case("pragma_"))?;
        let name = Self::all().find(|known| known.eq_ignore_ascii_case(&name[prefix.len()..]))?;
        KNOWN.iter().find(|(known, _)| *known == name).map(|(name, kind)| PragmaTable { name, kind: *kind })
    }

    /// The names of all that are tables.
    pub(super) fn all() -> impl Iterator<Item = &'static str> {
        let none = [Kind::CaseSensitiveLike, Kind::Refused, Kind::WalCheckpoint];
        let gives = move |name: &str, kind: Kind| !none.contains(&kind) && (kind != Kind::Hint || name == "optimize");
        KNOWN.iter().filter(move |(name, kind)| gives(name, *kind)).map(|(name, _)| *name)
    }

    /// Whether it is about something that has a name.
    fn takes_name(&self) -> bool {
        matches!(
            self.kind,
            Kind::TableInfo { .. }
                | Kind::TableList
                | Kind::IndexList
                | Kind::IndexInfo { .. }
                | Kind::ForeignKeyList
                | Kind::Check { .. }
                | Kind::Hint
        )
    }

    fn takes_schema(&self) -> bool {
        let settings =
            [Kind::AutoVacuum, Kind::CacheSize, Kind::JournalMode, Kind::PageCount, Kind::PageSize, Kind::Synchronous];
        settings.contains(&self.kind) || self.takes_name() && !matches!(self.kind, Kind::TableList | Kind::Hint)
    }

    pub(in crate::sql) fn columns(&self) -> Vec<TableColumn> {
        let asked = Pragma { schema: None, name: self.name, kind: self.kind, value: None };
        let shown = match asked.columns() {
            // One without rows has its own name for a column nevertheless.
            [] => std::slice::from_ref(&self.name),
            some => some,
        };
        let hidden = [("arg", self.takes_name()), ("schema", self.takes_schema())];
        let hidden: Vec<_> = hidden.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
        TableColumn::list(shown, &hidden)
    }

    /// Asks it. The arguments are what it is about and in which schema, where it takes them.
    pub(in crate::sql) fn open<S: Store>(
        &self,
        session: &Session<S>,
        args: &[Option<Value>],
    ) -> Result<Box<dyn TableRows>> {
        let text = |at: usize| -> Result<Option<String>> {
            let Some(Some(value)) = args.get(at) else { return Ok(None) };
            let Some(text) = value.as_ref().to_text() else { return Ok(None) };
            Ok(Some(String::from_utf8_lossy(&text).into_owned()))
        };
        let about = if self.takes_name() { text(0)? } else { None };
        let schema = if self.takes_schema() { text(usize::from(self.takes_name()))? } else { None };
        let ident = |text: &str| Ident::new(text, Quote::Double);
        let catalog = session.catalog.borrow().clone();
        let schema = schema.as_deref().map(ident);
        if let Some(schema) = schema.as_ref().filter(|schema| catalog.number(schema).is_none()) {
            return Err(Failure::error(format!("unknown database '{}'", schema.text.replace('\'', "''"))));
        }
        let name = QualifiedName { schema, name: ident(self.name) };
        let value = about.as_deref().map(|about| PragmaValue::Word(ident(about)));
        let rows = match Pragma::new(&name, value.as_ref(), &catalog)? {
            Some(pragma) => (session.pragma)(&pragma, session, &catalog)?,
            None => Vec::new(),
        };
        let shown = self.columns().iter().filter(|column| !column.hidden).count();
        Ok(Box::new(Rows { rows, shown, args: args.to_vec(), at: 0 }))
    }
}

struct Rows {
    rows: super::Rows,
    shown: usize,
    args: Vec<Option<Value>>,
    /// The row at hand, from 1.
    at: usize,
}

impl TableRows for Rows {
    fn next(&mut self) -> Result<bool, function::Error> {
        self.at += 1;
        Ok(self.at <= self.rows.len())
    }

    fn value(&self, column: usize) -> Result<Value, function::Error> {
        Ok(match column.checked_sub(self.shown) {
            Some(hidden) => self.args.get(hidden).cloned().flatten().unwrap_or_default(),
            None => {
                let row = self.at.checked_sub(1).and_then(|at| self.rows.get(at));
                row.and_then(|row| row.get(column)).cloned().unwrap_or_default()
            }
        })
    }

    fn rowid(&self) -> i64 {
        self.at as i64
    }
}
