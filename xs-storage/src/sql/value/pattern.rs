//! `LIKE` and `GLOB`.

use super::NumberText;
use crate::row::ValueRef;
use crate::sql::utf8;

/// Whose wildcards a pattern has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternKind {
    /// `%` and `_`; letters of ASCII match in either case.
    Like,
    /// `%` and `_`, case by case: after `PRAGMA case_sensitive_like`.
    CaseSensitiveLike,
    /// `*`, `?` and `[a-z]`.
    Glob,
}

/// Why a pattern is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is longer than [`Pattern::LONGEST`].
    #[error("LIKE or GLOB pattern too complex")]
    TooComplex,
    /// What should escape is not one character.
    #[error("ESCAPE expression must be a single character")]
    Escape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Any characters, none too.
    Any,
    /// Any one character.
    One,
    Char(u32),
    Set {
        inverted: bool,
        ranges: Box<[(u32, u32)]>,
    },
    /// Nothing matches: an escape without what it escapes, a set without an end.
    Never,
}

/// A pattern, ready to be matched many times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    folded: bool,
}

impl Pattern {
    /// The bytes that a pattern may have.
    pub const LONGEST: usize = 50_000;

    /// Reads a pattern, up to its first zero byte.
    pub fn new(pattern: &[u8], kind: PatternKind, escape: Option<u32>) -> Result<Pattern, PatternError> {
        if pattern.len() > Pattern::LONGEST {
            return Err(PatternError::TooComplex);
        }
        let (any, one) = if kind == PatternKind::Glob { ('*', '?') } else { ('%', '_') };
        let folded = kind == PatternKind::Like;
        let mut parts = Vec::new();
        let mut rest = utf8::before_nul(pattern);
        while let Some((char, behind)) = utf8::next(rest) {
            rest = behind;
            let part = match char {
                _ if Some(char) == escape => match utf8::next(rest) {
                    Some((char, behind)) => {
                        rest = behind;
                        literal(char, folded)
                    }
                    None => Part::Never,
                },
                _ if char == u32::from(any) => Part::Any,
                _ if char == u32::from(one) => Part::One,
                0x5b if kind == PatternKind::Glob => set(&mut rest),
                _ => literal(char, folded),
            };
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
        }
        Ok(Pattern { parts, folded })
    }

    /// Whether all of a text, up to its first zero byte, is as the pattern says. The time is bounded by the product of both
    /// lengths: where a part doesn't match, only the last wildcard for many characters before it needs to take one character more.
    pub fn matches(&self, text: &[u8]) -> bool {
        let mut rest = utf8::before_nul(text);
        let mut parts = &self.parts[..];
        let mut again: Option<(&[Part], &[u8])> = None;
        loop {
            match parts.split_first() {
                None if rest.is_empty() => return true,
                Some((Part::Never, _)) => return false,
                Some((Part::Any, behind)) => {
                    if behind.is_empty() {
                        return true;
                    }
                    parts = behind;
                    again = Some((parts, rest));
                    continue;
                }
                Some((part, behind)) => match utf8::next(rest) {
                    Some((char, after)) if self.fits(part, char) => {
                        (parts, rest) = (behind, after);
                        continue;
                    }
                    Some(_) => {}
                    // Fewer characters than parts that need one.
                    None => return false,
                },
                None => {}
            }
            let Some((from, at)) = again else { return false };
            let Some(at) = self.skip(from, at) else { return false };
            (parts, rest) = (from, at);
            again = Some((from, at));
        }
    }

    /// The next place behind the first character of `at` where `from` may begin.
    fn skip<'a>(&self, from: &[Part], at: &'a [u8]) -> Option<&'a [u8]> {
        let (_, rest) = utf8::next(at)?;
        match from.first() {
            Some(Part::Char(char @ 0..0x80)) => {
                let wanted = *char as u8;
                let found = rest
                    .iter()
                    .position(|byte| *byte == wanted || (self.folded && byte.eq_ignore_ascii_case(&wanted)))?;
                Some(&rest[found..])
            }
            _ => Some(rest),
        }
    }

    fn fits(&self, part: &Part, char: u32) -> bool {
        match part {
            Part::One => true,
            Part::Char(wanted) => *wanted == if self.folded { fold(char) } else { char },
            Part::Set { inverted, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&char)) != *inverted
            }
            Part::Any | Part::Never => false,
        }
    }
}

fn fold(char: u32) -> u32 {
    u8::try_from(char).map_or(char, |byte| byte.to_ascii_lowercase().into())
}

fn literal(char: u32, folded: bool) -> Part {
    Part::Char(if folded { fold(char) } else { char })
}

