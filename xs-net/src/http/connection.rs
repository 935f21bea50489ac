//! One connection of a server: [`Connection`].
//!
//! The machine says what came, the service says what to answer, and this is the loop between the two. Exchanges are
//! answered one after the other; requests that came early wait in a queue.

mod answer;
mod exchange;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use http_body::Body;
use pin_project_lite::pin_project;
use tower::Service;
use xs_proto::Out;
use xs_proto::http1::{self, AnyResponse, Payload, RequestHead, ServerCommand, ServerEvent};
use xs_proto::machine::Phase;

use self::exchange::{Exchange, State};
use super::{FromHead, IntoHead, ServerOptions, Upgraded};
use crate::caught::caught;
use crate::driver::HIGH_WATER;
use crate::serve::Drain;
use crate::session::{Cause, HalfClose, Order, Registration};
use crate::{BoxError, Driver, Timer, Transport};

pub(super) use self::answer::bytes_of;

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
