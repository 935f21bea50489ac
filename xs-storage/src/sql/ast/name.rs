//! Names, and where things stand.

use std::fmt;

/// Which bytes of the text a part came from. Two spans are always equal: where a thing stood is no part of what it means.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}

impl Eq for Span {}

/// How a name was quoted, where that matters for what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// Not at all. Only such a `true` is the truth value.
    Bare,
    /// `"so"`: a string, if nothing has this name.
    Double,
    /// `[so]`, `` `so` `` or `'so'`.
    Other,
}

/// A name. Its case is kept; whoever looks it up folds ASCII letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// The name itself, without quotes.
    pub text: Box<str>,
    /// How it was quoted.
    pub quote: Quote,
    /// Where it stood.
    pub span: Span,
}

impl Ident {
    /// A name that was read from nowhere. What can't stand bare is printed with quotes, whatever `quote` says.
    pub fn new(text: &str, quote: Quote) -> Ident {
        Ident { text: text.into(), quote, span: Span::default() }
    }

    /// The names are the same, as SQLite compares them.
    pub fn is(&self, name: &str) -> bool {
        self.text.eq_ignore_ascii_case(name)
    }
}

/// `name` or `schema.name`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualifiedName {
    /// The database that it is in: `main`, `temp`, or what was attached as.
    pub schema: Option<Ident>,
    /// The name within it.
    pub name: Ident,
}

/// The type of a column or a cast, as it was written: SQLite takes any words and reads the affinity out of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeName(pub Box<str>);

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
