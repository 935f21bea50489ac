//! Single members, packet by packet.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use xs_os::{Clock, Rng, VirtualClock};

use super::*;

fn addr(n: u64) -> SocketAddr {
    SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 7))
}

fn member(n: u64, options: Options, now: Instant) -> Swim {
    Swim::new(NodeId(n), addr(n), Bytes::new(), 0, options, Rng::from_seed(n), now).unwrap()
}

/// One member, and whoever the test pretends to be.
struct Alone {
    clock: VirtualClock,
    swim: Swim,
}

impl Alone {
    /// Member 1, who knows the members from 2 on.
    fn new(others: u64, options: Options) -> Alone {
        let clock = VirtualClock::new();
        let mut alone = Alone { swim: member(1, options, clock.now()), clock };
        let news = (2..2 + others).map(|n| alive(n, 0)).collect();
        alone.hear(2, Body::Gossip, news);
        alone.events();
        alone
    }

    fn hear(&mut self, from: u64, body: Body, news: Vec<News>) -> Vec<Packet> {
        let mut bytes = Vec::new();
        Packet { cluster: 0, from: NodeId(from), body, news }.encode(&mut bytes);
        self.swim.receive(self.clock.now(), addr(from), &bytes.into()).unwrap();
        self.said().into_iter().map(|(_, packet)| packet).collect()
    }

    fn said(&mut self) -> Vec<(SocketAddr, Packet)> {
        let decode = |sent: Transmit| (sent.to, Packet::decode(&sent.bytes.into()).unwrap());
        std::iter::from_fn(|| self.swim.poll_transmit()).map(decode).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.swim.poll_event()).collect()
    }

    fn pass(&mut self, time: Duration) -> Vec<(SocketAddr, Packet)> {
        let until = self.clock.now() + time;
        let mut said = Vec::new();
        while self.swim.deadline() <= until {
            let now = self.clock.now();
            self.clock.advance(self.swim.deadline().saturating_duration_since(now));
            self.swim.tick(self.clock.now());
            said.extend(self.said());
        }
        self.clock.advance(until.saturating_duration_since(self.clock.now()));
        said
    }

    fn state(&self, n: u64) -> (u32, State) {
        self.swim.member(NodeId(n)).unwrap().claim()
    }
}

fn alive(n: u64, incarnation: u32) -> News {
    News::Alive { id: NodeId(n), incarnation, addr: addr(n), meta: Bytes::new() }
}

fn suspect(n: u64, incarnation: u32, by: u64) -> News {
    News::Suspect { id: NodeId(n), incarnation, by: NodeId(by) }
}

fn dead(n: u64, incarnation: u32) -> News {
    News::Dead { id: NodeId(n), incarnation, by: NodeId(9) }
}

/// No packets but probes and answers.
fn quiet() -> Options {
    Options { gossip_every: None, sync_every: Duration::from_secs(10_000_000), ..Options::default() }
}

#[test]
fn of_two_claims_the_later_incarnation_is_right_and_then_the_worse_in_any_order() {
    let left = News::Left { id: NodeId(3), incarnation: 1 };
    let claims = [
        alive(3, 0),
        suspect(3, 0, 4),
        dead(3, 0),
        alive(3, 1),
        suspect(3, 1, 4),
        dead(3, 1),
        left,
        alive(3, 2),
        suspect(3, 2, 4),
    ];
    let mut rng = Rng::from_seed(1);
    for upto in 1..=claims.len() {
        for _ in 0..20 {
            let mut alone = Alone::new(3, quiet());
            let mut some: Vec<News> = claims[..upto].to_vec();
            rng.shuffle(&mut some);
            some.into_iter().for_each(|news| drop(alone.hear(2, Body::Gossip, vec![news])));
            let expected = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)][upto - 1];
            let expected = (expected.0, [State::Alive, State::Suspect, State::Dead, State::Left][expected.1]);
            assert_eq!(alone.state(3), expected, "of the first {upto}");
        }
    }
}

