//! How a member is to work: every limit and every duration, with its default.

use std::time::Duration;

/// The longest metadata of a member, and the longest payload of a user event, in bytes.
pub const MAX_PAYLOAD: usize = 512;

/// The smallest packet in which everything fits that must.
pub const MIN_PACKET: usize = MAX_PAYLOAD + 128;

/// The largest packet: what fits into a datagram of IPv4.
pub const MAX_PACKET: usize = 65_507;

/// Beyond these, products of durations and factors would have no instant to lie at.
const LONGEST_PERIOD: Duration = Duration::from_secs(3600);
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
const MOST: u32 = 1000;

/// How a member is to work. The defaults are those that memberlist has for a local network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The name of the cluster: packets of others are refused. 0 by default.
    pub cluster: u64,
    /// One member is probed this often. 1 s by default.
    pub period: Duration,
    /// After this long without an answer others are asked to probe; more than a round trip, and less than `period`. 500 ms
    /// by default.
    pub probe_timeout: Duration,
    /// How many others are asked. 3 by default.
    pub helpers: usize,
    /// λ: news are told λ·⌈log₁₀(n+1)⌉ times. 4 by default.
    pub retransmit: u32,
    /// α: a suspicion lasts α·log₁₀(n) periods at least; 0 calls dead at once who doesn't answer. 4 by default.
    pub suspicion: u32,
    /// β: and β times as long as long as nobody else confirms it; 1 switches that off (Lifeguard's LHA-Suspicion). 6 by
    /// default.
    pub suspicion_most: u32,
    /// By how much the member stretches its own period at most when it seems to be the slow one itself; 1 switches that off
    /// (Lifeguard's LHA-Probe). 8 by default.
    pub health_most: u32,
    /// News are also told in packets of their own, this often while there are any. None leaves it to probes and answers, as
    /// the paper has it. 200 ms by default.
    pub gossip_every: Option<Duration>,
    /// To how many members. 3 by default.
    pub gossip_to: usize,
    /// The whole table is compared with one other member this often, and with one that is thought dead; more rarely in
    /// clusters of more than 32. 30 s by default.
    pub sync_every: Duration,
    /// How long the dead and those who left are remembered, in case they come back. 24 h by default.
    pub forget_after: Duration,
    /// The largest packet that is sent. 1400 bytes by default; [`MIN_PACKET`] to [`MAX_PACKET`].
    pub packet_bytes: usize,
    /// The most members that are known, the dead included; those above are ignored. 65,536 by default.
    pub max_members: usize,
    /// How many user events wait to be told; above, the one that was told most is dropped. 256 by default.
    pub max_events: usize,
    /// How many user events are remembered, to deliver each once. 1024 by default.
    pub remembered_events: usize,
    /// How many probes on behalf of others may be under way. 256 by default; above, they are not made.
    pub max_relays: usize,
    /// The bug that this member has.
    #[cfg(feature = "mutations")]
    pub mutation: Option<super::Mutation>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cluster: 0,
            period: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            helpers: 3,
            retransmit: 4,
            suspicion: 4,
            suspicion_most: 6,
            health_most: 8,
            gossip_every: Some(Duration::from_millis(200)),
            gossip_to: 3,
            sync_every: Duration::from_secs(30),
            forget_after: Duration::from_secs(24 * 3600),
            packet_bytes: 1400,
            max_members: 65_536,
            max_events: 256,
            remembered_events: 1024,
            max_relays: 256,
            #[cfg(feature = "mutations")]
            mutation: None,
        }
    }
}

impl Options {
    /// SWIM as in the paper of 2002: news on probes and answers only, a suspicion of fixed length, nobody doubts itself.
    pub fn plain() -> Self {
        Options { suspicion_most: 1, health_most: 1, gossip_every: None, ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), OptionsError> {
        let zero = |what, is| if is { Err(OptionsError::Zero(what)) } else { Ok(()) };
        zero("period", self.period.is_zero())?;
        zero("probe_timeout", self.probe_timeout.is_zero())?;
        zero("retransmit", self.retransmit == 0)?;
        zero("suspicion_most", self.suspicion_most == 0)?;
        zero("health_most", self.health_most == 0)?;
        zero("gossip_every", self.gossip_every.is_some_and(|every| every.is_zero()))?;
        zero("sync_every", self.sync_every.is_zero())?;
        zero("max_members", self.max_members == 0)?;
        let above = |what, is| if is { Err(OptionsError::TooMuch(what)) } else { Ok(()) };
        above("period", self.period > LONGEST_PERIOD)?;
        above("gossip_every", self.gossip_every.is_some_and(|every| every > LONGEST))?;
        above("sync_every", self.sync_every > LONGEST)?;
        above("suspicion", self.suspicion > MOST)?;
        above("suspicion_most", self.suspicion_most > MOST)?;
        above("health_most", self.health_most > MOST)?;
        above("helpers", self.helpers > MOST as usize)?;
        above("gossip_to", self.gossip_to > MOST as usize)?;
        if self.probe_timeout >= self.period {
            return Err(OptionsError::Timeout(self.probe_timeout, self.period));
        }
        if !(MIN_PACKET..=MAX_PACKET).contains(&self.packet_bytes) {
            return Err(OptionsError::Packet(self.packet_bytes));
        }
        Ok(())
    }
}

/// Options that make no member. Whoever wrote them is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Nothing where something is needed.
    #[error("`{0}` must be more than zero")]
    Zero(&'static str),
    /// More than a year between comparisons or an hour a period, or a count or factor of more than 1000.
    #[error("`{0}` is too much")]
    TooMuch(&'static str),
    /// There is no time left for those who are asked to help.
    #[error("a probe_timeout of {0:?} must be less than the period of {1:?}")]
    Timeout(Duration, Duration),
    /// A packet of impossible size.
    #[error("packets of {0} bytes: they must be {MIN_PACKET} to {MAX_PACKET}")]
    Packet(usize),
    /// Metadata that is too long.
    #[error("metadata of {0} bytes: {MAX_PAYLOAD} at most")]
    Meta(usize),
}
