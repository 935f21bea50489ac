//! Calls of functions: values borrowed from rows in, and what the function may know of the connection.

use std::sync::Arc;

use smallvec::SmallVec;

use super::expr::{Data, Datum, Expr};
use super::frame::Env;
use crate::row::{Collation, ValueRef};
use crate::sql::failure::Result;
use crate::sql::function::Scalar;
use crate::sql::store::Store;

/// A call of a scalar function.
pub(in crate::sql) struct Call<S: Store> {
    pub(in crate::sql) function: Arc<dyn Scalar>,
    pub(in crate::sql) args: Vec<Expr<S>>,
    pub(in crate::sql) collation: Collation,
}

impl<S: Store> Call<S> {
    #[inline]
    pub(in crate::sql) fn eval<'a>(&self, env: &Env<'_, S>) -> Result<Datum<'a>> {
        let args: Data<'_> = self.args.iter().map(|arg| arg.eval(env)).collect::<Result<_>>()?;
        let subtypes = subtypes(&args);
        let args: SmallVec<[ValueRef<'_>; 4]> = args.iter().map(Datum::as_ref).collect();
        env.outer.run.session.in_context(self.collation, |context| {
            context.subtypes = subtypes;
            let value = self.function.call(context, &args)?;
            Ok(if context.json { Datum::Json(value) } else { Datum::Own(value) })
        })
    }
}

/// Which arguments are JSON.
pub(super) fn subtypes(args: &[Datum<'_>]) -> u128 {
    let bit = |(at, arg): (usize, &Datum<'_>)| match arg {
        Datum::Json(_) => 1_u128.checked_shl(at as u32).unwrap_or(0),
        _ => 0,
    };
    args.iter().enumerate().map(bit).fold(0, |all, bit| all | bit)
}
