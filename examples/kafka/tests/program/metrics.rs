//! The page of metrics.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use xs_proto::kafka::records::Compression;

use crate::client::{Client, batch, produce};
use crate::process::Broker;

#[tokio::test]
async fn what_clients_do_is_on_the_page() {
    // A port that was free a moment ago.
    let page = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broker = Broker::start(&["--port", "0", "--metrics", &page.to_string()]);
    let mut client = Client::at(broker.addr).await.unwrap();
    client.metadata(&["t"]).await;
    let sent = batch(0, &["a", "b"], Compression::None);
    client.produce("t", sent.clone()).await;
    client.ask(9, produce(-1, "unknown", sent.clone())).await;
    client.fetch(12, "t", 0, 0).await;
    // Gauges are told once a second.
    let mut told = String::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(page).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        told.clear();
        stream.read_to_string(&mut told).unwrap();
        if told.contains("xs_kafka_partitions 1") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for line in [
        "xs_kafka_requests_total{api=\"Produce\"} 2".to_owned(),
        "xs_kafka_connections 1".to_owned(),
        "xs_kafka_produced_batches_total 1".to_owned(),
        format!("xs_kafka_produced_bytes_total {}", sent.len()),
        "xs_kafka_refused_batches_total 1".to_owned(),
        format!("xs_kafka_fetched_bytes_total {}", sent.len()),
        "xs_kafka_topics 1".to_owned(),
        "xs_kafka_partitions 1".to_owned(),
        "xs_kafka_stopped_partitions 0".to_owned(),
    ] {
        assert!(told.lines().any(|there| there == line), "{line}: {told}");
    }
}
