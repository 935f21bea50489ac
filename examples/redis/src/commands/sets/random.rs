//! Members by chance.

use xs_storage::keyspace::Set;

use crate::command::Outcome;
use crate::commands::chance::repeated;
use crate::commands::lists::write_item;
use crate::ctx::Ctx;
use crate::db::Left;
use crate::fault::Fault;
use crate::notify::Class;

pub(super) fn spop(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    if ctx.args.len() > 3 {
        return Err(Fault::SYNTAX);
    }
    if ctx.args.len() == 3 {
        return spop_many(ctx);
    }
    let Ctx { db, reply, server, .. } = ctx;
    let popped = db.edit(key, |set: &mut Set, _| set.pop(&mut server.rng, |member| write_item(reply, member)))?;
    match popped {
        None => ctx.reply.null(),
        Some((_, left)) => popped_from(ctx, key, 1, left),
    }
    Ok(())
}

fn spop_many(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, count) = (ctx.arg(1), ctx.size(2)?);
    let Ctx { db, reply, server, .. } = ctx;
    let count = db.look::<Set>(key)?.map_or(0, |set| count.min(set.len()));
    reply.set(count);
    if count == 0 {
        return Ok(());
    }
    let popped = db.edit(key, |set: &mut Set, _| {
        for _ in 0..count {
            set.pop(&mut server.rng, |member| write_item(reply, member));
        }
    })?;
    if let Some(((), left)) = popped {
        popped_from(ctx, key, count as u64, left);
    }
    Ok(())
}

fn popped_from(ctx: &mut Ctx<'_>, key: &[u8], count: u64, left: Left) {
    ctx.touched(key, Class::SET, "spop", count);
    if left == Left::Nothing {
        ctx.removed_empty(key);
    }
}

pub(super) fn srandmember(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    if ctx.args.len() > 3 {
        return Err(Fault::SYNTAX);
    }
    if ctx.args.len() == 2 {
        match ctx.db.read::<Set>(key)?.and_then(|set| set.random(&mut ctx.server.rng)) {
            Some(member) => write_item(&mut ctx.reply, member),
            None => ctx.reply.null(),
        }
        return Ok(());
    }
    let count = ctx.int(2)?;
    if count == i64::MIN {
        return Err(Fault::NO_MAGNITUDE);
    }
    let Ctx { db, reply, server, .. } = ctx;
    let Some(set) = db.read::<Set>(key)? else {
        reply.array(0);
        return Ok(());
    };
    let wanted = count.unsigned_abs() as usize;
    if count < 0 {
        return repeated(reply, wanted, wanted, |reply, n| {
            for member in (0..n).filter_map(|_| set.random(&mut server.rng)) {
                write_item(reply, member);
            }
        });
    } else {
        let chosen = set.random_distinct(wanted.min(set.len()), &mut server.rng);
        reply.array(chosen.len());
        chosen.into_iter().for_each(|member| write_item(reply, member));
    }
    Ok(())
}
