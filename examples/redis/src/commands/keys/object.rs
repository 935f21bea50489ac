//! `OBJECT`: how a value is kept, and how it was used.

use xs_storage::keyspace::Value;

use crate::command::Outcome;
use crate::commands::help;
use crate::ctx::Ctx;
use crate::fault::Fault;

pub(super) fn encoding(ctx: &mut Ctx<'_>) -> Outcome {
    match ctx.db.inspect(ctx.arg(2)) {
        Some(value) => ctx.reply.bulk(value.encoding().as_bytes()),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Redis keeps one copy of each small number and says so by a count that cannot grow.
const SHARED: i64 = i32::MAX as i64;
const SMALL: std::ops::Range<i64> = 0..10_000;

/// A value here belongs to one key. Where Redis shares, the answer is what it says there, for it has come to mean "a
/// small number".
pub(super) fn refcount(ctx: &mut Ctx<'_>) -> Outcome {
    use xs_storage::keyspace::Policy;
    let policy = ctx.server.config.maxmemory_policy;
    let records_use = policy.is_lfu() || matches!(policy, Policy::AllKeysLru | Policy::VolatileLru);
    let shares = ctx.server.config.maxmemory == 0 || !records_use;
    let count = ctx.db.inspect(ctx.arg(2)).map(|value| match value {
        Value::Str(value)
            if shares && value.encoding() == "int" && value.as_i64().is_some_and(|number| SMALL.contains(&number)) =>
        {
            SHARED
        }
        _ => 1,
    });
    match count {
        Some(count) => ctx.reply.int(count),
        None => ctx.reply.null(),
    }
    Ok(())
}

pub(super) fn idletime(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(2);
    if ctx.db.inspect(key).is_none() {
        ctx.reply.null();
        return Ok(());
    }
    if ctx.server.config.maxmemory_policy.is_lfu() {
        return Err(Fault::new(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    let idle = ctx.db.keyspace.idle_ms(ctx.db.index, key, ctx.now).unwrap_or(0);
    ctx.reply.int((idle / 1000) as i64);
    Ok(())
}

pub(super) fn freq(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(2);
    if ctx.db.inspect(key).is_none() {
        ctx.reply.null();
        return Ok(());
    }
    if !ctx.server.config.maxmemory_policy.is_lfu() {
        return Err(Fault::new(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    let count = ctx.db.keyspace.frequency(ctx.db.index, key, ctx.now).unwrap_or(0);
    ctx.reply.int(i64::from(count));
    Ok(())
}

pub(super) fn help(ctx: &mut Ctx<'_>) -> Outcome {
    help::write(
        ctx,
        &[
            ("ENCODING <key>", "Names the form in which the value is kept."),
            ("FREQ <key>", "How often the key is used, as a logarithm; under an LFU policy."),
            ("IDLETIME <key>", "Seconds since the key was used last; under any other policy."),
            ("REFCOUNT <key>", "How many keys and commands hold the value."),
        ],
    );
    Ok(())
}
