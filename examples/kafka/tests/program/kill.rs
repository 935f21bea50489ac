//! The broker is killed in the middle of its writes, again and again: what it acknowledged is there, and of what an
//! idempotent producer sent again nothing is there twice.
//!
//! ```text
//!   writer n ──▶ partition n    batches of numbers 0, 1, 2 …; up to five requests under way
//!      ▲  ◀── acknowledged
//!      └── kill -9, start again: what is not acknowledged is sent again, the same batches in the same order
//! ```
//!
//! Every other writer is an idempotent producer. A kill keeps what the operating system has cached, so this proves what is
//! answered when, with `--flush` and without, and what a partition knows again; that syncs are made is proved by the crash
//! explorer of xs-storage.
//!
//! `XS_KILLS=100 cargo test --release -p xs-kafka --test program kill` for a long run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use xs_os::Rng;
use xs_os::vfs::SystemVfs;
use xs_storage::partition::{Partition, PartitionOptions};

use crate::client::Client;
use crate::process::Broker;
use crate::writer::{Writer, make_topic};

const WRITERS: i32 = 4;
const KILLS: usize = 6;

/// Opens every partition that is there, as the broker does, and checks it.
fn check(dir: &Path) {
    let options = || PartitionOptions { segment_bytes: 1 << 20, ..PartitionOptions::default() };
    for topic in std::fs::read_dir(dir.join("topics")).unwrap() {
        for partition in std::fs::read_dir(topic.unwrap().path()).unwrap() {
            let path = partition.unwrap().path();
            Partition::open(Arc::new(SystemVfs), &path, options()).unwrap().check().unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_nothing_of_idempotent_producers_is_there_twice() {
    killed(&["--flush", "--segment-bytes", "65536"]).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_where_nobody_waits_for_the_disk() {
    killed(&["--segment-bytes", "65536"]).await;
}

/// Kills a broker with these options again and again.
async fn killed(options: &[&str]) {
    let kills = std::env::var("XS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let dir = tempfile::tempdir().unwrap();
    let start = || Broker::on(dir.path(), options);
    let mut rng = Rng::from_seed(1);
    let mut writers: Vec<Writer> = (0..WRITERS).map(|n| Writer::new(n, Rng::from_seed(n as u64))).collect();
    for _ in 0..kills {
        let broker = start();
        let addr = broker.addr;
        make_topic(&mut Client::at(addr).await.unwrap(), WRITERS).await.unwrap().unwrap();
        let lives = writers.drain(..).map(|mut writer| {
            tokio::spawn(async move {
                if let Ok(mut client) = Client::at(addr).await {
                    writer.write(&mut client, || true).await;
                }
                writer
            })
        });
        let lives: Vec<_> = lives.collect();
        tokio::time::sleep(Duration::from_millis(50 + rng.below(400))).await;
        broker.kill();
        for life in lives {
            let writer = life.await.unwrap();
            assert_eq!(writer.refused, None);
            writers.push(writer);
        }
    }
    let broker = start();
    let mut client = Client::at(broker.addr).await.unwrap();
    for writer in &writers {
        assert!(writer.acknowledged > 0, "{writer:?}");
        writer.check(&mut client).await.unwrap();
    }
    broker.kill();
    check(dir.path());
}
