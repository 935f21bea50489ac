//! The list commands that wait for an element.

use xs_storage::keyspace::List;

use super::{End, Named, move_element, pop_many, popped_from, write_item};
use crate::blocked::Waits;
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::parse;

pub(super) fn blpop(ctx: &mut Ctx<'_>) -> Outcome {
    blocking_pop(ctx, End::Left)
}

pub(super) fn brpop(ctx: &mut Ctx<'_>) -> Outcome {
    blocking_pop(ctx, End::Right)
}

fn blocking_pop(ctx: &mut Ctx<'_>, end: End) -> Outcome {
    let last = ctx.args.len() - 1;
    let timeout = parse::timeout(ctx.arg(last))?;
    for at in 1..last {
        let key = ctx.arg(at);
        if !ctx.may_serve(key) {
            continue;
        }
        let Ctx { db, reply, .. } = ctx;
        let popped = db.edit(key, |list: &mut List, _| {
            reply.array(2);
            reply.bulk(key);
            end.pop(list, |item| write_item(reply, item));
        })?;
        if let Some(((), left)) = popped {
            popped_from(ctx, key, end, 1, left);
            return Ok(());
        }
    }
    let keys = (1..last).map(|at| ctx.arg(at).to_vec()).collect();
    ctx.block(keys, timeout, Waits::Array)
}

pub(super) fn blmove(ctx: &mut Ctx<'_>) -> Outcome {
    let (from, to) = (End::parse(ctx.arg(3))?, End::parse(ctx.arg(4))?);
    let timeout = parse::timeout(ctx.arg(5))?;
    move_or_block(ctx, from, to, timeout)
}

pub(super) fn brpoplpush(ctx: &mut Ctx<'_>) -> Outcome {
    let timeout = parse::timeout(ctx.arg(3))?;
    move_or_block(ctx, End::Right, End::Left, timeout)
}

fn move_or_block(ctx: &mut Ctx<'_>, from: End, to: End, timeout: f64) -> Outcome {
    if move_element(ctx, from, to)? {
        return Ok(());
    }
    let key = ctx.arg(1).to_vec();
    ctx.block(vec![key], timeout, Waits::Element)
}

/// `numkeys key [key …] END [COUNT count]`, from argument `at` on, where END is a word that `parse_end` knows.
pub(crate) struct MultiPop<E> {
    pub(crate) keys: std::ops::Range<usize>,
    pub(crate) end: E,
    pub(crate) count: usize,
}

impl<E> MultiPop<E> {
    pub(crate) fn parse(
        ctx: &Ctx<'_>,
        at: usize,
        parse_end: fn(&[u8]) -> Result<E, Fault>,
    ) -> Result<MultiPop<E>, Fault> {
        let positive = |at: usize, otherwise: &'static str| {
            let number = parse::int(ctx.arg(at)).and_then(|number| usize::try_from(number).ok());
            number.filter(|number| *number > 0).ok_or(Fault::new(otherwise))
        };
        let first = at + 1;
        let number = positive(at, "ERR numkeys should be greater than 0")?;
        let end_at = first.checked_add(number).filter(|at| *at < ctx.args.len()).ok_or(Fault::SYNTAX)?;
        let end = parse_end(ctx.arg(end_at))?;
        let mut count = None;
        let mut at = end_at + 1;
        while at < ctx.args.len() {
            if count.is_some() || !ctx.arg(at).eq_ignore_ascii_case(b"count") || at + 1 == ctx.args.len() {
                return Err(Fault::SYNTAX);
            }
            count = Some(positive(at + 1, "ERR count should be greater than 0")?);
            at += 2;
        }
        Ok(MultiPop { keys: first..end_at, end, count: count.unwrap_or(1) })
    }
}

impl MultiPop<End> {
    /// Pops from the first list that exists; false when none does.
    fn pop(&self, ctx: &mut Ctx<'_>) -> Result<bool, Fault> {
        for at in self.keys.clone() {
            let key = ctx.arg(at);
            if ctx.may_serve(key) && pop_many(ctx, key, self.end, self.count, Named::Yes)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) fn lmpop(ctx: &mut Ctx<'_>) -> Outcome {
    let pop = MultiPop::parse(ctx, 1, End::parse)?;
    if !pop.pop(ctx)? {
        ctx.reply.null_array();
    }
    Ok(())
}

pub(super) fn blmpop(ctx: &mut Ctx<'_>) -> Outcome {
    let pop = MultiPop::parse(ctx, 2, End::parse)?;
    let timeout = parse::timeout(ctx.arg(1))?;
    if pop.pop(ctx)? {
        return Ok(());
    }
    let keys = pop.keys.clone().map(|at| ctx.arg(at).to_vec()).collect();
    ctx.block(keys, timeout, Waits::Array)
}
