//! Watching: any call, and a request of HTTP.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};
use xs_net::Timer;
use xs_net::observe::{Headers, ObserveLayer, Stats, status_class};
use xs_os::Rng;

use super::{Case, echo};

const CALL: &str = "a layer that watches calls";
const HTTP: &str = "a layer that watches requests of HTTP";

type Body = Full<Bytes>;

async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Full::default()))
}

/// A request is made and answered at once.
fn http<S, B>(subject: &'static str, ours: bool, mut service: S) -> Case
where
    S: Service<Request<Body>, Response = Response<B>> + 'static,
{
    Case::new(HTTP, subject, ours, move || {
        let mut cx = Context::from_waker(Waker::noop());
        if service.poll_ready(&mut cx).is_ready() {
            let answer = pin!(service.call(Request::new(Full::default()))).poll(&mut cx);
            assert!(matches!(answer, Poll::Ready(Ok(_))), "{subject}: not answered");
        }
    })
}

pub(super) fn cases() -> Vec<Case> {
    let timer = Timer::system();
    let stats = || Stats::new("bench", ["call"]);
    let layer = ObserveLayer::new(&stats(), &timer);
    let mut cases = vec![Case::service(CALL, "ObserveLayer", true, layer.layer(service_fn(echo)))];
    cases.push(http("no layer", false, service_fn(answer)));
    let layer = ObserveLayer::new(&stats(), &timer).judge(status_class::<Response<Body>, Infallible>);
    cases.push(http("ObserveLayer", true, layer.layer(service_fn(answer))));
    let traced = layer.traced(Headers, Rng::from_seed(1));
    cases.push(http("ObserveLayer, a trace for each", true, traced.layer(service_fn(answer))));
    // A layer asks for the facade's counters in its first call, and there is no recorder yet.
    cases.iter_mut().for_each(|case| (case.run)(1));
    cases.extend(peers::cases());
    cases
}

#[cfg(not(feature = "peers-layers"))]
mod peers {
    pub(super) fn cases() -> Option<super::Case> {
        None
    }
}

#[cfg(feature = "peers-layers")]
mod peers {
    use axum_prometheus::PrometheusMetricLayerBuilder;
    use tower_http::trace::TraceLayer;
    use xs_net::observe::Recorder;

    use super::*;

    pub(super) fn cases() -> Vec<Case> {
        let mut cases =
            vec![http("tower-http's TraceLayer", false, TraceLayer::new_for_http().layer(service_fn(answer)))];
        let recorder = Recorder::new();
        let mut case = metrics::with_local_recorder(&recorder, || {
            let layer = ObserveLayer::new(&Stats::new("facade", ["call"]), &Timer::system());
            let layer = layer.judge(status_class::<Response<Body>, Infallible>);
            let mut case = http("ObserveLayer, a Recorder as well", true, layer.layer(service_fn(answer)));
            (case.run)(1);
            case
        });
        assert!(recorder.total("xs_requests_total", &[]) > 0.0, "it counts");
        (case.run)(1);
        assert!(recorder.total("xs_requests_total", &[]) > 1.0, "it still does");
        cases.push(case);
        // Makes the exporter the recorder of this process, from here on.
        let (layer, _) = PrometheusMetricLayerBuilder::new().with_default_metrics().build_pair();
        cases.push(http("axum-prometheus", false, layer.layer(service_fn(answer))));
        cases
    }
}
