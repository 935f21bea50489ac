//! Reading hashes as a whole, in part, and at random.

use xs_proto::resp::Reply;
use xs_storage::keyspace::{Hash, Item};

use crate::command::Outcome;
use crate::commands::chance::repeated;
use crate::commands::lists::write_item;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::scan::Scan;

pub(super) fn hgetall(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    let Some(hash) = ctx.db.read::<Hash>(key)? else {
        ctx.reply.map(0);
        return Ok(());
    };
    ctx.reply.map(hash.len());
    for (field, value) in hash.iter() {
        write_item(&mut ctx.reply, field);
        write_item(&mut ctx.reply, value);
    }
    Ok(())
}

pub(super) fn hkeys(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    let hash = ctx.db.read::<Hash>(key)?;
    ctx.reply.array(hash.map_or(0, Hash::len));
    hash.into_iter().flat_map(Hash::iter).for_each(|(field, _)| write_item(&mut ctx.reply, field));
    Ok(())
}

pub(super) fn hvals(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    let hash = ctx.db.read::<Hash>(key)?;
    ctx.reply.array(hash.map_or(0, Hash::len));
    hash.into_iter().flat_map(Hash::iter).for_each(|(_, value)| write_item(&mut ctx.reply, value));
    Ok(())
}

pub(super) fn hrandfield(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(1);
    if ctx.args.len() == 2 {
        match ctx.db.read::<Hash>(key)?.and_then(|hash| hash.random(&mut ctx.server.rng)) {
            Some((field, _)) => write_item(&mut ctx.reply, field),
            None => ctx.reply.null(),
        }
        return Ok(());
    }
    let count = ctx.int(2)?;
    if count == i64::MIN {
        return Err(Fault::NO_MAGNITUDE);
    }
    let with_values = match ctx.args.len() {
        3 => false,
        4 if ctx.arg(3).eq_ignore_ascii_case(b"withvalues") => true,
        _ => return Err(Fault::SYNTAX),
    };
    if with_values && !(-(i64::MAX / 2)..=i64::MAX / 2).contains(&count) {
        return Err(Fault::new("ERR value is out of range"));
    }
    let nested = with_values && ctx.is_resp3();
    let Ctx { db, reply, server, .. } = ctx;
    let Some(hash) = db.read::<Hash>(key)? else {
        reply.array(0);
        return Ok(());
    };
    let wanted = count.unsigned_abs() as usize;
    let each = if with_values && !nested { 2 } else { 1 };
    let write = |reply: &mut Reply<'_>, field: Item<'_>, value: Item<'_>| {
        if nested {
            reply.array(2);
        }
        write_item(reply, field);
        if with_values {
            write_item(reply, value);
        }
    };
    if count < 0 {
        return repeated(reply, wanted * each, wanted, |reply, n| {
            hash.random_repeated(n, &mut server.rng, |field, value| write(reply, field, value));
        });
    } else {
        let chosen = hash.random_distinct(wanted.min(hash.len()), &mut server.rng);
        reply.array(chosen.len() * each);
        chosen.into_iter().for_each(|(field, value)| write(reply, field, value));
    }
    Ok(())
}

pub(super) fn hscan(ctx: &mut Ctx<'_>) -> Outcome {
    let Some(scan) = Scan::of_value::<Hash>(ctx)? else { return Ok(()) };
    let mut found = Vec::new();
    let cursor = ctx.db.look::<Hash>(ctx.arg(1))?.map_or(0, |hash| {
        hash.scan(scan.cursor, scan.count, |field, value| {
            let field = field.to_vec();
            if scan.wants(&field) {
                found.push(field);
                found.push(value.to_vec());
            }
        })
    });
    ctx.reply.array(2);
    ctx.reply.bulk(cursor.to_string().as_bytes());
    ctx.reply.array(found.len());
    found.iter().for_each(|item| ctx.reply.bulk(item));
    Ok(())
}
