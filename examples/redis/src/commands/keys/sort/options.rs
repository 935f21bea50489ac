//! What follows the key of `SORT`.

use std::ops::Range;

use xs_proto::resp::Args;

use super::pattern::Pattern;
use crate::command::{KeyAt, KeyFlags, Spec};
use crate::ctx::Ctx;
use crate::fault::Fault;

/// By what the elements are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Number,
    Text,
    /// Not at all: a list and a sorted set have an order of their own.
    AsStored,
}

#[derive(Debug)]
pub(super) struct Options<'a> {
    pub(super) order: Order,
    pub(super) descending: bool,
    /// Orders by the values that this finds instead of by the elements.
    pub(super) by: Option<Pattern<'a>>,
    pub(super) get: Vec<Pattern<'a>>,
    pub(super) store: Option<&'a [u8]>,
    /// First element and number of elements; a negative number means all.
    limit: (i64, i64),
}

impl<'a> Options<'a> {
    pub(super) fn parse(ctx: &Ctx<'a>, may_store: bool) -> Result<Options<'a>, Fault> {
        let mut options =
            Options { order: Order::Number, descending: false, by: None, get: Vec::new(), store: None, limit: (0, -1) };
        let (mut alpha, mut as_stored) = (false, false);
        let mut at = 2;
        while at < ctx.args.len() {
            let behind = ctx.args.len() - at - 1;
            match &ctx.arg(at).to_ascii_lowercase()[..] {
                b"asc" => options.descending = false,
                b"desc" => options.descending = true,
                b"alpha" => alpha = true,
                b"limit" if behind >= 2 => {
                    options.limit = (ctx.int(at + 1)?, ctx.int(at + 2)?);
                    at += 2;
                }
                b"store" if may_store && behind >= 1 => {
                    at += 1;
                    options.store = Some(ctx.arg(at));
                }
                b"by" if behind >= 1 => {
                    at += 1;
                    let text = ctx.arg(at);
                    // A pattern that is the same for every element orders nothing, and says so for good.
                    if text.contains(&b'*') {
                        check_access(ctx, "BY")?;
                    } else {
                        as_stored = true;
                    }
                    options.by = Some(Pattern::parse(text));
                }
                b"get" if behind >= 1 => {
                    at += 1;
                    check_access(ctx, "GET")?;
                    options.get.push(Pattern::parse(ctx.arg(at)));
                }
                _ => return Err(Fault::SYNTAX),
            }
            at += 1;
        }
        if as_stored {
            (options.order, options.by) = (Order::AsStored, None);
        } else if alpha {
            options.order = Order::Text;
        }
        Ok(options)
    }

    /// The part of `len` elements that is asked for.
    pub(super) fn range(&self, len: usize) -> Range<usize> {
        let (start, count) = self.limit;
        let start = usize::try_from(start).unwrap_or(0).min(len);
        let count = usize::try_from(count).unwrap_or(len).min(len - start);
        start..start + count
    }
}

/// The keys that a pattern leads to are not among the arguments: whoever uses one must be allowed to read every key.
fn check_access(ctx: &Ctx<'_>, option: &str) -> Result<(), Fault> {
    let Some(user) = ctx.client.user.as_ref().filter(|user| !user.unrestricted) else { return Ok(()) };
    let Some(entry) = ctx.server.table.find(ctx.spec.name.as_bytes()) else { return Ok(()) };
    let keys = ctx.spec.keys(ctx.args).unwrap_or_default();
    let reads_all = user.selectors().any(|selector| {
        let all = selector.all_keys || selector.keys.iter().any(|key| key.read && key.pattern == b"*");
        all && selector.check(entry.id, ctx.spec, ctx.args, &keys).is_ok()
    });
    match reads_all {
        true => Ok(()),
        false => {
            Err(Fault::because(format!("ERR {option} option of SORT denied due to insufficient ACL permissions.")))
        }
    }
}

/// The key that SORT stores to: its place depends on the options, and the last one counts.
pub(crate) fn store_key(spec: &Spec, args: Args<'_>, found: &mut Vec<KeyAt>) {
    let (mut at, mut target) = (2, None);
    while spec.name == "sort" && at + 1 < args.len() {
        at += match &args[at].to_ascii_lowercase()[..] {
            b"limit" => 2,
            b"get" | b"by" => 1,
            b"store" => {
                target = Some(at + 1);
                // Redis reads that key as an option, too.
                0
            }
            _ => 0,
        };
        at += 1;
    }
    // The table names two kinds of keys that it cannot place, this one and those behind the patterns.
    if let Some(position) = target.filter(|&position| found.iter().all(|key| key.position != position)) {
        found.push(KeyAt { position, flags: KeyFlags::OW.or(KeyFlags::UPDATE) });
    }
}
