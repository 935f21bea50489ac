//! Statements that change rows.

use std::fmt::{Display, Formatter, Result};

use super::{Comma, Words};
use crate::sql::ast::{Assignment, Conflict, Delete, Insert, ResultColumn, Target, Update, Upsert, With};

impl Display for Conflict {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Conflict::Rollback => "ROLLBACK",
            Conflict::Abort => "ABORT",
            Conflict::Fail => "FAIL",
            Conflict::Ignore => "IGNORE",
            Conflict::Replace => "REPLACE",
        })
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}{}", self.name, Words(" AS ", &self.alias))
    }
}

fn with(f: &mut Formatter<'_>, with: &Option<With>) -> Result {
    match with {
        Some(with) => write!(f, "{with} "),
        None => Ok(()),
    }
}

fn returning(f: &mut Formatter<'_>, columns: &[ResultColumn]) -> Result {
    if columns.is_empty() { Ok(()) } else { write!(f, " RETURNING {}", Comma(columns)) }
}

impl Display for Insert {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        with(f, &self.with)?;
        write!(f, "INSERT{} INTO {}", Words(" OR ", &self.conflict), self.target)?;
        super::columns(f, &self.columns)?;
        match &self.source {
            Some(select) => write!(f, " {select}")?,
            None => f.write_str(" DEFAULT VALUES")?,
        }
        self.upserts.iter().try_for_each(|upsert| upsert.fmt(f))?;
        returning(f, &self.returning)
    }
}

impl Display for Upsert {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(" ON CONFLICT")?;
        if let Some(target) = &self.target {
            write!(f, " ({}){}", Comma(&target.columns), Words(" WHERE ", &target.filter))?;
        }
        match &self.update {
            None => f.write_str(" DO NOTHING"),
            Some(update) => {
                write!(f, " DO UPDATE SET {}{}", Comma(&update.sets), Words(" WHERE ", &update.filter))
            }
        }
    }
}

impl Display for Assignment {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Assignment::Column(column, value) => write!(f, "{column} = {value}"),
            Assignment::Columns(columns, value) => write!(f, "({}) = {value}", Comma(columns)),
        }
    }
}

impl Display for Update {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        with(f, &self.with)?;
        write!(f, "UPDATE{} {}", Words(" OR ", &self.conflict), self.target)?;
        write!(f, "{} SET {}", Words(" ", &self.indexed), Comma(&self.sets))?;
        super::select::from(f, &self.from)?;
        Words(" WHERE ", &self.filter).fmt(f)?;
        returning(f, &self.returning)
    }
}

impl Display for Delete {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        with(f, &self.with)?;
        write!(f, "DELETE FROM {}{}{}", self.target, Words(" ", &self.indexed), Words(" WHERE ", &self.filter))?;
        returning(f, &self.returning)
    }
}
