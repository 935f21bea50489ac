//! The stream commands.

mod add;
mod claim;
mod group;
mod info;
mod pending;
mod read;
mod table;

pub(crate) use table::TABLE;

use add::{xadd, xtrim};
use claim::{xautoclaim, xclaim};
use group::{
    xack, xgroup_create, xgroup_createconsumer, xgroup_delconsumer, xgroup_destroy, xgroup_help, xgroup_setid,
};
use info::{xinfo_consumers, xinfo_groups, xinfo_help, xinfo_stream};
use pending::xpending;
use read::{xread, xreadgroup};
use xs_proto::resp::Reply;
use xs_storage::keyspace::stream::{Entry, IdBound, SetIdError};
use xs_storage::keyspace::{Stream, StreamId};

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;

const INVALID_ID: Fault = Fault::new("ERR Invalid stream ID specified as stream command argument");

fn write_id(reply: &mut Reply<'_>, id: StreamId) {
    reply.bulk(id.write_to(&mut [0; StreamId::TEXT]));
}

fn write_entry(reply: &mut Reply<'_>, entry: &Entry<'_>) {
    reply.array(2);
    write_id(reply, entry.id);
    let fields = entry.fields();
    reply.array(fields.len() * 2);
    for (name, value) in fields {
        reply.bulk(name);
        reply.bulk(value);
    }
}

/// Writes entries whose number is known only when all are written.
fn write_entries<'e>(reply: &mut Reply<'_>, entries: impl Iterator<Item = Entry<'e>>) {
    let mark = reply.begin();
    let mut count = 0;
    for entry in entries {
        write_entry(reply, &entry);
        count += 1;
    }
    reply.end_array(mark, count);
}

/// A whole identifier; a missing sequence number is 0.
fn id(text: &[u8]) -> Result<StreamId, Fault> {
    StreamId::parse(text, 0).ok_or(INVALID_ID)
}

/// The identifier where an interval begins.
fn start_id(text: &[u8]) -> Result<StreamId, Fault> {
    let bound = IdBound::parse(text, 0).ok_or(INVALID_ID)?;
    bound.first_inside().ok_or(Fault::new("ERR invalid start ID for the interval"))
}

/// The identifier where an interval ends.
fn end_id(text: &[u8]) -> Result<StreamId, Fault> {
    let bound = IdBound::parse(text, u64::MAX).ok_or(INVALID_ID)?;
    bound.last_inside().ok_or(Fault::new("ERR invalid end ID for the interval"))
}

fn xlen(ctx: &mut Ctx<'_>) -> Outcome {
    let len = ctx.db.read::<Stream>(ctx.arg(1))?.map_or(0, Stream::len);
    ctx.reply.int(len as i64);
    Ok(())
}

fn xrange(ctx: &mut Ctx<'_>) -> Outcome {
    answer_range(ctx, false)
}

fn xrevrange(ctx: &mut Ctx<'_>) -> Outcome {
    answer_range(ctx, true)
}

fn answer_range(ctx: &mut Ctx<'_>, reverse: bool) -> Outcome {
    let (first, last) = if reverse { (3, 2) } else { (2, 3) };
    let (start, end) = (start_id(ctx.arg(first))?, end_id(ctx.arg(last))?);
    let mut count = usize::MAX;
    let mut at = 4;
    while at < ctx.args.len() {
        if !ctx.arg(at).eq_ignore_ascii_case(b"count") || at + 1 == ctx.args.len() {
            return Err(Fault::SYNTAX);
        }
        count = usize::try_from(ctx.int(at + 1)?.max(0)).unwrap_or(usize::MAX);
        at += 2;
    }
    let key = ctx.arg(1);
    match ctx.db.read::<Stream>(key)? {
        None => ctx.reply.array(0),
        Some(_) if count == 0 => ctx.reply.null_array(),
        Some(stream) => {
            let entries = stream.range(start, end);
            match reverse {
                false => write_entries(&mut ctx.reply, entries.take(count)),
                true => write_entries(&mut ctx.reply, entries.rev().take(count)),
            }
        }
    }
    Ok(())
}

fn xdel(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    if ctx.db.look::<Stream>(key)?.is_none() {
        ctx.reply.int(0);
        return Ok(());
    }
    let ids = ctx.args.skip(2).iter().map(id).collect::<Result<Vec<_>, _>>()?;
    let deleted = ctx.db.edit(key, |stream: &mut Stream, _| stream.delete(&ids))?.map_or(0, |(deleted, _)| deleted);
    if deleted > 0 {
        ctx.touched(key, Class::STREAM, "xdel", deleted);
    }
    ctx.reply.int(deleted as i64);
    Ok(())
}

fn xsetid(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, last) = (ctx.arg(1), id(ctx.arg(2))?);
    let (mut added, mut max_deleted) = (None, None);
    let mut at = 3;
    while at < ctx.args.len() {
        if at + 1 >= ctx.args.len() {
            return Err(Fault::SYNTAX);
        }
        match &ctx.arg(at).to_ascii_lowercase()[..] {
            b"entriesadded" => {
                let number = u64::try_from(ctx.int(at + 1)?).ok();
                added = Some(number.ok_or(Fault::new("ERR entries_added must be positive"))?);
            }
            b"maxdeletedid" => {
                let id = id(ctx.arg(at + 1))?;
                if last < id {
                    return Err(Fault::because(format!("ERR {}", SetIdError::BelowMaxDeleted)));
                }
                max_deleted = Some(id);
            }
            _ => return Err(Fault::SYNTAX),
        }
        at += 2;
    }
    let set = ctx.db.edit(key, |stream: &mut Stream, _| stream.set_last_id(last, added, max_deleted))?;
    let (set, _) = set.ok_or(Fault::NO_SUCH_KEY)?;
    set.map_err(|error| Fault::because(format!("ERR {error}")))?;
    changed_quietly(ctx, key, "xsetid");
    ctx.reply.ok();
    Ok(())
}

/// Publishes what happened to a stream's groups or counters. Those who watch or cache the key aren't told, for what it
/// holds is what it was.
fn changed_quietly(ctx: &mut Ctx<'_>, key: &[u8], event: &'static str) {
    ctx.notify(Class::STREAM, event, key, ctx.db.index);
    ctx.server.stats.dirty += 1;
}
