//! One connection of a server: [`Connection`].
//!
//! The machine says what came, the service says what to answer, and this is the loop between the two. Exchanges are
//! answered one after the other; requests that came early wait in a queue.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, StatusCode};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::sync::oneshot;
use tower::Service;
use xs_proto::Out;
use xs_proto::http1::{
    self, AnyFields, AnyResponse, CommandError, Payload, RequestHead, ServerCommand, ServerEvent, StreamId, http_date,
};
use xs_proto::machine::Phase;

use super::body::Inlet;
use super::message::status_of;
use super::{FromHead, Incoming, IntoHead, NextPiece, OnUpgrade, Piece, ServerOptions, Upgraded};
use crate::caught::caught;
use crate::driver::HIGH_WATER;
use crate::serve::Drain;
use crate::session::{Cause, HalfClose, Order, Registration};
use crate::{BoxError, Driver, Timer, Transport};

type BodyOf<S, Req> = <<S as Service<Req>>::Response as IntoHead>::Body;

pin_project! {
    /// One connection and its service: a future that ends when the connection does, and says why. Dropping it cuts the
    /// connection. Made by [`Server::connection`](super::Server::connection).
    pub struct Connection<Io, S, Req>
    where
        S: Service<Req>,
        S::Response: IntoHead,
    {
        // Taken out at a hand-over.
        driver: Option<Driver<http1::Server, Io>>,
        service: S,
        // The call of the exchange under way, or else its response's body.
        #[pin]
        call: Option<S::Future>,
        #[pin]
        body: Option<BodyOf<S, Req>>,
        state: State,
        request: PhantomData<fn(Req)>,
    }
}

/// What needs no pinning.
struct State {
    options: ServerOptions,
    drain: Option<Drain>,
    registration: Option<Registration>,
    current: Option<Exchange>,
    waiting: VecDeque<(Box<RequestHead>, Exchange)>,
    /// For the user who gets the connection when the machine hands it over.
    upgrade: Option<oneshot::Sender<Upgraded>>,
    /// Until when the machine's `Date` is right.
    date: Option<Instant>,
    /// Something has happened that the exchange under way may wait for.
    stir: bool,
    /// The next request waits for earlier answers to be written.
    held_back: bool,
    /// What the service said instead of being ready.
    unready: Option<Cause>,
    /// No further request is answered.
    stopped: bool,
    /// Why it ends, where that is known before it does.
    cause: Option<Cause>,
}

/// A request, and what is to be known of it while it is answered.
struct Exchange {
    stream: StreamId,
    head: bool,
    connect: bool,
    /// Where its body goes, until all of it has come.
    inlet: Option<Inlet>,
    upgrade: Option<oneshot::Sender<Upgraded>>,
    on_upgrade: Option<OnUpgrade>,
    incoming: Option<Incoming>,
}

impl<Io, S, Req> Connection<Io, S, Req>
where
    Io: Transport + Unpin,
    S: Service<Req>,
    S::Response: IntoHead,
{
    pub(super) fn new(io: Io, input: BytesMut, service: S, timer: &Timer, options: ServerOptions) -> Self {
        let machine = http1::Server::new(timer.now(), options.limits, options.timeouts);
        Connection {
            driver: Some(Driver::with_options(machine, io, timer, options.driver).with_input(input)),
            service,
            call: None,
            body: None,
            state: State {
                options,
                drain: None,
                registration: None,
                current: None,
                waiting: VecDeque::new(),
                upgrade: None,
                date: None,
                stir: false,
                held_back: false,
                unready: None,
                stopped: false,
                cause: None,
            },
            request: PhantomData,
        }
    }

    /// Ends by itself when its server drains: what has been asked is answered, then it closes.
    #[must_use]
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.state.drain = Some(drain);
        self
    }

    /// Makes it a registered connection, which can be listed, finished and killed. What is pushed to it is dropped.
    #[must_use]
    pub fn with_registration(mut self, registration: Registration) -> Self {
        self.state.registration = Some(registration);
        self
    }
}

