//! The commands on keys whatever they hold.

mod expire;
mod object;
mod sort;
mod table;

use xs_proto::out::Out;
use xs_proto::resp::Reply;
use xs_storage::keyspace::Ttl;

pub(crate) use sort::store_key as sort_store_key;
pub(crate) use table::TABLE;

use crate::blocked::Waits;
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;
use crate::parse;
use crate::scan::Scan;
use xs_storage::glob;

/// Publishes what happened to a key and counts it. For changes that the keyspace has recorded by itself.
fn announce(ctx: &mut Ctx<'_>, key: &[u8], event: &'static str) {
    ctx.server.stats.dirty += 1;
    ctx.notify(Class::GENERIC, event, key, ctx.db.index);
}

fn del(ctx: &mut Ctx<'_>) -> Outcome {
    remove_all(ctx, ctx.server.config.lazyfree.user_del)
}

fn unlink(ctx: &mut Ctx<'_>) -> Outcome {
    remove_all(ctx, true)
}

fn remove_all(ctx: &mut Ctx<'_>, in_background: bool) -> Outcome {
    let mut removed = 0;
    for key in ctx.args.skip(1) {
        if ctx.db.unlink(key, in_background) {
            removed += 1;
            announce(ctx, key, "del");
        }
    }
    ctx.reply.int(removed);
    Ok(())
}

fn exists(ctx: &mut Ctx<'_>) -> Outcome {
    let found = ctx.args.skip(1).iter().filter(|key| ctx.db.glance(key).is_some()).count();
    ctx.reply.int(found as i64);
    Ok(())
}

fn touch(ctx: &mut Ctx<'_>) -> Outcome {
    let found = ctx.args.skip(1).iter().filter(|key| ctx.db.get(key).is_some()).count();
    ctx.reply.int(found as i64);
    Ok(())
}

/// `TYPE`
fn kind(ctx: &mut Ctx<'_>) -> Outcome {
    let name = ctx.db.glance(ctx.arg(1)).map_or("none", |value| value.type_name());
    ctx.reply.simple(name);
    Ok(())
}

