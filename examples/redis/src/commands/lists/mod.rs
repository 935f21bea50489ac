//! The list commands.

mod blocking;
mod table;

pub(crate) use blocking::MultiPop;
pub(crate) use table::TABLE;

use blocking::{blmove, blmpop, blpop, brpop, brpoplpush, lmpop};
use xs_proto::resp::Reply;
use xs_storage::keyspace::list::Side;
use xs_storage::keyspace::{Item, List};

use crate::command::Outcome;
use crate::commands::strings::slice_of;
use crate::ctx::Ctx;
use crate::db::Left;
use crate::fault::Fault;
use crate::notify::Class;

/// Writes an element of a compact collection.
#[inline]
pub(crate) fn write_item(reply: &mut Reply<'_>, item: Item<'_>) {
    match item {
        Item::Int(number) => reply.bulk_int(number),
        Item::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Left,
    Right,
}

impl End {
    pub(super) fn parse(word: &[u8]) -> Result<End, Fault> {
        match &word.to_ascii_lowercase()[..] {
            b"left" => Ok(End::Left),
            b"right" => Ok(End::Right),
            _ => Err(Fault::SYNTAX),
        }
    }

    pub(super) fn pushed(self) -> &'static str {
        if self == End::Left { "lpush" } else { "rpush" }
    }

    pub(super) fn popped(self) -> &'static str {
        if self == End::Left { "lpop" } else { "rpop" }
    }

    pub(super) fn side(self) -> Side {
        if self == End::Left { Side::Before } else { Side::After }
    }

    #[inline]
    pub(super) fn push(self, list: &mut List, element: &[u8], limits: &xs_storage::keyspace::Limits) {
        match self {
            End::Left => list.push_front(element, limits),
            End::Right => list.push_back(element, limits),
        }
    }

    #[inline]
    pub(super) fn pop<R>(self, list: &mut List, take: impl FnOnce(Item<'_>) -> R) -> Option<R> {
        match self {
            End::Left => list.pop_front(take),
            End::Right => list.pop_back(take),
        }
    }
}

fn lpush(ctx: &mut Ctx<'_>) -> Outcome {
    push(ctx, End::Left)
}

fn rpush(ctx: &mut Ctx<'_>) -> Outcome {
    push(ctx, End::Right)
}

#[inline]
fn push(ctx: &mut Ctx<'_>, end: End) -> Outcome {
    let (key, elements) = (ctx.arg(1), ctx.args.skip(2));
    let len = ctx.db.edit_or_new(key, |list: &mut List, limits| {
        list.extend(end.side(), elements.iter(), limits);
        list.len()
    })?;
    ctx.touched(key, Class::LIST, end.pushed(), elements.len() as u64);
    ctx.reply.int(len as i64);
    Ok(())
}

fn lpushx(ctx: &mut Ctx<'_>) -> Outcome {
    push_if_present(ctx, End::Left)
}

fn rpushx(ctx: &mut Ctx<'_>) -> Outcome {
    push_if_present(ctx, End::Right)
}

fn push_if_present(ctx: &mut Ctx<'_>, end: End) -> Outcome {
    match ctx.db.look::<List>(ctx.arg(1))? {
        Some(_) => push(ctx, end),
        None => {
            ctx.reply.int(0);
            Ok(())
        }
    }
}

fn lpop(ctx: &mut Ctx<'_>) -> Outcome {
    pop(ctx, End::Left)
}

fn rpop(ctx: &mut Ctx<'_>) -> Outcome {
    pop(ctx, End::Right)
}

#[inline]
fn pop(ctx: &mut Ctx<'_>, end: End) -> Outcome {
    let key = ctx.arg(1);
    match ctx.args.len() {
        2 => {
            let Ctx { db, reply, .. } = ctx;
            let popped = db.edit(key, |list: &mut List, _| end.pop(list, |item| write_item(reply, item)))?;
            match popped {
                None => ctx.reply.null(),
                Some((_, left)) => popped_from(ctx, key, end, 1, left),
            }
        }
        3 => {
            let count = ctx.size(2)?;
            if !pop_many(ctx, key, end, count, Named::No)? {
                ctx.reply.null_array();
            }
        }
        _ => return Err(Fault::arity(ctx.spec.name)),
    }
    Ok(())
}

