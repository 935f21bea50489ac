//! Random sequences of operations, and how a failing one is made short.

use std::fmt;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use xs_os::Rng;

use super::model::{Bytes, Model, Move};
use super::store::{MANY_STEPS, Store, walk};
use crate::engine::{Durability, Engine, KeyRange, Op, ReadView, WriteBatch};
use crate::testing::Subject;

/// One thing that is done to a store.
#[derive(Clone, Debug)]
enum Step {
    Write(WriteBatch, Wait),
    Get(Vec<u8>),
    /// A cursor over a range; of a snapshot if there is one with that number.
    Walk(KeyRange<'static>, Vec<Move>, Option<usize>),
    /// A cursor that is held while batches are written between its moves.
    Hold(KeyRange<'static>, Vec<(Move, Option<WriteBatch>)>),
    Snapshot,
    EndSnapshot(usize),
    Compare(Option<usize>),
    Flush,
    Background(usize),
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Wait {
    Buffered,
    Dropped,
    Waited,
    Awaited,
}

/// Runs one seed.
pub(super) fn check<S: Subject>(make: &dyn Fn() -> S, seed: u64, count: usize) {
    let steps = draw(seed, count);
    let Err(first) = run(make, &steps, false) else { return };
    let steps = shorten(steps, |steps| run(make, steps, false).is_err());
    let what = run(make, &steps, false).err().unwrap_or(first);
    let mut text = format!("seed {seed}, {count} steps: {what}\nwhich {} of them show:\n", steps.len());
    for step in &steps {
        text += &format!("  {}\n", Line(step));
    }
    panic!("{text}");
}

/// Runs one seed beside background work on threads. What fails may not fail again, so nothing is left out.
pub(super) fn check_threaded<S: Subject>(make: &dyn Fn() -> S, seed: u64, count: usize) {
    if let Err(what) = run(make, &draw(seed, count), true) {
        panic!("seed {seed}, {count} steps, background work on threads: {what}");
    }
}

fn draw(seed: u64, count: usize) -> Vec<Step> {
    let mut rng = Rng::from_seed(seed).fork("testing::engine");
    (0..count).map(|_| step(&mut rng)).collect()
}

/// Does the steps; `Err` tells the first thing that differs, or the panic.
fn run<S: Subject>(make: &dyn Fn() -> S, steps: &[Step], threaded: bool) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| try_run(make, steps, threaded))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("panicked: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
    })
}

fn try_run<S: Subject>(make: &dyn Fn() -> S, steps: &[Step], threaded: bool) -> Result<(), String> {
    let fail = |error: crate::Error| error.to_string();
    let mut store = Store::new(make(), threaded).map_err(fail)?;
    let mut held: Vec<(Arc<dyn ReadView>, Model)> = Vec::new();
    for (nth, step) in steps.iter().enumerate() {
        one(&mut store, &mut held, step).map_err(|what| format!("step {nth}, {}: {what}", Line(step)))?;
    }
    for (nth, (view, model)) in held.iter().enumerate() {
        model.compare(&**view).map_err(|what| format!("at the end, snapshot {nth}: {what}"))?;
    }
    store.try_compare().map_err(|what| format!("at the end: {what}"))
}

