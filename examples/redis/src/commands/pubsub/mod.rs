//! The pubsub commands.
//!
//! Confirmations of subscriptions are not replies: a command gives one for each of its channels, and they are heard also
//! where replies are turned off.

mod table;

use xs_proto::resp::Reply;

pub(crate) use table::TABLE;

use crate::client::ReplyMode;
use crate::command::Outcome;
use crate::commands::help;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::mail::Kind;
use xs_storage::glob;

/// `SUBSCRIBE channel [channel …]`
pub(super) fn subscribe(ctx: &mut Ctx<'_>) -> Outcome {
    subscribe_to(ctx, Kind::Channel)
}

/// `PSUBSCRIBE pattern [pattern …]`
pub(super) fn psubscribe(ctx: &mut Ctx<'_>) -> Outcome {
    subscribe_to(ctx, Kind::Pattern)
}

/// `SSUBSCRIBE channel [channel …]`
pub(super) fn ssubscribe(ctx: &mut Ctx<'_>) -> Outcome {
    if ctx.client.may_not_block {
        return Err(Fault::new("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    subscribe_to(ctx, Kind::Shard)
}

/// `UNSUBSCRIBE [channel …]`
pub(super) fn unsubscribe(ctx: &mut Ctx<'_>) -> Outcome {
    unsubscribe_from(ctx, Kind::Channel)
}

/// `PUNSUBSCRIBE [pattern …]`
pub(super) fn punsubscribe(ctx: &mut Ctx<'_>) -> Outcome {
    unsubscribe_from(ctx, Kind::Pattern)
}

/// `SUNSUBSCRIBE [channel …]`
pub(super) fn sunsubscribe(ctx: &mut Ctx<'_>) -> Outcome {
    unsubscribe_from(ctx, Kind::Shard)
}

fn subscribe_to(ctx: &mut Ctx<'_>, kind: Kind) -> Outcome {
    let word = ["subscribe", "psubscribe", "ssubscribe"][kind as usize];
    for name in ctx.args.skip(1) {
        let count = ctx.server.subscribe(ctx.client, kind, name);
        confirm(ctx, word, Some(name), count);
    }
    Ok(())
}

fn unsubscribe_from(ctx: &mut Ctx<'_>, kind: Kind) -> Outcome {
    let word = ["unsubscribe", "punsubscribe", "sunsubscribe"][kind as usize];
    let names = match ctx.args.len() {
        1 => ctx.client.subscribed(kind),
        _ => ctx.args.skip(1).iter().map(<[u8]>::to_vec).collect(),
    };
    for name in &names {
        let count = ctx.server.unsubscribe(ctx.client, kind, name);
        confirm(ctx, word, Some(name), count);
    }
    if names.is_empty() {
        let count = ctx.client.subscriptions_told(kind);
        confirm(ctx, word, None, count);
    }
    Ok(())
}

fn confirm(ctx: &mut Ctx<'_>, word: &str, name: Option<&[u8]>, count: usize) {
    let version = ctx.client.version;
    let mut heard = match ctx.client.reply_mode {
        ReplyMode::On => ctx.reply.reborrow(),
        _ => Reply::new(&mut ctx.client.heard, version),
    };
    heard.push(3);
    heard.bulk(word.as_bytes());
    match name {
        Some(name) => heard.bulk(name),
        None => heard.null(),
    }
    heard.int(count as i64);
}

/// `PUBLISH channel message`
pub(super) fn publish(ctx: &mut Ctx<'_>) -> Outcome {
    let sent = ctx.server.publish(ctx.arg(1), ctx.arg(2), false);
    ctx.reply.int(sent as i64);
    Ok(())
}

/// `SPUBLISH channel message`
pub(super) fn spublish(ctx: &mut Ctx<'_>) -> Outcome {
    let sent = ctx.server.publish(ctx.arg(1), ctx.arg(2), true);
    ctx.reply.int(sent as i64);
    Ok(())
}

/// `PUBSUB CHANNELS [pattern]`
pub(super) fn channels(ctx: &mut Ctx<'_>) -> Outcome {
    list(ctx, Kind::Channel)
}

/// `PUBSUB SHARDCHANNELS [pattern]`
pub(super) fn shard_channels(ctx: &mut Ctx<'_>) -> Outcome {
    list(ctx, Kind::Shard)
}

fn list(ctx: &mut Ctx<'_>, kind: Kind) -> Outcome {
    if ctx.args.len() > 3 {
        return Err(help::unknown(ctx));
    }
    let pattern = ctx.args.get(2);
    let mark = ctx.reply.begin();
    let mut count = 0;
    for name in ctx.server.pubsub.names(kind).filter(|name| pattern.is_none_or(|pattern| glob::matches(pattern, name)))
    {
        ctx.reply.bulk(name);
        count += 1;
    }
    ctx.reply.end_array(mark, count);
    Ok(())
}

/// `PUBSUB NUMSUB [channel …]`
pub(super) fn numsub(ctx: &mut Ctx<'_>) -> Outcome {
    count(ctx, Kind::Channel)
}

/// `PUBSUB SHARDNUMSUB [channel …]`
pub(super) fn shard_numsub(ctx: &mut Ctx<'_>) -> Outcome {
    count(ctx, Kind::Shard)
}

fn count(ctx: &mut Ctx<'_>, kind: Kind) -> Outcome {
    let names = ctx.args.skip(2);
    ctx.reply.array(2 * names.len());
    for name in names {
        ctx.reply.bulk(name);
        ctx.reply.int(ctx.server.pubsub.listeners(kind, name) as i64);
    }
    Ok(())
}

/// `PUBSUB NUMPAT`
pub(super) fn numpat(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.int(ctx.server.pubsub.len(Kind::Pattern) as i64);
    Ok(())
}

/// `PUBSUB HELP`
pub(super) fn help(ctx: &mut Ctx<'_>) -> Outcome {
    help::write(
        ctx,
        &[
            ("CHANNELS [<pattern>]", "List the channels that have subscribers, all of them or those that match."),
            ("NUMPAT", "Count the patterns that have subscribers."),
            ("NUMSUB [<channel> ...]", "Count the subscribers of each channel; those of patterns do not count."),
            ("SHARDCHANNELS [<pattern>]", "List the shard channels that have subscribers."),
            ("SHARDNUMSUB [<shardchannel> ...]", "Count the subscribers of each shard channel."),
        ],
    );
    Ok(())
}
