//! The hash commands.

mod browse;
mod number;
mod table;

pub(crate) use table::TABLE;

use browse::{hgetall, hkeys, hrandfield, hscan, hvals};
use number::{hincrby, hincrbyfloat};
use xs_storage::keyspace::Hash;

use crate::command::Outcome;
use crate::commands::lists::write_item;
use crate::ctx::Ctx;
use crate::db::Left;
use crate::fault::Fault;
use crate::notify::Class;

fn hset(ctx: &mut Ctx<'_>) -> Outcome {
    let added = set_pairs(ctx)?;
    ctx.reply.int(added as i64);
    Ok(())
}

fn hmset(ctx: &mut Ctx<'_>) -> Outcome {
    set_pairs(ctx)?;
    ctx.reply.ok();
    Ok(())
}

/// Sets the pairs from argument 2 on; returns how many fields are new.
#[inline]
fn set_pairs(ctx: &mut Ctx<'_>) -> Result<usize, Fault> {
    if !ctx.args.len().is_multiple_of(2) {
        return Err(Fault::arity(ctx.spec.name));
    }
    let (key, pairs) = (ctx.arg(1), ctx.args.skip(2));
    let added = ctx.db.edit_or_new(key, |hash: &mut Hash, limits| {
        let mut pairs = pairs.iter();
        hash.expect(pairs.clone(), limits);
        let mut added = 0;
        while let (Some(field), Some(value)) = (pairs.next(), pairs.next()) {
            added += usize::from(hash.set(field, value, limits));
        }
        added
    })?;
    ctx.touched(key, Class::HASH, "hset", pairs.len() as u64 / 2);
    Ok(added)
}

fn hsetnx(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, field, value) = (ctx.arg(1), ctx.arg(2), ctx.arg(3));
    if ctx.db.look::<Hash>(key)?.is_some_and(|hash| hash.contains(field)) {
        ctx.reply.int(0);
        return Ok(());
    }
    ctx.db.edit_or_new(key, |hash: &mut Hash, limits| hash.set(field, value, limits))?;
    ctx.touched(key, Class::HASH, "hset", 1);
    ctx.reply.int(1);
    Ok(())
}

fn hget(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, field) = (ctx.arg(1), ctx.arg(2));
    match ctx.db.read::<Hash>(key)?.and_then(|hash| hash.get(field)) {
        Some(value) => write_item(&mut ctx.reply, value),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn hmget(ctx: &mut Ctx<'_>) -> Outcome {
    let fields = ctx.args.skip(2);
    let hash = ctx.db.read::<Hash>(ctx.args[1].as_ref())?;
    ctx.reply.array(fields.len());
    for field in fields {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => write_item(&mut ctx.reply, value),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

fn hdel(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, fields) = (ctx.arg(1), ctx.args.skip(2));
    let removed =
        ctx.db.edit(key, |hash: &mut Hash, _| fields.iter().filter(|field| hash.remove(field)).count() as u64)?;
    let (removed, left) = removed.unwrap_or((0, Left::Something));
    if removed > 0 {
        ctx.touched(key, Class::HASH, "hdel", removed);
    }
    if left == Left::Nothing {
        ctx.removed_empty(key);
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

fn hlen(ctx: &mut Ctx<'_>) -> Outcome {
    let len = ctx.db.read::<Hash>(ctx.arg(1))?.map_or(0, Hash::len);
    ctx.reply.int(len as i64);
    Ok(())
}

fn hexists(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, field) = (ctx.arg(1), ctx.arg(2));
    let found = ctx.db.read::<Hash>(key)?.is_some_and(|hash| hash.contains(field));
    ctx.reply.int(i64::from(found));
    Ok(())
}

fn hstrlen(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, field) = (ctx.arg(1), ctx.arg(2));
    let len = ctx.db.read::<Hash>(key)?.and_then(|hash| hash.get(field)).map_or(0, |value| value.len());
    ctx.reply.int(len as i64);
    Ok(())
}
