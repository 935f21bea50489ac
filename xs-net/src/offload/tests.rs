//! Calls on a pool.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use futures::executor::block_on;
use parking_lot::Mutex;
use tower::{Layer, Service, ServiceExt, service_fn};
use xs_os::pool::{Pool, Reason};

use super::{Error, OffloadLayer};

fn pool(capacity: usize) -> Arc<Pool> {
    Arc::new(Pool::builder().threads(1).name("offloaded").capacity(capacity).build().unwrap())
}

#[test]
fn the_service_runs_on_a_worker() {
    let name = service_fn(|()| async { Ok::<_, Infallible>(thread::current().name().map(str::to_owned)) });
    let service = OffloadLayer::new(pool(4)).layer(name);
    assert_eq!(block_on(service.oneshot(())).unwrap().as_deref(), Some("offloaded-0"));
}

#[test]
fn errors_of_the_service_come_back() {
    let fails = service_fn(|n: u32| async move { Err::<(), _>(format!("no {n}")) });
    let service = OffloadLayer::new(pool(4)).layer(fails);
    assert_eq!(block_on(service.oneshot(3)).unwrap_err().to_string(), "no 3");
}

#[test]
fn a_panic_of_the_service_is_the_callers_and_the_worker_lives() {
    let odd = service_fn(|n: u32| async move {
        assert!(n.is_multiple_of(2), "odd");
        Ok::<_, Infallible>(n / 2)
    });
    let mut service = OffloadLayer::new(pool(4)).layer(odd);
    let call = service.call(3);
    let panic = thread::spawn(move || block_on(call)).join().unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"odd"));
    assert_eq!(block_on(service.call(8)).unwrap(), 4);
}

#[test]
fn a_full_pool_refuses_and_the_reactor_never_waits() {
    let (begun, begins) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let shared = Arc::new(Mutex::new((begun, gone)));
    let waits = service_fn(move |()| {
        let shared = shared.clone();
        async move {
            let both = shared.lock();
            both.0.send(()).unwrap();
            both.1.recv().unwrap();
            Ok::<_, Infallible>(())
        }
    });
    let mut service = OffloadLayer::new(pool(1)).layer(waits);
    let first = service.call(());
    begins.recv().unwrap();
    let second = service.call(());
    let third = block_on(service.call(())).unwrap_err();
    assert!(matches!(third, Error::Refused(Reason::Full)), "{third}");
    go.send(()).unwrap();
    go.send(()).unwrap();
    block_on(first).unwrap();
    block_on(second).unwrap();
}

#[test]
fn a_call_within_a_call_on_one_pool_ends() {
    let layer = OffloadLayer::new(pool(4));
    let inner = layer.layer(service_fn(|n: u32| async move { Ok::<_, Infallible>(n + 1) }));
    let outer = layer.layer(service_fn(move |n: u32| {
        let inner = inner.clone();
        async move { inner.oneshot(n).await.map_err(|error| error.to_string()) }
    }));
    assert_eq!(block_on(outer.oneshot(1)).unwrap(), 2);
}
