//! What a server's user does: responses and their bodies, and the rules on which responses may have one.

use bytes::Bytes;
use http::{StatusCode, Version};

use super::super::body::BodyWriter;
use super::super::encode::{self, DateLine, Delimiter, Persistence, Said};
use super::super::error::CommandError;
use super::super::message::{AnyResponse, Payload, ServerCommand};
use super::super::response::is_interim;
use super::{After, Read, Server, Stage};
use crate::Out;

impl Server {
    pub(super) fn obey(&mut self, command: ServerCommand) -> Result<(), CommandError> {
        match command {
            ServerCommand::Respond { stream, head, payload } => match self.index(stream)? {
                Some(index) => {
                    self.put_response(index, &head, payload)?;
                    self.spare.put_response(head);
                    Ok(())
                }
                None => Ok(()),
            },
            ServerCommand::Data { stream, bytes } => match self.index(stream)? {
                Some(index) => self.body(index, |writer, out| writer.data(bytes, out)),
                None => Ok(()),
            },
            ServerCommand::External { stream, chunk, len } => match self.index(stream)? {
                Some(index) => self.body(index, |writer, out| writer.external(chunk, len, out)),
                None => Ok(()),
            },
            ServerCommand::End { stream, trailers } => {
                let Some(index) = self.index(stream)? else { return Ok(()) };
                let Stage::Body(writer, close) = self.slots[index].stage else { return self.ended(index) };
                match self.write(index, |out| writer.end(trailers, out)) {
                    Ok(()) => self.complete(index, close),
                    Err(CommandError::TooLittle) => {
                        self.slots[index].stage = Stage::Done(After::Abort);
                        return Err(CommandError::TooLittle);
                    }
                    Err(error) => return Err(error),
                }
                Ok(())
            }
            ServerCommand::Consumed { stream, len } => {
                if let Some(index) = self.index(stream)? {
                    let len = len.min(self.slots[index].held);
                    self.slots[index].held -= len;
                    self.held -= len;
                }
                Ok(())
            }
            ServerCommand::Continue { stream } => {
                if let Some(index) = self.index(stream)?
                    && self.slots[index].waits
                    && self.slots[index].stage == Stage::Waiting
                {
                    self.slots[index].waits = false;
                    self.write(index, |out| out.put_slice(b"HTTP/1.1 100 Continue\r\n\r\n"));
                }
                Ok(())
            }
            ServerCommand::Inform { stream, head } => {
                let Some(index) = self.index(stream)? else { return Ok(()) };
                is_interim(head.status())?;
                if self.slots[index].stage != Stage::Waiting {
                    return self.ended(index);
                }
                if self.slots[index].version == Version::HTTP_10 {
                    return Ok(());
                }
                if head.status() == StatusCode::CONTINUE {
                    self.slots[index].waits = false;
                }
                self.write(index, |out| {
                    attempt(out, |out| {
                        let mut said = Said::default();
                        encode::response(&head, &mut said, out)?;
                        encode::finish(&said, Delimiter::None, Persistence::Usual, None, out);
                        Ok(())
                    })
                })
            }
            ServerCommand::Abort { stream } => {
                let Some(index) = self.index(stream)? else { return Ok(()) };
                match self.slots[index].stage {
                    Stage::Waiting => {
                        self.answer(index, StatusCode::INTERNAL_SERVER_ERROR);
                        self.slots[index].stage = Stage::Done(After::Close);
                    }
                    Stage::Body(..) => self.slots[index].stage = Stage::Done(After::Abort),
                    Stage::Done(_) => {}
                }
                Ok(())
            }
            ServerCommand::Date(date) => {
                self.date = Some(DateLine::new(&date));
                Ok(())
            }
            ServerCommand::Shutdown => {
                self.shutdown = true;
                // A request of which a part has come is not under way yet: the client may send it elsewhere.
                if matches!(self.read, Read::Head) {
                    self.read = Read::Stopped;
                }
                Ok(())
            }
        }
    }

