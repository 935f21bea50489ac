//! rdkafka, on librdkafka.

use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

pub const COMPRESSIONS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
pub const TIME: i64 = 1_700_000_000_000;
const WAIT: Duration = Duration::from_secs(20);

fn config(servers: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("client.id", "rdkafka");
    if let Some((user, password)) = crate::user() {
        config.set("security.protocol", "SASL_PLAINTEXT").set("sasl.mechanism", "PLAIN");
        config.set("sasl.username", user).set("sasl.password", password);
    }
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config
}

fn consumer(servers: &str, settings: &[(&str, &str)]) -> BaseConsumer {
    let mut config = config(servers, &[("auto.offset.reset", "earliest"), ("enable.auto.commit", "false")]);
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config.create().expect("a consumer")
}

fn at(topic: &str, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, offset).expect("an offset");
    list
}

/// The next values.
fn values(consumer: &BaseConsumer, count: usize) -> Vec<String> {
    let end = Instant::now() + WAIT;
    let next = |_| {
        // A rebalance ends a poll, too.
        let message = std::iter::repeat_with(|| consumer.poll(Duration::from_millis(500)))
            .take_while(|_| Instant::now() < end)
            .find_map(|polled| polled);
        let message = message.expect("in time").expect("a message");
        String::from_utf8(message.payload().expect("a value").to_vec()).expect("text")
    };
    (0..count).map(next).collect()
}

fn send(producer: &BaseProducer, topic: &str, value: &str, time: i64) {
    let record = BaseRecord::to(topic).partition(0).key("key").payload(value).timestamp(time);
    producer.send(record).map_err(|(error, _)| error).expect("there is room");
}

/// Topics, what they are told, and groups.
pub async fn admin(servers: &str) {
    let admin: AdminClient<DefaultClientContext> = config(servers, &[]).create().expect("an administrator");
    let options = AdminOptions::new().operation_timeout(Some(WAIT));
    // What is written here is some years old.
    let topic = |name, partitions| {
        NewTopic::new(name, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1")
    };
    for made in admin.create_topics(&[topic("rust", 1), topic("gone", 1)], &options).await.expect("an answer") {
        made.expect("a topic");
    }
    for grown in admin.create_partitions(&[NewPartitions::new("gone", 3)], &options).await.expect("an answer") {
        grown.expect("partitions");
    }
    let alter = AlterConfig::new(ResourceSpecifier::Topic("gone")).set("cleanup.policy", "compact");
    admin.alter_configs(&[alter], &options).await.expect("an answer").remove(0).expect("altered");
    let told = admin.describe_configs(&[ResourceSpecifier::Topic("gone")], &options).await.expect("an answer");
    let told = told.into_iter().next().expect("a topic").expect("described");
    assert_eq!(told.get("cleanup.policy").and_then(|entry| entry.value.as_deref()), Some("compact"));
    let metadata = admin.inner().fetch_metadata(Some("gone"), WAIT).expect("metadata");
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
    for gone in admin.delete_topics(&["gone"], &options).await.expect("an answer") {
        gone.expect("deleted");
    }
    let deleted = admin.delete_groups(&["nobody"], &options).await.expect("an answer").remove(0);
    deleted.expect_err("there is no such group");
}

/// Every compression, idempotent or not, from the beginning and from a time on.
pub fn compressions(servers: &str) {
    for (n, compression) in COMPRESSIONS.iter().enumerate() {
        let idempotent = if n % 2 == 0 { "true" } else { "false" };
        let settings = [("compression.type", *compression), ("enable.idempotence", idempotent)];
        let producer: BaseProducer = config(servers, &settings).create().expect("a producer");
        send(&producer, "rust", compression, TIME + 1000 * n as i64);
        producer.flush(WAIT).expect("acknowledged");
    }
    // rskafka has written as many before.
    let before = COMPRESSIONS.len() as i64;
    let consumer = consumer(servers, &[("group.id", "unused")]);
    assert_eq!(consumer.fetch_watermarks("rust", 0, WAIT).expect("an answer"), (0, 2 * before));
    consumer.assign(&at("rust", Offset::Beginning)).expect("assigned");
    assert_eq!(values(&consumer, 10), [COMPRESSIONS, COMPRESSIONS].concat());
    let found = consumer.offsets_for_times(at("rust", Offset::Offset(TIME + 2500)), WAIT).expect("an answer");
    assert_eq!(found.elements()[0].offset(), Offset::Offset(3));
    consumer.seek("rust", 0, Offset::Offset(before + 3), WAIT).expect("a place");
    assert_eq!(values(&consumer, 2), COMPRESSIONS[3..]);
}

/// Two members; one goes, the other one reads on from where it was.
pub fn groups(servers: &str) {
    let member = |session| {
        let settings = [("group.id", "rust"), ("session.timeout.ms", session), ("heartbeat.interval.ms", "500")];
        let consumer = consumer(servers, &settings);
        consumer.subscribe(&["rust"]).expect("subscribed");
        consumer
    };
    let first = member("6000");
    assert_eq!(values(&first, 2), COMPRESSIONS[..2]);
    first.commit(&at("rust", Offset::Offset(2)), CommitMode::Sync).expect("committed");
    let second = member("6001");
    let end = Instant::now() + WAIT;
    while first.assignment().expect("one").count() + second.assignment().expect("one").count() != 1 || {
        let groups = first.fetch_group_list(Some("rust"), WAIT).expect("an answer");
        groups.groups()[0].members().len() != 2 || groups.groups()[0].state() != "Stable"
    } {
        assert!(Instant::now() < end, "both are members");
        first.poll(Duration::from_millis(100));
        second.poll(Duration::from_millis(100));
    }
    drop(first);
    second.unsubscribe();
    second.subscribe(&["rust"]).expect("subscribed");
    assert_eq!(values(&second, 1), COMPRESSIONS[2..3]);
    let committed = second.committed_offsets(at("rust", Offset::Invalid), WAIT).expect("an answer");
    assert_eq!(committed.elements()[0].offset(), Offset::Offset(2));
}

/// What is committed is read, and offsets go with it; what is aborted is not.
pub fn transactions(servers: &str) {
    let producer: BaseProducer = config(servers, &[("transactional.id", "rust")]).create().expect("a producer");
    producer.init_transactions(WAIT).expect("begun");
    let reader = consumer(servers, &[("group.id", "moves")]);
    reader.subscribe(&["rust"]).expect("subscribed");
    values(&reader, 1);
    for (value, commits) in [("aborted", false), ("committed", true)] {
        producer.begin_transaction().expect("begun");
        send(&producer, "moved", value, TIME);
        producer.flush(WAIT).expect("acknowledged");
        let metadata = reader.group_metadata().expect("a member");
        producer.send_offsets_to_transaction(&at("rust", Offset::Offset(3)), &metadata, WAIT).expect("offsets");
        if commits { producer.commit_transaction(WAIT) } else { producer.abort_transaction(WAIT) }.expect("ended");
        let committed = reader.committed_offsets(at("rust", Offset::Invalid), WAIT).expect("an answer");
        let expected = if commits { Offset::Offset(3) } else { Offset::Invalid };
        assert_eq!(committed.elements()[0].offset(), expected);
    }
    let consumer = consumer(servers, &[("group.id", "unused"), ("isolation.level", "read_committed")]);
    consumer.assign(&at("moved", Offset::Beginning)).expect("assigned");
    assert_eq!(values(&consumer, 1), ["committed"]);
}
