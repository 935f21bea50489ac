//! XREAD and XREADGROUP: reading on from a place in several streams, and waiting where there is nothing to read.

use xs_proto::resp::Request;
use xs_storage::keyspace::{Stream, StreamId};

use super::{id, lossy, write_entries, write_entry, write_id};
use crate::blocked::Waits;
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;
use crate::parse;

/// From where one stream is read on.
#[derive(Clone, Copy, PartialEq)]
enum From {
    /// Behind this entry.
    After(StreamId),
    /// `>`: what nobody of the group has read.
    New,
}

struct Query<'a> {
    count: Option<usize>,
    /// Milliseconds, 0 for ever.
    block: Option<i64>,
    no_ack: bool,
    group: Option<(&'a [u8], &'a [u8])>,
    /// The argument of the first key.
    first: usize,
    froms: Vec<From>,
    /// Some identifier was `$`, and stands for the last one there was when the command came.
    had_last: bool,
}

impl<'a> Query<'a> {
    fn parse(ctx: &mut Ctx<'a>, is_group: bool) -> Result<Query<'a>, Fault> {
        let mut query = Query {
            count: None,
            block: None,
            no_ack: false,
            group: None,
            first: 0,
            froms: Vec::new(),
            had_last: false,
        };
        let mut at = 1;
        while at < ctx.args.len() {
            let more = ctx.args.len() - at - 1;
            match &ctx.arg(at).to_ascii_lowercase()[..] {
                b"block" if more > 0 => {
                    at += 1;
                    let wait = parse::int(ctx.arg(at));
                    let wait = wait.ok_or(Fault::new("ERR timeout is not an integer or out of range"))?;
                    if wait < 0 {
                        return Err(Fault::TIMEOUT_NEGATIVE);
                    }
                    query.block = Some(wait);
                }
                b"count" if more > 0 => {
                    at += 1;
                    query.count = usize::try_from(ctx.int(at)?).ok().filter(|count| *count > 0);
                }
                b"streams" if more > 0 => {
                    query.first = at + 1;
                    break;
                }
                b"group" if more >= 2 => {
                    if !is_group {
                        return Err(Fault::new(
                            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                        ));
                    }
                    query.group = Some((ctx.arg(at + 1), ctx.arg(at + 2)));
                    at += 2;
                }
                b"noack" => {
                    if !is_group {
                        return Err(Fault::new(
                            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                        ));
                    }
                    query.no_ack = true;
                }
                _ => return Err(Fault::SYNTAX),
            }
            at += 1;
        }
        if query.first == 0 {
            return Err(Fault::SYNTAX);
        }
        let left = ctx.args.len() - query.first;
        if !left.is_multiple_of(2) {
            let (name, last) = if is_group { ("xreadgroup", ">") } else { ("xread", "$") };
            return Err(Fault::because(format!(
                "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{last}' must be specified."
            )));
        }
        if is_group && query.group.is_none() {
            return Err(Fault::new("ERR Missing GROUP option for XREADGROUP"));
        }
        for at in query.first..query.first + left / 2 {
            let from = query.from(ctx, ctx.arg(at), ctx.arg(at + left / 2))?;
            query.froms.push(from);
        }
        Ok(query)
    }

    fn from(&mut self, ctx: &mut Ctx<'_>, key: &[u8], text: &[u8]) -> Result<From, Fault> {
        let stream = ctx.db.read::<Stream>(key)?;
        if let Some((group, _)) = self.group
            && stream.and_then(|stream| stream.group(group)).is_none()
        {
            return Err(Fault::because(format!(
                "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option",
                lossy(key),
                lossy(group)
            )));
        }
        match text {
            b"$" if self.group.is_some() => Err(Fault::new(
                "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer \
                 by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty \
                 result set.",
            )),
            b"$" => {
                self.had_last = true;
                Ok(From::After(stream.map_or(StreamId::MIN, Stream::last_id)))
            }
            b">" if self.group.is_none() => Err(Fault::new(
                "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
            )),
            b">" => Ok(From::New),
            _ => id(text).map(From::After),
        }
    }

    fn key(&self, ctx: &Ctx<'a>, at: usize) -> &'a [u8] {
        ctx.arg(self.first + at)
    }

    /// Whether stream `at` has something to answer with.
    fn has_any(&self, ctx: &mut Ctx<'_>, key: &[u8], from: From) -> bool {
        let Ok(Some(stream)) = ctx.db.look::<Stream>(key) else { return false };
        let behind = match (self.group, from) {
            // A consumer's history is answered even when it is empty.
            (Some(_), From::After(_)) => return true,
            (Some((group, _)), From::New) => match stream.group(group) {
                Some(group) => group.last_id(),
                None => return false,
            },
            (None, From::After(after)) => after,
            (None, From::New) => return false,
        };
        behind.next().is_some_and(|next| stream.range(next, StreamId::MAX).next().is_some())
    }
}

pub(super) fn xread(ctx: &mut Ctx<'_>) -> Outcome {
    read(ctx, false)
}

pub(super) fn xreadgroup(ctx: &mut Ctx<'_>) -> Outcome {
    read(ctx, true)
}

fn read(ctx: &mut Ctx<'_>, is_group: bool) -> Outcome {
    let query = Query::parse(ctx, is_group)?;
    let mut served = Vec::new();
    for at in 0..query.froms.len() {
        let key = query.key(ctx, at);
        if query.has_any(ctx, key, query.froms[at]) {
            served.push(at);
        }
    }
    if served.is_empty() {
        return match query.block {
            Some(wait) => block(ctx, &query, wait),
            None => {
                ctx.reply.null_array();
                Ok(())
            }
        };
    }
    match ctx.is_resp3() {
        true => ctx.reply.map(served.len()),
        false => ctx.reply.array(served.len()),
    }
    for at in served {
        let key = query.key(ctx, at);
        if !ctx.is_resp3() {
            ctx.reply.array(2);
        }
        ctx.reply.bulk(key);
        match query.group {
            None => {
                let From::After(after) = query.froms[at] else { continue };
                let Some(stream) = ctx.db.look::<Stream>(key)? else { continue };
                let start = after.next().unwrap_or(StreamId::MAX);
                let entries = stream.range(start, StreamId::MAX).take(query.count.unwrap_or(usize::MAX));
                write_entries(&mut ctx.reply, entries);
            }
            Some((group, consumer)) => deliver(ctx, &query, key, group, consumer, query.froms[at])?,
        }
    }
    Ok(())
}

fn deliver(ctx: &mut Ctx<'_>, query: &Query<'_>, key: &[u8], group: &[u8], consumer: &[u8], from: From) -> Outcome {
    let now = ctx.now;
    let Ctx { db, reply, .. } = ctx;
    let made = db.edit(key, |stream: &mut Stream, _| {
        let Some(mut handle) = stream.group_mut(group) else {
            reply.array(0);
            return (false, false);
        };
        let (consumer, made) = handle.see(consumer, now);
        match from {
            From::New => {
                let delivery = handle.read_new(consumer, query.count, query.no_ack, now);
                reply.array(delivery.len());
                delivery.for_each(|entry| write_entry(reply, &entry));
                (made, true)
            }
            From::After(after) => {
                let ids = handle.read_pending(consumer, after, query.count, now);
                drop(handle);
                reply.array(ids.len());
                for id in ids {
                    match stream.get(id) {
                        Some(entry) => write_entry(reply, &entry),
                        None => {
                            reply.array(2);
                            write_id(reply, id);
                            reply.null_array();
                        }
                    }
                }
                (made, false)
            }
        }
    })?;
    let (made, delivered) = made.map_or((false, false), |(flags, _)| flags);
    if made {
        ctx.server.notify(Class::STREAM, "xgroup-createconsumer", key, ctx.db.index);
    }
    if made || delivered {
        ctx.server.stats.dirty += 1;
    }
    Ok(())
}

/// Waits for one of the streams to grow. `$` is resolved now: what comes later must be seen.
fn block(ctx: &mut Ctx<'_>, query: &Query<'_>, wait: i64) -> Outcome {
    let streams = query.froms.len();
    let keys = (0..streams).map(|at| ctx.arg(query.first + at).to_vec()).collect();
    let timeout = wait as f64 / 1000.0;
    if !query.had_last {
        return ctx.block(keys, timeout, Waits::Array);
    }
    let ids = query.froms.iter().map(|from| match from {
        From::After(id) => id.to_string().into_bytes(),
        From::New => b">".to_vec(),
    });
    let before = ctx.args.iter().take(query.first + streams).map(<[u8]>::to_vec);
    let request: Request = before.chain(ids).collect();
    ctx.block_as(request, keys, timeout, Waits::Array)
}
