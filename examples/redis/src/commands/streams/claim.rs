//! XCLAIM and XAUTOCLAIM: taking over what another consumer left pending.

use xs_storage::keyspace::stream::{Claim, Claimed};
use xs_storage::keyspace::{Stream, StreamId};

use super::group::no_group;
use super::{id, lossy, start_id, write_entry, write_id};
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;
use crate::parse;

/// Answers with the entries, or with their identifiers alone.
fn answer(ctx: &mut Ctx<'_>, key: &[u8], ids: &[StreamId], just_id: bool) -> Outcome {
    let stream = ctx.db.look::<Stream>(key)?;
    ctx.reply.array(ids.len());
    for id in ids {
        match stream.and_then(|stream| stream.get(*id)) {
            Some(entry) if !just_id => write_entry(&mut ctx.reply, &entry),
            _ => write_id(&mut ctx.reply, *id),
        }
    }
    Ok(())
}

fn require_group(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, group) = (ctx.arg(1), ctx.arg(2));
    let found = ctx.db.look::<Stream>(key)?.and_then(|stream| stream.group(group)).is_some();
    if found { Ok(()) } else { Err(no_group(key, group)) }
}

/// A number that is taken as zero when negative.
fn at_least_zero(ctx: &Ctx<'_>, at: usize, error: &'static str) -> Result<u64, Fault> {
    parse::int(ctx.arg(at)).map(|number| number.max(0) as u64).ok_or(Fault::new(error))
}

pub(super) fn xclaim(ctx: &mut Ctx<'_>) -> Outcome {
    require_group(ctx)?;
    let (key, group, consumer) = (ctx.arg(1), ctx.arg(2), ctx.arg(3));
    let min_idle_ms = at_least_zero(ctx, 4, "ERR Invalid min-idle-time argument for XCLAIM")?;
    let mut claim = Claim { min_idle_ms, ..Claim::default() };
    let mut last_id = None;
    let mut ids = Vec::new();
    let mut at = 5;
    while let Some(id) = ctx.args.get(at).and_then(|text| StreamId::parse(text, 0)) {
        ids.push(id);
        at += 1;
    }
    while at < ctx.args.len() {
        let more = ctx.args.len() - at - 1;
        match &ctx.arg(at).to_ascii_lowercase()[..] {
            b"force" => claim.force = true,
            b"justid" => claim.just_id = true,
            b"idle" if more > 0 => {
                at += 1;
                let idle = at_least_zero(ctx, at, "ERR Invalid IDLE option argument for XCLAIM")?;
                claim.delivered_ms = Some(ctx.now.saturating_sub(idle));
            }
            b"time" if more > 0 => {
                at += 1;
                claim.delivered_ms = Some(at_least_zero(ctx, at, "ERR Invalid TIME option argument for XCLAIM")?);
            }
            b"retrycount" if more > 0 => {
                at += 1;
                claim.deliveries = Some(at_least_zero(ctx, at, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?);
            }
            b"lastid" if more > 0 => {
                at += 1;
                last_id = Some(id(ctx.arg(at))?);
            }
            _ => return Err(Fault::because(format!("ERR Unrecognized XCLAIM option '{}'", lossy(ctx.arg(at))))),
        }
        at += 1;
    }
    let now = ctx.now;
    let claimed = ctx.db.edit(key, |stream: &mut Stream, _| {
        let Some(mut group) = stream.group_mut(group) else { return Vec::new() };
        if let Some(last_id) = last_id {
            group.advance_id(last_id);
        }
        ids.retain(|id| group.claim(consumer, *id, &claim, now) == Claimed::Yes);
        ids
    })?;
    let claimed = claimed.map_or_else(Vec::new, |(claimed, _)| claimed);
    if !claimed.is_empty() || last_id.is_some() {
        ctx.touched(key, Class::NONE, "xclaim", 1);
    }
    answer(ctx, key, &claimed, claim.just_id)
}

pub(super) fn xautoclaim(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, group, consumer) = (ctx.arg(1), ctx.arg(2), ctx.arg(3));
    let min_idle = at_least_zero(ctx, 4, "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let start = start_id(ctx.arg(5))?;
    let (mut count, mut just_id) = (100, false);
    let mut at = 6;
    while at < ctx.args.len() {
        match &ctx.arg(at).to_ascii_lowercase()[..] {
            b"count" if at + 1 < ctx.args.len() => {
                at += 1;
                let most = parse::int(ctx.arg(at)).filter(|count| (1..=i64::MAX / 64).contains(count));
                count = most.ok_or(Fault::new("ERR COUNT must be > 0"))? as usize;
            }
            b"justid" => just_id = true,
            _ => return Err(Fault::SYNTAX),
        }
        at += 1;
    }
    require_group(ctx)?;
    let now = ctx.now;
    let swept = ctx.db.edit(key, |stream: &mut Stream, _| {
        stream.group_mut(group).map(|mut group| group.auto_claim(consumer, start, count, min_idle, just_id, now))
    })?;
    let Some((Some(swept), _)) = swept else { return Err(no_group(key, group)) };
    if !swept.claimed.is_empty() || !swept.deleted.is_empty() {
        ctx.touched(key, Class::NONE, "xautoclaim", 1);
    }
    ctx.reply.array(3);
    write_id(&mut ctx.reply, swept.next);
    answer(ctx, key, &swept.claimed, just_id)?;
    ctx.reply.array(swept.deleted.len());
    swept.deleted.iter().for_each(|id| write_id(&mut ctx.reply, *id));
    Ok(())
}
