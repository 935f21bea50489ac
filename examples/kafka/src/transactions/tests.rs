//! What a start finds after a crash, and makes of it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use xs_net::{Bridge, Timer};
use xs_os::vfs::{MemoryVfs, Vfs};
use xs_os::{Clock, Jobs, SystemClock, ThreadJobs};
use xs_proto::kafka::records::{BatchBuilder, Outcome};
use xs_proto::kafka::wire::Uuid;
use xs_storage::engine::{Durability, WriteBatch};
use xs_storage::log::Index;
use xs_storage::partition::{Append, Isolation, Partition};

use super::*;
use crate::groups::offsets::{self, Offset};
use crate::topics::{Machine, Topics};

fn topics(vfs: &Arc<dyn Vfs>) -> Arc<Topics> {
    let jobs: Arc<dyn Jobs> = Arc::new(ThreadJobs::new());
    let machine =
        Machine { vfs: vfs.clone(), jobs: jobs.clone(), log_jobs: jobs, clock: Arc::new(SystemClock), warm_bytes: 0 };
    let (topics, _closed) = Topics::open(machine, Path::new("data"), Default::default(), 100).unwrap();
    Arc::new(topics)
}

fn open(topics: &Arc<Topics>) -> Transactions {
    let jobs: Arc<dyn Jobs> = Arc::new(ThreadJobs::new());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Transactions::open(topics.clone(), Timer::new(clock), Bridge::new(jobs, 1, 1), Limits::default()).unwrap()
}

fn batch(producer: i64) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.header.producer_id = producer;
    (builder.header.producer_epoch, builder.header.base_sequence) = (0, 0);
    builder.header.set_transactional(true);
    builder.append(1, None, Some(b"value"));
    builder.finish().unwrap()
}

fn partition(topics: &Topics) -> Partition {
    topics.get("t").unwrap().partition(0).unwrap().clone()
}

/// The state of transaction `id`, stored as if the broker had been killed then.
fn stopped_at(state: State, producer: i64) -> (Arc<dyn Vfs>, &'static str) {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let topics = topics(&vfs);
    topics.create("t".into(), Uuid([1; 16]), 1, Default::default()).unwrap();
    let _ = partition(&topics).append(batch(7), Append::default()).unwrap();
    let txn = Transaction {
        epoch: 0,
        timeout_ms: 1000,
        state,
        partitions: [("t".into(), 0)].into(),
        groups: ["g".into()].into(),
        ..Transaction::new(producer, 0)
    };
    let mut batch = WriteBatch::new();
    batch.put(&stored::key("id"), &stored::write(&txn));
    let offset = Offset { offset: 5, leader_epoch: -1, metadata: "".into(), committed_ms: 0, expires_ms: None };
    offsets::commit_later(&mut batch, "g", producer, &("t".into(), 0), &offset);
    topics.catalog().submit(batch, Durability::Synced).unwrap().wait().unwrap();
    (vfs, "id")
}

#[test]
fn what_was_decided_is_carried_out_at_the_next_start() {
    for (outcome, offset, aborted) in [(Outcome::Commit, Some(5), 0), (Outcome::Abort, None, 1)] {
        let (vfs, id) = stopped_at(State::Prepare(outcome), 7);
        for _ in 0..2 {
            let topics = topics(&vfs);
            let transactions = open(&topics);
            assert_eq!(transactions.get(id).unwrap().state, State::Complete(outcome));
            let partition = partition(&topics);
            // A record and one marker, however often it starts.
            assert_eq!(partition.bounds().end, Index(2));
            assert_eq!(partition.bounds().last_stable, Index(2));
            let read = partition.read(Index(0), 1 << 20, Isolation::Committed).unwrap();
            assert_eq!(read.aborted.len(), aborted);
            let found = offsets::get(&*topics.catalog(), "g", "t", 0).unwrap();
            assert_eq!(found.map(|found| found.offset), offset);
            assert!(offsets::unstable(&*topics.catalog(), "g").unwrap().is_empty());
        }
    }
}

#[test]
fn what_is_not_decided_stays_open_and_what_nobody_knows_of_is_aborted() {
    let (vfs, id) = stopped_at(State::Ongoing, 7);
    let known = topics(&vfs);
    assert_eq!(open(&known).get(id).unwrap().state, State::Ongoing);
    assert_eq!(partition(&known).bounds().last_stable, Index(0));
    drop(known);

    let (vfs, _) = stopped_at(State::Ongoing, 8);
    let unknown = topics(&vfs);
    drop(open(&unknown));
    assert!(partition(&unknown).open_transactions().is_empty());
    let read = partition(&unknown).read(Index(0), 1 << 20, Isolation::Committed).unwrap();
    assert_eq!(read.aborted.len(), 1);
}
