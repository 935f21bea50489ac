//! `COMMAND`: the command table, told to clients. Only commands that this server carries out are in it.

use xs_proto::resp::Reply;

use crate::command::{Begin, Cat, Find, KeyFlags, KeySpec, Outcome, Spec};
use crate::commands::help as usage;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::state::Server;
use crate::table::{Entry, Table};
use xs_storage::glob;

/// The command or subcommand (`client|list`) that clients call so.
pub(super) fn lookup(server: &Server, name: &[u8]) -> Option<Entry> {
    let mut parts = name.splitn(2, |byte| *byte == b'|');
    let entry = server.find(parts.next()?)?;
    match parts.next() {
        None => Some(entry),
        Some(sub) => server.table.find_sub(entry, sub),
    }
}

/// Every command that is carried out and can be called, by whatever name.
pub(super) fn supported(server: &Server) -> impl Iterator<Item = Entry> {
    let (table, names) = (server.table, &server.names);
    table.commands().filter(|entry| entry.spec.is_supported() && names.knows(table, entry.id))
}

/// `COMMAND` itself, which is `COMMAND INFO` of everything.
pub(super) fn all(ctx: &mut Ctx<'_>) -> Outcome {
    let table = ctx.server.table;
    ctx.reply.array(supported(ctx.server).count());
    supported(ctx.server).for_each(|entry| write_info(&mut ctx.reply, table, entry));
    Ok(())
}

pub(super) fn count(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.int(supported(ctx.server).count() as i64);
    Ok(())
}

