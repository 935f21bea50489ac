//! The commands of the parts that this server doesn't have: known by name, so that they answer with a clear error.

mod table;
pub(crate) use table::TABLE;

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;

/// `FUNCTION FLUSH [ASYNC | SYNC]`. There is never a library, so there is none afterwards, which is what is asked for:
/// harnesses begin every test with it.
fn function_flush(ctx: &mut Ctx<'_>) -> Outcome {
    flush_nothing(ctx, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
}

/// `SCRIPT FLUSH [ASYNC | SYNC]`, likewise.
fn script_flush(ctx: &mut Ctx<'_>) -> Outcome {
    flush_nothing(ctx, "ERR SCRIPT FLUSH only support SYNC|ASYNC option")
}

fn flush_nothing(ctx: &mut Ctx<'_>, usage: &'static str) -> Outcome {
    let mode = ctx.args.get(2);
    if ctx.args.len() > 3 || mode.is_some_and(|mode| !mode.eq_ignore_ascii_case(b"sync") && !mode.eq_ignore_ascii_case(b"async")) {
        return Err(Fault::new(usage));
    }
    ctx.reply.ok();
    Ok(())
}
