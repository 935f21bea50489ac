//! A host's connections and listeners: who a packet is for, and who must be told.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::task::{Poll, Waker};
use std::time::Instant;

use tokio::io::ReadBuf;
use xs_os::sim::NodeId;

use super::Limits;
use super::connection::{Connection, Owner, Phase, Verdict};
use super::packet::{Body, Packet, Tag};

/// What makes a connection this one: who is at the other end, which of the two opened it, and the opener's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) peer: NodeId,
    ours: bool,
    opener: Tag,
}

/// Where the ports begin that nobody chose.
const FREE_PORTS: u16 = 49_152;

#[derive(Debug, Default)]
struct Listening {
    /// Open, and not accepted.
    queue: VecDeque<Key>,
    answering: usize,
    waker: Option<Waker>,
}

#[derive(Debug)]
pub(super) struct Stack {
    life: u32,
    limits: Limits,
    connections: BTreeMap<Key, Connection>,
    listeners: BTreeMap<u16, Listening>,
    timers: BTreeSet<(Instant, Key)>,
    dirty: Vec<Key>,
    /// What leaves without a connection behind it.
    loose: Vec<(NodeId, Packet)>,
    made: u32,
    next_port: u16,
    /// To be woken once nobody holds the stack.
    pub(super) wakers: Vec<Waker>,
}

impl Stack {
    pub(super) fn new(life: u32, limits: Limits) -> Self {
        Stack {
            life,
            limits: limits.checked(),
            connections: BTreeMap::new(),
            listeners: BTreeMap::new(),
            timers: BTreeSet::new(),
            dirty: Vec::new(),
            loose: Vec::new(),
            made: 0,
            next_port: FREE_PORTS,
            wakers: Vec::new(),
        }
    }

    fn tag(&mut self) -> Tag {
        self.made += 1;
        Tag::new(self.life, self.made)
    }

