//! What a document is made of.

use std::borrow::Cow;

/// What a node is, in the order of SQLite: what is not less than an array has nodes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Null,
    True,
    False,
    Integer,
    Real,
    Text,
    Array,
    Object,
}

impl Kind {
    /// What `json_type()` says.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::True => "true",
            Kind::False => "false",
            Kind::Integer => "integer",
            Kind::Real => "real",
            Kind::Text => "text",
            Kind::Array => "array",
            Kind::Object => "object",
        }
    }
}

/// What is written in the place of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// Nothing, and no comma.
    Removed,
    /// An argument of the function.
    Argument,
    /// Another node.
    Node,
    /// The node, and behind its own members those of another.
    Continued,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Of a text: whether it has escapes.
    pub(super) escaped: bool,
    /// Of a text: that it has no quotes, being the key of a path.
    pub(super) raw: bool,
    /// That it names the next node in an object.
    pub(super) label: bool,
    pub(super) change: Change,
    /// Where a number or text begins in the source.
    start: u32,
    /// How long it is; of an array or object, how many nodes are in it.
    len: u32,
    /// The number of the argument or node that the change is about.
    pub(super) other: u32,
}

/// A document. The first node is all of it.
#[derive(Clone, Debug)]
pub(super) struct Tree<'a> {
    text: Cow<'a, [u8]>,
    pub(super) nodes: Vec<Node>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(text: Cow<'a, [u8]>) -> Tree<'a> {
        Tree { text, nodes: Vec::new() }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Adds a node that is so long, or has so many in it.
    pub(super) fn add(&mut self, kind: Kind, start: usize, len: usize) -> usize {
        let node = Node {
            kind,
            escaped: false,
            raw: false,
            label: false,
            change: Change::None,
            start: start as u32,
            len: len as u32,
            other: 0,
        };
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Adds the label of a member whose name is no part of the source. None if there is no room for it.
    pub(super) fn add_key(&mut self, key: &[u8]) -> Option<()> {
        let start = self.extend(key)?;
        let label = self.add(Kind::Text, start, key.len());
        let label = &mut self.nodes[label];
        (label.raw, label.label) = (true, true);
        Some(())
    }

    /// Adds to the source, and answers where. None if it gets too long for places in it.
    pub(super) fn extend(&mut self, more: &[u8]) -> Option<usize> {
        let start = self.text.len();
        u32::try_from(start.checked_add(more.len())?).ok()?;
        self.text.to_mut().extend_from_slice(more);
        Some(start)
    }

    /// All nodes from one on have come that are in it.
    pub(super) fn close(&mut self, at: usize) {
        let inner = self.nodes.len() - 1 - at;
        if let Some(node) = self.nodes.get_mut(at) {
            node.len = inner as u32;
        }
    }

    pub(super) fn node(&self, at: usize) -> Option<&Node> {
        self.nodes.get(at)
    }

    /// The number or text of a node, as it is written.
    pub(super) fn source(&self, node: &Node) -> &[u8] {
        let (start, len) = (node.start as usize, node.len as usize);
        match node.kind {
            Kind::Integer | Kind::Real | Kind::Text => self.text.get(start..start + len).unwrap_or_default(),
            _ => &[],
        }
    }
}

impl Node {
    /// How many nodes are in it.
    pub(super) fn inner(&self) -> usize {
        if self.kind >= Kind::Array { self.len as usize } else { 0 }
    }

    /// How many nodes it is, with itself.
    pub(super) fn size(&self) -> usize {
        self.inner() + 1
    }

    pub(super) fn is_removed(&self) -> bool {
        self.change == Change::Removed
    }

    /// Notes what is written in its place.
    pub(super) fn become_other(&mut self, change: Change, other: usize) {
        (self.change, self.other) = (change, other as u32);
    }
}
