//! `COMMAND DOCS`: what commands are for, and their arguments as trees.

use xs_proto::resp::{Mark, Reply};

use super::command::{lookup, statuses, subcommands, supported};
use crate::command::{Outcome, Spec};
use crate::ctx::Ctx;
use crate::syntax::{self, Arg};
use crate::table::{Entry, Table};

pub(super) fn docs(ctx: &mut Ctx<'_>) -> Outcome {
    let table = ctx.server.table;
    let found: Vec<Entry> = match ctx.args.len() {
        2 => supported(ctx.server).collect(),
        _ => {
            let named = ctx.args.iter().skip(2).filter_map(|name| lookup(ctx.server, name));
            named.filter(|entry| entry.spec.is_supported()).collect()
        }
    };
    ctx.reply.map(found.len());
    for entry in found {
        ctx.reply.bulk(table.full_name(entry.id).as_bytes());
        write_docs(&mut ctx.reply, table, entry);
    }
    Ok(())
}

/// A map whose length shows as it is written: a field that has nothing to say is left out.
struct Fields {
    mark: Mark,
    count: usize,
}

impl Fields {
    fn begin(reply: &mut Reply<'_>) -> Fields {
        Fields { mark: reply.begin(), count: 0 }
    }

    fn name(&mut self, reply: &mut Reply<'_>, name: &str) {
        reply.bulk(name.as_bytes());
        self.count += 1;
    }

    fn text(&mut self, reply: &mut Reply<'_>, name: &str, text: &str) {
        if !text.is_empty() {
            self.name(reply, name);
            reply.bulk(text.as_bytes());
        }
    }

    fn words(&mut self, reply: &mut Reply<'_>, name: &str, words: &[&'static str]) {
        if !words.is_empty() {
            self.name(reply, name);
            statuses(reply, words.iter().copied());
        }
    }

    fn end(self, reply: &mut Reply<'_>) {
        reply.end_map(self.mark, self.count);
    }
}

fn write_docs(reply: &mut Reply<'_>, table: &Table, entry: Entry) {
    let Spec { summary, since, complexity, group, history, deprecated, syscmd, syntax, .. } = *entry.spec;
    let mut fields = Fields::begin(reply);
    fields.text(reply, "summary", summary);
    fields.text(reply, "since", since);
    fields.text(reply, "group", group.name());
    fields.text(reply, "complexity", complexity);
    match (deprecated, syscmd) {
        (Some((since, instead)), _) => {
            fields.words(reply, "doc_flags", &["deprecated"]);
            fields.text(reply, "deprecated_since", since);
            fields.text(reply, "replaced_by", instead);
        }
        (None, true) => fields.words(reply, "doc_flags", &["syscmd"]),
        (None, false) => {}
    }
    if !history.is_empty() {
        fields.name(reply, "history");
        reply.set(history.len());
        for (since, what) in history {
            reply.array(2);
            reply.bulk(since.as_bytes());
            reply.bulk(what.as_bytes());
        }
    }
    // A test reads every row of the table.
    let args = syntax::parse(syntax).unwrap_or_default();
    if !args.is_empty() {
        fields.name(reply, "arguments");
        write_args(reply, &args);
    }
    let subs: Vec<Entry> = subcommands(entry).collect();
    if !subs.is_empty() {
        fields.name(reply, "subcommands");
        reply.map(subs.len());
        for sub in subs {
            reply.bulk(table.full_name(sub.id).as_bytes());
            write_docs(reply, table, sub);
        }
    }
    fields.end(reply);
}

fn write_args(reply: &mut Reply<'_>, args: &[Arg]) {
    reply.array(args.len());
    for arg in args {
        let mut fields = Fields::begin(reply);
        fields.text(reply, "name", &arg.name);
        fields.text(reply, "type", arg.kind);
        if let Some(number) = arg.key_spec {
            fields.name(reply, "key_spec_index");
            reply.int(number.into());
        }
        if let Some(token) = arg.token {
            fields.name(reply, "token");
            reply.bulk(token.as_bytes());
        }
        fields.text(reply, "since", arg.since.unwrap_or_default());
        fields.text(reply, "deprecated_since", arg.deprecated.unwrap_or_default());
        fields.words(reply, "flags", &arg.flags().collect::<Vec<_>>());
        if arg.is_group() {
            fields.name(reply, "arguments");
            write_args(reply, &arg.args);
        }
        fields.end(reply);
    }
}
