//! `SLOWLOG`.

use crate::command::Outcome;
use crate::commands::help as usage;
use crate::ctx::Ctx;
use crate::fault::Fault;

pub(super) fn get(ctx: &mut Ctx<'_>) -> Outcome {
    if ctx.args.len() > 3 {
        return Err(usage::unknown(ctx));
    }
    let count = match ctx.args.get(2) {
        None => 10,
        Some(count) => match crate::parse::int(count) {
            Some(-1) => usize::MAX,
            Some(count @ 0..) => count as usize,
            _ => return Err(Fault::new("ERR count should be greater than or equal to -1")),
        },
    };
    ctx.reply.array(count.min(ctx.server.slowlog.len()));
    for slow in ctx.server.slowlog.iter().take(count) {
        ctx.reply.array(6);
        ctx.reply.int(slow.id as i64);
        ctx.reply.int(slow.time as i64);
        ctx.reply.int(slow.took.as_micros() as i64);
        ctx.reply.array(slow.args.len());
        slow.args.iter().for_each(|arg| ctx.reply.bulk(arg));
        ctx.reply.bulk(slow.addr.as_bytes());
        ctx.reply.bulk(&slow.name);
    }
    Ok(())
}

pub(super) fn len(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.int(ctx.server.slowlog.len() as i64);
    Ok(())
}

pub(super) fn reset(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.server.slowlog.clear();
    ctx.reply.ok();
    Ok(())
}

pub(super) fn help(ctx: &mut Ctx<'_>) -> Outcome {
    usage::write(
        ctx,
        &[
            (
                "GET [<count>]",
                "Answer the newest entries (10 unless told; -1 for all): id, Unix time, microseconds, arguments, address, name.",
            ),
            ("LEN", "Count the entries."),
            ("RESET", "Forget the entries."),
        ],
    );
    Ok(())
}
