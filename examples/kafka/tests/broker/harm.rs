//! Input that means harm, and a witness beside it who must not notice.

use xs_kafka::Server;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::{BatchBuilder, Compression};

use crate::client::{Client, batch, values};

/// 100 MB in a few kilobytes.
fn bomb() -> bytes::Bytes {
    let mut builder = BatchBuilder::new().with_compression(Compression::Zstd);
    builder.append(5000, Some(b"key"), Some(&vec![0; 100 << 20]));
    let bomb = builder.finish().unwrap();
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    bomb
}

#[tokio::test]
async fn a_compression_bomb_is_stored_unopened_and_never_opened_wholly() {
    let server = Server::ephemeral().await.unwrap();
    let (mut client, mut witness) = (Client::of(&server).await, Client::of(&server).await);
    client.create("t", &[]).await;
    client.create("compact", &[("cleanup.policy", "compact")]).await;
    assert!(client.produce("t", bomb()).await.error_code.is_ok());
    // Who must look inside stops at the limit.
    let partition = ListOffsetsPartition { timestamp: 4000, ..Default::default() };
    let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition] };
    let answer = client.ask(7, ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() }).await;
    let Response::ListOffsets(found) = answer else { panic!("{answer:?}") };
    assert_eq!(found.topics[0].partitions[0].error_code, ErrorCode::MESSAGE_TOO_LARGE);
    let refused = client.produce("compact", bomb()).await;
    assert!(refused.error_code.is_err() && refused.base_offset == -1, "{refused:?}");
    witness.metadata(&["w"]).await;
    witness.produce("w", batch(0, &["well"], Compression::None)).await;
    assert_eq!(values(&witness.fetch(12, "w", 0, 0).await), [(0, "well".to_owned())]);
}

#[tokio::test]
async fn frames_that_lie_end_their_own_connection() {
    let server = Server::ephemeral().await.unwrap();
    let mut witness = Client::of(&server).await;
    witness.metadata(&["w"]).await;
    for bytes in [
        // A frame longer than any request, and one that never becomes whole.
        &b"\x7f\xff\xff\xff\0\x03\0\x0c"[..],
        b"\0\0\x10\0\0\x03\0\x0c\0\0\0\x01",
        // Metadata in version 4 with 2,147,483,647 topics, and one topic whose name has 32,767 bytes.
        b"\0\0\0\x0e\0\x03\0\x04\0\0\0\x01\xff\xff\x7f\xff\xff\xff",
        b"\0\0\0\x10\0\x03\0\x04\0\0\0\x01\xff\xff\0\0\0\x01\x7f\xff",
        // Produce in version 9 with as many topics as a varint can say.
        b"\0\0\0\x17\0\0\0\x09\0\0\0\x01\xff\xff\0\0\xff\xff\0\0\0\x01\xff\xff\xff\xff\x0f",
    ] {
        let mut client = Client::of(&server).await;
        client.send_raw(bytes).await;
        client.end().await;
        assert_eq!(client.rest().await, b"", "{}", bytes.escape_ascii());
    }
    assert!(witness.produce("w", batch(0, &["well"], Compression::None)).await.error_code.is_ok());
}

#[tokio::test]
async fn too_many_partitions_are_refused_and_the_others_are_served() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    let topic = |name: &str, num_partitions| CreatableTopic {
        name: name.into(),
        num_partitions,
        replication_factor: -1,
        ..Default::default()
    };
    let topics = vec![topic("many", 10_001), topic("twice", 1), topic("few", 2), topic("twice", 1)];
    let answer = client.ask(7, CreateTopicsRequest { topics, ..Default::default() }).await;
    let Response::CreateTopics(created) = answer else { panic!("{answer:?}") };
    let codes: Vec<_> = created.topics.iter().map(|topic| (&*topic.name, topic.error_code)).collect();
    assert_eq!(
        codes,
        [("many", ErrorCode::POLICY_VIOLATION), ("twice", ErrorCode::INVALID_REQUEST), ("few", ErrorCode::NONE)]
    );
    assert_eq!(client.metadata(&["few"]).await.topics[0].partitions.len(), 2);
}
