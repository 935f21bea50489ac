//! The sorted set commands.

pub(super) mod add;
mod algebra;
mod bounds;
mod pop;
mod random;
mod range;
mod table;

pub(crate) use table::TABLE;

use add::{zadd, zincrby};
use algebra::{zdiff, zdiffstore, zinter, zintercard, zinterstore, zunion, zunionstore};
use bounds::{lex_bound, score_bound};
use pop::{bzmpop, bzpopmax, bzpopmin, zmpop, zpopmax, zpopmin};
use random::zrandmember;
use range::{zrange, zrangebylex, zrangebyscore, zrangestore, zrevrange, zrevrangebylex, zrevrangebyscore};
use xs_proto::resp::{Reply, format_double};
use xs_storage::keyspace::{Item, Zset};

use crate::command::Outcome;
use crate::commands::lists::write_item;
use crate::ctx::Ctx;
use crate::db::Left;
use crate::notify::Class;
use crate::scan::Scan;

/// How a member is written: alone, or with its score behind it (RESP2) or in a pair with it (RESP3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Alone,
    Flat,
    Pairs,
}

impl Shape {
    pub(crate) fn new(ctx: &Ctx<'_>, with_scores: bool) -> Shape {
        match (with_scores, ctx.is_resp3()) {
            (false, _) => Shape::Alone,
            (true, false) => Shape::Flat,
            (true, true) => Shape::Pairs,
        }
    }

    /// Elements of the reply's array for so many members.
    pub(crate) fn len(self, members: usize) -> usize {
        if self == Shape::Flat { members * 2 } else { members }
    }

    #[inline]
    pub(crate) fn write(self, reply: &mut Reply<'_>, member: Item<'_>, score: f64) {
        if self == Shape::Pairs {
            reply.array(2);
        }
        write_item(reply, member);
        if self != Shape::Alone {
            reply.double(score);
        }
    }
}

fn zscore(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, member) = (ctx.arg(1), ctx.arg(2));
    match ctx.db.read::<Zset>(key)?.and_then(|zset| zset.score(member)) {
        Some(score) => ctx.reply.double(score),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn zmscore(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, members) = (ctx.arg(1), ctx.args.skip(2));
    let zset = ctx.db.read::<Zset>(key)?;
    ctx.reply.array(members.len());
    for member in members {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => ctx.reply.double(score),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

fn zcard(ctx: &mut Ctx<'_>) -> Outcome {
    let len = ctx.db.read::<Zset>(ctx.arg(1))?.map_or(0, Zset::len);
    ctx.reply.int(len as i64);
    Ok(())
}

fn zrank(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, member) = (ctx.arg(1), ctx.arg(2));
    answer_rank(ctx, key, |zset| zset.rank(member))
}

fn zrevrank(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, member) = (ctx.arg(1), ctx.arg(2));
    answer_rank(ctx, key, |zset| zset.rev_rank(member))
}

fn answer_rank(ctx: &mut Ctx<'_>, key: &[u8], rank: impl FnOnce(&Zset) -> Option<usize>) -> Outcome {
    match ctx.db.read::<Zset>(key)?.and_then(rank) {
        Some(rank) => ctx.reply.int(rank as i64),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn zcount(ctx: &mut Ctx<'_>) -> Outcome {
    let (min, max) = (score_bound(ctx.arg(2))?, score_bound(ctx.arg(3))?);
    let count = ctx.db.read::<Zset>(ctx.arg(1))?.map_or(0, |zset| zset.score_range(min, max).len());
    ctx.reply.int(count as i64);
    Ok(())
}

fn zlexcount(ctx: &mut Ctx<'_>) -> Outcome {
    let (min, max) = (lex_bound(ctx.arg(2))?, lex_bound(ctx.arg(3))?);
    let count = ctx.db.read::<Zset>(ctx.arg(1))?.map_or(0, |zset| zset.lex_range(min, max).len());
    ctx.reply.int(count as i64);
    Ok(())
}

fn zrem(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, members) = (ctx.arg(1), ctx.args.skip(2));
    let removed =
        ctx.db.edit(key, |zset: &mut Zset, _| members.iter().filter(|member| zset.remove(member).is_some()).count())?;
    removed_some(ctx, key, "zrem", removed)
}

fn zremrangebyrank(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, start, end) = (ctx.arg(1), ctx.int(2)?, ctx.int(3)?);
    let removed = ctx.db.edit(key, |zset: &mut Zset, _| {
        let ranks = crate::commands::strings::slice_of(zset.len(), start, end).unwrap_or(0..0);
        zset.remove_range(ranks, |_, _| {})
    })?;
    removed_some(ctx, key, "zremrangebyrank", removed)
}

fn zremrangebyscore(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, min, max) = (ctx.arg(1), score_bound(ctx.arg(2))?, score_bound(ctx.arg(3))?);
    let removed = ctx.db.edit(key, |zset: &mut Zset, _| zset.remove_range(zset.score_range(min, max), |_, _| {}))?;
    removed_some(ctx, key, "zremrangebyscore", removed)
}

fn zremrangebylex(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, min, max) = (ctx.arg(1), lex_bound(ctx.arg(2))?, lex_bound(ctx.arg(3))?);
    let removed = ctx.db.edit(key, |zset: &mut Zset, _| zset.remove_range(zset.lex_range(min, max), |_, _| {}))?;
    removed_some(ctx, key, "zremrangebylex", removed)
}

fn removed_some(ctx: &mut Ctx<'_>, key: &[u8], event: &'static str, removed: Option<(usize, Left)>) -> Outcome {
    let (removed, left) = removed.unwrap_or((0, Left::Something));
    if removed > 0 {
        ctx.touched(key, Class::ZSET, event, removed as u64);
    }
    if left == Left::Nothing {
        ctx.removed_empty(key);
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

fn zscan(ctx: &mut Ctx<'_>) -> Outcome {
    /// Scores from here on are never held as whole numbers.
    const WHOLE: f64 = (1_u64 << 62) as f64;
    let Some(scan) = Scan::of_value::<Zset>(ctx)? else { return Ok(()) };
    let mut found = Vec::new();
    let cursor = ctx.db.look::<Zset>(ctx.arg(1))?.map_or(0, |zset| {
        let is_compact = zset.as_listpack().is_some();
        zset.scan(scan.cursor, scan.count, |member, score| {
            let member = member.to_vec();
            if scan.wants(&member) {
                let mut text = Vec::new();
                // A listpack holds whole numbers as such, and they are told as they are held.
                match is_compact && score.fract() == 0.0 && score.abs() < WHOLE {
                    true => text.extend_from_slice(itoa::Buffer::new().format(score as i64).as_bytes()),
                    false => format_double(score, &mut text),
                }
                found.push(member);
                found.push(text);
            }
        })
    });
    ctx.reply.array(2);
    ctx.reply.bulk(cursor.to_string().as_bytes());
    ctx.reply.array(found.len());
    found.iter().for_each(|item| ctx.reply.bulk(item));
    Ok(())
}