/// Whether the reply begins with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    No,
    Yes,
}

/// Pops up to `count` elements into an array reply; false, and no reply, when there is no such list.
fn pop_many(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize, named: Named) -> Result<bool, Fault> {
    let Ctx { db, reply, .. } = ctx;
    let popped = db.edit(key, |list: &mut List, _| {
        let count = count.min(list.len());
        if named == Named::Yes {
            reply.array(2);
            reply.bulk(key);
        }
        reply.array(count);
        for _ in 0..count {
            end.pop(list, |item| write_item(reply, item));
        }
        count
    })?;
    let Some((count, left)) = popped else { return Ok(false) };
    if count > 0 {
        popped_from(ctx, key, end, count as u64, left);
    }
    Ok(true)
}

/// What follows when elements were popped.
#[inline]
fn popped_from(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: u64, left: Left) {
    ctx.touched(key, Class::LIST, end.popped(), count);
    if left == Left::Nothing {
        ctx.removed_empty(key);
    }
}

fn llen(ctx: &mut Ctx<'_>) -> Outcome {
    let len = ctx.db.read::<List>(ctx.arg(1))?.map_or(0, List::len);
    ctx.reply.int(len as i64);
    Ok(())
}

/// A position counted from the end when negative; `None` when it lies before the beginning.
fn position(index: i64, len: usize) -> Option<usize> {
    usize::try_from(if index < 0 { index.checked_add(len as i64)? } else { index }).ok()
}

