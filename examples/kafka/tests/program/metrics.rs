//! What an operator sees.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::Compression;

use crate::client::{Client, batch, produce};
use crate::process::Broker;

/// What the page has, or its headers with it.
fn get(page: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(page).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    told
}

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
        told = get(page, "/metrics");
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

#[tokio::test]
async fn topics_groups_and_their_lag_are_on_the_page() {
    let page = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broker = Broker::start(&["--port", "0", "--metrics", &page.to_string()]);
    let mut client = Client::at(broker.addr).await.unwrap();
    client.metadata(&["t"]).await;
    let sent = batch(0, &["a", "b", "c"], Compression::None);
    client.produce("t", sent.clone()).await;
    client.fetch(12, "t", 0, 0).await;
    let partition = OffsetCommitRequestPartition { committed_offset: 1, ..Default::default() };
    let topic = OffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition] };
    let commit = OffsetCommitRequest {
        group_id: "<g>".into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    client.ask(8, commit).await;
    let begin = InitProducerIdRequest {
        transactional_id: Some("tx".into()),
        transaction_timeout_ms: 1000,
        ..Default::default()
    };
    client.ask(4, begin).await;

    let told = get(page, "/metrics");
    for line in [
        "xs_kafka_topic_produced_records_total{topic=\"t\"} 3".to_owned(),
        format!("xs_kafka_topic_produced_bytes_total{{topic=\"t\"}} {}", sent.len()),
        format!("xs_kafka_topic_fetched_bytes_total{{topic=\"t\"}} {}", sent.len()),
        "xs_kafka_topic_records{topic=\"t\"} 3".to_owned(),
        "xs_kafka_groups{state=\"Empty\"} 1".to_owned(),
        "xs_kafka_group_members{group=\"<g>\"} 0".to_owned(),
        "xs_kafka_group_lag{group=\"<g>\",topic=\"t\",partition=\"0\"} 2".to_owned(),
        "xs_kafka_group_rows_left_out 0".to_owned(),
        "xs_kafka_transactions{state=\"Empty\"} 1".to_owned(),
        "xs_kafka_fetch_sessions 0".to_owned(),
        "xs_kafka_connections 1".to_owned(),
    ] {
        assert!(told.lines().any(|there| there == line), "{line}: {told}");
    }
    let html = get(page, "/");
    assert!(html.contains("<tr><td>&lt;g&gt;<td>t<td>0<td>1<td>3<td>2</tr>"), "{html}");
    assert!(html.contains("frame-ancestors 'none'") && html.ends_with("</script>\n"), "{html}");
    let tables = get(page, "/tables");
    assert!(tables.contains("<h2>Topics</h2>") && !tables.contains("<script"), "{tables}");
    assert!(get(page, "/others").starts_with("HTTP/1.1 404"));
}
