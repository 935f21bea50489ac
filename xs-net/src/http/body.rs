//! The body of a received request, between the connection that reads it and the service that uses it.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use xs_proto::http1::{Error, Framing};

/// The body of a request: a [`Body`] of [`Bytes`] that share the connection's read buffer, but for small ones.
///
/// The connection reads ahead by a window and no further: a body that nobody polls makes its client wait. If it is
/// dropped before its end, the rest is read and dropped if it is short, and else the connection closes behind the
/// response. Its errors are what the peer did, and [`Error::Abandoned`] where the connection ended first.
pub struct Incoming {
    /// Nothing where there is no body, as with most requests.
    shared: Option<Arc<Mutex<State>>>,
}

/// The connection's end of a body.
#[derive(Debug)]
pub(super) struct Inlet {
    shared: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    end: Option<Result<(), Error>>,
    /// How much of an announced length has not been taken.
    left: Option<u64>,
    /// How much has been taken since the connection asked.
    consumed: usize,
    /// From how much on it must be told.
    report: usize,
    /// The client waits for leave to send, and the body has been polled.
    expects: bool,
    asked: bool,
    reader: Option<Waker>,
    connection: Option<Waker>,
}

impl Incoming {
    /// No body.
    pub fn empty() -> Incoming {
        Incoming { shared: None }
    }

    /// A body to be filled through the inlet.
    pub(super) fn channel(framing: Framing, window: usize, expects: bool) -> (Incoming, Inlet) {
        let left = match framing {
            Framing::Sized(len) => Some(len),
            _ => None,
        };
        let shared = Arc::new(Mutex::new(State {
            chunks: VecDeque::new(),
            trailers: None,
            end: None,
            left,
            consumed: 0,
            report: (window / 2).max(1),
            expects,
            asked: false,
            reader: None,
            connection: None,
        }));
        (Incoming { shared: Some(shared.clone()) }, Inlet { shared })
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(shared) = &self.shared else { return Poll::Ready(None) };
        let mut state = shared.lock();
        let (answer, wake) = match state.chunks.pop_front() {
            Some(chunk) => {
                state.consumed += chunk.len();
                state.left = state.left.map(|left| left.saturating_sub(chunk.len() as u64));
                (Poll::Ready(Some(Ok(Frame::data(chunk)))), state.consumed >= state.report)
            }
            None => match (state.trailers.take(), state.end) {
                (Some(trailers), _) => (Poll::Ready(Some(Ok(Frame::trailers(trailers)))), false),
                (None, Some(Ok(()))) => (Poll::Ready(None), false),
                (None, Some(Err(error))) => {
                    state.end = Some(Ok(()));
                    (Poll::Ready(Some(Err(error))), false)
                }
                (None, None) => {
                    if !state.reader.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                        state.reader = Some(cx.waker().clone());
                    }
                    let first = !std::mem::replace(&mut state.asked, true);
                    (Poll::Pending, first && state.expects)
                }
            },
        };
        let wake = if wake { state.connection.take() } else { None };
        drop(state);
        if let Some(waker) = wake {
            waker.wake();
        }
        answer
    }

    fn is_end_stream(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| {
            let state = shared.lock();
            state.chunks.is_empty() && state.trailers.is_none() && state.end == Some(Ok(()))
        })
    }

    fn size_hint(&self) -> SizeHint {
        let Some(shared) = &self.shared else { return SizeHint::with_exact(0) };
        shared.lock().left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Default for Incoming {
    fn default() -> Self {
        Incoming::empty()
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}

/// A smaller piece is copied: it would hold the whole of the read buffer, which connections share, for as long as its user
/// keeps it.
const COPIED: usize = 1024;

impl Inlet {
    pub(super) fn push(&self, cx: &Context<'_>, bytes: Bytes) {
        let bytes = if bytes.len() < COPIED { Bytes::copy_from_slice(&bytes) } else { bytes };
        let mut state = self.shared.lock();
        state.chunks.push_back(bytes);
        wake(state.reader.take(), cx);
    }

    pub(super) fn end(&self, cx: &Context<'_>, trailers: Option<HeaderMap>) {
        let mut state = self.shared.lock();
        state.trailers = trailers;
        state.end = Some(Ok(()));
        wake(state.reader.take(), cx);
    }

    pub(super) fn fail(&self, error: Error) {
        let reader = {
            let mut state = self.shared.lock();
            if state.end.is_none() {
                state.end = Some(Err(error));
            }
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// How much was used since the last time, and whether the body is waited for now. The connection is woken when that
    /// changes.
    pub(super) fn look(&self, cx: &Context<'_>) -> (usize, bool) {
        let mut state = self.shared.lock();
        if !state.connection.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            state.connection = Some(cx.waker().clone());
        }
        // Who has dropped the body waits for it no longer.
        let asks = state.asked && Arc::strong_count(&self.shared) > 1 && std::mem::take(&mut state.expects);
        (std::mem::take(&mut state.consumed), asks)
    }
}

/// The connection's own task looks at its service again by itself.
fn wake(reader: Option<Waker>, cx: &Context<'_>) {
    if let Some(reader) = reader
        && !reader.will_wake(cx.waker())
    {
        reader.wake();
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.fail(Error::Abandoned);
    }
}
