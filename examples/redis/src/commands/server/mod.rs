//! The server commands: what the server says of itself, and how it is told to change.

mod acl;
mod command;
mod config;
mod debug;
mod digest;
mod docs;
mod info;
mod latency;
mod memory;
mod slow;
mod table;

pub(crate) use table::TABLE;

use std::net::SocketAddr;
use std::time::SystemTime;

use crate::client::Client;
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;

/// Whether a client is on this machine.
/// Whether a client is on the same machine.
pub(crate) fn is_local(client: &Client) -> bool {
    // What has no address comes through a socket file or memory.
    client.addr.parse::<SocketAddr>().map_or(true, |addr| addr.ip().is_loopback())
}

fn dbsize(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.int(ctx.db.keyspace.len(ctx.db.index) as i64);
    Ok(())
}

fn flushdb(ctx: &mut Ctx<'_>) -> Outcome {
    flush(ctx, Some(ctx.db.index))
}

fn flushall(ctx: &mut Ctx<'_>) -> Outcome {
    flush(ctx, None)
}

fn flush(ctx: &mut Ctx<'_>, db: Option<usize>) -> Outcome {
    let is_async = match ctx.args.len() {
        1 => ctx.server.config.lazyfree.user_flush,
        2 if ctx.arg(1).eq_ignore_ascii_case(b"async") => true,
        2 if ctx.arg(1).eq_ignore_ascii_case(b"sync") => false,
        _ => return Err(Fault::SYNTAX),
    };
    let keys: usize = match db {
        Some(db) => ctx.db.keyspace.len(db),
        None => (0..ctx.db.keyspace.databases()).map(|db| ctx.db.keyspace.len(db)).sum(),
    };
    let garbage = ctx.db.keyspace.flush(db);
    if is_async {
        ctx.server.lazyfree.give(keys as u64, garbage);
    }
    ctx.server.stats.dirty += keys as u64;
    ctx.reply.ok();
    Ok(())
}

fn swapdb(ctx: &mut Ctx<'_>) -> Outcome {
    let number = |at: usize, error: &'static str| {
        let number = crate::parse::int(ctx.arg(at)).ok_or(Fault::new(error))?;
        i32::try_from(number).map_err(|_| Fault::new(error))
    };
    let first = number(1, "ERR invalid first DB index")?;
    let second = number(2, "ERR invalid second DB index")?;
    let databases = ctx.db.keyspace.databases();
    let within = |db: i32| usize::try_from(db).ok().filter(|db| *db < databases);
    let (Some(first), Some(second)) = (within(first), within(second)) else {
        return Err(Fault::new("ERR DB index is out of range"));
    };
    if first != second {
        ctx.db.keyspace.swap_dbs(first, second);
    }
    ctx.server.stats.dirty += 1;
    ctx.reply.ok();
    Ok(())
}

fn time(ctx: &mut Ctx<'_>) -> Outcome {
    let since = ctx.server.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    ctx.reply.array(2);
    ctx.reply.bulk_int(since.as_secs() as i64);
    ctx.reply.bulk_int(since.subsec_micros().into());
    Ok(())
}

/// `LASTSAVE`: like redis-server, which counts what it starts with as saved.
fn last_save(ctx: &mut Ctx<'_>) -> Outcome {
    let uptime = ctx.server.clock.now().saturating_duration_since(ctx.server.started);
    let started =
        ctx.server.clock.wall().checked_sub(uptime).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    ctx.reply.int(started.map_or(0, |since| since.as_secs() as i64));
    Ok(())
}

fn role(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.array(3);
    ctx.reply.bulk(b"master");
    ctx.reply.int(0);
    ctx.reply.array(0);
    Ok(())
}

fn shutdown(ctx: &mut Ctx<'_>) -> Outcome {
    let (mut saves, mut spares, mut hurries, mut aborts) = (false, false, false, false);
    for option in ctx.args.iter().skip(1) {
        match option.to_ascii_lowercase().as_slice() {
            b"save" => saves = true,
            b"nosave" => spares = true,
            b"now" | b"force" => hurries = true,
            b"abort" => aborts = true,
            _ => return Err(Fault::SYNTAX),
        }
    }
    if (saves && spares) || (aborts && (saves || spares || hurries)) {
        return Err(Fault::SYNTAX);
    }
    if aborts {
        return Err(Fault::new("ERR No shutdown in progress."));
    }
    if saves {
        return Err(Fault::new("ERR SHUTDOWN SAVE needs persistence, which this server doesn't have"));
    }
    ctx.server.shutdown = true;
    // No answer: the client sees its connection close.
    ctx.client.close = true;
    Ok(())
}

fn monitor(ctx: &mut Ctx<'_>) -> Outcome {
    if ctx.client.may_not_block {
        return Err(Fault::new("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    ctx.server.monitors.add(ctx.client.handle.clone());
    ctx.reply.ok();
    Ok(())
}

/// `MODULE LIST`: there are none.
fn no_modules(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.array(0);
    Ok(())
}

fn lolwut(ctx: &mut Ctx<'_>) -> Outcome {
    let mut sizes = [40_i64, 10];
    let mut at = 1;
    if ctx.arg(1).eq_ignore_ascii_case(b"version") && ctx.args.len() > 2 {
        ctx.int(2)?;
        at = 3;
    }
    for size in &mut sizes {
        if at < ctx.args.len() {
            // What is no number is no reason to withhold a picture.
            *size = ctx.int(at).unwrap_or(*size);
            at += 1;
        }
    }
    let [columns, rows] = sizes.map(|size| size.clamp(1, 160) as usize);
    let picture = picture(ctx, columns, rows);
    ctx.reply.verbatim(b"txt", picture.as_bytes());
    Ok(())
}

/// A maze of one line of code: every place is one of two diagonals.
fn picture(ctx: &mut Ctx<'_>, columns: usize, rows: usize) -> String {
    let mut text = String::new();
    for _ in 0..rows {
        text.extend((0..columns).map(|_| if ctx.server.rng.below(2) == 0 { '╱' } else { '╲' }));
        text.push('\n');
    }
    text.push_str("\nA maze of coin tosses. Redis ver. ");
    text.push_str(crate::VERSION);
    text.push('\n');
    text
}
