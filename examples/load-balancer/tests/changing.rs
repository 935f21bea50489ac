//! Another configuration, and the end.

mod support;

use std::time::Duration;

use support::{Does, Endpoint, Wire, config, get, rig, status};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use xs_load_balancer::{Config, StartError};
use xs_os::{Clock, SystemClock};

#[tokio::test]
async fn a_new_configuration_cuts_no_connection_and_keeps_what_has_not_changed() {
    let (old, new) = (Endpoint::start(Does::Names).await, Endpoint::start(Does::Names).await);
    let mut rig = rig(&[old.address], "", "");
    let mut wire = rig.connect().await;
    wire.send(&get("/")).await;
    assert!(wire.answer(false).await.ends_with(&old.address.to_string()));
    let stats = rig.balancer.listener_stats("web").unwrap();
    // The same once more: the connection to the endpoint is still in use.
    rig.balancer.reload(config(&[old.address], "", "")).unwrap();
    wire.send(&get("/")).await;
    assert!(wire.answer(false).await.ends_with(&old.address.to_string()));
    assert_eq!(old.connections(), 1);
    rig.balancer.reload(config(&[new.address], "", "")).unwrap();
    // Who was there goes on as before; who comes now finds the new one; the port is the same.
    wire.send(&get("/")).await;
    assert!(wire.answer(false).await.ends_with(&old.address.to_string()));
    assert!(rig.get("/").await.ends_with(&new.address.to_string()));
    assert_eq!(rig.balancer.address("web"), Some(rig.address));
    assert_eq!(stats.requests.get(), 4, "numbers go on");
}

#[tokio::test]
async fn a_wrong_configuration_changes_nothing() {
    let endpoint = Endpoint::start(Does::Names).await;
    let mut rig = rig(&[endpoint.address], "", "");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut other = config(&[endpoint.address], "", "");
    other.listeners[0].listen = taken.local_addr().unwrap();
    assert!(matches!(rig.balancer.reload(other), Err(StartError::Bind { .. })));
    let more = Config { threads: 2, ..config(&[endpoint.address], "", "") };
    assert!(matches!(rig.balancer.reload(more), Err(StartError::Threads(1, 2))));
    assert_eq!(status(&rig.get("/").await), 200);
}

#[tokio::test]
async fn a_listener_that_goes_finishes_what_it_has_begun() {
    let slow = Endpoint::start(Does::Waits(Duration::from_millis(200), "HTTP/1.1 204 No Content\r\n\r\n".into())).await;
    let mut rig = rig(&[slow.address], "", "");
    let mut wire = rig.connect().await;
    wire.send(&get("/")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut other = config(&[slow.address], "", "");
    other.listeners[0].name = "other".into();
    rig.balancer.reload(other).unwrap();
    let answer = wire.answer(true).await;
    assert_eq!(status(&answer), 204);
    assert!(wire.until("never").await.starts_with("(closed)"));
    assert!(tokio::net::TcpStream::connect(rig.address).await.is_err());
}

#[tokio::test]
async fn the_end_waits_for_what_is_under_way_and_for_nothing_else() {
    let slow = Endpoint::start(Does::Waits(Duration::from_millis(300), "HTTP/1.1 204 No Content\r\n\r\n".into())).await;
    let support::Rig { balancer, address } = rig(&[slow.address], "", "");
    let rig = support::Rig { balancer, address };
    let (mut busy, _idle) = (rig.connect().await, rig.connect().await);
    busy.send(&get("/")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = SystemClock.now();
    let (stopped, answer) = tokio::join!(rig.balancer.stop(), busy.answer(true));
    stopped.unwrap();
    assert_eq!(status(&answer), 204);
    assert!((200..1500).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_rate_that_is_used_up_stays_so_over_a_reload_unless_it_is_another_one() {
    let endpoint = Endpoint::start(Does::Names).await;
    for (mode, endless) in [("http", ""), ("tcp", "mode = \"tcp\"\n")] {
        let limits = |burst: u32| format!("{endless}limits = {{ rate = \"1/h\", burst = {burst} }}");
        let mut rig = rig(&[endpoint.address], &limits(2), "");
        let passes = async |rig: &support::Rig| {
            // What is too much for mode "tcp" is cut, which may be faster than the client.
            let Ok(stream) = TcpStream::connect(rig.address).await else { return false };
            let mut wire = Wire::new(stream);
            if wire.stream.write_all(get("/").as_bytes()).await.is_err() {
                return false;
            }
            let answer = wire.answer(false).await;
            !answer.starts_with("(closed)") && status(&answer) == 200
        };
        assert!(passes(&rig).await && passes(&rig).await && !passes(&rig).await, "{mode}");
        // The same, and something else about the listener.
        let other = format!("{}\ntimeouts = {{ idle = \"9s\" }}", limits(2));
        for listener in [&limits(2), &other] {
            rig.balancer.reload(config(&[endpoint.address], listener, "")).unwrap();
            assert!(!passes(&rig).await, "{mode}: the rate is used up as before");
        }
        rig.balancer.reload(config(&[endpoint.address], &limits(3), "")).unwrap();
        assert!(passes(&rig).await, "{mode}: another rate begins anew");
    }
}
