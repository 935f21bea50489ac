//! A driver without a socket, and events as lines of text.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::StatusCode;
use xs_proto::http1::{
    AnyResponse, Client, ClientCommand, ClientEvent, CommandError, Error, Limits, Payload, ResponseHead, Server,
    ServerCommand, ServerEvent, StreamId, Timeouts,
};
use xs_proto::machine::Phase;
use xs_proto::{Machine, Out};

/// A machine, its read buffer, and a time that passes when told to.
pub(crate) struct Wire<M: Machine> {
    pub(crate) machine: M,
    pub(crate) now: Instant,
    pub(crate) src: BytesMut,
    ended: bool,
    told: VecDeque<M::Event>,
}

impl<M: Machine<Error = CommandError>> Wire<M> {
    fn over(machine: M, now: Instant) -> Wire<M> {
        Wire { machine, now, src: BytesMut::new(), ended: false, told: VecDeque::new() }
    }

    pub(crate) fn feed(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.src.extend_from_slice(bytes.as_ref());
        self.machine.handle_input(self.now, &mut self.src);
        self.pump();
        self
    }

    pub(crate) fn eof(&mut self) -> &mut Self {
        self.ended = true;
        self.machine.handle_eof(self.now, &mut self.src);
        self.pump();
        self
    }

    pub(crate) fn command(&mut self, command: M::Command) -> Result<(), CommandError> {
        let outcome = self.machine.command(self.now, command);
        self.pump();
        outcome
    }

    /// Takes the events, and shows the machine again what it has left in the buffer.
    fn pump(&mut self) {
        loop {
            let before = (self.told.len(), self.src.len());
            self.told.extend(std::iter::from_fn(|| self.machine.poll_event()));
            if !self.machine.wants_input() || (self.src.is_empty() && !self.ended) {
                return;
            }
            if self.ended {
                self.machine.handle_eof(self.now, &mut self.src);
            } else {
                self.machine.handle_input(self.now, &mut self.src);
            }
            self.told.extend(std::iter::from_fn(|| self.machine.poll_event()));
            if (self.told.len(), self.src.len()) == before {
                return;
            }
        }
    }

    /// Lets time pass, the machine's deadlines included.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.machine.poll_timeout().filter(|&deadline| deadline <= end) {
            self.now = deadline;
            self.machine.handle_timeout(deadline);
            assert_ne!(self.machine.poll_timeout(), Some(deadline), "a driver would spin");
        }
        self.now = end;
    }

    pub(crate) fn sent(&mut self) -> String {
        String::from_utf8(self.sent_bytes()).unwrap()
    }

    pub(crate) fn sent_bytes(&mut self) -> Vec<u8> {
        let mut out = Out::new();
        self.machine.poll_transmit(&mut out);
        out.to_vec()
    }

    pub(crate) fn next(&mut self) -> Option<M::Event> {
        self.pump();
        self.told.pop_front()
    }

    pub(crate) fn raw_events(&mut self) -> Vec<M::Event> {
        std::iter::from_fn(|| self.next()).collect()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.machine.phase()
    }
}

/// An instant can only be made by reading one. It is an anchor: from here on time passes by arithmetic.
#[allow(clippy::disallowed_methods)]
fn start() -> Instant {
    Instant::now()
}

pub(crate) fn server() -> Wire<Server> {
    server_with(Limits::SERVER)
}

pub(crate) fn server_with(limits: Limits) -> Wire<Server> {
    let now = start();
    Wire::over(Server::new(now, limits, Timeouts::DEFAULT), now)
}

pub(crate) fn client() -> Wire<Client> {
    client_with(Limits::CLIENT)
}

pub(crate) fn client_with(limits: Limits) -> Wire<Client> {
    let now = start();
    Wire::over(Client::new(now, limits, Timeouts::DEFAULT), now)
}

impl Wire<Server> {
    pub(crate) fn respond(&mut self, stream: u64, status: u16, payload: Payload) -> Result<(), CommandError> {
        let head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
        self.respond_with(stream, head, payload)
    }

    pub(crate) fn respond_with(
        &mut self,
        stream: u64,
        head: impl Into<AnyResponse>,
        payload: Payload,
    ) -> Result<(), CommandError> {
        self.command(ServerCommand::Respond { stream: StreamId(stream), head: head.into(), payload })
    }

    pub(crate) fn events(&mut self) -> Vec<String> {
        self.raw_events().iter().map(server_line).collect()
    }

    /// Why the first thing on a connection was refused, if it was.
    pub(crate) fn refusal(input: impl AsRef<[u8]>) -> Option<Error> {
        let mut wire = server();
        wire.feed(input);
        wire.raw_events().into_iter().find_map(|event| match event {
            ServerEvent::Refused { error } | ServerEvent::Reset { error, .. } => Some(error),
            _ => None,
        })
    }
}

impl Wire<Client> {
    pub(crate) fn get(&mut self, target: &str) -> StreamId {
        self.request("GET", target, Payload::Empty)
    }

    pub(crate) fn request(&mut self, method: &str, target: &str, payload: Payload) -> StreamId {
        let stream = self.machine.next_stream();
        let mut head =
            xs_proto::http1::RequestHead::new(http::Method::from_bytes(method.as_bytes()).unwrap(), target).unwrap();
        head.fields_mut().append("Host", b"a").unwrap();
        self.command(ClientCommand::Request { head: head.into(), payload }).unwrap();
        stream
    }

    pub(crate) fn events(&mut self) -> Vec<String> {
        self.raw_events().iter().map(client_line).collect()
    }
}

pub(crate) fn server_line(event: &ServerEvent) -> String {
    match event {
        ServerEvent::Request { stream, head } => {
            format!("{} {} {} {:?}", stream.0, head.method(), head.target(), head.framing())
        }
        ServerEvent::Data { stream, bytes } => format!("{} data {}", stream.0, bytes.escape_ascii()),
        ServerEvent::End { stream, trailers: None } => format!("{} end", stream.0),
        ServerEvent::End { stream, trailers: Some(trailers) } => format!("{} end {trailers:?}", stream.0),
        ServerEvent::Writable { stream } => format!("{} writable", stream.0),
        ServerEvent::Reset { stream, error } => format!("{} reset {error:?}", stream.0),
        ServerEvent::Refused { error } => format!("refused {error:?}"),
        other => panic!("unknown event {other:?}"),
    }
}

pub(crate) fn client_line(event: &ClientEvent) -> String {
    match event {
        ClientEvent::Informed { stream, head } => format!("{} informed {}", stream.0, head.status().as_u16()),
        ClientEvent::Response { stream, head, complete } => {
            let more = if *complete { "." } else { "…" };
            format!("{} {} {:?}{more}", stream.0, head.status().as_u16(), head.framing())
        }
        ClientEvent::Data { stream, bytes } => format!("{} data {}", stream.0, bytes.escape_ascii()),
        ClientEvent::End { stream, trailers: None } => format!("{} end", stream.0),
        ClientEvent::End { stream, trailers: Some(trailers) } => format!("{} end {trailers:?}", stream.0),
        ClientEvent::Writable { stream } => format!("{} writable", stream.0),
        ClientEvent::Reset { stream, error } => format!("{} reset {error:?}", stream.0),
        other => panic!("unknown event {other:?}"),
    }
}
