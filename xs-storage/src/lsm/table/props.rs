//! What a table says about itself.

use bytes::Bytes;

use super::super::Seq;
use super::super::codec::{Reader, put_string};
use super::super::span::Span;
use crate::varint::put_varint;

/// What is known of a table without reading it: what compaction policies decide by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableInfo {
    /// Its number, which names its file. Later ones are greater.
    pub id: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// Its entries, deletes included.
    pub entries: u64,
    /// How many of the entries are deletes.
    pub deletes: u64,
    /// Pieces of deleted ranges.
    pub range_deletes: u64,
    /// From its first key to its last, deleted ranges included.
    pub span: Span,
    /// When the youngest of its entries was flushed, in milliseconds since 1970.
    pub created_ms: u64,
    /// The least and the greatest sequence number.
    pub seqs: (Seq, Seq),
    /// Files of values that it refers to, and how many bytes of each.
    pub blobs: Vec<(u64, u64)>,
}

/// Where a piece of the file is: offset and length.
pub(super) type Handle = (u64, u64);

/// The properties block: the info but for what the manifest knows, and where the other pieces are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Props {
    pub(super) info: TableInfo,
    pub(super) filter: Handle,
    pub(super) ranges: Handle,
    pub(super) index: Handle,
}

impl Props {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let info = &self.info;
        for (at, len) in [self.filter, self.ranges, self.index] {
            put_varint(&mut out, at);
            put_varint(&mut out, len);
        }
        for n in [info.entries, info.deletes, info.range_deletes, info.created_ms, info.seqs.0, info.seqs.1] {
            put_varint(&mut out, n);
        }
        put_string(&mut out, &info.span.first);
        put_string(&mut out, &info.span.last);
        put_varint(&mut out, u64::from(info.span.open));
        put_varint(&mut out, info.blobs.len() as u64);
        for (file, bytes) in &info.blobs {
            put_varint(&mut out, *file);
            put_varint(&mut out, *bytes);
        }
        out
    }

    pub(super) fn decode(bytes: &[u8], id: u64, file_len: u64) -> Option<Props> {
        let mut reader = Reader::new(bytes);
        let handle = |reader: &mut Reader<'_>| {
            let (at, len) = (reader.varint()?, reader.varint()?);
            at.checked_add(len).filter(|end| *end <= file_len)?;
            Some((at, len))
        };
        let (filter, ranges, index) = (handle(&mut reader)?, handle(&mut reader)?, handle(&mut reader)?);
        let (entries, deletes, range_deletes) = (reader.varint()?, reader.varint()?, reader.varint()?);
        let (created_ms, low, high) = (reader.varint()?, reader.varint()?, reader.varint()?);
        let first = Bytes::copy_from_slice(reader.string()?);
        let last = Bytes::copy_from_slice(reader.string()?);
        let open = match reader.varint()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let mut blobs = Vec::new();
        for _ in 0..reader.varint()? {
            blobs.push((reader.varint()?, reader.varint()?));
        }
        let sound = reader.is_empty() && low <= high && if open { first < last } else { first <= last };
        let span = Span { first, last, open };
        let info = TableInfo {
            id,
            bytes: file_len,
            entries,
            deletes,
            range_deletes,
            span,
            created_ms,
            seqs: (low, high),
            blobs,
        };
        sound.then_some(Props { info, filter, ranges, index })
    }
}
