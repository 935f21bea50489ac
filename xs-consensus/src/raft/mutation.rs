//! Deliberate bugs. A checker that finds none of them checks nothing.

/// One deliberate bug, for [`Options::mutation`](super::Options::mutation). Only built with the feature `mutations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mutation {
    /// Votes for everybody who asks in a term.
    VoteTwice,
    /// Elects a candidate whose log is behind.
    IgnoreLogInVotes,
    /// Begins without its vote after a restart.
    ForgetVote,
    /// Votes and acknowledges before the disk is done.
    SkipSync,
    /// Counts its own entries, as leader, before they are durable.
    CountUnsynced,
    /// Commits entries of earlier terms by counting.
    CommitOldTerms,
    /// Counts acknowledgements of learners.
    CountLearners,
    /// Takes entries though the one in front of them differs.
    SkipPrevCheck,
    /// Keeps its own entries where the leader's differ.
    KeepConflicts,
    /// Commits up to the leader's commit index though its own log was compared only up to the end of the append.
    CommitPastMatch,
    /// Applies what is not committed.
    ApplyBeforeCommit,
    /// Lets a change of membership begin while another one is under way.
    OverlappingMembership,
    /// Changes any number of voters in one step.
    OneStepMembership,
    /// Answers reads from its own state, whoever leads.
    StaleReads,
    /// Answers reads, as a new leader, before it has committed something.
    ReadBeforeNoop,
    /// Keeps a lease for longer than the followers' promise. (Needs `lease_skew`, or gives leases without.)
    LeaseWithoutSkew,
    /// Installs a snapshot that is older than its log.
    SnapshotOverNewer,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 17] = [
        Mutation::VoteTwice,
        Mutation::IgnoreLogInVotes,
        Mutation::ForgetVote,
        Mutation::SkipSync,
        Mutation::CountUnsynced,
        Mutation::CommitOldTerms,
        Mutation::CountLearners,
        Mutation::SkipPrevCheck,
        Mutation::KeepConflicts,
        Mutation::CommitPastMatch,
        Mutation::ApplyBeforeCommit,
        Mutation::OverlappingMembership,
        Mutation::OneStepMembership,
        Mutation::StaleReads,
        Mutation::ReadBeforeNoop,
        Mutation::LeaseWithoutSkew,
        Mutation::SnapshotOverNewer,
    ];
}
