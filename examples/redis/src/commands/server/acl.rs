//! `ACL`: users shown and changed.

use crate::acl::{Reason, Selector, category};
use crate::command::{Cat, Outcome};
use crate::commands::help;
use crate::ctx::Ctx;
use crate::fault::{Fault, start_of};
use crate::parse;

/// `ACL SETUSER name [rule …]`
pub(super) fn setuser(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.server.set_user(ctx.client, ctx.arg(2), ctx.args.skip(3))?;
    ctx.reply.ok();
    Ok(())
}

/// `ACL DELUSER name [name …]`
pub(super) fn deluser(ctx: &mut Ctx<'_>) -> Outcome {
    if ctx.args.skip(2).iter().any(|name| name == b"default") {
        return Err(Fault::new("ERR The 'default' user cannot be removed"));
    }
    let deleted = ctx.args.skip(2).iter().filter(|name| ctx.server.delete_user(ctx.client, name)).count();
    ctx.reply.int(deleted as i64);
    Ok(())
}

/// `ACL GETUSER name`
pub(super) fn getuser(ctx: &mut Ctx<'_>) -> Outcome {
    let Some(user) = ctx.server.acl.get(ctx.arg(2)).cloned() else {
        ctx.reply.null();
        return Ok(());
    };
    ctx.reply.map(6);
    ctx.reply.bulk(b"flags");
    ctx.reply.set(user.flags().count());
    user.flags().for_each(|flag| ctx.reply.bulk(flag.as_bytes()));
    ctx.reply.bulk(b"passwords");
    ctx.reply.array(user.passwords.len());
    user.passwords.iter().for_each(|password| ctx.reply.bulk(password.as_bytes()));
    write_selector(ctx, &user.root);
    ctx.reply.bulk(b"selectors");
    ctx.reply.array(user.alternatives.len());
    for selector in &user.alternatives {
        ctx.reply.map(3);
        write_selector(ctx, selector);
    }
    Ok(())
}

fn write_selector(ctx: &mut Ctx<'_>, selector: &Selector) {
    ctx.reply.bulk(b"commands");
    ctx.reply.bulk(&selector.describe_commands());
    ctx.reply.bulk(b"keys");
    ctx.reply.bulk(&selector.describe_keys());
    ctx.reply.bulk(b"channels");
    ctx.reply.bulk(&selector.describe_channels());
}

/// `ACL LIST`
pub(super) fn list(ctx: &mut Ctx<'_>) -> Outcome {
    let users = ctx.server.acl.users();
    ctx.reply.array(users.len());
    for user in users {
        ctx.reply.bulk(&[b"user ", &user.name[..], b" ", &user.describe()].concat());
    }
    Ok(())
}

/// `ACL USERS`
pub(super) fn users(ctx: &mut Ctx<'_>) -> Outcome {
    let users = ctx.server.acl.users();
    ctx.reply.array(users.len());
    users.for_each(|user| ctx.reply.bulk(&user.name));
    Ok(())
}

