//! The transactions commands: queue calls, then run them all with nobody in between.

mod table;

use xs_proto::Out;
use xs_proto::resp::Reply;

pub(crate) use table::TABLE;

use crate::acl::Reason;
use crate::client::{Client, Transaction, Was, Watched};
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::dispatch;
use crate::fault::Fault;
use crate::state::{Server, State};

/// `MULTI`
pub(super) fn multi(ctx: &mut Ctx<'_>) -> Outcome {
    if ctx.client.multi.is_some() {
        return Err(Fault::new("ERR MULTI calls can not be nested"));
    }
    ctx.client.multi = Some(Transaction::default());
    ctx.reply.ok();
    Ok(())
}

/// `DISCARD`
pub(super) fn discard(ctx: &mut Ctx<'_>) -> Outcome {
    if ctx.client.multi.is_none() {
        return Err(Fault::new("ERR DISCARD without MULTI"));
    }
    end(ctx.server, ctx.client);
    ctx.reply.ok();
    Ok(())
}

/// `WATCH key [key …]`
pub(super) fn watch(ctx: &mut Ctx<'_>) -> Outcome {
    if ctx.client.multi.is_some() {
        return Err(Fault::new("ERR WATCH inside MULTI is not allowed"));
    }
    // When a watch is broken already, another one changes nothing.
    if !ctx.client.watch_broken {
        for key in ctx.args.skip(1) {
            watch_key(ctx, key);
        }
    }
    ctx.reply.ok();
    Ok(())
}

fn watch_key(ctx: &mut Ctx<'_>, key: &[u8]) {
    let db = ctx.db.index;
    if ctx.client.watched.iter().any(|watch| watch.db == db && watch.key == key) {
        return;
    }
    // Looking must not remove a key whose time is up: that would be a change, and break everybody's watches on it.
    let keyspace = &ctx.db.keyspace;
    let was = match (keyspace.contains(db, key, ctx.now), keyspace.contains(db, key, 0)) {
        (true, _) => Was::There,
        (false, true) => Was::Expired,
        (false, false) => Was::Missing,
    };
    ctx.server.watchers.add(db, key, ctx.client.id);
    ctx.client.watched.push(Watched { db, key: key.to_vec(), was });
}

/// `UNWATCH`
pub(super) fn unwatch(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.server.unwatch(ctx.client);
    ctx.reply.ok();
    Ok(())
}

/// `EXEC`
pub(super) fn exec(state: &mut State, client: &mut Client, out: &mut Out, now: u64) -> Outcome {
    let Some(multi) = &mut client.multi else {
        return Err(Fault::new("ERR EXEC without MULTI"));
    };
    let refused = multi.refused;
    let queue = std::mem::take(&mut multi.queue);
    let broken = client.watch_broken || watched_key_expired(state, client, now);
    if refused || broken {
        end(&mut state.server, client);
        if refused {
            return Err(Fault::EXEC_ABORTED);
        }
        Reply::new(out, client.version).null_array();
        return Ok(());
    }
    state.server.unwatch(client);
    client.may_not_block = true;
    Reply::new(out, client.version).array(queue.len());
    for (_, request) in &queue {
        let args = request.args();
        match dispatch::resolve(state, args) {
            Err(fault) => Reply::new(out, client.version).error(fault.text()),
            Ok(entry) => match client.user.clone().map_or(Ok(()), |user| user.check(entry.id, entry.spec, args)) {
                Ok(()) => dispatch::call(state, client, entry, args, out, now),
                Err(denied) => {
                    state.server.log_denied(client, entry, args, denied, now);
                    let fault = no_longer_allowed(denied.reason);
                    state.server.stats.count_error(&fault);
                    Reply::new(out, client.version).error(fault.text());
                }
            },
        }
    }
    client.may_not_block = false;
    end(&mut state.server, client);
    Ok(())
}

/// Rights are looked at when a command is queued and once more when it runs.
fn no_longer_allowed(reason: Reason) -> Fault {
    let reason = match reason {
        Reason::Command => "no permission to execute the command or subcommand",
        Reason::Key => "no permission to touch the specified keys",
        Reason::Channel => "no permission to access one of the channels used as arguments",
        Reason::Auth => "no permission",
    };
    Fault::because(format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is \
         no longer allowed for the following reason: {reason}"
    ))
}

/// A key whose time has run out since it was watched has changed, whether or not it has been removed.
fn watched_key_expired(state: &State, client: &Client, now: u64) -> bool {
    client.watched.iter().any(|watch| watch.was == Was::There && !state.keyspace.contains(watch.db, &watch.key, now))
}

/// Leaves the transaction, and with it the watches.
pub(crate) fn end(server: &mut Server, client: &mut Client) {
    client.multi = None;
    server.unwatch(client);
}

/// An EXEC that may not even begin ends its transaction; the error says why.
pub(crate) fn aborted(server: &mut Server, client: &mut Client, fault: &Fault) -> Fault {
    end(server, client);
    let reason = fault.text();
    let reason = reason.strip_prefix(b"ERR ").unwrap_or(reason);
    Fault::quoting(&[&"EXECABORT Transaction discarded because of: ", &reason])
}
