//! An index made of the rows that a table has: its records are collected, sorted, and laid down in their order.
//!
//! Put in one by one, records go all over the tree, and each is a search and a page moved apart. In their order they only ever go to
//! the end. What is collected is bounded: when it has become too much, that much is sorted and put in, and the next begins. The first
//! such run fills the empty tree page by page; each later one goes through the tree once.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use super::indexed::IndexRules;
use super::keyed::entry;
use super::keys::not_unique_index;
use super::reader::{Reader, table_cursor};
use super::session::Session;
use crate::row::ValueRef;
use crate::row::record::{self, encode_into};
use crate::sql::catalog::{Index, Table};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store, key};

/// Bytes of keys and records that are sorted at once.
const RUN: usize = 64 << 20;

/// Fills an empty index with a table's rows. `rules` are this index's alone.
pub(in crate::sql) fn rebuild<S: Store>(
    session: &Session<S>,
    table: &Arc<Table>,
    index: &Index,
    rules: &IndexRules<S>,
) -> Result<()> {
    build(session, table, index, rules, RUN)
}

fn build<S: Store>(
    session: &Session<S>,
    table: &Arc<Table>,
    index: &Index,
    rules: &IndexRules<S>,
    most: usize,
) -> Result<()> {
    let reader = Reader::of(session, table)?;
    let wanted: SmallVec<[usize; 8]> = index.parts.iter().chain(&index.behind).map(|part| part.column).collect();
    let stored = rules.plain && !wanted.iter().any(|column| table.is_virtual(*column));
    let mut cursor = table_cursor(&*session.store.borrow(), table);
    let mut run = Run::default();
    let mut is_first = true;
    let mut more = session.store.borrow_mut().first(&mut cursor)?;
    while more {
        session.check()?;
        session.store.borrow_mut().load(&mut cursor)?;
        let rowid = cursor.rowid();
        if stored {
            let mut values = reader.columns((rowid, cursor.record()), &wanted)?;
            if table.key.is_none() {
                values.push(ValueRef::Integer(rowid));
            }
            run.push(index, &values);
        } else {
            let row = rules.row(reader.row(&cursor, session)?, rowid, session)?;
            if rules.has(0, &row, session)? {
                run.push(index, &entry(table, index, &row.registers, rowid));
            }
        }
        more = session.store.borrow_mut().next(&mut cursor)?;
        if run.bytes.len() >= most {
            std::mem::take(&mut run).put(session, table, index, is_first)?;
            is_first = false;
        }
    }
    run.put(session, table, index, is_first)
}

/// Records that are sorted together: the bytes that order each of them, and behind those the record itself.
#[derive(Default)]
struct Run {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<End>,
    /// The first bytes of what orders each, which decide most comparisons, and which it is.
    order: Vec<(u64, usize)>,
}

/// Where an entry's parts end.
struct End {
    /// What must be unique; the entry's start, if nothing must be.
    unique: usize,
    key: usize,
    record: usize,
}

impl Run {
    fn push(&mut self, index: &Index, values: &[ValueRef<'_>]) {
        let start = self.bytes.len();
        let parts = values.get(..index.parts.len()).unwrap_or(values);
        let is_unique = index.unique.is_some() && !parts.iter().any(|value| value.is_null());
        let mut unique = start;
        for (at, (value, column)) in values.iter().zip(&*index.order).enumerate() {
            // Rows come in the order of their rowids, and the later of two that are equal so far stays the later.
            if index.behind.is_empty() && at == parts.len() {
                break;
            }
            key::push(&mut self.bytes, *value, *column);
            if is_unique && at + 1 == parts.len() {
                unique = self.bytes.len();
            }
        }
        let key = self.bytes.len();
        let mut first = [0; 8];
        let len = (key - start).min(8);
        first[..len].copy_from_slice(&self.bytes[start..start + len]);
        encode_into(&mut self.bytes, values);
        self.order.push((u64::from_be_bytes(first), self.ends.len()));
        self.ends.push(End { unique, key, record: self.bytes.len() });
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| end.record)
    }

    fn key(&self, at: usize) -> &[u8] {
        self.ends.get(at).and_then(|end| self.bytes.get(self.start(at)..end.key)).unwrap_or_default()
    }

    /// What no other entry may have as well; empty, if it has none.
    fn unique(&self, at: usize) -> &[u8] {
        self.ends.get(at).and_then(|end| self.bytes.get(self.start(at)..end.unique)).unwrap_or_default()
    }

    fn record(&self, at: usize) -> &[u8] {
        self.ends.get(at).and_then(|end| self.bytes.get(end.key..end.record)).unwrap_or_default()
    }

