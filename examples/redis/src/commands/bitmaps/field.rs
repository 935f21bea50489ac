//! `BITFIELD`: integers of 1 to 64 bits at any bit of a string.

use xs_proto::resp::Reply;
use xs_storage::keyspace::Str;

use super::{BAD_OFFSET, offset};
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;
use crate::parse;

/// What a number that doesn't fit becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overflow {
    /// Its lowest bits.
    Wrap,
    /// The nearest number that fits.
    Saturate,
    /// Nothing: the field stays as it is.
    Fail,
}

#[derive(Debug, Clone, Copy)]
struct Op {
    field: Field,
    change: Change,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    None,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

/// An integer's place and type.
#[derive(Debug, Clone, Copy)]
struct Field {
    signed: bool,
    width: usize,
    /// Its first bit.
    at: usize,
}

pub(super) fn bitfield(ctx: &mut Ctx<'_>) -> Outcome {
    let ops = parse_ops(ctx)?;
    let end = ops.iter().filter(|op| !matches!(op.change, Change::None)).map(|op| op.field.at + op.field.width).max();
    match end {
        None => read(ctx, &ops),
        Some(end) => write(ctx, &ops, end),
    }
}

pub(super) fn bitfield_ro(ctx: &mut Ctx<'_>) -> Outcome {
    let ops = parse_ops(ctx)?;
    if ops.iter().any(|op| !matches!(op.change, Change::None)) {
        return Err(Fault::new("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read(ctx, &ops)
}

fn parse_ops(ctx: &Ctx<'_>) -> Result<Vec<Op>, Fault> {
    let mut ops = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut at = 2;
    while at < ctx.args.len() {
        let behind = ctx.args.len() - at - 1;
        let word = ctx.arg(at).to_ascii_lowercase();
        match &word[..] {
            b"overflow" if behind >= 1 => {
                overflow = match &ctx.arg(at + 1).to_ascii_lowercase()[..] {
                    b"wrap" => Overflow::Wrap,
                    b"sat" => Overflow::Saturate,
                    b"fail" => Overflow::Fail,
                    _ => return Err(Fault::new("ERR Invalid OVERFLOW type specified")),
                };
                at += 2;
            }
            b"get" if behind >= 2 => {
                ops.push(Op { field: Field::parse(ctx, at + 1)?, change: Change::None });
                at += 3;
            }
            b"set" | b"incrby" if behind >= 3 => {
                let (field, number) = (Field::parse(ctx, at + 1)?, ctx.int(at + 3)?);
                let change = if word == b"set" { Change::Set(number, overflow) } else { Change::Add(number, overflow) };
                ops.push(Op { field, change });
                at += 4;
            }
            _ => return Err(Fault::SYNTAX),
        }
    }
    Ok(ops)
}

fn read(ctx: &mut Ctx<'_>, ops: &[Op]) -> Outcome {
    let Ctx { db, reply, args, .. } = ctx;
    let value = db.read::<Str>(&args[1])?.map(Str::view);
    let bytes = value.as_deref().unwrap_or_default();
    reply.array(ops.len());
    ops.iter().for_each(|op| reply.int(op.field.get(bytes)));
    Ok(())
}

fn write(ctx: &mut Ctx<'_>, ops: &[Op], end: usize) -> Outcome {
    let key = ctx.arg(1);
    let Ctx { db, reply, .. } = ctx;
    let changes = db.edit_or_new(key, |value: &mut Str, _| {
        let len = end.div_ceil(8);
        let grows = value.len() < len;
        let bytes = value.bytes_mut(len);
        reply.array(ops.len());
        ops.iter().map(|op| u64::from(op.apply(bytes, reply, grows))).sum()
    })?;
    if changes > 0 {
        ctx.touched(key, Class::STRING, "setbit", changes);
    }
    Ok(())
}

impl Op {
    /// Carries it out and answers it; true when that counts as a change.
    fn apply(self, bytes: &mut [u8], reply: &mut Reply<'_>, grown: bool) -> bool {
        let field = self.field;
        let old = field.get(bytes);
        let (wanted, overflow) = match self.change {
            Change::None => {
                reply.int(old);
                return false;
            }
            // An unsigned field takes a negative number for the large one that has the same bits.
            Change::Set(number, overflow) if !field.signed => (i128::from(number as u64), overflow),
            Change::Set(number, overflow) => (i128::from(number), overflow),
            Change::Add(number, overflow) => (i128::from(old) + i128::from(number), overflow),
        };
        let Some(new) = field.fit(wanted, overflow) else {
            reply.null();
            return false;
        };
        field.put(bytes, new);
        reply.int(if matches!(self.change, Change::Set(..)) { old } else { new });
        grown || old != new
    }
}

impl Field {
    /// The type at argument `at` and the place behind it: a bit, or the number of a field (`#2`).
    fn parse(ctx: &Ctx<'_>, at: usize) -> Result<Field, Fault> {
        let invalid = Fault::new(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (signed, width) = match ctx.arg(at) {
            [b'i', width @ ..] => (true, width),
            [b'u', width @ ..] => (false, width),
            _ => return Err(invalid),
        };
        let widest = if signed { 64 } else { 63 };
        let width = parse::int(width).filter(|width| (1..=widest).contains(width)).ok_or(invalid)?;
        let place = match ctx.arg(at + 1) {
            [b'#', number @ ..] => parse::int(number).ok_or(BAD_OFFSET)?.checked_mul(width),
            bit => parse::int(bit),
        };
        Ok(Field { signed, width: width as usize, at: offset(ctx, place)? })
    }

    /// The number in the field. What lies beyond the bytes is zero.
    fn get(self, bytes: &[u8]) -> i64 {
        // Up to nine bytes hold the field; in the high end of 128 bits they can be shifted into place at once.
        let mut window = [0; 16];
        let held = bytes.get(self.at / 8..).unwrap_or_default();
        let len = held.len().min(9);
        window[..len].copy_from_slice(&held[..len]);
        let bits = u128::from_be_bytes(window) << (self.at % 8);
        let above = 128 - self.width;
        if self.signed { (bits.cast_signed() >> above) as i64 } else { (bits >> above) as i64 }
    }

    /// Writes a number that fits, into bytes that hold the field.
    fn put(self, bytes: &mut [u8], number: i64) {
        let shift = 128 - self.width - self.at % 8;
        let mask = (u128::MAX >> (128 - self.width)) << shift;
        let bits = (number as u128) << shift & mask;
        let held = &mut bytes[self.at / 8..];
        for ((byte, mask), bits) in held.iter_mut().zip(mask.to_be_bytes()).zip(bits.to_be_bytes()) {
            *byte = *byte & !mask | bits;
        }
    }

    /// The number, or what becomes of it when it doesn't fit.
    fn fit(self, number: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = match self.signed {
            true => (-1 << (self.width - 1), (1 << (self.width - 1)) - 1),
            false => (0, (1 << self.width) - 1),
        };
        if (min..=max).contains(&number) {
            return Some(number as i64);
        }
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => Some(number.clamp(min, max) as i64),
            Overflow::Wrap => {
                let above = 128 - self.width;
                let lowest = number << above;
                Some(if self.signed { lowest >> above } else { (lowest.cast_unsigned() >> above).cast_signed() } as i64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_field_holds_what_was_put_and_its_neighbours_stay(
            mut bytes in prop::collection::vec(any::<u8>(), 24),
            at in 0..128_usize,
            signed in any::<bool>(),
            width in 1..=64_usize,
            number in any::<i64>(),
        ) {
            let field = Field { signed, width: if signed { width } else { width.min(63) }, at };
            let bit = |bytes: &[u8], at: usize| bytes[at / 8] & (0x80 >> (at % 8)) != 0;
            let before = bytes.clone();
            let number = field.fit(i128::from(number), Overflow::Wrap).unwrap();
            field.put(&mut bytes, number);
            prop_assert_eq!(field.get(&bytes), number);
            for other in (0..bytes.len() * 8).filter(|other| !(at..at + field.width).contains(other)) {
                prop_assert_eq!(bit(&bytes, other), bit(&before, other));
            }
            for (back, at) in (at..at + field.width).rev().enumerate() {
                prop_assert_eq!(bit(&bytes, at), number >> back & 1 == 1);
            }
        }
    }

    #[test]
    fn a_field_beyond_the_end_is_zero() {
        let field = |signed, width, at| Field { signed, width, at };
        assert_eq!(field(false, 8, 4).get(&[0xff]), 0xf0);
        assert_eq!(field(true, 8, 4).get(&[0xff]), -16);
        assert_eq!(field(true, 64, 1 << 40).get(&[0xff]), 0);
    }

    #[test]
    fn numbers_that_do_not_fit() {
        let byte = |signed| Field { signed, width: 8, at: 0 };
        let fit =
            |signed, number| [Overflow::Wrap, Overflow::Saturate, Overflow::Fail].map(|o| byte(signed).fit(number, o));
        assert_eq!(fit(false, 257), [Some(1), Some(255), None]);
        assert_eq!(fit(false, -1), [Some(255), Some(0), None]);
        assert_eq!(fit(true, 130), [Some(-126), Some(127), None]);
        assert_eq!(fit(true, -129), [Some(127), Some(-128), None]);
        assert_eq!(fit(true, -128), [Some(-128); 3]);
    }
}
