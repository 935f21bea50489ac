//! What all statements of a connection share, and what one execution of a statement has.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::expr::LONGEST;
use super::foreign::Violations;
use super::routine::Routines;
use super::sequence::Sequences;
use crate::row::Collation;
use crate::sql::ast::Conflict;
use crate::sql::catalog::Catalog;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::function::{self, Context, Registry};
use crate::sql::pragma::{Pragma, Rows};
use crate::sql::store::Store;
use crate::sql::value::Value;

/// Sixty-four random bits each time.
pub(in crate::sql) type Chance = Box<dyn FnMut() -> u64 + Send>;

/// Milliseconds since the beginning of 1970, in UTC.
pub(in crate::sql) type Clock = Box<dyn Fn() -> i64 + Send>;

/// Seconds ahead of UTC, at a second since the beginning of 1970.
pub(in crate::sql) type Zone = Box<dyn Fn(i64) -> i64 + Send>;

/// What answers a pragma, which is about the databases of the store that everything else takes for one.
pub(in crate::sql) type AskPragma<S> = fn(&Pragma, &Session<S>, &Catalog) -> Result<Rows>;

/// What a statement that writes has to go back to if it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Guard {
    /// Nothing: it has written nothing.
    Untouched,
    /// The beginning of the transaction.
    Touched,
    /// A savepoint.
    Saved,
}

/// The state of a connection.
pub(in crate::sql) struct Session<S: Store> {
    pub(in crate::sql) store: RefCell<S>,
    pub(in crate::sql) catalog: RefCell<Arc<Catalog>>,
    pub(in crate::sql) pragma: AskPragma<S>,
    /// Rows that the last statement changed.
    pub(in crate::sql) changes: Cell<i64>,
    pub(in crate::sql) total_changes: Cell<i64>,
    pub(in crate::sql) last_rowid: Cell<i64>,
    pub(in crate::sql) interrupted: Arc<AtomicBool>,
    pub(in crate::sql) functions: RefCell<Registry>,
    /// Where `random()` is from, if somebody said.
    pub(in crate::sql) chance: RefCell<Option<Chance>>,
    /// What time it is, if somebody said how to know.
    pub(in crate::sql) clock: RefCell<Option<Clock>>,
    /// The time of this execution, once it was asked for.
    now: Cell<Option<i64>>,
    /// How far clocks here are ahead of UTC, if somebody said how to know.
    pub(in crate::sql) zone: RefCell<Option<Zone>>,
    /// That chance was asked for, and there is none.
    no_chance: Cell<bool>,
    /// How many executions have begun.
    runs: Cell<u64>,
    /// The open savepoints' names, outermost first.
    pub(in crate::sql) savepoints: RefCell<Vec<Box<str>>>,
    /// Whether a transaction is open that a statement began.
    pub(in crate::sql) in_transaction: Cell<bool>,
    /// What a broken constraint asks for, beside the error.
    pub(in crate::sql) consequence: Cell<Conflict>,
    /// Whether the store was told to begin to read, and how many executions rely on it.
    pub(in crate::sql) reading: Cell<bool>,
    pub(in crate::sql) readers: Cell<usize>,
    /// Whether the store was told that it begins.
    pub(in crate::sql) writing: Cell<bool>,
    /// How the statement that runs can be undone.
    pub(in crate::sql) guard: Cell<Guard>,
    /// That the transaction ends with the release of its outermost savepoint.
    pub(in crate::sql) begun_by_savepoint: Cell<bool>,
    /// Whether a trigger may fire itself, and whether `REPLACE` fires those of what it deletes.
    pub(in crate::sql) recursive_triggers: Cell<bool>,
    /// Triggers that were bound and wait for their next row.
    pub(in crate::sql) routines: RefCell<Routines<S>>,
    /// What the statement that runs gives to tables with `AUTOINCREMENT`.
    pub(in crate::sql) sequences: RefCell<Sequences>,
    /// That the failure is none, but `RAISE(IGNORE)`.
    pub(in crate::sql) ignored: Cell<bool>,
    /// Foreign keys that don't hold.
    pub(in crate::sql) violations: Violations,
    /// `PRAGMA legacy_alter_table`
    pub(in crate::sql) legacy_alter: Cell<bool>,
}

impl<S: Store> Session<S> {
    pub(in crate::sql) fn new(mut store: S, catalog: Catalog, pragma: AskPragma<S>) -> Self {
        let interrupted = Arc::<AtomicBool>::default();
        store.set_interrupt(interrupted.clone());
        Session {
            store: RefCell::new(store),
            catalog: RefCell::new(Arc::new(catalog)),
            pragma,
            changes: Cell::new(0),
            total_changes: Cell::new(0),
            last_rowid: Cell::new(0),
            interrupted,
            functions: RefCell::new(Registry::builtin()),
            chance: RefCell::new(None),
            clock: RefCell::new(None),
            now: Cell::new(None),
            zone: RefCell::new(None),
            no_chance: Cell::new(false),
            runs: Cell::new(0),
            savepoints: RefCell::default(),
            in_transaction: Cell::new(false),
            consequence: Cell::new(Conflict::Abort),
            reading: Cell::new(false),
            readers: Cell::new(0),
            writing: Cell::new(false),
            guard: Cell::new(Guard::Untouched),
            begun_by_savepoint: Cell::new(false),
            recursive_triggers: Cell::new(false),
            routines: RefCell::default(),
            sequences: RefCell::default(),
            ignored: Cell::new(false),
            violations: Violations::default(),
            legacy_alter: Cell::new(false),
        }
    }

