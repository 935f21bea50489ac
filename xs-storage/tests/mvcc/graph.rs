//! Judges a history by its dependencies, as Adya does: who read whose version, who wrote the next one.
//!
//! ```text
//!   ww   T1 ──▶ T2   T2 wrote the version of a key that follows T1's
//!   wr   T1 ──▶ T2   T2 read a version that T1 wrote
//!   rw   T1 ──▶ T2   T2 wrote the version that follows the one that T1 read: it came too late for T1
//!
//!   no cycle of ww                 G0      ┐
//!   nothing aborted or half read   G1a, b  ├ at any level here
//!   no cycle of ww and wr          G1c     ┘
//!   no cycle without two rw side by side   ── snapshot isolation (Fekete et al.): lost updates and read skew are such cycles
//!   no cycle                       G2      ── serializable
//! ```
//!
//! Unlike running transactions one after the other in every order (`history`), this takes a time that grows with the
//! history, not with its permutations. It wants to know which version was read: every value is written once, and nothing is
//! deleted.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Event, Ran};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Edge {
    /// ww or wr: the order in which things happened.
    After,
    /// Only ww.
    Overwrote,
    /// rw.
    TooLate,
}

/// Dependencies between transactions that have committed, by their place in the list.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    edges: BTreeMap<usize, BTreeSet<(usize, Edge)>>,
}

impl Graph {
    /// Reads a history; `Err` names a read that nobody may make: of what was rolled back, of what was written over by the
    /// same transaction (G1a, G1b), or of something else than one's own write.
    pub(crate) fn of(ran: &[Ran]) -> Result<Graph, String> {
        // Who wrote a value, and the versions of each key in the order of the commits: in front the missing one.
        let mut writers: BTreeMap<(u8, u32), usize> = BTreeMap::new();
        let mut installed: BTreeMap<u8, Vec<(u64, u32)>> = BTreeMap::new();
        for (nth, one) in ran.iter().enumerate() {
            let mut last = BTreeMap::new();
            for event in &one.events {
                match event {
                    Event::Put(key, value) => {
                        assert_eq!(writers.insert((*key, *value), nth), None, "every value is written once");
                        last.insert(*key, *value);
                    }
                    Event::Delete(_) => panic!("nothing is deleted in a history for this judge"),
                    Event::Get(..) | Event::Scan(..) => {}
                }
            }
            if let Some(at) = one.committed() {
                last.into_iter().for_each(|(key, value)| installed.entry(key).or_default().push((at, value)));
            }
        }
        installed.values_mut().for_each(|versions| versions.sort_unstable());

        let mut graph = Graph::default();
        for (key, versions) in &installed {
            for pair in versions.windows(2) {
                graph.add(writers[&(*key, pair[0].1)], writers[&(*key, pair[1].1)], Edge::Overwrote);
            }
        }
        for (nth, one) in ran.iter().enumerate() {
            for (key, seen) in outside_reads(one)? {
                let versions = installed.get(&key).map_or(&[][..], Vec::as_slice);
                let next = match seen {
                    None => 0,
                    Some(value) => {
                        let Some(&writer) = writers.get(&(key, value)) else {
                            return Err(format!("{} read {value} under {key}, which nobody wrote", one.name));
                        };
                        let Some(place) = versions.iter().position(|version| version.1 == value) else {
                            let of = ran[writer].name;
                            return Err(format!("{} read {value} under {key}, which {of} never committed", one.name));
                        };
                        if one.committed().is_some() {
                            graph.add(writer, nth, Edge::After);
                        }
                        place + 1
                    }
                };
                if let (Some((_, value)), Some(_)) = (versions.get(next), one.committed()) {
                    graph.add(nth, writers[&(key, *value)], Edge::TooLate);
                }
            }
        }
        Ok(graph)
    }

    fn add(&mut self, from: usize, to: usize, edge: Edge) {
        if from != to {
            self.edges.entry(from).or_default().insert((to, edge));
        }
    }

