//! Reading.

use bytes::{Buf, Bytes};
use bytestring::ByteString;

use super::{Blob, Form, ReadError, Uuid, Wire};
use crate::kafka::varint;

/// How many elements the arrays of one message may have together unless told otherwise. A produce request has three for
/// each partition; its records are no elements.
pub const DEFAULT_ELEMENTS: usize = 1 << 20;

/// Takes values off the front of a frame.
#[derive(Debug, Clone)]
pub struct Reader {
    rest: Bytes,
    /// How many elements may still come.
    elements: usize,
}

impl Reader {
    /// Reads `frame`, whose arrays may have [`DEFAULT_ELEMENTS`] elements.
    pub fn new(frame: Bytes) -> Reader {
        Reader { rest: frame, elements: DEFAULT_ELEMENTS }
    }

    /// Allows all arrays of the frame together this many elements.
    #[must_use]
    pub fn with_elements(mut self, elements: usize) -> Reader {
        self.elements = elements;
        self
    }

    /// What has not been read.
    pub fn rest(&self) -> &Bytes {
        &self.rest
    }

    /// The end: nothing may be left.
    pub fn finish(self) -> Result<(), ReadError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ReadError::Trailing) }
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let value = *self.rest.first_chunk().ok_or(ReadError::Truncated)?;
        self.rest.advance(N);
        Ok(value)
    }

    /// An unsigned number of variable length.
    pub fn uvarint(&mut self) -> Result<u32, ReadError> {
        let (value, len) = varint::get_u32(&self.rest).map_err(|torn| match torn {
            varint::Torn::Short => ReadError::Truncated,
            varint::Torn::Long => ReadError::Varint,
        })?;
        self.rest.advance(len);
        Ok(value)
    }

    /// The next `len` bytes, which share the frame's memory.
    pub fn take(&mut self, len: usize) -> Result<Bytes, ReadError> {
        if len > self.rest.len() {
            return Err(ReadError::Truncated);
        }
        Ok(self.rest.split_to(len))
    }

    /// A length as flexible versions write it, one more than it is, so that zero can be null.
    fn compact(&mut self) -> Result<Option<usize>, ReadError> {
        Ok((self.uvarint()? as usize).checked_sub(1))
    }

    /// A length in front of bytes or elements; `None` is null.
    fn long_len(&mut self, form: Form) -> Result<Option<usize>, ReadError> {
        let len = if form.flexible { self.compact()? } else { signed(i32::read(self, form)?)? };
        nullable(len, form)
    }

    pub(super) fn text(&mut self, form: Form) -> Result<Option<ByteString>, ReadError> {
        let len = if form.flexible { self.compact()? } else { signed(i16::read(self, form)?.into())? };
        let Some(len) = nullable(len, form)? else { return Ok(None) };
        // The length of a compact string is a varint, and still the string may not be longer than another one.
        if len > i16::MAX as usize {
            return Err(ReadError::Length);
        }
        ByteString::try_from(self.take(len)?).map(Some).map_err(|_| ReadError::Utf8)
    }

    pub(super) fn bytes(&mut self, form: Form) -> Result<Option<Bytes>, ReadError> {
        match self.long_len(form)? {
            Some(len) => self.take(len).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn array<T: Wire>(&mut self, form: Form) -> Result<Option<Vec<T>>, ReadError> {
        let Some(count) = self.long_len(form)? else { return Ok(None) };
        // Every element takes a byte at least. Room is made as they arrive, and not because they were announced.
        if count > self.rest.len() {
            return Err(ReadError::Truncated);
        }
        self.elements = self.elements.checked_sub(count).ok_or(ReadError::Elements)?;
        let mut array = Vec::new();
        for _ in 0..count {
            array.push(T::read(self, form.element())?);
        }
        Ok(Some(array))
    }

    /// The tagged fields at the end of a structure. `known` reads the field with its number, or returns false; then it is
    /// skipped.
    pub fn tagged(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let mut last = None;
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            if last.replace(tag).is_some_and(|last| last >= tag) {
                return Err(ReadError::Tag);
            }
            let len = self.uvarint()? as usize;
            let mut field = Reader { rest: self.take(len)?, elements: self.elements };
            if known(tag, &mut field)? {
                self.elements = field.elements;
                field.finish()?;
            }
        }
        Ok(())
    }

    pub(super) fn blob(&mut self, form: Form) -> Result<Option<Blob>, ReadError> {
        Ok(self.bytes(form)?.map(Blob::from))
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid, ReadError> {
        Ok(Uuid(self.fixed()?))
    }
}

/// A length in which -1 is null.
fn signed(len: i32) -> Result<Option<usize>, ReadError> {
    match len {
        -1 => Ok(None),
        len => usize::try_from(len).map(Some).map_err(|_| ReadError::Length),
    }
}

fn nullable(len: Option<usize>, form: Form) -> Result<Option<usize>, ReadError> {
    if len.is_none() && !form.nullable { Err(ReadError::Null) } else { Ok(len) }
}
