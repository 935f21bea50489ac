//! What values a statement waits for.

use crate::sql::ast::Parameter;
use crate::sql::lexer::{Lexer, TokenKind};

/// What the parameters of a statement are called.
///
/// They are numbered as they stand in the text. Names are bound in another order, `WHERE` before what is selected, and a common
/// table as often as it is used.
#[derive(Debug, Default)]
pub(in crate::sql) struct Parameters {
    /// By number, from 0; those without a name have none.
    pub(in crate::sql) names: Vec<Option<Box<str>>>,
    /// Where those stand that have no name, and which they are.
    places: Vec<(u32, usize)>,
    read: bool,
}

impl Parameters {
    /// The number of a parameter of a text.
    pub(super) fn number(&mut self, parameter: &Parameter, text: &str) -> usize {
        if !std::mem::replace(&mut self.read, true) {
            let mut lexer = Lexer::new(text);
            loop {
                let token = lexer.next_token();
                match token.kind {
                    TokenKind::End | TokenKind::Illegal => break,
                    TokenKind::Variable => {
                        self.add(token.start, text.get(token.start as usize..token.end as usize).unwrap_or("?"));
                    }
                    _ => {}
                }
            }
        }
        match parameter {
            Parameter::Next(span) => match self.places.binary_search_by_key(&span.start, |(start, _)| *start) {
                Ok(at) => self.places[at].1,
                Err(_) => self.push(None),
            },
            Parameter::Numbered(number) => (*number as usize).saturating_sub(1),
            Parameter::Named(name) => self.named(name),
        }
    }

    fn add(&mut self, start: u32, text: &str) {
        match text.strip_prefix('?') {
            Some("") => {
                let number = self.push(None);
                self.places.push((start, number));
            }
            Some(digits) => {
                // The parser has refused what is too large.
                let number = digits.parse::<u16>().map_or(0, usize::from);
                self.names.resize(self.names.len().max(number), None);
                if let Some(name) = number.checked_sub(1).and_then(|at| self.names.get_mut(at)) {
                    *name = Some(format!("?{number}").into());
                }
            }
            None => {
                self.named(text);
            }
        }
    }

    fn push(&mut self, name: Option<Box<str>>) -> usize {
        self.names.push(name);
        self.names.len() - 1
    }

    fn named(&mut self, name: &str) -> usize {
        let known = self.names.iter().position(|other| other.as_deref() == Some(name));
        known.unwrap_or_else(|| self.push(Some(name.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::ast::Span;

    #[test]
    fn parameters_are_numbered_as_they_stand() {
        let text = "SELECT ?, :a, ?5, ?, '?', @b, :a -- ?";
        let mut parameters = Parameters::default();
        let at = |start: u32| Parameter::Next(Span { start, end: start + 1 });
        assert_eq!(parameters.number(&at(18), text), 5);
        assert_eq!(parameters.number(&at(7), text), 0);
        assert_eq!(parameters.number(&Parameter::Named(":a".into()), text), 1);
        assert_eq!(parameters.number(&Parameter::Named("@b".into()), text), 6);
        assert_eq!(parameters.number(&Parameter::Numbered(5), text), 4);
        let names: Vec<_> = parameters.names.iter().map(|name| name.as_deref().unwrap_or("")).collect();
        assert_eq!(names, ["", ":a", "", "", "?5", "", "@b"]);
    }
}
