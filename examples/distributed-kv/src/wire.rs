//! Numbers and strings as bytes, for commands, answers and what stands in the state: little-endian, lengths in front.
//! What is read may be anything: a length is a claim, and whatever does not fit is [`Malformed`].

use bytes::Bytes;

/// Bytes that nobody here has written: another version's, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed at byte {at}: {what}")]
pub(crate) struct Malformed {
    /// How far reading came.
    pub(crate) at: usize,
    /// What was expected there.
    pub(crate) what: &'static str,
}

/// Takes values off the front of bytes, without copying them.
#[derive(Debug)]
pub(crate) struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Reader { bytes, at: 0 }
    }

    pub(crate) fn wrong<T>(&self, what: &'static str) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, what })
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let Some(found) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) else {
            return self.wrong(what);
        };
        self.at += N;
        Ok(*found)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>("a byte").map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array("4 bytes").map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array("8 bytes").map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array("8 bytes").map(i64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Malformed> {
        self.array("16 bytes").map(u128::from_le_bytes)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.wrong("0 or 1"),
        }
    }

    pub(crate) fn string(&mut self) -> Result<Bytes, Malformed> {
        let len = self.u32()? as usize;
        match self.at.checked_add(len).filter(|end| *end <= self.bytes.len()) {
            Some(end) => {
                let found = self.bytes.slice(self.at..end);
                self.at = end;
                Ok(found)
            }
            None => self.wrong("a string as long as it says"),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        let bytes = self.string()?;
        std::str::from_utf8(&bytes).map_or_else(|_| self.wrong("text"), |text| Ok(text.to_owned()))
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// So many values as a count in front of them says; memory grows with what is there, not with the count.
    pub(crate) fn many<T>(&mut self, read: impl FnMut(&mut Self) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
        self.at_most(u32::MAX as usize, read)
    }

    /// The same, of values that take more memory than bytes: a count above `most` is refused before any is read.
    pub(crate) fn at_most<T>(
        &mut self,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.u32()?;
        if count as usize > most {
            return self.wrong("a smaller count");
        }
        let mut found = Vec::new();
        for _ in 0..count {
            found.push(read(self)?);
        }
        Ok(found)
    }

    /// All that is left.
    pub(crate) fn rest(self) -> Bytes {
        self.bytes.slice(self.at.min(self.bytes.len())..)
    }

    /// Nothing is left.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.at == self.bytes.len() { Ok(()) } else { self.wrong("the end") }
    }
}

pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u32).to_le_bytes());
}
