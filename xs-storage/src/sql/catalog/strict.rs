//! `STRICT` tables: columns of a few types, which hold values of these types only.

use super::table::Table;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::value::{Affinity, Value};

/// The type of a column in a strict table, as it is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Any,
    Blob,
    Int,
    Integer,
    Real,
    Text,
}

impl Kind {
    fn of(declared: &str) -> Option<Kind> {
        let declared = unquoted(declared);
        const ALL: [Kind; 6] = [Kind::Any, Kind::Blob, Kind::Int, Kind::Integer, Kind::Real, Kind::Text];
        ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(declared))
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Any => "ANY",
            Kind::Blob => "BLOB",
            Kind::Int => "INT",
            Kind::Integer => "INTEGER",
            Kind::Real => "REAL",
            Kind::Text => "TEXT",
        }
    }

    fn holds(self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            _ if self == Kind::Any => true,
            Value::Integer(_) => matches!(self, Kind::Int | Kind::Integer),
            Value::Real(_) => self == Kind::Real,
            Value::Text(_) => self == Kind::Text,
            Value::Blob(_) => self == Kind::Blob,
        }
    }
}

/// A type may stand in quotes.
fn unquoted(declared: &str) -> &str {
    let inner = |open, close| declared.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
    let pairs = [('"', '"'), ('\'', '\''), ('`', '`'), ('[', ']')];
    pairs.into_iter().find_map(|(open, close)| inner(open, close)).unwrap_or(declared)
}

impl Table {
    /// Makes it strict, if its types allow that.
    pub(super) fn make_strict(&mut self) -> Result<()> {
        for (at, column) in self.columns.iter_mut().enumerate() {
            let name = format!("{}.{}", self.name, column.name);
            match Kind::of(&column.declared) {
                Some(Kind::Any) => column.affinity = Affinity::Blob,
                Some(_) => {}
                None if column.declared.is_empty() => {
                    return Err(Failure::error(format!("missing datatype for {name}")));
                }
                None => {
                    return Err(Failure::error(format!("unknown datatype for {name}: \"{}\"", column.declared)));
                }
            }
            let of_key = self.indexes.iter().filter(|index| index.origin == super::Origin::PrimaryKey);
            if of_key.flat_map(|index| &index.parts).any(|part| part.column == at) {
                column.not_null.get_or_insert(crate::sql::ast::Conflict::Abort);
            }
        }
        self.strict = true;
        Ok(())
    }

    /// Fails if a value is of a type that its column doesn't hold. A virtual column may be of any, and `generated` says whether
    /// those that are stored are there yet.
    pub(in crate::sql) fn check_types(&self, values: &[Value], generated: bool) -> Result<()> {
        if !self.strict {
            return Ok(());
        }
        for (column, value) in self.columns.iter().zip(values) {
            if column.is_virtual() || column.generated.is_some() && !generated {
                continue;
            }
            let Some(kind) = Kind::of(&column.declared).filter(|kind| !kind.holds(value)) else { continue };
            let found = match value {
                Value::Null => "NULL",
                Value::Integer(_) => "INT",
                Value::Real(_) => "REAL",
                Value::Text(_) => "TEXT",
                Value::Blob(_) => "BLOB",
            };
            let (table, column, kind) = (&self.name, &column.name, kind.name());
            let message = format!("cannot store {found} value in {kind} column {table}.{column}");
            return Err(Failure::new(ResultCode::DATA_TYPE, message));
        }
        Ok(())
    }

    /// The type of a column that doesn't hold a value, as `integrity_check` calls it.
    pub(in crate::sql) fn misses_type(&self, column: usize, value: &Value) -> Option<&'static str> {
        let column = self.columns.get(column).filter(|column| self.strict && !column.is_virtual())?;
        Kind::of(&column.declared).filter(|kind| !kind.holds(value)).map(Kind::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_in_any_letters_and_quotes() {
        assert_eq!(Kind::of("iNt"), Some(Kind::Int));
        assert_eq!(Kind::of("\"INTEGER\""), Some(Kind::Integer));
        assert_eq!(Kind::of("[any]"), Some(Kind::Any));
        assert_eq!((Kind::of(""), Kind::of("\""), Kind::of("TEXT(5)")), (None, None, None));
    }

    #[test]
    fn nothing_is_of_every_kind_and_a_number_of_its_own() {
        assert!(Kind::Blob.holds(&Value::Null) && Kind::Any.holds(&Value::Real(0.5)));
        assert!(Kind::Int.holds(&Value::Integer(1)) && !Kind::Int.holds(&Value::Real(1.0)));
        assert!(Kind::Real.holds(&Value::Real(1.0)) && !Kind::Real.holds(&Value::Integer(1)));
    }
}
