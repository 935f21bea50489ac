//! Taking fields off the front of a slice.

use super::Error;

/// What is left of a slice, and whose header it is, for errors.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    layer: &'static str,
    all: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(layer: &'static str, bytes: &'a [u8]) -> Self {
        Reader { layer, all: bytes.len(), rest: bytes }
    }

    /// How many bytes were taken.
    pub(crate) fn at(&self) -> usize {
        self.all - self.rest.len()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(Error::Truncated { layer: self.layer, need: self.at().saturating_add(len), have: self.all });
        };
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn malformed(&self, what: &'static str) -> Error {
        Error::malformed(self.layer, what)
    }
}
