//! A store that was opened on files that were edited: what it answers, and what it does when it is written to.

use std::collections::BTreeMap;

use xs_storage::Result;
use xs_storage::engine::{Durability, Engine, KeyRange, WriteBatch};
use xs_storage::testing::Machine;

use super::Input;

/// What a store holds.
pub type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// The most steps of a cursor, and of jobs: more than any whole store here needs, and few enough that a tree which goes
/// round in circles is no hang.
const STEPS: usize = 2000;

/// Goes through all entries, forth or back, and keeps of the states those that may have them. To the first error, behind
/// which nothing is known.
fn scan(engine: &impl Engine, back: bool, states: &mut Vec<&Model>) {
    let mut walks: Vec<(&Model, Entries<'_>)> = states
        .iter()
        .map(|model| (*model, if back { Box::new(model.iter().rev()) as Entries<'_> } else { Box::new(model.iter()) }))
        .collect();
    let mut walk = || -> Result<()> {
        let mut cursor = engine.cursor(KeyRange::all())?;
        if back {
            cursor.seek_end()?;
        }
        for _ in 0..STEPS {
            if !if back { cursor.prev()? } else { cursor.next()? } {
                walks.retain_mut(|(_, rest)| rest.next().is_none());
                break;
            }
            let (key, value) = (cursor.key(), cursor.value()?);
            walks.retain_mut(|(_, rest)| rest.next().is_some_and(|(own, is)| own == key && is == value));
        }
        Ok(())
    };
    let _ = walk();
    *states = walks.into_iter().map(|(model, _)| model).collect();
}

type Entries<'a> = Box<dyn Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)> + 'a>;

/// What is known of a store's content behind a session.
pub enum Known {
    /// It may be anything.
    Nothing,
    /// What it was.
    Same,
    /// This.
    Now(Model),
}

/// Reads, checks, writes. `states`: what the store may hold; none if it may hold anything.
pub fn run<E: Engine>(
    engine: &E,
    machine: &Machine,
    check: impl Fn(&E) -> Result<()>,
    states: &[&Model],
    input: &mut Input<'_>,
) -> Known {
    let strict = !states.is_empty();
    let mut left: Vec<&Model> = states.to_vec();
    let calls = input.u8();
    let more = input.u8();
    for back in [false, true] {
        if more & (1 << u32::from(back)) == 0 {
            scan(engine, back, &mut left);
            assert!(!strict || !left.is_empty(), "a scan (back: {back}) shows what was not written");
        }
    }
    for _ in 0..calls >> 1 & 3 {
        let n = input.u16();
        let key = match states.first() {
            Some(model) if n % 4 != 0 => model.keys().nth(n / 4 % model.len()).cloned().unwrap_or_default(),
            _ => (n as u32 % 200).to_be_bytes().to_vec(),
        };
        if let Ok(found) = engine.get(&key) {
            left.retain(|model| model.get(&key).map(|value| &value[..]) == found.as_deref());
            assert!(!strict || !left.is_empty(), "{key:02x?} has another value");
        }
        let sought = engine.cursor(KeyRange::all()).and_then(|mut cursor| {
            let found = cursor.seek(&key)?;
            Ok(found.then(|| cursor.key().to_vec()))
        });
        if let Ok(found) = sought {
            left.retain(|model| model.range(key.clone()..).next().map(|(key, _)| key) == found.as_ref());
            assert!(!strict || !left.is_empty(), "another key behind {key:02x?}");
        }
    }
    let snapshot = engine.snapshot();
    if calls & 8 != 0 {
        let _ = check(engine);
    }
    let writes = calls >> 4 & 7;
    if writes == 0 && calls & 128 == 0 {
        return if strict { Known::Same } else { Known::Nothing };
    }
    // Which of several states it is no longer matters if only one is left.
    let mut known = if let [one] = left[..] { Some(one.clone()) } else { None };
    for _ in 0..writes {
        let mut batch = WriteBatch::new();
        let n = input.u16() as u32;
        let (key, other) = ((n % 200).to_be_bytes(), (n % 200 + n / 200).to_be_bytes());
        match n % 5 {
            0 => batch.delete(&key),
            1 => batch.delete_range(&key, &other),
            2 => batch.put(&key, &[n as u8; 1200]),
            _ => batch.put(&key, &n.to_be_bytes()),
        };
        let written = engine.submit(batch, Durability::Synced).and_then(|commit| commit.wait());
        match (&written, &mut known) {
            (Ok(()), Some(model)) => match n % 5 {
                0 => drop(model.remove(&key[..])),
                1 => model.retain(|at, _| !(key[..] <= at[..] && at[..] < other[..])),
                2 => drop(model.insert(key.to_vec(), vec![n as u8; 1200])),
                _ => drop(model.insert(key.to_vec(), n.to_be_bytes().to_vec())),
            },
            (Err(_), _) => known = None,
            _ => {}
        }
        machine.run_until_idle(n as usize % 5);
    }
    if calls & 128 != 0 {
        let _ = engine.flush();
        machine.run_until_idle(STEPS);
    }
    let mut now: Vec<&Model> = known.iter().collect();
    scan(engine, more & 4 != 0, &mut now);
    assert!(known.is_none() || !now.is_empty(), "after writing, a scan shows something else");
    drop(snapshot);
    known.map_or(Known::Nothing, Known::Now)
}
