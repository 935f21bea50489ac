//! A prepared statement, and the rows that it gives.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::program::{Bound, Program};
use super::{FromValue, Params, alter, analyze, attach, schema, transaction, trigger, vacuum};
use crate::row::ValueRef;
use crate::sql::Parser;
use crate::sql::ast::{Conflict, Statement as Tree};
use crate::sql::catalog::Catalog;
use crate::sql::connection::Db;
use crate::sql::exec::{Datum, Outer, OutputColumn, Query, Reading, Run, Task, run as run_task};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Databases, Store};
use crate::sql::value::Value;

/// A statement that is ready to run, again and again.
pub struct Statement<'c, S: Store> {
    session: &'c Db<S>,
    text: Box<str>,
    /// None for a text without a statement.
    bound: Option<Bound<Databases<S>>>,
    columns: Vec<OutputColumn>,
    /// What it was bound against.
    catalog: Arc<Catalog>,
    values: Vec<Value>,
}

impl<S: Store> fmt::Debug for Statement<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement").field("text", &self.text).finish_non_exhaustive()
    }
}

impl<'c, S: Store> Statement<'c, S> {
    pub(super) fn prepare(session: &'c Db<S>, sql: &str) -> Result<Self> {
        let tree = parsed(sql)?;
        // How long to wait for a lock must not wait for one.
        let bound = |tree, catalog| {
            let mut statement =
                Statement { session, text: sql.into(), bound: None, columns: Vec::new(), catalog, values: Vec::new() };
            statement.bind(tree)?;
            Ok(statement)
        };
        match tree {
            Some(ref some) if is_about_transactions(some) => bound(tree, session.catalog.borrow().clone()),
            tree => bound(tree, session.catalog()?),
        }
    }

    fn bind(&mut self, tree: Option<Tree>) -> Result<()> {
        let Some(tree) = tree else { return Ok(()) };
        let bound = Program::bind(self.session, &self.catalog, &self.text, tree)?;
        self.columns = bound.program.columns();
        self.values.resize(bound.parameters.names.len(), Value::Null);
        self.bound = Some(bound);
        Ok(())
    }

    /// How many columns its rows have; none if it gives no rows.
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// What a column is called.
    pub fn column_name(&self, at: usize) -> Option<&str> {
        self.columns.get(at).map(|column| &*column.name)
    }

    /// The type that a column was declared with, where it is a table's column.
    pub fn column_declared_type(&self, at: usize) -> Option<&str> {
        self.columns.get(at).map(|column| &*column.declared).filter(|declared| !declared.is_empty())
    }

    /// How many parameters it has.
    pub fn parameter_count(&self) -> usize {
        self.values.len()
    }

    fn set(&mut self, params: impl Params) -> Result<()> {
        let names = self.bound.as_ref().map_or(&[][..], |bound| &bound.parameters.names);
        let values = &mut self.values;
        values.fill(Value::Null);
        let mut at = 0;
        params.give(&mut |name, value| {
            let place = match name {
                None => Some(at),
                Some(name) => names.iter().position(|known| known.as_deref() == Some(name)),
            };
            at += 1;
            let out_of_range = || Failure::new(ResultCode::RANGE, "column index out of range");
            *place.and_then(|place| values.get_mut(place)).ok_or_else(out_of_range)? = value;
            Ok(())
        })
    }

    /// Begins what it reads and writes, and binds it again if the schema is another than it was.
    fn refresh(&mut self) -> Result<()> {
        loop {
            transaction::begin_with(self.session, self.bound.as_ref().map(|bound| bound.uses).unwrap_or_default())?;
            let catalog = self.session.catalog()?;
            if Arc::ptr_eq(&catalog, &self.catalog) {
                return Ok(());
            }
            self.catalog = catalog;
            self.bind(parsed(&self.text)?)?;
        }
    }

