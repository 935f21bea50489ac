//! A group's rules, one by one and all together.

mod expiry;
mod rules;
mod simulation;

use std::time::{Duration, Instant};

use bytes::Bytes;
use bytestring::ByteString;
use xs_os::{Clock, VirtualClock};
use xs_proto::kafka::ErrorCode;

use super::*;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A group, its time, and what it has answered.
pub(super) struct World {
    pub(super) group: Group,
    pub(super) clock: VirtualClock,
    pub(super) joins: Vec<(u64, JoinAnswer)>,
    pub(super) syncs: Vec<(u64, SyncAnswer)>,
    tokens: u64,
}

impl World {
    pub(super) fn new(limits: Limits) -> World {
        let (joins, syncs) = Default::default();
        World { group: Group::new(limits), clock: VirtualClock::new(), joins, syncs, tokens: 0 }
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn join(&mut self, join: Join) -> u64 {
        self.tokens += 1;
        self.group.handle_join(self.now(), Token(self.tokens), join);
        self.drain();
        self.tokens
    }

    /// Everybody is assigned what its name is.
    pub(super) fn sync(&mut self, joined: &Joined) -> u64 {
        let assignments =
            joined.members.iter().map(|(id, ..)| (id.clone(), Bytes::copy_from_slice(id.as_bytes()))).collect();
        self.sync_as(&joined.member, None, joined.generation, assignments)
    }

    pub(super) fn sync_as(
        &mut self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
        assignments: Vec<(ByteString, Bytes)>,
    ) -> u64 {
        self.tokens += 1;
        let (token, who) = (Token(self.tokens), Who { member, instance });
        self.group.handle_sync(self.clock.now(), token, who, generation, (None, None), assignments);
        self.drain();
        self.tokens
    }

    pub(super) fn heartbeat(&mut self, member: &str, generation: i32) -> ErrorCode {
        let code = self.group.handle_heartbeat(self.now(), Who { member, instance: None }, generation);
        self.drain();
        code
    }

    pub(super) fn leave(&mut self, member: &str, instance: Option<&str>) -> ErrorCode {
        let code = self.group.handle_leave(self.now(), Who { member, instance });
        self.drain();
        code
    }

    /// Lets time pass, and the group do what is due, at the moment that it is.
    pub(super) fn pass(&mut self, by: Duration) {
        let end = self.now() + by;
        while let Some(due) = self.group.next_deadline().filter(|due| *due <= end) {
            self.clock.advance(due.saturating_duration_since(self.now()));
            self.group.handle_timeout(due);
            assert!(self.group.next_deadline().is_none_or(|next| next > due), "due again at once");
            self.drain();
        }
        self.clock.advance(end.saturating_duration_since(self.now()));
    }

    fn drain(&mut self) {
        while let Some(output) = self.group.poll_output() {
            match output {
                Output::Join(Token(token), answer) => self.joins.push((token, answer)),
                Output::Sync(Token(token), answer) => self.syncs.push((token, answer)),
            }
        }
    }

    /// The answer to a join, which there is once.
    pub(super) fn joined(&self, token: u64) -> Option<JoinAnswer> {
        let mut answers = self.joins.iter().filter(|(to, _)| *to == token).map(|(_, answer)| answer.clone());
        let first = answers.next();
        assert!(answers.next().is_none(), "answered twice");
        first
    }

    pub(super) fn synced(&self, token: u64) -> Option<SyncAnswer> {
        let mut answers = self.syncs.iter().filter(|(to, _)| *to == token).map(|(_, answer)| answer.clone());
        let first = answers.next();
        assert!(answers.next().is_none(), "answered twice");
        first
    }
}

/// A newcomer's request, with ten seconds of session and thirty to join again.
pub(super) fn newcomer(fresh: &str) -> Join {
    Join {
        client: Client { id: "client".into(), host: "/127.0.0.1".into() },
        member: ByteString::new(),
        instance: None,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from_static(b"topics"))],
        session: 10 * SECOND,
        rebalance: 30 * SECOND,
        name_first: false,
        fresh: fresh.into(),
    }
}

pub(super) fn again(member: &str) -> Join {
    Join { member: member.into(), ..newcomer("unused") }
}

/// Members that have joined and have their assignments, and what their places are.
pub(super) fn stable(world: &mut World, members: &[&str]) -> Vec<Joined> {
    let tokens: Vec<u64> = members.iter().map(|member| world.join(newcomer(member))).collect();
    world.pass(if members.len() > 1 { 6 * SECOND } else { 3 * SECOND });
    let places: Vec<Joined> = tokens.iter().map(|token| world.joined(*token).unwrap().unwrap()).collect();
    let syncs: Vec<u64> = places.iter().map(|place| world.sync(place)).collect();
    for (token, place) in syncs.iter().zip(&places) {
        assert_eq!(world.synced(*token).unwrap().unwrap().assignment, place.member.as_bytes());
    }
    assert_eq!(world.group.state(), State::Stable);
    places
}
