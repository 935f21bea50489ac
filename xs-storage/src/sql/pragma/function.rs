//! The functions of a connection, listed: those that give a value, and those that give a table.

use super::{PragmaTable, Rows};
use crate::sql::connection::Db;
use crate::sql::function::{Arity, Callable, Function, Registry};
use crate::sql::store::Store;
use crate::sql::value::Value;

/// SQLite's numbers for what a function may be used for.
const DETERMINISTIC: i64 = 0x800;
const SUBTYPES: i64 = 0x10_0000;
const INNOCUOUS: i64 = 0x20_0000;

pub(super) fn function_list<S: Store>(session: &Db<S>) -> Rows {
    let builtin = Registry::builtin();
    let row = |function: &Function| -> Vec<Value> {
        let (kind, is_aggregate) = match function.callable {
            Callable::Scalar(_) => ("s", false),
            _ => ("w", true),
        };
        let arguments = match function.arity {
            Arity::Exactly(count) => count as i64,
            Arity::AtLeast(_) => -1,
        };
        let is_builtin = builtin.iter().any(|own| own.name == function.name && own.arity == function.arity);
        let is_json = function.name.starts_with("json") || function.name.starts_with("->");
        let flags = match (is_json, is_aggregate) {
            _ if !is_builtin => 0,
            (true, true) => SUBTYPES,
            (true, false) => 0,
            (false, _) => INNOCUOUS,
        };
        let deterministic = function.deterministic && (is_json || !is_aggregate);
        let flags = flags | if deterministic { DETERMINISTIC } else { 0 };
        vec![(&*function.name).into(), is_builtin.into(), kind.into(), "utf8".into(), arguments.into(), flags.into()]
    };
    session.functions.borrow().iter().map(row).collect()
}

pub(super) fn module_list<S: Store>(session: &Db<S>) -> Rows {
    let functions = session.functions.borrow();
    let pragmas = PragmaTable::all().map(|name| format!("pragma_{name}"));
    let mut names: Vec<_> = functions.table_names().map(str::to_owned).chain(pragmas).collect();
    names.sort_unstable();
    names.into_iter().map(|name| vec![name.into()]).collect()
}
