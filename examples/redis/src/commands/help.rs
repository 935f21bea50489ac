//! The `HELP` of a container command, and the error for arguments that none of its subcommands takes.

use crate::ctx::Ctx;
use crate::fault::{Fault, start_of};

/// Answers with a line of usage for each subcommand and what it does behind it.
pub(crate) fn write(ctx: &mut Ctx<'_>, subcommands: &[(&str, &str)]) {
    let name = String::from_utf8_lossy(ctx.arg(0)).to_uppercase();
    ctx.reply.array(2 * subcommands.len() + 3);
    ctx.reply.simple(format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for (usage, meaning) in subcommands.iter().chain([&("HELP", "Prints this help.")]) {
        ctx.reply.simple(usage);
        ctx.reply.simple(format!("    {meaning}"));
    }
}

/// A subcommand whose arguments are not understood.
pub(crate) fn unknown(ctx: &Ctx<'_>) -> Fault {
    const WRONG: &str = "ERR unknown subcommand or wrong number of arguments for '";
    Fault::quoting(&[&WRONG, &start_of(ctx.arg(1)), &"'. Try ", &ctx.arg(0).to_ascii_uppercase(), &" HELP."])
}
