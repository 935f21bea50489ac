//! The response of the exchange under way: its head, its body, and what is said where there is none.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::StatusCode;
use http_body::{Body, Frame};
use tower::Service;
use xs_proto::http1::{AnyFields, AnyResponse, CommandError, Payload, ServerCommand};

use super::super::message::status_of;
use super::super::{FromHead, IntoHead, NextPiece, Piece};
use super::{BodyOf, Connection};
use crate::caught::caught;
use crate::session::Cause;
use crate::{BoxError, Transport};

impl<Io, S, Req> Connection<Io, S, Req>
where
    Io: Transport + Unpin + Send + 'static,
    S: Service<Req>,
    S::Response: IntoHead,
    S::Error: Into<BoxError>,
    BodyOf<S, Req>: Body<Error: Into<BoxError>>,
    Req: FromHead,
{
    /// Sends the head of a response, with as much of its body as is there.
    pub(super) fn respond(mut self: Pin<&mut Self>, cx: &mut Context<'_>, head: &AnyResponse) {
        let mut this = self.as_mut().project();
        let state = this.state;
        let (Some(current), Some(mut body)) = (&state.current, this.body.as_mut().as_pin_mut()) else { return };
        let files = this.driver.as_ref().is_some_and(|driver| driver.io().sends_files());
        let status = status_of(head);
        let hands_over = status == StatusCode::SWITCHING_PROTOCOLS || (current.connect && status.is_success());
        let none = hands_over || status == StatusCode::NO_CONTENT || body.is_end_stream();
        let told = current.head || status == StatusCode::NOT_MODIFIED;
        let length = if none { Some(0) } else { body.size_hint().exact() };
        let mut first: NextPiece<BodyOf<S, Req>> = Poll::Pending;
        let mut payload = match length {
            _ if none => Payload::Empty,
            Some(length) => Payload::Sized(length),
            None => Payload::Streamed,
        };
        let mut whole = none || told;
        if !whole {
            // What is there already leaves with the head.
            first = match caught(|| S::Response::poll_piece(body.as_mut(), cx, files)) {
                Ok(first) => first,
                Err(text) => return self.give_up(Cause::Panicked(text)),
            };
            match first {
                Poll::Ready(Some(Ok(Piece::Frame(frame)))) if frame.is_data() => {
                    let bytes = bytes_of(frame);
                    if length == Some(bytes.len() as u64) || (length.is_none() && body.is_end_stream()) {
                        whole = true;
                        payload = Payload::from(bytes);
                        first = Poll::Pending;
                    } else {
                        return self.respond_with(head, payload, Some(bytes), hands_over);
                    }
                }
                Poll::Ready(None) if length.is_none() => {
                    whole = true;
                    payload = Payload::Empty;
                }
                Poll::Ready(Some(Err(error))) => return self.give_up(Cause::Failed(error.into())),
                _ => {}
            }
        }
        if !whole && first.is_pending() {
            // It may be the request's body that this one waits for. Leave to send that has no place behind the head.
            self.as_mut().attend_body(cx);
        }
        if whole {
            self.as_mut().project().body.set(None);
        }
        self.as_mut().respond_with(head, payload, None, hands_over);
        if let Poll::Ready(next) = first {
            self.frame(next);
        }
    }

    /// Gives the machine the head; a body that is not set is complete.
    fn respond_with(
        mut self: Pin<&mut Self>,
        head: &AnyResponse,
        payload: Payload,
        first: Option<Bytes>,
        hands_over: bool,
    ) {
        let this = self.as_mut().project();
        let (state, Some(driver)) = (this.state, this.driver) else { return };
        let Some(current) = &mut state.current else { return };
        let stream = current.stream;
        if hands_over {
            state.upgrade = current.upgrade.take();
        }
        let mut obeyed = driver.tell(|machine, now| machine.respond(now, stream, head, payload));
        if let Some(bytes) = first
            && obeyed.is_ok()
            && !bytes.is_empty()
        {
            obeyed = driver.command(ServerCommand::Data { stream, bytes });
        }
        match obeyed {
            Ok(()) if this.body.is_none() => state.current = None,
            Ok(()) => {}
            Err(error) => self.refused(error),
        }
    }

    /// Sends more of a response's body. False when that has to wait.
    pub(super) fn stream(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.as_mut().project();
        let (Some(current), Some(driver)) = (&this.state.current, this.driver) else { return false };
        if driver.window(current.stream) == 0 {
            return false;
        }
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            this.state.current = None;
            return true;
        };
        let files = driver.io().sends_files();
        match caught(|| S::Response::poll_piece(body, cx, files)) {
            Ok(Poll::Pending) => false,
            Ok(Poll::Ready(next)) => {
                self.frame(next);
                true
            }
            Err(text) => {
                self.give_up(Cause::Panicked(text));
                true
            }
        }
    }

    /// Sends a piece of a response's body, or its end.
    fn frame(
        mut self: Pin<&mut Self>,
        next: Option<Result<Piece<<BodyOf<S, Req> as Body>::Data>, <BodyOf<S, Req> as Body>::Error>>,
    ) {
        let mut this = self.as_mut().project();
        let (Some(current), Some(driver)) = (&this.state.current, this.driver) else { return };
        let stream = current.stream;
        let obeyed = match next {
            Some(Ok(Piece::External { chunk, len })) => driver.command(ServerCommand::External { stream, chunk, len }),
            Some(Ok(Piece::Frame(frame))) if frame.is_data() => {
                let bytes = bytes_of(frame);
                if bytes.is_empty() { Ok(()) } else { driver.command(ServerCommand::Data { stream, bytes }) }
            }
            Some(Err(error)) => return self.give_up(Cause::Failed(error.into())),
            end => {
                let trailers = match end {
                    Some(Ok(Piece::Frame(frame))) => frame.into_trailers().ok(),
                    _ => None,
                };
                this.body.set(None);
                let ended = driver.command(ServerCommand::End { stream, trailers: trailers.map(AnyFields::Map) });
                // One that was refused is still to be given up.
                if ended.is_ok() {
                    this.state.current = None;
                }
                ended
            }
        };
        if let Err(error) = obeyed {
            self.refused(error);
        }
    }

    /// The machine does not take what the service answered.
    fn refused(self: Pin<&mut Self>, error: CommandError) {
        self.give_up(Cause::Encode(error.into()));
    }

    /// Answers 500, or cuts the connection if the response has begun. It closes in either case.
    pub(super) fn give_up(self: Pin<&mut Self>, cause: Cause) {
        let mut this = self.project();
        this.call.set(None);
        this.body.set(None);
        let state = this.state;
        state.stopped = true;
        match &cause {
            Cause::Panicked(text) => tracing::error!(panic = %text, "a service panicked"),
            cause => tracing::warn!(error = %cause, "an exchange failed"),
        }
        state.cause = Some(cause);
        if let (Some(current), Some(driver)) = (state.current.take(), this.driver) {
            let _ = driver.command(ServerCommand::Abort { stream: current.stream });
        }
    }
}

/// The bytes of a frame of data, without a copy where they are `Bytes` already.
pub(in crate::http) fn bytes_of<D: Buf>(frame: Frame<D>) -> Bytes {
    frame.into_data().map_or_else(|_| Bytes::new(), |mut data| data.copy_to_bytes(data.remaining()))
}
