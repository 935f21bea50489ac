//! rskafka, which is Rust throughout, and knows partitions but no groups.

use std::collections::BTreeMap;

use rskafka::chrono::{DateTime, Utc};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;

use crate::librdkafka::{COMPRESSIONS, TIME};

async fn client(servers: &str) -> Client {
    let mut builder = ClientBuilder::new(vec![servers.to_owned()]).client_id("rskafka");
    if let Some((user, password)) = crate::user() {
        builder = builder.sasl_config(SaslConfig::Plain(Credentials::new(user, password)));
    }
    builder.build().await.expect("a client")
}

fn time(n: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(TIME + 1000 * n).expect("a time")
}

async fn values(partition: &PartitionClient, from: i64, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    while values.len() < count {
        let next = from + values.len() as i64;
        let (found, _) = partition.fetch_records(next, 1..1_000_000, 10_000).await.expect("records");
        assert!(!found.is_empty(), "only {values:?}");
        let text = |value: Option<Vec<u8>>| String::from_utf8(value.expect("a value")).expect("text");
        values.extend(found.into_iter().map(|found| text(found.record.value)));
    }
    values
}

/// Writes each compression, and a topic of its own with more to it.
pub async fn all(servers: &str) {
    let client = client(servers).await;
    let partition = client.partition_client("rust", 0, UnknownTopicHandling::Error).await.expect("a partition");
    let how = [Compression::NoCompression, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for (n, (name, compression)) in COMPRESSIONS.into_iter().zip(how).enumerate() {
        let record = Record {
            key: Some(b"key".to_vec()),
            value: Some(name.into()),
            headers: BTreeMap::from([("h".to_owned(), b"1".to_vec())]),
            timestamp: time(n as i64),
        };
        assert_eq!(partition.produce(vec![record], compression).await.expect("acknowledged"), [n as i64]);
    }
    assert_eq!(values(&partition, 0, COMPRESSIONS.len()).await, COMPRESSIONS);
    assert_eq!(partition.get_offset(OffsetAt::Timestamp(time(2))).await.expect("an offset"), 2);

    let controller = client.controller_client().expect("a controller");
    controller.create_topic("own", 2, 1, 5000).await.expect("made");
    let own = client.partition_client("own", 1, UnknownTopicHandling::Retry).await.expect("a partition");
    let records = (0..10u8).map(|n| Record { key: None, value: Some(vec![n]), headers: BTreeMap::new(), timestamp: time(n.into()) });
    own.produce(records.collect(), Compression::Zstd).await.expect("acknowledged");
    own.delete_records(4, 5000).await.expect("deleted");
    assert_eq!(own.get_offset(OffsetAt::Earliest).await.expect("an offset"), 4);
    assert_eq!(own.get_offset(OffsetAt::Latest).await.expect("an offset"), 10);
    controller.delete_topic("own", 5000).await.expect("deleted");
    assert!(client.list_topics().await.expect("topics").iter().all(|topic| topic.name != "own"));
}

/// What it has written itself, and what librdkafka has written.
pub async fn reads(servers: &str, topic: &str) {
    let partition = client(servers).await.partition_client(topic, 0, UnknownTopicHandling::Error).await.expect("it");
    assert_eq!(values(&partition, 0, 2 * COMPRESSIONS.len()).await, [COMPRESSIONS, COMPRESSIONS].concat());
}
