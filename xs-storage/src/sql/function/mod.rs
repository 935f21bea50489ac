//! Functions that expressions call: SQLite's own, and a program's.
//!
//! # The problem
//!
//! A query may call some seventy functions, each with rules of its own about nothing, about text that is a number, about
//! negative positions. Aggregates see many rows and answer once, or, over a window that moves, answer again and again. And a
//! program adds functions of its own, which must be found, counted and called like those that were there before.
//!
//! # How it works
//!
//! ```text
//!  name, arguments ──▶ Registry ──▶ Function ─┬─ Scalar:     call(values) ─▶ value
//!                                             └─ Aggregate:  begin() ─▶ state ◀─ step(values)   a row comes in
//!                                                                         │  ◀─ inverse(values) a row leaves the window
//!                                                                         ▼
//!                                                                       value()
//! ```
//!
//! A [`Registry`] is asked once, when a statement is prepared. What it finds is shared, and is called with values that are
//! borrowed from wherever they lie. What a function may know of the world is in the [`Context`]: the collation, the limits,
//! chance, what time it is and where, what the last statements changed.
//!
//! # Invariants
//!
//! - Of the functions of a name, the one that takes exactly so many arguments is found before one that takes any number.
//! - The same values in the same context give the same answer, unless [`Function::deterministic`] says otherwise.
//! - No result is longer than [`Context::longest`]. Nothing panics, whatever the arguments.
//! - `step` and `inverse` of the same values cancel out, as far as real numbers allow.
//!
//! # Cost
//!
//! Finding a function is a look-up in a tree by its name in small letters. Calling one is a call through a pointer.
//!
//! # Example
//!
//! ```
//! use xs_storage::sql::function::{Arity, Context, Registry};
//! use xs_storage::sql::{Value, ValueRef};
//!
//! let mut functions = Registry::builtin();
//! functions.add_scalar("twice", Arity::Exactly(1), true, |_: &mut Context<'_>, args: &[ValueRef<'_>]| {
//!     Ok(Value::from(args[0].to_integer() * 2))
//! });
//!
//! let mut chance = || 4;
//! let mut context = Context::new(&mut chance);
//! let mut call = |name, args: &[ValueRef<'_>]| functions.find(name, args.len())?.call(&mut context, args);
//! assert_eq!(call("TWICE", &[ValueRef::Integer(21)])?, Value::from(42));
//! assert_eq!(call("substr", &[ValueRef::Text(b"teapot"), ValueRef::Integer(-3)])?, Value::from("pot"));
//! assert_eq!(call("twice", &[]).unwrap_err().to_string(), "wrong number of arguments to function twice()");
//! # Ok::<(), xs_storage::sql::function::Error>(())
//! ```
//!
//! # How others do it
//!
//! PostgreSQL finds a function by the types of its arguments too, and keeps all of them in a table. SQLite has a hash table of
//! definitions in C, and an aggregate's state is a piece of memory that each call asks for; here a state is a value of its own.
//!
//! # What this leaves out
//!
//! `load_extension()` and `sqlite_log()`. What came to `format()` and to dates after
//! SQLite 3.40: there, a conversion or modifier that is none ends the text, or the answer is nothing.
//!
//! Two answers of that version are errors here: where `format()` would be too long, it says nothing, and where a date that
//! failed is asked for in local time, it says one of the year 2000.
//!
//! `coalesce()`, `ifnull()` and `iif()` are here for whoever calls them by name: an executor evaluates no argument that it need
//! not, and so makes `CASE` of them.
//!
//! # Try next
//!
//! Add an aggregate of your own: the median. What would its `inverse` need to keep?
//!
//! # Sources
//!
//! - <https://www.sqlite.org/lang_corefunc.html>, <https://www.sqlite.org/lang_aggfunc.html>
//! - <https://www.sqlite.org/printf.html>, <https://www.sqlite.org/lang_mathfunc.html>,
//!   <https://www.sqlite.org/lang_datefunc.html>
//! - J. Meeus, "Astronomical Algorithms", 1991, for days of the calendar as numbers
//! - A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", 1974, for sums of real numbers

mod aggregate;
mod build;
mod bytes;
mod core;
mod date;
mod extended;
mod format;
mod math;
mod modifier;
mod moment;
mod registry;
mod sum;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod window;
mod zone;

use std::fmt;

pub use registry::{Arity, Callable, Function, Registry};
pub use table::{TableColumn, TableFunction, TableRows};
pub use window::WindowFunction;
pub use zone::Zone;

use crate::row::{Collation, ValueRef};
use crate::sql::value::{TooBig, Value};

