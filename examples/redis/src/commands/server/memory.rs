//! `MEMORY`.

use crate::command::Outcome;
use crate::commands::help as usage;
use crate::ctx::Ctx;
use crate::fault::Fault;

use super::info::machine;

pub(super) fn usage(ctx: &mut Ctx<'_>) -> Outcome {
    // The account is exact, so the number of samples only has to be a number.
    match ctx.args.len() {
        3 => {}
        5 if ctx.arg(3).eq_ignore_ascii_case(b"samples") => {
            if ctx.int(4)? < 0 {
                return Err(Fault::SYNTAX);
            }
        }
        _ => return Err(Fault::SYNTAX),
    }
    let key = ctx.arg(2);
    match ctx.db.keyspace.peek(ctx.db.index, key, ctx.now).is_some() {
        true => ctx.reply.int(ctx.db.keyspace.memory_usage(ctx.db.index, key).unwrap_or(0) as i64),
        false => ctx.reply.null(),
    }
    Ok(())
}

pub(super) fn stats(ctx: &mut Ctx<'_>) -> Outcome {
    let account = ctx.server.account(ctx.db.keyspace);
    let used = account.used();
    let resident = machine::resident().max(used);
    let databases: Vec<usize> = (0..ctx.db.keyspace.databases()).filter(|db| !ctx.db.keyspace.is_empty(*db)).collect();
    let keys: u64 = databases.iter().map(|db| ctx.db.keyspace.len(*db) as u64).sum();
    let numbers = [
        ("peak.allocated", account.peak),
        ("total.allocated", used),
        ("startup.allocated", account.startup),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", account.clients),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
        ("overhead.total", account.overhead),
        ("keys.count", keys),
        ("keys.bytes-per-key", (used - account.startup) / keys.max(1)),
        ("dataset.bytes", account.dataset),
    ];
    let ratio = resident as f64 / used.max(1) as f64;
    let excess = (resident - used) as i64;
    ctx.reply.map(numbers.len() + 5);
    for (name, number) in numbers {
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.int(number as i64);
    }
    for (name, number) in
        [("dataset.percentage", account.dataset_percent()), ("peak.percentage", account.peak_percent())]
    {
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.double(number);
    }
    ctx.reply.bulk(b"allocator.resident");
    ctx.reply.int(resident as i64);
    ctx.reply.bulk(b"fragmentation");
    ctx.reply.double(ratio);
    ctx.reply.bulk(b"fragmentation.bytes");
    ctx.reply.int(excess);
    Ok(())
}

pub(super) fn doctor(ctx: &mut Ctx<'_>) -> Outcome {
    let used = ctx.server.used_memory(ctx.db.keyspace);
    let resident = machine::resident();
    let limit = ctx.server.config.maxmemory;
    let mut findings = Vec::new();
    if used < 5 << 20 {
        findings.push("There is too little data to say anything about its memory.".to_owned());
    } else {
        if ctx.server.stats.peak_memory > used * 3 / 2 {
            findings.push(
                "Memory was half as much again at its peak; the allocator may not have given it back.".to_owned(),
            );
        }
        if resident > used * 3 / 2 {
            findings.push(format!("The process takes {:.1} times what the data takes.", resident as f64 / used as f64));
        }
        if limit > 0 && used > limit / 10 * 9 {
            findings.push("The data is within a tenth of maxmemory.".to_owned());
        }
        if findings.is_empty() {
            findings.push("Nothing to complain about.".to_owned());
        }
    }
    ctx.reply.verbatim(b"txt", findings.join("\n").as_bytes());
    Ok(())
}

pub(super) fn malloc_stats(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.bulk(b"Stats not supported for the current allocator");
    Ok(())
}

pub(super) fn purge(ctx: &mut Ctx<'_>) -> Outcome {
    // The allocator gives memory back by itself.
    ctx.reply.ok();
    Ok(())
}

pub(super) fn help(ctx: &mut Ctx<'_>) -> Outcome {
    usage::write(
        ctx,
        &[
            ("DOCTOR", "Say in words what is wrong with the memory."),
            ("MALLOC-STATS", "Answer what the allocator knows of itself."),
            ("PURGE", "Ask the allocator to give memory back."),
            ("STATS", "Answer what memory is used for."),
            ("USAGE <key> [SAMPLES <count>]", "Answer the bytes that a key and its value take."),
        ],
    );
    Ok(())
}
