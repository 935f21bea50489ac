//! The commands of the parts that this server doesn't have: known by name, so that they answer with a clear error.
//!
//! A few can be answered truthfully all the same: a server without scripts and functions has forgotten them all, one
//! without replicas has none to hand its role to, and a key that isn't there has no dump. Clients rely on some of these
//! answers, `NOSCRIPT` above all.

mod table;
pub(crate) use table::TABLE;

use crate::command::{Later, Outcome, Run};
use crate::commands::help;
use crate::commands::server::is_local;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::table::Table;

/// A command of a part that isn't there: the truth, where Redis' own answer is true here too; else what is missing.
pub(crate) fn answer(ctx: &mut Ctx<'_>) -> Outcome {
    let Run::Later(part) = ctx.spec.run else { return Ok(()) };
    let name = full_name(ctx);
    match (part, name) {
        (Later::Cluster, _) => return Err(Fault::new("ERR This instance has cluster support disabled")),
        (_, "dump") if ctx.db.get(ctx.arg(1)).is_none() => {
            ctx.reply.null();
            return Ok(());
        }
        (_, "evalsha" | "evalsha_ro") => return Err(Fault::new("NOSCRIPT No matching script. Please use EVAL.")),
        (_, "fcall" | "fcall_ro") => return Err(Fault::new("ERR Function not found")),
        (_, "function|delete") => return Err(Fault::new("ERR Library not found")),
        (_, "function|kill" | "script|kill") => return Err(Fault::new("NOTBUSY No scripts in execution right now.")),
        (_, "function|help") => return help_of_functions(ctx),
        (_, "script|help") => return help_of_scripts(ctx),
        (_, "module|help") => return help_of_modules(ctx),
        (Later::Modules, _) if !ctx.server.config.enable_module_command.allows(is_local(ctx.client)) => {
            return Err(NO_MODULES);
        }
        (_, "failover") if ctx.args.len() == 1 => return Err(Fault::new("ERR FAILOVER requires connected replicas.")),
        (_, "failover") if ctx.args.len() == 2 && ctx.arg(1).eq_ignore_ascii_case(b"abort") => {
            return Err(Fault::new("ERR No failover in progress."));
        }
        (_, "replicaof" | "slaveof") => match crate::config::master(&[ctx.arg(1), ctx.arg(2)]) {
            Ok(None) => {
                ctx.reply.ok();
                return Ok(());
            }
            Ok(Some(_)) => {}
            Err(why) => return Err(Fault::because(format!("ERR {why}"))),
        },
        _ => {}
    }
    let name = name.replace('|', " ").to_uppercase();
    Err(Fault::because(format!("ERR {name} needs {}, which this server doesn't have", part.what())))
}

/// The command's own name, whatever the client calls it: `get`, or `client|list`.
fn full_name(ctx: &Ctx<'_>) -> &'static str {
    let row = Table::get().rows().iter().find(|row| std::ptr::eq(row.spec, ctx.spec));
    row.map_or(ctx.spec.name, |row| &row.full_name)
}

const NO_MODULES: Fault = Fault::new(
    "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a local \
     connection, otherwise you need to set this option in the configuration file, and then restart the server.",
);

fn help_of_functions(ctx: &mut Ctx<'_>) -> Outcome {
    let lines = [
        ("FLUSH [ASYNC|SYNC]", "Forget every library: there are none."),
        (
            "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
            "List the libraries: there are none, for this server runs no functions.",
        ),
    ];
    help::write(ctx, &lines);
    Ok(())
}

fn help_of_scripts(ctx: &mut Ctx<'_>) -> Outcome {
    let lines = [
        ("EXISTS <sha1> [<sha1> ...]", "Say which scripts are known: none, for this server runs no scripts."),
        ("FLUSH [ASYNC|SYNC]", "Forget every script: there are none."),
    ];
    help::write(ctx, &lines);
    Ok(())
}

fn help_of_modules(ctx: &mut Ctx<'_>) -> Outcome {
    help::write(ctx, &[("LIST", "List the modules: there are none, for this server loads none.")]);
    Ok(())
}

/// `FUNCTION FLUSH` and `SCRIPT FLUSH`: nothing is there.
fn flush(ctx: &mut Ctx<'_>) -> Outcome {
    let mode = ctx.args.get(2).unwrap_or(b"sync");
    if ctx.args.len() > 3 || !(mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async")) {
        return Err(match full_name(ctx) == "script|flush" {
            true => Fault::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
            false => Fault::new("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"),
        });
    }
    ctx.reply.ok();
    Ok(())
}

/// `FUNCTION LIST`: there are none.
fn list_functions(ctx: &mut Ctx<'_>) -> Outcome {
    let (mut has_code, mut has_name) = (false, false);
    let mut options = ctx.args.iter().skip(2);
    while let Some(option) = options.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"withcode" if !has_code => has_code = true,
            b"libraryname" if !has_name => {
                has_name = true;
                options.next().ok_or(Fault::new("ERR library name argument was not given"))?;
            }
            _ => return Err(Fault::quoting(&[&"ERR Unknown argument ", &option])),
        }
    }
    ctx.reply.array(0);
    Ok(())
}

/// `SCRIPT EXISTS`: none of them.
fn scripts_exist(ctx: &mut Ctx<'_>) -> Outcome {
    let count = ctx.args.len() - 2;
    ctx.reply.array(count);
    (0..count).for_each(|_| ctx.reply.int(0));
    Ok(())
}
