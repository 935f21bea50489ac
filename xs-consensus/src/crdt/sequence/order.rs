//! An order into which elements are put before or behind others: a treap with counts, whose nodes are numbers.

const NONE: usize = usize::MAX;

/// Elements `0..n` in an order. Of some it is known that they are hidden; the others have places.
///
/// A binary tree whose order is the elements' and whose depth is kept small by a priority of each: that of a parent is
/// higher. All walks are loops, so a deep tree costs time and no stack.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    nodes: Vec<Node>,
    root: Option<usize>,
}

#[derive(Clone, Debug)]
struct Node {
    parent: usize,
    left: usize,
    right: usize,
    /// Elements in its subtree that are not hidden.
    shown: usize,
    hidden: bool,
    /// Whether it was put anywhere yet.
    placed: bool,
}

impl Order {
    /// A further element, which has no place yet. Its number is how many there were.
    pub(super) fn add(&mut self, hidden: bool) -> usize {
        self.nodes.push(Node { parent: NONE, left: NONE, right: NONE, shown: 0, hidden, placed: false });
        self.nodes.len() - 1
    }

    /// Puts an element at the front.
    pub(super) fn put_first(&mut self, new: usize) {
        match self.first() {
            Some(first) => self.put_before(new, first),
            None => {
                self.root = Some(new);
                self.settle(new);
            }
        }
    }

    /// Puts an element directly behind another one.
    pub(super) fn put_behind(&mut self, new: usize, at: usize) {
        match self.nodes[at].right {
            NONE => {
                self.nodes[at].right = new;
                self.nodes[new].parent = at;
                self.settle(new);
            }
            right => {
                let next = self.leftmost(right);
                self.hang_left(new, next);
            }
        }
    }

    /// Puts an element directly in front of another one.
    pub(super) fn put_before(&mut self, new: usize, at: usize) {
        match self.nodes[at].left {
            NONE => self.hang_left(new, at),
            mut left => {
                while self.nodes[left].right != NONE {
                    left = self.nodes[left].right;
                }
                self.nodes[left].right = new;
                self.nodes[new].parent = left;
                self.settle(new);
            }
        }
    }

    /// Hides an element: its neighbours stay where they are.
    pub(super) fn hide(&mut self, element: usize) {
        let node = &mut self.nodes[element];
        if std::mem::replace(&mut node.hidden, true) || !node.placed {
            return;
        }
        let mut at = element;
        while at != NONE {
            self.nodes[at].shown -= 1;
            at = self.nodes[at].parent;
        }
    }

    /// Whether an element has a place.
    pub(super) fn is_placed(&self, element: usize) -> bool {
        self.nodes[element].placed
    }

    /// How many elements that have a place are not hidden.
    pub(super) fn shown(&self) -> usize {
        self.root.map_or(0, |root| self.nodes[root].shown)
    }

    /// The `nth` element that is not hidden.
    pub(super) fn nth(&self, mut nth: usize) -> Option<usize> {
        let mut at = self.root.filter(|root| nth < self.nodes[*root].shown)?;
        loop {
            let node = &self.nodes[at];
            let before = self.shown_in(node.left);
            if nth < before {
                at = node.left;
            } else if nth == before && !node.hidden {
                return Some(at);
            } else {
                nth -= before + usize::from(!node.hidden);
                at = node.right;
            }
        }
    }

    /// How many elements in front of one are not hidden.
    pub(super) fn rank(&self, element: usize) -> usize {
        let mut rank = self.shown_in(self.nodes[element].left);
        let mut at = element;
        while let parent @ 0..NONE = self.nodes[at].parent {
            if self.nodes[parent].right == at {
                rank += self.shown_in(self.nodes[parent].left) + usize::from(!self.nodes[parent].hidden);
            }
            at = parent;
        }
        rank
    }

    /// The first element, hidden or not.
    pub(super) fn first(&self) -> Option<usize> {
        self.root.map(|root| self.leftmost(root))
    }

    /// The element behind another one, hidden or not.
    pub(super) fn next(&self, element: usize) -> Option<usize> {
        if self.nodes[element].right != NONE {
            return Some(self.leftmost(self.nodes[element].right));
        }
        let mut at = element;
        while let parent @ 0..NONE = self.nodes[at].parent {
            if self.nodes[parent].left == at {
                return Some(parent);
            }
            at = parent;
        }
        None
    }

