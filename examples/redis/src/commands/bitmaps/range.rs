//! `BITCOUNT` and `BITPOS`: bits in a part of a string, whose ends are counted in bytes or in bits.

use std::ops::Range;

use xs_storage::keyspace::Str;

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::parse;

/// The optional `start end [BYTE|BIT]` at argument `at`, as it was given.
struct Part {
    start: i64,
    end: Option<i64>,
    in_bits: bool,
}

impl Part {
    /// The part as a range of bits of a string of `len` bytes; negative ends are counted from the string's end.
    fn bits(&self, len: usize) -> Range<usize> {
        let total = if self.in_bits { len * 8 } else { len } as i64;
        let from_end = |at: i64| if at < 0 { (total + at).max(0) } else { at };
        let start = from_end(self.start);
        let end = self.end.map_or(total - 1, from_end).min(total - 1);
        if start > end {
            return 0..0;
        }
        let (start, end) = (start as usize, end as usize + 1);
        if self.in_bits { start..end } else { start * 8..end * 8 }
    }
}

fn unit_is_bits(word: &[u8]) -> Result<bool, Fault> {
    match &word.to_ascii_lowercase()[..] {
        b"bit" => Ok(true),
        b"byte" => Ok(false),
        _ => Err(Fault::SYNTAX),
    }
}

fn int(text: &[u8]) -> Result<i64, Fault> {
    parse::int(text).ok_or(Fault::NOT_AN_INTEGER)
}

/// As in Redis the key comes first here: where there is none, the other arguments are never looked at.
pub(super) fn bitcount(ctx: &mut Ctx<'_>) -> Outcome {
    let args = ctx.args;
    let Some(value) = ctx.db.read::<Str>(args[1].as_ref())? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let part = match args.len() {
        2 => Part { start: 0, end: None, in_bits: false },
        4 | 5 => {
            let (start, end) = (int(&args[2])?, int(&args[3])?);
            if start < 0 && end < 0 && start > end {
                ctx.reply.int(0);
                return Ok(());
            }
            let in_bits = args.get(4).map_or(Ok(false), unit_is_bits)?;
            Part { start, end: Some(end), in_bits }
        }
        _ => return Err(Fault::SYNTAX),
    };
    let count = count(&value.view(), part.bits(value.len()));
    ctx.reply.int(count as i64);
    Ok(())
}

pub(super) fn bitpos(ctx: &mut Ctx<'_>) -> Outcome {
    let args = ctx.args;
    let wanted = match int(&args[2])? {
        0 => false,
        1 => true,
        _ => return Err(Fault::new("ERR The bit argument must be 1 or 0.")),
    };
    let Some(value) = ctx.db.read::<Str>(args[1].as_ref())? else {
        ctx.reply.int(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let part = match args.len() {
        3 => Part { start: 0, end: None, in_bits: false },
        4..=6 => {
            let start = int(&args[3])?;
            let in_bits = args.get(5).map_or(Ok(false), unit_is_bits)?;
            Part { start, end: args.get(4).map(int).transpose()?, in_bits }
        }
        _ => return Err(Fault::SYNTAX),
    };
    let bits = part.bits(value.len());
    let position = match find(&value.view(), bits.clone(), wanted) {
        Some(at) => at as i64,
        // Without an end the zeros behind the string belong to the part.
        None if !wanted && part.end.is_none() && !bits.is_empty() => bits.end as i64,
        None => -1,
    };
    ctx.reply.int(position);
    Ok(())
}

/// A range of bits as the bytes that it covers, with what its first and its last byte have of it.
fn masks(bits: &Range<usize>) -> (Range<usize>, u8, u8) {
    let last = bits.end - 1;
    (bits.start / 8..last / 8 + 1, 0xff >> (bits.start % 8), 0xff << (7 - last % 8))
}

/// How many of these bits are set.
fn count(bytes: &[u8], bits: Range<usize>) -> u64 {
    if bits.is_empty() {
        return 0;
    }
    let (covered, first, last) = masks(&bits);
    let bytes = &bytes[covered];
    let (words, rest) = bytes.as_chunks::<8>();
    let all: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    let all = all + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
    // What the outer bytes have beside the range was counted, too.
    let beside = (bytes[0] & !first).count_ones() + (bytes[bytes.len() - 1] & !last).count_ones();
    all - u64::from(beside)
}

/// The first of these bits that is as wanted.
fn find(bytes: &[u8], bits: Range<usize>, wanted: bool) -> Option<usize> {
    if bits.is_empty() {
        return None;
    }
    let (covered, first, last) = masks(&bits);
    let (start, end) = (covered.start, covered.end - 1);
    // Turned so that the search is always for a one.
    let flip = if wanted { 0 } else { 0xff };
    let at = |byte: usize| {
        let mask = if byte == start { first } else { 0xff } & if byte == end { last } else { 0xff };
        let found = (bytes[byte] ^ flip) & mask;
        (found != 0).then(|| byte * 8 + found.leading_zeros() as usize)
    };
    if let Some(found) = at(start) {
        return Some(found);
    }
    let inner = bytes.get(start + 1..end).unwrap_or_default();
    let (words, rest) = inner.as_chunks::<8>();
    let empty = [flip; 8];
    let skipped = words.iter().take_while(|word| **word == empty).count() * 8;
    let rest_is_empty = skipped == words.len() * 8 && rest.iter().all(|&byte| byte == flip);
    if !rest_is_empty {
        return (start + 1 + skipped..end).find_map(at);
    }
    at(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn model(bytes: &[u8], bits: Range<usize>) -> Vec<(usize, bool)> {
        bits.map(|at| (at, bytes[at / 8] & (0x80 >> (at % 8)) != 0)).collect()
    }

    proptest! {
        #[test]
        fn counting_and_finding_agree_with_bit_by_bit(
            bytes in prop::collection::vec(prop_oneof![4 => Just(0_u8), 4 => Just(0xff), 1 => any::<u8>()], 1..60),
            a in 0..480_usize,
            b in 0..480_usize,
        ) {
            let total = bytes.len() * 8;
            let (start, end) = (a.min(b).min(total), a.max(b).min(total));
            let model = model(&bytes, start..end);
            prop_assert_eq!(count(&bytes, start..end), model.iter().filter(|bit| bit.1).count() as u64);
            for wanted in [false, true] {
                let first = model.iter().find(|bit| bit.1 == wanted).map(|bit| bit.0);
                prop_assert_eq!(find(&bytes, start..end, wanted), first);
            }
        }
    }
}
