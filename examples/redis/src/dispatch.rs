//! From an argument vector to a reply: the checks that every command passes, in Redis' order, and the call itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use xs_proto::out::Out;
use xs_proto::resp::{Args, Reply, Version};
use xs_storage::keyspace::ChangeKind;

use crate::blocked::{BlockedOn, Waits};
use crate::client::{Client, ReplyMode, Was};
use crate::command::{Flags, Group, Run};
use crate::commands::{later, transactions};
use crate::ctx::Ctx;
use crate::db::Db;
use crate::events;
use crate::eviction::{Room, make_room};
use crate::fault::{Fault, start_of};
use crate::notify::Class;
use crate::service::unix_ms;
use crate::state::State;
use crate::table::Entry;

/// Runs one command of `client` and writes its reply.
///
/// A command that must wait leaves [`Client::blocked`] set and writes nothing.
#[inline]
pub(crate) fn execute(state: &mut State, client: &mut Client, args: Args<'_>, out: &mut Out, now: u64) {
    if client.reply_mode == ReplyMode::On {
        return admit(state, client, args, out, now);
    }
    // The command runs all the same; its reply, and nothing else, is left out.
    if client.reply_mode == ReplyMode::SkipNext {
        client.reply_mode = ReplyMode::Skipping;
    }
    let mut unheard = Out::new();
    admit(state, client, args, &mut unheard, now);
    match client.reply_mode {
        ReplyMode::On => out.append(&mut unheard), // CLIENT REPLY ON: its own answer is heard
        ReplyMode::Skipping => client.reply_mode = ReplyMode::On,
        ReplyMode::Off | ReplyMode::SkipNext => {}
    }
    out.append(&mut client.heard);
}

fn admit(state: &mut State, client: &mut Client, args: Args<'_>, out: &mut Out, now: u64) {
    if state.server.tracking.is_active() {
        state.server.bound_tracking(Some(client));
        let end = out.len();
        state.server.mail.deliver(client, out, end);
    }
    match check(state, client, args, now) {
        Ok(Admitted::Call(entry)) => call(state, client, entry, args, out, now),
        Ok(Admitted::Queue(entry)) => {
            if let Some(multi) = &mut client.multi {
                // What will not run need not be kept.
                if !multi.refused && !client.watch_broken {
                    multi.push(entry.spec, args);
                }
            }
            Reply::new(out, client.version).simple("QUEUED");
        }
        Ok(Admitted::Pause(until)) => {
            let on = BlockedOn {
                db: client.db,
                keys: Vec::new(),
                request: args.to_owned(),
                deadline: Some(until),
                waits: Waits::Pause,
                ticket: 0,
            };
            client.blocked = Some(on);
        }
        // Not even what was asked before it is answered.
        Err(_) if is_from_a_browser(args) => {
            out.clear();
            client.close = true;
        }
        Err(fault) => {
            if let Some(multi) = &mut client.multi {
                multi.refused = true;
            }
            let entry = args.get(0).and_then(|name| state.server.find(name));
            let is_exec = entry.is_some_and(|entry| entry.spec.name == "exec");
            let fault = if is_exec { transactions::aborted(&mut state.server, client, &fault) } else { fault };
            state.server.stats.count_error(&fault);
            Reply::new(out, client.version).error(fault.text());
            // Keys may have been evicted before the command was refused.
            after(state, client, now);
        }
    }
}

