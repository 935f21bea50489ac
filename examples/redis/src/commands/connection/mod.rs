//! The connection commands.

pub(super) mod client;
mod list;
mod table;
mod tracking;

use xs_proto::resp::{Reply, Version};

pub(crate) use list::info_line;
pub(crate) use table::TABLE;

use crate::client::ReplyMode;
use crate::command::Outcome;
use crate::commands::transactions;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::parse;

/// `PING [message]`
pub(super) fn ping(ctx: &mut Ctx<'_>) -> Outcome {
    if ctx.args.len() > 2 {
        return Err(Fault::arity("ping"));
    }
    let message = ctx.args.get(1);
    if !ctx.is_resp3() && ctx.client.subscriptions() > 0 {
        // Between messages, the answer must look like one.
        ctx.reply.array(2);
        ctx.reply.bulk(b"pong");
        ctx.reply.bulk(message.unwrap_or_default());
        return Ok(());
    }
    match message {
        Some(message) => ctx.reply.bulk(message),
        None => ctx.reply.simple("PONG"),
    }
    Ok(())
}

/// `ECHO message`
pub(super) fn echo(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.bulk(ctx.arg(1));
    Ok(())
}

/// `QUIT`
pub(super) fn quit(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.ok();
    ctx.client.close = true;
    Ok(())
}

/// `SELECT index`
pub(super) fn select(ctx: &mut Ctx<'_>) -> Outcome {
    let index = ctx.int(1)?;
    if i32::try_from(index).is_err() {
        return Err(Fault::new("ERR value is out of range, value must between -2147483648 and 2147483647"));
    }
    let index = usize::try_from(index).ok().filter(|&index| index < ctx.server.config.databases);
    ctx.client.db = index.ok_or(Fault::new("ERR DB index is out of range"))?;
    ctx.reply.ok();
    Ok(())
}

/// `RESET`
pub(super) fn reset(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.server.stop_tracking(ctx.client);
    transactions::end(ctx.server, ctx.client);
    ctx.server.unsubscribe_all(ctx.client);
    ctx.server.monitors.remove(ctx.client.id);
    let client = &mut *ctx.client;
    client.db = 0;
    client.version = Version::Resp2;
    client.user = ctx.server.acl.for_new_connection();
    client.name.clear();
    client.reply_mode = ReplyMode::On;
    ctx.reply.simple("RESET");
    Ok(())
}

/// `AUTH [username] password`
pub(super) fn auth(ctx: &mut Ctx<'_>) -> Outcome {
    let (name, password): (&[u8], _) = match ctx.args.len() {
        2 => (b"default", ctx.arg(1)),
        3 => (ctx.arg(1), ctx.arg(2)),
        _ => return Err(Fault::SYNTAX),
    };
    if ctx.args.len() == 2 && ctx.server.acl.get(name).is_some_and(|user| user.no_pass) {
        return Err(Fault::new(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        ));
    }
    ctx.server.authenticate(ctx.client, name, password, ctx.args, ctx.now)?;
    ctx.reply.ok();
    Ok(())
}

/// `HELLO [version [AUTH username password] [SETNAME name]]`
pub(super) fn hello(ctx: &mut Ctx<'_>) -> Outcome {
    let version = match ctx.args.get(1).map(parse::int) {
        None => None,
        Some(Some(2)) => Some(Version::Resp2),
        Some(Some(3)) => Some(Version::Resp3),
        Some(Some(_)) => return Err(Fault::new("NOPROTO unsupported protocol version")),
        Some(None) => return Err(Fault::new("ERR Protocol version is not an integer or out of range")),
    };
    let mut at = 2;
    while let Some(option) = ctx.args.get(at) {
        let left = ctx.args.len() - at - 1;
        if option.eq_ignore_ascii_case(b"auth") && left >= 2 {
            let (name, password) = (ctx.arg(at + 1), ctx.arg(at + 2));
            ctx.server.authenticate(ctx.client, name, password, ctx.args, ctx.now)?;
            at += 3;
        } else if option.eq_ignore_ascii_case(b"setname") && left >= 1 {
            client::set_name(ctx, at + 1)?;
            at += 2;
        } else {
            return Err(Fault::quoting(&[&"ERR Syntax error in HELLO option '", &option, &"'"]));
        }
    }
    if ctx.client.user.is_none() {
        return Err(Fault::new(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> \
             option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    ctx.client.version = version.unwrap_or(ctx.client.version);
    let (version, id) = (ctx.client.version, ctx.client.id);
    let mut reply = Reply::new(ctx.reply.out(), version);
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(crate::VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.int(if version == Version::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(id as i64);
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
    Ok(())
}
