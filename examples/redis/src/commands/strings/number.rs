//! Strings as numbers.

use xs_proto::resp::LongDouble;
use xs_storage::keyspace::Str;

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;

pub(super) fn incr(ctx: &mut Ctx<'_>) -> Outcome {
    add(ctx, 1)
}

pub(super) fn decr(ctx: &mut Ctx<'_>) -> Outcome {
    add(ctx, -1)
}

pub(super) fn incrby(ctx: &mut Ctx<'_>) -> Outcome {
    let by = ctx.int(2)?;
    add(ctx, by)
}

pub(super) fn decrby(ctx: &mut Ctx<'_>) -> Outcome {
    let by = ctx.int(2)?.checked_neg().ok_or(Fault::new("ERR decrement would overflow"))?;
    add(ctx, by)
}

fn add(ctx: &mut Ctx<'_>, by: i64) -> Outcome {
    let key = ctx.arg(1);
    let add = |value: &mut Str| {
        let old = value.as_i64().ok_or(Fault::NOT_AN_INTEGER)?;
        let new = old.checked_add(by).ok_or(Fault::new("ERR increment or decrement would overflow"))?;
        value.set_i64(new);
        Ok::<i64, Fault>(new)
    };
    let sum = match ctx.db.edit(key, |value: &mut Str, _| add(value))? {
        Some((sum, _)) => sum?,
        None => {
            ctx.db.put(key, Str::from_i64(by));
            by
        }
    };
    ctx.touched(key, Class::STRING, "incrby", 1);
    ctx.reply.int(sum);
    Ok(())
}

pub(super) fn incrbyfloat(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    let old = ctx.db.look::<Str>(key)?.map(Str::to_vec);
    let old = LongDouble::parse(old.as_deref().unwrap_or(b"0")).ok_or(Fault::NOT_A_FLOAT)?;
    let by = LongDouble::parse(ctx.arg(2)).ok_or(Fault::NOT_A_FLOAT)?;
    let sum = old + by;
    if !sum.is_finite() {
        return Err(Fault::new("ERR increment would produce NaN or Infinity"));
    }
    let sum = sum.to_string();
    let text = sum.as_bytes();
    // Text, also where it reads as an integer: that is what Redis keeps of a float.
    ctx.db.edit_or_new(key, |value: &mut Str, _| *value = Str::from_text(text))?;
    ctx.touched(key, Class::STRING, "incrbyfloat", 1);
    ctx.reply.bulk(text);
    Ok(())
}
