//! Writing.

use bytes::Bytes;
use bytestring::ByteString;

use super::{Blob, Form, Wire, WriteError};
use crate::Out;
use crate::kafka::varint;

/// Appends values to an [`Out`].
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Out,
}

impl<'a> Writer<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut Out) -> Writer<'a> {
        Writer { out }
    }

    /// An unsigned number of variable length.
    pub fn uvarint(&mut self, value: u32) {
        varint::put_u64(value.into(), self.out.inline_mut());
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    fn long_len(&mut self, len: Option<usize>, form: Form) -> Result<(), WriteError> {
        if len.is_none() && !form.nullable {
            return Err(WriteError::Null);
        }
        let wide = len.map_or(-1, |len| i64::try_from(len).unwrap_or(i64::MAX));
        let len = i32::try_from(wide).ok().filter(|len| *len < i32::MAX).ok_or(WriteError::TooLong)?;
        if form.flexible {
            self.uvarint((len + 1) as u32);
        } else {
            self.raw(&len.to_be_bytes());
        }
        Ok(())
    }

    pub(super) fn text(&mut self, text: Option<&ByteString>, form: Form) -> Result<(), WriteError> {
        if text.is_none() && !form.nullable {
            return Err(WriteError::Null);
        }
        let len = text.map_or(Ok(-1), |text| i16::try_from(text.len())).map_err(|_| WriteError::TooLong)?;
        if form.flexible {
            self.uvarint((i32::from(len) + 1) as u32);
        } else {
            self.raw(&len.to_be_bytes());
        }
        if let Some(text) = text {
            self.raw(text.as_bytes());
        }
        Ok(())
    }

    pub(super) fn bytes(&mut self, bytes: Option<&Bytes>, form: Form) -> Result<(), WriteError> {
        self.long_len(bytes.map(Bytes::len), form)?;
        if let Some(bytes) = bytes {
            self.out.put_bytes(bytes.clone());
        }
        Ok(())
    }

    pub(super) fn blob(&mut self, blob: Option<&Blob>, form: Form) -> Result<(), WriteError> {
        self.long_len(blob.map(Blob::len), form)?;
        if let Some(blob) = blob {
            blob.put(self.out);
        }
        Ok(())
    }

    pub(super) fn array<T: Wire>(&mut self, array: Option<&[T]>, form: Form) -> Result<(), WriteError> {
        self.long_len(array.map(<[T]>::len), form)?;
        array.unwrap_or_default().iter().try_for_each(|element| element.write(self, form.element()))
    }

    /// One tagged field, whose length stands in front of it.
    pub fn tagged<T: Wire>(&mut self, tag: u32, value: &T, form: Form) -> Result<(), WriteError> {
        let mut field = Out::new();
        value.write(&mut Writer::new(&mut field), form)?;
        self.uvarint(tag);
        self.uvarint(u32::try_from(field.len()).map_err(|_| WriteError::TooLong)?);
        self.out.append(&mut field);
        Ok(())
    }
}
