//! `LATENCY`.

use std::fmt::Write as _;

use crate::command::Outcome;
use crate::commands::help as usage;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::table::CommandId;

pub(super) fn latest(ctx: &mut Ctx<'_>) -> Outcome {
    let events = ctx.server.latency.iter();
    ctx.reply.array(events.len());
    for (name, event) in events {
        let (second, millis) = event.samples.last().copied().unwrap_or_default();
        ctx.reply.array(4);
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.int(second as i64);
        ctx.reply.int(millis as i64);
        ctx.reply.int(event.worst as i64);
    }
    Ok(())
}

pub(super) fn history(ctx: &mut Ctx<'_>) -> Outcome {
    let Some((_, event)) = ctx.server.latency.get(ctx.arg(2)) else {
        ctx.reply.array(0);
        return Ok(());
    };
    ctx.reply.array(event.samples.len());
    for (second, millis) in &event.samples {
        ctx.reply.array(2);
        ctx.reply.int(*second as i64);
        ctx.reply.int(*millis as i64);
    }
    Ok(())
}

pub(super) fn graph(ctx: &mut Ctx<'_>) -> Outcome {
    let Some((name, event)) = ctx.server.latency.get(ctx.arg(2)) else {
        return Err(Fault::quoting(&[&"ERR No samples available for event '", &ctx.arg(2), &"'"]));
    };
    ctx.reply.verbatim(b"txt", event.graph(name, ctx.now / 1000).as_bytes());
    Ok(())
}

pub(super) fn reset(ctx: &mut Ctx<'_>) -> Outcome {
    let latency = &mut ctx.server.latency;
    let count = match ctx.args.len() {
        2 => latency.reset(None),
        _ => ctx.args.iter().skip(2).map(|event| latency.reset(Some(event))).sum(),
    };
    ctx.reply.int(count as i64);
    Ok(())
}

pub(super) fn doctor(ctx: &mut Ctx<'_>) -> Outcome {
    let threshold = ctx.server.config.latency_threshold.as_millis();
    let mut text = String::new();
    if threshold == 0 {
        text.push_str("Latency is not being watched. CONFIG SET latency-monitor-threshold <milliseconds> starts it.");
    } else if ctx.server.latency.iter().len() == 0 {
        let _ = write!(text, "Nothing has taken {threshold} ms or longer so far.");
    }
    for (name, event) in ctx.server.latency.iter() {
        let count = event.samples.len() as u64;
        let mean = event.samples.iter().map(|(_, millis)| millis).sum::<u64>() / count.max(1);
        let _ =
            writeln!(text, "{name}: {count} seconds with a spike, {mean} ms on average, {} ms at worst.", event.worst);
        let _ = match name {
            "command" => writeln!(
                text,
                "  A command took long: SLOWLOG GET shows which, if slowlog-log-slower-than is low enough."
            ),
            _ => writeln!(text, "  A command that should be quick took long: look for a busy machine or for swapping."),
        };
    }
    ctx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

pub(super) fn histogram(ctx: &mut Ctx<'_>) -> Outcome {
    let table = ctx.server.table;
    let mut ids: Vec<CommandId> = Vec::new();
    if ctx.args.len() == 2 {
        ids.extend(0..table.rows().len() as CommandId);
    }
    for name in ctx.args.iter().skip(2) {
        let Some(entry) = super::command::lookup(ctx.server, name) else { continue };
        ids.push(entry.id);
        // A container's subcommands follow it in the table.
        ids.extend((1..=entry.spec.sub.len() as CommandId).map(|at| entry.id + at));
    }
    let stats = &ctx.server.stats.by_command;
    let found: Vec<_> = ids
        .into_iter()
        .filter_map(|id| Some((table.full_name(id), stats.get(usize::from(id))?.latency.as_deref()?)))
        .collect();
    ctx.reply.map(found.len());
    for (name, histogram) in found {
        let doublings = histogram.doublings();
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.map(2);
        ctx.reply.bulk(b"calls");
        ctx.reply.int(histogram.total() as i64);
        ctx.reply.bulk(b"histogram_usec");
        ctx.reply.map(doublings.len());
        for (micros, count) in doublings {
            ctx.reply.int(micros as i64);
            ctx.reply.int(count as i64);
        }
    }
    Ok(())
}

pub(super) fn help(ctx: &mut Ctx<'_>) -> Outcome {
    usage::write(
        ctx,
        &[
            ("DOCTOR", "Say in words what took long."),
            ("GRAPH <event>", "Draw the event's last spikes."),
            ("HISTOGRAM [<command> ...]", "Answer how long the calls of commands took, in powers of two."),
            ("HISTORY <event>", "Answer the event's spikes: Unix time and milliseconds."),
            ("LATEST", "Answer the last and the worst spike of every event."),
            ("RESET [<event> ...]", "Forget some events, or all."),
        ],
    );
    Ok(())
}
