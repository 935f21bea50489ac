//! Deliberate bugs. A checker that finds none of them checks nothing.

/// One deliberate bug, for [`Cluster::mutation`](super::Cluster::mutation). Only built with the feature `mutations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mutation {
    /// Votes in a ballot below one that it has promised.
    AcceptWithoutPromise,
    /// Begins without its promise after a restart.
    ForgetPromise,
    /// Proposes a value of its own, whatever the promises told.
    OwnValue,
    /// Proposes the first value that a promise told, instead of that of the highest ballot.
    FirstVote,
    /// One node less than a quorum is enough, in both phases.
    SmallQuorum,
    /// Promises and votes before the disk is done. (`multi`)
    SkipSync,
    /// Takes a value for chosen at its first vote. (`multi`)
    CommitWithoutQuorum,
    /// Asks, in phase 1, only for the slots behind its own last vote, and believes its own votes for the rest. (`multi`)
    SkipOldSlots,
    /// Takes what it voted for as chosen, up to the leader's commit, in whatever ballot it voted. (`multi`)
    CommitAnyBallot,
    /// Counts votes of other ballots. (`multi`)
    CountOldVotes,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 10] = [
        Mutation::AcceptWithoutPromise,
        Mutation::ForgetPromise,
        Mutation::OwnValue,
        Mutation::FirstVote,
        Mutation::SmallQuorum,
        Mutation::SkipSync,
        Mutation::CommitWithoutQuorum,
        Mutation::SkipOldSlots,
        Mutation::CommitAnyBallot,
        Mutation::CountOldVotes,
    ];

    /// Those that [`single`](super::single) can have too.
    pub const SINGLE: [Mutation; 5] = [
        Mutation::AcceptWithoutPromise,
        Mutation::ForgetPromise,
        Mutation::OwnValue,
        Mutation::FirstVote,
        Mutation::SmallQuorum,
    ];
}
