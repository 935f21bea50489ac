//! Walking a rank tree sideways, along the links of its leaves.

use super::RankTree;
use super::node::Leaf;

/// A walk over a range of ranks, from both ends. Made by [`RankTree::range`] and [`RankTree::iter`].
#[derive(Clone)]
pub struct Iter<'a, T> {
    tree: &'a RankTree<T>,
    /// The rank behind the last entry to come.
    end: usize,
    left: usize,
    /// A leaf and the place of the next entry in it. Found on first use: most walks go one way only.
    front: Option<(&'a Leaf<T>, usize)>,
    /// A leaf and the place behind the next entry in it.
    back: Option<(&'a Leaf<T>, usize)>,
}

impl<T> std::fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iter").field("left", &self.left).finish_non_exhaustive()
    }
}

impl<'a, T> Iter<'a, T> {
    pub(super) fn new(tree: &'a RankTree<T>, end: usize, left: usize) -> Self {
        Iter { tree, end, left, front: None, back: None }
    }
}

impl<'a, T: Copy> Iterator for Iter<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        if self.left == 0 {
            return None;
        }
        let (mut leaf, mut at) = match self.front {
            Some(place) => place,
            None => {
                let (_, leaf, at) = self.tree.descend_to_rank(self.end - self.left)?;
                (self.tree.leaves.get(leaf), at)
            }
        };
        if at == leaf.len as usize {
            (leaf, at) = (self.tree.leaves.get(leaf.next), 0);
        }
        self.left -= 1;
        self.front = Some((leaf, at + 1));
        Some(&leaf.items[at])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T: Copy> DoubleEndedIterator for Iter<'_, T> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let (mut leaf, mut at) = match self.back {
            Some(place) => place,
            None => {
                let (_, leaf, at) = self.tree.descend_to_rank(self.end - 1)?;
                (self.tree.leaves.get(leaf), at + 1)
            }
        };
        if at == 0 {
            leaf = self.tree.leaves.get(leaf.prev);
            at = leaf.len as usize;
        }
        self.left -= 1;
        self.end -= 1;
        self.back = Some((leaf, at - 1));
        Some(&leaf.items[at - 1])
    }
}

impl<T: Copy> ExactSizeIterator for Iter<'_, T> {}
