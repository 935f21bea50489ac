//! The member itself: what its driver calls, and what it gives back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use xs_os::Rng;

use super::codec::{self, DecodeError};
use super::message::{Body, News, Packet};
use super::options::MAX_PAYLOAD;
use super::probe::{Probe, Relay};
use super::suspicion::{Health, Suspicion};
use super::sync::Session;
use super::table::Table;
use super::{Event, Member, NodeId, Options, OptionsError, State, Transmit};
use crate::gossip::{Broadcasts, retransmissions};

/// A member of a cluster. See the [module page](super).
///
/// # The driver's duties
///
/// After every call: send what [`Swim::poll_transmit`] gives until there is no more, act on what [`Swim::poll_event`] gives, and
/// call [`Swim::tick`] at [`Swim::deadline`], which every call may move. Packets may get lost. Hand over what has arrived
/// before a tick that is late.
#[derive(Debug)]
pub struct Swim {
    pub(super) id: NodeId,
    pub(super) options: Options,
    pub(super) rng: Rng,
    pub(super) table: Table,
    pub(super) health: Health,
    pub(super) probe: Option<Probe>,
    pub(super) period_ends: Instant,
    pub(super) relays: Vec<Relay>,
    pub(super) suspicions: BTreeMap<NodeId, Suspicion>,
    /// News of members; in packets they come before user events.
    news: Broadcasts<NodeId>,
    rumours: Broadcasts<(NodeId, u64)>,
    remembered: VecDeque<(NodeId, u64)>,
    is_remembered: BTreeSet<(NodeId, u64)>,
    gossip_at: Instant,
    pub(super) sync_at: Instant,
    pub(super) session: Option<Session>,
    pub(super) to_compare: VecDeque<SocketAddr>,
    pub(super) seeds: Vec<SocketAddr>,
    pub(super) joining: bool,
    pub(super) leaving: Option<Leaving>,
    pub(super) seq: u32,
    out: VecDeque<Transmit>,
    pub(super) events: VecDeque<Event>,
}

/// How far a goodbye has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    Telling,
    Told,
}

/// Why a packet was not taken. Its sender is at fault, and nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is no packet.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It belongs to another cluster.
    #[error("a packet of cluster {0}")]
    Cluster(u64),
    /// Its sender uses this member's own name.
    #[error("a packet from somebody who has this member's name")]
    Myself,
}

/// A payload of more than [`MAX_PAYLOAD`] bytes. The caller must make it shorter, or tell where the rest is to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes: {MAX_PAYLOAD} at most")]
pub struct TooLong(pub usize);

impl Swim {
    /// A member that knows nobody yet, and listens at `addr`.
    ///
    /// `incarnation` may be 0; a process that starts again under its name is known again sooner if it is larger than the last
    /// time: seconds of the calendar will do.
    ///
    /// # Errors
    ///
    /// What makes no sense in the options.
    pub fn new(
        id: NodeId,
        addr: SocketAddr,
        meta: Bytes,
        incarnation: u32,
        options: Options,
        mut rng: Rng,
        now: Instant,
    ) -> Result<Swim, OptionsError> {
        options.check()?;
        if meta.len() > MAX_PAYLOAD {
            return Err(OptionsError::Meta(meta.len()));
        }
        // Members that start together don't probe together.
        let part = |duration: Duration, rng: &mut Rng| duration.mul_f64(rng.unit());
        let (period_ends, sync_at) = (now + part(options.period, &mut rng), now + part(options.sync_every, &mut rng));
        let seq = rng.next_u64() as u32;
        let me = Member { id, addr, meta, state: State::Alive, incarnation, since: now, profile: incarnation };
        let mut swim = Swim {
            id,
            rng,
            table: Table::new(me),
            health: Health::new(&options),
            options,
            probe: None,
            period_ends,
            relays: Vec::new(),
            suspicions: BTreeMap::new(),
            news: Broadcasts::new(),
            rumours: Broadcasts::new(),
            remembered: VecDeque::new(),
            is_remembered: BTreeSet::new(),
            gossip_at: now,
            sync_at,
            session: None,
            to_compare: VecDeque::new(),
            seeds: Vec::new(),
            joining: false,
            leaving: None,
            seq,
            out: VecDeque::new(),
            events: VecDeque::new(),
        };
        swim.tell_self();
        Ok(swim)
    }

    /// Joins the cluster of which any of these is a member. They are also asked again later, when the cluster has fallen
    /// apart.
    pub fn join(&mut self, now: Instant, seeds: impl IntoIterator<Item = SocketAddr>) {
        let own = self.me().addr;
        self.seeds = seeds.into_iter().filter(|seed| *seed != own).collect();
        self.joining = true;
        for at in 0..self.seeds.len() {
            self.compare_with(self.seeds[at]);
        }
        self.next_session(now);
    }

