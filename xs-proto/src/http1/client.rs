//! [`Client`]: the machine of a client's side of one connection.
//!
//! Requests are written one behind the other, responses read one behind the other, and the exchanges between the two
//! wait in a queue. A client can always give the connection up, so it does wherever a server would have to be polite: on
//! any fault, and when a response is complete before its request is.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;
use http::{Method, StatusCode};

use super::body::{BodyReader, BodyWriter, Piece};
use super::config::{Limits, Timeouts};
use super::encode::{self, Delimiter, Persistence, Said};
use super::error::{CommandError, Error};
use super::message::{ClientCommand, ClientEvent, Framing, Payload, RequestRef, Spare, StreamId};
use super::request::RequestHead;
use super::response::{ResponseHead, ResponseParser};
use super::timer::{Timer, Waits};
use crate::Out;
use crate::machine::{Machine, Phase};

/// A client's side of one HTTP/1 connection. See the [module page](super).
#[derive(Debug)]
pub struct Client {
    limits: Limits,
    parser: ResponseParser,
    spare: Spare,
    read: Read,
    /// Whether some of the first exchange's response has come.
    answered: bool,
    slots: VecDeque<Slot>,
    first: u64,
    events: VecDeque<ClientEvent>,
    out: Out,
    /// How much of bodies is with the user.
    held: usize,
    timer: Timer,
    /// Whether no further request will be sent.
    last: bool,
    phase: Phase,
}

/// What the next bytes are, when there is an exchange.
#[derive(Debug)]
enum Read {
    Head,
    Body(BodyReader),
}

#[derive(Debug)]
struct Slot {
    head: bool,
    connect: bool,
    upgrade: bool,
    persistent: bool,
    /// The rest of the request's body, while there is one.
    writer: Option<BodyWriter>,
    held: usize,
    blocked: bool,
}

