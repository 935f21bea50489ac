//! Record batches: round trips, damage, bombs, and batches that real clients have made.
#![cfg(feature = "kafka-compression")]

mod clients;

use bytes::Bytes;
use proptest::prelude::*;
use xs_proto::kafka::records::{
    Batch, BatchBuilder, BatchError, BatchHeader, BatchIter, Compression, Control, DEFAULT_LIMIT, HEADER_LEN, Headers,
    Outcome, Record, TimestampType, end_transaction,
};

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80))
}

#[derive(Debug, Clone)]
struct Sent {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let headers = proptest::collection::vec((".{0,5}", bytes()), 0..3);
    (0..i64::MAX / 2, bytes(), bytes(), headers).prop_map(|(timestamp, key, value, headers)| Sent {
        timestamp,
        key,
        value,
        headers,
    })
}

fn compression() -> impl Strategy<Value = Compression> {
    proptest::sample::select(&Compression::ALL[..])
}

fn build(records: &[Sent], compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new().with_compression(compression);
    for record in records {
        let headers: Headers = record.headers.clone().into_iter().collect();
        builder.append_with(record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers);
    }
    builder.finish().unwrap()
}

fn records(batch: &Batch) -> Result<Vec<Record>, BatchError> {
    batch.records(DEFAULT_LIMIT)?.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn what_is_written_is_read(sent in proptest::collection::vec(sent(), 1..20), compression in compression()) {
        let batch = Batch::new(build(&sent, compression)).unwrap();
        batch.check_crc().unwrap();
        batch.header().check_produced().unwrap();
        prop_assert_eq!(batch.header().compression(), Ok(compression));
        prop_assert_eq!(&batch.header().to_bytes()[..], &batch.as_bytes()[..HEADER_LEN]);
        let read = records(&batch).unwrap();
        prop_assert_eq!(read.len(), sent.len());
        prop_assert_eq!(batch.header().max_timestamp, sent.iter().map(|sent| sent.timestamp).max().unwrap());
        for (offset, (read, sent)) in read.iter().zip(&sent).enumerate() {
            prop_assert_eq!(read.offset, offset as i64);
            prop_assert_eq!(read.timestamp, sent.timestamp);
            prop_assert_eq!(read.key.as_deref(), sent.key.as_deref());
            prop_assert_eq!(read.value.as_deref(), sent.value.as_deref());
            let headers: Vec<_> = read.headers.iter().map(|(name, value)| (name.to_vec(), value.map(|value| value.to_vec()))).collect();
            let expected: Vec<_> = sent.headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone())).collect();
            prop_assert_eq!(headers, expected);
        }
    }

    /// Whatever stands behind a header that fits: an error or records, and never a panic.
    #[test]
    fn any_payload_is_survived(payload in proptest::collection::vec(any::<u8>(), 0..300), bits in 0..8i16, count in 0..100i32) {
        let mut builder = BatchBuilder::new();
        builder.header.last_offset_delta = 99;
        let mut header = BatchHeader { attributes: bits, count, ..builder.header };
        header.length = (HEADER_LEN - 12 + payload.len()) as i32;
        let batch = Batch::new([&header.to_bytes()[..], &payload].concat().into()).unwrap();
        if let Ok(records) = batch.records(4096) {
            prop_assert!(records.count() <= 1 + count as usize);
        }
    }

    #[test]
    fn what_is_cut_off_is_seen(sent in proptest::collection::vec(sent(), 1..4), compression in compression(), cut: prop::sample::Index) {
        let whole = build(&sent, compression);
        let cut = cut.index(whole.len());
        prop_assert_eq!(Batch::new(whole.slice(..cut)), Err(BatchError::Truncated));
        let two = Bytes::from([&whole[..], &whole[..cut]].concat());
        let mut found = BatchIter::new(two.clone());
        prop_assert_eq!(found.next().unwrap().unwrap().into_bytes(), whole.clone());
        prop_assert!(found.next().is_none());
        prop_assert_eq!(found.rest(), &two.slice(whole.len()..));
        prop_assert_eq!(Batch::new(Bytes::from([&whole[..], b"x"].concat())), Err(BatchError::Trailing));
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for compression in Compression::ALL {
        let sent = Sent { timestamp: 1, key: None, value: Some(b"value".into()), headers: vec![("h".into(), None)] };
        let whole = build(&[sent.clone(), sent], compression);
        for bit in 16 * 8..whole.len() * 8 {
            let mut damaged = whole.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let found = Batch::new(damaged.into()).and_then(|batch| batch.check_crc());
            assert!(found.is_err(), "bit {bit} with {compression:?}");
        }
    }
}

