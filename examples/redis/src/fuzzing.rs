//! The server without sockets and without a runtime, for whoever feeds it commands by the million.
//!
//! What a connection's session would do is done by hand: a request goes into the connection's service, and the future
//! that comes out is polled until it has an answer or waits. It is no part of the interface and may change at any time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use tower::Service;
use xs_net::listener::Addr;
use xs_net::session::{Next, Registration, Turn};
use xs_os::{Rng, VirtualClock};
use xs_proto::Out;
use xs_proto::resp::{InputLimits, RequestDecoder};
use xs_storage::keyspace::Keyspace;

use crate::client::{Client, ReplyMode};
use crate::command::Spec;
use crate::service::{Answer, Connection, unix_ms};
use crate::state::Shared;
use crate::{Config, Redis, commands, cron};

/// A server with a few clients, in a time of its own.
#[derive(Debug)]
pub struct Machine {
    shared: Arc<Shared>,
    clock: VirtualClock,
    seats: Vec<Seat>,
}

/// One client's place.
struct Seat {
    /// Dropped before the registration, as a session does it.
    service: Connection,
    waiting: Option<Answer>,
    registration: Registration,
}

impl Machine {
    /// A server with so many clients and these directives.
    ///
    /// # Panics
    ///
    /// When there is no such directive, or it cannot have that value.
    pub fn new(seed: u64, clients: usize, directives: &[(&str, &str)]) -> Machine {
        let mut config = Config::default();
        for (name, value) in directives {
            config.set(name, value).expect("a directive and its value");
        }
        let (clock, rng) = (VirtualClock::new(), Rng::from_seed(seed));
        let store = Keyspace::new(config.databases, config.keyspace(), seed);
        let Redis(shared) = Redis::new(&config, store, Arc::new(clock.clone()), rng);
        let seats = (0..clients).map(|_| seat(&shared)).collect();
        Machine { shared, clock, seats }
    }

    /// The names of all commands that this server carries out, with those of their subcommands.
    pub fn commands() -> Vec<(&'static str, Option<&'static str>)> {
        let named = |spec: &'static Spec| match spec.sub {
            [] => vec![(spec.name, None)],
            sub => sub.iter().filter(|sub| sub.is_supported()).map(|sub| (spec.name, Some(sub.name))).collect(),
        };
        commands::ALL
            .iter()
            .flat_map(|family| family.iter())
            .filter(|spec| spec.is_supported())
            .flat_map(named)
            .collect()
    }

    /// Lets client `seat` send a command, and gives what it is told then. A client that still waits for something else
    /// gives up and is replaced.
    pub fn ask(&mut self, seat: usize, words: &[&[u8]]) -> Vec<u8> {
        if self.waits(seat) {
            self.replace(seat);
        }
        let mut request = BytesMut::from(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        let turn = Box::new(Turn::new(RequestDecoder::new(InputLimits::default()), request));
        let place = &mut self.seats[seat];
        place.waiting = Some(place.service.call(turn));
        self.hear(seat)
    }

    /// What client `seat` has been told since it was listened to for the last time. A client whose connection has ended
    /// is replaced.
    pub fn hear(&mut self, seat: usize) -> Vec<u8> {
        let mut cx = Context::from_waker(Waker::noop());
        let place = &mut self.seats[seat];
        let mut heard = Out::new();
        let mut is_over = false;
        while let Some(mut answer) = place.waiting.take() {
            let Poll::Ready(Ok(mut turn)) = Pin::new(&mut answer).poll(&mut cx) else {
                place.waiting = Some(answer);
                break;
            };
            is_over |= place.collect(&mut heard);
            heard.append(&mut turn.out);
            match std::mem::take(&mut turn.next) {
                Next::Again => place.waiting = Some(place.service.call(turn)),
                Next::Close | Next::TakeOver => is_over = true,
                Next::Read => {}
            }
        }
        is_over |= place.collect(&mut heard);
        if is_over {
            self.replace(seat);
        }
        heard.to_vec()
    }

    /// Whether client `seat` has asked for something that hasn't been answered.
    pub fn waits(&self, seat: usize) -> bool {
        self.seats[seat].waiting.is_some()
    }

    /// The number of client `seat`: another one when it has been replaced.
    pub fn id(&self, seat: usize) -> u64 {
        self.seats[seat].id()
    }

    /// Whether client `seat` hears one answer to each command, and nothing else.
    pub fn is_plain(&self, seat: usize) -> bool {
        let state = self.shared.state.lock();
        state.server.clients.get(self.seats[seat].id()).is_some_and(|client| {
            client.subscriptions() == 0
                && client.reply_mode == ReplyMode::On
                && client.tracking.is_none()
                && !state.server.monitors.contains(client.id)
        })
    }

    /// Lets time pass, and the server do what it does by itself then.
    pub fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
        let mut left = cron::expiring_time(&self.shared);
        while cron::tick(&self.shared, &mut left) {}
    }

    /// Counts everything from scratch.
    ///
    /// # Panics
    ///
    /// When the books say otherwise.
    pub fn audit(&self) {
        let state = self.shared.state.lock();
        state.keyspace.audit();
        assert_eq!(state.server.clients.len(), self.seats.len());
        // Whoever has been served hasn't heard of it yet.
        let waiting = self.seats.iter().filter(|seat| seat.waiting.is_some()).count();
        assert!(state.server.blocked.len() <= waiting, "{} of {waiting} wait", state.server.blocked.len());
    }

    fn replace(&mut self, seat: usize) {
        self.seats[seat].waiting = None;
        let new = crate::fuzzing::seat(&self.shared);
        self.seats[seat] = new;
    }
}

impl Drop for Machine {
    /// When everybody has left, nobody is remembered.
    fn drop(&mut self) {
        self.seats.clear();
        if std::thread::panicking() {
            return;
        }
        let state = self.shared.state.lock();
        assert_eq!(state.server.clients.len(), 0);
        assert!(
            state.server.watchers.is_empty() && state.server.blocked.is_empty() && state.server.monitors.is_empty()
        );
    }
}

impl Seat {
    /// Takes what was pushed to the client; true when its connection is to be ended.
    fn collect(&mut self, heard: &mut Out) -> bool {
        let mail = self.registration.poll_mail(Waker::noop(), heard);
        matches!(mail, Poll::Ready(Err(_) | Ok(Some(_))))
    }

    fn id(&self) -> u64 {
        self.registration.handle().id()
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("id", &self.id()).field("waits", &self.waiting.is_some()).finish_non_exhaustive()
    }
}

/// A new connection.
fn seat(shared: &Arc<Shared>) -> Seat {
    let peer = Addr::Memory(0);
    let registration = shared.registry.register(peer.clone());
    let handle = registration.handle();
    let mut state = shared.state.lock();
    let user = state.server.acl.for_new_connection();
    let now = unix_ms(shared.clock.wall());
    let client = Client::new(handle.id(), handle.clone(), peer.to_string(), peer.to_string(), None, user, now);
    Seat { service: Connection::new(shared.clone(), &mut state, Box::new(client)), waiting: None, registration }
}
