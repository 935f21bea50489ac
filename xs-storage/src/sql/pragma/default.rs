//! The texts of the defaults of a table's columns, as they were written: a tree has lost their spaces.

use crate::sql::lexer::{Lexer, Token, TokenKind};

/// For each part between the outermost commas of a `CREATE TABLE`, columns and constraints, the text behind its last `DEFAULT`.
pub(super) fn defaults(sql: &str) -> Vec<Option<&str>> {
    let mut tokens = Vec::new();
    let mut lexer = Lexer::new(sql);
    loop {
        let token = lexer.next_token();
        if token.kind == TokenKind::End {
            break;
        }
        tokens.push(token);
    }
    let mut found = vec![None];
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::LParen => depth += 1,
            TokenKind::RParen => depth -= 1,
            TokenKind::Comma if depth == 1 => found.push(None),
            // Behind `SET` it is what becomes of a child.
            TokenKind::Default if depth == 1 && tokens[at - 1].kind != TokenKind::Set => {
                if let Some(last) = found.last_mut() {
                    *last = text(sql, &tokens[at + 1..]);
                }
            }
            _ => {}
        }
    }
    found
}

/// What is in parentheses, or one token with its sign.
fn text<'a>(sql: &'a str, tokens: &[Token]) -> Option<&'a str> {
    let first = tokens.first()?;
    let end = match first.kind {
        TokenKind::LParen => {
            let mut depth = 0;
            let closing = tokens.iter().find(|token| {
                match token.kind {
                    TokenKind::LParen => depth += 1,
                    TokenKind::RParen => depth -= 1,
                    _ => {}
                }
                depth == 0
            })?;
            return Some(sql.get(first.end as usize..closing.start as usize)?.trim());
        }
        TokenKind::Plus | TokenKind::Minus => tokens.get(1)?.end,
        _ => first.end,
    };
    sql.get(first.start as usize..end as usize)
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_are_found_where_they_stand() {
        let sql = "CREATE TABLE t(a INT DEFAULT 5, b DEFAULT ( (1) + f(2, 3) ) NOT NULL, c DEFAULT - 7, \
                   d REFERENCES u ON DELETE SET DEFAULT, e DEFAULT 'x, y', UNIQUE(a, b))";
        let expected = [Some("5"), Some("(1) + f(2, 3)"), Some("- 7"), None, Some("'x, y'"), None];
        assert_eq!(super::defaults(sql), expected);
    }
}
