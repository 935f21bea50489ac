//! ZRANGE and its older relatives: ranges by rank, by score and by name, in either direction.

use std::ops::{Bound, Range};

use xs_storage::keyspace::Zset;
use xs_storage::keyspace::zset::LexBound;

use super::Shape;
use super::bounds::{lex_bound, score_bound};
use crate::command::Outcome;
use crate::commands::strings::slice_of;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What a range command asks for.
struct Query<'a> {
    limits: Ends<'a>,
    reverse: bool,
    offset: i64,
    /// Negative: no limit.
    count: i64,
    with_scores: bool,
}

enum Ends<'a> {
    Rank(i64, i64),
    Score(Bound<f64>, Bound<f64>),
    Lex(LexBound<'a>, LexBound<'a>),
}

impl<'a> Query<'a> {
    /// Reads the ends at argument `at` and the options behind them. `by` and `reverse` are given for commands whose name
    /// says so, and may be options for ZRANGE.
    fn parse(
        ctx: &Ctx<'a>,
        at: usize,
        by: Option<By>,
        reverse: Option<bool>,
        stores: bool,
    ) -> Result<Query<'a>, Fault> {
        let is_zrange = by.is_none();
        let (mut chosen, mut reversed) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        let (mut offset, mut count, mut with_scores) = (0, -1, false);
        let mut next = at + 2;
        while next < ctx.args.len() {
            match &ctx.arg(next).to_ascii_lowercase()[..] {
                b"withscores" if !stores => with_scores = true,
                b"limit" if next + 2 < ctx.args.len() => {
                    (offset, count) = (ctx.int(next + 1)?, ctx.int(next + 2)?);
                    next += 2;
                }
                b"rev" if is_zrange => reversed = true,
                b"bylex" if is_zrange => chosen = By::Lex,
                b"byscore" if is_zrange => chosen = By::Score,
                _ => return Err(Fault::SYNTAX),
            }
            next += 1;
        }
        // Without a count a limit is none, among ranks, whatever its offset.
        if chosen == By::Rank && count == -1 {
            offset = 0;
        } else if chosen == By::Rank {
            return Err(Fault::new(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && chosen == By::Lex {
            return Err(Fault::new("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        // In reverse the higher end comes first, except among ranks.
        let (low, high) = if reversed { (at + 1, at) } else { (at, at + 1) };
        let limits = match chosen {
            By::Rank => Ends::Rank(ctx.int(at)?, ctx.int(at + 1)?),
            By::Score => Ends::Score(score_bound(ctx.arg(low))?, score_bound(ctx.arg(high))?),
            By::Lex => Ends::Lex(lex_bound(ctx.arg(low))?, lex_bound(ctx.arg(high))?),
        };
        Ok(Query { limits, reverse: reversed, offset, count, with_scores })
    }

    /// The ranks, counted from the lowest score, that the query means.
    fn ranks(&self, zset: &Zset) -> Range<usize> {
        let len = zset.len();
        let found = match self.limits {
            Ends::Rank(start, end) => match slice_of(len, start, end) {
                Some(range) if self.reverse => len - range.end..len - range.start,
                found => found.unwrap_or(0..0),
            },
            Ends::Score(min, max) => zset.score_range(min, max),
            Ends::Lex(min, max) => zset.lex_range(min, max),
        };
        let Ok(offset) = usize::try_from(self.offset) else { return 0..0 };
        let offset = offset.min(found.len());
        let count = usize::try_from(self.count).unwrap_or(usize::MAX).min(found.len() - offset);
        match self.reverse {
            false => found.start + offset..found.start + offset + count,
            true => found.end - offset - count..found.end - offset,
        }
    }
}

fn answer(ctx: &mut Ctx<'_>, by: Option<By>, reverse: Option<bool>) -> Outcome {
    let query = Query::parse(ctx, 2, by, reverse, false)?;
    let shape = Shape::new(ctx, query.with_scores);
    let key = ctx.arg(1);
    let Ctx { db, reply, .. } = ctx;
    let Some(zset) = db.read::<Zset>(key)? else {
        reply.array(0);
        return Ok(());
    };
    let ranks = query.ranks(zset);
    reply.array(shape.len(ranks.len()));
    let members = zset.range(ranks);
    match query.reverse {
        false => members.for_each(|(member, score)| shape.write(reply, member, score)),
        true => members.rev().for_each(|(member, score)| shape.write(reply, member, score)),
    }
    Ok(())
}

pub(super) fn zrange(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, None, None)
}

pub(super) fn zrevrange(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, Some(By::Rank), Some(true))
}

pub(super) fn zrangebyscore(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, Some(By::Score), Some(false))
}

pub(super) fn zrevrangebyscore(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, Some(By::Score), Some(true))
}

pub(super) fn zrangebylex(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, Some(By::Lex), Some(false))
}

pub(super) fn zrevrangebylex(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, Some(By::Lex), Some(true))
}

pub(super) fn zrangestore(ctx: &mut Ctx<'_>) -> Outcome {
    let query = Query::parse(ctx, 3, None, None, true)?;
    let (target, source) = (ctx.arg(1), ctx.arg(2));
    let limits = ctx.db.limits;
    let mut result = Zset::new();
    if let Some(zset) = ctx.db.read::<Zset>(source)? {
        for (member, score) in zset.range(query.ranks(zset)) {
            result.insert(score, member.as_bytes(&mut [0; 20]), limits);
        }
    }
    store(ctx, target, result, "zrangestore");
    Ok(())
}

/// Puts a result at `target`, or removes what is there when the result is empty, and answers its size.
pub(crate) fn store(ctx: &mut Ctx<'_>, target: &[u8], result: Zset, event: &'static str) {
    let len = result.len();
    ctx.store(target, result, Class::ZSET, event, 1);
    ctx.reply.int(len as i64);
}
