//! The string commands.

mod lcs;
mod number;
mod table;

pub(crate) use table::TABLE;

use lcs::lcs;
use number::{decr, decrby, incr, incrby, incrbyfloat};
use xs_proto::resp::Reply;
use xs_storage::keyspace::{Str, Ttl, Value};

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::expiry::{Deadline, deadline};
use crate::fault::Fault;
use crate::notify::Class;

/// Writes a string value: large ones by reference, numbers as their text.
#[inline]
pub(crate) fn write(reply: &mut Reply<'_>, value: &Str) {
    match value.to_shared() {
        Some(bytes) => reply.bulk_bytes(bytes),
        None => reply.bulk(value.as_bytes(&mut [0; 20])),
    }
}

/// Writes the string at argument 1, or a null.
#[inline]
fn reply_with_current(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    match ctx.db.read::<Str>(key)? {
        Some(value) => write(&mut ctx.reply, value),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// How long a string may become: `proto-max-bulk-len`, and whatever that says, less than the 4 GiB that one can hold.
pub(crate) fn longest(ctx: &Ctx<'_>) -> u64 {
    ctx.server.config.proto_max_bulk_len.min(u64::from(u32::MAX) - 64 * 1024)
}

/// Refuses a string that would become too long.
pub(crate) fn check_length(ctx: &Ctx<'_>, len: usize) -> Outcome {
    if len as u64 > longest(ctx) { Err(Fault::STRING_TOO_LONG) } else { Ok(()) }
}

fn get(ctx: &mut Ctx<'_>) -> Outcome {
    reply_with_current(ctx)
}

/// The options of SET and GETEX, read once.
#[derive(Default)]
struct Options {
    only_if: Option<OnlyIf>,
    get: bool,
    keep_ttl: bool,
    persist: bool,
    deadline: Option<Deadline>,
}

#[derive(Clone, Copy, PartialEq)]
enum OnlyIf {
    Missing,
    Present,
}

impl Options {
    fn parse(ctx: &Ctx<'_>, from: usize, is_set: bool) -> Result<Options, Fault> {
        let mut options = Options::default();
        let mut at = from;
        while at < ctx.args.len() {
            let word = ctx.arg(at).to_ascii_lowercase();
            let has_ttl_option = options.keep_ttl || options.persist || options.deadline.is_some();
            match &word[..] {
                b"nx" if is_set && options.only_if != Some(OnlyIf::Present) => options.only_if = Some(OnlyIf::Missing),
                b"xx" if is_set && options.only_if != Some(OnlyIf::Missing) => options.only_if = Some(OnlyIf::Present),
                b"get" if is_set => options.get = true,
                b"keepttl" if is_set && !options.persist && options.deadline.is_none() => options.keep_ttl = true,
                b"persist" if !is_set && !options.keep_ttl && options.deadline.is_none() => options.persist = true,
                b"ex" | b"px" | b"exat" | b"pxat" if !has_ttl_option && at + 1 < ctx.args.len() => {
                    at += 1;
                    options.deadline = Some(Deadline::unit(&word, ctx.arg(at)));
                }
                _ => return Err(Fault::SYNTAX),
            }
            at += 1;
        }
        Ok(options)
    }
}

fn set(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, value) = (ctx.arg(1), ctx.arg(2));
    if ctx.args.len() == 3 {
        ctx.db.put(key, Str::from_slice(value));
        ctx.touched(key, Class::STRING, "set", 1);
        ctx.reply.ok();
        return Ok(());
    }
    let options = Options::parse(ctx, 3, true)?;
    let expires = match &options.deadline {
        Some(given) => Some(deadline(given, ctx.now, ctx.spec.name)?),
        None => None,
    };
    let present = match options.get {
        // The old value is the reply, whether or not it is replaced.
        true => {
            let found = ctx.db.read::<Str>(key)?;
            let present = found.is_some();
            match found {
                Some(old) => write(&mut ctx.reply, old),
                None => ctx.reply.null(),
            }
            present
        }
        false => options.only_if.is_some() && ctx.db.exists(key),
    };
    let refused = match options.only_if {
        Some(OnlyIf::Missing) => present,
        Some(OnlyIf::Present) => !present,
        None => false,
    };
    if refused {
        if !options.get {
            ctx.reply.null();
        }
        return Ok(());
    }
    let ttl = match expires {
        Some(at) => Ttl::At(at),
        None if options.keep_ttl => Ttl::Keep,
        None => Ttl::Clear,
    };
    ctx.db.keyspace.insert(ctx.db.index, key, Value::Str(Str::from_slice(value)), ttl, ctx.now);
    ctx.touched(key, Class::STRING, "set", 1);
    if expires.is_some() {
        ctx.notify(Class::GENERIC, "expire", key, ctx.db.index);
    }
    if !options.get {
        ctx.reply.ok();
    }
    Ok(())
}

fn setnx(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    let missing = !ctx.db.exists(key);
    if missing {
        ctx.db.put(key, Str::from_slice(ctx.arg(2)));
        ctx.touched(key, Class::STRING, "set", 1);
    }
    ctx.reply.int(i64::from(missing));
    Ok(())
}

fn setex(ctx: &mut Ctx<'_>) -> Outcome {
    set_with_ttl(ctx, b"ex")
}

fn psetex(ctx: &mut Ctx<'_>) -> Outcome {
    set_with_ttl(ctx, b"px")
}

fn set_with_ttl(ctx: &mut Ctx<'_>, unit: &[u8]) -> Outcome {
    let (key, value) = (ctx.arg(1), ctx.arg(3));
    let at = deadline(&Deadline::unit(unit, ctx.arg(2)), ctx.now, ctx.spec.name)?;
    ctx.db.keyspace.insert(ctx.db.index, key, Value::Str(Str::from_slice(value)), Ttl::At(at), ctx.now);
    ctx.touched(key, Class::STRING, "set", 1);
    ctx.notify(Class::GENERIC, "expire", key, ctx.db.index);
    ctx.reply.ok();
    Ok(())
}

fn getset(ctx: &mut Ctx<'_>) -> Outcome {
    reply_with_current(ctx)?;
    let key = ctx.arg(1);
    ctx.db.put(key, Str::from_slice(ctx.arg(2)));
    ctx.touched(key, Class::STRING, "set", 1);
    Ok(())
}

fn getdel(ctx: &mut Ctx<'_>) -> Outcome {
    reply_with_current(ctx)?;
    let key = ctx.arg(1);
    if ctx.db.remove(key) {
        ctx.touched(key, Class::GENERIC, "del", 1);
    }
    Ok(())
}

fn getex(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    let options = Options::parse(ctx, 2, false)?;
    if ctx.db.read::<Str>(key)?.is_none() {
        ctx.reply.null();
        return Ok(());
    }
    let expires = match &options.deadline {
        Some(given) => Some(deadline(given, ctx.now, ctx.spec.name)?),
        None => None,
    };
    if let Some(value) = ctx.db.look::<Str>(key)? {
        write(&mut ctx.reply, value);
    }
    match expires {
        Some(at) if at <= ctx.now => {
            ctx.db.remove(key);
            ctx.touched(key, Class::GENERIC, "del", 1);
        }
        Some(at) => {
            ctx.db.set_expiry(key, Some(at));
            ctx.touched(key, Class::GENERIC, "expire", 1);
        }
        None if options.persist && ctx.db.set_expiry(key, None) => ctx.touched(key, Class::GENERIC, "persist", 1),
        None => {}
    }
    Ok(())
}

fn append(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, more) = (ctx.arg(1), ctx.arg(2));
    let len = match ctx.db.look::<Str>(key)? {
        Some(value) => {
            let old = value.len();
            check_length(ctx, old.saturating_add(more.len()))?;
            ctx.db.edit(key, |value: &mut Str, _| value.append(more))?.map_or(0, |(len, _)| len)
        }
        None => {
            ctx.db.put(key, Str::from_slice(more));
            more.len()
        }
    };
    ctx.touched(key, Class::STRING, "append", 1);
    ctx.reply.int(len as i64);
    Ok(())
}

