//! Consumer groups: making, changing and asking about them, and acknowledging.

use xs_storage::keyspace::{Stream, StreamId};

use super::{changed_quietly, id};
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
    Fault::quoting(&[&"NOGROUP No such key '", &key, &"' or consumer group '", &group, &"'"])
}

/// The same, in the words of XGROUP and XINFO.
pub(super) fn no_such_group(key: &[u8], group: &[u8]) -> Fault {
    Fault::quoting(&[&"NOGROUP No such consumer group '", &group, &"' for key name '", &key, &"'"])
}

/// What stands behind the identifier: MKSTREAM, for a command that makes groups, and ENTRIESREAD.
fn options(ctx: &Ctx<'_>, makes: bool) -> Result<(bool, Option<u64>), Fault> {
    let (mut make, mut read) = (false, None);
    let mut at = 5;
    while at < ctx.args.len() {
        let word = ctx.arg(at);
        if makes && word.eq_ignore_ascii_case(b"mkstream") {
            make = true;
        } else if word.eq_ignore_ascii_case(b"entriesread") && at + 1 < ctx.args.len() {
            at += 1;
            read = match ctx.int(at)? {
                -1 => None,
                number => {
                    let number = u64::try_from(number).ok();
                    Some(number.ok_or(Fault::new("ERR value for ENTRIESREAD must be positive or -1"))?)
                }
            };
        } else {
            return Err(help::unknown(ctx));
        }
        at += 1;
    }
    Ok((make, read))
}

pub(super) fn xgroup_create(ctx: &mut Ctx<'_>) -> Outcome {
    let (make, read) = options(ctx, true)?;
    let (key, group) = (ctx.arg(2), ctx.arg(3));
    let is_there = ctx.db.look::<Stream>(key)?.is_some();
    if !is_there && !make {
        return Err(NO_KEY);
    }
    // An option given twice is no error, three of them are.
    if ctx.args.len() > 8 {
        return Err(help::unknown(ctx));
    }
    let from = if ctx.arg(4) == b"$" { None } else { Some(id(ctx.arg(4))?) };
    let made = ctx.db.edit_or_new(key, |stream: &mut Stream, _| {
        stream.create_group(group, from.unwrap_or(stream.last_id()), read)
    })?;
    if !made {
        return Err(Fault::new("BUSYGROUP Consumer Group name already exists"));
    }
    match is_there {
        true => changed_quietly(ctx, key, "xgroup-create"),
        false => ctx.touched(key, Class::STREAM, "xgroup-create", 1),
    }
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
    let (_, read) = options(ctx, false)?;
    require_group(ctx)?;
    if ctx.args.len() > 7 {
        return Err(help::unknown(ctx));
    }
    let (key, group) = (ctx.arg(2), ctx.arg(3));
    let from = match ctx.arg(4) {
        b"$" => None,
        b"-" => Some(StreamId::MIN),
        b"+" => Some(StreamId::MAX),
        text => Some(id(text)?),
    };
    ctx.db.edit(key, |stream: &mut Stream, _| {
        let from = from.unwrap_or(stream.last_id());
        if let Some(mut group) = stream.group_mut(group) {
            group.set_id(from, read);
        }
    })?;
    changed_quietly(ctx, key, "xgroup-setid");
    ctx.reply.ok();
    Ok(())
}

pub(super) fn xgroup_destroy(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, group) = (ctx.arg(2), ctx.arg(3));
    ctx.db.look::<Stream>(key)?.ok_or(NO_KEY)?;
    let destroyed = ctx.db.edit(key, |stream: &mut Stream, _| stream.destroy_group(group))?;
    let destroyed = destroyed.is_some_and(|(destroyed, _)| destroyed);
    if destroyed {
        changed_quietly(ctx, key, "xgroup-destroy");
        // Those who read with the group must not wait for it any longer.
        ctx.server.blocked.changed(ctx.db.index, key);
    }
    ctx.reply.int(i64::from(destroyed));
    Ok(())
}

pub(super) fn xgroup_createconsumer(ctx: &mut Ctx<'_>) -> Outcome {
    require_group(ctx)?;
    let (key, group, consumer, now) = (ctx.arg(2), ctx.arg(3), ctx.arg(4), ctx.now);
    let made = ctx.db.edit(key, |stream: &mut Stream, _| {
        let group = stream.group_mut(group);
        group.filter(|group| group.consumer(consumer).is_none()).is_some_and(|mut group| group.see(consumer, now).1)
    })?;
    let made = made.is_some_and(|(made, _)| made);
    if made {
        changed_quietly(ctx, key, "xgroup-createconsumer");
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
        changed_quietly(ctx, key, "xgroup-delconsumer");
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
    if ctx.db.read::<Stream>(key)?.and_then(|stream| stream.group(group)).is_none() {
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
