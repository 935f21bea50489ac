//! Pieces of files: compressed if that helps, closed by a checksum.

use std::borrow::Cow;
use std::path::Path;

use super::super::options::Compression;
#[cfg(any(feature = "lz4", feature = "zstd"))]
use super::super::options::Options;
use crate::varint::put_varint;
#[cfg(any(feature = "lz4", feature = "zstd"))]
use crate::varint::take_varint;
use crate::{Error, Result};

/// What a piece may grow to when it is decompressed: a block ends with the entry that fills it, so it is at most one entry
/// longer than a block may be. More is refused, whatever it claims.
#[cfg(any(feature = "lz4", feature = "zstd"))]
const MAX_RAW: u64 = (Options::MAX_BLOCK + Options::MAX_KEY + Options::MAX_VALUE + Options::AROUND) as u64;

/// Appends a piece to `out`.
pub(in super::super) fn close(raw: &[u8], compression: Compression, out: &mut Vec<u8>) {
    let from = out.len();
    let mut how = compression;
    if how != Compression::None {
        put_varint(out, raw.len() as u64);
        how.compress(raw, out);
        // Less than an eighth saved is not worth the time of every reader.
        if out.len() - from > raw.len() - raw.len() / 8 {
            out.truncate(from);
            how = Compression::None;
        }
    }
    if how == Compression::None {
        out.extend_from_slice(raw);
    }
    out.push(how.code());
    let crc = crc32c::crc32c(&out[from..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// The piece in `framed`, which stands at `offset` of a file.
pub(in super::super) fn open<'a>(framed: &'a [u8], path: &Path, offset: u64) -> Result<Cow<'a, [u8]>> {
    let corrupt = |what: &str| Error::corrupt(path, offset, what);
    let Some((body, crc)) = framed.split_last_chunk::<4>() else { return Err(corrupt("a piece of no length")) };
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(corrupt("the checksum does not fit the bytes"));
    }
    let Some((&code, body)) = body.split_last() else { return Err(corrupt("a piece of no length")) };
    match Compression::from_code(code) {
        Some(Compression::None) => Ok(Cow::Borrowed(body)),
        #[cfg(any(feature = "lz4", feature = "zstd"))]
        Some(how) => {
            let mut packed = body;
            let len = take_varint(&mut packed).ok_or_else(|| corrupt("it has no length"))?;
            // Room is made for what the bytes can become, never for what they merely claim.
            if len > MAX_RAW || len > how.most_from(packed.len()) {
                return Err(corrupt(&format!("{} bytes claim to become {len}, which they cannot", packed.len())));
            }
            let raw = how.decompress(packed, len as usize).ok_or_else(|| corrupt("it does not decompress"))?;
            Ok(Cow::Owned(raw))
        }
        None => Err(Error::Invalid(format!(
            "{}: a block is compressed in a way ({code}) that this build leaves out: enable the feature `lz4` or `zstd`",
            path.display()
        ))),
    }
}
