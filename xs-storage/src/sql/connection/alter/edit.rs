//! Tokens replaced in a text.

use crate::sql::ast::{Ident, Quote, Span};

/// A token, and what comes in its place.
pub(super) struct Edit {
    pub(super) span: Span,
    pub(super) text: String,
}

/// A new name for tokens of a text.
pub(super) struct NewName<'a> {
    name: &'a str,
    /// Whether it always has quotes; else only where the old one had some.
    quoted: bool,
}

impl<'a> NewName<'a> {
    /// As a table's name, which SQLite always quotes.
    pub(super) fn quoted(name: &'a Ident) -> NewName<'a> {
        NewName { name: &name.text, quoted: true }
    }

    /// As a column's, which is bare where the old one was, unless it was given with quotes.
    pub(super) fn of(name: &'a Ident) -> NewName<'a> {
        NewName { name: &name.text, quoted: name.quote != Quote::Bare }
    }

    /// Puts it in the place of a token.
    pub(super) fn at(&self, span: Span, sql: &str) -> Edit {
        let token = sql.as_bytes().get(span.start as usize).copied().unwrap_or(0);
        let bare = token.is_ascii_alphanumeric() || matches!(token, b'_' | b'$' | 0x80..);
        let text = match self.quoted || !bare {
            true => apart(format!("\"{}\"", self.name.replace('"', "\"\"")), '"', span, sql),
            false => self.name.to_owned(),
        };
        Edit { span, text }
    }
}

/// What `"so"` is if nothing has this name.
pub(super) fn string(span: Span, text: &str, sql: &str) -> Edit {
    Edit { span, text: apart(format!("'{}'", text.replace('\'', "''")), '\'', span, sql) }
}

/// With a space behind it, where a quote follows that would go on with it.
fn apart(mut text: String, quote: char, span: Span, sql: &str) -> String {
    if sql.get(span.end as usize..).is_some_and(|rest| rest.starts_with(quote)) {
        text.push(' ');
    }
    text
}

/// The text with all of them done. Of several at one token the first counts.
pub(super) fn edited(sql: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.span.start);
    edits.dedup_by_key(|edit| edit.span.start);
    let mut text = String::with_capacity(sql.len());
    let mut at = 0;
    for edit in edits {
        let Some(before) = sql.get(at..edit.span.start as usize) else { continue };
        text.push_str(before);
        text.push_str(&edit.text);
        at = edit.span.end as usize;
    }
    text.push_str(sql.get(at..).unwrap_or(""));
    text
}
