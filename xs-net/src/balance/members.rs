//! What stands behind a balancer: the members with their services, shared by all clones.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::Notify;
use xs_os::Rng;

use super::{Applied, Change, Cluster, Endpoint, Outcome, Outstanding, Policy, Status};
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
        self.note(name, &call, outcome, self.timer.now());
    }
}

impl<S, P> Shared<S, P> {
    fn note(&self, name: &str, call: &Outstanding, outcome: Outcome, now: Instant) {
        let in_a_row = call.answered(now, outcome);
        if outcome == Outcome::Failure && in_a_row >= self.failures_to_report {
            let mut state = self.state.lock();
            // Not if the member is gone, and another one has come under its name.
            let same = |index| state.cluster.load(index).is_some_and(|its| Arc::ptr_eq(its, call.load()));
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

    /// What is known of each member, and its service.
    pub fn look(&self) -> Vec<(Status, S)>
    where
        S: Clone,
    {
        let now = self.shared.timer.now();
        let state = self.shared.state.lock();
        state.cluster.status(now).zip(state.services.iter().cloned()).collect()
    }

    /// Picks a member for a call that the caller makes, by what the policy says of `hash` and of those not in `tried`. From
    /// now on the call counts as under way. [`Balance`](super::Balance) does this for services; a proxy, whose call is not
    /// over with the response's head, does it here.
    pub fn pick(&self, now: Instant, hash: Option<u64>, tried: &[Arc<str>]) -> Option<Picked<S, P>>
    where
        S: Clone,
        P: Policy,
    {
        let mut state = self.shared.state.lock();
        let State { cluster, services, policy, changed, rng } = &mut *state;
        if std::mem::take(changed) {
            policy.changed(cluster.endpoints());
        }
        let index = policy.pick(&cluster.candidates(now, tried), hash, rng)?;
        let call = cluster.load(index)?.begin(now);
        let (name, service) = (cluster.endpoints()[index].name.clone(), services[index].clone());
        drop(state);
        Some(Picked { service, name, call: Some(call), shared: self.shared.clone() })
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

/// A call to a member that was picked. Say how it [ended](Picked::end); if nobody does, nothing is known but that it took
/// so long.
#[must_use = "the call counts as long as this lives"]
pub struct Picked<S, P> {
    /// The member's service.
    pub service: S,
    /// Its name.
    pub name: Arc<str>,
    call: Option<Outstanding>,
    shared: Arc<Shared<S, P>>,
}

impl<S, P> Picked<S, P> {
    /// It has ended so.
    pub fn end(self, outcome: Outcome) {
        let now = self.shared.timer.now();
        self.end_at(outcome, now);
    }

    /// [`end`](Picked::end) for those who know the time already.
    pub fn end_at(self, outcome: Outcome, now: Instant) {
        drop(self.answered_at(outcome, now));
    }

    /// The request leaves now: its latency is counted from here on, and not from the pick. Until then a place or a connection may
    /// have been waited for, which the member's policy sees in how many calls are under way.
    pub fn asked_at(&mut self, now: Instant) {
        if let Some(call) = &mut self.call {
            call.asked(now);
        }
    }

    /// The head of its answer is there, and says so much of the outcome: the time until now is its latency, and the body only
    /// makes the call last. How it ended is still to be said: a failure takes back what the head has said of the latency.
    pub fn head_at(&mut self, outcome: Outcome, now: Instant) {
        if let Some(call) = &mut self.call {
            call.began_to_answer(now, outcome);
        }
    }

    /// It was answered so, and goes on, as a connection does that was taken. It counts as under way until what this answers
    /// is dropped.
    pub fn answered_at(mut self, outcome: Outcome, now: Instant) -> Option<Outstanding> {
        let call = self.call.take()?;
        self.shared.note(&self.name, &call, outcome, now);
        Some(call)
    }
}

impl<S, P> Drop for Picked<S, P> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.shared.note(&self.name, &call, Outcome::Ignored, self.shared.timer.now());
        }
    }
}

impl<S, P> fmt::Debug for Picked<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picked").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S, P> fmt::Debug for Members<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
