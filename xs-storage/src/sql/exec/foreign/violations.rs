//! How many keys don't hold at the moment.

use std::cell::{Cell, RefCell};

use super::failed;
use crate::sql::ast::Conflict;
use crate::sql::failure::Result;

/// The counters of a connection, and whether anything is counted.
#[derive(Debug, Default)]
pub(in crate::sql) struct Violations {
    /// `PRAGMA foreign_keys`
    pub(in crate::sql) enabled: Cell<bool>,
    /// `PRAGMA defer_foreign_keys`: until the transaction ends, all keys are deferred.
    pub(in crate::sql) defer: Cell<bool>,
    /// Of keys that must hold when the statement ends.
    statement: Cell<i64>,
    transaction: Cell<Deferred>,
    /// What they were when each savepoint was made.
    savepoints: RefCell<Vec<Deferred>>,
}

/// What is left to the end of the transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sql) struct Deferred {
    /// By keys that are deferred.
    keys: i64,
    /// By those that the pragma defers.
    others: i64,
}

impl Violations {
    /// Counts for a key.
    pub(super) fn add(&self, deferred: bool, by: i64) {
        let mut transaction = self.transaction.get();
        match deferred {
            _ if self.defer.get() => transaction.others += by,
            true => transaction.keys += by,
            false => self.statement.set(self.statement.get() + by),
        }
        self.transaction.set(transaction);
    }

    /// Whether there is nothing that a change could mend.
    pub(in crate::sql) fn none(&self, deferred: bool) -> bool {
        let Deferred { keys, others } = self.transaction.get();
        others == 0 && if deferred { keys == 0 } else { self.statement.get() == 0 }
    }

    /// A statement begins. What it answers is for [`Violations::restore`].
    pub(in crate::sql) fn begin_statement(&self) -> Deferred {
        self.statement.set(0);
        self.transaction.get()
    }

    /// Fails if the statement has ended well and leaves behind what must hold at its end. Such a failure undoes it.
    pub(in crate::sql) fn end_statement<T>(&self, done: Result<T>, consequence: &Cell<Conflict>) -> Result<T> {
        let ended = done.is_ok() || consequence.get() == Conflict::Fail;
        if ended && self.statement.get() > 0 {
            consequence.set(Conflict::Abort);
            return Err(failed());
        }
        done
    }

    /// The statement is undone.
    pub(in crate::sql) fn restore(&self, before: Deferred) {
        self.transaction.set(before);
    }

    /// Fails if the transaction can't end.
    pub(in crate::sql) fn check_transaction(&self) -> Result<()> {
        let Deferred { keys, others } = self.transaction.get();
        if keys + others > 0 { Err(failed()) } else { Ok(()) }
    }

    /// The transaction has ended.
    pub(in crate::sql) fn end_transaction(&self) {
        self.transaction.set(Deferred::default());
        self.defer.set(false);
        self.savepoints.borrow_mut().clear();
    }

    /// Sets the pragma. Taken back, it forgets what it has put off.
    pub(in crate::sql) fn set_defer(&self, defer: bool) {
        self.defer.set(defer);
        if !defer {
            self.transaction.set(Deferred { others: 0, ..self.transaction.get() });
        }
    }

    pub(in crate::sql) fn savepoint(&self) {
        self.savepoints.borrow_mut().push(self.transaction.get());
    }

    /// Forgets the savepoints from this one on.
    pub(in crate::sql) fn release(&self, depth: usize) {
        self.savepoints.borrow_mut().truncate(depth);
    }

    /// Goes back to a savepoint, which stays.
    pub(in crate::sql) fn roll_back_to(&self, depth: usize) {
        let mut savepoints = self.savepoints.borrow_mut();
        savepoints.truncate(depth + 1);
        if let Some(then) = savepoints.get(depth) {
            self.transaction.set(*then);
        }
    }
}
