//! Files of variables, as `EnvironmentFile=` reads them.

use crate::supervisor::unit::is_name;

/// A file's variables, in their order, and the lines that are none.
///
/// A line is `NAME=value`; `#` and `;` begin comments. A value may be quoted, wholly or in parts: single quotes keep everything,
/// double quotes keep all but `\"`, `\\`, `` \` `` and `\$`; outside of quotes a backslash keeps the next character, and at the end
/// of a line it goes on with the next one.
pub fn environment_file(text: &str) -> (Vec<(String, String)>, Vec<usize>) {
    let (mut pairs, mut wrong) = (Vec::new(), Vec::new());
    let mut chars = text.chars().peekable();
    let mut line = 1;
    while chars.peek().is_some() {
        let begin = line;
        let mut name = String::new();
        let mut ended = false;
        for c in chars.by_ref() {
            match c {
                '=' => break,
                '\n' => {
                    (ended, line) = (true, line + 1);
                    break;
                }
                c => name.push(c),
            }
        }
        let name = name.trim();
        if name.is_empty() && ended {
            continue;
        }
        let comment = name.starts_with(['#', ';']);
        if comment && !ended {
            line += usize::from(chars.by_ref().any(|c| c == '\n'));
            continue;
        }
        if comment {
            continue;
        }
        let mut value = String::new();
        // Blanks that nothing follows and nothing quotes are no part of a value.
        let mut kept = 0;
        let mut quote = None;
        let mut closed = ended;
        while !closed {
            let Some(c) = chars.next() else { break };
            line += usize::from(c == '\n');
            match (quote, c) {
                (None, '\n') => closed = true,
                (None, '"' | '\'') => {
                    quote = Some(c);
                    kept = value.len();
                }
                (Some(open), c) if c == open => {
                    quote = None;
                    kept = value.len();
                }
                (Some('\''), c) => value.push(c),
                (quoted, '\\') => match chars.next() {
                    Some('\n') => line += 1,
                    Some(next) => {
                        if quoted.is_some() && !matches!(next, '"' | '\\' | '`' | '$') {
                            value.push('\\');
                        }
                        value.push(next);
                        kept = value.len();
                    }
                    None => {}
                },
                (None, c) if c.is_whitespace() => {
                    if !value.is_empty() {
                        value.push(c);
                    }
                }
                (_, c) => {
                    value.push(c);
                    kept = value.len();
                }
            }
        }
        value.truncate(kept);
        if is_name(name) && quote.is_none() && !ended && !value.contains('\0') {
            pairs.push((name.to_owned(), value));
        } else {
            wrong.push(begin);
        }
    }
    (pairs, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_may_be_quoted() {
        let text = "# c\nA=1\n B = two words \n\n;x=1\nC=\"q\\\"\\n \"  \nD='a\\b'c\nE=x\\\ny\nbad\n1X=2\nF=";
        let (pairs, wrong) = environment_file(text);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("A", "1"), ("B", "two words"), ("C", "q\"\\n "), ("D", "a\\bc"), ("E", "xy"), ("F", "")]);
        assert_eq!(wrong, [10, 11]);
        assert_eq!(environment_file("A=\"open").1, [1]);
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(text in "[A-C=\"'\\\\\n# ]{0,40}") {
            environment_file(&text);
        }

        #[test]
        fn what_is_quoted_comes_back(value in "[^\0]{0,20}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`");
            prop_assert_eq!(environment_file(&format!("A=\"{quoted}\"\nB=1")).0, [("A".into(), value), ("B".into(), "1".into())]);
        }
    }
}
