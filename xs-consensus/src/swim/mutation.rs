//! Deliberate bugs. A checker that finds none of them checks nothing.

/// One deliberate bug, for [`Options::mutation`](super::Options::mutation). Only built with the feature `mutations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mutation {
    /// Contradicts a suspicion without raising its incarnation, so that nobody believes it.
    SameIncarnation,
    /// Suspects for ever.
    EndlessSuspicion,
    /// Believes news of a life that is over.
    StaleAlive,
    /// Probes whomever chance picks, so that some wait for long.
    RandomProbes,
    /// Raises the incarnation of others when it suspects them.
    RaiseOthers,
    /// Never looks for those that it thinks dead.
    NoReunion,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 6] = [
        Mutation::SameIncarnation,
        Mutation::EndlessSuspicion,
        Mutation::StaleAlive,
        Mutation::RandomProbes,
        Mutation::RaiseOthers,
        Mutation::NoReunion,
    ];
}
