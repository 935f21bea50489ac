//! XCLAIM and XAUTOCLAIM: taking over what another consumer left pending.

use xs_storage::keyspace::stream::{Claim, Claimed};
use xs_storage::keyspace::{Stream, StreamId};

use super::group::no_group;
use super::{changed_quietly, id, start_id, write_entry, write_id};
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
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
    let found = ctx.db.read::<Stream>(key)?.and_then(|stream| stream.group(group)).is_some();
    if found { Ok(()) } else { Err(no_group(key, group)) }
}

fn number(ctx: &Ctx<'_>, at: usize, error: &'static str) -> Result<i64, Fault> {
    parse::int(ctx.arg(at)).ok_or(Fault::new(error))
}

/// What came of a claim: the claimed entries, whether anything changed, and whether the consumer is new.
struct Claims {
    claimed: Vec<StreamId>,
    changes: u64,
    made: bool,
}

impl Claims {
    /// Publishes the new consumer. The entries are what they were: there is no event for a claim.
    fn tell(&self, ctx: &mut Ctx<'_>, key: &[u8]) {
        if self.made {
            changed_quietly(ctx, key, "xgroup-createconsumer");
        }
        ctx.server.stats.dirty += self.changes;
    }
}

pub(super) fn xclaim(ctx: &mut Ctx<'_>) -> Outcome {
    require_group(ctx)?;
    let (key, group, consumer) = (ctx.arg(1), ctx.arg(2), ctx.arg(3));
    let min_idle = number(ctx, 4, "ERR Invalid min-idle-time argument for XCLAIM")?;
    let mut claim = Claim { min_idle_ms: min_idle.max(0) as u64, ..Claim::default() };
    let mut last_id = StreamId::MIN;
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
                let idle = number(ctx, at, "ERR Invalid IDLE option argument for XCLAIM")?;
                claim.delivered_ms = u64::try_from((ctx.now as i64).wrapping_sub(idle)).ok();
            }
            b"time" if more > 0 => {
                at += 1;
                claim.delivered_ms =
                    u64::try_from(number(ctx, at, "ERR Invalid TIME option argument for XCLAIM")?).ok();
            }
            b"retrycount" if more > 0 => {
                at += 1;
                let deliveries = number(ctx, at, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                claim.deliveries = u64::try_from(deliveries).ok();
            }
            b"lastid" if more > 0 => {
                at += 1;
                last_id = id(ctx.arg(at))?;
            }
            _ => return Err(Fault::quoting(&[&"ERR Unrecognized XCLAIM option '", &ctx.arg(at), &"'"])),
        }
        at += 1;
    }
    let now = ctx.now;
    let outset = ctx.db.edit(key, |stream: &mut Stream, _| {
        let mut group = stream.group_mut(group)?;
        let mut changes = u64::from(last_id > group.last_id());
        group.advance_id(last_id);
        let consumers = group.consumers().len();
        ids.retain(|id| {
            let pending = group.pending_len();
            let claimed = group.claim(consumer, *id, &claim, now);
            changes += u64::from(claimed == Claimed::Yes || group.pending_len() < pending);
            claimed == Claimed::Yes
        });
        Some(Claims { made: group.consumers().len() > consumers, claimed: ids, changes })
    })?;
    let Some((Some(outset), _)) = outset else { return Err(no_group(key, group)) };
    outset.tell(ctx, key);
    answer(ctx, key, &outset.claimed, claim.just_id)
}

pub(super) fn xautoclaim(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, group, consumer) = (ctx.arg(1), ctx.arg(2), ctx.arg(3));
    let min_idle = number(ctx, 4, "ERR Invalid min-idle-time argument for XAUTOCLAIM")?.max(0) as u64;
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
        let mut group = stream.group_mut(group)?;
        let consumers = group.consumers().len();
        let swept = group.auto_claim(consumer, start, count, min_idle, just_id, now);
        let changes = (swept.claimed.len() + swept.deleted.len()) as u64;
        let outset = Claims { made: group.consumers().len() > consumers, claimed: swept.claimed, changes };
        Some((outset, swept.next, swept.deleted))
    })?;
    let Some((Some((outset, next, deleted)), _)) = swept else { return Err(no_group(key, group)) };
    outset.tell(ctx, key);
    ctx.reply.array(3);
    write_id(&mut ctx.reply, next);
    answer(ctx, key, &outset.claimed, just_id)?;
    ctx.reply.array(deleted.len());
    deleted.iter().for_each(|id| write_id(&mut ctx.reply, *id));
    Ok(())
}