impl Client {
    /// A connection that has just been opened.
    pub fn new(now: Instant, limits: Limits, timeouts: Timeouts) -> Client {
        let mut client = Client {
            limits: limits.sane(),
            parser: ResponseParser::default(),
            spare: Spare::default(),
            read: Read::Head,
            answered: false,
            slots: VecDeque::new(),
            first: 0,
            events: VecDeque::new(),
            out: Out::new(),
            held: 0,
            timer: Timer::new(Timeouts { body_rate: 0, ..timeouts }),
            last: false,
            phase: Phase::Open,
        };
        client.settle(now, true);
        client
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The id that the next request gets.
    pub fn next_stream(&self) -> StreamId {
        StreamId(self.first + self.slots.len() as u64)
    }

    /// Whether a request would be taken now.
    pub fn is_ready(&self) -> bool {
        let free = self.slots.back().is_none_or(|slot| slot.writer.is_none() && !slot.upgrade && !slot.connect);
        self.phase == Phase::Open && !self.last && free && self.slots.len() < self.limits.pipeline
    }

    /// Whether nothing is under way, so that a pool may keep the connection for the next user.
    pub fn is_idle(&self) -> bool {
        self.slots.is_empty() && self.is_ready()
    }

    /// Memory to use again: of a request's fields or map for its response's.
    pub fn spare(&mut self) -> &mut Spare {
        &mut self.spare
    }

    fn index(&self, stream: StreamId) -> Result<Option<usize>, CommandError> {
        match stream.0.checked_sub(self.first).map(|index| index as usize) {
            Some(index) if index < self.slots.len() => Ok(Some(index)),
            Some(_) => Err(CommandError::OutOfTurn),
            None => Ok(None),
        }
    }

    fn run(&mut self, src: &mut BytesMut) -> bool {
        let mut progress = false;
        while self.wants_input() {
            let Some(slot) = self.slots.front_mut() else {
                // Some servers announce that they close an idle connection with an answer to nothing.
                if !src.is_empty() {
                    self.phase = Phase::Aborted;
                }
                break;
            };
            let stream = StreamId(self.first);
            let Read::Body(reader) = &mut self.read else {
                match self.parser.parse(src, &self.limits) {
                    Ok(None) => {
                        self.answered |= !src.is_empty();
                        break;
                    }
                    Ok(Some(len)) => match self.parser.take(src.split_to(len).freeze(), &mut self.spare) {
                        Ok(head) => progress |= self.begin(head),
                        Err(error) => self.fail(error, Error::Abandoned),
                    },
                    Err(error) => self.fail(error, Error::Abandoned),
                }
                continue;
            };
            match reader.read(src, self.limits.receive_window - self.held, &self.limits) {
                Ok(Piece::More) => break,
                Ok(Piece::Data(bytes)) => {
                    slot.held += bytes.len();
                    self.held += bytes.len();
                    self.events.push_back(ClientEvent::Data { stream, bytes });
                }
                Ok(Piece::End(trailers)) => {
                    self.events.push_back(ClientEvent::End { stream, trailers: trailers.map(|fields| *fields) });
                    self.complete();
                }
                Err(error) => self.fail(error, Error::Abandoned),
            }
            progress = true;
        }
        progress
    }

    /// Takes a head, and says whether it is the response's.
    fn begin(&mut self, head: ResponseHead) -> bool {
        let stream = StreamId(self.first);
        let Some(slot) = self.slots.front_mut() else { return false };
        let status = head.status();
        let switching = status == StatusCode::SWITCHING_PROTOCOLS;
        if status.is_informational() && !switching {
            self.answered = true;
            self.events.push_back(ClientEvent::Informed { stream, head });
            return false;
        }
        // Also in the middle of the request: what is left of it would be the first words of the other protocol.
        if switching && (!slot.upgrade || slot.writer.is_some()) {
            self.fail(Error::UnexpectedResponse, Error::Abandoned);
            return true;
        }
        let hand_over = switching || (slot.connect && status.is_success());
        let complete = hand_over || slot.head || head.framing().is_empty() || status == StatusCode::NOT_MODIFIED;
        slot.persistent &= head.is_persistent() && (complete || head.framing() != Framing::UntilClose);
        if !complete {
            match BodyReader::new(head.framing(), &self.limits) {
                Ok(reader) => self.read = Read::Body(reader),
                Err(error) => {
                    self.fail(error, Error::Abandoned);
                    return true;
                }
            }
        }
        self.events.push_back(ClientEvent::Response { stream, head, complete });
        if hand_over {
            self.slots.pop_front();
            self.first += 1;
            self.held = 0;
            self.phase = Phase::HandedOver;
        } else if complete {
            self.complete();
        }
        true
    }

    /// The first response is complete.
    fn complete(&mut self) {
        let Some(slot) = self.slots.pop_front() else { return };
        self.first += 1;
        self.held -= slot.held;
        self.read = Read::Head;
        self.answered = false;
        if !slot.persistent || slot.writer.is_some() {
            self.reset(Error::NoResponse, Error::NoResponse);
            self.phase = Phase::Closing;
        }
    }

    /// The first exchange cannot be completed, and no other one either.
    fn fail(&mut self, error: Error, others: Error) {
        self.reset(error, others);
        self.phase = Phase::Aborted;
    }

    fn reset(&mut self, mut error: Error, others: Error) {
        while self.slots.pop_front().is_some() {
            self.events.push_back(ClientEvent::Reset { stream: StreamId(self.first), error });
            self.first += 1;
            error = others;
        }
        self.held = 0;
    }

    fn settle(&mut self, now: Instant, progress: bool) {
        if self.slots.is_empty() && self.last && self.phase == Phase::Open {
            self.phase = Phase::Closing;
        }
        if self.phase != Phase::Open {
            self.timer.stop();
            return;
        }
        let waits = match (&self.read, self.slots.front()) {
            (_, None) => Waits::Idle,
            (Read::Head, Some(slot)) if slot.writer.is_none() => Waits::Head,
            (Read::Body(_), Some(_)) if self.wants_input() => Waits::Body,
            _ => Waits::None,
        };
        self.timer.set(now, waits, progress);
    }

    /// [`ClientCommand::Request`] with a head that stays the caller's, who may have to send it elsewhere too.
    ///
    /// # Errors
    ///
    /// As for the command.
    pub fn send(&mut self, now: Instant, head: &RequestHead, payload: Payload) -> Result<(), CommandError> {
        let outcome = self.request(RequestRef::Head(head), payload);
        self.settle(now, false);
        outcome
    }

    fn request(&mut self, head: RequestRef<'_>, payload: Payload) -> Result<(), CommandError> {
        if !self.is_ready() {
            return Err(CommandError::OutOfTurn);
        }
        let mark = self.out.len();
        match self.put_request(head, payload) {
            Ok(slot) => {
                self.slots.push_back(slot);
                Ok(())
            }
            Err(error) => {
                self.out.truncate(mark);
                Err(error)
            }
        }
    }

    fn put_request(&mut self, head: RequestRef<'_>, payload: Payload) -> Result<Slot, CommandError> {
        let mut whole = true;
        let out = self.out.inline_mut();
        let said = encode::request(head, out)?;
        let method = head.method();
        let (delimiter, mut writer) = frame(method, &said, &payload)?;
        let persistence = if said.close { Persistence::Close } else { Persistence::Usual };
        encode::finish(&said, delimiter, persistence, None, out);
        match (payload, &mut writer) {
            (Payload::Full(bytes), Some(body)) => body.data(bytes, &mut self.out)?,
            _ => whole = false,
        }
        let writer = writer.filter(|_| !whole);
        self.last |= said.close;
        Ok(Slot {
            head: *method == Method::HEAD,
            connect: *method == Method::CONNECT,
            upgrade: said.wants_upgrade(),
            persistent: !said.close,
            writer,
            held: 0,
            blocked: false,
        })
    }

    /// Writes a piece of the body of the last exchange, the only one that can be incomplete.
    fn body(
        &mut self,
        stream: StreamId,
        write: impl FnOnce(&mut BodyWriter, &mut Out) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let Some(index) = self.index(stream)? else { return Ok(()) };
        let slot = &mut self.slots[index];
        let writer = slot.writer.as_mut().ok_or(CommandError::OutOfTurn)?;
        write(writer, &mut self.out)?;
        slot.blocked |= self.out.len() >= self.limits.send_window;
        Ok(())
    }

    fn obey(&mut self, command: ClientCommand) -> Result<(), CommandError> {
        match command {
            ClientCommand::Request { head, payload } => {
                self.request(head.as_ref(), payload)?;
                head.give(&mut self.spare);
                Ok(())
            }
            ClientCommand::Data { stream, bytes } => self.body(stream, |writer, out| writer.data(bytes, out)),
            ClientCommand::End { stream, trailers } => {
                let ended = self.body(stream, |writer, out| writer.end(trailers, out));
                if let (Ok(()), Ok(Some(index))) = (ended, self.index(stream)) {
                    self.slots[index].writer = None;
                } else if ended == Err(CommandError::TooLittle) {
                    self.fail(Error::Abandoned, Error::Abandoned);
                }
                ended
            }
            ClientCommand::Consumed { stream, len } => {
                if let Some(index) = self.index(stream)? {
                    let len = len.min(self.slots[index].held);
                    self.slots[index].held -= len;
                    self.held -= len;
                }
                Ok(())
            }
            ClientCommand::Abort { stream } => {
                if self.index(stream)?.is_some() {
                    self.fail(Error::Abandoned, Error::Abandoned);
                }
                Ok(())
            }
            ClientCommand::Shutdown => {
                self.last = true;
                Ok(())
            }
        }
    }
}

/// How a request's body is framed, and what of it is still to come after a payload that is not whole.
fn frame(method: &Method, said: &Said, payload: &Payload) -> Result<(Delimiter, Option<BodyWriter>), CommandError> {
    let known = match payload {
        Payload::Empty => Some(0),
        Payload::Full(bytes) => Some(bytes.len() as u64),
        Payload::Sized(len) => Some(*len),
        Payload::Streamed => said.content_length,
    };
    if said.content_length.is_some() && said.content_length != known {
        return Err(CommandError::Framing);
    }
    if *method == Method::CONNECT {
        return if known == Some(0) { Ok((Delimiter::None, None)) } else { Err(CommandError::Framing) };
    }
    Ok(match known {
        // A method that usually has a body says that there is none (RFC 9110, section 8.6).
        Some(0) if matches!(payload, Payload::Empty) => {
            let usual = [Method::POST, Method::PUT, Method::PATCH].contains(method);
            let told = usual || said.content_length.is_some();
            (if told { Delimiter::Length(0) } else { Delimiter::None }, None)
        }
        Some(len) => (Delimiter::Length(len), Some(BodyWriter::Sized(len))),
        None => (Delimiter::Chunked, Some(BodyWriter::Chunked)),
    })
}

impl Machine for Client {
    type Stream = StreamId;
    type Event = ClientEvent;
    type Command = ClientCommand;
    type Error = CommandError;

