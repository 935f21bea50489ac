//! `CREATE TRIGGER`.

use super::schema::{add_row, check_references, check_reserved, place, stored};
use crate::sql::ast::{CreateTrigger, TriggerTime};
use crate::sql::catalog::{Catalog, Relation};
use crate::sql::connection::Db;
use crate::sql::failure::{Failure, Result};
use crate::sql::lexer::{Lexer, TokenKind};
use crate::sql::store::{Store, TEMP};

/// The database that it will be in: that of a table of `temp`, if none is said.
pub(super) fn place_of(catalog: &Catalog, create: &CreateTrigger) -> Result<usize> {
    match (&create.name.schema, create.temporary) {
        (Some(_), true) => Err(Failure::error("temporary trigger may not have qualified name")),
        (None, true) => Ok(TEMP),
        (Some(_), false) => place(catalog, &create.name),
        (None, false) => match catalog.find(&create.table, None) {
            Ok(relation) if relation.schema() == TEMP => Ok(TEMP),
            _ => place(catalog, &create.name),
        },
    }
}

pub(super) fn create<S: Store>(session: &Db<S>, catalog: &Catalog, create: &CreateTrigger, text: &str) -> Result<()> {
    let number = place_of(catalog, create)?;
    let home = (number != TEMP).then_some(number);
    check_references(catalog, number, "trigger", &create.name, text)?;
    let relation = catalog.find(&create.table, home)?;
    let name = check_reserved(&create.name.name)?;
    if catalog.of(number).has_trigger(name) {
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
    add_row(&mut *session.store.borrow_mut(), number, "trigger", name, table, 0, Some(&sql))?;
    session.schema_changed(number)
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
