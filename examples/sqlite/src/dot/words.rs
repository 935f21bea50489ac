//! The words of a command.

use crate::cli::unescaped;

/// Words at spaces; those in quotes stay whole. C's escapes are read, but not in single quotes.
pub(super) fn split(line: &str) -> Vec<String> {
    let (mut words, mut rest) = (Vec::new(), line.trim());
    while let Some(first) = rest.chars().next() {
        let (word, behind) = match first {
            '\'' => {
                let end = rest[1..].find('\'').map_or(rest.len(), |end| end + 1);
                (rest[1..end].to_owned(), rest.get(end + 1..).unwrap_or(""))
            }
            '"' => {
                let bytes = rest.as_bytes();
                let mut end = 1;
                while end < bytes.len() && bytes[end] != b'"' {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                let end = end.min(rest.len());
                (unescaped(&rest[1..end]), rest.get(end + 1..).unwrap_or(""))
            }
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (unescaped(&rest[..end]), &rest[end..])
            }
        };
        words.push(word);
        rest = behind.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_told_apart() {
        assert_eq!(split("mode  csv"), ["mode", "csv"]);
        assert_eq!(split("print 'a b' \"c\\td\" e'f"), ["print", "a b", "c\td", "e'f"]);
        assert_eq!(split("open 'half"), ["open", "half"]);
        assert_eq!(split("open \"half\\"), ["open", "half\\"]);
        assert_eq!(split("print \"ü\\\"x\""), ["print", "ü\"x"]);
        assert!(split("  ").is_empty());
    }
}
