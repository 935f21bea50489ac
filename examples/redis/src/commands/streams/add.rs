//! XADD and XTRIM.

use xs_storage::keyspace::stream::{AppendError, AppendId, NodeLimits, Trim, TrimTo};
use xs_storage::keyspace::{Limits, Stream, StreamId};

use super::{INVALID_ID, id, write_id};
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;

const INCOMPATIBLE: Fault =
    Fault::new("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");

/// `[NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]]`.
#[derive(Default)]
struct Options {
    no_make: bool,
    trim: Option<Trim>,
    /// The identifier behind XADD's options, and the argument that it stands in.
    id: Option<AppendId>,
    end: usize,
}

fn node_limits(limits: &Limits) -> NodeLimits {
    NodeLimits { max_bytes: limits.stream_node_max_bytes, max_entries: limits.stream_node_max_entries }
}

impl Options {
    /// Reads options from argument 2 on. XADD's end at its identifier; XTRIM's at the end.
    fn parse(ctx: &Ctx<'_>, is_add: bool) -> Result<Options, Fault> {
        let mut options = Options::default();
        let (mut to, mut approximate, mut limit) = (None, false, None);
        let mut at = 2;
        while at < ctx.args.len() {
            let more = ctx.args.len() - at - 1;
            let word = ctx.arg(at);
            if is_add && word == b"*" {
                options.id = Some(AppendId::Auto);
                break;
            } else if more > 0 && (word.eq_ignore_ascii_case(b"maxlen") || word.eq_ignore_ascii_case(b"minid")) {
                if to.is_some() {
                    return Err(INCOMPATIBLE);
                }
                at += 1;
                if more >= 2 && matches!(ctx.arg(at), b"~" | b"=") {
                    approximate = ctx.arg(at) == b"~";
                    at += 1;
                }
                to = Some(match word.eq_ignore_ascii_case(b"maxlen") {
                    true => {
                        let most = u64::try_from(ctx.int(at)?).ok();
                        TrimTo::MaxLen(most.ok_or(Fault::new("ERR The MAXLEN argument must be >= 0."))?)
                    }
                    false => TrimTo::MinId(id(ctx.arg(at))?),
                });
            } else if more > 0 && word.eq_ignore_ascii_case(b"limit") {
                at += 1;
                let most = u64::try_from(ctx.int(at)?).ok();
                limit = Some(most.ok_or(Fault::new("ERR The LIMIT argument must be >= 0."))?);
            } else if is_add && word.eq_ignore_ascii_case(b"nomkstream") {
                options.no_make = true;
            } else if is_add {
                options.id = Some(AppendId::parse(word).ok_or(INVALID_ID)?);
                break;
            } else {
                return Err(Fault::SYNTAX);
            }
            at += 1;
        }
        if limit.is_some_and(|limit| limit > 0) && to.is_none() {
            return Err(Fault::new("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"));
        }
        if !is_add && to.is_none() {
            return Err(Fault::new("ERR syntax error, XTRIM must be called with a trimming strategy"));
        }
        if limit.is_some() && !approximate {
            return Err(Fault::new("ERR syntax error, LIMIT cannot be used without the special ~ option"));
        }
        options.trim = to.map(|to| match (approximate, limit) {
            (false, _) => Trim::exact(to),
            (true, None) => Trim::approximate(to, node_limits(ctx.db.limits)),
            // LIMIT 0 takes the bound off.
            (true, Some(0)) => Trim { to, approximate, limit: None },
            (true, limit) => Trim { to, approximate, limit },
        });
        options.end = at;
        Ok(options)
    }
}

pub(super) fn xadd(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    // The common form has no options: `XADD key * field value`.
    let options = match ctx.arg(2) {
        b"*" => Options { id: Some(AppendId::Auto), end: 2, ..Options::default() },
        _ => Options::parse(ctx, true)?,
    };
    let fields = ctx.args.skip(options.end + 1);
    let (Some(wanted), false) = (options.id, fields.is_empty() || !fields.len().is_multiple_of(2)) else {
        return Err(Fault::arity("xadd"));
    };
    if wanted == AppendId::Exact(StreamId::MIN) {
        return Err(Fault::because(format!("ERR {}", AppendError::Zero)));
    }
    if options.no_make && ctx.db.look::<Stream>(key)?.is_none() {
        ctx.reply.null();
        return Ok(());
    }
    let now = ctx.now;
    let added = ctx.db.edit_or_new(key, |stream: &mut Stream, limits| {
        let pairs = (0..fields.len() / 2).map(|at| (&fields[2 * at], &fields[2 * at + 1]));
        match stream.append(wanted, pairs, node_limits(limits), now) {
            Ok(id) => Ok((id, options.trim.map_or(0, |trim| stream.trim(trim)))),
            Err(error) => {
                let is_new = stream.last_id() == StreamId::MIN && stream.groups().len() == 0;
                Err((error, is_new))
            }
        }
    })?;
    let (id, trimmed) = match added {
        Ok(added) => added,
        Err((error, is_new)) => {
            if is_new {
                ctx.db.remove(key);
            }
            return Err(Fault::because(format!("ERR {error}")));
        }
    };
    write_id(&mut ctx.reply, id);
    ctx.touched(key, Class::STREAM, "xadd", 1);
    if trimmed > 0 {
        ctx.notify(Class::STREAM, "xtrim", key, ctx.db.index);
    }
    Ok(())
}

pub(super) fn xtrim(ctx: &mut Ctx<'_>) -> Outcome {
    let options = Options::parse(ctx, false)?;
    let key = ctx.arg(1);
    let trimmed = ctx.db.edit(key, |stream: &mut Stream, _| options.trim.map_or(0, |trim| stream.trim(trim)))?;
    let trimmed = trimmed.map_or(0, |(trimmed, _)| trimmed);
    if trimmed > 0 {
        ctx.touched(key, Class::STREAM, "xtrim", trimmed);
    }
    ctx.reply.int(trimmed as i64);
    Ok(())
}
