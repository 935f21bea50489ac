//! `json_each()` and `json_tree()`: the members of a document as rows.

use std::borrow::Cow;

use super::node::{Kind, Node, Tree};
use super::parse::parse;
use super::path::lookup;
use super::render::value_of;
use super::scalar::malformed;
use crate::row::ValueRef;
use crate::sql::function::{Context, Error, Registry, TableColumn, TableFunction, TableRows};
use crate::sql::value::Value;

pub(super) fn register(registry: &mut Registry) {
    registry.add_table("json_each", Members { recursive: false });
    registry.add_table("json_tree", Members { recursive: true });
}

struct Members {
    /// Whether members of members come too.
    recursive: bool,
}

impl TableFunction for Members {
    fn columns(&self) -> Vec<TableColumn> {
        let shown = ["key", "value", "type", "atom", "id", "parent", "fullkey", "path"];
        TableColumn::list(&shown, &["json", "root"])
    }

    fn open(&self, args: &[Option<ValueRef<'_>>]) -> Result<Box<dyn TableRows>, Error> {
        let text = |at: usize| args.get(at).copied().flatten().map(ValueRef::to_text);
        let none = || Ok(Box::new(Nothing) as Box<dyn TableRows>);
        let Some(Some(document)) = text(0) else { return none() };
        let mut tree = parse(Cow::Owned(document.into_owned())).ok_or_else(malformed)?;
        let (root, begin) = match text(1) {
            None => (None, 0),
            Some(None) => return none(),
            Some(Some(root)) => match lookup(&mut tree, &root, false)?.node() {
                None => return none(),
                Some(begin) => (Some(root.into_owned()), begin),
            },
        };
        Ok(Box::new(Walk::new(tree, root, begin, self.recursive)))
    }

    /// Without a document, the root is nothing either.
    fn index(&self, given: u64) -> Result<u64, Error> {
        Ok(if given & 1 == 0 { 0 } else { given })
    }
}

struct Nothing;

impl TableRows for Nothing {
    fn next(&mut self) -> Result<bool, Error> {
        Ok(false)
    }

    fn value(&self, _: usize) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn rowid(&self) -> i64 {
        0
    }
}

struct Walk {
    tree: Tree<'static>,
    document: Value,
    root: Option<Vec<u8>>,
    recursive: bool,
    /// The node of the row, or its label if it has one.
    at: usize,
    begin: usize,
    end: usize,
    rowid: i64,
    started: bool,
    /// What the row is in.
    parent: Kind,
    /// What each node is in, and for an array at which of its elements the walk is. Only for a recursive walk.
    parents: Vec<u32>,
    keys: Vec<u32>,
}

impl Walk {
    fn new(tree: Tree<'static>, root: Option<Vec<u8>>, begin: usize, recursive: bool) -> Walk {
        let node = |at: usize| tree.node(at);
        let kind = node(begin).map_or(Kind::Null, |node| node.kind);
        let mut walk = Walk {
            document: Value::Text(tree.text().into()),
            root,
            recursive,
            at: begin,
            begin,
            end: begin + node(begin).map_or(1, Node::size),
            rowid: 0,
            started: false,
            parent: kind,
            parents: if recursive { parents(&tree) } else { Vec::new() },
            keys: if recursive { vec![0; tree.nodes.len()] } else { Vec::new() },
            tree,
        };
        if kind >= Kind::Array {
            if recursive {
                walk.parent = walk.kind(walk.parent_of(begin));
                if begin > 0 && walk.is_label(begin - 1) {
                    walk.at -= 1;
                }
            } else {
                walk.at += 1;
            }
        }
        walk
    }

    fn kind(&self, at: usize) -> Kind {
        self.tree.node(at).map_or(Kind::Null, |node| node.kind)
    }

    fn is_label(&self, at: usize) -> bool {
        self.tree.node(at).is_some_and(|node| node.label)
    }

    fn parent_of(&self, at: usize) -> usize {
        self.parents.get(at).map_or(0, |parent| *parent as usize)
    }

    /// The node that has the value.
    fn member(&self) -> usize {
        self.at + usize::from(self.is_label(self.at))
    }

    fn step(&mut self) {
        let size = |walk: &Walk, at: usize| walk.tree.node(at).map_or(1, Node::size);
        if !self.recursive {
            self.at = match self.parent {
                Kind::Array => self.at + size(self, self.at),
                Kind::Object => self.at + 1 + size(self, self.at + 1),
                _ => self.end,
            };
            self.rowid += 1;
            return;
        }
        self.at = self.member() + 1;
        self.rowid += 1;
        if self.at >= self.end {
            return;
        }
        let parent = self.parent_of(self.at);
        self.parent = self.kind(parent);
        if self.parent == Kind::Array
            && let Some(key) = self.keys.get_mut(parent)
        {
            *key = if parent + 1 == self.at { 0 } else { *key + 1 };
        }
    }

