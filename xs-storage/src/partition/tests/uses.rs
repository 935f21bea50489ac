//! What brokers do with a partition.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use xs_os::vfs::MemoryVfs;

use super::*;

fn partition() -> Partition {
    open(&MemoryVfs::new())
}

fn send(partition: &Partition, epoch: i16, sequence: i32, count: usize) -> Result<Appended, AppendError> {
    let values = vec![&b"value"[..]; count];
    partition.append(batch(5, epoch, sequence, &values, NOW), at(NOW))
}

#[test]
fn a_batch_that_is_sent_again_stands_there_once() {
    let disk = MemoryVfs::new();
    let partition = open(&disk);
    for n in 0..7 {
        assert_eq!(send(&partition, 0, n * 2, 2).unwrap().base, Index(n as u64 * 2));
    }
    drop(partition);
    // Also by another opening.
    let partition = open(&disk);
    for n in 2..7 {
        let again = send(&partition, 0, n * 2, 2).unwrap();
        assert_eq!((again.duplicate, again.base, again.end), (true, Index(n as u64 * 2), Index(n as u64 * 2 + 2)));
        again.commit.wait().unwrap();
    }
    // The sixth last is not known any more; neither is half of one.
    for (sequence, count) in [(2, 2), (12, 1), (15, 1), (0, 1)] {
        let refused = send(&partition, 0, sequence, count).unwrap_err();
        assert!(matches!(refused, AppendError::OutOfOrder { producer: 5, expected: 14, .. }), "{refused}");
    }
    assert_eq!(partition.bounds().end, Index(14));
    // A new life of the producer begins anew, and ends the old one.
    assert!(matches!(send(&partition, 1, 3, 1), Err(AppendError::OutOfOrder { expected: 0, found: 3, .. })));
    assert!(!send(&partition, 1, 0, 1).unwrap().duplicate);
    assert!(matches!(send(&partition, 0, 14, 1), Err(AppendError::Fenced { current: 1, found: 0, .. })));
}

#[test]
fn sequence_numbers_start_over_behind_the_greatest() {
    let partition = partition();
    assert!(!send(&partition, 0, i32::MAX - 1, 3).unwrap().duplicate);
    assert!(matches!(send(&partition, 0, 0, 1), Err(AppendError::OutOfOrder { expected: 1, .. })));
    assert!(send(&partition, 0, i32::MAX - 1, 3).unwrap().duplicate);
    assert!(!send(&partition, 0, 1, 1).unwrap().duplicate);
}

#[test]
fn silent_producers_are_forgotten_and_may_go_on_with_any_number() {
    let options = PartitionOptions { max_producers: 2, ..small() };
    let partition = Partition::open(Arc::new(MemoryVfs::new()), Path::new(DIR), options).unwrap();
    drop(send(&partition, 0, 0, 1).unwrap());
    let keep = Retention { producers_ms: 1000, ..Retention::default() };
    assert_eq!(partition.tend(NOW + 900, &keep).unwrap().producers, 0);
    assert!(send(&partition, 0, 9, 1).is_err());
    assert_eq!(partition.tend(NOW + 1001, &keep).unwrap().producers, 1);
    assert!(send(&partition, 0, 9, 1).is_ok());
    // Nor are there more than so many.
    for producer in 20..30 {
        drop(partition.append(batch(producer, 0, 4, &[b"v"], NOW), at(NOW + producer)).unwrap());
    }
    assert_eq!(partition.shared.state.lock().derived.producers.0.len(), 2);
}

#[test]
fn who_copies_old_records_is_not_forgotten_by_an_opening() {
    let disk = MemoryVfs::new();
    let old = || batch(5, 0, 0, &[b"from 1970"], 7);
    drop(open(&disk).append(old(), at(NOW)).unwrap());
    let partition = open(&disk);
    let keep = Retention { producers_ms: 1000, ..Retention::default() };
    assert_eq!(partition.producers()[0].last_timestamp, 7);
    assert_eq!(partition.tend(NOW, &keep).unwrap().producers, 0);
    assert_eq!(partition.producers()[0].last_timestamp, NOW);
    assert!(partition.append(old(), at(NOW)).unwrap().duplicate);
    assert_eq!(partition.tend(NOW + 1000, &keep).unwrap().producers, 0);
    assert_eq!(partition.tend(NOW + 1001, &keep).unwrap().producers, 1);
}