impl<Io, S, Req> Future for Connection<Io, S, Req>
where
    Io: Transport + Unpin + Send + 'static,
    S: Service<Req>,
    S::Response: IntoHead,
    S::Error: Into<BoxError>,
    BodyOf<S, Req>: Body<Error: Into<BoxError>>,
    Req: FromHead,
{
    type Output = Cause;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Cause> {
        if let Err(cause) = self.as_mut().heed(cx) {
            return Poll::Ready(cause);
        }
        self.as_mut().project().state.stir = true;
        loop {
            if std::mem::take(&mut self.as_mut().project().state.stir) {
                self.as_mut().advance(cx);
            }
            let this = self.as_mut().project();
            let Some(driver) = this.driver else { return Poll::Pending };
            match driver.poll_event(cx) {
                Poll::Ready(Ok(Some(event))) => self.as_mut().hear(cx, event),
                Poll::Ready(Ok(None)) => return Poll::Ready(self.as_mut().end()),
                Poll::Ready(Err(error)) => return Poll::Ready(Cause::from_io(error)),
                Poll::Pending => {
                    let state = this.state;
                    if state.held_back && driver.unsent() < HIGH_WATER {
                        (state.held_back, state.stir) = (false, true);
                        continue;
                    }
                    let cancels = state.options.half_close == HalfClose::Cancel && driver.at_eof();
                    if cancels && let Some(current) = &state.current {
                        // A response that waits for the client to take it is no sign that the client has left.
                        if this.call.is_some() || driver.window(current.stream) > 0 {
                            return Poll::Ready(Cause::Departed);
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<Io, S, Req> Connection<Io, S, Req>
where
    Io: Transport + Unpin + Send + 'static,
    S: Service<Req>,
    S::Response: IntoHead,
    S::Error: Into<BoxError>,
    BodyOf<S, Req>: Body<Error: Into<BoxError>>,
    Req: FromHead,
{
    /// Looks at what comes from outside: orders, the drain, and what was used of the request's body.
    fn heed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Result<(), Cause> {
        let this = self.project();
        let (state, Some(driver)) = (this.state, this.driver) else { return Ok(()) };
        if let Some(registration) = &mut state.registration
            && let Poll::Ready(mail) = registration.poll_mail(cx.waker(), &mut Out::new())
            && mail? == Some(Order::Finish)
        {
            state.cause = Some(Cause::Finished);
            let _ = driver.command(ServerCommand::Shutdown); // no state refuses it
        }
        if state.drain.as_mut().is_some_and(|drain| drain.poll_drained(cx.waker()).is_ready()) {
            state.drain = None;
            state.cause = Some(Cause::Finished);
            let _ = driver.command(ServerCommand::Shutdown);
        }
        state.refresh_date(driver);
        Ok(())
    }

    /// Takes an event of the machine.
    fn hear(mut self: Pin<&mut Self>, cx: &mut Context<'_>, event: ServerEvent) {
        let this = self.as_mut().project();
        let state = this.state;
        match event {
            ServerEvent::Request { stream, head } => {
                let exchange = Exchange::new(stream, &head, state.options.limits.receive_window);
                let first = state.current.is_none() && state.waiting.is_empty();
                state.stir |= first;
                if first && self.as_mut().is_ready(cx) {
                    self.start(head, exchange);
                } else {
                    self.project().state.waiting.push_back((head, exchange));
                }
            }
            ServerEvent::Data { stream, bytes } => {
                if let Some(inlet) = state.inlet(stream) {
                    inlet.push(cx, bytes);
                }
                state.stir = true;
            }
            ServerEvent::End { stream, trailers } => {
                let trailers = trailers.map(|fields| fields.to_map()).filter(|map| !map.is_empty());
                if let Some(inlet) = state.inlet(stream) {
                    inlet.end(cx, trailers);
                }
                if let Some(exchange) = state.exchange(stream) {
                    exchange.inlet = None;
                }
                state.stir = true;
            }
            ServerEvent::Writable { .. } => state.stir = true,
            ServerEvent::Reset { stream, error } => {
                if let Some(inlet) = state.inlet(stream) {
                    inlet.fail(error);
                }
                if state.current.as_ref().is_some_and(|current| current.stream == stream) {
                    tracing::debug!(%error, "an exchange broke off");
                    state.current = None;
                    let mut this = self.project();
                    this.call.set(None);
                    this.body.set(None);
                    this.state.cause.get_or_insert(Cause::Departed);
                } else {
                    state.waiting.retain(|(_, exchange)| exchange.stream != stream);
                }
            }
            ServerEvent::Refused { error } => {
                tracing::debug!(%error, "what came was no request");
                state.cause.get_or_insert(Cause::Decode(error.into()));
            }
            _ => {}
        }
    }

    /// Moves the exchange under way as far as it goes, and begins the next ones.
    fn advance(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        loop {
            let mut this = self.as_mut().project();
            if this.state.current.is_none() {
                if !self.as_mut().begin(cx) {
                    return;
                }
                continue;
            }
            if let Some(call) = this.call.as_mut().as_pin_mut() {
                match caught(|| call.poll(cx)) {
                    Ok(Poll::Pending) => return self.attend_body(cx),
                    Ok(Poll::Ready(Ok(response))) => {
                        this.call.set(None);
                        let (head, body) = response.into_head();
                        this.body.set(Some(body));
                        self.as_mut().respond(cx, &head);
                        if let Some(driver) = self.as_mut().project().driver {
                            driver.machine_mut().spare().put_response(head);
                        }
                    }
                    Ok(Poll::Ready(Err(error))) => self.as_mut().give_up(Cause::Failed(error.into())),
                    Err(text) => self.as_mut().give_up(Cause::Panicked(text)),
                }
            } else if !self.as_mut().stream(cx) {
                return self.attend_body(cx);
            }
        }
    }

    /// Begins the next exchange. False when there is none, or it has to wait.
    fn begin(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        if self.state.waiting.is_empty() || !self.as_mut().is_ready(cx) {
            return false;
        }
        if let Some((head, exchange)) = self.as_mut().project().state.waiting.pop_front() {
            self.start(head, exchange);
        }
        true
    }

    /// Whether a request can begin now. A service that has failed counts as ready, so that `start` can answer for it.
    fn is_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let this = self.project();
        let (state, Some(driver)) = (this.state, this.driver) else { return false };
        if state.stopped {
            return false;
        }
        // Who does not take the answers to what was asked before gets no further ones.
        state.held_back = driver.unsent() >= HIGH_WATER;
        if state.held_back {
            return false;
        }
        match caught(|| this.service.poll_ready(cx)) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(Ok(()))) => {}
            Ok(Poll::Ready(Err(error))) => state.unready = Some(Cause::Failed(error.into())),
            Err(text) => state.unready = Some(Cause::Panicked(text)),
        }
        true
    }

    /// Calls the service, after `is_ready`.
    fn start(mut self: Pin<&mut Self>, head: Box<RequestHead>, mut exchange: Exchange) {
        let mut this = self.as_mut().project();
        let (state, Some(driver)) = (this.state, this.driver) else { return };
        let body = exchange.incoming.take().unwrap_or_default();
        let upgrade = exchange.on_upgrade.take();
        let stream = exchange.stream;
        state.current = Some(exchange);
        if let Some(cause) = state.unready.take() {
            return self.give_up(cause);
        }
        let request = match Req::from_head(head, body, upgrade, driver.machine_mut().spare()) {
            Ok(request) => request,
            Err(error) => {
                let head = AnyResponse::from(error.status());
                let _ = driver.command(ServerCommand::Respond { stream, head, payload: Payload::Empty });
                state.current = None;
                return;
            }
        };
        match caught(|| this.service.call(request)) {
            Ok(call) => this.call.set(Some(call)),
            Err(text) => self.give_up(Cause::Panicked(text)),
        }
    }

    /// Sends the head of a response, with as much of its body as is there.
    fn respond(mut self: Pin<&mut Self>, cx: &mut Context<'_>, head: &AnyResponse) {
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
    fn stream(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
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
    fn give_up(self: Pin<&mut Self>, cause: Cause) {
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

    /// Passes on what the service did with the request's body.
    fn attend_body(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        let (Some(current), Some(driver)) = (&this.state.current, this.driver) else { return };
        let Some(inlet) = &current.inlet else { return };
        let stream = current.stream;
        let (len, asks) = inlet.look(cx);
        if asks {
            let _ = driver.command(ServerCommand::Continue { stream });
        }
        if len > 0 {
            let _ = driver.command(ServerCommand::Consumed { stream, len });
        }
    }

    /// The driver is done.
    fn end(self: Pin<&mut Self>) -> Cause {
        let this = self.project();
        let state = this.state;
        let Some(driver) = this.driver.take() else { return Cause::Peer };
        match driver.phase() {
            Phase::HandedOver => {
                let parts = driver.into_parts();
                let mut upgraded = Upgraded::new(parts.io, parts.input);
                upgraded.drain = state.drain.take();
                upgraded.registration = state.registration.take();
                // Without anyone who wants it, it is dropped, which closes it.
                if let Some(promise) = state.upgrade.take() {
                    let _ = promise.send(upgraded);
                }
                Cause::Service
            }
            Phase::Aborted => state.cause.take().unwrap_or(Cause::Departed),
            Phase::Closing | Phase::Open => {
                state.cause.take().unwrap_or_else(|| if driver.at_eof() { Cause::Peer } else { Cause::Idle })
            }
        }
    }
}

/// The bytes of a frame of data, without a copy where they are `Bytes` already.
pub(super) fn bytes_of<D: Buf>(frame: Frame<D>) -> Bytes {
    frame.into_data().map_or_else(|_| Bytes::new(), |mut data| data.copy_to_bytes(data.remaining()))
}

impl Exchange {
    fn new(stream: StreamId, head: &RequestHead, window: usize) -> Exchange {
        let (incoming, inlet) = if head.framing().is_empty() {
            (None, None)
        } else {
            let (incoming, inlet) = Incoming::channel(head.framing(), window, head.expects_continue());
            (Some(incoming), Some(inlet))
        };
        let (upgrade, on_upgrade) = match head.wants_upgrade().then(OnUpgrade::new) {
            Some((sender, promise)) => (Some(sender), Some(promise)),
            None => (None, None),
        };
        Exchange {
            stream,
            head: *head.method() == Method::HEAD,
            connect: *head.method() == Method::CONNECT,
            inlet,
            upgrade,
            on_upgrade,
            incoming,
        }
    }
}

impl State {
    fn exchange(&mut self, stream: StreamId) -> Option<&mut Exchange> {
        let waiting = self.waiting.iter_mut().map(|(_, exchange)| exchange);
        self.current.iter_mut().chain(waiting).find(|exchange| exchange.stream == stream)
    }

    fn inlet(&mut self, stream: StreamId) -> Option<&Inlet> {
        self.exchange(stream)?.inlet.as_ref()
    }

    /// Tells the machine the calendar's time if a second has passed.
    fn refresh_date<Io: Transport + Unpin>(&mut self, driver: &mut Driver<http1::Server, Io>) {
        let now = driver.now();
        if self.date.is_some_and(|until| now < until) {
            return;
        }
        let wall = driver.timer().wall();
        let within = wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        self.date = now.checked_add(Duration::from_secs(1) - Duration::from_nanos(within.into()));
        let _ = driver.command(ServerCommand::Date(http_date(wall)));
    }
}

impl<Io, S, Req> fmt::Debug for Connection<Io, S, Req>
where
    S: Service<Req>,
    S::Response: IntoHead,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("under_way", &self.state.current.is_some())
            .field("waiting", &self.state.waiting.len())
            .finish_non_exhaustive()
    }
}
