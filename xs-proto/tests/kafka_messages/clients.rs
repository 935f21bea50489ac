//! Requests that real clients sent.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use xs_proto::kafka::codec::{Ask, ClientCodec, Incoming, RequestHeader};
use xs_proto::kafka::messages::{ApiKey, Request};
use xs_proto::kafka::records::{Batch, DEFAULT_LIMIT};
use xs_proto::{Decode, Encode, Out};

const SENT: &str = include_str!("clients.txt");

fn frames() -> impl Iterator<Item = (&'static str, Bytes)> {
    SENT.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (client, hex) = line.split_once(' ').unwrap();
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (client, (0..hex.len()).step_by(2).map(byte).collect::<Vec<_>>().into())
    })
}

fn of(client: &str, api: ApiKey) -> (RequestHeader, Request) {
    let incoming = frames()
        .filter(|(name, _)| name.starts_with(client))
        .map(|(_, frame)| Incoming::parse(frame).unwrap())
        .find(|incoming| incoming.header.api() == Some(api));
    let incoming = incoming.unwrap_or_else(|| panic!("no {api:?} of {client}"));
    (incoming.header.clone(), incoming.request().unwrap())
}

#[test]
fn what_clients_sent_is_read_and_written_back() {
    let mut seen = BTreeSet::new();
    for (client, frame) in frames() {
        let incoming = Incoming::parse(frame.clone()).unwrap();
        let header = incoming.header.clone();
        let request = incoming.request().unwrap_or_else(|error| panic!("{client}: {error}"));
        seen.insert(request.api());
        // The client's codec numbers its requests from 0 on: let it come to this one.
        let mut codec = ClientCodec::new(header.client_id.clone());
        let ask = Ask { version: header.api_version, request: &request };
        for _ in 0..header.correlation_id {
            codec.encode(ask, &mut Out::new()).unwrap();
        }
        let mut out = Out::new();
        codec.encode(ask, &mut out).unwrap();
        assert_eq!(Bytes::from(out.to_vec()).slice(4..), frame, "{client}: {request:?}");
    }
    assert!(seen.len() >= 29, "{seen:?}");
}

#[test]
fn what_clients_sent_means_what_they_meant() {
    let (header, request) = of("librdkafka", ApiKey::ApiVersions);
    let Request::ApiVersions(versions) = request else { panic!("{request:?}") };
    assert_eq!((header.api_version, header.client_id.as_deref()), (3, Some("vec")));
    assert_eq!(versions.client_software_name, "confluent-kafka-python");

    for client in ["librdkafka", "kafka-python", "aiokafka", "kcat", "kafkajs"] {
        let (_, request) = of(client, ApiKey::Produce);
        let Request::Produce(produce) = request else { panic!("{request:?}") };
        assert_eq!((produce.acks.abs(), &*produce.topic_data[0].name), (1, "t"));
        let records = produce.topic_data[0].partition_data[0].records.clone().unwrap().to_bytes().unwrap();
        let batch = Batch::new(records).unwrap();
        batch.check_crc().unwrap();
        batch.header().check_produced().unwrap();
        if cfg!(feature = "kafka-compression") {
            let record = batch.records(DEFAULT_LIMIT).unwrap().next().unwrap().unwrap();
            assert_eq!((record.key, record.value), (Some("key".into()), Some("value".into())), "{client}");
        }
    }

    let (_, request) = of("librdkafka", ApiKey::CreateTopics);
    let Request::CreateTopics(create) = request else { panic!("{request:?}") };
    let topic = &create.topics[0];
    assert_eq!((&*topic.name, topic.num_partitions, topic.replication_factor), ("n", 2, 1));
    assert_eq!((&*topic.configs[0].name, topic.configs[0].value.as_deref()), ("retention.ms", Some("1000")));

    let (_, request) = of("librdkafka", ApiKey::TxnOffsetCommit);
    let Request::TxnOffsetCommit(commit) = request else { panic!("{request:?}") };
    assert_eq!((&*commit.transactional_id, &*commit.group_id), ("tx", "g"));
    assert_eq!((commit.producer_id, commit.topics[0].partitions[0].committed_offset), (7, 5));

    let (_, request) = of("kafkajs", ApiKey::TxnOffsetCommit);
    let Request::TxnOffsetCommit(commit) = request else { panic!("{request:?}") };
    assert_eq!((&*commit.transactional_id, commit.topics[0].partitions[0].committed_offset), ("tx", 1));

    let (header, request) = of("rskafka", ApiKey::Fetch);
    let Request::Fetch(fetch) = request else { panic!("{request:?}") };
    assert_eq!((header.api_version, &*fetch.topics[0].topic, fetch.session_epoch), (4, "rust", -1));

    let (_, request) = of("kafka-python", ApiKey::JoinGroup);
    let Request::JoinGroup(join) = request else { panic!("{request:?}") };
    assert_eq!((&*join.group_id, &*join.protocol_type, &*join.protocols[0].name), ("g", "consumer", "range"));
}

/// None of them may become something else, or a panic, when it is cut.
#[test]
fn a_frame_that_ends_early_is_an_error() {
    for (client, frame) in frames() {
        for cut in 0..frame.len() {
            let read = Incoming::parse(frame.slice(..cut)).ok().and_then(|incoming| incoming.request().ok());
            assert_eq!(read, None, "{client} cut at {cut}");
        }
        let mut src = BytesMut::from(&b"\0\0\xff\xff"[..]);
        src.extend_from_slice(&frame);
        assert!(matches!(xs_proto::kafka::codec::ServerCodec::default().decode(&mut src), Ok(None)));
    }
}
