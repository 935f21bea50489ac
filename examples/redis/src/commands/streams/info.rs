//! XINFO: what a stream, its groups and their consumers look like inside.

use xs_proto::resp::Reply;
use xs_storage::keyspace::stream::{Entry, Group};
use xs_storage::keyspace::{Stream, StreamId};

use super::group::no_such_group;
use super::{write_entry, write_id};
use crate::command::Outcome;
use crate::commands::help;
use crate::ctx::Ctx;
use crate::fault::Fault;

pub(super) fn xinfo_help(ctx: &mut Ctx<'_>) -> Outcome {
    help::write(
        ctx,
        &[
            ("CONSUMERS <key> <groupname>", "Shows the consumers of a group."),
            ("GROUPS <key>", "Shows the groups of a stream."),
            ("STREAM <key> [FULL [COUNT <count>]]", "Shows a stream, in full with its entries, groups and consumers."),
        ],
    );
    Ok(())
}

fn write_count(reply: &mut Reply<'_>, name: &[u8], count: u64) {
    reply.bulk(name);
    reply.int(count as i64);
}

fn write_named_id(reply: &mut Reply<'_>, name: &[u8], id: StreamId) {
    reply.bulk(name);
    write_id(reply, id);
}

fn write_optional(reply: &mut Reply<'_>, name: &[u8], number: Option<i64>) {
    reply.bulk(name);
    match number {
        Some(number) => reply.int(number),
        None => reply.null(),
    }
}

fn write_optional_entry(reply: &mut Reply<'_>, name: &[u8], entry: Option<Entry<'_>>) {
    reply.bulk(name);
    match entry {
        Some(entry) => write_entry(reply, &entry),
        None => reply.null(),
    }
}

/// The eight fields that both forms of XINFO STREAM begin with.
fn write_head(reply: &mut Reply<'_>, stream: &Stream) {
    write_count(reply, b"length", stream.len());
    write_count(reply, b"radix-tree-keys", stream.nodes() as u64);
    write_count(reply, b"radix-tree-nodes", stream.nodes() as u64 + 1);
    write_named_id(reply, b"last-generated-id", stream.last_id());
    write_named_id(reply, b"max-deleted-entry-id", stream.max_deleted_id());
    write_count(reply, b"entries-added", stream.entries_added());
    write_named_id(reply, b"recorded-first-entry-id", stream.first_id());
}

pub(super) fn xinfo_stream(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(2);
    ctx.db.read::<Stream>(key)?.ok_or(Fault::NO_SUCH_KEY)?;
    let mut count = 10;
    let full = match ctx.args.len() {
        3 => false,
        4 if ctx.arg(3).eq_ignore_ascii_case(b"full") => true,
        6 if ctx.arg(3).eq_ignore_ascii_case(b"full") && ctx.arg(4).eq_ignore_ascii_case(b"count") => {
            count = match ctx.int(5)? {
                0 => usize::MAX,
                number => usize::try_from(number).unwrap_or(10),
            };
            true
        }
        _ => return Err(help::unknown(ctx)),
    };
    let Ctx { db, reply, .. } = ctx;
    let stream = db.look::<Stream>(key)?.ok_or(Fault::NO_SUCH_KEY)?;
    if full {
        reply.map(9);
        write_head(reply, stream);
        reply.bulk(b"entries");
        super::write_entries(reply, stream.range(StreamId::MIN, StreamId::MAX).take(count));
        reply.bulk(b"groups");
        reply.array(stream.groups().len());
        for (name, group) in stream.groups() {
            write_group_in_full(reply, stream, name, group, count);
        }
        return Ok(());
    }
    reply.map(10);
    write_head(reply, stream);
    write_count(reply, b"groups", stream.groups().len() as u64);
    write_optional_entry(reply, b"first-entry", stream.range(StreamId::MIN, StreamId::MAX).next());
    write_optional_entry(reply, b"last-entry", stream.last());
    Ok(())
}

fn write_group_in_full(reply: &mut Reply<'_>, stream: &Stream, name: &[u8], group: &Group, count: usize) {
    reply.map(7);
    reply.bulk(b"name");
    reply.bulk(name);
    write_named_id(reply, b"last-delivered-id", group.last_id());
    write_optional(reply, b"entries-read", group.entries_read().map(|read| read as i64));
    write_optional(reply, b"lag", stream.lag(group));
    write_count(reply, b"pel-count", group.pending_len() as u64);
    reply.bulk(b"pending");
    reply.array(group.pending_len().min(count));
    for (id, pending) in group.pending(StreamId::MIN, StreamId::MAX).take(count) {
        reply.array(4);
        write_id(reply, id);
        reply.bulk(group.get(pending.consumer).map_or(b"", |consumer| consumer.name()));
        reply.int(pending.delivered_ms as i64);
        reply.int(pending.deliveries as i64);
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers().len());
    for (id, consumer) in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        write_count(reply, b"seen-time", consumer.seen_ms());
        write_count(reply, b"pel-count", consumer.pending_len() as u64);
        reply.bulk(b"pending");
        reply.array(consumer.pending_len().min(count));
        for (id, pending) in group.pending_of(id, StreamId::MIN, StreamId::MAX).take(count) {
            reply.array(3);
            write_id(reply, id);
            reply.int(pending.delivered_ms as i64);
            reply.int(pending.deliveries as i64);
        }
    }
}

pub(super) fn xinfo_groups(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(2);
    let Ctx { db, reply, .. } = ctx;
    let stream = db.look::<Stream>(key)?.ok_or(Fault::NO_SUCH_KEY)?;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        write_count(reply, b"consumers", group.consumers().len() as u64);
        write_count(reply, b"pending", group.pending_len() as u64);
        write_named_id(reply, b"last-delivered-id", group.last_id());
        write_optional(reply, b"entries-read", group.entries_read().map(|read| read as i64));
        write_optional(reply, b"lag", stream.lag(group));
    }
    Ok(())
}

pub(super) fn xinfo_consumers(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, name, now) = (ctx.arg(2), ctx.arg(3), ctx.now);
    let Ctx { db, reply, .. } = ctx;
    let stream = db.look::<Stream>(key)?.ok_or(Fault::NO_SUCH_KEY)?;
    let group = stream.group(name).ok_or_else(|| no_such_group(key, name))?;
    reply.array(group.consumers().len());
    for (_, consumer) in group.consumers() {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        write_count(reply, b"pending", consumer.pending_len() as u64);
        write_count(reply, b"idle", now.saturating_sub(consumer.seen_ms()));
    }
    Ok(())
}
