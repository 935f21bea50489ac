//! Fetch sessions.

use xs_kafka::Server;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::Compression;

use crate::client::{Client, batch};

async fn ask(client: &mut Client, session_id: i32, session_epoch: i32, topics: &[(&str, i64)]) -> FetchResponse {
    let topic = |(topic, fetch_offset): &(&str, i64)| {
        let partition =
            FetchPartition { fetch_offset: *fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() };
        FetchTopic { topic: (*topic).into(), partitions: vec![partition] }
    };
    let topics = topics.iter().map(topic).collect();
    let request = FetchRequest { session_id, session_epoch, topics, max_bytes: 1 << 20, ..Default::default() };
    match client.ask(12, request).await {
        Response::Fetch(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn names(answer: &FetchResponse) -> Vec<&str> {
    answer.responses.iter().map(|topic| &*topic.topic).collect()
}

#[tokio::test]
async fn only_what_changes_is_named_and_told() {
    let server = Server::ephemeral().await.unwrap();
    let mut client = Client::of(&server).await;
    client.metadata(&["a", "b"]).await;
    let first = ask(&mut client, 0, 0, &[("a", 0), ("b", 0)]).await;
    assert!(first.session_id > 0);
    assert_eq!(names(&first), ["a", "b"]);
    let id = first.session_id;
    assert_eq!(names(&ask(&mut client, id, 1, &[]).await), [""; 0]);
    client.produce("b", batch(0, &["x"], Compression::None)).await;
    let told = ask(&mut client, id, 2, &[]).await;
    assert_eq!((names(&told), told.session_id), (vec!["b"], id));
    // Where it reads on is named, and nothing else.
    assert_eq!(names(&ask(&mut client, id, 3, &[("b", 1)]).await), [""; 0]);
    client.produce("a", batch(0, &["x"], Compression::None)).await;
    assert_eq!(names(&ask(&mut client, id, 4, &[]).await), ["a"]);

    assert_eq!(ask(&mut client, id, 4, &[]).await.error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(ask(&mut client, id ^ 1, 1, &[]).await.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    let last = ask(&mut client, id, -1, &[("a", 1)]).await;
    assert_eq!((names(&last), last.session_id), (vec!["a"], 0));
    assert_eq!(ask(&mut client, id, 5, &[]).await.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}
