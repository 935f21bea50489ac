//! Deliberate bugs. A simulation that finds none of them proves nothing.

/// One deliberate bug, for [`Builder::mutation`](crate::Builder::mutation). Only built with the feature `mutations`.
#[cfg_attr(not(feature = "mutations"), allow(unreachable_pub, reason = "without them nobody outside names them"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutation {
    /// Answers a producer when its records are in memory.
    AnswerBeforeDurable,
    /// Knows no producer after a restart.
    ForgetProducers,
    /// Answers a commit of offsets before it is durable.
    OffsetsBeforeDurable,
    /// Writes a transaction's markers before the decision is durable.
    MarkersBeforePrepare,
}

#[cfg(feature = "mutations")]
impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 4] = [
        Mutation::AnswerBeforeDurable,
        Mutation::ForgetProducers,
        Mutation::OffsetsBeforeDurable,
        Mutation::MarkersBeforePrepare,
    ];
}

/// The bug that is switched on, if one is. Without the feature there is none, and nothing of it is left.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bug {
    #[cfg(feature = "mutations")]
    pub(crate) is: Option<Mutation>,
}

impl Bug {
    #[cfg(feature = "mutations")]
    pub(crate) fn is(self, mutation: Mutation) -> bool {
        self.is == Some(mutation)
    }

    #[cfg(not(feature = "mutations"))]
    pub(crate) fn is(self, _: Mutation) -> bool {
        false
    }
}
