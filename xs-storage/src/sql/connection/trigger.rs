//! `CREATE TRIGGER`.

use super::schema::{add_row, check_name, stored};
use crate::sql::ast::{CreateTrigger, TriggerTime};
use crate::sql::catalog::{Catalog, Relation};
use crate::sql::exec::Session;
use crate::sql::failure::{Failure, Result};
use crate::sql::lexer::{Lexer, TokenKind};
use crate::sql::store::Store;

pub(super) fn create<S: Store>(
    session: &Session<S>,
    catalog: &Catalog,
    create: &CreateTrigger,
    text: &str,
) -> Result<()> {
    if create.temporary {
        return Err(match create.name.schema {
            Some(_) => Failure::error("temporary trigger may not have qualified name"),
            None => Failure::unsupported("temporary triggers"),
        });
    }
    // Where nothing is said, it is in the database of its table, and there is one.
    let relation = catalog.find(&create.table).map_err(|failure| {
        let missing = failure.message().starts_with("no such table: ") && create.table.schema.is_none();
        match missing {
            true => Failure::error(format!("no such table: main.{}", create.table.name.text)),
            false => failure,
        }
    })?;
    let name = check_name(&create.name, false)?;
    if catalog.has_trigger(name) {
        return match create.if_not_exists {
            true => Ok(()),
            false => Err(Failure::error(format!("trigger {} already exists", create.name.name.text))),
        };
    }
    let table = match relation {
        Relation::Table(table) => &table.name,
        Relation::View(view) => &view.create.name.name.text,
    };
    if table.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_")) {
        return Err(Failure::error("cannot create trigger on system table"));
    }
    let shown = &create.table.name.text;
    match (relation, create.time) {
        (Relation::View(_), Some(TriggerTime::InsteadOf)) => {}
        (Relation::View(_), time) => {
            let time = if time == Some(TriggerTime::After) { "AFTER" } else { "BEFORE" };
            return Err(Failure::error(format!("cannot create {time} trigger on view: {shown}")));
        }
        (Relation::Table(_), Some(TriggerTime::InsteadOf)) => {
            return Err(Failure::error(format!("cannot create INSTEAD OF trigger on table: {shown}")));
        }
        (Relation::Table(_), _) => {}
    }
    let sql = stored("CREATE TRIGGER", &create.name.name, whole(text)?);
    add_row(&mut *session.store.borrow_mut(), "trigger", name, table, 0, Some(&sql))?;
    session.schema_changed()
}

/// The statement to its `END`. No value can be bound to it.
fn whole(text: &str) -> Result<&str> {
    let mut lexer = Lexer::new(text);
    let mut end = 0;
    loop {
        let token = lexer.next_token();
        match token.kind {
            TokenKind::Variable => return Err(Failure::error("trigger cannot use variables")),
            TokenKind::EndWord => end = token.end as usize,
            TokenKind::End | TokenKind::Illegal => return Ok(text.get(..end).unwrap_or(text)),
            _ => {}
        }
    }
}
