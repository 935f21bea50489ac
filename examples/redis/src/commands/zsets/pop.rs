//! Taking the members with the lowest or the highest scores, and waiting for some.

use xs_storage::keyspace::Zset;

use super::Shape;
use crate::blocked::Waits;
use crate::command::Outcome;
use crate::commands::lists::MultiPop;
use crate::ctx::Ctx;
use crate::db::Left;
use crate::fault::Fault;
use crate::notify::Class;
use crate::parse;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    fn parse(word: &[u8]) -> Result<End, Fault> {
        match &word.to_ascii_lowercase()[..] {
            b"min" => Ok(End::Min),
            b"max" => Ok(End::Max),
            _ => Err(Fault::SYNTAX),
        }
    }

    fn event(self) -> &'static str {
        if self == End::Min { "zpopmin" } else { "zpopmax" }
    }
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
        3 => (ctx.size(2)?, Shape::new(ctx, true)),
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
        ctx.touched(key, Class::ZSET, end.event(), count as u64);
        if left == Left::Nothing {
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
            ctx.touched(key, Class::ZSET, end.event(), 1);
            if left == Left::Nothing {
                ctx.removed_empty(key);
            }
        }
        return Ok(());
    }
    let keys = (1..last).map(|at| ctx.arg(at).to_vec()).collect();
    ctx.block(keys, timeout, Waits::Array)
}

impl MultiPop<End> {
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
    let pop = MultiPop::parse(ctx, 1, End::parse)?;
    if !pop.pop(ctx)? {
        ctx.reply.null_array();
    }
    Ok(())
}

pub(super) fn bzmpop(ctx: &mut Ctx<'_>) -> Outcome {
    let pop = MultiPop::parse(ctx, 2, End::parse)?;
    let timeout = parse::timeout(ctx.arg(1))?;
    if pop.pop(ctx)? {
        return Ok(());
    }
    let keys = pop.keys.clone().map(|at| ctx.arg(at).to_vec()).collect();
    ctx.block(keys, timeout, Waits::Array)
}
