//! The admin page: what it says, and whose orders it takes.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::{Does, Endpoint, Wire, get, status};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use xs_load_balancer::{Balancer, Config, Machine};

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn start(endpoints: &[SocketAddr]) -> Balancer {
    let list: Vec<_> = endpoints.iter().map(|address| format!("\"{address}\"")).collect();
    let text = format!(
        "drain = \"1s\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [pool.\"a<b\"]\npolicy = \"round-robin\"\nendpoints = [{}]\n\
         [[listener]]\nname = \"web\"\nlisten = \"127.0.0.1:0\"\npool = \"a<b\"\n\
         [[listener]]\nname = \"raw\"\nlisten = \"127.0.0.1:0\"\nmode = \"tcp\"\npool = \"a<b\"\n",
        list.join(", ")
    );
    let config = Config::parse(&text).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    Balancer::start(config, Machine::system()).unwrap()
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut wire = Wire::new(TcpStream::connect(address).await.unwrap());
    wire.send(request).await;
    wire.answer(request.starts_with("HEAD")).await
}

async fn look(balancer: &Balancer, path: &str) -> String {
    let admin = balancer.admin_address().unwrap();
    ask(admin, &format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n\r\n")).await
}

fn json(answer: &str) -> serde_json::Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

async fn order(balancer: &Balancer, order: &str, endpoint: SocketAddr, fields: &str) -> u16 {
    let admin = balancer.admin_address().unwrap();
    let host = if fields.contains("Host:") { String::new() } else { format!("Host: {admin}\r\n") };
    let target = format!("/{order}?pool=a%3Cb&endpoint={}", endpoint.to_string().replace(':', "%3A"));
    status(&ask(admin, &format!("POST {target} HTTP/1.1\r\n{host}{fields}Content-Length: 0\r\n\r\n")).await)
}

#[tokio::test]
async fn everything_is_told_as_a_page_as_json_and_for_prometheus() {
    let endpoint = Endpoint::start(Does::Says(GOOD.into())).await;
    let balancer = start(&[endpoint.address]);
    for _ in 0..5 {
        assert_eq!(status(&ask(balancer.address("web").unwrap(), &get("/")).await), 200);
    }
    let mut raw = TcpStream::connect(balancer.address("raw").unwrap()).await.unwrap();
    raw.write_all(get("/").as_bytes()).await.unwrap();
    Wire::new(raw).answer(false).await;

    // What has come may not be counted yet: it is when the call that sent it is back.
    let mut stats = json(&look(&balancer, "/stats").await);
    for _ in 0..500 {
        let [raw, web] = [0, 1].map(|at| &stats["listeners"][at]);
        if raw["sent"] == GOOD.len() && web["responses"]["2xx"] == 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        stats = json(&look(&balancer, "/stats").await);
    }
    let [raw, web] = &stats["listeners"].as_array().unwrap()[..] else { panic!("{stats}") };
    assert_eq!((&web["name"], &web["requests"], &web["responses"]["2xx"]), (&"web".into(), &5.into(), &5.into()));
    assert_eq!((&raw["mode"], &raw["connections"], &raw["sent"]), (&"tcp".into(), &1.into(), &GOOD.len().into()));
    let pool = &stats["pools"][0];
    assert_eq!((&pool["name"], &pool["requests"], &pool["retries"]), (&"a<b".into(), &6.into(), &0.into()));
    let seen = &pool["endpoints"][0];
    assert_eq!((&seen["name"], &seen["state"]), (&endpoint.address.to_string().into(), &"well".into()));
    assert!(seen["p99_ms"].as_f64().unwrap() > 0.0);

    let page = look(&balancer, "/").await;
    assert!(page.contains("Pool a&lt;b") && page.contains(&endpoint.address.to_string()), "{page}");
    assert!(page.contains("frame-ancestors 'none'") && page.contains("http-equiv=\"refresh\""));
    assert!(!page.contains("a<b") && !page.contains("src=") && !page.contains("http://"), "nothing from elsewhere");
    assert!(!look(&balancer, "/tables").await.contains("<script>"));

    let metrics = look(&balancer, "/metrics").await;
    for line in [
        "xs_lb_listener_requests_total{listener=\"web\"} 5".to_owned(),
        "xs_lb_listener_responses_total{listener=\"web\",class=\"2xx\"} 5".to_owned(),
        "xs_lb_listener_latency_seconds_count{listener=\"web\"} 5".to_owned(),
        "xs_lb_pool_requests_total{pool=\"a<b\"} 6".to_owned(),
        format!("xs_lb_endpoint_up{{pool=\"a<b\",endpoint=\"{}\"}} 1", endpoint.address),
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line}\n{metrics}");
    }
    for line in metrics.split_once("\r\n\r\n").unwrap().1.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok()), "{line}");
    }
    assert_eq!(status(&look(&balancer, "/healthz").await), 200);
    assert_eq!(status(&look(&balancer, "/nothing").await), 404);
    assert_eq!(status(&look(&balancer, "/drain").await), 405);
}

