//! A member on a simulated node: its driver, and what it wrote down.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use xs_consensus::swim::{Body, Event, NodeId, Options, Packet, Swim};
use xs_os::sim::{self, Actor, Context, Timer};

const PORT: u16 = 7946;
const TICK: Timer = Timer(0);
const LEAVE: Timer = Timer(1);
const NEW_META: Timer = Timer(2);
const SAY: Timer = Timer(3);

/// A datagram.
#[derive(Clone)]
pub(crate) struct Wire(pub(crate) Bytes);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = &self.0[self.0.len() - 4..];
        match Packet::decode(&self.0).map(|packet| (packet.body, packet.news.len())) {
            Ok((Body::SyncAsk { after, upto, entries, .. }, _)) => {
                write!(f, "sync ask {after:?}..{upto:?} {} {sum:?}", entries.len())
            }
            Ok((Body::SyncTell { upto, entries, .. }, _)) => {
                write!(f, "sync tell ..{upto:?} {} {sum:?}", entries.len())
            }
            Ok((body, news)) => write!(f, "{body:?} and {news} news {sum:?}"),
            Err(error) => write!(f, "{error}"),
        }
    }
}

/// How members start and what they do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) swim: Options,
    /// Whoever starts again has a new name.
    pub(crate) renames: bool,
    /// Whoever starts again begins with a larger incarnation.
    pub(crate) counts: bool,
    /// So many of the first nodes are everybody's seeds.
    pub(crate) seeds: u32,
    /// When a node leaves, in its first life.
    pub(crate) leaves: Option<(u32, Duration)>,
    /// How often something is told to all.
    pub(crate) says_every: Option<Duration>,
    /// Nobody says something else about itself behind this.
    pub(crate) changes_until: Duration,
    /// A node says something once.
    pub(crate) says_once: Option<(u32, Duration)>,
    /// Everybody has so many members in its table from the beginning.
    pub(crate) knows_all: Option<u32>,
}

impl Plan {
    pub(crate) fn new(swim: Options) -> Self {
        Plan {
            swim,
            renames: false,
            counts: false,
            seeds: 1,
            leaves: None,
            says_every: None,
            changes_until: Duration::ZERO,
            says_once: None,
            knows_all: None,
        }
    }
}

pub(crate) fn addr(node: u32) -> SocketAddr {
    SocketAddr::from(([10, 0, (node >> 8) as u8, node as u8], PORT))
}

fn node_at(addr: SocketAddr) -> sim::NodeId {
    match addr.ip() {
        std::net::IpAddr::V4(ip) => sim::NodeId(u32::from(ip) & 0xFFFF),
        std::net::IpAddr::V6(_) => sim::NodeId(u32::MAX),
    }
}

/// The name of a node's process.
pub(crate) fn name(node: u32, life: u32, renames: bool) -> NodeId {
    NodeId(u64::from(node) + if renames { 1000 * u64::from(life) } else { 0 })
}

pub(crate) struct Member {
    pub(crate) swim: Swim,
    pub(crate) life: u32,
    plan: Plan,
    /// What its driver was told, and when in the world.
    pub(crate) events: Vec<(Duration, Event)>,
    /// Whom it probed, and when.
    pub(crate) probes: Vec<(Duration, NodeId)>,
    pub(crate) sent: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) received: u64,
    /// What it told all, and when.
    pub(crate) said: Vec<(Duration, String)>,
}

/// Hands a member the whole table, as somebody who answers its question would: that is no news to be told on.
fn introduce(swim: &mut Swim, cx: &mut Cx<'_>, nodes: u32) -> Result<(), String> {
    swim.introduce(cx.now(), (0..nodes).map(|node| (name(node, 0, false), addr(node), "life 0".into())));
    Ok(())
}

pub(crate) type Cx<'a> = Context<'a, Wire>;

