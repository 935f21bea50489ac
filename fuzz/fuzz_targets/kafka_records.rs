//! Kafka's record batches: no input panics, decompression stays within its limit, and what was read is built and read again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use xs_proto::kafka::records::{BatchBuilder, BatchHeader, BatchIter, Batch, Control, HEADER_LEN};

const LIMIT: usize = 1 << 20;

fn look(batch: &Batch) {
    let _ = (batch.check_crc(), batch.header().check_produced());
    let Ok(records) = batch.records(LIMIT) else { return };
    let mut again = BatchBuilder::rewrite(batch.header()).unwrap();
    let mut kept = Vec::new();
    for record in records.map_while(Result::ok) {
        let _ = Control::parse(&record);
        assert_eq!(record.headers.iter().count(), record.headers.len());
        again.keep(&record);
        kept.push(record);
    }
    let again = Batch::new(again.finish().unwrap()).unwrap();
    again.check_crc().unwrap();
    // Times may be too far apart to be counted from the base.
    if let Ok(read) = again.records(usize::MAX).unwrap().collect::<Result<Vec<_>, _>>() {
        assert_eq!(read.len(), kept.len());
    }
}

fuzz_target!(|data: &[u8]| {
    for batch in BatchIter::new(Bytes::copy_from_slice(data)) {
        match batch {
            Ok(batch) => look(&batch),
            Err(_) => break,
        }
    }
    // The same bytes as the payload of a header that is well.
    let Some((&control, payload)) = data.split_first() else { return };
    let header = BatchHeader {
        length: (HEADER_LEN - 12 + payload.len()) as i32,
        attributes: i16::from(control % 8),
        last_offset_delta: 50,
        count: i32::from(control / 8),
        ..BatchBuilder::new().header
    };
    look(&Batch::new([&header.to_bytes()[..], payload].concat().into()).unwrap());
});
