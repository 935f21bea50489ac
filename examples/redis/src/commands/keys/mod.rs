//! The keys commands.

mod table;
pub(crate) use table::TABLE;

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;

fn pending(_: &mut Ctx<'_>) -> Outcome {
    Err(Fault::new("ERR pending"))
}

/// The key that SORT stores to: its place depends on the options.
pub(crate) fn sort_store_key(
    _spec: &crate::command::Spec,
    _args: xs_proto::resp::Args<'_>,
    _found: &mut Vec<crate::command::KeyAt>,
) {
}
