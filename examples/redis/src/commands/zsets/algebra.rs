//! Unions, intersections and differences of sorted sets and sets.

use xs_storage::keyspace::{Item, Limits, Set, Value, Zset};

use super::Shape;
use super::range::store;
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::db::Db;
use crate::fault::Fault;
use crate::parse;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

#[derive(Debug, Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // Opposite infinities have no sum; Redis takes zero.
            Aggregate::Sum if (a + b).is_nan() => 0.0,
            Aggregate::Sum => a + b,
            Aggregate::Min => a.min(b),
            Aggregate::Max => a.max(b),
        }
    }
}

/// One input: a sorted set, or a set whose members all have the score 1.
#[derive(Clone, Copy)]
enum Source<'s> {
    Zset(&'s Zset),
    Set(&'s Set),
    Missing,
}

impl<'s> Source<'s> {
    fn len(self) -> usize {
        match self {
            Source::Zset(zset) => zset.len(),
            Source::Set(set) => set.len(),
            Source::Missing => 0,
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Zset(zset) => zset.score(member),
            Source::Set(set) => set.contains(member).then_some(1.0),
            Source::Missing => None,
        }
    }

    fn iter(self) -> Box<dyn Iterator<Item = (Item<'s>, f64)> + 's> {
        match self {
            Source::Zset(zset) => Box::new(zset.iter()),
            Source::Set(set) => Box::new(set.iter().map(|member| (member, 1.0))),
            Source::Missing => Box::new(std::iter::empty()),
        }
    }
}

fn weighted(score: f64, weight: f64) -> f64 {
    let product = score * weight;
    if product.is_nan() { 0.0 } else { product }
}

/// `numkeys key [key …] [WEIGHTS …] [AGGREGATE …] [WITHSCORES]`.
struct Query<'a> {
    keys: Vec<&'a [u8]>,
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Answer,
    Store,
    Count,
}

impl<'a> Query<'a> {
    fn parse(ctx: &mut Ctx<'a>, at: usize, operation: Operation, form: Form) -> Result<Query<'a>, Fault> {
        let number = ctx.int(at)?;
        if number < 1 {
            return Err(Fault::because(format!("ERR at least 1 input key is needed for '{}' command", ctx.spec.name)));
        }
        if number > (ctx.args.len() - at - 1) as i64 {
            return Err(Fault::SYNTAX);
        }
        let end = at + 1 + number as usize;
        let keys: Vec<&[u8]> = (at + 1..end).map(|at| ctx.arg(at)).collect();
        // A key of another type comes before a wrong option.
        for key in &keys {
            match ctx.db.get(key) {
                None | Some(Value::Zset(_) | Value::Set(_)) => {}
                Some(_) => return Err(Fault::WRONG_TYPE),
            }
        }
        let mut query =
            Query { weights: vec![1.0; keys.len()], keys, aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        let mut at = end;
        while at < ctx.args.len() {
            let left = ctx.args.len() - at;
            match &ctx.arg(at).to_ascii_lowercase()[..] {
                b"weights" if operation != Operation::Difference && form != Form::Count && left > query.keys.len() => {
                    for weight in &mut query.weights {
                        at += 1;
                        *weight = parse::float(ctx.arg(at)).ok_or(Fault::new("ERR weight value is not a float"))?;
                    }
                }
                b"aggregate" if operation != Operation::Difference && form != Form::Count && left >= 2 => {
                    at += 1;
                    query.aggregate = match &ctx.arg(at).to_ascii_lowercase()[..] {
                        b"sum" => Aggregate::Sum,
                        b"min" => Aggregate::Min,
                        b"max" => Aggregate::Max,
                        _ => return Err(Fault::SYNTAX),
                    };
                }
                b"withscores" if form == Form::Answer => query.with_scores = true,
                b"limit" if form == Form::Count && left >= 2 => {
                    at += 1;
                    let limit = parse::int(ctx.arg(at)).and_then(|limit| usize::try_from(limit).ok());
                    query.limit = limit.ok_or(Fault::new("ERR LIMIT can't be negative"))?;
                }
                _ => return Err(Fault::SYNTAX),
            }
            at += 1;
        }
        Ok(query)
    }

    /// The inputs.
    fn sources<'s>(&self, db: &'s Db<'_>) -> Vec<Source<'s>> {
        let sources = self.keys.iter().map(|key| match db.keyspace.peek(db.index, key, db.now) {
            Some(Value::Zset(zset)) => Source::Zset(zset),
            Some(Value::Set(set)) => Source::Set(set),
            _ => Source::Missing,
        });
        sources.collect()
    }

    fn result(&self, sources: &[Source<'_>], operation: Operation, limits: &Limits) -> Zset {
        let mut result = Zset::new();
        let mut scratch = [0; 20];
        match operation {
            Operation::Union => {
                for (source, weight) in sources.iter().zip(&self.weights) {
                    for (member, score) in source.iter() {
                        let member = member.as_bytes(&mut scratch);
                        let mut score = weighted(score, *weight);
                        if let Some(so_far) = result.score(member) {
                            score = self.aggregate.of(so_far, score);
                        }
                        result.insert(score, member, limits);
                    }
                }
            }
            Operation::Intersection => self.intersect(sources, |member, score| {
                result.insert(score, member, limits);
                true
            }),
            Operation::Difference => {
                let Some((first, others)) = sources.split_first() else { return result };
                for (member, score) in first.iter() {
                    let member = member.as_bytes(&mut scratch);
                    if !others.iter().any(|other| other.score(member).is_some()) {
                        result.insert(score, member, limits);
                    }
                }
            }
        }
        result
    }

    /// Visits the members that every source has, until `visit` says to stop. The smallest source is walked.
    fn intersect(&self, sources: &[Source<'_>], mut visit: impl FnMut(&[u8], f64) -> bool) {
        let Some(smallest) = (0..sources.len()).min_by_key(|at| sources[*at].len()) else { return };
        let mut scratch = [0; 20];
        for (member, _) in sources[smallest].iter() {
            let member = member.as_bytes(&mut scratch);
            let scores = sources
                .iter()
                .zip(&self.weights)
                .map(|(source, weight)| Some(weighted(source.score(member)?, *weight)));
            let score = scores.reduce(|a, b| Some(self.aggregate.of(a?, b?))).flatten();
            if let Some(score) = score
                && !visit(member, score)
            {
                return;
            }
        }
    }
}

fn answer(ctx: &mut Ctx<'_>, operation: Operation) -> Outcome {
    let query = Query::parse(ctx, 1, operation, Form::Answer)?;
    let limits = ctx.db.limits;
    let result = query.result(&query.sources(&ctx.db), operation, limits);
    let shape = Shape::new(ctx, query.with_scores);
    ctx.reply.array(shape.len(result.len()));
    result.iter().for_each(|(member, score)| shape.write(&mut ctx.reply, member, score));
    Ok(())
}

fn answer_stored(ctx: &mut Ctx<'_>, operation: Operation, event: &'static str) -> Outcome {
    let query = Query::parse(ctx, 2, operation, Form::Store)?;
    let target = ctx.arg(1);
    let limits = ctx.db.limits;
    let result = query.result(&query.sources(&ctx.db), operation, limits);
    store(ctx, target, result, event);
    Ok(())
}

pub(super) fn zunion(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, Operation::Union)
}

pub(super) fn zinter(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, Operation::Intersection)
}

pub(super) fn zdiff(ctx: &mut Ctx<'_>) -> Outcome {
    answer(ctx, Operation::Difference)
}

pub(super) fn zunionstore(ctx: &mut Ctx<'_>) -> Outcome {
    answer_stored(ctx, Operation::Union, "zunionstore")
}

pub(super) fn zinterstore(ctx: &mut Ctx<'_>) -> Outcome {
    answer_stored(ctx, Operation::Intersection, "zinterstore")
}

pub(super) fn zdiffstore(ctx: &mut Ctx<'_>) -> Outcome {
    answer_stored(ctx, Operation::Difference, "zdiffstore")
}

pub(super) fn zintercard(ctx: &mut Ctx<'_>) -> Outcome {
    let query = Query::parse(ctx, 1, Operation::Intersection, Form::Count)?;
    let sources = query.sources(&ctx.db);
    let mut found = 0;
    query.intersect(&sources, |_, _| {
        found += 1;
        found != query.limit
    });
    ctx.reply.int(found as i64);
    Ok(())
}