fn one<S: Subject>(
    store: &mut Store<S>,
    held: &mut Vec<(Arc<dyn ReadView>, Model)>,
    step: &Step,
) -> Result<(), String> {
    let fail = |error: crate::Error| error.to_string();
    match step {
        Step::Write(batch, wait) => {
            let durability = if matches!(wait, Wait::Buffered) { Durability::Buffered } else { Durability::Synced };
            let commit = store.submit(batch.clone(), durability).map_err(fail)?;
            match wait {
                Wait::Buffered | Wait::Dropped => drop(commit),
                Wait::Waited => commit.wait().map_err(fail)?,
                Wait::Awaited => store.block_on(commit).map_err(fail)?,
            }
        }
        Step::Get(key) => {
            let found = store.engine().get(key).map_err(fail)?;
            let mut shown = None;
            let mut see = |value: &[u8]| shown = Some(value.to_vec());
            let there = store.engine().get_with(key, &mut see).map_err(fail)?;
            let expected = store.model.get(key);
            if found.as_deref() != expected || shown.as_deref() != expected || there != expected.is_some() {
                return Err(format!("found {:?}, shown {:?}, expected {:?}", found, shown, expected));
            }
        }
        Step::Walk(range, moves, of) => match of.and_then(|nth| held.get(nth)) {
            Some((view, model)) => walk(&**view, model, range.clone(), moves)?,
            None => walk(store.engine(), &store.model, range.clone(), moves)?,
        },
        Step::Hold(range, moves) => {
            let before = store.model.clone();
            let mut after = store.model.clone();
            let mut cursor = store.engine().cursor(range.clone()).map_err(fail)?;
            let mut expected = before.cursor(range);
            for (to, batch) in moves {
                expected.follow(&mut *cursor, to)?;
                if let Some(batch) = batch {
                    after.apply(batch.iter());
                    drop(store.engine().submit(batch.clone(), Durability::Buffered).map_err(fail)?);
                    store.machine().run_until_idle(2);
                }
            }
            drop(cursor);
            store.model = after;
        }
        Step::Snapshot => held.push((store.engine().snapshot().map_err(fail)?, store.model.clone())),
        Step::EndSnapshot(nth) if *nth < held.len() => drop(held.remove(*nth)),
        Step::EndSnapshot(_) => {}
        Step::Compare(of) => match of.and_then(|nth| held.get(nth)) {
            Some((view, model)) => model.compare(&**view)?,
            None => store.try_compare()?,
        },
        Step::Flush => store.engine().flush().map_err(fail)?,
        Step::Background(steps) => {
            store.machine().advance(std::time::Duration::from_secs(1));
            store.machine().run_until_idle(*steps);
        }
        Step::Reopen => {
            for (nth, (view, model)) in held.drain(..).enumerate() {
                model.compare(&*view).map_err(|what| format!("snapshot {nth}: {what}"))?;
            }
            store.submit(WriteBatch::new(), Durability::Synced).and_then(crate::engine::Commit::wait).map_err(fail)?;
            store.reopen().map_err(fail)?;
            store.try_compare()?;
        }
    }
    Ok(())
}

fn step(rng: &mut Rng) -> Step {
    const WAITS: [Wait; 4] = [Wait::Buffered, Wait::Dropped, Wait::Waited, Wait::Awaited];
    match rng.below(100) {
        0..40 => Step::Write(batch(rng), WAITS[rng.index(WAITS.len())]),
        40..50 => Step::Get(key(rng)),
        50..67 => {
            let moves = (0..rng.below(30)).map(|_| a_move(rng)).collect();
            Step::Walk(range(rng), moves, rng.chance(0.5).then(|| rng.index(3)))
        }
        67..73 => {
            let moves = (0..rng.below(12)).map(|_| (a_move(rng), rng.chance(0.5).then(|| batch(rng)))).collect();
            Step::Hold(range(rng), moves)
        }
        73..78 => Step::Snapshot,
        78..82 => Step::EndSnapshot(rng.index(3)),
        82..86 => Step::Compare(rng.chance(0.5).then(|| rng.index(3))),
        86..90 => Step::Flush,
        90..92 => Step::Background(MANY_STEPS),
        92..97 => Step::Background(1 + rng.index(6)),
        _ => Step::Reopen,
    }
}

fn batch(rng: &mut Rng) -> WriteBatch {
    let mut batch = WriteBatch::new();
    let len = if rng.chance(0.1) { 100 + rng.below(100) } else { rng.below(8) };
    for _ in 0..len {
        match rng.below(20) {
            0..13 => batch.put(&key(rng), &value(rng)),
            13..19 => batch.delete(&key(rng)),
            _ => batch.delete_range(&key(rng), &key(rng)),
        };
    }
    batch
}