fn lindex(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    let Some(list) = ctx.db.read::<List>(key)? else {
        ctx.reply.null();
        return Ok(());
    };
    let index = crate::parse::int(ctx.args[2].as_ref()).ok_or(Fault::NOT_AN_INTEGER)?;
    match position(index, list.len()).and_then(|at| list.get(at)) {
        Some(item) => write_item(&mut ctx.reply, item),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn lset(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, element) = (ctx.arg(1), ctx.arg(3));
    let Some(list) = ctx.db.look::<List>(key)? else { return Err(Fault::NO_SUCH_KEY) };
    let len = list.len();
    let at = position(ctx.int(2)?, len).ok_or(Fault::INDEX_OUT_OF_RANGE)?;
    let set = ctx.db.edit(key, |list: &mut List, limits| list.set(at, element, limits))?;
    if !set.is_some_and(|(set, _)| set) {
        return Err(Fault::INDEX_OUT_OF_RANGE);
    }
    ctx.touched(key, Class::LIST, "lset", 1);
    ctx.reply.ok();
    Ok(())
}

fn lrange(ctx: &mut Ctx<'_>) -> Outcome {
    let (start, end) = (ctx.int(2)?, ctx.int(3)?);
    let key = ctx.arg(1);
    let Ctx { db, reply, .. } = ctx;
    let found = db.read::<List>(key)?;
    let Some((list, range)) = found.and_then(|list| Some((list, slice_of(list.len(), start, end)?))) else {
        reply.array(0);
        return Ok(());
    };
    reply.array(range.len());
    list.range(range).for_each(|item| write_item(reply, item));
    Ok(())
}

fn ltrim(ctx: &mut Ctx<'_>) -> Outcome {
    let (start, end) = (ctx.int(2)?, ctx.int(3)?);
    let key = ctx.arg(1);
    let trimmed = ctx.db.edit(key, |list: &mut List, _| {
        let before = list.len();
        list.trim(slice_of(before, start, end).unwrap_or(0..0));
        before - list.len()
    })?;
    if let Some((dropped, left)) = trimmed {
        ctx.touched(key, Class::LIST, "ltrim", dropped as u64);
        if left == Left::Nothing {
            ctx.removed_empty(key);
        }
    }
    ctx.reply.ok();
    Ok(())
}

fn lrem(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, value, count) = (ctx.arg(1), ctx.arg(3), ctx.int(2)?);
    let removed = ctx.db.edit(key, |list: &mut List, limits| list.remove(count, value, limits))?;
    let (removed, left) = removed.unwrap_or((0, Left::Something));
    if removed > 0 {
        ctx.touched(key, Class::LIST, "lrem", removed as u64);
    }
    if left == Left::Nothing {
        ctx.removed_empty(key);
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

fn linsert(ctx: &mut Ctx<'_>) -> Outcome {
    let side = match &ctx.arg(2).to_ascii_lowercase()[..] {
        b"before" => Side::Before,
        b"after" => Side::After,
        _ => return Err(Fault::SYNTAX),
    };
    let (key, pivot, element) = (ctx.arg(1), ctx.arg(3), ctx.arg(4));
    let inserted = ctx
        .db
        .edit(key, |list: &mut List, limits| list.insert(side, pivot, element, limits).then(|| list.len() as i64))?;
    match inserted {
        None => ctx.reply.int(0),
        Some((None, _)) => ctx.reply.int(-1),
        Some((Some(len), _)) => {
            ctx.touched(key, Class::LIST, "linsert", 1);
            ctx.reply.int(len);
        }
    }
    Ok(())
}

fn lpos(ctx: &mut Ctx<'_>) -> Outcome {
    let (mut rank, mut count, mut max_len) = (1, None, 0);
    let mut at = 3;
    while at < ctx.args.len() {
        if at + 1 >= ctx.args.len() {
            return Err(Fault::SYNTAX);
        }
        let size = |what: &'static str| {
            crate::parse::int(ctx.arg(at + 1)).and_then(|n| usize::try_from(n).ok()).ok_or(Fault::new(what))
        };
        match &ctx.arg(at).to_ascii_lowercase()[..] {
            b"rank" => {
                rank = ctx.int(at + 1)?;
                if rank == 0 {
                    return Err(Fault::new(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                         negative to start from the end of the list",
                    ));
                }
                // A number without a negative counts as passed at the first match.
                if rank == i64::MIN {
                    rank = -1;
                }
            }
            b"count" => count = Some(size("ERR COUNT can't be negative")?),
            b"maxlen" => max_len = size("ERR MAXLEN can't be negative")?,
            _ => return Err(Fault::SYNTAX),
        }
        at += 2;
    }
    let value = ctx.arg(2);
    let found = ctx.db.read::<List>(ctx.arg(1))?;
    let positions = found.map(|list| list.positions(value, rank, count.unwrap_or(1), max_len)).unwrap_or_default();
    match count {
        None => match positions.first() {
            Some(at) => ctx.reply.int(*at as i64),
            None => ctx.reply.null(),
        },
        Some(_) => {
            ctx.reply.array(positions.len());
            positions.iter().for_each(|at| ctx.reply.int(*at as i64));
        }
    }
    Ok(())
}

fn lmove(ctx: &mut Ctx<'_>) -> Outcome {
    let (from, to) = (End::parse(ctx.arg(3))?, End::parse(ctx.arg(4))?);
    if !move_element(ctx, from, to)? {
        ctx.reply.null();
    }
    Ok(())
}

fn rpoplpush(ctx: &mut Ctx<'_>) -> Outcome {
    if !move_element(ctx, End::Right, End::Left)? {
        ctx.reply.null();
    }
    Ok(())
}

/// Moves an element from the list at argument 1 to the list at argument 2 and answers it; false when there is none.
pub(super) fn move_element(ctx: &mut Ctx<'_>, from: End, to: End) -> Result<bool, Fault> {
    let (source, target) = (ctx.arg(1), ctx.arg(2));
    if ctx.db.look::<List>(source)?.is_none() {
        return Ok(false);
    }
    ctx.db.look::<List>(target)?;
    let popped = ctx.db.edit(source, |list: &mut List, limits| {
        let element = from.pop(list, |item| item.to_vec());
        if let Some(element) = &element
            && source == target
        {
            to.push(list, element, limits);
        }
        element
    })?;
    let Some((Some(element), left)) = popped else { return Ok(false) };
    if source != target {
        ctx.db.edit_or_new(target, |list: &mut List, limits| to.push(list, &element, limits))?;
    }
    ctx.touched(target, Class::LIST, to.pushed(), 0);
    popped_from(ctx, source, from, 1, left);
    ctx.reply.bulk(&element);
    Ok(true)
}