#[test]
fn readers_of_what_is_committed_stop_at_what_is_open_and_hear_what_was_aborted() {
    let disk = MemoryVfs::new();
    let partition = open(&disk);
    let open_one = |producer: i64, sequence| {
        drop(partition.append(in_transaction(producer, 0, sequence, &[b"a", b"b"]), at(NOW)).unwrap());
    };
    let end = |producer, outcome| drop(partition.end_transaction(producer, 0, outcome, 3, at(NOW)).unwrap());
    open_one(1, 0); // 0, 1
    open_one(2, 0); // 2, 3
    drop(partition.append(plain(0, 1, NOW), at(NOW)).unwrap()); // 4
    assert_eq!(partition.bounds().last_stable, Index(0));
    assert!(partition.read(Index(0), 9999, Isolation::Committed).unwrap().ranges.is_empty());
    assert_eq!(partition.read(Index(0), 9999, Isolation::Uncommitted).unwrap().next, Index(5));
    end(1, Outcome::Commit); // 5
    assert_eq!(partition.bounds().last_stable, Index(2));
    assert_eq!(partition.read(Index(0), 9999, Isolation::Committed).unwrap().next, Index(2));
    open_one(1, 2); // 6, 7
    end(2, Outcome::Abort); // 8
    assert_eq!(partition.bounds().last_stable, Index(6));
    let aborted = Aborted { producer: 2, first: Index(2), last: Index(8) };
    let look = |partition: &Partition| {
        let fetched = partition.read(Index(1), 9999, Isolation::Committed).unwrap();
        assert_eq!((fetched.next, &fetched.aborted[..]), (Index(6), &[aborted][..]));
        // From behind its last record on, the marker is still to come.
        let fetched = partition.read(Index(5), 9999, Isolation::Committed).unwrap();
        assert_eq!(fetched.aborted, [aborted]);
        let hanging = partition.open_transactions();
        let [open] = hanging[..] else { panic!("{hanging:?}") };
        assert_eq!((open.producer_id, open.producer_epoch, open.first, open.since), (1, 0, Index(6), NOW));
        // Who ended its first one said so under epoch 3.
        assert_eq!(open.coordinator_epoch, 3);
        let known = partition.producers().into_iter();
        let known: Vec<_> = known.map(|at| (at.producer_id, at.last_sequence, at.transaction_start)).collect();
        assert_eq!(known, [(1, 3, Some(Index(6))), (2, 1, None)]);
    };
    look(&partition);
    drop(partition);
    let partition = open(&disk);
    look(&partition);
    // What a producer writes outside of its open transaction is refused, and so is a coordinator of the past.
    let outside = batch(1, 0, 4, &[b"v"], NOW);
    assert!(matches!(partition.append(outside, at(NOW)), Err(AppendError::NotInTransaction { producer: 1 })));
    let stale = partition.end_transaction(1, 0, Outcome::Commit, 2, at(NOW));
    assert!(matches!(stale, Err(AppendError::StaleCoordinator { found: 2, current: 3 })));
    drop(partition.end_transaction(1, 0, Outcome::Commit, 3, at(NOW)).unwrap());
    assert_eq!(partition.open_transactions(), []);
    let bounds = partition.bounds();
    assert_eq!(bounds.last_stable, bounds.end);
    derived_is_replayed(&partition).unwrap();
}

#[test]
fn a_transaction_whose_beginning_was_deleted_ends_all_the_same() {
    let disk = MemoryVfs::new();
    let partition = open(&disk);
    drop(partition.append(in_transaction(1, 0, 0, &[b"a"]), at(NOW)).unwrap());
    for n in 0..200 {
        drop(partition.append(plain(n, 1, NOW), at(NOW)).unwrap());
    }
    let end = partition.end_transaction(1, 0, Outcome::Abort, 0, at(NOW)).unwrap();
    partition.delete_records(Index(150)).unwrap();
    drop(partition);
    let partition = open(&disk);
    assert_eq!(partition.bounds().last_stable, end.end);
    let fetched = partition.read(Index(150), 1 << 20, Isolation::Committed).unwrap();
    assert_eq!(fetched.aborted, [Aborted { producer: 1, first: Index(0), last: end.base }]);
    // Whoever held its commit all the time hears that it is durable: closing has seen to that.
    end.commit.wait().unwrap();
}

