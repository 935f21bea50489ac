//! The loop of a session, as one poll function: it never waits for one thing in a way that blinds it to another.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tower::Service;
use xs_proto::Out;

use super::handle::Shared;
use super::{Batch, Cause, Cut, HalfClose, Next, Order, Registration, SessionOptions, Turn};
use crate::caught::caught;
use crate::idle::Idle;
use crate::serve::Drain;
use crate::timer::Sleep;
use crate::{BoxError, Timer, Transport, spare};

/// After so many turns in one poll the task yields, so that a peer which always has more to say leaves room for others.
const TURNS_A_POLL: usize = 32;

/// A session at work.
pub(super) struct Core<Io, S, C> {
    pub(super) io: Io,
    pub(super) service: S,
    /// The turn, while the service doesn't have it.
    pub(super) home: Option<Box<Turn<C>>>,
    /// What is to be written next.
    outgoing: Out,
    /// What was read while a request was in flight.
    side: BytesMut,
    pub(super) registration: Registration,
    /// Wakes this session through its mailbox's flag; timers and the drain are polled with it, so that the hot path
    /// looks at one flag and not at each of them.
    flagger: Waker,
    /// There are bytes that the service has not seen yet.
    fresh: bool,
    /// The service asked to be called again.
    again: bool,
    eof: bool,
    /// Told from outside to begin nothing new: what is in flight or read is still answered.
    finishing: bool,
    /// How it will end once everything is sent.
    ending: Option<Ending>,
    /// How much room the next read gets.
    room: usize,
    /// Something moved since the idle timer last looked.
    touched: bool,
    idle: Option<Idle>,
    soft: Option<Sleep>,
    drain: Option<Drain>,
    timer: Timer,
    options: SessionOptions,
}

pub(super) enum Ending {
    Close(Cause),
    TakeOver,
}

