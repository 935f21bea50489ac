//! [`Server`]: the machine of a server's side of one connection.
//!
//! Requests are read one behind the other; up to a bound of them may be under way at once, each in a [`Slot`] of a
//! queue. The first slot writes straight into the outgoing bytes, the others into buffers of their own that are appended
//! when their turn comes:
//!
//! ```text
//!   src ──▶ Read ──▶ slot 7   slot 8   slot 9        Head ──▶ Body ──▶ Head ──▶ … ──▶ Stopped
//!                      │        └ out    └ out         └──▶ Paused: the answer decides about the protocol
//!                      ▼
//!                     out ──▶ poll_transmit
//! ```
//!
//! This file has what happens to the machine; `respond` has what its user does.

mod respond;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;
use http::{Method, Version};

use super::body::{BodyReader, BodyWriter, Piece};
use super::config::{Limits, Timeouts};
use super::encode::DateLine;
use super::error::{CommandError, Error};
use super::message::{AnyResponse, Payload, ServerCommand, ServerEvent, Spare, StreamId};
use super::request::{RequestHead, RequestParser};
use super::timer::{Timer, Waits};
use crate::Out;
use crate::machine::{Machine, Phase};

/// A server's side of one HTTP/1 connection. See the [module page](super).
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    parser: RequestParser,
    spare: Spare,
    read: Read,
    /// Whether part of a head has come.
    partial: bool,
    /// The exchanges under way, in the order of their requests.
    slots: VecDeque<Slot>,
    /// The number of the first of them.
    first: u64,
    events: VecDeque<ServerEvent>,
    /// What can be sent.
    out: Out,
    /// How much waits in the slots behind the first.
    behind: usize,
    /// How much of bodies is with the user.
    held: usize,
    date: Option<DateLine>,
    timer: Timer,
    shutdown: bool,
    phase: Phase,
}

/// What the next bytes are.
#[derive(Debug)]
enum Read {
    Head,
    /// The body of the last exchange.
    Body(BodyReader),
    /// The rest of a body whose exchange is complete, and how much of it will be read at most.
    Drain(BodyReader, u64),
    /// Perhaps another protocol: the last exchange asked for one and is not answered.
    Paused,
    /// Nothing that matters.
    Stopped,
}

/// One exchange.
#[derive(Debug)]
struct Slot {
    stage: Stage,
    head: bool,
    connect: bool,
    upgrade: bool,
    version: Version,
    persistent: bool,
    /// Whether the client waits for leave to send its body, as far as we know.
    waits: bool,
    /// Whether all of the request has come.
    received: bool,
    /// How much of the request's body is with the user.
    held: usize,
    /// What waits behind earlier exchanges; mostly nothing does.
    out: Option<Box<Out>>,
    /// Whether the user has filled the window.
    blocked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No response yet.
    Waiting,
    /// The response's body is under way; whether the connection closes behind it.
    Body(BodyWriter, bool),
    Done(After),
}

/// What follows an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Next,
    Close,
    HandOver,
    Abort,
}

