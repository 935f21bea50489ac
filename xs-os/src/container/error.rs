//! What can go wrong with a container, in words that tools read.

use std::fmt;
use std::io;

use super::state::Status;

/// What a call answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a container can't be made, or nothing be done to it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration says what can't be.
    Config {
        /// Where in `config.json`.
        path: String,
        /// Why not.
        reason: String,
    },
    /// There is no container of this name.
    NotFound,
    /// There is one already.
    Exists,
    /// What is asked for doesn't go with what the container is doing.
    Status {
        /// Why it can't be, as runc says it.
        reason: String,
        /// What the container is doing.
        status: Status,
    },
    /// The system has refused something.
    System {
        /// What.
        doing: String,
        /// Its answer.
        source: io::Error,
    },
    /// The program isn't there, or can't be run.
    Program(String),
    /// A step inside the container has failed: told by the process there.
    Inside(String),
    /// It can't be done here and now.
    Refused(String),
    /// A hook has failed.
    Hook(String),
    /// The real system could, and this one can't.
    Unsupported(String),
}

impl Error {
    /// The configuration says at this path what can't be.
    pub fn config(path: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Config { path: path.into(), reason: reason.into() }
    }

    /// What is asked for doesn't go with what the container is doing.
    pub(super) fn status(reason: impl Into<String>, status: Status) -> Error {
        Error::Status { reason: reason.into(), status }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config { path, reason } => write!(f, "config.json: {path}: {reason}"),
            Error::NotFound => f.write_str("container does not exist"),
            Error::Exists => f.write_str("container with given ID already exists"),
            Error::Status { reason, .. } | Error::Refused(reason) => f.write_str(reason),
            Error::System { doing, source } => write!(f, "{doing}: {}", words(source)),
            Error::Program(text) => write!(f, "unable to start container process: {text}"),
            Error::Inside(text) => write!(f, "unable to start container process: {text}"),
            Error::Hook(text) => write!(f, "error running hook: {text}"),
            Error::Unsupported(text) => write!(f, "{text} is not supported"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The system's error as other runtimes write it, which tools above them look for: small letters, no number.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Says what was being done when the system refused it.
pub(super) trait Doing<T> {
    /// What was being done; only made up when it has failed.
    fn doing<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| Error::System { doing: what().into(), source: error.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_errors_are_told_in_small_letters() {
        let error = Err::<(), _>(io::Error::from_raw_os_error(2)).doing(|| "open x").unwrap_err();
        assert_eq!(error.to_string(), "open x: no such file or directory");
    }
}
