//! The bitmaps commands.

mod table;
pub(crate) use table::TABLE;

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;

fn pending(_: &mut Ctx<'_>) -> Outcome {
    Err(Fault::new("ERR pending"))
}