    /// Begins with members that are known from elsewhere: a list that was kept on a disk, or a configuration. They are
    /// taken for alive, until they don't answer.
    pub fn introduce(&mut self, now: Instant, members: impl IntoIterator<Item = (NodeId, SocketAddr, Bytes)>) {
        for (id, addr, meta) in members {
            if self.table.get(id).is_none() && meta.len() <= MAX_PAYLOAD {
                self.on_newcomer(now, id, 0, addr, &meta);
            }
        }
    }

    /// Says goodbye. The member goes on answering, and [`Event::Gone`] says when it may be dropped.
    pub fn leave(&mut self, now: Instant) {
        if self.leaving.is_none() {
            self.leaving = Some(Leaving::Telling);
            self.table.change(self.id, |me| (me.state, me.since) = (State::Left, now));
            self.tell_self();
            self.gossip(now);
            self.look_whether_gone();
        }
    }

    /// Says something else about itself to everybody.
    ///
    /// # Errors
    ///
    /// If it is longer than [`MAX_PAYLOAD`].
    pub fn set_meta(&mut self, meta: Bytes) -> Result<(), TooLong> {
        if meta.len() > MAX_PAYLOAD {
            return Err(TooLong(meta.len()));
        }
        self.table.change(self.id, |me| {
            me.meta = meta;
            me.incarnation = me.incarnation.saturating_add(1);
            me.profile = me.incarnation;
        });
        self.tell_self();
        Ok(())
    }

    /// Tells all members something, once each. It may miss some: it is a rumour and not a log.
    ///
    /// # Errors
    ///
    /// If it is longer than [`MAX_PAYLOAD`].
    pub fn broadcast(&mut self, payload: &[u8]) -> Result<(), TooLong> {
        if payload.len() > MAX_PAYLOAD {
            return Err(TooLong(payload.len()));
        }
        let number = self.rng.next_u64();
        self.remember_event(self.id, number, payload);
        Ok(())
    }

