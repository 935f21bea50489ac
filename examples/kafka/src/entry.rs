//! Entries of the catalog: fields one behind the other, lengths in front.
//!
//! What is read comes from our own disk, whose checksums have been checked; all the same nothing is believed that is not
//! there.

use bytes::Bytes;
use bytestring::ByteString;

/// Makes an entry, or a key: strings in keys have their length in front, so no name is the beginning of another one.
#[derive(Debug, Default)]
pub(crate) struct EntryWriter(Vec<u8>);

impl EntryWriter {
    /// Begins with a prefix.
    pub(crate) fn new(prefix: &[u8]) -> EntryWriter {
        EntryWriter(prefix.to_vec())
    }

    pub(crate) fn i8(mut self, value: i8) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn i16(mut self, value: i16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn i32(mut self, value: i32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn i64(mut self, value: i64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend((value.len() as u32).to_be_bytes());
        self.0.extend(value);
        self
    }

    pub(crate) fn string(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    /// A string that may be missing.
    pub(crate) fn option(self, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.i8(1).string(value),
            None => self.i8(0),
        }
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum EntryError {
    #[error("it is too short")]
    Short,
    #[error("it is too long")]
    Long,
    #[error("a string is not UTF-8")]
    Text,
    #[error("{0} is not a {1}")]
    Value(i64, &'static str),
}

impl From<EntryError> for xs_storage::Error {
    fn from(error: EntryError) -> Self {
        xs_storage::Error::Invalid(format!("an entry of the catalog: {error}"))
    }
}

/// Reads an entry.
#[derive(Debug)]
pub(crate) struct EntryReader<'a>(&'a [u8]);

impl<'a> EntryReader<'a> {
    pub(crate) fn new(entry: &'a [u8]) -> EntryReader<'a> {
        EntryReader(entry)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EntryError> {
        let (front, rest) = self.0.split_first_chunk().ok_or(EntryError::Short)?;
        self.0 = rest;
        Ok(*front)
    }

    pub(crate) fn i8(&mut self) -> Result<i8, EntryError> {
        self.array().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, EntryError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, EntryError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, EntryError> {
        self.array().map(i64::from_be_bytes)
    }

    fn slice(&mut self) -> Result<&'a [u8], EntryError> {
        let len = u32::from_be_bytes(self.array()?) as usize;
        let (front, rest) = self.0.split_at_checked(len).ok_or(EntryError::Short)?;
        self.0 = rest;
        Ok(front)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, EntryError> {
        self.slice().map(Bytes::copy_from_slice)
    }

    pub(crate) fn string(&mut self) -> Result<ByteString, EntryError> {
        std::str::from_utf8(self.slice()?).map(ByteString::from).map_err(|_| EntryError::Text)
    }

    pub(crate) fn option(&mut self) -> Result<Option<ByteString>, EntryError> {
        match self.i8()? {
            0 => Ok(None),
            1 => self.string().map(Some),
            other => Err(EntryError::Value(other.into(), "flag")),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// There must be nothing left.
    pub(crate) fn end(self) -> Result<(), EntryError> {
        if self.is_empty() { Ok(()) } else { Err(EntryError::Long) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_every_cut_is_noticed() {
        let entry =
            EntryWriter::new(b"").i8(-1).i16(-2).i32(-3).i64(-4).string("five").option(None).option(Some("six"));
        let entry = entry.bytes(b"\xff").done();
        let read = |entry: &[u8]| -> Result<_, EntryError> {
            let mut reader = EntryReader::new(entry);
            let numbers = (reader.i8()?, reader.i16()?, reader.i32()?, reader.i64()?);
            let strings = (reader.string()?, reader.option()?, reader.option()?, reader.bytes()?);
            reader.end()?;
            Ok((numbers, strings))
        };
        let (numbers, (five, none, six, bytes)) = read(&entry).unwrap();
        assert_eq!((numbers, &*five, none, six.as_deref()), ((-1, -2, -3, -4), "five", None, Some("six")));
        assert_eq!(&bytes[..], b"\xff");
        for len in 0..entry.len() {
            assert_eq!(read(&entry[..len]), Err(EntryError::Short));
        }
        assert_eq!(read(&[&entry[..], b"x"].concat()), Err(EntryError::Long));
    }
}