#[test]
fn who_is_accused_contradicts_with_a_later_incarnation_at_once() {
    let mut alone = Alone::new(3, quiet());
    let said = alone.hear(2, Body::Ping { seq: 1, to: NodeId(1) }, vec![suspect(1, 0, 2)]);
    assert_eq!(said[0].body, Body::Ack { seq: 1 });
    assert!(matches!(said[0].news[0], News::Alive { id: NodeId(1), incarnation: 1, .. }), "{said:?}");
    assert_eq!(alone.swim.health(), 1, "and doubts itself");
    alone.hear(2, Body::Gossip, vec![suspect(1, 0, 3)]);
    assert_eq!(alone.swim.me().incarnation, 1, "an accusation of an earlier life needs no answer");
    alone.hear(2, Body::Gossip, vec![dead(1, 7)]);
    assert_eq!(alone.swim.me().incarnation, 8);
    alone.hear(2, Body::Gossip, vec![dead(1, u32::MAX)]);
    assert_eq!(alone.swim.me().incarnation, u32::MAX, "the end of the numbers is no overflow");
}

#[test]
fn a_member_that_does_not_answer_is_asked_through_others_then_suspected_then_dead() {
    let mut alone = Alone::new(1, quiet());
    alone.hear(2, Body::Gossip, vec![]);
    let said = alone.pass(Duration::from_secs(2));
    let is = |body: &Body| matches!(body, Body::Ping { to: NodeId(2), .. });
    assert!(
        said.iter().all(|(to, packet)| *to == addr(2) && is(&packet.body)),
        "there is nobody else to ask: {said:?}"
    );
    assert_eq!(alone.events(), [Event::Suspected(NodeId(2))]);
    alone.pass(Duration::from_secs(5));
    assert_eq!(alone.events(), [Event::Down(NodeId(2))]);
    assert!(alone.pass(Duration::from_secs(10)).is_empty(), "the dead are not probed");
}

#[test]
fn helpers_are_asked_after_the_timeout_and_their_answer_counts() {
    let mut alone = Alone::new(5, quiet());
    let said = alone.pass(Duration::from_millis(999));
    let Body::Ping { seq, to } = said[0].1.body else { panic!("{said:?}") };
    let mut asked: Vec<SocketAddr> = said[1..].iter().map(|(to, _)| *to).collect();
    if asked.is_empty() {
        asked = alone.pass(Duration::from_millis(500)).iter().map(|(to, _)| *to).collect();
    }
    assert_eq!(asked.len(), 3);
    let helper = (2..7).find(|n| addr(*n) == asked[0]).unwrap();
    let stranger = (2..7).find(|n| !asked.contains(&addr(*n)) && NodeId(*n) != to).unwrap();
    alone.hear(stranger, Body::Ack { seq }, vec![]);
    alone.hear(helper, Body::Ack { seq: seq + 1 }, vec![]);
    alone.hear(helper, Body::Ack { seq }, vec![]);
    alone.pass(Duration::from_millis(600));
    assert!(!alone.events().contains(&Event::Suspected(to)));
}

#[test]
fn the_answer_of_somebody_who_was_not_asked_counts_for_nothing() {
    let mut alone = Alone::new(2, Options { helpers: 0, ..quiet() });
    let said = alone.pass(Duration::from_millis(999));
    let Body::Ping { seq, to } = said[0].1.body else { panic!("{said:?}") };
    let other = if to == NodeId(2) { 3 } else { 2 };
    alone.hear(other, Body::Ack { seq }, vec![]);
    alone.pass(Duration::from_millis(1100));
    assert!(alone.events().contains(&Event::Suspected(to)));
}

#[test]
fn a_helper_asks_and_passes_the_answer_on_or_says_that_there_is_none() {
    let mut alone = Alone::new(3, quiet());
    let request = Body::PingReq { seq: 77, target: NodeId(3) };
    let said = alone.hear(2, request.clone(), vec![]);
    let Body::Ping { seq, to: NodeId(3) } = said[0].body else { panic!("{said:?}") };
    let said = alone.hear(3, Body::Ack { seq }, vec![]);
    assert_eq!(said[0].body, Body::Ack { seq: 77 });

    alone.hear(2, request, vec![]);
    let said = alone.pass(Duration::from_millis(450));
    assert!(said.iter().any(|(to, packet)| *to == addr(2) && packet.body == Body::Nack { seq: 77 }), "{said:?}");
    let said = alone.hear(2, Body::PingReq { seq: 78, target: NodeId(99) }, vec![]);
    assert_eq!(said[0].body, Body::Nack { seq: 78 }, "nobody sends to strangers");
}

