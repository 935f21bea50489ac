//! What is measured: a library that runs SQL on a file.

use std::error::Error;
use std::path::Path;

/// A value that is bound.
#[derive(Clone, Debug)]
pub(super) enum Bind {
    Integer(i64),
    Real(f64),
    Text(String),
}

/// A library.
pub(super) struct Subject {
    pub(super) name: &'static str,
    /// Opens a new file, with a rollback journal or a write-ahead log; every commit is synced.
    pub(super) open: fn(&Path, bool) -> Result<Box<dyn Db>, Box<dyn Error>>,
}

/// An open database.
pub(super) trait Db {
    /// Runs statements whose rows nobody wants.
    fn batch(&mut self, sql: &str) -> Result<(), Box<dyn Error>>;

    /// Prepares a statement once and runs it as often as `bind` fills in its parameters. Answers the sum of all numbers of all
    /// rows, and of the lengths of all texts.
    fn repeat(&mut self, sql: &str, bind: &mut dyn FnMut(&mut Vec<Bind>) -> bool) -> Result<f64, Box<dyn Error>>;

    /// A query without parameters.
    fn ask(&mut self, sql: &str) -> Result<f64, Box<dyn Error>> {
        let mut once = Some(());
        self.repeat(sql, &mut |_| once.take().is_some())
    }
}
