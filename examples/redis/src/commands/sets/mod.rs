//! The set commands.

mod algebra;
mod random;
mod table;

pub(crate) use table::TABLE;

use algebra::{sdiff, sdiffstore, sinter, sintercard, sinterstore, sunion, sunionstore};
use random::{spop, srandmember};
use xs_storage::keyspace::Set;

use crate::command::Outcome;
use crate::commands::lists::write_item;
use crate::ctx::Ctx;
use crate::db::Left;
use crate::notify::Class;
use crate::scan::Scan;

fn sadd(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, members) = (ctx.arg(1), ctx.args.skip(2));
    let added = ctx.db.edit_or_new(key, |set: &mut Set, limits| {
        members.iter().filter(|member| set.insert(member, limits)).count() as u64
    })?;
    if added > 0 {
        ctx.touched(key, Class::SET, "sadd", added);
    }
    ctx.reply.int(added as i64);
    Ok(())
}

fn srem(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, members) = (ctx.arg(1), ctx.args.skip(2));
    let removed =
        ctx.db.edit(key, |set: &mut Set, _| members.iter().filter(|member| set.remove(member)).count() as u64)?;
    let (removed, left) = removed.unwrap_or((0, Left::Something));
    if removed > 0 {
        ctx.touched(key, Class::SET, "srem", removed);
    }
    if left == Left::Nothing {
        ctx.removed_empty(key);
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

fn smove(ctx: &mut Ctx<'_>) -> Outcome {
    let (source, target, member) = (ctx.arg(1), ctx.arg(2), ctx.arg(3));
    let Some(set) = ctx.db.look::<Set>(source)? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let is_member = set.contains(member);
    ctx.db.look::<Set>(target)?;
    if source == target || !is_member {
        ctx.reply.int(i64::from(is_member));
        return Ok(());
    }
    let removed = ctx.db.edit(source, |set: &mut Set, _| set.remove(member))?;
    ctx.touched(source, Class::SET, "srem", 1);
    if removed.is_some_and(|(_, left)| left == Left::Nothing) {
        ctx.removed_empty(source);
    }
    if ctx.db.edit_or_new(target, |set: &mut Set, limits| set.insert(member, limits))? {
        ctx.touched(target, Class::SET, "sadd", 1);
    }
    ctx.reply.int(1);
    Ok(())
}

fn scard(ctx: &mut Ctx<'_>) -> Outcome {
    let len = ctx.db.read::<Set>(ctx.arg(1))?.map_or(0, Set::len);
    ctx.reply.int(len as i64);
    Ok(())
}

fn sismember(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, member) = (ctx.arg(1), ctx.arg(2));
    let found = ctx.db.read::<Set>(key)?.is_some_and(|set| set.contains(member));
    ctx.reply.int(i64::from(found));
    Ok(())
}

fn smismember(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, members) = (ctx.arg(1), ctx.args.skip(2));
    let set = ctx.db.read::<Set>(key)?;
    ctx.reply.array(members.len());
    for member in members {
        ctx.reply.int(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

fn smembers(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    let set = ctx.db.read::<Set>(key)?;
    ctx.reply.set(set.map_or(0, Set::len));
    set.into_iter().flat_map(Set::iter).for_each(|member| write_item(&mut ctx.reply, member));
    Ok(())
}

fn sscan(ctx: &mut Ctx<'_>) -> Outcome {
    let Some(scan) = Scan::of_value::<Set>(ctx)? else { return Ok(()) };
    let mut found = Vec::new();
    let cursor = ctx.db.look::<Set>(ctx.arg(1))?.map_or(0, |set| {
        set.scan(scan.cursor, scan.count, |member| {
            let member = member.to_vec();
            if scan.wants(&member) {
                found.push(member);
            }
        })
    });
    ctx.reply.array(2);
    ctx.reply.bulk(cursor.to_string().as_bytes());
    ctx.reply.array(found.len());
    found.iter().for_each(|member| ctx.reply.bulk(member));
    Ok(())
}