#[test]
fn helpers_that_say_nothing_make_a_member_doubt_itself_and_those_that_do_not_don_t() {
    for honest in [true, false] {
        let mut alone = Alone::new(5, quiet());
        let mut said = alone.pass(Duration::from_millis(999));
        said.extend(alone.pass(Duration::from_millis(600)));
        for (to, packet) in said {
            if let (Body::PingReq { seq, .. }, true) = (packet.body, honest) {
                let helper = (2..7).find(|n| addr(*n) == to).unwrap();
                alone.hear(helper, Body::Nack { seq }, vec![]);
            }
        }
        while alone.swim.suspicions.is_empty() {
            alone.pass(Duration::from_millis(50));
        }
        assert_eq!(alone.swim.health(), if honest { 0 } else { 3 });
    }
}

#[test]
fn a_probe_meant_for_another_process_at_this_address_is_not_answered() {
    let mut alone = Alone::new(2, quiet());
    assert!(alone.hear(2, Body::Ping { seq: 1, to: NodeId(8) }, vec![]).is_empty());
}

#[test]
fn whoever_is_thought_dead_and_speaks_is_told_so() {
    let mut alone = Alone::new(2, quiet());
    alone.hear(2, Body::Gossip, vec![dead(3, 4)]);
    alone.events();
    let said = alone.hear(3, Body::Ping { seq: 1, to: NodeId(1) }, vec![]);
    assert!(matches!(said[0].news[0], News::Dead { id: NodeId(3), incarnation: 4, .. }), "{said:?}");
    alone.hear(3, Body::Gossip, vec![alive(3, 5)]);
    assert_eq!(alone.events(), [Event::Up(NodeId(3))]);
}

#[test]
fn strangers_and_namesakes_are_refused() {
    let mut alone = Alone::new(1, quiet());
    let now = alone.clock.now();
    let mut refused = |cluster, from| {
        let mut bytes = Vec::new();
        Packet { cluster, from: NodeId(from), body: Body::Gossip, news: vec![dead(2, 9)] }.encode(&mut bytes);
        alone.swim.receive(now, addr(2), &bytes.into())
    };
    assert_eq!(refused(5, 2), Err(Refused::Cluster(5)));
    assert_eq!(refused(0, 1), Err(Refused::Myself));
    assert_eq!(
        alone.swim.receive(now, addr(2), &Bytes::from_static(b"hello there")),
        Err(Refused::Decode(DecodeError::Version(b'h')))
    );
    assert_eq!(alone.state(2), (0, State::Alive));
}

#[test]
fn two_addresses_with_one_name_are_a_conflict_until_one_is_dead() {
    let mut alone = Alone::new(2, quiet());
    let elsewhere = |incarnation| News::Alive { id: NodeId(3), incarnation, addr: addr(200), meta: Bytes::new() };
    alone.hear(2, Body::Gossip, vec![elsewhere(0)]);
    assert_eq!(alone.events(), [Event::Conflict { id: NodeId(3), addr: addr(200) }]);
    assert_eq!(alone.swim.member(NodeId(3)).unwrap().addr, addr(3));
    alone.hear(2, Body::Gossip, vec![dead(3, 0), elsewhere(1)]);
    assert_eq!(alone.events(), [Event::Down(NodeId(3)), Event::Up(NodeId(3))]);
    assert_eq!(alone.swim.member(NodeId(3)).unwrap().addr, addr(200));
}

#[test]
fn metadata_arrives_though_the_suspicion_of_it_came_first() {
    let mut alone = Alone::new(2, quiet());
    alone.hear(2, Body::Gossip, vec![suspect(3, 1, 2)]);
    alone.hear(2, Body::Gossip, vec![News::Alive { id: NodeId(3), incarnation: 1, addr: addr(3), meta: "new".into() }]);
    assert_eq!(alone.events(), [Event::Suspected(NodeId(3)), Event::Updated(NodeId(3))]);
    assert_eq!((alone.state(3), &alone.swim.member(NodeId(3)).unwrap().meta[..]), ((1, State::Suspect), &b"new"[..]));
}

