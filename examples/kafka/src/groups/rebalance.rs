//! From one generation to the next.

use std::time::Instant;

use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;

use super::group::{Group, Initial, Preparing, State};

impl Group {
    /// Begins to wait for all members, unless it does already.
    pub(super) fn prepare(&mut self, now: Instant) {
        let initial = match self.state {
            State::Empty if self.limits.initial_delay.is_zero() => None,
            State::Empty => {
                let delay = self.limits.initial_delay;
                let left = self.rebalance_timeout().saturating_sub(delay);
                Some(Initial { left, came: false })
            }
            State::CompletingRebalance => {
                self.give_assignments_up(now);
                None
            }
            State::Stable => None,
            State::PreparingRebalance | State::Dead => return,
        };
        let wait = if initial.is_some() { self.limits.initial_delay } else { self.rebalance_timeout() };
        self.preparing = Some(Preparing { until: now + wait, initial });
        self.state = State::PreparingRebalance;
        self.unsynced.clear();
        self.sync_by = None;
    }

    /// Who waits for an assignment joins again instead.
    fn give_assignments_up(&mut self, now: Instant) {
        let mut waiting = Vec::new();
        for member in self.members.values_mut() {
            member.assignment = Default::default();
            if let Some(token) = member.syncing.take() {
                member.heard(now);
                waiting.push(token);
            }
        }
        for token in waiting {
            self.answer_sync(token, Err(ErrorCode::REBALANCE_IN_PROGRESS));
        }
    }

    /// The next generation, if nobody is missing.
    pub(super) fn complete_if_all_joined(&mut self, now: Instant) {
        let waits = self.preparing.is_some_and(|preparing| preparing.initial.is_none());
        let all = self.members.values().all(|member| member.joining.is_some());
        if waits && all && self.pending.is_empty() {
            self.complete(now);
        }
    }

    /// The time for joining is over.
    pub(super) fn joining_is_over(&mut self, now: Instant) {
        let Some(preparing) = &mut self.preparing else { return };
        match &mut preparing.initial {
            Some(initial) if initial.came && !initial.left.is_zero() => {
                let more = self.limits.initial_delay.min(initial.left);
                *initial = Initial { left: initial.left - more, came: false };
                preparing.until = now + more;
            }
            _ => self.complete(now),
        }
    }

    fn complete(&mut self, now: Instant) {
        let gone = |member: &super::Member| member.joining.is_none() && member.instance.is_none();
        self.members.retain(|_, member| !gone(member));
        let joined = |group: &Group, id: &ByteString| group.members.get(id).is_some_and(|m| m.joining.is_some());
        if !self.leader.as_ref().is_some_and(|leader| joined(self, leader)) {
            let next = self.members.iter().find(|(_, member)| member.joining.is_some());
            let next = next.map(|(id, _)| id.clone());
            if next.is_none() && !self.members.is_empty() {
                // Static members have time until their sessions are over; without anybody else there is no hurry.
                self.preparing = Some(Preparing { until: now + self.rebalance_timeout(), initial: None });
                return;
            }
            self.leader = next;
        }
        self.preparing = None;
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.state = State::Empty;
            self.protocol = None;
            self.changed = true;
            return;
        }
        self.state = State::CompletingRebalance;
        self.protocol = self.vote();
        self.unsynced = self.members.keys().cloned().collect();
        self.sync_by = Some(now + self.rebalance_timeout());
        let ids: Vec<ByteString> = self.members.keys().cloned().collect();
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.new = false;
            let Some(token) = member.joining.take() else { continue };
            member.heard(now);
            let place = self.place(&id);
            self.answer_join(token, Ok(place));
        }
    }

    /// A member is out. Whatever it waits for is answered with `why`.
    pub(super) fn remove(&mut self, now: Instant, id: &ByteString, why: ErrorCode) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(token) = member.joining {
            self.answer_join(token, Err((why, ByteString::new())));
        }
        if let Some(token) = member.syncing {
            self.answer_sync(token, Err(why));
        }
        if let Some(instance) = member.instance.filter(|instance| self.instances.get(instance) == Some(id)) {
            self.instances.remove(&instance);
        }
        self.unsynced.remove(id);
        if self.is_leader(id) {
            let waiting = self.members.iter().find(|(_, member)| member.joining.is_some());
            self.leader = waiting.or_else(|| self.members.iter().next()).map(|(id, _)| id.clone());
        }
        match self.state {
            State::CompletingRebalance | State::Stable => self.prepare(now),
            State::Empty | State::PreparingRebalance | State::Dead => {}
        }
    }
}