/// A web page that makes a browser post to this port must not have the lines of its body carried out.
fn is_from_a_browser(args: Args<'_>) -> bool {
    args.get(0).is_some_and(|name| name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:"))
}

enum Admitted {
    Call(Entry),
    Queue(Entry),
    /// Until this moment, in Unix milliseconds.
    Pause(u64),
}

/// The row that a call means: the subcommand's where there is one.
pub(crate) fn resolve(state: &State, args: Args<'_>) -> Result<Entry, Fault> {
    let name = args.get(0).unwrap_or_default();
    let entry = state.server.find(name).ok_or_else(|| unknown_command(args))?;
    if entry.spec.sub.is_empty() || args.len() < 2 {
        return Ok(entry);
    }
    let sub = args.get(1).unwrap_or_default();
    state.server.table.find_sub(entry, sub).ok_or_else(|| {
        let name = name.to_ascii_uppercase();
        Fault::quoting(&[&"ERR unknown subcommand '", &start_of(sub), &"'. Try ", &name, &" HELP."])
    })
}

fn unknown_command(args: Args<'_>) -> Fault {
    // The arguments are shown as far as they fit into so many bytes.
    const SHOWN: usize = 128;
    let mut shown = Vec::new();
    for arg in args.iter().skip(1) {
        let Some(left) = SHOWN.checked_sub(shown.len()).filter(|left| *left > 0) else { break };
        shown.extend_from_slice(Fault::quoting(&[&"'", &&arg[..arg.len().min(left)], &"' "]).text());
    }
    let name = start_of(args.get(0).unwrap_or_default());
    Fault::quoting(&[&"ERR unknown command '", &name, &"', with args beginning with: ", &shown])
}

fn check(state: &mut State, client: &mut Client, args: Args<'_>, now: u64) -> Result<Admitted, Fault> {
    client.last_command = None;
    let entry = resolve(state, args)?;
    client.last_command = Some(state.server.table.full_name(entry.id));
    let spec = entry.spec;
    if !spec.takes(args.len()) || (matches!(spec.run, Run::Container) && args.len() < 2) {
        return Err(Fault::arity(state.server.table.full_name(entry.id)));
    }
    let Some(user) = &client.user else {
        if spec.flags.has(Flags::NO_AUTH) {
            return Ok(Admitted::Call(entry));
        }
        return Err(Fault::new("NOAUTH Authentication required."));
    };
    if client.multi.is_some() && spec.flags.has(Flags::NO_MULTI) {
        return Err(Fault::new("ERR Command not allowed inside a transaction"));
    }
    if let Err(denied) = user.check(entry.id, spec, args) {
        state.server.stats.by_command[usize::from(entry.id)].rejected += 1;
        state.server.log_denied(client, entry, args, denied, now);
        return Err(denied.fault(entry));
    }
    let is_paused = state.server.pause.is_some_and(|pause| pause.until > now);
    if state.server.config.maxmemory > 0 && !is_paused {
        let room = make_room(state, now);
        // What was evicted is told before the reply, which already comes from a server without it.
        if state.keyspace.has_changes() {
            spread_changes(state, Some(client));
            state.server.mail.hurry(client.id);
        }
        if room == Room::None && uses_memory(client, entry) {
            return Err(Fault::OUT_OF_MEMORY);
        }
    }
    if client.version == Version::Resp2 && client.subscriptions() > 0 && !runs_while_subscribed(spec.name, entry) {
        let name = state.server.table.full_name(entry.id);
        return Err(Fault::because(format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        )));
    }
    if let Some(pause) = state.server.pause {
        if pause.until <= now {
            state.server.pause = None;
        } else if !pause.writes_only || writes(client, entry) {
            return Ok(Admitted::Pause(pause.until));
        }
    }
    if client.multi.is_some() && !runs_inside_multi(spec.name) {
        return Ok(Admitted::Queue(entry));
    }
    Ok(Admitted::Call(entry))
}

/// Whether the command does anything that `flags` say; EXEC does what its commands do.
fn does(client: &Client, entry: Entry, flags: Flags) -> bool {
    let queued = || client.multi.iter().flat_map(|multi| &multi.queue);
    entry.spec.flags.any(flags) || (entry.spec.name == "exec" && queued().any(|(spec, _)| spec.flags.any(flags)))
}

/// What a pause of writes holds back.
fn writes(client: &Client, entry: Entry) -> bool {
    does(client, entry, Flags::WRITE.or(Flags::MAY_REPLICATE))
}

/// What must not run when the memory is full: also whatever would be queued, for a queue takes memory too.
fn uses_memory(client: &Client, entry: Entry) -> bool {
    let is_queued = client.multi.is_some() && !matches!(entry.spec.name, "exec" | "discard" | "quit" | "reset");
    is_queued || does(client, entry, Flags::DENYOOM)
}

fn runs_while_subscribed(name: &str, entry: Entry) -> bool {
    entry.spec.group == crate::command::Group::Pubsub && name.ends_with("subscribe")
        || matches!(name, "ping" | "quit" | "reset")
}

