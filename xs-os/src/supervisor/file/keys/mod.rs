//! What each key of a file says about a unit.

mod exec;
mod service;
mod socket;
mod unit;

use super::words::{Host, specify, split};
use super::{Problem, values};
use crate::supervisor::unit::{Kind, Unit};

/// A unit that is being read.
pub(super) struct Draft<'a> {
    pub(super) unit: &'a mut Unit,
    pub(super) host: &'a Host,
    pub(super) problems: Vec<(usize, Problem)>,
    line: usize,
}

impl<'a> Draft<'a> {
    pub(super) fn new(unit: &'a mut Unit, host: &'a Host) -> Self {
        Draft { unit, host, problems: Vec::new(), line: 0 }
    }

    /// Assigns a value to a key, as a line of a file does; what is wrong is kept as a problem.
    pub(super) fn assign(&mut self, line: usize, section: &str, key: &str, value: &str) {
        self.line = line;
        // Sections and keys that begin so are for other programs, by agreement.
        if (section.starts_with("X-") && section != OWN_SECTION) || key.starts_with("X-") {
            return;
        }
        let known = match (section, &self.unit.kind) {
            ("Unit" | "Install", _) => self.unit_key(section, key, value),
            ("Service", Kind::Service(_)) => self.service_key(key, value),
            ("Socket", Kind::Socket(_)) => self.socket_key(key, value),
            (OWN_SECTION, Kind::Service(_)) => self.own_key(key, value),
            _ => Err(Problem::Bad(format!("Unknown section '{section}', ignoring"))),
        };
        if let Err(problem) = known {
            self.problems.push((line, problem));
        }
    }

    /// Notes what is wrong with a part of a value.
    fn note(&mut self, message: String) {
        self.problems.push((self.line, Problem::Bad(message)));
    }

    /// A value with its specifiers replaced.
    fn text(&self, value: &str) -> Result<String, Problem> {
        specify(value, &self.unit.name, self.host).map_err(Problem::Bad)
    }

    /// A value as words, each with its specifiers replaced.
    fn words(&self, value: &str) -> Result<Vec<String>, Problem> {
        let words = split(value).map_err(Problem::Bad)?;
        words.iter().map(|word| self.text(word)).collect()
    }
}

/// What is ours alone and no key of systemd's.
pub(super) const OWN_SECTION: &str = "X-Supervisor";

/// An empty value takes back what was said: the default holds again.
fn or_default<T>(value: &str, default: T, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Problem> {
    if value.is_empty() { Ok(default) } else { parse(value).map_err(Problem::Bad) }
}

/// One of a few words.
fn choice<T: Copy>(value: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(name, _)| *name == value).map(|(_, choice)| *choice);
    found.ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        format!("'{value}' is none of {}", names.join(", "))
    })
}
