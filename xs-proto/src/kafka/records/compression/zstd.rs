//! Zstandard.
//!
//! Decompressed in one call and not as a stream: a stream needs a window, whose size the data claim, up to 128 MiB. One
//! call writes to its destination and looks back there. How large that must be is found by trying, so that what is only
//! claimed costs nothing; trying costs at most a seventh more.

use zstd::zstd_safe::{self, DCtx};

use super::{BatchError, Compression};

/// What a first try gets at least, for each byte of data and at all.
const RATIO: usize = 16;
const LEAST: usize = 64 * 1024;
const GROWTH: usize = 8;
const NO_ROOM: &str = "Destination buffer is too small";

pub(super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BatchError> {
    let compressed = zstd::bulk::compress(bytes, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(|_| BatchError::Length)?;
    out.extend_from_slice(&compressed);
    Ok(())
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, BatchError> {
    let mut context = DCtx::create();
    let mut room = bytes.len().saturating_mul(RATIO).max(LEAST).min(limit);
    loop {
        let mut out = Vec::with_capacity(room);
        match context.decompress(&mut out, bytes) {
            Ok(_) if out.len() > limit => return Err(BatchError::TooLarge(limit)),
            Ok(_) => return Ok(out),
            Err(code) if zstd_safe::get_error_name(code) != NO_ROOM => {
                return Err(BatchError::Compressed(Compression::Zstd));
            }
            Err(_) if room >= limit => return Err(BatchError::TooLarge(limit)),
            Err(_) => room = room.saturating_mul(GROWTH).min(limit),
        }
    }
}
