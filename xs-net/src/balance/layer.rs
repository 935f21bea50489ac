//! The balancer as a service: a service for each member, and one of them for each call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tower::Service;
use tower::util::Oneshot;
use xs_os::Rng;

use super::{
    Applied, Change, Classify, Cluster, ClusterOptions, Endpoint, Errors, Outcome, Outstanding, Policy, Status,
};
use crate::Timer;
use crate::count::count;

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
}

/// There is nobody to send the request to; it was not sent. Ask again when the members have changed, or their health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("none of {members} members can be picked")]
pub struct NoCandidate {
    /// How many members there are, which are all unwell, ejected, drained or tried already.
    pub members: usize,
}

/// What a balanced call fails with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// There was nobody to send it to.
    #[error(transparent)]
    NoCandidate(NoCandidate),
    /// The endpoint's service failed.
    #[error(transparent)]
    Inner(E),
}

impl<E> Error<E> {
    /// The endpoint's own error, if it is one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Error::Inner(error) => Some(error),
            Error::NoCandidate(_) => None,
        }
    }
}

struct State<S, P> {
    cluster: Cluster,
    /// Beside each member its service.
    services: Vec<S>,
    policy: P,
    /// The policy has not heard of the last changes yet.
    changed: bool,
    rng: Rng,
}

struct Shared<S, P> {
    name: Arc<str>,
    timer: Timer,
    make: Box<dyn Fn(&Endpoint) -> S + Send + Sync>,
    state: Mutex<State<S, P>>,
    /// The set of members has changed.
    members: Notify,
    /// From how many failures in a row on the cluster is told.
    failures_to_report: u32,
}

/// Who a call was sent to is told how it ended.
trait Report: Send + Sync {
    fn ended(&self, name: &Arc<str>, call: Outstanding, outcome: Outcome);
}

impl<S: Send, P: Send> Report for Shared<S, P> {
    fn ended(&self, name: &Arc<str>, call: Outstanding, outcome: Outcome) {
        let now = self.timer.now();
        let in_a_row = call.end(now, outcome);
        if outcome == Outcome::Failure && in_a_row >= self.failures_to_report {
            self.state.lock().cluster.failed(name, in_a_row, now);
        }
    }
}

/// What stands behind a [`Balance`]: its members, to change and to look at. Clones share them.
pub struct Members<S, P> {
    shared: Arc<Shared<S, P>>,
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

/// A service that sends each call to one of several. Clones share the members and the policy. See the
/// [module page](super).
///
/// It is always ready: who is asked is decided in `call`, and the one who was picked is then waited for, its call counting
/// as under way. So a call needs the member's service to be `Clone`; clones of a client share its connections.
pub struct Balance<S, P, T = Anywhere, C = Errors> {
    members: Members<S, P>,
    steer: T,
    classify: C,
}

impl<S, P: Policy> Balance<S, P> {
    /// No members yet: they come through [`Balance::members`]. `make` makes the service of a new member; it must not call
    /// back into the balancer. `name` is what events and counters call it.
    pub fn new(
        name: impl Into<Arc<str>>,
        options: ClusterOptions,
        policy: P,
        timer: &Timer,
        rng: Rng,
        make: impl Fn(&Endpoint) -> S + Send + Sync + 'static,
    ) -> Self {
        let name = name.into();
        let cluster = Cluster::new(name.clone(), options, timer.now());
        let failures_to_report = cluster.failures_to_report().unwrap_or(u32::MAX);
        let state = State { cluster, services: Vec::new(), policy, changed: true, rng };
        let (timer, make) = (timer.clone(), Box::new(make));
        let shared = Shared { name, timer, make, state: Mutex::new(state), members: Notify::new(), failures_to_report };
        Balance { members: Members { shared: Arc::new(shared) }, steer: Anywhere, classify: Errors }
    }
}

impl<S, P, T, C> Balance<S, P, T, C> {
    /// Requests go where `steer` says.
    pub fn steered<U>(self, steer: U) -> Balance<S, P, U, C> {
        Balance { members: self.members, steer, classify: self.classify }
    }