    fn leftmost(&self, mut at: usize) -> usize {
        while self.nodes[at].left != NONE {
            at = self.nodes[at].left;
        }
        at
    }

    fn shown_in(&self, at: usize) -> usize {
        if at == NONE { 0 } else { self.nodes[at].shown }
    }

    fn hang_left(&mut self, new: usize, at: usize) {
        self.nodes[at].left = new;
        self.nodes[new].parent = at;
        self.settle(new);
    }

    /// Counts a new leaf in, and lifts it until its parent's priority is higher.
    fn settle(&mut self, new: usize) {
        self.nodes[new].placed = true;
        if !self.nodes[new].hidden {
            let mut at = new;
            while at != NONE {
                self.nodes[at].shown += 1;
                at = self.nodes[at].parent;
            }
        }
        while let parent @ 0..NONE = self.nodes[new].parent {
            if priority(parent) >= priority(new) {
                return;
            }
            self.lift(new, parent);
        }
        self.root = Some(new);
    }

    /// Turns the tree so that a node and its parent change places.
    fn lift(&mut self, node: usize, parent: usize) {
        let above = self.nodes[parent].parent;
        let moved = if self.nodes[parent].left == node {
            let moved = std::mem::replace(&mut self.nodes[node].right, parent);
            self.nodes[parent].left = moved;
            moved
        } else {
            let moved = std::mem::replace(&mut self.nodes[node].left, parent);
            self.nodes[parent].right = moved;
            moved
        };
        if moved != NONE {
            self.nodes[moved].parent = parent;
        }
        self.nodes[parent].parent = node;
        self.nodes[node].parent = above;
        if above != NONE {
            let above = &mut self.nodes[above];
            *if above.left == parent { &mut above.left } else { &mut above.right } = node;
        }
        self.nodes[node].shown = self.nodes[parent].shown;
        let Node { left, right, hidden, .. } = self.nodes[parent];
        self.nodes[parent].shown = self.shown_in(left) + self.shown_in(right) + usize::from(!hidden);
    }
}

/// A priority that looks random and needs no memory (the finisher of SplitMix64). Numbers are given in the order of
/// arrival, which says nothing about places.
fn priority(element: usize) -> u64 {
    let mut bits = (element as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_list(steps in prop::collection::vec((0_u8..4, any::<prop::sample::Index>()), 1..200)) {
            let (mut order, mut list): (Order, Vec<(usize, bool)>) = Default::default();
            for (what, at) in steps {
                if what == 3 && !list.is_empty() {
                    let (element, hidden) = &mut list[at.index(order.nodes.len())];
                    order.hide(*element);
                    *hidden = true;
                    continue;
                }
                let new = order.add(false);
                let place = if list.is_empty() { 0 } else { at.index(list.len()) };
                match what {
                    0 if !list.is_empty() => {
                        order.put_behind(new, list[place].0);
                        list.insert(place + 1, (new, false));
                    }
                    1 if !list.is_empty() => {
                        order.put_before(new, list[place].0);
                        list.insert(place, (new, false));
                    }
                    _ => {
                        order.put_first(new);
                        list.insert(0, (new, false));
                    }
                }
            }
            let all = std::iter::successors(order.first(), |at| order.next(*at));
            prop_assert!(all.eq(list.iter().map(|(element, _)| *element)));
            let shown: Vec<usize> = list.iter().filter(|(_, hidden)| !hidden).map(|(element, _)| *element).collect();
            prop_assert_eq!(order.shown(), shown.len());
            prop_assert_eq!(order.nth(shown.len()), None);
            for (nth, element) in shown.iter().enumerate() {
                prop_assert_eq!((order.nth(nth), order.rank(*element)), (Some(*element), nth));
            }
        }
    }

    #[test]
    fn it_is_not_deep() {
        let mut order = Order::default();
        let mut last = order.add(false);
        order.put_first(last);
        for _ in 0..10_000 {
            let new = order.add(false);
            order.put_behind(new, last);
            last = new;
        }
        let above = |at: &usize| Some(order.nodes[*at].parent).filter(|parent| *parent != NONE);
        let depth = |element| std::iter::successors(Some(element), above).count();
        assert!((0..10_000).all(|element| depth(element) < 60), "a chain would be 10,000 deep");
    }
}
