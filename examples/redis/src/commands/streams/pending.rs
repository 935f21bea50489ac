//! XPENDING: what a group was given and has not acknowledged, in short or entry by entry.

use xs_storage::keyspace::stream::{Group, Pending};
use xs_storage::keyspace::{Stream, StreamId};

use super::group::no_group;
use super::{end_id, start_id, write_id};
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;

/// `[IDLE min-idle-time] start end count [consumer]`.
struct Window<'a> {
    min_idle_ms: u64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Window<'a> {
    /// `None` when only a summary is asked for.
    fn parse(ctx: &Ctx<'a>) -> Result<Option<Window<'a>>, Fault> {
        match ctx.args.len() {
            3 => return Ok(None),
            6..=9 => {}
            _ => return Err(Fault::SYNTAX),
        }
        let (mut at, mut min_idle_ms) = (3, 0);
        if ctx.arg(3).eq_ignore_ascii_case(b"idle") {
            min_idle_ms = ctx.int(4)?.max(0) as u64;
            if ctx.args.len() < 8 {
                return Err(Fault::SYNTAX);
            }
            at = 5;
        }
        let count = usize::try_from(ctx.int(at + 2)?.max(0)).unwrap_or(usize::MAX);
        let (start, end) = (start_id(ctx.arg(at))?, end_id(ctx.arg(at + 1))?);
        Ok(Some(Window { min_idle_ms, start, end, count, consumer: ctx.args.get(at + 3) }))
    }
}

pub(super) fn xpending(ctx: &mut Ctx<'_>) -> Outcome {
    let window = Window::parse(ctx)?;
    let (key, name) = (ctx.arg(1), ctx.arg(2));
    let now = ctx.now;
    let Ctx { db, reply, .. } = ctx;
    let group = db.read::<Stream>(key)?.and_then(|stream| stream.group(name)).ok_or_else(|| no_group(key, name))?;
    let Some(window) = window else {
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
    let mut write = |(id, pending): (StreamId, &Pending)| {
        reply.array(4);
        write_id(reply, id);
        reply.bulk(group.get(pending.consumer).map_or(b"", |consumer| consumer.name()));
        reply.int(pending.idle_ms(now) as i64);
        reply.int(pending.deliveries as i64);
        written += 1;
    };
    let is_idle = |(_, pending): &(StreamId, &Pending)| pending.idle_ms(now) >= window.min_idle_ms;
    match window.consumer {
        None => group.pending(window.start, window.end).filter(is_idle).take(window.count).for_each(&mut write),
        Some(name) => of_consumer(group, name, &window).filter(is_idle).take(window.count).for_each(&mut write),
    }
    reply.end_array(mark, written);
    Ok(())
}

/// What one consumer has pending; nothing, when there is no such consumer.
fn of_consumer<'g>(
    group: &'g Group,
    name: &[u8],
    window: &Window<'_>,
) -> impl Iterator<Item = (StreamId, &'g Pending)> + use<'g> {
    let (start, end) = (window.start, window.end);
    group.consumer(name).into_iter().flat_map(move |consumer| group.pending_of(consumer, start, end))
}