pub(super) fn info(ctx: &mut Ctx<'_>) -> Outcome {
    if ctx.args.len() == 2 {
        return all(ctx);
    }
    let table = ctx.server.table;
    ctx.reply.array(ctx.args.len() - 2);
    for name in ctx.args.iter().skip(2) {
        match lookup(ctx.server, name).filter(|entry| entry.spec.is_supported()) {
            Some(entry) => write_info(&mut ctx.reply, table, entry),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

/// One command in the ten fields that clients know.
fn write_info(reply: &mut Reply<'_>, table: &Table, entry: Entry) {
    let spec = entry.spec;
    reply.array(10);
    reply.bulk(table.full_name(entry.id).as_bytes());
    reply.int(spec.arity.into());
    // Redis keeps this flag to itself.
    statuses(reply, spec.flags.names().filter(|name| *name != "may_replicate"));
    reply.int(spec.legacy.0.into());
    reply.int(spec.legacy.1.into());
    reply.int(spec.legacy.2.into());
    let categories: Vec<String> = spec.categories.names().map(|name| format!("@{name}")).collect();
    statuses(reply, categories.iter().map(String::as_str));
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(spec.keys.len());
    spec.keys.iter().for_each(|keys| write_keys(reply, keys));
    let subcommands: Vec<Entry> = subcommands(entry).collect();
    reply.set(subcommands.len());
    subcommands.into_iter().for_each(|sub| write_info(reply, table, sub));
}

pub(super) fn subcommands(entry: Entry) -> impl Iterator<Item = Entry> {
    let numbered = (entry.id + 1..).zip(entry.spec.sub);
    numbered.map(|(id, spec)| Entry { id, spec }).filter(|sub| sub.spec.is_supported())
}

/// A set of short words, which are statuses and not strings.
pub(super) fn statuses<'n>(reply: &mut Reply<'_>, names: impl Iterator<Item = &'n str>) {
    let names: Vec<&str> = names.collect();
    reply.set(names.len());
    names.into_iter().for_each(|name| reply.simple(name));
}

fn write_keys(reply: &mut Reply<'_>, keys: &KeySpec) {
    reply.map(3 + usize::from(!keys.note.is_empty()));
    if !keys.note.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(keys.note.as_bytes());
    }
    reply.bulk(b"flags");
    statuses(reply, keys.flags.names());
    reply.bulk(b"begin_search");
    match keys.begin {
        Begin::Index(index) => typed(reply, "index", &[("index", index)]),
        Begin::Keyword(word, from) => {
            reply.map(2);
            reply.bulk(b"type");
            reply.bulk(b"keyword");
            reply.bulk(b"spec");
            reply.map(2);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.int(from.into());
        }
        Begin::Unknown => typed(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match keys.find {
        Find::Range { last, step, limit } => {
            typed(reply, "range", &[("lastkey", last), ("keystep", step), ("limit", limit)]);
        }
        Find::KeyNum { index, first, step } => {
            typed(reply, "keynum", &[("keynumidx", index), ("firstkey", first), ("keystep", step)]);
        }
        Find::Unknown => typed(reply, "unknown", &[]),
    }
}

fn typed(reply: &mut Reply<'_>, kind: &str, numbers: &[(&str, i32)]) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(numbers.len());
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.int((*number).into());
    }
}

pub(super) fn list(ctx: &mut Ctx<'_>) -> Outcome {
    let table = ctx.server.table;
    let filter = match ctx.args.len() {
        2 => None,
        5 if ctx.arg(2).eq_ignore_ascii_case(b"filterby") => Some((ctx.arg(3).to_ascii_lowercase(), ctx.arg(4))),
        _ => return Err(Fault::SYNTAX),
    };
    let rows = (0..).zip(table.rows()).filter(|(_, row)| row.spec.is_supported());
    let rows = rows.filter(|(id, _)| ctx.server.names.knows(table, *id)).map(|(_, row)| row);
    let names: Vec<&str> = match &filter {
        None => rows.map(|row| row.full_name.as_str()).collect(),
        Some((kind, wanted)) => {
            let takes: Box<dyn Fn(&Spec, &str) -> bool> = match kind.as_slice() {
                // There are no modules, so nothing comes from one.
                b"module" => Box::new(|_, _| false),
                b"aclcat" => {
                    let category = Cat::all().find(|(_, name)| wanted.eq_ignore_ascii_case(name.as_bytes()));
                    Box::new(move |spec, _| category.is_some_and(|(category, _)| spec.categories.has(category)))
                }
                b"pattern" => Box::new(|_, name| glob::matches_nocase(wanted, name.as_bytes())),
                _ => return Err(Fault::SYNTAX),
            };
            rows.filter(|row| takes(row.spec, &row.full_name)).map(|row| row.full_name.as_str()).collect()
        }
    };
    ctx.reply.array(names.len());
    names.into_iter().for_each(|name| ctx.reply.bulk(name.as_bytes()));
    Ok(())
}

pub(super) fn get_keys(ctx: &mut Ctx<'_>) -> Outcome {
    write_keys_of_call(ctx, false)
}

pub(super) fn get_keys_and_flags(ctx: &mut Ctx<'_>) -> Outcome {
    write_keys_of_call(ctx, true)
}

fn write_keys_of_call(ctx: &mut Ctx<'_>, with_flags: bool) -> Outcome {
    let call = ctx.args.skip(2);
    let table = ctx.server.table;
    let entry = ctx.server.find(call.get(0).unwrap_or_default());
    let entry = match entry {
        Some(entry) if !entry.spec.sub.is_empty() => call.get(1).map_or(Some(entry), |sub| table.find_sub(entry, sub)),
        entry => entry,
    };
    let spec = entry.ok_or(Fault::new("ERR Invalid command specified"))?.spec;
    if spec.keys.iter().all(|keys| keys.flags.has(KeyFlags::NOT_KEY)) {
        return Err(Fault::new("ERR The command has no key arguments"));
    }
    if !spec.takes(call.len()) {
        return Err(Fault::new("ERR Invalid number of arguments specified for command"));
    }
    let mut keys = spec.keys(call).unwrap_or_default();
    keys.retain(|key| !key.flags.has(KeyFlags::NOT_KEY));
    if keys.is_empty() && !spec.flags.has(crate::command::Flags::NO_MANDATORY_KEYS) {
        return Err(Fault::new("ERR Invalid arguments specified for command"));
    }
    ctx.reply.array(keys.len());
    for key in keys {
        let name = call.get(key.position).unwrap_or_default();
        if with_flags {
            ctx.reply.array(2);
            ctx.reply.bulk(name);
            statuses(&mut ctx.reply, key.flags.names());
        } else {
            ctx.reply.bulk(name);
        }
    }
    Ok(())
}

pub(super) fn help(ctx: &mut Ctx<'_>) -> Outcome {
    usage::write(
        ctx,
        &[
            ("(no subcommand)", "Describe every command."),
            ("COUNT", "Count the commands."),
            ("DOCS [<command> ...]", "Answer what commands are for, in words."),
            ("GETKEYS <command> <arg> ...", "Answer the keys that a call names."),
            ("GETKEYSANDFLAGS <command> <arg> ...", "Answer the keys that a call names, and what it does with each."),
            ("INFO [<command> ...]", "Describe some commands, or all: arity, flags, keys, categories."),
            ("LIST [FILTERBY MODULE|ACLCAT|PATTERN <text>]", "Answer the commands' names."),
        ],
    );
    Ok(())
}
