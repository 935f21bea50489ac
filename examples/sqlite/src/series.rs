//! `generate_series(start, stop, step)`: a function of the shell's, as it is in SQLite.

use xs_storage::sql::function::{Error, TableColumn, TableFunction, TableRows};
use xs_storage::sql::{Value, ValueRef};

/// The function.
pub(crate) struct Series;

/// Where it stops if nobody says.
const STOP: i64 = 0xffff_ffff;

impl TableFunction for Series {
    fn columns(&self) -> Vec<TableColumn> {
        TableColumn::list(&["value"], &["start", "stop", "step"])
    }

    fn index(&self, given: u64) -> Result<u64, Error> {
        match given & 1 {
            0 => Err(Error::failed("first argument to \"generate_series()\" missing or unusable")),
            _ => Ok(given),
        }
    }

    fn open(&self, args: &[Option<ValueRef<'_>>]) -> Result<Box<dyn TableRows>, Error> {
        let number = |at: usize, default: i64| args.get(at).copied().flatten().map_or(default, ValueRef::to_integer);
        let (start, stop) = (number(0, 0), number(1, STOP));
        let step = match number(2, 1) {
            0 => 1,
            step => step,
        };
        let is_nothing = args.iter().flatten().any(|arg| arg.is_null());
        let width = step.unsigned_abs();
        // Downwards, it ends at the start.
        let first = match step {
            1.. => start,
            _ => stop.wrapping_sub_unsigned(stop.abs_diff(start) % width),
        };
        let next = (!is_nothing && start <= stop).then_some(first);
        Ok(Box::new(Numbers { start, stop, step, width, at: 0, next, rowid: 0 }))
    }
}

struct Numbers {
    start: i64,
    stop: i64,
    step: i64,
    width: u64,
    at: i64,
    next: Option<i64>,
    rowid: i64,
}

impl TableRows for Numbers {
    fn next(&mut self) -> Result<bool, Error> {
        let Some(at) = self.next else { return Ok(false) };
        (self.at, self.rowid) = (at, self.rowid + 1);
        self.next = match self.step {
            1.. => at.checked_add_unsigned(self.width).filter(|next| *next <= self.stop),
            _ => at.checked_sub_unsigned(self.width).filter(|next| *next >= self.start),
        };
        Ok(true)
    }

    fn value(&self, column: usize) -> Result<Value, Error> {
        Ok(match column {
            0 => self.at.into(),
            1 => self.start.into(),
            2 => self.stop.into(),
            _ => (self.width as i64).into(),
        })
    }

    fn rowid(&self) -> i64 {
        self.rowid
    }
}
