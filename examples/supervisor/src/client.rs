//! One request to a supervisor, and its answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use xs_os::supervisor::driver::{Request, Response};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens there.
    #[error("no supervisor answers at {}: {source}", path.display())]
    Connect {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended, or talks otherwise.
    #[error("the supervisor gave no answer: {0}")]
    Talk(#[from] io::Error),
}

/// An answer is no longer than this.
const LONGEST: u64 = 64 << 20;

/// Asks, and waits for the answer.
///
/// # Errors
///
/// That nobody is there, or ends before answering.
pub fn ask(control: &Path, request: &Request) -> Result<Response, ClientError> {
    let connect = |source| ClientError::Connect { path: control.to_owned(), source };
    let mut stream = UnixStream::connect(control).map_err(connect)?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(LONGEST)).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(ClientError::Talk(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(serde_json::from_slice(&answer).map_err(io::Error::from)?)
}

/// Where a supervisor listens that was told nothing else: `$XS_SUPERVISOR`, or below the runtime directory.
pub fn default_control() -> PathBuf {
    if let Some(path) = std::env::var_os("XS_SUPERVISOR") {
        return path.into();
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(|| PathBuf::from("/run"), PathBuf::from);
    runtime.join("xs-supervisor/control")
}