    /// How many dependencies there are.
    pub(crate) fn len(&self) -> usize {
        self.edges.values().map(BTreeSet::len).sum()
    }

    /// G0: a cycle of overwriting.
    pub(crate) fn dirty_writes(&self) -> Option<Vec<usize>> {
        self.cycle(&|_, edge| edge == Edge::Overwrote)
    }

    /// G1c: a cycle of what happened one after the other.
    pub(crate) fn circular_flow(&self) -> Option<Vec<usize>> {
        self.cycle(&|_, edge| edge != Edge::TooLate)
    }

    /// What snapshots must not allow: a cycle in which no two rw follow each other.
    pub(crate) fn beyond_snapshots(&self) -> Option<Vec<usize>> {
        self.cycle(&|last, edge| edge != Edge::TooLate || last != Edge::TooLate)
    }

    /// G2: any cycle.
    pub(crate) fn no_order(&self) -> Option<Vec<usize>> {
        self.cycle(&|_, _| true)
    }

    /// A cycle of which `allowed` takes each edge behind the one before it, the first behind the last.
    fn cycle(&self, allowed: &dyn Fn(Edge, Edge) -> bool) -> Option<Vec<usize>> {
        // A place is a transaction and the kind of edge that led to it: two kinds are told apart.
        let mut done = BTreeSet::new();
        let starts = self.edges.keys().flat_map(|&node| [(node, Edge::After), (node, Edge::TooLate)]);
        for start in starts {
            // The way here, with the edges that are left to try from each place.
            let mut way = vec![(start, self.beyond(start, allowed))];
            let mut on_way = BTreeSet::from([start]);
            while let Some((place, rest)) = way.last_mut() {
                let place = *place;
                match rest.pop() {
                    Some(next) if on_way.contains(&next) => {
                        let from = way.iter().position(|(place, _)| *place == next).unwrap_or(0);
                        return Some(way[from..].iter().map(|(place, _)| place.0).collect());
                    }
                    Some(next) if done.contains(&next) => {}
                    Some(next) => {
                        on_way.insert(next);
                        way.push((next, self.beyond(next, allowed)));
                    }
                    None => {
                        on_way.remove(&place);
                        done.insert(place);
                        way.pop();
                    }
                }
            }
        }
        None
    }

    fn beyond(&self, (node, last): (usize, Edge), allowed: &dyn Fn(Edge, Edge) -> bool) -> Vec<(usize, Edge)> {
        let edges = self.edges.get(&node).into_iter().flatten().filter(|(_, edge)| allowed(last, *edge));
        edges.map(|&(to, edge)| (to, if edge == Edge::TooLate { Edge::TooLate } else { Edge::After })).collect()
    }
}

/// The reads of versions that others wrote. What was written before in the same transaction must be what is read.
fn outside_reads(one: &Ran) -> Result<BTreeSet<(u8, Option<u32>)>, String> {
    let (mut own, mut reads) = (BTreeMap::new(), BTreeSet::new());
    let mut read = |own: &BTreeMap<u8, u32>, key: u8, seen: Option<u32>| match own.get(&key) {
        Some(mine) if seen == Some(*mine) => Ok(()),
        Some(mine) => Err(format!("{} wrote {mine} under {key} and read {seen:?}", one.name)),
        None => {
            reads.insert((key, seen));
            Ok(())
        }
    };
    for event in &one.events {
        match event {
            Event::Get(key, seen) => read(&own, *key, *seen)?,
            Event::Scan(from, to, found) => {
                // What a scan does not show, it has seen to be missing.
                for key in *from..*to {
                    read(&own, key, found.iter().find(|(at, _)| *at == key).map(|(_, value)| *value))?;
                }
            }
            Event::Put(key, value) => drop(own.insert(*key, *value)),
            Event::Delete(_) => {}
        }
    }
    Ok(reads)
}