/// The same damage with a checksum made to fit: nothing but an error may come of it, or other records.
#[test]
fn damage_under_a_good_checksum_is_survived() {
    for compression in Compression::ALL {
        let sent = Sent { timestamp: 1, key: None, value: Some(vec![b'v'; 50]), headers: vec![("h".into(), None)] };
        let whole = build(&vec![sent; 5], compression);
        for bit in HEADER_LEN * 8..whole.len() * 8 {
            let mut damaged = whole.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let batch = Batch::new(damaged.into()).unwrap();
            if let Ok(records) = batch.records(4096) {
                assert!(records.count() <= 6);
            }
        }
    }
}

#[test]
fn headers_that_cannot_be_are_refused() {
    let whole = build(&[Sent { timestamp: 1, key: None, value: None, headers: vec![] }], Compression::None);
    let with = |change: &dyn Fn(&mut BatchHeader)| {
        let mut header = BatchHeader::parse(&whole).unwrap();
        change(&mut header);
        Batch::new([&header.to_bytes()[..], &whole[HEADER_LEN..]].concat().into())
    };
    assert_eq!(with(&|header| header.length = 48).unwrap_err(), BatchError::Length);
    assert_eq!(with(&|header| header.length = -1).unwrap_err(), BatchError::Length);
    assert_eq!(with(&|header| header.length = i32::MAX).unwrap_err(), BatchError::Truncated);
    assert_eq!(with(&|header| header.base_offset = -1).unwrap_err(), BatchError::Offsets);
    assert_eq!(with(&|header| header.last_offset_delta = -1).unwrap_err(), BatchError::Offsets);
    let beyond = |header: &mut BatchHeader| (header.base_offset, header.last_offset_delta) = (i64::MAX, 1);
    assert_eq!(with(&beyond).unwrap_err(), BatchError::Offsets);
    assert_eq!(with(&|header| header.count = -1).unwrap_err(), BatchError::Count);
    assert_eq!(with(&|header| header.count = 2).unwrap_err(), BatchError::Count);
    let mut old = whole.to_vec();
    old[16] = 1;
    assert_eq!(Batch::new(old.into()).unwrap_err(), BatchError::Magic(1));

    // What a header may say and a producer may not.
    let produced = |change: &dyn Fn(&mut BatchHeader)| with(change).unwrap().header().check_produced();
    assert_eq!(produced(&|_| ()), Ok(()));
    assert_eq!(produced(&|header| header.count = 0), Err(BatchError::Count));
    assert_eq!(produced(&|header| header.last_offset_delta = 1), Err(BatchError::Count));
    assert_eq!(produced(&|header| header.set_control(true)), Err(BatchError::Control));
    assert_eq!(produced(&|header| header.set_delete_horizon(true)), Err(BatchError::Control));
    assert_eq!(produced(&|header| header.producer_id = 7), Err(BatchError::Producer));
    assert_eq!(produced(&|header| header.set_transactional(true)), Err(BatchError::Producer));
    assert_eq!(produced(&|header| header.attributes = 5), Err(BatchError::UnknownCompression(5)));
    let idempotent = |header: &mut BatchHeader| {
        (header.producer_id, header.producer_epoch, header.base_sequence) = (7, 0, i32::MAX);
        header.set_transactional(true);
    };
    assert_eq!(produced(&idempotent), Ok(()));
}

