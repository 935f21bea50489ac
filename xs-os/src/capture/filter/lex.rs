//! Words of a filter.

use super::Error;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Letters, digits and what addresses have.
    Word(String),
    /// `(`, `&&`, `>=` and the like.
    Sign(&'static str),
}

/// The signs, the longer ones first.
const SIGNS: [&str; 24] = [
    "&&", "||", "<<", ">>", ">=", "<=", "!=", "==", "(", ")", "[", "]", "!", "<", ">", "=", "+", "*", "/", "%", "&",
    "|", "^", "-",
];

/// Each token with where it stands. A `-` inside a word belongs to it (`tcp-syn`, `80-90`), and so does a `:` outside
/// of brackets (an address).
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Error> {
    let (mut tokens, mut at, mut brackets) = (Vec::new(), 0, 0_usize);
    while let Some(first) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if first == ':' && brackets > 0 {
            tokens.push((at, Token::Sign(":")));
            at += 1;
        } else if let Some(len) = word(rest, brackets > 0) {
            tokens.push((at, Token::Word(rest.get(..len).unwrap_or_default().to_owned())));
            at += len;
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            match sign {
                "[" => brackets += 1,
                "]" => brackets = brackets.saturating_sub(1),
                _ => {}
            }
            tokens.push((at, Token::Sign(sign)));
            at += sign.len();
        } else {
            return Err(Error::Syntax { at, what: format!("{first:?} has no meaning here") });
        }
    }
    Ok(tokens)
}

/// How long the word at the beginning is. A `-` joins names (`tcp-syn`) anywhere, and numbers (`80-90`) outside of
/// brackets.
fn word(text: &str, in_brackets: bool) -> Option<usize> {
    let joins = !in_brackets || text.starts_with(|first: char| first.is_ascii_alphabetic());
    let belongs = |at: usize, c: char| match c {
        '-' => at > 0 && joins,
        ':' => !in_brackets,
        c => c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '\\'),
    };
    text.char_indices().take_while(|(at, c)| belongs(*at, *c)).map(|(at, c)| at + c.len_utf8()).last()
}
