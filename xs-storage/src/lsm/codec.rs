//! Bytes on the disk that are not a log's: how files begin, how a piece of one is closed by a checksum, and a reader
//! that believes no length.

use std::path::Path;

use crate::varint::take_varint;
use crate::{Error, Result};

/// How every file of the tree begins: eight bytes that name it, the format's version, four zeros.
pub(super) const HEADER: usize = 16;

/// The newest format that is known here.
pub(super) const VERSION: u32 = 1;

/// The first bytes of a file of this kind.
pub(super) fn header(magic: &[u8; 8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(magic);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header
}

/// Whether the first bytes of a file say that it is of this kind, in a format that can be read.
pub(super) fn check_header(bytes: &[u8], magic: &[u8; 8], path: &Path, expected: &'static str) -> Result<()> {
    let strange = |what: &str| Error::NotOurs { path: path.to_owned(), expected, what: what.to_owned() };
    let Some((head, _)) = bytes.split_first_chunk::<HEADER>() else { return Err(strange("it is too short")) };
    if head[..8] != magic[..] {
        return Err(strange("it begins with other bytes"));
    }
    let found = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    match found {
        VERSION if head[12..] == [0; 4] => Ok(()),
        VERSION => Err(Error::corrupt(path, 12, "bytes that are zero in every file")),
        0 => Err(Error::corrupt(path, 8, "format version 0")),
        _ => Err(Error::NewerFormat { path: path.to_owned(), found, known: VERSION }),
    }
}

/// Reads numbers and strings from bytes that may be anything.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        take_varint(&mut self.rest)
    }

    pub(super) fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        self.rest.split_off(..usize::try_from(len).ok()?)
    }

    /// A string: its length, its bytes.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let len = self.varint()?;
        self.take(len)
    }
}

/// Writes what [`Reader::string`] reads.
pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    crate::varint::put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Eight bytes of a key from `skip` on, as a number that is ordered like them; zeros behind its end.
#[inline]
pub(super) fn head(key: &[u8], skip: usize) -> u64 {
    crate::engine::head(key.get(skip..).unwrap_or_default())
}

/// The length of what two keys begin with alike.
#[inline]
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn heads_never_contradict_the_order_of_the_keys(prefix in any::<Vec<u8>>(), a in any::<Vec<u8>>(), b in any::<Vec<u8>>()) {
            let (a, b) = ([&prefix[..], &a].concat(), [&prefix[..], &b].concat());
            let skip = prefix.len();
            if head(&a, skip) != head(&b, skip) {
                prop_assert_eq!(head(&a, skip).cmp(&head(&b, skip)), a.cmp(&b));
            }
            prop_assert!(common(&a, &b) >= skip);
        }
    }

    #[test]
    fn a_header_is_taken_for_what_it_is() {
        let path = Path::new("f");
        let good = header(b"xs-tests");
        assert!(check_header(&good, b"xs-tests", path, "test").is_ok());
        assert!(matches!(check_header(&good[..15], b"xs-tests", path, "test"), Err(Error::NotOurs { .. })));
        assert!(matches!(check_header(&good, b"xs-other", path, "test"), Err(Error::NotOurs { .. })));
        let mut newer = good;
        newer[8] = 2;
        assert!(matches!(check_header(&newer, b"xs-tests", path, "test"), Err(Error::NewerFormat { found: 2, .. })));
    }
}
