//! Bodies on their way: a request's, which may have to be taken back, and a response's, which holds what it uses.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use xs_net::balance::Outcome;
use xs_net::http::{ClientError, Incoming, ResponseBody};
use xs_proto::http1;

use super::Visit;
use super::attempt::Trial;
use super::upgrade::Switched;
use crate::dial::Stream;
use crate::stats::ListenerStats;
use crate::upstream::{Lent, Stuck, Upstream};

/// A request's body as it goes to an endpoint.
#[derive(Debug)]
pub(crate) enum Sending {
    /// There is none.
    Empty,
    /// It goes now, or never. What comes is counted.
    Once(Incoming, Arc<ListenerStats>),
    /// As long as nothing of it was taken, it can go to another endpoint.
    Again(Arc<Mutex<Held>>),
}

/// A body that can be taken back.
#[derive(Debug)]
pub(crate) struct Held {
    body: Incoming,
    begun: bool,
    stats: Arc<ListenerStats>,
}

impl Held {
    pub(crate) fn new(body: Incoming, stats: Arc<ListenerStats>) -> Arc<Mutex<Held>> {
        Arc::new(Mutex::new(Held { body, begun: false, stats }))
    }

    /// Whether nothing of it was taken.
    pub(crate) fn is_whole(&self) -> bool {
        !self.begun
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = http1::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, http1::Error>>> {
        match &mut *self {
            Sending::Empty => Poll::Ready(None),
            Sending::Once(body, stats) => Pin::new(body).poll_frame(cx).map(|frame| counted(frame, stats)),
            Sending::Again(held) => {
                let Held { body, begun, stats } = &mut *held.lock();
                let frame = ready!(Pin::new(body).poll_frame(cx));
                *begun = true;
                Poll::Ready(counted(frame, stats))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Sending::Empty => true,
            Sending::Once(body, _) => body.is_end_stream(),
            Sending::Again(held) => held.lock().body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Sending::Empty => SizeHint::with_exact(0),
            Sending::Once(body, _) => body.size_hint(),
            Sending::Again(held) => held.lock().body.size_hint(),
        }
    }
}

type NextFrame = Option<Result<Frame<Bytes>, http1::Error>>;

fn counted(frame: NextFrame, stats: &ListenerStats) -> NextFrame {
    if let Some(Ok(frame)) = &frame
        && let Some(data) = frame.data_ref()
    {
        stats.received.add(data.len() as u64);
    }
    frame
}

/// What is used until a response is complete, and what is then noted.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) trial: Trial,
    pub(super) lent: Lent,
    /// When the endpoint got the request.
    pub(super) began: Instant,
    /// The pool, if the connection is the client's own.
    pub(super) tied: Option<Arc<Upstream>>,
}

impl Use {
    /// The head is there, which is what an endpoint is timed by: how long a body takes depends on its length, and on the client.
    fn head(&mut self, now: Instant, outcome: Outcome) {
        if let Some(call) = &self.trial.call {
            call.service.stats.latency.record(now.saturating_duration_since(self.began));
        }
        self.trial.head(outcome, now);
    }

    /// It is over. The connection goes home, if it can.
    fn end(self, visit: &Visit, now: Instant, outcome: Outcome) {
        let Use { trial, lent, tied, .. } = self;
        trial.end(outcome, now);
        match tied {
            None => lent.give_back_at(now),
            Some(upstream) => visit.tied.keep(&upstream, lent, now),
        }
    }

    /// The connection leaves HTTP, which is the answer.
    pub(super) fn switch(self, now: Instant) -> Switched {
        let Use { trial, lent, began, .. } = self;
        let backend = trial.call.as_ref().map(|call| call.service.clone());
        if let Some(backend) = &backend {
            backend.stats.latency.record(now.saturating_duration_since(began));
        }
        Switched { backend, _lent: lent, _ongoing: trial.answered(Outcome::Success, now) }
    }

    /// The endpoint has done so.
    pub(super) fn broke_off(&self) {
        if let Some(call) = &self.trial.call {
            call.service.stats.breaks.add(1);
        }
    }

    /// What brings the client back to this endpoint.
    pub(super) fn stuck(&self) -> Option<&Stuck> {
        self.trial.call.as_ref()?.service.cookie.as_ref()
    }
}

/// What a status says of its endpoint.
fn outcome(status: StatusCode) -> Outcome {
    if status.is_server_error() { Outcome::Failure } else { Outcome::Success }
}

/// The body of the response to a client.
pub(crate) struct Answer {
    part: Part,
    visit: Arc<Visit>,
    /// When the request came, and the response's status; nothing once this is noted.
    open: Option<(Instant, StatusCode)>,
}

// One a response, and nearly all are the endpoint's: a box would cost more than the room.
#[allow(clippy::large_enum_variant)]
enum Part {
    /// Our own.
    Own(Bytes),
    /// The endpoint's. In this order: dropped in the middle, the connection is cut before it is looked at.
    Theirs(ResponseBody<Stream, Sending>, Option<Use>),
}

impl Answer {
    pub(super) fn own(text: Bytes, visit: Arc<Visit>, came: Instant, status: StatusCode) -> Answer {
        Answer { part: Part::Own(text), visit, open: Some((came, status)) }
    }

    /// No body, of a response that is noted already.
    pub(super) fn nothing(visit: Arc<Visit>) -> Answer {
        Answer { part: Part::Own(Bytes::new()), visit, open: None }
    }

    pub(super) fn theirs(
        body: ResponseBody<Stream, Sending>,
        mut using: Use,
        visit: Arc<Visit>,
        came: Instant,
        status: StatusCode,
    ) -> Answer {
        let now = visit.timer().now();
        using.head(now, outcome(status));
        let mut answer = Answer { part: Part::Theirs(body, Some(using)), visit, open: Some((came, status)) };
        answer.settle(Some(now));
        answer
    }

    /// If no more will come, everything that was held goes.
    fn settle(&mut self, now: Option<Instant>) {
        if let Part::Theirs(body, using) = &mut self.part
            && body.is_end_stream()
            && let Some((came, status)) = self.open.take()
        {
            let now = now.unwrap_or_else(|| self.visit.timer().now());
            if let Some(using) = using.take() {
                using.end(&self.visit, now, outcome(status));
            }
            self.visit.note(came, now, status.as_u16() / 100);
        }
    }

    /// It has broken off.
    #[cold]
    fn fail(&mut self) {
        let now = self.visit.timer().now();
        if let Part::Theirs(_, using) = &mut self.part
            && let Some(using) = using.take()
        {
            using.broke_off();
            using.end(&self.visit, now, Outcome::Failure);
        }
        if let Some((came, _)) = self.open.take() {
            self.visit.note(came, now, 0);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        let this = &mut *self;
        let body = match &mut this.part {
            Part::Own(text) if text.is_empty() => return Poll::Ready(None),
            Part::Own(text) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Part::Theirs(body, _) => body,
        };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        match &frame {
            Some(Err(_)) => this.fail(),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.visit.listener.stats.sent.add(data.len() as u64);
                }
                this.settle(None);
            }
            None => this.settle(None),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.part {
            Part::Own(text) => text.is_empty(),
            Part::Theirs(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.part {
            Part::Own(text) => SizeHint::with_exact(text.len() as u64),
            Part::Theirs(body, _) => body.size_hint(),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let Some((came, status)) = self.open.take() else { return };
        // Our own is taken as a whole; of the endpoint's something was left, because the client has gone.
        let whole = matches!(self.part, Part::Own(_));
        self.visit.note(came, self.visit.timer().now(), if whole { status.as_u16() / 100 } else { 0 });
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}