    /// Runs it to its end, and answers how many rows it changed.
    pub fn execute(&mut self, params: impl Params) -> Result<usize> {
        let mut rows = self.query(params)?;
        while rows.next()?.is_some() {}
        let changes = match rows.statement.bound.as_ref().is_some_and(|bound| bound.program.writes()) {
            true => self.session.changes.get(),
            false => 0,
        };
        Ok(usize::try_from(changes).unwrap_or(0))
    }

    /// Runs it, and gives its rows. A statement without rows is done when this returns.
    pub fn query(&mut self, params: impl Params) -> Result<Rows<'_, 'c, S>> {
        let session = self.session;
        let (reading, writes) = match self.bound.as_ref().map(|bound| &bound.program) {
            None | Some(Program::Query(_) | Program::Plan(_)) => (Some(session.read()?), false),
            Some(Program::Other(tree)) if is_about_transactions(tree) => (None, false),
            Some(Program::Pragma(pragma, _)) if pragma.is_about_the_connection() => (None, false),
            Some(Program::Pragma(pragma, _)) if !pragma.writes() => (Some(session.read()?), false),
            Some(Program::Copy(..)) => (Some(session.read()?), false),
            Some(Program::Attach(_) | Program::Detach(_)) => (None, false),
            // The schema is looked at when nobody else can change it any more.
            Some(_) => {
                transaction::begin_store(session)?;
                (None, true)
            }
        };
        let written = session.store.borrow().written();
        let is_of_the_schema = matches!(self.bound.as_ref().map(|bound| &bound.program), Some(Program::Other(_)));
        let number = match self.run(params) {
            Err(failure) if writes => {
                // SQLite knows what is wrong with a statement of the schema before it locks anything.
                if is_of_the_schema && session.in_transaction.get() {
                    session.store.borrow_mut().write_only(written)?;
                }
                transaction::give_up(session)?;
                return Err(failure);
            }
            ran => ran?,
        };
        Ok(Rows { statement: self, reading, number, at: 0, over: false })
    }

    fn run(&mut self, params: impl Params) -> Result<u64> {
        let is_of_the_schema = match self.bound.as_ref().map(|bound| &bound.program) {
            Some(Program::Other(tree)) => !is_about_transactions(tree),
            Some(Program::Pragma(pragma, _)) => !pragma.is_about_the_connection(),
            Some(Program::Attach(_) | Program::Detach(_)) => false,
            _ => true,
        };
        if is_of_the_schema {
            self.refresh()?;
        }
        self.set(params)?;
        self.session.interrupted.store(false, Ordering::Relaxed);
        let number = self.session.begin_run();
        let Statement { session, text, bound, catalog, values, .. } = self;
        let run = Run { session, params: values, number };
        let outer = Outer { up: None, run: &run };
        match bound.as_mut().map(|bound| &mut bound.program) {
            None | Some(Program::Plan(_)) => {}
            Some(Program::Query(query)) => {
                // As in SQLite, whoever reads outside of a transaction ends one, and what was put off with it.
                if !session.in_transaction.get() {
                    session.violations.end_transaction();
                }
                query.reset();
            }
            Some(Program::Insert(insert)) => changed(&mut **insert, outer)?,
            Some(Program::Change(change)) => changed(&mut **change, outer)?,
            Some(Program::Pragma(pragma, rows)) => {
                *rows = match pragma.writes() {
                    true => transaction::writing(session, || {
                        session.guard()?;
                        pragma.run(session, catalog)
                    })?,
                    false => pragma.run(session, catalog)?,
                };
            }
            Some(Program::Copy(schema, into)) => copy(outer, *schema, into)?,
            Some(Program::Attach(values)) => attach::attach(outer, values)?,
            Some(Program::Detach(values)) => attach::detach(outer, values)?,
            Some(Program::Other(tree)) => other(session, catalog, tree, text)?,
        }
        Ok(number)
    }
}

fn parsed(sql: &str) -> Result<Option<Tree>> {
    let mut parser = Parser::new(sql);
    let tree = parser.next_statement()?;
    match tree.is_some() && parser.next_statement()?.is_some() {
        true => Err(Failure::new(ResultCode::MISUSE, "a text of several statements")),
        false => Ok(tree),
    }
}

