//! `CLIENT TRACKING` and its relatives.

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::parse;
use crate::tracking::TrackingOptions;

/// `CLIENT TRACKING ON | OFF [REDIRECT id] [PREFIX prefix …] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]`
pub(super) fn tracking(ctx: &mut Ctx<'_>) -> Outcome {
    let (options, prefixes) = parse_options(ctx)?;
    match ctx.arg(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            check(&options, &prefixes, ctx.client.tracking.as_ref())?;
            let mut options = options;
            if options.bcast && prefixes.is_empty() {
                options.prefixes.insert(Vec::new());
            }
            options.prefixes.extend(prefixes);
            ctx.server.start_tracking(ctx.client, options);
        }
        b"off" => ctx.server.stop_tracking(ctx.client),
        _ => return Err(Fault::SYNTAX),
    }
    ctx.reply.ok();
    Ok(())
}

fn parse_options(ctx: &Ctx<'_>) -> Result<(TrackingOptions, Vec<Vec<u8>>), Fault> {
    let mut options = TrackingOptions::default();
    let mut prefixes = Vec::new();
    let mut words = ctx.args.skip(3).into_iter();
    while let Some(word) = words.next() {
        match word.to_ascii_lowercase().as_slice() {
            b"redirect" => {
                let id = words.next().ok_or(Fault::SYNTAX)?;
                if options.redirect.is_some() {
                    return Err(Fault::new("ERR A client can only redirect to a single other client"));
                }
                let id = parse::int(id).ok_or(Fault::NOT_AN_INTEGER)? as u64;
                if !ctx.server.clients.contains(id) {
                    return Err(Fault::new("ERR The client ID you want redirect to does not exist"));
                }
                options.redirect = Some(id);
            }
            b"bcast" => options.bcast = true,
            b"optin" => options.optin = true,
            b"optout" => options.optout = true,
            b"noloop" => options.noloop = true,
            b"prefix" => prefixes.push(words.next().ok_or(Fault::SYNTAX)?.to_vec()),
            _ => return Err(Fault::SYNTAX),
        }
    }
    Ok((options, prefixes))
}

/// Whether the options go with each other and with those in force.
fn check(options: &TrackingOptions, prefixes: &[Vec<u8>], before: Option<&TrackingOptions>) -> Outcome {
    if !options.bcast && !prefixes.is_empty() {
        return Err(Fault::new("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    if before.is_some_and(|before| before.bcast != options.bcast) {
        return Err(Fault::new(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        ));
    }
    if options.bcast && (options.optin || options.optout) {
        return Err(Fault::new("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if options.optin && options.optout {
        return Err(Fault::new("ERR You can't specify both OPTIN mode and OPTOUT mode"));
    }
    if before.is_some_and(|before| (options.optin && before.optout) || (options.optout && before.optin)) {
        return Err(Fault::new(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        ));
    }
    for (at, prefix) in prefixes.iter().enumerate() {
        let overlaps = |other: &&Vec<u8>| other.starts_with(prefix) || prefix.starts_with(other);
        if let Some(other) = before.and_then(|before| before.prefixes.iter().find(overlaps)) {
            return Err(overlap(prefix, "an existing", other));
        }
        if let Some(other) = prefixes[at + 1..].iter().find(overlaps) {
            return Err(overlap(prefix, "another provided", other));
        }
    }
    Ok(())
}

fn overlap(prefix: &[u8], which: &str, other: &[u8]) -> Fault {
    const END: &str = "'. Prefixes for a single client must not overlap.";
    Fault::quoting(&[&"ERR Prefix '", &prefix, &"' overlaps with ", &which, &" prefix '", &other, &END])
}

/// `CLIENT CACHING YES | NO`
pub(super) fn caching(ctx: &mut Ctx<'_>) -> Outcome {
    let Some(options) = &mut ctx.client.tracking else {
        return Err(Fault::new(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    match ctx.args[2].to_ascii_lowercase().as_slice() {
        b"yes" if !options.optin => {
            return Err(Fault::new("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."));
        }
        b"no" if !options.optout => {
            return Err(Fault::new("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."));
        }
        b"yes" | b"no" => options.caching = true,
        _ => return Err(Fault::SYNTAX),
    }
    ctx.reply.ok();
    Ok(())
}

/// The client that invalidations are sent to: 0 for this one itself, -1 without tracking.
fn redirect(options: Option<&TrackingOptions>) -> i64 {
    options.map_or(-1, |options| options.redirect.unwrap_or(0) as i64)
}

/// `CLIENT GETREDIR`
pub(super) fn getredir(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.int(redirect(ctx.client.tracking.as_ref()));
    Ok(())
}

/// `CLIENT TRACKINGINFO`
pub(super) fn trackinginfo(ctx: &mut Ctx<'_>) -> Outcome {
    let options = ctx.client.tracking.as_ref();
    let has = |what: fn(&TrackingOptions) -> bool| options.is_some_and(what);
    let flags = [
        ("off", options.is_none()),
        ("on", options.is_some()),
        ("bcast", has(|options| options.bcast)),
        ("optin", has(|options| options.optin)),
        ("caching-yes", has(|options| options.optin && options.caching)),
        ("optout", has(|options| options.optout)),
        ("caching-no", has(|options| options.optout && options.caching)),
        ("noloop", has(|options| options.noloop)),
        ("broken_redirect", ctx.server.tracking.is_broken(ctx.client.id)),
    ];
    ctx.reply.map(3);
    ctx.reply.bulk(b"flags");
    ctx.reply.set(flags.iter().filter(|(_, is_set)| *is_set).count());
    for (flag, _) in flags.iter().filter(|(_, is_set)| *is_set) {
        ctx.reply.bulk(flag.as_bytes());
    }
    ctx.reply.bulk(b"redirect");
    ctx.reply.int(redirect(options));
    ctx.reply.bulk(b"prefixes");
    match options {
        None => ctx.reply.array(0),
        Some(options) => {
            ctx.reply.array(options.prefixes.len());
            options.prefixes.iter().for_each(|prefix| ctx.reply.bulk(prefix));
        }
    }
    Ok(())
}
