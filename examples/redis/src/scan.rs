//! The options that SCAN, SSCAN, HSCAN and ZSCAN share.

use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::glob;
use crate::parse;

/// `cursor [MATCH pattern] [COUNT count]`, and `[TYPE type]` for SCAN itself.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) cursor: u64,
    pub(crate) count: usize,
    pattern: Option<&'a [u8]>,
    pub(crate) kind: Option<&'a [u8]>,
}

impl<'a> Scan<'a> {
    /// Reads the cursor at argument `at` and the options behind it.
    pub(crate) fn parse(ctx: &Ctx<'a>, at: usize, takes_type: bool) -> Result<Scan<'a>, Fault> {
        let cursor = std::str::from_utf8(ctx.arg(at)).ok().and_then(|text| text.parse().ok());
        let cursor = cursor.ok_or(Fault::new("ERR invalid cursor"))?;
        let mut scan = Scan { cursor, count: 10, pattern: None, kind: None };
        let mut at = at + 1;
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