    /// A command for an exchange that it does not fit: it is ignored where the exchange is complete, as data is after the
    /// response to `HEAD`.
    fn ended(&self, index: usize) -> Result<(), CommandError> {
        if matches!(self.slots[index].stage, Stage::Done(_)) { Ok(()) } else { Err(CommandError::OutOfTurn) }
    }

    /// Writes to where an exchange's bytes go.
    fn write<T>(&mut self, index: usize, write: impl FnOnce(&mut Out) -> T) -> T {
        if index == 0 {
            return write(&mut self.out);
        }
        let out = self.slots[index].out.get_or_insert_default();
        let before = out.len();
        let outcome = write(out);
        self.behind = self.behind + out.len() - before;
        outcome
    }

    fn body(
        &mut self,
        index: usize,
        write: impl FnOnce(&mut BodyWriter, &mut Out) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let Stage::Body(mut writer, close) = self.slots[index].stage else { return self.ended(index) };
        self.write(index, |out| write(&mut writer, out))?;
        let window = if index == 0 { self.out.len() } else { self.behind };
        let slot = &mut self.slots[index];
        slot.stage = Stage::Body(writer, close);
        slot.blocked |= window >= self.limits.send_window;
        Ok(())
    }

    pub(super) fn put_response(
        &mut self,
        index: usize,
        head: &AnyResponse,
        payload: Payload,
    ) -> Result<(), CommandError> {
        let slot = &self.slots[index];
        if slot.stage != Stage::Waiting {
            return self.ended(index);
        }
        let status = head.status();
        let switching = status == StatusCode::SWITCHING_PROTOCOLS;
        // A protocol changes behind the request, not in its middle: the rest would be taken for the other one's.
        let may_switch = slot.upgrade && !slot.connect && slot.received;
        if status.is_informational() && !(switching && may_switch) {
            return Err(CommandError::Status);
        }
        let hand_over = switching || (slot.connect && status.is_success());
        // A body that was held back may or may not come now: there is no telling it from the next request.
        let unasked = slot.waits && !slot.received;
        // And a body that is too long to be dropped ends the connection; the client learns it now rather than later.
        let whole = matches!(payload, Payload::Empty | Payload::Full(_));
        let endless = match &self.read {
            Read::Body(reader) if whole && !slot.received => reader.left().is_some_and(|left| left > self.limits.drain),
            _ => false,
        };
        let rules = Rules {
            hand_over,
            bodiless: slot.head || status == StatusCode::NOT_MODIFIED,
            contentless: hand_over || status == StatusCode::NO_CONTENT,
            version: slot.version,
            close: !slot.persistent || unasked || endless || (self.shutdown && index + 1 == self.slots.len()),
        };
        let date = self.date.as_ref();
        let stage = if index == 0 {
            rules.attempt(head, payload, date, &mut self.out)?
        } else {
            let out = self.slots[index].out.get_or_insert_default();
            let before = out.len();
            let stage = rules.attempt(head, payload, date, out)?;
            self.behind = self.behind + out.len() - before;
            stage
        };
        if self.slots[index].upgrade {
            self.answered(index);
        }
        self.slots[index].stage = stage;
        Ok(())
    }

    /// If the protocol was in question, it no longer is.
    fn answered(&mut self, index: usize) {
        let asked = std::mem::take(&mut self.slots[index].upgrade);
        if asked && matches!(self.read, Read::Paused) {
            let stopped = !self.slots[index].persistent || self.shutdown;
            self.read = if stopped { Read::Stopped } else { Read::Head };
        }
    }

    fn complete(&mut self, index: usize, close: bool) {
        self.slots[index].stage = Stage::Done(if close { After::Close } else { After::Next });
    }

    /// Answers on the machine's own account, and closes.
    pub(super) fn answer(&mut self, index: usize, status: StatusCode) {
        let date = self.date;
        let head = AnyResponse::from(status);
        self.write(index, |out| {
            let out = out.inline_mut();
            let mut said = Said::default();
            // A head without fields cannot be refused.
            if encode::response(&head, &mut said, out).is_ok() {
                encode::finish(&said, Delimiter::Length(0), Persistence::Close, date.as_ref(), out);
            }
        });
    }
}

