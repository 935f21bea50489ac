//! The resolver that asks name servers itself, against one on loopback that is written out by hand here.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use xs_net::discover::{Answer, DnsResolver, Endpoint, Resolve};

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// What a name server knows: records by name and type, each with its time to live. A list that is not there: it fails.
#[derive(Clone, Default)]
struct Zone(Arc<Mutex<BTreeMap<(String, u16), Option<Vec<(u32, Vec<u8>)>>>>>);

impl Zone {
    fn set(&self, name: &str, kind: u16, records: &[(u32, Vec<u8>)]) {
        self.0.lock().insert((name.into(), kind), Some(records.to_vec()));
    }

    fn fails(&self, name: &str, kind: u16) {
        self.0.lock().insert((name.into(), kind), None);
    }

    /// The answer to a query of one question.
    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let (mut name, mut at) = (String::new(), 12);
        while query[at] > 0 {
            let label = &query[at + 1..][..usize::from(query[at])];
            name += &format!("{}.", String::from_utf8_lossy(label).to_lowercase());
            at += 1 + label.len();
        }
        let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
        let question = &query[12..at + 5];
        let known = self.0.lock().get(&(name.trim_end_matches('.').into(), kind)).cloned();
        let (code, records) = match known {
            None => (3, Vec::new()),
            Some(None) => (2, Vec::new()),
            Some(Some(records)) => (0, records),
        };
        let mut answer = [&query[..2], &[0x81, 0x80 | code, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]].concat();
        answer.extend(question);
        for (ttl, data) in records {
            // The name stands in the question.
            answer.extend([0xc0, 12]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1]);
            answer.extend(ttl.to_be_bytes());
            answer.extend((data.len() as u16).to_be_bytes());
            answer.extend(data);
        }
        answer
    }

    async fn serve(&self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (address, zone) = (socket.local_addr().unwrap(), self.clone());
        tokio::spawn(async move {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                socket.send_to(&zone.answer(&query[..length]), from).await.unwrap();
            }
        });
        address
    }
}

fn target(priority: u16, weight: u16, port: u16, name: &str) -> Vec<u8> {
    let mut data: Vec<u8> = [priority, weight, port].into_iter().flat_map(u16::to_be_bytes).collect();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        data.push(label.len() as u8);
        data.extend(label.as_bytes());
    }
    data.push(0);
    data
}

fn v4(last: u8) -> Vec<u8> {
    Ipv4Addr::new(10, 0, 0, last).octets().to_vec()
}

async fn ask(resolver: &DnsResolver, name: &str) -> std::io::Result<(String, Option<Duration>)> {
    let found = tokio::time::timeout(Duration::from_secs(30), resolver.resolve(name.into())).await.expect("an answer");
    let Answer { endpoints, ttl } = found?;
    let each = endpoints.iter().map(|Endpoint { name, weight, .. }| format!("{name}×{weight}"));
    Ok((each.collect::<Vec<_>>().join(" "), ttl))
}

#[tokio::test]
async fn a_host_has_addresses_and_they_hold_for_a_time() {
    let zone = Zone::default();
    let resolver = DnsResolver::asking([zone.serve().await]).unwrap();
    zone.set("shop.example", A, &[(60, v4(2)), (30, v4(1))]);
    zone.set("shop.example", AAAA, &[(90, Ipv6Addr::LOCALHOST.octets().to_vec())]);
    let expected = ("10.0.0.1:80×1 10.0.0.2:80×1 [::1]:80×1".to_owned(), Some(Duration::from_secs(30)));
    assert_eq!(ask(&resolver, "shop.example:80").await.unwrap(), expected);
    // Nothing is kept here: whoever asks again hears of what is new.
    zone.set("shop.example", A, &[(5, v4(3))]);
    let expected = ("10.0.0.3:80×1 [::1]:80×1".to_owned(), Some(Duration::from_secs(5)));
    assert_eq!(ask(&resolver, "shop.example:80").await.unwrap(), expected);
    assert_eq!(ask(&resolver, "nobody.example:80").await.unwrap(), (String::new(), None));
    assert_eq!(ask(&resolver, "[2001:db8::1]:80").await.unwrap(), ("[2001:db8::1]:80×1".into(), None));
    for wrong in ["shop.example", "shop.example:", "shop.example:65536", ":80", ""] {
        assert_eq!(ask(&resolver, wrong).await.unwrap_err().kind(), std::io::ErrorKind::InvalidInput, "{wrong:?}");
    }
    assert!(DnsResolver::asking([]).is_err());
}

#[tokio::test]
async fn a_service_has_targets_with_ports_and_weights() {
    const NAME: &str = "_http._tcp.shop.example";
    let zone = Zone::default();
    let resolver = DnsResolver::asking([zone.serve().await]).unwrap();
    let (a, b, c) = ("a.shop.example", "b.shop.example", "c.shop.example");
    zone.set(NAME, SRV, &[(60, target(20, 5, 8003, c)), (60, target(10, 0, 8002, b)), (60, target(10, 3, 8001, a))]);
    zone.set(a, A, &[(30, v4(2)), (30, v4(1))]);
    zone.set(b, A, &[(7, v4(3))]);
    zone.set(c, A, &[(1, v4(4))]);
    let expected = ("10.0.0.1:8001×3 10.0.0.2:8001×3 10.0.0.3:8002×1".to_owned(), Some(Duration::from_secs(7)));
    assert_eq!(ask(&resolver, NAME).await.unwrap(), expected);
    // A target without an address is no endpoint; one that cannot be found out makes all of it worth nothing.
    zone.set(b, A, &[]);
    let expected = ("10.0.0.1:8001×3 10.0.0.2:8001×3".to_owned(), Some(Duration::from_secs(30)));
    assert_eq!(ask(&resolver, NAME).await.unwrap(), expected);
    zone.fails(b, A);
    zone.fails(b, AAAA);
    assert!(ask(&resolver, NAME).await.is_err());
    // The second-best are the best when the best are gone.
    zone.set(NAME, SRV, &[(60, target(20, 5, 8003, c))]);
    assert_eq!(ask(&resolver, NAME).await.unwrap(), ("10.0.0.4:8003×5".into(), Some(Duration::from_secs(1))));
    // There is no such service here, says the root as a target.
    zone.set(NAME, SRV, &[(60, target(0, 0, 0, ""))]);
    assert_eq!(ask(&resolver, NAME).await.unwrap().0, "");
}
