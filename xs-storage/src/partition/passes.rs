//! How far a partition is compacted, and since when: what is dirty, and which tombstones everybody has had time to see.
//!
//! ```text
//!  0  "xs-partc"
//!  8  format u32 = 1
//! 12  n u32, passes: upto u64, at i64
//! ..  crc u32  CRC32C of all in front
//! ```
//!
//! A file that is missing or damaged says that nothing was compacted: then it is done again, and tombstones stay longer.

use std::path::Path;

use xs_os::vfs::{Vfs, VfsExt};

use crate::log::Index;
use crate::{Error, Result};

const NAME: &str = "compacted";
const MAGIC: &[u8; 8] = b"xs-partc";
const VERSION: u32 = 1;
/// Passes that are remembered; of more, neighbours count as one.
const MOST: usize = 256;

/// Everything in front of `upto` was compacted at some time, each with the offset that is greater than that of the pass
/// before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Passes(Vec<(Index, i64)>);

impl Passes {
    /// What lies in front of this is compacted.
    pub(super) fn clean(&self) -> Index {
        self.0.last().map_or(Index(0), |(upto, _)| *upto)
    }

    /// What lies in front of this was compacted at `then` or earlier.
    pub(super) fn clean_since(&self, then: i64) -> Index {
        self.0.iter().filter(|(_, at)| *at <= then).map(|(upto, _)| *upto).max().unwrap_or(Index(0))
    }

    /// A pass came as far as `upto`. `then`: of what was compacted by then, nobody asks when.
    pub(super) fn passed(&mut self, upto: Index, now: i64, then: i64) {
        if upto > self.clean() {
            self.0.push((upto, now));
        }
        let old = self.0.iter().take_while(|(_, at)| *at <= then).count();
        self.0.drain(..old.saturating_sub(1));
        if self.0.len() > MOST {
            // The later of the two times: a tombstone stays longer, and never shorter.
            let (upto, at) = self.0.remove(1);
            self.0[0] = (upto, at);
        }
    }

    /// Everything from `offset` on is gone.
    pub(super) fn cut(&mut self, offset: Index) {
        self.0.iter_mut().for_each(|(upto, _)| *upto = (*upto).min(offset));
        self.0.dedup_by_key(|(upto, _)| *upto);
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::from(*MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend((self.0.len() as u32).to_le_bytes());
        for (upto, at) in &self.0 {
            out.extend(upto.0.to_le_bytes());
            out.extend(at.to_le_bytes());
        }
        let sum = crc32c::crc32c(&out);
        out.extend(sum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
            return None;
        }
        let (version, rest) = body.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let lines = rest.chunks_exact(16);
        if *version != VERSION.to_le_bytes() || lines.len() as u32 != u32::from_le_bytes(*count) {
            return None;
        }
        let number = |line: &[u8], at: usize| u64::from_le_bytes(line[at..at + 8].try_into().expect("eight bytes"));
        Some(Passes(lines.map(|line| (Index(number(line, 0)), number(line, 8) as i64)).collect()))
    }

    pub(super) fn read(vfs: &dyn Vfs, dir: &Path) -> Result<Self> {
        let path = dir.join(NAME);
        match vfs.read(&path, 1 << 16) {
            Ok(bytes) => Ok(Passes::decode(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Passes::default()),
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Ok(Passes::default()),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    pub(super) fn write(&self, vfs: &dyn Vfs, dir: &Path) -> Result<()> {
        let path = dir.join(NAME);
        vfs.replace(&path, &self.encode()).map_err(Error::io("write", &path))
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_is_as_old_as_the_first_pass_that_saw_it() {
        let mut passes = Passes::default();
        passes.passed(Index(10), 1000, 0);
        passes.passed(Index(20), 2000, 900);
        passes.passed(Index(20), 2500, 900);
        passes.passed(Index(30), 3000, 900);
        assert_eq!([999, 1000, 2600, 9999].map(|then| passes.clean_since(then).0), [0, 10, 20, 30]);
        assert_eq!(Passes::decode(&passes.encode()), Some(passes.clone()));
        passes.passed(Index(40), 4000, 2100);
        assert_eq!([1000, 2100, 5000].map(|then| passes.clean_since(then).0), [0, 20, 40]);
        passes.cut(Index(25));
        assert_eq!((passes.clean(), passes.clean_since(2100)), (Index(25), Index(20)));
        for n in 0..10_000 {
            passes.passed(Index(100 + n), 5000 + n as i64, 0);
        }
        assert!(passes.0.len() <= MOST);
        assert_eq!(passes.clean_since(1), Index(0));
    }
}
