//! What went wrong, as a sentence and an exit code.

use std::io;
use std::process::ExitCode;

use xs_scheduler::FileError;

/// Why the program does not end with 0.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The workload itself is wrong, under any scheduler; it has been said.
    #[error("the workload fails: see above")]
    Workload,
    #[error("{0}")]
    Usage(String),
    #[error("{file}: {source}")]
    File { file: String, source: FileError },
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
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
        let said = self.to_string();
        let _ = io::Write::write_all(&mut io::stderr(), format!("xs-scheduler: {}\n", said.trim_end()).as_bytes());
        ExitCode::from(match self {
            Failure::Workload => 1,
            Failure::Usage(_) | Failure::File { .. } => 2,
            Failure::Io { .. } => 3,
        })
    }
}
