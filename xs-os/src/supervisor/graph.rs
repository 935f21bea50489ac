//! Units as a graph: what pulls in what, what comes before what, and where that goes round in circles.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::unit::{Relation, Unit};

/// A cycle among these nodes: each comes after the next, and the last after the first. `None` if there is none.
///
/// It is found in the order of the nodes, so the same graph gives the same cycle.
pub(super) fn find_cycle<N: Copy + Ord>(
    nodes: impl IntoIterator<Item = N>,
    next: impl Fn(N) -> Vec<N>,
) -> Option<Vec<N>> {
    let mut done: BTreeSet<N> = BTreeSet::new();
    for start in nodes {
        // The path from `start` with what is left to look at below each of its nodes: no recursion, however deep it goes.
        let mut path: Vec<(N, Vec<N>)> = Vec::new();
        let mut on_path: BTreeSet<N> = BTreeSet::new();
        let mut enter = Some(start);
        loop {
            if let Some(node) = enter.take() {
                if on_path.contains(&node) {
                    return Some(path.iter().map(|(node, _)| *node).skip_while(|on| *on != node).collect());
                }
                if !done.contains(&node) {
                    let mut below = next(node);
                    below.reverse();
                    on_path.insert(node);
                    path.push((node, below));
                }
            }
            match path.last_mut() {
                None => break,
                Some((node, below)) => match below.pop() {
                    Some(child) => enter = Some(child),
                    None => {
                        on_path.remove(node);
                        done.insert(*node);
                        path.pop();
                    }
                },
            }
        }
    }
    None
}

/// The dependencies between units, to look at.
#[derive(Debug)]
pub struct Graph<'a> {
    units: &'a BTreeMap<String, Unit>,
}

impl<'a> Graph<'a> {
    /// Of these units.
    pub fn new(units: &'a BTreeMap<String, Unit>) -> Graph<'a> {
        Graph { units }
    }

    /// What comes before each unit, of those that are there.
    fn before(&self) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
        let mut before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for unit in self.units.values() {
            let there = |name: &&String| self.units.contains_key(*name);
            for other in unit.related(Relation::After).iter().filter(there) {
                before.entry(&unit.name).or_default().insert(other);
            }
            for other in unit.related(Relation::Before).iter().filter(there) {
                before.entry(other).or_default().insert(&unit.name);
            }
        }
        before
    }

    /// One cycle in each part of the order that has any: each unit of it comes after the next one.
    pub fn cycles(&self) -> Vec<Vec<String>> {
        let mut before = self.before();
        let mut cycles = Vec::new();
        loop {
            let next = |name: &str| before.get(name).map(|all| all.iter().copied().collect()).unwrap_or_default();
            let Some(cycle) = find_cycle(self.units.keys().map(String::as_str), next) else { return cycles };
            // Without its first unit it is broken, and what else there is shows.
            before.remove(cycle.first().copied().unwrap_or_default());
            cycles.push(cycle.into_iter().map(String::from).collect());
        }
    }

    /// What a unit needs and wants, directly and through others, in the order in which it would be started.
    pub fn closure(&self, name: &str) -> Vec<String> {
        let mut pulled = BTreeSet::new();
        let mut open = vec![name];
        while let Some((name, unit)) = open.pop().and_then(|name| self.units.get_key_value(name)) {
            if pulled.insert(name.as_str()) {
                let pulls = [Relation::Requires, Relation::BindsTo, Relation::Wants];
                open.extend(pulls.into_iter().flat_map(|pull| unit.related(pull)).map(String::as_str));
            }
            while open.last().is_some_and(|name| !self.units.contains_key(*name)) {
                open.pop();
            }
        }
        // Whoever has nothing left before it is next; in a cycle, who is first in the alphabet.
        let before = self.before();
        let mut order = Vec::with_capacity(pulled.len());
        while let Some(&first) = pulled.first() {
            let free = |name: &&&str| before.get(**name).is_none_or(|all| all.is_disjoint(&pulled));
            let next = pulled.iter().find(free).copied().unwrap_or(first);
            pulled.remove(next);
            order.push(next.to_owned());
        }
        order
    }