/// Takes back what was written if it turned out wrong.
fn attempt(out: &mut Out, write: impl FnOnce(&mut Vec<u8>) -> Result<(), CommandError>) -> Result<(), CommandError> {
    let mark = out.len();
    let outcome = write(out.inline_mut());
    if outcome.is_err() {
        out.truncate(mark);
    }
    outcome
}

/// What decides how a response is framed (RFC 9112, section 6.3).
#[derive(Debug)]
struct Rules {
    hand_over: bool,
    /// There is no body, though its length may be told.
    bodiless: bool,
    /// There is no body, and no length.
    contentless: bool,
    version: Version,
    close: bool,
}

impl Rules {
    /// Writes all of it or nothing.
    #[inline]
    fn attempt(
        &self,
        head: &AnyResponse,
        payload: Payload,
        date: Option<&DateLine>,
        out: &mut Out,
    ) -> Result<Stage, CommandError> {
        let mark = out.len();
        let written = self.write(head, payload, date, out);
        if written.is_err() {
            out.truncate(mark);
        }
        written
    }

    /// Writes the head, and the body if that is all there, and says what the exchange is then at.
    #[inline]
    fn write(
        &self,
        head: &AnyResponse,
        payload: Payload,
        date: Option<&DateLine>,
        out: &mut Out,
    ) -> Result<Stage, CommandError> {
        let inline = out.inline_mut();
        let mut said = Said::default();
        encode::response(head, &mut said, inline)?;
        let close = self.close || said.close;
        let known = match &payload {
            Payload::Empty => Some(0),
            Payload::Full(bytes) => Some(bytes.len() as u64),
            Payload::Sized(len) => Some(*len),
            Payload::Streamed => said.content_length,
        };
        let (delimiter, writer) = if self.contentless {
            if known.is_some_and(|len| len > 0) || said.content_length.is_some_and(|len| len > 0) {
                return Err(CommandError::Framing);
            }
            (Delimiter::None, None)
        } else if self.bodiless {
            (self.told(&said, &payload, known)?, None)
        } else {
            if said.content_length.is_some() && said.content_length != known {
                return Err(CommandError::Framing);
            }
            match known {
                Some(len) => (Delimiter::Length(len), Some(BodyWriter::Sized(len))),
                None if self.version == Version::HTTP_10 => (Delimiter::None, Some(BodyWriter::UntilClose)),
                None => (Delimiter::Chunked, Some(BodyWriter::Chunked)),
            }
        };
        let close = close || writer == Some(BodyWriter::UntilClose);
        let persistence = match (close, self.version) {
            _ if self.hand_over => Persistence::Usual,
            (true, _) => Persistence::Close,
            (false, Version::HTTP_10) => Persistence::KeepAlive,
            (false, _) => Persistence::Usual,
        };
        encode::finish(&said, delimiter, persistence, date, inline);
        let done = if close { After::Close } else { After::Next };
        Ok(match writer {
            _ if self.hand_over => Stage::Done(After::HandOver),
            None => Stage::Done(done),
            Some(writer) => match payload {
                Payload::Empty => Stage::Done(done),
                // Its length is the one that was told.
                Payload::Full(bytes) => {
                    out.put_bytes(bytes);
                    Stage::Done(done)
                }
                Payload::Sized(_) | Payload::Streamed => Stage::Body(writer, close),
            },
        })
    }

    /// The length to tell where the body itself is not sent: what the user says in one way or the other.
    fn told(&self, said: &Said, payload: &Payload, known: Option<u64>) -> Result<Delimiter, CommandError> {
        let silent = matches!(payload, Payload::Empty | Payload::Streamed);
        match (said.content_length, known) {
            (Some(said), _) if silent => Ok(Delimiter::Length(said)),
            (Some(said), Some(known)) if said != known => Err(CommandError::Framing),
            (Some(said), _) => Ok(Delimiter::Length(said)),
            (None, Some(known)) if !silent && known > 0 => Ok(Delimiter::Length(known)),
            (None, _) => Ok(Delimiter::None),
        }
    }
}

/// A body as one piece.
impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Payload {
        if bytes.is_empty() { Payload::Empty } else { Payload::Full(bytes) }
    }
}
