//! Paths: from the whole document to a node of it, or to one that is added there.

use super::node::{Change, Kind, Node, Tree};
use crate::sql::function::Error;
use crate::sql::utf8;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Node(usize),
    /// A node that was added for it.
    Added(usize),
}

impl Found {
    pub(super) fn node(self) -> Option<usize> {
        match self {
            Found::Nothing => None,
            Found::Node(at) | Found::Added(at) => Some(at),
        }
    }
}

/// The error of a path, from where it makes no sense.
pub(super) fn error(path: &[u8]) -> Error {
    let path = String::from_utf8_lossy(path).replace('\'', "''");
    Error::failed(format!("JSON path error near '{path}'"))
}

/// Follows a path that begins with `$`. What is missing at its end is added if `add` says so.
pub(super) fn lookup(tree: &mut Tree<'_>, path: &[u8], add: bool) -> Result<Found, Error> {
    let path = utf8::before_nul(path);
    match path.split_first() {
        Some((b'$', steps)) => Walk { tree, at: 0, add, added: false, links: Vec::new() }.follow(steps),
        _ => Err(error(path)),
    }
}

struct Walk<'a, 'b> {
    tree: &'a mut Tree<'b>,
    at: usize,
    add: bool,
    /// That the nodes at hand are new.
    added: bool,
    /// Nodes, and where each goes on if the whole path makes sense.
    links: Vec<(usize, usize)>,
}

impl Walk<'_, '_> {
    fn follow(mut self, mut path: &[u8]) -> Result<Found, Error> {
        while !path.is_empty() {
            let Some(node) = self.tree.node(self.at).copied() else { return Ok(Found::Nothing) };
            if node.change == Change::Argument {
                return Ok(Found::Nothing);
            }
            let step = match path[0] {
                b'.' => self.member(node, path)?,
                b'[' => self.element(node, path)?,
                _ => return Err(error(path)),
            };
            match step {
                Some(rest) => path = rest,
                None => return Ok(Found::Nothing),
            }
        }
        for (from, to) in self.links {
            if let Some(node) = self.tree.nodes.get_mut(from) {
                node.become_other(Change::Continued, to);
            }
        }
        Ok(if self.added { Found::Added(self.at) } else { Found::Node(self.at) })
    }

    /// To the member of a name; what is left of the path, if there is one.
    fn member<'p>(&mut self, node: Node, path: &'p [u8]) -> Result<Option<&'p [u8]>, Error> {
        if node.kind != Kind::Object {
            return Ok(None);
        }
        let path = &path[1..];
        let (key, rest) = match path.split_first() {
            Some((b'"', quoted)) => {
                let end = quoted.iter().position(|byte| *byte == b'"').ok_or_else(|| error(path))?;
                (&quoted[..end], &quoted[end + 1..])
            }
            _ => {
                let end = path.iter().position(|byte| matches!(byte, b'.' | b'[')).unwrap_or(path.len());
                if end == 0 {
                    return Err(error(path));
                }
                path.split_at(end)
            }
        };
        let mut base = self.at;
        loop {
            let Some(parent) = self.tree.node(base).copied() else { return Ok(None) };
            let mut at = 1;
            while at <= parent.inner() {
                if self.tree.node(base + at).is_some_and(|label| is_called(self.tree, label, key)) {
                    self.at = base + at + 1;
                    return Ok(Some(rest));
                }
                at += 1 + self.tree.node(base + at + 1).map_or(1, Node::size);
            }
            if parent.change != Change::Continued {
                break;
            }
            base = parent.other as usize;
        }
        if !self.add {
            return Ok(None);
        }
        let start = self.tree.add(Kind::Object, 0, 2);
        self.tree.add_key(key).ok_or(Error::TooBig)?;
        Ok(self.append(base, start, rest).then_some(rest))
    }

    /// To the element of a number; what is left of the path, if there is one.
    fn element<'p>(&mut self, node: Node, path: &'p [u8]) -> Result<Option<&'p [u8]>, Error> {
        let byte = |at: usize| path.get(at).copied().unwrap_or(0);
        let number = |mut at: usize| {
            let mut number = 0_u32;
            while byte(at).is_ascii_digit() {
                number = number.wrapping_mul(10).wrapping_add(u32::from(byte(at) - b'0'));
                at += 1;
            }
            (number, at)
        };
        let (mut wanted, mut end) = number(1);
        if end < 2 || byte(end) != b']' {
            if byte(1) != b'#' {
                return Err(error(path));
            }
            if node.kind != Kind::Array {
                return Ok(None);
            }
            wanted = wanted.wrapping_add(self.count());
            end = 2;
            if byte(2) == b'-' && byte(3).is_ascii_digit() {
                let (back, behind) = number(3);
                end = behind;
                match wanted.checked_sub(back) {
                    Some(from_start) => wanted = from_start,
                    None => return Ok(None),
                }
            }
            if byte(end) != b']' {
                return Err(error(path));
            }
        }
        if node.kind != Kind::Array {
            return Ok(None);
        }
        let rest = &path[end + 1..];
        let mut base = self.at;
        loop {
            let Some(parent) = self.tree.node(base).copied() else { return Ok(None) };
            let mut at = 1;
            while at <= parent.inner() {
                let Some(element) = self.tree.node(base + at) else { return Ok(None) };
                if wanted == 0 && !element.is_removed() {
                    break;
                }
                wanted -= u32::from(!element.is_removed());
                at += element.size();
            }
            // SQLite 3.40 looks on in what was added, even if it has found the element: the first one there then is it.
            if parent.change == Change::Continued {
                base = parent.other as usize;
                continue;
            }
            if at <= parent.inner() {
                self.at = base + at;
                return Ok(Some(rest));
            }
            break;
        }
        if wanted != 0 || !self.add {
            return Ok(None);
        }
        let start = self.tree.add(Kind::Array, 0, 1);
        Ok(self.append(base, start, rest).then_some(rest))
    }

    /// How many elements the array at hand has.
    fn count(&self) -> u32 {
        let (mut base, mut count) = (self.at, 0_u32);
        loop {
            let Some(parent) = self.tree.node(base) else { return count };
            let mut at = 1;
            while at <= parent.inner() {
                let Some(element) = self.tree.node(base + at) else { return count };
                count = count.wrapping_add(u32::from(!element.is_removed()));
                at += element.size();
            }
            if parent.change != Change::Continued {
                return count;
            }
            base = parent.other as usize;
        }
    }

    /// Adds the value of a new member, which is what the rest of the path takes it for. False if that is nothing.
    fn append(&mut self, from: usize, start: usize, rest: &[u8]) -> bool {
        let kind = match rest {
            [] => Kind::Null,
            [b'.', ..] => Kind::Object,
            rest if rest.starts_with(b"[0]") => Kind::Array,
            _ => return false,
        };
        self.at = self.tree.add(kind, 0, 0);
        self.added = true;
        self.links.push((from, start));
        true
    }
}

/// Whether a label says a name, escapes and all.
fn is_called(tree: &Tree<'_>, label: &Node, key: &[u8]) -> bool {
    let source = tree.source(label);
    match label.raw {
        true => source == key,
        false => source.len() == key.len() + 2 && source.get(1..=key.len()) == Some(key),
    }
}