#[test]
fn what_is_no_batch_of_a_client_is_refused_by_name() {
    let partition = partition();
    let good = batch(-1, -1, -1, &[b"v"], NOW);
    let with = |at: usize, bytes: &[u8]| {
        let mut wrong = good.to_vec();
        wrong[at..at + bytes.len()].copy_from_slice(bytes);
        let sum = crc32c::crc32c(&wrong[21..]);
        wrong[17..21].copy_from_slice(&sum.to_be_bytes());
        Bytes::from(wrong)
    };
    let mut flipped = good.to_vec();
    flipped[64] ^= 1;
    let cases: [(&str, Bytes); 9] = [
        ("checksum", flipped.into()),
        ("header", good.slice(..50)),
        ("format 2", with(16, &[1])),
        ("one batch", [&good[..], &good[..]].concat().into()),
        ("control", with(22, &[1 << 5])),
        ("count of records", with(57, &2_i32.to_be_bytes())),
        ("count of records", with(23, &[0, 0, 0, 3, 0, 0, 0, 0])),
        ("fit together", with(22, &[1 << 4])),
        ("a producer id", with(43, &(-2_i64).to_be_bytes())),
    ];
    for (what, bytes) in cases {
        let error = partition.append(bytes, at(NOW)).unwrap_err();
        assert!(matches!(error, AppendError::Batch(_)) && error.to_string().contains(what), "{what}: {error}");
    }
    let long = batch(-1, -1, -1, &[&vec![0; 2 << 20]], NOW);
    assert!(matches!(partition.append(long, at(NOW)), Err(AppendError::TooLarge { .. })));
    assert_eq!(partition.bounds().end, Index(0));
}

#[test]
fn the_leader_puts_its_epoch_and_time_into_a_batch_that_stays_whole() {
    let partition = partition();
    let sent = plain(3, 2, 5);
    let how = Append { leader_epoch: 4, now: NOW, stamp: true, keyed: false };
    let appended = partition.append(sent.clone(), how).unwrap();
    assert_eq!(appended.stamped, Some(NOW));
    let found = bytes(&partition, 0);
    assert_eq!(found[12..16], 4_i32.to_be_bytes());
    assert_eq!((found[22] & 8, &found[35..43]), (8, &NOW.to_be_bytes()[..]));
    assert_eq!(found[17..21], crc32c::crc32c(&found[21..]).to_be_bytes());
    assert_eq!(found[43..], sent[43..]);
    assert_eq!(partition.offset_for_time(NOW).unwrap(), Some((Index(0), NOW)));
    let stale = partition.append(sent, Append { leader_epoch: 3, ..how });
    assert!(matches!(stale, Err(AppendError::StaleLeader { epoch: 3, current: 4 })));
}

#[test]
fn old_segments_go_by_time_and_by_size_and_an_expired_partition_is_empty() {
    let disk = MemoryVfs::new();
    let partition = open(&disk);
    for n in 0..200 {
        drop(partition.append(plain(n, 1, NOW + n as i64), at(NOW + n as i64)).unwrap());
    }
    let older = |ms| Retention { older_than_ms: Some(ms), ..Retention::default() };
    assert_eq!(partition.tend(NOW + 300, &older(300)).unwrap().segments, 0);
    assert!(partition.tend(NOW + 300, &older(200)).unwrap().segments > 0);
    // Segments whose last record is too old, and no others.
    let start = partition.bounds().start.0;
    assert!((50..=100).contains(&start), "{start}");
    assert!(matches!(partition.read(Index(0), 1, Isolation::Uncommitted), Err(ReadError::OutOfRange { .. })));
    let before = partition.disk_bytes();
    let segments = partition.shared.log.segments().unwrap();
    let rest = segments[1..].iter().map(|segment| segment.bytes).sum::<u64>();
    let size = |most| Retention { more_than_bytes: Some(most), ..Retention::default() };
    // The oldest goes when as much as is to be kept is left without it, and no byte less.
    assert_eq!(partition.tend(NOW, &size(rest + 1)).unwrap().segments, 0);
    assert_eq!(partition.tend(NOW, &size(rest)).unwrap().segments, 1);
    assert_eq!(partition.bounds().start, segments[1].first);
    assert!(partition.disk_bytes() < before);
    let headers = 32 * (segments.len() - 1);
    assert_eq!(bytes(&partition, partition.bounds().start.0).len() + headers, rest as usize);
    // All of it is too old: the newest segment, too.
    partition.tend(NOW + 5000, &older(1000)).unwrap();
    assert_eq!((partition.bounds().start, partition.bounds().end), (Index(200), Index(200)));
    assert_eq!(partition.append(plain(1, 1, NOW), at(NOW)).unwrap().base, Index(200));
    drop(partition);
    assert_eq!(open(&disk).bounds().start, Index(200));
}