    /// Sorts the records, and puts them into the index, which the first run finds empty.
    fn put<S: Store>(mut self, session: &Session<S>, table: &Table, index: &Index, is_first: bool) -> Result<()> {
        let mut order = std::mem::take(&mut self.order);
        order.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| self.key(a.1).cmp(self.key(b.1))).then_with(|| a.1.cmp(&b.1))
        });
        let broken = || Failure::new(ResultCode::UNIQUE, not_unique_index(table, index).message);
        let unique = |at: usize| Some(self.unique(at)).filter(|key| !key.is_empty());
        if order.windows(2).any(|pair| unique(pair[0].1).is_some_and(|key| Some(key) == unique(pair[1].1))) {
            return Err(broken());
        }
        let mut store = session.store.borrow_mut();
        if is_first {
            return store.fill_index(index.root, &index.order, &mut order.iter().map(|(_, at)| self.record(*at)));
        }
        let mut cursor = store.index_cursor(index.root, index.order.clone());
        for (_, at) in order {
            if unique(at).is_some() {
                let columns = record::columns(self.record(at)).map_err(Failure::internal)?;
                let columns = columns.take(index.parts.len()).collect::<Result<SmallVec<[_; 4]>, _>>();
                let columns = columns.map_err(Failure::internal)?;
                if store.seek_columns(&mut cursor, &columns)? == Some(Ordering::Equal) {
                    return Err(broken());
                }
            }
            store.insert_record(index.root, &index.order, self.record(at))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::encode;
    use crate::sql::Connection;
    use crate::sql::bind::Binder;
    use crate::sql::catalog::Relation;
    use crate::sql::store::Memory;

    /// Builds the index `i` of table `t` anew, in runs of so many bytes.
    fn again(db: &Connection<Memory>, most: usize) -> Result<()> {
        let session = db.session();
        let catalog = session.catalog()?;
        let Some(Relation::Table(table)) = catalog.relation(None, "t") else { panic!("no table t") };
        let index = table.indexes.iter().find(|index| &*index.name == "i").unwrap();
        let rules = Binder::new(&catalog, session, "").index_rules(table, std::iter::once(&**index))?;
        session.store.borrow_mut().begin()?;
        session.store.borrow_mut().clear_tree(index.root)?;
        let built = build(session, table, index, &rules, most);
        session.store.borrow_mut().commit()?;
        built
    }

    fn dump(db: &Connection<Memory>) -> String {
        let list = "SELECT group_concat(quote(b) || ':' || a) FROM (SELECT a, b FROM t INDEXED BY i ORDER BY b, a)";
        db.query_row(list, (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn runs_of_any_size_make_the_same_index() {
        for sql in [
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t (b)",
            "CREATE TABLE t (a PRIMARY KEY, b) WITHOUT ROWID; CREATE INDEX i ON t (b)",
        ] {
            let db = Connection::open_in_memory().unwrap();
            db.execute_batch(sql).unwrap();
            db.execute_batch(
                "INSERT INTO t WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300)
                 SELECT x, CASE x % 4 WHEN 0 THEN NULL WHEN 1 THEN x * 7 % 31 WHEN 2 THEN 'name ' || (x * 13 % 17)
                 ELSE x / 3.0 END FROM n",
            )
            .unwrap();
            let wanted = dump(&db);
            for most in [0, 100, 1000, usize::MAX] {
                again(&db, most).unwrap();
                assert_eq!(dump(&db), wanted, "{most}");
                assert_eq!(db.query_row("PRAGMA integrity_check", (), |row| row.get::<String>(0)).unwrap(), "ok");
            }
        }
    }

    #[test]
    fn what_is_not_unique_is_found_within_a_run_and_between_two() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (a, b); CREATE UNIQUE INDEX i ON t (b)").unwrap();
        db.execute_batch("INSERT INTO t VALUES (1, 5), (2, NULL), (3, 6), (4, NULL), (5, 7)").unwrap();
        let catalog = db.session().catalog().unwrap();
        let Some(Relation::Table(table)) = catalog.relation(None, "t") else { panic!("no table t") };
        for most in [0, 20, usize::MAX] {
            again(&db, most).unwrap();
        }
        // A row that the index doesn't know.
        let mut store = db.session().store.borrow_mut();
        store.begin().unwrap();
        store.insert(table.root, 6, &encode(&[ValueRef::Integer(6), ValueRef::Integer(5)])).unwrap();
        store.commit().unwrap();
        drop(store);
        for most in [0, 20, usize::MAX] {
            assert_eq!(again(&db, most).unwrap_err().message(), "UNIQUE constraint failed: t.b", "{most}");
        }
    }
}