    fn handle_input(&mut self, now: Instant, src: &mut BytesMut) {
        let progress = self.run(src);
        self.settle(now, progress);
    }

    fn handle_eof(&mut self, now: Instant, src: &mut BytesMut) {
        let progress = self.run(src);
        if self.wants_input() {
            match &self.read {
                _ if self.slots.is_empty() => self.phase = Phase::Closing,
                Read::Body(BodyReader::UntilClose(_)) => {
                    self.events.push_back(ClientEvent::End { stream: StreamId(self.first), trailers: None });
                    self.complete();
                }
                Read::Body(_) => self.fail(Error::Truncated, Error::NoResponse),
                Read::Head if self.answered => self.fail(Error::Truncated, Error::NoResponse),
                Read::Head => self.fail(Error::NoResponse, Error::NoResponse),
            }
        }
        self.settle(now, progress);
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self.timer.expired(now) {
            Waits::None => return,
            Waits::Idle => self.phase = Phase::Closing,
            Waits::Head => self.fail(Error::HeadTimeout, Error::NoResponse),
            Waits::Body => self.fail(Error::BodyTimeout, Error::NoResponse),
        }
        self.settle(now, true);
    }

    fn command(&mut self, now: Instant, command: ClientCommand) -> Result<(), CommandError> {
        let outcome = self.obey(command);
        self.settle(now, false);
        outcome
    }

    #[inline]
    fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn poll_transmit(&mut self, out: &mut Out) -> bool {
        let full = self.out.len() >= self.limits.send_window;
        let any = !self.out.is_empty();
        out.append(&mut self.out);
        let stream = StreamId((self.first + self.slots.len() as u64).wrapping_sub(1));
        if let Some(slot) = self.slots.back_mut()
            && slot.writer.is_some()
            && (std::mem::take(&mut slot.blocked) || full)
        {
            self.events.push_back(ClientEvent::Writable { stream });
        }
        any
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timer.deadline()
    }

    fn wants_input(&self) -> bool {
        let room = matches!(self.read, Read::Head) || self.held < self.limits.receive_window;
        self.phase == Phase::Open && room
    }

    fn window(&self, stream: StreamId) -> usize {
        match self.index(stream) {
            Ok(Some(index)) if self.slots[index].writer.is_some() => {
                self.limits.send_window.saturating_sub(self.out.len())
            }
            _ => 0,
        }
    }

    fn phase(&self) -> Phase {
        if self.out.is_empty() || self.phase == Phase::Aborted { self.phase } else { Phase::Open }
    }
}
