//! A group: its members, its state, and what both give out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;

use super::{JoinAnswer, Member, Output, SyncAnswer, Token};

/// What bounds a group, and how patient it is.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// `group.min.session.timeout.ms`, `group.max.session.timeout.ms`.
    pub(crate) session: (Duration, Duration),
    /// `group.initial.rebalance.delay.ms`: an empty group waits so long for more members after each that comes.
    pub(crate) initial_delay: Duration,
    /// `group.max.size`.
    pub(crate) members: usize,
    /// What all members say of themselves, and what they are assigned, in bytes.
    pub(crate) bytes: usize,
    /// A member that has never had an answer waits so long for one.
    pub(crate) newcomer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            session: (Duration::from_secs(6), Duration::from_secs(30 * 60)),
            initial_delay: Duration::from_secs(3),
            members: 10_000,
            bytes: 8 << 20,
            newcomer: Duration::from_secs(5 * 60),
        }
    }
}

/// No rebalance is shorter. A client may ask for none at all, and static members that do not come would be waited for
/// again and again, without a pause.
const SHORTEST: Duration = Duration::from_millis(100);

/// What a group is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
    Dead,
}

impl State {
    /// As Kafka's tools print it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
            State::Dead => "Dead",
        }
    }
}

/// A rebalance that waits for members.
#[derive(Debug, Clone, Copy)]
pub(super) struct Preparing {
    pub(super) until: Instant,
    /// The group was empty: even when all have joined it waits for more, so long in all, if somebody came since the last
    /// look.
    pub(super) initial: Option<Initial>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Initial {
    pub(super) left: Duration,
    pub(super) came: bool,
}

/// A group. See the [module](super).
#[derive(Debug)]
pub(crate) struct Group {
    pub(super) limits: Limits,
    pub(super) state: State,
    pub(super) generation: i32,
    /// None before anybody has joined: offsets can be committed by nobody's members.
    pub(super) protocol_type: Option<ByteString>,
    pub(super) protocol: Option<ByteString>,
    pub(super) leader: Option<ByteString>,
    pub(super) members: BTreeMap<ByteString, Member>,
    /// Who the static members are.
    pub(super) instances: BTreeMap<ByteString, ByteString>,
    /// Newcomers that were told their name and have not come back: forgotten then.
    pub(super) pending: BTreeMap<ByteString, Instant>,
    /// Members of this generation that have not asked for their assignment, and when they must have.
    pub(super) unsynced: BTreeSet<ByteString>,
    pub(super) sync_by: Option<Instant>,
    pub(super) preparing: Option<Preparing>,
    pub(super) outputs: VecDeque<Output>,
    /// What a restart must find has changed.
    pub(super) changed: bool,
}

impl Group {
    pub(crate) fn new(limits: Limits) -> Group {
        Group {
            limits,
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            sync_by: None,
            preparing: None,
            outputs: VecDeque::new(),
            changed: false,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Nothing would be lost with it but a generation's number.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Empty && self.pending.is_empty() && self.outputs.is_empty()
    }

    /// The next answer. To be called until there is none, after every other call.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether what must be stored has changed since the last call. Answers that came out together with it may only be
    /// given when it is stored.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// A restart must find it, whatever has changed.
    pub(crate) fn must_be_kept(&mut self) {
        self.changed = true;
    }

    /// Nobody joins it any more. Only an empty group can be deleted.
    pub(crate) fn delete(&mut self) -> Result<(), ErrorCode> {
        match self.state {
            State::Dead => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            State::Empty => {
                self.state = State::Dead;
                self.pending.clear();
                Ok(())
            }
            _ => Err(ErrorCode::NON_EMPTY_GROUP),
        }
    }

    pub(super) fn answer_join(&mut self, token: Token, answer: JoinAnswer) {
        self.outputs.push_back(Output::Join(token, answer));
    }

    pub(super) fn answer_sync(&mut self, token: Token, answer: SyncAnswer) {
        self.outputs.push_back(Output::Sync(token, answer));
    }

    /// The time that the slowest member wants for joining.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance).max().unwrap_or_default().max(SHORTEST)
    }

    pub(super) fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    /// Whether members that know these ways of assigning can be in the group.
    pub(super) fn agrees(&self, protocol_type: &str, protocols: &[(ByteString, Bytes)]) -> bool {
        if protocol_type.is_empty() || protocols.is_empty() {
            return false;
        }
        match self.members.is_empty() {
            true => true,
            false => {
                self.protocol_type.as_deref() == Some(protocol_type)
                    && protocols.iter().any(|(name, _)| self.members.values().all(|member| member.supports(name)))
            }
        }
    }

    /// The way of assigning that all know and most prefer; of several such the one that the first of them prefers.
    pub(super) fn vote(&self) -> Option<ByteString> {
        let known = |name: &ByteString| self.members.values().all(|member| member.supports(name));
        let first = self.members.values().next()?;
        let candidates: Vec<&ByteString> =
            first.protocols.iter().map(|(name, _)| name).filter(|name| known(name)).collect();
        let votes = |candidate: &ByteString| {
            let prefers = |member: &&Member| {
                member.protocols.iter().map(|(name, _)| name).find(|name| candidates.contains(name)) == Some(candidate)
            };
            self.members.values().filter(prefers).count()
        };
        // The first of those with the most votes.
        candidates.iter().rev().max_by_key(|candidate| votes(candidate)).map(|name| (*name).clone())
    }

    /// Whether more members, or longer ones, can be remembered.
    pub(super) fn has_room(&self, protocols: &[(ByteString, Bytes)], instead_of: Option<&str>) -> bool {
        let size = |protocols: &[(ByteString, Bytes)]| -> usize {
            protocols.iter().map(|(name, said)| name.len() + said.len() + 64).sum()
        };
        let others = self.members.iter().filter(|(id, _)| Some(&***id) != instead_of);
        let held: usize = others.map(|(_, member)| size(&member.protocols) + member.assignment.len()).sum();
        held + size(protocols) <= self.limits.bytes
    }
}
