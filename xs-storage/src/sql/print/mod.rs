//! Statements into text.
//!
//! # The problem
//!
//! A tree has no parentheses and no quotes; the text needs some. Too few change the meaning, and quotes left out turn a name into
//! a keyword.
//!
//! # How it works
//!
//! Everything of [`super::ast`] implements [`std::fmt::Display`]. An operand is put into parentheses when it binds more loosely than
//! its place asks for, by the numbers that the parser goes by. A bare name stays bare if it is read as one name; another gets the
//! quotes that keep what it means: `"` where it was quoted so, a backtick otherwise.
//!
//! ```text
//! Binary(Mul, Binary(Add, a, b), 2)   prints as   (a + b) * 2
//! Binary(Add, a, Binary(Mul, b, 2))               a + b * 2
//! ```
//!
//! # Invariants
//!
//! - What was parsed and is printed is parsed as the same tree, and SQLite takes it where it took the original.
//! - Of a tree that was built by hand the same holds if the grammar has it: no `ORDER BY` behind `VALUES`, no upsert behind a query
//!   that ends in a table, where `ON` would be the join's.
//!
//! # Cost
//!
//! One pass into the formatter; no tree is copied.
//!
//! # Example
//!
//! ```
//! use xs_storage::sql::ast::{Ident, Quote};
//!
//! assert_eq!(Ident::new("order", Quote::Bare).to_string(), "`order`");
//! assert_eq!(Ident::new("a\"b", Quote::Double).to_string(), "\"a\"\"b\"");
//! ```
//!
//! # How others do it
//!
//! SQLite keeps the text of every schema and edits it in place when a column is renamed. PostgreSQL prints views from their trees,
//! with more parentheses than anybody wrote.
//!
//! # What this leaves out
//!
//! Line breaks and comments: it isn't a formatter.
//!
//! # Try next
//!
//! Take one pair of parentheses away from the printer and see the property find it.
//!
//! # Sources
//!
//! - <https://www.sqlite.org/lang_keywords.html>, on quotes

use std::fmt::{Display, Formatter, Result, Write};

use super::ast::{Ident, OrderTerm, QualifiedName, Quote};
use super::lexer::{Lexer, TokenKind};

mod change;
mod expr;
mod select;
mod statement;
mod table;

/// `a, b`
struct Comma<'a, T>(&'a [T]);

impl<T: Display> Display for Comma<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        separated(f, self.0, |f, one| one.fmt(f))
    }
}

fn separated<T>(f: &mut Formatter<'_>, all: &[T], one: impl Fn(&mut Formatter<'_>, &T) -> Result) -> Result {
    for (at, item) in all.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        one(f, item)?;
    }
    Ok(())
}

/// What may be missing, with words before it that are missing too then.
struct Words<'a, T>(&'static str, &'a Option<T>);

impl<T: Display> Display for Words<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.1 {
            Some(what) => write!(f, "{}{what}", self.0),
            None => Ok(()),
        }
    }
}

/// ` (a, b)`, or nothing.
fn columns(f: &mut Formatter<'_>, names: &[Ident]) -> Result {
    if names.is_empty() { Ok(()) } else { write!(f, " ({})", Comma(names)) }
}

/// ` ORDER BY a, b`, or nothing.
fn order_by(f: &mut Formatter<'_>, terms: &[OrderTerm]) -> Result {
    if terms.is_empty() { Ok(()) } else { write!(f, " ORDER BY {}", Comma(terms)) }
}

fn temporary(is: bool) -> &'static str {
    if is { "TEMP " } else { "" }
}

fn if_not_exists(is: bool) -> &'static str {
    if is { "IF NOT EXISTS " } else { "" }
}

impl Display for QualifiedName {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        self.name.fmt(f)
    }
}

impl Display for Ident {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.quote {
            Quote::Bare if stands_bare(&self.text) => f.write_str(&self.text),
            Quote::Double => quoted(f, &self.text, '"'),
            _ => quoted(f, &self.text, '`'),
        }
    }
}

/// The text is read as one name without quotes: a keyword too, where it was read as a name before.
fn stands_bare(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    let token = lexer.next_token();
    let contextual = matches!(token.kind, TokenKind::Window | TokenKind::Over | TokenKind::Filter);
    (token.kind.is_bare_name() || contextual) && token.text(text) == text && !text.starts_with(['"', '`', '['])
}

fn quoted(f: &mut Formatter<'_>, text: &str, quote: char) -> Result {
    f.write_char(quote)?;
    for char in text.chars() {
        if char == quote {
            f.write_char(char)?;
        }
        f.write_char(char)?;
    }
    f.write_char(quote)
}
