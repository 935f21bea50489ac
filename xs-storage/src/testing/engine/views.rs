//! The sentences of the contract about reading.

use std::borrow::Cow;
use std::ops::Bound;

use super::model::Move::{self, Next, Prev, Seek, SeekBack, SeekEnd};
use super::store::{MANY_STEPS, Store, walk};
use crate::Result;
use crate::engine::{Cursor, Durability, Engine, KeyRange, ReadView, WriteBatch};
use crate::testing::Subject;

/// Entries `b`, `d`, … `n` with values, half of them flushed, some overwritten and some deleted since: so that what a
/// cursor sees comes from every layer that an engine has.
fn layers<S: Subject>(store: &mut Store<S>) -> Result<()> {
    let mut batch = WriteBatch::new();
    for letter in b'a'..=b'p' {
        batch.put(&[letter], b"old");
    }
    store.write(batch)?;
    store.engine().flush()?;
    let mut batch = WriteBatch::new();
    for letter in (b'a'..=b'o').step_by(2) {
        batch.delete(&[letter]);
    }
    batch.put(b"d", b"new").put(b"h", b"new").delete_range(b"o", b"q");
    store.write(batch)
}

fn times(to: Move, n: usize) -> Vec<Move> {
    vec![to; n]
}

fn seek(key: &[u8]) -> Move {
    Seek(key.to_vec())
}

fn seek_back(key: &[u8]) -> Move {
    SeekBack(key.to_vec())
}

pub(super) fn cursor_states<S: Subject>(store: &mut Store<S>) -> Result<()> {
    let all = KeyRange::all;
    store.walk(all(), &[Next, Next, Prev, Prev, SeekEnd, Prev, SeekEnd, Next, seek(b""), seek_back(b"")]);
    store.put(b"k", b"v")?;
    store.walk(all(), &[Prev, Prev, Next, Next, Next, Prev, Prev, Prev, Next]);
    store.walk(all(), &[SeekEnd, Next, Prev, Prev, Next, SeekEnd, SeekEnd, Prev]);
    layers(store)?;
    store.walk(all(), &[Prev, Next, Prev, Next, Next, Next]);
    store.walk(all(), &[SeekEnd, Prev, Next, Next, Prev, Prev]);
    let to_the_end_and_back = [times(Next, 12), times(Prev, 12), times(Next, 12)].concat();
    store.walk(all(), &to_the_end_and_back);
    Ok(())
}

pub(super) fn seeking<S: Subject>(store: &mut Store<S>) -> Result<()> {
    layers(store)?;
    let keys: [&[u8]; 12] = [b"", b"\0", b"a", b"b", b"b\0", b"c", b"d", b"h", b"n", b"n\0", b"o", b"\xFF"];
    let ranges =
        [KeyRange::all(), KeyRange::between(b"c", b"k"), KeyRange::between(b"d", b"n"), KeyRange::prefix(b"h")];
    for range in ranges {
        for key in keys {
            store.walk(range.clone(), &[seek(key), Next, Next, Prev, Prev, Prev]);
            store.walk(range.clone(), &[seek(key), Prev, Next]);
            store.walk(range.clone(), &[seek_back(key), Prev, Prev, Next, Next, Next]);
            store.walk(range.clone(), &[seek_back(key), Next, Prev]);
            for second in keys {
                store.walk(range.clone(), &[seek(key), seek_back(second), Next, seek(second), Prev]);
            }
        }
    }
    Ok(())
}

pub(super) fn ranges<S: Subject>(store: &mut Store<S>) -> Result<()> {
    layers(store)?;
    store.write(
        [b"\xFF", &b"\xFF\xFF"[..], b"\xFE\xFF", b""].iter().map(|key| crate::engine::Op::Put(key, b"v")).collect(),
    )?;
    let keys: [&[u8]; 8] = [b"", b"b", b"c", b"h", b"n", b"z", b"\xFE\xFF", b"\xFF\xFF\xFF"];
    let mut bounds: Vec<Bound<Cow<'_, [u8]>>> = vec![Bound::Unbounded];
    bounds.extend(keys.iter().flat_map(|key| [Bound::Included(Cow::from(*key)), Bound::Excluded(Cow::from(*key))]));
    let forwards = [times(Next, 20), times(Prev, 20)].concat();
    let backwards = [vec![SeekEnd], times(Prev, 20), times(Next, 20)].concat();
    for start in &bounds {
        for end in &bounds {
            let range = KeyRange { start: start.clone(), end: end.clone() };
            store.walk(range.clone(), &forwards);
            store.walk(range.clone(), &backwards);
            for key in [&b""[..], b"c", b"h", b"o", b"\xFF\xFF\xFF\xFF"] {
                store.walk(range.clone(), &[seek(key), Next, seek_back(key), Prev, Prev, Next]);
            }
        }
    }
    for prefix in [&b""[..], b"d", b"\xFF", b"\xFE", b"\xFF\xFF", b"none"] {
        store.walk(KeyRange::prefix(prefix), &forwards);
        store.walk(KeyRange::prefix(prefix), &backwards);
    }
    Ok(())
}