fn strlen(ctx: &mut Ctx<'_>) -> Outcome {
    let len = ctx.db.read::<Str>(ctx.arg(1))?.map_or(0, Str::len);
    ctx.reply.int(len as i64);
    Ok(())
}

fn setrange(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, part) = (ctx.arg(1), ctx.arg(3));
    let offset = ctx.int(2)?;
    let Ok(offset) = usize::try_from(offset) else { return Err(Fault::new("ERR offset is out of range")) };
    let old = ctx.db.look::<Str>(key)?.map_or(0, Str::len);
    if part.is_empty() {
        ctx.reply.int(old as i64);
        return Ok(());
    }
    check_length(ctx, offset.saturating_add(part.len()))?;
    let len = ctx.db.edit_or_new(key, |value: &mut Str, _| value.set_range(offset, part))?;
    ctx.touched(key, Class::STRING, "setrange", 1);
    ctx.reply.int(len as i64);
    Ok(())
}

/// The part of a sequence of `len` that Redis means by `start` and `end`, both inclusive, negative from the end.
pub(crate) fn slice_of(len: usize, start: i64, end: i64) -> Option<std::ops::Range<usize>> {
    let len = len as i64;
    let from_end = |at: i64| if at < 0 { len + at } else { at };
    let (start, end) = (from_end(start).max(0), from_end(end).min(len - 1));
    (start <= end).then(|| start as usize..end as usize + 1)
}

