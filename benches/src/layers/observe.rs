//! Watching: any call, and a request of HTTP.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};
use xs_net::observe::{Headers, ObserveLayer, Stats, status_class};
use xs_os::Rng;

use super::{Case, echo, timers};

const CALL: &str = "a layer that watches calls";
pub(super) const HTTP: &str = "a layer that watches requests of HTTP";
const TRACED: &str = "a layer that gives requests of HTTP their place in a trace";

pub(super) type Body = Full<Bytes>;

pub(super) async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Full::default()))
}

/// A request is made and answered at once.
pub(super) fn http<S, B>(row: &'static str, subject: &'static str, ours: bool, mut service: S) -> Case
where
    S: Service<Request<Body>, Response = Response<B>> + 'static,
{
    Case::new(row, subject, ours, move || {
        let mut cx = Context::from_waker(Waker::noop());
        if service.poll_ready(&mut cx).is_ready() {
            let answer = pin!(service.call(Request::new(Full::default()))).poll(&mut cx);
            assert!(matches!(answer, Poll::Ready(Ok(_))), "{subject}: not answered");
        }
    })
}

/// Our layer for HTTP, by the system's clock or by ticks.
pub(super) fn watched(ticks: bool) -> ObserveLayer<xs_net::observe::Alike, Judge> {
    let [(system, _), (by_ticks, _)] = timers();
    let layer = ObserveLayer::new(&Stats::new("bench", ["call"]), if ticks { &by_ticks } else { &system });
    layer.judge(status_class::<Response<Body>, Infallible> as Judge)
}

type Judge = fn(&Result<Response<Body>, Infallible>) -> &'static str;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (timer, by) in timers() {
        let layer = ObserveLayer::new(&Stats::new("bench", ["call"]), &timer);
        let subject = ["ObserveLayer", "ObserveLayer by ticks"][by];
        cases.push(Case::service(CALL, subject, true, layer.layer(service_fn(echo))));
    }
    cases.push(http(HTTP, "no layer", false, service_fn(answer)));
    cases.push(http(HTTP, "ObserveLayer", true, watched(false).layer(service_fn(answer))));
    cases.push(http(HTTP, "ObserveLayer by ticks", true, watched(true).layer(service_fn(answer))));
    let traced = watched(false).traced(Headers, Rng::from_seed(1));
    cases.push(http(TRACED, "ObserveLayer", true, traced.layer(service_fn(answer))));
    cases
}