impl<Io, S, C> Core<Io, S, C>
where
    Io: Transport + Unpin,
    S: Service<Box<Turn<C>>, Response = Box<Turn<C>>>,
    S::Error: Into<BoxError>,
{
    pub(super) fn new(
        io: Io,
        service: S,
        codec: C,
        input: BytesMut,
        registration: Registration,
        drain: Option<Drain>,
        timer: Timer,
        options: SessionOptions,
    ) -> Self {
        let shared = registration.shared().clone();
        // The first poll looks at everything once and so arms what there is to arm.
        shared.flag();
        let idle = options.idle_timeout.map(|limit| Idle::new(limit, &timer));
        Core {
            io,
            service,
            fresh: !input.is_empty(),
            home: Some(Box::new(Turn::new(codec, input))),
            outgoing: Out::new(),
            side: BytesMut::new(),
            registration,
            flagger: Waker::from(shared),
            again: false,
            eof: false,
            finishing: false,
            ending: None,
            room: options.read_buffer,
            touched: false,
            idle,
            soft: None,
            drain,
            timer,
            options,
        }
    }

    fn shared(&self) -> &Shared {
        self.registration.shared()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, mut call: Pin<&mut Option<S::Future>>) -> Poll<Ending> {
        match self.try_poll(cx, call.as_mut()) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(ending)) => Poll::Ready(ending),
            Err(cause) => Poll::Ready(Ending::Close(cause)),
        }
    }

    /// An error ends the session at once, with nothing more sent.
    fn try_poll(&mut self, cx: &mut Context<'_>, mut call: Pin<&mut Option<S::Future>>) -> Result<Poll<Ending>, Cause> {
        self.registration.attend(cx.waker());
        for _ in 0..TURNS_A_POLL {
            if self.shared().is_flagged() {
                self.heed(call.is_some())?;
            }

            let settled = if call.is_some() {
                self.proceed(cx, call.as_mut())?
            } else {
                self.may_call() && self.begin(cx, call.as_mut())?
            };
            let unblocked = !self.outgoing.is_empty() && self.write(cx)?;

            if call.is_none() && self.outgoing.is_empty() {
                match self.ending {
                    None => {}
                    Some(Ending::TakeOver) => return Ok(Poll::Ready(Ending::TakeOver)),
                    Some(Ending::Close(_)) => {
                        // Pushes that came meanwhile are not waited for, but the peer's side of TLS and the like is.
                        if Pin::new(&mut self.io).poll_shutdown(cx).is_pending() {
                            return Ok(Poll::Pending);
                        }
                        return Ok(self.ending.take().map_or(Poll::Pending, Poll::Ready));
                    }
                }
            }

            let came = self.read(cx, call.is_some())?;
            // Everything has had its go: another round makes sense only if this one made something possible.
            if !(came || unblocked || (settled && self.may_call())) {
                return Ok(Poll::Pending);
            }
        }
        cx.waker().wake_by_ref();
        Ok(Poll::Pending)
    }

    fn may_call(&self) -> bool {
        (self.fresh || self.again) && self.ending.is_none() && !self.is_over_high_water()
    }

    fn is_over_high_water(&self) -> bool {
        self.options.high_water.is_some_and(|high| self.outgoing.len() > high)
    }

    /// Gives the service its turn, if it is ready for one; true when it has already answered.
    fn begin(&mut self, cx: &mut Context<'_>, mut call: Pin<&mut Option<S::Future>>) -> Result<bool, Cause> {
        match caught(|| self.service.poll_ready(cx)).map_err(Cause::Panicked)? {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(e)) => return Err(Cause::Failed(e.into())),
            Poll::Ready(Ok(())) => {}
        }
        let Some(mut turn) = self.home.take() else { return Ok(false) };
        turn.input.eof = self.eof;
        self.fresh = false;
        self.again = false;
        let future = caught(|| self.service.call(turn)).map_err(Cause::Panicked)?;
        call.set(Some(future));
        // A service that had nothing to wait for has its answer ready: it never leaves this poll.
        self.proceed(cx, call)
    }

    /// Polls the request in flight; true when it is done.
    fn proceed(&mut self, cx: &mut Context<'_>, mut call: Pin<&mut Option<S::Future>>) -> Result<bool, Cause> {
        let Some(future) = call.as_mut().as_pin_mut() else { return Ok(false) };
        match caught(|| future.poll(cx)).map_err(Cause::Panicked)? {
            Poll::Pending => Ok(false),
            Poll::Ready(answer) => {
                call.set(None);
                self.settle(answer.map_err(|e| Cause::Failed(e.into()))?)?;
                Ok(true)
            }
        }
    }

    /// Takes the turn back: queues its replies and follows its wish.
    fn settle(&mut self, mut turn: Box<Turn<C>>) -> Result<(), Cause> {
        if self.outgoing.is_empty() {
            std::mem::swap(&mut self.outgoing, &mut turn.out);
        } else {
            self.outgoing.append(&mut turn.out);
        }
        self.adopt_side(&mut turn.input);
        match std::mem::take(&mut turn.next) {
            Next::Read => {}
            Next::Again => self.again = !turn.input.is_empty(),
            Next::Close => self.ending = Some(Ending::Close(Cause::Service)),
            Next::TakeOver => self.ending = Some(Ending::TakeOver),
        }
        if turn.input.len() > self.shared().max_unread() {
            return Err(Cause::Unread);
        }
        self.home = Some(turn);
        self.wind_up();
        Ok(())
    }

    /// With no request in flight: decides whether there is any reason to go on.
    fn wind_up(&mut self) {
        let Some(turn) = &self.home else { return };
        if self.fresh || self.again || self.ending.is_some() {
            return;
        }
        if self.eof && !turn.input.eof && !turn.input.is_empty() {
            // What is left gets a last look, now that it is known to be all.
            self.fresh = true;
        } else if self.eof {
            self.ending = Some(Ending::Close(Cause::Peer));
        } else if self.finishing {
            self.ending = Some(Ending::Close(Cause::Finished));
        }
    }

    /// Puts what was read during the call behind what the call left undecoded.
    fn adopt_side(&mut self, input: &mut Batch<C>) {
        if self.side.is_empty() {
            return;
        }
        let mut side = std::mem::take(&mut self.side);
        if input.src.is_empty() {
            std::mem::swap(&mut input.src, &mut side);
        } else {
            input.src.extend_from_slice(&side);
        }
        spare::put(side);
        self.fresh = true;
    }

    /// Writes what waits; true when that lets the session go on.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Cause> {
        let was_over = self.is_over_high_water();
        while !self.outgoing.is_empty() {
            match Pin::new(&mut self.io).poll_write_out(cx, &mut self.outgoing) {
                Poll::Ready(Ok(_)) => self.touched = true,
                Poll::Ready(Err(e)) => return Err(Cause::from_io(e)),
                Poll::Pending => {
                    self.note_slow_reader()?;
                    return Ok(was_over && !self.is_over_high_water());
                }
            }
        }
        if self.soft.is_some() || self.shared().has_unwritten() {
            self.soft = None;
            self.shared().set_unwritten(0);
        }
        Ok(was_over)
    }

    /// The socket is full and output waits: holds it against the limits.
    #[cold]
    fn note_slow_reader(&mut self) -> Result<(), Cause> {
        let waiting = self.outgoing.len();
        self.shared().set_unwritten(waiting);
        let limits = self.shared().output_limits();
        if waiting > limits.hard {
            return Err(Cause::Overflow);
        }
        if waiting <= limits.soft {
            self.soft = None;
        } else if self.soft.is_none() {
            let mut sleep = self.timer.sleep(limits.soft_for);
            if Pin::new(&mut sleep).poll(&mut Context::from_waker(&self.flagger)).is_ready() {
                return Err(Cause::Overflow);
            }
            self.soft = Some(sleep);
        }
        Ok(())
    }

    /// Reads once, if it may; true when something came, or the end did.
    fn read(&mut self, cx: &mut Context<'_>, blocked: bool) -> Result<bool, Cause> {
        // Once told to finish, it only reads to notice that the peer of a request in flight has left.
        if self.eof || self.ending.is_some() || (self.finishing && !blocked) {
            return Ok(false);
        }
        let buffer = match &mut self.home {
            Some(_) if self.fresh || self.again => return Ok(false), // the service isn't ready for what there is
            Some(_) if self.options.high_water.is_some_and(|high| self.outgoing.len() > high) => return Ok(false),
            Some(turn) => &mut turn.input.src,
            None if self.side.len() >= self.options.max_buffered_while_blocked && !self.finishing => return Ok(false),
            None => &mut self.side,
        };
        if buffer.capacity() == 0 {
            *buffer = spare::take();
        }
        buffer.reserve(self.room);
        let before = buffer.len();
        let room = buffer.capacity() - before;
        // The future of `read_buf` holds nothing of its own, so making one for each poll loses nothing.
        match pin!(self.io.read_buf(buffer)).poll(cx) {
            Poll::Pending => {
                if buffer.is_empty() {
                    spare::put(std::mem::take(buffer));
                }
                Ok(false)
            }
            Poll::Ready(Err(e)) => Err(Cause::from_io(e)),
            Poll::Ready(Ok(0)) => {
                if blocked && self.options.half_close == HalfClose::Cancel {
                    return Err(Cause::Departed);
                }
                self.eof = true;
                self.wind_up();
                Ok(true)
            }
            Poll::Ready(Ok(_)) if self.finishing => {
                // Too late to be begun.
                buffer.truncate(before);
                Ok(true)
            }
            Poll::Ready(Ok(n)) => {
                self.touched = true;
                if n == room {
                    self.room = (self.room * 2).min(self.options.read_buffer_max);
                } else if n < self.room / 4 {
                    self.room = self.options.read_buffer;
                }
                if !blocked {
                    self.fresh = true;
                }
                Ok(true)
            }
        }
    }

    /// The flag is up: takes the mail, and looks at timers and the drain.
    #[cold]
    fn heed(&mut self, blocked: bool) -> Result<(), Cause> {
        // Lowered first: whatever comes from now on raises it again.
        self.registration.shared().unflag();
        let (order, idle) = self.registration.shared().collect(&mut self.outgoing);
        match order {
            Some(Order::Kill(cut)) => return Err(cut.into()),
            Some(Order::Finish) => self.finishing = true,
            None => {}
        }
        let flagger = self.flagger.clone();
        if self.drain.as_mut().is_some_and(|drain| drain.poll_drained(&flagger).is_ready()) {
            self.drain = None;
            self.finishing = true;
        }
        self.wind_up();
        if let Some(limit) = idle {
            self.idle = limit.map(|limit| Idle::new(limit, &self.timer));
        }
        let mut cx = Context::from_waker(&flagger);
        if let Some(idle) = &mut self.idle {
            self.touched |= blocked;
            if idle.poll_expired(&mut cx, &self.timer, &mut self.touched) {
                return Err(Cause::Idle);
            }
        }
        if self.soft.as_mut().is_some_and(|sleep| Pin::new(sleep).poll(&mut cx).is_ready()) {
            return Err(Cause::Overflow);
        }
        Ok(())
    }
}

impl From<Cut> for Cause {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Killed => Cause::Killed,
            Cut::Overflow => Cause::Overflow,
        }
    }
}

impl Cause {
    pub(crate) fn from_io(e: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match e.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset => Cause::Departed,
            _ => Cause::Io(e),
        }
    }
}
