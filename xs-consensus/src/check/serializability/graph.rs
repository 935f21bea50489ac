//! A graph of dependencies, and the shortest cycles of each kind in it.

use std::collections::VecDeque;

use super::Dependency;

/// Why an edge is there: its kind, and a number that its maker explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) kind: Dependency,
    pub(super) reason: usize,
}

/// Edges by their first node. Nodes behind the transactions stand for moments of the clock.
#[derive(Debug, Default)]
pub(super) struct Graph {
    edges: Vec<Vec<(usize, Edge)>>,
}

impl Graph {
    pub(super) fn new(nodes: usize) -> Self {
        Graph { edges: vec![Vec::new(); nodes] }
    }

    pub(super) fn add_node(&mut self) -> usize {
        self.edges.push(Vec::new());
        self.edges.len() - 1
    }

    pub(super) fn add(&mut self, from: usize, to: usize, edge: Edge) {
        if from != to {
            self.edges[from].push((to, edge));
        }
    }

    /// Orders edges, and keeps one of each kind between two nodes.
    pub(super) fn finish(&mut self) {
        for edges in &mut self.edges {
            edges.sort_unstable();
            edges.dedup_by_key(|(to, edge)| (*to, edge.kind));
        }
    }

    /// Strongly connected components of more than one node, among edges of some kinds (Tarjan, without recursion).
    fn knots(&self, kinds: impl Fn(Dependency) -> bool) -> Vec<Vec<usize>> {
        const NONE: usize = usize::MAX;
        let nodes = self.edges.len();
        let (mut index, mut low, mut on_stack) = (vec![NONE; nodes], vec![0; nodes], vec![false; nodes]);
        let (mut stack, mut knots, mut next) = (Vec::new(), Vec::new(), 0);
        for root in 0..nodes {
            if index[root] != NONE {
                continue;
            }
            let mut walk = vec![(root, 0)];
            while let Some((node, edge)) = walk.last_mut() {
                let node = *node;
                if *edge == 0 {
                    (index[node], low[node], on_stack[node]) = (next, next, true);
                    stack.push(node);
                    next += 1;
                }
                let Some(&(to, kind)) = self.edges[node].get(*edge) else {
                    walk.pop();
                    if let Some((above, _)) = walk.last() {
                        low[*above] = low[*above].min(low[node]);
                    }
                    if low[node] == index[node] {
                        let first = stack.iter().rposition(|n| *n == node).expect("a node is on the stack until now");
                        let knot = stack.split_off(first);
                        knot.iter().for_each(|n| on_stack[*n] = false);
                        if knot.len() > 1 {
                            knots.push(knot);
                        }
                    }
                    continue;
                };
                *edge += 1;
                if !kinds(kind.kind) {
                    continue;
                }
                if index[to] == NONE {
                    walk.push((to, 0));
                } else if on_stack[to] {
                    low[node] = low[node].min(index[to]);
                }
            }
        }
        knots.sort();
        knots
    }

    /// The shortest way between two nodes among some edges inside of a knot: the nodes, and the edge that leaves each.
    fn way(
        &self,
        from: usize,
        to: usize,
        inside: &[bool],
        kinds: impl Fn(Dependency) -> bool,
    ) -> Option<Vec<(usize, Edge)>> {
        let mut came: Vec<Option<(usize, Edge)>> = vec![None; self.edges.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            for &(next, edge) in &self.edges[node] {
                if !inside[next] || !kinds(edge.kind) || came[next].is_some() {
                    continue;
                }
                came[next] = Some((node, edge));
                if next == to {
                    let mut way = Vec::new();
                    let mut at = to;
                    while let Some((before, edge)) = came[at] {
                        way.push((before, edge));
                        at = before;
                        if at == from {
                            break;
                        }
                    }
                    way.reverse();
                    return Some(way);
                }
                queue.push_back(next);
            }
        }
        None
    }
}

/// How many nodes of a knot are tried as the start of a cycle: a big knot has plenty of short ones.
const STARTS: usize = 200;

/// For every knot of each level of edges, its shortest cycle that needs that level.
pub(super) fn cycles(graph: &Graph, transactions: usize) -> Vec<Vec<(usize, Edge)>> {
    use Dependency::{ReadWrite, RealTime, WriteRead, WriteWrite};
    let mut found: Vec<Vec<(usize, Edge)>> = Vec::new();
    let mut keep = |cycle: Vec<(usize, Edge)>| {
        let mut cycle = without_moments(cycle, transactions);
        let least = (0..cycle.len()).min_by_key(|n| cycle[*n].0).unwrap_or(0);
        cycle.rotate_left(least);
        if !found.contains(&cycle) {
            found.push(cycle);
        }
    };
    for time in [false, true] {
        let timed = |kind| time && kind == RealTime;
        // The levels of Adya's G0, G1c, G-single and G2, each with the edge that a cycle of it must have.
        let forward = |kind| matches!(kind, WriteWrite | WriteRead) || timed(kind);
        for (level, must) in [(0, WriteWrite), (1, WriteRead), (2, ReadWrite), (3, ReadWrite)] {
            let must = if time && level < 2 { RealTime } else { must };
            let within = |kind| match level {
                0 => kind == WriteWrite || timed(kind),
                1 => forward(kind),
                _ => forward(kind) || kind == ReadWrite,
            };
            for knot in graph.knots(within) {
                let mut inside = vec![false; graph.edges.len()];
                knot.iter().for_each(|node| inside[*node] = true);
                let mut shortest: Option<Vec<(usize, Edge)>> = None;
                let starts = knot.iter().flat_map(|from| graph.edges[*from].iter().map(move |edge| (*from, *edge)));
                for (from, (to, edge)) in starts.filter(|(_, (to, e))| e.kind == must && inside[*to]).take(STARTS) {
                    // The way back: without a second anti-dependency for G-single, with any for G2.
                    let back = match level {
                        2 => graph.way(to, from, &inside, forward),
                        _ => graph.way(to, from, &inside, within),
                    };
                    let Some(back) = back else { continue };
                    let is_g2 = back.iter().any(|(_, edge)| edge.kind == ReadWrite);
                    let has_time = edge.kind == RealTime || back.iter().any(|(_, edge)| edge.kind == RealTime);
                    if (level == 3 && !is_g2) || (time && !has_time) {
                        continue;
                    }
                    if shortest.as_ref().is_none_or(|shortest| back.len() + 1 < shortest.len()) {
                        shortest = Some(std::iter::once((from, edge)).chain(back).collect());
                    }
                }
                shortest.into_iter().for_each(&mut keep);
            }
        }
    }
    found
}

/// Takes the moments of the clock out: what leads to one and on is one edge of time between two transactions.
fn without_moments(mut cycle: Vec<(usize, Edge)>, transactions: usize) -> Vec<(usize, Edge)> {
    cycle.retain(|(node, _)| *node < transactions);
    cycle
}