#[test]
fn a_segment_that_is_old_enough_is_ended_by_the_next_append() {
    let options = PartitionOptions { segment_ms: Some(1000), ..small() };
    let partition = Partition::open(Arc::new(MemoryVfs::new()), Path::new(DIR), options).unwrap();
    let segments = |partition: &Partition| partition.shared.log.segments().unwrap().len();
    for now in [0, 500, 999] {
        drop(partition.append(plain(1, 1, NOW), at(NOW + now)).unwrap());
    }
    assert_eq!(segments(&partition), 1);
    for now in [1000, 1100, 1999] {
        drop(partition.append(plain(1, 1, NOW), at(NOW + now)).unwrap());
    }
    assert_eq!(segments(&partition), 2);
    drop(partition.append(plain(1, 1, NOW), at(NOW + 2000)).unwrap());
    assert_eq!(segments(&partition), 3);
}

#[test]
fn records_are_deleted_up_to_an_offset_in_the_middle_for_good() {
    let disk = MemoryVfs::new();
    let partition = open(&disk);
    (0..20).for_each(|n| drop(partition.append(plain(n, 3, NOW), at(NOW)).unwrap()));
    assert_eq!(partition.delete_records(Index(31)).unwrap(), Index(31));
    assert_eq!(partition.delete_records(Index(7)).unwrap(), Index(31));
    assert!(matches!(partition.delete_records(Index(61)), Err(ReadError::OutOfRange { .. })));
    drop(partition);
    let partition = open(&disk);
    assert_eq!(partition.bounds().start, Index(31));
    assert!(matches!(partition.read(Index(30), 1, Isolation::Uncommitted), Err(ReadError::OutOfRange { .. })));
    // The batch that spans it comes whole.
    assert_eq!(partition.read(Index(31), 1, Isolation::Uncommitted).unwrap().ranges[0].index, Index(30));
    assert_eq!(partition.delete_records(Index(60)).unwrap(), Index(60));
    assert!(bytes(&partition, 60).is_empty());
}

struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn who_waits_at_the_end_is_woken_when_there_is_more_and_not_before() {
    let options = PartitionOptions { high_watermark: HighWatermark::Caller, ..small() };
    let partition = Partition::open(Arc::new(MemoryVfs::new()), Path::new(DIR), options).unwrap();
    let count = Arc::new(Count(AtomicU32::new(0)));
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let mut raised = pin!(partition.raised(Index(2)));
    let mut early = Box::pin(partition.raised(Index(0)));
    assert!(raised.as_mut().poll(&mut cx).is_pending() && early.as_mut().poll(&mut cx).is_pending());
    assert!(raised.as_mut().poll(&mut cx).is_pending());
    drop(partition.append(plain(0, 4, NOW), at(NOW)).unwrap());
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    assert!(partition.read(Index(0), 99, Isolation::Uncommitted).unwrap().ranges.is_empty());
    assert_eq!(partition.read(Index(0), 99, Isolation::Replica).unwrap().next, Index(4));
    partition.raise_to(Index(2));
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(early.as_mut().poll(&mut cx), Poll::Ready(()));
    partition.raise_to(Index(9));
    assert_eq!((count.0.load(Ordering::Relaxed), partition.bounds().high_watermark), (2, Index(4)));
    assert_eq!(raised.as_mut().poll(&mut cx), Poll::Ready(()));
    // Who gave up is not woken.
    let mut gone = Box::pin(partition.raised(Index(4)));
    assert!(gone.as_mut().poll(&mut cx).is_pending());
    drop(gone);
    assert!(partition.shared.state.lock().waiting.is_empty());
}

