//! Times to live: setting them, asking for them, taking them off.

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::expiry::moment;
use crate::fault::Fault;
use crate::parse;

pub(super) fn expire(ctx: &mut Ctx<'_>) -> Outcome {
    set(ctx, true, false)
}

pub(super) fn pexpire(ctx: &mut Ctx<'_>) -> Outcome {
    set(ctx, false, false)
}

pub(super) fn expireat(ctx: &mut Ctx<'_>) -> Outcome {
    set(ctx, true, true)
}

pub(super) fn pexpireat(ctx: &mut Ctx<'_>) -> Outcome {
    set(ctx, false, true)
}

/// On which present deadlines a new one is set.
#[derive(Default)]
struct Condition {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_earlier: bool,
}

impl Condition {
    fn parse(ctx: &Ctx<'_>) -> Result<Condition, Fault> {
        let mut condition = Condition::default();
        for word in ctx.args.skip(3) {
            match &word.to_ascii_lowercase()[..] {
                b"nx" => condition.if_none = true,
                b"xx" => condition.if_some = true,
                b"gt" => condition.if_later = true,
                b"lt" => condition.if_earlier = true,
                _ => {
                    return Err(Fault::quoting(&[&"ERR Unsupported option ", &word]));
                }
            }
        }
        let Condition { if_none, if_some, if_later, if_earlier } = condition;
        if if_none && (if_some || if_later || if_earlier) {
            return Err(Fault::new("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if if_later && if_earlier {
            return Err(Fault::new("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// A key without a deadline lives for ever: nothing is later than that, and everything is earlier.
    fn holds(&self, present: Option<u64>, wanted: i64) -> bool {
        let present = present.map(|at| i64::try_from(at).unwrap_or(i64::MAX));
        !(self.if_none && present.is_some()
            || self.if_some && present.is_none()
            || self.if_later && present.is_none_or(|present| wanted <= present)
            || self.if_earlier && present.is_some_and(|present| wanted >= present))
    }
}

fn set(ctx: &mut Ctx<'_>, seconds: bool, absolute: bool) -> Outcome {
    let key = ctx.arg(1);
    let condition = Condition::parse(ctx)?;
    let number = parse::int(ctx.arg(2)).ok_or(Fault::NOT_AN_INTEGER)?;
    let wanted = moment(number, seconds, absolute, ctx.now)
        .ok_or_else(|| Fault::because(format!("ERR invalid expire time in '{}' command", ctx.spec.name)))?;
    if !ctx.db.exists(key) || !condition.holds(ctx.db.expiry(key), wanted) {
        ctx.reply.int(0);
        return Ok(());
    }
    match u64::try_from(wanted) {
        Ok(at) if at > ctx.now => {
            ctx.db.set_expiry(key, Some(at));
            super::announce(ctx, key, "expire");
        }
        // The time is up already: that is a way of deleting, and is told as such.
        _ => {
            ctx.db.unlink(key, ctx.server.config.lazyfree.expire);
            super::announce(ctx, key, "del");
        }
    }
    ctx.reply.int(1);
    Ok(())
}

pub(super) fn persist(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    let persists = ctx.db.exists(key) && ctx.db.set_expiry(key, None);
    if persists {
        super::announce(ctx, key, "persist");
    }
    ctx.reply.int(i64::from(persists));
    Ok(())
}

pub(super) fn ttl(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, |at, now| round(at.saturating_sub(now)))
}

pub(super) fn pttl(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, |at, now| at.saturating_sub(now))
}

pub(super) fn expiretime(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, |at, _| round(at))
}

pub(super) fn pexpiretime(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, |at, _| at)
}

/// Milliseconds as the nearest number of seconds.
fn round(millis: u64) -> u64 {
    millis.saturating_add(500) / 1000
}

/// Answers what `show` makes of the deadline and the present time; -1 without a deadline, -2 without a key.
fn answer(ctx: &mut Ctx<'_>, show: impl Fn(u64, u64) -> u64) -> Outcome {
    let key = ctx.arg(1);
    let shown = match ctx.db.glance(key).is_some() {
        false => -2,
        true => ctx.db.expiry(key).map_or(-1, |at| show(at, ctx.now) as i64),
    };
    ctx.reply.int(shown);
    Ok(())
}