/// `ACL WHOAMI`
pub(super) fn whoami(ctx: &mut Ctx<'_>) -> Outcome {
    match &ctx.client.user {
        Some(user) => ctx.reply.bulk(&user.name),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// `ACL LOAD` and `ACL SAVE`: there is no file of users.
pub(super) fn no_file(_: &mut Ctx<'_>) -> Outcome {
    Err(Fault::new(
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
         command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store \
         users in the Redis configuration.",
    ))
}

/// `ACL CAT [category]`
pub(super) fn cat(ctx: &mut Ctx<'_>) -> Outcome {
    let name = match ctx.args.len() {
        2 => {
            ctx.reply.array(Cat::all().count());
            Cat::all().for_each(|(_, name)| ctx.reply.bulk(name.as_bytes()));
            return Ok(());
        }
        3 => ctx.arg(2),
        _ => return Err(help::unknown(ctx)),
    };
    let category = category(name).ok_or_else(|| Fault::quoting(&[&"ERR Unknown category '", &start_of(name), &"'"]))?;
    let rows = ctx.server.table.rows().iter().filter(|row| row.spec.categories.has(category));
    ctx.reply.array(rows.clone().count());
    rows.for_each(|row| ctx.reply.bulk(row.full_name.as_bytes()));
    Ok(())
}

/// `ACL GENPASS [bits]`
pub(super) fn genpass(ctx: &mut Ctx<'_>) -> Outcome {
    let bits = match ctx.args.len() {
        2 => 256,
        3 => ctx.int(2)?,
        _ => return Err(help::unknown(ctx)),
    };
    if !(1..=4096).contains(&bits) {
        return Err(Fault::new(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        ));
    }
    // A password is a secret: it comes from the operating system, never from the server's own generator.
    let mut bytes = [0; 4096 / 8];
    getrandom::fill(&mut bytes).map_err(|_| Fault::new("ERR the operating system gives no random bytes"))?;
    let digits = (bits as usize).div_ceil(4);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    ctx.reply.bulk(&text.as_bytes()[..digits]);
    Ok(())
}

/// `ACL DRYRUN user command [arg …]`
pub(super) fn dryrun(ctx: &mut Ctx<'_>) -> Outcome {
    let call = ctx.args.skip(3);
    let Some(user) = ctx.server.acl.get(ctx.arg(2)) else {
        return Err(Fault::quoting(&[&"ERR User '", &ctx.arg(2), &"' not found"]));
    };
    let table = ctx.server.table;
    let command = ctx.server.find(ctx.arg(3)).and_then(|entry| match call.get(1) {
        Some(sub) if !entry.spec.sub.is_empty() => table.find_sub(entry, sub),
        _ => Some(entry),
    });
    let Some(entry) = command else {
        return Err(Fault::quoting(&[&"ERR Command '", &ctx.arg(3), &"' not found"]));
    };
    let name = table.full_name(entry.id);
    if !entry.spec.takes(call.len()) {
        return Err(Fault::arity(name));
    }
    let Err(denied) = user.check(entry.id, entry.spec, call) else {
        ctx.reply.ok();
        return Ok(());
    };
    let object = call.get(denied.at).unwrap_or_default();
    let (before, what, after) = match denied.reason {
        Reason::Command => ("run the '", name.as_bytes(), "' command"),
        Reason::Channel => ("access the '", object, "' channel"),
        Reason::Key | Reason::Auth => ("access the '", object, "' key"),
    };
    ctx.reply.bulk(Fault::quoting(&[&"This user has no permissions to ", &before, &what, &after]).text());
    Ok(())
}

/// `ACL LOG [count | RESET]`
pub(super) fn log(ctx: &mut Ctx<'_>) -> Outcome {
    if ctx.args.len() > 3 {
        return Err(help::unknown(ctx));
    }
    let most = match ctx.args.get(2) {
        None => 10,
        Some(word) if word.eq_ignore_ascii_case(b"reset") => {
            ctx.server.acl.log.clear();
            ctx.reply.ok();
            return Ok(());
        }
        Some(count) => parse::int(count).ok_or(Fault::NOT_AN_INTEGER)?.max(0) as usize,
    };
    let entries = ctx.server.acl.log.iter().take(most);
    ctx.reply.array(entries.len());
    for entry in entries {
        ctx.reply.map(7);
        ctx.reply.bulk(b"count");
        ctx.reply.int(entry.count as i64);
        ctx.reply.bulk(b"reason");
        ctx.reply.bulk(match entry.reason {
            Reason::Command => b"command",
            Reason::Key => b"key",
            Reason::Auth => b"auth",
            Reason::Channel => b"channel",
        });
        ctx.reply.bulk(b"context");
        ctx.reply.bulk(if entry.in_multi { b"multi" } else { b"toplevel" });
        ctx.reply.bulk(b"object");
        ctx.reply.bulk(&entry.object);
        ctx.reply.bulk(b"username");
        ctx.reply.bulk(&entry.user);
        ctx.reply.bulk(b"age-seconds");
        ctx.reply.double(ctx.now.saturating_sub(entry.at) as f64 / 1000.0);
        ctx.reply.bulk(b"client-info");
        ctx.reply.bulk(&entry.client);
    }
    Ok(())
}

/// `ACL HELP`
pub(super) fn help(ctx: &mut Ctx<'_>) -> Outcome {
    help::write(
        ctx,
        &[
            ("CAT [<category>]", "List the categories, or the commands of one."),
            ("DELUSER <username> [<username> ...]", "Remove users and end their connections."),
            ("DRYRUN <username> <command> [<arg> ...]", "Say whether a user may run a command, without running it."),
            ("GETUSER <username>", "Show what a user may do."),
            ("GENPASS [<bits>]", "Make up a password of 256 bits, or of as many as asked for."),
            ("LIST", "Show all users as lines of a configuration file."),
            ("LOAD", "Read the users from the ACL file again."),
            ("LOG [<count> | RESET]", "Show what was refused lately, or forget it."),
            ("SAVE", "Write the users to the ACL file."),
            ("SETUSER <username> <attribute> [<attribute> ...]", "Make a user, or change what he may do."),
            ("USERS", "List the names of all users."),
            ("WHOAMI", "Get the name of this connection's user."),
        ],
    );
    Ok(())
}
