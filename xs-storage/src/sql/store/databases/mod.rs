//! The databases of one connection as one store: `main`, `temp`, and what was attached.
//!
//! A tree's number says which database it is of in its upper half, so that whatever reads and writes trees need not know that
//! there are several. Each takes part in a transaction from the moment on in which something of it is read or written:
//!
//! ```text
//! BEGIN              nothing is locked
//! SELECT … main.t    main is read
//! INSERT … aux.u     aux is written, and has as many savepoints as are open
//! COMMIT             aux is written for good, and both are let go
//! ```

mod trees;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{SCHEMA, Store, TreeId, TreeKind};
use crate::sql::failure::{Failure, Result, ResultCode};

/// The place of the database that the connection was opened with.
pub(in crate::sql) const MAIN: usize = 0;
/// The place of the one that is the connection's own.
pub(in crate::sql) const TEMP: usize = 1;
/// So many can be attached.
const ATTACHED: usize = 10;
/// And so many places are there for them: sets of databases are numbers of sixteen bits.
const PLACES: usize = 14;

/// A tree of a database by the number that it has there.
pub(in crate::sql) fn tree_in(schema: usize, tree: TreeId) -> TreeId {
    (schema as TreeId) << 32 | local(tree)
}

/// The tree of a database's schema.
pub(in crate::sql) fn schema_tree(schema: usize) -> TreeId {
    tree_in(schema, SCHEMA)
}

/// The database that a tree is of.
#[inline]
pub(in crate::sql) fn schema_of(tree: TreeId) -> usize {
    (tree >> 32) as usize
}

/// The number that a tree has in its database.
#[inline]
pub(in crate::sql) fn local(tree: TreeId) -> TreeId {
    tree & 0xFFFF_FFFF
}

/// One of them.
struct One<S> {
    store: S,
    reading: bool,
    writing: bool,
    /// The schema that statements are bound to, by its cookie.
    known: Option<u32>,
}

impl<S: Store> One<S> {
    fn new(store: S) -> Self {
        One { store, reading: false, writing: false, known: None }
    }

    fn commit(&mut self) -> Result<()> {
        self.store.commit()?;
        self.writing = false;
        Ok(())
    }

    fn end_read(&mut self) -> Result<()> {
        if std::mem::take(&mut self.reading) { self.store.end_read() } else { Ok(()) }
    }
}

/// All of them.
pub(in crate::sql) struct Databases<S: Store> {
    main: One<S>,
    /// The connection's own, from its first use on.
    temp: Option<One<S>>,
    /// What was attached. None in the place of what was detached while others behind it were in use.
    attached: Vec<Option<(Box<str>, One<S>)>>,
    /// Whether what is read stays as it is, from the first look on.
    reading: bool,
    /// Whether changes are those of a transaction.
    writing: bool,
    /// Open savepoints.
    savepoints: usize,
    /// Where the connection's own is, as `PRAGMA temp_store` has it: 2 for memory.
    temp_store: u8,
    /// What stops long work in any of them.
    interrupt: Arc<AtomicBool>,
}

fn missing() -> Failure {
    Failure::internal("a database that is not there")
}

impl<S: Store> Databases<S> {
    pub(in crate::sql) fn new(main: S) -> Self {
        let (main, temp, attached) = (One::new(main), None, Vec::new());
        Databases {
            main,
            temp,
            attached,
            reading: false,
            writing: false,
            savepoints: 0,
            temp_store: 0,
            interrupt: Arc::default(),
        }
    }

    /// How many places there are.
    pub(in crate::sql) fn len(&self) -> usize {
        self.attached.len() + 2
    }

    /// What one is called.
    pub(in crate::sql) fn name(&self, schema: usize) -> &str {
        match schema {
            MAIN => "main",
            TEMP => "temp",
            more => self.attached.get(more - 2).and_then(Option::as_ref).map_or("", |(name, _)| name),
        }
    }

