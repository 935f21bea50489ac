//! Where Python's SQLite is older than the grammar that is parsed here, or built with other options: each a rule.

use xs_storage::sql::lexer::{Lexer, Token, TokenKind};

use super::sqlite::Refusal;

/// Why SQLite may judge a text otherwise; none, if it should not.
pub(crate) fn excuse(sql: &str, theirs: &Result<usize, Refusal>) -> Option<&'static str> {
    let mut lexer = Lexer::new(sql);
    let all = std::iter::from_fn(|| Some(lexer.next_token())).take_while(|token| token.kind != TokenKind::End);
    let tokens: Vec<Token> = all.collect();
    let has = |kind: TokenKind| tokens.iter().any(|token| token.kind == kind);
    let number = |token: &Token| token.text(sql).starts_with(|char: char| char.is_ascii_digit());
    if has(TokenKind::Separated) || tokens.iter().any(|token| number(token) && token.text(sql).contains('_')) {
        return Some("3.46 reads digits apart");
    }
    if tokens.iter().any(|token| {
        token.kind == TokenKind::Illegal && token.text(sql).get(1..).is_some_and(|rest| rest.starts_with(['x', 'X']))
    }) {
        return Some("until 3.45, a hexadecimal number ended where its digits do");
    }
    if (has(TokenKind::Update) || has(TokenKind::Delete)) && (has(TokenKind::Limit) || has(TokenKind::Order)) {
        return Some("built with ENABLE_UPDATE_DELETE_LIMIT");
    }
    let Err(refusal) = theirs else { return None };
    let at = tokens.iter().position(|token| i64::from(token.start) == refusal.offset)?;
    let before = |many: usize| at.checked_sub(many).map(|at| tokens[at].kind);
    match tokens[at].kind {
        TokenKind::Order => Some("3.44 orders an aggregate's arguments"),
        TokenKind::LParen if before(1).is_some_and(TokenKind::is_join_word) => {
            Some("3.47 calls functions named as joins")
        }
        TokenKind::As if has(TokenKind::Trigger) => Some("later versions name a trigger's tables otherwise"),
        _ if has(TokenKind::Raise) => Some("3.47 raises any expression"),
        _ if has(TokenKind::Alter) => Some("3.53 alters constraints"),
        _ => None,
    }
}
