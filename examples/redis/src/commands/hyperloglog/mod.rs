//! Counting distinct elements in a few kilobytes: strings that hold a sketch (`xs_storage::sketch`).

mod debug;
mod table;

pub(crate) use table::TABLE;
use xs_storage::keyspace::Str;
use xs_storage::sketch::{self, SketchError};

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::notify::Class;

impl From<SketchError> for Fault {
    fn from(error: SketchError) -> Fault {
        Fault::because(error.to_string())
    }
}

/// The byte and the bit by which a sketch says that it must be counted anew.
const FORGOTTEN: (usize, u8) = (15, 0x80);

/// A sketch as a value. Never the text of a number, whatever its bytes are.
fn value(sketch: &[u8]) -> Str {
    let mut value = Str::default();
    value.bytes_mut(sketch.len()).copy_from_slice(sketch);
    value
}

fn pfadd(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, elements) = (ctx.arg(1), ctx.args.skip(2));
    let found = ctx.db.look::<Str>(key)?.map(Str::to_vec);
    let is_new = found.is_none();
    let mut sketch = found.unwrap_or_else(sketch::empty);
    sketch::check(&sketch)?;
    let mut changes = u64::from(is_new);
    for element in elements {
        changes += u64::from(sketch::add(&mut sketch, element, ctx.server.config.hll_sparse_max_bytes)?);
    }
    if changes > 0 {
        // A new sketch knows that it has seen nothing; Redis lets it forget even that.
        sketch[FORGOTTEN.0] |= FORGOTTEN.1;
        store(ctx, key, &sketch)?;
        ctx.touched(key, Class::STRING, "pfadd", changes);
    }
    ctx.reply.int(i64::from(changes > 0));
    Ok(())
}

/// Writes a sketch over the one at `key`, or where there is none yet; an expiry stays.
fn store(ctx: &mut Ctx<'_>, key: &[u8], sketch: &[u8]) -> Outcome {
    ctx.db.edit_or_new(key, |old: &mut Str, _| match old.len() == sketch.len() {
        true => old.bytes_mut(0).copy_from_slice(sketch),
        false => *old = value(sketch),
    })
}

fn pfcount(ctx: &mut Ctx<'_>) -> Outcome {
    let keys = ctx.args.skip(1);
    let mut found = 0;
    for key in keys {
        if let Some(value) = ctx.db.read::<Str>(key)? {
            sketch::check(&value.view())?;
            found += 1;
        }
    }
    let count = match (keys.len(), found) {
        (_, 0) => 0,
        (1, _) => count_one(ctx, ctx.arg(1))?,
        _ => {
            let value = |key| ctx.db.keyspace.peek(ctx.db.index, key, ctx.now)?.as_str().map(Str::view);
            let views: Vec<_> = keys.iter().filter_map(value).collect();
            sketch::count_union(views.iter().map(|view| &**view))?
        }
    };
    ctx.reply.int(count as i64);
    Ok(())
}

/// The count of a sketch that is there. A sketch remembers its count until it changes; noting it is a change, too.
fn count_one(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<u64, Fault> {
    let counted = ctx.db.edit(key, |value: &mut Str, _| sketch::count(value.bytes_mut(0)))?;
    let Some((counted, _)) = counted else { return Ok(0) };
    let (count, is_noted) = counted?;
    if is_noted {
        ctx.db.modified(key, "pfcount");
        ctx.server.stats.dirty += 1;
    }
    Ok(count)
}

fn pfmerge(ctx: &mut Ctx<'_>) -> Outcome {
    let (key, all) = (ctx.arg(1), ctx.args.skip(1));
    for source in all {
        if let Some(value) = ctx.db.read::<Str>(source)? {
            sketch::check(&value.view())?;
        }
    }
    let sparse_max_bytes = ctx.server.config.hll_sparse_max_bytes;
    let value = |key| ctx.db.keyspace.peek(ctx.db.index, key, ctx.now)?.as_str().map(Str::view);
    let mut target = value(key).map_or_else(sketch::empty, |view| view.to_vec());
    let sources: Vec<_> = all.skip(1).iter().filter_map(value).collect();
    sketch::merge(&mut target, sources.iter().map(|view| &**view), sparse_max_bytes)?;
    store(ctx, key, &target)?;
    ctx.touched(key, Class::STRING, "pfadd", 1);
    ctx.reply.ok();
    Ok(())
}
