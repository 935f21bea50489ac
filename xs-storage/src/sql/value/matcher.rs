//! A pattern that is known before the texts are, looked through once.

use super::pattern::{Pattern, PatternKind, is_plain, plain};
use crate::sql::utf8;

/// A pattern without an escape, in the cheapest form that it has.
#[derive(Clone, Debug)]
pub(in crate::sql) enum Matcher {
    /// The text has this somewhere: `%literal%`.
    Within {
        literal: Box<[u8]>,
        folded: bool,
    },
    /// It is matched as it is written.
    Plain {
        pattern: Box<[u8]>,
        folded: bool,
    },
    Parts(Pattern),
}

impl Matcher {
    /// None for a pattern that is too long to be one.
    pub(in crate::sql) fn new(pattern: &[u8], kind: PatternKind) -> Option<Matcher> {
        let folded = kind == PatternKind::Like;
        if !is_plain(pattern, kind) {
            return Pattern::new(pattern, kind, None).ok().map(Matcher::Parts);
        }
        if pattern.len() > Pattern::LONGEST {
            return None;
        }
        if let [b'%', literal @ .., b'%'] = pattern
            && !literal.is_empty()
            && !literal.iter().any(|byte| matches!(byte, b'%' | b'_'))
        {
            let mut literal: Box<[u8]> = literal.into();
            if folded {
                literal.make_ascii_lowercase();
            }
            return Some(Matcher::Within { literal, folded });
        }
        Some(Matcher::Plain { pattern: pattern.into(), folded })
    }

    /// Whether all of a text, up to its first zero byte, is as the pattern says.
    pub(in crate::sql) fn matches(&self, text: &[u8]) -> bool {
        match self {
            // A literal has no zero byte: what is found behind one in the text doesn't count.
            Matcher::Within { literal, folded } => match position(text, literal, *folded) {
                Some(found) => !text[..found].contains(&0),
                None => false,
            },
            Matcher::Plain { pattern, folded } => plain(pattern, utf8::before_nul(text), *folded),
            Matcher::Parts(pattern) => pattern.matches(text),
        }
    }
}

/// Where a literal first is in a text. One that is folded is of lower case.
fn position(text: &[u8], literal: &[u8], folded: bool) -> Option<usize> {
    let (first, rest) = literal.split_first()?;
    let other = if folded { first.to_ascii_uppercase() } else { *first };
    text.windows(literal.len()).position(|at| {
        let [begin, behind @ ..] = at else { return false };
        (begin == first || *begin == other)
            && behind.iter().zip(rest).all(|(a, b)| a == b || folded && a.to_ascii_lowercase() == *b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::ValueRef;
    use crate::sql::value::like;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pattern_known_before_matches_what_any_does(
            text in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'B'), Just(b'b'), Just(0_u8), Just(0xC3_u8), Just(0xA9_u8)], 0..9),
            pattern in "[%_abAB*?é\\[\\]]{0,5}|%[abAB]{0,3}%",
            kind in 0..3_usize,
        ) {
            let kind = [PatternKind::Like, PatternKind::CaseSensitiveLike, PatternKind::Glob][kind];
            let found = Matcher::new(pattern.as_bytes(), kind).map(|matcher| matcher.matches(&text));
            let known = like(ValueRef::Text(&text), ValueRef::Text(pattern.as_bytes()), None, kind);
            prop_assert_eq!(found, known.ok().flatten());
        }
    }
}
