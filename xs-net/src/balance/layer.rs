//! The balancer as a service: a service for each member, and one of them for each call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tower::Service;
use tower::util::Oneshot;
use xs_os::Rng;

use super::members::{Members, Report, Shared, State};
use super::steer::{Anywhere, Steer, Tried};
use super::{Classify, Cluster, ClusterOptions, Endpoint, Errors, Outcome, Outstanding, Policy};
use crate::Timer;
use crate::count::count;

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
            tried.add(endpoint.name.clone());
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
