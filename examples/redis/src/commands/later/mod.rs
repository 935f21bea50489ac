//! The commands of the parts that this server doesn't have: known by name, so that they answer with a clear error.
//!
//! A few can be answered truthfully all the same: a server without scripts and functions has forgotten them all.

mod table;
pub(crate) use table::TABLE;

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;

/// `FUNCTION FLUSH` and `SCRIPT FLUSH`: nothing is there.
fn flush(ctx: &mut Ctx<'_>) -> Outcome {
    let mode = ctx.args.get(2).unwrap_or(b"sync");
    if ctx.args.len() > 3 || !(mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async")) {
        return Err(match ctx.arg(0).eq_ignore_ascii_case(b"script") {
            true => Fault::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
            false => Fault::new("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"),
        });
    }
    ctx.reply.ok();
    Ok(())
}

/// `FUNCTION LIST`: there are none.
fn list_functions(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.array(0);
    Ok(())
}

/// `SCRIPT EXISTS`: none of them.
fn scripts_exist(ctx: &mut Ctx<'_>) -> Outcome {
    let count = ctx.args.len() - 2;
    ctx.reply.array(count);
    (0..count).for_each(|_| ctx.reply.int(0));
    Ok(())
}