    fn free_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FREE_PORTS);
        port
    }

    fn touch(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(&key)
            && !std::mem::replace(&mut connection.dirty, true)
        {
            self.dirty.push(key);
        }
    }

    // From the network.

    pub(super) fn receive(&mut self, from: NodeId, packet: Packet, now: Instant) {
        let key = Key { peer: from, ours: !packet.to_acceptor, opener: packet.opener };
        let resets = packet.body == Body::Reset;
        let Some(connection) = self.connections.get_mut(&key) else {
            match packet.body {
                Body::Syn { limit } if packet.to_acceptor => self.called(key, &packet, limit),
                Body::Reset => {}
                _ => self.loose.push((from, packet.refusal())),
            }
            return;
        };
        let before = connection.phase;
        let expected = if key.ours && before == Phase::Calling {
            if let Body::SynAck { .. } = packet.body {
                connection.acceptor = packet.acceptor;
            }
            true
        } else {
            // Who opens knows no acceptor in its call, nor if it gives up before there is an answer.
            let unknown = packet.acceptor == Tag::NONE && !key.ours;
            packet.acceptor == connection.acceptor
                || unknown && (matches!(packet.body, Body::Syn { .. }) || before == Phase::Answering)
        };
        if !expected {
            // An earlier life of the other end, or a connection that it opened twice as the network doubled its call.
            if !resets {
                self.loose.push((from, packet.refusal()));
            }
            return;
        }
        let refusal = packet.refusal();
        let verdict = connection.receive(packet.body, now, &self.limits, &mut self.wakers);
        let (after, port) = (connection.phase, connection.from_port);
        if verdict == Verdict::Refuse {
            self.loose.push((from, refusal));
            connection.fail(io::ErrorKind::ConnectionReset, &mut self.wakers);
        }
        self.touch(key);
        if before == Phase::Answering {
            self.answered(key, port, after);
        }
    }

    /// A call for a connection that isn't there yet.
    fn called(&mut self, key: Key, packet: &Packet, limit: u64) {
        let Some(listening) = self.listeners.get_mut(&packet.to_port) else {
            return self.loose.push((key.peer, packet.refusal()));
        };
        if listening.answering + listening.queue.len() >= self.limits.backlog
            || self.connections.len() >= self.limits.connections
        {
            return; // no answer: it calls again
        }
        listening.answering += 1;
        let tag = self.tag();
        let connection = Connection::answer(packet.to_port, packet.from_port, tag, limit, &self.limits);
        self.connections.insert(key, connection);
        self.touch(key);
    }

    /// A connection is half open no longer.
    fn answered(&mut self, key: Key, port: u16, phase: Phase) {
        if phase == Phase::Answering {
            return;
        }
        if let Some(listening) = self.listeners.get_mut(&port) {
            listening.answering -= 1;
            if phase == Phase::Open {
                listening.queue.push_back(key);
                self.wakers.extend(listening.waker.take());
                return;
            }
        }
        self.remove(key);
    }

    // From time.

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(&(at, key)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            let Some(connection) = self.connections.get_mut(&key) else { continue };
            connection.armed = None;
            let before = connection.phase;
            connection.late(now, &self.limits, &mut self.wakers);
            let (after, port) = (connection.phase, connection.from_port);
            self.touch(key);
            if before == Phase::Answering {
                self.answered(key, port, after);
            }
        }
    }

    /// Puts what is to leave into an order that doesn't depend on that in which it was asked for.
    pub(super) fn sort(&mut self) {
        self.dirty.sort_unstable();
        self.loose.sort_by_key(|(to, packet)| (*to, packet.opener, packet.to_acceptor));
    }

    /// Everything that is to leave now.
    pub(super) fn flush(&mut self, now: Instant, mut send: impl FnMut(NodeId, Packet)) {
        for (to, packet) in self.loose.drain(..) {
            send(to, packet);
        }
        for key in std::mem::take(&mut self.dirty) {
            let Some(connection) = self.connections.get_mut(&key) else { continue };
            connection.dirty = false;
            let head = Packet {
                from_port: connection.from_port,
                to_port: connection.to_port,
                opener: key.opener,
                acceptor: connection.acceptor,
                to_acceptor: key.ours,
                body: Body::Reset,
            };
            connection.transmit(now, &self.limits, |body| send(key.peer, Packet { body, ..head.clone() }));
            if connection.is_done() {
                self.remove(key);
                continue;
            }
            if let Some(at) = connection.retry_at
                && connection.armed.is_none_or(|armed| at < armed)
            {
                // A timer that comes too early looks again; so only one that comes too late is moved.
                if let Some(armed) = connection.armed.replace(at) {
                    self.timers.remove(&(armed, key));
                }
                self.timers.insert((at, key));
            }
        }
    }

    fn remove(&mut self, key: Key) {
        if let Some(connection) = self.connections.remove(&key)
            && let Some(armed) = connection.armed
        {
            self.timers.remove(&(armed, key));
        }
    }

    /// Ends a connection in a hurry: the other side hears of it once, if it hears of it at all.
    fn reset(&mut self, key: Key) {
        if let Some(connection) = self.connections.get(&key) {
            if !matches!(connection.phase, Phase::Over(_)) {
                let packet = Packet {
                    from_port: connection.from_port,
                    to_port: connection.to_port,
                    opener: key.opener,
                    acceptor: connection.acceptor,
                    to_acceptor: key.ours,
                    body: Body::Reset,
                };
                self.loose.push((key.peer, packet));
            }
            self.remove(key);
        }
    }

    // From the program.

    pub(super) fn listen(&mut self, port: u16) -> io::Result<u16> {
        let mut taken = port;
        for _ in FREE_PORTS..=u16::MAX {
            if port == 0 {
                taken = self.free_port();
            }
            if let Entry::Vacant(place) = self.listeners.entry(taken) {
                place.insert(Listening::default());
                return Ok(taken);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    pub(super) fn stop_listening(&mut self, port: u16) {
        self.listeners.remove(&port);
        let waiting = |connection: &Connection| connection.from_port == port && connection.owner == Owner::Listener;
        let keys: Vec<Key> =
            self.connections.iter().filter(|(key, c)| !key.ours && waiting(c)).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.reset(key));
    }

    pub(super) fn poll_accept(&mut self, port: u16, waker: &Waker) -> Poll<(Key, u16)> {
        let Some(listening) = self.listeners.get_mut(&port) else { return Poll::Pending };
        while let Some(key) = listening.queue.pop_front() {
            if let Some(connection) = self.connections.get_mut(&key) {
                connection.owner = Owner::Program;
                return Poll::Ready((key, connection.to_port));
            }
        }
        listening.waker = Some(waker.clone());
        Poll::Pending
    }

    /// Calls; the connection and the port that it comes from.
    pub(super) fn connect(&mut self, peer: NodeId, port: u16) -> io::Result<(Key, u16)> {
        if self.connections.len() >= self.limits.connections {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let (opener, from_port) = (self.tag(), self.free_port());
        let key = Key { peer, ours: true, opener };
        self.connections.insert(key, Connection::open(from_port, port, &self.limits));
        self.touch(key);
        Ok((key, from_port))
    }

    pub(super) fn poll_open(&mut self, key: Key, waker: &Waker) -> Poll<io::Result<()>> {
        self.connections.get_mut(&key).map_or_else(gone, |connection| connection.poll_open(waker))
    }

    pub(super) fn poll_read(&mut self, key: Key, into: &mut ReadBuf<'_>, waker: &Waker) -> Poll<io::Result<()>> {
        let Some(connection) = self.connections.get_mut(&key) else { return gone() };
        let (read, news) = connection.poll_read(into, waker, &self.limits);
        if news {
            self.touch(key);
        }
        read
    }

    pub(super) fn poll_write(
        &mut self,
        key: Key,
        slices: &[io::IoSlice<'_>],
        waker: &Waker,
    ) -> Poll<io::Result<usize>> {
        let Some(connection) = self.connections.get_mut(&key) else { return gone() };
        let wrote = connection.poll_write(slices, waker, &self.limits);
        if let Poll::Ready(Ok(1..)) = wrote {
            self.touch(key);
        }
        wrote
    }

    pub(super) fn shut_down(&mut self, key: Key) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(&key) else { return Err(io::ErrorKind::NotConnected.into()) };
        if connection.end() {
            self.touch(key);
        }
        Ok(())
    }

    /// The program drops a stream. What it wrote is still sent, unless it did not read what it was sent.
    pub(super) fn close(&mut self, key: Key, in_a_hurry: bool) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        if in_a_hurry || connection.has_unread() || connection.phase != Phase::Open {
            return self.reset(key);
        }
        connection.owner = Owner::Nobody;
        connection.end();
        self.touch(key);
    }

    /// How many connections there are, those that end included.
    pub(super) fn connections(&self) -> usize {
        self.connections.len()
    }
}

/// A stream always has its connection; if it ever did not, that is what the program should hear.
fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}
