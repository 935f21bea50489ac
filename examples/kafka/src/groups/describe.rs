//! What is told of a group, and what a restart finds of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytestring::ByteString;

use super::group::{Group, Limits, State};
use super::{Client, Member};

/// What outlives the broker: a generation with its assignment, or a group without members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<ByteString>,
    pub(crate) protocol: Option<ByteString>,
    pub(crate) leader: Option<ByteString>,
    pub(crate) members: Vec<KeptMember>,
}

/// A member of [`Kept`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeptMember {
    pub(crate) id: ByteString,
    pub(crate) instance: Option<ByteString>,
    pub(crate) client: Client,
    pub(crate) session: Duration,
    pub(crate) rebalance: Duration,
    /// Only of the protocol that was chosen.
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}

impl Group {
    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) fn protocol_type(&self) -> Option<&ByteString> {
        self.protocol_type.as_ref()
    }

    /// The way of assigning, once it has been chosen and used.
    pub(crate) fn protocol(&self) -> Option<&ByteString> {
        self.protocol.as_ref().filter(|_| self.state == State::Stable)
    }

    pub(crate) fn members(&self) -> &BTreeMap<ByteString, Member> {
        &self.members
    }

    /// What is to be stored when [`Group::take_changed`] says so.
    pub(crate) fn keep(&self) -> Kept {
        let protocol = self.protocol.clone().unwrap_or_default();
        let member = |(id, member): (&ByteString, &Member)| KeptMember {
            id: id.clone(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            session: member.session,
            rebalance: member.rebalance,
            metadata: member.metadata(&protocol),
            assignment: member.assignment.clone(),
        };
        Kept {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: self.members.iter().map(member).collect(),
        }
    }

    /// A group as it was. Its members have a session's time to be heard of.
    pub(crate) fn restore(limits: Limits, kept: Kept, now: Instant) -> Group {
        let mut group = Group::new(limits);
        group.generation = kept.generation;
        group.protocol_type = kept.protocol_type;
        if kept.members.is_empty() {
            return group;
        }
        group.state = State::Stable;
        group.leader = kept.leader;
        let protocol = kept.protocol.clone().unwrap_or_default();
        group.protocol = kept.protocol;
        for kept in kept.members {
            if let Some(instance) = &kept.instance {
                group.instances.insert(instance.clone(), kept.id.clone());
            }
            let member = Member {
                instance: kept.instance,
                client: kept.client,
                session: kept.session,
                rebalance: kept.rebalance,
                protocols: vec![(protocol.clone(), kept.metadata)],
                assignment: kept.assignment,
                joining: None,
                syncing: None,
                new: false,
                deadline: now + kept.session,
            };
            group.members.insert(kept.id, member);
        }
        group
    }
}