#[test]
fn a_sequence_goes_from_the_last_number_to_zero() {
    let header = |base_sequence, last_offset_delta| {
        let header = BatchBuilder::new().header;
        BatchHeader { base_sequence, last_offset_delta, ..header }
    };
    assert_eq!(header(-1, 5).last_sequence(), -1);
    assert_eq!(header(3, 0).last_sequence(), 3);
    assert_eq!(header(i32::MAX - 1, 1).last_sequence(), i32::MAX);
    assert_eq!(header(i32::MAX, 1).last_sequence(), 0);
    assert_eq!(header(i32::MAX, 2).last_sequence(), 1);
}

#[test]
fn records_that_lie_about_their_count_are_refused() {
    let whole = build(&vec![Sent { timestamp: 1, key: None, value: None, headers: vec![] }; 3], Compression::None);
    for (count, good, error) in
        [(2, 2, BatchError::Count), (1, 1, BatchError::Count), (4, 3, BatchError::Record("it is cut off"))]
    {
        let header = BatchHeader { count, last_offset_delta: 5, ..BatchHeader::parse(&whole).unwrap() };
        let batch = Batch::new([&header.to_bytes()[..], &whole[HEADER_LEN..]].concat().into()).unwrap();
        let found: Vec<_> = batch.records(0).unwrap().collect();
        assert_eq!((found.len(), found.last()), (good + 1, Some(&Err(error))));
    }
    let header = BatchHeader { last_offset_delta: 1, count: 2, ..BatchHeader::parse(&whole).unwrap() };
    let batch = Batch::new([&header.to_bytes()[..], &whole[HEADER_LEN..]].concat().into()).unwrap();
    assert_eq!(batch.check_records(0), Err(BatchError::Count));
}

#[test]
fn bombs_are_refused() {
    for compression in Compression::ALL.into_iter().skip(1) {
        let zeros = vec![0; 8 << 20];
        let mut builder = BatchBuilder::new().with_compression(compression);
        builder.append(0, None, Some(&zeros));
        let batch = Batch::new(builder.finish().unwrap()).unwrap();
        assert!(batch.as_bytes().len() < 1 << 20, "{compression:?} compresses");
        assert_eq!(batch.records(1 << 20).unwrap_err(), BatchError::TooLarge(1 << 20), "{compression:?}");
        let exact = zeros.len() + 13; // length, attributes, time, offset, no key, length of the value, no headers
        assert_eq!(batch.records(exact - 1).unwrap_err(), BatchError::TooLarge(exact - 1), "{compression:?}");
        let read: Vec<_> = batch.records(exact).unwrap().collect();
        assert_eq!(read[0].as_ref().unwrap().value.as_ref().unwrap(), &zeros);
    }
}

