//! What stands behind a balancer: the members with their services, shared by all clones.

use std::fmt;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::Notify;
use xs_os::Rng;

use super::{Applied, Change, Cluster, Endpoint, Outcome, Outstanding, Status};
use crate::Timer;

pub(super) struct State<S, P> {
    pub(super) cluster: Cluster,
    /// Beside each member its service.
    pub(super) services: Vec<S>,
    pub(super) policy: P,
    /// The policy has not heard of the last changes yet.
    pub(super) changed: bool,
    pub(super) rng: Rng,
}

pub(super) struct Shared<S, P> {
    pub(super) name: Arc<str>,
    pub(super) timer: Timer,
    pub(super) make: Box<dyn Fn(&Endpoint) -> S + Send + Sync>,
    pub(super) state: Mutex<State<S, P>>,
    /// The set of members has changed.
    pub(super) members: Notify,
    /// From how many failures in a row on the cluster is told.
    pub(super) failures_to_report: u32,
}

/// Who a call was sent to is told how it ended.
pub(super) trait Report: Send + Sync {
    fn ended(&self, name: &Arc<str>, call: Outstanding, outcome: Outcome);
}

impl<S: Send, P: Send> Report for Shared<S, P> {
    fn ended(&self, name: &Arc<str>, call: Outstanding, outcome: Outcome) {
        let now = self.timer.now();
        if outcome != Outcome::Failure {
            call.end(now, outcome);
            return;
        }
        let load = call.load().clone();
        let in_a_row = call.end(now, outcome);
        if in_a_row >= self.failures_to_report {
            let mut state = self.state.lock();
            // Not if the member is gone, and another one has come under its name.
            let same = |index| state.cluster.load(index).is_some_and(|its| Arc::ptr_eq(its, &load));
            if state.cluster.find(name).is_some_and(same) {
                state.cluster.failed(name, in_a_row, now);
            }
        }
    }
}

/// What stands behind a [`Balance`](super::Balance): its members, to change and to look at. Clones share them.
pub struct Members<S, P> {
    pub(super) shared: Arc<Shared<S, P>>,
}

impl<S, P> Clone for Members<S, P> {
    fn clone(&self) -> Self {
        Members { shared: self.shared.clone() }
    }
}

impl<S, P> Members<S, P> {
    /// Takes a change in. A new member's service is made at once; that of a member that is gone ends with its last call.
    /// One that only has another weight or zone keeps its service.
    pub fn apply(&self, change: Change) -> Applied {
        let shared = &*self.shared;
        // The caller's code runs before the lock is taken. A service that turns out not to be needed is dropped again.
        let made = match &change {
            Change::Insert(endpoint) if self.find(&endpoint.name).is_none() => Some((shared.make)(endpoint)),
            _ => None,
        };
        let newcomer = match &change {
            Change::Insert(endpoint) => Some(endpoint.clone()),
            Change::Remove(_) => None,
        };
        let mut gone = None;
        let now = shared.timer.now();
        let mut state = shared.state.lock();
        let applied = state.cluster.apply(change, now);
        match applied {
            Applied::Inserted(index) => {
                // Somebody else may have removed it since it was looked for; then it is made here.
                let service = made.or_else(|| newcomer.as_ref().map(&shared.make));
                state.services.splice(index..index, service);
            }
            Applied::Removed(index) => gone = Some(state.services.remove(index)),
            Applied::Updated(_) | Applied::Nothing | Applied::Full => {}
        }
        state.changed |= !matches!(applied, Applied::Nothing | Applied::Full);
        drop(state);
        drop(gone);
        if matches!(applied, Applied::Inserted(_) | Applied::Removed(_)) {
            shared.members.notify_waiters();
        }
        applied
    }

    /// Takes in all changes of a stream, until it ends.
    pub async fn follow(&self, changes: impl Stream<Item = Change>) {
        let mut changes = std::pin::pin!(changes);
        while let Some(change) = changes.next().await {
            self.apply(change);
        }
    }

    /// What the checks of a member say. False if there is no such member.
    pub fn set_well(&self, name: &str, well: bool) -> bool {
        let now = self.shared.timer.now();
        self.shared.state.lock().cluster.set_well(name, well, now)
    }

    /// The members, in order of their names.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.shared.state.lock().cluster.endpoints().to_vec()
    }

    /// What is known of each member.
    pub fn status(&self) -> Vec<Status> {
        let now = self.shared.timer.now();
        self.shared.state.lock().cluster.status(now).collect()
    }

    /// Waits until a member comes or goes after this call: make the future first, look at the members then, and wait.
    pub fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.shared.members.notified()
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    pub(super) fn timer(&self) -> &Timer {
        &self.shared.timer
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.shared.state.lock().cluster.find(name)
    }
}

impl<S, P> fmt::Debug for Members<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
