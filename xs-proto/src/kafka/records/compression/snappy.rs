//! Snappy, in both of its forms.
//!
//! ```text
//!   raw       │ length as a varint │ copies and literals                       librdkafka, rskafka
//!   framed    │ 82 "SNAPPY" 00 │ version i32 │ oldest version i32 │
//!             │ length i32 │ raw │ length i32 │ raw │ …                         snappy-java, and those who follow it
//! ```
//!
//! A raw block cannot begin as a framed one does: its first byte would say that 2 or more of the length's lowest bits
//! follow, and the element behind it would be a literal that runs out of the block.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{BatchError, Compression};

const MAGIC: &[u8] = b"\x82SNAPPY\0";
const VERSION: i32 = 1;
/// Where the chunks begin.
const CHUNKS: usize = 16;
/// What snappy-java puts into one chunk.
const CHUNK: usize = 32 * 1024;
/// The most bytes that one compressed byte can stand for: a copy of 64 bytes takes three. So a length beyond that is a lie,
/// and is refused before its memory is there.
const RATIO: usize = 22;

const DAMAGED: BatchError = BatchError::Compressed(Compression::Snappy);

pub(super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BatchError> {
    // Every client reads the framed form; not every one reads raw blocks.
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = Encoder::new();
    for chunk in bytes.chunks(CHUNK) {
        let from = out.len() + 4;
        out.resize(from + max_compress_len(chunk.len()), 0);
        let len = encoder.compress(chunk, &mut out[from..]).map_err(|_| BatchError::Length)?;
        out.truncate(from + len);
        out[from - 4..from].copy_from_slice(&(len as u32).to_be_bytes());
    }
    Ok(())
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::new();
    if !bytes.starts_with(MAGIC) {
        block(bytes, &mut out, limit)?;
        return Ok(out);
    }
    let mut rest = bytes.get(CHUNKS..).ok_or(DAMAGED)?;
    while !rest.is_empty() {
        let (len, behind) = rest.split_first_chunk::<4>().ok_or(DAMAGED)?;
        let len = u32::from_be_bytes(*len) as usize;
        let (chunk, behind) = behind.split_at_checked(len).ok_or(DAMAGED)?;
        block(chunk, &mut out, limit)?;
        rest = behind;
    }
    Ok(out)
}

/// Appends what one raw block holds.
fn block(bytes: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), BatchError> {
    let len = decompress_len(bytes).map_err(|_| DAMAGED)?;
    if len > bytes.len().saturating_mul(RATIO) {
        return Err(DAMAGED);
    }
    if len > limit - out.len() {
        return Err(BatchError::TooLarge(limit));
    }
    let from = out.len();
    out.resize(from + len, 0);
    let written = Decoder::new().decompress(bytes, &mut out[from..]).map_err(|_| DAMAGED)?;
    if written == len { Ok(()) } else { Err(DAMAGED) }
}
