//! From whole states to changes, in one place.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::endpoint::{Change, Endpoint};

/// The endpoints that are known, and what a new state changes about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    endpoints: BTreeMap<Arc<str>, Endpoint>,
}

impl Known {
    /// Nobody is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The endpoints, in order of their names.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.values()
    }

    /// From now on there are these; of several with one name the last counts. Answers what has changed: first who came or
    /// is another now, then who is gone, so that a set that is replaced is never empty in between.
    pub fn replace(&mut self, endpoints: impl IntoIterator<Item = Endpoint>) -> Vec<Change> {
        let new: BTreeMap<_, _> = endpoints.into_iter().map(|endpoint| (endpoint.name.clone(), endpoint)).collect();
        let old = std::mem::replace(&mut self.endpoints, new);
        let came = self.endpoints.iter().filter(|(name, endpoint)| old.get(*name) != Some(*endpoint));
        let came = came.map(|(_, endpoint)| Change::Insert(endpoint.clone()));
        let gone = old.keys().filter(|name| !self.endpoints.contains_key(*name));
        came.chain(gone.map(|name| Change::Remove(name.clone()))).collect()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn state() -> impl Strategy<Value = Vec<Endpoint>> {
        let endpoint = (0..6_u8, 0..3_u32).prop_map(|(name, weight)| Endpoint::new(name.to_string()).weight(weight));
        proptest::collection::vec(endpoint, 0..8)
    }

    proptest! {
        /// Whoever applies the changes has the new state; a change changes something; and nobody is without endpoints on
        /// the way from some to some.
        #[test]
        fn changes_lead_from_one_state_to_the_next(states in proptest::collection::vec(state(), 1..6)) {
            let (mut known, mut follower) = (Known::new(), BTreeMap::new());
            for state in states {
                let (before, after) = (!follower.is_empty(), !state.is_empty());
                for change in known.replace(state) {
                    match change {
                        Change::Insert(endpoint) => {
                            prop_assert_ne!(follower.insert(endpoint.name.clone(), endpoint.clone()), Some(endpoint));
                        }
                        Change::Remove(name) => prop_assert!(follower.remove(&name).is_some()),
                    }
                    prop_assert!(!(before && after && follower.is_empty()));
                }
                prop_assert!(known.endpoints().eq(follower.values()));
            }
        }
    }
}
