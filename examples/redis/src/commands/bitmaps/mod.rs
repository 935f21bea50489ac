//! Strings as rows of bits: bit 0 is the highest one of the first byte, and beyond the end all are zero.

mod field;
mod range;
mod table;

pub(crate) use table::TABLE;
use xs_storage::keyspace::Str;

use crate::command::Outcome;
use crate::commands::strings::longest;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;
use crate::parse;

const BAD_OFFSET: Fault = Fault::new("ERR bit offset is not an integer or out of range");
const BAD_BIT: Fault = Fault::new("ERR bit is not an integer or out of range");

/// A bit's position that lies inside the longest string allowed.
fn offset(ctx: &Ctx<'_>, number: Option<i64>) -> Result<usize, Fault> {
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.filter(|number| ((number >> 3) as u64) < longest(ctx)).ok_or(BAD_OFFSET)
}

fn setbit(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    let at = offset(ctx, parse::int(ctx.arg(2)))?;
    let on = match parse::int(ctx.arg(3)) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(BAD_BIT),
    };
    let (byte, mask) = (at / 8, 0x80 >> (at % 8));
    let (was_on, grew) = ctx.db.edit_or_new(key, |value: &mut Str, _| {
        let grew = value.len() <= byte;
        let place = &mut value.bytes_mut(byte + 1)[byte];
        let was_on = *place & mask != 0;
        *place = if on { *place | mask } else { *place & !mask };
        (was_on, grew)
    })?;
    if grew || was_on != on {
        ctx.touched(key, Class::STRING, "setbit", 1);
    }
    ctx.reply.int(i64::from(was_on));
    Ok(())
}

fn getbit(ctx: &mut Ctx<'_>) -> Outcome {
    let at = offset(ctx, parse::int(ctx.arg(2)))?;
    let is_on = match ctx.db.read::<Str>(ctx.arg(1))? {
        Some(value) => value.view().get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0),
        None => false,
    };
    ctx.reply.int(i64::from(is_on));
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    And,
    Or,
    Xor,
    Not,
}

fn bitop(ctx: &mut Ctx<'_>) -> Outcome {
    let op = match &ctx.arg(1).to_ascii_lowercase()[..] {
        b"and" => Op::And,
        b"or" => Op::Or,
        b"xor" => Op::Xor,
        b"not" => Op::Not,
        _ => return Err(Fault::SYNTAX),
    };
    let (target, sources) = (ctx.arg(2), ctx.args.skip(3));
    if op == Op::Not && sources.len() != 1 {
        return Err(Fault::new("ERR BITOP NOT must be called with a single source key."));
    }
    let mut len = 0;
    for source in sources {
        len = len.max(ctx.db.read::<Str>(source)?.map_or(0, Str::len));
    }
    if len == 0 {
        if ctx.db.remove(target) {
            ctx.server.stats.dirty += 1;
            ctx.notify(Class::GENERIC, "del", target, ctx.db.index);
        }
        ctx.reply.int(0);
        return Ok(());
    }
    let mut result = Str::default();
    let bits = result.bytes_mut(len);
    for (number, source) in sources.iter().enumerate() {
        let found = ctx.db.keyspace.peek(ctx.db.index, source, ctx.now);
        let found = found.and_then(|value| value.as_str()).map(Str::view);
        combine(op, number == 0, bits, found.as_deref().unwrap_or_default());
    }
    ctx.db.put(target, result);
    ctx.server.stats.dirty += 1;
    ctx.notify(Class::STRING, "set", target, ctx.db.index);
    ctx.reply.int(len as i64);
    Ok(())
}

/// Combines a source into what the sources before it gave. A source that is shorter goes on with zeros.
fn combine(op: Op, is_first: bool, bits: &mut [u8], source: &[u8]) {
    let (covered, beyond) = bits.split_at_mut(source.len().min(bits.len()));
    let pairs = covered.iter_mut().zip(source);
    match op {
        Op::Not => pairs.for_each(|(bits, source)| *bits = !source),
        _ if is_first => pairs.for_each(|(bits, source)| *bits = *source),
        Op::And => {
            pairs.for_each(|(bits, source)| *bits &= source);
            beyond.fill(0);
        }
        Op::Or => pairs.for_each(|(bits, source)| *bits |= source),
        Op::Xor => pairs.for_each(|(bits, source)| *bits ^= source),
    }
}
