//! `CREATE TABLE`.

use std::fmt::{Display, Formatter, Result};

use super::{Comma, Words, if_not_exists, temporary};
use crate::sql::ast::{
    ColumnConstraint, ColumnConstraintKind as Column, ColumnDef, CreateTable, DefaultValue, Deferrable, Initially,
    ReferenceAction, ReferenceClause, References, Storage, TableBody, TableConstraint, TableConstraintKind as Table,
};

impl Display for CreateTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (temporary, if_not_exists) = (temporary(self.temporary), if_not_exists(self.if_not_exists));
        write!(f, "CREATE {temporary}TABLE {if_not_exists}{}", self.name)?;
        match &self.body {
            TableBody::Select(select) => write!(f, " AS {select}"),
            TableBody::Columns { columns, constraints, without_rowid, strict } => {
                write!(f, " ({}", Comma(columns))?;
                for constraint in constraints {
                    write!(f, ", {constraint}")?;
                }
                f.write_str(match (without_rowid, strict) {
                    (false, false) => ")",
                    (true, false) => ") WITHOUT ROWID",
                    (false, true) => ") STRICT",
                    (true, true) => ") WITHOUT ROWID, STRICT",
                })
            }
        }
    }
}

impl Display for ColumnDef {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}{}", self.name, Words(" ", &self.type_name))?;
        self.constraints.iter().try_for_each(|constraint| write!(f, " {constraint}"))
    }
}

impl Display for ColumnConstraint {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(name) = &self.name {
            write!(f, "CONSTRAINT {name}")?;
            if self.kind != Column::Nothing {
                f.write_str(" ")?;
            }
        }
        self.kind.fmt(f)
    }
}

impl Display for Column {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let resolve = " ON CONFLICT ";
        match self {
            Column::Nothing => Ok(()),
            Column::Null(conflict) => write!(f, "NULL{}", Words(resolve, conflict)),
            Column::NotNull(conflict) => write!(f, "NOT NULL{}", Words(resolve, conflict)),
            Column::PrimaryKey { order, conflict, autoincrement } => {
                write!(f, "PRIMARY KEY{}{}", Words(" ", order), Words(resolve, conflict))?;
                f.write_str(if *autoincrement { " AUTOINCREMENT" } else { "" })
            }
            Column::Unique(conflict) => write!(f, "UNIQUE{}", Words(resolve, conflict)),
            Column::Check(expr, _) => write!(f, "CHECK ({expr})"),
            Column::Default(DefaultValue::Constant(value)) => write!(f, "DEFAULT {value}"),
            Column::Default(DefaultValue::Expr(expr)) => write!(f, "DEFAULT ({expr})"),
            Column::Default(DefaultValue::Word(word)) => write!(f, "DEFAULT {word}"),
            Column::References(references) => references.fmt(f),
            Column::Deferrable(deferrable) => deferrable.fmt(f),
            Column::Collate(collation) => write!(f, "COLLATE {collation}"),
            Column::Generated(expr, storage) => {
                // Without `GENERATED ALWAYS`: the first word would be the storage of a generated column before it.
                write!(f, "AS ({expr})")?;
                f.write_str(match storage {
                    None => "",
                    Some(Storage::Virtual) => " VIRTUAL",
                    Some(Storage::Stored) => " STORED",
                })
            }
        }
    }
}

impl Display for References {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "REFERENCES {}", self.table)?;
        super::columns(f, &self.columns)?;
        self.clauses.iter().try_for_each(|clause| match clause {
            ReferenceClause::OnDelete(action) => write!(f, " ON DELETE {action}"),
            ReferenceClause::OnUpdate(action) => write!(f, " ON UPDATE {action}"),
            ReferenceClause::OnInsert(action) => write!(f, " ON INSERT {action}"),
            ReferenceClause::Match(name) => write!(f, " MATCH {name}"),
        })
    }
}

impl Display for ReferenceAction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            ReferenceAction::SetNull => "SET NULL",
            ReferenceAction::SetDefault => "SET DEFAULT",
            ReferenceAction::Cascade => "CASCADE",
            ReferenceAction::Restrict => "RESTRICT",
            ReferenceAction::NoAction => "NO ACTION",
        })
    }
}

impl Display for Deferrable {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(if self.not { "NOT DEFERRABLE" } else { "DEFERRABLE" })?;
        f.write_str(match self.initially {
            None => "",
            Some(Initially::Deferred) => " INITIALLY DEFERRED",
            Some(Initially::Immediate) => " INITIALLY IMMEDIATE",
        })
    }
}

impl Display for TableConstraint {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(name) = &self.name {
            write!(f, "CONSTRAINT {name}")?;
            if self.kind != Table::Nothing {
                f.write_str(" ")?;
            }
        }
        let resolve = " ON CONFLICT ";
        match &self.kind {
            Table::Nothing => Ok(()),
            Table::PrimaryKey { columns, autoincrement, conflict } => {
                let autoincrement = if *autoincrement { " AUTOINCREMENT" } else { "" };
                write!(f, "PRIMARY KEY ({}{autoincrement}){}", Comma(columns), Words(resolve, conflict))
            }
            Table::Unique(columns, conflict) => {
                write!(f, "UNIQUE ({}){}", Comma(columns), Words(resolve, conflict))
            }
            Table::Check(expr, _, conflict) => write!(f, "CHECK ({expr}){}", Words(resolve, conflict)),
            Table::ForeignKey { columns, references, deferrable } => {
                write!(f, "FOREIGN KEY ({}) {references}{}", Comma(columns), Words(" ", deferrable))
            }
        }
    }
}
