//! Consumer groups: making, changing and asking about them, and acknowledging.

use xs_storage::keyspace::{Stream, StreamId};

use super::{end_id, id, lossy, start_id, write_id};
use crate::command::Outcome;
use crate::commands::help;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;

const NO_KEY: Fault = Fault::new(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to \
     create an empty stream automatically.",
);

/// The error of commands that need a group which isn't there.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> Fault {
    Fault::because(format!("NOGROUP No such key '{}' or consumer group '{}'", lossy(key), lossy(group)))
}

/// The same, in the words of XGROUP and XINFO.
pub(super) fn no_such_group(key: &[u8], group: &[u8]) -> Fault {
    Fault::because(format!("NOGROUP No such consumer group '{}' for key name '{}'", lossy(group), lossy(key)))
}

/// The identifier that a group starts from, `$` for the last one, and the options behind it.
fn position(ctx: &mut Ctx<'_>, makes: bool) -> Result<(Option<StreamId>, bool, Option<u64>), Fault> {
    let (mut make, mut read) = (false, None);
    let mut at = 5;
    while at < ctx.args.len() {
        match &ctx.arg(at).to_ascii_lowercase()[..] {
            b"mkstream" if makes => make = true,
            b"entriesread" if at + 1 < ctx.args.len() => {
                at += 1;
                read = match ctx.int(at)? {
                    -1 => None,
                    number => {
                        let number = u64::try_from(number).ok();
                        Some(number.ok_or(Fault::new("ERR value for ENTRIESREAD must be positive or -1"))?)
                    }
                };
            }
            _ => return Err(help::unknown(ctx)),
        }
        at += 1;
    }
    let from = if ctx.arg(4) == b"$" { None } else { Some(id(ctx.arg(4))?) };
    Ok((from, make, read))
}

pub(super) fn xgroup_create(ctx: &mut Ctx<'_>) -> Outcome {
    let (from, make, read) = position(ctx, true)?;
    let (key, group) = (ctx.arg(2), ctx.arg(3));
    if ctx.db.look::<Stream>(key)?.is_none() && !make {
        return Err(NO_KEY);
    }
    let made = ctx.db.edit_or_new(key, |stream: &mut Stream, _| {
        stream.create_group(group, from.unwrap_or(stream.last_id()), read)
    })?;
    if !made {
        return Err(Fault::new("BUSYGROUP Consumer Group name already exists"));
    }
    ctx.touched(key, Class::STREAM, "xgroup-create", 1);
    ctx.reply.ok();
    Ok(())
}

/// Fails unless the key and its group exist, in the words of XGROUP.
fn require_group(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, group) = (ctx.arg(2), ctx.arg(3));
    let stream = ctx.db.look::<Stream>(key)?.ok_or(NO_KEY)?;
    stream.group(group).map(|_| ()).ok_or_else(|| no_such_group(key, group))
}

pub(super) fn xgroup_setid(ctx: &mut Ctx<'_>) -> Outcome {
    let (from, _, read) = position(ctx, false)?;
    require_group(ctx)?;
    let (key, group) = (ctx.arg(2), ctx.arg(3));
    ctx.db.edit(key, |stream: &mut Stream, _| {
        let from = from.unwrap_or(stream.last_id());
        if let Some(mut group) = stream.group_mut(group) {
            group.set_id(from, read);
        }
    })?;
    ctx.touched(key, Class::STREAM, "xgroup-setid", 1);
    ctx.reply.ok();
    Ok(())
}

pub(super) fn xgroup_destroy(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, group) = (ctx.arg(2), ctx.arg(3));
    ctx.db.look::<Stream>(key)?.ok_or(NO_KEY)?;
    let destroyed = ctx.db.edit(key, |stream: &mut Stream, _| stream.destroy_group(group))?;
    let destroyed = destroyed.is_some_and(|(destroyed, _)| destroyed);
    if destroyed {
        ctx.touched(key, Class::STREAM, "xgroup-destroy", 1);
    }
    ctx.reply.int(i64::from(destroyed));
    Ok(())
}

pub(super) fn xgroup_createconsumer(ctx: &mut Ctx<'_>) -> Outcome {
    require_group(ctx)?;
    let (key, group, consumer, now) = (ctx.arg(2), ctx.arg(3), ctx.arg(4), ctx.now);
    let made = ctx.db.edit(key, |stream: &mut Stream, _| {
        stream.group_mut(group).is_some_and(|mut group| group.see(consumer, now).1)
    })?;
    let made = made.is_some_and(|(made, _)| made);
    if made {
        ctx.touched(key, Class::STREAM, "xgroup-createconsumer", 1);
    }
    ctx.reply.int(i64::from(made));
    Ok(())
}

