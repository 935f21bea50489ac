//! A connection and the request that it is sending.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use xs_proto::http1::{
    self, AnyFields, AnyRequest, ClientCommand, ClientEvent, CommandError, Payload, RequestHead, StreamId,
};
use xs_proto::machine::Phase;

use super::ClientOptions;
use super::error::{ClientError, Reason};
use crate::http::Upgraded;
use crate::http::connection::bytes_of;
use crate::timer::Sleep;
use crate::{BoxError, Driver, Timer, Transport};

/// The driver, and the body of the request under way.
pub(super) struct Core<Io, B> {
    driver: Driver<http1::Client, Io>,
    body: Option<Pin<Box<B>>>,
    stream: StreamId,
    /// What the transport had taken before this request.
    mark: u64,
    idempotent: bool,
    /// Until when the body is held back.
    hold: Option<Sleep>,
    continue_timeout: Duration,
}

impl<Io, B> Core<Io, B>
where
    Io: Transport + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>>,
{
    pub(super) fn new(io: Io, timer: &Timer, options: ClientOptions) -> Self {
        let machine = http1::Client::new(timer.now(), options.limits, options.timeouts);
        Core {
            driver: Driver::with_options(machine, io, timer, options.driver),
            body: None,
            stream: StreamId(0),
            mark: 0,
            idempotent: false,
            hold: None,
            continue_timeout: options.continue_timeout,
        }
    }

    /// Whether a request would be taken. Looks at the stream, which the server may have closed.
    pub(super) fn is_sound(&mut self, cx: &mut Context<'_>) -> bool {
        self.is_idle() && self.driver.poll_event(cx).is_pending() && self.is_idle()
    }

    /// Whether the exchange has left the connection fit for another one.
    pub(super) fn is_idle(&self) -> bool {
        self.driver.machine().is_idle()
    }

    /// The stream, and what was read of the next protocol.
    pub(super) fn into_upgraded(self) -> Upgraded {
        let parts = self.driver.into_parts();
        Upgraded::new(parts.io, parts.input)
    }

    pub(super) fn phase(&self) -> Phase {
        self.driver.phase()
    }

    /// Begins a request, with what there is of its body.
    pub(super) fn begin(&mut self, cx: &mut Context<'_>, head: AnyRequest, body: B) -> Result<(), ClientError> {
        let (idempotent, expects) = match &head {
            AnyRequest::Parts(parts) => {
                (parts.method.is_idempotent(), parts.headers.contains_key(http::header::EXPECT))
            }
            AnyRequest::Head(head) => (head.method().is_idempotent(), head.fields().get("expect").is_some()),
        };
        self.mark = self.driver.written();
        self.idempotent = idempotent;
        self.stream = self.driver.machine().next_stream();
        self.hold = None;
        let length = body.size_hint().exact();
        let mut payload = length.map_or(Payload::Streamed, Payload::Sized);
        let mut first = None;
        if body.is_end_stream() {
            payload = Payload::Empty;
        } else {
            self.body = Some(Box::pin(body));
            if expects {
                self.hold = Some(self.driver.timer().sleep(self.continue_timeout));
            } else if let Some(body) = &mut self.body
                && let Poll::Ready(frame) = body.as_mut().poll_frame(cx)
            {
                first = Some(frame);
            }
        }
        // A body that is there as a whole leaves with the head.
        if let Some(Some(Ok(frame))) = &first
            && let Some(data) = frame.data_ref()
            && length == Some(bytes::Buf::remaining(data) as u64)
            && let Some(Some(Ok(frame))) = first.take()
        {
            payload = Payload::from(bytes_of(frame));
            self.body = None;
        }
        if let Err(error) = self.driver.command(ClientCommand::Request { head, payload }) {
            self.body = None;
            return Err(self.error(Reason::Request(error)));
        }
        match first {
            Some(frame) => self.send(frame),
            None => Ok(()),
        }
    }

    /// Begins a request by a head that stays the caller's. Its body is asked for when the connection is polled.
    pub(super) fn send_head(&mut self, head: &RequestHead, body: B) -> Result<(), ClientError> {
        self.mark = self.driver.written();
        self.idempotent = head.method().is_idempotent();
        self.stream = self.driver.machine().next_stream();
        self.hold = None;
        let payload = if body.is_end_stream() {
            Payload::Empty
        } else {
            body.size_hint().exact().map_or(Payload::Streamed, Payload::Sized)
        };
        let whole = matches!(payload, Payload::Empty);
        let obeyed = self.driver.tell(|machine, now| machine.send(now, head, payload));
        obeyed.map_err(|error| self.error(Reason::Request(error)))?;
        if !whole {
            if head.fields().get("expect").is_some() {
                self.hold = Some(self.driver.timer().sleep(self.continue_timeout));
            }
            self.body = Some(Box::pin(body));
        }
        Ok(())
    }

    /// The next thing that the server said, with the request's body sent meanwhile.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<ClientEvent, ClientError>> {
        loop {
            self.send_more(cx)?;
            let error = match self.driver.poll_event(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Some(ClientEvent::Writable { .. }))) => continue,
                Poll::Ready(Ok(Some(ClientEvent::Informed { .. }))) => {
                    self.hold = None;
                    continue;
                }
                Poll::Ready(Ok(Some(ClientEvent::Reset { error, .. }))) => Reason::Server(error),
                Poll::Ready(Ok(Some(event))) => return Poll::Ready(Ok(event)),
                Poll::Ready(Ok(None)) => Reason::Closed,
                Poll::Ready(Err(error)) => Reason::Io(error),
            };
            return Poll::Ready(Err(self.error(error)));
        }
    }

    /// Waits for what is left to be done after the last event.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let driver = &mut self.driver;
        while let Poll::Ready(outcome) = driver.poll_event(cx) {
            if !matches!(outcome, Ok(Some(_))) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// This much of the response's body has been used.
    pub(super) fn consumed(&mut self, len: usize) {
        // For an exchange that has ended it does nothing.
        let _ = self.driver.command(ClientCommand::Consumed { stream: self.stream, len });
    }

    fn send_more(&mut self, cx: &mut Context<'_>) -> Result<(), ClientError> {
        loop {
            let Some(body) = &mut self.body else { return Ok(()) };
            if let Some(hold) = &mut self.hold {
                if Pin::new(hold).poll(cx).is_pending() {
                    return Ok(());
                }
                self.hold = None;
            }
            if self.driver.window(self.stream) == 0 {
                return Ok(());
            }
            let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else { return Ok(()) };
            self.send(frame)?;
        }
    }

    fn send(&mut self, frame: Option<Result<Frame<B::Data>, B::Error>>) -> Result<(), ClientError> {
        let stream = self.stream;
        let obeyed = match frame {
            Some(Ok(frame)) if frame.is_data() => {
                let bytes: Bytes = bytes_of(frame);
                if bytes.is_empty() { Ok(()) } else { self.driver.command(ClientCommand::Data { stream, bytes }) }
            }
            Some(Err(error)) => {
                self.body = None;
                let _ = self.driver.command(ClientCommand::Abort { stream });
                return Err(self.error(Reason::Body(error.into())));
            }
            end => {
                let trailers = end.and_then(Result::ok).and_then(|frame| frame.into_trailers().ok());
                self.body = None;
                self.driver.command(ClientCommand::End { stream, trailers: trailers.map(AnyFields::Map) })
            }
        };
        obeyed.map_err(|error: CommandError| {
            let _ = self.driver.command(ClientCommand::Abort { stream });
            self.error(Reason::Request(error))
        })
    }

    pub(super) fn error(&self, reason: Reason) -> ClientError {
        ClientError::new(reason, self.driver.written() > self.mark, self.idempotent)
    }
}