/// `VACUUM INTO` what the query says.
fn copy<S: Store>(outer: Outer<'_, Databases<S>>, schema: usize, into: &mut [Query<Databases<S>>]) -> Result<()> {
    let session = outer.run.session;
    if session.in_transaction.get() {
        return Err(Failure::error("cannot VACUUM from within a transaction"));
    }
    let name = match &attach::values(outer, into)?[..] {
        [Value::Text(name)] => name.clone(),
        _ => return Err(Failure::error("non-text filename")),
    };
    let name = str::from_utf8(&name).map_err(|_| Failure::error("a filename that is no UTF-8"))?;
    session.store.borrow_mut().one(schema)?.copy_to(name)
}

/// Whether it only begins or ends transactions, packs what is there, or is a pragma that nobody knows: the schema is nothing to it.
fn is_about_transactions(tree: &Tree) -> bool {
    matches!(
        tree,
        Tree::Begin(_)
            | Tree::Commit
            | Tree::Rollback(_)
            | Tree::Savepoint(_)
            | Tree::Release(_)
            | Tree::Pragma(..)
            | Tree::Vacuum { .. }
    )
}

fn changed<S: Store>(task: &mut dyn Task<Databases<S>>, outer: Outer<'_, Databases<S>>) -> Result<()> {
    let session = outer.run.session;
    let done = transaction::writing(session, || run_task(task, outer));
    // Of a statement that fails, only `FAIL` leaves something.
    let kept = done.is_ok() || session.consequence.replace(Conflict::Abort) == Conflict::Fail;
    session.count(if kept { task.changed() } else { 0 });
    done.map(drop)
}

fn other<S: Store>(session: &Db<S>, catalog: &Catalog, tree: &Tree, text: &str) -> Result<()> {
    let schema = |act: &dyn Fn() -> Result<()>| {
        transaction::writing(session, || {
            session.guard()?;
            act()
        })
    };
    match tree {
        Tree::Begin(kind) => transaction::begin(session, *kind),
        Tree::Commit => transaction::commit(session),
        Tree::Rollback(None) => transaction::roll_back_asked(session),
        Tree::Rollback(Some(name)) => transaction::roll_back_to(session, name),
        Tree::Savepoint(name) => transaction::savepoint(session, name),
        Tree::Release(name) => transaction::release(session, name),
        Tree::CreateTable(create) => schema(&|| schema::create_table(session, catalog, create, text)),
        Tree::CreateIndex(create) => schema(&|| schema::create_index(session, catalog, create, text)),
        Tree::CreateView(create) => schema(&|| schema::create_view(session, catalog, create, text)),
        Tree::Drop(what) => schema(&|| schema::drop_object(session, catalog, what)),
        Tree::Reindex(name) => schema(&|| schema::reindex(session, catalog, name.as_ref())),
        Tree::CreateTrigger(create) => schema(&|| trigger::create(session, catalog, create, text)),
        Tree::CreateVirtualTable(_) => Err(Failure::unsupported("virtual tables")),
        Tree::AlterTable(change) => schema(&|| alter::alter(session, catalog, change, text)),
        // Nobody knows it, and it does nothing.
        Tree::Pragma(..) => Ok(()),
        Tree::Analyze(name) => schema(&|| analyze::analyze(session, catalog, name.as_ref())),
        Tree::Vacuum { schema, .. } => vacuum::vacuum(session, catalog, schema.as_ref()),
        Tree::Attach { .. }
        | Tree::Detach(_)
        | Tree::Explain(..)
        | Tree::Select(_)
        | Tree::Insert(_)
        | Tree::Update(_)
        | Tree::Delete(_) => Err(Failure::internal("a statement that should have been bound")),
    }
}