/// Keys that meet each other often: short ones of few bytes, numbered ones behind a prefix, now and then a long one.
fn key(rng: &mut Rng) -> Vec<u8> {
    const BYTES: [u8; 5] = [0, b'a', b'b', b'c', 0xFF];
    match rng.below(20) {
        0..9 => (0..rng.below(5)).map(|_| BYTES[rng.index(BYTES.len())]).collect(),
        9..19 => format!("user/{:04}", rng.below(400)).into_bytes(),
        _ => [b"user/", &vec![b'0' + rng.below(3) as u8; 100 + rng.index(3000)][..]].concat(),
    }
}

fn value(rng: &mut Rng) -> Vec<u8> {
    let len = match rng.below(40) {
        0 => 1000 + rng.index(20_000),
        1..4 => 100 + rng.index(400),
        4 => 0,
        _ => rng.index(40),
    };
    let byte = rng.next_u64() as u8;
    (0..len).map(|n| byte.wrapping_add(n as u8)).collect()
}

fn range(rng: &mut Rng) -> KeyRange<'static> {
    let bound = |rng: &mut Rng| match rng.below(3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(key(rng).into()),
        _ => Bound::Excluded(key(rng).into()),
    };
    match rng.below(4) {
        0 => KeyRange::all(),
        1 => KeyRange::prefix(&key(rng)).into_owned(),
        _ => KeyRange { start: bound(rng), end: bound(rng) },
    }
}

fn a_move(rng: &mut Rng) -> Move {
    match rng.below(20) {
        0..8 => Move::Next,
        8..15 => Move::Prev,
        15..17 => Move::Seek(key(rng)),
        17..19 => Move::SeekBack(key(rng)),
        _ => Move::SeekEnd,
    }
}

/// Leaves out steps, in ever smaller groups, as long as what is left still fails; gives up after some hundred runs.
pub(crate) fn shorten<T: Clone>(mut steps: Vec<T>, fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut runs = 0;
    let mut group = steps.len().div_ceil(2);
    while group > 0 {
        let mut from = 0;
        while from < steps.len() && runs < 400 {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + group).min(steps.len()));
            runs += 1;
            if fails(&fewer) {
                steps = fewer;
            } else {
                from += group;
            }
        }
        group = if group == 1 { 0 } else { group.div_ceil(2) };
    }
    steps
}

/// A step in one line, without a flood of bytes.
struct Line<'a>(&'a Step);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Step::Write(batch, wait) => write!(f, "write, {wait:?}: {}", Writes(batch)),
            Step::Get(key) => write!(f, "get {}", Bytes(key)),
            Step::Hold(range, moves) => {
                write!(f, "hold a cursor over {}:", Range(range))?;
                for (to, batch) in moves {
                    write!(f, " {to:?}")?;
                    if let Some(batch) = batch {
                        write!(f, " [write {}]", Writes(batch))?;
                    }
                }
                Ok(())
            }
            Step::Walk(range, moves, of) => write!(f, "cursor of {of:?} over {}: {moves:?}", Range(range)),
            step => write!(f, "{step:?}"),
        }
    }
}

struct Writes<'a>(&'a WriteBatch);

impl fmt::Display for Writes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for op in self.0.iter().take(SHOWN) {
            match op {
                Op::Put(key, value) => write!(f, "put {} = {}; ", Bytes(key), Bytes(value))?,
                Op::Delete(key) => write!(f, "delete {}; ", Bytes(key))?,
                Op::DeleteRange(start, end) => write!(f, "delete {}..{}; ", Bytes(start), Bytes(end))?,
            }
        }
        if self.0.len() > SHOWN { write!(f, "… {} writes", self.0.len()) } else { Ok(()) }
    }
}

struct Range<'a>(&'a KeyRange<'static>);

impl fmt::Display for Range<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound =
            |bound| Bound::as_ref(bound).map(|key: &std::borrow::Cow<'static, [u8]>| key.escape_ascii().to_string());
        write!(f, "({:?}, {:?})", bound(&self.0.start), bound(&self.0.end))
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_failing_sequence_is_made_as_short_as_it_can_be() {
        let fails = |steps: &[u32]| steps.contains(&17) && steps.contains(&63);
        assert_eq!(shorten((0..100).collect(), fails), [17, 63]);
    }
}
