//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Everything that is wrong with a configuration, in the order of its lines. What the text's structure hides behind its
/// first fault is not among it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if nth == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl Faults {
    /// One fault a line, each behind the name of the file, as compilers say it.
    pub fn in_file<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            for (nth, fault) in self.0.iter().enumerate() {
                write!(f, "{}{file}:{fault}", if nth == 0 { "" } else { "\n" })?;
            }
            Ok(())
        })
    }
}

/// Collects faults while a text is looked through.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    text: &'a str,
    found: Vec<(Range<usize>, String)>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Findings { text, found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.found.push((at, message.into()));
    }

    /// The value, or the fault noted.
    pub(super) fn take<T>(&mut self, at: Range<usize>, outcome: Result<T, String>) -> Option<T> {
        outcome.map_err(|message| self.add(at, message)).ok()
    }

    pub(super) fn finish(mut self) -> Result<(), Faults> {
        self.found.sort_by_key(|(at, _)| at.start);
        let place = |(at, message): (Range<usize>, String)| {
            let before = self.text.get(..at.start).unwrap_or(self.text);
            let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            Fault { line, column, message }
        };
        let faults: Vec<_> = self.found.into_iter().map(place).collect();
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }
}
