//! A tree over segments: finds the most specific of many patterns without looking at the others.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::pattern::{Pattern, Segment};

/// Values by pattern.
#[derive(Debug, Clone)]
pub(crate) struct Tree<T> {
    root: Node<T>,
}

#[derive(Debug, Clone)]
struct Node<T> {
    literals: BTreeMap<String, Node<T>>,
    parameter: Option<Box<Node<T>>>,
    rest: Option<Leaf<T>>,
    leaf: Option<Leaf<T>>,
}

#[derive(Debug, Clone)]
struct Leaf<T> {
    pattern: Pattern,
    value: T,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Node { literals: BTreeMap::new(), parameter: None, rest: None, leaf: None }
    }
}

/// The path cannot be decoded: a `%` without two hexadecimal digits behind it, or not UTF-8 after decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// What stands where a pattern has holes, by name.
pub(crate) type Found<'t, T> = (&'t T, Vec<(&'t str, String)>);

impl<T> Tree<T> {
    pub(crate) fn new() -> Self {
        Tree { root: Node::default() }
    }

    /// The value of a pattern, made if there is none. A pattern of the same shape with other names is a conflict: its own
    /// pattern comes back.
    pub(crate) fn entry(&mut self, pattern: Pattern, make: impl FnOnce() -> T) -> Result<&mut T, Pattern> {
        let mut node = &mut self.root;
        let mut slot = None;
        for segment in &pattern.segments {
            match segment {
                Segment::Literal(text) => node = node.literals.entry(text.clone()).or_default(),
                Segment::Parameter(_) => node = node.parameter.get_or_insert_default(),
                Segment::Rest(_) => slot = Some(()),
            }
        }
        let slot = if slot.is_some() { &mut node.rest } else { &mut node.leaf };
        let leaf = slot.get_or_insert_with(|| Leaf { pattern: pattern.clone(), value: make() });
        if leaf.pattern == pattern { Ok(&mut leaf.value) } else { Err(leaf.pattern.clone()) }
    }

    /// The value of the most specific pattern that matches: segment by segment from the left, a literal goes before a
    /// parameter, and that before a rest.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Found<'_, T>>, Undecodable> {
        let path = path.strip_prefix('/').unwrap_or(path);
        // Split first: an encoded slash is part of its segment.
        let segments: Vec<Cow<'_, str>> = path.split('/').map(decode).collect::<Result<_, _>>()?;
        let Some(leaf) = self.root.find(&segments) else { return Ok(None) };
        let mut values = Vec::new();
        for (at, segment) in leaf.pattern.segments.iter().enumerate() {
            match segment {
                Segment::Literal(_) => {}
                Segment::Parameter(name) => values.push((&**name, segments[at].clone().into_owned())),
                Segment::Rest(name) => values.push((&**name, segments[at..].join("/"))),
            }
        }
        Ok(Some((&leaf.value, values)))
    }
}

impl<T> Node<T> {
    /// Each node is visited once at most, for there is one way to it: the work is bounded by the number of routes.
    fn find(&self, segments: &[Cow<'_, str>]) -> Option<&Leaf<T>> {
        let Some((first, others)) = segments.split_first() else { return self.leaf.as_ref() };
        let literal = || self.literals.get(&**first)?.find(others);
        let parameter = || self.parameter.as_ref().filter(|_| !first.is_empty())?.find(others);
        literal().or_else(parameter).or(self.rest.as_ref())
    }
}

/// A segment as it was meant. Strict: browsers send no other, and what one decoder drops another may keep.
pub(crate) fn decode(segment: &str) -> Result<Cow<'_, str>, Undecodable> {
    decode_bytes(segment)?;
    percent_decode_str(segment).decode_utf8().map_err(|_| Undecodable)
}

