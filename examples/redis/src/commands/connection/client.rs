//! `CLIENT`: what a connection is called, what it hears, and what it does to others.

use xs_proto::Out;
use xs_proto::resp::Reply;

pub(super) use super::list::{info, kill, list};
pub(super) use super::tracking::{caching, getredir, tracking, trackinginfo};
use crate::blocked::Waits;
use crate::client::ReplyMode;
use crate::command::Outcome;
use crate::commands::help;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::parse;
use crate::state::Pause;

/// `CLIENT ID`
pub(super) fn id(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.int(ctx.client.id as i64);
    Ok(())
}

/// `CLIENT GETNAME`
pub(super) fn getname(ctx: &mut Ctx<'_>) -> Outcome {
    match ctx.client.name.as_slice() {
        b"" => ctx.reply.null(),
        name => ctx.reply.bulk(name),
    }
    Ok(())
}

/// `CLIENT SETNAME name`
pub(super) fn setname(ctx: &mut Ctx<'_>) -> Outcome {
    set_name(ctx, 2)?;
    ctx.reply.ok();
    Ok(())
}

/// Takes argument `at` as the connection's name; an empty one takes the name away.
pub(super) fn set_name(ctx: &mut Ctx<'_>, at: usize) -> Outcome {
    let name = ctx.arg(at);
    if !name.iter().all(u8::is_ascii_graphic) {
        return Err(Fault::new("ERR Client names cannot contain spaces, newlines or special characters."));
    }
    ctx.client.name = name.to_vec();
    Ok(())
}

/// `CLIENT REPLY ON | OFF | SKIP`
pub(super) fn reply(ctx: &mut Ctx<'_>) -> Outcome {
    match ctx.arg(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            ctx.client.reply_mode = ReplyMode::On;
            ctx.reply.ok();
        }
        b"off" => ctx.client.reply_mode = ReplyMode::Off,
        b"skip" if ctx.client.reply_mode == ReplyMode::Off => {}
        b"skip" => ctx.client.reply_mode = ReplyMode::SkipNext,
        _ => return Err(Fault::SYNTAX),
    }
    Ok(())
}

/// `CLIENT NO-EVICT ON | OFF`
pub(super) fn no_evict(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.client.no_evict = match ctx.arg(2).to_ascii_lowercase().as_slice() {
        b"on" => true,
        b"off" => false,
        _ => return Err(Fault::SYNTAX),
    };
    ctx.reply.ok();
    Ok(())
}

/// `CLIENT PAUSE timeout [WRITE | ALL]`
pub(super) fn pause(ctx: &mut Ctx<'_>) -> Outcome {
    let writes_only = match ctx.args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"all") => false,
        Some(b"write") => true,
        Some(_) => return Err(Fault::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    if ctx.args.len() > 4 {
        return Err(help::unknown(ctx));
    }
    let timeout = parse::int(ctx.arg(2)).ok_or(Fault::new("ERR timeout is not an integer or out of range"))?;
    let timeout = u64::try_from(timeout).map_err(|_| Fault::TIMEOUT_NEGATIVE)?;
    // An end beyond all times would lie in the past for Redis, whose numbers wrap: nothing is paused.
    let Some(until) = ctx.now.checked_add(timeout).filter(|&until| i64::try_from(until).is_ok()) else {
        ctx.reply.ok();
        return Ok(());
    };
    // A pause that goes on is made longer and stricter, never shorter.
    let pause = match ctx.server.pause.filter(|pause| pause.until > ctx.now) {
        Some(old) => Pause { until: until.max(old.until), writes_only: writes_only && old.writes_only },
        None => Pause { until, writes_only },
    };
    ctx.server.pause = Some(pause);
    ctx.reply.ok();
    Ok(())
}

/// `CLIENT UNPAUSE`
pub(super) fn unpause(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.server.pause = None;
    let held_back =
        |client: &&mut crate::client::Client| client.blocked.as_ref().is_some_and(|on| on.waits == Waits::Pause);
    // Whoever is woken finds what it was about to do still lying there, and does it.
    ctx.server.clients.iter_mut().filter(held_back).for_each(|client| client.served.set());
    ctx.reply.ok();
    Ok(())
}

/// `CLIENT UNBLOCK id [TIMEOUT | ERROR]`
pub(super) fn unblock(ctx: &mut Ctx<'_>) -> Outcome {
    let with_error = match ctx.args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"timeout") => false,
        Some(b"error") => true,
        Some(_) => return Err(Fault::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    if ctx.args.len() > 4 {
        return Err(help::unknown(ctx));
    }
    let id = ctx.int(2)? as u64;
    let waits = |on: &mut crate::blocked::BlockedOn| on.waits != Waits::Pause;
    let target = ctx.server.clients.get_mut(id);
    let Some((target, on)) = target.and_then(|target| target.blocked.take_if(waits).map(|on| (target, on))) else {
        ctx.reply.int(0);
        return Ok(());
    };
    let mut out = Out::new();
    let mut reply = Reply::new(&mut out, target.version);
    match with_error {
        true => reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        false => on.waits.timed_out(&mut reply),
    }
    if target.reply_mode != ReplyMode::On {
        out.clear();
    }
    let _ = target.handle.push(|queue| queue.append(&mut out));
    target.served.set();
    ctx.server.blocked.remove(&on);
    ctx.reply.int(1);
    Ok(())
}

/// `CLIENT HELP`
pub(super) fn help(ctx: &mut Ctx<'_>) -> Outcome {
    help::write(
        ctx,
        &[
            ("CACHING (YES|NO)", "Say whether the keys of the next command are tracked, in OPTIN or OPTOUT mode."),
            ("GETREDIR", "Get the ID of the client that invalidations are sent to."),
            ("GETNAME", "Get this connection's name."),
            ("ID", "Get this connection's ID."),
            ("INFO", "Describe this connection."),
            ("KILL <ip:port>", "Close the connection from this address."),
            (
                "KILL <option> <value> [<option> <value> [...]]",
                "Close the connections that fit: ID, ADDR, LADDR, TYPE, USER; SKIPME (YES|NO) spares this one or not.",
            ),
            ("LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <id> [...]]", "Describe the connections, one a line."),
            ("NO-EVICT (ON|OFF)", "Keep this connection when memory runs out."),
            ("PAUSE <timeout> [WRITE|ALL]", "Hold back all commands, or those that write, for <timeout> milliseconds."),
            ("REPLY (ON|OFF|SKIP)", "Say whether this connection's commands are answered."),
            ("SETNAME <name>", "Give this connection a name."),
            (
                "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
                "Be told, or not, when keys change that this connection may have cached.",
            ),
            ("TRACKINGINFO", "Describe what this connection is told about its keys."),
            ("UNBLOCK <clientid> [TIMEOUT|ERROR]", "End the wait of a client that is blocked by a command."),
            ("UNPAUSE", "End the pause."),
        ],
    );
    Ok(())
}
