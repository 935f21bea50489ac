//! The geo commands: a place is the score of a sorted set's member.

mod query;
mod search;
mod table;

pub(crate) use table::TABLE;

use search::{georadius, georadius_ro, georadiusbymember, georadiusbymember_ro, geosearch, geosearchstore};
use xs_proto::resp::{LongDouble, Reply};
use xs_storage::geohash::Point;
use xs_storage::keyspace::Zset;

use super::zsets::add::{Options, add};
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::parse;

/// The metres of a unit.
fn unit(word: &[u8]) -> Result<f64, Fault> {
    match &word.to_ascii_lowercase()[..] {
        b"m" => Ok(1.0),
        b"km" => Ok(1000.0),
        b"ft" => Ok(0.3048),
        b"mi" => Ok(1609.34),
        _ => Err(Fault::new("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

/// The place that two arguments name.
fn point(longitude: &[u8], latitude: &[u8]) -> Result<Point, Fault> {
    let longitude = parse::float(longitude).ok_or(Fault::NOT_A_FLOAT)?;
    let latitude = parse::float(latitude).ok_or(Fault::NOT_A_FLOAT)?;
    Point::new(longitude, latitude)
        .ok_or_else(|| Fault::because(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

/// The place that a score means. ZADD can give any score, and what x86 makes of a number beyond the integers is what
/// Redis answers from there.
fn place(score: f64) -> Point {
    const TOP: f64 = (1u64 << 63) as f64;
    let signed = |score: f64| if (-TOP..TOP).contains(&score) { score as i64 } else { i64::MIN };
    let hash = if score < TOP { signed(score) as u64 } else { signed(score - TOP) as u64 ^ 1 << 63 };
    Point::from_hash(hash)
}

/// The place of a member.
fn place_of(zset: &Zset, member: &[u8]) -> Option<Point> {
    zset.score(member).map(place)
}

/// Writes a distance with four decimals.
fn write_distance(reply: &mut Reply<'_>, distance: f64) {
    let tenths_of_thousandths = (distance * 10_000.0).round_ties_even() as u64;
    let text = format!("{}.{:04}", tenths_of_thousandths / 10_000, tenths_of_thousandths % 10_000);
    reply.bulk(text.as_bytes());
}

/// Writes longitude and latitude as an array.
fn write_point(reply: &mut Reply<'_>, point: Point) {
    reply.array(2);
    for degrees in [point.longitude(), point.latitude()] {
        reply.double_text(LongDouble::from(degrees).to_string().as_bytes());
    }
}

fn geoadd(ctx: &mut Ctx<'_>) -> Outcome {
    let mut options = Options::default();
    let mut first = 2;
    while first < ctx.args.len() {
        match &ctx.arg(first).to_ascii_lowercase()[..] {
            b"nx" => options.only_new = true,
            b"xx" => options.only_present = true,
            b"ch" => options.count_changed = true,
            _ => break,
        }
        first += 1;
    }
    let places = ctx.args.skip(first);
    if places.is_empty() || !places.len().is_multiple_of(3) || (options.only_new && options.only_present) {
        return Err(Fault::SYNTAX);
    }
    let places = (0..places.len()).step_by(3).map(|at| {
        let point = point(&places[at], &places[at + 1])?;
        Ok((point.hash() as f64, &places[at + 2]))
    });
    let places = places.collect::<Result<Vec<_>, Fault>>()?;
    add(ctx, options, ctx.args.skip(ctx.args.len()), places.into_iter())
}

fn geodist(ctx: &mut Ctx<'_>) -> Outcome {
    let unit = match ctx.args.len() {
        4 => 1.0,
        5 => unit(ctx.arg(4))?,
        _ => return Err(Fault::SYNTAX),
    };
    let (key, from, to) = (ctx.arg(1), ctx.arg(2), ctx.arg(3));
    let distance = ctx.db.read::<Zset>(key)?.and_then(|zset| Some(place_of(zset, from)?.distance(place_of(zset, to)?)));
    match distance {
        Some(distance) => write_distance(&mut ctx.reply, distance / unit),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn geohash(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, members) = (ctx.arg(1), ctx.args.skip(2));
    let zset = ctx.db.read::<Zset>(key)?;
    ctx.reply.array(members.len());
    for member in members {
        match zset.and_then(|zset| place_of(zset, member)) {
            Some(place) => ctx.reply.bulk(&place.text()),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

fn geopos(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, members) = (ctx.arg(1), ctx.args.skip(2));
    let zset = ctx.db.read::<Zset>(key)?;
    ctx.reply.array(members.len());
    for member in members {
        match zset.and_then(|zset| place_of(zset, member)) {
            Some(place) => write_point(&mut ctx.reply, place),
            None => ctx.reply.null_array(),
        }
    }
    Ok(())
}