/// The rows of a statement that runs.
pub struct Rows<'s, 'c, S: Store> {
    statement: &'s mut Statement<'c, S>,
    /// Until the last row was given.
    reading: Option<Reading<'c, Databases<S>>>,
    number: u64,
    /// Lines of a plan that were given.
    at: usize,
    over: bool,
}

impl<S: Store> fmt::Debug for Rows<'_, '_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("statement", &self.statement).finish_non_exhaustive()
    }
}

impl<S: Store> Rows<'_, '_, S> {
    /// The next row; none at the end.
    #[expect(clippy::should_implement_trait, reason = "a row borrows from the rows, which no iterator's item can")]
    pub fn next(&mut self) -> Result<Option<Row<'_, S>>> {
        if self.over {
            return Ok(None);
        }
        let Statement { session, bound, values, columns, .. } = &mut *self.statement;
        let run = Run { session, params: values, number: self.number };
        let (program, more) = match bound.as_mut().map(|bound| &mut bound.program) {
            Some(Program::Query(query)) => {
                let more = query.next(Outer { up: None, run: &run });
                if more.is_err() {
                    self.over = true;
                    self.reading = None;
                }
                (Some(()), more?)
            }
            Some(Program::Pragma(_, rows)) => {
                self.at += 1;
                (Some(()), self.at <= rows.len())
            }
            Some(program @ (Program::Insert(_) | Program::Change(_))) => {
                self.at += 1;
                (Some(()), self.at <= program.returning().map_or(0, |returning| returning.rows.len()))
            }
            Some(Program::Plan(lines)) => {
                self.at += 1;
                (Some(()), self.at <= lines.len())
            }
            _ => (None, false),
        };
        if program.is_none() || !more {
            self.over = true;
            self.reading = None;
            return Ok(None);
        }
        let program = bound.as_ref().map(|bound| &bound.program);
        Ok(program.map(|program| Row { run, program, columns, line: self.at.saturating_sub(1) }))
    }
}

/// A row, as long as the next one isn't asked for.
pub struct Row<'r, S: Store> {
    run: Run<'r, Databases<S>>,
    program: &'r Program<Databases<S>>,
    columns: &'r [OutputColumn],
    line: usize,
}

impl<S: Store> fmt::Debug for Row<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("columns", &self.columns.len()).finish_non_exhaustive()
    }
}

impl<S: Store> Row<'_, S> {
    /// How many columns it has.
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// A column, borrowed from the row and handed to who asks: text and blobs are not copied.
    pub fn with<T>(&self, at: usize, read: impl FnOnce(ValueRef<'_>) -> Result<T>) -> Result<T> {
        if at >= self.columns.len() {
            return Err(Failure::new(ResultCode::RANGE, "column index out of range"));
        }
        match self.program {
            Program::Query(query) => read(query.output(at, Outer { up: None, run: &self.run })?.as_ref()),
            Program::Insert(_) | Program::Change(_) => {
                let row = self.program.returning().and_then(|returning| returning.rows.get(self.line));
                read(row.and_then(|row| row.get(at)).map_or(ValueRef::Null, Value::as_ref))
            }
            Program::Pragma(_, rows) => {
                let row = rows.get(self.line).map_or(&[][..], |row| &row[..]);
                read(row.get(at).map_or(ValueRef::Null, Value::as_ref))
            }
            Program::Plan(lines) => {
                let (depth, line) = &lines[self.line];
                // A line belongs to the last one before it that is less deep.
                let parent = lines[..self.line].iter().rposition(|(other, _)| other < depth).map_or(0, |at| at + 1);
                read(match at {
                    0 => ValueRef::Integer(self.line as i64 + 1),
                    1 => ValueRef::Integer(parent as i64),
                    2 => ValueRef::Integer(0),
                    _ => ValueRef::Text(line.as_bytes()),
                })
            }
            _ => read(Datum::Own(Value::Null).as_ref()),
        }
    }

    /// A column as some type.
    pub fn get<T: FromValue>(&self, at: usize) -> Result<T> {
        self.with(at, T::from_value)
    }
}
