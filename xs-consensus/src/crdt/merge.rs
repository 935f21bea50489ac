//! What all replicated values have in common.

/// A value whose copies can be changed apart and put together again: a join-semilattice.
///
/// Copies are ordered: one is *within* another if the other has all that it has. [`Merge::merge`] gives the least copy that
/// both are within, so it is associative, commutative and idempotent, and it does not matter in which order copies arrive,
/// nor how often. A *delta* is a copy too: one with little in it. Whoever merges a delta has what the change behind it did.
///
/// [`Default`] is the copy with nothing in it, within all others.
pub trait Merge: Clone + Default + PartialEq {
    /// Takes in all that another copy has.
    fn merge(&mut self, other: &Self);

    /// The copy in pieces, such that all of them merged are the copy again, and none can be left out.
    fn parts(&self) -> Vec<Self>;

    /// Whether another copy has all that this one has.
    fn within(&self, other: &Self) -> bool {
        let mut both = other.clone();
        both.merge(self);
        both == *other
    }

    /// What somebody lacks who has `known`: the least delta that makes of it what merging this whole copy would.
    fn delta_since(&self, known: &Self) -> Self {
        joined(self.parts().iter().filter(|part| !part.within(known)))
    }
}

/// All of these, merged.
fn joined<'a, C: Merge + 'a>(copies: impl IntoIterator<Item = &'a C>) -> C {
    let mut all = C::default();
    copies.into_iter().for_each(|copy| all.merge(copy));
    all
}

/// The laws, and how each value is played with: every value of this block is put through the same.
#[cfg(test)]
pub(super) mod laws {
    use super::*;
    use crate::clock::ReplicaId;
    use proptest::prelude::*;
    use proptest::test_runner::TestCaseResult;
    use std::fmt::Debug;

    /// A value that can be changed by drawn numbers.
    pub(crate) trait Play: Merge + Debug {
        /// Changes the value as a replica; the answer is the delta. `when` grows with every change.
        fn play(&mut self, replica: ReplicaId, when: u64, what: u8, with: u8) -> Self;
    }

    /// Who, what, with, and from whom to hear.
    pub(crate) type Script = Vec<(usize, u8, u8, Option<usize>)>;

    pub(crate) fn script() -> impl Strategy<Value = Script> {
        prop::collection::vec((0_usize..3, any::<u8>(), 0_u8..4, prop::option::weighted(0.3, 0_usize..3)), 0..40)
    }

    pub(crate) fn hold<C: Play>(script: &Script) -> TestCaseResult {
        let mut copies: [C; 3] = Default::default();
        for (when, (who, what, with, heard)) in script.iter().enumerate() {
            let before = copies[*who].clone();
            match heard {
                Some(from) => {
                    let (theirs, ours) = (copies[*from].clone(), &mut copies[*who]);
                    // What is lacking is enough, and is what the definition says.
                    let delta = theirs.delta_since(ours);
                    let defined = joined(theirs.parts().iter().filter(|part| !part.within(ours)));
                    prop_assert_eq!(&delta, &defined, "the least delta");
                    let mut whole = ours.clone();
                    whole.merge(&theirs);
                    ours.merge(&delta);
                    prop_assert_eq!(&*ours, &whole, "a delta does what the whole copy does");
                    prop_assert_eq!(theirs.delta_since(ours), C::default(), "nothing is lacking any more");
                }
                None => {
                    let delta = copies[*who].play(ReplicaId(*who as u64), when as u64, *what, *with);
                    let mut both = before.clone();
                    both.merge(&delta);
                    prop_assert_eq!(&both, &copies[*who], "the delta is the change");
                }
            }
            prop_assert!(before.within(&copies[*who]), "a copy only grows");
        }
        let [a, b, c] = &copies;
        let join = |one: &C, other: &C| joined([one, other]);
        prop_assert_eq!(join(a, b), join(b, a), "commutative");
        prop_assert_eq!(join(&join(a, b), c), join(a, &join(b, c)), "associative");
        prop_assert_eq!(&join(a, a), a, "idempotent");
        prop_assert_eq!(&join(a, &C::default()), a, "nothing changes nothing");
        prop_assert!(a.within(&join(a, b)) && b.within(&join(a, b)), "an upper bound");
        prop_assert_eq!(a.within(b), joined([b, a]) == *b);
        for copy in &copies {
            let parts = copy.parts();
            prop_assert_eq!(&joined(&parts), copy, "the parts are the whole");
            for left_out in 0..parts.len() {
                let others = parts.iter().enumerate().filter(|(nth, _)| *nth != left_out).map(|(_, part)| part);
                prop_assert!(joined(others) != *copy, "no part can be left out");
            }
        }
        Ok(())
    }

    /// Stamps the laws on values.
    macro_rules! stamp {
        ($($name:ident: $value:ty),+ $(,)?) => {
            proptest::proptest! {
                $(
                    #[test]
                    fn $name(script in $crate::crdt::merge::laws::script()) {
                        $crate::crdt::merge::laws::hold::<$value>(&script)?;
                    }
                )+
            }
        };
    }
    pub(crate) use stamp;
}
