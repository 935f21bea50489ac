//! Large values in files of their own, which compactions pass by.
//!
//! ```text
//!   file     header: "xs-lsmv\0", u32 version, four zeros │ value │ value │ …
//!   value    bytes │ u32 CRC32C
//!   entry    varint file │ varint offset │ varint length           stands in the table in the value's place
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use xs_os::vfs::{File, Open};

use super::codec::{HEADER, Reader, check_header, header};
use super::disk::{Disk, Doomed, Name};
use super::files::Handle;
use super::options::Options;
use crate::varint::put_varint;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"xs-lsmv\0";
const BUFFER: usize = 256 << 10;

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) file: u64,
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Pointer {
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        [self.file, self.offset, self.len].into_iter().for_each(|n| put_varint(out, n));
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Pointer> {
        let mut reader = Reader::new(bytes);
        let pointer = Pointer { file: reader.varint()?, offset: reader.varint()?, len: reader.varint()? };
        (reader.is_empty() && pointer.len <= Options::MAX_VALUE as u64).then_some(pointer)
    }

    /// What the value takes in its file.
    pub(super) fn bytes(self) -> u64 {
        self.len + 4
    }
}

/// A file of values that can be read. It goes when it is dropped, if it has been doomed.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) id: u64,
    pub(super) bytes: u64,
    file: Arc<Handle>,
    name: Doomed,
}

impl Blob {
    pub(super) fn open(disk: &Disk, id: u64, bytes: u64) -> Result<Arc<Blob>> {
        let path = disk.path(Name::Blob(id));
        let file = disk.handle(path.clone());
        let len = file.get()?.len().map_err(Error::io("read", &path))?;
        if len != bytes {
            return Err(Error::corrupt(&path, len.min(bytes), format!("the file has {len} bytes, and had {bytes}")));
        }
        let mut head = vec![0; HEADER.min(len as usize)];
        file.read_exact_at(&mut head, 0)?;
        check_header(&head, MAGIC, &path, "file of values")?;
        Ok(Arc::new(Blob { id, bytes, file, name: Doomed::new(disk.options.vfs.clone(), path) }))
    }

    pub(super) fn doom(&self) {
        self.name.doom();
    }

    /// Reads a value into `out`, in place of what is there.
    pub(super) fn read(&self, pointer: Pointer, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        let corrupt = |what: &str| Error::corrupt(&self.name.path, pointer.offset, what);
        let end = pointer.offset.checked_add(pointer.bytes());
        if pointer.offset < HEADER as u64 || end.is_none_or(|end| end > self.bytes) {
            return Err(corrupt("a value is said to be where the file has none"));
        }
        out.resize(pointer.bytes() as usize, 0);
        self.file.read_exact_at(out, pointer.offset)?;
        let crc = out.split_last_chunk::<4>().map(|(value, crc)| (crc32c::crc32c(value), u32::from_le_bytes(*crc)));
        out.truncate(pointer.len as usize);
        match crc {
            Some((found, noted)) if found == noted => Ok(()),
            _ => {
                out.clear();
                Err(corrupt("the checksum does not fit the value"))
            }
        }
    }
}

/// A file of values that is being written.
#[derive(Debug)]
pub(super) struct BlobWriter {
    pub(super) id: u64,
    path: PathBuf,
    file: Arc<dyn File>,
    buffer: Vec<u8>,
    written: u64,
}

impl BlobWriter {
    pub(super) fn new(disk: &Disk) -> Result<Self> {
        let id = disk.new_number();
        let path = disk.path(Name::Blob(id));
        let file = disk.vfs().open(&path, Open::Create).map_err(Error::io("create", &path))?;
        file.set_len(0).map_err(Error::io("cut", &path))?;
        Ok(BlobWriter { id, path, file, buffer: header(MAGIC).to_vec(), written: 0 })
    }

    pub(super) fn add(&mut self, value: &[u8]) -> Result<Pointer> {
        let offset = self.written + self.buffer.len() as u64;
        self.buffer.extend_from_slice(value);
        self.buffer.extend_from_slice(&crc32c::crc32c(value).to_le_bytes());
        if self.buffer.len() >= BUFFER {
            self.write_out()?;
        }
        Ok(Pointer { file: self.id, offset, len: value.len() as u64 })
    }

    fn write_out(&mut self) -> Result<()> {
        self.file.write_all_at(&self.buffer, self.written).map_err(Error::io("write", &self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Makes the values durable, but not the file's name; returns the file's length.
    pub(super) fn finish(mut self) -> Result<(u64, u64)> {
        self.write_out()?;
        self.file.sync().map_err(Error::io("sync", &self.path))?;
        Ok((self.id, self.written))
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xs_os::vfs::{MemoryVfs, Vfs};

    proptest! {
        #[test]
        fn values_come_back_or_their_damage_is_named(values in proptest::collection::vec(any::<Vec<u8>>(), 1..20), bit in any::<prop::sample::Index>()) {
            let vfs = Arc::new(MemoryVfs::new());
            vfs.create_dir("d".as_ref()).unwrap();
            let disk = Disk::new(Options { vfs: vfs.clone(), ..Options::tiny() }, "d".into(), 7);
            let mut writer = BlobWriter::new(&disk).unwrap();
            let pointers: Vec<_> = values.iter().map(|value| writer.add(value).unwrap()).collect();
            let (id, bytes) = writer.finish().unwrap();
            let blob = Blob::open(&disk, id, bytes).unwrap();
            let mut out = Vec::new();
            for (pointer, value) in pointers.iter().zip(&values) {
                let mut encoded = Vec::new();
                pointer.encode(&mut encoded);
                prop_assert_eq!(Pointer::decode(&encoded), Some(*pointer));
                blob.read(*pointer, &mut out).unwrap();
                prop_assert_eq!(&out, value);
            }
            let file = vfs.open(&disk.path(Name::Blob(id)), Open::Write).unwrap();
            let bit = bit.index(bytes as usize * 8) as u64;
            let mut byte = [0];
            file.read_exact_at(&mut byte, bit / 8).unwrap();
            file.write_all_at(&[byte[0] ^ 1 << (bit % 8)], bit / 8).unwrap();
            let mut noticed = Blob::open(&disk, id, bytes).is_err();
            for (pointer, value) in pointers.iter().zip(&values) {
                match blob.read(*pointer, &mut out) {
                    Ok(()) => prop_assert_eq!(&out, value),
                    Err(error) => noticed |= error.is_corrupt(),
                }
            }
            prop_assert!(noticed);
        }

        #[test]
        fn any_bytes_are_a_pointer_or_refused(bytes in any::<Vec<u8>>()) {
            let _ = Pointer::decode(&bytes);
        }
    }
}
