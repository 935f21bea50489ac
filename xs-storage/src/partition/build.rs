//! A record batch from its parts: for examples and tests that have no producer at hand.

use super::header::{HEAD, NOBODY};

fn varint(value: i64, out: &mut Vec<u8>) {
    let mut rest = (value.wrapping_shl(1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A batch of records without keys, uncompressed, all of one time, as a producer would send it. A producer id of -1 is
/// nobody's, whose epoch and sequence number are left out.
///
/// # Panics
/// If there is no value.
pub fn batch(producer_id: i64, producer_epoch: i16, sequence: i32, values: &[&[u8]], time: i64) -> Vec<u8> {
    assert!(!values.is_empty(), "a batch has a record");
    let mut bytes = vec![0; HEAD];
    for (delta, value) in values.iter().enumerate() {
        // Attributes and the time's delta, the offset's delta, no key, the value, no headers.
        let mut record = vec![0, 0];
        varint(delta as i64, &mut record);
        varint(-1, &mut record);
        varint(value.len() as i64, &mut record);
        record.extend(*value);
        varint(0, &mut record);
        varint(record.len() as i64, &mut bytes);
        bytes.extend(record);
    }
    let len = (bytes.len() - 12) as u32;
    bytes[8..12].copy_from_slice(&len.to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&(values.len() as u32 - 1).to_be_bytes());
    bytes[27..35].copy_from_slice(&time.to_be_bytes());
    bytes[35..43].copy_from_slice(&time.to_be_bytes());
    bytes[43..51].copy_from_slice(&producer_id.to_be_bytes());
    let (epoch, sequence) = if producer_id == NOBODY { (-1, -1) } else { (producer_epoch, sequence) };
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
    bytes[57..61].copy_from_slice(&(values.len() as u32).to_be_bytes());
    let sum = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&sum.to_be_bytes());
    bytes
}
