//! What of a connection is on or off.

use super::Rows;
use super::setting::truth;
use crate::sql::connection::Db;
use crate::sql::store::Store;

/// Which switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    ForeignKeys,
    DeferForeignKeys,
    LegacyAlterTable,
    RecursiveTriggers,
}

impl Flag {
    /// Sets it, or tells how it is.
    pub(super) fn run<S: Store>(self, session: &Db<S>, value: Option<&str>) -> Rows {
        let violations = &session.violations;
        let Some(value) = value else {
            let on = match self {
                Flag::ForeignKeys => &violations.enabled,
                Flag::DeferForeignKeys => &violations.defer,
                Flag::LegacyAlterTable => &session.legacy_alter,
                Flag::RecursiveTriggers => &session.recursive_triggers,
            };
            return vec![vec![i64::from(on.get()).into()]];
        };
        let on = truth(value);
        match self {
            // Within a transaction some changes would have been counted and others not.
            Flag::ForeignKeys if session.in_transaction.get() => {}
            Flag::ForeignKeys => violations.enabled.set(on),
            Flag::DeferForeignKeys => violations.set_defer(on),
            Flag::LegacyAlterTable => session.legacy_alter.set(on),
            Flag::RecursiveTriggers => session.recursive_triggers.set(on),
        }
        // Statements were bound as it was before.
        session.bind_again();
        Rows::new()
    }
}