pub(super) fn turning_round<S: Subject>(store: &mut Store<S>) -> Result<()> {
    layers(store)?;
    for range in [KeyRange::all(), KeyRange::between(b"d", b"j\0")] {
        for turns in 0..1_u32 << 10 {
            let moves: Vec<Move> = (0..10).map(|n| if turns >> n & 1 == 1 { Next } else { Prev }).collect();
            store.walk(range.clone(), &moves);
            if turns % 8 == 0 {
                store.walk(range.clone(), &[&[seek(b"h")], &moves[..]].concat());
                store.walk(range.clone(), &[&[SeekEnd], &moves[..]].concat());
            }
        }
    }
    Ok(())
}

pub(super) fn views_repeat<S: Subject>(store: &mut Store<S>) -> Result<()> {
    layers(store)?;
    let mut held = vec![(store.engine().snapshot()?, store.model.clone())];
    let before = store.model.clone();
    let mut model = store.model.clone();
    {
        // The cursor stays on its entry while this same thread writes: neither waits for the other.
        let (engine, machine) = (store.engine(), store.machine());
        let mut cursor = engine.cursor(KeyRange::all())?;
        let mut expected = before.cursor(&KeyRange::all());
        let mut follow = |cursor: &mut dyn Cursor, to: Move| {
            expected.follow(cursor, &to).unwrap_or_else(|what| panic!("a cursor held during writes: {what}"));
        };
        follow(&mut *cursor, Next);
        for round in 0..60_u8 {
            let mut batch = WriteBatch::new();
            match round % 4 {
                0 => batch.put(&[b'a' + round % 16], &[round; 200]),
                1 => batch.delete(&[b'b' + round % 16]),
                2 => batch.delete_range(&[b'c' + round % 5], &[b'g' + round % 5]),
                _ => batch.put(&[b'b', round], &[round; 500]),
            };
            model.apply(batch.iter());
            let durable = round % 3 == 0;
            let commit = engine.submit(batch, if durable { Durability::Synced } else { Durability::Buffered })?;
            commit.wait()?;
            if round % 10 == 9 {
                engine.flush()?;
            }
            machine.run_until_idle(3);
            follow(
                &mut *cursor,
                [Next, Next, Prev, seek(b"h"), seek_back(b"i"), SeekEnd, Prev][usize::from(round) % 7].clone(),
            );
            if round % 7 == 0 {
                held.push((engine.snapshot()?, model.clone()));
            }
        }
    }
    store.model = model;
    for round in 0..2 {
        for (nth, (view, model)) in held.iter().enumerate() {
            model.compare(&**view).unwrap_or_else(|what| panic!("snapshot {nth}, round {round}: {what}"));
            walk(&**view, model, KeyRange::between(b"b", b"h"), &[SeekEnd, Prev, Prev, Next, seek(b"d"), Prev])
                .unwrap_or_else(|what| panic!("snapshot {nth}, round {round}: {what}"));
        }
        store.compare("beside snapshots");
        store.engine().flush()?;
        store.machine().run_until_idle(MANY_STEPS);
    }
    // A cursor of a snapshot, and snapshots that end in any order.
    while let Some((view, model)) = (!held.is_empty()).then(|| held.swap_remove(held.len() / 2)) {
        model.compare(&*view).unwrap_or_else(|what| panic!("a snapshot, when others have ended: {what}"));
    }
    store.machine().run_until_idle(MANY_STEPS);
    store.compare("when all snapshots have ended");
    Ok(())
}

pub(super) fn snapshots_outlive<S: Subject>(store: &mut Store<S>) -> Result<()> {
    layers(store)?;
    let (view, model) = (store.engine().snapshot()?, store.model.clone());
    store.delete_range(b"", b"zz")?;
    store.engine().flush()?;
    store.close();
    model.compare(&*view).unwrap_or_else(|what| panic!("when its engine is gone: {what}"));
    drop(view);
    store.reopen()?;
    store.compare("opened again");
    Ok(())
}