    /// What is a failure of an endpoint `classify` says. By default every error is one.
    pub fn classified<D>(self, classify: D) -> Balance<S, P, T, D> {
        Balance { members: self.members, steer: self.steer, classify }
    }

    /// The members, to change and to look at.
    pub fn members(&self) -> &Members<S, P> {
        &self.members
    }
}

impl<S, P, T: Clone, C: Clone> Clone for Balance<S, P, T, C> {
    fn clone(&self) -> Self {
        Balance { members: self.members.clone(), steer: self.steer.clone(), classify: self.classify.clone() }
    }
}

impl<S, P, T, C> fmt::Debug for Balance<S, P, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balance").field("members", &self.members).finish_non_exhaustive()
    }
}

impl<R, S, P, T, C> Service<R> for Balance<S, P, T, C>
where
    S: Service<R> + Clone + Send + 'static,
    P: Policy + 'static,
    T: Steer<R>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = Balanced<S, R, C>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: R) -> Self::Future {
        let shared = &self.members.shared;
        let (hash, tried) = (self.steer.hash(&request), self.steer.tried(&request));
        let names = tried.as_ref().map(Tried::names).unwrap_or_default();
        let now = shared.timer.now();
        let mut state = shared.state.lock();
        let State { cluster, services, policy, changed, rng } = &mut *state;
        if std::mem::take(changed) {
            policy.changed(cluster.endpoints());
        }
        let picked = policy.pick(&cluster.candidates(now, &names), hash, rng);
        let found = picked.and_then(|index| Some((cluster.load(index)?.begin(now), index)));
        let Some((call, index)) = found else {
            let members = cluster.endpoints().len();
            drop(state);
            tracing::debug!(name = &*shared.name, members, "nobody to send it to");
            count("xs_balance_no_candidate_total", &shared.name);
            return Balanced { call: None, ended: None, members };
        };
        let (endpoint, service) = (cluster.endpoints()[index].clone(), services[index].clone());
        drop(state);
        if let Some(tried) = tried {
            tried.0.lock().push(endpoint.name.clone());
        }
        self.steer.picked(&mut request, &endpoint);
        let watch = Watch { call: Some(call), name: endpoint.name, report: shared.clone() };
        Balanced { call: Some(Oneshot::new(service, request)), ended: Some((watch, self.classify.clone())), members: 0 }
    }
}

/// Reports the end of a call, also of one that is dropped.
struct Watch {
    call: Option<Outstanding>,
    name: Arc<str>,
    report: Arc<dyn Report>,
}

impl Watch {
    fn ended(&mut self, outcome: Outcome) {
        if let Some(call) = self.call.take() {
            self.report.ended(&self.name, call, outcome);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Whoever gave up waiting has learnt that it takes longer than that.
        self.ended(Outcome::Ignored);
    }
}

pin_project! {
    /// The response of a [`Balance`].
    #[must_use = "a call does nothing until it is polled"]
    pub struct Balanced<S: Service<R>, R, C> {
        #[pin]
        call: Option<Oneshot<S, R>>,
        ended: Option<(Watch, C)>,
        members: usize,
    }
}

impl<S, R, C> Future for Balanced<S, R, C>
where
    S: Service<R>,
    C: Classify<S::Response, S::Error>,
{
    type Output = Result<S::Response, Error<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(call) = this.call.as_pin_mut() else {
            return Poll::Ready(Err(Error::NoCandidate(NoCandidate { members: *this.members })));
        };
        let result = ready!(call.poll(cx));
        if let Some((mut watch, classify)) = this.ended.take() {
            watch.ended(classify.classify(&result));
        }
        Poll::Ready(result.map_err(Error::Inner))
    }
}

impl<S: Service<R>, R, C> fmt::Debug for Balanced<S, R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.ended.as_ref().map(|(watch, _)| &watch.name);
        f.debug_struct("Balanced").field("endpoint", &endpoint).finish_non_exhaustive()
    }
}
