//! Whose directory it is: a file of its own, written once, when the node is created.
//!
//! ```text
//!   identity   0  "xs-raft\n"   8  format u32   12  cluster u64   20  node u64   28  incarnation u64   36  CRC32C u32
//! ```

use std::io;
use std::path::{Path, PathBuf};

use xs_os::vfs::{Vfs, VfsExt};
use xs_storage::Error as StorageError;

use crate::raft::{ClusterId, NodeId};

const MAGIC: &[u8; 8] = b"xs-raft\n";
const FORMAT: u32 = 1;
const LEN: usize = 40;

/// Who a node is, for all its lives on one disk. Nodes tell it each other when they meet
/// ([`RaftStore::meet`](super::RaftStore::meet)), so that one that lost its disk is not taken for the one that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its name there.
    pub node: NodeId,
    /// Drawn when its directory was created: another directory, another number.
    pub incarnation: u64,
}

impl Identity {
    /// The name of the file.
    pub(super) fn path(dir: &Path) -> PathBuf {
        dir.join("identity")
    }

    /// What stands in the directory; none if nothing does.
    pub(super) fn read(vfs: &dyn Vfs, dir: &Path) -> Result<Option<Identity>, StorageError> {
        let path = Identity::path(dir);
        let bytes = match vfs.read(&path, 4096) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StorageError::io("read", &path)(error)),
        };
        let number = |at: usize| bytes.get(at..at + 8).map(|b| u64::from_le_bytes(b.try_into().expect("eight bytes")));
        let short = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")));
        if bytes.get(..8) != Some(MAGIC) {
            let what = "it does not begin as the identity of a Raft node does".to_owned();
            return Err(StorageError::NotOurs { path, expected: "Raft node's directory", what });
        }
        match short(8) {
            Some(found) if found > FORMAT => {
                return Err(StorageError::NewerFormat { path, found, known: FORMAT });
            }
            _ => {}
        }
        if bytes.len() != LEN || short(36) != Some(crc32c::crc32c(&bytes[..36])) {
            return Err(StorageError::corrupt(&path, 0, "the checksum does not fit"));
        }
        let field = |at| number(at).unwrap_or_default();
        Ok(Some(Identity { cluster: ClusterId(field(12)), node: NodeId(field(20)), incarnation: field(28) }))
    }

    /// Writes it, durably.
    pub(super) fn write(&self, vfs: &dyn Vfs, dir: &Path) -> Result<(), StorageError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(self.cluster.0.to_le_bytes());
        bytes.extend(self.node.0.to_le_bytes());
        bytes.extend(self.incarnation.to_le_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        let path = Identity::path(dir);
        vfs.replace(&path, &bytes).map_err(StorageError::io("write", &path))
    }
}

#[cfg(test)]
mod tests {
    use xs_os::vfs::{MemoryVfs, Open};

    use super::*;

    #[test]
    fn what_is_written_is_read_and_every_flipped_bit_is_refused() {
        let disk = MemoryVfs::new();
        let dir = Path::new("node");
        disk.create_dir(dir).unwrap();
        assert_eq!(Identity::read(&disk, dir).unwrap(), None);
        let identity = Identity { cluster: ClusterId(3), node: NodeId(7), incarnation: 99 };
        identity.write(&disk, dir).unwrap();
        assert_eq!(Identity::read(&disk, dir).unwrap(), Some(identity));
        let file = disk.open(&Identity::path(dir), Open::Write).unwrap();
        let sound = disk.read(&Identity::path(dir), 100).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            file.write_all_at(&bytes, 0).unwrap();
            assert!(Identity::read(&disk, dir).is_err(), "bit {bit}");
        }
    }
}
