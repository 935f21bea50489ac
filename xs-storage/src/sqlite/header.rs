//! The first hundred bytes of the file.

use std::path::Path;

use crate::row::Encoding;
use crate::{Error, Result};

pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Bytes of the header.
pub(super) const LEN: usize = 100;
/// The byte at which other programs take their locks. The page that it is in holds nothing.
pub(super) const LOCK_BYTE: u64 = 0x4000_0000;
/// Files are written as this version of SQLite would.
const VERSION: u32 = 3_040_001;
/// The newest format of the schema; the only one that has descending indexes and the types 8 and 9.
pub(super) const SCHEMA_FORMAT: u32 = 4;

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Bytes of a page: a power of two from 512 to 65536.
    pub page_size: u32,
    /// 1: written with a rollback journal; 2: with a write-ahead log; above, read only.
    pub write_version: u8,
    /// 1 or 2, likewise.
    pub read_version: u8,
    /// Bytes at the end of each page that are an extension's.
    pub reserved: u8,
    /// Counts the transactions that wrote.
    pub change_counter: u32,
    /// Pages, if what wrote last has kept it.
    pub pages: u32,
    /// The first trunk page of the free list; 0 if nothing is free.
    pub free_trunk: u32,
    /// Free pages.
    pub free_pages: u32,
    /// Counts the changes of the schema.
    pub schema_cookie: u32,
    /// Which features the schema uses: 1 to 4, or 0 before there is one.
    pub schema_format: u32,
    /// How many pages whoever opens it should keep in memory.
    pub cache_size: i32,
    /// The highest root page, with auto-vacuum; else 0.
    pub largest_root: u32,
    /// How text is written.
    pub encoding: Encoding,
    /// A number of the user's.
    pub user_version: u32,
    /// Whether auto-vacuum waits to be asked.
    pub incremental_vacuum: bool,
    /// Whose file it is; a number of the application's.
    pub application_id: u32,
    /// The change counter when `pages` was last right.
    pub version_valid_for: u32,
    /// The version of SQLite that wrote last.
    pub version_number: u32,
}

/// The fields that tell one state of a file from another: the count of changes, the pages, and the free ones.
pub(super) type Version = [u32; 4];

/// What the bytes of a header say of the file's state.
pub(super) fn version(bytes: &[u8; LEN]) -> Version {
    [24, 28, 32, 36].map(|at| get_u32(bytes, at))
}

