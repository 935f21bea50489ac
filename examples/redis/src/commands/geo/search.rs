//! The search commands: cells of the map as ranges of scores, what is in them measured, sorted, and told or stored.

use std::ops::Bound;

use xs_proto::resp::Reply;
use xs_storage::geohash::{Point, Search};
use xs_storage::keyspace::{Item, Zset};

use super::query::{Form, Order, Query};
use super::{place, write_distance, write_point};
use crate::command::Outcome;
use crate::commands::lists::write_item;
use crate::ctx::Ctx;
use crate::notify::Class;

/// A member inside the shape.
struct Found<'z> {
    member: Item<'z>,
    score: f64,
    point: Point,
    /// From the centre, in metres.
    distance: f64,
}

pub(super) fn georadius(ctx: &mut Ctx<'_>) -> Outcome {
    run(ctx, Form::Around { may_store: true })
}

pub(super) fn georadius_ro(ctx: &mut Ctx<'_>) -> Outcome {
    run(ctx, Form::Around { may_store: false })
}

pub(super) fn georadiusbymember(ctx: &mut Ctx<'_>) -> Outcome {
    run(ctx, Form::AroundMember { may_store: true })
}

pub(super) fn georadiusbymember_ro(ctx: &mut Ctx<'_>) -> Outcome {
    run(ctx, Form::AroundMember { may_store: false })
}

pub(super) fn geosearch(ctx: &mut Ctx<'_>) -> Outcome {
    run(ctx, Form::Search)
}

pub(super) fn geosearchstore(ctx: &mut Ctx<'_>) -> Outcome {
    run(ctx, Form::SearchStore)
}

fn run(ctx: &mut Ctx<'_>, form: Form) -> Outcome {
    let key = ctx.arg(if form == Form::SearchStore { 2 } else { 1 });
    let limits = ctx.db.limits;
    let Ctx { db, args, reply, .. } = ctx;
    let zset = db.read::<Zset>(key)?;
    let query = Query::parse(*args, form, zset)?;
    let found = match (zset, query.search) {
        (Some(zset), Some(search)) => find(zset, search, &query),
        _ => Vec::new(),
    };
    let Some(target) = query.target else {
        reply.array(found.len());
        found.iter().for_each(|found| write(reply, found, &query));
        return Ok(());
    };
    let mut result = Zset::new();
    for found in &found {
        let score = if query.store_distances { found.distance / query.unit } else { found.score };
        result.insert(score, found.member.as_bytes(&mut [0; 20]), limits);
    }
    let event = if form == Form::SearchStore { "geosearchstore" } else { "georadiusstore" };
    let len = result.len();
    ctx.store(target, result, Class::ZSET, event, len as u64);
    ctx.reply.int(len as i64);
    Ok(())
}

/// The members that the query means, in its order.
fn find<'z>(zset: &'z Zset, search: Search, query: &Query<'_>) -> Vec<Found<'z>> {
    let enough = if query.any { query.count } else { usize::MAX };
    let in_cells = search.cells().flat_map(|cell| {
        let hashes = cell.hashes();
        let (start, end) = (hashes.start as f64, hashes.end as f64);
        zset.range(zset.score_range(Bound::Included(start), Bound::Excluded(end)))
    });
    let found = in_cells.filter_map(|(member, score)| {
        let point = place(score);
        search.distance_to(point).map(|distance| Found { member, score, point, distance })
    });
    let mut found: Vec<_> = found.take(enough).collect();
    match query.order {
        // A limit without an order means the nearest, unless any will do.
        Order::Any if query.count == 0 || query.any => {}
        Order::Any | Order::Near => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Order::Far => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
    }
    if query.count > 0 {
        found.truncate(query.count);
    }
    found
}

/// Writes a member, and with it in an array what the query wants to know about it.
fn write(reply: &mut Reply<'_>, found: &Found<'_>, query: &Query<'_>) {
    let more = [query.with_distance, query.with_hash, query.with_point].into_iter().filter(|with| *with).count();
    if more > 0 {
        reply.array(1 + more);
    }
    write_item(reply, found.member);
    if query.with_distance {
        write_distance(reply, found.distance / query.unit);
    }
    if query.with_hash {
        reply.int(found.score as i64);
    }
    if query.with_point {
        write_point(reply, found.point);
    }
}
