//! Files that the kernel sends by itself: [`FileRange`], and how TCP writes an `Out` that has some.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::fs::sendfile;
use rustix::io::retry_on_intr;
use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::net::TcpStream;
use xs_proto::Out;

/// Where a range of a file begins: an external chunk of an [`Out`], whose length the `Out` knows.
#[derive(Clone)]
pub struct FileRange {
    file: Arc<dyn AsFd + Send + Sync>,
    start: u64,
}

impl FileRange {
    /// From the byte number `start` of a regular file on.
    pub fn new(file: Arc<dyn AsFd + Send + Sync>, start: u64) -> FileRange {
        FileRange { file, start }
    }
}

impl fmt::Debug for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRange").field("file", &self.file.as_fd()).field("start", &self.start).finish()
    }
}

/// [`poll_write_out`](super::Transport::poll_write_out) where there are external chunks.
pub(super) fn write_out(io: &mut TcpStream, cx: &mut Context<'_>, out: &mut Out) -> Poll<io::Result<usize>> {
    loop {
        ready!(io.poll_write_ready(cx))?;
        let sent = if out.front().is_empty() { send_file(io, out) } else { send_bytes(io, out) };
        match sent {
            Ok(sent) => {
                out.advance(sent);
                return Poll::Ready(Ok(sent));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

/// Sends what stands before a file. The kernel keeps it back for what follows.
fn send_bytes(io: &TcpStream, out: &Out) -> io::Result<usize> {
    let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
    match io.try_io(Interest::WRITABLE, || Ok(retry_on_intr(|| send(io, out.front(), flags))?))? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        sent => Ok(sent),
    }
}

fn send_file(io: &TcpStream, out: &mut Out) -> io::Result<usize> {
    let external = out.front_external();
    let known =
        external.as_ref().and_then(|next| Some((next.chunk.downcast_ref::<FileRange>()?, next.sent, next.left)));
    let Some((range, sent, left)) = known else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this transport cannot send the chunk that is next"));
    };
    let mut at = range.start + sent;
    match io
        .try_io(Interest::WRITABLE, || Ok(retry_on_intr(|| sendfile(io, range.file.as_fd(), Some(&mut at), left))?))?
    {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was sent")),
        sent => Ok(sent),
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::transport::{Transport, write_all};
    use tokio::io::AsyncReadExt;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, client)
    }

    /// A file of so many bytes, each telling where it stands.
    fn file(len: usize) -> (Arc<std::fs::File>, Vec<u8>) {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        (Arc::new(file), bytes)
    }

    #[tokio::test]
    async fn ranges_and_bytes_leave_in_order() {
        let (mut ours, mut theirs) = pair().await;
        let (file, bytes) = file(3 << 20);
        let mut out = Out::new();
        out.put_slice(b"head ");
        out.put_external(Box::new(FileRange::new(file.clone(), 7)), 2 << 20);
        out.put_slice(b" between ");
        out.put_external(Box::new(FileRange::new(file, 0)), 10);
        out.put_slice(b" end");
        let range = &bytes[7..7 + (2 << 20)];
        let expected = [b"head ", range, b" between ", &bytes[..10], b" end"].concat();
        assert!(ours.sends_files());
        let mut got = vec![0; expected.len()];
        let (wrote, read) = tokio::join!(write_all(&mut ours, &mut out), theirs.read_exact(&mut got));
        wrote.unwrap();
        read.unwrap();
        assert!(got == expected && out.is_empty());
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_is_an_error_and_nothing_is_made_up() {
        let (mut ours, mut theirs) = pair().await;
        let (file, bytes) = file(100);
        let mut out = Out::new();
        out.put_external(Box::new(FileRange::new(file, 60)), 50);
        let error = write_all(&mut ours, &mut out).await.unwrap_err();
        assert_eq!((error.kind(), out.len()), (io::ErrorKind::UnexpectedEof, 10));
        drop(ours);
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, bytes[60..]);
    }

    #[tokio::test]
    async fn an_unknown_chunk_is_an_error() {
        let (mut ours, _theirs) = pair().await;
        let mut out = Out::new();
        out.put_external(Box::new("a file"), 10);
        let error = write_all(&mut ours, &mut out).await.unwrap_err();
        assert_eq!((error.kind(), out.len()), (io::ErrorKind::Unsupported, 10));
    }
}
