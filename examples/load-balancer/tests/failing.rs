//! Endpoints that are gone, hang, reset, lie, and answer with failures.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::{Does, Endpoint, Rig, Wire, field, get, nobody, rig, status};
use xs_os::{Clock, SystemClock};

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BAD: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno";
const SWITCH: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: words\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: words\r\n\r\n";

#[tokio::test]
async fn whoever_takes_no_connection_costs_no_request() {
    let good = Endpoint::start(Does::Says(GOOD.into())).await;
    let rig = rig(&[nobody().await, good.address, nobody().await], "", "policy = \"round-robin\"");
    for _ in 0..10 {
        assert_eq!(status(&rig.get("/").await), 200);
        // Nothing of it was sent to the others, so this is safe as well.
        assert_eq!(status(&rig.ask(POST).await), 200);
    }
    assert_eq!(good.requests(), 20);
}

#[tokio::test]
async fn with_nobody_left_the_client_is_told_what_kind_of_failure_it_was() {
    let gone = rig(&[nobody().await], "", "");
    assert_eq!(status(&gone.get("/").await), 502);
    let hung = Endpoint::start(Does::Hangs).await;
    let late = rig(&[hung.address], "", "timeouts = { response = \"100ms\" }\nretry = { attempts = 1 }");
    let began = SystemClock.now();
    assert_eq!(status(&late.get("/").await), 504);
    assert!((100..2000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    let routed = "[[listener.route]]\npath = \"/\"\nmethods = [\"GET\"]\npool = \"app\"\ntimeout = \"100ms\"\n";
    let by_route = rig(&[hung.address], routed, "");
    assert_eq!(status(&by_route.get("/").await), 504);
    let babble = Endpoint::start(Does::Says("SSH-2.0-OpenSSH\r\n\r\n".into())).await;
    assert_eq!(status(&rig(&[babble.address], "", "").get("/").await), 502);
}

#[tokio::test]
async fn what_was_sent_is_sent_again_only_if_doing_it_twice_is_doing_it_once() {
    let reset = Endpoint::start(Does::Resets).await;
    let good = Endpoint::start(Does::Says(GOOD.into())).await;
    let rig = rig(&[reset.address, good.address], "", "policy = \"round-robin\"\noutlier = { failures = 0 }");
    let (mut lost, all) = (0, 20);
    for _ in 0..all {
        assert_eq!(status(&rig.get("/").await), 200);
        lost += usize::from(status(&rig.ask(POST).await) == 502);
    }
    let tried = reset.requests() + good.requests();
    assert!(lost > 0, "one in two meets the one that resets, and may have been done");
    assert!(tried >= 2 * all, "{tried}");
    // Each POST arrived once: at the good one, or at the other and then was lost.
    assert_eq!(good.requests(), 2 * all - lost);
}

#[tokio::test]
async fn a_status_of_failure_is_tried_elsewhere_for_idempotent_requests() {
    let bad = Endpoint::start(Does::Says(BAD.into())).await;
    let good = Endpoint::start(Does::Says(GOOD.into())).await;
    let pool = "policy = \"round-robin\"\noutlier = { failures = 0 }";
    let first = rig(&[bad.address, good.address], "", pool);
    let mut refused = 0;
    for _ in 0..10 {
        assert_eq!(status(&first.get("/").await), 200);
        refused += usize::from(status(&first.ask(POST).await) == 503);
    }
    assert!(refused > 0);
    // Where nobody does better, the failure itself is what the client gets.
    let alone = rig(&[bad.address], "", "retry = { attempts = 2 }");
    let before = bad.requests();
    assert!(alone.get("/").await.ends_with("no"));
    assert_eq!(bad.requests() - before, 2);
}

#[tokio::test]
async fn retries_stay_within_the_budget() {
    let bad = Endpoint::start(Does::Says(BAD.into())).await;
    let pool = "outlier = { failures = 0 }\nretry = { attempts = 3, budget = 0.1, least = 0 }";
    let rig = rig(&[bad.address], "", pool);
    for _ in 0..50 {
        assert_eq!(status(&rig.get("/").await), 503);
    }
    assert!((50..=55).contains(&bad.requests()), "{}", bad.requests());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_passed_on_as_a_whole_one() {
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
    ] {
        let liar = Endpoint::start(Does::Leaves(said.into())).await;
        let rig = rig(&[liar.address], "", "");
        let answer = rig.get("/").await;
        // What had come by then may have been passed on.
        assert!(answer.contains("(closed)"), "{answer}");
        let stats = rig.balancer.listener_stats("web").unwrap();
        assert_eq!((stats.responses[0].get(), stats.responses[2].get()), (1, 0));
    }
}

#[tokio::test]
async fn whoever_says_more_than_announced_is_not_listened_to_again() {
    let liar = Endpoint::start(Does::Says(format!("{GOOD}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))).await;
    let rig = rig(&[liar.address], "", "");
    for _ in 0..5 {
        assert!(rig.get("/").await.ends_with("\r\n\r\nok"));
    }
    assert_eq!(liar.connections(), 5);
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_costs_no_request() {
    // It answers once on each connection, says nothing of closing it, and closes it.
    let brief = Endpoint::start(Does::Leaves(GOOD.into())).await;
    let rig = rig(&[brief.address], "", "retry = { attempts = 1 }");
    for _ in 0..20 {
        assert_eq!(status(&rig.get("/").await), 200);
    }
    assert_eq!(brief.requests(), 20);
}

#[tokio::test]
async fn checks_take_an_endpoint_out_and_bring_it_back() {
    let mut ill = Endpoint::start(Does::Names).await;
    let well = Endpoint::start(Does::Names).await;
    let pool = "policy = \"round-robin\"\nhealth = { http = \"/health\", interval = \"20ms\", timeout = \"200ms\", rise = 1, fall = 1 }";
    let rig = rig(&[ill.address, well.address], "", pool);
    let meets = async |address: std::net::SocketAddr| {
        let mut met = false;
        for _ in 0..4 {
            met |= rig.get("/").await.ends_with(&address.to_string());
        }
        met
    };
    assert!(meets(ill.address).await);
    ill.kill().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let retries = rig.balancer.pool_stats("app").unwrap().retries.get();
    assert!(!meets(ill.address).await);
    assert_eq!(rig.balancer.pool_stats("app").unwrap().retries.get(), retries, "nobody even tried");
    let _again = Endpoint::on(tokio::net::TcpListener::bind(ill.address).await.unwrap(), Does::Names);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(meets(ill.address).await);
}

#[tokio::test]
async fn a_breaker_opens_for_the_endpoint_that_fails() {
    let bad = Endpoint::start(Does::Says(BAD.into())).await;
    let good = Endpoint::start(Does::Says(GOOD.into())).await;
    let pool = "policy = \"round-robin\"\noutlier = { failures = 0 }\nretry = { attempts = 1 }\n\
                breaker = { calls = 10, failures = 0.5, open = \"1h\" }";
    let rig = rig(&[bad.address, good.address], "", pool);
    let mut failed = 0;
    for _ in 0..60 {
        failed += usize::from(status(&rig.get("/").await) == 503);
    }
    assert_eq!((failed, bad.requests()), (10, 10));
}

#[tokio::test]
async fn a_breaker_closes_after_answers_that_go_on_for_long() {
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun";
    for (going_on, expected) in [(endless, 200), (SWITCHED, 101)] {
        let endpoint = Endpoint::start(Does::InTurn(vec![BAD.into(), BAD.into(), going_on.into()])).await;
        let pool = "outlier = { failures = 0 }\nretry = { attempts = 1 }\n\
                    breaker = { calls = 2, failures = 0.5, open = \"500ms\" }";
        let rig = rig(&[endpoint.address], "", pool);
        for _ in 0..3 {
            assert_eq!(status(&rig.get("/").await), 503);
        }
        assert_eq!(endpoint.requests(), 2, "it is open");
        tokio::time::sleep(Duration::from_millis(600)).await;
        // More than it tries while it is half open, and none of them ends.
        let mut wires = Vec::new();
        for _ in 0..5 {
            let mut wire = rig.connect().await;
            wire.send(SWITCH).await;
            assert_eq!(status(&wire.until("\r\n\r\n").await), expected);
            wires.push(wire);
        }
    }
}

#[tokio::test]
async fn a_breaker_takes_no_socket_for_slow_because_it_lives() {
    let endpoint = Endpoint::start(Does::Says(SWITCHED.into())).await;
    let slow = "breaker = { calls = 2, slow = \"500ms\", open = \"1h\" }\nretry = { attempts = 1 }";
    let one = rig(&[endpoint.address], "", slow);
    let sockets = [switched(&one).await, switched(&one).await];
    tokio::time::sleep(Duration::from_millis(600)).await;
    drop(sockets);
    tokio::time::sleep(Duration::from_millis(100)).await;
    switched(&one).await;
}

#[tokio::test]
async fn an_endpoint_is_as_fast_as_it_answers_however_long_its_sockets_live() {
    let name = |name| SWITCHED.replace("words\r\n", &format!("words\r\nX-Name: {name}\r\n"));
    let fast = Endpoint::start(Does::Says(name("fast"))).await;
    let slow = Endpoint::start(Does::Waits(Duration::from_millis(400), name("slow"))).await;
    let two = rig(&[fast.address, slow.address], "", "policy = \"p2c\"");
    let mut sockets = [switched(&two).await, switched(&two).await];
    sockets.sort_by_key(|(_, head)| field(head, "x-name") == Some("fast"));
    let [(slow, _), (fast, head)] = sockets;
    assert_eq!(field(&head, "x-name"), Some("fast"), "each has got one");
    drop(slow);
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(fast);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(field(&switched(&two).await.1, "x-name"), Some("fast"));
}

#[tokio::test]
async fn a_socket_counts_as_long_as_it_lives() {
    let endpoints =
        [Endpoint::start(Does::Says(SWITCHED.into())).await, Endpoint::start(Does::Says(SWITCHED.into())).await];
    let addresses = endpoints.each_ref().map(|endpoint| endpoint.address);
    let rig = rig(&addresses, "", "policy = \"least-connections\"");
    let mut sockets = Vec::new();
    for _ in 0..8 {
        sockets.push(switched(&rig).await);
    }
    assert_eq!(endpoints.each_ref().map(Endpoint::requests), [4, 4]);
}

/// A socket, and the head that it began with.
async fn switched(rig: &Rig) -> (Wire, String) {
    let mut wire = rig.connect().await;
    wire.send(SWITCH).await;
    let head = wire.until("\r\n\r\n").await;
    assert_eq!(status(&head), 101, "{head}");
    (wire, head)
}

#[tokio::test]
async fn more_than_there_may_be_wait_for_a_connection_and_not_for_ever() {
    let slow = Endpoint::start(Does::Waits(Duration::from_secs(1), GOOD.into())).await;
    let rig = rig(&[slow.address], "", "connections = { max = 1, wait = \"1500ms\" }\nretry = { attempts = 1 }");
    let request = get("/");
    let (one, two, three) = tokio::join!(rig.ask(&request), rig.ask(&request), rig.ask(&request));
    let mut statuses = [status(&one), status(&two), status(&three)];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503]);
    assert_eq!(slow.connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_one_of_three_under_load_costs_no_request_that_was_safe_to_repeat() {
    let mut endpoints = Vec::new();
    for _ in 0..3 {
        endpoints.push(Endpoint::start(Does::Waits(Duration::from_millis(1), GOOD.into())).await);
    }
    let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address).collect();
    let rig = Arc::new(rig(&addresses, "", "retry = { attempts = 3, budget = 1.0 }"));
    let (good, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (rig, good, stop) = (rig.clone(), good.clone(), stop.clone());
            tokio::spawn(async move {
                let mut wire = rig.connect().await;
                while stop.load(Ordering::SeqCst) == 0 {
                    wire.send(&get("/")).await;
                    let answer = wire.answer(false).await;
                    assert_eq!(status(&answer), 200, "{answer}");
                    good.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    answered(&good, 100).await;
    endpoints[1].kill().await;
    // However slow the machine is: requests go on long behind the kill.
    let before = good.load(Ordering::SeqCst);
    answered(&good, before + 200).await;
    stop.store(1, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
}

/// Waits until `good` says that so many were answered.
async fn answered(good: &AtomicUsize, so_many: usize) {
    let enough = async {
        while good.load(Ordering::SeqCst) < so_many {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), enough).await.expect("requests are answered");
}