#[test]
fn a_replica_that_departs_is_cut_where_the_epochs_say() {
    let partition = partition();
    for n in 0..30 {
        let how = Append { leader_epoch: n as i32 / 10, now: NOW, stamp: false, keyed: false };
        drop(partition.append(plain(n, 1, NOW), how).unwrap());
    }
    assert_eq!(partition.end_of_epoch(1), Some((1, Index(20))));
    assert_eq!(partition.end_of_epoch(2), Some((2, Index(30))));
    assert_eq!(partition.end_of_epoch(3), None);
    partition.truncate_to(Index(15)).unwrap();
    assert_eq!((partition.end_of_epoch(1), partition.end_of_epoch(2)), (Some((1, Index(15))), None));
    derived_is_replayed(&partition).unwrap();
}

#[test]
fn readers_of_what_is_committed_begin_where_the_partition_does_also_in_an_open_transaction() {
    let partition = partition();
    drop(partition.append(in_transaction(1, 0, 0, &[b"a", b"b", b"c"]), at(NOW)).unwrap());
    drop(partition.append(plain(0, 3, NOW), at(NOW)).unwrap());
    partition.delete_records(Index(4)).unwrap();
    let bounds = partition.bounds();
    assert_eq!((bounds.start, bounds.last_stable, bounds.end), (Index(4), Index(4), Index(6)));
    let fetched = partition.read(Index(4), 999, Isolation::Committed).unwrap();
    assert!(fetched.ranges.is_empty() && fetched.last_stable == Index(4));
    // It is still there to be ended.
    assert_eq!(partition.open_transactions()[0].first, Index(0));
    drop(partition.end_transaction(1, 0, Outcome::Abort, 0, at(NOW)).unwrap());
    assert_eq!(partition.bounds().last_stable, Index(7));
}

#[test]
fn segments_are_written_with_zeros_ahead_and_taken_when_one_is_full() {
    let (disk, jobs) = (MemoryVfs::new(), Arc::new(SteppedJobs::new()));
    let options = PartitionOptions { warm_bytes: 10_000, jobs: jobs.clone(), ..small() };
    let open = || Partition::open(Arc::new(disk.clone()), Path::new(DIR), options.clone()).unwrap();
    let partition = open();
    let spares = || {
        let files = disk.files().into_iter();
        files.filter(|(path, _)| path.to_string_lossy().contains("spare")).map(|(_, bytes)| bytes.len()).collect()
    };
    let wait = || assert!(jobs.run_until_idle(1000) < 1000);
    wait();
    assert_eq!(spares(), Vec::<usize>::new(), "who writes nothing needs nothing");
    partition.append(plain(0, 1, NOW), at(NOW)).unwrap().commit.wait().unwrap();
    wait();
    assert_eq!(spares(), [4096; 3]);
    for n in 1..100 {
        drop(partition.append(plain(n, 1, NOW), at(NOW)).unwrap());
    }
    partition.commit().wait().unwrap();
    assert_eq!(partition.shared.log.segments().unwrap().len(), 4);
    assert_eq!(spares(), Vec::<usize>::new());
    wait();
    assert_eq!(spares(), [4096; 3]);
    let all = bytes(&partition, 0);
    drop(partition);
    // Those of an earlier opening may hold anything: there are others.
    let partition = open();
    wait();
    assert_eq!((spares(), bytes(&partition, 0)), (vec![4096; 3], all));
    partition.check().unwrap();
}

#[test]
fn a_partition_with_one_record_takes_little_of_the_disk() {
    let disk = MemoryVfs::new();
    let partition = Partition::open(Arc::new(disk.clone()), Path::new("p"), PartitionOptions::default()).unwrap();
    drop(partition.append(plain(0, 1, NOW), at(NOW)).unwrap());
    partition.write().wait().unwrap();
    assert!((1..=64 << 10).contains(&partition.disk_bytes()), "{}", partition.disk_bytes());
}
