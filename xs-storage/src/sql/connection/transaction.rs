//! Transactions, savepoints, and what a statement undoes when it fails.
//!
//! A statement that writes begins the store's transaction if none is open, and takes a savepoint within it. A failure goes back to
//! that savepoint, unless the constraint that broke asks for something else: `FAIL` keeps what was done, `ROLLBACK` undoes the
//! whole transaction. Outside of `BEGIN`, the statement's end is the transaction's, and there is nothing else to go back to.
//!
//! A savepoint keeps each page that changes a second time. A statement that changes one row, and has asked everything that can be
//! wrong with the row before it writes, takes none: [`Guard`] says how far it came. If the disk fails it in the midst of that,
//! the whole transaction is undone.

use super::program::Uses;
use crate::sql::ast::{Begin, Conflict, Ident};
use crate::sql::connection::Db;
use crate::sql::exec::Guard;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::Store;

pub(super) fn begin_store<S: Store>(session: &Db<S>) -> Result<()> {
    if !session.writing.get() {
        session.store.borrow_mut().begin()?;
        session.writing.set(true);
    }
    Ok(())
}

/// Does something that writes, whole or not at all; but if it fails and leaves something, the consequence stays `FAIL`.
pub(super) fn writing<S: Store, T>(session: &Db<S>, act: impl FnOnce() -> Result<T>) -> Result<T> {
    begin_store(session)?;
    let depth = session.savepoints.borrow().len();
    session.guard.set(Guard::Untouched);
    session.consequence.set(Conflict::Abort);
    let violations = session.violations.begin_statement();
    let done = session.violations.end_statement(act(), &session.consequence);
    let consequence = session.consequence.get();
    if done.is_ok() || consequence != Conflict::Fail {
        session.consequence.set(Conflict::Abort);
    }
    match (&done, session.guard.get()) {
        (Err(_), Guard::Touched) if consequence != Conflict::Fail => {
            roll_back(session)?;
            return done;
        }
        (Err(_), _) if consequence == Conflict::Rollback => {
            roll_back(session)?;
            return done;
        }
        (Err(_), guard) if consequence != Conflict::Fail => {
            session.violations.restore(violations);
            if guard == Guard::Saved {
                session.store.borrow_mut().roll_back_to(depth)?;
                session.read_again()?;
            }
        }
        _ => {}
    }
    if session.guard.get() == Guard::Saved {
        session.store.borrow_mut().release(depth)?;
    }
    if !session.in_transaction.get() {
        if let Err(failed) = session.violations.check_transaction() {
            session.consequence.set(Conflict::Abort);
            roll_back(session)?;
            return Err(failed);
        }
        commit_store(session)?;
    }
    done
}

fn commit_store<S: Store>(session: &Db<S>) -> Result<()> {
    if session.writing.get() {
        let committed = session.store.borrow_mut().commit();
        if let Err(failure) = &committed {
            // Who is in the way now may not be later; of a disk that fails nothing better is to be expected.
            if !session.in_transaction.get() || failure.code().class() != ResultCode::BUSY {
                roll_back(session)?;
            }
        }
        committed?;
        session.writing.set(false);
    }
    session.violations.end_transaction();
    Ok(())
}

/// Undoes what a statement began that could not go on, if it began the transaction.
pub(super) fn give_up<S: Store>(session: &Db<S>) -> Result<()> {
    if session.in_transaction.get() { Ok(()) } else { roll_back(session) }
}

pub(super) fn begin<S: Store>(session: &Db<S>, kind: Option<Begin>) -> Result<()> {
    if let Some(kind @ (Begin::Immediate | Begin::Exclusive)) = kind {
        begin_store(session)?;
        let all = 0..session.store.borrow().len();
        if let Err(failure) = all.into_iter().try_for_each(|schema| begin_of(session, schema, kind)) {
            give_up(session)?;
            return Err(failure);
        }
    }
    if session.in_transaction.get() {
        return Err(Failure::error("cannot start a transaction within a transaction"));
    }
    session.in_transaction.set(true);
    Ok(())
}

/// Begins to write to a database that is there.
fn begin_of<S: Store>(session: &Db<S>, schema: usize, kind: Begin) -> Result<()> {
    let mut store = session.store.borrow_mut();
    match store.is_open(schema) {
        true => store.begin_of(schema, kind == Begin::Exclusive),
        false => Ok(()),
    }
}

/// Begins to write to the databases of a set, a bit for each, and to read others.
pub(super) fn begin_with<S: Store>(session: &Db<S>, uses: Uses) -> Result<()> {
    let mut store = session.store.borrow_mut();
    for schema in 0..store.len() {
        if uses.writes >> schema & 1 == 1 {
            store.begin_of(schema, false)?;
        } else if uses.reads >> schema & 1 == 1 {
            store.begin_read_of(schema)?;
        }
    }
    Ok(())
}

pub(super) fn commit<S: Store>(session: &Db<S>) -> Result<()> {
    if !session.in_transaction.get() {
        return Err(Failure::error("cannot commit - no transaction is active"));
    }
    session.violations.check_transaction()?;
    commit_store(session)?;
    session.in_transaction.set(false);
    session.savepoints.borrow_mut().clear();
    session.end_read();
    Ok(())
}

/// Undoes the transaction, if there is one.
pub(super) fn roll_back<S: Store>(session: &Db<S>) -> Result<()> {
    session.in_transaction.set(false);
    session.violations.end_transaction();
    session.savepoints.borrow_mut().clear();
    if session.writing.replace(false) {
        session.store.borrow_mut().roll_back()?;
        session.read_again()?;
    }
    session.end_read();
    Ok(())
}

pub(super) fn roll_back_asked<S: Store>(session: &Db<S>) -> Result<()> {
    match session.in_transaction.get() {
        true => roll_back(session),
        false => Err(Failure::error("cannot rollback - no transaction is active")),
    }
}

/// `SAVEPOINT`: outside of a transaction it begins one.
pub(super) fn savepoint<S: Store>(session: &Db<S>, name: &Ident) -> Result<()> {
    begin_store(session)?;
    session.store.borrow_mut().savepoint()?;
    if !session.in_transaction.replace(true) {
        session.begun_by_savepoint.set(true);
    } else if session.savepoints.borrow().is_empty() {
        session.begun_by_savepoint.set(false);
    }
    session.savepoints.borrow_mut().push(name.text.clone());
    session.violations.savepoint();
    Ok(())
}

fn depth_of<S: Store>(session: &Db<S>, name: &Ident) -> Result<usize> {
    let depth = session.savepoints.borrow().iter().rposition(|other| name.is(other));
    depth.ok_or_else(|| Failure::error(format!("no such savepoint: {}", name.text)))
}

pub(super) fn release<S: Store>(session: &Db<S>, name: &Ident) -> Result<()> {
    let depth = depth_of(session, name)?;
    if depth == 0 && session.begun_by_savepoint.get() {
        return commit(session);
    }
    session.store.borrow_mut().release(depth)?;
    session.violations.release(depth);
    session.savepoints.borrow_mut().truncate(depth);
    Ok(())
}

pub(super) fn roll_back_to<S: Store>(session: &Db<S>, name: &Ident) -> Result<()> {
    let depth = depth_of(session, name)?;
    session.store.borrow_mut().roll_back_to(depth)?;
    session.violations.roll_back_to(depth);
    session.savepoints.borrow_mut().truncate(depth + 1);
    session.read_again()
}
