//! Handing the leader's assignment out.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;

use super::group::{Group, State};
use super::{Synced, Token, Who};

impl Group {
    /// A member asks what it shall read; the leader says what all shall. Answered when the leader has.
    pub(crate) fn handle_sync(
        &mut self,
        now: Instant,
        token: Token,
        who: Who<'_>,
        generation: i32,
        protocol: (Option<&str>, Option<&str>),
        assignments: Vec<(ByteString, Bytes)>,
    ) {
        if let Err(error) = self.sync(now, token, who, generation, protocol, assignments) {
            self.answer_sync(token, Err(error));
        }
        self.complete_if_all_joined(now);
    }

    fn sync(
        &mut self,
        now: Instant,
        token: Token,
        who: Who<'_>,
        generation: i32,
        (protocol_type, protocol): (Option<&str>, Option<&str>),
        assignments: Vec<(ByteString, Bytes)>,
    ) -> Result<(), ErrorCode> {
        self.check_generation(who, generation)?;
        let differs =
            |said: Option<&str>, is: &Option<ByteString>| said.is_some_and(|said| is.as_deref() != Some(said));
        if differs(protocol_type, &self.protocol_type) || differs(protocol, &self.protocol) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match self.state {
            State::Empty | State::Dead => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance => return Err(ErrorCode::REBALANCE_IN_PROGRESS),
            State::CompletingRebalance | State::Stable => {}
        }
        let leads = self.is_leader(who.member);
        if self.state == State::CompletingRebalance && leads {
            let said: usize = assignments.iter().map(|(_, assignment)| assignment.len()).sum();
            if said > self.limits.bytes {
                return Err(ErrorCode::INVALID_REQUEST);
            }
        }
        self.unsynced.remove(who.member);
        let Some(member) = self.members.get_mut(who.member) else { return Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        member.heard(now);
        if let Some(older) = member.syncing.replace(token) {
            self.answer_sync(older, Err(ErrorCode::REBALANCE_IN_PROGRESS));
        }
        if self.state == State::CompletingRebalance && leads {
            let mut assignments: HashMap<ByteString, Bytes> = assignments.into_iter().collect();
            for (id, member) in &mut self.members {
                member.assignment = assignments.remove(id).unwrap_or_default();
            }
            self.state = State::Stable;
            self.changed = true;
        }
        if self.state == State::Stable {
            self.give_assignments(now);
        }
        Ok(())
    }

    fn give_assignments(&mut self, now: Instant) {
        let (protocol_type, protocol) = (self.protocol_type.clone(), self.protocol.clone());
        let mut waiting = Vec::new();
        for member in self.members.values_mut() {
            if let Some(token) = member.syncing.take() {
                member.heard(now);
                waiting.push((token, member.assignment.clone()));
            }
        }
        for (token, assignment) in waiting {
            let protocol_type = protocol_type.clone().unwrap_or_default();
            let protocol = protocol.clone().unwrap_or_default();
            self.answer_sync(token, Ok(Synced { protocol_type, protocol, assignment }));
        }
    }
}