/// The same in bytes, which need be no text.
pub(crate) fn decode_bytes(segment: &str) -> Result<Cow<'_, [u8]>, Undecodable> {
    let mut rest = segment.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        if !rest.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(Undecodable);
        }
        rest = &rest[at + 3..];
    }
    Ok(percent_decode_str(segment).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition: every pattern is compared with the path, and of those that match, the most specific one wins.
    fn naive(patterns: &[Pattern], path: &str) -> Option<(usize, Vec<(String, String)>)> {
        let segments: Vec<String> = path[1..].split('/').map(|text| decode(text).unwrap().into_owned()).collect();
        let matches = |pattern: &Pattern| {
            let mut values = Vec::new();
            let mut rank = Vec::new();
            for (at, segment) in pattern.segments.iter().enumerate() {
                match segment {
                    Segment::Rest(name) if at <= segments.len() => {
                        values.push((name.clone(), segments[at..].join("/")));
                        rank.push(2);
                        // A rest stands for what follows a slash: there must be something, if only nothing.
                        return (at < segments.len()).then_some((rank, values));
                    }
                    Segment::Literal(text) if segments.get(at) == Some(text) => rank.push(0),
                    Segment::Parameter(name) if segments.get(at).is_some_and(|text| !text.is_empty()) => {
                        values.push((name.clone(), segments[at].clone()));
                        rank.push(1);
                    }
                    _ => return None,
                }
            }
            (segments.len() == pattern.segments.len()).then_some((rank, values))
        };
        let all = patterns.iter().enumerate();
        let found = all.filter_map(|(nth, pattern)| matches(pattern).map(|(rank, values)| (rank, nth, values)));
        found.min_by(|a, b| a.0.cmp(&b.0)).map(|(_, nth, values)| (nth, values))
    }

    fn pattern() -> impl Strategy<Value = String> {
        let segment = prop_oneof![4 => "[ab]{0,1}", 2 => Just("{x}".to_owned()), 1 => Just("{y}".to_owned())];
        let rest = prop_oneof![3 => Just(String::new()), 1 => Just("/{*z}".to_owned())];
        (prop::collection::vec(segment, 0..4), rest).prop_filter_map("no pattern", |(segments, rest)| {
            let text: String = segments.iter().map(|text| format!("/{text}")).collect();
            let text = text + &rest;
            text.parse::<Pattern>().ok().map(|_| text)
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_comparing_all_patterns_finds(
            texts in prop::collection::vec(pattern(), 0..12),
            paths in prop::collection::vec("(/(a|b|c|%61|%2F|)){1,5}", 1..8),
        ) {
            let mut tree = Tree::new();
            let mut patterns: Vec<Pattern> = Vec::new();
            for text in texts {
                let pattern: Pattern = text.parse().unwrap();
                let nth = patterns.len();
                // What conflicts is left out, and what is there twice keeps its first value.
                if let Ok(value) = tree.entry(pattern.clone(), || nth) && *value == nth {
                    patterns.push(pattern);
                }
            }
            for path in paths {
                let found = tree.find(&path).unwrap();
                let found = found.map(|(nth, values)| {
                    (*nth, values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>())
                });
                prop_assert_eq!(found, naive(&patterns, &path), "{}", path);
            }
        }
    }

    #[test]
    fn one_shape_with_two_sets_of_names_is_a_conflict() {
        let mut tree = Tree::new();
        let mut put =
            |text: &str| tree.entry(text.parse().unwrap(), || ()).map(|value| *value).map_err(|p| p.to_string());
        assert_eq!(put("/a/{id}"), Ok(()));
        assert_eq!(put("/a/{id}"), Ok(()));
        assert_eq!(put("/a/{name}"), Err("/a/{id}".to_owned()));
        assert_eq!(put("/a/{name}/b"), Ok(())); // another path altogether
        assert_eq!(put("/{*all}"), Ok(()));
        assert_eq!(put("/{*rest}"), Err("/{*all}".to_owned()));
    }

    #[test]
    fn a_path_that_cannot_be_decoded_is_an_error() {
        let mut tree = Tree::new();
        tree.entry("/{x}".parse().unwrap(), || ()).unwrap();
        for path in ["/%", "/%4", "/%zz", "/%ff", "/a/%c3%28"] {
            assert_eq!(tree.find(path).unwrap_err(), Undecodable, "{path}");
        }
        assert_eq!(tree.find("/%C3%A4").unwrap().unwrap().1, [("x", "ä".to_owned())]);
    }
}
