//! `json_patch()`: RFC 7396.

use super::node::{Change, Kind, Node, Tree};

/// Merges a node of a tree into another, and answers which node is the result.
pub(super) fn merge(tree: &mut Tree<'_>, target: usize, patch: usize) -> usize {
    let result = instead(tree, target, patch);
    if result != target {
        return result;
    }
    // Objects that are merged, the outer ones first.
    let mut open = vec![(target, patch)];
    while let Some((target, patch)) = open.pop() {
        let mut within = Vec::new();
        merge_object(tree, target, patch, &mut within);
        open.extend(within.into_iter().rev());
    }
    target
}

/// What takes the place of a node that is patched; itself, if both are objects.
fn instead(tree: &mut Tree<'_>, target: usize, patch: usize) -> usize {
    let is_object = |at: usize| tree.node(at).is_some_and(|node| node.kind == Kind::Object);
    match (is_object(target), is_object(patch)) {
        (true, true) => target,
        (false, true) => {
            remove_nulls(tree, patch);
            patch
        }
        _ => patch,
    }
}

fn size(tree: &Tree<'_>, at: usize) -> usize {
    tree.node(at).map_or(1, Node::size)
}

fn inner(tree: &Tree<'_>, at: usize) -> usize {
    tree.node(at).map_or(0, Node::inner)
}

fn merge_object(tree: &mut Tree<'_>, target: usize, patch: usize, within: &mut Vec<(usize, usize)>) {
    // Where the next member that is new is added.
    let mut last = target;
    let mut at = 1;
    while at < inner(tree, patch) {
        let (label, value) = (patch + at, patch + at + 1);
        at += 1 + size(tree, value);
        let is_null = tree.node(value).is_some_and(|node| node.kind == Kind::Null);
        match member(tree, target, label) {
            Some(old) => {
                if tree.node(old).is_none_or(|node| matches!(node.change, Change::Removed | Change::Node)) {
                    continue;
                }
                let change = match is_null {
                    true => Some((Change::Removed, 0)),
                    false => match instead(tree, old, value) {
                        same if same == old => {
                            within.push((old, value));
                            None
                        }
                        other => Some((Change::Node, other)),
                    },
                };
                if let (Some((change, other)), Some(old)) = (change, tree.nodes.get_mut(old)) {
                    old.become_other(change, other);
                }
            }
            None if is_null => {}
            None => {
                let start = tree.add(Kind::Object, 0, 2);
                if let Some(label) = tree.node(label).copied() {
                    tree.nodes.push(label);
                }
                let new = tree.add(Kind::True, 0, 0);
                remove_nulls(tree, patch);
                tree.nodes[last].become_other(Change::Continued, start);
                tree.nodes[new].become_other(Change::Node, value);
                last = start;
            }
        }
    }
}

/// The value of an object's own member that is called as a label says.
fn member(tree: &Tree<'_>, object: usize, label: usize) -> Option<usize> {
    let key = tree.source(tree.node(label)?);
    let mut at = 1;
    while at < inner(tree, object) {
        if tree.node(object + at).is_some_and(|other| tree.source(other) == key) {
            return Some(object + at + 1);
        }
        at += 1 + size(tree, object + at + 1);
    }
    None
}

/// Removes the members of an object that are null, and those of the objects in it.
fn remove_nulls(tree: &mut Tree<'_>, object: usize) {
    let mut open = vec![object];
    while let Some(object) = open.pop() {
        let mut at = 2;
        while at <= inner(tree, object) {
            let Some(node) = tree.nodes.get_mut(object + at) else { break };
            match node.kind {
                Kind::Null => node.change = Change::Removed,
                Kind::Object => open.push(object + at),
                _ => {}
            }
            at += 1 + size(tree, object + at);
        }
    }
}