fn get_u32(bytes: &[u8; LEN], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl Header {
    /// Of a database in which nothing was written yet.
    pub(super) fn new(page_size: u32, encoding: Encoding) -> Self {
        Header {
            page_size,
            write_version: 1,
            read_version: 1,
            reserved: 0,
            change_counter: 0,
            pages: 0,
            free_trunk: 0,
            free_pages: 0,
            schema_cookie: 0,
            schema_format: SCHEMA_FORMAT,
            cache_size: 0,
            largest_root: 0,
            encoding,
            user_version: 0,
            incremental_vacuum: false,
            application_id: 0,
            version_valid_for: 0,
            version_number: VERSION,
        }
    }

    /// Reads and checks each field.
    pub(super) fn parse(bytes: &[u8; LEN], path: &Path) -> Result<Self> {
        let corrupt = |offset, what: &str| Err(Error::corrupt(path, offset, what));
        if !bytes.starts_with(MAGIC) {
            let what = "it does not begin with SQLite's name".to_owned();
            return Err(Error::NotOurs { path: path.to_owned(), expected: "SQLite 3 database", what });
        }
        let page_size = match u32::from(u16::from_be_bytes([bytes[16], bytes[17]])) {
            1 => 65536,
            size => size,
        };
        if !is_page_size(page_size) {
            return corrupt(16, "a page size that is no power of two from 512 to 65536");
        }
        if bytes[19] > 2 {
            let (found, known) = (bytes[19].into(), 2);
            return Err(Error::NewerFormat { path: path.to_owned(), found, known });
        }
        if bytes[18] == 0 || bytes[19] == 0 {
            return corrupt(18, "a format version of 0");
        }
        if bytes[21..24] != [64, 32, 32] {
            return corrupt(21, "payload fractions other than 64, 32 and 32");
        }
        if page_size - u32::from(bytes[20]) < 480 {
            return corrupt(20, "pages with fewer than 480 bytes to use");
        }
        let schema_format = get_u32(bytes, 44);
        if schema_format > SCHEMA_FORMAT {
            return Err(Error::NewerFormat { path: path.to_owned(), found: schema_format, known: SCHEMA_FORMAT });
        }
        let encoding = match get_u32(bytes, 56) {
            // Nothing has been written yet that would need one.
            0 | 1 => Encoding::Utf8,
            2 => Encoding::Utf16Le,
            3 => Encoding::Utf16Be,
            _ => return corrupt(56, "an encoding that is none of the three"),
        };
        let largest_root = get_u32(bytes, 52);
        if largest_root == 0 && get_u32(bytes, 64) != 0 {
            return corrupt(64, "incremental vacuum without auto-vacuum");
        }
        let header = Header {
            page_size,
            write_version: bytes[18],
            read_version: bytes[19],
            reserved: bytes[20],
            change_counter: get_u32(bytes, 24),
            pages: get_u32(bytes, 28),
            free_trunk: get_u32(bytes, 32),
            free_pages: get_u32(bytes, 36),
            schema_cookie: get_u32(bytes, 40),
            schema_format,
            cache_size: get_u32(bytes, 48) as i32,
            largest_root,
            encoding,
            user_version: get_u32(bytes, 60),
            incremental_vacuum: get_u32(bytes, 64) != 0,
            application_id: get_u32(bytes, 68),
            version_valid_for: get_u32(bytes, 92),
            version_number: get_u32(bytes, 96),
        };
        Ok(header)
    }

    /// Writes it to the start of page 1. The space for extensions stays as it is.
    pub(super) fn write(&self, page: &mut [u8]) {
        page[..16].copy_from_slice(MAGIC);
        let size = if self.page_size == 65536 { 1 } else { self.page_size as u16 };
        page[16..18].copy_from_slice(&size.to_be_bytes());
        page[18..24].copy_from_slice(&[self.write_version, self.read_version, self.reserved, 64, 32, 32]);
        let encoding = match self.encoding {
            Encoding::Utf8 => 1,
            Encoding::Utf16Le => 2,
            Encoding::Utf16Be => 3,
        };
        let fields = [
            (24, self.change_counter),
            (28, self.pages),
            (32, self.free_trunk),
            (36, self.free_pages),
            (40, self.schema_cookie),
            (44, self.schema_format),
            (48, self.cache_size as u32),
            (52, self.largest_root),
            (56, encoding),
            (60, self.user_version),
            (64, self.incremental_vacuum.into()),
            (68, self.application_id),
            (92, self.version_valid_for),
            (96, self.version_number),
        ];
        for (at, field) in fields {
            page[at..at + 4].copy_from_slice(&field.to_be_bytes());
        }
    }

    /// The same of a header that was taken apart.
    pub(super) fn version(&self) -> Version {
        [self.change_counter, self.pages, self.free_trunk, self.free_pages]
    }

    /// One more transaction has written.
    pub(super) fn count_change(&mut self, pages: u32) {
        self.change_counter = self.change_counter.wrapping_add(1);
        (self.version_valid_for, self.version_number, self.pages) = (self.change_counter, VERSION, pages);
    }

    /// Whether pages have entries that say where they are used from.
    pub fn is_auto_vacuum(&self) -> bool {
        self.largest_root != 0
    }

    /// How many pages there are, in a file of so many bytes.
    pub(super) fn page_count(&self, file_len: u64, path: &Path) -> Result<u32> {
        let in_file = u32::try_from(file_len / u64::from(self.page_size)).unwrap_or(u32::MAX - 1);
        // Versions before 3.7 did not keep the field, and count changes all the same.
        if self.pages == 0 || self.version_valid_for != self.change_counter {
            return Ok(in_file);
        }
        match self.pages <= in_file {
            true => Ok(self.pages),
            false => Err(Error::corrupt(path, 28, format!("{} pages, and the file ends after {in_file}", self.pages))),
        }
    }
}

/// Whether pages can have so many bytes.
pub(super) fn is_page_size(size: u32) -> bool {
    size.is_power_of_two() && (512..=65536).contains(&size)
}

/// The page that the lock byte is in.
pub(super) fn lock_page(page_size: u32) -> u32 {
    (LOCK_BYTE / u64::from(page_size)) as u32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_comes_back_and_wrong_ones_are_refused() {
        let path = Path::new("db");
        for size in [512, 4096, 32768, 65536] {
            let mut header = Header::new(size, Encoding::Utf16Be);
            (header.user_version, header.application_id, header.cache_size) = (7, 8, -2000);
            (header.free_trunk, header.free_pages, header.largest_root) = (3, 4, 5);
            header.count_change(9);
            let mut bytes = [0; LEN];
            header.write(&mut bytes);
            assert_eq!(Header::parse(&bytes, path).unwrap(), header);
            let wrong = |at: usize, byte: u8| {
                let mut bytes = bytes;
                bytes[at] = byte;
                Header::parse(&bytes, path).unwrap_err()
            };
            assert!(matches!(wrong(0, 0), Error::NotOurs { .. }));
            assert!(matches!(wrong(19, 3), Error::NewerFormat { found: 3, .. }));
            assert!(matches!(wrong(47, 5), Error::NewerFormat { found: 5, .. }));
            for (at, byte) in [(16, 3), (18, 0), (19, 0), (21, 63), (22, 0), (23, 33), (59, 4)] {
                assert!(wrong(at, byte).is_corrupt(), "{at}");
            }
        }
    }
}
