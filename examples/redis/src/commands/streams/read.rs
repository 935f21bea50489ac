//! XREAD and XREADGROUP: reading on from a place in several streams, and waiting where there is nothing to read.

use xs_proto::resp::{Mark, Reply, Request};
use xs_storage::keyspace::{Stream, StreamId};

use super::{id, write_entries, write_entry, write_id};
use crate::blocked::Waits;
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;
use crate::parse;

/// At most so many entries go to a reader that waited and gave no count: what it waits for is the end of the stream,
/// and if its identifier lies far from there, that is hardly what it meant.
const AFTER_A_WAIT: usize = 1000;

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
    block: Option<u64>,
    no_ack: bool,
    /// The group and the consumer in it.
    group: Option<(&'a [u8], &'a [u8])>,
    /// The argument of the first key.
    first: usize,
    streams: usize,
}

impl<'a> Query<'a> {
    fn parse(ctx: &Ctx<'a>, is_group: bool) -> Result<Query<'a>, Fault> {
        let mut query = Query { count: None, block: None, no_ack: false, group: None, first: 0, streams: 0 };
        let only_groups = |option: &str| {
            Fault::because(format!(
                "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
            ))
        };
        let mut at = 1;
        while at < ctx.args.len() {
            let more = ctx.args.len() - at - 1;
            let word = ctx.arg(at);
            if word.eq_ignore_ascii_case(b"streams") && more > 0 {
                query.first = at + 1;
                break;
            } else if word.eq_ignore_ascii_case(b"count") && more > 0 {
                at += 1;
                query.count = usize::try_from(ctx.int(at)?).ok().filter(|count| *count > 0);
            } else if word.eq_ignore_ascii_case(b"block") && more > 0 {
                at += 1;
                let wait = parse::int(ctx.arg(at));
                let wait = wait.ok_or(Fault::new("ERR timeout is not an integer or out of range"))?;
                query.block = Some(u64::try_from(wait).map_err(|_| Fault::TIMEOUT_NEGATIVE)?);
            } else if word.eq_ignore_ascii_case(b"group") && more >= 2 {
                if !is_group {
                    return Err(only_groups("GROUP"));
                }
                query.group = Some((ctx.arg(at + 1), ctx.arg(at + 2)));
                at += 2;
            } else if word.eq_ignore_ascii_case(b"noack") {
                if !is_group {
                    return Err(only_groups("NOACK"));
                }
                query.no_ack = true;
            } else {
                return Err(Fault::SYNTAX);
            }
            at += 1;
        }
        if query.first == 0 {
            return Err(Fault::SYNTAX);
        }
        let left = ctx.args.len() - query.first;
        if !left.is_multiple_of(2) {
            return Err(Fault::new(
                "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
            ));
        }
        if is_group && query.group.is_none() {
            return Err(Fault::new("ERR Missing GROUP option for XREADGROUP"));
        }
        query.streams = left / 2;
        Ok(query)
    }

    fn key(&self, ctx: &Ctx<'a>, at: usize) -> &'a [u8] {
        ctx.arg(self.first + at)
    }

    fn id(&self, ctx: &Ctx<'a>, at: usize) -> &'a [u8] {
        ctx.arg(self.first + self.streams + at)
    }

    /// From where stream `at` is read. Its key must be a stream or missing; with a group, it must be there and have it.
    fn from(&self, ctx: &mut Ctx<'a>, at: usize) -> Result<From, Fault> {
        let (key, text) = (self.key(ctx, at), self.id(ctx, at));
        let stream = ctx.db.read::<Stream>(key)?;
        if let Some((group, _)) = self.group
            && stream.and_then(|stream| stream.group(group)).is_none()
        {
            const END: &str = "' in XREADGROUP with GROUP option";
            return Err(Fault::quoting(&[&"NOGROUP No such key '", &key, &"' or consumer group '", &group, &END]));
        }
        match text {
            b"$" if self.group.is_some() => Err(Fault::new(
                "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer \
                 by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty \
                 result set.",
            )),
            b"$" => Ok(From::After(stream.map_or(StreamId::MIN, Stream::last_id))),
            b">" if self.group.is_none() => Err(Fault::new(
                "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
            )),
            b">" => Ok(From::New),
            // With a group, the largest identifier there is means what `>` means.
            _ => Ok(match id(text)? {
                StreamId::MAX if self.group.is_some() => From::New,
                id => From::After(id),
            }),
        }
    }

    /// Whether `key` has something to answer with.
    fn has_any(&self, ctx: &mut Ctx<'a>, key: &[u8], from: From) -> bool {
        let Ok(Some(stream)) = ctx.db.read::<Stream>(key) else { return false };
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
    if let Some(key) = ctx.client.woken_by.take() {
        return wake(ctx, query, &key);
    }
    let froms = (0..query.streams).map(|at| query.from(ctx, at)).collect::<Result<Vec<_>, _>>()?;
    let mark = ctx.reply.begin();
    let mut served = 0;
    for (at, from) in froms.iter().enumerate() {
        let key = query.key(ctx, at);
        if query.has_any(ctx, key, *from) {
            answer(ctx, &query, key, *from);
            served += 1;
        }
    }
    match (served, query.block) {
        (0, Some(wait)) => return block(ctx, &query, wait, &froms),
        (0, None) => ctx.reply.null_array(),
        _ => end(ctx, mark, served),
    }
    Ok(())
}

/// Answers a reader that waited, if the change to `key` is what it waited for: from this stream alone.
fn wake<'a>(ctx: &mut Ctx<'a>, mut query: Query<'a>, key: &[u8]) -> Outcome {
    let Some(at) = (0..query.streams).find(|at| query.key(ctx, *at) == key) else {
        return block(ctx, &query, 0, &[]);
    };
    let text = query.id(ctx, at);
    let (from, is_behind) = match (query.group, ctx.db.look::<Stream>(key)) {
        (Some((group, _)), Ok(Some(stream))) => match stream.group(group) {
            Some(group) => (From::New, group.last_id() < stream.last_id()),
            None => {
                return Err(Fault::new("NOGROUP the consumer group this client was blocked on no longer exists"));
            }
        },
        (Some(_), _) => return Err(Fault::new("UNBLOCKED the stream key no longer exists")),
        (None, Ok(Some(stream))) => {
            let after = id(text)?;
            (From::After(after), after < stream.last_id())
        }
        (None, _) => return block(ctx, &query, 0, &[]),
    };
    if !is_behind {
        return block(ctx, &query, 0, &[]);
    }
    query.count.get_or_insert(AFTER_A_WAIT);
    let mark = ctx.reply.begin();
    answer(ctx, &query, key, from);
    end(ctx, mark, 1);
    Ok(())
}

/// Ends an answer from so many streams.
fn end(ctx: &mut Ctx<'_>, mark: Mark, streams: usize) {
    match ctx.is_resp3() {
        true => ctx.reply.end_map(mark, streams),
        false => ctx.reply.end_array(mark, streams),
    }
}

/// Answers with the name of one stream and what there is to read in it.
fn answer(ctx: &mut Ctx<'_>, query: &Query<'_>, key: &[u8], from: From) {
    if !ctx.is_resp3() {
        ctx.reply.array(2);
    }
    ctx.reply.bulk(key);
    match (query.group, from) {
        (Some((group, consumer)), _) => deliver(ctx, query, key, group, consumer, from),
        (None, From::After(after)) => {
            let stream = ctx.db.look::<Stream>(key).ok().flatten();
            let start = after.next().unwrap_or(StreamId::MAX);
            let entries = stream.into_iter().flat_map(|stream| stream.range(start, StreamId::MAX));
            write_entries(&mut ctx.reply, entries.take(query.count.unwrap_or(usize::MAX)));
        }
        (None, From::New) => ctx.reply.array(0),
    }
}

fn deliver(ctx: &mut Ctx<'_>, query: &Query<'_>, key: &[u8], group: &[u8], consumer: &[u8], from: From) {
    let now = ctx.now;
    let Ctx { db, reply, .. } = ctx;
    let made = db.edit(key, |stream: &mut Stream, _| {
        let Some(mut handle) = stream.group_mut(group) else {
            reply.array(0);
            return false;
        };
        let (consumer, made) = handle.see(consumer, now);
        match from {
            From::New => {
                let delivery = handle.read_new(consumer, query.count, query.no_ack, now);
                reply.array(delivery.len());
                delivery.for_each(|entry| write_entry(reply, &entry));
            }
            From::After(after) => {
                let ids = handle.read_pending(consumer, after, query.count, now);
                drop(handle);
                write_history(reply, stream, &ids);
            }
        }
        made
    });
    if matches!(made, Ok(Some((true, _)))) {
        ctx.notify(Class::STREAM, "xgroup-createconsumer", key, ctx.db.index);
        ctx.server.stats.dirty += 1;
    }
    ctx.server.stats.dirty += 1;
}

/// Answers with what a consumer has pending; of an entry that is gone only its identifier is left.
fn write_history(reply: &mut Reply<'_>, stream: &Stream, ids: &[StreamId]) {
    reply.array(ids.len());
    for id in ids {
        match stream.get(*id) {
            Some(entry) => write_entry(reply, &entry),
            None => {
                reply.array(2);
                write_id(reply, *id);
                reply.null_array();
            }
        }
    }
}

/// Waits for one of the streams to grow. `$` is resolved now: what comes later must be seen.
fn block<'a>(ctx: &mut Ctx<'a>, query: &Query<'a>, wait: u64, froms: &[From]) -> Outcome {
    let keys = (0..query.streams).map(|at| query.key(ctx, at).to_vec()).collect();
    let timeout = (wait > 0).then_some(wait);
    let has_last = (0..query.streams).any(|at| query.id(ctx, at) == b"$");
    if !has_last {
        return ctx.block_as(ctx.args.to_owned(), keys, timeout, Waits::Array);
    }
    let ids = froms.iter().map(|from| match from {
        From::After(id) => id.to_string().into_bytes(),
        From::New => b">".to_vec(),
    });
    let before = ctx.args.iter().take(query.first + query.streams).map(<[u8]>::to_vec);
    let request: Request = before.chain(ids).collect();
    ctx.block_as(request, keys, timeout, Waits::Array)
}
