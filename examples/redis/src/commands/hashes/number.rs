//! Fields as numbers.

use xs_proto::resp::LongDouble;
use xs_storage::keyspace::Hash;

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;

pub(super) fn hincrby(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, field, by) = (ctx.arg(1), ctx.arg(2), ctx.int(3)?);
    let old = match ctx.db.look::<Hash>(key)?.and_then(|hash| hash.get(field)) {
        Some(old) => old.as_i64().ok_or(Fault::new("ERR hash value is not an integer"))?,
        None => 0,
    };
    let new = old.checked_add(by).ok_or(Fault::new("ERR increment or decrement would overflow"))?;
    let mut text = itoa::Buffer::new();
    store(ctx, key, field, text.format(new).as_bytes(), "hincrby")?;
    ctx.reply.int(new);
    Ok(())
}

pub(super) fn hincrbyfloat(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, field) = (ctx.arg(1), ctx.arg(2));
    let by = LongDouble::parse(ctx.arg(3)).ok_or(Fault::NOT_A_FLOAT)?;
    if !by.is_finite() {
        return Err(Fault::new("ERR value is NaN or Infinity"));
    }
    let old = ctx.db.look::<Hash>(key)?.and_then(|hash| hash.get(field)).map(|old| old.to_vec());
    let old = LongDouble::parse(old.as_deref().unwrap_or(b"0")).ok_or(Fault::new("ERR hash value is not a float"))?;
    let new = old + by;
    if !new.is_finite() {
        return Err(Fault::new("ERR increment would produce NaN or Infinity"));
    }
    let text = new.to_string();
    store(ctx, key, field, text.as_bytes(), "hincrbyfloat")?;
    ctx.reply.bulk(text.as_bytes());
    Ok(())
}

fn store(ctx: &mut Ctx<'_>, key: &[u8], field: &[u8], value: &[u8], event: &'static str) -> Outcome {
    ctx.db.edit_or_new(key, |hash: &mut Hash, limits| hash.set(field, value, limits))?;
    ctx.touched(key, Class::HASH, event, 1);
    Ok(())
}
