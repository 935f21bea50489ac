//! What went wrong, as a sentence and an exit code.

use std::io;
use std::process::ExitCode;

use xs_storage::dump::DumpError;

/// Why the program does not end with 0.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no such key")]
    NotFound,
    #[error("{0}")]
    Wrong(xs_storage::Error),
    /// The command line, or the input that it names.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Store(#[from] xs_storage::Error),
    #[error("{0}")]
    Dump(#[from] DumpError),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
}

impl Failure {
    /// What failed, for `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
        let what = what.into();
        move |source| Failure::Io { what, source }
    }

    /// Whether it is only that nobody reads the output any more, as with `| head`.
    fn is_closed_pipe(&self) -> bool {
        let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        match self {
            Failure::Io { source, .. } | Failure::Dump(DumpError::Write(source)) => closed(source),
            _ => false,
        }
    }

    /// Says it, on standard error.
    pub(crate) fn report(self) -> ExitCode {
        if self.is_closed_pipe() {
            return ExitCode::SUCCESS;
        }
        say(&self.to_string());
        ExitCode::from(match self {
            Failure::NotFound | Failure::Wrong(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Store(_) | Failure::Dump(_) | Failure::Io { .. } => 3,
        })
    }
}

/// Says something on standard error. Whoever closed that learns it from the exit code, if at all.
pub(crate) fn say(what: &str) {
    let _ = io::Write::write_all(&mut io::stderr(), format!("xs-kv: {what}\n").as_bytes());
}
