//! Members by chance.

use xs_storage::keyspace::Zset;

use super::Shape;
use crate::command::Outcome;
use crate::commands::chance::repeated;
use crate::commands::lists::write_item;
use crate::ctx::Ctx;
use crate::fault::Fault;

pub(super) fn zrandmember(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    if ctx.args.len() == 2 {
        match ctx.db.read::<Zset>(key)?.and_then(|zset| zset.random(&mut ctx.server.rng)) {
            Some((member, _)) => write_item(&mut ctx.reply, member),
            None => ctx.reply.null(),
        }
        return Ok(());
    }
    let count = ctx.int(2)?;
    if count == i64::MIN {
        return Err(Fault::NO_MAGNITUDE);
    }
    let with_scores = match ctx.args.len() {
        3 => false,
        4 if ctx.arg(3).eq_ignore_ascii_case(b"withscores") => true,
        _ => return Err(Fault::SYNTAX),
    };
    if with_scores && !(-(i64::MAX / 2)..=i64::MAX / 2).contains(&count) {
        return Err(Fault::new("ERR value is out of range"));
    }
    let shape = Shape::new(ctx, with_scores);
    let Ctx { db, reply, server, .. } = ctx;
    let Some(zset) = db.read::<Zset>(key)? else {
        reply.array(0);
        return Ok(());
    };
    let wanted = count.unsigned_abs() as usize;
    if count < 0 {
        return repeated(reply, shape.len(wanted), wanted, |reply, n| {
            zset.random_repeated(n, &mut server.rng, |member, score| shape.write(reply, member, score));
        });
    } else {
        let chosen = zset.random_distinct(wanted.min(zset.len()), &mut server.rng);
        reply.array(shape.len(chosen.len()));
        chosen.into_iter().for_each(|(member, score)| shape.write(reply, member, score));
    }
    Ok(())
}
