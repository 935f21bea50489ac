//! Connections over a socket file.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::UnixStream;

use super::{Addr, BindError, Listener};

/// How a socket file is made.
#[derive(Debug, Clone, Default)]
pub struct UnixOptions {
    /// The file's permission bits, for example `0o770`. Default: what the process' umask gives.
    pub mode: Option<u32>,
}

/// Listens on a socket file, which is removed when the listener is dropped.
#[derive(Debug)]
pub struct UnixListener {
    inner: tokio::net::UnixListener,
    path: Arc<Path>,
}

impl UnixListener {
    /// Makes the socket file `path` and listens on it. A socket file that a crashed server left behind is replaced.
    /// Must be called inside a tokio runtime with I/O.
    pub fn bind(path: impl Into<PathBuf>, options: UnixOptions) -> Result<Self, BindError> {
        let path: Arc<Path> = path.into().into();
        Self::try_bind(path.clone(), &options).map_err(|e| BindError::new(path.display(), e))
    }

    fn try_bind(path: Arc<Path>, options: &UnixOptions) -> io::Result<Self> {
        clear_stale(&path)?;
        let listener = UnixListener { inner: tokio::net::UnixListener::bind(&path)?, path };
        if let Some(mode) = options.mode {
            // The socket's own file, not data: there is no Vfs that a kernel socket could live in.
            #[allow(clippy::disallowed_methods)]
            std::fs::set_permissions(&listener.path, std::fs::Permissions::from_mode(mode))?;
        }
        Ok(listener)
    }
}

/// Removes `path` if it is a socket on which nobody listens. Anything else is left for `bind` to complain about.
#[allow(clippy::disallowed_methods)] // as above: the socket's own file
fn clear_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => {}
        _ => return Ok(()),
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

impl Drop for UnixListener {
    #[allow(clippy::disallowed_methods)] // as above: the socket's own file
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Listener for UnixListener {
    type Io = UnixStream;
    type Peer = Addr;

    async fn accept(&mut self) -> io::Result<(UnixStream, Addr)> {
        let (stream, _) = self.inner.accept().await?;
        Ok((stream, self.local_addr()))
    }

    fn local_addr(&self) -> Addr {
        Addr::Unix(self.path.clone())
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap()); // leaves its file, as a crash does
        let live = UnixListener::bind(&path, UnixOptions { mode: Some(0o700) }).unwrap();
        assert!(UnixListener::bind(&path, UnixOptions::default()).unwrap_err().is_taken());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(live);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn another_file_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        std::fs::write(&path, "precious").unwrap();
        let error = UnixListener::bind(&path, UnixOptions::default()).unwrap_err();
        assert!(error.to_string().contains("notes.txt"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
