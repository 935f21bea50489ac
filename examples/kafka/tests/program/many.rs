//! Many partitions, few of which are used: what they cost of threads, files and disk, and how soon they are there again.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use xs_os::{Clock, SystemClock};
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::Compression;

use crate::client::{Client, batch};
use crate::process::Broker;

const TOPICS: usize = 2000;
const AT_ONCE: usize = 100;

/// Bytes of blocks that are set aside in a directory and below.
fn blocks(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| if entry.file_type().unwrap().is_dir() { blocks(&entry.path()) } else { 0 } + own(&entry.path()))
        .sum()
}

fn own(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).unwrap().blocks() * 512
}

fn threads(broker: &Broker) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", broker.pid())).unwrap().count()
}

fn files(broker: &Broker) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", broker.pid())).unwrap().count()
}

#[tokio::test]
async fn topics_that_nobody_writes_to_cost_neither_threads_nor_segments() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::on(dir.path(), &[]);
    let (threads_before, blocks_before) = (threads(&broker), blocks(dir.path()));
    let mut client = Client::at(broker.addr).await.unwrap();
    let begun = SystemClock.now();
    for from in (0..TOPICS).step_by(AT_ONCE) {
        let topic = |n: usize| CreatableTopic {
            name: format!("topic-{n}").into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let topics = (from..from + AT_ONCE).map(topic).collect();
        let Response::CreateTopics(made) = client.ask(7, CreateTopicsRequest { topics, ..Default::default() }).await
        else {
            panic!("another answer");
        };
        assert!(made.topics.iter().all(|topic| topic.error_code.is_ok()), "{made:?}");
    }
    let made = begun.elapsed();
    // The background has looked at all of them.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (threads_then, blocks_then) = (threads(&broker), blocks(dir.path()));
    println!(
        "{TOPICS} topics in {made:?}: {threads_before} to {threads_then} threads, {} files, {blocks_before} to \
         {blocks_then} bytes of disk",
        files(&broker)
    );
    assert!(threads_then <= threads_before + 16, "{threads_before} to {threads_then} threads");
    // Directories are blocks, too.
    assert!(blocks_then - blocks_before < TOPICS as u64 * 20_000, "{blocks_before} to {blocks_then} bytes");
    for n in [0, TOPICS / 2, TOPICS - 1] {
        let put = client.produce(&format!("topic-{n}"), batch(0, &["there"], Compression::None)).await;
        assert!(put.error_code.is_ok(), "{put:?}");
    }
    broker.kill();

    let begun = SystemClock.now();
    let broker = Broker::on(dir.path(), &[]);
    println!("open again after {:?}, with {} files", begun.elapsed(), files(&broker));
    assert!(threads(&broker) <= threads_before + 16);
    let mut client = Client::at(broker.addr).await.unwrap();
    let all = client.metadata(&["topic-0", "topic-1"]).await;
    assert!(all.topics.iter().all(|topic| topic.error_code.is_ok()), "{all:?}");
    for (n, there) in [(0, 1), (1, 0), (TOPICS / 2, 1), (TOPICS - 1, 1)] {
        let found = client.fetch(12, &format!("topic-{n}"), 0, 0).await;
        assert_eq!((found.error_code.is_ok(), found.high_watermark), (true, there), "topic-{n}: {found:?}");
    }
}
