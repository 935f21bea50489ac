//! Statements, by their first word.

use std::fmt::{Display, Formatter, Result};

use super::{Comma, Words, if_not_exists, temporary};
use crate::sql::ast::{
    AlterTable, Alteration, Begin, CreateIndex, CreateTrigger, CreateView, CreateVirtualTable, Drop, Explain,
    PragmaValue, SchemaKind, Statement, TriggerEvent, TriggerStep, TriggerTime,
};

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Statement::Explain(Explain::Program, statement) => write!(f, "EXPLAIN {statement}"),
            Statement::Explain(Explain::QueryPlan, statement) => write!(f, "EXPLAIN QUERY PLAN {statement}"),
            Statement::Select(select) => select.fmt(f),
            Statement::Insert(insert) => insert.fmt(f),
            Statement::Update(update) => update.fmt(f),
            Statement::Delete(delete) => delete.fmt(f),
            Statement::CreateTable(table) => table.fmt(f),
            Statement::CreateIndex(index) => index.fmt(f),
            Statement::CreateView(view) => view.fmt(f),
            Statement::CreateTrigger(trigger) => trigger.fmt(f),
            Statement::CreateVirtualTable(table) => table.fmt(f),
            Statement::Drop(drop) => drop.fmt(f),
            Statement::AlterTable(alter) => alter.fmt(f),
            Statement::Begin(begin) => f.write_str(match begin {
                None => "BEGIN",
                Some(Begin::Deferred) => "BEGIN DEFERRED",
                Some(Begin::Immediate) => "BEGIN IMMEDIATE",
                Some(Begin::Exclusive) => "BEGIN EXCLUSIVE",
            }),
            Statement::Commit => f.write_str("COMMIT"),
            Statement::Rollback(to) => write!(f, "ROLLBACK{}", Words(" TO SAVEPOINT ", to)),
            Statement::Savepoint(name) => write!(f, "SAVEPOINT {name}"),
            Statement::Release(name) => write!(f, "RELEASE SAVEPOINT {name}"),
            Statement::Attach { file, schema, key } => {
                write!(f, "ATTACH DATABASE {file} AS {schema}{}", Words(" KEY ", key))
            }
            Statement::Detach(schema) => write!(f, "DETACH DATABASE {schema}"),
            Statement::Pragma(name, value) => write!(f, "PRAGMA {name}{}", Words(" = ", value)),
            Statement::Analyze(name) => write!(f, "ANALYZE{}", Words(" ", name)),
            Statement::Reindex(name) => write!(f, "REINDEX{}", Words(" ", name)),
            Statement::Vacuum { schema, into } => {
                write!(f, "VACUUM{}{}", Words(" ", schema), Words(" INTO ", into))
            }
        }
    }
}

impl Display for PragmaValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            PragmaValue::Number(text) => f.write_str(text),
            PragmaValue::Word(word) if ["on", "delete", "default"].iter().any(|bare| word.is(bare)) => {
                f.write_str(&word.text)
            }
            PragmaValue::Word(word) => word.fmt(f),
        }
    }
}

impl Display for CreateIndex {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let unique = if self.unique { "UNIQUE " } else { "" };
        write!(f, "CREATE {unique}INDEX {}{}", if_not_exists(self.if_not_exists), self.name)?;
        write!(f, " ON {} ({}){}", self.table, Comma(&self.columns), Words(" WHERE ", &self.filter))
    }
}

impl Display for CreateView {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (temporary, if_not_exists) = (temporary(self.temporary), if_not_exists(self.if_not_exists));
        write!(f, "CREATE {temporary}VIEW {if_not_exists}{}", self.name)?;
        super::columns(f, &self.columns)?;
        write!(f, " AS {}", self.select)
    }
}

impl Display for CreateTrigger {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (temporary, if_not_exists) = (temporary(self.temporary), if_not_exists(self.if_not_exists));
        write!(f, "CREATE {temporary}TRIGGER {if_not_exists}{}", self.name)?;
        f.write_str(match self.time {
            None => "",
            Some(TriggerTime::Before) => " BEFORE",
            Some(TriggerTime::After) => " AFTER",
            Some(TriggerTime::InsteadOf) => " INSTEAD OF",
        })?;
        match &self.event {
            TriggerEvent::Delete => f.write_str(" DELETE")?,
            TriggerEvent::Insert => f.write_str(" INSERT")?,
            TriggerEvent::Update(columns) if columns.is_empty() => f.write_str(" UPDATE")?,
            TriggerEvent::Update(columns) => write!(f, " UPDATE OF {}", Comma(columns))?,
        }
        let each = if self.for_each_row { " FOR EACH ROW" } else { "" };
        write!(f, " ON {}{each}{} BEGIN", self.table, Words(" WHEN ", &self.when))?;
        for step in &self.steps {
            match step {
                TriggerStep::Insert(insert) => write!(f, " {insert};")?,
                TriggerStep::Update(update) => write!(f, " {update};")?,
                TriggerStep::Delete(delete) => write!(f, " {delete};")?,
                TriggerStep::Select(select) => write!(f, " {select};")?,
            }
        }
        f.write_str(" END")
    }
}

impl Display for CreateVirtualTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "CREATE VIRTUAL TABLE {}{}", if_not_exists(self.if_not_exists), self.name)?;
        write!(f, " USING {}", self.module)?;
        match &self.args {
            Some(args) => write!(f, "({})", Comma(args)),
            None => Ok(()),
        }
    }
}

impl Display for Drop {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let kind = match self.kind {
            SchemaKind::Table => "TABLE",
            SchemaKind::Index => "INDEX",
            SchemaKind::View => "VIEW",
            SchemaKind::Trigger => "TRIGGER",
        };
        write!(f, "DROP {kind} {}{}", if self.if_exists { "IF EXISTS " } else { "" }, self.name)
    }
}

impl Display for AlterTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "ALTER TABLE {} ", self.table)?;
        let resolve = " ON CONFLICT ";
        match &self.change {
            Alteration::RenameTo(name) => write!(f, "RENAME TO {name}"),
            Alteration::RenameColumn(from, to) => write!(f, "RENAME COLUMN {from} TO {to}"),
            Alteration::AddColumn(column) => write!(f, "ADD COLUMN {column}"),
            Alteration::DropColumn(column) => write!(f, "DROP COLUMN {column}"),
            Alteration::DropConstraint(name) => write!(f, "DROP CONSTRAINT {name}"),
            Alteration::DropNotNull(column) => write!(f, "ALTER COLUMN {column} DROP NOT NULL"),
            Alteration::SetNotNull(column, conflict) => {
                write!(f, "ALTER COLUMN {column} SET NOT NULL{}", Words(resolve, conflict))
            }
            Alteration::AddCheck(name, expr, _, conflict) => {
                write!(f, "ADD{} CHECK ({expr}){}", Words(" CONSTRAINT ", name), Words(resolve, conflict))
            }
        }
    }
}