fn randomkey(ctx: &mut Ctx<'_>) -> Outcome {
    match ctx.db.keyspace.random_key(ctx.db.index, &mut ctx.server.rng, ctx.now) {
        Some(key) => ctx.reply.bulk(key),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn keys(ctx: &mut Ctx<'_>) -> Outcome {
    let pattern = ctx.arg(1);
    let Ctx { db, reply, now, .. } = ctx;
    // The pattern `*` alone also stands for the empty key, which the matcher gives to no star.
    let is_wanted = |key: &[u8]| pattern == b"*" || glob::matches(pattern, key);
    let (mark, mut found) = (reply.begin(), 0);
    for (key, _, deadline) in db.keyspace.iter(db.index) {
        if deadline.is_none_or(|at| at >= *now) && is_wanted(key) {
            reply.bulk(key);
            found += 1;
        }
    }
    reply.end_array(mark, found);
    Ok(())
}

fn scan(ctx: &mut Ctx<'_>) -> Outcome {
    let scan = Scan::of_keys(ctx)?;
    let Ctx { db, reply, client, now, .. } = ctx;
    // The cursor comes before the keys, and is known after them.
    let (mut keys, mut found) = (Out::new(), 0);
    let mut list = Reply::new(&mut keys, client.version);
    let cursor = db.keyspace.scan(db.index, scan.cursor, scan.count, *now, |key, value| {
        if !scan.wants(key) {
            return;
        }
        if let Some(kind) = scan.kind {
            // Asking a key for its type is a lookup.
            db.lookups.hits += 1;
            if !kind.eq_ignore_ascii_case(value.type_name().as_bytes()) {
                return;
            }
        }
        list.bulk(key);
        found += 1;
    });
    reply.array(2);
    reply.bulk(cursor.to_string().as_bytes());
    reply.array(found);
    reply.out().append(&mut keys);
    Ok(())
}

fn rename(ctx: &mut Ctx<'_>) -> Outcome {
    rename_key(ctx, true)?;
    ctx.reply.ok();
    Ok(())
}

fn renamenx(ctx: &mut Ctx<'_>) -> Outcome {
    let renamed = rename_key(ctx, false)?;
    ctx.reply.int(i64::from(renamed));
    Ok(())
}

/// Renames the key at argument 1 to argument 2; false when that one is taken and not to be replaced.
fn rename_key(ctx: &mut Ctx<'_>, replace: bool) -> Result<bool, Fault> {
    let (from, to) = (ctx.arg(1), ctx.arg(2));
    if !ctx.db.exists(from) {
        return Err(Fault::NO_SUCH_KEY);
    }
    if from == to || (!replace && ctx.db.exists(to)) {
        return Ok(false);
    }
    let db = ctx.db.index;
    // First, so that the key counts as a new one, and what is replaced may be dropped in the background.
    ctx.db.remove(to);
    ctx.db.keyspace.rename((db, from), (db, to), ctx.now);
    ctx.notify(Class::GENERIC, "rename_from", from, db);
    announce(ctx, to, "rename_to");
    Ok(true)
}

/// The database that argument `at` names.
fn database(ctx: &Ctx<'_>, at: usize) -> Result<usize, Fault> {
    let number = i32::try_from(ctx.int(at)?)
        .map_err(|_| Fault::new("ERR value is out of range, value must between -2147483648 and 2147483647"))?;
    let number = usize::try_from(number).ok().filter(|&number| number < ctx.db.keyspace.databases());
    number.ok_or(Fault::new("ERR DB index is out of range"))
}

const SAME_OBJECT: Fault = Fault::new("ERR source and destination objects are the same");

/// `MOVE`
fn move_key(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    let (from, to) = (ctx.db.index, database(ctx, 2)?);
    if from == to {
        return Err(SAME_OBJECT);
    }
    let moves = ctx.db.exists(key) && !ctx.db.exists_in(to, key);
    if moves {
        ctx.db.keyspace.rename((from, key), (to, key), ctx.now);
        ctx.server.stats.dirty += 1;
        ctx.notify(Class::GENERIC, "move_from", key, from);
        ctx.notify(Class::GENERIC, "move_to", key, to);
    }
    ctx.reply.int(i64::from(moves));
    Ok(())
}

fn copy(ctx: &mut Ctx<'_>) -> Outcome {
    let (from, to) = (ctx.arg(1), ctx.arg(2));
    let (mut target, mut replace) = (ctx.db.index, false);
    let mut at = 3;
    while at < ctx.args.len() {
        let word = ctx.arg(at);
        if word.eq_ignore_ascii_case(b"replace") {
            replace = true;
        } else if word.eq_ignore_ascii_case(b"db") && at + 1 < ctx.args.len() {
            at += 1;
            target = database(ctx, at)?;
        } else {
            return Err(Fault::SYNTAX);
        }
        at += 1;
    }
    if target == ctx.db.index && from == to {
        return Err(SAME_OBJECT);
    }
    let is_there = ctx.db.get(from).is_some();
    if !is_there || (!replace && ctx.db.exists_in(target, to)) {
        ctx.reply.int(0);
        return Ok(());
    }
    let Some(value) = ctx.db.keyspace.peek(ctx.db.index, from, ctx.now).cloned() else { return Ok(()) };
    let ttl = ctx.db.expiry(from).map_or(Ttl::Clear, Ttl::At);
    // Not in place: what replaces a key is a new key, with no record of how often it was used.
    if let Some(old) = ctx.db.keyspace.remove(target, to, ctx.now)
        && ctx.db.sets_aside
    {
        ctx.db.keyspace.set_aside(old);
    }
    ctx.db.keyspace.insert(target, to, value, ttl, ctx.now);
    ctx.server.stats.dirty += 1;
    ctx.notify(Class::GENERIC, "copy_to", to, target);
    ctx.reply.int(1);
    Ok(())
}

/// There are no replicas: none has acknowledged anything, whatever is waited for.
fn wait(ctx: &mut Ctx<'_>) -> Outcome {
    let wanted = ctx.int(1)?;
    let timeout = parse::int(ctx.arg(2)).ok_or(Fault::new("ERR timeout is not an integer or out of range"))?;
    if timeout < 0 {
        return Err(Fault::TIMEOUT_NEGATIVE);
    }
    if wanted <= 0 {
        ctx.reply.int(0);
        return Ok(());
    }
    ctx.block(Vec::new(), timeout as f64 / 1000.0, Waits::Replicas)
}
