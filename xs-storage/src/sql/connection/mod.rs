//! The way in: a connection, and statements that are prepared and run.

mod alter;
mod analyze;
mod attach;
mod databases;
mod params;
mod program;
mod schema;
mod statement;
mod transaction;
mod trigger;
mod vacuum;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(in crate::sql) use databases::Db;
pub use params::{FromValue, Params};
pub use statement::{Row, Rows, Statement};

use super::Parser;
use super::failure::{Failure, Result, ResultCode};
use super::function::{Function, TableFunction};
use super::store::{Memory, Store};

/// A connection to a database: what statements are run with.
///
/// ```
/// use xs_storage::sql::Connection;
///
/// let db = Connection::open_in_memory()?;
/// db.execute_batch("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL);")?;
/// db.execute("INSERT INTO person (name) VALUES (?1), (?2)", ("Ada", "Grace"))?;
/// let name: String = db.query_row("SELECT name FROM person WHERE id = ?", (2,), |row| row.get(0))?;
/// assert_eq!(name, "Grace");
///
/// let error = db.execute("INSERT INTO person (name) VALUES (NULL)", ()).unwrap_err();
/// assert_eq!(error.message(), "NOT NULL constraint failed: person.name");
/// # Ok::<(), xs_storage::sql::Failure>(())
/// ```
pub struct Connection<S: Store = Memory> {
    session: Db<S>,
}

impl<S: Store> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("changes", &self.session.changes.get()).finish_non_exhaustive()
    }
}

impl Connection<Memory> {
    /// A new database in memory.
    pub fn open_in_memory() -> Result<Self> {
        Connection::new(Memory::new())
    }
}

impl<S: Store> Connection<S> {
    /// Over a store.
    pub fn new(store: S) -> Result<Self> {
        Ok(Connection { session: Db::open(store)? })
    }

    /// Makes a statement ready. Text behind its semicolon is an error.
    pub fn prepare(&self, sql: &str) -> Result<Statement<'_, S>> {
        Statement::prepare(&self.session, sql)
    }

    /// Runs one statement to its end, and answers how many rows it changed.
    pub fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.prepare(sql)?.execute(params)
    }

    /// Runs statements one after the other, to the first that fails.
    pub fn execute_batch(&self, sql: &str) -> Result<()> {
        let mut rest = sql;
        loop {
            let mut parser = Parser::new(rest);
            if parser.next_statement()?.is_none() {
                return Ok(());
            }
            let (one, behind) = rest.split_at(parser.offset().min(rest.len()));
            self.prepare(one)?.execute(())?;
            rest = behind;
        }
    }

    /// The first row of a query, mapped; an error if there is none.
    pub fn query_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_, S>) -> Result<T>,
    ) -> Result<T> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params)?;
        match rows.next()? {
            Some(row) => map(&row),
            None => Err(Failure::new(ResultCode::MISUSE, "the query gave no rows")),
        }
    }

    /// Adds a function, in the place of one of the same name and number of arguments, for statements prepared from now on.
    ///
    /// ```
    /// use xs_storage::sql::function::{Arity, Callable, Context, Function};
    /// use xs_storage::sql::{Connection, Value, ValueRef};
    ///
    /// let db = Connection::open_in_memory()?;
    /// let twice = |_: &mut Context<'_>, args: &[ValueRef<'_>]| Ok(Value::from(args[0].to_integer() * 2));
    /// db.add_function(Function {
    ///     name: "twice".into(),
    ///     arity: Arity::Exactly(1),
    ///     deterministic: true,
    ///     callable: Callable::Scalar(std::sync::Arc::new(twice)),
    /// });
    /// assert_eq!(db.query_row("SELECT twice(21)", (), |row| row.get::<i64>(0))?, 42);
    /// # Ok::<(), xs_storage::sql::Failure>(())
    /// ```
    pub fn add_function(&self, function: Function) {
        self.session.functions.borrow_mut().add(function);
        self.session.routines.borrow_mut().clear();
    }

    /// Adds a function that gives a table, for statements prepared from now on.
    pub fn add_table_function(&self, name: &str, function: impl TableFunction + 'static) {
        self.session.functions.borrow_mut().add_table(name, function);
    }

    /// Says where `random()` and `randomblob()` are from. Without, they are errors.
    pub fn set_random(&self, random: impl FnMut() -> u64 + Send + 'static) {
        *self.session.chance.borrow_mut() = Some(Box::new(random));
    }

    /// Says what time it is: milliseconds since the beginning of 1970, in UTC. Without, `now` is an error.
    ///
    /// ```
    /// let db = xs_storage::sql::Connection::open_in_memory()?;
    /// db.set_clock(|| 86_400_000);
    /// assert_eq!(db.query_row("SELECT date('now')", (), |row| row.get::<String>(0))?, "1970-01-02");
    /// # Ok::<(), xs_storage::sql::Failure>(())
    /// ```
    pub fn set_clock(&self, now: impl Fn() -> i64 + Send + 'static) {
        *self.session.clock.borrow_mut() = Some(Box::new(now));
    }

    /// Says how many seconds clocks here are ahead of UTC, at a second since the beginning of 1970. Without, `localtime` is an
    /// error.
    pub fn set_zone(&self, zone: impl Fn(i64) -> i64 + Send + 'static) {
        *self.session.zone.borrow_mut() = Some(Box::new(zone));
    }

    /// Rows that the last statement changed.
    pub fn changes(&self) -> u64 {
        self.session.changes.get().unsigned_abs()
    }

    /// Rows that all statements changed.
    pub fn total_changes(&self) -> u64 {
        self.session.total_changes.get().unsigned_abs()
    }

    /// The rowid of the last row that was inserted.
    pub fn last_insert_rowid(&self) -> i64 {
        self.session.last_rowid.get()
    }

    /// Whether each statement is a transaction of its own.
    pub fn is_autocommit(&self) -> bool {
        !self.session.in_transaction.get()
    }

    /// What stops a running statement from another thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle(self.session.interrupted.clone())
    }

    #[cfg(test)]
    pub(in crate::sql) fn session(&self) -> &Db<S> {
        &self.session
    }

    /// The store back. A transaction that is open is undone.
    pub fn into_store(self) -> Result<S> {
        transaction::roll_back(&self.session)?;
        Ok(self.session.store.into_inner().into_main())
    }
}

/// Stops a running statement.
#[derive(Clone, Debug)]
pub struct InterruptHandle(Arc<AtomicBool>);

impl InterruptHandle {
    /// The statement that runs ends with an error; later ones run.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