    fn key(&self) -> Result<Value, Error> {
        match self.parent {
            _ if self.at == 0 => Ok(Value::Null),
            Kind::Object => self.sql(self.at),
            Kind::Array if !self.recursive => Ok(Value::Integer(self.rowid)),
            Kind::Array if self.rowid > 0 => Ok(i64::from(self.keys[self.parent_of(self.at)]).into()),
            _ => Ok(Value::Null),
        }
    }

    fn sql(&self, at: usize) -> Result<Value, Error> {
        let mut no_chance = || 0;
        Ok(value_of(&Context::new(&mut no_chance), &self.tree, at)?.0)
    }

    /// The path to a node, from its parents down.
    fn path(&self, at: usize) -> Vec<u8> {
        let mut nodes = Vec::new();
        let mut next = at;
        // A parent is always before what is in it.
        while next > 0 {
            nodes.push(next);
            next = self.parent_of(next).min(next - 1);
        }
        let mut out = vec![b'$'];
        for node in nodes.into_iter().rev() {
            let parent = self.parent_of(node);
            if self.kind(parent) == Kind::Array {
                out.extend(format!("[{}]", self.keys[parent]).into_bytes());
            } else {
                self.push_name(&mut out, if self.is_label(node) { node } else { node - 1 });
            }
        }
        out
    }

    /// The step of a path to a member, in quotes unless it is letters and digits.
    fn push_name(&self, out: &mut Vec<u8>, label: usize) {
        let Some(node) = self.tree.node(label) else { return };
        let quoted = self.tree.source(node);
        let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        let simple =
            inside.first().is_some_and(u8::is_ascii_alphabetic) && inside.iter().all(u8::is_ascii_alphanumeric);
        out.push(b'.');
        out.extend_from_slice(if simple { inside } else { quoted });
    }

    fn root(&self) -> Value {
        Value::Text(self.root.as_deref().unwrap_or(b"$").into())
    }

    fn full_key(&self) -> Vec<u8> {
        if self.recursive {
            return self.path(self.at);
        }
        let mut out = self.root.clone().unwrap_or_else(|| vec![b'$']);
        match self.parent {
            Kind::Array => out.extend(format!("[{}]", self.rowid).into_bytes()),
            Kind::Object => self.push_name(&mut out, self.at),
            _ => {}
        }
        out
    }
}

impl TableRows for Walk {
    fn next(&mut self) -> Result<bool, Error> {
        if std::mem::replace(&mut self.started, true) {
            self.step();
        }
        Ok(self.at < self.end)
    }

    fn value(&self, column: usize) -> Result<Value, Error> {
        let member = self.member();
        Ok(match column {
            0 => return self.key(),
            1 => return self.sql(member),
            2 => self.kind(member).name().into(),
            3 if self.kind(member) >= Kind::Array => Value::Null,
            3 => return self.sql(member),
            4 => Value::Integer(member as i64),
            5 if self.recursive && self.at > self.begin => Value::Integer(self.parent_of(self.at) as i64),
            5 => Value::Null,
            6 => Value::Text(self.full_key().into()),
            7 if self.recursive => Value::Text(self.path(self.parent_of(self.at)).into()),
            8 => self.document.clone(),
            _ => self.root(),
        })
    }

    fn is_json(&self, column: usize) -> bool {
        column == 1 && self.kind(self.member()) >= Kind::Array
    }

    fn rowid(&self) -> i64 {
        self.rowid
    }
}

/// What each node is in; the first is in itself.
fn parents(tree: &Tree<'_>) -> Vec<u32> {
    let mut parents = vec![0; tree.nodes.len()];
    let mut open = vec![0_usize];
    while let Some(at) = open.pop() {
        let Some(node) = tree.node(at) else { continue };
        let labelled = usize::from(node.kind == Kind::Object);
        let mut next = 1;
        while next <= node.inner() {
            for of in [at + next, at + next + labelled] {
                if let Some(parent) = parents.get_mut(of) {
                    *parent = at as u32;
                }
            }
            let member = at + next + labelled;
            let size = tree.node(member).map_or(1, Node::size);
            if size > 1 {
                open.push(member);
            }
            next += labelled + size;
        }
    }
    parents
}
