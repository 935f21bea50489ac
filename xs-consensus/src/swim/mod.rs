//! Who is there: membership without a centre, at a cost for each member that doesn't grow with their number.
//!
//! # The problem
//!
//! A system of many machines must know which of them are there. If each tells all others that it lives, n² messages cross the
//! network in every period; if all tell one, that one must not fail. And who decides that a machine is dead, when each of them
//! sees the network from another side, and a slow observer takes everybody else for slow?
//!
//! # How it works
//!
//! SWIM takes the question apart: *detecting* a failure is a matter between few members, *telling* it is gossip.
//!
//! ```text
//!   one period of n1                                    what is thought of n2
//!
//!   n1          n2   n3   n4   n5                                  a probe fails
//!    ├─ ping ──▶ ✗   │    │    │                     Alive i ─────────────────────▶ Suspect i
//!    │  (timeout)    │    │    │                      ▲    ▲                          │   │
//!    ├─ ping-req n2 ▶│    │    │                      │    └─ "I am alive, i+1" ◀─ n2 ┘   │ nobody contradicts
//!    ├───────────────────▶│    │                      │            hears of it            ▼ in time
//!    ├────────────────────────▶│                      └───── "I am alive, i+1" ◀─ n2 ─── Dead i ── forgotten
//!    │           ◀ ping ─┴─┬──┘                                                           a day on
//!    │           ✗         │ nack: "it doesn't              leave ──▶ Left i
//!    │◀────────────────────┘       answer me either"
//!    ▼ end of the period: n1 suspects n2               each ping, ping-req, ack and nack carries news in its spare bytes
//! ```
//!
//! **Probing.** Each member asks one other one a period, in an order that it shuffles for each round, so that every member is
//! asked by every other once in two rounds at the latest. If no answer comes, k others are asked to ask: the way between two
//! members may be broken where others pass.
//!
//! **Suspicion.** Who does not answer is suspected, and everybody hears of it, itself included; it has a few periods' time to
//! contradict. Every claim names an **incarnation** of the member, which only the member itself raises. Of two claims the one
//! about the later incarnation is right, and of two about the same one the worse: Alive < Suspect < Dead < Left. That order is
//! total, so all tables that have heard the same claims are the same, whatever order they came in.
//!
//! **Lifeguard** lets a member doubt itself. One whose own probes fail, whose helpers are silent, or which hears that it is
//! suspected itself, waits longer for answers ([`Swim::health`]). One that has a suspicion for itself alone waits up to β times as
//! long as one whose suspicion others confirm. A process that stood still gives everybody the time back that it lost.
//!
//! **Gossip.** News ride on probes and answers, each λ·⌈log₁₀(n+1)⌉ times ([`gossip::Broadcasts`](crate::gossip::Broadcasts)),
//! and in packets of their own if `gossip_every` says so. **User events** travel the same way, behind the news of members.
//!
//! **Comparing tables.** Gossip is by chance, and ends. Now and then two members compare their whole tables, a packet's worth at
//! a time ([`Body::SyncAsk`]): so a newcomer learns everybody from any seed, and what gossip missed is found. One of those
//! thought dead is tried too, so that the halves of a partition find each other when it heals; what the one half calls dead, the
//! other only suspects, and so asks.
//!
//! # Invariants
//!
//! - What is believed of a member never goes back in the order of claims, until it is forgotten (`merge`).
//! - Nobody raises another's incarnation (`merge::contradict` and [`Swim::set_meta`] are the only places).
//! - Every other member is probed in each round, and none waits for two (`table::next`).
//! - A packet is never longer than [`Options::packet_bytes`]; whoever answers sends one packet for one.
//! - Nothing that grows is without a bound: members, events, relays, confirmations.
//! - Nobody is made to send to an address that a stranger chose, except its answer to where the question came from
//!   (`probe::on_ping_req`).
//!
//! The campaign in `tests/membership` holds these against crashes, pauses, partitions and loss; each of a list of
//! deliberate bugs (feature `mutations`) is found within a few seeds.
//!
//! # Cost
//!
//! In a quiet cluster a member sends two packets a period in the mean, a ping and an ack of 30 bytes each, however many members
//! there are; a table of n members is compared every 30 s or more, in n/50 packets. In memory: a table line a member, some hundred
//! bytes. Measured in the simulator (`cargo test -p xs-consensus --test membership claims -- --nocapture`), in periods:
//!
//! ```text
//!   members                                      8      32     128    512
//!   sent by each, packets a period              2.00    2.00   2.00   2.00      received by the busiest: 2.0 to 2.5
//!   first suspicion of a crash, mean            1.99    2.02   2.16              out of step: 1 to be asked, 1 to be judged; in step e/(e-1) = 1.58
//!   longest without asking somebody             13      61     253               2n-1 = 15, 63, 255
//!   news heard by all, on probes alone          2.1     3.3    4.6    5.8        0.65 for each doubling
//!
//!   32 members, 20 % of packets lost, 200 periods       no suspicion    SWIM    and Lifeguard
//!   live members thrown out, as each member saw it      365             0       0
//!   4 of 32 on links that take 1.2 s there and back, 150 periods
//!   suspicions of the other 28, as one of them saw it                   352     3
//! ```
//!
//! # Example
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Duration;
//! use xs_consensus::swim::{Event, NodeId, Options, Swim};
//! use xs_os::{Clock, Rng, VirtualClock};
//!
//! let clock = VirtualClock::new();
//! let addr = |n: u64| SocketAddr::from(([10, 0, 0, n as u8], 7946));
//! let member = |n: u64| Swim::new(NodeId(n), addr(n), "rack 1".into(), 0, Options::default(), Rng::from_seed(n), clock.now());
//! let mut members = vec![member(1).unwrap(), member(2).unwrap(), member(3).unwrap()];
//! members[1].join(clock.now(), [addr(1)]);
//! members[2].join(clock.now(), [addr(1)]);
//!
//! // A driver in three lines: what one sends, another receives.
//! let run = |members: &mut Vec<Swim>, seconds: u64| for _ in 0..seconds * 100 {
//!     for from in 0..members.len() {
//!         members[from].tick(clock.now());
//!         while let Some(packet) = members[from].poll_transmit() {
//!             if let Some(to) = members.iter_mut().find(|member| member.me().addr == packet.to) {
//!                 to.receive(clock.now(), addr(from as u64 + 1), &packet.bytes.into()).unwrap();
//!             }
//!         }
//!     }
//!     clock.advance(Duration::from_millis(10));
//! };
//! run(&mut members, 2);
//! assert!(members.iter().all(|member| member.up() == 3));
//!
//! members.pop();                                   // the third one crashes
//! run(&mut members, 60);
//! let events: Vec<Event> = std::iter::from_fn(|| members[0].poll_event()).collect();
//! assert!(events.ends_with(&[Event::Suspected(NodeId(3)), Event::Down(NodeId(3))]));
//! ```
//!
//! # How others do it
//!
//! **memberlist**, under Consul, Nomad and Serf, is the one that everybody runs, and Lifeguard was written for it; the defaults here
//! are its own for a local network. It compares tables over TCP, all at once; probes over TCP too when UDP is silent; and Serf
//! adds the search for the dead, and Lamport times on user events. **foca** is SWIM in Rust without I/O, as here, over any
//! type of identity, whose renewal takes the place of the restarted process's incarnation. **Cassandra** and **ScyllaDB** gossip
//! heartbeats instead, and judge by [φ](crate::phi_accrual): n counters travel in every message. **Ringpop** takes SWIM with a
//! checksum of the whole table on each packet, to see where tables differ. **Rapid** (2018) has several observers agree
//! before anybody is thrown out, and so changes the table for all at once.
//!
//! # What this leaves out
//!
//! Encryption and authentication: whoever can send a packet with the cluster's name can have members thrown out. Put it under
//! a key that all share. (Without one, a question for the table, of some eighty bytes and with a forged sender, is answered with a
//! whole packet, to whoever was named.) Agreement: at no time do two members have to have the same table; who needs that takes
//! [`raft`](crate::raft). A protocol's version in the table, coordinates of the network, TCP probes. A dead member that everybody has
//! forgotten, and that comes back with its old table, brings its own dead along for a while.
//!
//! # Try next
//!
//! Set `suspicion` to 0 and let a fifth of all packets be lost: `claims` counts who is thrown out. Then take the suspicion back, and
//! pause one member in ten for some seconds with `health_most` and `suspicion_most` at 1, then with the defaults: that is the
//! experiment of the Lifeguard paper.
//!
//! # Sources
//!
//! A. Das, I. Gupta and A. Motivala, "SWIM: Scalable Weakly-consistent Infection-style Process Group Membership Protocol" (DSN
//! 2002); A. Dadgar, J. Phillips and J. Currey, "Lifeguard: Local Health Awareness for More Accurate Failure Detection" (2017);
//! I. Gupta, T. Chandra and G. Goldszmidt, "On Scalable and Efficient Distributed Failure Detectors" (PODC 2001), for what a
//! detector must cost at least; memberlist's and Serf's documentation, for their constants; L. Suresh et al., "Stable and Consistent
//! Membership at Scale with Rapid" (USENIX ATC 2018).

/// Whether a deliberate bug is switched on; without the feature `mutations` it is a constant.
#[cfg(feature = "mutations")]
macro_rules! mutated {
    ($swim:expr, $name:ident) => {
        $swim.options.mutation == Some(crate::swim::Mutation::$name)
    };
}
#[cfg(not(feature = "mutations"))]
macro_rules! mutated {
    ($swim:expr, $name:ident) => {
        false
    };
}

mod codec;
mod merge;
mod message;
#[cfg(feature = "mutations")]
mod mutation;
mod node;
mod options;
mod probe;
mod suspicion;
mod sync;
mod table;
#[cfg(test)]
mod tests;
mod types;

pub use codec::DecodeError;
pub use message::{Body, Entry, News, Packet};
#[cfg(feature = "mutations")]
pub use mutation::Mutation;
pub use node::{Refused, Swim, TooLong};
pub use options::{MAX_PACKET, MAX_PAYLOAD, MIN_PACKET, Options, OptionsError};
pub use types::{Event, Member, NodeId, State, Transmit};
