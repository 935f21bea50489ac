//! Unions, intersections and differences.

use std::ops::Range;

use xs_storage::keyspace::{Item, Limits, Set};

use crate::command::Outcome;
use crate::commands::lists::write_item;
use crate::ctx::Ctx;
use crate::db::{Db, Typed};
use crate::fault::Fault;
use crate::notify::Class;
use crate::parse;

#[derive(Clone, Copy)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// The sets at the arguments `keys`, a missing one as `None`. All are looked at first, so that a key of another type is
/// an error wherever it stands.
fn sets<'s>(db: &'s mut Db<'_>, args: &[&[u8]]) -> Result<Vec<Option<&'s Set>>, Fault> {
    for key in args {
        db.read::<Set>(key)?;
    }
    let found = args.iter().map(|key| db.keyspace.peek(db.index, key, db.now).and_then(Set::of));
    Ok(found.collect())
}

impl Operation {
    /// Visits each member of the result once, until `visit` says to stop.
    fn each(self, sets: &[Option<&Set>], limits: &Limits, mut visit: impl FnMut(Item<'_>) -> bool) {
        match self {
            Operation::Intersection => {
                let Some(mut sets) = sets.iter().copied().collect::<Option<Vec<&Set>>>() else { return };
                // The smallest is walked; the others are asked, the small ones first.
                sets.sort_by_key(|set| set.len());
                let Some((smallest, others)) = sets.split_first() else { return };
                let mut scratch = [0; 20];
                for member in smallest.iter() {
                    let bytes = member.as_bytes(&mut scratch);
                    if others.iter().all(|set| set.contains(bytes)) && !visit(member) {
                        return;
                    }
                }
            }
            Operation::Difference => {
                let Some((Some(first), others)) = sets.split_first() else { return };
                let mut scratch = [0; 20];
                for member in first.iter() {
                    let bytes = member.as_bytes(&mut scratch);
                    if !others.iter().flatten().any(|set| set.contains(bytes)) && !visit(member) {
                        return;
                    }
                }
            }
            Operation::Union => {
                let mut seen = Set::new();
                let mut scratch = [0; 20];
                for member in sets.iter().flatten().flat_map(|set| set.iter()) {
                    if seen.insert(member.as_bytes(&mut scratch), limits) && !visit(member) {
                        return;
                    }
                }
            }
        }
    }

    fn event(self) -> &'static str {
        match self {
            Operation::Union => "sunionstore",
            Operation::Intersection => "sinterstore",
            Operation::Difference => "sdiffstore",
        }
    }
}

fn keys<'a>(ctx: &Ctx<'a>, at: Range<usize>) -> Vec<&'a [u8]> {
    at.map(|at| ctx.arg(at)).collect()
}

fn answer(ctx: &mut Ctx<'_>, operation: Operation) -> Outcome {
    let keys = keys(ctx, 1..ctx.args.len());
    let limits = ctx.db.limits;
    let sets = sets(&mut ctx.db, &keys)?;
    let mark = ctx.reply.begin();
    let mut found = 0;
    operation.each(&sets, limits, |member| {
        write_item(&mut ctx.reply, member);
        found += 1;
        true
    });
    ctx.reply.end_set(mark, found);
    Ok(())
}

fn store(ctx: &mut Ctx<'_>, operation: Operation) -> Outcome {
    let target = ctx.arg(1);
    let keys = keys(ctx, 2..ctx.args.len());
    let limits = ctx.db.limits;
    let mut result = Set::new();
    let sets = sets(&mut ctx.db, &keys)?;
    operation.each(&sets, limits, |member| {
        result.insert(member.as_bytes(&mut [0; 20]), limits);
        true
    });
    let len = result.len();
    ctx.store(target, result, Class::SET, operation.event(), 1);
    ctx.reply.int(len as i64);
    Ok(())
}

pub(super) fn sunion(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, Operation::Union)
}

pub(super) fn sinter(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, Operation::Intersection)
}

pub(super) fn sdiff(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, Operation::Difference)
}

pub(super) fn sunionstore(ctx: &mut Ctx<'_>) -> Outcome {
    store(ctx, Operation::Union)
}

pub(super) fn sinterstore(ctx: &mut Ctx<'_>) -> Outcome {
    store(ctx, Operation::Intersection)
}

pub(super) fn sdiffstore(ctx: &mut Ctx<'_>) -> Outcome {
    store(ctx, Operation::Difference)
}

pub(super) fn sintercard(ctx: &mut Ctx<'_>) -> Outcome {
    let number = parse::int(ctx.arg(1)).filter(|n| *n > 0).ok_or(Fault::new("ERR numkeys should be greater than 0"))?;
    if number > ctx.args.len() as i64 - 2 {
        return Err(Fault::new("ERR Number of keys can't be greater than number of args"));
    }
    let end = 2 + number as usize;
    let mut limit = 0;
    let mut at = end;
    while at < ctx.args.len() {
        if !ctx.arg(at).eq_ignore_ascii_case(b"limit") || at + 1 >= ctx.args.len() {
            return Err(Fault::SYNTAX);
        }
        limit = parse::int(ctx.arg(at + 1)).filter(|n| *n >= 0).ok_or(Fault::new("ERR LIMIT can't be negative"))?;
        at += 2;
    }
    let keys = keys(ctx, 2..end);
    let limits = ctx.db.limits;
    let sets = sets(&mut ctx.db, &keys)?;
    let mut found = 0;
    Operation::Intersection.each(&sets, limits, |_| {
        found += 1;
        found != limit
    });
    ctx.reply.int(found);
    Ok(())
}