/// The part of a string: as of any sequence, but an end that lies before the beginning still means the first byte.
fn part_of(len: usize, start: i64, end: i64) -> Option<std::ops::Range<usize>> {
    let is_backwards = start < 0 && end < 0 && start > end;
    if is_backwards { None } else { slice_of(len, start, end.max(-(len as i64))) }
}

fn getrange(ctx: &mut Ctx<'_>) -> Outcome {
    let (start, end) = (ctx.int(2)?, ctx.int(3)?);
    let Some(value) = ctx.db.read::<Str>(ctx.arg(1))? else {
        ctx.reply.bulk(b"");
        return Ok(());
    };
    match (part_of(value.len(), start, end), value.to_shared()) {
        (None, _) => ctx.reply.bulk(b""),
        (Some(range), Some(bytes)) => ctx.reply.bulk_bytes(bytes.slice(range)),
        (Some(range), None) => ctx.reply.bulk(&value.as_bytes(&mut [0; 20])[range]),
    }
    Ok(())
}

fn substr(ctx: &mut Ctx<'_>) -> Outcome {
    getrange(ctx)
}

fn mget(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.array(ctx.args.len() - 1);
    for key in ctx.args.skip(1) {
        match ctx.db.get(key) {
            Some(Value::Str(value)) => write(&mut ctx.reply, value),
            _ => ctx.reply.null(),
        }
    }
    Ok(())
}

fn mset(ctx: &mut Ctx<'_>) -> Outcome {
    mset_where(ctx, false)
}

fn msetnx(ctx: &mut Ctx<'_>) -> Outcome {
    mset_where(ctx, true)
}

fn mset_where(ctx: &mut Ctx<'_>, only_if_missing: bool) -> Outcome {
    if ctx.args.len().is_multiple_of(2) {
        return Err(Fault::arity(ctx.spec.name));
    }
    let pairs = (1..ctx.args.len()).step_by(2);
    if only_if_missing && pairs.clone().any(|at| ctx.db.exists(ctx.arg(at))) {
        ctx.reply.int(0);
        return Ok(());
    }
    for at in pairs {
        let key = ctx.arg(at);
        ctx.db.put(key, Str::from_slice(ctx.arg(at + 1)));
        ctx.touched(key, Class::STRING, "set", 1);
    }
    match only_if_missing {
        true => ctx.reply.int(1),
        false => ctx.reply.ok(),
    }
    Ok(())
}
