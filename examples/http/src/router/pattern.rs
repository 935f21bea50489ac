//! What a path pattern says: literal segments, parameters, and a rest.

use std::fmt;
use std::str::FromStr;

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// These very bytes, after percent-decoding.
    Literal(String),
    /// Any segment that is not empty: `{name}`.
    Parameter(String),
    /// Everything that is left, slashes included, down to nothing: `{*name}`.
    Rest(String),
}

/// A path with holes, such as `/users/{id}` or `/files/{*path}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub(crate) segments: Vec<Segment>,
}

/// Why a pattern is none. The programmer's mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {pattern:?} {reason}")]
pub struct BadPattern {
    pattern: String,
    reason: &'static str,
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(pattern: &str) -> Result<Pattern, BadPattern> {
        let bad = |reason| BadPattern { pattern: pattern.to_owned(), reason };
        let path = pattern.strip_prefix('/').ok_or_else(|| bad("does not begin with a slash"))?;
        let texts: Vec<&str> = path.split('/').collect();
        let mut segments = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            let hole = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            let segment = match hole.map(|name| (name.strip_prefix('*'), name)) {
                Some((Some(name), _)) if at + 1 == texts.len() => Segment::Rest(name.to_owned()),
                Some((Some(_), _)) => return Err(bad("has something behind its rest")),
                Some((None, name)) => Segment::Parameter(name.to_owned()),
                None => Segment::Literal((*text).to_owned()),
            };
            match &segment {
                Segment::Literal(text) if text.contains(['{', '}', '%', '?', '#']) => {
                    return Err(bad("has a brace inside of a segment, or a character that no path has unescaped"));
                }
                Segment::Parameter(name) | Segment::Rest(name) => {
                    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                        return Err(bad("has a parameter whose name is not of letters, digits and underscores"));
                    }
                    let same = |other: &Segment| matches!(other, Segment::Parameter(other) if other == name);
                    if segments.iter().any(same) {
                        return Err(bad("has two parameters of one name"));
                    }
                }
                Segment::Literal(_) => {}
            }
            segments.push(segment);
        }
        Ok(Pattern { segments })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Parameter(name) => write!(f, "/{{{name}}}"),
            Segment::Rest(name) => write!(f, "/{{*{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_and_written() {
        for text in ["/", "/a", "/a/", "/a/{id}", "/{a}/b/{*rest}", "/{*all}", "/a//b"] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
        for text in
            ["", "a", "/{}", "/{*}", "/{*a}/b", "/{a}/{a}", "/x{a}", "/{a}.json", "/{a b}", "/%41", "/a?b", "/{a}/{*a}"]
        {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
