//! Looking into a sketch, and checking that sketches work.

use xs_storage::keyspace::Str;
use xs_storage::sketch::{self, Encoding, Registers};

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;

pub(super) fn pfdebug(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(2);
    let missing = Fault::new("ERR The specified key does not exist");
    let mut sketch = ctx.db.look::<Str>(key)?.map(Str::to_vec).ok_or(missing)?;
    let encoding = sketch::check(&sketch)?;
    match &ctx.arg(1).to_ascii_lowercase()[..] {
        b"getreg" => {
            // Redis reads registers from a dense sketch only, and tests rely on the sketch being one afterwards.
            make_dense(ctx, &mut sketch, encoding)?;
            let registers = Registers::of(&sketch)?;
            ctx.reply.array(registers.as_slice().len());
            registers.as_slice().iter().for_each(|&value| ctx.reply.int(i64::from(value)));
        }
        b"decode" => {
            if encoding != Encoding::Sparse {
                return Err(Fault::new("ERR HLL encoding is not sparse"));
            }
            ctx.reply.bulk(decode(&sketch[HEADER..]).as_bytes());
        }
        b"encoding" => ctx.reply.simple(if encoding == Encoding::Dense { "dense" } else { "sparse" }),
        b"todense" => {
            make_dense(ctx, &mut sketch, encoding)?;
            ctx.reply.int(i64::from(encoding == Encoding::Sparse));
        }
        _ => {
            return Err(Fault::quoting(&[&"ERR Unknown PFDEBUG subcommand '", &ctx.arg(1), &"'"]));
        }
    }
    Ok(())
}

fn make_dense(ctx: &mut Ctx<'_>, sketch: &mut Vec<u8>, encoding: Encoding) -> Outcome {
    if encoding == Encoding::Sparse {
        sketch::make_dense(sketch)?;
        let key = ctx.arg(2);
        super::store(ctx, key, sketch)?;
        ctx.server.stats.dirty += 1;
    }
    Ok(())
}

const HEADER: usize = 16;

/// The runs of a sparse sketch: `z` and `Z` for zeros in a short and in a long form, `v:value,length` for others.
fn decode(mut runs: &[u8]) -> String {
    let mut words = Vec::new();
    loop {
        runs = match *runs {
            [run @ 0..0x40, ref rest @ ..] => {
                words.push(format!("z:{}", run + 1));
                rest
            }
            [run @ 0x40..0x80, low, ref rest @ ..] => {
                words.push(format!("Z:{}", (u32::from(run & 0x3f) << 8 | u32::from(low)) + 1));
                rest
            }
            [run @ 0x80..=0xff, ref rest @ ..] => {
                words.push(format!("v:{},{}", (run >> 2 & 0x1f) + 1, (run & 3) + 1));
                rest
            }
            // Also half of a long run, which only a broken sketch has.
            _ => return words.join(" "),
        };
    }
}

/// Distinct elements that the self-test counts. More would prove no more and hold everybody up.
const ELEMENTS: u64 = 100_000;

/// Counts distinct elements with a sketch in either form: they must agree with each other, and with the truth within six
/// times the error that is expected of so many registers.
pub(super) fn pfselftest(ctx: &mut Ctx<'_>) -> Outcome {
    let sparse_max_bytes = ctx.server.config.hll_sparse_max_bytes;
    let (mut dense, mut sparse) = (sketch::empty(), sketch::empty());
    sketch::make_dense(&mut dense)?;
    let seed = ctx.server.rng.next_u64();
    let mut checked_at = 1;
    for number in 1..=ELEMENTS {
        let element = (number ^ seed).to_le_bytes();
        sketch::add(&mut dense, &element, sparse_max_bytes)?;
        sketch::add(&mut sparse, &element, sparse_max_bytes)?;
        if number != checked_at {
            continue;
        }
        checked_at *= 10;
        if number < sparse_max_bytes as u64 / 2 && sketch::check(&sparse)? != Encoding::Sparse {
            return Err(Fault::new("ERR TESTFAILED sparse encoding not used"));
        }
        let (count, other) = (sketch::count(&mut dense)?.0, sketch::count(&mut sparse)?.0);
        if count != other || Registers::of(&dense)?.as_slice() != Registers::of(&sparse)?.as_slice() {
            return Err(Fault::new("ERR TESTFAILED dense/sparse disagree"));
        }
        let expected = 1.04 / (sketch::REGISTERS as f64).sqrt();
        let allowed = if number == 10 { 1 } else { (expected * 6.0 * number as f64).ceil() as u64 };
        let error = count.abs_diff(number);
        if error > allowed {
            return Err(Fault::because(format!("ERR TESTFAILED Too big error. card:{number} abserr:{error}")));
        }
    }
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_spelled_out() {
        assert_eq!(decode(&sketch::empty()[HEADER..]), "Z:16384");
        assert_eq!(decode(&[0x00, 0x3f, 0x40, 0x41, 0x80, 0xff, 0x41]), "z:1 z:64 Z:66 v:1,1 v:32,4");
    }
}