/// Why a function has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is none of this name.
    #[error("no such function: {0}")]
    Unknown(Box<str>),
    /// There is, but not with so many arguments.
    #[error("wrong number of arguments to function {0}()")]
    Arguments(Box<str>),
    /// The answer would be longer than [`Context::longest`].
    #[error("string or blob too big")]
    TooBig,
    /// What the function says itself.
    #[error("{0}")]
    Failed(Box<str>),
}

impl From<TooBig> for Error {
    fn from(_: TooBig) -> Error {
        Error::TooBig
    }
}

impl Error {
    /// With a message of the function's own.
    pub fn failed(message: impl Into<Box<str>>) -> Error {
        Error::Failed(message.into())
    }
}

/// What a function may know of where it is called.
pub struct Context<'a> {
    /// How text compares: the collation of the first argument that has one.
    pub collation: Collation,
    /// The bytes that a text or blob may have.
    pub longest: usize,
    /// Sixty-four bits of chance.
    pub random: &'a mut dyn FnMut() -> u64,
    /// `changes()`
    pub changes: i64,
    /// `total_changes()`
    pub total_changes: i64,
    /// `last_insert_rowid()`
    pub last_insert_rowid: i64,
    /// What `now` means: milliseconds since the beginning of 1970, in UTC. A statement has one from its beginning to its end.
    /// Where an answer is kept, as in an index, there is none, and what asks for it fails.
    pub now: Option<i64>,
    /// The seconds that clocks here are ahead of UTC, at a second since the beginning of 1970. Without, `localtime` fails.
    pub zone: Option<&'a dyn Fn(i64) -> i64>,
    /// Which arguments are JSON, by their bits.
    pub(in crate::sql) subtypes: u128,
    /// Whether the answer is JSON.
    pub(in crate::sql) json: bool,
}

impl<'a> Context<'a> {
    /// Of a connection that has changed nothing yet, with SQLite's limits.
    pub fn new(random: &'a mut dyn FnMut() -> u64) -> Context<'a> {
        Context {
            collation: Collation::Binary,
            longest: 1_000_000_000,
            random,
            changes: 0,
            total_changes: 0,
            last_insert_rowid: 0,
            now: None,
            zone: None,
            subtypes: 0,
            json: false,
        }
    }

    /// Whether an argument is JSON: a function gave it that said so.
    pub fn is_json(&self, arg: usize) -> bool {
        arg < 128 && self.subtypes >> arg & 1 == 1
    }

    /// Says that the answer is JSON, which other functions then take it for.
    pub fn answer_json(&mut self) {
        self.json = true;
    }

    /// Refuses what would be too long.
    pub(crate) fn fits(&self, bytes: usize) -> Result<(), Error> {
        if bytes > self.longest { Err(Error::TooBig) } else { Ok(()) }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("collation", &self.collation).finish_non_exhaustive()
    }
}

/// One value of some: any function or closure of this shape is one.
pub trait Scalar: Send + Sync {
    /// The answer.
    fn call(&self, context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<Value, Error>;
}

impl<F> Scalar for F
where
    F: Fn(&mut Context<'_>, &[ValueRef<'_>]) -> Result<Value, Error> + Send + Sync,
{
    fn call(&self, context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<Value, Error> {
        self(context, args)
    }
}

/// What an aggregate knows of the rows so far.
pub trait Aggregate: Send {
    /// A row comes in.
    fn step(&mut self, context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), Error>;

    /// Whether [`Aggregate::take`] does all that [`Aggregate::step`] does: such an aggregate asks nothing of the connection, takes
    /// JSON for text, and never fails at a row.
    fn is_plain(&self) -> bool {
        false
    }

    /// A row comes in, of which nothing is told but the values and the collation. Answers as [`Aggregate::chose`] would.
    fn take(&mut self, collation: Collation, args: &[ValueRef<'_>]) -> Option<bool> {
        let _ = (collation, args);
        None
    }

    /// Whether [`Aggregate::inverse`] works; otherwise a window that moves begins anew for each row.
    fn can_invert(&self) -> bool {
        false
    }

    /// A state for a window that rows leave, if it is kept otherwise than that of a group, which only grows.
    fn sliding(&self) -> Option<Box<dyn Aggregate>> {
        None
    }

    /// The first row of those that came in leaves.
    fn inverse(&mut self, _: &mut Context<'_>, _: &[ValueRef<'_>]) -> Result<(), Error> {
        Err(Error::failed("no row can leave this aggregate"))
    }

    /// Of an aggregate whose answer is one row's, such as the least: whether that is the last row that came in, or none has
    /// an answer yet. Columns that a query shows beside the aggregate are then that row's.
    fn chose(&self) -> Option<bool> {
        None
    }

    /// The answer for the rows that are in.
    fn value(&self, context: &mut Context<'_>) -> Result<Value, Error>;
}