impl Server {
    /// A connection that has just been accepted.
    pub fn new(now: Instant, limits: Limits, timeouts: Timeouts) -> Server {
        let mut server = Server {
            limits: limits.sane(),
            parser: RequestParser::default(),
            spare: Spare::default(),
            read: Read::Head,
            partial: false,
            slots: VecDeque::new(),
            first: 0,
            events: VecDeque::new(),
            out: Out::new(),
            behind: 0,
            held: 0,
            date: None,
            timer: Timer::new(timeouts),
            shutdown: false,
            phase: Phase::Open,
        };
        server.settle(now, true);
        server
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many exchanges are under way.
    pub fn exchanges(&self) -> usize {
        self.slots.len()
    }

    /// Memory to use again: of a head's fields for the next head, of a response's map for the next request's.
    pub fn spare(&mut self) -> &mut Spare {
        &mut self.spare
    }

    /// [`ServerCommand::Respond`] with a head that stays the caller's: a large value need not be moved.
    ///
    /// # Errors
    ///
    /// As for the command.
    pub fn respond(
        &mut self,
        now: Instant,
        stream: StreamId,
        head: &AnyResponse,
        payload: Payload,
    ) -> Result<(), CommandError> {
        let outcome = match self.index(stream) {
            Ok(Some(index)) => self.put_response(index, head, payload),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        self.settle(now, false);
        outcome
    }

    fn index(&self, stream: StreamId) -> Result<Option<usize>, CommandError> {
        match stream.0.checked_sub(self.first).map(|index| index as usize) {
            Some(index) if index < self.slots.len() => Ok(Some(index)),
            Some(_) => Err(CommandError::OutOfTurn),
            None => Ok(None),
        }
    }

    fn last_stream(&self) -> StreamId {
        StreamId(self.first + self.slots.len() as u64 - 1)
    }

    /// Reads as far as input and windows allow, and says whether anything was taken or found out.
    fn run(&mut self, src: &mut BytesMut) -> bool {
        let mut progress = false;
        while self.wants_input() {
            let more = match self.read {
                Read::Head => self.read_head(src),
                Read::Body(_) => self.read_body(src),
                Read::Drain(..) => self.drain(src),
                Read::Paused | Read::Stopped => false,
            };
            if !more {
                break;
            }
            progress = true;
        }
        progress
    }

    fn read_head(&mut self, src: &mut BytesMut) -> bool {
        if let Some(head) = self.parser.whole(src, &self.limits, &mut self.spare) {
            self.partial = false;
            self.start(head);
            return true;
        }
        let head = match self.parser.parse(src, &self.limits) {
            Ok(None) => {
                self.partial = !self.parser.is_idle(src);
                return false;
            }
            Ok(Some(len)) => {
                self.partial = false;
                self.parser.take(src.split_to(len).freeze(), &mut self.spare)
            }
            Err(error) => Err(error),
        };
        match head {
            Ok(head) => self.start(head),
            Err(error) => self.refuse(error),
        }
        true
    }

    fn start(&mut self, head: Box<RequestHead>) {
        if head.framing().is_empty() {
            return self.begin(head, None);
        }
        match BodyReader::new(head.framing(), &self.limits) {
            Ok(reader) => self.begin(head, Some(reader)),
            Err(error) => self.refuse(error),
        }
    }

    #[inline]
    fn begin(&mut self, head: Box<RequestHead>, reader: Option<BodyReader>) {
        let received = reader.is_none();
        self.slots.push_back(Slot {
            stage: Stage::Waiting,
            head: *head.method() == Method::HEAD,
            connect: *head.method() == Method::CONNECT,
            upgrade: head.wants_upgrade(),
            version: head.version(),
            persistent: head.is_persistent(),
            waits: head.expects_continue(),
            received,
            held: 0,
            out: None,
            blocked: false,
        });
        if let Some(reader) = reader {
            self.read = Read::Body(reader);
            self.timer.begin_body();
        }
        self.events.push_back(ServerEvent::Request { stream: self.last_stream(), head });
        if received {
            self.end_of_request();
        }
    }

    fn read_body(&mut self, src: &mut BytesMut) -> bool {
        let window = self.limits.receive_window - self.held;
        let (stream, Read::Body(reader), Some(slot)) = (self.last_stream(), &mut self.read, self.slots.back_mut())
        else {
            return false;
        };
        match reader.read(src, window, &self.limits) {
            Ok(Piece::More) => return false,
            Ok(Piece::Data(bytes)) => {
                slot.waits = false;
                self.timer.came(bytes.len());
                slot.held += bytes.len();
                self.held += bytes.len();
                self.events.push_back(ServerEvent::Data { stream, bytes });
            }
            Ok(Piece::End(trailers)) => {
                slot.received = true;
                self.events.push_back(ServerEvent::End { stream, trailers });
                self.end_of_request();
            }
            Err(error) => self.break_off(error),
        }
        true
    }

    /// Decides what comes behind the last request, all of which has come.
    fn end_of_request(&mut self) {
        self.read = match self.slots.back_mut() {
            Some(slot) => {
                slot.received = true;
                slot.waits = false;
                match slot.stage {
                    Stage::Waiting if slot.upgrade => Read::Paused,
                    _ if !slot.persistent || self.shutdown => Read::Stopped,
                    _ => Read::Head,
                }
            }
            None if self.shutdown => Read::Stopped,
            None => Read::Head,
        };
    }

    fn drain(&mut self, src: &mut BytesMut) -> bool {
        let Read::Drain(reader, budget) = &mut self.read else { return false };
        let most = usize::try_from(*budget).unwrap_or(usize::MAX);
        match reader.read(src, most.max(1), &self.limits) {
            Ok(Piece::More) => return false,
            Ok(Piece::Data(bytes)) if bytes.len() as u64 <= *budget => {
                *budget -= bytes.len() as u64;
                self.timer.came(bytes.len());
            }
            Ok(Piece::End(_)) => self.end_of_request(),
            Ok(Piece::Data(_)) | Err(_) => self.read = Read::Stopped,
        }
        true
    }

    /// Gives up the exchange whose body cannot be read any further.
    #[cold]
    fn break_off(&mut self, error: Error) {
        let stream = self.last_stream();
        self.read = Read::Stopped;
        self.events.push_back(ServerEvent::Reset { stream, error });
        let last = self.slots.len() - 1;
        let after = match self.slots[last].stage {
            Stage::Waiting => {
                self.answer(last, error.status());
                After::Close
            }
            Stage::Body(..) => After::Abort,
            Stage::Done(After::Next) => After::Close,
            Stage::Done(after) => after,
        };
        self.slots[last].stage = Stage::Done(after);
    }

    /// Answers what was no request, behind everything else.
    #[cold]
    fn refuse(&mut self, error: Error) {
        self.read = Read::Stopped;
        self.events.push_back(ServerEvent::Refused { error });
        if error == Error::Truncated {
            return; // who has left, or has ended its side in the middle of a word, is not waiting for an answer
        }
        self.slots.push_back(Slot {
            stage: Stage::Done(After::Close),
            head: false,
            connect: false,
            upgrade: false,
            version: Version::HTTP_11,
            persistent: false,
            waits: false,
            received: true,
            held: 0,
            out: None,
            blocked: false,
        });
        self.answer(self.slots.len() - 1, error.status());
    }

    /// Retires complete exchanges from the front, decides about the connection, and sets the timer. Whatever changed
    /// the machine ends with this.
    fn settle(&mut self, now: Instant, progress: bool) {
        while let Some(Slot { stage: Stage::Done(after), .. }) = self.slots.front() {
            let after = *after;
            let Some(slot) = self.slots.pop_front() else { break };
            self.first += 1;
            self.held -= slot.held;
            match after {
                After::Next => {
                    if let Some(next) = self.slots.front_mut() {
                        if let Some(mut out) = next.out.take() {
                            self.behind -= out.len();
                            self.out.append(&mut out);
                        }
                        // It may have seen a window that others had filled.
                        next.blocked = true;
                    }
                    if !slot.received {
                        self.drop_rest();
                    }
                }
                After::Close => self.stop(Phase::Closing),
                After::HandOver => self.stop(Phase::HandedOver),
                After::Abort => self.stop(Phase::Aborted),
            }
        }
        if self.slots.is_empty() && matches!(self.read, Read::Stopped) && self.phase == Phase::Open {
            self.phase = Phase::Closing;
        }
        if self.phase != Phase::Open {
            self.timer.stop();
            return;
        }
        let waits = match &self.read {
            Read::Head if self.partial && self.slots.len() < self.limits.pipeline => Waits::Head,
            Read::Head if self.slots.is_empty() => Waits::Idle,
            Read::Body(_) if self.slots.back().is_some_and(|slot| slot.waits) => Waits::None,
            Read::Body(_) | Read::Drain(..) if self.wants_input() => Waits::Body,
            _ => Waits::None,
        };
        self.timer.set(now, waits, progress);
    }

    /// The response is complete and its request is not: reads and drops the rest if it is short.
    #[cold]
    fn drop_rest(&mut self) {
        self.read = match std::mem::replace(&mut self.read, Read::Stopped) {
            Read::Body(reader) if reader.left().is_none_or(|left| left <= self.limits.drain) => {
                Read::Drain(reader, self.limits.drain)
            }
            Read::Body(_) => Read::Stopped,
            other => other,
        };
    }

    /// Nothing more is read or answered.
    #[cold]
    fn stop(&mut self, phase: Phase) {
        self.read = Read::Stopped;
        if self.phase == Phase::Open {
            self.phase = phase;
        }
        for (at, slot) in self.slots.drain(..).enumerate() {
            // A complete one has told its end already, or was refused and has no user.
            if !matches!(slot.stage, Stage::Done(_)) {
                let stream = StreamId(self.first + at as u64);
                self.events.push_back(ServerEvent::Reset { stream, error: Error::Abandoned });
            }
            self.first += 1;
        }
        (self.held, self.behind) = (0, 0);
    }
}

impl Machine for Server {
    type Stream = StreamId;
    type Event = ServerEvent;
    type Command = ServerCommand;
    type Error = CommandError;

    fn handle_input(&mut self, now: Instant, src: &mut BytesMut) {
        let progress = self.run(src);
        self.settle(now, progress);
    }

    fn handle_eof(&mut self, now: Instant, src: &mut BytesMut) {
        let progress = self.run(src);
        if self.wants_input() {
            match self.read {
                Read::Head if self.partial => self.refuse(Error::Truncated),
                Read::Body(_) => self.break_off(Error::Truncated),
                _ => self.read = Read::Stopped,
            }
        }
        self.settle(now, progress);
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self.timer.expired(now) {
            Waits::None => return,
            Waits::Idle => self.read = Read::Stopped,
            // Nothing is read while the responses in front wait to be taken: the rest of the head may be there.
            Waits::Head if self.out.len() >= self.limits.send_window => {}
            Waits::Head => self.refuse(Error::HeadTimeout),
            Waits::Body if matches!(self.read, Read::Body(_)) => self.break_off(Error::BodyTimeout),
            Waits::Body => self.read = Read::Stopped,
        }
        self.settle(now, true);
    }

    fn command(&mut self, now: Instant, command: ServerCommand) -> Result<(), CommandError> {
        let outcome = self.obey(command);
        self.settle(now, false);
        outcome
    }

    #[inline]
    fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    fn poll_transmit(&mut self, out: &mut Out) -> bool {
        let any = !self.out.is_empty();
        let full = self.out.len() >= self.limits.send_window;
        if any {
            out.append(&mut self.out);
        }
        if let Some(slot) = self.slots.front_mut()
            && matches!(slot.stage, Stage::Body(..))
            && (std::mem::take(&mut slot.blocked) || full)
        {
            self.events.push_back(ServerEvent::Writable { stream: StreamId(self.first) });
        }
        any
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timer.deadline()
    }

    fn wants_input(&self) -> bool {
        self.phase == Phase::Open
            && match self.read {
                Read::Head => {
                    self.events.is_empty()
                        && self.slots.len() < self.limits.pipeline
                        && self.out.len() < self.limits.send_window
                }
                Read::Body(_) => self.held < self.limits.receive_window,
                Read::Drain(..) => true,
                Read::Paused | Read::Stopped => false,
            }
    }

    fn window(&self, stream: StreamId) -> usize {
        match self.index(stream) {
            Ok(Some(0)) => self.limits.send_window.saturating_sub(self.out.len()),
            Ok(Some(_)) => self.limits.send_window.saturating_sub(self.behind),
            _ => 0,
        }
    }

    fn phase(&self) -> Phase {
        if self.out.is_empty() || self.phase == Phase::Aborted { self.phase } else { Phase::Open }
    }
}
