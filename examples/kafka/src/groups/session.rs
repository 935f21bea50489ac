//! Being alive, leaving, and being silent for too long.

use std::time::Instant;

use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;

use super::group::{Group, State};

/// Who a request says it comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) member: &'a str,
    pub(crate) instance: Option<&'a str>,
}

impl Group {
    /// Whether it is a member. Who uses a static member's old name has been replaced.
    pub(super) fn check_member(&self, who: Who<'_>) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        if let Some(instance) = who.instance {
            match self.instances.get(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(id) if id != who.member => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.members.contains_key(who.member) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }

    /// Whether it is a member of this generation.
    pub(super) fn check_generation(&self, who: Who<'_>, generation: i32) -> Result<(), ErrorCode> {
        self.check_member(who)?;
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::ILLEGAL_GENERATION) }
    }

    fn heard(&mut self, now: Instant, id: &str) {
        if let Some(member) = self.members.get_mut(id).filter(|member| !member.new) {
            member.heard(now);
        }
    }

    /// A member is alive, and hears whether it must join again.
    pub(crate) fn handle_heartbeat(&mut self, now: Instant, who: Who<'_>, generation: i32) -> ErrorCode {
        if let Err(error) = self.check_generation(who, generation) {
            return error;
        }
        self.heard(now, who.member);
        match self.state {
            State::PreparingRebalance => ErrorCode::REBALANCE_IN_PROGRESS,
            _ => ErrorCode::NONE,
        }
    }

    /// Whether offsets may be committed: by a member of this generation, or by anybody to a group without members.
    pub(crate) fn handle_commit(&mut self, now: Instant, who: Who<'_>, generation: i32) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        if generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        if generation < 0 && who.member.is_empty() && who.instance.is_none() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.check_generation(who, generation)?;
        self.heard(now, who.member);
        match self.state {
            State::CompletingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            _ => Ok(()),
        }
    }

    /// Whether offsets may become part of a transaction: who says nothing of itself is not checked (KIP-447).
    pub(crate) fn check_transaction(&self, who: Who<'_>, generation: i32) -> Result<(), ErrorCode> {
        if generation < 0 && who.member.is_empty() && who.instance.is_none() {
            return Ok(());
        }
        self.check_generation(who, generation)
    }

    /// A member goes, by its own name or by its static one.
    pub(crate) fn handle_leave(&mut self, now: Instant, who: Who<'_>) -> ErrorCode {
        let left = self.leave(now, who);
        self.complete_if_all_joined(now);
        left.err().unwrap_or_default()
    }

    fn leave(&mut self, now: Instant, who: Who<'_>) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        if who.instance.is_none() && self.pending.remove(who.member).is_some() {
            return Ok(());
        }
        let id = match who.instance {
            // An administrator knows a static member by that name alone.
            Some(instance) if who.member.is_empty() => {
                self.instances.get(instance).cloned().ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?
            }
            _ => {
                self.check_member(who)?;
                who.member.into()
            }
        };
        self.remove(now, &id, ErrorCode::UNKNOWN_MEMBER_ID);
        Ok(())
    }

    /// When [`Group::handle_timeout`] wants to be called.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let members = self.members.values().filter(|member| member.can_expire()).map(|member| member.deadline);
        let sync_by = self.sync_by.filter(|_| !self.unsynced.is_empty());
        let preparing = self.preparing.map(|preparing| preparing.until);
        members.chain(self.pending.values().copied()).chain(sync_by).chain(preparing).min()
    }

    /// Does what is due: members that were silent are out, rebalances have waited long enough.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.pending.retain(|_, until| *until > now);
        let silent = self.members.iter().filter(|(_, member)| member.can_expire() && member.deadline <= now);
        let silent: Vec<ByteString> = silent.map(|(id, _)| id.clone()).collect();
        for id in silent {
            self.remove(now, &id, ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if self.sync_by.is_some_and(|by| by <= now) {
            for id in std::mem::take(&mut self.unsynced) {
                self.remove(now, &id, ErrorCode::UNKNOWN_MEMBER_ID);
            }
            self.sync_by = None;
        }
        self.complete_if_all_joined(now);
        if self.preparing.is_some_and(|preparing| preparing.until <= now) {
            self.joining_is_over(now);
        }
    }
}
