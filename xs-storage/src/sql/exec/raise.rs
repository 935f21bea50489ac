//! `RAISE`: how a trigger ends the statement that fired it, or what that does with the row.

use super::expr::Expr;
use super::frame::Env;
use crate::sql::ast::Conflict;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::Store;

pub(in crate::sql) struct Raise<S: Store> {
    /// `IGNORE` has no message.
    pub(in crate::sql) conflict: Conflict,
    pub(in crate::sql) message: Option<Expr<S>>,
}

impl<S: Store> Raise<S> {
    /// The failure that it is.
    pub(super) fn eval(&self, env: &Env<'_, S>) -> Result<Failure> {
        let session = env.outer.run.session;
        let Some(message) = &self.message else {
            session.ignored.set(true);
            return Ok(Failure::new(ResultCode::TRIGGER, "RAISE(IGNORE)"));
        };
        let message = message.eval(env)?;
        let message = message.as_ref().to_text().map_or_else(String::new, |text| String::from_utf8_lossy(&text).into());
        session.consequence.set(self.conflict);
        Ok(Failure::new(ResultCode::TRIGGER, message))
    }
}
