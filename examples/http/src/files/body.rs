//! The bytes of a file on their way, piece by piece. Whatever may wait for the disk happens off the reactor: a piece is read
//! there, or, where the kernel sends it by itself, brought into the page cache.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use xs_net::http::{NextPiece, Piece};
#[cfg(target_os = "linux")]
use xs_net::transport::FileRange;
use xs_net::{BoxError, Bridge};

use super::root::read_at;

/// How much is read at once, and so how much of a file a connection holds, besides what waits to be sent.
pub(super) const PIECE: u64 = 128 * 1024;

/// How much the kernel is told to send at once: the connection holds nothing of it.
pub(super) const SENT_PIECE: u64 = 1 << 20;

/// What is shorter is copied anyway on its way through a connection, and costs one call less that way.
pub(super) const SENT_MIN: u64 = 16 * 1024;

/// In the extensions of a request: its connection sends files by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendsFiles;

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

/// A piece that is fetched: its bytes, or nothing where they are only to be at hand.
type Fetching = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// Parts of a file, and text between them.
pub(crate) struct FileBody {
    file: Arc<File>,
    bridge: Bridge,
    parts: VecDeque<Part>,
    fetching: Option<Fetching>,
    /// What is fetched to be sent by the kernel.
    warming: Option<Range<u64>>,
    /// Up to which byte the file is at hand.
    warm: u64,
    left: u64,
}

impl FileBody {
    /// Parts of a file, of which the first is at hand up to the byte `warm`.
    pub(super) fn new(file: File, parts: VecDeque<Part>, warm: u64, bridge: Bridge) -> FileBody {
        let left = parts.iter().map(Part::len).sum();
        FileBody { file: Arc::new(file), bridge, parts, fetching: None, warming: None, warm, left }
    }

    /// The next piece, of at most `most` bytes of the file, without reading it.
    fn next_piece(&mut self, most: u64) -> Option<Part> {
        match self.parts.front_mut()? {
            Part::Range(range) if range.end - range.start > most => {
                let piece = range.start..range.start + most;
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

/// Brings a range into the page cache, as far as that can be told: its last byte is the last to come.
#[cfg(target_os = "linux")]
pub(super) fn warm(file: &File, range: &Range<u64>) -> io::Result<()> {
    let len = std::num::NonZeroU64::new(range.end - range.start);
    // Advice that is not taken makes the next read slower, and no more.
    let _ = rustix::fs::fadvise(file, range.start, len, rustix::fs::Advice::WillNeed);
    read(file, &(range.end.saturating_sub(1).max(range.start)..range.end)).map(drop)
}

/// No transport here sends files.
#[cfg(not(target_os = "linux"))]
pub(super) fn warm(_: &File, _: &Range<u64>) -> io::Result<()> {
    Ok(())
}

impl FileBody {
    /// Has a piece fetched, off the reactor.
    fn fetch(&mut self, fetch: impl FnOnce(&File) -> io::Result<Bytes> + Send + 'static) {
        let (file, bridge) = (self.file.clone(), self.bridge.clone());
        self.fetching = Some(Box::pin(async move { bridge.run(move || fetch(&file)).await }));
    }

    /// The piece that is fetched.
    fn fetched(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        let Some(fetching) = &mut self.fetching else { return Poll::Ready(None) };
        let Poll::Ready(fetched) = fetching.as_mut().poll(cx) else { return Poll::Pending };
        self.fetching = None;
        if fetched.is_err() {
            self.parts.clear();
        }
        Poll::Ready(Some(fetched.map_err(Into::into)))
    }

    /// Bytes that leave as they are.
    fn leave(&mut self, bytes: Bytes) -> Frame<Bytes> {
        self.left -= bytes.len() as u64;
        Frame::data(bytes)
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if let Some(fetched) = ready!(this.fetched(cx)) {
                return Poll::Ready(Some(fetched.map(|bytes| this.leave(bytes))));
            }
            match this.next_piece(PIECE) {
                None => return Poll::Ready(None),
                Some(Part::Bytes(bytes)) => return Poll::Ready(Some(Ok(this.leave(bytes)))),
                Some(Part::Range(range)) => this.fetch(move |file| read(file, &range)),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.fetching.is_none() && self.warming.is_none() && self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(target_os = "linux")]
impl xs_net::http::FileBody for FileBody {
    fn poll_piece(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> NextPiece<Self> {
        let this = &mut *self;
        loop {
            match (ready!(this.fetched(cx)), this.warming.take()) {
                (Some(Err(error)), _) => return Poll::Ready(Some(Err(error))),
                (_, Some(range)) => return Poll::Ready(Some(Ok(this.external(range)))),
                (Some(Ok(bytes)), None) => return Poll::Ready(Some(Ok(Piece::Frame(this.leave(bytes))))),
                (None, None) => {}
            }
            match this.next_piece(SENT_PIECE) {
                None => return Poll::Ready(None),
                Some(Part::Bytes(bytes)) => return Poll::Ready(Some(Ok(Piece::Frame(this.leave(bytes))))),
                Some(Part::Range(range)) if range.end <= this.warm => {
                    return Poll::Ready(Some(Ok(this.external(range))));
                }
                Some(Part::Range(range)) => {
                    this.warming = Some(range.clone());
                    this.fetch(move |file| warm(file, &range).map(|()| Bytes::new()));
                }
            }
        }
    }
}

#[cfg(target_os = "linux")]
impl FileBody {
    fn external(&mut self, range: Range<u64>) -> Piece<Bytes> {
        let len = range.end - range.start;
        self.left -= len;
        // A piece is no longer than `SENT_PIECE`.
        Piece::External { chunk: Box::new(FileRange::new(self.file.clone(), range.start)), len: len as usize }
    }
}

/// Without a transport that could, bytes are all there is.
#[cfg(not(target_os = "linux"))]
impl xs_net::http::FileBody for FileBody {
    fn poll_piece(self: Pin<&mut Self>, cx: &mut Context<'_>) -> NextPiece<Self> {
        http_body::Body::poll_frame(self, cx).map(|next| next.map(|frame| frame.map(Piece::Frame)))
    }
}

impl fmt::Debug for FileBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBody").field("left", &self.left).finish_non_exhaustive()
    }
}