#[test]
fn a_member_that_leaves_tells_so_and_is_gone() {
    let mut alone = Alone::new(3, quiet());
    alone.swim.leave(alone.clock.now());
    alone.said();
    let mut told = 0;
    while !alone.events().contains(&Event::Gone) {
        let said = alone.hear(2, Body::Ping { seq: 1, to: NodeId(1) }, vec![suspect(1, 0, 2)]);
        told += said.iter().flat_map(|packet| &packet.news).filter(|news| matches!(news, News::Left { .. })).count();
        assert!(told < 10);
    }
    assert_eq!(alone.swim.me().incarnation, 0, "it doesn't contradict any more");

    let hour = Duration::from_secs(3600);
    alone.swim.options.forget_after = hour;
    alone.swim.sync_at = alone.clock.now();
    alone.pass(2 * hour);
    assert_eq!(alone.swim.me().state, State::Left, "and doesn't forget itself");

    let clock = VirtualClock::new();
    let mut lonely = member(1, quiet(), clock.now());
    lonely.leave(clock.now());
    assert_eq!(lonely.poll_event(), Some(Event::Gone));
}

#[test]
fn a_user_event_is_given_once_and_what_waits_is_bounded() {
    let mut alone = Alone::new(3, Options { max_events: 4, remembered_events: 8, ..quiet() });
    let event = |number| News::Event { origin: NodeId(3), number, payload: "deploy".into() };
    alone.hear(2, Body::Gossip, vec![event(1), event(1)]);
    alone.hear(3, Body::Gossip, vec![event(1)]);
    assert_eq!(alone.events(), [Event::User { origin: NodeId(3), payload: "deploy".into() }]);
    alone.hear(3, Body::Gossip, (2..60).map(event).collect());
    assert_eq!(alone.events().len(), 58);
    assert_eq!(alone.swim.broadcast(&[0; MAX_PAYLOAD + 1]), Err(TooLong(513)));
    alone.swim.broadcast(b"mine").unwrap();
    let said = alone.hear(2, Body::Ping { seq: 1, to: NodeId(1) }, vec![]);
    let events = said[0].news.iter().filter(|news| matches!(news, News::Event { .. })).count();
    assert_eq!(events, 4);
}

#[test]
fn members_above_the_limit_are_ignored_and_the_dead_are_forgotten() {
    let hour = Duration::from_secs(3600);
    let options = Options { max_members: 4, forget_after: hour, sync_every: hour / 2, ..Options::default() };
    let mut alone = Alone::new(10, options);
    assert_eq!(alone.swim.members().count(), 4);
    alone.pass(3 * hour);
    assert_eq!((alone.swim.members().count(), alone.swim.up()), (1, 1), "nobody answered");
}

#[test]
fn every_packet_keeps_to_its_size() {
    let mut alone = Alone::new(0, Options { packet_bytes: MIN_PACKET, ..quiet() });
    let meta = Bytes::from(vec![1; MAX_PAYLOAD]);
    for n in 2..40 {
        let six = SocketAddr::from(([n as u16; 8], 1));
        let news = News::Alive { id: NodeId(n), incarnation: 0, addr: six, meta: meta.clone() };
        alone.hear(2, Body::Gossip, vec![news]);
    }
    alone.hear(3, Body::Gossip, vec![suspect(2, 0, 3)]);
    let mut asked = None;
    for seq in 0..100 {
        let now = alone.clock.now();
        let mut bytes = Vec::new();
        let body = match seq % 2 {
            0 => Body::Ping { seq, to: NodeId(1) },
            _ => Body::SyncAsk { seq, after: asked, upto: None, entries: Vec::new() },
        };
        Packet { cluster: 0, from: NodeId(2), body, news: Vec::new() }.encode(&mut bytes);
        alone.swim.receive(now, addr(2), &bytes.into()).unwrap();
        while let Some(sent) = alone.swim.poll_transmit() {
            assert!(sent.bytes.len() <= MIN_PACKET);
            if let Body::SyncTell { upto, entries, .. } = Packet::decode(&sent.bytes.into()).unwrap().body {
                assert!(!entries.is_empty() && upto > asked, "each answer leads on");
                asked = upto;
            }
            if asked == Some(NodeId(38)) {
                return;
            }
        }
    }
    panic!("the table has no end: {asked:?}");
}

