//! What a request says about where it wants to go.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::endpoint::Endpoint;

/// What a request says about where it wants to go. Any `Fn(&R) -> Option<u64>` says its hash.
pub trait Steer<R> {
    /// What hashing goes by; the token, for [`Sticky`](super::Sticky).
    fn hash(&self, request: &R) -> Option<u64>;

    /// Where the names of those that were tried already are kept: these are left out, and the one that is picked is added.
    /// For a request that is sent again after a failure; its copies share the list.
    fn tried(&self, request: &R) -> Option<Tried> {
        let _ = request;
        None
    }

    /// This endpoint was picked, and gets the request next: time to note it, in an extension or in a header.
    fn picked(&self, request: &mut R, endpoint: &Endpoint) {
        let _ = (request, endpoint);
    }
}

/// Requests go anywhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anywhere;

impl<R> Steer<R> for Anywhere {
    fn hash(&self, _: &R) -> Option<u64> {
        None
    }
}

impl<R, F: Fn(&R) -> Option<u64>> Steer<R> for F {
    fn hash(&self, request: &R) -> Option<u64> {
        self(request)
    }
}

/// The names of the endpoints that a request was sent to. Clones share the list, so that a retry can keep it in each copy.
#[derive(Debug, Clone, Default)]
pub struct Tried(Arc<Mutex<Vec<Arc<str>>>>);

impl Tried {
    /// The names, in the order of the attempts.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.0.lock().clone()
    }

    pub(super) fn add(&self, name: Arc<str>) {
        self.0.lock().push(name);
    }
}
