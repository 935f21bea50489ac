//! gzip. A batch may be several members one behind the other, as the format allows.

use std::io::Write;

use flate2::Compression as Level;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{BatchError, Compression, read_all};

pub(super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BatchError> {
    let mut encoder = GzEncoder::new(out, Level::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish().map(drop)).map_err(|_| BatchError::Length)
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, BatchError> {
    read_all(MultiGzDecoder::new(bytes), limit, Compression::Gzip)
}