/// What stands behind `[`, to its `]`: which is itself a member where it comes first.
fn set(rest: &mut &[u8]) -> Part {
    let mut take = || {
        let (char, behind) = utf8::next(rest)?;
        *rest = behind;
        Some((char, behind.first().copied()))
    };
    let mut ranges = Vec::new();
    let mut next = take();
    let inverted = matches!(next, Some((0x5e, _)));
    if inverted {
        next = take();
    }
    if matches!(next, Some((0x5d, _))) {
        ranges.push((0x5d, 0x5d));
        next = take();
    }
    // The character that a `-` may begin a range with.
    let mut prior = None;
    loop {
        match (next, prior) {
            (None, _) => return Part::Never,
            (Some((0x5d, _)), _) => return Part::Set { inverted, ranges: ranges.into() },
            (Some((0x2d, Some(behind))), Some(first)) if behind != b']' => {
                let Some((last, _)) = take() else { return Part::Never };
                ranges.push((first, last));
                prior = None;
            }
            (Some((char, _)), _) => {
                ranges.push((char, char));
                prior = Some(char);
            }
        }
        next = take();
    }
}

/// `text LIKE pattern ESCAPE escape` and `text GLOB pattern`; nothing if one of them is nothing.
pub fn like(
    text: ValueRef<'_>,
    pattern: ValueRef<'_>,
    escape: Option<ValueRef<'_>>,
    kind: PatternKind,
) -> Result<Option<bool>, PatternError> {
    // Bytes are no text, whatever is in them: so an index of text finds all that matches.
    if matches!(text, ValueRef::Blob(_)) || matches!(pattern, ValueRef::Blob(_)) {
        return Ok(Some(false));
    }
    let (mut room, mut escape_room) = (NumberText::new(), NumberText::new());
    let pattern = pattern.text_in(&mut room);
    if pattern.is_some_and(|pattern| pattern.len() > Pattern::LONGEST) {
        return Err(PatternError::TooComplex);
    }
    let escape = match escape.map(|escape| escape.text_in(&mut escape_room)) {
        None => None,
        Some(None) => return Ok(None),
        Some(Some(escape)) => match utf8::next(utf8::before_nul(escape)) {
            Some((char, [] | [0, ..])) => Some(char),
            _ => return Err(PatternError::Escape),
        },
    };
    let (Some(pattern), mut room) = (pattern, NumberText::new()) else { return Ok(None) };
    let Some(text) = text.text_in(&mut room) else { return Ok(None) };
    if escape.is_none() && is_plain(pattern, kind) {
        return Ok(Some(plain(pattern, utf8::before_nul(text), kind == PatternKind::Like)));
    }
    Ok(Some(Pattern::new(pattern, kind, escape)?.matches(text)))
}

/// Whether a pattern without an escape is matched as it is written, which costs less than to read it for one text: it has no sets and
/// is ASCII.
pub(super) fn is_plain(pattern: &[u8], kind: PatternKind) -> bool {
    kind != PatternKind::Glob && pattern.iter().all(|byte| (1..0x80).contains(byte))
}

/// The same as [`Pattern::matches`] with a pattern of ASCII: no byte of another character is one of ASCII.
pub(super) fn plain(mut pattern: &[u8], mut text: &[u8], folded: bool) -> bool {
    let same = |a: u8, b: u8| a == b || folded && a.eq_ignore_ascii_case(&b);
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        match pattern {
            [] if text.is_empty() => return true,
            [b'%'] => return true,
            [b'%', behind @ ..] => pattern = behind,
            [b'_', behind @ ..] => match utf8::next(text) {
                Some((_, rest)) => {
                    (pattern, text) = (behind, rest);
                    continue;
                }
                None => return false,
            },
            [wanted, behind @ ..] => match text {
                [byte, rest @ ..] if same(*byte, *wanted) => {
                    (pattern, text) = (behind, rest);
                    continue;
                }
                [] => return false,
                _ => {
                    let Some((from, at)) = again else { return false };
                    (pattern, text) = (from, utf8::next(at).map_or(&at[..0], |(_, rest)| rest));
                }
            },
            [] => {
                let Some((from, at)) = again else { return false };
                (pattern, text) = (from, utf8::next(at).map_or(&at[..0], |(_, rest)| rest));
            }
        }
        // Behind a wildcard: on to where a letter can begin.
        if let [wanted, ..] = *pattern
            && wanted != b'_'
            && wanted != b'%'
        {
            let Some(found) = text.iter().position(|byte| same(*byte, wanted)) else { return false };
            text = &text[found..];
        }
        again = Some((pattern, text));
    }
}
