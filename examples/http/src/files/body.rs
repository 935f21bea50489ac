//! The bytes of a file on their way: pieces that are read off the reactor, one ahead of none.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use xs_net::{BoxError, Bridge};

use super::root::read_at;

/// How much is read at once, and so how much of a file a connection holds, besides what waits to be sent.
pub(super) const PIECE: u64 = 128 * 1024;

/// What a response is made of, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Bytes(Bytes),
    /// Of the file.
    Range(Range<u64>),
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::Range(range) => range.end - range.start,
        }
    }
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// Parts of a file, and text between them.
pub(crate) struct FileBody {
    file: Arc<File>,
    bridge: Bridge,
    parts: VecDeque<Part>,
    reading: Option<Reading>,
    left: u64,
}

impl FileBody {
    pub(super) fn new(file: File, parts: VecDeque<Part>, bridge: Bridge) -> FileBody {
        let left = parts.iter().map(Part::len).sum();
        FileBody { file: Arc::new(file), bridge, parts, reading: None, left }
    }

    /// The next piece, without reading it.
    fn next_piece(&mut self) -> Option<Part> {
        match self.parts.front_mut()? {
            Part::Range(range) if range.end - range.start > PIECE => {
                let piece = range.start..range.start + PIECE;
                range.start = piece.end;
                Some(Part::Range(piece))
            }
            _ => self.parts.pop_front(),
        }
    }
}

/// Reads all of a range; a file that has become shorter is an error, for its length has been told already.
pub(super) fn read(file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let len = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut buf = vec![0; len];
    if read_at(file, &mut buf, range.start)? < len {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was sent"));
    }
    Ok(buf.into())
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if let Some(reading) = &mut this.reading {
                let Poll::Ready(read) = reading.as_mut().poll(cx) else { return Poll::Pending };
                this.reading = None;
                return Poll::Ready(Some(match read {
                    Ok(bytes) => {
                        this.left -= bytes.len() as u64;
                        Ok(Frame::data(bytes))
                    }
                    Err(error) => {
                        this.parts.clear();
                        Err(error.into())
                    }
                }));
            }
            match this.next_piece() {
                None => return Poll::Ready(None),
                Some(Part::Bytes(bytes)) => {
                    this.left -= bytes.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Part::Range(range)) => {
                    let (file, bridge) = (this.file.clone(), this.bridge.clone());
                    this.reading = Some(Box::pin(async move { bridge.run(move || read(&file, &range)).await }));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.reading.is_none() && self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for FileBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBody").field("left", &self.left).finish_non_exhaustive()
    }
}
