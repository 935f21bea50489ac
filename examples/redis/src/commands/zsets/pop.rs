//! Taking the members with the lowest or the highest scores, and waiting for some.

use xs_storage::keyspace::Zset;

use super::Shape;
use crate::blocked::Waits;
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;
use crate::parse;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

pub(super) fn zpopmin(ctx: &mut Ctx<'_>) -> Outcome {
    pop(ctx, End::Min)
}

pub(super) fn zpopmax(ctx: &mut Ctx<'_>) -> Outcome {
    pop(ctx, End::Max)
}

fn pop(ctx: &mut Ctx<'_>, end: End) -> Outcome {
    let key = ctx.arg(1);
    let (count, shape) = match ctx.args.len() {
        2 => (1, Shape::Flat),
        3 => {
            let count =
                parse::int(ctx.arg(2)).and_then(|count| usize::try_from(count).ok()).ok_or(Fault::NOT_POSITIVE)?;
            (count, Shape::new(ctx, true))
        }
        _ => return Err(Fault::SYNTAX),
    };
    if ctx.db.look::<Zset>(key)?.is_none() || count == 0 {
        ctx.reply.array(0);
        return Ok(());
    }
    pop_some(ctx, key, end, count, shape)
}

/// Pops up to `count` members of a sorted set that exists into an array reply.
fn pop_some(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize, shape: Shape) -> Outcome {
    let Ctx { db, reply, .. } = ctx;
    let popped = db.edit(key, |zset: &mut Zset, _| {
        let count = count.min(zset.len());
        reply.array(shape.len(count));
        for _ in 0..count {
            match end {
                End::Min => zset.pop_min(|member, score| shape.write(reply, member, score)),
                End::Max => zset.pop_max(|member, score| shape.write(reply, member, score)),
            };
        }
        count
    })?;
    if let Some((count, left)) = popped {
        let event = if end == End::Min { "zpopmin" } else { "zpopmax" };
        ctx.touched(key, Class::ZSET, event, count as u64);
        if left == crate::db::Left::Nothing {
            ctx.removed_empty(key);
        }
    }
    Ok(())
}

pub(super) fn bzpopmin(ctx: &mut Ctx<'_>) -> Outcome {
    blocking_pop(ctx, End::Min)
}

pub(super) fn bzpopmax(ctx: &mut Ctx<'_>) -> Outcome {
    blocking_pop(ctx, End::Max)
}

fn blocking_pop(ctx: &mut Ctx<'_>, end: End) -> Outcome {
    let last = ctx.args.len() - 1;
    let timeout = parse::timeout(ctx.arg(last))?;
    for at in 1..last {
        let key = ctx.arg(at);
        if ctx.db.look::<Zset>(key)?.is_none() {
            continue;
        }
        ctx.reply.array(3);
        ctx.reply.bulk(key);
        let Ctx { db, reply, .. } = ctx;
        let popped = db.edit(key, |zset: &mut Zset, _| match end {
            End::Min => zset.pop_min(|member, score| Shape::Flat.write(reply, member, score)),
            End::Max => zset.pop_max(|member, score| Shape::Flat.write(reply, member, score)),
        })?;
        if let Some((_, left)) = popped {
            ctx.touched(key, Class::ZSET, if end == End::Min { "zpopmin" } else { "zpopmax" }, 1);
            if left == crate::db::Left::Nothing {
                ctx.removed_empty(key);
            }
        }
        return Ok(());
    }
    let keys = (1..last).map(|at| ctx.arg(at).to_vec()).collect();
    ctx.block(keys, timeout, Waits::Array)
}

/// `numkeys key [key …] MIN|MAX [COUNT count]`.
struct MultiPop {
    keys: std::ops::Range<usize>,
    end: End,
    count: usize,
}

impl MultiPop {
    fn parse(ctx: &Ctx<'_>, at: usize) -> Result<MultiPop, Fault> {
        let number = parse::int(ctx.arg(at)).filter(|n| *n > 0);
        let number = number.ok_or(Fault::new("ERR numkeys should be greater than 0"))?;
        let first = at + 1;
        let end_at = usize::try_from(number).ok().and_then(|number| first.checked_add(number)).ok_or(Fault::SYNTAX)?;
        if end_at >= ctx.args.len() {
            return Err(Fault::SYNTAX);
        }
        let end = match &ctx.arg(end_at).to_ascii_lowercase()[..] {
            b"min" => End::Min,
            b"max" => End::Max,
            _ => return Err(Fault::SYNTAX),
        };
        let count = match ctx.args.len() - end_at {
            1 => 1,
            3 if ctx.arg(end_at + 1).eq_ignore_ascii_case(b"count") => {
                let count = parse::int(ctx.arg(end_at + 2)).filter(|n| *n > 0);
                count.ok_or(Fault::new("ERR count should be greater than 0"))? as usize
            }
            _ => return Err(Fault::SYNTAX),
        };
        Ok(MultiPop { keys: first..end_at, end, count })
    }

    /// Pops from the first sorted set that exists; false when none does.
    fn pop(&self, ctx: &mut Ctx<'_>) -> Result<bool, Fault> {
        for at in self.keys.clone() {
            let key = ctx.arg(at);
            if ctx.db.look::<Zset>(key)?.is_none() {
                continue;
            }
            ctx.reply.array(2);
            ctx.reply.bulk(key);
            pop_some(ctx, key, self.end, self.count, Shape::Pairs)?;
            return Ok(true);
        }
        Ok(false)
    }
}

pub(super) fn zmpop(ctx: &mut Ctx<'_>) -> Outcome {
    let pop = MultiPop::parse(ctx, 1)?;
    if !pop.pop(ctx)? {
        ctx.reply.null_array();
    }
    Ok(())
}

pub(super) fn bzmpop(ctx: &mut Ctx<'_>) -> Outcome {
    let timeout = parse::timeout(ctx.arg(1))?;
    let pop = MultiPop::parse(ctx, 2)?;
    if pop.pop(ctx)? {
        return Ok(());
    }
    let keys = pop.keys.clone().map(|at| ctx.arg(at).to_vec()).collect();
    ctx.block(keys, timeout, Waits::Array)
}