    /// A packet has come from an address.
    ///
    /// # Errors
    ///
    /// Why it was not taken; nothing has changed then.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, packet: &Bytes) -> Result<(), Refused> {
        let packet = Packet::decode(packet)?;
        if packet.cluster != self.options.cluster {
            return Err(Refused::Cluster(packet.cluster));
        }
        if packet.from == self.id {
            return Err(Refused::Myself);
        }
        self.look_at_the_clock(now);
        packet.news.into_iter().for_each(|news| self.on_news(now, news));
        let peer = packet.from;
        match packet.body {
            Body::Ping { seq, to } => self.on_ping(peer, from, seq, to),
            Body::PingReq { seq, target } => self.on_ping_req(now, peer, from, seq, target),
            Body::Ack { seq } => self.on_ack(peer, seq),
            Body::Nack { seq } => self.on_nack(peer, seq),
            Body::Gossip => {}
            Body::SyncAsk { seq, after, upto, entries } => self.on_sync_ask(now, from, seq, after, upto, entries),
            Body::SyncTell { seq, upto, entries } => self.on_sync_tell(now, seq, upto, entries),
        }
        self.look_whether_gone();
        Ok(())
    }

    /// Time has passed. Too early does no harm.
    pub fn tick(&mut self, now: Instant) {
        self.look_at_the_clock(now);
        self.tick_suspicions(now);
        self.tick_probes(now);
        if self.has_news() && self.options.gossip_every.is_some() && self.gossip_at <= now {
            self.gossip(now);
        }
        if self.sync_at <= now {
            self.joining |= self.table.up() <= 1 && !self.seeds.is_empty() && self.leaving.is_none();
            self.next_sync(now);
        }
        self.tick_session(now);
        self.look_whether_gone();
    }

    /// When [`Swim::tick`] must be called.
    pub fn deadline(&self) -> Instant {
        let suspicions = if mutated!(self, EndlessSuspicion) || self.leaving.is_some() {
            None
        } else {
            self.suspicions.values().map(Suspicion::deadline).min()
        };
        let gossip = (self.has_news() && self.options.gossip_every.is_some()).then_some(self.gossip_at);
        let others = [suspicions, gossip, self.session_due()].into_iter().flatten();
        others.chain([self.sync_at]).fold(self.probes_due(), Instant::min)
    }

    /// The next packet to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// This member's name.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// This member, as the others should see it.
    pub fn me(&self) -> &Member {
        // It is put into the table at the beginning, and never leaves it before it has left the cluster.
        self.table.get(self.id).expect("a member knows itself")
    }

    /// What is known of a member.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.table.get(id)
    }

    /// All members that are known, by name: this one, and the dead that are not forgotten yet.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.table.iter()
    }

    /// How many take part, this one among them.
    pub fn up(&self) -> usize {
        self.table.up()
    }

    /// How much this member doubts itself: 0 if all is well. Each point makes its period longer by one.
    pub fn health(&self) -> u32 {
        self.health.score()
    }

    /// Whether something waits to be told.
    pub fn has_news(&self) -> bool {
        !(self.news.is_empty() && self.rumours.is_empty())
    }

    /// Sends a packet, with an accusation of the other one in front if there is one, and with as much news as fits.
    pub(super) fn send(&mut self, to: SocketAddr, peer: Option<NodeId>, body: &Body) {
        let mut bytes = Vec::new();
        codec::begin(self.options.cluster, self.id, body, &mut bytes);
        if !matches!(body, Body::SyncAsk { .. } | Body::SyncTell { .. }) {
            // Who is accused must hear of it first, and from everybody (Lifeguard's buddy system).
            if let Some(accusation) = peer.and_then(|peer| self.accusation(peer)) {
                codec::put_news(&accusation, &mut bytes);
            }
            let room = self.options.packet_bytes - codec::TRAILER;
            let times = retransmissions(self.options.retransmit, self.table.up());
            let left = room - bytes.len();
            self.news.take(left, times, |news| bytes.extend_from_slice(news));
            let left = room - bytes.len();
            self.rumours.take(left, times, |news| bytes.extend_from_slice(news));
        }
        codec::seal(0, &mut bytes);
        self.out.push_back(Transmit { to, bytes });
    }

    fn accusation(&self, peer: NodeId) -> Option<News> {
        let Member { id, incarnation, state, .. } = *self.table.get(peer)?;
        match state {
            State::Alive => None,
            State::Suspect => Some(News::Suspect { id, incarnation, by: self.id }),
            State::Dead => Some(News::Dead { id, incarnation, by: self.id }),
            State::Left => Some(News::Left { id, incarnation }),
        }
    }

    /// Queues news of a member, in place of older ones.
    pub(super) fn tell(&mut self, id: NodeId, news: &News) {
        let mut bytes = Vec::new();
        codec::put_news(news, &mut bytes);
        self.news.tell(id, bytes);
    }

    pub(super) fn tell_self(&mut self) {
        let Member { id, addr, meta, incarnation, state, .. } = self.me().clone();
        let news = if state == State::Left {
            News::Left { id, incarnation }
        } else {
            News::Alive { id, incarnation, addr, meta }
        };
        self.tell(id, &news);
    }

    /// Notes an event and tells it on. False if it was noted before.
    pub(super) fn remember_event(&mut self, origin: NodeId, number: u64, payload: &[u8]) -> bool {
        let key = (origin, number);
        if !self.is_remembered.insert(key) {
            return false;
        }
        self.remembered.push_back(key);
        if self.remembered.len() > self.options.remembered_events.max(1)
            && let Some(old) = self.remembered.pop_front()
        {
            self.is_remembered.remove(&old);
        }
        let mut bytes = Vec::new();
        let payload = Bytes::copy_from_slice(payload);
        codec::put_news(&News::Event { origin, number, payload }, &mut bytes);
        self.rumours.tell(key, bytes);
        if self.rumours.len() > self.options.max_events
            && let Some(stalest) = self.rumours.stalest().copied()
        {
            self.rumours.forget(&stalest);
        }
        true
    }

    /// Tells some members the news, in packets of their own.
    fn gossip(&mut self, now: Instant) {
        self.gossip_at = now + self.options.gossip_every.unwrap_or_default();
        let myself = self.id;
        let to = self.table.some(self.options.gossip_to, &mut self.rng, |member| member.is_up() && member.id != myself);
        let to: Vec<(NodeId, SocketAddr)> = to.into_iter().map(|member| (member.id, member.addr)).collect();
        for (id, addr) in to {
            if self.has_news() {
                self.send(addr, Some(id), &Body::Gossip);
            }
        }
    }

    /// Sees whether this process stood still: then it is no wonder that it heard nobody. Questions that were open mean
    /// nothing, and whoever is suspected has the time that was lost.
    fn look_at_the_clock(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.period_ends);
        if late > self.options.period {
            self.suspicions.values_mut().for_each(|suspicion| suspicion.postpone(late));
            self.health.worse(1);
            self.probe = None;
            self.relays.clear();
            self.period_ends = now;
        }
    }

    fn look_whether_gone(&mut self) {
        if self.leaving == Some(Leaving::Telling) && (self.news.get(&self.id).is_none() || self.table.up() == 0) {
            self.leaving = Some(Leaving::Told);
            self.events.push_back(Event::Gone);
        }
    }
}