/// Compressed data that claim to be large, and are not.
#[test]
fn a_claimed_size_is_not_believed() {
    let with = |compression: Compression, payload: &[u8]| {
        let mut header = BatchBuilder::new().header;
        (header.count, header.last_offset_delta) = (1, 0);
        header.length = (HEADER_LEN - 12 + payload.len()) as i32;
        header.set_compression(compression);
        Batch::new([&header.to_bytes()[..], payload].concat().into()).unwrap().records(usize::MAX).unwrap_err()
    };
    // A raw block of 4 GiB - 1, in the first of which there is nothing.
    let raw = b"\xff\xff\xff\xff\x0f";
    assert_eq!(with(Compression::Snappy, raw), BatchError::Compressed(Compression::Snappy));
    let framed = [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x05"[..], raw].concat();
    assert_eq!(with(Compression::Snappy, &framed), BatchError::Compressed(Compression::Snappy));
    // A frame of one segment whose content is said to be an exabyte, with one empty block.
    let frame = b"\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x10\x01\0\0";
    assert_eq!(with(Compression::Zstd, frame), BatchError::Compressed(Compression::Zstd));
}

#[test]
fn compaction_keeps_offsets_sequence_and_flags() {
    let mut builder = BatchBuilder::new().with_compression(Compression::Lz4);
    builder.header.leader_epoch = 4;
    builder.header.base_offset = 100;
    (builder.header.producer_id, builder.header.producer_epoch, builder.header.base_sequence) = (9, 1, 50);
    for n in 0..5u8 {
        builder.append(1000 + i64::from(n), Some(&[n]), Some(b"value"));
    }
    let before = Batch::new(builder.finish().unwrap()).unwrap();
    let mut kept = BatchBuilder::rewrite(before.header()).unwrap();
    for record in before.records(DEFAULT_LIMIT).unwrap() {
        let record = record.unwrap();
        if record.key.as_deref().is_some_and(|key| key[0] == 1 || key[0] == 3) {
            kept.keep(&record);
        }
    }
    let after = Batch::new(kept.finish().unwrap()).unwrap();
    after.check_crc().unwrap();
    let (old, new) = (before.header(), after.header());
    assert_eq!((new.count, new.max_timestamp), (2, 1003));
    let same = BatchHeader { length: old.length, crc: old.crc, count: 5, max_timestamp: 1004, ..*new };
    assert_eq!(&same, old);
    let offsets: Vec<_> = records(&after).unwrap().iter().map(|record| (record.offset, record.timestamp)).collect();
    assert_eq!(offsets, [(101, 1001), (103, 1003)]);
    assert_eq!(new.check_produced(), Err(BatchError::Count));

    // A batch may lose all of its records and stay for its producer's sequence.
    let empty = Batch::new(BatchBuilder::rewrite(old).unwrap().finish().unwrap()).unwrap();
    empty.check_crc().unwrap();
    assert_eq!((empty.header().count, empty.header().last_offset(), empty.header().last_sequence()), (0, 104, 54));
    assert_eq!(records(&empty), Ok(vec![]));
}

#[test]
fn the_log_s_time_stands_for_every_record() {
    let whole = build(&vec![Sent { timestamp: 1, key: None, value: None, headers: vec![] }; 2], Compression::None);
    let mut header = BatchHeader::parse(&whole).unwrap();
    header.set_timestamp_type(TimestampType::LogAppendTime);
    header.max_timestamp = 77;
    let batch = Batch::new([&header.to_bytes()[..], &whole[HEADER_LEN..]].concat().into()).unwrap();
    assert_eq!(batch.header().timestamp_type(), TimestampType::LogAppendTime);
    assert!(records(&batch).unwrap().iter().all(|record| record.timestamp == 77));
}

#[test]
fn a_transaction_ends_with_a_control_batch() {
    for outcome in [Outcome::Abort, Outcome::Commit] {
        let batch = Batch::new(end_transaction(outcome, 7, 2, 5, 1000)).unwrap();
        batch.check_crc().unwrap();
        let header = batch.header();
        assert!(header.is_control() && header.is_transactional());
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 2, -1));
        let records = records(&batch).unwrap();
        assert_eq!(Control::parse(&records[0]), Ok(Control::EndTransaction { outcome, coordinator_epoch: 5 }));
    }
    let record = |key: &[u8], value: &[u8]| Record {
        offset: 0,
        timestamp: 0,
        key: Some(key.to_vec().into()),
        value: Some(value.to_vec().into()),
        headers: Headers::default(),
    };
    assert_eq!(Control::parse(&record(b"\0\0\0\x05", b"")), Ok(Control::Other(5)));
    for (key, value) in
        [(&b"\0\0\0"[..], &b""[..]), (b"\0\0\0\x01", b"\0\0\0\0\0"), (b"\xff\xff\0\x01", b"\0\0\0\0\0\0")]
    {
        assert!(Control::parse(&record(key, value)).is_err());
    }
}

#[test]
fn the_last_header_of_a_name_counts() {
    let headers: Headers = [("a", Some("1")), ("b", None), ("a", Some("2"))].into_iter().collect();
    assert_eq!(
        (headers.len(), headers.last(b"a"), headers.last(b"b"), headers.last(b"c")),
        (3, Some(Some("2".into())), Some(None), None)
    );
    assert!(Headers::default().is_empty());
}
