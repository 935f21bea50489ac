//! ZADD and ZINCRBY.

use xs_proto::resp::Args;
use xs_storage::keyspace::zset::Inserted;
use xs_storage::keyspace::{Limits, Zset};

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;
use crate::parse;

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) only_new: bool,
    pub(crate) only_present: bool,
    only_greater: bool,
    only_less: bool,
    pub(crate) count_changed: bool,
    increment: bool,
}

impl Options {
    /// Reads the options; also returns where the first score stands.
    fn parse(ctx: &Ctx<'_>) -> Result<(Options, usize), Fault> {
        let mut options = Options::default();
        let mut at = 2;
        while at < ctx.args.len() {
            let word = ctx.arg(at);
            match word.len() {
                2 if word.eq_ignore_ascii_case(b"nx") => options.only_new = true,
                2 if word.eq_ignore_ascii_case(b"xx") => options.only_present = true,
                2 if word.eq_ignore_ascii_case(b"gt") => options.only_greater = true,
                2 if word.eq_ignore_ascii_case(b"lt") => options.only_less = true,
                2 if word.eq_ignore_ascii_case(b"ch") => options.count_changed = true,
                4 if word.eq_ignore_ascii_case(b"incr") => options.increment = true,
                _ => break,
            }
            at += 1;
        }
        let pairs = ctx.args.len() - at;
        if pairs == 0 || !pairs.is_multiple_of(2) {
            return Err(Fault::SYNTAX);
        }
        if options.only_new && options.only_present {
            return Err(Fault::new("ERR XX and NX options at the same time are not compatible"));
        }
        let directions = usize::from(options.only_greater) + usize::from(options.only_less);
        if directions > 1 || (directions > 0 && options.only_new) {
            return Err(Fault::new("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if options.increment && pairs > 2 {
            return Err(Fault::new("ERR INCR option supports a single increment-element pair"));
        }
        Ok((options, at))
    }

    fn is_plain(self) -> bool {
        !(self.only_new || self.only_present || self.only_greater || self.only_less || self.increment)
    }

    /// Gives `member` a score under the options; `None` when they forbid it.
    fn insert(
        self,
        zset: &mut Zset,
        score: f64,
        member: &[u8],
        limits: &Limits,
    ) -> Result<Option<(Inserted, f64)>, Fault> {
        let old = zset.score(member);
        let mut score = score;
        match old {
            None if self.only_present => return Ok(None),
            Some(_) if self.only_new => return Ok(None),
            Some(old) => {
                if self.increment {
                    score += old;
                    if score.is_nan() {
                        return Err(Fault::new("ERR resulting score is not a number (NaN)"));
                    }
                }
                if (self.only_greater && score <= old) || (self.only_less && score >= old) {
                    return Ok(None);
                }
            }
            None => {}
        }
        Ok(Some((zset.insert(score, member, limits), score)))
    }
}

pub(super) fn zadd(ctx: &mut Ctx<'_>) -> Outcome {
    let (options, first) = Options::parse(ctx)?;
    add_pairs(ctx, options, first)
}

pub(super) fn zincrby(ctx: &mut Ctx<'_>) -> Outcome {
    add_pairs(ctx, Options { increment: true, ..Options::default() }, 2)
}

/// Adds what the arguments from `first` on say: scores, each with its member.
fn add_pairs(ctx: &mut Ctx<'_>, options: Options, first: usize) -> Outcome {
    let pairs = ctx.args.skip(first);
    if pairs.len() == 2 {
        let score = parse::float(&pairs[0]).ok_or(Fault::NOT_A_FLOAT)?;
        return add(ctx, options, pairs, std::iter::once((score, &pairs[1])));
    }
    // Nothing is added unless every score is a number.
    let scores = (0..pairs.len()).step_by(2).map(|at| parse::float(&pairs[at]).ok_or(Fault::NOT_A_FLOAT));
    let scores = scores.collect::<Result<Vec<f64>, Fault>>()?;
    add(ctx, options, pairs, scores.into_iter().zip(pairs.iter().skip(1).step_by(2)))
}

/// Gives members scores under the options, and answers how many are new, or the score that came out. `strings` are
/// about what a new set will hold, if that is known.
#[inline]
pub(crate) fn add<'m>(
    ctx: &mut Ctx<'_>,
    options: Options,
    strings: Args<'_>,
    mut pairs: impl Iterator<Item = (f64, &'m [u8])>,
) -> Outcome {
    let key = ctx.arg(1);
    if options.only_present && ctx.db.look::<Zset>(key)?.is_none() {
        match options.increment {
            true => ctx.reply.null(),
            false => ctx.reply.int(0),
        }
        return Ok(());
    }
    let (mut added, mut updated, mut result) = (0, 0, None);
    ctx.db.edit_or_new(key, |zset: &mut Zset, limits| {
        zset.expect(strings.iter(), limits);
        pairs.try_for_each(|(score, member)| {
            let inserted = match options.is_plain() {
                true => zset.insert(score, member, limits),
                false => match options.insert(zset, score, member, limits)? {
                    Some((inserted, score)) => {
                        result = Some(score);
                        inserted
                    }
                    None => return Ok(()),
                },
            };
            match inserted {
                Inserted::Added => added += 1,
                Inserted::Updated => updated += 1,
                Inserted::Unchanged => {}
            }
            Ok::<(), Fault>(())
        })
    })??;
    if added + updated > 0 {
        ctx.touched(key, Class::ZSET, if options.increment { "zincr" } else { "zadd" }, added + updated);
    }
    match (options.increment, result) {
        (true, Some(score)) => ctx.reply.double(score),
        (true, None) => ctx.reply.null(),
        (false, _) => ctx.reply.int((added + if options.count_changed { updated } else { 0 }) as i64),
    }
    Ok(())
}