    /// As lines, indented: what each unit pulls in, as `systemctl list-dependencies` draws it.
    pub fn tree(&self, root: &str) -> String {
        let mut out = format!("{root}\n");
        // What stands on a path already is not drawn below itself again, and no unit's own part twice.
        let mut drawn = BTreeSet::from([root.to_owned()]);
        let mut open: Vec<(String, String)> = Vec::new();
        let push = |open: &mut Vec<(String, String)>, name: &str, indent: &str| {
            let Some(unit) = self.units.get(name) else { return };
            let pulls = [Relation::Requires, Relation::BindsTo, Relation::Wants];
            let all: BTreeSet<&String> = pulls.into_iter().flat_map(|pull| unit.related(pull)).collect();
            open.extend(all.into_iter().rev().map(|child| (child.clone(), indent.to_owned())));
        };
        push(&mut open, root, "");
        while let Some((name, indent)) = open.pop() {
            let last = open.last().is_none_or(|(_, next)| next.len() < indent.len());
            let missing = if self.units.contains_key(&name) { "" } else { " (not found)" };
            let again = !drawn.insert(name.clone());
            let more = if again && self.units.get(&name).is_some_and(|unit| !unit.dependencies.is_empty()) {
                " …"
            } else {
                ""
            };
            let _ = writeln!(out, "{indent}{}{name}{missing}{more}", if last { "└─" } else { "├─" });
            if !again {
                push(&mut open, &name, &format!("{indent}{}", if last { "  " } else { "│ " }));
            }
        }
        out
    }

    /// As a graph for Graphviz, in the colours of `systemd-analyze dot`.
    pub fn dot(&self) -> String {
        let mut out = String::from("digraph systemd {\n");
        for unit in self.units.values() {
            for (relation, color) in [
                (Relation::Requires, "black"),
                (Relation::BindsTo, "gold"),
                (Relation::Requisite, "darkblue"),
                (Relation::Wants, "grey66"),
                (Relation::Conflicts, "red"),
                (Relation::After, "green"),
            ] {
                for other in unit.related(relation).iter().filter(|other| self.units.contains_key(*other)) {
                    let _ = writeln!(out, "\t{:?}->{:?} [color={color:?}];", unit.name, other);
                }
            }
        }
        out + "}\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn units(relations: &[(&str, Relation, &str)]) -> BTreeMap<String, Unit> {
        let mut units: BTreeMap<String, Unit> = BTreeMap::new();
        for (from, relation, to) in relations {
            for name in [from, to] {
                let name = format!("{name}.target");
                units.entry(name.clone()).or_insert_with(|| Unit::named(&name).unwrap());
            }
            units.get_mut(&format!("{from}.target")).unwrap().relate(*relation, &format!("{to}.target"));
        }
        units
    }

    #[test]
    fn cycles_are_named() {
        use Relation::{After, Before};
        let units = units(&[
            ("a", After, "b"),
            ("b", After, "c"),
            ("a", Before, "c"),
            ("x", After, "a"),
            ("d", After, "e"),
            ("e", After, "d"),
        ]);
        assert_eq!(
            Graph::new(&units).cycles(),
            [vec!["a.target", "b.target", "c.target"], vec!["d.target", "e.target"]]
        );
    }

    #[test]
    fn a_closure_is_in_order_and_a_tree_is_drawn() {
        use Relation::{After, Requires, Wants};
        let units = units(&[
            ("a", Requires, "b"),
            ("a", After, "b"),
            ("a", Wants, "c"),
            ("b", Wants, "d"),
            ("b", After, "d"),
            ("d", Wants, "b"),
        ]);
        let graph = Graph::new(&units);
        assert_eq!(graph.closure("a.target"), ["c.target", "d.target", "b.target", "a.target"]);
        let tree = "a.target\n├─b.target\n│ └─d.target\n│   └─b.target …\n└─c.target\n";
        assert_eq!(graph.tree("a.target"), tree);
        assert!(graph.dot().contains("\"a.target\"->\"b.target\" [color=\"green\"];"));
        assert!(graph.closure("nobody.target").is_empty());
    }

    proptest! {
        #[test]
        fn a_cycle_is_found_exactly_when_no_order_exists(edges in proptest::collection::vec((0_u8..8, 0_u8..8), 0..20)) {
            let next = |n: u8| edges.iter().filter(|(from, _)| *from == n).map(|(_, to)| *to).collect::<Vec<_>>();
            // The model: take away whoever points at nobody, until nobody is left or nobody can be taken.
            let mut left: BTreeSet<u8> = (0..8).collect();
            while let Some(free) = left.iter().copied().find(|n| next(*n).iter().all(|to| !left.contains(to))) {
                left.remove(&free);
            }
            let found = find_cycle(0_u8..8, next);
            prop_assert_eq!(found.is_some(), !left.is_empty());
            if let Some(cycle) = found {
                for (at, node) in cycle.iter().enumerate() {
                    prop_assert!(next(*node).contains(&cycle[(at + 1) % cycle.len()]));
                }
            }
        }
    }
}