    /// Fails if somebody asked to stop. For whatever looks at many rows.
    #[inline]
    pub(in crate::sql) fn check(&self) -> Result<()> {
        match self.interrupted.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(Failure::new(ResultCode::INTERRUPT, "interrupted")),
        }
    }

    /// Begins to read, if nobody has. What is read stays as it is until all [`Reading`]s are gone, and the transaction, if
    /// there is one, has ended.
    pub(in crate::sql) fn read(&self) -> Result<Reading<'_, S>> {
        if !self.reading.get() && !self.writing.get() {
            self.store.borrow_mut().begin_read()?;
            self.reading.set(true);
        }
        self.readers.set(self.readers.get() + 1);
        Ok(Reading(self))
    }

    /// The statement is about to write, and may fail later: what is written from here on can be undone without the rest of the
    /// transaction, if there is a rest.
    pub(in crate::sql) fn guard(&self) -> Result<()> {
        if self.guard.get() != Guard::Untouched {
            return Ok(());
        }
        if self.in_transaction.get() {
            self.store.borrow_mut().savepoint()?;
            self.guard.set(Guard::Saved);
        } else {
            self.touch();
        }
        Ok(())
    }

    /// Something is written.
    pub(in crate::sql) fn touch(&self) {
        if self.guard.get() == Guard::Untouched {
            self.guard.set(Guard::Touched);
        }
    }

    /// Ends reading, if nobody relies on it any more.
    pub(in crate::sql) fn end_read(&self) {
        let relied_on = self.readers.get() > 0 || self.in_transaction.get() || self.writing.get();
        if !relied_on && self.reading.replace(false) {
            // Whoever reads next hears of what is wrong.
            let _ = self.store.borrow_mut().end_read();
        }
    }

    /// A statement has changed so many rows.
    pub(in crate::sql) fn count(&self, changes: i64) {
        self.changes.set(changes);
        self.total_changes.set(self.total_changes.get() + changes);
    }

    /// Has all statements bound again, since something has changed that they were bound to.
    pub(in crate::sql) fn bind_again(&self) {
        let catalog = Catalog::clone(&self.catalog.borrow());
        *self.catalog.borrow_mut() = Arc::new(catalog);
    }

    /// Lets a function work, with what it may know of the connection.
    #[inline]
    pub(in crate::sql) fn in_context<T>(
        &self,
        collation: Collation,
        act: impl FnOnce(&mut Context<'_>) -> Result<T, function::Error>,
    ) -> Result<T> {
        let mut chance = || match &mut *self.chance.borrow_mut() {
            Some(chance) => chance(),
            None => {
                self.no_chance.set(true);
                0
            }
        };
        let mut context = Context::new(&mut chance);
        context.collation = collation;
        context.longest = LONGEST;
        context.changes = self.changes.get();
        context.total_changes = self.total_changes.get();
        context.last_insert_rowid = self.last_rowid.get();
        context.now = self.now();
        let zone = self.zone.borrow();
        context.zone = zone.as_ref().map(|zone| &**zone as &dyn Fn(i64) -> i64);
        let answer = act(&mut context)?;
        match self.no_chance.replace(false) {
            false => Ok(answer),
            true => Err(Failure::error("this connection was given no source of chance")),
        }
    }

    /// What time it is to this execution: the same from its beginning to its end.
    fn now(&self) -> Option<i64> {
        if self.now.get().is_none() {
            self.now.set(self.clock.borrow().as_ref().map(|clock| clock()));
        }
        self.now.get()
    }

    pub(in crate::sql) fn begin_run(&self) -> u64 {
        self.now.set(None);
        self.runs.set(self.runs.get() + 1);
        self.runs.get()
    }
}

/// As long as it is there, what is read stays as it is.
pub(in crate::sql) struct Reading<'a, S: Store>(&'a Session<S>);

impl<S: Store> Drop for Reading<'_, S> {
    fn drop(&mut self) {
        self.0.readers.set(self.0.readers.get() - 1);
        self.0.end_read();
    }
}

/// One execution of a statement.
pub(in crate::sql) struct Run<'a, S: Store> {
    pub(in crate::sql) session: &'a Session<S>,
    pub(in crate::sql) params: &'a [Value],
    /// Which execution, so that answers of an earlier one are known to be old.
    pub(in crate::sql) number: u64,
}

impl<S: Store> Run<'_, S> {
    /// Fails if somebody asked to stop. Called at least once for each row that is looked at.
    #[inline]
    pub(in crate::sql) fn check(&self) -> Result<()> {
        self.session.check()
    }
}