pub(super) fn xgroup_delconsumer(ctx: &mut Ctx<'_>) -> Outcome {
    require_group(ctx)?;
    let (key, group, consumer) = (ctx.arg(2), ctx.arg(3), ctx.arg(4));
    let pending = ctx.db.edit(key, |stream: &mut Stream, _| {
        stream.group_mut(group).and_then(|mut group| group.delete_consumer(consumer))
    })?;
    let pending = pending.and_then(|(pending, _)| pending);
    if pending.is_some() {
        ctx.touched(key, Class::STREAM, "xgroup-delconsumer", 1);
    }
    ctx.reply.int(pending.unwrap_or(0) as i64);
    Ok(())
}

pub(super) fn xgroup_help(ctx: &mut Ctx<'_>) -> Outcome {
    help::write(
        ctx,
        &[
            (
                "CREATE <key> <groupname> <id|$> [MKSTREAM] [ENTRIESREAD <n>]",
                "Makes a group that reads on from an entry.",
            ),
            ("CREATECONSUMER <key> <groupname> <consumer>", "Makes a consumer within a group."),
            ("DELCONSUMER <key> <groupname> <consumer>", "Removes a consumer with all that it has pending."),
            ("DESTROY <key> <groupname>", "Removes a group."),
            ("SETID <key> <groupname> <id|$> [ENTRIESREAD <n>]", "Moves a group to another entry."),
        ],
    );
    Ok(())
}

pub(super) fn xack(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, group) = (ctx.arg(1), ctx.arg(2));
    if ctx.db.look::<Stream>(key)?.and_then(|stream| stream.group(group)).is_none() {
        ctx.reply.int(0);
        return Ok(());
    }
    let ids = ctx.args.skip(3).iter().map(id).collect::<Result<Vec<_>, _>>()?;
    let acknowledged = ctx.db.edit(key, |stream: &mut Stream, _| {
        let Some(mut group) = stream.group_mut(group) else { return 0 };
        ids.iter().filter(|id| group.ack(**id)).count() as u64
    })?;
    let acknowledged = acknowledged.map_or(0, |(count, _)| count);
    ctx.server.stats.dirty += acknowledged;
    ctx.reply.int(acknowledged as i64);
    Ok(())
}

pub(super) fn xpending(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, name) = (ctx.arg(1), ctx.arg(2));
    let mut at = 3;
    let mut min_idle = 0;
    let detailed = ctx.args.len() > 3;
    if ctx.args.len() > 4 && ctx.arg(3).eq_ignore_ascii_case(b"idle") {
        min_idle = ctx.int(4)?.max(0) as u64;
        at = 5;
    }
    if detailed && !(at + 3..=at + 4).contains(&ctx.args.len()) {
        return Err(Fault::SYNTAX);
    }
    let range = match detailed {
        true => {
            let count = ctx.int(at + 2)?;
            Some((start_id(ctx.arg(at))?, end_id(ctx.arg(at + 1))?, usize::try_from(count).unwrap_or(0)))
        }
        false => None,
    };
    let consumer = ctx.args.get(at + 3).filter(|_| detailed);
    let now = ctx.now;
    let Ctx { db, reply, .. } = ctx;
    let group = db.read::<Stream>(key)?.and_then(|stream| stream.group(name)).ok_or_else(|| no_group(key, name))?;
    let Some((start, end, count)) = range else {
        reply.array(4);
        reply.int(group.pending_len() as i64);
        let Some((first, last)) = group.pending_ends() else {
            reply.null();
            reply.null();
            reply.null_array();
            return Ok(());
        };
        write_id(reply, first);
        write_id(reply, last);
        let busy = || group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0);
        reply.array(busy().count());
        for (_, consumer) in busy() {
            reply.array(2);
            reply.bulk(consumer.name());
            reply.bulk_int(consumer.pending_len() as i64);
        }
        return Ok(());
    };
    let mark = reply.begin();
    let mut written = 0;
    let mut write = |id: StreamId, pending: &xs_storage::keyspace::stream::Pending| {
        reply.array(4);
        write_id(reply, id);
        reply.bulk(group.get(pending.consumer).map_or(b"", |consumer| consumer.name()));
        reply.int(pending.idle_ms(now) as i64);
        reply.int(pending.deliveries as i64);
        written += 1;
    };
    match consumer {
        None => group
            .pending(start, end)
            .filter(|(_, pending)| pending.idle_ms(now) >= min_idle)
            .take(count)
            .for_each(|(id, pending)| write(id, pending)),
        Some(consumer) => {
            if let Some(consumer) = group.consumer(consumer) {
                group
                    .pending_of(consumer, start, end)
                    .filter(|(_, pending)| pending.idle_ms(now) >= min_idle)
                    .take(count)
                    .for_each(|(id, pending)| write(id, pending));
            }
        }
    }
    reply.end_array(mark, written);
    Ok(())
}
