//! The layer by a virtual clock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use xs_os::{Rng, VirtualClock};

use super::*;
use crate::Timer;
use crate::by_hand::by_hand;

const MS: Duration = Duration::from_millis(1);

#[test]
fn calls_are_timed_and_counted_whoever_makes_them_and_however_they_end() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let stats = Stats::new("test", ["even", "odd"]);
    let sleeper = timer.clone();
    let layer = ObserveLayer::new(&stats, &timer)
        .describe(|n: &u32| *n as usize % 2)
        .judge(|result: &Result<u32, &str>| if result == &Ok(3) { "three" } else { "other than three" });
    let mut one = layer.layer(service_fn(move |n: u32| {
        let sleep = sleeper.sleep(n * MS);
        assert_ne!(n, 13, "on purpose");
        async move {
            sleep.await;
            if n < 100 { Ok(n) } else { Err("too long") }
        }
    }));
    let mut other = one.clone();
    let (mut two, mut three, mut hundred) = (by_hand(one.call(2)), by_hand(other.call(3)), by_hand(one.call(101)));
    assert!(two.poll().is_pending() && three.poll().is_pending() && hundred.poll().is_pending());
    assert_eq!(stats.in_flight(), 3);
    clock.advance(3 * MS);
    assert!(two.poll().is_ready() && three.poll().is_ready());
    clock.advance(97 * MS);
    drop(hundred);
    assert_eq!(stats.in_flight(), 0);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| other.call(13)));
    assert!(panicked.is_err());

    let [even, odd] = &stats.operations()[..] else { panic!("there are two") };
    assert_eq!((even.count(), even.count_of("other than three")), (1, 1));
    assert_eq!((odd.count_of("three"), odd.count_of(CANCELLED), odd.in_flight()), (1, 2, 0));
    let took = |operation: &Operation, outcome: &str| {
        let found = operation.outcomes().find(|(known, _)| *known == outcome);
        found.map(|(_, took)| Duration::from_nanos(took.sum()))
    };
    assert_eq!(took(even, "other than three"), Some(3 * MS), "until it was polled again");
    assert_eq!(took(odd, CANCELLED), Some(100 * MS));
}

#[test]
fn a_call_dropped_unpolled_is_one_that_was_cancelled() {
    let timer = Timer::new(Arc::new(VirtualClock::new()));
    let layer = ObserveLayer::new(&Stats::new("test", ["call"]), &timer);
    drop(layer.layer(service_fn(|()| async { Ok::<_, &str>(()) })).call(()));
    assert_eq!((layer.stats().in_flight(), layer.stats().all().count_of(CANCELLED)), (0, 1));
}

struct Request(Option<TraceContext>);

fn carry() -> (impl Fn(&Request) -> Option<TraceContext> + Clone, impl Fn(&mut Request, &TraceContext) + Clone) {
    (
        |request: &Request| request.0.clone(),
        |request: &mut Request, context: &TraceContext| {
            request.0 = Some(context.clone());
        },
    )
}

#[tokio::test]
async fn nested_layers_make_a_chain_of_one_trace() {
    let timer = Timer::new(Arc::new(VirtualClock::new()));
    let stats = Stats::new("test", ["call"]);
    let layer = |seed| ObserveLayer::new(&stats, &timer).traced(carry(), Rng::from_seed(seed));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (between, behind) = (seen.clone(), seen.clone());
    let backend = service_fn(move |request: Request| {
        behind.lock().extend(request.0);
        async { Ok::<_, &str>(()) }
    });
    let between = move |request: Request| {
        between.lock().extend(request.0.clone());
        request
    };
    let service = layer(1).layer(layer(2).layer(backend).map_request(between));
    service.clone().oneshot(Request(None)).await.unwrap();
    let parent = seen.lock()[0].clone();
    assert!(!parent.sampled);
    let sampled = TraceContext { sampled: true, ..parent };
    service.oneshot(Request(Some(sampled))).await.unwrap();
    let seen = seen.lock();
    assert_eq!(seen.len(), 4, "two calls through two layers");
    assert!(seen.iter().all(|context| context.trace_id == seen[0].trace_id));
    assert_eq!(seen.iter().map(|context| context.sampled).collect::<Vec<_>>(), [false, false, true, true]);
    let ids: BTreeSet<SpanId> = seen.iter().map(|context| context.span_id).collect();
    assert_eq!(ids.len(), 4);
}

/// Keeps what it is told, one line each.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl tracing::Subscriber for Told {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("xs_net::observe")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = span.metadata().name().to_owned();
        span.record(&mut Fields(&mut line));
        self.0.lock().push(line);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = "recorded".to_owned();
        values.record(&mut Fields(&mut line));
        self.0.lock().push(line);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = "event".to_owned();
        event.record(&mut Fields(&mut line));
        self.0.lock().push(line);
    }

    fn enter(&self, _: &Id) {
        self.0.lock().push("enter".into());
    }

    fn exit(&self, _: &Id) {
        self.0.lock().push("exit".into());
    }
}

#[test]
fn a_call_has_a_span_with_its_ids_and_is_inside_of_it_whenever_it_runs() {
    let (clock, told) = (VirtualClock::new(), Told::default());
    let timer = Timer::new(Arc::new(clock.clone()));
    let sleeper = timer.clone();
    let layer = ObserveLayer::new(&Stats::new("test", ["call"]), &timer).traced(carry(), Rng::from_seed(1));
    let lines = told.0.clone();
    let mut service = layer.layer(service_fn(move |request: Request| {
        lines.lock().push("called".into());
        let (sleep, lines) = (sleeper.sleep(MS), lines.clone());
        async move {
            sleep.await;
            lines.lock().push("ran".into());
            Ok::<_, &str>(request.0)
        }
    }));
    let context = tracing::subscriber::with_default(told.clone(), || {
        let mut call = by_hand(service.call(Request(None)));
        assert!(call.poll().is_pending());
        clock.advance(MS);
        let std::task::Poll::Ready(Ok(Some(context))) = call.poll() else { panic!("the time has come") };
        context
    });
    let (trace, span) = (context.trace_id, context.span_id);
    let lines = told.0.lock().clone();
    assert_eq!(
        lines,
        [
            &*format!("request name=\"test\" operation=\"call\" trace_id={trace} span_id={span}"),
            "enter",
            "called",
            "exit",
            "enter",
            "exit",
            "enter",
            "ran",
            "exit",
            "recorded outcome=\"ok\"",
            "event message=ended outcome=\"ok\" took=1ms",
        ]
    );
}
