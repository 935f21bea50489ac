//! Joining: newcomers, members that come again, static members that restart.

use std::time::Instant;

use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;

use super::group::{Group, State};
use super::{Join, Joined, Member, Token, Who};

impl Group {
    /// A member wants to be in the next generation. Answered when there is one, or at once.
    pub(crate) fn handle_join(&mut self, now: Instant, token: Token, join: Join) {
        let member = join.member.clone();
        if let Err(error) = self.join(now, token, join) {
            self.answer_join(token, Err((error, member)));
        }
        self.complete_if_all_joined(now);
    }

    fn join(&mut self, now: Instant, token: Token, join: Join) -> Result<(), ErrorCode> {
        let (least, most) = self.limits.session;
        if join.session < least || join.session > most {
            return Err(ErrorCode::INVALID_SESSION_TIMEOUT);
        }
        if self.state == State::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        if !self.admits(&join.member) {
            self.pending.remove(&join.member);
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let replaced = join.instance.as_ref().and_then(|instance| self.instances.get(instance)).cloned();
        let instead_of = replaced.as_deref().unwrap_or(&join.member);
        if !self.has_room(&join.protocols, Some(instead_of)) {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if !self.agrees(&join.protocol_type, &join.protocols) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match (join.member.is_empty(), replaced) {
            (true, Some(old)) => self.replace(now, token, &old, join),
            (true, None) if join.name_first && join.instance.is_none() => {
                self.pending.insert(join.fresh.clone(), now + join.session);
                self.answer_join(token, Err((ErrorCode::MEMBER_ID_REQUIRED, join.fresh)));
            }
            (true, None) => self.add(now, token, join.fresh.clone(), join),
            (false, _) if join.instance.is_none() && self.pending.remove(&join.member).is_some() => {
                self.add(now, token, join.member.clone(), join);
            }
            (false, _) => self.join_again(now, token, join)?,
        }
        Ok(())
    }

    /// Whether there is a place: those that are in the next generation already keep theirs.
    fn admits(&self, id: &ByteString) -> bool {
        let known = self.members.get(id);
        let waiting = || self.members.values().filter(|member| member.joining.is_some()).count();
        let newcomers = self.pending.len() - usize::from(self.pending.contains_key(id));
        match self.state {
            State::Empty | State::Dead => newcomers < self.limits.members,
            State::PreparingRebalance => {
                known.is_some_and(|member| member.joining.is_some()) || waiting() + newcomers < self.limits.members
            }
            State::CompletingRebalance | State::Stable => {
                known.is_some() || self.members.len() + newcomers < self.limits.members
            }
        }
    }

    fn add(&mut self, now: Instant, token: Token, id: ByteString, join: Join) {
        if let Some(initial) = self.preparing.as_mut().and_then(|preparing| preparing.initial.as_mut()) {
            initial.came = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type);
        }
        if let Some(instance) = &join.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        let member = Member {
            instance: join.instance,
            client: join.client,
            session: join.session,
            rebalance: join.rebalance,
            protocols: join.protocols,
            assignment: Default::default(),
            joining: Some(token),
            syncing: None,
            new: true,
            deadline: now + self.limits.newcomer,
        };
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
        self.prepare(now);
    }

    /// A member that has its name.
    fn join_again(&mut self, now: Instant, token: Token, join: Join) -> Result<(), ErrorCode> {
        self.check_member(Who { member: &join.member, instance: join.instance.as_deref() })?;
        let id = join.member.clone();
        let Some(member) = self.members.get(&id) else { return Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        let same = member.protocols == join.protocols;
        match self.state {
            // It missed the answer, and changed nothing.
            State::CompletingRebalance if same => self.answer_current(now, token, &id),
            State::Stable if same && !self.is_leader(&id) => self.answer_current(now, token, &id),
            // The leader wants another assignment, or somebody wants to read something else.
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                self.update(now, token, &id, join);
                self.prepare(now);
            }
            State::Empty | State::Dead => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
        }
        Ok(())
    }

    /// Its place in the generation that there is.
    fn answer_current(&mut self, now: Instant, token: Token, id: &ByteString) {
        if let Some(member) = self.members.get_mut(id) {
            member.heard(now);
        }
        let place = self.place(id);
        self.answer_join(token, Ok(place));
    }

    fn update(&mut self, now: Instant, token: Token, id: &ByteString, join: Join) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.protocols = join.protocols;
        (member.session, member.rebalance) = (join.session, join.rebalance);
        member.client = join.client;
        if !member.new {
            member.heard(now);
        }
        // It asks twice, on another connection: the older request is given up.
        if let Some(older) = member.joining.replace(token) {
            let answer = Err((ErrorCode::REBALANCE_IN_PROGRESS, id.clone()));
            self.answer_join(older, answer);
        }
    }

    /// A static member has restarted. It takes its old place under a new name, and whoever still uses the old one is fenced.
    fn replace(&mut self, now: Instant, token: Token, old: &ByteString, join: Join) {
        let Some(mut member) = self.members.remove(old) else { return };
        let (id, leader) = (join.fresh.clone(), self.leader.clone());
        if let Some(older) = member.joining.take() {
            self.answer_join(older, Err((ErrorCode::FENCED_INSTANCE_ID, old.clone())));
        }
        if let Some(older) = member.syncing.take() {
            self.answer_sync(older, Err(ErrorCode::FENCED_INSTANCE_ID));
        }
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        if self.is_leader(old) {
            self.leader = Some(id.clone());
        }
        if self.unsynced.remove(old) {
            self.unsynced.insert(id.clone());
        }
        let said = member.metadata(self.protocol.as_deref().unwrap_or_default());
        member.new = false;
        self.members.insert(id.clone(), member);
        self.update(now, token, &id, join);
        let same = self.members.get(&id).zip(self.protocol.as_ref());
        let same = same.is_some_and(|(member, protocol)| member.metadata(protocol) == said);
        if self.state != State::Stable || !same || self.vote() != self.protocol {
            self.prepare(now);
            return;
        }
        // Nothing has changed for the others. A leader that comes back is told of the old one, so that it makes no
        // assignment that nobody waits for.
        if let Some(member) = self.members.get_mut(&id) {
            member.joining = None;
        }
        self.changed = true;
        let place = Joined { leader: leader.unwrap_or_default(), members: Vec::new(), ..self.place(&id) };
        self.answer_join(token, Ok(place));
    }

    /// A member's place in this generation.
    pub(super) fn place(&self, id: &ByteString) -> Joined {
        let protocol = self.protocol.clone().unwrap_or_default();
        let of =
            |(id, member): (&ByteString, &Member)| (id.clone(), member.instance.clone(), member.metadata(&protocol));
        Joined {
            member: id.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            leader: self.leader.clone().unwrap_or_default(),
            members: if self.is_leader(id) { self.members.iter().map(of).collect() } else { Vec::new() },
            protocol,
        }
    }
}
