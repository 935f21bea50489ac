//! Glob patterns over bytes: which names are meant by `user:*:[0-9]`.
//!
//! # The problem
//!
//! Whoever lists keys, subscribes to channels or grants rights wants to name many at once, by a pattern that a stranger may
//! have written. The well-known way to match one tries every length for every star, one inside of the other, and a pattern of
//! thirty stars takes longer than the server lives.
//!
//! # How it works
//!
//! `*` stands for any bytes, `?` for one byte, `[a-c]`, `[abc]` and `[^abc]` for one byte of a set, and `\x` for `x` itself.
//! Everything but `*` stands for exactly one byte, so a mismatch only ever has to go back to the *last* star: what an earlier
//! star could gain by taking more, the last one can gain as well.
//!
//! ```text
//!   pattern   a * b ? d
//!   text      a x b x x b c d      b ? d was tried at the first b, and failed at its third byte:
//!               └──┬──┘ └─┬─┘      so the star took one byte more, and one more, until it fitted
//!               the star  b ? d
//! ```
//!
//! Three corners are Redis' own and kept: a class without its `]` ends with the pattern, a range may be written backwards,
//! and an empty text is matched by the empty pattern alone, not by `*`.
//!
//! # Invariants
//!
//! - The answer is that of the definition, which tries everything. (`the_search_agrees_with_the_definition`.)
//! - The work is at most pattern × text, whatever the pattern. (`many_stars_do_not_explode`.)
//! - There is no recursion that a long pattern could deepen, nothing is allocated, and no pattern is an error.
//!
//! # Cost
//!
//! One comparison a byte if the stars are few; in the worst case as many as the pattern has elements.
//!
//! # Example
//!
//! ```
//! use xs_storage::glob::{matches, matches_nocase};
//!
//! assert!(matches(b"user:*:[0-9]", b"user:ann:7"));
//! assert!(!matches(b"user:*:[^0-9]", b"user:ann:7"));
//! assert!(matches_nocase(b"MAX*", b"maxmemory"));
//! ```
//!
//! # How others do it
//!
//! Redis matches by recursion, one level for each star, and bounds that since a pattern of many stars was reported as an attack.
//! `globset` compiles many patterns of paths into one automaton, in which `/` means something. `fnmatch` knows
//! locales and classes like `[[:alpha:]]`.
//!
//! # What this leaves out
//!
//! Alternatives (`{a,b}`), `**`, classes by name, characters of more than one byte. Compiling: a pattern is read again for every
//! text.
//!
//! # Try next
//!
//! Give back the literal front of a pattern, `user:` here, and let an ordered store begin its scan there.
//!
//! # Sources
//!
//! R. Cox, "Glob Matching Can Be Simple And Fast Too" (2017); the Redis documentation of `KEYS`.

/// Whether the whole of `text` matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    search(pattern, text, false)
}

/// Like [`matches()`], where ASCII letters match in any case.
pub fn matches_nocase(pattern: &[u8], text: &[u8]) -> bool {
    search(pattern, text, true)
}

fn search(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    // Where to go on when the bytes since the last star do not fit: behind the star, one byte later in the text.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        let rest = &pattern[p..];
        if rest.first() == Some(&b'*') {
            p += rest.iter().take_while(|&&byte| byte == b'*').count();
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
        } else if let Some(taken) = one(rest, text[t], nocase) {
            p += taken;
            t += 1;
        } else if let Some((behind_star, from)) = &mut retry {
            *from += 1;
            (p, t) = (*behind_star, *from);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// Matches one byte against the element at the start of `pattern`; answers the element's length if it fits.
fn one(pattern: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    let (wanted, taken) = match *pattern {
        [] => return None,
        [b'?', ..] => return Some(1),
        [b'[', ..] => {
            let (fits, taken) = class(pattern, byte, nocase);
            return fits.then_some(taken);
        }
        [b'\\', escaped, ..] => (escaped, 2),
        [first, ..] => (first, 1),
    };
    same(wanted, byte, nocase).then_some(taken)
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    if nocase { a.eq_ignore_ascii_case(&b) } else { a == b }
}

/// Reads the class at the start of `pattern`: whether `byte` is in it, and how long it is.
fn class(pattern: &[u8], byte: u8, nocase: bool) -> (bool, usize) {
    let negated = pattern.get(1) == Some(&b'^');
    let mut at = if negated { 2 } else { 1 };
    let mut found = false;
    loop {
        match pattern[at..] {
            [b'\\', escaped, ..] => {
                // Redis compares an escaped member as it is written, whatever the case rule.
                found |= escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [] => break,
            [from, b'-', to, ..] => {
                let (low, high) = (from.min(to), from.max(to));
                found |= match nocase {
                    false => (low..=high).contains(&byte),
                    true => (low.to_ascii_lowercase()..=high.to_ascii_lowercase()).contains(&byte.to_ascii_lowercase()),
                };
                at += 3;
            }
            [member, ..] => {
                found |= same(member, byte, nocase);
                at += 1;
            }
        }
    }
    (found != negated, at)
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_as_redis_matches_them() {
        let cases: &[(&str, &str, bool)] = &[
            ("*", "anything", true),
            ("", "", true),
            ("*", "", false),
            ("a", "", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h*llo", "hllo", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h[a-b]llo", "hcllo", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a\\", "a\\", true),
            ("[abc", "c", true),
            ("[", "a", false),
            ("[^", "a", true),
            ("[\\]]", "]", true),
            ("[a-]", "a", true),
            ("a**b*", "ab", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxx", false),
            ("foo*bar", "foobarbarbaz", false),
            ("foo*bar", "foobarbazbar", true),
        ];
        for (pattern, text, wanted) in cases {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), *wanted, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn without_case_letters_and_ranges_fold() {
        assert!(matches_nocase(b"MAX*", b"maxmemory"));
        assert!(matches_nocase(b"[A-C]x", b"bX"));
        assert!(!matches(b"MAX*", b"maxmemory"));
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = b"a*".repeat(500);
        let text = b"a".repeat(20_000);
        // Ten million steps, and not two to the power of five hundred.
        assert!(!matches(&[&pattern[..], b"b"].concat(), &text));
    }

    /// The definition, word by word; exponential, which is why it only sees short inputs.
    fn model(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|skip| model(rest, &text[skip..])),
            _ => match text {
                [] => false,
                [first, later @ ..] => one(pattern, *first, false).is_some_and(|taken| model(&pattern[taken..], later)),
            },
        }
    }

    proptest! {
        #[test]
        fn the_search_agrees_with_the_definition(pattern in "[ab*?\\[\\]^-]{0,8}", text in "[ab]{1,8}") {
            prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), model(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
