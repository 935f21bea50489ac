//! How a node is to work: every limit and every duration, with its default.

use std::time::Duration;

use super::{ClusterId, Error};

/// How a node is to work. All nodes of a cluster should have the same, `priority` aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The name of the cluster. 0 by default.
    pub cluster: ClusterId,
    /// Without a leader's word for this long, at least, a node stands for election; followers protect their leader from
    /// candidates for as long. 150 ms by default.
    pub election_timeout: Duration,
    /// The width of the window behind `election_timeout` from which each waiting time is drawn. 150 ms by default.
    pub election_jitter: Duration,
    /// A leader is heard from this often. 50 ms by default; less than half of `election_timeout`.
    pub heartbeat: Duration,
    /// Ask before an election whether it could be won (thesis, 9.6). On by default.
    pub pre_vote: bool,
    /// A leader that hears no majority for `election_timeout` steps down, and followers that hear their leader don't
    /// listen to candidates (thesis, 4.2.3 and 6.2). On by default.
    pub check_quorum: bool,
    /// Who should lead: 3 (the default) draws its waiting time from the first window behind the timeout, 2 and 1 from
    /// the second and third, and 0 never stands by itself, but may be made leader by a transfer.
    pub priority: u8,
    /// Answer reads under a lease, without a round of messages, if clocks of any two nodes drift apart by less than this
    /// during one election timeout. None by default: reads ask a majority. Needs `check_quorum`.
    pub lease_skew: Option<Duration>,
    /// Tell followers at once that something was committed, instead of with the next entries or heartbeat. On by default.
    pub eager_commit: bool,
    /// The largest command. 4 MiB by default.
    pub max_entry_bytes: usize,
    /// What one append carries at most, except that it carries one entry. 1 MiB by default.
    pub max_append_bytes: usize,
    /// Appends on their way to one follower. 128 by default.
    pub max_inflight: usize,
    /// Their bytes. 16 MiB by default.
    pub max_inflight_bytes: usize,
    /// Bytes that a leader appends before any of them is committed. 64 MiB by default.
    pub max_uncommitted_bytes: usize,
    /// What one [`Ready`](super::Ready) gives to apply, except that it gives one entry. 4 MiB by default.
    pub max_apply_bytes: usize,
    /// Durable entries that are kept in memory because followers and the state machine want them soon. 4 MiB by default.
    pub cache_bytes: usize,
    /// Reads that wait for their confirmation. 65,536 by default.
    pub max_pending_reads: usize,
    /// One piece of a snapshot. 1 MiB by default.
    pub snapshot_chunk_bytes: usize,
    /// The largest snapshot that is taken from a leader. 1 TiB by default.
    pub max_snapshot_bytes: u64,
    /// Followers that a leader sends snapshots to at the same time. 2 by default.
    pub max_snapshots: usize,
    /// The bug that this node has.
    #[cfg(feature = "mutations")]
    pub mutation: Option<super::Mutation>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cluster: ClusterId(0),
            election_timeout: Duration::from_millis(150),
            election_jitter: Duration::from_millis(150),
            heartbeat: Duration::from_millis(50),
            pre_vote: true,
            check_quorum: true,
            priority: 3,
            lease_skew: None,
            eager_commit: true,
            max_entry_bytes: 4 << 20,
            max_append_bytes: 1 << 20,
            max_inflight: 128,
            max_inflight_bytes: 16 << 20,
            max_uncommitted_bytes: 64 << 20,
            max_apply_bytes: 4 << 20,
            cache_bytes: 4 << 20,
            max_pending_reads: 1 << 16,
            snapshot_chunk_bytes: 1 << 20,
            max_snapshot_bytes: 1 << 40,
            max_snapshots: 2,
            #[cfg(feature = "mutations")]
            mutation: None,
        }
    }
}

impl Options {
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |what| Err(Error::Options(what));
        let hour = Duration::from_secs(3600);
        if self.heartbeat.is_zero() || self.election_timeout > hour || self.election_jitter > hour {
            return wrong("heartbeat: not zero; election_timeout, election_jitter: at most an hour");
        }
        if self.heartbeat * 2 >= self.election_timeout {
            return wrong("heartbeat: less than half of election_timeout");
        }
        if self.election_jitter < self.heartbeat {
            return wrong("election_jitter: at least a heartbeat, or votes split for ever");
        }
        if self.priority > 3 {
            return wrong("priority: at most 3");
        }
        if let Some(skew) = self.lease_skew {
            if !self.check_quorum {
                return wrong("lease_skew: needs check_quorum");
            }
            if skew >= self.election_timeout {
                return wrong("lease_skew: less than election_timeout");
            }
        }
        let limits = [
            self.max_entry_bytes,
            self.max_append_bytes,
            self.max_inflight,
            self.max_inflight_bytes,
            self.max_uncommitted_bytes,
            self.max_apply_bytes,
            self.snapshot_chunk_bytes,
            self.max_snapshots,
        ];
        if limits.contains(&0) || self.max_snapshot_bytes == 0 {
            return wrong("a limit: at least 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_work_are_refused_by_name() {
        assert_eq!(Options::default().check(), Ok(()));
        let bad: [fn(&mut Options); 6] = [
            |o| o.heartbeat = Duration::from_millis(75),
            |o| o.election_jitter = Duration::from_millis(1),
            |o| o.priority = 4,
            |o| (o.lease_skew, o.check_quorum) = (Some(Duration::from_millis(10)), false),
            |o| o.lease_skew = Some(o.election_timeout),
            |o| o.max_append_bytes = 0,
        ];
        for change in bad {
            let mut options = Options::default();
            change(&mut options);
            assert!(matches!(options.check(), Err(Error::Options(_))), "{options:?}");
        }
    }
}