impl Member {
    pub(crate) fn start(cx: &mut Cx<'_>, plan: &Plan) -> Result<Member, String> {
        let (node, life) = (cx.node().0, cx.life());
        let id = name(node, life, plan.renames);
        let meta = format!("life {life}").into();
        let incarnation = if plan.counts { life } else { 0 };
        let rng = cx.rng().fork(&format!("swim {life}"));
        let swim = Swim::new(id, addr(node), meta, incarnation, plan.swim.clone(), rng, cx.now());
        let mut swim = swim.map_err(|error| error.to_string())?;
        match plan.knows_all {
            Some(nodes) => introduce(&mut swim, cx, nodes)?,
            None => swim.join(cx.now(), (0..plan.seeds).map(addr)),
        }
        let (events, probes) = (Vec::new(), Vec::new());
        let mut member = Member {
            swim,
            life,
            plan: plan.clone(),
            events,
            probes,
            sent: 0,
            sent_bytes: 0,
            received: 0,
            said: Vec::new(),
        };
        if let Some((leaver, at)) = plan.leaves
            && leaver == node
            && life == 0
        {
            cx.set_timer_after(LEAVE, at);
        }
        if let Some((speaker, at)) = plan.says_once
            && speaker == node
        {
            cx.set_timer_after(SAY, at);
        }
        if let Some(every) = plan.says_every {
            if cx.world_time() + every * (node + 3) < plan.changes_until {
                cx.set_timer_after(NEW_META, every * (node + 3));
            }
            cx.set_timer_after(SAY, every);
        }
        member.flush(cx);
        Ok(member)
    }

    /// Whether somebody's event has come.
    pub(crate) fn was_told(&self, wanted: &str) -> bool {
        let is = |event: &Event| matches!(event, Event::User { payload, .. } if payload == wanted.as_bytes());
        self.events.iter().any(|(_, event)| is(event))
    }

    fn flush(&mut self, cx: &mut Cx<'_>) {
        while let Some(sent) = self.swim.poll_transmit() {
            assert!(sent.bytes.len() <= self.plan.swim.packet_bytes, "a packet of {} bytes", sent.bytes.len());
            let bytes = Bytes::from(sent.bytes);
            if let Ok(Body::Ping { to, .. }) = Packet::decode(&bytes).map(|packet| packet.body) {
                self.probes.push((cx.world_time(), to));
            }
            self.sent += 1;
            self.sent_bytes += bytes.len() as u64;
            cx.send(node_at(sent.to), Wire(bytes));
        }
        while let Some(event) = self.swim.poll_event() {
            if event == Event::Gone {
                cx.exit("it has left");
            }
            self.events.push((cx.world_time(), event));
        }
        cx.set_timer(TICK, self.swim.deadline());
    }
}

impl Actor for Member {
    type Message = Wire;

    fn message(&mut self, from: sim::NodeId, Wire(bytes): Wire, cx: &mut Cx<'_>) {
        self.received += 1;
        if let Err(refused) = self.swim.receive(cx.now(), addr(from.0), &bytes) {
            cx.note(refused);
        }
        self.flush(cx);
    }

    fn timer(&mut self, timer: Timer, cx: &mut Cx<'_>) {
        match timer {
            TICK => self.swim.tick(cx.now()),
            LEAVE => self.swim.leave(cx.now()),
            NEW_META => {
                let meta = format!("life {} and more", self.life).into();
                if let Err(error) = self.swim.set_meta(meta) {
                    cx.note(error);
                }
            }
            _ => {
                let payload = format!("{} {} {}", cx.node(), self.life, self.said.len());
                if let Err(error) = self.swim.broadcast(payload.as_bytes()) {
                    cx.note(error);
                }
                self.said.push((cx.world_time(), payload));
                if let Some(every) = self.plan.says_every {
                    cx.set_timer_after(SAY, every);
                }
            }
        }
        self.flush(cx);
    }

    fn size(Wire(bytes): &Wire) -> usize {
        bytes.len()
    }
}
