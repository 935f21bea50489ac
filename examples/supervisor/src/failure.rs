//! What went wrong, as a sentence and an exit code.

use std::io;
use std::process::ExitCode;

use xs_supervisor::ClientError;

/// Why the program does not end as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Client(#[from] ClientError),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// What the supervisor said.
    #[error("{text}")]
    Said { text: String, code: u8 },
}

impl Failure {
    /// Says it, on standard error.
    pub(crate) fn report(self) -> ExitCode {
        if let Failure::Io { source, .. } = &self
            && source.kind() == io::ErrorKind::BrokenPipe
        {
            // Nobody reads the output any more, as with `| head`.
            return ExitCode::SUCCESS;
        }
        let (text, code) = match self {
            Failure::Said { text, code } => (text, code),
            other => (format!("xs-supervisor: {other}"), 1),
        };
        let _ = io::Write::write_all(&mut io::stderr(), format!("{}\n", text.trim_end()).as_bytes());
        ExitCode::from(code)
    }
}