fn runs_inside_multi(name: &str) -> bool {
    matches!(name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}

/// Calls the command's code, writes its error if it fails, and keeps the statistics.
pub(crate) fn call(state: &mut State, client: &mut Client, entry: Entry, args: Args<'_>, out: &mut Out, now: u64) {
    client.commands += 1;
    let start = out.len();
    let result = run(state, client, entry, args, out, now);
    // Behind the command, so that EXEC is told behind what it runs.
    if !state.server.monitors.is_empty() {
        state.server.feed_monitors(client, entry, args);
    }
    let stat = &mut state.server.stats.by_command[usize::from(entry.id)];
    stat.calls += 1;
    let tick = state.server.clock.now();
    let took = tick.saturating_duration_since(state.server.tick);
    state.server.tick = tick;
    stat.nanos += took.as_nanos() as u64;
    if state.server.stats.latency_tracking {
        stat.latency.get_or_insert_default().add(took);
    }
    state.server.stats.commands += 1;
    if let Err(fault) = result {
        stat.failed += 1;
        state.server.stats.count_error(&fault);
        Reply::new(out, client.version).error(fault.text());
    }
    // A command that waits is looked at when it is served.
    if took >= state.server.slow_after && client.blocked.is_none() {
        state.server.slow_command(client, entry, args, took, now);
    }
    if std::mem::take(&mut state.server.limits_changed) {
        let seed = state.limits.hash_seed;
        state.limits = xs_storage::keyspace::Limits { hash_seed: seed, ..state.server.config.limits.clone() };
    }
    after(state, client, now);
    if client.tracking.is_some() {
        state.server.after_tracked(client, entry, args);
    }
    if !state.server.mail.is_empty() {
        state.server.mail.deliver(client, out, start);
    }
}

#[inline]
fn run(
    state: &mut State,
    client: &mut Client,
    entry: Entry,
    args: Args<'_>,
    out: &mut Out,
    now: u64,
) -> Result<(), Fault> {
    let handler = match entry.spec.run {
        Run::Now(handler) => handler,
        Run::Outer(handler) => return handler(state, client, out, now),
        Run::Container => return Err(Fault::arity(entry.spec.name)),
        Run::Later(_) => later::answer,
    };
    let version = client.version;
    state.lookups.untold.wants_misses = state.server.config.notify.any(Class::KEY_MISS);
    // While clients are paused, nothing disappears by itself.
    state.keyspace.keep_expired(state.server.pause.is_some_and(|pause| pause.until > now));
    let mut ctx = Ctx {
        db: Db {
            keyspace: &mut state.keyspace,
            limits: &state.limits,
            index: client.db,
            now,
            lookups: &mut state.lookups,
            sets_aside: state.server.config.lazyfree.server_del,
        },
        server: &mut state.server,
        client,
        spec: entry.spec,
        args,
        reply: Reply::new(out, version),
        now,
    };
    handler(&mut ctx)
}

/// What follows from the changes that a command made: broken watches, invalidations, events, waiting clients served.
#[inline]
fn after(state: &mut State, client: &mut Client, now: u64) {
    if state.keyspace.has_changes() || state.lookups.untold.wants_misses {
        spread_changes(state, Some(client));
    }
    // Inside EXEC the waiting clients are served when the whole transaction is over.
    if !state.server.blocked.is_empty() && !client.may_not_block {
        serve_blocked(state, Some(client), now);
    }
    state.keyspace.record_changes(state.server.wants_changes());
    drop_aside(state);
}

/// Leaves the large values that were set aside to the background.
#[inline]
pub(crate) fn drop_aside(state: &mut State) {
    if state.keyspace.has_garbage() {
        let garbage = state.keyspace.garbage();
        state.server.lazyfree.give(garbage.len() as u64, garbage);
    }
}

/// Tells watchers, trackers and waiting clients what changed. `client` is the one whose command runs, if any.
pub(crate) fn spread_changes(state: &mut State, mut client: Option<&mut Client>) {
    events::tell(&mut state.server, &state.keyspace, &mut state.lookups.untold);
    let mut flushed = false;
    for change in state.keyspace.changes().collect::<Vec<_>>() {
        let db = change.db;
        if matches!(change.kind, ChangeKind::Flushed | ChangeKind::Swapped(_)) {
            break_all_watches(state, client.as_deref_mut(), db);
            state.server.blocked.changed_all(db);
            flushed |= change.kind == ChangeKind::Flushed;
            continue;
        }
        let expired = change.kind == ChangeKind::Expired;
        break_watches(state, client.as_deref_mut(), db, &change.key, |was| was != Was::Expired || !expired);
        state.server.blocked.changed(db, &change.key);
        state.server.invalidate(client.as_deref(), &change.key);
    }
    if flushed {
        state.server.invalidate_all(client.as_deref());
    }
}

/// Breaks the watches on a key that changed, if the change matters for what the key was when it was watched.
fn break_watches(
    state: &mut State,
    mut current: Option<&mut Client>,
    db: usize,
    key: &[u8],
    matters: impl Fn(Was) -> bool,
) {
    if state.server.watchers.is_empty() {
        return;
    }
    for id in state.server.watchers.of(db, key) {
        let is_current = current.as_ref().is_some_and(|client| client.id == id);
        let watcher = if is_current { current.as_deref_mut() } else { state.server.clients.get_mut(id) };
        let Some(watcher) = watcher else { continue };
        let Some(watch) = watcher.watched.iter_mut().find(|watch| watch.db == db && watch.key == key) else { continue };
        watcher.watch_broken |= matters(watch.was);
        watch.was = Was::Missing;
    }
}

/// Breaks the watches on the keys of a database that was emptied or has changed places, where there was such a key or is
/// one now.
fn break_all_watches(state: &mut State, mut current: Option<&mut Client>, db: usize) {
    for key in state.server.watchers.keys(db) {
        let now = unix_ms(state.server.clock.wall());
        let is_there = state.keyspace.contains(db, &key, now);
        let is_expired = !is_there && state.keyspace.contains(db, &key, 0);
        break_watches(state, current.as_deref_mut(), db, &key, |was| was == Was::There || is_there);
        if is_expired {
            note_expired(state, current.as_deref_mut(), db, &key);
        }
    }
}

/// Notes for those who watch `key` that it is a key whose time is up.
fn note_expired(state: &mut State, current: Option<&mut Client>, db: usize, key: &[u8]) {
    let ids = state.server.watchers.of(db, key);
    for watcher in state.server.clients.iter_mut().chain(current).filter(|client| ids.contains(&client.id)) {
        for watch in watcher.watched.iter_mut().filter(|watch| watch.db == db && watch.key == key) {
            watch.was = Was::Expired;
        }
    }
}

/// Runs the commands of clients that wait for keys that have changed.
pub(crate) fn serve_blocked(state: &mut State, mut current: Option<&mut Client>, now: u64) {
    while let Some(place) = state.server.blocked.next_ready() {
        let was_there = state.keyspace.contains(place.0, &place.1, now);
        let mut ticket = 0;
        while let Some((next, id)) = state.server.blocked.next_after(&place, ticket) {
            ticket = next;
            let Some(mut client) = state.server.clients.take(id) else { continue };
            if let Some(on) = client.blocked.take() {
                client.woken_by = Some(place.1.clone());
                // It runs in the turn of whoever changed the key, who must not suffer for it.
                let served = catch_unwind(AssertUnwindSafe(|| retry(state, &mut client, &on, now)));
                client.woken_by = None;
                if !matches!(served, Ok(false)) {
                    state.server.blocked.remove(&on);
                } else {
                    client.blocked = Some(on);
                }
                if served.is_err() {
                    tracing::error!(client = client.id, "the command of a waiting client panicked");
                    state.server.dismiss(client);
                    continue;
                }
            }
            state.server.clients.put_back(client);
            spread_changes(state, current.as_deref_mut());
            // Nothing is left for those behind. (A key that was gone from the start is news for all of them.)
            if was_there && !state.keyspace.contains(place.0, &place.1, now) {
                break;
            }
        }
    }
}

/// Runs a waiting client's command again. Whatever it cannot do yet, it goes on waiting for: false.
fn retry(state: &mut State, client: &mut Client, on: &BlockedOn, now: u64) -> bool {
    let Ok(entry) = resolve(state, on.request.args()) else { return false };
    let mut out = Out::new();
    let start = state.server.clock.now();
    let result = run(state, client, entry, on.request.args(), &mut out, now);
    let served = match result {
        Ok(()) => client.blocked.is_none(),
        // The group that it reads with is gone, or there is nowhere to move the element to: that ends the wait. A key of
        // another type doesn't, if it is what the client waits for.
        Err(fault)
            if matches!(fault.code(), "NOGROUP" | "UNBLOCKED")
                || is_about_another_key(state, &fault, &entry, on, now) =>
        {
            state.server.stats.by_command[usize::from(entry.id)].failed += 1;
            state.server.stats.count_error(&fault);
            Reply::new(&mut out, client.version).error(fault.text());
            true
        }
        Err(_) => false,
    };
    if served {
        let took = state.server.clock.now().duration_since(start);
        state.server.stats.by_command[usize::from(entry.id)].nanos += took.as_nanos() as u64;
        if took >= state.server.slow_after {
            state.server.slow_command(client, entry, on.request.args(), took, now);
        }
        state.server.mail.deliver(client, &mut out, 0);
        if client.reply_mode != ReplyMode::On {
            out.clear();
            out.append(&mut client.heard);
        }
        // Through the queue, so that what is told next (an invalidation, say) comes behind the reply.
        state.server.note_queued(out.len());
        let _ = client.handle.push(|queue| queue.append(&mut out));
        client.served.set();
    }
    served
}

/// Whether a wrong type is that of a key that the client doesn't wait for.
fn is_about_another_key(state: &State, fault: &Fault, entry: &Entry, on: &BlockedOn, now: u64) -> bool {
    let wanted = match entry.spec.group {
        Group::SortedSet => "zset",
        group => group.name(),
    };
    let fits = |key: &Vec<u8>| state.keyspace.peek(on.db, key, now).is_none_or(|value| value.type_name() == wanted);
    *fault == Fault::WRONG_TYPE && on.keys.iter().all(fits)
}