#[tokio::test]
async fn a_body_that_takes_its_time_is_work_under_way_and_no_latency() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    let endpoint = Endpoint::start(Does::Drips(head.into(), Duration::from_millis(600), "ok".into())).await;
    let balancer = start(&[endpoint.address]);
    let mut wire = Wire::new(TcpStream::connect(balancer.address("web").unwrap()).await.unwrap());
    wire.send(&get("/")).await;
    assert_eq!(status(&wire.until("\r\n\r\n").await), 200);
    let seen = async || json(&look(&balancer, "/stats").await)["pools"][0]["endpoints"][0].clone();
    let during = seen().await;
    assert_eq!(during["outstanding"], 1, "{during}");
    wire.until("ok").await;
    let mut after = seen().await;
    while after["outstanding"] != 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        after = seen().await;
    }
    for seen in [during, after] {
        for latency in ["p99_ms", "average_ms"] {
            let millis = seen[latency].as_f64().unwrap();
            assert!(0.0 < millis && millis < 400.0, "{latency}: {seen}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_drains_by_order_and_comes_back() {
    let (a, b) = (Endpoint::start(Does::Names).await, Endpoint::start(Does::Names).await);
    let balancer = start(&[a.address, b.address]);
    let web = balancer.address("web").unwrap();
    assert_eq!(order(&balancer, "drain", a.address, "").await, 303);
    let before = a.requests();
    for _ in 0..6 {
        assert_eq!(status(&ask(web, &get("/")).await), 200);
    }
    assert_eq!(a.requests(), before);
    let stats = json(&look(&balancer, "/stats").await);
    let endpoints = stats["pools"][0]["endpoints"].as_array().unwrap();
    let seen = endpoints.iter().find(|seen| seen["name"] == a.address.to_string()).unwrap();
    assert_eq!((&seen["state"], &seen["weight"]), (&"draining".into(), &0.into()));

    assert_eq!(order(&balancer, "enable", a.address, "").await, 303);
    for _ in 0..6 {
        ask(web, &get("/")).await;
    }
    assert!(a.requests() > before);
    assert_eq!(order(&balancer, "drain", support::nobody().await, "").await, 404);
}

#[tokio::test]
async fn no_other_site_gives_orders() {
    let endpoint = Endpoint::start(Does::Names).await;
    let balancer = start(&[endpoint.address]);
    let admin = balancer.admin_address().unwrap();
    for fields in [
        "Origin: http://evil.example\r\n".to_owned(),
        "Origin: null\r\n".to_owned(),
        "Sec-Fetch-Site: cross-site\r\n".to_owned(),
        "Host: evil.example\r\nOrigin: http://evil.example\r\n".to_owned(),
    ] {
        assert_eq!(order(&balancer, "drain", endpoint.address, &fields).await, 403, "{fields}");
    }
    let own = format!("Origin: http://{admin}\r\nSec-Fetch-Site: same-origin\r\n");
    assert_eq!(order(&balancer, "drain", endpoint.address, &own).await, 303);
}

#[tokio::test]
async fn it_comes_and_goes_with_the_configuration_and_tells_of_the_end() {
    let endpoint = Endpoint::start(Does::Names).await;
    let mut balancer = start(&[endpoint.address]);
    let admin = balancer.admin_address().unwrap();
    let with = balancer.config().clone();
    balancer.reload(Config { admin: None, ..with.clone() }).unwrap();
    assert_eq!(balancer.admin_address(), None);
    balancer.reload(Config { ..with }).unwrap();
    let second = balancer.admin_address().unwrap();
    // A connection that lives keeps the balancer from ending at once.
    let _open = TcpStream::connect(balancer.address("raw").unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stopping = tokio::spawn(balancer.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(status(&ask(second, &format!("GET /healthz HTTP/1.1\r\nHost: {second}\r\n\r\n")).await), 503);
    stopping.await.unwrap().unwrap();
    assert!(TcpStream::connect(admin).await.is_err() || admin == second);
}
