use super::*;
use proptest::prelude::*;
use xs_os::Rng;

impl<T: Copy + PartialEq + std::fmt::Debug> RankTree<T> {
    /// Recomputes every count and first entry from the leaves.
    fn check(&self) {
        if self.root == NONE {
            assert_eq!(self.len, 0);
            assert!(self.leaves.slots.is_empty() && self.inners.slots.is_empty());
            return;
        }
        let mut leaves = Vec::new();
        let total = self.check_node(self.root, self.height, &mut leaves).1;
        assert_eq!(total, self.len);
        for (i, &leaf) in leaves.iter().enumerate() {
            let node = self.leaves.get(leaf);
            assert!(node.len > 0);
            assert_eq!(node.prev, if i == 0 { NONE } else { leaves[i - 1] });
            assert_eq!(node.next, leaves.get(i + 1).copied().unwrap_or(NONE));
        }
        assert_eq!(leaves.len(), self.leaves.slots.len() - self.leaves.free.len());
    }

    fn check_node(&self, node: u32, level: u32, leaves: &mut Vec<u32>) -> (T, usize) {
        if level == 0 {
            leaves.push(node);
            return (self.leaves.get(node).items[0], self.leaves.get(node).len as usize);
        }
        let inner = self.inners.get(node);
        assert!(inner.len > 0);
        let mut total = 0;
        let mut first = None;
        for at in 0..inner.len as usize {
            let (child_first, count) = self.check_node(inner.children[at], level - 1, leaves);
            assert_eq!(inner.counts[at] as usize, count);
            if at > 0 {
                assert_eq!(inner.firsts[at], child_first);
            }
            first = first.or(Some(child_first));
            total += count;
        }
        (first.unwrap(), total)
    }
}

fn insert(tree: &mut RankTree<u32>, value: u32) {
    tree.insert(value, |e| e.cmp(&value));
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u32),
    InsertRun(u32, u32),
    Remove(u32),
    RemoveRange(usize, usize),
    PopFirst,
    PopLast,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..2000_u32).prop_map(Op::Insert),
        3 => (0..2000_u32, 1..400_u32).prop_map(|(a, n)| Op::InsertRun(a, n)),
        4 => (0..2000_u32).prop_map(Op::Remove),
        2 => (0..3000_usize, 0..600_usize).prop_map(|(a, n)| Op::RemoveRange(a, a + n)),
        1 => Just(Op::PopFirst),
        1 => Just(Op::PopLast),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_like_a_sorted_vector(ops in prop::collection::vec(op(), 1..120)) {
        let mut tree = RankTree::new();
        let mut model: Vec<u32> = Vec::new();
        for op in ops {
            match op {
                Op::Insert(v) => {
                    insert(&mut tree, v);
                    model.insert(model.partition_point(|e| *e <= v), v);
                }
                Op::InsertRun(from, n) => for v in from..from + n {
                    insert(&mut tree, v);
                    model.insert(model.partition_point(|e| *e <= v), v);
                },
                Op::Remove(v) => {
                    let expected = model.binary_search(&v).ok().map(|at| model.remove(at));
                    prop_assert_eq!(tree.remove(|e| e.cmp(&v)), expected);
                }
                Op::RemoveRange(a, b) => {
                    let (a2, b2) = (a.min(model.len()), b.min(model.len()));
                    let expected: Vec<u32> = model.drain(a2..b2).collect();
                    let mut got = Vec::new();
                    prop_assert_eq!(tree.remove_range(a..b, |v| got.push(v)), expected.len());
                    prop_assert_eq!(got, expected);
                }
                Op::PopFirst => prop_assert_eq!(tree.pop_first(), (!model.is_empty()).then(|| model.remove(0))),
                Op::PopLast => prop_assert_eq!(tree.pop_last(), model.pop()),
            }
            tree.check();
            prop_assert_eq!(tree.len(), model.len());
            prop_assert_eq!(tree.first(), model.first());
            prop_assert_eq!(tree.last(), model.last());
        }
        prop_assert!(tree.iter().eq(model.iter()));
        prop_assert!(tree.iter().rev().eq(model.iter().rev()));
        for v in (0..2400).step_by(37) {
            prop_assert_eq!(tree.partition_point(|e| *e < v), model.partition_point(|e| *e < v));
            let last = model.partition_point(|e| *e <= v);
            let expected = (last > 0 && model[last - 1] == v).then(|| last - 1);
            prop_assert_eq!(tree.rank(|e| e.cmp(&v)), expected);
            prop_assert_eq!(tree.select(v as usize), model.get(v as usize));
        }
        let (a, b) = (model.len() / 3, model.len() * 2 / 3);
        prop_assert!(tree.range(a..b).eq(&model[a..b]));
        let mut both = tree.range(a..b);
        let mut seen = Vec::new();
        while let Some(v) = both.next() {
            seen.push(*v);
            seen.extend(both.next_back());
        }
        seen.sort_unstable();
        prop_assert_eq!(&seen, &model[a..b]);
    }
}

#[test]
fn three_levels_grow_and_shrink() {
    let mut rng = Rng::from_seed(5);
    let mut values: Vec<u32> = (0..20_000).collect();
    rng.shuffle(&mut values);
    let mut tree = RankTree::new();
    for &v in &values {
        insert(&mut tree, v);
    }
    tree.check();
    assert!(tree.height >= 2);
    assert!(tree.iter().copied().eq(0..20_000));
    rng.shuffle(&mut values);
    for (i, &v) in values.iter().enumerate() {
        assert_eq!(tree.remove(|e| e.cmp(&v)), Some(v));
        if i % 500 == 0 {
            tree.check();
        }
    }
    assert!(tree.is_empty());
    assert_eq!(tree.allocated_bytes(), 0);
}

#[test]
fn ascending_arrival_packs_the_leaves() {
    let mut tree = RankTree::new();
    for v in 0..10_000_u64 {
        tree.insert((v, v), |e| e.cmp(&(v, v)));
    }
    tree.check();
    let ratio = tree.allocated_bytes() as f64 / (10_000 * 16) as f64;
    assert!(ratio < 1.15, "{ratio}");
}

#[test]
fn random_arrival_costs_at_most_half_again() {
    let mut rng = Rng::from_seed(9);
    let mut tree = RankTree::new();
    for _ in 0..50_000 {
        let v = (rng.next_u64(), 0_u64);
        tree.insert(v, |e| e.cmp(&v));
    }
    let ratio = tree.allocated_bytes() as f64 / (50_000 * 16) as f64;
    assert!(ratio < 1.6, "{ratio}");
}

#[test]
fn a_comparison_never_sees_a_removed_entry() {
    // What the entries stand for lives outside and is scrapped on removal, as a sorted set's members are.
    let mut alive = vec![false; 4000];
    let mut tree: RankTree<u32> = RankTree::new();
    let mut rng = Rng::from_seed(3);
    for _ in 0..40_000 {
        let v = rng.below(4000) as u32;
        let cmp = |e: &u32| {
            assert!(alive[*e as usize] || *e == v);
            e.cmp(&v)
        };
        if alive[v as usize] {
            assert_eq!(tree.remove(cmp), Some(v));
            alive[v as usize] = false;
        } else {
            tree.insert(v, cmp);
            alive[v as usize] = true;
        }
    }
    tree.check();
}
