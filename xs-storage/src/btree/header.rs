//! The two headers at the start of the file, one of which is the state of the last checkpoint.

use std::path::Path;

use xs_os::vfs::File;

use super::node::{get_u32, get_u64};
use super::page::PageId;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"xs-btree";
pub(super) const VERSION: u32 = 1;

/// Bytes of the file in front of the first page: two headers, each in a sector of its own.
pub(super) const AREA: u64 = 8192;
const SECOND: u64 = 4096;
const LEN: usize = 128;

/// What a checkpoint says. See the layout in [`super`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) page_size: u32,
    /// The number of the checkpoint.
    pub(super) epoch: u64,
    /// The first entry of the log that is not in the pages.
    pub(super) log: u64,
    pub(super) entries: u64,
    pub(super) root: PageId,
    /// One more than the highest page in use.
    pub(super) end: PageId,
    /// The run that holds the free list, and its length; page 0 if nothing is free.
    pub(super) free: PageId,
    pub(super) free_len: u64,
}

impl Header {
    fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.page_size.to_le_bytes());
        out[16..24].copy_from_slice(&self.epoch.to_le_bytes());
        out[24..32].copy_from_slice(&self.log.to_le_bytes());
        out[32..40].copy_from_slice(&self.entries.to_le_bytes());
        out[40..44].copy_from_slice(&self.root.to_le_bytes());
        out[44..48].copy_from_slice(&self.end.to_le_bytes());
        out[48..52].copy_from_slice(&self.free.to_le_bytes());
        out[56..64].copy_from_slice(&self.free_len.to_le_bytes());
        let crc = crc32c::crc32c(&out[..LEN - 4]);
        out[LEN - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// A header whose checksum holds; of a version that this build does not know, only that version.
    ///
    /// Of a newer version nobody knows here how long its header is, and where its checksum stands. But if it all fits once
    /// the version is ours, then it is ours, and a bit of the version is wrong.
    fn decode(bytes: &[u8; LEN]) -> Option<std::result::Result<Self, u32>> {
        let fits = |bytes: &[u8; LEN]| get_u32(bytes, LEN - 4) == crc32c::crc32c(&bytes[..LEN - 4]);
        if &bytes[..8] != MAGIC {
            return None;
        }
        let version = get_u32(bytes, 8);
        if version != VERSION {
            let mut as_ours = *bytes;
            as_ours[8..12].copy_from_slice(&VERSION.to_le_bytes());
            let newer = fits(bytes) || version > VERSION && !fits(&as_ours);
            return newer.then_some(Err(version));
        }
        if !fits(bytes) {
            return None;
        }
        Some(Ok(Header {
            page_size: get_u32(bytes, 12),
            epoch: get_u64(bytes, 16),
            log: get_u64(bytes, 24),
            entries: get_u64(bytes, 32),
            root: get_u32(bytes, 40),
            end: get_u32(bytes, 44),
            free: get_u32(bytes, 48),
            free_len: get_u64(bytes, 56),
        }))
    }

    /// Writes it in the place of the older of the two. The other one is not touched: a torn header is no loss.
    pub(super) fn write(&self, file: &dyn File) -> std::io::Result<()> {
        file.write_all_at(&self.encode(), if self.epoch.is_multiple_of(2) { 0 } else { SECOND })
    }

    /// The state of the last checkpoint.
    pub(super) fn read(file: &dyn File, path: &Path) -> Result<Self> {
        let mut found = Vec::new();
        let mut ours = false;
        for at in [0, SECOND] {
            let mut bytes = [0; LEN];
            let n = file.read_at(&mut bytes, at).map_err(Error::io("read", path))?;
            ours |= &bytes[..8] == MAGIC;
            if n == LEN {
                found.extend(Header::decode(&bytes));
            }
        }
        if let Some(&version) = found.iter().find_map(|found| found.as_ref().err()) {
            return Err(Error::NewerFormat { path: path.to_owned(), found: version, known: VERSION });
        }
        let newest = found.into_iter().flatten().max_by_key(|header| header.epoch);
        let header = match newest {
            Some(header) => header,
            None if ours => return Err(Error::corrupt(path, 0, "neither of the two headers is whole")),
            None => {
                let what = "there is no header".to_owned();
                return Err(Error::NotOurs { path: path.to_owned(), expected: "B+tree file", what });
            }
        };
        let size = header.page_size;
        let sane = super::Options::is_page_size(size as usize)
            && header.end >= first_page(size)
            && (header.root < header.end && header.free < header.end);
        if !sane {
            return Err(Error::corrupt(path, 0, "a header that makes no sense"));
        }
        Ok(header)
    }
}

/// The first page behind the headers.
pub(super) fn first_page(page_size: u32) -> PageId {
    (AREA as u32).div_ceil(page_size)
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use xs_os::vfs::{MemoryVfs, Open, Vfs};

    fn header(epoch: u64) -> Header {
        Header { page_size: 512, epoch, log: 7, entries: 3, root: 20, end: 22, free: 21, free_len: 9 }
    }

    #[test]
    fn the_newer_of_two_counts_and_a_torn_one_does_not() {
        let path = Path::new("data");
        let file = MemoryVfs::new().open(path, Open::Create).unwrap();
        assert!(matches!(Header::read(&*file, path), Err(Error::NotOurs { .. })));
        header(4).write(&*file).unwrap();
        header(5).write(&*file).unwrap();
        assert_eq!(Header::read(&*file, path).unwrap(), header(5));
        file.write_all_at(&[1], SECOND + 60).unwrap();
        assert_eq!(Header::read(&*file, path).unwrap(), header(4));
        file.write_all_at(&[1], 60).unwrap();
        assert!(matches!(Header::read(&*file, path), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn a_newer_version_is_named() {
        let path = Path::new("data");
        let file = MemoryVfs::new().open(path, Open::Create).unwrap();
        let mut bytes = header(4).encode();
        bytes[8] = 9;
        let crc = crc32c::crc32c(&bytes[..LEN - 4]);
        bytes[LEN - 4..].copy_from_slice(&crc.to_le_bytes());
        file.write_all_at(&bytes, 0).unwrap();
        assert!(matches!(Header::read(&*file, path), Err(Error::NewerFormat { found: 9, known: 1, .. })));
    }

    #[test]
    fn a_newer_version_is_named_though_its_header_is_laid_out_otherwise() {
        let path = Path::new("data");
        let file = MemoryVfs::new().open(path, Open::Create).unwrap();
        header(4).write(&*file).unwrap();
        // In the place of the older of the two. The other one still fits, and is not what the store says by now.
        let newer = [&MAGIC[..], &2_u32.to_le_bytes(), &[0xA5; 300]].concat();
        file.write_all_at(&newer, SECOND).unwrap();
        assert!(matches!(Header::read(&*file, path), Err(Error::NewerFormat { found: 2, known: 1, .. })));
    }

    #[test]
    fn a_flipped_bit_of_the_version_is_damage_and_no_newer_version() {
        let path = Path::new("data");
        let file = MemoryVfs::new().open(path, Open::Create).unwrap();
        for bit in 0..32 {
            let mut bytes = header(4).encode();
            bytes[8 + bit / 8] ^= 1 << (bit % 8);
            file.write_all_at(&bytes, 0).unwrap();
            assert!(Header::read(&*file, path).is_err_and(|error| error.is_corrupt()), "bit {bit}");
        }
    }
}