#[test]
fn a_process_that_stood_still_gives_the_lost_time_back() {
    let mut alone = Alone::new(20, quiet());
    alone.hear(2, Body::Gossip, vec![suspect(3, 0, 2), suspect(3, 0, 4), suspect(3, 0, 5)]);
    // Four times log₁₀ of 21 periods, of which one may be lost.
    let least = Duration::from_secs(4);
    alone.clock.advance(Duration::from_secs(60));
    alone.swim.tick(alone.clock.now());
    assert_eq!(alone.state(3).1, State::Suspect);
    alone.pass(least);
    assert_eq!(alone.state(3).1, State::Suspect, "it has all of its time but a period");
    alone.pass(least);
    assert_eq!(alone.state(3).1, State::Dead);
}

#[test]
fn a_newcomer_learns_a_large_table_from_a_seed_a_packet_at_a_time() {
    let clock = VirtualClock::new();
    let mut seed = Alone::new(300, quiet());
    let mut newcomer = member(1000, quiet(), clock.now());
    newcomer.join(clock.now(), [addr(1)]);
    let mut packets = 0;
    while let Some(sent) = newcomer.poll_transmit() {
        packets += 1;
        seed.swim.receive(seed.clock.now(), addr(1000), &sent.bytes.into()).unwrap();
        while let Some(sent) = seed.swim.poll_transmit() {
            newcomer.receive(clock.now(), addr(1), &sent.bytes.into()).unwrap();
        }
    }
    assert_eq!((newcomer.up(), seed.swim.up()), (302, 302));
    assert!((5..9).contains(&packets), "{packets}: 52 lines fit into a packet");
    assert!(std::iter::from_fn(|| newcomer.poll_event()).any(|event| event == Event::Joined));
}

#[test]
fn a_seed_that_does_not_answer_is_tried_and_given_up() {
    let mut alone = Alone::new(0, quiet());
    alone.swim.join(alone.clock.now(), [addr(1), addr(50), addr(51)]);
    let said = alone.pass(Duration::from_secs(30));
    let tries = |n| said.iter().filter(|(to, _)| *to == addr(n)).count();
    assert_eq!((tries(1), tries(50), tries(51)), (0, 4, 4));
    assert_eq!(alone.events(), [Event::JoinFailed]);
}

#[test]
fn options_that_make_no_member_are_refused() {
    let now = VirtualClock::new().now();
    let refused =
        |options| Swim::new(NodeId(1), addr(1), Bytes::new(), 0, options, Rng::from_seed(1), now).unwrap_err();
    assert_eq!(refused(Options { period: Duration::ZERO, ..quiet() }), OptionsError::Zero("period"));
    let second = Duration::from_secs(1);
    assert_eq!(refused(Options { probe_timeout: second, ..quiet() }), OptionsError::Timeout(second, second));
    assert_eq!(refused(Options { packet_bytes: 100, ..quiet() }), OptionsError::Packet(100));
    assert_eq!(refused(Options { health_most: 0, ..quiet() }), OptionsError::Zero("health_most"));
    let ever = Duration::MAX;
    assert_eq!(refused(Options { period: ever, ..quiet() }), OptionsError::TooMuch("period"));
    assert_eq!(refused(Options { sync_every: ever, ..quiet() }), OptionsError::TooMuch("sync_every"));
    assert_eq!(refused(Options { suspicion: u32::MAX, ..quiet() }), OptionsError::TooMuch("suspicion"));
    let meta = Bytes::from(vec![0; 513]);
    let long = Swim::new(NodeId(1), addr(1), meta, 0, quiet(), Rng::from_seed(1), now);
    assert_eq!(long.unwrap_err(), OptionsError::Meta(513));
}
