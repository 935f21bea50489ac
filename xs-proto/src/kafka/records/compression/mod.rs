//! The four ways in which records may be compressed, each behind a feature.
//!
//! All the records of a batch are one compressed piece. Whoever decompresses says how much may come out; what would be more
//! is an error, found before that memory is there. Memory never follows a size that the data only claim.

#[cfg(feature = "kafka-gzip")]
mod gzip;
#[cfg(feature = "kafka-lz4")]
mod lz4;
#[cfg(feature = "kafka-snappy")]
mod snappy;
#[cfg(feature = "kafka-zstd")]
mod zstd;

use super::BatchError;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// Snappy: one raw block, as librdkafka writes it, or the framing of snappy-java, as most others do.
    Snappy,
    /// One LZ4 frame. Java's reader wants independent blocks.
    Lz4,
    /// Zstandard, RFC 8878. Only in requests of Produce from version 7 and answers of Fetch from version 10 on.
    Zstd,
}

impl Compression {
    /// All of them.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// The name in configurations: `none`, `gzip`, `snappy`, `lz4`, `zstd`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// The compression with this name.
    pub fn from_name(name: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|compression| compression.name() == name)
    }

    /// Whether this build has it.
    pub fn is_supported(self) -> bool {
        match self {
            Compression::None => true,
            Compression::Gzip => cfg!(feature = "kafka-gzip"),
            Compression::Snappy => cfg!(feature = "kafka-snappy"),
            Compression::Lz4 => cfg!(feature = "kafka-lz4"),
            Compression::Zstd => cfg!(feature = "kafka-zstd"),
        }
    }

    pub(super) fn bits(self) -> i16 {
        self as i16
    }

    pub(super) fn from_bits(bits: i16) -> Result<Compression, BatchError> {
        let known = usize::try_from(bits).ok().and_then(|bits| Compression::ALL.get(bits));
        known.copied().ok_or(BatchError::UnknownCompression(bits))
    }
}

/// Appends `bytes`, compressed, to `out`.
pub(super) fn compress(compression: Compression, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BatchError> {
    match compression {
        Compression::None => {
            out.extend_from_slice(bytes);
            Ok(())
        }
        #[cfg(feature = "kafka-gzip")]
        Compression::Gzip => gzip::compress(bytes, out),
        #[cfg(feature = "kafka-snappy")]
        Compression::Snappy => snappy::compress(bytes, out),
        #[cfg(feature = "kafka-lz4")]
        Compression::Lz4 => lz4::compress(bytes, out),
        #[cfg(feature = "kafka-zstd")]
        Compression::Zstd => zstd::compress(bytes, out),
        #[allow(unreachable_patterns, reason = "reached when a feature is off")]
        other => Err(BatchError::Unsupported(other)),
    }
}

/// What `bytes` are decompressed, `limit` bytes at most.
pub(super) fn decompress(compression: Compression, bytes: &[u8], limit: usize) -> Result<Vec<u8>, BatchError> {
    match compression {
        Compression::None if bytes.len() > limit => Err(BatchError::TooLarge(limit)),
        Compression::None => Ok(bytes.to_vec()),
        #[cfg(feature = "kafka-gzip")]
        Compression::Gzip => gzip::decompress(bytes, limit),
        #[cfg(feature = "kafka-snappy")]
        Compression::Snappy => snappy::decompress(bytes, limit),
        #[cfg(feature = "kafka-lz4")]
        Compression::Lz4 => lz4::decompress(bytes, limit),
        #[cfg(feature = "kafka-zstd")]
        Compression::Zstd => zstd::decompress(bytes, limit),
        #[allow(unreachable_patterns, reason = "reached when a feature is off")]
        other => Err(BatchError::Unsupported(other)),
    }
}

/// Everything that `reader` brings, `limit` bytes at most.
#[cfg(any(feature = "kafka-gzip", feature = "kafka-lz4"))]
fn read_all(reader: impl std::io::Read, limit: usize, compression: Compression) -> Result<Vec<u8>, BatchError> {
    use std::io::Read;
    let mut out = Vec::new();
    let most = (limit as u64).saturating_add(1);
    reader.take(most).read_to_end(&mut out).map_err(|_| BatchError::Compressed(compression))?;
    if out.len() > limit { Err(BatchError::TooLarge(limit)) } else { Ok(out) }
}
