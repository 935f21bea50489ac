//! `CONFIG`.

use std::path::Path;

use xs_os::descriptors;

use crate::cli::OWN_DESCRIPTORS;
use crate::command::Outcome;
use crate::commands::help as usage;
use crate::config;
use crate::ctx::Ctx;
use crate::fault::Fault;

pub(super) fn get(ctx: &mut Ctx<'_>) -> Outcome {
    let found = ctx.server.config.matching(ctx.args.iter().skip(2));
    ctx.reply.map(found.len());
    for (name, value) in &found {
        ctx.reply.bulk(name);
        ctx.reply.bulk(value);
    }
    Ok(())
}

pub(super) fn set(ctx: &mut Ctx<'_>) -> Outcome {
    if ctx.args.len() % 2 == 1 {
        return Err(Fault::SYNTAX);
    }
    let words: Vec<&[u8]> = ctx.args.iter().skip(2).collect();
    let pairs: Vec<(&[u8], &[u8])> = words.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let may_guarded = ctx.server.config.enable_protected_configs.allows(super::is_local(ctx.client));
    let new = ctx.server.config.with(&pairs, may_guarded)?;
    if new.maxclients > ctx.server.config.maxclients {
        let room = descriptors::room(new.maxclients, OWN_DESCRIPTORS);
        if room < new.maxclients {
            return Err(Fault::because(format!(
                "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to \
                 handle the specified number of clients, try with {room}"
            )));
        }
    }
    if let Err(error) = ctx.server.oom.adjust(&new) {
        tracing::warn!("Unable to write oom_score_adj: {}", config::reason(&error));
        let named = |pair: &&(&[u8], &[u8])| pair.0.to_ascii_lowercase().starts_with(b"oom-score-adj");
        let name = pairs.iter().find(named).map_or(&b"oom-score-adj"[..], |pair| pair.0);
        // What is in force is what was.
        let _ = ctx.server.oom.adjust(&ctx.server.config);
        return Err(Fault::quoting(&[
            &"ERR CONFIG SET failed (possibly related to argument '",
            &name,
            &"') - Failed to set current oom_score_adj. Check server logs.",
        ]));
    }
    config::apply(ctx.server, ctx.db.keyspace, ctx.client, new);
    ctx.reply.ok();
    Ok(())
}

pub(super) fn resetstat(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.server.stats.reset();
    ctx.server.lazyfree.reset();
    ctx.server.stats.expired_before = ctx.db.keyspace.expired();
    ctx.server.stats.evicted_before = ctx.db.keyspace.evicted();
    ctx.server.stats.rejected_before = ctx.server.limit.refused();
    (ctx.db.lookups.hits, ctx.db.lookups.misses) = (0, 0);
    ctx.reply.ok();
    Ok(())
}

pub(super) fn rewrite(ctx: &mut Ctx<'_>) -> Outcome {
    let Some(file) = &ctx.server.config.file else {
        return Err(Fault::new("ERR The server is running without a config file"));
    };
    config::rewrite(&ctx.server.config, &ctx.server.acl, Path::new(file))
        .map_err(|error| Fault::because(format!("ERR Rewriting config file: {}", config::reason(&error))))?;
    tracing::info!("CONFIG REWRITE executed with success.");
    ctx.reply.ok();
    Ok(())
}

pub(super) fn help(ctx: &mut Ctx<'_>) -> Outcome {
    usage::write(
        ctx,
        &[
            ("GET <pattern> [<pattern> ...]", "Answer the directives whose names match, with their values."),
            ("SET <directive> <value> [<directive> <value> ...]", "Change directives: all of them, or none."),
            ("RESETSTAT", "Set the counters of INFO to zero."),
            ("REWRITE", "Write the present values into the configuration file."),
        ],
    );
    Ok(())
}
