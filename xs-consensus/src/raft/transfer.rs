//! Leadership transfer (thesis, 3.10): the leader takes no more proposals, brings its heir up to date, and asks it to
//! stand for election at once, which the others allow although they hear their leader.
//!
//! A transfer ends with the leader's office, however that ends, or after an election timeout; then the leader takes
//! proposals again.

use std::time::Instant;

use super::error::Rejected;
use super::message::Body;
use super::node::{Leader, Raft, Role};
use super::{Index, LogView, NodeId};

#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) to: NodeId,
    pub(super) deadline: Instant,
    told: bool,
}

impl<L: LogView> Raft<L> {
    /// Hands leadership to `to`. Proposals are refused until it has happened or failed.
    ///
    /// # Errors
    /// [`Rejected::NotLeader`], [`Rejected::Transferring`] if it is being handed to somebody else,
    /// [`Rejected::BadChange`] if `to` can't lead.
    pub fn transfer(&mut self, now: Instant, to: NodeId) -> Result<(), Rejected> {
        self.alive()?;
        self.set_now(now);
        let membership = &self.memberships.latest().1;
        let can_lead = membership.is_voter(to) && !membership.is_witness(to) && to != self.id;
        let Role::Leader(leader) = &mut self.role else { return Err(Rejected::NotLeader { hint: self.leader }) };
        if let Some(transfer) = &leader.transfer {
            return if transfer.to == to { Ok(()) } else { Err(Rejected::Transferring(transfer.to)) };
        }
        if !can_lead {
            return Err(Rejected::BadChange("leadership goes to another voter that keeps the state"));
        }
        leader.transfer = Some(Transfer { to, deadline: self.now + self.options.election_timeout, told: false });
        self.continue_transfer(to);
        Ok(())
    }

    /// `from` has acknowledged something: if it has everything now, it may stand.
    pub(super) fn continue_transfer(&mut self, from: NodeId) {
        let last = self.log.last().0;
        let Role::Leader(leader) = &mut self.role else { return };
        let ready = leader.progress_of(from).is_some_and(|progress| progress.matched == last);
        let Some(transfer) = leader.transfer.as_mut().filter(|transfer| transfer.to == from) else { return };
        if ready && !transfer.told {
            transfer.told = true;
            // However late it arrives, it lets somebody be elected in spite of all promises.
            leader.reads.lease_broken = true;
            self.say(from, Body::TimeoutNow { last });
        }
    }

    pub(super) fn on_timeout_now(&mut self, from: NodeId, last: Index) {
        let able = self.membership().is_voter(self.id) && !self.membership().is_witness(self.id);
        let current = self.log.last().0 >= last && self.log.restoring.is_none();
        if matches!(self.role, Role::Follower) && self.leader.is_none_or(|leader| leader == from) && able && current {
            self.become_candidate(true);
        }
    }

    /// A witness that was elected brought entries that nobody else had; as soon as somebody has them, it goes.
    pub(super) fn hand_on_if_witness(&mut self) {
        let membership = &self.memberships.latest().1;
        if !membership.is_witness(self.id) {
            return;
        }
        let Role::Leader(leader) = &self.role else { return };
        let last = self.log.last().0;
        let heir = leader.progress.iter().find(|progress| {
            progress.matched == last && membership.is_voter(progress.id) && !membership.is_witness(progress.id)
        });
        if let Some(heir) = heir.map(|progress| progress.id) {
            // It fails only if a transfer is under way already.
            let _ = self.transfer(self.now, heir);
        }
    }
}

impl Leader {
    pub(super) fn expire_transfer(&mut self, now: Instant) {
        if self.transfer.as_ref().is_some_and(|transfer| now >= transfer.deadline) {
            self.transfer = None;
        }
    }
}
