//! The patterns of `SCAN MATCH` and `CONFIG GET`: `*` for any bytes, `?` for one, `[a-c]`, `[^abc]`, and `\x` for `x`
//! itself. Only the last star is ever gone back to, so the work is at most pattern × text.

/// Whether all of `text` is matched.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
        } else if let Some(taken) = one(&pattern[p..], text[t]) {
            (p, t) = (p + taken, t + 1);
        } else if let Some((behind_star, from)) = &mut retry {
            *from += 1;
            (p, t) = (*behind_star, *from);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// How much of the pattern's front stands for this one byte, if it does.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => {
            let negated = rest.first() == Some(&b'^');
            let mut at = usize::from(negated);
            let mut found = false;
            while let Some(&first) = rest.get(at).filter(|first| **first != b']') {
                match rest[at..] {
                    [b'\\', escaped, ..] => {
                        found |= escaped == byte;
                        at += 2;
                    }
                    [from, b'-', to, ..] if to != b']' => {
                        found |= (from.min(to)..=from.max(to)).contains(&byte);
                        at += 3;
                    }
                    _ => {
                        found |= first == byte;
                        at += 1;
                    }
                }
            }
            // A class without its end goes to the end of the pattern.
            (found != negated).then_some((at + 2).min(pattern.len()))
        }
        [first, ..] => (*first == byte).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("a?c", "abc", true),
            ("user:[0-9]*", "user:7x", true),
            ("user:[^0-9]", "user:7", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[abc", "b", true),
            ("[", "[", false),
            ("a**b", "ab", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
        let stars = "a*".repeat(2000);
        assert!(!matches(stars.as_bytes(), &[b'a'; 1000]), "and not in exponential time");
    }
}
