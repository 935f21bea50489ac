//! The options that SCAN, SSCAN, HSCAN and ZSCAN share.

use crate::ctx::Ctx;
use crate::db::Typed;
use crate::fault::Fault;
use crate::parse;
use xs_storage::glob;

/// `cursor [MATCH pattern] [COUNT count]`, and `[TYPE type]` for SCAN itself.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) cursor: u64,
    pub(crate) count: usize,
    pattern: Option<&'a [u8]>,
    pub(crate) kind: Option<&'a [u8]>,
}

impl<'a> Scan<'a> {
    /// Reads the arguments of SCAN.
    pub(crate) fn of_keys(ctx: &Ctx<'a>) -> Result<Scan<'a>, Fault> {
        let cursor = cursor(ctx.arg(1))?;
        Self::options(ctx, cursor, 2, true)
    }

    /// Reads the arguments of a command that scans the value at argument 1. `None` when it is missing: that is answered,
    /// whatever the options.
    pub(crate) fn of_value<T: Typed>(ctx: &mut Ctx<'a>) -> Result<Option<Scan<'a>>, Fault> {
        let cursor = cursor(ctx.arg(2))?;
        if ctx.db.read::<T>(ctx.arg(1))?.is_none() {
            ctx.reply.array(2);
            ctx.reply.bulk(b"0");
            ctx.reply.array(0);
            return Ok(None);
        }
        Self::options(ctx, cursor, 3, false).map(Some)
    }

    fn options(ctx: &Ctx<'a>, cursor: u64, at: usize, takes_type: bool) -> Result<Scan<'a>, Fault> {
        let mut scan = Scan { cursor, count: 10, pattern: None, kind: None };
        let mut at = at;
        while at < ctx.args.len() {
            let value = ctx.args.get(at + 1).ok_or(Fault::SYNTAX)?;
            match &ctx.arg(at).to_ascii_lowercase()[..] {
                b"count" => {
                    let count = parse::int(value).ok_or(Fault::NOT_AN_INTEGER)?;
                    scan.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(Fault::SYNTAX)?;
                }
                b"match" => scan.pattern = Some(value).filter(|pattern| *pattern != b"*"),
                b"type" if takes_type => scan.kind = Some(value),
                _ => return Err(Fault::SYNTAX),
            }
            at += 2;
        }
        Ok(scan)
    }

    /// Whether an element is wanted.
    pub(crate) fn wants(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name))
    }
}

/// A cursor as C's `strtoul` reads it: nothing is 0, and a sign is taken.
fn cursor(text: &[u8]) -> Result<u64, Fault> {
    let (negative, digits) = match text {
        [] => return Ok(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'));
    let value: Option<u64> = digits.and_then(|digits| digits.parse().ok());
    let value = value.ok_or(Fault::new("ERR invalid cursor"))?;
    Ok(if negative { value.wrapping_neg() } else { value })
}
