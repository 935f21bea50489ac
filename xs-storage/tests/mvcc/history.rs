//! Checks what transactions saw, knowing nothing of how the store works: by running them one after the other on a map.

use std::collections::BTreeMap;

/// The whole store.
pub(crate) type Map = BTreeMap<u8, u32>;

/// One call, with what it answered.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Get(u8, Option<u32>),
    /// From, to (not with), and what was found in ascending order.
    Scan(u8, u8, Vec<(u8, u32)>),
    Put(u8, u32),
    Delete(u8),
}

/// One transaction: what it did, and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) name: usize,
    pub(crate) events: Vec<Event>,
    /// When it began and ended, in one count of all begins and ends.
    pub(crate) began: usize,
    pub(crate) ended: usize,
    pub(crate) end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At this timestamp.
    Committed(u64),
    /// Because of this key, and the commit with this timestamp; whether it was said to be by a read, and a coarse one.
    Refused {
        key: u8,
        with: u64,
        read: bool,
        coarse: bool,
    },
    RolledBack,
}

impl Ran {
    pub(crate) fn committed(&self) -> Option<u64> {
        if let End::Committed(at) = self.end { Some(at) } else { None }
    }

    pub(crate) fn wrote(&self, key: u8) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Put(k, _) | Event::Delete(k) if *k == key))
    }

    fn writes(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Put(..) | Event::Delete(_)))
    }

    fn read(&self, key: u8) -> bool {
        self.events.iter().any(|event| match event {
            Event::Get(k, _) => *k == key,
            Event::Scan(from, to, _) => (*from..*to).contains(&key),
            _ => false,
        })
    }

    /// Runs it alone; none if it would have seen something else.
    pub(crate) fn alone(&self, map: &Map) -> Option<Map> {
        let mut map = map.clone();
        for event in &self.events {
            match event {
                Event::Get(key, seen) if map.get(key) == seen.as_ref() => {}
                Event::Scan(from, to, seen) if map.range(from..to).map(|(k, v)| (*k, *v)).eq(seen.iter().copied()) => {}
                Event::Put(key, value) => {
                    map.insert(*key, *value);
                }
                Event::Delete(key) => {
                    map.remove(key);
                }
                Event::Get(..) | Event::Scan(..) => return None,
            }
        }
        Some(map)
    }
}

/// What everybody must see at any level: the state of some moment, here that of its begin, and its own writes.
pub(crate) fn snapshot_reads(ran: &[Ran]) -> Result<(), String> {
    let mut order: Vec<&Ran> = ran.iter().filter(|one| one.committed().is_some() && one.writes()).collect();
    order.sort_by_key(|one| one.ended);
    if !order.is_sorted_by_key(|one| one.committed()) {
        return Err("timestamps are not in the order of the commits".into());
    }
    for one in ran {
        let mut map = Map::new();
        for before in order.iter().filter(|other| other.ended < one.began) {
            // Its reads have their own turn; here its writes count.
            for event in &before.events {
                match event {
                    Event::Put(key, value) => drop(map.insert(*key, *value)),
                    Event::Delete(key) => drop(map.remove(key)),
                    _ => {}
                }
            }
        }
        if one.alone(&map).is_none() {
            return Err(format!("transaction {} began with {map:?} and saw something else: {one:?}", one.name));
        }
    }
    Ok(())
}

/// Of two that ran at the same time and wrote one key, one at the most has committed.
pub(crate) fn first_committer_wins(ran: &[Ran]) -> Result<(), String> {
    for (n, one) in ran.iter().enumerate() {
        for other in &ran[n + 1..] {
            let together = one.began < other.ended && other.began < one.ended;
            let both = one.committed().is_some() && other.committed().is_some();
            if together
                && both
                && let Some(key) = (0..=u8::MAX).find(|&key| one.wrote(key) && other.wrote(key))
            {
                return Err(format!("{} and {} ran together and both wrote {key}", one.name, other.name));
            }
        }
    }
    Ok(())
}

/// Nobody was refused without the reason that was given.
pub(crate) fn refusals_have_reasons(ran: &[Ran]) -> Result<(), String> {
    for one in ran {
        let End::Refused { key, with, read, coarse } = one.end else { continue };
        let other = ran.iter().find(|other| other.committed() == Some(with) && other.wrote(key));
        let together = other.is_some_and(|other| one.began < other.ended && other.ended < one.ended);
        let touched = if read { coarse || one.read(key) } else { one.wrote(key) };
        if !together || !touched {
            return Err(format!("transaction {} was refused for nothing: {one:?}", one.name));
        }
    }
    Ok(())
}

/// Some order in which the transactions that committed, run one after the other, would each have seen what it saw and
/// left what was left: tried one by one, so only for a few.
pub(crate) fn serial_order(ran: &[Ran], left: &Map) -> Option<Vec<usize>> {
    let mut committed: Vec<&Ran> = ran.iter().filter(|one| one.committed().is_some()).collect();
    // An order that is likely to do; the search does not rely on it.
    committed.sort_by_key(|one| one.ended);
    assert!(committed.len() <= 9, "too many to try every order");
    search(&committed, &Map::new(), left)
}

fn search(rest: &[&Ran], map: &Map, left: &Map) -> Option<Vec<usize>> {
    if rest.is_empty() {
        return (map == left).then(Vec::new);
    }
    (0..rest.len()).find_map(|n| {
        let after = rest[n].alone(map)?;
        let others: Vec<&Ran> = rest.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, one)| *one).collect();
        let mut order = search(&others, &after, left)?;
        order.insert(0, rest[n].name);
        Some(order)
    })
}