    #[inline]
    fn get(&self, schema: usize) -> Option<&One<S>> {
        match schema {
            MAIN => Some(&self.main),
            TEMP => self.temp.as_ref(),
            more => self.attached.get(more - 2).and_then(Option::as_ref).map(|(_, one)| one),
        }
    }

    #[inline]
    fn get_mut(&mut self, schema: usize) -> Option<&mut One<S>> {
        match schema {
            MAIN => Some(&mut self.main),
            TEMP => self.temp.as_mut(),
            more => self.attached.get_mut(more - 2).and_then(Option::as_mut).map(|(_, one)| one),
        }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut One<S>> {
        let rest = self.attached.iter_mut().flatten().map(|(_, one)| one);
        std::iter::once(&mut self.main).chain(&mut self.temp).chain(rest)
    }

    /// Whether it is there: the connection's own is from its first use on.
    pub(in crate::sql) fn is_open(&self, schema: usize) -> bool {
        self.get(schema).is_some()
    }

    /// Whether something of it is read or written by what goes on.
    pub(in crate::sql) fn is_used(&self, schema: usize) -> bool {
        self.get(schema).is_some_and(|one| one.reading || one.writing)
    }

    #[inline]
    fn opened(&mut self, schema: usize) -> Result<&mut One<S>> {
        if schema == TEMP && self.temp.is_none() {
            let mut made = self.main.store.temporary(self.temp_store == 2)?;
            made.set_interrupt(self.interrupt.clone());
            self.temp = Some(One::new(made));
        }
        self.get_mut(schema).ok_or_else(missing)
    }

    /// One of them as it is: what concerns all of a database.
    pub(in crate::sql) fn one(&mut self, schema: usize) -> Result<&mut S> {
        Ok(&mut self.opened(schema)?.store)
    }

    /// Adds one under a name. It is behind all others.
    pub(in crate::sql) fn attach(&mut self, name: &str, file: &str) -> Result<()> {
        self.close_ranks();
        if self.attached.iter().flatten().count() >= ATTACHED || self.attached.len() >= PLACES {
            return Err(Failure::error(format!("too many attached databases - max {ATTACHED}")));
        }
        let is_taken = |other| (self.is_open(other) || other == TEMP) && self.name(other).eq_ignore_ascii_case(name);
        if (0..self.len()).any(is_taken) {
            return Err(Failure::error(format!("database {name} is already in use")));
        }
        let mut store = self.main.store.beside(file)?;
        store.set_interrupt(self.interrupt.clone());
        self.attached.push(Some((name.into(), One::new(store))));
        Ok(())
    }

    /// Lets one go.
    pub(in crate::sql) fn detach(&mut self, schema: usize) {
        if let Some(place) = schema.checked_sub(2).and_then(|at| self.attached.get_mut(at)) {
            *place = None;
        }
        self.close_ranks();
    }

    /// Those behind what has gone move up, unless somebody knows their places.
    fn close_ranks(&mut self) {
        if !self.all().any(|one| one.reading || one.writing) {
            self.attached.retain(Option::is_some);
        }
    }

    pub(in crate::sql) fn temp_store(&self) -> u8 {
        self.temp_store
    }

    /// Moves the connection's own: what is in it is gone.
    pub(in crate::sql) fn set_temp_store(&mut self, temp_store: u8) {
        if temp_store != self.temp_store {
            (self.temp, self.temp_store) = (None, temp_store);
        }
    }

    /// Begins to read one, if nobody has.
    pub(in crate::sql) fn begin_read_of(&mut self, schema: usize) -> Result<()> {
        match self.get_mut(schema) {
            Some(one) if !one.reading && !one.writing => {
                one.store.begin_read()?;
                one.reading = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Begins to write to one, if nobody has.
    pub(in crate::sql) fn begin_of(&mut self, schema: usize, exclusive: bool) -> Result<()> {
        let savepoints = self.savepoints;
        let one = self.opened(schema)?;
        if one.writing {
            return Ok(());
        }
        if exclusive {
            one.store.begin_exclusive()?
        } else {
            one.store.begin()?
        }
        one.writing = true;
        (0..savepoints).try_for_each(|_| one.store.savepoint())
    }

    /// The databases that a transaction writes to, a bit for each.
    pub(in crate::sql) fn written(&self) -> u16 {
        let written = |schema: &usize| self.get(*schema).is_some_and(|one| one.writing);
        (0..self.len()).filter(written).map(|schema| 1 << schema).sum()
    }

    /// Takes back that others than these are written: what began them has failed and left nothing.
    pub(in crate::sql) fn write_only(&mut self, written: u16) -> Result<()> {
        for schema in 0..self.len() {
            match self.get_mut(schema) {
                Some(one) if one.writing && written >> schema & 1 == 0 => {
                    one.writing = false;
                    one.store.roll_back()?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks into one, which is read as long as that takes.
    pub(in crate::sql) fn looking<T>(&mut self, schema: usize, look: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.is_used(schema) {
            return look(self);
        }
        self.begin_read_of(schema)?;
        let seen = look(self);
        self.get_mut(schema).map_or(Ok(()), One::end_read)?;
        seen
    }

    /// A number that changes when the schema of one does.
    pub(in crate::sql) fn cookie(&mut self, schema: usize) -> Result<u32> {
        self.get_mut(schema).map_or(Ok(0), |one| one.store.schema_cookie())
    }

    /// What statements are bound to has this cookie.
    pub(in crate::sql) fn know(&mut self, schema: usize, cookie: u32) {
        if let Some(one) = self.get_mut(schema) {
            one.known = Some(cookie);
        }
    }

    pub(in crate::sql) fn change_schema_of(&mut self, schema: usize) -> Result<()> {
        self.writable(schema)?.change_schema()
    }

    /// Makes an empty tree in one of them.
    pub(in crate::sql) fn create_tree_in(&mut self, schema: usize, kind: TreeKind) -> Result<TreeId> {
        Ok(tree_in(schema, self.writable(schema)?.create_tree(kind)?))
    }

    /// To read from where nobody may have read yet.
    #[inline]
    fn readable(&mut self, schema: usize) -> Result<&mut S> {
        if (self.reading || self.writing) && !self.is_used(schema) {
            self.join(schema, false)?;
        }
        self.one(schema)
    }

    /// To write to where nobody may have written yet.
    #[inline]
    fn writable(&mut self, schema: usize) -> Result<&mut S> {
        if self.writing && !self.get(schema).is_some_and(|one| one.writing) {
            self.join(schema, true)?;
        }
        self.one(schema)
    }

    /// In the middle of a statement one more is used. What it is bound to must not have changed before.
    #[cold]
    fn join(&mut self, schema: usize, writes: bool) -> Result<()> {
        let was_used = self.is_used(schema);
        let one = self.opened(schema)?;
        let known = one.known.filter(|_| !was_used);
        match writes {
            true => self.begin_of(schema, false)?,
            false => self.begin_read_of(schema)?,
        }
        match known {
            Some(known) if self.cookie(schema)? != known => {
                Err(Failure::new(ResultCode::SCHEMA, "database schema has changed"))
            }
            _ => Ok(()),
        }
    }

    /// Main, at the end of the connection.
    pub(in crate::sql) fn into_main(self) -> S {
        self.main.store
    }

    /// Cursors are alike in all of them.
    fn of(&self, tree: TreeId) -> &S {
        &self.get(schema_of(tree)).unwrap_or(&self.main).store
    }

    /// Writing has ended, and reading too if nobody asked for it beside.
    fn end_writing(&mut self) -> Result<()> {
        (self.writing, self.savepoints) = (false, 0);
        if self.reading { Ok(()) } else { self.end_reads() }
    }

    fn end_reads(&mut self) -> Result<()> {
        let mut ended = Ok(());
        for one in self.all() {
            ended = ended.and(one.end_read());
        }
        ended
    }
}
