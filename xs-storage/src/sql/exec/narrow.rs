//! Updates of nothing but columns that no index, condition or other column depends on: `SET v = v + 1`.
//!
//! Such a row stays where it is, and nothing can stand in its way. Its new record is the old one, whose other columns are copied as
//! they are, without becoming values in between.

use smallvec::SmallVec;

use super::change::{Sets, Target};
use super::expr::{Expr, LONGEST, too_big};
use super::frame::{Frame, Outer, Place};
use super::pair::Side;
use super::reader::malformed;
use super::write::{Verdict, Writer};
use crate::row::ValueRef;
use crate::row::record::{self, encode_into};
use crate::sql::ast::Conflict;
use crate::sql::failure::Result;
use crate::sql::store::Store;
use crate::sql::value::Value;

/// Known once for all rows of a statement.
#[derive(Debug)]
pub(super) struct Narrow {
    /// For each column which of the values that are assigned it gets.
    given: Box<[Option<usize>]>,
    /// The columns that those are computed of.
    used: Vec<usize>,
}

impl Narrow {
    /// None, if an update is more than that.
    pub(super) fn of<S: Store>(writer: &Writer<S>, sets: &Sets<S>) -> Option<Narrow> {
        let table = &writer.table;
        if table.key.is_some() || table.strict || !writer.checks.is_empty() {
            return None;
        }
        let mut given = vec![None; table.columns.len()];
        for (at, target) in sets.targets.iter().enumerate() {
            let Target::Column(column) = *target else { return None };
            let fills = writer.conflict.or(table.columns.get(column)?.not_null) == Some(Conflict::Replace);
            if table.rowid_column == Some(column) || fills {
                return None;
            }
            *given.get_mut(column)? = Some(at);
        }
        let is_given = |column: usize| given.get(column).is_some_and(Option::is_some);
        let computed = table.columns.iter().any(|column| column.generated.is_some());
        if computed || table.indexes.iter().any(|index| index.reads(table).any(is_given)) {
            return None;
        }
        let first = Side::Old.first(table.columns.len());
        let mut used = Vec::new();
        for value in sets.values.as_ref()? {
            if !registers_of(value, &mut used) {
                return None;
            }
        }
        // The rowid, behind the columns, is there in any case.
        used.retain(|register| *register != first + table.columns.len());
        let used = used.into_iter().map(|register| register.checked_sub(first)).collect::<Option<Vec<_>>>()?;
        used.iter().all(|column| *column < table.columns.len()).then_some(Narrow { given: given.into(), used })
    }

    /// Writes a row of a table anew, of its record as it is. False, if it is passed over.
    pub(super) fn update<S: Store>(
        &self,
        writer: &mut Writer<S>,
        values: &[Expr<S>],
        (rowid, old): (i64, &[u8]),
        frame: &mut Frame<S>,
        outer: Outer<'_, S>,
    ) -> Result<bool> {
        let first = Side::Old.first(self.given.len());
        frame.registers.resize(first + self.given.len() + 1, Value::Null);
        let mut given: SmallVec<[Value; 4]> = SmallVec::new();
        let mut stored: SmallVec<[ValueRef<'_>; 16]> = SmallVec::new();
        for value in record::columns(old).map_err(malformed)? {
            stored.push(value.map_err(malformed)?);
        }
        for column in &self.used {
            frame.registers[first + column] = writer.reader.shown(*column, rowid, stored.get(*column).copied()).into();
        }
        frame.registers[first + self.given.len()] = Value::Integer(rowid);
        for value in values {
            given.push(value.eval(&outer.env(frame))?.into_value());
        }
        for (at, column) in self.given.iter().zip(&writer.table.columns) {
            if let Some(value) = at.and_then(|at| given.get_mut(at)).filter(|value| !column.affinity.keeps(value)) {
                *value = column.affinity.apply_to(std::mem::take(value));
            }
        }
        for (column, at) in self.given.iter().enumerate() {
            if let Some(Value::Null) = at.and_then(|at| given.get(at))
                && let Verdict::Pass = writer.check_null(column, outer.run.session)?
            {
                return Ok(false);
            }
        }
        // A row may be older than some of the table's columns.
        let mut columns = stored;
        for column in columns.len()..self.given.len() {
            columns.push(writer.reader.default(column));
        }
        columns.truncate(self.given.len());
        for (column, at) in columns.iter_mut().zip(&self.given) {
            if let Some(value) = at.and_then(|at| given.get(at)) {
                *column = value.as_ref();
            }
        }
        let [bytes, _] = &mut writer.room;
        bytes.clear();
        encode_into(bytes, &columns);
        drop(columns);
        if bytes.len() > LONGEST {
            return Err(too_big());
        }
        outer.run.session.touch();
        outer.run.session.store.borrow_mut().insert(writer.table.root, rowid, bytes)?;
        writer.tidy();
        Ok(true)
    }
}

/// The registers that an expression reads, if that is plain to see.
fn registers_of<S: Store>(expr: &Expr<S>, used: &mut Vec<usize>) -> bool {
    match expr {
        Expr::Constant(_) | Expr::Parameter(_) => true,
        Expr::Local(Place::Register(register)) => {
            let register = usize::from(*register);
            if !used.contains(&register) {
                used.push(register);
            }
            true
        }
        Expr::Operate(_, operands) => registers_of(&operands.0, used) && registers_of(&operands.1, used),
        Expr::Concat(operands) | Expr::Compare(_, _, operands) => {
            registers_of(&operands.0, used) && registers_of(&operands.1, used)
        }
        Expr::Apply(_, operand) | Expr::Cast(_, operand) => registers_of(operand, used),
        Expr::Coalesce(operands) => operands.iter().all(|operand| registers_of(operand, used)),
        Expr::Call(call) => call.args.iter().all(|arg| registers_of(arg, used)),
        _ => false,
    }
}
